"""How a kernel is spread over the threads of a GPU.

A :class:`Plan` names for each loop what runs it, and where the threads of a block must
wait for one another; `source` writes it out, and nothing else is decided there.

- *map*: the iterations of the nest over `Plan.nest` are spread over all threads of the
  grid, the last axis fastest; each thread has the scratch buffers to itself.
- *rows*: those of the nest are spread over teams: the blocks, or their warps where rows
  are short.  A team's threads all run what stands in it, the first one alone stores;
  inner loops that are *threads* are shared out among them, and their carries combined.
- *reduce*: the nest carries.  Each block does a chunk of its range, fixed by the shape
  alone, and leaves its carries as partial results; the last block that is done combines
  them in order and runs what stands after the loop, like a row.
- *single*: one block runs everything, like one row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np

from ..access import independent
from ..expand import expand_kernel
from ..ir import (
    Buffer,
    Kernel,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    walk,
)
from ..schedule import collapse, hoist
from .registers import in_registers
from .reshape import reshaped
from .scalars import EXPANDED
from .scans import scan_of
from .vectors import wide

Kind: TypeAlias = Literal["map", "rows", "reduce", "single"]
#: What runs a loop's iterations: all threads of the grid, the blocks, their warps, the
#: threads of a team, or whoever reaches the loop, one after another.
Spread: TypeAlias = Literal["grid", "blocks", "warps", "threads", "serial"]
#: Where a scratch buffer lies: in shared memory or in a global area, of a block or with
#: a part for each warp or each thread.
Place: TypeAlias = Literal[
    "shared", "warp shared", "thread shared", "block area", "warp area", "thread area"
]

#: Threads of a block; a power of two.
THREADS = 256
#: Threads of a warp.  A loop known to be shorter is left to one thread.
WARP = 32
#: Rows that are no longer are run by a warp each.
MOST_OF_A_WARP = 1024
#: The most bytes of a block's scratch buffer in shared memory, or of all those that its
#: threads have there.
MOST_SHARED = 16384
#: The fewest iterations in a block's chunk of a reduction, and the most chunks.
LEAST_CHUNK = 4096
MOST_CHUNKS = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """A kernel with what runs each part of it.

    `kernel` is the one that is run: it has the buffers, sizes and scratch of the kernel
    planned, though two dimensions of one may have become one, and scratch may have gone
    into values.  Positions are those of
    ``walk(kernel.body)``.

    Attributes:
        nest: positions of the split loop and of those perfectly nested in it that are
            run together with it, outermost first; empty for *single*.  In a *reduce*
            plan the outer loops' carries are the innermost one's under other names.
        spread: for each position, what runs the loop there ("serial" for statements).
        barriers: positions before which all threads of a team wait for one another;
            always where all of them come by.
        places: where each of `kernel.scratch` lies.
        threads: the threads of a block.
        team: the threads that share out loops among them: a block's, or a warp's.
        warp: the threads of a warp, or of the block where it has fewer.
        width: how many neighbouring iterations of the innermost axis of a *map* each
            thread has at a time, whose elements it moves at once.
    """

    kind: Kind
    kernel: Kernel
    nest: tuple[int, ...]
    spread: tuple[Spread, ...]
    barriers: frozenset[int]
    places: tuple[Place, ...]
    threads: int
    team: int
    warp: int
    width: int = 1

    @property
    def by_warps(self) -> bool:
        """Whether each row is run by a warp, though a block has several."""
        return "warps" in self.spread

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The loops of the nest, outermost first."""
        statements = [s for s, _ in walk(self.kernel.body)]
        found = (statements[position] for position in self.nest)
        return tuple(loop for loop in found if isinstance(loop, Loop))

    def row(self, sizes: Mapping[str, Any]) -> int:
        """The iterations of the longest loop that a team shares out, 0 without any.

        `sizes` are the kernel's, and what is computed from them alone.  A loop whose
        extent is known in the row only counts as long.
        """
        longest = 0
        statements = (s for s, _ in walk(self.kernel.body))
        for statement, spread in zip(statements, self.spread, strict=True):
            if spread == "threads" and isinstance(statement, Loop):
                extent = statement.extent
                known = extent if isinstance(extent, int) else sizes.get(extent)
                length = MOST_OF_A_WARP + 1 if known is None else int(known)
                longest = max(longest, length)
        return longest


def plan(
    kernel: Kernel, threads: int = THREADS, warp: int = WARP, short: bool = False
) -> Plan:
    """Decide how `kernel` is run by blocks of so many `threads`, a power of two.

    `warp` is 32 on a device.  With `short` rows are run by warps: that is for rows of
    up to `MOST_OF_A_WARP` elements, see `Plan.row`.  Raises ValueError for numbers of
    threads that are no powers of two, and for more warps than one has threads.
    """
    warp = _checked(threads, warp)
    ready = collapse(hoist(expand_kernel(reshaped(kernel, threads), EXPANDED)))
    kernel = _sunk(ready)
    nest = _nest(kernel)
    kind = _kind(kernel, nest)
    if kind in ("map", "reduce"):
        kernel = in_registers(kernel, nest)
        nest = _nest(kernel)
    nest = nest if kind != "single" else ()
    statements = [s for s, _ in walk(kernel.body)]
    positions = {id(s): k for k, s in enumerate(statements)}
    inside = _shared_out(kernel, nest, kind)
    by_warps = short and kind == "rows" and warp < threads
    team = warp if by_warps else threads
    spread: list[Spread] = ["serial"] * len(statements)
    for loop in nest:
        where: Spread = "warps" if by_warps else "blocks"
        spread[positions[id(loop)]] = where if kind == "rows" else "grid"
    for loop in inside:
        spread[positions[id(loop)]] = "threads"
    barriers: frozenset[int] = frozenset()
    alone = kind == "single" and not inside
    if kind != "map" and not alone:
        barriers = _barriers(
            kernel, kind, _Barriers(kernel, positions, spread, team > warp)
        )
    return Plan(
        kind,
        kernel,
        tuple(positions[id(loop)] for loop in nest),
        tuple(spread),
        barriers,
        _places(kernel, kind, threads, threads // team),
        1 if alone else threads,
        1 if alone else team,
        1 if alone else warp,
        moved.width if kind == "map" and (moved := wide(kernel, nest)) else 1,
    )


def _checked(threads: int, warp: int) -> int:
    """The threads of a warp, or of a block that has fewer."""
    for count in (threads, warp):
        if count < 1 or count & (count - 1):
            raise ValueError(
                f"blocks and warps have a power of two of threads: {count}"
            )
    if threads > warp**2:
        raise ValueError(f"{threads} threads are more warps than one has threads")
    return min(warp, threads)


def split_loop(kernel: Kernel) -> Loop | None:
    """The loop whose iterations may run at once."""
    for statement in kernel.body:
        if isinstance(statement, Loop) and statement.axis == kernel.split:
            return statement
    return None


def chunks(total: int, threads: int, least: int = LEAST_CHUNK) -> tuple[int, int]:
    """How many chunks a reduction over `total` is cut into, and how long they are.

    They are at least `least` long, where there are several.
    """
    least = max(least, -(-total // MOST_CHUNKS))
    length = -(-least // threads) * threads
    return max(1, -(-total // length)), length


def _nest(kernel: Kernel) -> tuple[Loop, ...]:
    """The split loop and the loops in it whose iterations can be dealt out with its."""
    loop = split_loop(kernel)
    nest: list[Loop] = []
    while loop is not None:
        nest.append(loop)
        match loop.body:
            case (Loop() as inner,) if _joins(loop, inner):
                loop = inner
            case _:
                loop = None
    return tuple(nest)


def _sunk(kernel: Kernel) -> Kernel:
    """`kernel` with integers computed in loops that can be dealt out, not between them.

    That is for serial loops in the split loop: more threads, and little more work.
    """
    split = split_loop(kernel)
    if split is None:
        return kernel
    outer: list[Loop] = []
    loop, changed = split, False
    while True:
        *lets, last = loop.body or (None,)
        cheap = all(isinstance(s, Let) and s.dtype in ("int64", "bool") for s in lets)
        serial = isinstance(last, Loop) and last.kind == "serial" and not last.state
        if not cheap or not isinstance(last, Loop) or not serial:
            break
        if not _joins(loop, last):
            break
        outer.append(loop)
        changed |= bool(lets)
        loop = replace(last, body=(*(s for s in lets if s is not None), *last.body))
    if not changed:
        return kernel
    for each in reversed(outer):
        loop = replace(each, body=(loop,))
    body = tuple(loop if s is split else s for s in kernel.body)
    return replace(kernel, body=body)


def _joins(outer: Loop, inner: Loop) -> bool:
    """Whether two perfectly nested loops can be run as one, in any order."""
    handed = [(c.name, c.combine, c.dtype) for c in inner.carries]
    wanted = [(c.value, c.combine, c.dtype) for c in outer.carries]
    return not inner.state and handed == wanted and independent(inner)


def _kind(kernel: Kernel, nest: tuple[Loop, ...]) -> Kind:
    if not nest:
        return "single"
    if nest[0].carries:
        place = next(k for k, s in enumerate(kernel.body) if s is nest[0])
        # Both launches of a reduction do what stands before the loop.
        simple = all(isinstance(s, Let | Load) for s in kernel.body[:place])
        return "reduce" if simple else "single"
    return "rows" if any(_outermost_wide(nest[-1].body)) else "map"


def _outermost_wide(body: Sequence[Statement]) -> Iterator[Loop]:
    """The outermost loops in `body` that a block's threads can share out.

    Recurses into loops, which nest no deeper than arrays have dimensions.
    """
    for statement in body:
        if not isinstance(statement, Loop):
            continue
        short = isinstance(statement.extent, int) and statement.extent < WARP
        wide = statement.kind != "serial" and independent(statement)
        if not short and (wide or scan_of(statement)):
            yield statement
        else:
            yield from _outermost_wide(statement.body)


def _shared_out(kernel: Kernel, nest: tuple[Loop, ...], kind: Kind) -> list[Loop]:
    """The loops that are run by the threads of a block."""
    match kind:
        case "map":
            return []
        case "reduce":
            place = next(k for k, s in enumerate(kernel.body) if s is nest[0])
            return list(_outermost_wide(kernel.body[place + 1 :]))
        case "rows":
            above = [s for s in kernel.body if s is not nest[0]]
            return [*_outermost_wide(above), *_outermost_wide(nest[-1].body)]
        case "single":
            return list(_outermost_wide(kernel.body))


def _places(kernel: Kernel, kind: Kind, threads: int, teams: int) -> tuple[Place, ...]:
    """Where scratch lies; `teams` of a block share its memory."""
    owned = kind in ("map", "reduce")
    owners = threads if owned else teams
    shared, area = _OF_OWNERS["thread" if owned else "warp" if teams > 1 else "block"]
    left, found = MOST_SHARED, list[Place]()
    for buffer in kernel.scratch:
        size = _size_of(buffer) * owners
        fits = 0 < size <= left
        left -= size if owned and fits else 0
        found.append(shared if fits else area)
    return tuple(found)


#: Memory that is a block's, a warp's, and a thread's.
_OF_OWNERS: dict[str, tuple[Place, Place]] = {
    "block": ("shared", "block area"),
    "warp": ("warp shared", "warp area"),
    "thread": ("thread shared", "thread area"),
}


def _size_of(buffer: Buffer) -> int:
    """The bytes of a buffer; 0 where they are not known."""
    lengths = [e for e in buffer.shape if isinstance(e, int)]
    known = len(lengths) == len(buffer.shape)
    return prod(lengths) * np.dtype(buffer.dtype).itemsize if known else 0


# Barriers


def _barriers(kernel: Kernel, kind: Kind, finder: _Barriers) -> frozenset[int]:
    """Where threads must wait, so that each sees what the others have stored."""
    body = kernel.body
    if kind == "reduce":
        place = next(
            k
            for k, s in enumerate(body)
            if s.__class__ is Loop and finder.spread[finder.positions[id(s)]] == "grid"
        )
        body = body[place + 1 :]
    finder.block(body)
    return frozenset(finder.found)


@dataclass(frozen=True, slots=True)
class _Touch:
    """An access to a buffer.

    `place` is the same for two accesses to it where they can only meet in iterations
    that one thread runs: that of number k modulo the team's threads runs iteration k of
    every loop that is shared out.
    """

    buffer: str
    writes: bool
    place: tuple[object, ...] | None

    def meets(self, other: _Touch) -> bool:
        """Whether threads must wait between the two."""
        return (
            self.buffer == other.buffer
            and (self.writes or other.writes)
            and (self.place is None or self.place != other.place)
        )


class _Barriers:
    """One walk in the order in which a team's threads go.

    `touched` is what was touched since all threads last met.  Where they meet, as
    several warps do, when carries are combined, `meets` is true.
    """

    def __init__(
        self,
        kernel: Kernel,
        positions: dict[int, int],
        spread: list[Spread],
        meets: bool,
    ) -> None:
        self.sizes = frozenset(kernel.sizes)
        self.scratch = {buffer.name for buffer in kernel.scratch}
        self.positions = positions
        self.spread = spread
        self.meets = meets
        self.touched: set[_Touch] = set()
        self.found: set[int] = set()

    def block(self, body: Sequence[Statement]) -> None:
        """Recurses into loops, which nest no deeper than arrays have dimensions."""
        for statement in body:
            position = self.positions[id(statement)]
            if isinstance(statement, Loop) and self.spread[position] != "threads":
                self.block(statement.body)
                if self.spread[position] in ("blocks", "warps"):
                    # Rows have nothing to do with one another, but for the scratch.
                    kept = {t for t in self.touched if t.buffer in self.scratch}
                    self.touched = kept
                # The second time stands for the step from one iteration to the next.
                self.block(statement.body)
                continue
            self.unit(statement, position)

    def unit(self, statement: Statement, position: int) -> None:
        """What is done without waiting: one statement, or a loop that is shared out."""
        mine = set(self.touches(statement))
        if position in self.found or any(
            new.meets(old) for new in mine for old in self.touched
        ):
            self.found.add(position)
            self.touched = set()
        if isinstance(statement, Loop) and statement.carries and self.meets:
            # Shuffles alone order nothing in memory.
            self.touched = set()
            return
        self.touched |= mine

    def touches(self, statement: Statement) -> Iterator[_Touch]:
        """The accesses of a statement and of all in it."""
        axis = statement.axis if isinstance(statement, Loop) else None
        for inside, _ in walk((statement,)):
            if isinstance(inside, Load | Store):
                writes = isinstance(inside, Store)
                place = self.place(inside, axis)
                if writes and axis is None:
                    place = ("the first thread",)
                yield _Touch(inside.buffer, writes, place)

    def place(
        self, access: Load | Store, axis: str | None
    ) -> tuple[object, ...] | None:
        """An index that is another one in each iteration over `axis`, and always so."""
        for number, index in enumerate(access.index):
            others = [term for term in index.terms if term[0] != axis]
            if axis and index.coefficient(axis) and self.sizes.issuperset(dict(others)):
                whole = (*sorted(others), ("", index.const))
                return number, index.coefficient(axis), whole
        return None
