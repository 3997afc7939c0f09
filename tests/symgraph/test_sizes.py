"""Named dimensions, the versions of a function, and calls that fail."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph import errors
from symgraph.variable import Variable

MODES = ("fast", "interpret")
A = np.arange(3.0)


# -- named dimensions ------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_name_is_one_size_wherever_it_occurs(mode: str):
    x = sg.tensor("x", shape=("batch", 10))
    y = sg.tensor("y", shape=("batch",))
    f = sg.function([x, y], x * y[:, None], mode=mode)
    assert f(np.ones((4, 10)), np.ones(4)).shape == (4, 10)
    for wrong in (1, 3):
        text = rf"batch is 4 in argument x \(axis 0\) and {wrong} in argument y"
        with pytest.raises(errors.ShapeError, match=text):
            f(np.ones((4, 10)), np.ones(wrong))
    with pytest.raises(errors.ShapeError, match="x has size 9 along axis 1"):
        f(np.ones((4, 9)), np.ones(4))


@pytest.mark.parametrize("mode", MODES)
def test_a_square_needs_equal_sides(mode: str):
    q = sg.tensor("q", shape=("n", "n"))
    f = sg.function([q], q + q.T, mode=mode)
    np.testing.assert_array_equal(f(np.ones((2, 2))), np.full((2, 2), 2.0))
    with pytest.raises(errors.ShapeError, match=r"n is 2 in argument q .* and 1 in"):
        f(np.ones((2, 1)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("other", ["m", None, 3])
def test_a_named_dimension_may_be_one_where_others_are_not(mode: str, other: Any):
    """Against another named one, an unknown one, and a number."""
    a, b = sg.tensor("a", shape=("n",)), sg.tensor("b", shape=(other,))
    f = sg.function([a, b], [a - b, *sg.grad((a * b * b).sum(), [a, b])], mode=mode)
    for left in (A, A[:1]):
        for right in (A,) if other == 3 else (A, A[:1]):
            value, da, db = f(left, right)
            np.testing.assert_array_equal(value, left - right)
            both = np.broadcast_arrays(left, right)
            assert (da.shape, db.shape) == (left.shape, right.shape)
            np.testing.assert_allclose(da.sum(), (both[1] ** 2).sum())
            np.testing.assert_allclose(db.sum(), (2 * both[0] * both[1]).sum())
    with pytest.raises(errors.ShapeError, match=r"3.*4|4.*3"):
        f(np.ones(4), A)


@pytest.mark.parametrize("mode", MODES)
def test_the_size_of_a_named_dimension_is_a_scalar(mode: str):
    x = sg.tensor("x", "float32", shape=("batch", None))
    size = x.shape[0]
    f = sg.function([x], [size, x.sum() / size, sg.arange(size)], mode=mode)
    count, mean, steps = f(np.ones((4, 2)).astype("float32"))
    assert (count, mean) == (4, 2)
    np.testing.assert_array_equal(steps, np.arange(4))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", ["n", None])
def test_a_dimension_that_would_be_two_numbers_is_refused_at_once(mode, size):
    w = sg.tensor("w", shape=(size,))
    products = [w @ np.ones(3), w @ np.ones(4)]
    with pytest.raises(errors.ShapeError, match="have to be both 3 and 4") as caught:
        sg.function([w], products, mode=mode)
    assert "w @ np.ones(4)" in str(caught.value)
    f = sg.function([w], [w + np.ones(3), w + np.ones(4)], mode=mode)
    assert [x.shape for x in f(np.ones(1))] == [(3,), (4,)]
    for wrong in (3, 4):
        with pytest.raises(errors.ShapeError):
            f(np.ones(wrong))


# -- versions --------------------------------------------------------------------------


def stretched() -> Any:
    x, y = sg.vectors("x y")
    return sg.function([x, y], x * y + 1)


def test_the_generic_version_is_made_when_a_call_needs_it():
    f = stretched()
    f(A, A)
    for wrong in (A[:2], np.ones(0)):
        with pytest.raises(errors.ShapeError):
            f(A, wrong)
    assert list(f.versions) == ["fast"]
    shown = f.program
    np.testing.assert_array_equal(f(A, A[2:]), A * 2 + 1)
    assert list(f.versions) == ["fast", "generic"]
    made = f._generic
    np.testing.assert_array_equal(f([4.0], A), A * 4 + 1)
    np.testing.assert_array_equal(f(A, A), A * A + 1)
    with pytest.raises(errors.ShapeError, match="sizes 2 and 3 differ"):
        f(A, A[:2])
    assert f._generic is made
    assert f.program is shown
    f.trim()
    assert sg.function([], sg.constant(1.0), mode="interpret").versions == {}


def test_copies_make_versions_of_their_own():
    f = stretched()
    f(A, A[:1])
    for g in (f.copy(), copy.deepcopy(f), pickle.loads(pickle.dumps(f))):
        assert list(g.versions) == ["fast"]
        np.testing.assert_array_equal(g(A, A[2:]), A * 2 + 1)
        assert list(g.versions) == ["fast", "generic"]
        assert g._generic.from_cache


def test_threads_may_need_the_generic_version_at_once():
    f = stretched()
    start, results = threading.Barrier(4), []

    def call(k: int) -> None:
        start.wait()
        for _ in range(20):
            results.append((k, f(A, np.full(1, float(k)))))

    threads = [threading.Thread(target=call, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 80
    for k, got in results:
        np.testing.assert_array_equal(got, A * k + 1)


def test_a_slice_of_at_most_one_needs_no_generic_version():
    x = sg.matrix("x")
    f = sg.function([x], [x - x[:, :1], *sg.grad((x[:1] * x).sum(), [x])])
    for shape in ((3, 4), (1, 1), (0, 4), (3, 0)):
        value = np.random.default_rng(0).normal(size=shape)
        got, gradient = f(value)
        np.testing.assert_array_equal(got, value - value[:, :1])
        wanted = np.repeat(value[:1], shape[0], axis=0)
        if shape[0]:
            wanted[0] += value.sum(axis=0)
        np.testing.assert_allclose(gradient, wanted)
    assert list(f.versions) == ["fast"]


# -- calls that fail -------------------------------------------------------------------

x, y = sg.vectors("x y")
m = sg.matrix("m")
n, k = sg.lscalars("n k")
i = sg.lvector("i")

#: Expressions with arguments that suit none of the versions.  All are shifted by `s`, a
#: shared vector of size 3, and to be called after the arguments that do.
FAILING: dict[str, tuple[list[Variable], Any, tuple[Any, ...], list[tuple[Any, ...]]]]
FAILING = {
    "sizes differ": ([x], x, (A[:1],), [(np.ones(2),), (np.ones(0),)]),
    "three sizes": (
        [x, y],
        x * y,
        (A, A[:1]),
        [(A[:2], A[:1]), (A[:1], A[:2]), (A, A[:2]), (A[:0], A[:1])],
    ),
    "the size of a slice": ([x, n], x[:n], (A, 1), [(A, 2), (A, 0), (A, -1)]),
    "a size that is given": (
        [x, n],
        sg.broadcast_to(x, (n,)),
        (A[:1], 3),
        [(A[:1], 2), (A, 1), (A, 2), (A, -3)],
    ),
    "a reshape": (
        [m, n],
        m.reshape((n, -1))[0],
        (np.ones((2, 3)), 2),
        [(np.ones((2, 3)), 3), (np.ones((2, 3)), 4), (np.ones((2, 3)), 0)],
    ),
    "a position": ([m, k], m[k], (np.ones((2, 1)), 1), [(np.ones((2, 1)), 2)]),
    "positions": (
        [m, i],
        m[i].sum(axis=0),
        (np.ones((2, 1)), [1, 0]),
        [(np.ones((2, 1)), [0, 2]), (np.ones((2, 1)), [-3]), (np.ones((0, 1)), [0])],
    ),
    "broadcast positions": (
        [m, i],
        m[i, sg.arange(3)],
        (np.ones((2, 3)), [1]),
        [(np.ones((2, 3)), [0, 1]), (np.ones((2, 3)), [2]), (np.ones((2, 2)), [0])],
    ),
    "a product": (
        [m, x],
        m @ x,
        (np.ones((1, 2)), A[:2]),
        [(np.ones((2, 2)), A[:2]), (np.ones((1, 2)), A[:1])],
    ),
    "joined": (
        [m, x],
        sg.concatenate([m, x[None]])[0],
        (np.ones((2, 1)), A[:1]),
        [(np.ones((2, 3)), A[:1]), (np.ones((2, 1)), A)],
    ),
    "nothing to choose from": (
        [m],
        m.max(axis=0),
        (np.ones((2, 1)),),
        [(np.ones((0, 1)),), (np.ones((0, 3)),)],
    ),
    "dropped": ([m], sg.squeeze(m, 0), (np.ones((1, 1)),), [(np.ones((2, 3)),)]),
    "another number of axes": ([x], x, (A[:1],), [(np.ones((1, 3)),), (1.0,)]),
    "another dtype": ([x], x, (A[:1],), [(A + 1j,), ("words",), (None,)]),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", FAILING)
def test_a_call_that_fails_leaves_shared_variables_as_they_were(case: str, mode: str):
    inputs, made, right, wrong = FAILING[case]
    s, t = sg.shared(np.ones(3), "s"), sg.shared(2.0, "t")
    f = sg.function(inputs, made + s, updates={s: s + 2 * made, t: t + 1}, mode=mode)
    for generic in (False, True):
        if generic:
            f(*right)
            s.set_value(np.ones(3))
            t.set_value(2.0)
        for values in wrong:
            with pytest.raises(errors.SymgraphError) as caught:
                f(*values)
            assert "native code" not in str(caught.value)
            np.testing.assert_array_equal(s.get_value(), np.ones(3))
            assert t.get_value() == 2.0
    f(*right)
    assert t.get_value() == 3.0
