"""Which lines and rules made each node and kernel, and what became of each line.

The schema, version 1.  Nodes are numbered as in ``symgraph dump``: those of ``written``
as at the stage "input", those of ``nodes`` as at "optimized", the nodes of loops and
branches after all others.  Everything else is named by its place in its list::

    {
      "schema": "symgraph.provenance", "version": 1, "name": "train",
      "lines": [                                # in the order of files and lines
        {"file": "/home/me/net.py", "line": 12, "text": "y = sg.exp(x) + 1",
         "written": [3, 4], "nodes": [2, 3], "steps": [0], "kernels": [0],
         "bytes_read": "8*n0", "bytes_written": "8*n0"}],   # of its kernels
      "written": [
        {"id": 3, "scope": null, "lines": [0], "nodes": [2]}],
      "nodes": [
        {"id": 2, "scope": null,        # or the node of the loop whose body it is in
         "lines": [0], "written": [3], "steps": [0], "kernels": [0]}],
      "steps": [                                # rules applied, and passes, in order
        {"phase": "stabilize", "rule": "log_of_one_plus",   # null: the pass itself
         "preserves": "rounding", "doc": "log(1 + x) -> log1p(x)",
         "before": "log(1.0 + a)", "after": "log1p(a)", "where": {"a": "exp(x)"},
         "scope": [], "lines": [0], "nodes": [2]}],
      "kernels": [                              # the steps of the program, in order
        {"kind": "kernel", "name": "k0_exp",    # kernel, product, call or control
         "stores": [3], "inlines": [2], "lines": [0], "reads": ["x0"],
         "writes": ["y0"], "bytes_read": "8*n0", "bytes_written": "8*n0"}]
    }

Where several lines were merged into one node, or one line was split into many, the
lists have them all; equal expressions over the same inputs are one node from the start,
with the lines of all who wrote it, the latest few.  A leaf (an input, a shared
variable, a constant) has the lines that it alone is left of.  Bytes are numbers, or
formulas of the program's sizes; they are those of whole arrays, in one round of a loop.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..codegen.polynomial import Amount, known, name
from ..codegen.program import (
    Array,
    Call,
    Gemm,
    Launch,
    Program,
    Step,
    arrays_of,
    written_by,
)
from ..errors import SymgraphError
from ..graph import Node, line_of
from ..graphs import Graph
from ..history import Change, History
from ..leaf import Constant
from ..lower import Watch
from ..lower.memory import size_key
from ..variable import Variable
from .steps import StepText, step_text
from .text import Listing

if TYPE_CHECKING:
    from ..compiler import Compilation

VERSION = 1

Kind = Literal["kernel", "product", "call", "control"]


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """A line of the user's."""

    file: str
    number: int

    @property
    def text(self) -> str:
        """What stands there, where the file can be read."""
        return linecache.getline(self.file, self.number).strip()

    @property
    def short(self) -> str:
        """``net.py:12``."""
        return f"{self.file.rsplit('/', 1)[-1]}:{self.number}"

    @property
    def full(self) -> str:
        """``/home/me/net.py:12: y = sg.exp(x)``."""
        text = self.text
        return f"{self.file}:{self.number}" + (f": {text}" if text else "")

    def __str__(self) -> str:
        return f"{self.short}: {self.text}" if self.text else self.short


@dataclass(slots=True)
class Written:
    """A node of the graph as it was written; `scope` is the loop that it is in."""

    node: Node
    scope: int | None
    lines: tuple[Line, ...]
    nodes: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Made:
    """A node of the optimized graph: the lines, nodes and steps that it comes from."""

    node: Node
    scope: int | None
    lines: tuple[Line, ...]
    written: tuple[int, ...]
    steps: tuple[int, ...]
    kernels: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Kernel:
    """A step of the program: what it computes, for which lines, and its bytes."""

    number: int
    kind: Kind
    name: str
    stores: tuple[int, ...]
    inlines: tuple[int, ...]
    lines: tuple[Line, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    bytes_read: int | str
    bytes_written: int | str


@dataclass(slots=True)
class Fate:
    """What became of a line: by number, nodes as written and made, steps, kernels."""

    line: Line
    written: list[int] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    kernels: list[int] = field(default_factory=list)


class Provenance:
    """Where all of a function comes from, and what all of it became.

    Attributes:
        name: the function's name.
        written: the nodes of the graph as it was written, as dumps number them.
        nodes: those of the optimized graph.
        steps: the rules that were applied, and what passes did by themselves.
        kernels: the steps of the program.
        refused: why there is no program, if lowering refuses the graph.
        lines: the user's lines, in order.
    """

    def __init__(self, compilation: Compilation) -> None:
        rewritten, trace = compilation.traced
        assert trace.history is not None
        self.name = compilation.name
        self.history = trace.history
        self.steps: list[Change] = self.history.steps
        self.refused: SymgraphError | None = None
        self._watch = Watch(self.history)
        self._program: Program | None = None
        try:
            lowered, self._watch = compilation.watched
            self._program = lowered.program
        except SymgraphError as error:  # it is explained all the same
            self.refused = error
        arrays = self._program.arrays if self._program else ()
        self._arrays = {array.name: array for array in arrays}
        self._texts: dict[int, StepText] = {}
        self._optimized = Graph(
            [Variable(n) for n in rewritten.inputs],
            [Variable(n) for n in rewritten.roots],
        )
        self._own = lines_as_written(self.history)
        self._step_lines = self._lines_of_steps()
        self._number: dict[Node, int] = {}
        self.written = self._written(compilation.graph)
        self.nodes = self._made()
        self._leads: dict[int, list[int]] = {}
        for number, made in enumerate(self.nodes):
            for step in made.steps:
                self._leads.setdefault(step, []).append(number)
        self.kernels = self._kernels(self._watch) if self._program else []
        self.lines = self._fates()

    # -- asking ------------------------------------------------------------------------

    def node(self, number: int) -> Made:
        """Node `number` of the optimized graph, as dumps number it."""
        return self.nodes[number]

    def line(self, number: int, file: str | None = None) -> Fate | None:
        """What became of a line; `file` is the end of a path, where there are many."""
        for fate in self.lines:
            path = fate.line.file
            if fate.line.number == number and (
                file is None or path == file or path.endswith("/" + file)
            ):
                return fate
        return None

    def leads_to(self, step: int) -> list[int]:
        """The nodes of the optimized graph that come from a step."""
        return self._leads.get(step, [])

    def text(self, step: int) -> StepText:
        """A step as formulas, before and after."""
        if step not in self._texts:
            self._texts[step] = step_text(self.steps[step])
        return self._texts[step]

    def step_lines(self, step: int) -> tuple[Line, ...]:
        """The lines that wrote what a step replaced."""
        return self._step_lines[step]

    def bytes_of(self, kernels: Iterable[int]) -> tuple[int | str, int | str]:
        """The bytes that some of the program's steps read and write, once each."""
        read: Amount = 0
        written: Amount = 0
        for number in kernels:
            step = self.program.steps[number]
            read = read + _bytes(self._arrays, _reads(step))
            written = written + _bytes(self._arrays, written_by(step))
        return _shown(read), _shown(written)

    def __repr__(self) -> str:
        return (
            f"<Provenance of {self.name}: {len(self.lines)} lines, {len(self.steps)} "
            f"steps, {len(self.nodes)} nodes, {len(self.kernels)} kernels>"
        )

    @property
    def program(self) -> Program:
        """The program.

        Raises:
            SymgraphError: lowering refuses the graph.
        """
        if self._program is None:
            assert self.refused is not None
            raise self.refused
        return self._program

    # -- putting it together -----------------------------------------------------------

    def _lines_of_steps(self) -> list[tuple[Line, ...]]:
        """The lines behind what each step replaced, as they were at that time.

        One walk over the links, with sets of lines as bits: long ways, as that of a
        size through a whole network, would cost the square of their length otherwise.
        """
        place: dict[Line, int] = {}
        sets: dict[Node, int] = {}

        def own(node: Node) -> int:
            lines = self._own.get(node) or own_lines(node)
            return sum(1 << place.setdefault(line, len(place)) for line in lines)

        for node in self.history.written:
            sets[node] = own(node)
        steps = [0] * len(self.steps)
        for link in self.history.links:
            behind = 0
            for node in link.before:
                behind |= sets.get(node, 0)
            if link.step is not None:
                steps[link.step] |= behind or own(link.before[0])
            for node in link.after:
                sets[node] = sets.get(node, 0) | behind
        every = sorted(place)
        return [
            tuple(line for line in every if bits >> place[line] & 1) for bits in steps
        ]

    def _written(self, graph: Graph) -> list[Written]:
        listing = Listing(graph)
        found: list[Written] = []
        for part in listing.parts:
            scope = None if part.owner is None else listing.names[part.owner]
            known: dict[Node, Node] = {}
            if part.owner is not None:
                known = self.history.inside_written(part.owner, part.roots)
            for node in part.nodes:
                key = known.get(node, node)
                self._number[key] = len(found)
                lines = self._own.get(key, own_lines(node))
                found.append(Written(node, scope, lines))
        return found

    def _made(self) -> list[Made]:
        listing = Listing(self._optimized)
        found: list[Made] = []
        self._places: dict[Node, int] = {}
        for part in listing.parts:
            scope = None if part.owner is None else listing.names[part.owner]
            known: dict[Node, Node] = {}
            if part.owner is not None:
                known = self.history.inside(part.owner, part.roots)
            for node in part.nodes:
                key = known.get(node, node)
                self._places.setdefault(key, len(found))
                found.append(self._one(node, key, scope))
                for number in found[-1].written:
                    self.written[number].nodes.append(len(found) - 1)
        return found

    def _one(self, node: Node, key: Node, scope: int | None) -> Made:
        origins = self.history.origins(key)
        places = sorted(self._number[n] for n in origins.written if n in self._number)
        lines: dict[Line, None] = {}
        for place in places:
            lines |= dict.fromkeys(self.written[place].lines)
        if not lines and node.inputs:
            lines = dict.fromkeys(own_lines(node))
        return Made(node, scope, tuple(sorted(lines)), tuple(places), origins.steps)

    def _kernels(self, watch: Watch) -> list[Kernel]:
        units: dict[int, Node] = {}
        owners: dict[int, Node] = {}
        for unit in watch.units:  # those of a body before its loop
            for number in unit.steps:
                units.setdefault(number, unit.group.members[-1])
                if unit.owner is not None:
                    owners.setdefault(number, unit.owner)
        found = []
        for number, step in enumerate(self.program.steps):
            kind, title = _kind(step)
            stored: Sequence[Node] = [units[number]] if number in units else []
            computed: Sequence[Node] = ()
            if isinstance(step, Launch):
                computed = watch.computed.get(title, ())
                stored = watch.stored.get(title, ()) or stored
                if number in units and not computed:
                    stored = [units[number], *stored]
            found.append(self._kernel(watch, number, kind, title, stored, computed))
            if not found[-1].lines and number in owners:  # it moves what a loop carries
                (owner,) = self.optimized_of([owners[number]], watch.mark)[:1]
                found[-1].lines = self.nodes[owner].lines
        return found

    def _kernel(
        self,
        watch: Watch,
        number: int,
        kind: Kind,
        title: str,
        stored: Sequence[Node],
        computed: Sequence[Node],
    ) -> Kernel:
        mark = watch.mark
        stores = self.optimized_of(stored, mark)
        inlines = [n for n in self.optimized_of(computed, mark) if n not in stores]
        lines: dict[Line, None] = {}
        for place in (*stores, *inlines):
            if self.nodes[place].node.inputs:
                lines |= dict.fromkeys(self.nodes[place].lines)
            self.nodes[place].kernels.append(number)
        step = self.program.steps[number]
        reads, writes = _reads(step), written_by(step)
        read, written = self.bytes_of([number])
        return Kernel(
            number, kind, title, tuple(stores), tuple(inlines), tuple(sorted(lines)),
            reads, writes, read, written,
        )  # fmt: skip

    def optimized_of(self, nodes: Sequence[Node], mark: int) -> list[int]:
        """The numbers of the nodes of the optimized graph that lowered ones were."""
        found: set[int] = set()
        for node in nodes:
            if node in self._places:
                found.add(self._places[node])
                continue
            before = self.history.before(node, mark)
            found.update(self._places[n] for n in before if n in self._places)
        return sorted(found)

    def _fates(self) -> list[Fate]:
        found: dict[Line, Fate] = {}

        def fates(lines: Iterable[Line]) -> list[Fate]:
            return [found.setdefault(line, Fate(line)) for line in lines]

        for number, written in enumerate(self.written):
            for fate in fates(written.lines):
                fate.written.append(number)
        for number, made in enumerate(self.nodes):
            for fate in fates(made.lines):
                fate.nodes.append(number)
        for number in range(len(self.steps)):
            for fate in fates(self.step_lines(number)):
                fate.steps.append(number)
        for number, kernel in enumerate(self.kernels):
            for fate in fates(kernel.lines):
                fate.kernels.append(number)
        return sorted(found.values(), key=lambda fate: fate.line)


def lines_as_written(history: History) -> dict[Node, tuple[Line, ...]]:
    """The lines that wrote each node of the graph as it was written.

    Expressions of constants alone are shared by all programs that are alive: they have
    the lines that are in files of the others, if there are any.
    """
    found: dict[Node, tuple[Line, ...]] = {}
    closed: set[Node] = set()
    for node in history.written:
        found[node] = own_lines(node)
        leaf = isinstance(node.op, Constant)
        if leaf or (node.inputs and closed.issuperset(node.inputs)):
            closed.add(node)
    files = {
        line.file for n, lines in found.items() if n not in closed for line in lines
    }
    for node in closed:
        own = tuple(line for line in found[node] if line.file in files)
        found[node] = own or found[node]
    return found


def own_lines(node: Node) -> tuple[Line, ...]:
    """The lines that wrote a node, where it is not a leaf."""
    if not node.inputs:
        return ()
    sites = [s for s in (node.site, *node.also) if s is not None]
    return tuple(sorted({Line(*line_of(site)) for site in sites}))


def _kind(step: Step) -> tuple[Kind, str]:
    match step:
        case Launch(kernel=kernel):
            return "kernel", kernel.name
        case Gemm(out=out, lhs=lhs, rhs=rhs):
            return "product", f"gemm {out} = {lhs} @ {rhs}"
        case Call(function=function):
            return "call", f"call {function}"
    return "control", type(step).__name__.lower()


def _reads(step: Step) -> tuple[str, ...]:
    """The arrays that a step reads."""
    if isinstance(step, Launch):
        pairs = zip(step.arrays, step.kernel.buffers, strict=True)
        return tuple(array for array, buffer in pairs if buffer.mode != "out")
    written = written_by(step)
    return tuple(dict.fromkeys(a for a in arrays_of(step) if a not in written))


def _bytes(known_as: Mapping[str, Array], arrays: Iterable[str]) -> Amount:
    total: Amount = 0
    for array in dict.fromkeys(arrays):
        factor, sizes = size_key(known_as[array])
        amount: Amount = factor
        for size in sizes:
            amount = name(size) * amount
        total = total + amount
    return total


def _shown(amount: Amount) -> int | str:
    amount = known(amount)
    return amount if isinstance(amount, int) else str(amount)


# -- as data ---------------------------------------------------------------------------


def provenance_json(provenance: Provenance) -> dict[str, Any]:
    """`provenance` as dicts, lists, numbers and strings; the module has the schema."""
    place = {fate.line: number for number, fate in enumerate(provenance.lines)}
    return {
        "schema": "symgraph.provenance",
        "version": VERSION,
        "name": provenance.name,
        "lines": [_fate_json(fate, provenance) for fate in provenance.lines],
        "written": [
            {
                "id": number,
                "scope": written.scope,
                "lines": [place[line] for line in written.lines],
                "nodes": written.nodes,
            }
            for number, written in enumerate(provenance.written)
        ],
        "nodes": [
            {
                "id": number,
                "scope": made.scope,
                "lines": [place[line] for line in made.lines],
                "written": list(made.written),
                "steps": list(made.steps),
                "kernels": made.kernels,
            }
            for number, made in enumerate(provenance.nodes)
        ],
        "steps": [
            _step_json(number, provenance, place)
            for number in range(len(provenance.steps))
        ],
        "kernels": [_kernel_json(kernel, place) for kernel in provenance.kernels],
    }


def _fate_json(fate: Fate, provenance: Provenance) -> dict[str, Any]:
    read, written = provenance.bytes_of(fate.kernels)
    return {
        "file": fate.line.file,
        "line": fate.line.number,
        "text": fate.line.text,
        "written": fate.written,
        "nodes": fate.nodes,
        "steps": fate.steps,
        "kernels": fate.kernels,
        "bytes_read": read,
        "bytes_written": written,
    }


def _step_json(
    number: int, provenance: Provenance, place: dict[Line, int]
) -> dict[str, Any]:
    step, text = provenance.steps[number], provenance.text(number)
    return {
        "phase": step.phase,
        "rule": step.rule,
        "preserves": step.preserves,
        "doc": step.doc,
        "before": text.before,
        "after": text.after,
        "where": text.where,
        "scope": [owner.op.name for owner in step.scope],
        "lines": [place[line] for line in provenance.step_lines(number)],
        "nodes": provenance.leads_to(number),
    }


def _kernel_json(kernel: Kernel, place: dict[Line, int]) -> dict[str, Any]:
    return {
        "kind": kernel.kind,
        "name": kernel.name,
        "stores": list(kernel.stores),
        "inlines": list(kernel.inlines),
        "lines": [place[line] for line in kernel.lines],
        "reads": list(kernel.reads),
        "writes": list(kernel.writes),
        "bytes_read": kernel.bytes_read,
        "bytes_written": kernel.bytes_written,
    }


__all__ = [
    "Fate",
    "Kernel",
    "Line",
    "Made",
    "Provenance",
    "Written",
    "lines_as_written",
    "provenance_json",
]
