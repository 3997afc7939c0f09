"""Indexing against NumPy: random keys, errors, and gradients of mixtures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symgraph as sg
from symgraph.errors import (
    DTypeError,
    IndexOutOfBoundsError,
    ShapeError,
    SymgraphError,
    UnsupportedError,
)

from ..support import MODES, Computer, compute, predicted_shape

SHAPE = (3, 4, 2, 5)


@st.composite
def keys(draw: st.DrawFn) -> tuple[Any, ...]:
    """A NumPy key for SHAPE: ints, slices, None, an ellipsis and integer arrays."""
    count = draw(st.integers(0, len(SHAPE)))
    arrays = draw(st.booleans())
    key: list[Any] = []
    for axis in range(count):
        size = SHAPE[axis]
        ends = st.none() | st.integers(-size - 2, size + 2)
        steps = st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3])
        place = st.integers(-size, size - 1)
        options = [st.builds(slice, ends, ends, steps), place]
        if arrays:
            options.append(st.lists(place, min_size=3, max_size=3).map(np.array))
            pair = st.lists(place, min_size=2, max_size=2)
            options.append(pair.map(lambda row: np.array(row)[:, None]))
        key.append(draw(st.one_of(options)))
    for _ in range(draw(st.integers(0, 2))):
        key.insert(draw(st.integers(0, len(key))), None)
    if draw(st.booleans()):
        # What is behind the ellipsis would meet other axes: end with it, or be whole.
        whole = count == len(SHAPE)
        key.insert(draw(st.integers(0, len(key))) if whole else len(key), Ellipsis)
    return tuple(key)


@pytest.mark.parametrize("known", [True, False], ids=["sizes known", "sizes unknown"])
@settings(max_examples=150, deadline=None)
@given(key=keys())
def test_random_keys(known: bool, key: tuple[Any, ...]) -> None:
    x = sg.tensor("x", "float64", SHAPE if known else (None,) * 4)
    value = np.arange(120.0).reshape(SHAPE)
    result = x[key]
    (got,) = compute([result], [x], [value])
    np.testing.assert_array_equal(got, value[key])
    assert predicted_shape(result, [x], [value]) == np.shape(got)
    weights = np.random.default_rng(0).normal(size=np.shape(got))
    (slope,) = compute([sg.grad(sg.sum(result * weights), x)], [x], [value])
    expected = np.zeros(SHAPE)
    np.add.at(expected, key, weights)
    np.testing.assert_allclose(slope, expected)


@pytest.mark.parametrize("mode", MODES)
def test_slices_that_reach_beyond_all_axes(mode: str) -> None:
    x, value = sg.dvector("x"), np.arange(5.0)
    far = (2**62, 2**63 - 1, -(2**63), 10**30, -(10**30))
    keys = [slice(*ends) for n in far for ends in ((n,), (n, None), (n, None, -1))]
    keys += [slice(1, None, 2**63 - 1), slice(None, None, -(10**30))]
    run = Computer([x], [x[key] * 2 for key in keys] + [x[: 9**30].set(1)], mode)
    *parts, ones = run(value)
    np.testing.assert_array_equal(ones, np.ones(5))
    for key, part in zip(keys, parts, strict=True):
        np.testing.assert_array_equal(part, value[key] * 2, err_msg=str(key))


@pytest.mark.parametrize("mode", MODES)
def test_symbolic_indices(mode: str) -> None:
    x, k, n = sg.dmatrix("x"), sg.lscalar("k"), sg.iscalar("n")
    value = np.arange(20.0).reshape(4, 5)
    outputs = [x[k], x[k, n], x[:, n], x[[0, 2], k], x[k:], x[: n + 1, 1:n]]
    for i, j in [(0, 1), (2, 3), (-1, -2), (-4, 0)]:
        got = compute(outputs, [x, k, n], [value, i, j], mode)
        expected = [
            *(value[i], value[i, j], value[:, j], value[[0, 2], i], value[i:]),
            value[: j + 1, 1:j],
        ]
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("index", [4, -5, 1 << 40])
def test_out_of_bounds_at_run_time(index: int, mode: str) -> None:
    x, k, i = sg.dmatrix("x"), sg.lscalar("k"), sg.lvector("i")
    value = np.ones((4, 4))
    for output in (x[k], x[:, k], sg.sum(x[k] * x[0])):
        with pytest.raises(IndexOutOfBoundsError, match="out of bounds"):
            compute([output], [x, k], [value, index], mode)
    for output in (x[i], x[0, i], sg.sum(x[sg.arange(x.shape[0]), i])):
        with pytest.raises(IndexOutOfBoundsError, match="out of bounds"):
            compute([output], [x, i], [value, np.array([0, index, 1, 1])], mode)


def test_out_of_bounds_when_known() -> None:
    x = sg.tensor("x", "float64", (4, None))
    for key in (4, -5, [0, 4], np.array([[-5]])):
        with pytest.raises(IndexOutOfBoundsError, match=r"size 4[\s\S]*test_index.py"):
            x[key]
    x[:, 4]


def test_errors_name_the_remedy() -> None:
    x = sg.dmatrix("x")
    for wrong in (
        lambda: sg.sum(x[x[:, 0] > 0]),
        lambda: x[x > 0] + 1,
        lambda: 2 * x[x > 0],
        lambda: x[x > 0].sum(),
        lambda: x[x > 0] == 1,
        lambda: x[x[:, 0] > 0, 1],
        lambda: x[True],
    ):
        with pytest.raises(UnsupportedError, match=r"test_index[\s\S]*sg\.where"):
            wrong()
    with pytest.raises(SymgraphError, match=r"x\[mask\]"):
        sg.function([x], x[x > 0])
    with pytest.raises(ShapeError, match="3 indices for 2 dimensions"):
        x[0, 0, 0]
    with pytest.raises(ShapeError, match="two ellipses"):
        x[..., ...]
    with pytest.raises(ShapeError, match="step is 0"):
        x[::0]
    with pytest.raises(DTypeError, match="cast it to int64"):
        x[x]
    with pytest.raises(DTypeError, match="not an integer"):
        x[1.5:]
    with pytest.raises(UnsupportedError, match="step is symbolic"):
        x[:: sg.lscalar()]


def test_empty_list_is_an_index() -> None:
    x = sg.dmatrix("x")
    (got,) = compute([x[[]]], [x], [np.ones((2, 3))])
    assert got.shape == (0, 3)
