"""How threads that share a loop combine what each of them holds.

Within a warp values go from lane to lane by shuffles, without memory and barriers: lane
0 takes in what the lane half a warp away holds, then a quarter away, and so on.  Where
the threads are several warps, the first lane of each leaves its value in a slot of
shared memory; all threads meet once, and each warp combines the slots for itself.  The
order follows from the number of threads alone.

The slots are two sets, used in turn: whoever writes into a set again has met, since,
all who have read what was there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .. import ir

#: What is written by name in the text: a distance between lanes, and where the set of
#: slots begins whose turn it is.
HALF, SIDE = "half", "side"
#: How the functions are called by which a thread gets another lane's value: of the lane
#: so many on, of the lane so many back, and of one lane for all.
SHUFFLES = ("down", "up", "lane")


@dataclass(frozen=True, slots=True)
class Held:
    """A value that each thread holds under `name`.

    `both` is the text that combines two values, the earlier one first; `slots` is the
    shared array of its slots.
    """

    name: str
    dtype: str
    both: Callable[[str, str], str]
    slots: str

    @property
    def other(self) -> str:
        """The name of what another thread holds."""
        return f"other_{self.dtype}"


def shuffle(way: str, dtype: str) -> str:
    """The name of a function of `SHUFFLES` for values of `dtype`."""
    return f"{way}_{dtype}"


def names() -> tuple[str, ...]:
    """All names that the text may use."""
    calls = (shuffle(way, dtype) for way in SHUFFLES for dtype in ir.DTYPES)
    return (HALF, SIDE, "meet", *calls)


def combined(
    held: Sequence[Held], team: int, warp: int, used: set[str]
) -> Iterator[str]:
    """The lines after which each thread of a team holds everyone's values combined.

    A team has `team` threads, `warp` to a warp; both are powers of two.
    """
    if team == 1:
        return
    warps = team // warp
    yield from _tree(held, warp // 2, warp, used)
    if warps > 1:
        yield f"if thread % {warp} == 0:"
        for each in held:
            yield f"    {each.slots}[{SIDE} + thread // {warp}] = {each.name}"
        yield "cuda.syncthreads()"
        for each in held:
            yield f"{each.name} = {each.slots}[{SIDE} + thread % {warps}]"
        yield f"{SIDE} = {warps} - {SIDE}"
        yield from _tree(held, warps // 2, warp, used)
    for each in held:
        function = shuffle("lane", each.dtype)
        used.add(function)
        yield f"{each.name} = {function}({each.name}, 0, {warp})"


def _tree(held: Sequence[Held], half: int, warp: int, used: set[str]) -> Iterator[str]:
    """Combine twice `half` neighbouring lanes' values into the first lane's."""
    if not half:
        return
    yield f"{HALF} = {half}"
    yield f"while {HALF} > 0:"
    for each in held:
        function = shuffle("down", each.dtype)
        used.add(function)
        yield f"    {each.other} = {function}({each.name}, {HALF}, {warp})"
        yield f"    {each.name} = {each.both(each.name, each.other)}"
    yield f"    {HALF} //= 2"


def scanned(
    held: Held, total: str, team: int, warp: int, used: set[str], fresh: tuple[str, str]
) -> Iterator[str]:
    """The lines after which each thread holds what those up to it held, combined.

    They begin with `total`, which is combined with all of them in the end.  `fresh` are
    two names that are free.
    """
    function, warps = shuffle("up", held.dtype), team // warp
    if warp > 1:
        used.add(function)
        yield f"{HALF} = 1"
        yield f"while {HALF} < {warp}:"
        yield f"    {held.other} = {function}({held.name}, {HALF}, {warp})"
        yield f"    if thread % {warp} >= {HALF}:"
        yield f"        {held.name} = {held.both(held.other, held.name)}"
        yield f"    {HALF} *= 2"
    if warps == 1:
        last = shuffle("lane", held.dtype)
        used.add(last)
        yield f"{held.name} = {held.both(total, held.name)}"
        yield f"{total} = {last}({held.name}, {warp - 1}, {warp})"
        return
    before, which = fresh
    yield f"if thread % {warp} == {warp - 1}:"
    yield f"    {held.slots}[{SIDE} + thread // {warp}] = {held.name}"
    yield "cuda.syncthreads()"
    yield f"{before} = {total}"
    yield f"for {which} in range({warps}):"
    yield f"    if {which} == thread // {warp}:"
    yield f"        {before} = {total}"
    yield f"    {held.other} = {held.slots}[{SIDE} + {which}]"
    yield f"    {total} = {held.both(total, held.other)}"
    yield f"{held.name} = {held.both(before, held.name)}"
    yield f"{SIDE} = {warps} - {SIDE}"
