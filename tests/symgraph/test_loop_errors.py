"""What fails in a round says in which one, and on which line."""

from __future__ import annotations

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import ArgumentError, IndexOutOfBoundsError

x, k = sg.dmatrix("x"), sg.lvector("k")


def chosen():
    return sg.scan(lambda c, i: (c + x[i], None), sg.zeros(x.shape[1]), k)[0]


@pytest.mark.parametrize("mode", ["fast", "interpret"])
def test_the_round_and_the_line(mode: str) -> None:
    total = sg.shared(np.zeros(()), name="total")
    f = sg.function([x, k], chosen(), updates=[(total, total + 1)], mode=mode)
    table = np.ones((3, 50))
    for place in (0, 2):
        wrong = [0, 1, 2, 1]
        wrong[place] = 7
        with pytest.raises(IndexOutOfBoundsError, match=f"in round {place}") as caught:
            f(table, wrong)
        assert "c + x[i]" in str(caught.value)
        assert total.get_value() == 0
    assert f(table, [0, 1]).shape == (50,)


def test_rounds_of_the_loop_inside() -> None:
    rows = sg.tensor("rows", "int64", (None, None))
    zero = sg.zeros(x.shape[1])

    def outer(c, row):
        inner, _ = sg.scan(lambda d, i: (d + x[i], None), zero, row)
        return c + inner, None

    f = sg.function([x, rows], sg.scan(outer, zero, rows)[0])
    with pytest.raises(IndexOutOfBoundsError, match="in round 1 of a loop"):
        f(np.ones((3, 40)), [[0, 1, 2], [0, 5, 0]])


def test_rounds_in_one_kernel() -> None:
    """The first failure counts, in the innermost loop."""
    y, rows = sg.dvector("y"), sg.lmatrix("rows")
    picked = sg.scan(lambda c, i: (c / 2 + y[i], None), 0.0, k)[0]
    nested = sg.scan(
        lambda c, row: (sg.scan(lambda d, i: (d / 2 + y[i], None), c, row)[0], None),
        0.0,
        rows,
    )[0]
    flat, both = sg.function([y, k], picked), sg.function([y, rows], nested)
    three = np.arange(3.0)
    assert flat(three, [0, 1, 2]) == 2.5
    for wrong, turn in (([0, 1, 9, 2, 8], 2), ([7], 0), ([0, 0, 0, -4], 3)):
        with pytest.raises(IndexOutOfBoundsError, match=f"in round {turn} of a loop"):
            flat(three, wrong)
    for wrong, turn in (([[0, 1, 2], [0, 7, 9]], 1), ([[0, 3, 2], [3, 1, 1]], 1)):
        with pytest.raises(IndexOutOfBoundsError, match=f"in round {turn} of a loop"):
            both(three, wrong)


def test_a_round_of_a_loop_in_slices() -> None:
    """What ends by a condition runs in slices, a launch each; rounds count from 0."""
    y = sg.dvector("y")
    last = sg.while_loop(
        lambda s: s[1] < 2.0, lambda s: (s[0] + 1, s[1] / 2 + y[s[0] // 1000]), (0, 0.0)
    )[1]
    f = sg.function([y], last)
    with pytest.raises(IndexOutOfBoundsError, match="in round 1500000 of a loop"):
        f(np.full(1500, 0.5))
    assert f(np.full(1500, 2.0)) == 2.0


NOT_STEPS = {
    "scan": lambda fn: sg.scan(fn, (0.0, x), k),
    "taps": lambda fn: sg.scan(fn, sequences=k, outputs_info=0.0, non_sequences=[x]),
    "map": lambda fn: sg.map(fn, k, x),
    "while_loop": lambda fn: sg.while_loop(lambda s: s < 9, fn, 0.0),
    "condition": lambda fn: sg.while_loop(fn, lambda s: s + 1, 0.0),
}


@pytest.mark.parametrize("form", NOT_STEPS)
def test_a_step_that_does_not_take_what_it_is_given(form: str) -> None:
    with pytest.raises(ArgumentError, match="what it is given") as told:
        NOT_STEPS[form](lambda a, b, c, d, e: a)
    assert "test_loop_errors.py" in str(told.value)
    with pytest.raises(ArgumentError, match="3 is not a function"):
        NOT_STEPS[form](3)
    failing = TypeError("its own")

    def fails(*args: object) -> None:
        raise failing

    with pytest.raises(TypeError) as caught:
        NOT_STEPS[form](fails)
    assert caught.value is failing
