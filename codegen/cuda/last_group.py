"""How groups hand over to the last of them, as the checker of races follows it.

Whichever group is counted last goes on; here it is the first one, whose touches are
from then on taken for those of a group that has touched nothing before.  So what is
found does not depend on which group is last.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .cells import Memory
from .handover import Marks
from .spread import Spread


@dataclass(slots=True)
class Handover:
    """Which threads have seen the count, and have fenced since or met one who has."""

    spread: Spread
    memory: Memory
    alone: bool = False
    marks: Marks | None = field(init=False)
    knows: np.ndarray = field(init=False)
    acquired: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.marks = self.spread.handover
        everyone = self.spread.groups * self.spread.threads
        self.knows = np.zeros(everyone, bool)
        self.acquired = np.zeros(everyone, bool)

    def begins(self, number: int) -> bool:
        """Whether from the statement `number` on the last group goes on alone."""
        return self.marks is not None and number == self.marks.last

    def groups(self, group: np.ndarray) -> np.ndarray:
        """Each thread's group, for the ledgers."""
        return group + self.spread.groups if self.alone else group

    def stored(self, number: int, mask: np.ndarray, phase: np.ndarray) -> None:
        """The threads of `mask` have run the store `number`."""
        if self.marks is None:
            return
        if number == self.marks.count:
            place = self.memory.places[self.marks.counter]
            for region, ledger in self.memory.ledgers.items():
                mine = region == place.region
                cells = self.memory.cells(self.marks.counter, np.arange(1), 0)
                ledger.release(cells if mine else None)
            self.knows |= mask
        if number in self.marks.fences:
            self.fence(mask, phase)

    def fence(self, mask: np.ndarray, phase: np.ndarray) -> None:
        """The threads of `mask` fence: one of each group, which are equally far."""
        self.acquired |= self.knows & mask
        each = mask.reshape(self.spread.groups, self.spread.threads).any(axis=1)
        if each.all() and np.all(phase == phase[0]):
            for ledger in self.memory.ledgers.values():
                ledger.fence(mask, int(phase[0]))

    def met(self, groups: np.ndarray) -> None:
        """All threads of some groups have met: what one of them knew, all know."""
        for known in (self.knows, self.acquired):
            rows = known.reshape(self.spread.groups, self.spread.threads)
            rows |= (rows.any(axis=1) & groups)[:, None]

    def found(self, mask: np.ndarray) -> str:
        """The last group, whose threads are those of `mask`, goes on alone.

        What is wrong with the counter, as text.
        """
        assert self.marks is not None
        self.alone = True
        counted = int(self.memory.contents[self.marks.counter][0])
        if self.acquired[mask].all():
            for ledger in self.memory.ledgers.values():
                ledger.acquire()
        if counted == self.spread.groups:
            return ""
        return f"{counted} are counted of {self.spread.groups} groups"

    def left(self) -> str:
        """What is wrong with the counter at the end, as text."""
        if self.marks is None:
            return ""
        counted = int(self.memory.contents[self.marks.counter][0])
        return f"the counter is left at {counted}, not at 0" if counted else ""
