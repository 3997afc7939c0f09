"""Which plan of a kernel is run for given sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..ir import Kernel
from .plan import MOST_OF_A_WARP, THREADS, WARP, Plan, plan


@dataclass(frozen=True, slots=True)
class Choice:
    """The plans of a kernel: `usual`, and the one for short rows, where it has rows.

    Rows of up to `most` elements are short.
    """

    usual: Plan
    short: Plan | None = None
    most: int = MOST_OF_A_WARP

    @property
    def plans(self) -> tuple[Plan, ...]:
        """All that may be run."""
        return (self.usual,) if self.short is None else (self.usual, self.short)

    def fitting(self, sizes: Mapping[str, Any]) -> Plan:
        """The plan for these sizes; of them the length of a row alone decides.

        `sizes` are the kernel's, and what its first statements compute from them.
        """
        if self.short is None or self.usual.row(sizes) > self.most:
            return self.usual
        return self.short


def choices(
    kernel: Kernel,
    threads: int = THREADS,
    warp: int = WARP,
    most: int = MOST_OF_A_WARP,
) -> tuple[Choice, ...]:
    """What is launched for `kernel`, one after another; see `plan` and `Choice`."""
    usual = plan(kernel, threads, warp)
    short = plan(kernel, threads, warp, short=True)
    return (Choice(usual, short if short.by_warps else None, most),)
