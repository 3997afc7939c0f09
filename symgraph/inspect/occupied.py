"""What the kernels of a program use of a GPU, by the assembler's report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..codegen.program import Program

if TYPE_CHECKING:
    from ..codegen.cuda.report import Row


@dataclass(frozen=True, slots=True)
class Occupied:
    """A kernel on a GPU, as ptxas has assembled it; no GPU is needed for that.

    Attributes:
        name: the kernel's name.
        capability: the compute capability that it was made for, such as "8.0".
        threads: of a block.
        registers: of a thread.
        spilled: bytes that a thread stores for want of registers, and loads again.
        local: bytes of a thread's memory outside of registers.
        shared: bytes of a block's shared memory.
        occupancy: the share of a multiprocessor's warps that fit it at once, in theory.
        limit: what more of them lack: "warps", "blocks", "registers" or "shared
            memory".
    """

    name: str
    capability: str
    threads: int
    registers: int
    spilled: int
    local: int
    shared: int
    occupancy: float
    limit: str


def occupied(program: Program) -> tuple[Occupied, ...]:
    """The kernels that `program` launches, each once, for the GPU at hand.

    They are made for compute capability 8.0 where there is no GPU, or where the limits
    of its capability are not known.  Nothing where CUDA's compilers are not installed.
    """
    from ..codegen.cuda.occupancy import LIMITS
    from ..codegen.cuda.ptx_text import DEFAULT, own_capability
    from ..codegen.cuda.report import rows
    from ..codegen.cuda.texts import texts_of
    from ..codegen.cuda.toolkit import ToolkitError

    try:
        own = own_capability()
        made = DEFAULT if own is None or own not in LIMITS else own
        found = tuple(rows(texts_of(program), (made,)))
    except ToolkitError:
        return ()
    return tuple(_occupied(row) for row in found)


def _occupied(row: Row) -> Occupied:
    report, occupancy = row.made.report, row.occupancy
    major, minor = report.capability
    return Occupied(
        row.name,
        f"{major}.{minor}",
        row.threads,
        report.registers,
        report.spill_stores + report.spill_loads,
        report.local,
        report.shared,
        occupancy.share,
        occupancy.limit,
    )
