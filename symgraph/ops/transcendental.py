"""Exponentials, logarithms and their kin; integers are computed as floats."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..op import Array, Elemwise, op
from ..variable import Variable, apply, promote
from .common import Grads, by_formula

__all__ = [
    "Cbrt",
    "Cos",
    "Exp",
    "Exp2",
    "Expm1",
    "Log",
    "Log10",
    "Log1p",
    "Log2",
    "Sigmoid",
    "Sin",
    "Sqrt",
    "Tanh",
    "cbrt",
    "cos",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log10",
    "log1p",
    "log2",
    "sigmoid",
    "sin",
    "sqrt",
    "tanh",
]


class FloatUnary(Elemwise):
    """A function of one operand, computed in floating point."""

    operands: ClassVar[str] = "float"
    weight: ClassVar[int] = 30


def float_unary(made: FloatUnary, x: object) -> Variable:
    """`made` applied to `x` in floating point."""
    return apply(made, *promote(x, to="float"))


@op
class Exp(FloatUnary):
    """e ** x."""

    parts = by_formula("exponential")

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.exp(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * y,)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("exp", x)


def exp(x: object) -> Variable:
    """Elementwise exponential."""
    return float_unary(Exp(), x)


@op
class Expm1(FloatUnary):
    """e ** x - 1, exact near 0."""

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.expm1(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * (y + 1),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("expm1", x)


def expm1(x: object) -> Variable:
    """Elementwise ``exp(x) - 1`` without cancellation near 0."""
    return float_unary(Expm1(), x)


@op
class Log(FloatUnary):
    """The natural logarithm."""

    parts = by_formula("logarithm")

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.log(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / x,)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("log", x)


def log(x: object) -> Variable:
    """Elementwise natural logarithm; NaN below 0, -inf at 0."""
    return float_unary(Log(), x)


@op
class Log1p(FloatUnary):
    """log(1 + x), exact near 0."""

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.log1p(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / (1 + x),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("log1p", x)


def log1p(x: object) -> Variable:
    """Elementwise ``log(1 + x)`` without cancellation near 0."""
    return float_unary(Log1p(), x)


@op
class Sqrt(FloatUnary):
    """The square root."""

    parts = by_formula("root")
    slow: ClassVar[bool] = True

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.sqrt(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / (2 * y),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("sqrt", x)


def sqrt(x: object) -> Variable:
    """Elementwise square root; NaN below 0."""
    return float_unary(Sqrt(), x)


@op
class Exp2(FloatUnary):
    """2 ** x."""

    parts = by_formula("exponential_2")

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.exp2(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * y * math.log(2),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("exp2", x)


def exp2(x: object) -> Variable:
    """Elementwise power of 2."""
    return float_unary(Exp2(), x)


@op
class Log2(FloatUnary):
    """The logarithm to base 2."""

    parts = by_formula("logarithm_2")

    weight: ClassVar[int] = 60

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.log2(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / (x * math.log(2)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("log2", x)


def log2(x: object) -> Variable:
    """Elementwise logarithm to base 2, exact for powers of two; NaN below 0."""
    return float_unary(Log2(), x)


@op
class Log10(FloatUnary):
    """The logarithm to base 10."""

    parts = by_formula("logarithm_10")

    weight: ClassVar[int] = 60

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.log10(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / (x * math.log(10)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("log10", x)


def log10(x: object) -> Variable:
    """Elementwise logarithm to base 10, exact for powers of ten; NaN below 0."""
    return float_unary(Log10(), x)


@op
class Cbrt(FloatUnary):
    """The cube root, of negative numbers too."""

    weight: ClassVar[int] = 50

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.cbrt(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / (3 * y * y),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("cbrt", x)


def cbrt(x: object) -> Variable:
    """Elementwise cube root; negative for negative numbers."""
    return float_unary(Cbrt(), x)


@op
class Tanh(FloatUnary):
    """The hyperbolic tangent."""

    parts = by_formula("hyperbolic_tangent")

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.tanh(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * (1 - y * y),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("tanh", x)


def tanh(x: object) -> Variable:
    """Elementwise hyperbolic tangent."""
    return float_unary(Tanh(), x)


@op
class Sigmoid(FloatUnary):
    """The logistic function, 1 / (1 + exp(-x))."""

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return _expit(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * y * (1 - y),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("sigmoid", x)


def sigmoid(x: object) -> Variable:
    """Elementwise logistic function ``1 / (1 + exp(-x))``."""
    return float_unary(Sigmoid(), x)


@op
class Sin(FloatUnary):
    """The sine of an angle in radians."""

    parts = by_formula("sine")

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.sin(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * cos(x),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("sin", x)


def sin(x: object) -> Variable:
    """Elementwise sine of an angle in radians."""
    return float_unary(Sin(), x)


@op
class Cos(FloatUnary):
    """The cosine of an angle in radians."""

    parts = by_formula("cosine")

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.cos(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (-(g * sin(x)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("cos", x)


def cos(x: object) -> Variable:
    """Elementwise cosine of an angle in radians."""
    return float_unary(Cos(), x)


def _expit(x: Array) -> Array:
    """SciPy's logistic function, imported when first evaluated."""
    from scipy.special import expit

    return np.asarray(expit(x))
