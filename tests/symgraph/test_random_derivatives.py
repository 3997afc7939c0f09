"""Random graphs: forward mode is the transpose of reverse mode, and batching a loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import symgraph as sg
from symgraph.autodiff.forward import pushforward
from symgraph.autodiff.reverse import pullback
from symgraph.composite import parameter
from symgraph.errors import IndexOutOfBoundsError, UnsupportedError
from symgraph.evaluate import evaluate
from symgraph.types import is_float
from symgraph.variable import Variable
from symgraph.vectorize import batch

from .random_graphs import RandomGraph, random_graphs
from .test_random_graphs import reference, reproducible

FEW, MANY = 40, 600


@reproducible(FEW)
@given(random_graphs(20))
def test_transposes(graph: RandomGraph) -> None:
    check_transposes(graph)


@reproducible(FEW)
@given(random_graphs(30))
def test_batches(graph: RandomGraph) -> None:
    check_batches(graph)


@pytest.mark.slow
@reproducible(MANY)
@given(random_graphs(30))
def test_transposes_of_many(graph: RandomGraph) -> None:
    check_transposes(graph)


@pytest.mark.slow
@reproducible(MANY)
@given(random_graphs())
def test_batches_of_many(graph: RandomGraph) -> None:
    check_batches(graph)


def check_transposes(graph: RandomGraph) -> None:
    """<jvp(t), g> == <t, vjp(g)> with random t and g, all outputs at once."""
    reference(graph)  # rejects graphs that amplify rounding
    outputs = [v for v in graph.outputs if is_float(v.dtype)]
    wrt = [v for v in graph.inputs if is_float(v.dtype)]
    ts, gs = [parameter(v) for v in wrt], [parameter(v) for v in outputs]
    nodes = [v.node for v in wrt]
    sent = pullback(outputs, nodes, gs)
    pushed = pushforward([v.node for v in outputs], list(zip(nodes, ts, strict=True)))
    known = {v.node: x for v, x in zip(graph.inputs, graph.values, strict=True)}
    shapes = [np.shape(x) for x in evaluate([v.node for v in outputs], known)]
    rng = np.random.default_rng(0)
    for v, t in zip(wrt, ts, strict=True):
        known[t.node] = rng.normal(size=known[v.node].shape).astype(v.dtype)
    for v, g, shape in zip(outputs, gs, shapes, strict=True):
        known[g.node] = rng.normal(size=shape).astype(v.dtype)
    left = total(known, pushed, gs)
    right = total(known, sent, ts)
    single = any(v.dtype == "float32" for v in sg.ancestors(outputs))
    most = 1e-3 if single else 1e-8
    if np.isfinite(left[0]) and np.isfinite(right[0]):
        assert abs(left[0] - right[0]) <= most * (left[1] + right[1] + 1)


def total(
    known: dict[object, object], found: list[Variable | None], others: list[Variable]
) -> tuple[float, float]:
    """The sum of products of what was found with others, and that of their sizes."""
    pairs = [(v, o) for v, o in zip(found, others, strict=True) if v is not None]
    values = evaluate([v.node for v, _ in pairs], known)  # type: ignore[arg-type]
    products = [
        np.float64(a) * known[o.node] for a, (_, o) in zip(values, pairs, strict=True)
    ]
    return sum(float(np.sum(p)) for p in products), sum(
        float(np.sum(np.abs(p))) for p in products
    )


def check_batches(graph: RandomGraph) -> None:
    """Three scaled copies of the inputs at once, and one after another."""
    reference(graph)
    scales = np.array([1.0, 0.75, -0.5])
    rows = [
        [x * np.asarray(s, x.dtype) if x.dtype.kind == "f" else x for x in graph.values]
        for s in scales
    ]
    stacks = [sg.tensor(None, v.dtype, ("count", *v.type.shape)) for v in graph.inputs]
    try:
        chosen = list(graph.inputs)
        wide = batch(graph.outputs, replaced(graph, stacks, chosen))
    except UnsupportedError:  # integers that are sizes
        chosen = [v for v in graph.inputs if is_float(v.dtype)]
        wide = batch(graph.outputs, replaced(graph, stacks, chosen))
    picked = {v.node for v in chosen}
    known = {}
    for k, (v, stack) in enumerate(zip(graph.inputs, stacks, strict=True)):
        known[stack.node] = np.stack([row[k] for row in rows])
        if v.node not in picked:
            known[v.node] = graph.values[k]
    try:
        expected = [row_by_itself(graph, row) for row in rows]
    except IndexOutOfBoundsError:  # a position computed from what was scaled
        with pytest.raises(IndexOutOfBoundsError):
            evaluate([v.node for v in wide], known)
        return
    got = evaluate([v.node for v in wide], known)
    for number, values in enumerate(expected):
        for v, w, a, b in zip(graph.outputs, wide, got, values, strict=True):
            mine = a[number] if w.ndim > v.ndim else a
            compare(np.asarray(mine), np.asarray(b))


def row_by_itself(graph: RandomGraph, row: list[np.ndarray]) -> list[np.ndarray]:
    known = dict(zip((v.node for v in graph.inputs), row, strict=True))
    return evaluate([v.node for v in graph.outputs], known)  # type: ignore[arg-type]


def replaced(
    graph: RandomGraph, stacks: list[Variable], chosen: list[Variable]
) -> dict[object, Variable]:
    nodes = {v.node for v in chosen}
    pairs = zip(graph.inputs, stacks, strict=True)
    return {v.node: s for v, s in pairs if v.node in nodes}


def compare(mine: np.ndarray, theirs: np.ndarray) -> None:
    assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
    if mine.dtype.kind != "f" or not np.isfinite(theirs).all():
        return  # another row may be decided by rounding
    scale = np.abs(theirs).max(initial=1.0)
    most = 1e-3 if mine.dtype == "float32" else 1e-8
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=most * scale)
