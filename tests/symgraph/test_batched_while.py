"""Loops that end by a condition, over a stack: each element ends by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgraph as sg

a, m, k = sg.dvector("a"), sg.dmatrix("m"), sg.dscalar("k")


def root(v: Any) -> Any:
    """The square root by Newton's method: more rounds for larger numbers."""
    return sg.while_loop(
        lambda x: abs(x * x - v) > 1e-9 * v, lambda x: (x + v / x) / 2, v, max_steps=80
    )


@pytest.mark.parametrize("mode", ["fast", "interpret"])
def test_each_element_makes_its_own_rounds(mode: str) -> None:
    made = sg.vectorize(root)(a)
    f = sg.function([a], [made, sg.grad(sg.sum(made), a)], mode=mode)
    values = np.array([1.0, 2.0, 9.0, 1e4, 1e-3])
    got, slope = f(values)
    alone = sg.function([k], root(k))
    np.testing.assert_array_equal(got, [alone(v) for v in values])
    np.testing.assert_allclose(slope[1:], 0.5 / np.sqrt(values[1:]), rtol=1e-6)
    assert slope[0] == 1  # of no rounds: the result is the number


def test_stacks_of_stacks() -> None:
    f = sg.function([m], sg.vectorize(root)(m))
    values = np.array([[2.0, 9.0, 1e6], [16.0, 4.0, 1.0]])
    np.testing.assert_allclose(f(values), np.sqrt(values), rtol=1e-8)


def test_what_has_ended_keeps_its_values() -> None:
    def doubled(v: Any) -> Any:
        return sg.while_loop(
            lambda s: s["total"] < v,
            lambda s: {"total": s["total"] * 2, "rounds": s["rounds"] + 1},
            {"total": 1.0, "rounds": 0},
        )

    made = sg.vectorize(lambda v: doubled(v)["total"] + 1000.0 * doubled(v)["rounds"])
    got = sg.function([a], made(a))([0.5, 1.5, 8.0, 9.0])
    np.testing.assert_array_equal(got, [1, 1002, 3008, 4016])


def test_no_elements() -> None:
    assert sg.function([a], sg.vectorize(root)(a))(np.ones(0)).shape == (0,)
