"""Spread, averages and differences, made of other ops."""

from __future__ import annotations

import math
from typing import Any

from ..errors import ShapeError
from ..types import is_complex, is_differentiable, is_float, result_dtype
from ..variable import Variable, as_tensor, constant
from .arithmetic import divide
from .broadcasting import broadcast_to, sum
from .cast import cast
from .choice import maximum, where
from .common import Axis, many_axes, one_axis, refuse
from .comparison import equal, less_equal, not_equal
from .complex import imag, real
from .join import concatenate
from .reduce import all, max, mean, min, prod
from .sizes import total
from .slices import slice_axis
from .transcendental import sqrt
from .view import expand_dims, transpose

__all__ = [
    "average",
    "count_nonzero",
    "diff",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
    "ptp",
    "std",
    "trapezoid",
    "var",
]


# -- spread ----------------------------------------------------------------------------


def var(
    x: object,
    axis: Axis = None,
    *,
    ddof: float = 0,
    correction: float | None = None,
    keepdims: bool = False,
) -> Variable:
    """The mean squared distance from the mean, which is found first.

    The sum is divided by the number of elements less `ddof` (also `correction`), or by
    0 where that is negative.  bool and integers are taken as float64.
    """
    value = as_tensor(x)
    if not is_differentiable(value.dtype):
        value = cast(value, "float64")
    axes = many_axes(axis, value.ndim, "var")
    distance = value - mean(value, axes, keepdims=True)
    squares = sum(squared(distance), axes, keepdims=keepdims)
    less = ddof if correction is None else correction
    count = total(value.shape[a] for a in axes)
    if isinstance(count, Variable):
        return squares / maximum(cast(count, squares.dtype) - less, 0)
    left = count - less
    return divide(squares, constant(left if left > 0 else 0, squares.dtype))


def squared(x: Variable) -> Variable:
    """``abs(x)**2``, which is real."""
    if not is_complex(x.dtype):
        return x * x
    re, im = real(x), imag(x)
    return re * re + im * im


def std(
    x: object,
    axis: Axis = None,
    *,
    ddof: float = 0,
    correction: float | None = None,
    keepdims: bool = False,
) -> Variable:
    """The square root of :func:`var`."""
    return sqrt(var(x, axis, ddof=ddof, correction=correction, keepdims=keepdims))


def ptp(x: object, axis: Axis = None, *, keepdims: bool = False) -> Variable:
    """The largest element less the smallest.

    Raises:
        ShapeError: there is no element.
    """
    return max(x, axis, keepdims=keepdims) - min(x, axis, keepdims=keepdims)


# -- counts and averages ---------------------------------------------------------------


def count_nonzero(x: object, axis: Axis = None, *, keepdims: bool = False) -> Variable:
    """The number of elements that are not 0 (int64); NaN is not."""
    value = as_tensor(x)
    return sum(not_equal(value, constant(0, value.dtype)), axis, keepdims=keepdims)


def average(
    x: object,
    axis: Axis = None,
    weights: object = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Any:
    """The mean, or the sum of elements times `weights` over the sum of the weights.

    The weights have the shape of `x`, or its shape along `axis` alone.  With `returned`
    the result is a pair: the average and the sum of the weights.

    Raises:
        ShapeError: the weights have neither shape.
    """
    value = as_tensor(x)
    axes = many_axes(axis, value.ndim, "average")
    if weights is None:
        result = mean(value, axes, keepdims=keepdims)
        count = total(value.shape[a] for a in axes)
        scale = cast(as_tensor(count), result.dtype)
        return (result, broadcast_to(scale, result.shape)) if returned else result
    given = as_tensor(weights)
    dtype = result_dtype(value.dtype, given.dtype)
    if not is_differentiable(dtype) or not is_differentiable(value.dtype):
        dtype = result_dtype(dtype, "float64")
    if given.ndim != value.ndim:
        given = _spread(given, value, None if axis is None else axes)
    given = broadcast_to(cast(given, dtype), value.shape)
    scale = sum(given, axes, keepdims=keepdims)
    result = sum(cast(value, dtype) * given, axes, keepdims=keepdims) / scale
    return (result, scale) if returned else result


def _spread(weights: Variable, x: Variable, axes: tuple[int, ...] | None) -> Variable:
    """Weights for `axes` alone, to be broadcast against x."""
    if axes is None or weights.ndim != len(axes):
        refuse(
            ShapeError,
            f"average: weights of {weights.ndim} dimensions",
            x,
            weights,
            remedy="they have the shape of x, or that of its given axes",
        )
    order = sorted(range(len(axes)), key=axes.__getitem__)
    others = tuple(k for k in range(x.ndim) if k not in axes)
    return expand_dims(transpose(weights, order), others)


def nansum(x: object, axis: Axis = None, *, keepdims: bool = False) -> Variable:
    """The sum of the elements that are not NaN."""
    return sum(_without_nan(as_tensor(x), 0), axis, keepdims=keepdims)


def nanprod(x: object, axis: Axis = None, *, keepdims: bool = False) -> Variable:
    """The product of the elements that are not NaN."""
    return prod(_without_nan(as_tensor(x), 1), axis, keepdims=keepdims)


def nanvar(
    x: object, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False
) -> Variable:
    """The :func:`var` of the elements that are not NaN; NaN of `ddof` or fewer."""
    value = as_tensor(x)
    if not is_differentiable(value.dtype):
        return var(value, axis, ddof=ddof, keepdims=keepdims)
    known = equal(value, value)
    distance = where(known, value - nanmean(value, axis, keepdims=True), 0)
    squares = sum(squared(distance), axis, keepdims=keepdims)
    left = cast(sum(known, axis, keepdims=keepdims), squares.dtype) - ddof
    return squares / where(less_equal(left, 0), math.nan, left)


def nanstd(
    x: object, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False
) -> Variable:
    """The square root of :func:`nanvar`."""
    return sqrt(nanvar(x, axis, ddof=ddof, keepdims=keepdims))


def nanmean(x: object, axis: Axis = None, *, keepdims: bool = False) -> Variable:
    """The mean of the elements that are not NaN; NaN where there is none."""
    value = as_tensor(x)
    if not is_differentiable(value.dtype):
        return mean(value, axis, keepdims=keepdims)
    count = sum(value == value, axis, keepdims=keepdims)
    return nansum(value, axis, keepdims=keepdims) / cast(count, value.dtype)


def nanmax(x: object, axis: Axis = None, *, keepdims: bool = False) -> Variable:
    """The largest of the elements that are not NaN; NaN where all are."""
    value = as_tensor(x)
    largest = max(_without_nan(value, -math.inf), axis, keepdims=keepdims)
    return _nan_of_nothing(value, largest, axis, keepdims)


def nanmin(x: object, axis: Axis = None, *, keepdims: bool = False) -> Variable:
    """The smallest of the elements that are not NaN; NaN where all are."""
    value = as_tensor(x)
    smallest = min(_without_nan(value, math.inf), axis, keepdims=keepdims)
    return _nan_of_nothing(value, smallest, axis, keepdims)


def _without_nan(x: Variable, instead: float) -> Variable:
    return where(not_equal(x, x), instead, x) if is_differentiable(x.dtype) else x


def _nan_of_nothing(x: Variable, found: Variable, axis: Axis, keep: bool) -> Variable:
    if not is_float(x.dtype):
        return found
    return where(all(not_equal(x, x), axis, keepdims=keep), math.nan, found)


# -- differences -----------------------------------------------------------------------


def diff(
    x: object,
    n: int = 1,
    axis: int = -1,
    prepend: object = None,
    append: object = None,
) -> Variable:
    """Each element less the one before it along `axis`, `n` times over.

    `prepend` and `append` (arrays, or scalars: one element) are put at the ends first.
    Of bools, whether the two differ.

    Raises:
        ShapeError: `n` is negative, or there is no axis.
    """
    value = as_tensor(x)
    if n < 0:
        refuse(ShapeError, f"diff: {n} times", value, remedy="give 0 or more")
    place = one_axis(axis, value.ndim, "diff")
    if n == 0:
        return value
    ends = [_end(e, value, place) for e in (prepend, append)]
    parts = [p for p in (ends[0], value, ends[1]) if p is not None]
    value = concatenate(parts, place)
    for _ in range(n):
        later, earlier = (
            slice_axis(value, place, start=1),
            slice_axis(value, place, stop=-1),
        )
        both = value.dtype == "bool"
        value = not_equal(later, earlier) if both else later - earlier
    return value


def _end(given: object, x: Variable, axis: int) -> Variable | None:
    """What stands before or after x."""
    if given is None:
        return None
    end = as_tensor(given)
    if end.ndim:
        return end
    shape = list(x.shape)
    shape[axis] = 1
    return broadcast_to(end, shape)


def trapezoid(
    y: object, x: object = None, dx: object = 1.0, axis: int = -1
) -> Variable:
    """The integral along `axis` by the trapezoidal rule.

    `x` holds the places of the samples, a vector or an array of the shape of `y`;
    without it they are `dx` apart.
    """
    value = as_tensor(y)
    place = one_axis(axis, value.ndim, "trapezoid")
    distance: Any = dx
    if x is not None:
        at = as_tensor(x)
        if at.ndim == 1:
            distance = expand_dims(diff(at), tuple(range(1, value.ndim - place)))
        else:
            distance = diff(at, axis=axis)
    ends = slice_axis(value, place, start=1) + slice_axis(value, place, stop=-1)
    return sum(distance * ends / 2.0, place)
