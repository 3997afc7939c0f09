"""Independent checks of lowered programs: order, memory, and the loop interpreter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import networkx as nx
import numpy as np

from symgraph.codegen import ir
from symgraph.codegen import run as machine
from symgraph.codegen.program import (
    Array,
    Call,
    End,
    Gemm,
    Launch,
    Program,
    Repeat,
    Step,
    When,
    brackets,
)
from symgraph.codegen.program_check import check_program
from symgraph.codegen.run import run_program
from symgraph.function import Function
from symgraph.lower import Lowered


def run_loops(f: Function, values: Sequence[Any]) -> list[np.ndarray]:
    """What the loop interpreter makes of the program of `f`."""
    return run_lowered(f._compilation.lowered, values)


def run_lowered(lowered: Lowered, values: Sequence[Any]) -> list[np.ndarray]:
    """What the loop interpreter makes of one version of a function."""
    result = run_program(lowered.program, arguments(lowered, values))
    assert result.status == 0, lowered.failures[result.status]
    return result.results


def arguments(lowered: Lowered, values: Sequence[Any]) -> dict[str, np.ndarray]:
    """Inputs and constants by name."""
    program = lowered.program
    names = [a.name for a in program.by_role("input")]
    given = dict(zip(names, map(np.asarray, values), strict=True))
    constants = program.by_role("constant")
    for array, constant in zip(constants, lowered.constants, strict=True):
        given[array.name] = constant.data
    return given


def run_in_slots(lowered: Lowered, values: Sequence[Any]) -> list[np.ndarray]:
    """What the loop interpreter makes of it where slots are what native code has.

    That is, where temporaries of one slot are in the same bytes.
    """
    program = lowered.program
    memory, sizes = machine._memory(program, arguments(lowered, values))
    temps = program.by_role("temp")
    room: dict[int | None, int] = {}
    for array in temps:
        room[array.slot] = max(room.get(array.slot, 0), memory[array.name].nbytes)
    slots = {slot: np.full(size, 0xA5, "uint8") for slot, size in room.items()}
    for array in temps:
        own = memory[array.name]
        memory[array.name] = (
            slots[array.slot][: own.nbytes].view(own.dtype).reshape(own.shape)
        )
    for view in program.by_role("view"):
        if view.target in memory:
            memory[view.name] = memory[view.target].reshape(memory[view.name].shape)
    walk = machine._Machine(program, memory, sizes, {})
    while walk.position < len(program.steps):
        status = walk.step(program.steps[walk.position])
        assert status == 0, lowered.failures[status]
    return [machine.outer(program, memory, name) for name in program.results]


def assert_legal(program: Program) -> None:
    """`program` is well-formed, and so are its order and its memory."""
    check_program(program)
    assert_legal_order(program)
    assert_legal_memory(program)


# -- what a step touches ---------------------------------------------------------------


def reads(step: Step) -> list[str]:
    """The arrays that a step reads."""
    match step:
        case Gemm():
            return [step.lhs, step.rhs, *([step.out] if step.accumulate else [])]
        case Call():
            return list(step.reads)
        case Repeat():
            return [*([step.going] if step.going else []), *(a for a, _ in step.moves)]
        case When():
            return [step.condition]
        case Launch():
            return [
                name
                for name, buffer in zip(step.arrays, step.kernel.buffers, strict=True)
                if buffer.mode != "out"
            ]
    return []


def writes(step: Step) -> list[str]:
    """The arrays that a step writes."""
    match step:
        case Gemm():
            return [step.out]
        case Call():
            return list(step.writes)
        case Repeat():
            return [step.counter]
        case Launch():
            return [
                name
                for name, buffer in zip(step.arrays, step.kernel.buffers, strict=True)
                if buffer.mode != "in"
            ]
    return []


def touches(program: Program) -> list[tuple[set[str], set[str]]]:
    """The memory that each step reads, and that which it writes.

    The end of a loop reads the values that it carries on.
    """
    owner = base(program)
    found = [
        ({owner[n] for n in reads(s)}, {owner[n] for n in writes(s)})
        for s in program.steps
    ]
    for begin, end in loops(program):
        step = program.steps[begin]
        assert isinstance(step, Repeat)
        more = {source for _, source in step.moves} | found[begin][0]
        found[end][0].update(owner[name] for name in more)
    return found


def loops(program: Program) -> list[tuple[int, int]]:
    """Where loops begin and end, inner ones before those around them."""
    found = brackets(program.steps)
    steps = program.steps
    pairs = [(a, b) for a, b in found.items() if isinstance(steps[a], Repeat)]
    assert all(isinstance(steps[b], End) for _, b in pairs)
    return sorted(pairs, key=lambda pair: pair[1] - pair[0])


def apart(program: Program, one: int, other: int) -> bool:
    """Whether two steps are in the two branches of a choice."""
    ends = brackets(program.steps)
    return any(
        a < min(one, other) < ends[a] < max(one, other) < ends[ends[a]]
        for a in ends
        if isinstance(program.steps[a], When)
    )


def base(program: Program) -> dict[str, str]:
    """The array whose memory each array is."""
    target = {a.name: a.target for a in program.by_role("view", "row")}
    found = {}
    for array in program.arrays:
        name = array.name
        while name in target:
            name = str(target[name])
        found[array.name] = name
    return found


def launches(program: Program) -> list[ir.Kernel]:
    return [s.kernel for s in program.steps if isinstance(s, Launch)]


# -- order -----------------------------------------------------------------------------


def assert_legal_order(program: Program) -> None:
    """Every array is written before it is read, and steps stand in topological order.

    Steps in two branches of a choice have nothing to do with each other.

    The graph of steps has an edge from each writer of an array to each reader of what
    it wrote; writers of parts of one array keep their order.
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(program.steps)))
    given = {a.name for a in program.by_role("input", "shared", "constant")}
    writers: dict[str, list[int]] = {}
    for number, (_, written) in enumerate(touches(program)):
        for name in written:
            assert name not in given, f"step {number} writes the argument {name}"
            writers.setdefault(name, []).append(number)
    for number, (read, written) in enumerate(touches(program)):
        for name in read - given:
            sources = [
                w
                for w in writers.get(name, [])
                if name not in written and not apart(program, w, number)
            ]
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
    """The first and the last step at which each temporary may hold what is needed.

    A loop around any use of a temporary is all within them, unless each round begins
    to use it by writing it whole, and nothing else does.  What loops exchange is alive
    as long as any of it.
    """
    temps = {a.name for a in program.by_role("temp")}
    used: dict[str, list[int]] = {}
    first_read: set[tuple[str, int]] = set()
    for number, (read, written) in enumerate(touches(program)):
        for name in (read | written) & temps:
            used.setdefault(name, []).append(number)
            if name in read:
                first_read.add((name, number))
    found = {name: (at[0], at[-1]) for name, at in used.items()}
    owner = base(program)
    before = None
    while found != before:
        before = dict(found)
        for begin, end in loops(program):
            loop = program.steps[begin]
            assert isinstance(loop, Repeat)
            rows = (r for r in program.by_role("row") if r.row)
            parts = {owner[r.name] for r in rows if r.row.counter == loop.counter}  # type: ignore[union-attr]
            for name, (first, last) in found.items():
                starts_by_reading = (name, used[name][0]) in first_read
                within = begin < first and last < end
                anew = within and not starts_by_reading and name not in parts
                if not anew and begin <= last and first <= end:
                    found[name] = (min(first, begin), max(last, end))
            moved = [name for pair in loop.moves for name in pair]
            spans = [found[name] for name in moved]
            for name in moved:
                found[name] = (min(a for a, _ in spans), max(b for _, b in spans))
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
