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
from .stable import hypot
from .transcendental import cos, exp, log, log1p, sin, sqrt
from .trigonometric import atan2, cosh, sinh, tan

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


def product(a: Pair, b: Pair) -> Pair:
    """a b as it is written: C99's Annex G repairs infinite ones, NumPy does not."""
    return Pair(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re)


def magnitude(z: Pair) -> Variable:
    """|z|, without overflow or underflow of the squares."""
    return hypot(z.re, z.im)


def exponential(z: Pair) -> Pair:
    """exp(re) (cos(im) + i sin(im)); the imaginary part of a real number stays 0."""
    limit = HIGH[z.re.dtype]
    high = less(limit, z.re)
    size = exp(where(high, z.re - limit, z.re))
    none = equal(z.re, -np.inf)

    def part(wave: Variable) -> Variable:
        made = size * wave
        return where(none, 0, where(high, made * math.exp(limit), made))

    re, im = part(cos(z.im)), part(sin(z.im))
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

    def moved(x: Variable, if_high: float, if_low: float) -> Variable:
        return where(high, x * if_high, where(low, x * if_low, x))

    re, im = moved(z.re, 0.0625, 2.0**54), moved(z.im, 0.0625, 2.0**54)
    half = sqrt((abs(re) + magnitude(Pair(re, im))) / 2)
    other = where(equal(half, 0), 0, abs(im) / (2 * half))
    half, other = moved(half, 4, 2.0**-27), moved(other, 4, 2.0**-27)
    left = less(z.re, 0)
    made_re, made_im = where(left, other, half), where(left, half, other)
    endless = isinf(z.im)
    return Pair(
        where(endless, np.inf, made_re),
        copysign(where(endless, np.inf, made_im), z.im),
    )


def logarithm(z: Pair) -> Pair:
    """log|z| + i arg z: near the unit circle from |z|**2 - 1, which cancels nothing.

    Elsewhere from the larger part, so that no square overflows.
    """
    large, small = maximum(abs(z.re), abs(z.im)), minimum(abs(z.re), abs(z.im))
    near = less(0.5, large) & less(large, 1.5)
    square = (large - 1) * (large + 1) + small * small
    ratio = where(equal(large, 0), 0, small / large)
    size = log(large) + log1p(ratio * ratio) / 2
    size = where(near, log1p(square) / 2, size)
    return Pair(where(isinf(z.re) | isinf(z.im), np.inf, size), atan2(z.im, z.re))


def scaled(z: Pair, factor: float) -> Pair:
    """z times a real number."""
    return Pair(z.re * factor, z.im * factor)


def logarithm_2(z: Pair) -> Pair:
    """log(z) / log(2)."""
    return scaled(logarithm(z), 1 / math.log(2))


def logarithm_10(z: Pair) -> Pair:
    """log(z) / log(10)."""
    return scaled(logarithm(z), 1 / math.log(10))


def exponential_2(z: Pair) -> Pair:
    """exp(z log(2))."""
    return exponential(scaled(z, math.log(2)))


def power(a: Pair, b: Pair) -> Pair:
    """exp(b log(a)); 1 where b is 0, and 0 where only a is 0 (NaN where re b <= 0)."""
    made = exponential(product(b, logarithm(a)))
    none = equal(b.re, 0) & equal(b.im, 0)
    zero = equal(a.re, 0) & equal(a.im, 0)
    vanishes = less(0, b.re)

    def part(general: Variable, at_none: int) -> Variable:
        known = where(zero, where(vanishes, 0, general * np.nan), general)
        return where(none, at_none, known)

    return Pair(part(made.re, 1), part(made.im, 0))


def sine(z: Pair) -> Pair:
    """sin(re) cosh(im) + i cos(re) sinh(im)."""
    return Pair(sin(z.re) * cosh(z.im), cos(z.re) * sinh(z.im))


def cosine(z: Pair) -> Pair:
    """cos(re) cosh(im) - i sin(re) sinh(im)."""
    return Pair(cos(z.re) * cosh(z.im), -sin(z.re) * sinh(z.im))


def hyperbolic_sine(z: Pair) -> Pair:
    """sinh(re) cos(im) + i cosh(re) sin(im)."""
    return Pair(sinh(z.re) * cos(z.im), cosh(z.re) * sin(z.im))


def hyperbolic_cosine(z: Pair) -> Pair:
    """cosh(re) cos(im) + i sinh(re) sin(im)."""
    return Pair(cosh(z.re) * cos(z.im), sinh(z.re) * sin(z.im))


def hyperbolic_tangent(z: Pair) -> Pair:
    """tanh (Kahan, "Branch cuts for complex elementary functions", 1987).

    Far from the imaginary axis, where the squares would overflow, its limit.
    """
    far = less(9.0 if z.re.dtype == "float32" else 20.0, abs(z.re))
    tangent_im, sine_re = tan(z.im), sinh(where(far, 0, z.re))
    beta = 1 + tangent_im * tangent_im
    square = sine_re * sine_re
    below = 1 + beta * square
    re = beta * sqrt(1 + square) * sine_re / below
    limit = 4 * sin(z.im) * cos(z.im) * exp(-2 * abs(z.re))
    return Pair(
        where(far, copysign(1, z.re), re), where(far, limit, tangent_im / below)
    )


def tangent(z: Pair) -> Pair:
    """-i tanh(i z)."""
    turned = hyperbolic_tangent(Pair(-z.im, z.re))
    return Pair(turned.im, -turned.re)
