"""Functions as data: pickled, deep-copied, and loaded in a fresh process."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import symgraph as sg
from symgraph import errors
from symgraph.function import Function
from symgraph.op import Array

ROOT = Path(__file__).resolve().parents[2]
A = np.array([1.0, 2.0, 4.0])
MODES = ("fast", "interpret")


class Pair(NamedTuple):
    """Outputs with names."""

    first: Any
    second: Any


def pickled(f: Function) -> Function:
    return pickle.loads(pickle.dumps(f))


duplicates = pytest.mark.parametrize("duplicate", [pickled, copy.deepcopy])
modes = pytest.mark.parametrize("mode", MODES)


def trainer(mode: str | None = None) -> tuple[Function, sg.SharedVariable]:
    """``w <- w - rate * x`` with a large constant, a default and a nested result."""
    x, rate = sg.dvector("x"), sg.dscalar("rate")
    w = sg.shared(np.zeros(3), "w")
    table = sg.constant(np.arange(3.0))
    outputs = {"sum": sg.sum(w * table), "pair": (w, [None, x[::-1]])}
    updates = {w: w - rate * x}
    inputs = [x, sg.In(rate, value=0.5)]
    f = sg.function(inputs, outputs, updates=updates, name="train", mode=mode)
    return f, w


@modes
@duplicates
def test_a_duplicate_goes_on_alone_from_the_same_values(
    duplicate: Callable[[Function], Function], mode: str
):
    f, w = trainer(mode)
    f(A)
    g = duplicate(f)
    again = duplicate(g)
    for made in (g, again):
        assert made.name == "train" and repr(made) == repr(f)
        result = made(x=A, rate=1.0)
        assert result["sum"] == -5.0
        np.testing.assert_array_equal(result["pair"][0], -A / 2)
        assert result["pair"][1][0] is None
        np.testing.assert_array_equal(made(A)["pair"][0], -1.5 * A)
    np.testing.assert_array_equal(w.get_value(), -A / 2)


@modes
def test_a_copy_shares_its_variables(mode: str):
    f, w = trainer(mode)
    g = f.copy()
    g(A)
    f(A)
    np.testing.assert_array_equal(w.get_value(), -A)


def test_shallow_copies_are_copies():
    f, w = trainer()
    copy.copy(f)(A)
    np.testing.assert_array_equal(w.get_value(), -A / 2)


@duplicates
def test_targets_that_nothing_reads_survive(
    duplicate: Callable[[Function], Function],
):
    x = sg.dvector("x")
    unread, read, kept = (sg.shared(np.full(3, v), "v") for v in (1.0, 2.0, 3.0))
    f = sg.function([x], [read, kept], updates=[(unread, x), (read, read + 1)])
    g = duplicate(f)
    for expected in (2.0, 3.0):
        first, second = g(A)
        np.testing.assert_array_equal(first, expected)
        np.testing.assert_array_equal(second, 3.0)
    np.testing.assert_array_equal(unread.get_value(), 1.0)


@duplicates
def test_swaps_and_default_updates_survive(duplicate: Callable[[Function], Function]):
    a, b, step = sg.shared(1.0), sg.shared(2.0), sg.shared(0)
    step.default_update = step + 1
    f = sg.function([], (a, b, step), updates=[(a, b), (b, a)])
    assert f() == (1.0, 2.0, 0)
    g = duplicate(f)
    assert [g(), g()] == [(2.0, 1.0, 1), (1.0, 2.0, 2)]
    assert f() == (2.0, 1.0, 1)


@duplicates
def test_options_and_structure_survive(duplicate: Callable[[Function], Function]):
    x = sg.fvector("x")
    nameless = sg.tensor(dtype="float64")
    f = sg.function(
        [sg.In(x, name="q"), nameless, sg.dscalar("unused")],
        Pair({"a": x}, [nameless * 2]),
        on_unused_input="ignore",
        allow_input_downcast=True,
        mode=sg.Mode().excluding("stabilize"),
    )
    g = duplicate(f)
    result = g(A, 3.0, 0.0)
    assert type(result) is Pair
    assert result.first["a"].dtype == np.float32 and result.second == [6.0]
    with pytest.raises(errors.MissingInputError, match="q"):
        g()
    assert repr(g) == repr(f)
    assert g._compilation.key == f._compilation.key


@duplicates
def test_dimensions_survive(duplicate: Callable[[Function], Function]):
    a = sg.tensor("a", shape=("n", 3))
    b = sg.tensor("b", shape=("n",))
    k = sg.lscalar("k")
    f = sg.function([a, b, k], [a.sum(axis=1) + b, sg.arange(k), a.reshape((-1,))])
    g = duplicate(f)
    for one, other in zip(g(np.ones((2, 3)), [1, 2], 4), f(np.ones((2, 3)), [1, 2], 4),
                          strict=True):  # fmt: skip
        np.testing.assert_array_equal(one, other)
    with pytest.raises(errors.ShapeError, match="dimension n is 2"):
        g(np.ones((2, 3)), [1.0], 4)


def test_errors_of_a_loaded_function_are_still_clear():
    x, i = sg.dvector("x"), sg.lvector("i")
    f = pickled(sg.function([x, i], x[i], name="picker"))
    with pytest.raises(errors.IndexOutOfBoundsError, match=r"picker: .* axis 0"):
        f(A, [7])


def test_deep_graphs_pickle():
    x = sg.dvector("x")
    y = x
    for _ in range(5000):
        y = sg.sin(y) + 1
    f = sg.function([x], y, mode="interpret")
    np.testing.assert_array_equal(pickled(f)(A), f(A))


def test_a_snapshot_is_of_one_moment():
    """Variables that one call updates together are copied together."""
    import threading

    a, b = sg.shared(0), sg.shared(0)
    f = sg.function([], [a, b], updates={a: a + 1, b: b + 1})
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            f()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        for _ in range(100):
            # The last leaves of the flat form are the two variables.
            leaves = f.__reduce__()[1][0]["leaves"]
            one, other = (leaf["value"] for leaf in leaves if leaf["kind"] == "shared")
            assert one == other
    finally:
        stop.set()
        thread.join()


CHILD = """
import pickle, sys
import numpy as np
f = pickle.load(sys.stdin.buffer)
assert f.from_cache
one = f(np.array([1.0, 2.0, 4.0]))["pair"][0]
two = f([1.0, 2.0, 4.0], rate=0.0)["pair"][0]
sys.stdout.buffer.write(pickle.dumps((one, two, f)))
"""


def test_a_fresh_process_loads_a_function_from_the_cache():
    f, w = trainer()
    f(A)
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=pickle.dumps(f), capture_output=True,
        cwd=ROOT, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert not done.stderr
    one, two, g = pickle.loads(done.stdout)
    np.testing.assert_array_equal(one, -A / 2)
    np.testing.assert_array_equal(two, -A)
    result: Array = g(A)["pair"][0]
    np.testing.assert_array_equal(result, -A)
    np.testing.assert_array_equal(w.get_value(), -A / 2)
