"""The explorer's document: the replay of rewriting, the schema, escaping, size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.graphs import Graph
from symgraph.inspect.explorer import MOST_KERNELS, explorer_data
from symgraph.inspect.html import explorer_page, explorer_script
from symgraph.inspect.replay import OUTSIDE, Replay
from symgraph.inspect.text import Listing
from symgraph.measured import measured, statistics
from symgraph.passes import Pipeline
from symgraph.variable import Variable

HOSTILE = "</script><script>alert(1)</script><!--\u2028 &amp;"


def softplus() -> sg.Function:
    x = sg.dvector("x")
    return sg.function([x], sg.log(1 + sg.exp(x * x)), name="softplus")


def trained() -> sg.Function:
    x, w = sg.fmatrix("x"), sg.shared([[0.5]], "w")
    loss = -sg.special.log_softmax(x @ w, axis=1).mean()
    return sg.function([x], loss, updates={w: w - 0.1 * sg.grad(loss, w)})


def loop() -> sg.Function:
    a = sg.tensor("a", "float64", (3, 3))
    rows = sg.tensor("rows", "float64", ("t", 3))

    def step(row: Any, state: Any) -> Any:
        return sg.tanh(sg.log(1 + sg.exp(state @ a + row)) + 0)

    states = sg.scan(step, sequences=rows, outputs_info=sg.zeros(3))
    return sg.function([a, rows], [(states**2).sum(), sg.grad(states.sum(), a)])


def nested() -> sg.Function:
    x = sg.dvector("x")

    def round(value: Any) -> Any:
        inner = sg.scan(lambda v: v * 1.0 + 0.0, outputs_info=value, n_steps=2)
        return sg.ifelse(value.sum() > 0, inner[-1] / 1.0, value * 2 * 1)

    return sg.function([x], sg.scan(round, outputs_info=x, n_steps=3))


def spectrum() -> sg.Function:
    z = sg.zvector("z")
    return sg.function([z], sg.abs(z * z.conj() + 1))


def bare() -> sg.Function:
    x = sg.dvector("x")
    return sg.function([x], [x, x], mode=sg.Mode(Pipeline(())))


FUNCTIONS = [softplus, trained, loop, nested, spectrum, bare]


def test_a_step_of_the_replay_is_what_the_pass_left() -> None:
    """After the steps of each pass, the cells are that pass's graph."""
    for make in FUNCTIONS:
        rewritten, trace = make().compilation.traced
        assert trace.history is not None
        replay = Replay(rewritten.inputs, trace.history)
        reads: dict[int, tuple[int, ...]] = {}
        results: dict[int, tuple[int, ...]] = {}
        done = 0
        stages = trace.history.stages_from_input()
        for stage, reached in zip(replay.stages, stages, strict=True):
            for step in replay.steps[done : stage.steps]:
                assert not set(step.added) & set(step.removed)
                for cell in step.removed:
                    del reads[cell]
                assert not set(step.added) & reads.keys()
                reads |= step.reads
                assert set(step.added) <= reads.keys()
                results |= step.results
            done = stage.steps
            inputs = [Variable(n) for n in rewritten.inputs]
            listing = Listing(Graph(inputs, reached.roots))
            cell = dict(zip(listing.names, stage.order, strict=True))
            assert len(set(stage.order)) == len(stage.order)
            wanted = {cell[n]: tuple(cell[i] for i in n.inputs) for n in listing.names}
            assert reads == wanted
            for part in listing.parts:
                owner = OUTSIDE if part.owner is None else cell[part.owner]
                assert results[owner] == tuple(cell[r] for r in part.roots)
            for node, number in cell.items():
                assert type(replay.cells[number].node.op) is type(node.op)


def test_the_steps_tell_small_changes() -> None:
    data = softplus().explored()
    rules = [data["rules"][s["rule"]][0] for s in data["steps"] if s["rule"] >= 0]
    assert rules == ["constant_last", "log_of_one_plus", "log1p_of_exp"]
    last = data["steps"][-1]
    (made,) = last["added"]
    assert data["ops"][data["cells"][made][0]] == ["softplus", "softplus"]
    kinds = [data["ops"][data["cells"][c][0]][0] for c in last["removed"]]
    assert sorted(kinds) == ["exp", "log1p"]
    assert (last["before"], last["after"]) == ("log1p(exp(a))", "softplus(a)")
    assert last["where"] == {"a": "x * x"}


@pytest.mark.parametrize("make", FUNCTIONS)
def test_every_number_names_something(make: Callable[[], sg.Function]) -> None:
    data = make().explored()
    assert (data["schema"], data["version"]) == ("symgraph.explorer", 1)
    json.dumps(data, allow_nan=False)
    cells, steps, lines = (len(data[k]) for k in ("cells", "steps", "lines"))
    tables = [len(data[k]) for k in ("ops", "types", "lines", "functions", "cells")]
    for cell in data["cells"]:
        assert all(-1 <= k < size for k, size in zip(cell, tables, strict=True))
    for step in data["steps"]:
        told = [
            *step["added"],
            *step["removed"],
            *(c for r in step["reads"] for c in r),
        ]
        assert all(0 <= c < cells for c in told)
        assert -1 <= step["rule"] < len(data["rules"])
    assert [s["steps"] for s in data["stages"]] == sorted(
        s["steps"] for s in data["stages"]
    )
    assert data["stages"][-1]["steps"] == steps
    for made, kernels, own in data["origins"]:
        assert all(0 < k < steps for k in made)
        assert all(0 <= k < len(data["kernels"]) for k in kernels)
        assert all(0 <= k < lines for k in own)
    assert len(data["origins"]) == len(data["nodes"])
    for kernel in data["kernels"]:
        assert set(kernel["stores"]) <= set(data["nodes"])
        assert kernel["loops"]
        assert ("llvm" in kernel) == (kernel["kind"] == "kernel")
    for line in data["lines"]:
        assert line["text"] in Path(__file__).read_text(encoding="utf-8")


def test_kernels_have_their_code() -> None:
    (kernel,) = softplus().explored()["kernels"]
    assert kernel["loops"].startswith("kernel k0_softplus")
    assert kernel["llvm"].startswith("define void @kernel0_k0_softplus")
    assert kernel["asm"].startswith("kernel0_k0_softplus:")
    assert ".cfi" not in kernel["asm"]
    assert kernel["bytes_read"] == kernel["bytes_written"] == "8*n0"


def test_what_is_switched_off_is_not_applied() -> None:
    f = softplus()
    data = f.explored(["log1p_of_exp", "simplify"])
    assert data["off"] == ["log1p_of_exp", "simplify"]
    assert [p["pass"] for p in data["pipeline"]] == [
        p["pass"] for p in f.explored()["pipeline"]
    ]
    assert "simplify" not in {s["name"] for s in data["stages"]}
    assert data["kernels"][0]["name"] == "k0_log1p"


ARGUMENTS: list[tuple[Callable[[], sg.Function], tuple[Any, ...]]] = [
    (softplus, ([-1.0, 0.5, 2.0],)),
    (trained, (np.ones((3, 1), "float32"),)),
    (loop, (np.full((3, 3), 0.1), np.ones((40, 3)))),
    (nested, ([1.0, -2.0],)),
    (spectrum, (np.array([1 + 1j, 0]),)),
    (bare, ([1.0],)),
]


@pytest.mark.parametrize(("make", "args"), ARGUMENTS)
def test_what_is_measured_is_shown(
    make: Callable[[], sg.Function], args: tuple[Any, ...]
) -> None:
    f = make()
    data = f.explored((), lambda f: measured(f, args, {}, calls=3))
    json.dumps(data, allow_nan=False)
    work = [k for k in data["kernels"] if k["kind"] != "control"]
    assert all(k["time"] >= 0 for k in work if not k["depth"])
    plain = f.explored()
    assert "values" not in plain
    assert not any("time" in k for k in plain["kernels"])
    for kernel in data["kernels"]:
        kernel.pop("time", None)
    values = data.pop("values")
    assert data == plain
    constants = {str(c) for c in data["nodes"] if "const" in _kind(data, c)}
    tensors = {str(c) for c in data["nodes"] if data["types"][_type(data, c)][0] != "("}
    outside = {c for c in tensors - constants if data["cells"][int(c)][4] < 0}
    assert outside <= values.keys()


def _kind(data: Any, cell: int) -> str:
    return str(data["ops"][data["cells"][cell][0]][0])


def _type(data: Any, cell: int) -> int:
    return int(data["cells"][cell][1])


def test_the_times_of_loops_are_those_of_their_steps() -> None:
    args = np.full((3, 3), 0.1), np.ones((2000, 3))
    data = loop().explored((), lambda f: measured(f, args, {}, calls=5))
    opened, inside = None, 0.0
    for kernel in data["kernels"]:
        if kernel["kind"] == "control" and "time" in kernel and not kernel["depth"]:
            opened, inside = kernel, 0.0
        elif kernel["depth"] and "time" in kernel and kernel["kind"] != "control":
            inside += kernel["time"]
        elif opened is not None and not kernel["depth"]:
            assert inside in (0, pytest.approx(opened["time"]))  # 0: one kernel
            opened = None


def test_the_values_of_nodes() -> None:
    x, w = sg.dvector("x"), sg.shared(2.0, "w")
    f = sg.function([x], sg.log(x) * w, updates={w: w + 1})
    data = f.explored((), lambda f: measured(f, ([1.0, 0.0, np.e, np.nan],), {}))
    names = {name: cell for cell, name in data["names"].items()}
    wanted = {"min": 0.0, "max": np.e, "mean": pytest.approx((1 + np.e) / 3)}
    assert data["values"][names["x"]] == wanted | {"nan": 1, "inf": 0}
    assert data["values"][names["w"]]["mean"] == 2
    (log,) = [str(c) for c in data["nodes"] if _kind(data, c) == "log"]
    wanted = {"min": 0.0, "max": 1.0, "mean": 0.5, "nan": 1, "inf": 1}
    assert data["values"][log] == wanted
    assert w.get_value() == 2


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.array([3, -1], "int8"), {"min": -1, "max": 3, "mean": 1.0}),
        (np.array([True, False]), {"min": False, "max": True, "mean": 0.5}),
        (np.array([2**63, 2**64 - 1], "uint64"), {"min": 2**63, "max": 2**64 - 1}),
        (np.array([1.7e308, 1.7e308]), {"min": 1.7e308, "mean": 1.7e308}),
        (np.array([3e38, -3e38], "float32"), {"mean": 0.0}),
        (np.array([3 + 4j]), {"min": 5.0, "max": 5.0, "mean": 5.0}),
        (np.array(np.inf), {"nan": 0, "inf": 1}),
        (np.array(5e-324), {"min": 5e-324, "max": 5e-324}),
    ],
)
def test_statistics(value: Any, wanted: dict[str, Any]) -> None:
    found = statistics(value)
    json.dumps(found, allow_nan=False)
    assert {k: found[k] for k in wanted} == wanted


def test_a_call_that_fails_is_told() -> None:
    x, y = sg.dvectors("x y")
    f = sg.function([x, y], x + y, name="fails")
    with pytest.raises(sg.errors.ShapeError):
        f.explored((), lambda f: measured(f, ([1.0, 2.0], [1.0, 2.0, 3.0]), {}))


def hostile() -> sg.Function:
    x = sg.dvector(HOSTILE)
    return sg.function([x], sg.exp(x), name=HOSTILE)


def test_names_cannot_leave_their_place_in_a_page() -> None:
    page = explorer_page(hostile().explored())
    assert page.count("</script>") == 2
    assert page.count("<script") == 2
    assert "alert(1)</" not in page
    start = page.index('id="symgraph-data">') + len('id="symgraph-data">')
    data = json.loads(page[start : page.index("</script>", start)])
    assert data["name"] == HOSTILE
    assert HOSTILE in data["names"].values()


def test_a_page_asks_no_network() -> None:
    page = explorer_page(softplus().explored())
    assert "default-src 'none'" in page
    assert "unsafe" not in page.split("</head>")[0]
    script = explorer_script()
    for word in ("innerHTML", "eval(", "fetch(", "XMLHttpRequest", "import("):
        assert word not in script
    assert page.count("http") <= 1 + script.count("http")
    assert script.count("http") == script.count("http://www.w3.org/2000/svg")


def test_light_html_is_escaped() -> None:
    f = hostile()
    (x,), (y,) = f.graph.inputs, f.graph.outputs
    for shown in (x, y, f.graph, f.trace, f):
        text = shown._repr_html_()
        assert text.startswith('<div class="symgraph">')
        assert "<script" not in text
        assert text.count("<div") == text.count("</div>")
    assert "&lt;/script&gt;" in f._repr_html_()


def deep(count: int) -> Graph:
    x = sg.dvector("x")
    y = x
    for k in range(count):
        y = sg.tanh(y * 1.5 + k) + sg.log(1 + sg.exp(y))
    return Graph([x], [y])


def test_light_html_stays_light() -> None:
    graph = deep(300)
    for shown in (graph, graph.outputs[0], graph.rewrite()[1]):
        assert len(shown._repr_html_()) < 60_000


def test_documents_are_compact() -> None:
    graph = deep(120)
    f = sg.function(graph.inputs, list(graph.outputs), mode="interpret")
    data = explorer_data(f.compilation, f.cost(), code=False)
    code = explorer_data(f.compilation, f.cost())["kernels"]
    assert sum("asm" in k for k in code) <= MOST_KERNELS
    loops = sum(len(k.pop("loops")) for k in data["kernels"])
    size = len(json.dumps(data, separators=(",", ":")))
    assert size - 25_000 < 250 * len(data["cells"]), (size, loops)


_TWICE = """
import sys
sys.path.insert(0, {folder!r})
import json, test_explorer as t
print(json.dumps(t.loop().explored()))
"""


def test_documents_are_the_same_in_every_process() -> None:
    code = _TWICE.format(folder=str(Path(__file__).parent))
    found = []
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        found.append(subprocess.check_output([sys.executable, "-c", code], env=env))
    assert found[0] == found[1]


def test_without_anywidget_the_extra_is_named(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    f = softplus()
    for explore in (f.explore, f.graph.explore, lambda: sg.explore(f)):
        with pytest.raises(sg.errors.UnsupportedError, match=r"\[notebook\]"):
            explore()
