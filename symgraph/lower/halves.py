"""Complex arrays as native code sees them: floats with a last axis of 2.

After :mod:`symgraph.rules.split` complex values are left only in leaves, read through
`Real` and `Imag`, and in results, made by `FromParts`.  Here the leaves become
:class:`Halves`, and a part a pick from their last axis; a result is written part by
part into an array of the same form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UnsupportedError, refuse
from ..graph import Node, intern, rebuild, toposort
from ..leaf import Leaf
from ..ops import Imag, Real, Shape
from ..ops.complex import FromParts
from ..types import TensorType, is_complex, real_dtype, tensor
from ..variable import Variable
from .watch import Watch, told


@dataclass(frozen=True)
class Halves(Leaf):
    """The memory of the complex leaf `of`: its floats, with a last axis of 2."""

    of: Node

    def infer(self, *inputs: Node) -> TensorType:
        kind = self.of.type
        return tensor(real_dtype(kind.dtype), (*kind.dims, 2))


def halves(leaf: Node) -> Node:
    """`leaf`, or its memory as floats where it is complex."""
    return intern(Halves(leaf), ()) if is_complex(leaf.type.dtype) else leaf


def in_halves(roots: Sequence[Node], watch: Watch | None) -> tuple[Node, ...]:
    """`roots` with the parts of complex leaves picked from their memory.

    Raises:
        UnsupportedError: a complex value is left that is neither leaf nor result.
    """
    if not any(is_complex(n.type.dtype) for n in toposort(roots)):
        return tuple(roots)

    def picked(node: Node, inputs: tuple[Node, ...]) -> Node:
        if isinstance(node.op, Real | Imag) and isinstance(inputs[0].op, Leaf):
            made = Variable(halves(inputs[0]))[..., int(isinstance(node.op, Imag))]
            return made.node
        return intern(node.op, inputs, node.site)

    made = rebuild(roots, told(watch, picked))
    results = set(made)
    for node in toposort(made):
        if isinstance(node.op, Leaf | Shape):
            continue  # sizes are seen in types
        result = isinstance(node.op, FromParts) and node in results
        if any(is_complex(n.type.dtype) for n in (node, *node.inputs)) and not result:
            refuse(
                UnsupportedError,
                f"{node} has no native form",
                *(Variable(i) for i in node.inputs),
                remedy="the pass 'split complex' must stand in front of others",
                site=node.site,
            )
    return made
