"""``x[key].set(v)`` and ``x[key].inc(v)`` against NumPy's assignment and ``add.at``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import DTypeError, ShapeError, SymgraphError, UnsupportedError
from symgraph.op import Array

from ..support import MODES, Computer, assert_same, compute

SHAPE = (4, 3, 5)

#: Keys, and the shape of a value that is broadcast to what they select.
KEYS: list[tuple[Any, tuple[int, ...]]] = [
    (1, (3, 5)),
    (-1, ()),
    ((0, -2), (5,)),
    ((2, 1, 3), ()),
    (slice(1, 3), (2, 3, 5)),
    (slice(None, None, -2), (3, 1)),
    ((slice(3, 0, -1), 1), (3, 5)),
    ((slice(None), slice(9, 1)), ()),
    ((slice(None), None, 1), (4, 1, 5)),
    ((..., 0), (3,)),
    ((None, ..., slice(1, 4, 2)), (1, 1, 3, 2)),
    (..., (5,)),
    ([0, 2], (2, 3, 5)),
    ([1, -3, 1], (3, 1, 5)),
    (([0, 0, 3], [1, 1, 2]), (3, 5)),
    ((slice(None), [2, 2, 0]), (4, 3, 5)),
    ((slice(1, None), [0, 2], slice(None, None, 2)), (3, 1, 3)),
    (([0, 0], slice(None), [1, 1]), (2, 3)),
    ((1, [2, 0, 2]), (3, 5)),
    ((slice(2), 0, [[1, 1], [4, 0]]), (2, 2, 2)),
    ((None, [1, 1], None), (2, 1, 3, 5)),
    (np.array([1, 3], "uint8"), ()),
    ([], ()),
    (np.arange(60).reshape(SHAPE) % 7 == 0, ()),
    ((slice(None), np.array([True, False, True])), (4, 2, 5)),
]


def changed(x: Array, key: Any, v: Array, adds: bool) -> Array:
    result = x.copy()
    if adds:
        np.add.at(result, key, v)
    else:
        result[key] = v
    return result


def slopes(x: Array, key: Any, v: Array, adds: bool, g: Array) -> tuple[Array, Array]:
    """The gradients of ``sum(g * changed)``: the last of repeated values counts."""
    number = np.arange(x.size).reshape(x.shape)
    places = np.broadcast_to(number[key], number[key].shape)
    shape = np.broadcast_shapes(v.shape, places.shape)
    places = places.reshape(shape)
    if adds:
        sent, left = g.ravel()[places], g
    else:
        owner = np.full(x.size, -1)
        order = np.arange(places.size).reshape(shape)
        for place, k in zip(places.ravel(), order.ravel(), strict=True):
            owner[place] = k
        sent = np.where(owner[places] == order, g.ravel()[places], 0.0)
        left = np.where(owner.reshape(x.shape) < 0, g, 0.0)
    lead = len(shape) - v.ndim
    sent = sent.sum(tuple(range(lead)))
    ones = tuple(k for k, size in enumerate(v.shape) if size == 1)
    return left, sent.sum(ones, keepdims=True)


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_key(mode: str) -> None:
    x = sg.dtensor3("x")
    rng = np.random.default_rng(3)
    value, weights = rng.normal(size=SHAPE), rng.normal(size=SHAPE)
    inputs, arrays, outputs, expected, grads, wanted = [x], [value], [], [], [], []
    for key, shape in KEYS:
        v = sg.tensor(None, "float64", shape)
        given = rng.normal(size=shape)
        inputs.append(v)
        arrays.append(given)
        for adds in (False, True):
            made = x[key].inc(v) if adds else x[key].set(v)
            outputs.append(made)
            expected.append(changed(value, key, given, adds))
            grads += sg.grad(
                sg.sum(made * weights), [x, v], disconnected_inputs="ignore"
            )
            wanted += slopes(value, key, given, adds, weights)
    run = Computer(inputs, outputs + grads, mode)
    for k, (got, right) in enumerate(zip(run(*arrays), expected + wanted, strict=True)):
        assert_same(got, right, f"{k}")


@pytest.mark.parametrize("mode", MODES)
def test_symbolic_keys_and_sizes(mode: str) -> None:
    x, v, i, k = sg.dmatrix("x"), sg.dvector("v"), sg.lvector("i"), sg.lscalar("k")
    outputs = [
        x[i, k].set(v),
        x[i, k].inc(v),
        x[k:, k].set(0.0),
        x[k].set(v[0]),
        x[: k + 1].inc(1),
        x[i].set(v[:, None]),
    ]
    outputs += sg.grad(sg.sum(outputs[0] ** 2) + sg.sum(outputs[5] ** 2), [x, v])
    run = Computer([x, v, i, k], outputs, mode)
    for rows, columns, places, at in ((4, 3, [0, 2, 2], 1), (1, 1, [0], 0)):
        a = np.arange(1.0, 1 + rows * columns).reshape(rows, columns)
        b = -np.arange(1.0, 1 + len(places))
        n = np.array(places)
        rest = [a.copy() for _ in range(6)]
        rest[0][n, at] = b
        np.add.at(rest[1], (n, at), b)
        rest[2][at:, at] = 0.0
        rest[3][at] = b[0]
        rest[4][: at + 1] += 1
        rest[5][n] = b[:, None]
        gx = 2 * np.where(rest[0] == a, a, 0) + 2 * np.where(rest[5] == a, a, 0)
        last = np.array([p not in places[j + 1 :] for j, p in enumerate(places)])
        gv = last * (2 * b + columns * 2 * b)
        for one, other in zip(run(a, b, n, at), [*rest, gx, gv], strict=True):
            assert_same(one, other, f"{rows}")
    with pytest.raises(sg.errors.IndexOutOfBoundsError, match="out of bounds"):
        run(np.ones((2, 2)), np.ones(1), np.array([2]), 0)


@pytest.mark.parametrize("mode", MODES)
def test_masks(mode: str) -> None:
    x, m, r = sg.dmatrix("x"), sg.tensor("m", "bool", (None, None)), sg.dvector("r")
    rows = m[:, 0]
    outputs = [
        x[m].set(0.5),
        x[m].inc(2),
        x[rows].set(r),
        x[rows].inc(r[None, :]),
        x[(m,)].set(-1),
    ]
    outputs += sg.grad(sg.sum(x[rows].set(r) * x), [x, r])
    a = np.arange(6.0).reshape(2, 3)
    b, c = a % 2 == 0, np.array([7.0, 8.0, 9.0])
    d = b[:, :1]
    expected = [
        *(np.where(b, 0.5, a), np.where(b, a + 2, a), np.where(d, c, a)),
        *(np.where(d, a + c, a), np.where(b, -1, a)),
        np.where(d, np.where(d, c, a), 2 * a),
        np.where(d, a, 0).sum(0),
    ]
    for got, right in zip(
        compute(outputs, [x, m, r], [a, b, c], mode), expected, strict=True
    ):
        assert_same(got, right, "masks")


def test_a_known_mask_can_be_read() -> None:
    x = sg.dmatrix("x")
    a, mask = np.arange(6.0).reshape(2, 3), np.array([[True, False, True]] * 2)
    (got,) = compute([x[mask]], [x], [a])
    assert_same(got, a[mask], "mask")


def test_dtypes_as_in_numpy() -> None:
    for dtype in ("bool", "uint8", "int64", "float32"):
        x = sg.tensor("x", dtype, (3,))
        a = np.arange(3).astype(dtype)
        outputs = [x[1].set(1.75), x[[0, 2]].set(np.array([0.5, 2.5])), x[:1].inc(1)]
        expected = [a.copy(), a.copy(), a.copy()]
        expected[0][1] = 1.75
        expected[1][[0, 2]] = [0.5, 2.5]
        np.add.at(expected[2], slice(1), np.array(1, dtype))
        for got, right in zip(compute(outputs, [x], [a]), expected, strict=True):
            assert_same(got, right, dtype)


def test_zeros_keep_their_sign() -> None:
    x = sg.dvector("x")
    got = compute([x[1:].inc(1.0), x[1].set(2.0)], [x], [np.array([-0.0, 1.0])])
    assert all(np.signbit(a[0]) for a in got)


WRONG: list[tuple[type[Exception], str, Callable[[Any], object]]] = [
    (SymgraphError, r"write x\[key\]\.set", lambda x: (x[0] + 1).set(0)),
    (SymgraphError, r"write x\[key\]\.inc", lambda x: sg.inc_subtensor(x, 0)),
    (ShapeError, "broadcast", lambda x: x[0].set(np.ones((2, 3)))),
    (ShapeError, "broadcast", lambda x: x[:2].set(np.ones((3, 3)))),
    (UnsupportedError, "one value for all", lambda x: x[x > 0].set(np.ones(4))),
    (ShapeError, "mask", lambda x: x[x[0] > 0].set(1)),
    (DTypeError, "cannot hold complex", lambda x: x[0].set(1j)),
    (DTypeError, "cannot hold complex", lambda x: x[x > 0].inc(1j)),
    (DTypeError, "cannot be added", lambda x: sg.cast(x, "int32")[0].inc(0.5)),
    (DTypeError, "out of bounds", lambda x: sg.cast(x, "uint8")[0].set(300)),
]


@pytest.mark.parametrize(("error", "words", "wrong"), WRONG)
def test_errors(
    error: type[Exception], words: str, wrong: Callable[[Any], object]
) -> None:
    x = sg.tensor("x", "float64", (4, 3))
    with pytest.raises(error, match=rf"{words}[\s\S]*"):
        wrong(x)
