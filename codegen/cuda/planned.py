"""A `Plan` as the checker of races sees it: who accesses what, and who waits where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

from ..ir import Kernel
from .choices import choices
from .geometry import known_values
from .lockstep import extent_of
from .plan import MOST_OF_A_WARP, WARP, Plan, chunks
from .program_races import Spreading
from .spread import Dealt, Spread, outermost

#: So many groups, where the plan leaves their number open: several, so that they may
#: race, and few, so that each of them has several turns.
GROUPS = 3


def spread_of(plan: Plan, sizes: Mapping[str, int], groups: int = GROUPS) -> Spread:
    """How the kernel of `plan` is dealt out for `sizes`.

    A *map* or *rows* plan is run by `groups` blocks or warps, a *reduce* plan by as
    many blocks as it has chunks.
    """
    depth = len(plan.nest)
    dealt = {
        position: Dealt("threads")
        for position, what in enumerate(plan.spread)
        if what == "threads"
    }
    places = zip(plan.kernel.scratch, plan.places, strict=True)
    shared = frozenset(b.name for b, at in places if not at.startswith("thread"))
    meets = plan.team > plan.warp
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
            known = known_values(plan.kernel, sizes)
            total = prod(int(extent_of(loop, known)) for loop in plan.loops)
            count, length = chunks(total, plan.threads)
            head = plan.nest[0]
            dealt[head] = Dealt("grid", depth=depth, chunk=length)
            return Spread(
                groups=count,
                threads=plan.threads,
                dealt=dealt,
                leader="group",
                barriers=plan.barriers,
                boundaries=frozenset({head}),
                alone=frozenset(n for n, _ in outermost(plan.kernel) if n > head),
                shared=shared,
                meets=meets,
            )


def by_plan(
    threads: int, groups: int = GROUPS, warp: int = WARP, most: int = MOST_OF_A_WARP
) -> Spreading:
    """Each kernel as its plans for blocks of so many `threads` run it.

    Rows of up to `most` elements are run by a warp.
    """

    def spread(
        kernel: Kernel, sizes: Mapping[str, int]
    ) -> Iterator[tuple[Kernel, Spread]]:
        for made in choices(kernel, threads, warp, most).fitting(sizes):
            yield made.kernel, spread_of(made, sizes, groups)

    return spread
