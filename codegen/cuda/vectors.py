"""Which loads and stores of a map move several neighbouring elements at once.

A thread of a *wide* map runs a few neighbouring iterations of the innermost loop.  What
they load from, or store to, elements that follow one another in memory is one load or
store of 16 bytes at the most.  A device does that only at an address that is a multiple
of the size, which depends on where an array begins and on the length of its rows: the
kernel looks, and goes element by element elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from ..ir import TRANSCENDENTALS, Kernel, Let, Load, Loop, Statement, Store, walk
from ..names import defines

#: The most bytes that one instruction moves, and the most elements.
MOST_BYTES = 16
MOST_WIDTH = 4
#: The most arrays' elements that a thread holds at once so.
MOST_ACCESSES = 16
#: A thread's work in one iteration beyond which its loads are no matter.
MOST_WORK = 160
#: What a call of a function of CUDA's counts for in it.
CALL_WORK = 10


@dataclass(frozen=True, slots=True)
class Wide:
    """The `loads` and `stores`, in the innermost body, of `width` elements at once.

    The loads can be done before everything else, and the stores behind it.
    """

    width: int
    loads: tuple[Load, ...]
    stores: tuple[Store, ...]

    def has(self, statement: Statement) -> bool:
        """Whether `statement` is one of the loads and stores."""
        return any(s is statement for s in (*self.loads, *self.stores))


def wide(kernel: Kernel, nest: Sequence[Loop]) -> Wide | None:
    """What the map over `nest` moves at once; None where nothing is, or need not be."""
    innermost = nest[-1]
    private = {buffer.name for buffer in kernel.scratch}
    if any(isinstance(s, Load | Store) and s.buffer in private for s in innermost.body):
        return None
    work = sum(map(work_of, innermost.body))
    if work > MOST_WORK or any(isinstance(s, Loop) for s in innermost.body):
        return None
    runs: list[Load | Store] = []
    for statement in innermost.body:
        if _is_run(statement, kernel, innermost):
            runs.append(statement)
    if not runs:
        return None
    largest = max(np.dtype(kernel.buffer(s.buffer).dtype).itemsize for s in runs)
    width = min(MOST_WIDTH, MOST_BYTES // largest)
    while width > 1 and not _fits(innermost, width, len(nest) > 1):
        width //= 2
    runs = _in_any_order(kernel, [s for s in runs if _even(s, width)])
    if width == 1 or not 0 < len(runs) <= MOST_ACCESSES:
        return None
    loads = tuple(s for s in runs if isinstance(s, Load))
    return Wide(width, loads, tuple(s for s in runs if isinstance(s, Store)))


def work_of(statement: Statement) -> int:
    """What a statement, which is no loop, counts for."""
    match statement:
        case Let(op=op) if op in TRANSCENDENTALS:
            return CALL_WORK
    return 1


def _fits(innermost: Loop, width: int, rows: bool) -> bool:
    """Whether rows of a known length are not mostly at odd addresses, or too short."""
    extent = innermost.extent
    if isinstance(extent, str):
        return True
    return extent >= width and not (rows and extent % width)


def _even(access: Load | Store, width: int) -> bool:
    """Whether `access` begins where a group of iterations does, for all that is known.

    What stands in an index beside axes and numbers is looked at when the kernel runs.
    """
    return access.index[-1].const % width == 0


def _is_run(
    access: Statement, kernel: Kernel, innermost: Loop
) -> TypeGuard[Load | Store]:
    """Whether neighbouring iterations access neighbouring elements of a buffer."""
    if not isinstance(access, Load | Store) or not access.index:
        return False
    held = (isinstance(access, Load) and access.guard is not None) or (
        isinstance(access, Store) and access.accumulate
    )
    if held:
        return False
    inside = {name for s in innermost.body for name in defines(s)}
    axis, last = innermost.axis, access.index[-1]
    return (
        last.coefficient(axis) == 1
        and not any(index.coefficient(axis) for index in access.index[:-1])
        and inside.isdisjoint(name for index in access.index for name, _ in index.terms)
    )


def _in_any_order(kernel: Kernel, runs: Sequence[Load | Store]) -> list[Load | Store]:
    """Those of `runs` that may come before all else, or behind it if they store.

    What is stored to is accessed by them alone then, and read before that.
    """
    everything = [s for s, _ in walk(kernel.body) if isinstance(s, Load | Store)]
    found = list(runs)
    while True:
        known = {id(s): number for number, s in enumerate(found)}

        def fine(access: Load | Store, known: dict[int, int] = known) -> bool:
            others = [s for s in everything if s.buffer == access.buffer]
            stores = [s for s in others if isinstance(s, Store)]
            if isinstance(access, Store):
                return all(id(s) in known for s in others)
            return all(known.get(id(s), -1) > known[id(access)] for s in stores)

        kept = [s for s in found if fine(s)]
        if len(kept) == len(found):
            return kept
        found = kept


__all__ = ["Wide", "wide", "work_of"]
