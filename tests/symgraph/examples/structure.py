"""Examples: diagonals, rolls, what accumulates along an axis, elements replaced."""

from __future__ import annotations

import numpy as np

from symgraph import ops
from symgraph.op import Array, Op
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


def placed(g: Array, offset: int, rows: int, columns: int) -> Array:
    result = np.zeros((*g.shape[:-1], rows, columns), g.dtype)
    for k in range(g.shape[-1]):
        result[..., k + max(-offset, 0), k + max(offset, 0)] = g[..., k]
    return result


def recurrence(a: Array, b: Array) -> Array:
    result = b.copy()
    for k in range(1, b.shape[0]):
        result[k] += a[k] * result[k - 1]
    return result


def put(base: Array, value: Array, *indices: Array) -> Array:
    result = base.copy()
    for k, place in enumerate(zip(*indices, strict=True)):
        result[place] = value[k]
    return result


LENGTHS = ((5,), (1,), (0,))
BOXES = ((2, 3, 4), (1, 1, 1), (2, 0, 3), (3, 5, 1), (3, 2, 33))

EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    ops.Diagonal: (
        one(
            lambda x: ops.diagonal(x, 1),
            *((3, 4), (1, 1), (0, 2), (4, 2)),
            numpy=lambda x: np.diagonal(x, 1),
            dtypes=ALL,
        ),
        one(
            lambda x: ops.diagonal(x, -1, 0, 2),
            *((3, 2, 4), (1, 2, 0)),
            numpy=lambda x: np.diagonal(x, -1, 0, 2),
        ),
    ),
    ops.DiagonalEmbed: (
        *(
            one(
                lambda g, k=k, m=m, n=n: apply(ops.DiagonalEmbed(k), g, *sizes(m, n)),
                *((2,), (3, 2)),
                numpy=lambda g, k=k, m=m, n=n: placed(g, k, m, n),
                dtypes=("bool", "float64"),
            )
            for k, m, n in ((0, 2, 3), (1, 4, 3), (-2, 4, 3))
        ),
        one(lambda x: ops.diag(x, 2), (3,), (1,), (0,), numpy=lambda x: np.diag(x, 2)),
    ),
    ops.Roll: (
        two(
            lambda x, n: ops.roll(x, n, 0),
            *(((5, 2), ()), ((1, 1), ()), ((0, 3), ()), ((3, 0), ())),
            numpy=lambda x, n: np.roll(x, int(n), 0),
            second=at(-7, 7),
            dtypes=ALL,
        ),
        one(
            lambda x: ops.roll(x, (1, -2), (1, 0)),
            *((3, 4), (1, 1)),
            numpy=lambda x: np.roll(x, (1, -2), (1, 0)),
        ),
    ),
    ops.Cumulative: (
        one(
            lambda x: apply(ops.Cumulative("sum", 0), x),
            *LENGTHS,
            numpy=lambda x: np.cumsum(x, 0, dtype=x.dtype),
            dtypes=NUMBERS,
        ),
        *(
            one(
                lambda x, k=k: ops.cumsum(x, k),
                *BOXES,
                numpy=lambda x, k=k: np.cumsum(x, k),
            )
            for k in (0, 1, -1)
        ),
        *(
            one(
                lambda x, k=k: ops.cumprod(x, k),
                *((3, 4), (1, 1), (0, 2)),
                numpy=lambda x, k=k: np.cumprod(x, k),
            )
            for k in (0, 1)
        ),
        one(
            lambda x: ops.cumprod(where_zero(x), 0),
            (5,),
            numpy=lambda x: np.cumprod(np.where(np.arange(5) % 2, x, 0.0)),
            dtypes=("float64",),
        ),
        one(
            lambda x: ops.cummax(x, 0),
            *((5, 2), (1, 1), (0, 3)),
            numpy=lambda x: np.maximum.accumulate(x, 0),
            dtypes=ALL,
        ),
        one(
            lambda x: ops.cummin(x, 1),
            *((2, 5), (1, 1), (3, 0)),
            numpy=lambda x: np.minimum.accumulate(x, 1),
            dtypes=ALL,
        ),
    ),
    ops.Recurrence: (
        two(
            lambda a, b: apply(ops.Recurrence(0), a, b),
            *(((5, 2), (5, 2)), ((1, 1), (1, 1)), ((0, 3), (0, 3)), ((2, 33), (2, 33))),
            numpy=recurrence,
            dtypes=NUMBERS,
        ),
        two(
            lambda a, b: apply(ops.Recurrence(1), a, b),
            *(((2, 5), (2, 5)), ((1, 1), (1, 1))),
            numpy=lambda a, b: recurrence(a.T, b.T).T,
        ),
    ),
    ops.Put: (
        Case(
            lambda x, v, i: apply(ops.Put((0,), 0), x, v, i),
            put,
            (ANY, ANY, at(-3, 2)),
            (((4, 2), (5, 2), (5,)), ((3, 2), (0, 2), (0,)), ((3, 0), (2, 0), (2,))),
            ALL,
        ),
        Case(
            lambda x, v, i, j: apply(ops.Put((0, 1), 0), x, v, i, j),
            put,
            (ANY, ANY, at(-3, 2), at(-2, 1)),
            (((3, 2), (6,), (6,), (6,)),),
        ),
        Case(
            lambda x, v: x[:, [2, 0]].set(v),
            lambda x, v: np.stack([v[:, 1], x[:, 1], v[:, 0]], 1),
            (ANY, ANY),
            (((4, 3), (4, 2)), ((0, 3), (0, 2))),
        ),
    ),
}


def where_zero(x: object) -> object:
    """`x` with zeros at every other place."""
    return ops.where(ops.arange(5) % 2, x, 0.0)
