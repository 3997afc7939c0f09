"""What decides whether loops are put together: see :mod:`.merge`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from ..graph import Node, toposort
from ..leaf import Leaf
from ..op import Elemwise, Opaque, Reduce
from ..ops import Contract, Item
from ..ops.sizes import dim_of
from ..ops.view import View
from ..types import TensorType
from .loop import Loop
from .unroll import is_few

#: Statements of a round that runs in one kernel, its state in registers; some hundreds
#: more, and launches of kernels in vectors win.
MOST_LENGTH = 500
#: Numbers that are handed from round to round in registers, or little farther away.
MOST_NUMBERS = 64


@dataclass(frozen=True)
class Traits:
    """What one loop is like; `length` is that of a round in scalar statements."""

    node: Node
    op: Loop
    rows: tuple[Node, ...]
    key: tuple[object, ...]
    length: int
    small: bool
    few: bool
    #: The sequences that products need, which are taken for all rounds at once.
    multiplied: frozenset[int]
    #: The numbers of stacks of products, which are computed behind the loop.
    late: frozenset[int]

    @cached_property
    def same(self) -> tuple[object, ...]:
        """Equal of loops that carry the same values, or may."""
        given = self.op.sorted(self.node.inputs)
        return (self.key, given.carried, given.rows)

    @cached_property
    def tokens(self) -> list[object]:
        """What a loop has in common with one with which it is put together."""
        if self.few:
            return []
        kind = (self.key, self.small)
        found: list[object] = [self.same]
        found += [(kind, base(row)) for row in dict.fromkeys(self.rows)]
        if self.small:
            found.append(kind)
        return found


def traits_of(node: Node) -> Traits:
    """What a loop is like."""
    op = node.op
    assert isinstance(op, Loop)
    given = op.sorted(node.inputs)
    parameters, roots = op.opened(node.inputs)
    order, length = toposort(roots), 0
    for inner in order:
        length += _length(inner)
    handed = [*parameters.carried, *roots[op.carries :], *parameters.rows]
    numbers = sum(cells(n.type) for n in handed)
    count = dim_of(given.first)
    condition = given.carried[0] if op.conditional else None
    key = (count, op.backwards, op.conditional, condition, op.remember)
    varying = _reached(order, (parameters.first, *parameters.carried))
    return Traits(
        node,
        op,
        given.rows,
        key,
        length,
        length <= MOST_LENGTH and numbers <= MOST_NUMBERS,
        is_few(op, count),
        _multiplied(order, varying, parameters.rows),
        _late(op, roots, varying),
    )


def kept_of(node: Node) -> Node | None:
    """The loop of which `node` is a stack."""
    if not isinstance(node.op, Item):
        return None
    loop, number = node.inputs[0], node.op.number
    op = loop.op
    own = isinstance(op, Loop) and op.carries <= number < op.rounds
    return loop if own else None


def base(node: Node) -> Node:
    """The array that a view shows."""
    while isinstance(node.op, View):
        node = node.inputs[0]
    return node


#: More than anything that counts as short.
_LONG = 1 << 20


def cells(kind: TensorType) -> int:
    """How many elements a value has; many, if that is not known."""
    sizes = [size for size in kind.dims if isinstance(size, int)]
    return prod(sizes) if len(sizes) == kind.ndim else _LONG


def _length(node: Node) -> int:
    """The number of scalar statements that compute `node`, roughly."""
    match node.op:
        case Leaf():
            return 0
        case Elemwise():
            return node.op.weight * cells(node.type)
        case Reduce():
            return cells(node.inputs[0].type)
        case Contract():
            left = node.inputs[0]
            inner = [
                size
                for label, size in zip(node.op.left, left.type.dims, strict=True)
                if label not in node.op.out
            ]
            most = prod(s if isinstance(s, int) else _LONG for s in inner)
            return most * cells(node.type)
        case Opaque():
            return _LONG
    return 0


def _reached(order: Sequence[Node], sources: Sequence[Node]) -> set[Node]:
    found = set(sources)
    for node in order:
        if any(i in found for i in node.inputs):
            found.add(node)
    return found


def _multiplied(
    order: Sequence[Node], varying: set[Node], rows: Sequence[Node]
) -> frozenset[int]:
    """The numbers of rows that products of rows alone need."""
    needed: set[Node] = set()
    for node in reversed(order):
        product = isinstance(node.op, Contract) and node not in varying
        if product or node in needed:
            needed.update(node.inputs)
    return frozenset(k for k, row in enumerate(rows) if row in needed)


def _late(op: Loop, roots: Sequence[Node], varying: set[Node]) -> frozenset[int]:
    """The numbers of results that need products which no later round needs."""
    needed = set(toposort(roots[: op.carries]))
    late: set[Node] = set()
    for node in toposort(roots):
        product = isinstance(node.op, Contract) and node in varying
        own = product and node not in needed
        if own or any(i in late for i in node.inputs):
            late.add(node)
    return frozenset(k for k in range(op.carries, op.rounds) if roots[k] in late)


__all__ = ["MOST_LENGTH", "Traits", "base", "cells", "kept_of", "traits_of"]
