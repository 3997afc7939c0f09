"""The functions that carry NumPy's names, against NumPy: values, dtypes and shapes.

Each table is compiled as one function, over inputs whose sizes are not known, and
called with several sizes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.op import Array

from ..support import MODES, Computer, assert_same

#: A call, written for symgraph; and for NumPy where that is another one.
Call = Callable[[Any, Any], Any]
Row = Call | tuple[Call, Call]

AXES: list[Row] = [
    lambda m, x: m.var(x),
    lambda m, x: m.var(x, axis=0, ddof=1),
    lambda m, x: m.var(x, axis=(0, -1), keepdims=True),
    lambda m, x: m.std(x, axis=1, ddof=9),
    lambda m, x: m.std(x, axis=-1, keepdims=True),
    lambda m, x: m.count_nonzero(x),
    lambda m, x: m.count_nonzero(x, axis=(0, 2)),
    lambda m, x: m.cumsum(x),
    lambda m, x: m.cumsum(x, axis=0),
    lambda m, x: m.cumsum(x, axis=-1, dtype="float32"),
    lambda m, x: m.cumprod(x, axis=1),
    lambda m, x: m.cumulative_sum(x, axis=1, include_initial=True),
    lambda m, x: m.cumulative_prod(x, axis=-1, include_initial=True),
    (
        lambda m, x: m.cummax(x, axis=1),
        lambda m, x: m.maximum.accumulate(x, axis=1),
    ),
    (
        lambda m, x: m.cummin(x),
        lambda m, x: m.minimum.accumulate(m.ravel(x)),
    ),
    lambda m, x: m.prod(x, axis=(0, -1)),
    lambda m, x: m.any(x, axis=(0, 2), keepdims=True),
    lambda m, x: m.all(x, axis=-1),
    lambda m, x: m.diff(x),
    lambda m, x: m.diff(x, n=2, axis=1),
    lambda m, x: m.diff(x, axis=0, prepend=0, append=x[:1]),
    lambda m, x: m.trapezoid(x, dx=0.5, axis=1),
    lambda m, x: m.nansum(x, axis=0),
]

NONEMPTY: list[Row] = [
    lambda m, x: m.ptp(x),
    lambda m, x: m.ptp(x, axis=1, keepdims=True),
    lambda m, x: m.average(x, axis=1),
    lambda m, x: m.average(x, axis=1, keepdims=True),
    lambda m, x: m.argmin(x),
    lambda m, x: m.argmin(x, axis=1),
    lambda m, x: m.argmin(x, axis=-1, keepdims=True),
    lambda m, x: m.nanmax(x, axis=1),
    lambda m, x: m.nanmin(x, axis=(0, 2)),
    lambda m, x: m.pad(x, 1, mode="edge"),
    lambda m, x: m.pad(x, ((0, 2), (3, 1), (0, 0)), mode="wrap"),
    lambda m, x: m.pad(x, ((7, 9), (0, 5), (11, 0)), mode="reflect"),
    lambda m, x: m.pad(x, ((7, 9), (0, 5), (11, 0)), mode="symmetric"),
    lambda m, x: m.pad(x, {-1: (12, 13)}, mode="wrap"),
    lambda m, x: m.trace(x),
]

PLACES: list[Row] = [
    lambda m, x: m.flip(x),
    lambda m, x: m.flip(x, (0, -1)),
    lambda m, x: m.flipud(x),
    lambda m, x: m.fliplr(x),
    lambda m, x: m.roll(x, 2),
    lambda m, x: m.roll(x, -3, axis=1),
    lambda m, x: m.roll(x, (1, -8), axis=(0, 2)),
    lambda m, x: m.roll(x, 1, axis=(0, -1)),
    lambda m, x: m.roll(x, (1, 2), axis=1),
    lambda m, x: m.tile(x, 2),
    lambda m, x: m.tile(x, (2, 1)),
    lambda m, x: m.tile(x, (2, 1, 3, 2)),
    lambda m, x: m.tile(x, (0, 1, 1)),
    lambda m, x: m.repeat(x, 2),
    lambda m, x: m.repeat(x, 3, axis=-1),
    lambda m, x: m.repeat(x, 0, axis=0),
    lambda m, x: m.moveaxis(x, 0, -1),
    lambda m, x: m.moveaxis(x, (0, 1), (-1, 0)),
    lambda m, x: m.swapaxes(x, 0, -1),
    lambda m, x: m.permute_dims(x, (2, 0, 1)),
    lambda m, x: m.ravel(x),
    lambda m, x: m.atleast_3d(x.reshape((x.shape[0], -1))),
    lambda m, x: m.hstack([x, x]),
    lambda m, x: m.vstack([x, x]),
    lambda m, x: m.dstack([x, x]),
    lambda m, x: m.concat([x, x], axis=-1),
    lambda m, x: m.diagonal(x),
    lambda m, x: m.diagonal(x, 1, 1, 2),
    lambda m, x: m.diagonal(x, -2, 2, 0),
    lambda m, x: m.trace(x, -1, 1, 2),
    lambda m, x: m.tril(x),
    lambda m, x: m.triu(x, 1),
    lambda m, x: m.tril(x, -1),
    lambda m, x: m.pad(x, 1),
    lambda m, x: m.pad(x, ((1, 2),)),
    lambda m, x: m.pad(x, ((1, 2), (0, 0), (0, 3)), constant_values=1),
    lambda m, x: m.pad(x, {0: 1}, constant_values=((0, 1), (1, 0), (1, 1))),
    lambda m, x: m.array_split(x, 3)[0],
    lambda m, x: m.array_split(x, 3)[1],
    lambda m, x: m.array_split(x, 3, axis=1)[2],
    lambda m, x: m.split(x, [1, -1], axis=1)[1],
    lambda m, x: m.split(x, [1, 2, 9])[2],
    lambda m, x: m.hsplit(x, [1])[1],
    lambda m, x: m.vsplit(x, [1])[0],
    lambda m, x: m.dsplit(x, [2])[0],
    lambda m, x: m.meshgrid(x.ravel(), x.ravel()[1:])[0],
    lambda m, x: m.inner(x, x),
    lambda m, x: m.vecdot(x, x),
    lambda m, x: m.vecdot(x, x, axis=0),
    lambda m, x: m.vdot(x, x),
    lambda m, x: m.kron(x, x[0]),
]


def outputs_of(table: list[Row], *inputs: Any) -> list[Any]:
    pairs = [row if isinstance(row, tuple) else (row, row) for row in table]
    return [call(sg, *inputs) for call, _ in pairs]


def check(table: list[Row], run: Computer, *arrays: Array) -> None:
    pairs = [row if isinstance(row, tuple) else (row, row) for row in table]
    results = run(*arrays)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns of the mean of nothing
        for number, ((_, call), got) in enumerate(zip(pairs, results, strict=True)):
            note = f"row {number}, {[a.shape for a in arrays]}, {arrays[0].dtype}"
            assert_same(got, np.asarray(call(np, *arrays)), note)


def draw(shape: tuple[int, ...], dtype: str) -> Array:
    rng = np.random.default_rng(sum(shape))
    return np.asarray(rng.integers(0, 4, shape) + rng.integers(0, 2), dtype)


SHAPES = ((2, 3, 5), (4, 1, 3), (1, 1, 1))
EMPTY = ((2, 0, 3), (0, 2, 2))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("table", "shapes"),
    [(AXES, SHAPES + EMPTY), (NONEMPTY, SHAPES), (PLACES, SHAPES + EMPTY[:1])],
    ids=("along axes", "of something", "places"),
)
def test_tables(table: list[Row], shapes: Any, mode: str) -> None:
    for dtype in ("float64", "int32", "bool") if mode == "interpret" else ("float64",):
        # As in NumPy, bools have no differences.
        rows = table[2:] if dtype == "bool" and table is NONEMPTY else table
        x = sg.tensor("x", dtype, (None, None, None))
        run = Computer([x], outputs_of(rows, x), mode)
        for shape in shapes:
            check(rows, run, draw(shape, dtype))
