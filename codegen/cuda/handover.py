"""The step of a reduction's last block: what blocks leave, and how the last finds it.

`source` writes these acts in this order, and the checker of races runs them as
statements of the loop IR, in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from ..ir import (
    Affine,
    Buffer,
    Const,
    Kernel,
    Load,
    Loop,
    Statement,
    Store,
    axis,
    walk,
)
from ..names import fresh, names_of
from .plan import Plan

#: What is done, one after another.  By the first thread of each block: leave the
#: block's carries as partial results, fence, count the block by an atomic addition.  By
#: all of its threads: meet.  "last": blocks before the last one return.  Then its first
#: thread resets the counter, and all of its threads take the parts.
Act: TypeAlias = Literal["leave", "fence", "count", "meet", "last", "reset", "take"]

#: The first fence releases what the block has left before it is counted.  The second
#: one, by the thread that has counted and before the others meet it, acquires what the
#: blocks counted before have left (PTX ISA, "Memory Consistency Model", on patterns).
HANDOVER: tuple[Act, ...] = (
    *("leave", "fence", "count", "fence", "meet", "last", "reset", "take"),
)
#: The acts of a block's first thread.
FIRST: frozenset[Act] = frozenset({"leave", "fence", "count", "reset"})


def acts(plan: Plan) -> tuple[Act, ...]:
    """The acts of a *reduce* plan, from the end of a block's chunk on."""
    # Several warps have met when their carries are combined; shuffles order nothing.
    if 1 < plan.team <= plan.warp:
        return ("meet", *HANDOVER)
    return HANDOVER


@dataclass(frozen=True, slots=True)
class Marks:
    """Where the acts are among a kernel's statements, by number.

    Attributes:
        counter: the buffer in which groups are counted; it is 0 before and after.
        count: the store that does it.
        last: from this statement on the last group alone goes on.
        fences: behind these stores, those who store fence.
        barriers: before these, all threads of a group meet.
        takes: the loop, shared out among threads, over the parts.
        leaves: the loop over groups in which each leaves its parts and is counted.
    """

    counter: str
    count: int
    last: int
    fences: frozenset[int]
    barriers: frozenset[int]
    takes: int
    leaves: int


def handed_over(plan: Plan, groups: int) -> tuple[Kernel, Marks, int]:
    """The kernel of a *reduce* plan with the acts as statements, for so many groups.

    They stand behind the loop that is split, and are so many as the third value says.
    """
    return _Writer(plan, groups).made()


@dataclass(slots=True)
class _Writer:
    """The statements, and the marks while they are set."""

    plan: Plan
    groups: int
    number: int = 0
    inside: list[Statement] = field(default_factory=list)
    after: list[Statement] = field(default_factory=list)
    at: dict[str, int] = field(default_factory=dict)
    fences: set[int] = field(default_factory=set)
    barriers: set[int] = field(default_factory=set)

    def made(self) -> tuple[Kernel, Marks, int]:
        kernel, loop = self.plan.kernel, self.plan.loops[0]
        taken = names_of(kernel)
        counter, block, part = (fresh(n, taken) for n in ("done", "block", "part"))
        own = [fresh(f"{c.name}_own", taken) for c in loop.carries]
        parts = [
            Buffer(fresh(f"{c.name}_parts", taken), c.dtype, (self.groups,), "out")
            for c in loop.carries
        ]
        place = next(k for k, s in enumerate(kernel.body) if s is loop)
        first = sum(1 for _ in walk(kernel.body[: place + 1]))
        self.number = first + 1  # behind the head of the loop over blocks
        mine = (axis(block),)
        for act in acts(self.plan):
            self.at[act] = self.number
            match act:
                case "leave":
                    stores = (
                        Store(b.name, mine, o) for b, o in zip(parts, own, strict=True)
                    )
                    self.add(self.inside, *stores)
                case "fence":
                    self.fences.add(self.number - 1)
                case "count":
                    one = Const(1, "int32")
                    self.add(self.inside, Store(counter, (_FIRST,), one, True))
                case "meet":
                    inside = self.number == first + 1
                    self.barriers.add(first if inside else self.number)
                case "reset":
                    zero = Const(0, "int32")
                    self.add(self.after, Store(counter, (_FIRST,), zero))
                case "take":
                    names = [fresh("part", taken) for _ in parts]
                    self.add(self.after, _taking(loop, part, parts, names))
        over = Loop(block, self.groups, "serial", tuple(self.inside))
        carries = tuple(
            replace(c, name=o) for c, o in zip(loop.carries, own, strict=True)
        )
        head = replace(loop, carries=carries)
        body = (
            *kernel.body[:place],
            head,
            over,
            *self.after,
            *kernel.body[place + 1 :],
        )
        more = (*parts, Buffer(counter, "int32", (1,), "inout"))
        whole = replace(kernel, buffers=(*kernel.buffers, *more), body=body)
        return whole, self.marks(counter, first), self.number - first

    def add(self, where: list[Statement], *statements: Statement) -> None:
        where += statements
        self.number += sum(1 for _ in walk(statements))

    def marks(self, counter: str, leaves: int) -> Marks:
        return Marks(
            counter=counter,
            count=self.at["count"],
            last=self.at["last"],
            fences=frozenset(self.fences),
            barriers=frozenset(self.barriers),
            takes=self.at["take"],
            leaves=leaves,
        )


_FIRST = Affine((), 0)


def _taking(loop: Loop, part: str, parts: list[Buffer], names: list[str]) -> Loop:
    """The loop that combines the parts, in their order, into the plan's carries."""
    loads = tuple(
        Load(name, buffer.name, (axis(part),), buffer.dtype)
        for name, buffer in zip(names, parts, strict=True)
    )
    carries = tuple(
        replace(c, value=name) for c, name in zip(loop.carries, names, strict=True)
    )
    return Loop(part, parts[0].shape[0], "vector", loads, carries)


def runs(sequence: tuple[Act, ...]) -> Iterator[tuple[Act, ...]]:
    """The acts in pieces: those of the first thread that follow one another as one."""
    piece: list[Act] = []
    for act in sequence:
        if act in FIRST:
            piece.append(act)
            continue
        if piece:
            yield tuple(piece)
            piece = []
        yield (act,)
    if piece:
        yield tuple(piece)


def lines(parts: list[tuple[str, str]], done: str, last: str) -> dict[Act, list[str]]:
    """Each act but the taking as text, for arrays of parts and what is left there.

    `done` is the counter, `last` shared memory for what it was.
    """
    return {
        "leave": [f"{array}[cuda.blockIdx.x] = {value}" for array, value in parts],
        "fence": ["cuda.threadfence()"],
        "count": [f"{last}[0] = cuda.atomic.add({done}, 0, 1)"],
        "meet": ["cuda.syncthreads()"],
        "last": [f"if {last}[0] + 1 < cuda.gridDim.x:", "    return"],
        "reset": [f"{done}[0] = 0"],
    }
