"""scan(checkpoint_every=): the same results and gradients, with little kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import ArgumentError

x, h0, w = sg.dmatrix("x"), sg.dvector("h0"), sg.dmatrix("w")


def costs(**options: Any) -> list[Any]:
    """A cost of all states, and its gradients."""

    def step(h: Any, row: Any) -> Any:
        moved = sg.tanh(h @ w + row)
        return moved, sg.sum(moved)

    last, kept = sg.scan(step, h0, x, **options)
    cost = sg.sum(kept**2) + sg.sum(last * last)
    return [cost, *sg.grad(cost, [x, h0, w])]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("mode", ["fast", "interpret"])
def test_same_results(reverse: bool, mode: str) -> None:
    inputs = [x, h0, w]
    plain = sg.function(inputs, costs(reverse=reverse))
    chunked = sg.function(inputs, costs(reverse=reverse, checkpoint_every=5), mode=mode)
    rng = np.random.default_rng(0)
    for n in (0, 1, 5, 6, 23):
        values = rng.normal(size=(n, 4)), rng.normal(size=4), rng.normal(size=(4, 4))
        for a, b in zip(plain(*values), chunked(*values), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def test_memory_grows_as_the_root() -> None:
    def arena(n: int, every: int | None) -> int:
        cost, _, *others = costs(checkpoint_every=every)
        f = sg.function([x, h0, w], [cost, *others])
        made = f.cost(np.empty((n, 64)), np.empty(64), np.empty((64, 64)))
        assert isinstance(made.arena, int)
        return made.arena

    small, large = arena(100, 10), arena(10_000, 100)
    assert large < 12 * small
    assert arena(10_000, None) > 20 * large


def test_second_order() -> None:
    cost = costs(checkpoint_every=3)[0]
    plain = costs()[0]
    inner, other = sg.grad(cost, w), sg.grad(plain, w)
    f = sg.function([x, h0, w], sg.grad(sg.sum(inner * inner), [x, w]))
    g = sg.function([x, h0, w], sg.grad(sg.sum(other * other), [x, w]))
    rng = np.random.default_rng(1)
    values = rng.normal(size=(7, 3)), rng.normal(size=3), rng.normal(size=(3, 3))
    for a, b in zip(f(*values), g(*values), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("every", [0, -1, 2.5])
def test_chunks_have_rounds(every: Any) -> None:
    with pytest.raises(ArgumentError, match="checkpoint_every"):
        sg.scan(lambda c, v: (c + v, None), 0.0, h0, checkpoint_every=every)


def test_no_chunks_of_a_loop_that_ends_by_itself() -> None:
    with pytest.raises(ArgumentError, match="end by a condition"):
        sg.scan(
            lambda c: (c * 2, sg.until(c > 5)),
            outputs_info=1.0,
            n_steps=9,
            checkpoint_every=3,
        )
