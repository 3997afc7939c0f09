"""Logic: bits of integers, and truth."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..errors import DTypeError
from ..op import Array, Elemwise, op
from ..types import is_float
from ..variable import Variable, apply, promote
from .common import Grads
from .elementwise import Comparison

__all__ = [
    "BitwiseAnd",
    "BitwiseOr",
    "BitwiseXor",
    "Invert",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "invert",
]


@op
class Invert(Elemwise):
    """~x: logical not on bool, bitwise on integers."""

    def ref(self, x: Array) -> Array:
        return np.invert(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (None,)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ~x


@op
class BitwiseAnd(Comparison):
    """a & b: logical on bool, bitwise on integers."""

    result: ClassVar[str | None] = None
    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.bitwise_and(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a & b


@op
class BitwiseOr(Comparison):
    """a | b: logical on bool, bitwise on integers."""

    result: ClassVar[str | None] = None
    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.bitwise_or(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a | b


@op
class BitwiseXor(Comparison):
    """a ^ b: logical on bool, bitwise on integers."""

    result: ClassVar[str | None] = None
    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.bitwise_xor(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a ^ b


def _bitwise(made: Elemwise, *operands: object) -> Variable:
    values = promote(*operands)
    if is_float(values[0].dtype):
        given = ", ".join(str(v) for v in values)
        raise DTypeError(
            f"{made.name}: not defined for floats, as in NumPy\n  operands: {given}\n"
            "  help: compare first (x > 0), or cast to an integer type"
        )
    return apply(made, *values)


def invert(x: object) -> Variable:
    """Elementwise ``~x``."""
    return _bitwise(Invert(), x)


def bitwise_and(a: object, b: object) -> Variable:
    """Elementwise ``a & b``."""
    return _bitwise(BitwiseAnd(), a, b)


def bitwise_or(a: object, b: object) -> Variable:
    """Elementwise ``a | b``."""
    return _bitwise(BitwiseOr(), a, b)


def bitwise_xor(a: object, b: object) -> Variable:
    """Elementwise ``a ^ b``."""
    return _bitwise(BitwiseXor(), a, b)
