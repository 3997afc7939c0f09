"""Graphs as text, DOT, JSON and networkx."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable

import networkx
import numpy as np
import pytest

import symgraph as sg
from symgraph import ops
from symgraph.autodiff import grad
from symgraph.declare import tensor
from symgraph.graphs import Graph
from symgraph.inspect.dot import graph_dot, quoted
from symgraph.inspect.json_form import graph_json
from symgraph.inspect.nx import to_networkx
from symgraph.inspect.text import dprint, graph_diff, graph_text, pprint, tree_text
from symgraph.variable import Variable, constant

Golden = Callable[[str, str], None]


def regression() -> Graph:
    """Cross-entropy of a linear model, and its gradient."""
    x = tensor("x", "float32", ("n", 64))
    labels = tensor("labels", "int64", ("n",))
    weights = tensor("weights", "float32", (64, 10))
    p = ops.softmax(x @ weights, 1)
    loss = -ops.mean(ops.log(p[ops.arange(x.shape[0]), labels]))
    outputs = [Variable(loss.node, "loss"), Variable(grad(loss, weights).node, "slope")]
    return Graph([x, labels, weights], outputs)


def deep(size: int = 20_000) -> Graph:
    x = tensor("x", "float64", ("n",))
    y = x
    for _ in range(size):
        y = ops.sin(y) + x
    return Graph([x], y)


# -- text ------------------------------------------------------------------------------


def test_listing(golden: Golden) -> None:
    golden("inspect/regression.txt", graph_text(regression(), sites=False))


def test_listing_of_the_optimized_graph(golden: Golden) -> None:
    graph, _ = regression().rewrite()
    golden("inspect/regression_optimized.txt", graph_text(graph, sites=False))


def test_rules_that_applied(golden: Golden) -> None:
    _, trace = regression().rewrite()
    golden("inspect/regression_trace.txt", trace.text())


def test_the_listing_tells_the_users_line() -> None:
    line = next(s for s in graph_text(regression()).splitlines() if "softmax" in s)
    assert re.search(r"# test_inspect\.py:\d+$", line)


def test_tree(golden: Golden) -> None:
    golden("inspect/regression_tree.txt", tree_text(regression()))


def test_dprint_writes_to_a_file_and_takes_variables() -> None:
    x = tensor("x", "float64", ("n",))
    out = io.StringIO()
    dprint(ops.exp(x), file=out)
    assert out.getvalue() == "%1 exp: float64[n]\n  %0 input x: float64[n]\n"


def test_dprint_refuses_what_is_no_graph() -> None:
    with pytest.raises(TypeError, match="not a graph"):
        dprint(3)


def test_shared_nodes_are_written_once() -> None:
    x = tensor("x", "float64", ("n",))
    y = x
    for _ in range(60):
        y = y + y  # 2**60 paths
    assert len(tree_text(y).splitlines()) == 121


def test_large_constants_are_not_written_out() -> None:
    text = graph_text(Graph([], constant(np.zeros((100, 100)))))
    assert "constant of 100x100" in text
    assert len(text) < 100


def test_formula() -> None:
    x, y = tensor("x", "float64", ("n",)), tensor("y", "float64", ("n",))
    assert pprint(x - (y - x)) == "x - (y - x)"
    assert pprint((x + y) * -x / y) == "(x + y) * (-x) / y"
    assert (
        pprint(ops.where(x < y, ops.exp(x + 1), y)) == "where(x < y, exp(x + 1.0), y)"
    )
    assert pprint(ops.exp(ops.exp(ops.exp(x))), depth=2) == "exp(exp(...))"


# -- differences -----------------------------------------------------------------------


def test_equal_graphs_do_not_differ() -> None:
    assert graph_diff(regression(), regression()) == ""


def test_only_what_differs_shows() -> None:
    x = tensor("x", "float64", ("n",))
    shared = ops.exp(ops.exp(x))
    diff = graph_diff(Graph([x], shared * 2), Graph([x], shared * 3))
    changed = [s for s in diff.splitlines()[2:] if s[0] in "+-"]
    assert len(changed) == 6  # a constant, a product and the return, each twice
    assert not any("exp" in s for s in changed)


# -- DOT -------------------------------------------------------------------------------


def test_dot(golden: Golden) -> None:
    graph, _ = regression().rewrite()
    golden("inspect/regression_optimized.dot", graph_dot(graph, "regression"))


def test_dot_is_well_formed() -> None:
    nasty = tensor('a "quoted\\ name', "float64", ("n",))
    text = graph_dot(Graph([nasty], Variable(ops.exp(nasty).node, "a\nb")))
    body = text.splitlines()[1:-1]
    string = r'"(?:[^"\\]|\\.)*"'
    attribute = rf"\w+=(?:{string}|[\w.]+)"
    statement = re.compile(
        rf"  (?:\w+( -> \w+)?)( \[{attribute}(, {attribute})*\])?;|  \w+=\w+;"
    )
    assert text.startswith('digraph "graph" {\n') and text.endswith("}\n")
    assert [s for s in body if not statement.fullmatch(s)] == []


def test_quoting() -> None:
    assert quoted('a "b" \\ c\n') == '"a \\"b\\" \\\\ c\\n"'


# -- JSON ------------------------------------------------------------------------------


def test_json_is_data_and_complete() -> None:
    graph = regression()
    data = json.loads(json.dumps(graph_json(graph), allow_nan=False))
    assert (data["schema"], data["version"]) == ("symgraph.graph", 1)
    assert len(data["nodes"]) == len(graph)
    assert [d["name"] for d in data["outputs"]] == ["loss", "slope"]
    for node in data["nodes"]:
        assert all(i < node["id"] for i in node["inputs"])
    contract = next(d for d in data["nodes"] if d["op"] == "contract")
    assert contract["parameters"] == {"left": [0, 1], "right": [1, 2], "out": [0, 2]}
    assert contract["shape"] == ["n", 10]
    assert "test_inspect.py" in contract["site"]


def test_json_has_no_infinities() -> None:
    data = graph_json(Graph([], constant(np.array([np.inf, -np.inf, np.nan, 1.0]))))
    assert data["nodes"][0]["value"] == ["inf", "-inf", "nan", 1.0]
    json.dumps(data, allow_nan=False)


# -- networkx --------------------------------------------------------------------------


def test_networkx_has_every_node_and_use() -> None:
    graph = regression()
    made = to_networkx(graph)
    assert made.number_of_nodes() == len(graph)
    assert made.number_of_edges() == sum(len(n.inputs) for n in graph.nodes)
    assert networkx.is_directed_acyclic_graph(made)
    assert sum(d["output"] for _, d in made.nodes(data=True)) == 2


# -- depth -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "view",
    [graph_text, tree_text, graph_dot, graph_json, lambda g: pprint(g.outputs[0])],
)
def test_deep_graphs_take_no_stack_and_linear_space(
    view: Callable[[Graph], object],
) -> None:
    graph = deep()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        shown = view(graph)
    finally:
        sys.setrecursionlimit(limit)
    size = len(shown["nodes"]) if isinstance(shown, dict) else len(str(shown)) / 250
    assert size <= len(graph)


def test_loops_and_choices_show_what_they_run() -> None:
    x, k = sg.dvector("x"), sg.dscalar("k")
    last, _ = sg.scan(lambda c, v: (c * sg.sin(v) + k, c), 1.0, x, name="damped")
    chosen = sg.ifelse(k > 0, last, k)
    tree = tree_text(chosen)
    assert tree.count("input carried 0") >= 1
    assert "damped<body=#" in tree and "sin" in tree
    listing = graph_text(sg.Graph([x, k], [chosen]))
    assert ", ifelse:\n" in listing and ", damped:\n" in listing
    numbers = [line.split(" = ")[0].strip() for line in listing.splitlines()]
    numbers = [n for n in numbers if n.startswith("%") and n[1:].isdigit()]
    assert len(set(numbers)) == len(numbers)
