"""A function as one document: all that the explorer shows, compact and deterministic.

The schema, version 1.  A *cell* is a node as a person sees it (see `replay`); cells,
steps, lines, kernels and the entries of tables are named by their places, and -1 stands
for none::

    {
      "schema": "symgraph.explorer", "version": 1, "name": "train",
      "files": ["/home/me/net.py"],
      "source": [{"file": 0, "first": 10, "text": ["def loss(x):", ...]}],   # excerpts
      "ops": [["sum", "sum<axes=(1,)>"]], "types": ["float32[n, 10]"],
      "functions": ["Network.loss"],          # of the user's: scopes by name
      "rules": [["log_of_one_plus", "rounding", "log(1 + x) -> log1p(x)"]],
      "cells": [[0, 0, 3, 0, -1]],            # op, type, line, function, loop's cell
      "names": {"4": "x"},                    # of cells, where they have one
      "constants": {"7": "[0.5]"},            # values, where they are small
      "steps": [                              # the first one makes the graph as written
        {"phase": "stabilize", "rule": 0,     # -1: what the pass did by itself
         "before": "log(1.0 + a)", "after": "log1p(a)", "where": {"a": "exp(x)"},
         "lines": [3], "removed": [5, 6], "added": [9],
         "reads": [[9, 4]],                   # a cell, then what it reads from now on
         "results": [[-1, 9]]}],              # outputs; of a loop's body: by its cell
      "stages": [{"name": "input", "steps": 1}],   # steps done when it is reached
      "nodes": [9],                           # the cells that are compiled, as in dumps
      "origins": [[[0], [0], [3]]],           # of each: steps, kernels, lines
      "lines": [{"file": 0, "line": 12, "text": "y = sg.log(1 + x)", "cells": [5, 9],
                 "steps": [1], "kernels": [0],
                 "bytes_read": "8*n0", "bytes_written": 80}],
      "kernels": [{"kind": "kernel", "name": "k0_log1p", "stores": [9], "inlines": [],
                   "lines": [3], "reads": ["x0"], "writes": ["y0"], "depth": 0,
                   "bytes_read": "8*n0", "bytes_written": "8*n0", "work": "...",
                   "flops": 0, "loops": "kernel ...", "llvm": "define ...",
                   "asm": "k0_log1p: ...", "time": 1e-5}],    # seconds a call, if known
      "arrays": [["x0", "float64[n0]", "input", -1]],   # name, type, role, slot
      "memory": {...},                        # symgraph.memory
      "where": ["n0 = x0.shape[0]"],          # the sizes in these formulas
      "total": {"work": 1, "flops": 0, "bytes_read": 1, "bytes_written": 1,
                "arena": 0, "output": 80},
      "pipeline": [{"pass": "stabilize", "doc": "...", "rules": [0]}],
      "off": ["log_of_one_plus"],             # passes and rules that are left out
      "values": {"9": {"min": 0.0, "max": 1.0, "mean": 0.5, "nan": 0, "inf": 0}}
    }

Code is left out where there is much of it; "llvm" and "asm" are then missing.  "time"
and "values" are there where calls were measured: of a loop or a choice "time" is that
of the steps in it, and of complex numbers "values" has the magnitudes.
"""

from __future__ import annotations

import linecache
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..codegen.cpu.host import detect
from ..codegen.cpu.listing import kernel_code
from ..codegen.program import (
    Array,
    Call,
    End,
    Gemm,
    Launch,
    Otherwise,
    Program,
    Repeat,
    Step,
    When,
)
from ..codegen.text import print_item, print_kernel
from ..graph import Node, line_of
from ..history import Change as Known
from ..leaf import Constant
from ..passes import Pipeline, RulePass, summary_of
from .program_form import bindings, memory_json
from .provenance import Line, Made, Provenance, kind_of
from .replay import Replay
from .replay import Step as Change
from .text import op_text

if TYPE_CHECKING:
    from ..compiler import Compilation
    from ..measured import Measured
    from .cost import Cost

T = TypeVar("T")

VERSION = 1

#: The code of so many kernels is shown, and of each so many characters.
MOST_KERNELS, MOST_CODE = 32, 24_000
#: Of so many cells or more, what letters in formulas stand for is left out.
LONG_TEXTS = 3000
#: Formulas are cut off after so many characters.
LONGEST = 240
#: Lines shown around those that the graph comes from.
AROUND = 3
#: Constants of up to this many elements are shown.
SMALL = 6


class Table:
    """Distinct entries by number, in the order in which they were first met."""

    def __init__(self) -> None:
        self._number: dict[Hashable, int] = {}
        self.entries: list[Any] = []

    def __call__(self, entry: Any) -> int:
        """The number of `entry`, a string or a list of strings."""
        key = tuple(entry) if isinstance(entry, list) else entry
        if key not in self._number:
            self._number[key] = len(self.entries)
            self.entries.append(entry)
        return self._number[key]


def explorer_data(
    compilation: Compilation,
    cost: Cost | None = None,
    *,
    code: bool = True,
    names: Mapping[Node, str] | None = None,
    pipeline: Pipeline | None = None,
    measured: Measured | None = None,
) -> dict[str, Any]:
    """All that the explorer shows, as plain data; see the module for the schema.

    Args:
        compilation: what is looked at.
        cost: as formulas or numbers.
        code: whether kernels are compiled, for their LLVM IR and assembly.
        names: what the caller calls the inputs.
        pipeline: the whole pipeline, of which `compilation` may leave out a part.
        measured: what calls have shown.
    """
    document = _Document(compilation, dict(names or {}))
    found = document.data(cost, code, pipeline)
    if measured is not None:
        for kernel, time in zip(
            found["kernels"], document.times(measured), strict=True
        ):
            kernel |= time
        found["values"] = document.values(measured)
    return found


class _Document:
    """Puts the document together."""

    def __init__(self, compilation: Compilation, names: Mapping[Node, str]) -> None:
        (rewritten, trace), (lowered, _) = compilation.traced, compilation.watched
        assert trace.history is not None
        self.compilation = compilation
        self.provenance = Provenance(compilation)
        self.replay = Replay(rewritten.inputs, trace.history)
        self.program: Program = lowered.program
        self.given = names
        self.files, self.ops, self.types = Table(), Table(), Table()
        self.functions, self.rules = Table(), Table()
        self.final = self.replay.stages[-1].order
        self.first = self.replay.stages[0].order
        self.place = {fate.line: k for k, fate in enumerate(self.provenance.lines)}
        self.short = len(self.replay.cells) > LONG_TEXTS
        #: The step of the replay that a step of the history is.
        self.shown: dict[int, int] = {}
        for number, step in enumerate(self.replay.steps):
            if step.change is not None:
                self.shown[step.change.number] = number

    def data(
        self, cost: Cost | None, code: bool, pipeline: Pipeline | None
    ) -> dict[str, Any]:
        """The whole document; tables are filled while the rest is made."""
        made: dict[str, Any] = {
            "schema": "symgraph.explorer",
            "version": VERSION,
            "name": self.compilation.name,
            "lines": self._lines(),
            "source": self._source(),
            "cells": [self._cell(c.node, c.scope) for c in self.replay.cells],
            "names": self._names(),
            "constants": self._constants(),
            "steps": [self._step(step) for step in self.replay.steps],
            "stages": [{"name": s.name, "steps": s.steps} for s in self.replay.stages],
            "nodes": list(self.final),
            "origins": [self._origin(made) for made in self.provenance.nodes],
            "kernels": self._kernels(cost, code),
            "arrays": [_array(array) for array in self.program.arrays],
            "memory": memory_json(self.program),
            "where": bindings(self.program),
            "total": _total(cost),
            **self._pipeline(pipeline or self.compilation.pipeline),
        }
        tables = {
            "files": self.files,
            "ops": self.ops,
            "types": self.types,
            "functions": self.functions,
            "rules": self.rules,
        }
        return made | {name: table.entries for name, table in tables.items()}

    # -- lines -------------------------------------------------------------------------

    def _lines(self) -> list[dict[str, Any]]:
        found = []
        for fate in self.provenance.lines:
            cells = [self.first[k] for k in fate.written]
            cells += [self.final[k] for k in fate.nodes]
            read, written = self.provenance.bytes_of(fate.kernels)
            found.append(
                {
                    "file": self.files(fate.line.file),
                    "line": fate.line.number,
                    "text": fate.line.text,
                    "cells": sorted(set(cells)),
                    "steps": self._steps_of(fate.steps),
                    "kernels": fate.kernels,
                    "bytes_read": read,
                    "bytes_written": written,
                }
            )
        return found

    def _source(self) -> list[dict[str, Any]]:
        """The lines that the graph comes from, with some around them."""
        wanted: dict[str, set[int]] = {}
        for line in self.place:
            around = range(max(1, line.number - AROUND), line.number + AROUND + 1)
            wanted.setdefault(line.file, set()).update(around)
        found: list[dict[str, Any]] = []
        for file, numbers in wanted.items():
            last = 0
            for number in sorted(numbers & _there(file)):
                if number != last + 1 or not last:
                    found.append(
                        {"file": self.files(file), "first": number, "text": []}
                    )
                found[-1]["text"].append(linecache.getline(file, number).rstrip("\r\n"))
                last = number
        return found

    def _line(self, node: Node) -> int:
        if node.site is None or not node.inputs:
            return -1
        return self.place.get(Line(*line_of(node.site)), -1)

    # -- nodes -------------------------------------------------------------------------

    def _cell(self, node: Node, scope: int) -> list[int]:
        function = -1
        if node.site is not None and node.inputs:
            function = self.functions(node.site[0].co_qualname)
        op = self.ops([node.op.name, op_text(node.op)])
        return [op, self.types(str(node.type)), self._line(node), function, scope]

    def _names(self) -> dict[str, str]:
        found = {}
        for cell in self.replay.cells:
            label = getattr(cell.node.op, "label", None)
            name = self.given.get(cell.node) or label
            if isinstance(name, str) and name:
                found[str(cell.number)] = name
        return found

    def _constants(self) -> dict[str, str]:
        return {
            str(cell.number): str(cell.node.op.data.tolist())
            for cell in self.replay.cells
            if isinstance(cell.node.op, Constant) and cell.node.op.data.size <= SMALL
        }

    def _origin(self, made: Made) -> list[list[int]]:
        lines = [self.place[line] for line in made.lines]
        return [self._steps_of(made.steps), made.kernels, lines]

    def _steps_of(self, steps: Iterable[int]) -> list[int]:
        return [self.shown[k] for k in steps if k in self.shown]

    # -- steps -------------------------------------------------------------------------

    def _step(self, step: Change) -> dict[str, Any]:
        made: dict[str, Any] = {"phase": step.phase, "rule": -1}
        change = step.change
        if change is not None:
            made |= self._told(change)
        reads = [[cell, *sources] for cell, sources in step.reads.items()]
        results = [[owner, *cells] for owner, cells in step.results.items()]
        told = {"removed": step.removed, "added": step.added, "reads": reads}
        return made | told | ({"results": results} if results else {})

    def _told(self, change: Known) -> dict[str, Any]:
        """What a step is called, and its formulas."""
        told: dict[str, Any] = {}
        if change.rule is not None:
            told["rule"] = self.rules([change.rule, change.preserves, change.doc])
        else:
            told["doc"] = change.doc
        lines = self.provenance.step_lines(change.number)
        told["lines"] = [self.place[line] for line in lines if line in self.place]
        text = self.provenance.text(change.number)
        told |= {"before": _cut(text.before), "after": _cut(text.after)}
        if text.where and not self.short:
            told["where"] = {k: _cut(v) for k, v in text.where.items()}
        return told

    # -- kernels -----------------------------------------------------------------------

    def _kernels(self, cost: Cost | None, code: bool) -> list[dict[str, Any]]:
        texts = kernel_code(self.program, detect(), MOST_KERNELS) if code else {}
        costs = _costs(self.program, cost)
        found, depth = [], 0
        inside: list[str] = []  # the kernels that whole loops may have become
        for kernel in self.provenance.kernels:
            step = self.program.steps[kernel.number]
            depth -= isinstance(step, End | Otherwise)
            made: dict[str, Any] = {
                "kind": kernel.kind,
                "name": kernel.name,
                "depth": depth,
                "stores": [self.final[k] for k in kernel.stores],
                "inlines": [self.final[k] for k in kernel.inlines],
                "lines": [self.place[line] for line in kernel.lines],
                "reads": list(kernel.reads),
                "writes": list(kernel.writes),
                "bytes_read": kernel.bytes_read,
                "bytes_written": kernel.bytes_written,
                "loops": _loops(step),
                **costs[kernel.number],
            }
            if isinstance(step, Launch):
                names = [step.kernel.name, *inside]
                llvm, assembly = next((texts[n] for n in names if n in texts), ("", ""))
                made |= {"llvm": _code(llvm), "asm": _code(assembly)} if llvm else {}
            found.append(made)
            match step:
                case Repeat(counter=counter):
                    inside.append(f"rolled_{counter}")
                case When():
                    inside.append("")
                case End():
                    inside.pop()
            depth += isinstance(step, Repeat | When | Otherwise)
        return found

    # -- what was measured -------------------------------------------------------------

    def times(self, measured: Measured) -> list[dict[str, Any]]:
        """Of each step the seconds in a call, where it was measured."""
        rows = ((s.kind, s.name, s.seconds) for s in measured.run.steps)
        found = _by_step(self.program, rows)
        return [{"time": sum(times)} if times else {} for times in found]

    def values(self, measured: Measured) -> dict[str, Any]:
        """What is known of the values of cells; not of those in a loop."""
        nodes = {cell.number: cell.node for cell in self.replay.cells}
        # A cell is shown as it was first; what it is in the end may be another node.
        made = (each.node for each in self.provenance.nodes)
        nodes |= dict(zip(self.final, made, strict=True))
        return {
            str(cell.number): measured.values[nodes[cell.number]]
            for cell in self.replay.cells
            if cell.scope < 0 and nodes[cell.number] in measured.values
        }

    # -- the pipeline ------------------------------------------------------------------

    def _pipeline(self, pipeline: Pipeline) -> dict[str, Any]:
        """The passes and rules that there are, and those that are left out."""
        used = {step.name: step for step in self.compilation.pipeline}
        passes, off = [], set()
        for step in pipeline:
            rules = step.all_rules() if isinstance(step, RulePass) else ()
            numbers = [self.rules([r.name, r.preserves, r.summary]) for r in rules]
            on = used.get(step.name)
            without = on.without if isinstance(on, RulePass) else ()
            off |= {r.name for r in rules if r.name in without}
            if on is None:
                off.add(step.name)
            passes.append(
                {"pass": step.name, "doc": summary_of(step), "rules": numbers}
            )
        return {"pipeline": passes, "off": sorted(off)}


def _there(file: str) -> set[int]:
    """The numbers of a file's lines."""
    return set(range(1, len(linecache.getlines(file)) + 1))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."


def _code(text: str) -> str:
    if len(text) <= MOST_CODE:
        return text
    return text[: text.rindex("\n", 0, MOST_CODE)] + "\n... and so on\n"


def _loops(step: Step) -> str:
    return print_kernel(step.kernel) if isinstance(step, Launch) else print_item(step)


def _array(array: Array) -> list[Any]:
    shape = ", ".join(map(str, array.shape))
    slot = -1 if array.slot is None else array.slot
    return [array.name, f"{array.dtype}[{shape}]", array.role, slot]


def _total(cost: Cost | None) -> dict[str, Any]:
    if cost is None:
        return {}
    names = ("work", "flops", "bytes_read", "bytes_written", "arena", "output")
    return {name: getattr(cost, name) for name in names}


def _costs(program: Program, cost: Cost | None) -> list[dict[str, Any]]:
    """The work of each step; of a kernel in parts, that of the parts."""
    rows = cost.rows if cost is not None else ()
    found: list[dict[str, Any]] = []
    for parts in _by_step(program, ((row.kind, row.name, row) for row in rows)):
        made: dict[str, Any] = {}
        for row in parts:
            made["work"] = _plus(made.get("work"), row.work)
            if row.kind != "kernel":
                made["flops"] = row.flops
        found.append(made)
    return found


def _by_step(
    program: Program, rows: Iterable[tuple[str, str, T]]
) -> list[tuple[T, ...]]:
    """What `rows`, of (kind, name, what), say of each of the program's steps.

    Rows are of the program as it is executed, where a kernel may be in parts, and a
    loop a kernel as a whole.
    """
    named: dict[tuple[bool, str], list[T]] = {}
    for kind, name, what in rows:
        is_kernel = kind == "kernel"
        for part in ("_narrow_parts", "_parts", "_combined"):
            name = name.removesuffix(part) if is_kernel else name
        named.setdefault((is_kernel, name), []).append(what)
    found: list[tuple[T, ...]] = []
    for step in program.steps:
        match step:
            case Launch():
                found.append(tuple(named.get((True, step.kernel.name), ())))
            case Repeat(counter=counter):
                keys = ((True, f"rolled_{counter}"), (False, f"rounds {counter}"))
                found.append(next((tuple(named[k]) for k in keys if k in named), ()))
            case When(condition=condition):
                found.append(tuple(named.get((False, f"if {condition}"), ())))
            case Gemm() | Call():  # those of one name stand in the order of the steps
                kept = named.get((False, kind_of(step)[1]), [])
                found.append((kept.pop(0),) if kept else ())
            case _:
                found.append(())
    return found


def _plus(left: int | str | None, right: int | str) -> int | str:
    if left is None:
        return right
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    return f"{left} + {right}"


__all__ = ["explorer_data"]
