"""What fails in a round says in which one, and on which line."""

from __future__ import annotations

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import IndexOutOfBoundsError

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
