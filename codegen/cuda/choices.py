"""Which plans of a kernel are run for given sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..ir import Kernel
from .columns import Columns, columns_of
from .geometry import known_values
from .long_rows import LongRows, long_rows_of
from .plan import MOST_OF_A_WARP, THREADS, WARP, Plan, plan


@dataclass(frozen=True, slots=True)
class Choice:
    """The plans of a kernel: `usual`, and the one for short rows, where it has rows.

    Rows of up to `most` elements are short.
    """

    usual: Plan
    short: Plan | None
    most: int

    @property
    def plans(self) -> tuple[Plan, ...]:
        """All that may be run."""
        return (self.usual,) if self.short is None else (self.usual, self.short)

    def fitting(self, sizes: Mapping[str, int]) -> Plan:
        """The plan for these sizes; of them the length of a row alone decides."""
        known = known_values(self.usual.kernel, sizes)
        if self.short is None or self.usual.row(known) > self.most:
            return self.usual
        return self.short


@dataclass(frozen=True, slots=True)
class Choices:
    """A kernel as it is, and cut up where it reduces columns or has long rows.

    Kernels of plans have the kernel's buffers, by name, and may have others, which are
    memory for the launches that belong together.
    """

    whole: Choice
    threads: int
    cut: Columns | LongRows | None = None
    parts: tuple[Choice, ...] = ()

    @property
    def plans(self) -> tuple[Plan, ...]:
        """All that may be run."""
        return tuple(p for each in (self.whole, *self.parts) for p in each.plans)

    def fitting(self, sizes: Mapping[str, int]) -> tuple[Plan, ...]:
        """What is run for these sizes of the kernel, one after another."""
        if self.cut is not None:
            known = known_values(self.cut.kernel, sizes)
            if self.cut.few(known, self.threads):
                return tuple(part.fitting(sizes) for part in self.parts)
        return (self.whole.fitting(sizes),)


def choices(
    kernel: Kernel,
    threads: int = THREADS,
    warp: int = WARP,
    most: int = MOST_OF_A_WARP,
) -> Choices:
    """What may be launched for `kernel`; see `plan` and `Choice`."""

    def choice(kernel: Kernel) -> Choice:
        usual = plan(kernel, threads, warp)
        short = plan(kernel, threads, warp, short=True)
        return Choice(usual, short if short.by_warps else None, most)

    whole = choice(kernel)
    usual = whole.usual
    if usual.kind == "map":
        columns = columns_of(usual.kernel, usual.loops)
        if columns is not None:
            parts = tuple(map(choice, columns.cut(threads)))
            return Choices(whole, threads, columns, parts)
    if usual.kind in ("rows", "single"):
        rows = long_rows_of(usual.kernel, usual.loops, threads)
        if rows is not None:
            # A chunk is a block's, however short, and so are the few rows of chunks.
            plans = (plan(part, threads, warp) for part in rows.cut(threads))
            parts = tuple(Choice(each, None, most) for each in plans)
            return Choices(whole, threads, rows, parts)
    return Choices(whole, threads)
