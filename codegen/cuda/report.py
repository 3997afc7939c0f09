"""A table of kernels: what the assembler says of each, and what should not be in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from . import ptx
from .assemble import CAPABILITIES, Assembled, Capability, Parameter, compiled
from .occupancy import Occupancy


@dataclass(frozen=True, slots=True)
class KernelText:
    """A kernel as numba-cuda source, with what is expected of its machine code.

    `source` defines the one function, which takes `parameters`; its blocks have
    `threads` threads, and `shared` bytes of memory asked for at launch.  `vectors` says
    that it must load or store several elements at once somewhere, `float64` that it may
    compute in float64 although none of its arrays holds that.
    """

    name: str
    source: str
    parameters: tuple[Parameter, ...]
    threads: int
    shared: int = 0
    vectors: bool = False
    float64: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One kernel for one compute capability; `findings` are faults of its code."""

    name: str
    threads: int
    made: Assembled
    occupancy: Occupancy
    findings: tuple[str, ...]


def rows(
    kernels: Iterable[KernelText], capabilities: Sequence[Capability] = CAPABILITIES
) -> Iterator[Row]:
    """Each kernel for each capability, as it is compiled.

    Raises:
        ToolkitError: a part of the toolkit is missing.
        CompileError: a kernel cannot be compiled, or cannot be launched.
    """
    for kernel in kernels:
        for capability in capabilities:
            made = compiled(
                kernel.source, kernel.parameters, capability, kernel.threads
            )
            occupied = made.report.occupancy(kernel.threads, kernel.shared)
            found = tuple(findings(kernel, made))
            yield Row(kernel.name, kernel.threads, made, occupied, found)


def findings(kernel: KernelText, made: Assembled) -> Iterator[str]:
    """What is wrong with the code of `kernel`, a line each."""
    report = made.report
    if report.spill_stores or report.spill_loads:
        yield (
            f"spills {report.spill_stores} bytes and loads {report.spill_loads} of them"
        )
    if report.local:
        yield f"has {report.local} bytes of local memory"
    yield from (f"local memory: {line}" for line in ptx.local_memory(made.ptx))
    doubles = kernel.float64 or any(p.dtype == "float64" for p in kernel.parameters)
    checks = {
        "float64": () if doubles else ptx.float64_arithmetic(made.ptx),
        "integer division in a loop": ptx.integer_divisions(made.ptx),
        "cannot be fused with an addition": ptx.unfused(made.ptx),
    }
    for what, found in checks.items():
        yield from (f"{what}: {instruction}" for instruction in found)
    wide = ptx.vector_loads(made.ptx) or ptx.vector_stores(made.ptx)
    if kernel.vectors and not wide:
        yield "moves one element at a time"


#: The table's columns.
COLUMNS = (
    *("kernel", "sm", "threads", "registers", "spills", "local", "shared"),
    *("constant", "blocks/SM", "occupancy", "limit", "findings"),
)


def table(found: Iterable[Row]) -> str:
    """The rows as a table of text with bars, bytes where memory is meant."""
    lines = [COLUMNS, tuple("-" * len(column) for column in COLUMNS)]
    lines += [_cells(row) for row in found]
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
    share = f"{100 * occupied.share:.0f} %"
    return (
        row.name,
        *map(str, numbers),
        *(share, occupied.limit, str(len(row.findings) or "")),
    )
