"""Powers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..errors import DTypeError
from ..op import Array, Elemwise, op
from ..types import is_float
from ..variable import Variable, apply, promote
from .arithmetic import divide, multiply
from .choice import where
from .common import Grads
from .comparison import equal
from .elementwise import Binary
from .transcendental import log

__all__ = [
    "OnesLike",
    "Power",
    "power",
]


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
