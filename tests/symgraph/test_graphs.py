"""Graphs as objects."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from symgraph import ops
from symgraph.autodiff import grad
from symgraph.declare import tensor
from symgraph.errors import DTypeError, MissingInputError, ShapeError, SymgraphError
from symgraph.evaluate import evaluate
from symgraph.graph import intern
from symgraph.graphs import (
    Graph,
    ancestors,
    clone_replace,
    flatten,
    structure_key,
    unflatten,
)
from symgraph.leaf import Shared, Storage
from symgraph.types import TensorType
from symgraph.variable import Variable, constant

x = tensor("x", "float64", ("n", 3))
y = tensor("y", "float64", (None,))


def shared(value: np.ndarray, label: str = "w") -> Variable:
    kind = TensorType(value.dtype, value.shape)
    return Variable(intern(Shared(kind, Storage(value), label), ()), label)


def model(hidden: int = 4) -> Graph:
    """A small network with everything in it: shared values, constants, gradients."""
    data, labels = (
        tensor("data", "float32", ("n", 3)),
        tensor("labels", "int64", ("n",)),
    )
    weights = shared(np.ones((3, hidden), "float32"))
    scale = constant(np.arange(hidden, dtype="float32"))
    logits = ops.tanh(data @ weights) * scale + 0.5
    picked = ops.log_softmax(logits, 1)[ops.arange(data.shape[0]), labels]
    loss = -ops.mean(picked)
    return Graph([data, labels], [loss, grad(loss, weights)])


# -- the object ------------------------------------------------------------------------


def test_nodes_come_before_their_users() -> None:
    graph = model()
    place = {node: k for k, node in enumerate(graph.nodes)}
    assert all(place[i] < place[n] for n in graph.nodes for i in n.inputs)
    assert len(graph) == len(place)


def test_a_single_output_needs_no_list() -> None:
    assert Graph([x], ops.exp(x)).outputs[0].same(ops.exp(x))


def test_graphs_are_immutable() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        model().outputs = ()


def test_a_missing_input_is_named() -> None:
    with pytest.raises(MissingInputError, match="y"):
        Graph([x], ops.sum(x) + y)


def test_an_input_given_twice_is_refused() -> None:
    with pytest.raises(SymgraphError, match="twice"):
        Graph([x, x], x)


def test_an_expression_is_no_input() -> None:
    with pytest.raises(SymgraphError, match="clone_replace"):
        Graph([x * 2], x * 2)


def test_names_survive_rewriting() -> None:
    out = Variable((x * 1).node, "out")
    graph, _ = Graph([x], out).rewrite()
    assert [v.name for v in graph.outputs] == ["out"]


def test_trace_is_empty_unless_asked_for() -> None:
    graph = Graph([x], x * 1)
    assert len(graph.rewrite(trace=True)[1]) == 1
    assert len(graph.rewrite(trace=False)[1]) == 0


# -- pickling --------------------------------------------------------------------------


def values_of(graph: Graph) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    data, labels = (v.node for v in graph.inputs)
    given = {
        data: rng.normal(size=(5, 3)).astype("float32"),
        labels: rng.integers(0, 4, 5),
    }
    return evaluate(graph.output_nodes, given)


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_pickled_graphs_compute_the_same(protocol: int) -> None:
    graph = model()
    again = pickle.loads(pickle.dumps(graph, protocol))
    assert structure_key(again) == structure_key(graph)
    for old, new in zip(values_of(graph), values_of(again), strict=True):
        np.testing.assert_array_equal(old, new)


def test_copies_have_inputs_and_shared_values_of_their_own() -> None:
    graph = model()
    again = copy.deepcopy(graph)
    assert not any(a.same(b) for a, b in zip(graph.inputs, again.inputs, strict=True))
    (old,), (new,) = (
        [n.op.storage for n in g.nodes if isinstance(n.op, Shared)]
        for g in (graph, again)
    )
    old.box[0][...] = 7
    assert new.box[0].max() == 1
    assert copy.copy(graph) is graph


def test_unused_inputs_and_names_are_kept() -> None:
    graph = Graph([y, x], Variable(ops.exp(x).node, "result"))
    again = pickle.loads(pickle.dumps(graph))
    assert [v.name for v in again.inputs] == ["y", "x"]
    assert [v.name for v in again.outputs] == ["result"]
    assert again.inputs[1].type == x.type  # named dimensions are the same everywhere


def test_flat_data_shares_ops_and_holds_no_nodes() -> None:
    deep = x
    for _ in range(50):
        deep = deep + x
    flat = flatten(Graph([x], deep))
    assert len(flat["ops"]) == 1
    assert all(isinstance(k, int) for node in flat["nodes"] for k in node)


def test_another_format_is_refused() -> None:
    with pytest.raises(SymgraphError, match="format"):
        unflatten({**flatten(model()), "format": 0})


def test_deep_graphs() -> None:
    deep = x
    for _ in range(20_000):
        deep = ops.sin(deep) + x
    graph = Graph([x], deep)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        again = pickle.loads(pickle.dumps(graph))
        assert structure_key(again) == structure_key(graph)
        assert len(copy.deepcopy(graph)) == len(graph)
        assert len(repr(graph)) < 200
        assert len(ancestors(deep)) == len(graph)
    finally:
        sys.setrecursionlimit(limit)


# -- the key ---------------------------------------------------------------------------


def test_equal_structure_has_an_equal_key() -> None:
    assert structure_key(model()) == structure_key(model())


def test_names_lines_and_values_of_arguments_do_not_count() -> None:
    def key(name: str, value: float) -> str:
        v = tensor(name, "float64", (None,))
        arrays = shared(np.full(3, value), name), constant(np.full(3, value))
        return structure_key(Graph([v], ops.sum(v) + arrays[0] * arrays[1]))

    assert key("a", 1.0) == key("b", 2.0)


def test_whatever_decides_the_code_counts() -> None:
    def key(
        dtype: str = "float64", size: int | str | None = None, number: float = 2.0
    ) -> str:
        v = tensor("v", dtype, (size, 4))
        return structure_key(Graph([v], ops.sum(v * number, 0)))

    v = tensor("v", "float64", (None, 4))
    others = [
        key("float32"), key(size=3), key(size="n"), key(number=3.0), key(number=-2.0),
        structure_key(Graph([v], ops.sum(v * 2.0, 1))),
        structure_key(Graph([v], ops.max(v * 2.0, 0))),
        structure_key(Graph([v], [ops.sum(v * 2.0, 0), v])),
        structure_key(Graph([v, x], ops.sum(v * 2.0, 0))),
    ]  # fmt: skip
    assert len({key(), *others}) == len(others) + 1


def test_named_dimensions_are_told_apart() -> None:
    def key(first: str, second: str) -> str:
        p, q = tensor("p", "float64", (first,)), tensor("q", "float64", (second,))
        return structure_key(Graph([p, q], [ops.exp(p), ops.exp(q)]))

    assert key("n", "n") != key("n", "m")


def test_signed_zeros_and_dtypes_of_constants_are_told_apart() -> None:
    keys = {structure_key(Graph([], constant(v, d))) for v, d in [
        (0.0, "float64"), (-0.0, "float64"), (0, "int64"), (0.0, "float32")
    ]}  # fmt: skip
    assert len(keys) == 4


def test_the_key_is_the_same_in_another_process() -> None:
    code = (
        "from symgraph import ops; from symgraph.declare import tensor\n"
        "from symgraph.graphs import Graph, structure_key\n"
        "unused = tensor('unused', 'float64')\n"
        "x = tensor('other', 'float64', ('n', 3))\n"
        "print(structure_key(Graph([x], ops.log_softmax(x * 2, 1))))\n"
    )
    root = Path(__file__).parents[2]
    there = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    )
    assert there.stdout.strip() == structure_key(Graph([x], ops.log_softmax(x * 2, 1)))


def test_the_key_is_fast() -> None:
    graph = model()
    structure_key(graph)
    start = time.perf_counter()
    for _ in range(10):
        structure_key(graph)
    assert (time.perf_counter() - start) / 10 < 0.02


# -- replacing -------------------------------------------------------------------------


def test_clone_replace() -> None:
    other = tensor("other", "float64", ("n", 3))
    made = clone_replace(ops.exp(x) + x, {x: other})
    assert made.same(ops.exp(other) + other)


def test_replacements_do_not_see_each_other() -> None:
    other = tensor("other", "float64", ("n", 3))
    first, second = clone_replace([x + other, ops.exp(x)], {x: other, other: x})
    assert first.same(other + x)
    assert second.same(ops.exp(other))


def test_expressions_can_be_replaced() -> None:
    made = clone_replace(ops.exp(x * 2) + 1, {x * 2: x})
    assert made.same(ops.exp(x) + 1)


@pytest.mark.parametrize(
    ("other", "error"),
    [
        (tensor("o", "float32", ("n", 3)), DTypeError),
        (tensor("o", "float64", ("n",)), ShapeError),
        (tensor("o", "float64", ("n", 4)), ShapeError),
    ],
)
def test_a_replacement_has_the_same_type(
    other: Variable, error: type[Exception]
) -> None:
    with pytest.raises(error, match="clone_replace"):
        clone_replace(ops.exp(x), {x: other})


def test_ancestors() -> None:
    e = ops.exp(x)
    assert [v.node for v in ancestors(e + 1)] == [
        x.node, e.node, constant(1.0).node, (e + 1).node
    ]  # fmt: skip
