"""Formulas for complex functions, in real ones of their parts.

Each takes a `Pair` for each operand and returns the pair of the result, or a variable
where that is real.  They keep to NumPy's values at zeros and infinities where that is
cheap, and do not overflow where the result does not.
"""

from __future__ import annotations

import math

import numpy as np

from ..op import Pair
from ..variable import Variable
from .arithmetic import abs
from .choice import maximum, minimum, where
from .comparison import equal, isinf, less, less_equal
from .floating import copysign
from .transcendental import cos, exp, sin, sqrt

__all__: list[str] = []

#: exp of more than this is scaled, so that its product with a small sine is finite.
HIGH = {"float32": 80.0, "float64": 700.0}


def quotient(a: Pair, b: Pair) -> Pair:
    """a / b (Smith, CACM 5, 1962), as NumPy does it.

    Both parts of the divisor are divided by the larger one, so that squares of large or
    small numbers do not occur; by 0 each part is divided as a real number.
    """
    by_re = less_equal(abs(b.im), abs(b.re))
    large, small = where(by_re, b.re, b.im), where(by_re, b.im, b.re)
    none = equal(large, 0)
    ratio = where(none, 0, small / large)
    scale = 1 / (large + small * ratio)
    re = where(by_re, a.re + a.im * ratio, a.re * ratio + a.im)
    im = where(by_re, a.im - a.re * ratio, a.im * ratio - a.re)
    zero = abs(b.re)
    return Pair(
        where(none, a.re / zero, re * scale), where(none, a.im / zero, im * scale)
    )


def magnitude(z: Pair) -> Variable:
    """|z|, without overflow or underflow of the squares."""
    large, small = maximum(abs(z.re), abs(z.im)), minimum(abs(z.re), abs(z.im))
    ratio = where(equal(large, 0), 0, small / large)
    size = large * sqrt(1 + ratio * ratio)
    return where(isinf(z.re) | isinf(z.im), np.inf, size)


def exponential(z: Pair) -> Pair:
    """exp(re) (cos(im) + i sin(im)); the imaginary part of a real number stays 0."""
    limit = HIGH[z.re.dtype]
    high = less(limit, z.re)
    size = exp(where(high, z.re - limit, z.re))
    none = equal(z.re, -np.inf)

    def scaled(wave: Variable) -> Variable:
        part = size * wave
        return where(none, 0, where(high, part * math.exp(limit), part))

    re, im = scaled(cos(z.im)), scaled(sin(z.im))
    is_real = equal(z.im, 0)
    return Pair(where(is_real, exp(z.re), re), where(is_real, z.im, im))


def root(z: Pair) -> Pair:
    """The square root whose real part is not negative (Kahan, 1987).

    Half of large numbers, and numbers near the smallest scaled up, are taken, so that
    neither ``|z| + |re|`` overflows nor its root loses digits.
    """
    size = maximum(abs(z.re), abs(z.im))
    limits = np.finfo(z.re.dtype)
    high = less(float(limits.max) / 8, size)
    low = less(size, float(limits.tiny) * 8)

    def scaled(x: Variable, if_high: float, if_low: float) -> Variable:
        return where(high, x * if_high, where(low, x * if_low, x))

    re, im = scaled(z.re, 0.0625, 2.0**54), scaled(z.im, 0.0625, 2.0**54)
    half = sqrt((abs(re) + magnitude(Pair(re, im))) / 2)
    other = where(equal(half, 0), 0, abs(im) / (2 * half))
    half, other = scaled(half, 4, 2.0**-27), scaled(other, 4, 2.0**-27)
    left = less(z.re, 0)
    made_re, made_im = where(left, other, half), where(left, half, other)
    endless = isinf(z.im)
    return Pair(
        where(endless, np.inf, made_re),
        copysign(where(endless, np.inf, made_im), z.im),
    )
