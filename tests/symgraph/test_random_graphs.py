"""Random graphs give the same in every way to compute them.

``interpret`` is each op's meaning on the graph as written; the loop interpreter runs
the lowered programs, fast and generic; compiled code runs them natively.  One pass or
rule is left out of the pipeline.  More examples: ``pytest -m slow``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from symgraph.codegen.program_check import check_program
from symgraph.config import config
from symgraph.evaluate import evaluate
from symgraph.function import Function, Mode, function
from symgraph.graph import toposort
from symgraph.passes import DEFAULT, RulePass

from .loops import (
    assert_legal_memory,
    assert_legal_order,
    assert_stored_once,
    run_lowered,
)
from .random_graphs import RandomGraph, random_graphs

#: How far results may be off, in what rounding the inputs would change, and in ulp of
#: the largest element.
SLACK = 100.0


def reproducible(examples: int) -> Callable[[Any], Any]:
    """Settings under which each run tries the same examples."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


#: Without these, named formulas are not written out, and cannot be compiled.
NEEDED = {"expand", "expanded"}


def removable() -> list[str]:
    """The names of passes and rules that a pipeline can do without."""
    rules = (p.all_rules() for p in DEFAULT if isinstance(p, RulePass))
    names = {p.name for p in DEFAULT} | {rule.name for found in rules for rule in found}
    return sorted(names - NEEDED)


@reproducible(60)
@given(random_graphs(), st.data())
def test_all_ways_agree(graph: RandomGraph, data: st.DataObject) -> None:
    draw_and_check(graph, data)


@pytest.mark.slow
@reproducible(400)
@given(random_graphs(), st.data())
def test_all_ways_agree_on_many(graph: RandomGraph, data: st.DataObject) -> None:
    draw_and_check(graph, data)


def draw_and_check(graph: RandomGraph, data: st.DataObject) -> None:
    """`check`, with a pass or rule left out, and passes verified every other time."""
    left_out = data.draw(st.none() | st.sampled_from(removable()), "left out")
    with config.flags(check=data.draw(st.booleans(), "passes are checked")):
        check(graph, Mode() if left_out is None else Mode().excluding(left_out))


def check(graph: RandomGraph, mode: Mode) -> None:
    """Compare the ways to compute `graph`, and check the programs on the way."""
    expected, tolerance = reference(graph)
    f = function(graph.inputs, graph.outputs, on_unused_input="ignore", mode=mode)
    compare(f(*graph.values), expected, tolerance, f, "compiled")
    generic = f._compilation.generic().lowered
    versions = (
        [generic] if "generic" in f.versions else [generic, f._compilation.lowered]
    )
    for lowered in versions:
        check_program(lowered.program)
        assert_legal_order(lowered.program)
        assert_stored_once(lowered.program)
        assert_legal_memory(lowered.program)
        way = "generic loops" if lowered is generic else "fast loops"
        compare(run_lowered(lowered, graph.values), expected, tolerance, f, way)


def reference(graph: RandomGraph) -> tuple[list[Any], list[float]]:
    """The outputs by each op's meaning, and how far rounding may move them.

    Graphs that amplify rounding so much that nothing is left to compare are rejected.
    """
    nodes = toposort(v.node for v in graph.outputs)
    single = any(n.type.dtype == "float32" for n in nodes)
    epsilon = float(np.finfo("float32" if single else "float64").eps)
    expected = outputs_at(graph, graph.values)
    rng = np.random.default_rng(0)
    moved = [
        v * (1 + rng.choice([-2, 2], v.shape) * epsilon).astype(v.dtype)
        if v.dtype.kind == "f"
        else v
        for v in graph.values
    ]
    tolerance = []
    for x, y in zip(expected, outputs_at(graph, moved), strict=True):
        a, b = np.float64(x), np.float64(y)
        assume(np.isfinite(a).all())
        off = np.abs(a - b).max(initial=0.0)
        scale = np.abs(a).max(initial=1.0)
        assume(off <= 1e3 * epsilon * scale)
        tolerance.append(SLACK * (off + epsilon * scale))
    return expected, tolerance


def outputs_at(graph: RandomGraph, values: Sequence[Any]) -> list[Any]:
    given = {v.node: x for v, x in zip(graph.inputs, values, strict=True)}
    with np.errstate(all="ignore"):
        return evaluate([v.node for v in graph.outputs], given)


def compare(
    got: Sequence[Any],
    expected: Sequence[Any],
    tolerance: Sequence[float],
    f: Function,
    way: str,
) -> None:
    for number, (x, y, most) in enumerate(zip(got, expected, tolerance, strict=True)):
        x, y = np.asarray(x), np.asarray(y)
        note = f"{way}, output {number}"
        assert (x.dtype, x.shape) == (y.dtype, y.shape), note
        if y.dtype.kind == "f":
            np.testing.assert_allclose(x, y, rtol=0, atol=most, err_msg=note)
        else:
            np.testing.assert_array_equal(x, y, err_msg=note)
