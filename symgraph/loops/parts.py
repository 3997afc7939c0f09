"""The inputs of a loop and the parameters of its body, by what they are for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .. import dims
from ..composite import Body, capture
from ..graph import Node
from ..op import Indexed
from ..ops import dim_of, items, maximum
from ..ops.broadcasting import repeated
from ..ops.view import Transpose
from ..types import INTEGERS
from ..variable import Variable

#: Rounds of a loop that ends by its condition alone.
FOREVER = 2**62


@dataclass(frozen=True, slots=True)
class Parts:
    """The inputs of a loop, or its body's parameters, by what they are for."""

    first: Node
    carried: tuple[Node, ...]
    rows: tuple[Node, ...]
    rest: tuple[Node, ...]

    def __iter__(self) -> Iterator[Node]:
        yield self.first
        yield from (*self.carried, *self.rows, *self.rest)


def is_size(node: Node) -> bool:
    """Whether `node` is an integer known before anything runs: it may be a size."""
    if node.type.dtype not in INTEGERS or node.type.ndim:
        return False
    return dims.at_entry(dim_of(node))


def closed(
    parameters: Parts, roots: Sequence[Node]
) -> tuple[Body, tuple[Variable, ...]]:
    """`roots` as a body over `parameters`, and what else they depend on.

    Views stay in the body, where they cost nothing.
    """
    return capture(
        [Variable(r) for r in roots], [Variable(p) for p in parameters], _is_view
    )


def _is_view(node: Node) -> bool:
    # A transposed matrix is made once, in front: products read it faster.
    turned = isinstance(node.op, Transpose)
    free = isinstance(node.op, Indexed) and node.op.free
    return free and not turned and not is_size(node)


def results(node: Node) -> tuple[Variable, ...]:
    """All results of a loop."""
    return items(Variable(node))


__all__ = ["FOREVER", "Parts", "closed", "is_size", "results"]


def last_of(value: Variable, count: Node) -> Variable:
    """`value`, the last of the rows of `count` rounds; refused where there are none.

    In a branch nothing else would refuse it: what a branch requires is what is read in
    it once it is rewritten.
    """
    if dims.surely_nonnegative(dims.sub(dim_of(count), 1)):
        return value
    return repeated(value, maximum(Variable(count), 0))[-1]
