"""Terms of likelihoods and entropies: products with a logarithm, log-odds."""

from __future__ import annotations

import math
from typing import ClassVar

from ..codegen import ir
from ..op import Array, op
from ..variable import Variable, apply, promote
from .choice import where
from .common import Grads, scipy_special
from .comparison import equal, less_equal
from .elementwise import Binary
from .stable import softplus
from .transcendental import FloatUnary, float_unary, log, log1p

__all__ = [
    "Entr",
    "Logit",
    "RelEntr",
    "XLog1pY",
    "XLogY",
    "entr",
    "kl_div",
    "log_expit",
    "logit",
    "rel_entr",
    "xlog1py",
    "xlogy",
]


@op
class Logit(FloatUnary):
    """log(x / (1 - x)), the inverse of sigmoid; near 1/2 as 2 atanh(2 x - 1)."""

    weight: ClassVar[int] = 100

    def ref(self, x: Array) -> Array:
        return scipy_special("logit", x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g / (x * (1 - x)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        near = ir.apply("atanh", x * 2.0 - 1.0) * 2.0
        far = ir.apply("log", x / (1.0 - x))
        return ir.select((x > 0.25) & (x < 0.75), near, far)


def logit(x: object) -> Variable:
    """Elementwise ``log(x / (1 - x))``; NaN outside [0, 1]."""
    return float_unary(Logit(), x)


def log_expit(x: object) -> Variable:
    """Elementwise ``log(sigmoid(x))``, without underflow."""
    (value,) = promote(x, to="float")
    return -softplus(-value)


@op
class XLogY(Binary):
    """a * log(b), 0 where a is 0 and b is not NaN."""

    weight: ClassVar[int] = 40

    def ref(self, a: Array, b: Array) -> Array:
        return scipy_special("xlogy", a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        gone = equal(a, 0) & less_equal(b, 0)
        safe = where(gone, 1, b)
        return g * log(safe), g * (a / safe)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        product = a * ir.apply("log", b)
        return ir.select(a.eq(0.0) & b.eq(b), 0.0, product)


def xlogy(x: object, y: object) -> Variable:
    """Elementwise ``x * log(y)``, 0 where x is 0; so is the gradient at (0, 0)."""
    return apply(XLogY(), *promote(x, y, to="float"))


@op
class XLog1pY(Binary):
    """a * log(1 + b), 0 where a is 0 and b is not NaN."""

    weight: ClassVar[int] = 40

    def ref(self, a: Array, b: Array) -> Array:
        return scipy_special("xlog1py", a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        gone = equal(a, 0) & less_equal(b, -1)
        safe = where(gone, 0, b)
        return g * log1p(safe), g * (a / (1 + safe))

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        product = a * ir.apply("log1p", b)
        return ir.select(a.eq(0.0) & b.eq(b), 0.0, product)


def xlog1py(x: object, y: object) -> Variable:
    """Elementwise ``x * log1p(y)``, 0 where x is 0; so is the gradient at (0, -1)."""
    return apply(XLog1pY(), *promote(x, y, to="float"))


@op
class Entr(FloatUnary):
    """-x log(x), 0 at 0 and -inf below: a term of an entropy."""

    weight: ClassVar[int] = 40

    def ref(self, x: Array) -> Array:
        return scipy_special("entr", x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (-(g * (log(x) + 1)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        result = -x * ir.apply("log", x)
        return ir.select(x < 0.0, -math.inf, ir.select(x.eq(0.0), 0.0, result))


def entr(x: object) -> Variable:
    """Elementwise ``-x * log(x)``, 0 at 0 and -inf below."""
    return float_unary(Entr(), x)


@op
class RelEntr(Binary):
    """a log(a / b) for positive operands: a term of a relative entropy."""

    weight: ClassVar[int] = 80

    def ref(self, a: Array, b: Array) -> Array:
        return scipy_special("rel_entr", a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        gone = equal(a, 0)
        safe = where(gone & equal(b, 0), 1, b)
        return g * (log(a) - log(b) + 1), -(g * (a / safe))

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        ratio = a / b
        log_ratio = ir.apply("log", ratio)
        apart = ir.apply("log", a) - ir.apply("log", b)
        middling = (ratio > 0.0) & (ratio < math.inf)
        result = a * ir.select(middling, log_ratio, apart)
        defined = (a > 0.0) & (b > 0.0)
        known = a.eq(a) & b.eq(b)
        other = ir.select(a.eq(0.0) & (b >= 0.0), ir.const(0.0, a.dtype), math.inf)
        return ir.select(defined | ~known, result, other)


def rel_entr(x: object, y: object) -> Variable:
    """Elementwise ``x * log(x / y)``; 0 where x is 0 and y >= 0, otherwise inf."""
    return apply(RelEntr(), *promote(x, y, to="float"))


def kl_div(x: object, y: object) -> Variable:
    """Elementwise ``x * log(x / y) - x + y``, inf where `rel_entr` is."""
    a, b = promote(x, y, to="float")
    entropy = rel_entr(a, b)
    return where(equal(entropy, math.inf), entropy, entropy - a + b)
