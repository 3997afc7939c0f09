"""Powers, exponentials, logarithms and their kin; integers are computed as floats."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..errors import DTypeError
from ..op import Array, Elemwise, op
from ..types import is_float
from ..variable import Variable, apply, promote
from .elementwise import Binary, Grads, divide, equal, multiply, where

__all__ = [
    "Cos",
    "Exp",
    "Expm1",
    "Log",
    "Log1p",
    "OnesLike",
    "Power",
    "Sigmoid",
    "Sin",
    "Sqrt",
    "Tanh",
    "cos",
    "exp",
    "expm1",
    "log",
    "log1p",
    "power",
    "sigmoid",
    "sin",
    "sqrt",
    "tanh",
]


class FloatUnary(Elemwise):
    """A function of one operand, computed in floating point."""

    operands: ClassVar[str] = "float"
    weight: ClassVar[int] = 30


def _unary(made: FloatUnary, x: object) -> Variable:
    return apply(made, *promote(x, to="float"))


@op
class Exp(FloatUnary):
    """e ** x."""

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.exp(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * y,)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("exp", x)


def exp(x: object) -> Variable:
    """Elementwise exponential."""
    return _unary(Exp(), x)


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
    return _unary(Expm1(), x)


@op
class Log(FloatUnary):
    """The natural logarithm."""

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.log(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / x,)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("log", x)


def log(x: object) -> Variable:
    """Elementwise natural logarithm; NaN below 0, -inf at 0."""
    return _unary(Log(), x)


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
    return _unary(Log1p(), x)


@op
class Sqrt(FloatUnary):
    """The square root."""

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.sqrt(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / (2 * y),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("sqrt", x)


def sqrt(x: object) -> Variable:
    """Elementwise square root; NaN below 0."""
    return _unary(Sqrt(), x)


@op
class Tanh(FloatUnary):
    """The hyperbolic tangent."""

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.tanh(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * (1 - y * y),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("tanh", x)


def tanh(x: object) -> Variable:
    """Elementwise hyperbolic tangent."""
    return _unary(Tanh(), x)


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
    return _unary(Sigmoid(), x)


@op
class Sin(FloatUnary):
    """The sine of an angle in radians."""

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.sin(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * cos(x),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("sin", x)


def sin(x: object) -> Variable:
    """Elementwise sine of an angle in radians."""
    return _unary(Sin(), x)


@op
class Cos(FloatUnary):
    """The cosine of an angle in radians."""

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.cos(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (-(g * sin(x)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("cos", x)


def cos(x: object) -> Variable:
    """Elementwise cosine of an angle in radians."""
    return _unary(Cos(), x)


def _expit(x: Array) -> Array:
    """SciPy's logistic function, imported when first evaluated."""
    from scipy.special import expit

    return np.asarray(expit(x))


@op
class Power(Binary):
    """a ** b."""

    weight: ClassVar[int] = 80

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.power(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        # At a = 0 the logarithm would give 0 * -inf; the limit of y log(a) there is 0.
        safe = where(equal(a, 0), 1, a)
        slope = where(equal(b, 0), 0, b * power(a, b - 1))
        return g * slope, g * y * log(safe)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return ir.apply("pow", a, b)


def power(a: object, b: object) -> Variable:
    """Elementwise ``a ** b``.

    A known small whole exponent is expanded into products (``x**2`` is ``x*x``), for
    integers too; other integer powers are not supported.
    """
    x, y = promote(a, b)
    exponent = b if isinstance(b, int | float) and not isinstance(b, bool) else None
    if exponent is not None and float(exponent).is_integer() and abs(exponent) <= 64:
        if exponent >= 0:
            return _whole_power(x, int(exponent))
        if is_float(x.dtype):
            return divide(1.0, _whole_power(x, -int(exponent)))
        raise ValueError(
            "integers to negative integer powers are not allowed, as in NumPy"
        )
    if not is_float(x.dtype):
        raise DTypeError(
            f"power: an integer to an unknown integer power is not supported\n"
            f"  operands: {x}, {y}\n  help: cast an operand to a float type"
        )
    return apply(Power(), x, y)


def _whole_power(x: Variable, exponent: int) -> Variable:
    """x ** exponent by repeated squaring."""
    result: Variable | None = None
    square = x
    while exponent:
        if exponent & 1:
            result = square if result is None else multiply(result, square)
        exponent >>= 1
        if exponent:
            square = multiply(square, square)
    if result is not None:
        return result
    return x * 0 + 1 if not is_float(x.dtype) else apply(OnesLike(), x)


@op
class OnesLike(Elemwise):
    """1 in the shape and dtype of x."""

    def ref(self, x: Array) -> Array:
        return np.ones_like(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (None,)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.const(1, x.dtype)
