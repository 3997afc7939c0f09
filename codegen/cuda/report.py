"""A table of kernels: what the assembler says of each, and what should not be in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from . import ptx
from .assemble import (
    CAPABILITIES,
    Assembled,
    Capability,
    Parameter,
    assemble,
    compile_ptx,
)
from .occupancy import Occupancy

#: What may be wrong with a kernel's code.
Kind: TypeAlias = Literal[
    "spills", "local memory", "float64", "integer division", "not fused", "no vectors"
]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should not be there; `excuse` says why it is."""

    kind: Kind
    text: str
    excuse: str = ""

    def __str__(self) -> str:
        excuse = f" ({self.excuse})" if self.excuse else ""
        return f"{self.kind}: {self.text}{excuse}"


@dataclass(frozen=True, slots=True)
class KernelText:
    """A kernel as numba-cuda source, with what is expected of its machine code.

    `source` defines the function last, which takes `parameters`; its blocks have
    `threads` threads, and `shared` bytes of memory asked for at launch.  `vectors` says
    how it must move several elements at once somewhere, `float64` that it may compute
    in float64 although none of its arrays holds that.  `excused` are pairs of a kind of
    finding that is no fault of the kernel, and the reason.
    """

    name: str
    source: str
    parameters: tuple[Parameter, ...]
    threads: int
    shared: int = 0
    vectors: tuple[Literal["load", "store"], ...] = ()
    float64: bool = False
    excused: tuple[tuple[Kind, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One kernel for one compute capability, and what was found in its code."""

    name: str
    threads: int
    made: Assembled
    occupancy: Occupancy
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are not excused."""
        return tuple(finding for finding in self.findings if not finding.excuse)


def rows(
    kernels: Iterable[KernelText], capabilities: Sequence[Capability] = CAPABILITIES
) -> Iterator[Row]:
    """Each kernel for each capability, as it is compiled.

    The PTX is that for the least of them, which the assembler takes for all.  Nothing
    is said to it about the threads of a block, nor is there when kernels are launched:
    it would aim at a round number of blocks for an SM, and spill for that.

    Raises:
        ToolkitError: a part of the toolkit is missing.
        CompileError: a kernel cannot be compiled, or cannot be launched.
    """
    for kernel in kernels:
        text = compile_ptx(kernel.source, kernel.parameters, min(capabilities))
        for capability in capabilities:
            made = assemble(text, capability)
            occupied = made.report.occupancy(kernel.threads, kernel.shared)
            found = tuple(findings(kernel, made))
            yield Row(kernel.name, kernel.threads, made, occupied, found)


def findings(kernel: KernelText, made: Assembled) -> Iterator[Finding]:
    """What is wrong with the code of `kernel`, or would be but for an excuse."""
    excuses = dict(kernel.excused)
    for kind, text in _found(kernel, made):
        yield Finding(kind, text, excuses.get(kind, ""))


def _found(kernel: KernelText, made: Assembled) -> Iterator[tuple[Kind, str]]:
    report = made.report
    if report.spill_stores or report.spill_loads:
        yield "spills", f"{report.spill_stores} bytes, {report.spill_loads} loaded"
    frame = report.local - report.spill_stores
    if frame > 0:
        yield "local memory", f"{frame} bytes"
    yield from (("local memory", line) for line in ptx.local_memory(made.ptx))
    doubles = kernel.float64 or any(p.dtype == "float64" for p in kernel.parameters)
    checks: dict[Kind, Sequence[ptx.Instruction]] = {
        "float64": () if doubles else ptx.float64_arithmetic(made.ptx),
        "integer division": ptx.integer_divisions(made.ptx, innermost=True),
        "not fused": ptx.unfused(made.ptx),
    }
    for kind, found in checks.items():
        yield from ((kind, str(instruction)) for instruction in found)
    if "load" in kernel.vectors and not ptx.vector_loads(made.ptx):
        yield "no vectors", "loads one element at a time"
    if "store" in kernel.vectors and not ptx.vector_stores(made.ptx):
        yield "no vectors", "stores one element at a time"


#: The table's columns.
COLUMNS = (
    *("kernel", "sm", "threads", "registers", "spills", "local", "shared"),
    *("constant", "blocks/SM", "occupancy", "limit", "excused", "faults"),
)


def table(found: Iterable[Row]) -> str:
    """The rows as a table of text with bars, bytes where memory is meant."""
    return _barred(COLUMNS, [_cells(row) for row in found])


#: The summary's columns.
SUMMARY = (
    *("program", "kernels", "registers", "spills", "local", "shared", "occupancy"),
    *("excused", "faults"),
)


def summary(found: Iterable[tuple[str, Row]]) -> str:
    """A table with a line for each program, and one for all together.

    Rows come with the names of their programs.  Of registers, bytes and findings there
    is the most that any kernel has, or how many kernels have some, and of occupancy the
    least; a number for each capability in order, or one where all have the same.
    """
    programs: dict[str, list[Row]] = {}
    everything: list[Row] = []
    for name, row in found:
        programs.setdefault(name, []).append(row)
        everything.append(row)
    lines = [_summed(name, rows) for name, rows in programs.items()]
    return _barred(SUMMARY, [*lines, _summed("all", everything)])


def _summed(name: str, found: Sequence[Row]) -> tuple[str, ...]:
    by_capability: dict[Capability, list[Row]] = {}
    for row in found:
        by_capability.setdefault(row.made.report.capability, []).append(row)
    each = [_extremes(by_capability[c]) for c in sorted(by_capability)]
    columns = zip(*each, strict=True)
    cells = (c[:1] if len(set(c)) == 1 else c for c in columns)
    return (name, *(" / ".join(cell) for cell in cells))


def _extremes(found: Sequence[Row]) -> tuple[str, ...]:
    """The worst of one capability's rows, in the order of `SUMMARY`."""
    reports = [row.made.report for row in found]
    share = min(row.occupancy.share for row in found)
    excused = sum(any(f.excuse for f in row.findings) for row in found)
    return (
        str(len(found)),
        str(max(r.registers for r in reports)),
        str(max(r.spill_stores + r.spill_loads for r in reports)),
        str(max(r.local for r in reports)),
        str(max(r.shared for r in reports)),
        f"{100 * share:.0f} %",
        str(excused),
        str(sum(bool(row.faults) for row in found)),
    )


def _barred(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Lines of cells as a table with bars, in columns of one width."""
    lines = [head, tuple("-" * len(column) for column in head), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "| "
        + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True))
        + " |\n"
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    report, occupied = row.made.report, row.occupancy
    major, minor = report.capability
    numbers = (
        *(f"{major}{minor}", row.threads, report.registers),
        *(report.spill_stores + report.spill_loads, report.local, report.shared),
        *(report.constant, occupied.blocks),
    )
    excused = dict.fromkeys(f.excuse for f in row.findings if f.excuse)
    share = f"{100 * occupied.share:.0f} %"
    return (
        row.name,
        *map(str, numbers),
        *(share, occupied.limit, ", ".join(excused), str(len(row.faults) or "")),
    )
