"""Arithmetic: sums, products, quotients and remainders, signs."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from .. import dims
from ..codegen import ir
from ..dims import Size
from ..op import Array, Elemwise, op
from ..types import is_float
from ..variable import Variable, apply, promote
from .choice import where
from .common import Grads
from .comparison import equal, less
from .elementwise import Binary, arithmetic

__all__ = [
    "Abs",
    "Add",
    "Divide",
    "FloorDivide",
    "Multiply",
    "Negative",
    "Remainder",
    "Subtract",
    "abs",
    "add",
    "divide",
    "floor_divide",
    "multiply",
    "negative",
    "remainder",
    "subtract",
]


@op
class Add(Binary):
    """a + b (logical or on bool)."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.add(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return g, g

    def dim(self, a: Size, b: Size) -> Size:
        return dims.add(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a | b if a.dtype == "bool" else a + b


def add(a: object, b: object) -> Variable:
    """Elementwise sum of `a` and `b`."""
    return apply(Add(), *promote(a, b))


@op
class Subtract(Binary):
    """a - b."""

    def ref(self, a: Array, b: Array) -> Array:
        return np.subtract(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return g, -g

    def dim(self, a: Size, b: Size) -> Size:
        return dims.sub(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a - b


def subtract(a: object, b: object) -> Variable:
    """Elementwise difference of `a` and `b`."""
    return arithmetic(Subtract(), a, b)


@op
class Multiply(Binary):
    """a * b (logical and on bool)."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.multiply(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return g * b, g * a

    def dim(self, a: Size, b: Size) -> Size:
        return dims.mul(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a & b if a.dtype == "bool" else a * b


def multiply(a: object, b: object) -> Variable:
    """Elementwise product of `a` and `b`."""
    return apply(Multiply(), *promote(a, b))


@op
class Divide(Binary):
    """a / b, in floating point."""

    operands: ClassVar[str] = "division"

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.divide(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return g / b, -(g * y / b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a / b


def divide(a: object, b: object) -> Variable:
    """Elementwise quotient; integers are divided as float64."""
    x, y = promote(a, b)
    if not is_float(x.dtype):
        x, y = x.astype("float64"), y.astype("float64")
    return apply(Divide(), x, y)


@op
class FloorDivide(Binary):
    """a // b, rounded down; 0 where an integer divisor is 0."""

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.floor_divide(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return None, None

    def dim(self, a: Size, b: Size) -> Size:
        return dims.floordiv(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a // b


def floor_divide(a: object, b: object) -> Variable:
    """Elementwise quotient rounded towards minus infinity."""
    return arithmetic(FloorDivide(), a, b)


@op
class Remainder(Binary):
    """a - b * floor(a / b), with the divisor's sign; 0 for an integer divisor 0."""

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.remainder(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return g, -(g * floor_divide(a, b))

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a % b


def remainder(a: object, b: object) -> Variable:
    """Elementwise remainder with the divisor's sign (Python's ``%``)."""
    return arithmetic(Remainder(), a, b)


@op
class Negative(Elemwise):
    """-x."""

    def ref(self, x: Array) -> Array:
        return np.negative(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (-g,)

    def dim(self, x: Size) -> Size:
        return dims.scale(x, -1)

    def scalar(self, x: ir.Value) -> ir.Value:
        return -x


def negative(x: object) -> Variable:
    """Elementwise ``-x``."""
    return arithmetic(Negative(), x)


@op
class Abs(Elemwise):
    """The absolute value; its gradient at 0 is 0."""

    def ref(self, x: Array) -> Array:
        return np.abs(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (where(less(x, 0), -g, where(equal(x, 0), 0, g)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return x if x.dtype == "bool" else ir.apply("abs", x)


def abs(x: object) -> Variable:
    """Elementwise absolute value."""
    return apply(Abs(), *promote(x))
