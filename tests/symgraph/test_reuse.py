"""Large results: their memory serves again once nobody holds them, and not before."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.codegen.cpu.reuse import LEAST
from symgraph.codegen.cpu.runtime import POOL, Slot, runtime

#: Elements of float64 that make a large array.
LARGE = LEAST // 8


@pytest.fixture(scope="module")
def double() -> sg.Function:
    x = sg.dvector("x")
    return sg.function([x], 2 * x)


@pytest.fixture(autouse=True)
def empty(double: sg.Function) -> Iterator[None]:
    """Nothing is held before a test, and nothing after it."""
    double.trim()
    yield
    double.trim()
    assert not any(held())


def held() -> list[int]:
    """The addresses of the arrays that the table holds."""
    return [runtime().words[Slot.POOL + k] for k in range(POOL)]


def places(f: Callable[[Any], Any], x: np.ndarray, calls: int = 6) -> list[int]:
    """Where the results of some calls lie, each dropped when the next one is there."""
    found = []
    for _ in range(calls):
        result = f(x)
        np.testing.assert_array_equal(result[:: LARGE // 7], 2 * x[:: LARGE // 7])
        found.append(result.ctypes.data)
    return found


def test_dropped_results_serve_again(double: sg.Function) -> None:
    assert len(set(places(double, np.arange(float(LARGE))))) == 2


def test_another_shape_takes_other_memory(double: sg.Function) -> None:
    first = double(np.ones(LARGE))
    del first
    second = double(np.ones(LARGE + 1))
    assert second.shape == (LARGE + 1,)
    np.testing.assert_array_equal(second, 2.0)


def test_small_results_are_not_held(double: sg.Function) -> None:
    double(np.ones(LARGE - 1))
    assert not any(held())


def test_results_beyond_the_limit_are_not_held(double: sg.Function) -> None:
    words = runtime().words
    limit = words[Slot.POOL_LIMIT]
    words[Slot.POOL_LIMIT] = LEAST
    try:
        double(np.ones(LARGE + 8))
        assert not any(held())
        double(np.ones(LARGE))
        assert any(held())
    finally:
        words[Slot.POOL_LIMIT] = limit


def view(y: np.ndarray) -> object:
    return y[1:3]


def buffer(y: np.ndarray) -> object:
    return memoryview(y)


def watched(y: np.ndarray) -> object:
    return weakref.ref(y)


@pytest.mark.parametrize("hold", [view, buffer, watched])
def test_what_somebody_looks_at_is_left_alone(
    double: sg.Function, hold: Callable[[np.ndarray], object]
) -> None:
    first = double(np.ones(LARGE))
    place, kept = first.ctypes.data, hold(first)
    del first
    assert place not in places(double, np.full(LARGE, 7.0))
    del kept


def read_only(y: np.ndarray) -> None:
    y.setflags(write=False)


def reshaped(y: np.ndarray) -> None:
    y.shape = (2, -1)  # type: ignore[assignment]


@pytest.mark.parametrize("change", [read_only, reshaped])
def test_what_has_been_changed_does_not_serve(
    double: sg.Function, change: Callable[[np.ndarray], None]
) -> None:
    first = double(np.ones(LARGE))
    place = first.ctypes.data
    change(first)
    del first
    x = np.full(LARGE, 7.0)
    last = [double(x), double(x)]
    assert place not in [y.ctypes.data for y in last]
    assert all(y.flags.writeable and y.shape == (LARGE,) for y in last)


def test_updates_of_large_shared_variables() -> None:
    w = sg.shared(np.zeros(LARGE))
    step = sg.function([], [], updates=[(w, w + 1)])
    for _ in range(5):
        step()
    before = w.get_value()
    step()
    np.testing.assert_array_equal(before, 5.0)
    np.testing.assert_array_equal(w.get_value(), 6.0)


def test_several_results_of_one_call() -> None:
    x = sg.dvector("x")
    f = sg.function([x], [x + 1, x - 1])
    kept = [f(np.full(LARGE, float(k))) for k in range(3)]
    for k, (up, down) in enumerate(kept):
        assert (up[0], up[-1], down[0], down[-1]) == (k + 1, k + 1, k - 1, k - 1)
    assert len({y.ctypes.data for pair in kept for y in pair}) == 6
