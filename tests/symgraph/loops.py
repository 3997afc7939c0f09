"""Independent checks of lowered programs: order, memory, and the loop interpreter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import networkx as nx
import numpy as np

from symgraph.codegen import ir
from symgraph.codegen.program import Array, Gemm, Launch, Program, Step
from symgraph.codegen.run import run_program
from symgraph.function import Function
from symgraph.lower import Lowered


def run_loops(f: Function, values: Sequence[Any]) -> list[np.ndarray]:
    """What the loop interpreter makes of the program of `f`."""
    return run_lowered(f._compilation.lowered, values)


def run_lowered(lowered: Lowered, values: Sequence[Any]) -> list[np.ndarray]:
    """What the loop interpreter makes of one version of a function."""
    program = lowered.program
    names = [a.name for a in program.by_role("input")]
    given = dict(zip(names, map(np.asarray, values), strict=True))
    constants = program.by_role("constant")
    for array, constant in zip(constants, lowered.constants, strict=True):
        given[array.name] = constant.data
    result = run_program(program, given)
    assert result.status == 0, lowered.failures[result.status]
    return result.results


# -- what a step touches ---------------------------------------------------------------


def reads(step: Step) -> list[str]:
    """The arrays that a step reads."""
    if isinstance(step, Gemm):
        return [step.lhs, step.rhs, *([step.out] if step.accumulate else [])]
    return [
        name
        for name, buffer in zip(step.arrays, step.kernel.buffers, strict=True)
        if buffer.mode != "out"
    ]


def writes(step: Step) -> list[str]:
    """The arrays that a step writes."""
    if isinstance(step, Gemm):
        return [step.out]
    return [
        name
        for name, buffer in zip(step.arrays, step.kernel.buffers, strict=True)
        if buffer.mode != "in"
    ]


def base(program: Program) -> dict[str, str]:
    """The array whose memory each array is."""
    return {a.name: a.target if a.role == "view" else a.name for a in program.arrays}  # type: ignore[misc]


def launches(program: Program) -> list[ir.Kernel]:
    return [s.kernel for s in program.steps if isinstance(s, Launch)]


# -- order -----------------------------------------------------------------------------


def assert_legal_order(program: Program) -> None:
    """Every array is written before it is read, and steps stand in topological order.

    The graph of steps has an edge from each writer of an array to each reader of what
    it wrote; writers of parts of one array keep their order.
    """
    owner = base(program)
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(program.steps)))
    given = {a.name for a in program.by_role("input", "shared", "constant")}
    writers: dict[str, list[int]] = {}
    for number, step in enumerate(program.steps):
        for name in writes(step):
            assert owner[name] not in given, f"step {number} writes the argument {name}"
            writers.setdefault(owner[name], []).append(number)
    for number, step in enumerate(program.steps):
        written = {owner[name] for name in writes(step)}
        for name in {owner[n] for n in reads(step)} - given:
            sources = [w for w in writers.get(name, []) if name not in written]
            assert name in written or sources, (
                f"step {number} reads {name}: never written"
            )
            graph.add_edges_from((source, number) for source in sources)
    assert nx.is_directed_acyclic_graph(graph)
    assert all(a < b for a, b in graph.edges)
    results = {a.name for a in program.by_role("output", "update")}
    assert results <= set(writers), "a result is never written"


# -- memory ----------------------------------------------------------------------------


def lives(program: Program) -> dict[str, tuple[int, int]]:
    """The first and the last step that touches each temporary."""
    owner = base(program)
    temps = {a.name for a in program.by_role("temp")}
    found: dict[str, tuple[int, int]] = {}
    for number, step in enumerate(program.steps):
        for name in {owner[n] for n in (*reads(step), *writes(step))} & temps:
            found[name] = (found.get(name, (number, 0))[0], number)
    return found


def assert_legal_memory(program: Program) -> None:
    """No two temporaries alive at once share a slot, except in place.

    In place means: one is written by the step that reads the other for the last time.
    """
    spans = lives(program)
    temps = {a.name: a for a in program.by_role("temp")}
    assert set(temps) == set(spans), "a temporary that nothing touches"
    assert all(a.slot is not None for a in temps.values())
    graph = nx.Graph()
    graph.add_nodes_from(spans)
    for a, (first, last) in spans.items():
        for b, (begin, end) in spans.items():
            if a != b and first <= begin <= last and begin <= end:
                graph.add_edge(a, b, together=(begin, min(last, end)))
    for a, b, together in graph.edges(data="together"):
        if temps[a].slot == temps[b].slot:
            old, new = sorted((a, b), key=lambda n: spans[n])
            assert together == (spans[old][1], spans[new][0]), f"{old}, {new} overlap"
            assert_in_place(program, together[0], temps[old], temps[new])


def assert_in_place(program: Program, number: int, old: Array, new: Array) -> None:
    """Step `number` may write `new` over `old`: it reads no element once written."""
    step = program.steps[number]
    assert isinstance(step, Launch), "a library call in place"
    owner = base(program)
    touched = [
        buffer.name
        for name, buffer in zip(step.arrays, step.kernel.buffers, strict=True)
        if owner[name] in (old.name, new.name)
    ]
    assert len(touched) == 2, "one of the arrays is there twice, or through a view"
    assert (old.shape, old.dtype) == (new.shape, new.dtype)
    accesses = [a for a in _accesses(step.kernel) if a[0].buffer in touched]
    places, indices = {a[1] for a in accesses}, {a[0].index for a in accesses}
    assert len(places) == len(indices) == 1, "read elsewhere than written"
    stores = [isinstance(a[0], ir.Store) for a in accesses]
    assert stores == sorted(stores), "read after written"


def assert_stored_once(program: Program) -> None:
    """No kernel computes an element of an array again and again."""
    for kernel in launches(program):
        arrays = {b.name for b in kernel.buffers}
        for access, axes in _accesses(kernel):
            if isinstance(access, ir.Store) and access.buffer in arrays:
                named = {name for a in access.index for name, _ in a.terms}
                # Where a value of the loop says which element, the kernel scatters.
                scattered = access.accumulate or named - {*axes, *kernel.sizes}
                assert scattered or named.issuperset(axes), access


def _accesses(
    kernel: ir.Kernel,
) -> Iterator[tuple[ir.Load | ir.Store, tuple[str, ...]]]:
    """Every load and store, with the axes of the loops that it stands in."""
    bodies: list[tuple[tuple[str, ...], tuple[ir.Statement, ...]]] = [((), kernel.body)]
    for axes, body in bodies:
        for statement in body:
            if isinstance(statement, ir.Load | ir.Store):
                yield statement, axes
            elif isinstance(statement, ir.Loop):
                bodies.append(((*axes, statement.axis), statement.body))
