"""Compositions that lose digits when written out, as one op each.

Each is computed by a formula that is accurate on its whole domain, and so is its
gradient.  They are what the rules of :mod:`symgraph.rules` make of log(1 - exp(x)) and
its kin.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..op import Array, op
from ..variable import Variable, apply, promote
from .choice import where
from .common import Grads
from .comparison import equal, isinf, less
from .elementwise import Binary
from .transcendental import FloatUnary, exp, expm1, sigmoid, sin, sqrt, tanh

__all__ = [
    "CosM1",
    "ExpMoment",
    "Hypot",
    "Log1mExp",
    "LogCosh",
    "LogExpm1",
    "LogSubExp",
    "Softplus",
    "Sqrt1pm1",
    "cosm1",
    "exp_moment",
    "exprel",
    "hypot",
    "log1mexp",
    "logcosh",
    "logexpm1",
    "logsubexp",
    "softplus",
    "sqrt1pm1",
]


def _unary(made: FloatUnary, x: object) -> Variable:
    return apply(made, *promote(x, to="float"))


# -- logarithms of sums of exponentials ------------------------------------------------


@op
class Softplus(FloatUnary):
    """log(1 + exp(x)), as max(x, 0) + log1p(exp(-|x|))."""

    weight: ClassVar[int] = 70

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * sigmoid(x),)

    def scalar(self, x: ir.Value) -> ir.Value:
        rest = ir.apply("log1p", ir.apply("exp", -ir.apply("abs", x)))
        return ir.apply("max", x, 0.0) + rest


def softplus(x: object) -> Variable:
    """Elementwise ``log(1 + exp(x))``, without overflow.

    >>> softplus(1000.0).eval()
    np.float64(1000.0)
    """
    return _unary(Softplus(), x)


@op
class Log1mExp(FloatUnary):
    """log(1 - exp(x)) for x <= 0, after Maechler, "Computing log(1 - exp(-a))"."""

    weight: ClassVar[int] = 130

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            near, far = np.log(-np.expm1(x)), np.log1p(-np.exp(x))
            return np.where(x > -math.log(2), near, far).astype(x.dtype)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * (exp(x) / expm1(x)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        near = ir.apply("log", -ir.apply("expm1", x))
        far = ir.apply("log1p", -ir.apply("exp", x))
        return ir.select(x > -math.log(2), near, far)


def log1mexp(x: object) -> Variable:
    """Elementwise ``log(1 - exp(x))``, without cancellation; NaN above 0.

    >>> log1mexp(-1e-20).eval()
    np.float64(-46.0517...)
    """
    return _unary(Log1mExp(), x)


@op
class LogExpm1(FloatUnary):
    """log(exp(x) - 1) for x >= 0, the inverse of softplus."""

    weight: ClassVar[int] = 130

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            far = x + np.log1p(-np.exp(-x))
            return np.where(x > 1, far, np.log(np.expm1(x))).astype(x.dtype)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (-(g / expm1(-x)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        far = x + ir.apply("log1p", -ir.apply("exp", -x))
        return ir.select(x > 1.0, far, ir.apply("log", ir.apply("expm1", x)))


def logexpm1(x: object) -> Variable:
    """Elementwise ``log(exp(x) - 1)``, without overflow or cancellation."""
    return _unary(LogExpm1(), x)


@op
class LogSubExp(Binary):
    """log(exp(a) - exp(b)) for a >= b."""

    weight: ClassVar[int] = 130

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            difference = a + Log1mExp().ref(b - a)
            lone = np.where(b == -np.inf, a, difference)
            return np.where((a == b) & (a < np.inf), -np.inf, lone).astype(a.dtype)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        gone = equal(b, -math.inf)
        return (
            where(gone, g, -(g / expm1(b - a))),
            where(gone, 0, -(g / expm1(a - b))),
        )

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        difference = a + Log1mExp().scalar(b - a)
        lone = ir.select(b.eq(-math.inf), a, difference)
        return ir.select(a.eq(b) & (a < math.inf), -math.inf, lone)


def logsubexp(a: object, b: object) -> Variable:
    """Elementwise ``log(exp(a) - exp(b))``, without overflow; NaN where a < b."""
    return apply(LogSubExp(), *promote(a, b, to="float"))


@op
class LogCosh(FloatUnary):
    """log(cosh(x)); near 0 as log1p of (exp(|x|) - 1)**2 / (2 exp(|x|))."""

    weight: ClassVar[int] = 160

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            size = np.abs(x)
            less_one = np.expm1(size)
            near = np.log1p(less_one * less_one * np.exp(-size) / 2)
            far = size - math.log(2) + np.log1p(np.exp(-2 * size))
            return np.where(size < 1, near, far).astype(x.dtype)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * tanh(x),)

    def scalar(self, x: ir.Value) -> ir.Value:
        size = ir.apply("abs", x)
        less_one = ir.apply("expm1", size)
        near = less_one * less_one * ir.apply("exp", -size) * 0.5
        far = size - math.log(2) + ir.apply("log1p", ir.apply("exp", size * -2.0))
        return ir.select(size < 1.0, ir.apply("log1p", near), far)


def logcosh(x: object) -> Variable:
    """Elementwise ``log(cosh(x))``, without overflow or cancellation."""
    return _unary(LogCosh(), x)


# -- differences that cancel -----------------------------------------------------------


@op
class ExpMoment(FloatUnary):
    """The integral of t**n exp(x t) over t in [0, 1]; for n = 0 (exp(x) - 1) / x.

    Near 0 its power series, sum x**k / (k! (n + k + 1)), else the recurrence in n that
    integration by parts gives.  The derivative for n is the function for n + 1.
    """

    n: int

    weight: ClassVar[int] = 70
    #: Where the series takes over, and its length: the rest is below 2**-54.
    reach: ClassVar[float] = 1.5
    terms: ClassVar[int] = 20

    def _series(self) -> list[float]:
        return [
            1 / (math.factorial(k) * (self.n + k + 1))
            for k in reversed(range(self.terms))
        ]

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            near = np.zeros_like(x)
            for factor in self._series():
                near = near * x + x.dtype.type(factor)
            whole, far = np.exp(x), np.expm1(x) / x
            for k in range(1, self.n + 1):
                far = (whole - k * far) / x
            far = np.where(whole == np.inf, np.inf, far)
            return np.where(np.abs(x) < self.reach, near, far).astype(x.dtype)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * exp_moment(x, self.n + 1),)

    def scalar(self, x: ir.Value) -> ir.Value:
        first, *factors = self._series()
        near = x * 0.0 + first
        for factor in factors:
            near = near * x + factor
        whole, far = ir.apply("exp", x), ir.apply("expm1", x) / x
        for k in range(1, self.n + 1):
            far = (whole - far * float(k)) / x
        far = ir.select(whole.eq(math.inf), math.inf, far)
        return ir.select(ir.apply("abs", x) < self.reach, near, far)


def exp_moment(x: object, n: int) -> Variable:
    """Elementwise integral of ``t**n * exp(x * t)`` over t from 0 to 1."""
    return _unary(ExpMoment(n), x)


def exprel(x: object) -> Variable:
    """Elementwise ``(exp(x) - 1) / x``, 1 at 0: SciPy's exprel."""
    return exp_moment(x, 0)


@op
class CosM1(FloatUnary):
    """cos(x) - 1, as -2 sin(x / 2)**2."""

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            half = np.sin(x / 2)
            return np.asarray(-2 * half * half, x.dtype)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (-(g * sin(x)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        half = ir.apply("sin", x * 0.5)
        return half * half * -2.0


def cosm1(x: object) -> Variable:
    """Elementwise ``cos(x) - 1`` without cancellation near 0."""
    return _unary(CosM1(), x)


@op
class Sqrt1pm1(FloatUnary):
    """sqrt(1 + x) - 1, as x / (sqrt(1 + x) + 1) where that cancels."""

    weight: ClassVar[int] = 4

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            root = np.sqrt(1 + x)
            result = np.where(x > 8, root - 1, x / (root + 1))
        return np.asarray(result, x.dtype)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / (2 * sqrt(1 + x)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        root = ir.apply("sqrt", x + 1.0)
        return ir.select(x > 8.0, root - 1.0, x / (root + 1.0))


def sqrt1pm1(x: object) -> Variable:
    """Elementwise ``sqrt(1 + x) - 1`` without cancellation near 0."""
    return _unary(Sqrt1pm1(), x)


@op
class Hypot(Binary):
    """sqrt(a**2 + b**2), scaled so that no square overflows."""

    commutative: ClassVar[bool] = True
    weight: ClassVar[int] = 30

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(np.hypot(a, b))

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        # At the origin and at infinity both quotients would be NaN.
        plain = less(0, y) & ~isinf(y)
        unit = where(plain, y, 1)
        return g * where(plain, a / unit, 0), g * where(plain, b / unit, 0)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return ir.apply("hypot", a, b)


def hypot(a: object, b: object) -> Variable:
    """Elementwise ``sqrt(a**2 + b**2)``, without overflow or underflow.

    The gradient at the origin is 0.
    """
    return apply(Hypot(), *promote(a, b, to="float"))
