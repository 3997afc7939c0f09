"""Which thread runs which iteration: what the checker of races needs to know of a plan.

A plan says how source text is written; this says the same about accesses only, in terms
of the statements of the kernel.  A statement's number is its place in `ir.walk`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..ir import Kernel, Loop, Statement, Store, walk

#: Who gets the iterations of a loop: each thread of the launch, each group, or each
#: thread of the group that runs the loop.
Level = Literal["grid", "groups", "threads"]


@dataclass(frozen=True, slots=True)
class Dealt:
    """How the iterations of one loop are dealt out, in turns.

    In each turn everyone at `level` gets `width` iterations, one after another.
    """

    level: Level
    width: int = 1


@dataclass(frozen=True, slots=True)
class Spread:
    """A launch of `groups` groups of `threads` threads, ordered by barriers in each.

    `dealt` says by statement number which loops are dealt out; each other loop is run
    as a whole by every thread that comes to it.  A store outside of the loops dealt to
    threads is done by the first thread of a group, or of the launch, and that one alone
    runs the statements `once`.  A loop with carries that is dealt out is a declared
    reduction.  Behind the statements `barriers`
    all threads of a group wait for each other; behind `boundaries`, which stand at the
    top level, one launch ends and another of the same shape begins.  The stores
    `atomics` add to memory at once.  A scratch buffer named in `shared` belongs to a
    group, any other to each thread.
    """

    groups: int
    threads: int
    dealt: Mapping[int, Dealt] = field(default_factory=dict)
    barriers: frozenset[int] = frozenset()
    boundaries: frozenset[int] = frozenset()
    atomics: frozenset[int] = frozenset()
    once: frozenset[int] = frozenset()
    shared: frozenset[str] = frozenset()


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
    any order, or at once.  The other loops, with what they store, run once, and
    launches separate the top-level statements.  From `lanes` iterations on, a thread
    has several, between which races are not found.
    """
    outer = outermost(kernel)
    loops = [(number, s) for number, s in outer if isinstance(s, Loop)]
    dealt = {
        number: Dealt("grid")
        for number, s in loops
        if s.kind == "parallel" or s.axis == kernel.split
    }
    stores = {n for n, s in loops if any(isinstance(t, Store) for t, _ in walk((s,)))}
    return Spread(
        groups=lanes if dealt else 1,
        threads=1,
        dealt=dealt,
        boundaries=frozenset(number for number, _ in outer),
        once=frozenset(stores - dealt.keys()),
    )
