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

from ..support import MODES, Computer, assert_same, compute

#: A call, written for symgraph; and for NumPy where that is another one.
Call = Callable[..., Any]
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
    lambda m, x: m.mean(x, axis=1, dtype="float32"),
    lambda m, x: x.mean((0, 2), dtype="int64", keepdims=True),
    lambda m, x: m.any(x, axis=(0, 2), keepdims=True),
    lambda m, x: m.all(x, axis=-1),
    lambda m, x: m.diff(x),
    lambda m, x: m.diff(x, n=2, axis=1),
    lambda m, x: m.diff(x, axis=0, prepend=0, append=x[:1]),
    lambda m, x: m.trapezoid(x, dx=0.5, axis=1),
    lambda m, x: m.nansum(x, axis=0),
    lambda m, x: m.nanprod(x, axis=(0, 2)),
    lambda m, x: m.nanvar(x, axis=1),
    lambda m, x: m.nanstd(x, axis=(0, 2), ddof=2, keepdims=True),
    lambda m, x: m.isin(x, [1, 3, 7]),
    lambda m, x: m.isin(x, x[:1] * 2, invert=True),
    lambda m, x: m.rot90(x),
    lambda m, x: m.rot90(x, -1, axes=(0, 2)),
    lambda m, x: m.rot90(x, 2, axes=(-1, 1)) + m.rot90(x, 4),
    lambda m, x: m.select([x > 2, x > 1], [x, x * 2], -1),
    lambda m, x: m.matvec(x, x.sum(axis=(0, 1))),
    lambda m, x: m.vecmat(x.sum(axis=2), x),
    lambda m, x: x.std(axis=(1, 2), ddof=1, keepdims=True) + x.var(1, keepdims=True),
    lambda m, x: x.prod() + x.cumsum(1).trace(1) + x.cumprod().ravel().sum(),
    lambda m, x: x.any() | (x * x).all(-1),
    lambda m, x: x.swapaxes(0, 2).repeat(2, 1).diagonal(axis1=1, axis2=2),
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
    lambda m, x: m.amax(x) * m.amin(x, axis=1),
    lambda m, x: m.nanmin(x, axis=(0, 2)),
    lambda m, x: m.pad(x, 1, mode="edge"),
    lambda m, x: m.pad(x, ((0, 2), (3, 1), (0, 0)), mode="wrap"),
    lambda m, x: m.pad(x, ((7, 9), (0, 5), (11, 0)), mode="reflect"),
    lambda m, x: m.pad(x, ((7, 9), (0, 5), (11, 0)), mode="symmetric"),
    lambda m, x: m.pad(x, {-1: (12, 13)}, mode="wrap"),
    lambda m, x: m.trace(x),
]

PLACES: list[Row] = [
    lambda m, x: m.sum(x, axis=1, dtype="int8"),
    lambda m, x: m.prod(x, axis=-1, dtype="float32"),
    lambda m, x: m.take_along_axis(x, -(x > 1).astype("int64"), axis=0),
    lambda m, x: m.take_along_axis(x, -(x[:1] > 1).astype("int32"), axis=-1),
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


PRODUCTS: list[Row] = [
    lambda m, x, y: m.einsum("ij,jk", x, y),
    lambda m, x, y: m.einsum("ij,jk->ki", x, y),
    lambda m, x, y: m.einsum("ij,jk->", x, y),
    lambda m, x, y: m.einsum("ij,jk->ijk", x, y),
    lambda m, x, y: m.einsum("ij,jk->j", x, y),
    lambda m, x, y: m.einsum("ij,jk,kl->il", x, y, m.moveaxis(y, 0, 1)),
    lambda m, x, y: m.einsum("ij,jk,jk,ij->k", x, y, y, x),
    lambda m, x, y: m.einsum("ba", x),
    lambda m, x, y: m.einsum("ii->i", x[:2, :2]),
    lambda m, x, y: m.einsum("ii", x[:2, :2]),
    lambda m, x, y: m.einsum("iji->j", x[:2, :, None] * y[0, :2]),
    lambda m, x, y: m.einsum("i...->...", x),
    lambda m, x, y: m.einsum("...j,j...->...", x, y[:, :1]),
    lambda m, x, y: m.einsum("...ij,...jk->...ik", x[None], y[None, None]),
    lambda m, x, y: m.einsum("i...,...->i...", x, y[0, 0]),
    lambda m, x, y: m.einsum("ij,ij->ij", x[:, None, 0], x[None, 0, :]),
    lambda m, x, y: m.einsum(x, [0, 1], y, [1, 2], [2, 0]),
    lambda m, x, y: m.einsum("ij->", x),
    lambda m, x, y: m.einsum(" i j , j k -> i k ", x, y),
    lambda m, x, y: m.kron(x, y),
    lambda m, x, y: m.kron(x[0], y),
    lambda m, x, y: m.inner(x, y.T),
    lambda m, x, y: m.inner(x, x[0, 0]),
    lambda m, x, y: m.vdot(x, x),
    lambda m, x, y: m.vecdot(x[:, None], y.T),
    lambda m, x, y: m.vecdot(x, y[:, 0]),
    lambda m, x, y: m.outer(x, y),
    lambda m, x, y: m.matmul(x[None, None], y[None]),
    lambda m, x, y: m.average(x, axis=1, weights=y[:, 0] + 1),
    lambda m, x, y: m.average(x, weights=x + 1),
    lambda m, x, y: m.average(x, axis=0, weights=x + 1, returned=True)[1],
    lambda m, x, y: m.trapezoid(x, y[:, 0], axis=1),
    lambda m, x, y: m.trapezoid(x, x, axis=0),
    lambda m, x, y: m.column_stack([x, x[:, 0]]),
    lambda m, x, y: m.broadcast_arrays(x[:, :1], y[:1])[0],
    lambda m, x, y: m.meshgrid(x[0], y[0])[0],
    lambda m, x, y: m.meshgrid(x[0], y[0], indexing="ij")[1],
    lambda m, x, y: m.meshgrid(x[0], y[0], sparse=True)[1],
    lambda m, x, y: m.diag(x[0], -2),
    lambda m, x, y: m.diag(x, 1),
    lambda m, x, y: m.atleast_2d(x[0]),
    lambda m, x, y: m.atleast_1d(x[0, 0]),
    lambda m, x, y: m.atleast_3d(x[0]),
    lambda m, x, y: m.linalg.norm(x),
    lambda m, x, y: m.linalg.norm(x, 1),
    lambda m, x, y: m.linalg.norm(x, -np.inf, axis=(1, 0)),
    lambda m, x, y: m.linalg.norm(x, 3, axis=1, keepdims=True),
    lambda m, x, y: m.linalg.vector_norm(x, axis=0, ord=np.inf),
    lambda m, x, y: m.linalg.vector_norm(x, axis=1, ord=0),
    lambda m, x, y: m.linalg.vector_norm(x, keepdims=True),
    lambda m, x, y: m.linalg.matrix_norm(x, ord=np.inf),
    lambda m, x, y: m.linalg.matrix_norm(x, keepdims=True),
    lambda m, x, y: m.linalg.diagonal(x, offset=1),
    lambda m, x, y: m.linalg.trace(x),
    lambda m, x, y: m.linspace(x[0], y[0, 0], 5),
    lambda m, x, y: m.linspace(x[0], 3, 4, endpoint=False, axis=-1),
    lambda m, x, y: m.linspace(x[0, 0], 7, 3, retstep=True)[1],
    lambda m, x, y: m.logspace(x[0, 0], 2, 4, base=2.0),
    lambda m, x, y: m.geomspace(x[0, 0] + 1, 1000, 4),
]


@pytest.mark.parametrize("mode", MODES)
def test_products(mode: str) -> None:
    for dtype in ("float64", "int32") if mode == "interpret" else ("float64",):
        x = sg.tensor("x", dtype, (None, None))
        y = sg.tensor("y", dtype, (None, None))
        run = Computer([x, y], outputs_of(PRODUCTS, x, y), mode)
        for n, k, m in ((2, 3, 4), (5, 3, 2), (2, 2, 2)):
            check(PRODUCTS, run, draw((n, k), dtype), draw((k, m), dtype))


def test_made_of_nothing() -> None:
    calls = [
        lambda m: m.tri(3, 4, 1),
        lambda m: m.tri(3, dtype="int32"),
        lambda m: m.identity(3),
        lambda m: m.linspace(0, 1, 0),
        lambda m: m.linspace(0, 1, 1),
        lambda m: m.linspace(2.0, 3.0, 1, endpoint=False),
        lambda m: m.linspace(-3, 3.5, 7, dtype="int64"),
        lambda m: m.linspace(np.float32(0), np.float32(1), 3),
        lambda m: m.linspace(5, 5, 3),
        lambda m: m.linspace(np.array([0, 1], "int8"), np.array([[5], [7]]), 3, axis=1),
        lambda m: m.logspace(0, 3, 4),
        lambda m: m.logspace(0, 3, 4, dtype="int64"),
        lambda m: m.geomspace(1, 256, 9),
        lambda m: m.geomspace(-1, -1000, 4),
        lambda m: m.cross(np.eye(3), np.array([1, 2, 3])),
        lambda m: m.cross(np.arange(6).reshape(3, 2), np.eye(3)[:, :2], axis=0),
        lambda m: m.repeat(np.arange(3), [2, 0, 3]),
        lambda m: m.repeat(np.arange(6).reshape(2, 3), [1, 2], axis=0),
        lambda m: m.squeeze(np.ones((1, 2, 1))),
        lambda m: m.einsum("ij,ij->ij", np.ones((1, 3)), np.ones((2, 3))),
        lambda m: m.einsum(
            "ab,ab", np.array([[True, False]]), np.array([[True, True]])
        ),
    ]
    for number, (call, got) in enumerate(
        zip(calls, compute([sg.as_tensor(c(sg)) for c in calls], [], []), strict=True)
    ):
        assert_same(got, call(np), f"call {number}")


def test_pieces_put_together() -> None:
    x = sg.tensor("x", "float64", (6, 4))
    value = np.arange(24.0).reshape(6, 4)
    for parts, axis in ((3, 0), (2, 1), ([1, 1, 5], 0)):
        pieces = sg.split(x, parts, axis)
        got = compute([sg.concatenate(pieces, axis), *pieces], [x], [value])
        for one, other in zip(got, [value, *np.split(value, parts, axis)], strict=True):
            assert_same(one, other, f"{parts}")
    assert len(sg.unstack(x)) == 6
    (got,) = compute([sg.stack(sg.unstack(x, axis=1), 1)], [x], [value])
    assert_same(got, value, "unstack")


def test_unequal_parts_are_refused_when_it_runs() -> None:
    x = sg.dvector("x")
    f = Computer([x], sg.split(x, 2), "fast")
    assert_same(f(np.arange(4.0))[1], np.array([2.0, 3.0]), "halves")
    with pytest.raises(ValueError, match=r"split|reshape"):
        f(np.arange(5.0))


WRONG: list[tuple[str, Callable[[Any, Any], object]]] = [
    ("3 labels for 2 dimensions", lambda x, v: sg.einsum("ijk->i", x)),
    ("2 lists of labels for 1", lambda x, v: sg.einsum("ij,jk", x)),
    ("in no operand", lambda x, v: sg.einsum("ij->k", x)),
    ("twice in the result", lambda x, v: sg.einsum("ij->ii", x)),
    ("is no label", lambda x, v: sg.einsum("i1", x)),
    ("sizes 2 and 3", lambda x, v: sg.einsum("ii", x)),
    ("sizes 3 and 2", lambda x, v: sg.einsum("ij,jk", x, x)),
    ("equal parts", lambda x, v: sg.split(x, 2, axis=1)),
    ("pairs of widths", lambda x, v: sg.pad(x, ((1, 1), (1, 1), (0, 0)))),
    ("slice cuts off", lambda x, v: sg.pad(x, -1)),
    ("shifts for", lambda x, v: sg.roll(x, (1, 2, 3), (0, 1))),
    ("not known", lambda x, v: sg.unstack(v)),
    ("run-time values", lambda x, v: sg.repeat(x, sg.cast(v, "int64"))),
    ("for 3 elements", lambda x, v: sg.repeat(x, [1, 2], axis=1)),
    ("no axis given", lambda x, v: sg.cumulative_sum(x)),
    ("of a scalar", lambda x, v: sg.tril(v[0])),
    ("three dimensions", lambda x, v: sg.cross(x[:, :2], x[:, :2])),
    ("modes are", lambda x, v: sg.pad(x, 1, mode="linear_ramp")),
    ("norms are", lambda x, v: sg.linalg.norm(x, "nuc")),
    ("vectors of", lambda x, v: sg.vecdot(x, x[:, :2])),
]


@pytest.mark.parametrize(("words", "wrong"), WRONG, ids=lambda p: str(p)[:12])
def test_errors(words: str, wrong: Callable[[Any, Any], object]) -> None:
    x, v = sg.tensor("x", "float64", (2, 3)), sg.dvector("v")
    with pytest.raises(sg.errors.SymgraphError, match=rf"{words}[\s\S]*"):
        wrong(x, v)


def test_complex_operands() -> None:
    x = sg.tensor("x", "complex128", (None, None))
    rng = np.random.default_rng(0)
    value = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    table: list[Row] = [
        lambda m, x: m.cumsum(x, 1),
        lambda m, x: m.var(x, axis=0),
        lambda m, x: m.roll(x, 1, 0) + m.diag(x[0]) + m.tril(x),
        lambda m, x: m.trace(x),
        lambda m, x: m.vdot(x, x * 1j),
        lambda m, x: m.vecdot(x, x * 1j),
        lambda m, x: m.linalg.norm(x),
        lambda m, x: m.einsum("ij,jk,kl->il", x, x, x),
        lambda m, x: m.cross(x, x * x),
        lambda m, x: m.pad(x, 1, mode="wrap"),
        lambda m, x: m.average(x, axis=0, weights=m.abs(x)),
    ]
    for mode in MODES:
        check(table, Computer([x], outputs_of(table, x), mode), value)
