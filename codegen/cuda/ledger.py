"""Who touched which cell of an array, and whether what orders two touches is missing.

Threads of one *group* (a block, or a warp that keeps to itself) are ordered by the
group's barriers: each has a *phase*, the number of barriers behind it.  Two threads of
different groups are not ordered in one launch, but for a handover to the last group.
Two touches of one cell by different threads, not both reads and not both atomic, are a
race unless they are ordered.

The tables hold, for each cell and kind of touch, just enough for that to be exact:
the group (or that there were several), and the thread (or several) and phase of the
group's last touch.  Earlier phases of the same group are ordered before any later one.
Groups that count themselves behind a fence release what they have touched before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Touch = Literal["read", "write", "atomic"]

#: In the tables: nobody yet, and several.
NOBODY, SEVERAL = -1, -2

#: What may not meet, unordered, a touch of each kind by another thread.
CONFLICTS: dict[Touch, tuple[Touch, ...]] = {
    "read": ("write", "atomic"),
    "write": ("write", "read", "atomic"),
    "atomic": ("write", "read"),
}


@dataclass(frozen=True, slots=True)
class Who:
    """The threads of one access, all of equal length: numbers, groups and phases."""

    thread: np.ndarray
    group: np.ndarray
    phase: np.ndarray

    def where(self, mask: np.ndarray) -> Who:
        """Those threads for which `mask` holds."""
        return Who(self.thread[mask], self.group[mask], self.phase[mask])


@dataclass(frozen=True, slots=True)
class Race:
    """Two unordered touches of `cell`: by `thread`, and by `other` before (or beside).

    `statement` and `earlier` are the numbers under which the touches were recorded.
    `other` is None where several threads touched the cell.
    """

    cell: int
    touch: Touch
    thread: int
    statement: int
    other_touch: Touch
    other: int | None
    earlier: int


@dataclass(slots=True)
class _Table:
    """The touches of one kind in this launch, by cell."""

    group: np.ndarray
    thread: np.ndarray
    phase: np.ndarray
    statement: np.ndarray
    fenced: np.ndarray
    released: np.ndarray

    @classmethod
    def of(cls, cells: int) -> _Table:
        group, thread, phase, statement = np.full((4, cells), NOBODY, np.int64)
        fenced, released = np.zeros((2, cells), bool)
        return cls(group, thread, phase, statement, fenced, released)

    def unordered(self, cells: np.ndarray, who: Who) -> np.ndarray:
        """Which of the touches of `who` nothing orders after those in the table."""
        group = self.group[cells]
        same_phase = self.phase[cells] == who.phase
        by_another = same_phase & (self.thread[cells] != who.thread)
        apart = (group != who.group) | by_another
        return np.asarray((group != NOBODY) & apart)

    def add(self, cells: np.ndarray, who: Who, statement: int) -> None:
        # What thread it was counts where no other group has touched the cell.
        goes_on = self.phase[cells] == who.phase
        before = np.where(goes_on, self.thread[cells], NOBODY)
        _put(self.group, cells, self.group[cells], who.group)
        _put(self.thread, cells, before, who.thread)
        self.phase[cells] = who.phase
        self.statement[cells] = statement
        self.fenced[cells] = self.released[cells] = False

    def fence(self, threads: np.ndarray, phase: int) -> None:
        own = (self.thread >= 0) & threads[np.maximum(self.thread, 0)]
        self.fenced |= (self.phase < phase) | own

    def forget(self) -> None:
        self.group[self.released] = self.thread[self.released] = NOBODY


def _put(
    table: np.ndarray, cells: np.ndarray, before: np.ndarray, now: np.ndarray
) -> None:
    """Write `now` where `before` is the same or nobody, and else that it is several.

    Where a cell occurs more than once it must come out the same.
    """
    table[cells] = now
    lost = (before != NOBODY) & (before != now)
    lost |= table[cells] != now
    table[cells[lost]] = SEVERAL


@dataclass(slots=True)
class Ledger:
    """The touches of one array of `cells` cells."""

    cells: int
    _tables: dict[Touch, _Table] = field(default_factory=dict)

    def launch(self) -> None:
        """All that came before is ordered before all that follows."""
        self._tables.clear()

    def fence(self, threads: np.ndarray, phase: int) -> None:
        """One thread of each group, all of them in `phase`, fences.

        `threads` says for each thread whether it does.  What each group has touched in
        earlier phases, or that thread itself, comes before its fence.
        """
        for table in self._tables.values():
            table.fence(threads, phase)

    def release(self, counter: np.ndarray | None = None) -> None:
        """Those threads count their groups, in the cells of `counter` if it is here.

        What comes before their fences is released to whoever acquires it.
        """
        for touch, table in self._tables.items():
            table.released |= table.fenced
            if counter is not None and touch == "atomic":
                table.released[counter] = True

    def acquire(self) -> None:
        """What is released is ordered before all that follows."""
        for table in self._tables.values():
            table.forget()

    def record(
        self, touch: Touch, cells: np.ndarray, who: Who, statement: int
    ) -> Race | None:
        """Note that each thread of `who` touches its cell; the first race, if any.

        `cells` holds one cell, in range, for each thread of `who`.
        """
        race = self._before(touch, cells, who, statement)
        table = self._tables.get(touch)
        if table is None:
            table = self._tables[touch] = _Table.of(self.cells)
        table.add(cells, who, statement)
        if race is None and touch == "write":
            race = _beside(table, cells, who, statement)
        return race

    def _before(
        self, touch: Touch, cells: np.ndarray, who: Who, statement: int
    ) -> Race | None:
        for other in CONFLICTS[touch]:
            table = self._tables.get(other)
            if table is None:
                continue
            found = np.flatnonzero(table.unordered(cells, who))
            if found.size:
                at, cell = int(found[0]), int(cells[found[0]])
                several = SEVERAL in (table.group[cell], table.thread[cell])
                return Race(
                    cell=cell,
                    touch=touch,
                    thread=int(who.thread[at]),
                    statement=statement,
                    other_touch=other,
                    other=None if several else int(table.thread[cell]),
                    earlier=int(table.statement[cell]),
                )
        return None


def _beside(table: _Table, cells: np.ndarray, who: Who, statement: int) -> Race | None:
    """Two threads that write one cell in the same statement, at once."""
    found = np.flatnonzero(table.thread[cells] == SEVERAL)
    if not found.size:
        return None
    first, cell = int(found[0]), int(cells[found[0]])
    others = np.flatnonzero((cells == cell) & (who.thread != who.thread[first]))
    if not others.size:
        return None
    thread, other = int(who.thread[first]), int(who.thread[others[0]])
    return Race(cell, "write", thread, statement, "write", other, statement)
