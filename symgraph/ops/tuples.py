"""One of the results of an op that has several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..graph import Node
from ..op import Array, Opaque, op
from ..types import TensorType, TupleType
from ..variable import Variable, apply

if TYPE_CHECKING:
    from ..lower import Emitter
    from .common import Flags

__all__ = ["Item", "items"]


@op
class Item(Opaque):
    """Result number `number` of an op that has several."""

    number: int

    def infer(self, *inputs: Node) -> TensorType:
        kind = inputs[0].type
        assert isinstance(kind, TupleType), f"{inputs[0]} has one result"
        return kind.items[self.number]

    def ref(self, *arrays: Any) -> Array:
        made: Array = arrays[0][self.number]
        return made

    def batch(self, batched: Flags, x: Variable) -> Variable:
        """The op that has several results says where it has their batch axis."""
        moved: Any = x.node.op
        return moved.batched_item(x, self.number)  # type: ignore[no-any-return]

    def steps(self, node: Node, emit: Emitter) -> None:
        """Nothing: the array is written by the op that has several results."""


def items(x: Variable) -> tuple[Variable, ...]:
    """All the results of `x`, whose op has several."""
    kind = x.type
    assert isinstance(kind, TupleType)
    return tuple(apply(Item(k), x) for k in range(len(kind.items)))
