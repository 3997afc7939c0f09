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


# -- chunks within a budget ------------------------------------------------------------


def values(n: int, size: int = 4) -> tuple[Any, ...]:
    rng = np.random.default_rng(n)
    rows, start = rng.normal(size=(n, size)), rng.normal(size=size)
    return rows, start, rng.normal(size=(size, size)) / size


def fixed(n: int, size: int) -> list[Any]:
    """The inputs with all sizes known."""
    return [
        sg.tensor(name, "float64", shape)
        for name, shape in (("x", (n, size)), ("h0", (size,)), ("w", (size, size)))
    ]


def last_only(inputs: list[Any], **options: Any) -> Any:
    """The gradients of a cost of the last state."""
    rows, start, weights = inputs

    def step(h: Any, row: Any) -> Any:
        return sg.tanh(h @ weights + row), None

    last, _ = sg.scan(step, start, rows, **options)
    return sg.function(inputs, sg.grad(sg.sum(last * last), [start, weights]))


@pytest.mark.parametrize(
    ("reverse", "budget"), [(False, 1), (True, 400), (False, 1_000), (True, 10**9)]
)
def test_same_results_within_a_budget(reverse: bool, budget: int) -> None:
    inputs = [x, h0, w]
    plain = sg.function(inputs, costs(reverse=reverse))
    mode = "interpret" if budget == 400 else "fast"
    bounded = costs(reverse=reverse, max_memory=budget)
    bounded = sg.function(inputs, bounded, mode=mode)
    for n in (0, 1, 2, 7, 24, 61):
        for a, b in zip(plain(*values(n)), bounded(*values(n)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


# 96 bytes a round and 32 carried: all, chunks, chunks in chunks, and these in chunks.
@pytest.mark.parametrize("budget", [10**6, 20_000, 7_000, 5_000])
def test_same_results_where_sizes_are_known(budget: int) -> None:
    given = values(1500)
    expected = last_only(fixed(1500, 4))(*given)
    made = last_only(fixed(1500, 4), max_memory=budget)(*given)
    for a, b in zip(expected, made, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("budget", [1_000_000, 300_000])
def test_budget_is_kept(budget: int) -> None:
    """Beyond what a loop of one round takes, in which each size occurs as well."""
    f, plain = last_only([x, h0, w], max_memory=budget), last_only([x, h0, w])
    one = f.cost(*values(1, 64)).arena
    for n in (50, 1_000, 10_000):
        own = f.cost(*values(n, 64)).arena - one
        assert own <= min(budget, plain.cost(*values(n, 64)).arena)


def test_less_than_any_chunks_keep() -> None:
    with pytest.raises(ArgumentError, match="allow about") as error:
        last_only(fixed(1500, 4), max_memory=1_000)
    enough = int(str(error.value).partition("allow about ")[2].split()[0])
    last_only(fixed(1500, 4), max_memory=enough * 6 // 5)


def test_nothing_kept_is_within_any_budget() -> None:
    total, _ = sg.scan(lambda c, v: (c + v, None), 0.0, h0, max_memory=1)
    f = sg.function([h0], sg.grad(total, h0))
    np.testing.assert_array_equal(f(np.ones(5)), np.ones(5))
    counted, _ = sg.scan(lambda c, _: (c + 1, None), 0, length=9, max_memory=1)
    assert sg.function([], counted)() == 9


def test_second_order_within_a_budget() -> None:
    costs_of = [costs(max_memory=600)[0], costs()[0]]
    slopes = [sg.grad(cost, w) for cost in costs_of]
    f, g = (sg.function([x, h0, w], sg.grad(sg.sum(s * s), [x, w])) for s in slopes)
    for a, b in zip(f(*values(17)), g(*values(17)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_a_budget_of_a_loop_in_a_loop() -> None:
    def total(**options: Any) -> Any:
        def outer(h: Any, row: Any) -> Any:
            inner = sg.scan(lambda c, v: (sg.sin(c * v), None), h, row, **options)[0]
            return inner, sg.sum(inner)

        return sg.sum(sg.scan(outer, h0, x)[1])

    slopes = [sg.grad(cost, [x, h0]) for cost in (total(), total(max_memory=300))]
    f = sg.function([x, h0], slopes)
    for a, b in zip(*f(*values(9)[:2]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def test_rows_of_as_many_elements_as_another_array() -> None:
    """The rows of a matrix made of a vector, where a size says how long they are."""
    long, short = sg.dvector("long"), sg.dvector("short")
    rows = sg.reshape(long, (long.shape[0] // short.shape[0], short.shape[0]))
    for reverse in (False, True):
        last, kept = sg.scan(
            lambda c, v: (c / 2 + sg.sum(v * short), c), 0.0, rows, reverse=reverse
        )
        f = sg.function([long, short], [last, kept])
        for n in (0, 1, 4):
            a, b = np.arange(3.0 * n), np.array([1.0, -2.0, 0.5])
            state, states = 0.0, []
            for row in a.reshape(n, 3)[:: -1 if reverse else 1]:
                states.append(state)
                state = state / 2 + row @ b
            made = f(a, b)
            np.testing.assert_allclose(made[0], state, rtol=1e-13)
            expected = states[::-1] if reverse else states
            np.testing.assert_allclose(made[1], expected, rtol=1e-13)


@pytest.mark.parametrize("budget", [0, -1, 2.5, True])
def test_budgets_are_bytes(budget: Any) -> None:
    with pytest.raises(ArgumentError, match="max_memory cannot be"):
        sg.scan(lambda c, v: (c + v, None), 0.0, h0, max_memory=budget)


def test_one_way_to_cut_at_a_time() -> None:
    with pytest.raises(ArgumentError, match="both given"):
        sg.scan(lambda c, v: (c * v, None), 0.0, h0, max_memory=99, checkpoint_every=3)
    with pytest.raises(ArgumentError, match="end by a condition"):
        sg.scan(
            lambda c: (c * 2, sg.until(c > 5)),
            outputs_info=1.0,
            n_steps=9,
            max_memory=3,
        )
