"""Which plans of a kernel are run for given sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..ir import Kernel
from .columns import Columns, columns_of
from .geometry import known_values
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
    """A kernel as it is, and cut in two where it reduces columns.

    Kernels of plans have the kernel's buffers, by name, and may have others, which are
    memory for the launches that belong together.
    """

    whole: Choice
    threads: int
    columns: Columns | None = None
    parts: tuple[Choice, ...] = ()

    @property
    def plans(self) -> tuple[Plan, ...]:
        """All that may be run."""
        return tuple(p for each in (self.whole, *self.parts) for p in each.plans)

    def fitting(self, sizes: Mapping[str, int]) -> tuple[Plan, ...]:
        """What is run for these sizes of the kernel, one after another."""
        if self.columns is not None:
            known = known_values(self.columns.kernel, sizes)
            if self.columns.few(known, self.threads):
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
    found = columns_of(whole.usual.kernel, whole.usual.loops)
    if whole.usual.kind != "map" or found is None:
        return Choices(whole, threads)
    parts = tuple(choice(part) for part in found.cut(threads))
    return Choices(whole, threads, found, parts)
