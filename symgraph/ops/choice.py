"""Choosing between values: where, minimum, maximum and their kin."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from .. import dims
from ..codegen import ir
from ..dims import Size
from ..graph import Node
from ..op import Array, Elemwise, broadcast, op
from ..types import TensorType, tensor
from ..variable import Variable, apply, promote
from .common import Grads
from .comparison import equal
from .elementwise import Binary

__all__ = [
    "Maximum",
    "Minimum",
    "Where",
    "maximum",
    "minimum",
    "where",
]


@op
class Minimum(Binary):
    """The smaller of a and b; NaN where either is NaN."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.minimum(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return _shared_at_ties(g, y, a, b)

    def dim(self, a: Size, b: Size) -> Size:
        return dims.minimum(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a & b if a.dtype == "bool" else ir.apply("min", a, b)


@op
class Maximum(Binary):
    """The larger of a and b; NaN where either is NaN."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.maximum(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return _shared_at_ties(g, y, a, b)

    def dim(self, a: Size, b: Size) -> Size:
        return dims.maximum(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a | b if a.dtype == "bool" else ir.apply("max", a, b)


def _shared_at_ties(g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
    """The cotangent to whichever operand was chosen, half to each where they tie."""
    half = where(equal(a, b), g * 0.5, g)
    return where(equal(a, y), half, 0), where(equal(b, y), half, 0)


def minimum(a: object, b: object) -> Variable:
    """Elementwise minimum; at ties the gradient is shared equally."""
    return apply(Minimum(), *promote(a, b))


def maximum(a: object, b: object) -> Variable:
    """Elementwise maximum; at ties the gradient is shared equally."""
    return apply(Maximum(), *promote(a, b))


@op
class Where(Elemwise):
    """a where the condition holds, else b."""

    def infer(self, *inputs: Node) -> TensorType:
        shape = broadcast(*(i.type.dims for i in inputs))
        return tensor(inputs[1].type.dtype, shape)

    def ref(self, condition: Array, a: Array, b: Array) -> Array:
        return np.where(condition, a, b)

    def vjp(
        self, g: Variable, y: Variable, c: Variable, a: Variable, b: Variable
    ) -> Grads:
        return None, where(c, g, 0), where(c, 0, g)

    def scalar(self, c: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
        return ir.select(c, a, b)


def where(condition: object, a: object, b: object) -> Variable:
    """Elementwise `a` where `condition` holds, else `b`; both are evaluated."""
    (chosen,) = promote(condition, to="bool")
    return apply(Where(), chosen, *promote(a, b))
