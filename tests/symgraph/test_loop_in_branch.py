"""Choices between results of loops, which may also be wanted outside of them."""

from __future__ import annotations

import numpy as np
import pytest

import symgraph as sg

GIVEN = np.array([1.0, 3.0])


def two_results() -> tuple[sg.Variable, sg.Variable, sg.Variable]:
    """The sum and the product of a vector, by one loop; and the vector."""
    x = sg.dvector("x")
    (total, product), _ = sg.scan(
        lambda c, v: ((c[0] + v, c[1] * v), None), (0.0, 1.0), x
    )
    return x, total, product


@pytest.mark.parametrize("flag", [True, False])
def test_each_branch_takes_another_result(flag: bool) -> None:
    x, total, product = two_results()
    y = sg.bscalar("y")
    f = sg.function([x, y], sg.ifelse(y, total * 2, product * 3))
    assert f(GIVEN, flag) == (8.0 if flag else 9.0)


@pytest.mark.parametrize("flag", [True, False])
def test_one_result_is_wanted_anyway(flag: bool) -> None:
    x, total, product = two_results()
    y = sg.dscalar("y")
    f = sg.function([x, y], [sg.ifelse(y > 0, total, y), product])
    assert f(GIVEN, 1.0 if flag else -1.0) == [4.0 if flag else -1.0, 3.0]


def test_choice_by_another_result() -> None:
    x, total, product = two_results()
    f = sg.function([x], [sg.ifelse(product > 2, total + product, total), total])
    assert f(GIVEN) == [7.0, 4.0]
    assert f(GIVEN / 2) == [2.0, 2.0]
