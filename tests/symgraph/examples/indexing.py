"""Examples: indexing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgraph import ops
from symgraph.op import Array, Op
from symgraph.types import COMPLEX
from symgraph.variable import apply

from ..cases import (
    ALL,
    ANY,
    NUMBERS,
    Case,
    one,
    two,
)
from .common import at, sizes


def placed(axis: int, key: Any, size: int) -> Callable[[Array], Array]:
    """Zeros of `size` along `axis` with the operand at `key`."""

    def embed(g: Array) -> Array:
        shape = list(g.shape)
        shape[axis : axis + isinstance(key, slice)] = [size]
        result = np.zeros(shape, g.dtype)
        result[(slice(None),) * axis + (key,)] = g
        return result

    return embed


def added(base: Array, value: Array, *indices: Array) -> Array:
    result = base.copy()
    np.add.at(result, indices, value)
    return result


def rows_with(value: Array, position: Array, axis: int, size: int) -> Array:
    """Zeros with each value at its position of a row of `size`."""
    result = np.zeros((len(value), size), value.dtype)
    for k, place in enumerate(position):
        result[k, place] = value[k]
    return result if axis else result.T


def embed_slice(axis: int, size: int, start: int, stop: int, step: int) -> Any:
    made = ops.SliceEmbed(axis, step, True, True)
    return lambda g: apply(made, g, *sizes(size, start, stop))


EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    ops.Slice: (
        one(lambda x: x[1:], (5, 3), (1, 3), (0, 3), dtypes=(*ALL, *COMPLEX)),
        one(lambda x: x[:-1, ::2], (5, 4), (1, 1), (0, 3)),
        one(lambda x: x[::-1, 3:1:-1], (5, 7), (1, 1), (2, 3)),
        one(lambda x: x[-3:-1, -20:20:3], (5, 7), (1, 1), (0, 0)),
        one(lambda x: x[4:2, 1:1], (5, 7), (1, 1)),
        one(lambda x: x[2:] - 2 * x[1:-1] + x[:-2], (7,), (2,), (3,)),
        two(
            lambda x, n: x[n:],
            *(((5,), ()), ((1,), ()), ((0,), ())),
            second=at(-3, 3),
        ),
        two(
            lambda x, n: x[:n:2],
            *(((5,), ()), ((1,), ()), ((0,), ())),
            second=at(-3, 3),
        ),
    ),
    ops.SliceEmbed: (
        one(
            embed_slice(0, 5, 1, 3, 1), (2, 3), (2, 0), numpy=placed(0, slice(1, 3), 5)
        ),
        one(
            embed_slice(1, 7, 0, 7, 3),
            *((2, 3), (0, 3)),
            numpy=placed(1, slice(0, 7, 3), 7),
        ),
        one(
            embed_slice(0, 6, 5, 1, -2),
            (2,),
            numpy=placed(0, slice(5, 1, -2), 6),
            dtypes=(*ALL, *COMPLEX),
        ),
    ),
    ops.Pick: (
        one(lambda x: x[1], (2, 3), (4, 0), dtypes=(*ALL, *COMPLEX)),
        one(lambda x: x[:, -1], (2, 3), (0, 2), (1, 1)),
        one(lambda x: x[-1, 0], (2, 3), (1, 1)),
        two(lambda x, k: x[:, k], ((3, 4), ()), ((1, 4), ()), second=at(-4, 3)),
    ),
    ops.PickEmbed: (
        one(
            lambda g: apply(ops.PickEmbed(1), g, *sizes(4, -1)),
            *((2, 3), (0, 2)),
            numpy=placed(1, -1, 4),
            dtypes=(*ALL, *COMPLEX),
        ),
        one(
            lambda g: apply(ops.PickEmbed(0), g, *sizes(1, 0)),
            *((), (3,)),
            numpy=placed(0, 0, 1),
        ),
    ),
    ops.Gather: (
        two(
            lambda x, i: x[i],
            *(((4, 3), (5,)), ((3, 2), (0,)), ((3, 2), (1,))),
            second=at(-3, 2),
            dtypes=(*ALL, *COMPLEX),
        ),
        two(lambda x, i: x[:, i, None], ((2, 4), (3, 2)), second=at(-4, 3)),
        two(lambda x, i: x[i, :, 0], ((3, 4, 2), (5,)), second=at(-3, 2)),
        two(lambda x, i: x[1:, i, ..., i], ((3, 2, 2, 2), (5,)), second=at(-2, 1)),
        two(
            lambda x, i: ops.take(x, i, 1),
            ((3, 4), (2, 2)),
            numpy=lambda x, i: np.take(x, i, 1),
            second=at(-4, 3),
        ),
        Case(
            lambda x, i: x[ops.arange(x.shape[0]), i],
            lambda x, i: x[np.arange(x.shape[0]), i],
            (ANY, at(-3, 2)),
            (((4, 3), (4,)), ((0, 3), (0,)), ((1, 3), (1,))),
        ),
        one(lambda x: x[[0, -1, 0]], (3, 2), (1, 4)),
    ),
    ops.Scatter: (
        Case(
            lambda x, v, i: apply(ops.Scatter((0,), 0), x, v, i),
            added,
            (ANY, ANY, at(-3, 2)),
            (((4, 2), (5, 2), (5,)), ((3, 2), (0, 2), (0,)), ((3, 0), (2, 0), (2,))),
            NUMBERS,
        ),
        Case(
            lambda x, v, i, j: apply(ops.Scatter((0, 1), 0), x, v, i, j),
            added,
            (ANY, ANY, at(-3, 2), at(-2, 1)),
            (((3, 2), (6,), (6,), (6,)),),
        ),
    ),
    ops.RowScatter: tuple(
        Case(
            lambda v, i, axis=axis, size=size: apply(
                ops.RowScatter(axis), v, i, *sizes(size)
            ),
            lambda v, i, axis=axis, size=size: rows_with(v, i, axis, size),
            (ANY, at(-size, size - 1)),
            (((4,), (4,)), ((0,), (0,)), ((1,), (1,))),
            ALL,
        )
        for axis, size in ((0, 3), (1, 3), (1, 1))
    ),
}
