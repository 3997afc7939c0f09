"""Floating-point formats and the building blocks that the formulas share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .. import ir
from ..ir import Value, const, select

INF = float("inf")


@dataclass(frozen=True, slots=True)
class Format:
    """A binary floating-point format and the constants that depend on it alone."""

    integer: str
    mantissa: int  # stored bits
    bias: int
    ln2_hi: float  # k * ln2_hi is exact for every exponent k
    ln2_lo: float
    sqrt_half: int  # the bits of sqrt(1/2)
    exp_low: float  # exp is 0 below, by rounding
    exp_high: float  # exp is infinite above
    saturated: float  # exp(-saturated) is less than half an ulp of 1

    @property
    def shifter(self) -> float:
        """Adding this rounds to an integer, held in the sum's low mantissa bits."""
        return 1.5 * 2.0**self.mantissa

    @property
    def shifter_bits(self) -> int:
        """The bits of `shifter`."""
        return (self.bias + self.mantissa) << self.mantissa | 1 << (self.mantissa - 1)

    @property
    def smallest_normal(self) -> float:
        """Positive numbers below this are subnormal."""
        return 2.0 ** (1 - self.bias)


FORMATS = {
    "float32": Format(
        integer="int32",
        mantissa=23,
        bias=127,
        ln2_hi=float.fromhex("0x1.62e4p-1"),
        ln2_lo=float.fromhex("0x1.7f7d1cp-20"),
        sqrt_half=0x3F3504F3,
        exp_low=-104.0,
        exp_high=89.0,
        saturated=20.0,
    ),
    "float64": Format(
        integer="int64",
        mantissa=52,
        bias=1023,
        ln2_hi=float.fromhex("0x1.62e42fefa38p-1"),
        ln2_lo=float.fromhex("0x1.ef35793c7673p-45"),
        sqrt_half=0x3FE6A09E667F3BCD,
        exp_low=-746.0,
        exp_high=710.0,
        saturated=40.0,
    ),
}


def fma(a: Value | float, b: Value | float, c: Value | float) -> Value:
    """``a * b + c``, rounded once."""
    return ir.apply("fma", a, b, c)


#: Polynomials of so many terms have two chains, but for so many of the lowest terms.
LONG, LOW = 14, 3


def horner(x: Value, coefficients: Iterable[float]) -> Value:
    """The polynomial with `coefficients`, lowest first (two at least), at `x`.

    Each step of Horner's scheme awaits the one before.  The high terms of a long
    polynomial, whose rounding matters little, are two chains in ``x**2`` instead.
    """
    lower = list(coefficients)
    if len(lower) < LONG:
        before, last = lower[-2:]
        result = fma(x, last, before)
        lower = lower[:-2]
    else:
        square = x * x
        even, odd = lower[LOW::2], lower[LOW + 1 :: 2]
        result = fma(horner(square, odd), x, horner(square, even))
        lower = lower[:LOW]
    for c in reversed(lower):
        result = fma(result, x, c)
    return result


def fast_two_sum(a: Value | float, b: Value) -> tuple[Value, Value]:
    """``a + b`` rounded, and its rounding error, where ``|a| >= |b|`` or a is 0."""
    total = a + b
    return total, (a - total) + b


def two_sum(a: Value | float, b: Value) -> tuple[Value, Value]:
    """``a + b`` rounded, and its rounding error (Knuth, TAOCP 2, 4.2.2)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def divide(n: tuple[Value, Value], d: tuple[Value, Value]) -> Value:
    """The quotient of two unevaluated sums high + low, nearly correctly rounded."""
    inverse = 1.0 / d[0]
    quotient = n[0] * inverse
    residue = fma(-quotient, d[0], n[0]) + fma(-quotient, d[1], n[1])
    return fma(residue, inverse, quotient)


def clamp(x: Value, low: float, high: float) -> Value:
    """`x` held to [low, high]; NaN stays.  Two selects cost less than min and max."""
    x = select(x < low, low, x)
    return select(x > high, high, x)


def magnitude(x: Value) -> Value:
    """``|x|``."""
    return ir.apply("abs", x)


def copysign(x: Value, sign: Value) -> Value:
    """`x` with the sign bit of `sign`."""
    return ir.apply("copysign", x, sign)


def nan_where(condition: Value, x: Value) -> Value:
    """NaN where `condition` holds, else `x`: sets the bits of a quiet NaN."""
    f = FORMATS[x.dtype]
    quiet = (2 * f.bias + 1) << f.mantissa | 1 << (f.mantissa - 1)
    mask = select(condition, const(quiet, f.integer), 0)
    return (x.bitcast(f.integer) | mask).bitcast(x.dtype)


@dataclass(frozen=True, slots=True)
class Exponent:
    """An integer k: as a float, and in the low bits of `bits` as k + 2 * bias."""

    k: Value
    bits: Value

    @property
    def format(self) -> Format:
        """The format of the float that this is an exponent of."""
        return FORMATS[self.k.dtype]

    def power(self) -> Value:
        """``2**k`` for k in the range of the normal exponents."""
        f = self.format
        return ((self.bits - f.bias) << f.mantissa).bitcast(self.k.dtype)

    def inverse(self) -> Value:
        """``2**-k``, where that is normal."""
        f = self.format
        bits = const(3 * f.bias, f.integer) - self.bits
        return (bits << f.mantissa).bitcast(self.k.dtype)

    def halves(self) -> tuple[Value, Value]:
        """Two normal numbers with the product ``2**k``, for a subnormal result."""
        f = self.format
        half = fma(self.k, 0.5, f.shifter + f.bias).bitcast(f.integer)
        rest = self.bits - half
        return (
            (half << f.mantissa).bitcast(self.k.dtype),
            (rest << f.mantissa).bitcast(self.k.dtype),
        )

    def scale(self, x: Value) -> Value:
        """``x * 2**k``, rounded once, also where it over- or underflows."""
        first, second = self.halves()
        return x * first * second
