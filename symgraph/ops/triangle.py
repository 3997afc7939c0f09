"""Diagonals and triangles of matrices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dims
from ..config import config
from ..dims import Size
from ..errors import ShapeError
from ..graph import Node
from ..op import Array, Element, Indexed, Read, op
from ..types import TensorType, tensor
from ..variable import Variable, apply, as_tensor
from .broadcasting import broadcast_to, sum
from .cast import cast
from .choice import where
from .common import (
    Flags,
    Grads,
    each_part,
    linear_in_first,
    many_axes,
    refuse,
    refuse_sizes,
)
from .comparison import greater_equal
from .create import arange, zeros
from .sizes import shape_from, shape_of, size_variable
from .view import View, expand_dims, move_axes

if TYPE_CHECKING:
    from ..lower import At

__all__ = [
    "Diagonal",
    "DiagonalEmbed",
    "diag",
    "diagonal",
    "trace",
    "tri",
    "tril",
    "triu",
]


# -- diagonals -------------------------------------------------------------------------


def _length(rows: Size, columns: Size, offset: int) -> Size:
    """The number of elements of a diagonal."""
    first = dims.add(rows, min(offset, 0))
    second = dims.sub(columns, max(offset, 0))
    return dims.maximum(dims.minimum(first, second), 0)


@op
class Diagonal(View):
    """The elements ``x[..., i, i + offset]``, along the last axis of the result."""

    offset: int

    def infer(self, *inputs: Node) -> TensorType:
        (x,) = inputs
        *rest, rows, columns = x.type.dims
        return tensor(x.type.dtype, (*rest, _length(rows, columns, self.offset)))

    def ref(self, x: Array) -> Array:
        return np.diagonal(x, self.offset, -2, -1)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        sizes = shape_of(x, -2), shape_of(x, -1)
        return (apply(DiagonalEmbed(self.offset), g, *sizes),)

    jvp = linear_in_first

    def batch(self, batched: Flags, x: Variable) -> Variable:
        return apply(self, x)

    def element(self, at: At) -> Element:
        *rest, place = at.index
        row, column = place + max(-self.offset, 0), place + max(self.offset, 0)
        return (yield Read(0, (*rest, row, column)))


@op
class DiagonalEmbed(Indexed):
    """Zeros with g on a diagonal of the last two axes: inputs g and their sizes."""

    parts = each_part

    offset: int

    def infer(self, *inputs: Node) -> TensorType:
        g, *sizes = inputs
        return tensor(g.type.dtype, (*g.type.dims[:-1], *shape_from(sizes)))

    def agree(self, *inputs: Node) -> Iterable[tuple[Size, Size]]:
        g, *sizes = inputs
        rows, columns = shape_from(sizes)
        yield g.type.dims[-1], _length(rows, columns, self.offset)

    def ref(self, g: Array, *sizes: Array) -> Array:
        result = np.zeros((*g.shape[:-1], *(int(s) for s in sizes)), g.dtype)
        places = np.arange(g.shape[-1])
        row, column = places + max(-self.offset, 0), places + max(self.offset, 0)
        result[..., row, column] = g
        return result

    def vjp(self, g: Variable, y: Variable, *inputs: Variable) -> Grads:
        return apply(Diagonal(self.offset), g), None, None

    jvp = linear_in_first

    def batch(self, batched: Flags, g: Variable, *sizes: Variable) -> Variable:
        refuse_sizes(self, batched[1:], g, *sizes)
        return apply(self, g, *sizes)

    def element(self, at: At) -> Element:
        *rest, row, column = at.index
        place = row + min(self.offset, 0)
        on = at.value(row + self.offset).eq(at.value(column))
        return (yield Read(0, (*rest, place), on))


def diagonal(x: object, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    """The diagonal of each matrix in `x`, along the last axis of the result.

    It begins `offset` columns to the right.  The matrices are those of `axis1` and
    `axis2`, which are the first two axes unless given, as in NumPy (the functions in
    `symgraph.linalg` take the last two).

    Raises:
        ShapeError: fewer than two axes, or one twice.
    """
    value = as_tensor(x)
    if value.ndim < 2:
        refuse(
            ShapeError,
            "diagonal: fewer than two dimensions",
            value,
            remedy="use diag to make a matrix of a vector",
        )
    first, second = many_axes((axis1, axis2), value.ndim, "diagonal")
    last = (value.ndim - 2, value.ndim - 1)
    return apply(Diagonal(int(offset)), move_axes(value, (first, second), last))


def trace(x: object, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    """The sum of each :func:`diagonal`; short integers are summed as 64 bits."""
    return sum(diagonal(x, offset, axis1, axis2), -1)


def diag(x: object, k: int = 0) -> Variable:
    """The diagonal of a matrix, or a matrix with a vector on its diagonal number `k`.

    Raises:
        ShapeError: `x` is neither.
    """
    value = as_tensor(x)
    if value.ndim == 2:
        return diagonal(value, k)
    if value.ndim != 1:
        refuse(
            ShapeError,
            "diag: neither a vector nor a matrix",
            value,
            remedy="use diagonal for stacks of matrices",
        )
    size = size_variable(value.shape[0] + abs(k), "diag")
    return apply(DiagonalEmbed(int(k)), value, size, size)


# -- triangles -------------------------------------------------------------------------


def tri(n: Any, m: Any = None, k: int = 0, dtype: object = None) -> Variable:
    """1 on and below diagonal number `k` of a matrix, 0 above."""
    return cast(_below(n, n if m is None else m, k), dtype or config.floatX)


def _below(n: Any, m: Any, k: int) -> Variable:
    """Whether an element is on or below diagonal `k`."""
    return greater_equal(expand_dims(arange(n), 1) + k, arange(m))


def tril(x: object, k: int = 0) -> Variable:
    """`x`, matrices in its last two axes, with zeros above diagonal number `k`."""
    value = _matrices(x, "tril")
    kept = _below(value.shape[-2], value.shape[-1], k)
    return where(kept, value, zeros((), value.dtype))


def triu(x: object, k: int = 0) -> Variable:
    """`x`, matrices in its last two axes, with zeros below diagonal number `k`."""
    value = _matrices(x, "triu")
    gone = _below(value.shape[-2], value.shape[-1], k - 1)
    return where(gone, zeros((), value.dtype), value)


def _matrices(x: object, what: str) -> Variable:
    """`x` with two axes at least: a vector is repeated as the rows of a matrix."""
    value = as_tensor(x)
    if value.ndim == 0:
        refuse(
            ShapeError, f"{what}: of a scalar", value, remedy="give a matrix or a stack"
        )
    if value.ndim == 1:
        return broadcast_to(value, (value.shape[0], value.shape[0]))
    return value
