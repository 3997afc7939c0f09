"""Ops that are there for differentiation."""

from __future__ import annotations

from ..codegen import ir
from ..op import Array, Elemwise, op
from ..variable import Variable, apply, as_tensor
from .common import Grads, each_part

__all__ = [
    "StopGradient",
    "stop_gradient",
]


@op
class StopGradient(Elemwise):
    """x itself, through which no gradient passes."""

    parts = each_part

    def ref(self, x: Array) -> Array:
        return x

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (None,)

    def scalar(self, x: ir.Value) -> ir.Value:
        return x


def stop_gradient(x: object) -> Variable:
    """`x`, taken as a constant by differentiation."""
    return apply(StopGradient(), as_tensor(x))
