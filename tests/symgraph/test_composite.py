"""Ops made of a graph: identity, pickling, captures, and how they are inlined."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symgraph as sg
from symgraph.composite import Body, Composite, trace
from symgraph.errors import ShapeError, SymgraphError
from symgraph.graph import toposort
from symgraph.graphs import Graph, structure_key
from symgraph.op import Array, Elemwise, op
from symgraph.variable import Variable, apply
from symgraph.vectorize import batch

from ..support import MODES, compute


@op
class Mine(Elemwise):
    """A user's op."""

    def ref(self, x: Array) -> Array:  # type: ignore[override]
        return x


def composed(fn: object, *args: Variable) -> Variable:
    body, captured, _ = trace(fn, args)  # type: ignore[arg-type]
    return apply(Composite(body), *args, *captured)


def test_equal_bodies_are_one_node() -> None:
    x = sg.dvector("x")
    y, z = (composed(lambda v: sg.exp(v) + 1.0, x) for _ in range(2))
    assert y.same(z)
    assert not y.same(composed(lambda v: sg.exp(v) + 2.0, x))
    assert not y.same(composed(lambda v: sg.exp(v) + -1.0, x))


@pytest.mark.parametrize("mode", MODES)
def test_value_with_captures(mode: str) -> None:
    x, w = sg.dmatrix("x"), sg.dvector("w")
    big = np.arange(3.0)
    scaled = w * 2
    y = composed(lambda v: sg.sum(v * scaled + big) + v.shape[0], x)
    assert len(y.inputs) == 3
    data = np.arange(6.0).reshape(2, 3)
    (got,) = compute([y], [x, w], [data, [1.0, 2.0, 3.0]], mode)
    assert got == np.sum(data * [2.0, 4.0, 6.0] + big) + 2


def test_inlined_before_anything_else() -> None:
    """So that rules see into it: log of 1 + x becomes log1p."""
    x = sg.dvector("x")
    y = composed(lambda v: sg.log(1 + v), x)
    graph, _ = Graph([x], [y]).rewrite()
    assert [node.op.name for node in graph.nodes] == ["input", "log1p"]


def test_pickled_and_keyed_by_structure() -> None:
    x = sg.dvector("x")
    graph = Graph([x], [composed(lambda v: v * 2.0 + v[-1], x)])
    again = pickle.loads(pickle.dumps(graph))
    assert structure_key(again) == structure_key(graph)
    assert again.outputs[0].op == graph.outputs[0].op
    other = Graph([x], [composed(lambda v: v * 2.5 + v[-1], x)])
    assert structure_key(other) != structure_key(graph)


def test_kinds_within() -> None:
    x = sg.dvector("x")
    inner = composed(lambda v: apply(Mine(), v), x)
    outer = composed(lambda v: composed(lambda u: apply(Mine(), u), v), x)
    for made in (inner.op, outer.op):
        assert isinstance(made, Composite)
        assert isinstance(made.body, Body) and Mine in made.body.kinds


def test_derivatives_and_batches_through_the_body() -> None:
    """Of what it captures too, and where one input is made of another."""
    x, w = sg.dvector("x"), sg.dscalar("w")
    y = sg.exp(x)

    def body(a: Variable, b: Variable) -> Variable:
        return sg.softmax(sg.sin(a) * b * w) + a * a

    outputs = []
    for made in (composed(body, x, y), body(x, y)):
        cost = sg.sum(made * sg.arange(3))
        outputs += [
            *sg.grad(cost, [x, y, w]),
            sg.grad(sg.sum(sg.grad(cost, x) ** 2), x),
            sg.jvp(made, [x, w], [np.ones(3), 2.0]),
            *batch([made], {x.node: sg.stack([x, 2 * x])}),
        ]
    got = compute(outputs, [x, w], [[0.1, -0.2, 0.3], 1.5])
    for mine, theirs in zip(got[:6], got[6:], strict=True):
        np.testing.assert_allclose(mine, theirs)


def test_chains_are_linear() -> None:
    x = sg.dvector("x")
    wrapped = trace(lambda v: sg.sin(v) * sg.sum(v), [x])[0]

    def sizes(length: int) -> list[int]:
        y = x
        for _ in range(length):
            y = apply(Composite(wrapped), y)
        made = sg.grad(sg.sum(y), x), sg.jvp(y, x, x)
        return [len(toposort([v.node])) for v in made]

    first, second, third = (np.array(sizes(k)) for k in (10, 20, 30))
    assert (third - second == second - first).all()
    y = x
    for _ in range(300):
        y = apply(Composite(wrapped), y)
    assert len(toposort([sg.grad(sg.sum(y), x).node])) < 300 * 20


def test_no_outputs() -> None:
    with pytest.raises(SymgraphError, match="no outputs"):
        trace(lambda: [], [])


@pytest.mark.parametrize("mode", MODES)
def test_sizes_inside_are_checked_though_rewriting_drops_the_result(mode: str) -> None:
    x, y = sg.vectors("x y")
    w = sg.tensor("w", shape=(3,))

    def inner(a: Variable, b: Variable) -> Variable:
        return composed(lambda v: v + np.ones(3), a) * b

    dropped = sg.where(True, w, composed(inner, x, y))
    f = sg.function([x, y, w], dropped, mode=mode)
    for right in ((3, 3), (1, 1), (1, 3)):
        np.testing.assert_array_equal(f(*map(np.ones, right), np.ones(3)), np.ones(3))
    for wrong in ((2, 3), (3, 2), (2, 2)):
        with pytest.raises(ShapeError):
            f(*map(np.ones, wrong), np.ones(3))
