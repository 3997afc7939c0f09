"""Which thread runs which iteration: what the checker of races needs to know of a plan.

A plan says how source text is written; this says the same about accesses only, in terms
of the statements of the kernel.  A statement's number is its place in `ir.walk`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..ir import Kernel, Loop, Statement, Store, walk
from .handover import Marks

#: Who gets the iterations of a loop: each thread of the launch, each group, or each
#: thread of the group that runs the loop.
Level = Literal["grid", "groups", "threads"]


@dataclass(frozen=True, slots=True)
class Dealt:
    """How the iterations of a loop are dealt out, in turns.

    They are those of the loop and of all that is perfectly nested in it, `depth` loops
    in all, the innermost one's fastest.  In each turn everyone at `level` gets `width`
    of the innermost one's, one after another (its last turn may be shorter); or, with a
    `chunk`, each group has so many in a row, which its threads take one each in turn.
    """

    level: Level
    width: int = 1
    depth: int = 1
    chunk: int | None = None

    @property
    def by_threads(self) -> bool:
        """Whether a group's threads share iterations that are that group's alone."""
        return self.level == "threads" or self.chunk is not None


@dataclass(frozen=True, slots=True)
class Spread:
    """A launch of `groups` groups of `threads` threads, ordered by barriers in each.

    Attributes:
        dealt: the loops that are dealt out, by number.  Any other is run as a whole by
            each thread that comes to it.  One with carries is a declared reduction.
        leader: who stores what stands in no loop that is dealt out: the first thread of
            the launch or of each group, or each thread.  In loops dealt to groups it is
            the first of the group.
        barriers: before these statements all threads of a group wait for each other.
        boundaries: behind these, which stand at the top level, one launch ends, and
            another one of the same shape begins.
        once: run by the first thread of the launch alone.
        handover: how groups hand over to the last of them, which goes on alone.
        atomics: stores that add to memory at once.
        shared: scratch buffers that belong to a group; others belong to each thread.
        meets: all threads of a group meet where they combine the carries of a loop that
            they share out.
    """

    groups: int
    threads: int
    dealt: Mapping[int, Dealt] = field(default_factory=dict)
    leader: Literal["launch", "group", "thread"] = "launch"
    barriers: frozenset[int] = frozenset()
    boundaries: frozenset[int] = frozenset()
    once: frozenset[int] = frozenset()
    handover: Marks | None = None
    atomics: frozenset[int] = frozenset()
    shared: frozenset[str] = frozenset()
    meets: bool = True


def numbered(kernel: Kernel) -> tuple[Statement, ...]:
    """The statements of `kernel` by number."""
    return tuple(statement for statement, _ in walk(kernel.body))


def count(statement: Statement) -> int:
    """How many numbers `statement` has with all that is in it."""
    return sum(1 for _ in walk((statement,)))


def outermost(kernel: Kernel) -> list[tuple[int, Statement]]:
    """The statements at the top level with their numbers."""
    found, number = [], 0
    for statement in kernel.body:
        found.append((number, statement))
        number += count(statement)
    return found


def independent(kernel: Kernel, *, lanes: int = 1024) -> Spread:
    """Each iteration of the parallel or split loops at the top level to its own thread.

    That is what the kernel promises to every target: chunks of these loops may run in
    any order, or at once, each with scratch of its own.  What else there is that stores
    runs once, and launches separate the two.  From `lanes` iterations on, a thread has
    several, between which races are not found.
    """
    outer = outermost(kernel)
    private = {buffer.name for buffer in kernel.scratch}
    dealt = {
        number: Dealt("grid")
        for number, s in outer
        if isinstance(s, Loop) and (s.kind == "parallel" or s.axis == kernel.split)
    }
    stores = {
        number
        for number, s in outer
        if any(isinstance(t, Store) and t.buffer not in private for t, _ in walk((s,)))
    }
    return Spread(
        groups=lanes if dealt else 1,
        threads=1,
        dealt=dealt,
        leader="thread",
        boundaries=frozenset(dealt.keys() | stores),
        once=frozenset(stores - dealt.keys()),
    )
