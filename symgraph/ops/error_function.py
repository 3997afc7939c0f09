"""The error function, the normal distribution, and their inverses."""

from __future__ import annotations

import math
from typing import ClassVar

from ..codegen import ir
from ..op import Array, op
from ..variable import Variable, promote
from .common import Grads, scipy_special
from .transcendental import FloatUnary, exp, float_unary

__all__ = [
    "Erf",
    "Erfc",
    "Erfcinv",
    "Erfcx",
    "Erfinv",
    "LogNdtr",
    "Ndtr",
    "erf",
    "erfc",
    "erfcinv",
    "erfcx",
    "erfinv",
    "log_ndtr",
    "ndtr",
    "ndtri",
]


#: 2 / sqrt(pi), the slope of erf at 0.
SLOPE = 2 / math.sqrt(math.pi)


@op
class Erf(FloatUnary):
    """The error function, the integral of 2 / sqrt(pi) exp(-t**2) from 0 to x."""

    weight: ClassVar[int] = 80

    def ref(self, x: Array) -> Array:
        return scipy_special("erf", x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * (SLOPE * exp(-(x * x))),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("erf", x)


def erf(x: object) -> Variable:
    """Elementwise error function."""
    return float_unary(Erf(), x)


@op
class Erfc(FloatUnary):
    """1 - erf(x), exact where that is close to 0."""

    weight: ClassVar[int] = 80

    def ref(self, x: Array) -> Array:
        return scipy_special("erfc", x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (-(g * (SLOPE * exp(-(x * x)))),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("erfc", x)


def erfc(x: object) -> Variable:
    """Elementwise ``1 - erf(x)`` without cancellation."""
    return float_unary(Erfc(), x)


@op
class Erfcx(FloatUnary):
    """exp(x**2) * erfc(x)."""

    weight: ClassVar[int] = 80

    def ref(self, x: Array) -> Array:
        return scipy_special("erfcx", x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * (2 * x * y - SLOPE),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("erfcx", x)


def erfcx(x: object) -> Variable:
    """Elementwise ``exp(x**2) * erfc(x)``, without underflow."""
    return float_unary(Erfcx(), x)


@op
class Erfinv(FloatUnary):
    """The inverse of erf."""

    weight: ClassVar[int] = 200

    def ref(self, x: Array) -> Array:
        return scipy_special("erfinv", x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * (exp(y * y) / SLOPE),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("erfinv", x)


def erfinv(x: object) -> Variable:
    """Elementwise inverse of `erf`; infinite at -1 and 1, NaN beyond."""
    return float_unary(Erfinv(), x)


@op
class Erfcinv(FloatUnary):
    """The inverse of erfc."""

    weight: ClassVar[int] = 200

    def ref(self, x: Array) -> Array:
        return scipy_special("erfcinv", x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (-(g * (exp(y * y) / SLOPE)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("erfcinv", x)


def erfcinv(x: object) -> Variable:
    """Elementwise inverse of `erfc`; infinite at 0 and 2, NaN outside."""
    return float_unary(Erfcinv(), x)


@op
class Ndtr(FloatUnary):
    """The distribution function of the standard normal distribution."""

    weight: ClassVar[int] = 130

    def ref(self, x: Array) -> Array:
        return scipy_special("ndtr", x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * (exp(x * x * -0.5) / math.sqrt(2 * math.pi)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        # exp(-x**2 / 2) with the rounding error of x**2, which erfc(x / sqrt(2)) would
        # multiply by x**2; beyond 40 all is 0 or 1.
        a = ir.apply("abs", x)
        a = ir.select(a > 40.0, 40.0, a)
        half = a * a * 0.5
        lost = ir.apply("fma", a * 0.5, a, -half)
        tail = ir.apply("erfcx", a * math.sqrt(0.5)) * 0.5
        tail = ir.apply("fma", -tail, lost, tail) * ir.apply("exp", -half)
        return ir.select(x < 0.0, tail, 1.0 - tail)


def ndtr(x: object) -> Variable:
    """Elementwise distribution function of the standard normal distribution."""
    return float_unary(Ndtr(), x)


@op
class LogNdtr(FloatUnary):
    """log(ndtr(x)), without underflow."""

    weight: ClassVar[int] = 250

    def ref(self, x: Array) -> Array:
        return scipy_special("log_ndtr", x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        slope = math.sqrt(2 / math.pi) / erfcx(x * -math.sqrt(0.5))
        return (g * slope,)

    def scalar(self, x: ir.Value) -> ir.Value:
        scaled = ir.apply("erfcx", x * -math.sqrt(0.5)) * 0.5
        far = ir.apply("fma", x * x, -0.5, ir.apply("log", scaled))
        far = ir.select(x.eq(-math.inf), x, far)
        near = ir.apply("log1p", -Ndtr().scalar(-x))
        return ir.select(x < -1.0, far, near)


def log_ndtr(x: object) -> Variable:
    """Elementwise ``log(ndtr(x))``, without underflow."""
    return float_unary(LogNdtr(), x)


def ndtri(p: object) -> Variable:
    """Elementwise inverse of `ndtr`: the quantiles of the normal distribution."""
    (value,) = promote(p, to="float")
    return erfcinv(2 * value) * -math.sqrt(2)
