"""Kernels that are written for one thread, as kernels for many.

What accumulates along an axis hands values on in a scratch buffer, and what scatters
goes through its indices in order.  Here the first gets a loop with state for each place
beside the axis, the second *owners*: each goes through all indices, and stores where
the remainder of the index is its own number.  So no two threads meet, and what is
stored to one place is stored in the order of the indices, as before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

from ..access import independent
from ..ir import (
    Affine,
    Atom,
    Check,
    Const,
    Kernel,
    Let,
    Load,
    Loop,
    State,
    Statement,
    Store,
    walk,
)
from ..names import fresh, names_of, uses

#: Threads that scatter, for each thread of a block.
OWNERS = 32


def reshaped(kernel: Kernel, threads: int) -> Kernel:
    """The kernel in a form that more threads can run, or itself.

    `threads` are a block's; they say how many owners there are.
    """
    return scattered(accumulated(kernel), threads)


# Accumulations


@dataclass(frozen=True, slots=True)
class _Accumulation:
    """Two neighbouring statements: `held` is set for each place, then carried on."""

    held: str
    init: Const
    beside: tuple[Loop, ...]
    along: Loop
    load: Load
    last: Store
    body: tuple[Statement, ...]


def accumulated(kernel: Kernel) -> Kernel:
    """`kernel` with loops that carry state, instead of scratch that does."""
    if not kernel.scratch:
        return kernel
    outer, place = _rows(kernel)
    for first, second in pairwise(place):
        found = _accumulation(first, second)
        others = [s for s, _ in walk(kernel.body) if isinstance(s, Load | Store)]
        if found is None or sum(s.buffer == found.held for s in others) != 3:
            continue
        loop = _with_state(kernel, found)
        at = next(k for k, s in enumerate(place) if s is first)
        body: tuple[Statement, ...] = (*place[:at], loop, *place[at + 2 :])
        for each in reversed(outer):
            body = (replace(each, body=body),)
        split = kernel.split
        if split is None and found.beside and not outer:
            split = found.beside[0].axis
        scratch = tuple(b for b in kernel.scratch if b.name != found.held)
        return replace(kernel, body=body, split=split, scratch=scratch)
    return kernel


def _rows(kernel: Kernel) -> tuple[list[Loop], tuple[Statement, ...]]:
    """The loops around all that a kernel does, and what stands in them."""
    outer: list[Loop] = []
    body = kernel.body
    while len(body) == 1 and isinstance(body[0], Loop) and not body[0].carries:
        outer.append(body[0])
        body = body[0].body
    return outer, body


def _accumulation(first: Statement, second: Statement) -> _Accumulation | None:
    """Whether two statements are an accumulation."""
    before, start = _nest(first)
    within, body = _nest(second)
    if not within or len(within) != len(before) + 1 or len(body) < 2:
        return None
    match start, body[-1]:
        case (
            (Store(buffer=held, index=at, value=Const() as init, accumulate=False),),
            Store(accumulate=False) as last,
        ) if last.buffer == held and at == tuple(_at(loop) for loop in before):
            pass
        case _:
            return None
    along, *beside = within
    extents = [loop.extent for loop in before]
    place = tuple(_at(loop) for loop in beside)
    loads = [s for s in body if isinstance(s, Load) and s.buffer == held]
    simple = len(loads) == 1 and loads[0].guard is None and not along.state
    same = extents == [loop.extent for loop in beside]
    if not simple or not same or not loads[0].index == place == last.index:
        return None
    return _Accumulation(held, init, tuple(beside), along, loads[0], last, body)


def _at(loop: Loop) -> Affine:
    return Affine(((loop.axis, 1),))


def _nest(statement: Statement) -> tuple[list[Loop], tuple[Statement, ...]]:
    """Perfectly nested loops that carry nothing, and what stands in them."""
    loops: list[Loop] = []
    body: tuple[Statement, ...] = (statement,)
    while len(body) == 1 and isinstance(body[0], Loop):
        loop = body[0]
        if loop.carries or loop.state:
            break
        loops.append(loop)
        body = loop.body
    return loops, body


def _with_state(kernel: Kernel, found: _Accumulation) -> Loop:
    """The loop along the axis with state, in loops over what is beside it."""
    name, dtype = found.load.name, found.load.dtype
    final = fresh(f"{name}_final", names_of(kernel))
    state = State(name, found.init, found.last.value, final, dtype)
    kept = tuple(s for s in found.body if s is not found.load and s is not found.last)
    loop = replace(found.along, kind="serial", body=kept, state=(state,))
    for beside in reversed(found.beside):
        loop = replace(beside, kind="serial", body=(loop,))
    return loop


# Scatters


def scattered(kernel: Kernel, threads: int) -> Kernel:
    """`kernel` with owners, if it is a scatter in loops that are perfectly nested."""
    match kernel.body:
        case (Loop() as outermost,) if kernel.split is None and not kernel.scratch:
            loops, body = _nest(outermost)
        case _:
            return kernel
    stores = [s for s in body if isinstance(s, Store)]
    stored = {s.buffer for s in stores}
    read = {s.buffer for s in body if isinstance(s, Load)}
    nested = any(isinstance(s, Loop) for s in body)
    if not stores or nested or not stored.isdisjoint(read):
        return kernel
    apart, serial = _apart(loops)
    if not serial:
        return kernel
    key = _key(body, stores)
    if key is None:
        return kernel
    lengths = [loop.extent for loop in apart]
    known = prod(e for e in lengths if isinstance(e, int))
    unknown = any(isinstance(e, str) for e in lengths)
    most = threads * OWNERS
    count = max(1, threads // 4) if unknown else _power(most // max(1, known))
    taken = names_of(kernel)
    owner = fresh("owner", taken)
    inside = _owned(body, key, owner, count, taken)
    for loop in reversed([*apart, *serial]):
        inside = (replace(loop, kind="serial", body=inside),)
    return replace(kernel, body=(Loop(owner, count, "serial", inside),), split=owner)


def _power(count: int) -> int:
    """The largest power of two up to `count`, and 1 at least."""
    return 1 << max(0, count.bit_length() - 1)


def _apart(loops: list[Loop]) -> tuple[list[Loop], list[Loop]]:
    """The loops whose iterations meet nowhere, whatever those of the others do.

    They may come first; the others are left to be run in order.
    """
    apart: list[Loop] = []
    serial: list[Loop] = []
    for loop in loops:
        inner = loops[-1].body
        for other in reversed(loops):
            if other is not loop:
                inner = (replace(other, body=inner),)
        first = replace(loop, body=inner)
        (apart if independent(first) else serial).append(loop)
    return apart, serial


def _key(body: tuple[Statement, ...], stores: list[Store]) -> str | None:
    """A value that differs wherever two stores are to different places of an axis.

    It is computed in `body`, and is the index of all stores along some axis of theirs.
    """
    computed = {s.name for s in body if isinstance(s, Let | Load)}
    keys: set[str] | None = None
    for store in stores:
        mine = {
            index.terms[0][0]
            for index in store.index
            if len(index.terms) == 1 and index.terms[0][1] == 1
        }
        keys = mine if keys is None else keys & mine
    return min((keys or set()) & computed, default=None)


def _owned(
    body: tuple[Statement, ...], key: str, owner: str, count: int, taken: set[str]
) -> tuple[Statement, ...]:
    """`body`, whose stores are done where `key` is an index of the owner's."""
    needed = {key}
    first: list[Statement] = []
    for statement in reversed(body):
        match statement:
            case Check() | Let() | Load():
                own = isinstance(statement, Check) or statement.name in needed
                if own:
                    needed.update(uses(statement))
                    first.insert(0, statement)
    rest = tuple(s for s in body if s not in first)
    number, mine, times, once = (
        fresh(n, taken) for n in ("number", "mine", "times", "once")
    )
    one, zero = Const(1, "int64"), Const(0, "int64")
    chosen: tuple[tuple[str, str, tuple[Atom, ...], str], ...] = (
        (number, "and", (key, Const(count - 1, "int64")), "int64"),
        (mine, "eq", (number, owner), "bool"),
        (times, "select", (mine, one, zero), "int64"),
    )
    lets = tuple(Let(*each) for each in chosen)
    return (*first, *lets, Loop(once, times, "serial", rest))
