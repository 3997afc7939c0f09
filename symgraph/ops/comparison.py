"""Comparisons, and what is made of them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..op import Array, op
from ..variable import Variable, apply, promote
from .elementwise import Comparison

__all__ = [
    "Equal",
    "Less",
    "LessEqual",
    "NotEqual",
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "not_equal",
]


@op
class Equal(Comparison):
    """a == b."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.equal(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a.eq(b)


@op
class NotEqual(Comparison):
    """a != b."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.not_equal(a, b)

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


def equal(a: object, b: object) -> Variable:
    """Elementwise ``a == b``."""
    return apply(Equal(), *promote(a, b))


def not_equal(a: object, b: object) -> Variable:
    """Elementwise ``a != b``."""
    return apply(NotEqual(), *promote(a, b))


def less(a: object, b: object) -> Variable:
    """Elementwise ``a < b``."""
    return apply(Less(), *promote(a, b))


def less_equal(a: object, b: object) -> Variable:
    """Elementwise ``a <= b``."""
    return apply(LessEqual(), *promote(a, b))


def greater(a: object, b: object) -> Variable:
    """Elementwise ``a > b``; stored as ``b < a``."""
    return less(b, a)


def greater_equal(a: object, b: object) -> Variable:
    """Elementwise ``a >= b``; stored as ``b <= a``."""
    return less_equal(b, a)
