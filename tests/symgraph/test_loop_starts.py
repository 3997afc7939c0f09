"""Loops that start from Python numbers, which take the dtype of what follows them."""

from __future__ import annotations

from typing import Any

import numpy as np

import symgraph as sg


def test_while_loop_from_an_int() -> None:
    a = sg.dscalar("a")
    end = sg.while_loop(lambda x: x < 10, lambda x: x + a, 1)
    assert sg.function([a], end)(2.5) == 11.0


def test_scan_from_an_int() -> None:
    x = sg.dvector("x")
    total, sums = sg.scan(lambda c, v: (c + v, c + v), 0, x)
    made = sg.function([x], [total, sums])(np.array([0.5, 1.0, 2.0]))
    assert made[0] == 3.5
    np.testing.assert_array_equal(made[1], [0.5, 1.5, 3.5])


def test_one_start_follows_another() -> None:
    x = sg.dvector("x")

    def step(carry: Any, v: Any) -> Any:
        return (carry[0] + carry[1], carry[1] + v), None

    ends, _ = sg.scan(step, (0, 0), x)
    assert [end.dtype for end in ends] == ["float64", "float64"]
    assert sg.function([x], list(ends))(np.array([0.5, 1.0, 2.0])) == [2.0, 3.5]


def test_reduce_from_an_int() -> None:
    x = sg.dvector("x")
    total = sg.reduce(lambda v, c: c + v, x, 0)
    assert sg.function([x], total)(np.array([0.5, 1.0])) == 1.5
