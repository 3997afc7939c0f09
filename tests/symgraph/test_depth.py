"""Deep and wide graphs: no recursion anywhere, and no step that is quadratic.

Instead of the clock, tests count what Python calls: twice as deep, twice as many.
``bench/depth.py`` measures the largest sizes.
"""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.inspect.text import graph_text
from symgraph.lower import Request, lower
from symgraph.variable import Variable

KINDS = ("sin", "add", "double", "sum", "scalar", "views")
#: Twice the work may take this many times the calls.
LINEAR = 2.6


def built(kind: str, count: int) -> tuple[list[Variable], Variable]:
    """Inputs, and the result of `count` operations."""
    x, y = sg.vector("x", "float64"), sg.vector("y", "float64")
    if kind == "sum":
        inputs = [sg.vector(f"x{k}", "float64") for k in range(count)]
        total = inputs[0]
        for other in inputs[1:]:
            total = total + other
        return inputs, total
    if kind == "scalar":
        x = sg.scalar("x", "float64")
    steps: dict[str, Callable[[Variable], Variable]] = {
        "sin": sg.sin,
        "scalar": sg.sin,
        "add": lambda z: z + y,
        "double": lambda z: z + z,
        "views": lambda z: sg.tanh(z)[::-1],
    }
    z = x
    for _ in range(count):
        z = steps[kind](z)
    return [x, y] if kind == "add" else [x], z


def with_gradients(kind: str, count: int) -> tuple[list[Variable], list[Variable]]:
    inputs, z = built(kind, count)
    return inputs, [z, *sg.grad(sg.sum(z), inputs)]


def values(kind: str, count: int) -> list[np.ndarray]:
    return [np.full(() if kind == "scalar" else (3,), 0.5)] * count


@pytest.fixture
def shallow() -> Iterator[None]:
    """A recursion limit that no walk over a large graph keeps."""
    before = sys.getrecursionlimit()
    depth = 0
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    sys.setrecursionlimit(depth + 150)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("shallow")
def test_a_deep_graph_goes_all_the_way(kind: str) -> None:
    """Build, differentiate, rewrite, print, pickle, copy and interpret."""
    everything(kind, 2_000)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("shallow")
def test_a_very_deep_graph_goes_all_the_way(kind: str) -> None:
    everything(kind, 10_000 if kind == "sum" else 20_000)


def everything(kind: str, count: int) -> None:
    inputs, outputs = with_gradients(kind, count)
    graph = sg.Graph(inputs, outputs)
    rewritten, _ = graph.rewrite()
    assert len(rewritten) > count // 2 or kind == "double"
    assert graph_text(graph).count("\n") == len(graph) + 1
    restored = pickle.loads(pickle.dumps(graph))
    assert len(restored) == len(copy.deepcopy(graph)) == len(graph)
    assert len(repr(outputs[0])) < 1_000
    given = values(kind, len(inputs))
    with np.errstate(all="ignore"):
        f = sg.function(inputs, outputs, mode="interpret")
        expected = f(*given)
        again = sg.function(restored.inputs, list(restored.outputs), mode="interpret")
        for a, b in zip(expected, again(*given), strict=True):
            np.testing.assert_array_equal(a, b)
    if kind == "sum":
        assert (expected[0] == 0.5 * count).all()
    if kind == "add":
        assert (expected[2] == count).all(), "the gradient counts the uses"


@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_operations_compile(kind: str) -> None:
    count = 500 if kind in ("sum", "views") else 2_000
    compiled_equals_interpreted(kind, count)


@pytest.mark.slow
def test_a_sum_of_2000_inputs_compiles() -> None:
    compiled_equals_interpreted("sum", 2_000)


def compiled_equals_interpreted(kind: str, count: int) -> None:
    inputs, outputs = with_gradients(kind, count)
    given = values(kind, len(inputs))
    got = sg.function(inputs, outputs)(*given)
    with np.errstate(all="ignore"):
        expected = sg.function(inputs, outputs, mode="interpret")(*given)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


# -- growth ----------------------------------------------------------------------------


def calls(work: Callable[[], Any]) -> int:
    """How many calls `work` makes, of Python's functions and of C's."""
    count = 0

    def tally(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(tally)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", ["rewrite", "lower", "print", "pickle"])
def test_growth(stage: str, kind: str) -> None:
    def work(count: int) -> Callable[[], Any]:
        inputs, outputs = with_gradients(kind, count)
        graph = sg.Graph(inputs, outputs)
        written = Request(tuple(v.node for v in inputs), (), graph.output_nodes)
        rewritten = written.with_roots(graph.rewrite()[0].output_nodes)
        return {
            "rewrite": graph.rewrite,
            "lower": lambda: lower(written, rewritten, "deep"),
            "print": lambda: graph_text(graph),
            "pickle": lambda: pickle.loads(pickle.dumps(graph)),
        }[stage]

    few, many = (calls(work(count)) for count in (400, 800))
    assert many < LINEAR * few, f"{few} calls, then {many}"
