"""How a kernel is spread over the threads of a GPU.

A :class:`Plan` names for each loop what runs it, and where the threads of a block must
wait for one another; `source` writes it out, and nothing else is decided there.

- *map*: the iterations of the nest over `Plan.nest` are spread over all threads of the
  grid, the last axis fastest; each thread has the scratch buffers to itself.
- *rows*: those of the nest are spread over the blocks.  A block's threads all run what
  stands in it, the first one alone stores; inner loops that are *threads* are shared
  out among them, and their carries combined in shared memory.
- *reduce*: the nest carries.  Each block does a chunk of its range, fixed by the shape
  alone, and leaves its carries as partial results; a second launch of one block
  combines them in order and runs what stands after the loop, like a row.
- *single*: one block runs everything, like one row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

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
from .scalars import EXPANDED
from .vectors import wide

Kind: TypeAlias = Literal["map", "rows", "reduce", "single"]
#: What runs a loop's iterations: all threads of the grid, the blocks, the threads of a
#: block, or whoever reaches the loop, one after another.
Spread: TypeAlias = Literal["grid", "blocks", "threads", "serial"]
#: Where a scratch buffer lies: in shared memory or in a global area, with a part for
#: each block or each thread.
Place: TypeAlias = Literal["shared", "thread shared", "block area", "thread area"]

#: Threads of a block; a power of two.
THREADS = 256
#: A loop known to be shorter is left to one thread.
WARP = 32
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
        barriers: positions before which all threads of a block wait for one another;
            always where all of them come by.
        places: where each of `kernel.scratch` lies.
        threads: the threads of a block.
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
    width: int = 1

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The loops of the nest, outermost first."""
        statements = [s for s, _ in walk(self.kernel.body)]
        found = (statements[position] for position in self.nest)
        return tuple(loop for loop in found if isinstance(loop, Loop))

    @property
    def stages(self) -> int:
        """How many launches it takes."""
        return 2 if self.kind == "reduce" else 1


def plan(kernel: Kernel, threads: int = THREADS) -> Plan:
    """Decide how `kernel` is run by blocks of so many `threads`, a power of two.

    Raises ValueError for another number of threads.
    """
    if threads < 1 or threads & (threads - 1):
        raise ValueError(f"a block has a power of two of threads, not {threads}")
    kernel = collapse(hoist(expand_kernel(kernel, EXPANDED)))
    nest = _nest(kernel)
    kind = _kind(kernel, nest)
    if kind in ("map", "reduce"):
        kernel = in_registers(kernel, nest)
        nest = _nest(kernel)
    nest = nest if kind != "single" else ()
    statements = [s for s, _ in walk(kernel.body)]
    positions = {id(s): k for k, s in enumerate(statements)}
    inside = _shared_out(kernel, nest, kind)
    spread: list[Spread] = ["serial"] * len(statements)
    for loop in nest:
        spread[positions[id(loop)]] = "blocks" if kind == "rows" else "grid"
    for loop in inside:
        spread[positions[id(loop)]] = "threads"
    barriers: frozenset[int] = frozenset()
    alone = kind == "single" and not inside
    if kind != "map" and not alone:
        barriers = _barriers(kernel, kind, positions, spread)
    return Plan(
        kind,
        kernel,
        tuple(positions[id(loop)] for loop in nest),
        tuple(spread),
        barriers,
        _places(kernel, kind, threads),
        1 if alone else threads,
        moved.width if kind == "map" and (moved := wide(kernel, nest)) else 1,
    )


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
        if statement.kind != "serial" and not short and independent(statement):
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


def _places(kernel: Kernel, kind: Kind, threads: int) -> tuple[Place, ...]:
    owned = kind in ("map", "reduce")
    left, found = MOST_SHARED, list[Place]()
    for buffer in kernel.scratch:
        size = _size_of(buffer) * (threads if owned else 1)
        fits = 0 < size <= left
        left -= size if owned and fits else 0
        if owned:
            found.append("thread shared" if fits else "thread area")
        else:
            found.append("shared" if fits else "block area")
    return tuple(found)


def _size_of(buffer: Buffer) -> int:
    """The bytes of a buffer; 0 where they are not known."""
    lengths = [e for e in buffer.shape if isinstance(e, int)]
    known = len(lengths) == len(buffer.shape)
    return prod(lengths) * np.dtype(buffer.dtype).itemsize if known else 0


# Barriers


def _barriers(
    kernel: Kernel, kind: Kind, positions: dict[int, int], spread: list[Spread]
) -> frozenset[int]:
    """Where threads must wait, so that each sees what the others have stored."""
    finder = _Barriers(positions, spread)
    body = kernel.body
    if kind == "reduce":
        place = next(
            k
            for k, s in enumerate(body)
            if s.__class__ is Loop and spread[positions[id(s)]] == "grid"
        )
        body = body[place + 1 :]
    finder.block(body)
    return frozenset(finder.found)


class _Barriers:
    """One walk in the order in which a block's threads go.

    `read` and `written` are the buffers touched since all threads last met.
    """

    def __init__(self, positions: dict[int, int], spread: list[Spread]) -> None:
        self.positions = positions
        self.spread = spread
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.found: set[int] = set()

    def block(self, body: Sequence[Statement]) -> None:
        """Recurses into loops, which nest no deeper than arrays have dimensions."""
        for statement in body:
            position = self.positions[id(statement)]
            if isinstance(statement, Loop) and self.spread[position] != "threads":
                # The second time stands for the step from one iteration to the next.
                self.block(statement.body)
                self.block(statement.body)
                continue
            self.unit(statement, position)

    def unit(self, statement: Statement, position: int) -> None:
        """What is done without waiting: one statement, or a loop that is shared out."""
        reads, writes = touched(statement)
        if position in self.found or (
            writes & (self.read | self.written) or reads & self.written
        ):
            self.found.add(position)
            self.read, self.written = set(), set()
        if isinstance(statement, Loop) and statement.carries:
            # All threads meet when the carries are combined.
            self.read, self.written = set(), set()
            return
        self.read |= reads
        self.written |= writes


def touched(statement: Statement) -> tuple[set[str], set[str]]:
    """The buffers that a statement and all in it read and write."""
    inside = [s for s, _ in walk((statement,))]
    stores = [s for s in inside if isinstance(s, Store)]
    reads = {s.buffer for s in inside if isinstance(s, Load)}
    reads |= {s.buffer for s in stores if s.accumulate}
    return reads, {s.buffer for s in stores}
