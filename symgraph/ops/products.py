"""Products of vectors and arrays, made of contractions and elementwise products."""

from __future__ import annotations

from ..errors import ShapeError
from ..variable import Variable, apply, promote
from .arithmetic import multiply
from .arrange import ravel, roll
from .broadcasting import Sum
from .common import one_axis, refuse
from .complex import conj
from .contract import dot, matmul, tensordot
from .reduce import Any
from .view import expand_dims, move_axes, reshape, squeeze

__all__ = [
    "cross",
    "inner",
    "kron",
    "matvec",
    "vdot",
    "vecdot",
    "vecmat",
]


def add_up(x: Variable, axes: tuple[int, ...]) -> Variable:
    """The sum of `x` over `axes` in its own dtype, as products sum: bools by or."""
    if not axes:
        return x
    return apply(Any(axes) if x.dtype == "bool" else Sum(axes), x)


def vecdot(a: object, b: object, *, axis: int = -1) -> Variable:
    """The sums of products of two stacks of vectors, which lie along `axis`.

    The other axes are broadcast.  Of complex operands the first is conjugated.

    Raises:
        ShapeError: an operand is a scalar, or the lengths are known to differ.
    """
    x, y = promote(a, b)
    if x.ndim == 0 or y.ndim == 0:
        refuse(
            ShapeError, "vecdot: an operand is a scalar", x, y, remedy="use * to scale"
        )
    x, y = (
        move_axes(v, (one_axis(axis, v.ndim, "vecdot"),), (v.ndim - 1,)) for v in (x, y)
    )
    _same_length(x, y, "vecdot")
    terms = multiply(conj(x), y)
    return add_up(terms, (terms.ndim - 1,))


def matvec(a: object, b: object) -> Variable:
    """Products of matrices with vectors, whose stacks are broadcast."""
    x, y = promote(a, b)
    return squeeze(matmul(x, expand_dims(y, -1)), -1)


def vecmat(a: object, b: object) -> Variable:
    """Products of vectors, complex ones conjugated, with matrices: stacks of both."""
    x, y = promote(a, b)
    return squeeze(matmul(conj(expand_dims(x, -2)), y), -2)


def _same_length(x: Variable, y: Variable, what: str) -> None:
    """Refuse vectors along the last axes that are known to differ in length."""
    one, other = x.type.dims[-1], y.type.dims[-1]
    if isinstance(one, int) and isinstance(other, int) and one != other:
        refuse(
            ShapeError,
            f"{what}: vectors of {one} and {other} elements",
            x,
            y,
            remedy="the lengths must be equal",
        )


def inner(a: object, b: object) -> Variable:
    """The sums of products over the last axis of both; scalars scale.

    Raises:
        ShapeError: the lengths are known to differ.
    """
    x, y = promote(a, b)
    if x.ndim == 0 or y.ndim == 0:
        return multiply(x, y)
    return tensordot(x, y, ((-1,), (-1,)))


def vdot(a: object, b: object) -> Variable:
    """The sum of products of two arrays of as many elements, the first conjugated."""
    return dot(conj(ravel(a)), ravel(b))


def kron(a: object, b: object) -> Variable:
    """The Kronecker product: `b`, scaled by each element of `a`, in its place."""
    x, y = promote(a, b)
    ndim = max(x.ndim, y.ndim)
    x, y = (expand_dims(v, tuple(range(ndim - v.ndim))) for v in (x, y))
    terms = multiply(
        expand_dims(x, tuple(range(1, 2 * ndim, 2))),
        expand_dims(y, tuple(range(0, 2 * ndim, 2))),
    )
    sizes = zip(x.shape, y.shape, strict=True)
    return reshape(terms, tuple(m * n for m, n in sizes))


def cross(a: object, b: object, *, axis: int = -1) -> Variable:
    """The vector product of stacks of vectors of three elements along `axis`.

    The other axes are broadcast.

    Raises:
        ShapeError: an operand is a scalar, or its vectors have another length.
    """
    x, y = promote(a, b)
    x, y = (_threes(v, axis) for v in (x, y))
    first = multiply(roll(x, -1, -1), roll(y, -2, -1))
    product = first - multiply(roll(x, -2, -1), roll(y, -1, -1))
    place = one_axis(axis, product.ndim, "cross")
    return move_axes(product, (product.ndim - 1,), (place,))


def _threes(x: Variable, axis: int) -> Variable:
    """`x` with `axis` last, which has size 3."""
    place = one_axis(axis, x.ndim, "cross")
    moved = move_axes(x, (place,), (x.ndim - 1,))
    size = moved.type.dims[-1]
    if isinstance(size, int) and size != 3:
        refuse(
            ShapeError,
            f"cross: vectors of {size} elements",
            x,
            remedy="the vector product is that of three dimensions",
        )
    if size == 3:
        return moved
    return reshape(moved, (*moved.shape[:-1], 3))  # checked when it runs
