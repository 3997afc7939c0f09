"""Where nodes and kernels come from, and what became of each line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import symgraph as sg
from symgraph.codegen.text import print_program
from symgraph.inspect.fused import Fusion, fused_dot, fused_json, fused_text
from symgraph.inspect.provenance import Provenance
from symgraph.target import as_function

from ..programs import heat, training
from .random_graphs import RandomGraph, random_graphs
from .random_loops import Drawn

HERE = Path(__file__).name
x, y = sg.dvectors("x y")


def provenance(shown: Any) -> Provenance:
    """That of variables, graphs and functions."""
    return as_function(shown, "shown").provenance()


def lines(function: Any, *offsets: int) -> list[str]:
    """``file.py:12`` of lines of a function, counted from its ``def``."""
    first = function.__code__.co_firstlineno
    return [f"{HERE}:{first + k}" for k in offsets]


def shorts(found: Sequence[Any]) -> list[str]:
    """Lines without folders and text."""
    return [line.short for line in found]


def test_two_lines_that_write_one_node() -> None:
    one = sg.exp(x) + y
    two = y * sg.exp(x)
    found = provenance([one, two])
    (exp,) = [m for m in found.nodes if m.node.op.name == "exp"]
    assert shorts(exp.lines) == lines(test_two_lines_that_write_one_node, 1, 2)


def test_two_lines_that_rules_make_one_node() -> None:
    one = sg.tanh(x + 3.0)
    two = sg.tanh(3.0 + x)
    found = provenance([one, two + 0.0])
    (tanh,) = [m for m in found.nodes if m.node.op.name == "tanh"]
    here = test_two_lines_that_rules_make_one_node
    assert shorts(tanh.lines) == lines(here, 1, 2, 3)
    for number, rule in ((2, "constant_last"), (3, "add_positive_zero")):
        fate = found.line(here.__code__.co_firstlineno + number, HERE)
        assert fate is not None and fate.kernels == [0]
        assert [found.steps[k].rule for k in fate.steps] == [rule]


def test_a_line_of_which_a_leaf_is_left() -> None:
    own = sg.dvector("own")
    one = sg.exp(own)
    two = sg.log(one)
    found = provenance([two + y])
    here = test_a_line_of_which_a_leaf_is_left
    (leaf,) = [m for m in found.nodes if m.node is own.node]
    assert shorts(leaf.lines) == lines(here, 2, 3)
    assert found.kernels[0].lines == tuple(
        m.lines[-1] for m in found.nodes if m.node.op.name == "add"
    )


def test_a_kernel_with_what_it_stores_and_inlines() -> None:
    hidden = sg.sqrt(x * 2)
    found = provenance([hidden / sg.sum(hidden)])
    here = test_a_kernel_with_what_it_stores_and_inlines
    names = [m.node.op.name for m in found.nodes]
    stored = {names[n] for kernel in found.kernels for n in kernel.stores}
    inlined = {names[n] for kernel in found.kernels for n in kernel.inlines}
    assert "divide" in stored and "multiply" in inlined
    fate = found.line(here.__code__.co_firstlineno + 1, HERE)
    assert fate is not None
    assert found.bytes_of(fate.kernels)[1] != 0


@pytest.mark.parametrize("shown", [training.step, heat.both], ids=["training", "heat"])
def test_everything_comes_from_somewhere(shown: Any) -> None:
    f = as_function(shown, "shown")
    found = f.provenance()
    for number, made in enumerate(found.nodes):
        if made.node.inputs:
            assert made.lines and made.written, number
    for kernel in found.kernels:
        assert kernel.lines, kernel.name
    written = [w for w in found.written if w.node.inputs]
    assert sum(bool(w.nodes) for w in written) >= 0.9 * len(written)
    assert print_program(f.compilation.watched[0].program) == print_program(f.program)
    assert [m.node for m in found.nodes if m.scope is None] == list(
        dict.fromkeys([*(v.node for v in f.optimized.inputs), *f.optimized.nodes])
    )


def accounted(shown: Any) -> None:
    """Everything has a line, and both ways agree, from lines to nodes and back."""
    f = as_function(shown, "shown")
    found = f.provenance()
    for number, made in enumerate(found.nodes):
        assert made.lines or not made.node.inputs, (number, made.node)
        for step in made.steps:
            assert number in found.leads_to(step)
    for fate in found.lines:
        assert all(fate.line in found.nodes[n].lines for n in fate.nodes)
        assert all(fate.line in found.kernels[k].lines for k in fate.kernels)
    for kernel in found.kernels:  # one that copies an input is of no line
        computed = (*kernel.stores, *kernel.inlines)
        leaf = not any(found.nodes[n].node.inputs for n in computed)
        assert kernel.lines or leaf, kernel.name
    assert [s.rule for s in found.steps if s.rule] == [r.rule.name for r in f.trace]
    for number in range(len(found.steps)):
        assert found.step_lines(number), found.text(number)
    fusion = Fusion(found, *f.compilation.watched)
    assert fused_text(fusion) and fused_json(fusion) and fused_dot(fusion)


@settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(random_graphs(20))
def test_random_graphs_are_accounted_for(drawn: RandomGraph) -> None:
    accounted(sg.Graph(drawn.inputs, drawn.outputs))


@pytest.mark.parametrize("seed", range(6))
def test_random_loops_are_accounted_for(seed: int) -> None:
    own, h = sg.matrix("own", shape=("n", 3)), sg.vector("h", shape=(3,))
    w = sg.matrix("w", shape=(3, 3))
    made = sg.sum(Drawn(seed, sg.scan)(own, h, w))
    accounted([made, *sg.grad(made, [h, w])])


def test_numbers_are_those_of_the_dump() -> None:
    from symgraph.inspect.text import graph_text, op_text

    f = as_function(heat.both, "heat")
    text = graph_text(f.optimized)
    for number, made in enumerate(f.provenance().nodes):
        assert f"%{number} = {op_text(made.node.op)}" in text


def test_loops_written_out_keep_their_lines() -> None:
    def step(s: Any, v: Any) -> Any:
        held = sg.tanh(s) * v
        return held, held

    _, rows = sg.scan(step, sg.dscalar("s"), x[:3], length=3)
    found = provenance([rows])
    change = next(s for s in found.steps if s.rule is None)
    assert change.phase == "loops"
    here = lines(test_loops_written_out_keep_their_lines, 2)
    tanh = [m for m in found.nodes if m.node.op.name == "tanh"]
    assert len(tanh) == 3
    for made in tanh:
        assert shorts(made.lines) == here and change.number in made.steps


def test_branches_and_nested_loops() -> None:
    def inner(s: Any, v: Any) -> Any:
        return sg.log(1 + s) + v, s

    def outer(s: Any, v: Any) -> Any:
        last, _ = sg.scan(inner, s, x)
        return sg.ifelse(v > 0, last * 1, last - 0.0), last

    last, _ = sg.scan(outer, sg.dscalar("s"), y)
    found = provenance([last])
    step = next(s for s in found.steps if s.rule == "log_of_one_plus")
    assert [owner.op.name for owner in step.scope] == ["scan", "ifelse", "scan"]
    made = [m for m in found.nodes if m.node.op.name == "log1p"]
    here = lines(test_branches_and_nested_loops, 2)
    assert made and all(shorts(m.lines) == here and m.scope for m in made)


def test_complex_numbers() -> None:
    z = sg.tensor("z", "complex128", ("n",))
    product = z * z
    found = provenance([sg.real(product) + sg.imag(z)])
    assert found.steps[0].phase == "split complex"
    here = lines(test_complex_numbers, 2)
    multiply = [m for m in found.nodes if m.node.op.name == "multiply"]
    assert multiply and all(here[0] in shorts(m.lines) for m in multiply)


def test_a_saved_graph_has_no_lines(tmp_path: Path) -> None:
    sg.save(sg.Graph([x], [sg.log(1 + x)]), tmp_path / "graph.npz")
    found = provenance(sg.load(tmp_path / "graph.npz"))
    assert [made.node.op.name for made in found.nodes if made.written][-1] == "log1p"
    assert all("test_provenance" not in line.file for line in found.lines)


def test_looking_changes_nothing() -> None:
    f = sg.function([x], sg.log(1 + x) * 1)
    before = print_program(f.program), f.trace.text()
    f.provenance()
    sg.explain_why_not(f, "known_value")
    assert (print_program(f.program), f.trace.text()) == before
    np.testing.assert_allclose(f(np.ones(2)), np.log(2.0))


def test_a_pipeline_of_no_passes() -> None:
    mode = sg.Mode(sg.passes.Pipeline(()), "interpret")
    f = sg.function([x], sg.log(1 + x), mode=mode)
    found = f.provenance()
    assert not found.steps and all(m.lines for m in found.nodes if m.node.inputs)


def test_what_is_not_lowered_is_explained_all_the_same() -> None:
    length = sg.sum(x).astype("int64")
    rows = sg.zeros((length,)) + sg.log(1 + y[0])
    found = sg.explain(rows)
    assert "computed data" in str(found.provenance.refused)
    assert "no kernels: " in str(found) and not found.provenance.kernels
    assert "log_of_one_plus" in [s["rule"] for s in found.json()["steps"]]


def test_a_trace_has_what_passes_did_by_themselves() -> None:
    z = sg.tensor("z", "complex128", ("n",))
    _, trace = sg.Graph([z], [sg.real(z * z) * 1]).rewrite()
    assert next(c.phase for c in trace.changes) == "split complex"
    assert len(trace.changes) == len(trace) + 1
    _, nothing = sg.Graph([z], [sg.real(z * z) * 1]).rewrite(trace=False)
    assert not nothing.changes and not nothing


def test_expressions_of_constants_have_no_lines_of_other_files() -> None:
    """Any program that needs -log(3) shares the node while it lives."""
    held = {"sg": sg}
    exec(compile("c = -sg.log(sg.constant(3.0))", "elsewhere.py", "exec"), held)
    own = sg.dvector("own")
    c = -sg.log(sg.constant(3.0))
    found = provenance([own * c])
    here = test_expressions_of_constants_have_no_lines_of_other_files
    assert [fate.line.short for fate in found.lines] == lines(here, 5, 6)
    assert c.node is held["c"].node  # type: ignore[attr-defined]
