"""Comparisons, and questions about one number."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..codegen.ir import FLOATS, SIGNED
from ..op import Array, Pair, op
from ..types import INTEGERS
from ..variable import Variable, apply, promote
from .elementwise import Comparison, Flat

__all__ = [
    "Equal",
    "IsFinite",
    "IsInf",
    "IsNan",
    "Less",
    "LessEqual",
    "NotEqual",
    "SignBit",
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "less",
    "less_equal",
    "not_equal",
    "signbit",
]


@op
class Equal(Comparison):
    """a == b."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.equal(a, b)

    def parts(self, a: Pair, b: Pair) -> Variable:
        return (a.re == b.re) & (a.im == b.im)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a.eq(b)


@op
class NotEqual(Comparison):
    """a != b."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.not_equal(a, b)

    def parts(self, a: Pair, b: Pair) -> Variable:
        return (a.re != b.re) | (a.im != b.im)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a.ne(b)


@op
class Less(Comparison):
    """a < b."""

    def ref(self, a: Array, b: Array) -> Array:
        return np.less(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a < b


@op
class LessEqual(Comparison):
    """a <= b."""

    def ref(self, a: Array, b: Array) -> Array:
        return np.less_equal(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a <= b


def comparable(a: object, b: object) -> tuple[Variable, ...]:
    """Two operands in one dtype; as in NumPy, a Python int may be beyond its range."""
    return promote(_infinite(a, b), _infinite(b, a))


def _infinite(value: object, other: object) -> object:
    """`value`; an infinity for an int beyond the dtype of `other`, to compare alike."""
    if not isinstance(other, Variable) or other.dtype not in INTEGERS:
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    limits = np.iinfo(other.dtype)
    if limits.min <= value <= limits.max:
        return value
    return math.inf if value > 0 else -math.inf


def equal(a: object, b: object) -> Variable:
    """Elementwise ``a == b``."""
    return apply(Equal(), *comparable(a, b))


def not_equal(a: object, b: object) -> Variable:
    """Elementwise ``a != b``."""
    return apply(NotEqual(), *comparable(a, b))


def less(a: object, b: object) -> Variable:
    """Elementwise ``a < b``."""
    return apply(Less(), *comparable(a, b))


def less_equal(a: object, b: object) -> Variable:
    """Elementwise ``a <= b``."""
    return apply(LessEqual(), *comparable(a, b))


def greater(a: object, b: object) -> Variable:
    """Elementwise ``a > b``; stored as ``b < a``."""
    return less(b, a)


def greater_equal(a: object, b: object) -> Variable:
    """Elementwise ``a >= b``; stored as ``b <= a``."""
    return less_equal(b, a)


# -- kinds of floats -------------------------------------------------------------------


class Kind(Flat):
    """A question about one float; integers are finite numbers."""

    result: ClassVar[str | None] = "bool"


@op
class IsNan(Kind):
    """Whether x is NaN."""

    def ref(self, x: Array) -> Array:
        return np.isnan(x)

    def parts(self, x: Pair) -> Variable:
        return isnan(x.re) | isnan(x.im)

    def scalar(self, x: ir.Value) -> ir.Value:
        return x.ne(x) if x.dtype in FLOATS else ir.const(False, "bool")


@op
class IsInf(Kind):
    """Whether x is an infinity, of either sign."""

    def ref(self, x: Array) -> Array:
        return np.isinf(x)

    def parts(self, x: Pair) -> Variable:
        return isinf(x.re) | isinf(x.im)

    def scalar(self, x: ir.Value) -> ir.Value:
        if x.dtype not in FLOATS:
            return ir.const(False, "bool")
        return ir.apply("abs", x).eq(np.inf)


@op
class IsFinite(Kind):
    """Whether x is neither an infinity nor NaN."""

    def ref(self, x: Array) -> Array:
        return np.isfinite(x)

    def parts(self, x: Pair) -> Variable:
        return isfinite(x.re) & isfinite(x.im)

    def scalar(self, x: ir.Value) -> ir.Value:
        if x.dtype not in FLOATS:
            return ir.const(True, "bool")
        return ir.apply("abs", x) < np.inf


@op
class SignBit(Kind):
    """Whether the sign is minus, of -0.0 and of NaN too."""

    def ref(self, x: Array) -> Array:
        return np.signbit(x)

    def scalar(self, x: ir.Value) -> ir.Value:
        if x.dtype in FLOATS:
            return x.bitcast("int32" if x.dtype == "float32" else "int64") < 0
        return x < 0 if x.dtype in SIGNED else ir.const(False, "bool")


def isnan(x: object) -> Variable:
    """Elementwise: whether `x` is NaN."""
    return apply(IsNan(), *promote(x))


def isinf(x: object) -> Variable:
    """Elementwise: whether `x` is an infinity, of either sign."""
    return apply(IsInf(), *promote(x))


def isfinite(x: object) -> Variable:
    """Elementwise: whether `x` is neither an infinity nor NaN."""
    return apply(IsFinite(), *promote(x))


def isposinf(x: object) -> Variable:
    """Elementwise: whether `x` is the positive infinity."""
    (value,) = promote(x, to="float")
    return less_equal(np.inf, value)


def isneginf(x: object) -> Variable:
    """Elementwise: whether `x` is the negative infinity."""
    (value,) = promote(x, to="float")
    return less_equal(value, -np.inf)


def signbit(x: object) -> Variable:
    """Elementwise: whether the sign of `x` is minus, of -0.0 and of NaN too."""
    return apply(SignBit(), *promote(x))
