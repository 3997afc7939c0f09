"""Logic: bits of integers, and truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..errors import DTypeError
from ..op import Array, Elemwise, op
from ..types import INTEGERS
from ..variable import Variable, apply, promote
from .common import refuse
from .elementwise import Comparison, Flat, numbers

__all__ = [
    "BitwiseAnd",
    "BitwiseCount",
    "BitwiseOr",
    "BitwiseXor",
    "Invert",
    "LeftShift",
    "RightShift",
    "bitwise_and",
    "bitwise_count",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "invert",
    "left_shift",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "right_shift",
]


@op
class Invert(Flat):
    """~x: logical not on bool, bitwise on integers."""

    def ref(self, x: Array) -> Array:
        return np.invert(x)

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


@op
class LeftShift(Comparison):
    """a << b; 0 where b is not a number of bits of the type."""

    result: ClassVar[str | None] = None

    def ref(self, a: Array, b: Array) -> Array:
        return np.left_shift(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a << b


@op
class RightShift(Comparison):
    """a >> b, filled with the sign; all fill where b is not a number of bits."""

    result: ClassVar[str | None] = None

    def ref(self, a: Array, b: Array) -> Array:
        return np.right_shift(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a >> b


@op
class BitwiseCount(Flat):
    """The number of ones among the bits of |x| (Warren, Hacker's Delight, 5-1)."""

    result: ClassVar[str | None] = "uint8"
    weight: ClassVar[int] = 15

    def ref(self, x: Array) -> Array:
        return np.bitwise_count(x)

    def scalar(self, x: ir.Value) -> ir.Value:
        width = np.dtype(x.dtype).itemsize * 8
        unsigned = f"uint{width}"
        bits = ir.apply("abs", x).cast(unsigned)

        def pattern(byte: int) -> int:
            return int.from_bytes(bytes([byte]) * (width // 8), "little")

        bits = bits - ((bits >> 1) & pattern(0x55))
        bits = (bits & pattern(0x33)) + ((bits >> 2) & pattern(0x33))
        bits = (bits + (bits >> 4)) & pattern(0x0F)
        if width > 8:  # the product adds all bytes in the highest
            bits = (bits * pattern(0x01)) >> (width - 8)
        return bits.cast("uint8")


def _whole(
    made: Elemwise, *values: Variable, written: Sequence[object] = ()
) -> Variable:
    """`made` on operands of one dtype, which must be bool or an integer type.

    `written` are the operands as they were given, for messages.
    """
    if values[0].dtype != "bool" and values[0].dtype not in INTEGERS:
        refuse(
            DTypeError,
            f"{made.name}: defined for bool and integers only, as in NumPy",
            *(written or values),
            remedy="compare first (x > 0), or cast to an integer type",
        )
    return apply(made, *values)


def _bitwise(made: Elemwise, *operands: object) -> Variable:
    return _whole(made, *promote(*operands), written=operands)


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


def left_shift(a: object, b: object) -> Variable:
    """Elementwise ``a << b``; 0 where `b` is negative or the type's width at least."""
    return _whole(LeftShift(), *numbers(a, b))


def right_shift(a: object, b: object) -> Variable:
    """Elementwise ``a >> b``, filled with the sign.

    0, or -1 for a negative number, where `b` is negative or the type's width at least.
    """
    return _whole(RightShift(), *numbers(a, b))


def bitwise_count(x: object) -> Variable:
    """Elementwise number of ones among the bits of ``|x|``, as uint8."""
    return _whole(BitwiseCount(), *numbers(x))


bitwise_invert = invert
bitwise_left_shift = left_shift
bitwise_not = invert
bitwise_right_shift = right_shift


def logical_and(a: object, b: object) -> Variable:
    """Elementwise: whether both are true (not 0)."""
    return bitwise_and(*promote(a, b, to="bool"))


def logical_or(a: object, b: object) -> Variable:
    """Elementwise: whether one or both are true (not 0)."""
    return bitwise_or(*promote(a, b, to="bool"))


def logical_xor(a: object, b: object) -> Variable:
    """Elementwise: whether one is true (not 0) and the other is not."""
    return bitwise_xor(*promote(a, b, to="bool"))


def logical_not(x: object) -> Variable:
    """Elementwise: whether `x` is 0 or false."""
    return invert(*promote(x, to="bool"))
