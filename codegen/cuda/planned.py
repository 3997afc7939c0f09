"""A `Plan` as the checker of races sees it: who accesses what, and who waits where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

from ..ir import Kernel
from .choices import choices
from .geometry import known_values
from .handover import handed_over
from .lockstep import extent_of
from .plan import LEAST_CHUNK, MOST_OF_A_WARP, WARP, Plan, chunks
from .program_races import Spreading
from .spread import Dealt, Spread

#: So many groups, where the plan leaves their number open: several, so that they may
#: race, and few, so that each of them has several turns.
GROUPS = 3


def spread_of(plan: Plan, groups: int = GROUPS) -> Spread:
    """How the kernel of `plan`, no *reduce* plan, is dealt out.

    A *map* or *rows* plan is run by `groups` blocks or warps.
    """
    depth = len(plan.nest)
    dealt = {
        position: Dealt("threads")
        for position, what in enumerate(plan.spread)
        if what == "threads"
    }
    shared, meets = _shared(plan), plan.team > plan.warp
    match plan.kind:
        case "map":
            dealt[plan.nest[0]] = Dealt("grid", plan.width, depth)
            return Spread(groups, plan.threads, dealt, "thread", shared=shared)
        case "rows" | "single":
            count = groups if plan.nest else 1
            if plan.nest:
                dealt[plan.nest[0]] = Dealt("groups", depth=depth)
            return Spread(
                groups=count,
                threads=plan.team,
                dealt=dealt,
                leader="group",
                barriers=plan.barriers,
                shared=shared,
                meets=meets,
            )
        case "reduce":
            raise ValueError("a reduction's kernel is another one: see `dealt_out`")


def dealt_out(
    plan: Plan,
    sizes: Mapping[str, int],
    groups: int = GROUPS,
    least: int = LEAST_CHUNK,
) -> tuple[Kernel, Spread]:
    """The kernel of `plan` as it is run, and how.

    A *reduce* plan is run by as many blocks as it has chunks of `least` iterations or
    more, and its kernel has what blocks hand over to the last of them as statements.
    """
    if plan.kind != "reduce":
        return plan.kernel, spread_of(plan, groups)
    known = known_values(plan.kernel, sizes)
    total = prod(int(extent_of(loop, known)) for loop in plan.loops)
    count, length = chunks(total, plan.threads, least)
    kernel, marks, more = handed_over(plan, count)

    def moved(number: int) -> int:
        return number if number < marks.leaves else number + more

    dealt = {
        moved(position): Dealt("threads")
        for position, what in enumerate(plan.spread)
        if what == "threads"
    }
    dealt[plan.nest[0]] = Dealt("grid", depth=len(plan.nest), chunk=length)
    dealt |= {marks.leaves: Dealt("groups"), marks.takes: Dealt("threads")}
    return kernel, Spread(
        groups=count,
        threads=plan.threads,
        dealt=dealt,
        leader="group",
        barriers=marks.barriers | {moved(n) for n in plan.barriers},
        atomics=frozenset({marks.count}),
        shared=_shared(plan),
        meets=plan.team > plan.warp,
        handover=marks,
    )


def _shared(plan: Plan) -> frozenset[str]:
    """The scratch buffers that are not a thread's."""
    places = zip(plan.kernel.scratch, plan.places, strict=True)
    return frozenset(b.name for b, at in places if not at.startswith("thread"))


def by_plan(
    threads: int,
    groups: int = GROUPS,
    warp: int = WARP,
    most: int = MOST_OF_A_WARP,
    least: int = LEAST_CHUNK,
) -> Spreading:
    """Each kernel as its plans for blocks of so many `threads` run it.

    Rows of up to `most` elements are run by a warp; a block's chunk of a reduction has
    `least` or more.
    """

    def spread(
        kernel: Kernel, sizes: Mapping[str, int]
    ) -> Iterator[tuple[Kernel, Spread]]:
        for made in choices(kernel, threads, warp, most).fitting(sizes):
            yield dealt_out(made, sizes, groups, least)

    return spread
