"""Norms of vectors and matrices, made of other ops."""

from __future__ import annotations

import math
from typing import Any

from ..errors import ShapeError, UnsupportedError
from ..types import is_differentiable, real_dtype
from ..variable import Variable, as_tensor
from .arithmetic import abs
from .broadcasting import sum
from .cast import cast
from .choice import where
from .common import Axis, many_axes, refuse
from .comparison import equal, not_equal
from .powers import power
from .reduce import max, min
from .statistics import squared
from .transcendental import sqrt
from .view import expand_dims, move_axes, squeeze

__all__ = [
    "matrix_norm",
    "norm",
    "vector_norm",
]


def vector_norm(
    x: object, *, axis: Axis = None, keepdims: bool = False, ord: Any = 2
) -> Variable:
    """``sum(abs(x)**ord)**(1/ord)`` over `axis` (None: all), in a float type.

    ``inf`` and ``-inf`` take the largest and the smallest magnitude, 0 counts what is
    not 0.  At 0 the gradient of the 2-norm is taken to be 0.

    >>> import numpy as np
    >>> vector_norm(np.array([3.0, 4.0])).eval()
    np.float64(5.0)
    """
    value = _as_float(x)
    axes = many_axes(axis, value.ndim, "vector_norm")
    if ord == math.inf:
        return max(abs(value), axes, keepdims=keepdims)
    if ord == -math.inf:
        return min(abs(value), axes, keepdims=keepdims)
    if ord == 0:
        count = sum(not_equal(value, 0), axes, keepdims=keepdims)
        return cast(count, real_dtype(value.dtype))
    if ord == 1:
        return sum(abs(value), axes, keepdims=keepdims)
    if ord == 2:
        return _root(sum(squared(value), axes, keepdims=keepdims))
    total = sum(power(abs(value), ord), axes, keepdims=keepdims)
    return power(total, 1.0 / ord)


def _as_float(x: object) -> Variable:
    value = as_tensor(x)
    return value if is_differentiable(value.dtype) else cast(value, "float64")


def _root(squares: Variable) -> Variable:
    """The square root, whose slope at 0 is taken to be 0."""
    zero = equal(squares, 0)
    return where(zero, 0, sqrt(where(zero, 1, squares)))


def matrix_norm(x: object, *, keepdims: bool = False, ord: Any = "fro") -> Variable:
    """The norm of each matrix in the last two axes.

    "fro" is the root of the sum of squares; 1 and inf are the largest sum of
    magnitudes along a column and a row, and -1 and -inf the smallest.

    Raises:
        ShapeError: fewer than two axes.
        UnsupportedError: a norm that takes singular values.
    """
    value = _as_float(x)
    if value.ndim < 2:
        refuse(
            ShapeError,
            "matrix_norm: fewer than two dimensions",
            value,
            remedy="use vector_norm",
        )
    rows, columns = value.ndim - 2, value.ndim - 1
    if ord == "fro":
        return vector_norm(value, axis=(rows, columns), keepdims=keepdims)
    summed, left = (rows, columns) if ord in (1, -1) else (columns, rows)
    if ord not in (1, -1, math.inf, -math.inf):
        refuse(
            UnsupportedError,
            f"matrix_norm: ord={ord!r}",
            value,
            remedy="norms are 'fro', 1, -1, inf and -inf",
        )
    sums = sum(abs(value), summed, keepdims=True)
    result = (max if ord in (1, math.inf) else min)(sums, left, keepdims=True)
    return result if keepdims else squeeze(result, (rows, columns))


def norm(
    x: object, ord: Any = None, axis: Axis = None, keepdims: bool = False
) -> Variable:
    """NumPy's norm: of vectors along one axis, or of matrices in two.

    Without `ord` and `axis`, the 2-norm of all elements.

    Raises:
        ShapeError: `ord` is given for neither one axis nor two.
        UnsupportedError: a norm that takes singular values.
    """
    value = as_tensor(x)
    axes = many_axes(axis, value.ndim, "norm")
    if ord is None:
        return vector_norm(value, axis=axes, keepdims=keepdims)
    if len(axes) == 1:
        return vector_norm(value, axis=axes, keepdims=keepdims, ord=ord)
    if len(axes) != 2:
        refuse(
            ShapeError,
            f"norm: ord={ord!r} over {len(axes)} axes",
            value,
            remedy="give one axis, or two",
        )
    moved = move_axes(value, axes, (value.ndim - 2, value.ndim - 1))
    result = matrix_norm(moved, ord=ord)
    return expand_dims(result, tuple(sorted(axes))) if keepdims else result
