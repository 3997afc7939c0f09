"""Whether arrays are equal, exactly or nearly."""

from __future__ import annotations

from ..types import is_differentiable
from ..variable import Variable, as_tensor, constant
from .arithmetic import abs
from .cast import cast
from .comparison import equal, isfinite, isnan, less_equal, not_equal
from .reduce import all
from .view import expand_dims, reshape

__all__ = [
    "allclose",
    "array_equal",
    "isclose",
    "isin",
]


def isclose(
    a: object,
    b: object,
    rtol: object = 1e-05,
    atol: object = 1e-08,
    equal_nan: bool = False,
) -> Variable:
    """Elementwise ``|a - b| <= atol + rtol * |b|``; infinities only to themselves.

    With `equal_nan`, NaN is close to NaN.
    """
    x, y = as_tensor(a), as_tensor(b)
    if not is_differentiable(y.dtype):
        y = cast(y, "float64")
    close = less_equal(abs(x - y), atol + rtol * abs(y))
    result = (close & isfinite(y)) | equal(x, y)
    return result | (isnan(x) & isnan(y)) if equal_nan else result


def allclose(
    a: object,
    b: object,
    rtol: object = 1e-05,
    atol: object = 1e-08,
    equal_nan: bool = False,
) -> Variable:
    """Whether all elements are close, as :func:`isclose` has it: a bool scalar."""
    return all(isclose(a, b, rtol, atol, equal_nan))


def array_equal(a: object, b: object, equal_nan: bool = False) -> Variable:
    """Whether two arrays have one shape and equal elements: a bool scalar.

    Shapes are compared by what is known of them when the expression is built; sizes
    that are unknown then must agree when it is computed.
    """
    x, y = as_tensor(a), as_tensor(b)
    known = [
        (m, n)
        for m, n in zip(x.type.dims, y.type.dims, strict=False)
        if isinstance(m, int) and isinstance(n, int)
    ]
    if x.ndim != y.ndim or any(m != n for m, n in known):
        return constant(False)
    same = equal(x, y)
    return all(same | (isnan(x) & isnan(y)) if equal_nan else same)


def isin(x: object, values: object, *, invert: bool = False) -> Variable:
    """Elementwise: whether `x` is one of `values`, each of which it is compared with.

    With `invert`, whether it is none of them.
    """
    value, among = as_tensor(x), reshape(as_tensor(values), (-1,))
    missing = all(not_equal(expand_dims(value, -1), among), -1)
    return missing if invert else ~missing
