"""Positions that a loop or a branch computes: they are data there, and no sizes."""

from __future__ import annotations

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import IndexOutOfBoundsError

from ..support import MODES, compute

TABLE = np.arange(12.0).reshape(4, 3)
t = sg.dmatrix("t")
a = sg.lscalar("a")
ks = sg.lvector("ks")


@pytest.mark.parametrize("mode", MODES)
def test_rows_named_by_a_sequence(mode: str) -> None:
    total, _ = sg.scan(lambda c, k: (c + sg.sum(t[k] ** 2), None), 0.0, ks)
    outputs = [total, sg.grad(total, t)]
    value, gradient = compute(outputs, [t, ks], [TABLE, np.array([1, -1, 1])], mode)
    assert value == 2 * np.sum(TABLE[1] ** 2) + np.sum(TABLE[3] ** 2)
    np.testing.assert_array_equal(gradient, TABLE * [[0], [4], [0], [2]])


@pytest.mark.parametrize("mode", MODES)
def test_rows_named_by_the_carry(mode: str) -> None:
    _, rows = sg.scan(lambda c, _: ((c + 3) % 4, t[c]), a, length=5)
    (made,) = compute([rows], [t, a], [TABLE, 1], mode)
    np.testing.assert_array_equal(made, TABLE[[1, 0, 3, 2, 1]])


@pytest.mark.parametrize("mode", MODES)
def test_places_that_are_written(mode: str) -> None:
    x = sg.dvector("x")

    def step(carry: tuple[sg.Variable, sg.Variable], k: sg.Variable) -> object:
        place, values = carry
        return (k, sg.inc_subtensor(values[place], 10.0)), None

    (_, end), _ = sg.scan(step, (a, x), ks)
    (made,) = compute([end], [a, x, ks], [2, np.zeros(3), np.array([0, 2, 1])], mode)
    np.testing.assert_array_equal(made, [10.0, 0.0, 20.0])


def test_search() -> None:
    x = sg.dvector("x")
    f = sg.function([x], sg.while_loop(lambda k: x[k] < 2, lambda k: k + 1, 0))
    assert f([0.0, 1.0, 5.0, 0.0]) == 2
    with pytest.raises(IndexOutOfBoundsError):
        f([0.0, 1.0])


@pytest.mark.parametrize("mode", MODES)
def test_batched(mode: str) -> None:
    def one(row: sg.Variable, start: sg.Variable) -> sg.Variable:
        return sg.scan(lambda c, _: ((c + 1) % 3, row[c]), start, length=4)[1]

    rows = sg.vectorize(one, signature="(n),()->(m)")(t, ks)
    (made,) = compute([rows], [t, ks], [TABLE, np.array([0, 1, 2, 0])], mode)
    expected = [TABLE[k][(s + np.arange(4)) % 3] for k, s in enumerate([0, 1, 2, 0])]
    np.testing.assert_array_equal(made, expected)


def test_in_a_branch() -> None:
    x = sg.dvector("x")
    ends = sg.ifelse(x[0] > 1, lambda: x[sg.argmax(x)], lambda: x[sg.argmin(x)])
    f = sg.function([x], ends)
    assert f([2.0, 5.0, 1.0]) == 5.0
    assert f([0.0, 5.0, -1.0]) == -1.0
