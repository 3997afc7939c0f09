"""Powers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..codegen import ir
from ..codegen.ir import FLOATS, SIGNED
from ..errors import DomainError
from ..op import Array, Element, Elemwise, Pair, Read, op
from ..types import is_complex, is_differentiable
from ..variable import Variable, apply, constant, promote
from .arithmetic import divide, multiply
from .cast import cast
from .choice import where
from .common import Grads, by_formula, refuse
from .comparison import equal
from .elementwise import Binary, numbers
from .transcendental import log

if TYPE_CHECKING:
    from ..lower import At

__all__ = [
    "OnesLike",
    "Power",
    "float_power",
    "pow",
    "power",
]


@op
class Power(Binary):
    """a ** b."""

    parts = by_formula("power")

    weight: ClassVar[int] = 80

    def ref(self, a: Array, b: Array) -> Array:
        if b.dtype.kind == "i" and (np.asarray(b) < 0).any():
            raise DomainError(NEGATIVE)
        with np.errstate(all="ignore"):
            return np.power(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        # At a = 0 the logarithm would give 0 * -inf; the limit of y log(a) there is 0.
        safe = where(equal(a, 0), 1, a)
        slope = where(equal(b, 0), 0, b * power(a, b - 1))
        return g * slope, g * y * log(safe)

    def element(self, at: At) -> Element:
        a = yield Read(0, at.aligned(0))
        b = yield Read(1, at.aligned(1))
        if b.dtype in SIGNED:
            at.check(b >= 0, NEGATIVE, DomainError)
        return self.scalar(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        if a.dtype in FLOATS:
            return ir.apply("pow", a, b)
        result, square = ir.const(1, a.dtype), a
        bits = np.dtype(a.dtype).itemsize * 8 - (a.dtype in SIGNED)
        for place in range(bits):
            is_set = ((b >> place) & 1).ne(0)
            product = result * square if place else square
            result = ir.select(is_set, product, result)
            if place < bits - 1:
                square = square * square
        return result


NEGATIVE = "integers to negative integer powers are not allowed, as in NumPy"


def power(a: object, b: object) -> Variable:
    """Elementwise ``a ** b``.

    A known small whole exponent is expanded into products (``x**2`` is ``x*x``).  An
    integer to the power of an integer wraps around where it overflows.

    Raises:
        DomainError: an integer to a negative integer power (where the exponent is not
            known: when the function is called).
    """
    x, y = numbers(a, b)
    exponent = b if isinstance(b, int | float) and not isinstance(b, bool) else None
    if exponent is not None and float(exponent).is_integer() and -64 <= exponent <= 64:
        if exponent >= 0:
            return _whole_power(x, int(exponent))
        if is_differentiable(x.dtype):
            return divide(1.0, _whole_power(x, -int(exponent)))
    if x.dtype in SIGNED and exponent is not None and exponent < 0:
        refuse(
            DomainError,
            f"power: {NEGATIVE}",
            x,
            y,
            remedy="cast the base to a float type, or use float_power",
        )
    return apply(Power(), x, y)


def float_power(a: object, b: object) -> Variable:
    """Elementwise ``a ** b`` in float64, or complex128."""
    x, y = promote(a, b)
    wide = "complex128" if is_complex(x.dtype) else "float64"
    exponent = b if isinstance(b, int | float) else cast(y, wide)
    return power(cast(x, wide), exponent)


pow = power


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
    return x * 0 + 1 if not is_differentiable(x.dtype) else apply(OnesLike(), x)


@op
class OnesLike(Elemwise):
    """1 in the shape and dtype of x."""

    def ref(self, x: Array) -> Array:
        return np.ones_like(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (None,)

    def parts(self, x: Pair) -> Pair:
        return Pair(apply(self, x.re), constant(0, x.re.dtype))

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.const(1, x.dtype)
