"""Trigonometric and hyperbolic functions and their inverses."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..op import Array, op
from ..variable import Variable, apply, promote
from .choice import where
from .common import Grads, by_formula
from .comparison import equal, less
from .elementwise import Binary
from .stable import hypot
from .transcendental import FloatUnary, float_unary, sin, sqrt

__all__ = [
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atan2",
    "Atanh",
    "Cosh",
    "Sinh",
    "Tan",
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cosh",
    "deg2rad",
    "degrees",
    "rad2deg",
    "radians",
    "sinc",
    "sinh",
    "tan",
]


@op
class Tan(FloatUnary):
    """The tangent of an angle in radians."""

    parts = by_formula("tangent")

    weight: ClassVar[int] = 60

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.tan(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * (1 + y * y),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("tan", x)


def tan(x: object) -> Variable:
    """Elementwise tangent of an angle in radians."""
    return float_unary(Tan(), x)


@op
class Asin(FloatUnary):
    """The arc sine, in [-pi / 2, pi / 2]."""

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.arcsin(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / sqrt((1 - x) * (1 + x)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("asin", x)


def asin(x: object) -> Variable:
    """Elementwise arc sine in radians; NaN outside [-1, 1]."""
    return float_unary(Asin(), x)


@op
class Acos(FloatUnary):
    """The arc cosine, in [0, pi]."""

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.arccos(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (-(g / sqrt((1 - x) * (1 + x))),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("acos", x)


def acos(x: object) -> Variable:
    """Elementwise arc cosine in radians; NaN outside [-1, 1]."""
    return float_unary(Acos(), x)


@op
class Atan(FloatUnary):
    """The arc tangent, in [-pi / 2, pi / 2]."""

    weight: ClassVar[int] = 50

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.arctan(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / (1 + x * x),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("atan", x)


def atan(x: object) -> Variable:
    """Elementwise arc tangent in radians."""
    return float_unary(Atan(), x)


@op
class Atan2(Binary):
    """The angle of the point (b, a) from the positive axis of b, in [-pi, pi]."""

    weight: ClassVar[int] = 80

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.arctan2(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        radius = hypot(a, b)  # its square might overflow
        unit = where(equal(radius, 0), 1, radius)
        return g * (b / unit / unit), -(g * (a / unit / unit))

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return ir.apply("atan2", a, b)


def atan2(y: object, x: object) -> Variable:
    """Elementwise angle of the point (x, y) in radians, in [-pi, pi].

    The gradient at the origin is 0.
    """
    return apply(Atan2(), *promote(y, x, to="float"))


@op
class Sinh(FloatUnary):
    """The hyperbolic sine."""

    parts = by_formula("hyperbolic_sine")

    weight: ClassVar[int] = 60

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.sinh(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * cosh(x),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("sinh", x)


def sinh(x: object) -> Variable:
    """Elementwise hyperbolic sine."""
    return float_unary(Sinh(), x)


@op
class Cosh(FloatUnary):
    """The hyperbolic cosine."""

    parts = by_formula("hyperbolic_cosine")

    weight: ClassVar[int] = 45

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.cosh(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g * sinh(x),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("cosh", x)


def cosh(x: object) -> Variable:
    """Elementwise hyperbolic cosine."""
    return float_unary(Cosh(), x)


@op
class Asinh(FloatUnary):
    """The inverse hyperbolic sine."""

    weight: ClassVar[int] = 75

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.arcsinh(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / hypot(x, 1.0),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("asinh", x)


def asinh(x: object) -> Variable:
    """Elementwise inverse hyperbolic sine."""
    return float_unary(Asinh(), x)


@op
class Acosh(FloatUnary):
    """The inverse hyperbolic cosine, at least 0."""

    weight: ClassVar[int] = 75

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.arccosh(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / (sqrt(x - 1) * sqrt(x + 1)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("acosh", x)


def acosh(x: object) -> Variable:
    """Elementwise inverse hyperbolic cosine; NaN below 1."""
    return float_unary(Acosh(), x)


@op
class Atanh(FloatUnary):
    """The inverse hyperbolic tangent."""

    weight: ClassVar[int] = 60

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.arctanh(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / ((1 - x) * (1 + x)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply("atanh", x)


def atanh(x: object) -> Variable:
    """Elementwise inverse hyperbolic tangent; NaN outside [-1, 1]."""
    return float_unary(Atanh(), x)


def deg2rad(x: object) -> Variable:
    """Elementwise degrees in radians."""
    (value,) = promote(x, to="float")
    return value * (math.pi / 180)


def rad2deg(x: object) -> Variable:
    """Elementwise radians in degrees."""
    (value,) = promote(x, to="float")
    return value * (180 / math.pi)


def sinc(x: object) -> Variable:
    """Elementwise ``sin(pi x) / (pi x)``, 1 at 0.

    Near 0 it is its power series, and so are its derivatives.  Integers give float64.
    """
    value, _ = promote(x, 0.0)
    z = (math.pi * value) ** 2
    series = 1 - z / 6 * (1 - z / 20 * (1 - z / 42 * (1 - z / 72)))
    near = less(z, 1e-2)
    angle = where(near, 1, math.pi * value)
    return where(near, series, sin(angle) / angle)


# NumPy's names for the same functions.
arccos = acos
arccosh = acosh
arcsin = asin
arcsinh = asinh
arctan = atan
arctan2 = atan2
arctanh = atanh
degrees = rad2deg
radians = deg2rad
