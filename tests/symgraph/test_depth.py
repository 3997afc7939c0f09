"""Graphs of 100,000 nodes in depth: everything is iterative, and linear."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

import symgraph as sg

DEEP, SHALLOW = 100_000, 1_000

#: y in terms of y and x.
CHAINS: dict[str, Callable[[sg.Variable, sg.Variable], sg.Variable]] = {
    "sin(y)": lambda y, x: sg.sin(y),
    "y + x": lambda y, x: y + x,
    "y + y": lambda y, x: y + y,
}


def grow(step: Callable[[sg.Variable, sg.Variable], sg.Variable], depth: int) -> float:
    """Seconds to build, differentiate, print and evaluate a chain; checks its value."""
    began = time.perf_counter()
    x = sg.dvector("x")
    y = x
    for _ in range(depth):
        y = step(y, x)
    slope = sg.grad(sg.sum(y), x)
    assert "float64" in repr(y) and "float64" in repr(slope.node)
    value, steepness = sg.function([x], [y, slope], mode="interpret")(np.full(2, 0.1))
    seconds = time.perf_counter() - began
    with np.errstate(over="ignore"):
        if step is CHAINS["y + x"]:
            np.testing.assert_allclose(steepness, depth + 1.0)
            np.testing.assert_allclose(value, (depth + 1) * 0.1, rtol=1e-9)
        elif step is CHAINS["y + y"]:
            np.testing.assert_array_equal(steepness, np.ldexp(1.0, depth))
            np.testing.assert_array_equal(value, np.ldexp(0.1, depth))
        else:
            # sin iterated n times from x tends to sqrt(3 / n), whatever x.
            assert value[0] == pytest.approx(np.sqrt(3 / (depth + 300)), rel=0.01)
            assert 0 < steepness[0] < 1
    return seconds


@pytest.mark.parametrize("name", CHAINS)
def test_deep_chains_take_linear_time(name: str) -> None:
    shallow = min(grow(CHAINS[name], SHALLOW) for _ in range(3))
    deep = grow(CHAINS[name], DEEP)
    print(f"{name}: {SHALLOW} nodes {shallow:.3f} s, {DEEP} nodes {deep:.2f} s")
    assert deep < 60
    # A quadratic walk would take 10,000 times as long; caches and collector allow 4.
    assert deep < 4 * shallow * DEEP / SHALLOW


def test_a_sum_of_many_inputs() -> None:
    inputs = [sg.dvector(f"x{k}") for k in range(10_000)]
    total = inputs[0]
    for x in inputs[1:]:
        total = total + x
    slopes = sg.grad(sg.sum(total * total), inputs)
    values = [np.full(2, float(k)) for k in range(10_000)]
    run = sg.function(inputs, [total, slopes[0], slopes[-1]], mode="interpret")
    got, first, last = run(*values)
    np.testing.assert_array_equal(got, 9_999 * 5_000.0)
    np.testing.assert_array_equal(first, 2 * got)
    np.testing.assert_array_equal(last, 2 * got)


def test_deep_shapes() -> None:
    """Sizes that follow from sizes, all the way."""
    x = sg.dvector("x")
    y = x
    for k in range(2_000):
        y = sg.concatenate([y, x]) if k % 2 else y[1:]
    assert "..." in repr(y.type) or len(repr(y.type)) < 500
    assert len(y.eval({x: np.ones(3)})) == 3 + 1_000 * (3 - 1)


def test_a_graph_of_any_depth_can_be_dropped() -> None:
    x = sg.dvector("x")
    y = x
    for _ in range(DEEP):
        y = sg.sin(y)
    node = y.node
    del y
    assert node.inputs
    del node
