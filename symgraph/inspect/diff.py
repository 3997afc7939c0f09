"""Two functions, or one under two pipelines, side by side: what is different.

The schema, version 1; amounts are numbers, or text over the names of sizes; a pair is
``[before, after]``::

    {
      "schema": "symgraph.diff", "version": 1,
      "names": ["train", "train without stabilize"], "same": false,
      "sizes": {"batch": 64},             # those that amounts are given for
      "nodes": {"total": [20, 21], "ops": {"log1p": [1, 0], "log": [0, 1]}},
      "rules": {"log_of_one_plus": [1, 0]},     # how often each fired, where it differs
      "steps": {
        "total": [3, 3], "kept": 2,               # kept: both have them
        "removed": [{"number": 1, "name": "k1_log1p", "kind": "kernel", "work": "21*n",
                     "flops": 0, "bytes_read": "8*n", "bytes_written": "8*n"}],
        "added": [...]},
      "cost": {"work": ["21*n", "24*n"], "flops": ..., "bytes_read": ...,
               "bytes_written": ..., "arena": ..., "output": ...},
      "memory": {"temporaries": [3, 3], "slots": [2, 2]},
      "graph": ["--- a", "+++ b", ...]    # the optimized graphs, as `graph_diff` has it
    }

A step is kept where both have one that does the same to arrays of the same types,
wherever it stands.  Steps are those that run: small loops are kernels of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ..codegen.cpu.build import executed
from ..codegen.cpu.canonical import canonical
from ..codegen.program import Launch, Program, Work, arrays_of
from ..errors import NotFoundError, closest, message
from ..graph import Node, rebuild
from ..graphs import Graph
from ..leaf import Shared
from ..passes import Pipeline
from ..rewrite import PRESERVES
from .cost import Cost, Row, Shown, cost_of, size_names
from .program_form import slots, table
from .styled import AFTER, BEFORE, DIM, HEADING, Styled, plain
from .text import Listing, graph_diff
from .whynot import rules_by_name

if TYPE_CHECKING:
    from ..compiler import Compilation
    from ..lower import Lowered

VERSION = 1

#: The amounts of a cost, and what text calls them.
AMOUNTS = {
    "work": "work",
    "flops": "flops",
    "bytes_read": "bytes read",
    "bytes_written": "bytes written",
    "arena": "arena, bytes",
    "output": "output, bytes",
}

Counts: TypeAlias = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class StepKey:
    """What a step does, and to arrays of which types."""

    does: Hashable
    arrays: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its optimized graph, its steps and what they cost."""

    graph: Graph
    program: Program
    rules: Mapping[str, int]
    cost: Cost
    keys: tuple[StepKey, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """How the second of two functions differs from the first; `str()` is for people.

    Attributes:
        names: what the two are called.
        sizes: the sizes that amounts are given for.
        nodes: how many nodes the optimized graphs have, those of loops included.
        ops: how many nodes of each op, where the numbers differ.
        rules: how often each rule fired, where the numbers differ.
        steps: how many kernels, products and calls run.
        kept: how many of these are in both.
        removed, added: those that only the first has, or the second, by number.
        cost: each amount of `Function.cost` for both.
        temporaries, slots: of the memory plan.
        graph: the optimized graphs as a unified diff, by lines; empty: no difference.
    """

    names: tuple[str, str]
    sizes: dict[str, int]
    nodes: tuple[int, int]
    ops: Counts
    rules: Counts
    steps: tuple[int, int]
    kept: int
    removed: tuple[tuple[int, Row], ...]
    added: tuple[tuple[int, Row], ...]
    cost: dict[str, tuple[Shown, Shown]]
    temporaries: tuple[int, int]
    slots: tuple[int, int]
    graph: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether both do the same: only rules that fired, and lines, may differ."""
        pairs = [*self.cost.values(), self.temporaries, self.slots, self.nodes]
        equal = all(a == b for a, b in pairs)
        return equal and not (self.graph or self.ops or self.removed or self.added)

    def __str__(self) -> str:
        return plain(diff_lines(self))

    def json(self) -> dict[str, Any]:
        """As plain data; the module has the schema."""
        return {
            "schema": "symgraph.diff",
            "version": VERSION,
            "names": list(self.names),
            "same": self.same,
            "sizes": self.sizes,
            "nodes": {"total": list(self.nodes), "ops": _lists(self.ops)},
            "rules": _lists(self.rules),
            "steps": {
                "total": list(self.steps),
                "kept": self.kept,
                "removed": [_row_json(*step) for step in self.removed],
                "added": [_row_json(*step) for step in self.added],
            },
            "cost": _lists(self.cost),
            "memory": {
                "temporaries": list(self.temporaries),
                "slots": list(self.slots),
            },
            "graph": list(self.graph),
        }


def _lists(pairs: Mapping[str, tuple[Shown, Shown]]) -> dict[str, list[Shown]]:
    return {name: list(pair) for name, pair in pairs.items()}


def _row_json(number: int, row: Row) -> dict[str, Any]:
    return {
        "number": number,
        "name": row.name,
        "kind": row.kind,
        "work": row.work,
        "flops": row.flops,
        "bytes_read": row.bytes_read,
        "bytes_written": row.bytes_written,
    }


# -- comparing -------------------------------------------------------------------------


def compared(
    before: Compilation,
    after: Compilation,
    without: Sequence[str] = (),
    pipeline: Pipeline | None = None,
    sizes: Mapping[str, int] | None = None,
    title: str = "another pipeline",
) -> Difference:
    """What changes from one compilation to another that goes through `pipeline`.

    None: through its own.  Passes and rules named in `without` are left out of it, and
    rules that preserve what it names.  `title` says which pipeline.

    Raises:
        NotFoundError: there is no such size, pass or rule.
    """
    names = (before.name, after.name)
    if pipeline is not None:
        after = after.through(pipeline)
        names = (names[0], f"{names[1]} through {title}")
    if without:
        for name in without:
            _check_name(after.pipeline, name)
        after = after.through(after.pipeline.excluding(*without))
        names = (names[0], f"{names[1]} without {', '.join(without)}")
    return difference(before, after, names, sizes)


def _check_name(pipeline: Pipeline, name: str) -> None:
    """Refuse what is neither a rule, nor a pass, nor what rules preserve."""
    known = [*PRESERVES, *(step.name for step in pipeline), *rules_by_name(pipeline)]
    if name not in known:
        remedy = closest(name, known) + "`symgraph passes` lists passes and rules"
        raise NotFoundError(
            message(f"there is no pass or rule {name!r}", remedy=remedy)
        )


def difference(
    before: Compilation,
    after: Compilation,
    names: tuple[str, str],
    sizes: Mapping[str, int] | None = None,
) -> Difference:
    """What distinguishes two compilations; nothing is compiled or run.

    `sizes` gives numbers for sizes, by the names that `Function.cost` has for them; one
    that only one of the two has is none of the other's.  Shared variables have the
    sizes that they have now.

    Raises:
        NotFoundError: neither has a size of this name.
    """
    given = dict(sizes or {})
    _check_sizes(given, before.lowered, after.lowered)
    a = _side(before, given)
    b = a if after is before else _side(after, given)
    kept = Counter(a.keys) & Counter(b.keys)
    counts = [len(slots(side.program)) for side in (a, b)]
    return Difference(
        names,
        given,
        (_size(a.graph), _size(b.graph)),
        _changed(_ops(a.graph), _ops(b.graph)),
        _changed(a.rules, b.rules),
        (len(a.keys), len(b.keys)),
        kept.total(),
        tuple(_rest(a, kept)),
        tuple(_rest(b, kept)),
        {name: (getattr(a.cost, name), getattr(b.cost, name)) for name in AMOUNTS},
        (len(a.program.by_role("temp")), len(b.program.by_role("temp"))),
        (counts[0], counts[1]),
        tuple(graph_diff(a.graph, _aligned(a.graph, b.graph)).splitlines()),
    )


def _check_sizes(given: Mapping[str, int], *lowered: Lowered) -> None:
    known = dict.fromkeys(n for each in lowered for n in size_names(each).values())
    for name in given:
        if name not in known:
            shown = ", ".join(known) or "none that is not known"
            text = message(f"there is no size {name!r}", remedy=f"sizes are: {shown}")
            raise NotFoundError(text)


def _side(compilation: Compilation, sizes: Mapping[str, int]) -> Side:
    rewritten, trace = compilation.rewritten
    program = executed(compilation.lowered.program)
    return Side(
        Graph(rewritten.inputs, rewritten.roots),
        program,
        trace.counts(),
        cost_of(compilation.lowered, None, {**_held(compilation), **sizes}),
        tuple(_key(step, program) for _, step in program.work),
    )


def _held(compilation: Compilation) -> dict[str, int]:
    """The sizes that shared variables have now, by the names of `size_names`."""
    lowered, found = compilation.lowered, dict[str, int]()
    names = size_names(lowered)
    arrays = lowered.program.by_role("shared")
    for array, leaf in zip(arrays, compilation.request.shared, strict=True):
        assert isinstance(leaf.op, Shared)
        shape = leaf.op.storage.box[0].shape
        for extent, size in zip(array.outer_shape, shape, strict=True):
            if isinstance(extent, str):
                found[names[extent]] = size
    return found


def _key(step: Work, program: Program) -> StepKey:
    """What `step` does, whatever its kernel, its arrays and its sizes are called."""
    numbers: dict[str, int] = {}
    held = [program.array(name) for name in arrays_of(step)]
    arrays = tuple(
        (numbers.setdefault(a.name, len(numbers)), a.dtype, a.shape) for a in held
    )
    if isinstance(step, Launch):
        return StepKey((canonical(step.kernel), step.sizes), arrays)
    fields = {name: getattr(step, name) for name in step.__slots__}
    of_arrays = {"out", "lhs", "rhs", "reads", "writes", "code"}
    rest = tuple(sorted((k, repr(v)) for k, v in fields.items() if k not in of_arrays))
    return StepKey((type(step).__name__, rest), arrays)


def _rest(side: Side, kept: Counter[StepKey]) -> Iterator[tuple[int, Row]]:
    """The steps that only this side has, with their numbers."""
    left = Counter(kept)
    for number, (key, row) in enumerate(zip(side.keys, side.cost.rows, strict=True)):
        if left[key]:
            left[key] -= 1
        else:
            yield number, row


def _size(graph: Graph) -> int:
    return len(Listing(graph).names)


def _ops(graph: Graph) -> dict[str, int]:
    return Counter(node.op.name for node in Listing(graph).names)


def _changed(a: Mapping[str, int], b: Mapping[str, int]) -> Counts:
    """The counts that differ, in alphabetical order."""
    pairs = {name: (a.get(name, 0), b.get(name, 0)) for name in sorted({*a, *b})}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _aligned(a: Graph, b: Graph) -> Graph:
    """`b` over the shared variables of `a`, where these correspond by name and type.

    Two files that declare the same ones differ in nothing else by that.
    """
    own, others = _shared(a), _shared(b)
    mine = {kind: node for node, kind in own}
    if len(mine) < len(own) or len({kind for _, kind in others}) < len(others):
        return b  # two have one name
    mapping = {node: mine[kind] for node, kind in others if kind in mine}
    inputs = [mapping.get(v.node, v.node) for v in b.inputs]
    return Graph(inputs, rebuild(b.output_nodes, mapping))


def _shared(graph: Graph) -> list[tuple[Node, tuple[str | None, str]]]:
    """The shared variables of a graph, each with its name and declared type."""
    return [
        (node, (node.op.label, repr(node.op.declared)))
        for node in graph.nodes
        if isinstance(node.op, Shared)
    ]


# -- text ------------------------------------------------------------------------------


def diff_lines(found: Difference) -> Iterator[Styled]:
    """`found` for people: first how much, then what, then the graphs' lines."""
    a, b = found.names
    yield [(a, BEFORE), (" -> ", DIM), (b, AFTER)]
    if found.sizes:
        yield [(", ".join(f"{k} = {v}" for k, v in found.sizes.items()), DIM)]
    yield [("", "")]
    if found.same:
        yield [("the same nodes, steps, cost and memory", "")]
    else:
        yield from _counts(found)
        yield from _tally("nodes by op", found.ops)
    yield from _tally("rules that fired", found.rules)
    if found.removed or found.added:
        kept = f"{found.kept} of {found.steps[0]}"
        yield from _heading(f"steps ({kept} are in both)")
        yield from _step_lines(found)
    if found.graph:
        yield from _heading("the optimized graph")
        yield from (_graph_line(line) for line in found.graph[2:])


def _heading(text: str) -> Iterator[Styled]:
    yield [("", "")]
    yield [(text, HEADING)]


def _counts(found: Difference) -> Iterator[Styled]:
    """How much there is of everything, before and after, and by how much it differs."""
    pairs: dict[str, tuple[Shown, Shown]] = {
        "nodes": found.nodes,
        "steps": found.steps,
        "temporaries": found.temporaries,
        "slots": found.slots,
        **{AMOUNTS[name]: pair for name, pair in found.cost.items()},
    }
    long = {k: p for k, p in pairs.items() if any(isinstance(v, str) for v in p)}
    rows = [["", "before", "after", ""]]
    for name, pair in pairs.items():
        if name not in long:
            rows.append([name, str(pair[0]), str(pair[1]), change(*pair)])
    yield from ([(line, "")] for line in table(rows, (1, 2, 3)))
    for name, (before, after) in long.items():
        if before == after:
            yield [(f"{name}: ", ""), (f"{before}, as before", "")]
            continue
        yield [(f"{name}:", "")]
        yield [("  - ", BEFORE), (str(before), BEFORE)]
        yield [("  + ", AFTER), (str(after), AFTER)]


def change(before: Shown, after: Shown) -> str:
    """By how much `after` is more or less: ``+12%``, ``x 3.5``, or "" for the same."""
    if isinstance(before, str) or isinstance(after, str) or before == after:
        return ""
    if not before or not after:
        return f"{after - before:+}"
    ratio = after / before
    if 0.5 <= ratio <= 2:
        return f"{100 * (ratio - 1):+.1f}%"
    return f"x {ratio:.3g}"


def _tally(title: str, counts: Counts) -> Iterator[Styled]:
    if not counts:
        return
    yield from _heading(title)
    rows = [[name, str(a), str(b), f"{b - a:+}"] for name, (a, b) in counts.items()]
    yield from ([(f"  {line}", "")] for line in table(rows, (1, 2, 3)))


def _step_lines(found: Difference) -> Iterator[Styled]:
    """Steps that are gone, then those that are new, with what they cost."""
    listed = [("-", *step) for step in found.removed]
    listed += [("+", *step) for step in found.added]
    rows = [
        [sign, str(number), row.kind, row.name, _amounts(row)]
        for sign, number, row in listed
    ]
    for (sign, *_), line in zip(listed, table(rows, (1,)), strict=True):
        yield [(f"  {line}", BEFORE if sign == "-" else AFTER)]


def _amounts(row: Row) -> str:
    """What a step costs, in words; what is nothing is left out."""
    named: Sequence[tuple[str, Shown]] = (
        ("work", row.work),
        ("flops", row.flops),
        ("read", row.bytes_read),
        ("written", row.bytes_written),
    )
    return ", ".join(f"{name} {amount}" for name, amount in named if amount != 0)


def _graph_line(line: str) -> Styled:
    style = {"-": BEFORE, "+": AFTER, "@": DIM}.get(line[:1], "")
    return [(line, style)]


__all__ = ["Difference", "change", "diff_lines", "difference"]
