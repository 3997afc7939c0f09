"""Sums of numbers that are held as logarithms."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..op import Array, op
from ..variable import Variable, apply, promote
from .choice import where
from .common import Grads
from .comparison import equal, isinf
from .elementwise import Binary
from .transcendental import sigmoid

__all__ = [
    "LogAddExp",
    "LogAddExp2",
    "logaddexp",
    "logaddexp2",
]


class LogSum(Binary):
    """The logarithm, to a base, of the sum of that base to the powers of a and b.

    Computed as ``max + log(1 + base**-|a - b|)``, which neither overflows nor cancels;
    equal operands, infinities among them, are apart.
    """

    commutative: ClassVar[bool] = True
    weight: ClassVar[int] = 70
    #: The logarithm of the base.
    log_base: ClassVar[float]

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        # Equal infinities share the gradient, and their difference would be NaN.
        apart = where(equal(a, b) & isinf(a), 0, a - b)
        share = sigmoid(apart * self.log_base)
        return g * share, g * sigmoid(-apart * self.log_base)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        far = ir.apply("exp", ir.apply("abs", a - b) * -self.log_base)
        more = ir.apply("log1p", far) * (1 / self.log_base)
        total = ir.apply("max", a, b) + more
        return ir.select(a.eq(b), a + math.log(2) / self.log_base, total)


@op
class LogAddExp(LogSum):
    """log(exp(a) + exp(b))."""

    log_base: ClassVar[float] = 1.0

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.logaddexp(a, b)


@op
class LogAddExp2(LogSum):
    """log2(2 ** a + 2 ** b)."""

    log_base: ClassVar[float] = math.log(2)

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.logaddexp2(a, b)


def logaddexp(a: object, b: object) -> Variable:
    """Elementwise ``log(exp(a) + exp(b))``, without overflow or cancellation."""
    return apply(LogAddExp(), *promote(a, b, to="float"))


def logaddexp2(a: object, b: object) -> Variable:
    """Elementwise ``log2(2**a + 2**b)``, without overflow or cancellation."""
    return apply(LogAddExp2(), *promote(a, b, to="float"))
