"""The gamma function, its logarithm, and the derivatives of that."""

from __future__ import annotations

import math
from math import factorial
from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..errors import UnsupportedError
from ..op import Array, op
from ..variable import Variable, promote
from .choice import maximum, minimum, where
from .common import Grads, refuse, scipy_special
from .transcendental import FloatUnary, float_unary, log, log1p

__all__ = [
    "Digamma",
    "Gamma",
    "GammaLn",
    "LAST",
    "Polygamma",
    "betaln",
    "digamma",
    "gamma",
    "gammaln",
    "polygamma",
]


@op
class GammaLn(FloatUnary):
    """log|Gamma(x)|; inf at 0 and at negative whole numbers."""

    weight: ClassVar[int] = 300

    def ref(self, x: Array) -> Array:
        plain = scipy_special("gammaln", x)
        # SciPy's is infinite where 1 / x is.
        tiny = (np.abs(x) < np.finfo(x.dtype).tiny) & (x != 0)
        return np.where(tiny, -np.log(np.where(tiny, np.abs(x), 1)), plain)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * digamma(x),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("lgamma", x)


def gammaln(x: object) -> Variable:
    """Elementwise ``log|Gamma(x)|``; inf at 0 and at negative whole numbers."""
    return float_unary(GammaLn(), x)


@op
class Gamma(FloatUnary):
    """The gamma function, (x - 1)! of whole numbers."""

    weight: ClassVar[int] = 350

    def ref(self, x: Array) -> Array:
        return scipy_special("gamma", x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * (y * digamma(x)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("gamma", x)


def gamma(x: object) -> Variable:
    """Elementwise gamma function; NaN at negative whole numbers."""
    return float_unary(Gamma(), x)


@op
class Digamma(FloatUnary):
    """The derivative of gammaln."""

    weight: ClassVar[int] = 130

    def ref(self, x: Array) -> Array:
        return scipy_special("psi", x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * polygamma(1, x),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("digamma", x)


def digamma(x: object) -> Variable:
    """Elementwise derivative of `gammaln`; NaN at negative whole numbers."""
    return float_unary(Digamma(), x)


@op
class Polygamma(FloatUnary):
    """Derivative number n, at least 1, of digamma.

    It is ``(-1)**(n + 1) * n! * zeta(n + 1, x)`` with Hurwitz' zeta function, summed as
    by Euler and Maclaurin (DLMF 5.15, 25.11); negative arguments are reflected at 0.
    """

    n: int

    weight: ClassVar[int] = 300

    def ref(self, x: Array) -> Array:
        from scipy.special import polygamma

        with np.errstate(all="ignore"):
            return np.asarray(polygamma(self.n, x), x.dtype)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * polygamma(self.n + 1, x),)

    def scalar(self, x: ir.Value) -> ir.Value:
        if self.n == 1:
            return ir.apply("trigamma", x)
        wide = x.cast("float64")
        negative = wide < 0.0
        y = ir.select(negative, 1.0 - wide, wide)
        positive = _zeta(y, self.n + 1) * ((-1.0) ** (self.n + 1) * factorial(self.n))
        r = wide - ir.apply("rint", wide)
        cotangent = 1.0 / ir.apply("tan", r * math.pi)
        factors = _cotangent_derivative(self.n)
        reflected = cotangent * 0.0 + factors[-1]
        for factor in reversed(factors[:-1]):
            reflected = reflected * cotangent + factor
        reflected = positive * (-1.0) ** self.n - reflected * math.pi ** (self.n + 1)
        result = ir.select(negative, reflected, positive)
        pole = (wide <= 0.0) & (r.eq(0.0) | wide.eq(-math.inf))
        infinite = math.inf if self.n % 2 else -math.inf
        return ir.select(pole, infinite, result).cast(x.dtype)


#: The last order that `polygamma` computes.
LAST = 30


def polygamma(n: int, x: object) -> Variable:
    """Elementwise derivative number `n` of `digamma`, from 0 to 30.

    Raises UnsupportedError for other orders, and where the order is not known.
    """
    known = isinstance(n, int) and not isinstance(n, bool)
    if not known or not 0 <= n <= LAST:
        refuse(
            UnsupportedError,
            f"polygamma: the order must be a number from 0 to {LAST}, not {n!r}",
            remedy="give the order as a Python int; differentiate fewer times",
        )
    return float_unary(Polygamma(n), x) if n else digamma(x)


def _zeta(x: ir.Value, s: int) -> ir.Value:
    """Hurwitz' zeta function of positive float64 x: ten terms, then the remainder."""
    terms, corrections = 8 + s, 9
    total = _inverse_power(x, s)
    for j in range(1, terms):
        total = total + _inverse_power(x + float(j), s)
    z = x + float(terms)
    w = 1.0 / z
    square = w * w
    rising = float(s)  # s (s + 1) ... (s + 2 k - 2) / (2 k)! * B(2 k)
    factors = []
    for k in range(1, corrections + 1):
        factors.append(BERNOULLI[k - 1] * rising / factorial(2 * k))
        rising *= (s + 2 * k - 1) * (s + 2 * k)
    series = square * 0.0 + factors[-1]
    for factor in reversed(factors[:-1]):
        series = series * square + factor
    rest = (series * w + 0.5) * w + 1.0 / (s - 1)
    return total + rest * _inverse_power(z, s - 1)


#: The Bernoulli numbers of even order, from 2.
BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510,
    43867 / 798,
)  # fmt: skip


def _inverse_power(x: ir.Value, n: int) -> ir.Value:
    """``x**-n`` for n >= 1."""
    w = 1.0 / x
    result = w
    for _ in range(n - 1):
        result = result * w
    return result


def _cotangent_derivative(n: int) -> list[float]:
    """Derivative number n of cot as a polynomial in cot, lowest coefficient first."""
    factors = [0.0, 1.0]
    for _ in range(n):
        slope = [k * f for k, f in enumerate(factors)][1:]
        raised = [0.0, 0.0, *slope]  # times cot**2
        padded = [*slope, 0.0, 0.0]
        factors = [-(a + b) for a, b in zip(padded, raised, strict=True)]
    return factors


def betaln(a: object, b: object) -> Variable:
    """Elementwise ``log|Beta(a, b)|``.

    It is a sum of three values of `gammaln`; for a large operand the two large ones, of
    which few digits would be left, are one difference by Stirling's series.
    """
    x, y = promote(a, b, to="float")
    small, large = minimum(x, y), maximum(x, y)
    near = gammaln(small + large) - gammaln(large)
    far = (large >= 10) & (small + large >= 10) & (large < math.inf)
    # Elsewhere Stirling's series is of other numbers, so that no gradient becomes NaN.
    apart = _stirling(where(far, small, 1), where(far, large, 10))
    return gammaln(small) - where(far, apart, near)


def _stirling(x: Variable, y: Variable) -> Variable:
    """``gammaln(x + y) - gammaln(y)`` where y and x + y are 10 or more: DLMF 5.11.1."""
    total = x + y
    rest = _stirling_rest(total) - _stirling_rest(y)
    return rest + x * (log(total) - 1) - (y - 0.5) * log1p(-x / total)


def _stirling_rest(z: Variable) -> Variable:
    """The terms of Stirling's series for `gammaln` that vanish for large z."""
    square = 1 / z**2
    series = square / 156
    for divisor in (-360360 / 691, 1188, -1680, 1260, -360):
        series = (series + 1 / divisor) * square
    return (series + 1 / 12) / z
