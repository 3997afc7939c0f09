"""Arithmetic: sums, products, quotients and remainders, signs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from .. import dims
from ..codegen import ir
from ..codegen.ir import SIGNED, UNSIGNED
from ..dims import Size
from ..errors import DTypeError
from ..graph import Node
from ..op import Array, Elemwise, Pair, op
from ..types import (
    INTEGERS,
    TensorType,
    is_complex,
    is_differentiable,
    real_dtype,
    tensor,
)
from ..variable import Variable, apply, promote
from .choice import where
from .common import Grads, by_formula, refuse
from .comparison import equal, isinf, less
from .complex import conj, from_parts, real
from .elementwise import Binary, not_bool, numbers
from .rounding import trunc

__all__ = [
    "Abs",
    "Add",
    "Divide",
    "FloorDivide",
    "Fmod",
    "Multiply",
    "Negative",
    "Remainder",
    "Sign",
    "Subtract",
    "abs",
    "absolute",
    "add",
    "divide",
    "divmod",
    "fabs",
    "floor_divide",
    "fmod",
    "mod",
    "multiply",
    "negative",
    "positive",
    "reciprocal",
    "remainder",
    "sign",
    "square",
    "subtract",
    "true_divide",
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

    def parts(self, a: Pair, b: Pair) -> Pair:
        return Pair(a.re + b.re, a.im + b.im)

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

    def parts(self, a: Pair, b: Pair) -> Pair:
        return Pair(a.re - b.re, a.im - b.im)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a - b


def subtract(a: object, b: object) -> Variable:
    """Elementwise difference of `a` and `b`."""
    return apply(Subtract(), *not_bool("subtract", a, b))


@op
class Multiply(Binary):
    """a * b (logical and on bool)."""

    parts = by_formula("product")

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

    parts = by_formula("quotient")

    operands: ClassVar[str] = "division"
    slow: ClassVar[bool] = True

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
    if not is_differentiable(x.dtype):
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
    """Elementwise quotient rounded towards minus infinity; its gradient is 0."""
    return apply(FloorDivide(), *numbers(a, b))


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
    return apply(Remainder(), *numbers(a, b))


@op
class Fmod(Binary):
    """a - b * trunc(a / b), with the dividend's sign; 0 for an integer divisor 0."""

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.fmod(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return g, -(g * trunc(a / b))

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        if a.dtype in UNSIGNED:
            return a % b
        if a.dtype in SIGNED:
            rest = a % b
            return ir.select(rest.ne(0) & ((rest ^ a) < 0), rest - b, rest)
        # Of two positive numbers the remainder is exact.
        rest = ir.apply("abs", a) % ir.apply("abs", b)
        return ir.apply("copysign", rest, a)


def fmod(a: object, b: object) -> Variable:
    """Elementwise remainder with the dividend's sign (C's ``fmod``)."""
    return apply(Fmod(), *numbers(a, b))


def divmod(a: object, b: object) -> tuple[Variable, Variable]:
    """``(a // b, a % b)``, elementwise."""
    return floor_divide(a, b), remainder(a, b)


def reciprocal(x: object) -> Variable:
    """Elementwise ``1 / x``; truncated on integers, as in NumPy.

    The reciprocal of an integer 0 is the smallest number of a signed type of 32 or 64
    bits and 0 in the other integer types, as in NumPy on x86-64.
    """
    (value,) = numbers(x)
    if value.dtype not in INTEGERS:
        return divide(1, value)
    none = np.iinfo(value.dtype).min if value.dtype in ("int32", "int64") else 0
    whole = equal(abs(value), 1)
    return where(equal(value, 0), none, where(whole, value, 0))


def square(x: object) -> Variable:
    """Elementwise ``x * x``."""
    (value,) = numbers(x)
    return multiply(value, value)


# -- one operand -----------------------------------------------------------------------


@op
class Negative(Elemwise):
    """-x."""

    def ref(self, x: Array) -> Array:
        return np.negative(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (-g,)

    def dim(self, x: Size) -> Size:
        return dims.scale(x, -1)

    def parts(self, x: Pair) -> Pair:
        return Pair(-x.re, -x.im)

    def scalar(self, x: ir.Value) -> ir.Value:
        return -x


def negative(x: object) -> Variable:
    """Elementwise ``-x``."""
    return apply(Negative(), *not_bool("negative", x))


@op
class Abs(Elemwise):
    """The absolute value, also of complex numbers; its gradient at 0 is 0."""

    parts = by_formula("magnitude")

    def infer(self, *inputs: Node) -> TensorType:
        (x,) = inputs
        return tensor(real_dtype(x.type.dtype), x.type.dims)

    def ref(self, x: Array) -> Array:
        return np.abs(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        if is_complex(x.dtype):
            return (where(equal(y, 0), 0, g / y) * conj(x),)
        return (where(less(x, 0), -g, where(equal(x, 0), 0, g)),)

    def jvp(
        self, y: Variable, xs: Sequence[Variable], ts: Sequence[Variable | None]
    ) -> Variable | None:
        """Of complex numbers the part of the tangent along x, which is real."""
        (x,), (t,) = xs, ts
        if t is None or not is_differentiable(y.dtype):
            return None
        (slope,) = self.vjp(t, y, x)
        return None if slope is None else real(slope)

    def scalar(self, x: ir.Value) -> ir.Value:
        return x if x.dtype == "bool" else ir.apply("abs", x)


def abs(x: object) -> Variable:
    """Elementwise absolute value."""
    return apply(Abs(), *promote(x))


@op
class Sign(Elemwise):
    """-1, 0 or 1, as x is below, at or above 0; NaN stays."""

    def ref(self, x: Array) -> Array:
        return np.sign(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (None,)

    def scalar(self, x: ir.Value) -> ir.Value:
        one, zero = ir.const(1, x.dtype), ir.const(0, x.dtype)
        level = ir.select(x.eq(0), zero, x)
        if x.dtype not in UNSIGNED:
            level = ir.select(x < 0, ir.const(-1, x.dtype), level)
        return ir.select(x > 0, one, level)


def sign(x: object) -> Variable:
    """Elementwise sign: -1, 0 or 1; its gradient is 0, at 0 too.

    Of a complex number: the number of magnitude 1 in its direction, or 0; NaN where
    both parts are infinite.
    """
    (value,) = not_bool("sign", x)
    if not is_complex(value.dtype):
        return apply(Sign(), value)
    size = abs(value)
    endless, none = isinf(size), equal(size, 0)

    def direction(part: Variable) -> Variable:
        far = where(isinf(part), apply(Sign(), part), 0)
        return where(none, 0, where(endless, far, part / size))

    both = isinf(value.real) & isinf(value.imag)
    unit = from_parts(direction(value.real), direction(value.imag))
    return where(both, complex(np.nan, np.nan), unit)


def positive(x: object) -> Variable:
    """`x` itself, which must be numeric."""
    return not_bool("positive", x)[0]


def fabs(x: object) -> Variable:
    """Elementwise absolute value of real numbers, in floating point."""
    (value,) = promote(x, to="float")
    if is_complex(value.dtype):
        refuse(
            DTypeError,
            "fabs: not defined for complex operands",
            value,
            remedy="use abs",
        )
    return apply(Abs(), value)


absolute = abs
mod = remainder
true_divide = divide
