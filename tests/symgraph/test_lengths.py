"""What is made of outputs whose length is computed, against the ops' references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import UnsupportedError
from symgraph.variable import Variable

from ..support import assert_same
from .scans import Checked

x, m = sg.dvector("x"), sg.dmatrix("m")


def ended(first: Any = 1.0) -> Variable:
    """Values until a row exceeds 3."""
    return sg.scan(  # type: ignore[no-any-return]
        lambda v, a: (a * 0.5 + v, sg.until(v > 3)), sequences=x, outputs_info=first
    )


def wide() -> Variable:
    """Rows until the first element of one exceeds 3."""
    return sg.scan(  # type: ignore[no-any-return]
        lambda v, a: (a * 0.5 + v, sg.until(v[0] > 3)),
        sequences=m,
        outputs_info=m[0] * 0,
    )


#: Makes 1, 2 and 3 rounds; the last goes through all rows.
ROWS = [9.0, 1.0], [1.0, 5.0, 7.0], [0.5, 0.25, 4.0, 1.0], [1.0, 2.0, 0.5]
WIDE = np.array([[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]])


def vectors() -> list[Variable]:
    y = ended()
    return [
        y * 2, y[::-1], y[1:], y[1:3], y[:-1], y - sg.mean(y), sg.exp(y) / y[0],
        sg.softmax(y), y * sg.arange(y.shape[0]), y + sg.zeros_like(y),
        sg.where(y > 2, y, 0.0), sg.outer(y, x[:2]),
    ]  # fmt: skip


def numbers() -> list[Variable]:
    y = ended()
    return [
        sg.sum(y), sg.mean(y), sg.max(y), sg.min(y * 2 + 1), (y * 2)[-1], y[0],
        sg.sum(sg.exp(y)), sg.std(y), sg.dot(y, sg.sin(y)), sg.sum(y[1:]),
    ]  # fmt: skip


def matrices() -> list[Variable]:
    y = wide()
    return [
        y + y[0], sg.sum(y, axis=0), sg.sum(y, axis=1), y[:, 0], y @ m[0],
        sg.softmax(y, 1), sg.max(y, axis=0), sg.sum(sg.expand_dims(y, 1), axis=2),
    ]  # fmt: skip


def check(args: Sequence[Variable], outputs: Sequence[Variable], data: Any) -> None:
    """Values and gradients."""
    cost = sum(sg.sum(sg.sin(v)) for v in outputs)
    run = Checked(args, [*outputs, *sg.grad(cost, list(args))])
    for values in data:
        run(values)


def test_vectors() -> None:
    outputs = [*vectors(), ended().shape[0], sg.any(ended() > 2), sg.prod(ended())]
    run = Checked([x], outputs)
    for values in ROWS:
        run(values)
    cost = sum(sg.sum(sg.sin(v)) for v in vectors() if v.ndim == 1)
    slope = Checked([x], sg.grad(cost, [x]))
    for values in ROWS[1:]:
        slope(values)


def test_numbers() -> None:
    check([x], numbers(), ROWS)


def test_matrices() -> None:
    run = Checked(
        [m], [v for v in matrices() if v.ndim < 2 or v.op.name != "transpose"]
    )
    for size in (1, 2, 4):
        run(WIDE[:size])
    cost = sum(sg.sum(sg.sin(v)) for v in matrices())
    slope = Checked([m], sg.grad(cost, [m]))
    slope(WIDE)


def test_second_order() -> None:
    y = ended(x[0])
    first = sg.grad(sg.sum(sg.sin(y) * y), x)
    run = Checked([x], [first, *sg.grad(sg.sum(first * first), [x])])
    for values in ROWS:
        run(values)


def test_positions_are_counted_from_the_computed_end() -> None:
    y = ended() + 0
    f = sg.function([x], [y[-2], y[1]])
    assert_same(f([1.0, 2.0, 4.0, 7.0]), [2.75, 2.75], "of three")
    with pytest.raises(IndexError, match="out of bounds"):
        f([9.0, 1.0, 1.0])


def test_extremes_of_nothing_are_refused() -> None:
    f = sg.function([x], sg.max(ended()))
    with pytest.raises(ValueError, match="zero-size"):
        f([])
    with pytest.raises(UnsupportedError, match="computed data"):
        sg.function([x], sg.max(ended()[2:]))


def test_lengths_in_rounds_and_in_updates() -> None:
    total = sg.shared(0.0, "total")
    f = sg.function([x], ended()[0], updates={total: total + sg.sum(ended())})
    f([1.0, 5.0, 7.0])
    assert total.get_value() == 1.5 + 5.75

    def step(row: Variable) -> Variable:
        y = sg.scan(
            lambda v, a: (a * 0.5 + v, sg.until(v > 3)), sequences=row, outputs_info=0.0
        )
        return sg.sum(y * y)  # type: ignore[no-any-return]

    run = Checked([m], [sg.map(step, m)])
    run(WIDE)
