"""Floats by their parts: signs, neighbours, and NaN or infinity replaced."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..op import Array, op
from ..types import FLOATS, is_complex
from ..variable import Variable, apply, promote
from .choice import where
from .common import Grads
from .comparison import equal, isnan, signbit
from .complex import from_parts
from .elementwise import Binary

__all__ = [
    "CopySign",
    "NextAfter",
    "RoundingError",
    "copysign",
    "nan_to_num",
    "nextafter",
]


@op
class CopySign(Binary):
    """|a| with the sign of b."""

    def ref(self, a: Array, b: Array) -> Array:
        return np.copysign(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return where(equal(signbit(a), signbit(b)), g, -g), None

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return ir.apply("copysign", a, b)


def copysign(a: object, b: object) -> Variable:
    """Elementwise ``|a|`` with the sign of `b`; at 0 the gradient is that beside it."""
    return apply(CopySign(), *promote(a, b, to="float"))


@op
class NextAfter(Binary):
    """The float next to a in the direction of b (C99 7.12.11.3)."""

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.nextafter(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return g, None

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        integer = "int32" if a.dtype == "float32" else "int64"
        # The bits of floats of one sign, taken as an integer, count them in order.
        bits = a.bitcast(integer)
        away = (a < b).eq(a > 0)
        one = ir.const(1, integer)
        moved = (bits + ir.select(away, one, ir.const(-1, integer))).bitcast(a.dtype)
        smallest = ir.apply("copysign", _smallest(a.dtype), b)
        step = ir.select(a.eq(0), smallest, moved)
        return ir.select(a.eq(b), b, ir.select(a.ne(a) | b.ne(b), a + b, step))


def _smallest(dtype: str) -> ir.Value:
    """The smallest positive float."""
    return ir.const(float(np.finfo(dtype).smallest_subnormal), dtype)


def nextafter(a: object, b: object) -> Variable:
    """Elementwise: the float next to `a` in the direction of `b`."""
    return apply(NextAfter(), *promote(a, b, to="float"))


@op
class RoundingError(Binary):
    """What rounding loses of a + b, exactly; NaN where a + b is not finite.

    Six additions whatever the order of magnitudes (Knuth, "The Art of Computer
    Programming" 2, 4.2.2, theorem B).
    """

    weight: ClassVar[int] = 6

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            total = a + b
            second = total - a
            first = total - second
            return np.asarray((a - first) + (b - second))

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return None, None

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        total = a + b
        second = total - a
        first = total - second
        return (a - first) + (b - second)


def nan_to_num(
    x: object,
    nan: object = 0.0,
    posinf: object = None,
    neginf: object = None,
) -> Variable:
    """`x` with NaN and the infinities replaced by numbers, by default 0 and extremes.

    Where an element is replaced, the gradient goes to what replaces it.
    """
    (value,) = promote(x)
    if is_complex(value.dtype):
        both = (nan_to_num(v, nan, posinf, neginf) for v in (value.real, value.imag))
        return from_parts(*both)
    if value.dtype not in FLOATS:
        return value
    limits = np.finfo(value.dtype)
    above = float(limits.max) if posinf is None else posinf
    below = float(limits.min) if neginf is None else neginf
    bounded = where(equal(value, np.inf), above, value)
    bounded = where(equal(value, -np.inf), below, bounded)
    return where(isnan(value), nan, bounded)
