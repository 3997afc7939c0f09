"""What the elementwise families share: arity, refusals, and the copy.

Operands are promoted by NumPy 2's rules and broadcast.  Gradients are given for the
broadcast result; :mod:`symgraph.autodiff` sums them to each operand's shape.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..errors import DTypeError
from ..op import Array, Elemwise, op
from ..variable import Variable, promote
from .cast import cast
from .common import Grads, each_part, refuse

__all__ = [
    "Binary",
    "Comparison",
    "Copy",
]


class Binary(Elemwise):
    """An elementwise op of two operands."""


class Comparison(Binary):
    """A binary op that gives bool and has no gradient."""

    result: ClassVar[str | None] = "bool"

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return None, None


class Flat(Elemwise):
    """An elementwise op of one operand that has no gradient."""

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (None,)


def not_bool(what: str, *operands: object) -> tuple[Variable, ...]:
    """Promoted operands of `what`, which NumPy does not define for bool."""
    values = promote(*operands)
    if values[0].dtype == "bool":
        refuse(
            DTypeError,
            f"{what}: not defined for bool operands, as in NumPy",
            *values,
            remedy="use ^ or ~, or cast an operand to a number",
        )
    return values


def numbers(*operands: object) -> tuple[Variable, ...]:
    """Promoted operands of what NumPy computes in int8 where all are bool."""
    values = promote(*operands)
    return tuple(cast(v, "int8") if v.dtype == "bool" else v for v in values)


@op
class Copy(Elemwise):
    """x in an array of its own."""

    parts = each_part

    def ref(self, x: Array) -> Array:
        return np.array(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g,)

    def scalar(self, x: ir.Value) -> ir.Value:
        return x
