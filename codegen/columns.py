"""Reductions down the columns of a matrix: in blocks of rows, and then over the blocks.

A kernel that runs down each column touches every page of memory again for each strip
of columns, and a matrix of few columns gives work to few threads.  So each tile, a
block of rows by a strip of columns, is read a few rows at a time into parts, one for
each column, which stay in the nearest cache, and a second kernel combines those of all
blocks and does what else there was to do.

    vector j < m                        parallel tile < blocks * strips
      serial i < n -> s = sum v           serial g < groups of rows of the tile
        v = load x[i, j]                    vector c < columns of the tile
      ...                                     serial r < rows of g -> t = sum v
                                                v = load x[row + r, column + c]
                                              store part[block, column + c] += t
                                        vector j < m
                                          serial b < blocks -> s = sum q
                                            q = load part[b, j]
                                          ...

Of few columns a block is small, and is in the nearest cache whichever way it is read.
So it is read down the columns there, and the parts are sums in registers:

    vector c < columns of the tile
      serial r < rows of the tile -> t = sum v
        v = load x[row + r, column + c]
      store part[block, column + c] = t
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Literal

from .ir import (
    COMBINERS,
    Buffer,
    Carry,
    Const,
    Extent,
    Kernel,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    atom,
    axis,
    identity,
    walk,
)
from .names import fresh, names_of
from .program import Array, Launch, Program, Step
from .ranges import Range, part_of

#: Rows in a block: enough that the parts are a small share of what is read.
ROWS = 128
#: Columns in a strip: several pages of each row, whose parts stay in L1 or nearly.
COLUMNS = 4096
#: Rows that are read side by side: they take turns in bringing pages, and the parts
#: move once for all of them.
TOGETHER = 8
#: So many columns are few: beside their loads, parts in memory would take long.
NARROW = 32
#: A reduction of fewer rows, where that is known, is left as it is.
FEW = 256


def blocked(program: Program) -> Program:
    """`program` with each reduction over the rows of a matrix in two steps.

    The temporaries that hold the parts live from one launch to the next, so that they
    can all share one slot of the arena.
    """
    made = _Blocked(program)
    for step in program.steps:
        found = _column_reduction(step) if isinstance(step, Launch) else None
        if found is None:
            made.steps.append(step)
        else:
            made.add(*found)
    arrays = (*program.arrays, *made.parts)
    host = (*program.host, *made.host)
    return replace(program, arrays=arrays, host=host, steps=tuple(made.steps))


def _column_reduction(step: Launch) -> tuple[Launch, Loop, Loop] | None:
    """The loops over columns and over rows of a launch that is such a reduction."""
    kernel = step.kernel
    loops = [s for s in kernel.body if isinstance(s, Loop)]
    if len(loops) != 1 or kernel.body[-1] is not loops[0] or kernel.scratch:
        return None
    (outer,) = loops
    inner = [s for s in outer.body if isinstance(s, Loop)]
    if outer.axis != kernel.split or outer.kind != "vector" or len(inner) != 1:
        return None
    (rows,) = inner
    place = outer.body.index(rows)
    before = all(isinstance(s, Let | Load) for s in outer.body[:place])
    after = all(isinstance(s, Let | Load | Store) for s in outer.body[place + 1 :])
    within = all(isinstance(s, Let | Load | Loop) for s, _ in walk(rows.body))
    if not (rows.carries and before and after and within):
        return None
    nest = _nest(rows)
    known = prod(loop.extent for loop in nest if isinstance(loop.extent, int))
    few = known < FEW and all(isinstance(loop.extent, int) for loop in nest)
    return (step, outer, rows) if nest and not few else None


def _nest(rows: Loop) -> list[Loop]:
    """`rows` and the loops in it, if each carries just what the next one inwards does.

    Empty if not.
    """
    nest = [rows]
    while inner := [s for s in nest[-1].body if isinstance(s, Loop)]:
        handed = [(c.value, c.combine) for c in nest[-1].carries]
        if len(inner) > 1 or handed != [(c.name, c.combine) for c in inner[0].carries]:
            return []
        nest += inner
    return nest


@dataclass(slots=True)
class _Blocked:
    """The new steps, and the sizes and arrays that they need."""

    program: Program
    steps: list[Step] = field(default_factory=list)
    host: list[Let] = field(default_factory=list)
    parts: list[Array] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def add(self, launch: Launch, outer: Loop, rows: Loop) -> None:
        """The two launches in the place of `launch`."""
        sizes = dict(zip(launch.kernel.sizes, launch.sizes, strict=True))

        def outside(extent: Extent) -> Extent:
            return extent if isinstance(extent, int) else sizes[extent]

        each: Extent = 1  # the steps of one row
        for loop in _nest(rows)[1:]:
            each = self._let("mul", each, outside(loop.extent))
        some = self._let("max", each, 1)
        height = self._let("max", self._let("floordiv", ROWS, some), 1)
        # There are no blocks without steps: nothing would begin their parts.
        full = self._let("mul", outside(rows.extent), self._let("min", each, 1))
        blocks = self._ratio(full, height)
        strips = self._ratio(outside(outer.extent), COLUMNS)
        tiles = self._let("mul", blocks, strips)
        shape = (blocks, outside(outer.extent))
        names = tuple(self._part(carry, shape) for carry in rows.carries)
        columns = outside(outer.extent)
        for narrow, some in self._ways(columns, tiles, len(_nest(rows)) > 1):
            kernel = _Split(launch.kernel, outer, rows).first(narrow=narrow)
            more = (height, blocks, strips, some)
            self.steps.append(_launch(launch, kernel, names, more))
        combined = _Split(launch.kernel, outer, rows).second()
        self.steps.append(_launch(launch, combined, names, (blocks,)))

    def _ways(
        self, columns: Extent, tiles: Extent, nested: bool
    ) -> list[tuple[bool, Extent]]:
        """Whether tiles are narrow, and how many there are: one way has none."""
        if nested or isinstance(columns, int):
            return [(not nested and int(columns) <= NARROW, tiles)]
        some = self._let("min", 1, self._let("sub", NARROW + 1, columns))
        flag = self._let("max", 0, some)
        narrow = self._let("mul", tiles, flag)
        return [(True, narrow), (False, self._let("sub", tiles, narrow))]

    def _ratio(self, a: Extent, b: Extent) -> Extent:
        """a / b, rounded up."""
        up = self._let("add", a, self._let("sub", b, 1))
        return self._let("floordiv", up, b)

    def _let(self, op: str, a: Extent, b: Extent) -> Extent:
        """A size computed from two."""
        if isinstance(a, int) and isinstance(b, int):
            return _FOLDED[op](a, b)
        args = (atom(a), atom(b))
        for let in self.host:
            if (let.op, let.args) == (op, args):
                return let.name
        self.host.append(Let(self._fresh("size"), op, args, "int64"))
        return self.host[-1].name

    def _part(self, carry: Carry, shape: tuple[Extent, ...]) -> str:
        """A new temporary array for the parts of a reduction."""
        held = [a.slot for a in self.program.arrays if a.slot is not None]
        slot = max(held, default=-1) + 1 + len(self.parts)
        name = self._fresh("part")
        self.parts.append(Array(name, carry.dtype, shape, "temp", slot))
        return name

    def _fresh(self, name: str) -> str:
        """A name that no array and no size of the program has."""
        if not self.taken:
            self.taken.update(a.name for a in self.program.arrays)
            shapes = [e for a in self.program.arrays for e in a.shape]
            self.taken.update(e for e in shapes if isinstance(e, str))
            self.taken.update(s.name for s in self.program.host)
        return fresh(name, self.taken)


_FOLDED: dict[str, Callable[[int, int], int]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "floordiv": operator.floordiv,
    "max": max,
    "min": min,
}


def _launch(
    launch: Launch, kernel: Kernel, parts: tuple[str, ...], sizes: tuple[Extent, ...]
) -> Launch:
    """A launch of `kernel`, whose buffers are some of the old ones and then `parts`."""
    arrays = dict(
        zip((b.name for b in launch.kernel.buffers), launch.arrays, strict=True)
    )
    kept = [arrays[b.name] for b in kernel.buffers[: -len(parts)]]
    return Launch(kernel, (*kept, *parts), (*launch.sizes, *sizes))


@dataclass(slots=True)
class _Split:
    """One kernel made into two; see the module's docstring."""

    kernel: Kernel
    outer: Loop
    rows: Loop
    taken: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.taken = names_of(self.kernel)

    def _name(self, name: str) -> str:
        return fresh(name, self.taken)

    def _parts(self, blocks: str, mode: Literal["in", "inout"]) -> tuple[Buffer, ...]:
        shape = (blocks, self.outer.extent)
        return tuple(
            Buffer(self._name("part"), c.dtype, shape, mode) for c in self.rows.carries
        )

    def first(self, *, narrow: bool) -> Kernel:
        """Each tile's parts, of `narrow` ones by columns, else by rows."""
        names = ("height", "blocks", "strips", "tiles", "tile", "block", "strip")
        height, blocks, strips, tiles, tile, block, strip = map(self._name, names)
        done, width = self._name("done"), Const(COLUMNS, "int64")
        row, these_rows, most_rows = part_of(
            block, height, self.rows.extent, self._name
        )
        column, these, most = part_of(strip, width, self.outer.extent, self._name)
        parts = self._parts(blocks, "inout")
        known: tuple[Let, ...] = ()
        if narrow:
            within = self._narrow_tile(row, column, block, parts)
        else:
            known, within = self._tile(row, column, block, parts, height)
        body: tuple[Statement, ...] = (
            Let(block, "floordiv", (tile, strips), "int64"),
            Let(done, "mul", (block, strips), "int64"),
            Let(strip, "sub", (tile, done), "int64"),
            *these_rows,
            *these,
            *within,
        )
        loop = Loop(tile, tiles, "parallel", body)
        whole = (*self.kernel.body[:-1], most_rows, most, *known, loop)
        sizes = (height, blocks, strips, tiles)
        suffix = "narrow_parts" if narrow else "parts"
        return self._made(suffix, whole, parts, tile, sizes)

    def _narrow_tile(
        self, row: Range, column: Range, block: str, parts: tuple[Buffer, ...]
    ) -> tuple[Statement, ...]:
        """The loops over a tile of few columns: down each of them."""
        where = (axis(block), axis(self.outer.axis))
        body = row.moved(self.rows.body, self.rows.axis)
        down = replace(self.rows, axis=row.axis, extent=row.extent, body=body)
        stores = (
            Store(part.name, where, carry.name)
            for part, carry in zip(parts, self.rows.carries, strict=True)
        )
        return (self._along(column, (down, *stores)),)

    def _tile(
        self,
        row: Range,
        column: Range,
        block: str,
        parts: tuple[Buffer, ...],
        height: str,
    ) -> tuple[tuple[Let, ...], tuple[Statement, ...]]:
        """The loops over a tile, and what there is to know for them before all loops.

        The parts take in some rows after others; what they hold before the first rows
        means nothing.
        """
        if len(_nest(self.rows)) > 1:
            return (), self._nested_tile(row, column, block, parts)
        group, groups = self._name("group"), self._name("groups")
        few, these = self._few(group, row.extent)
        body = few.moved(row.moved(self.rows.body, self.rows.axis), row.axis)
        down = replace(self.rows, axis=few.axis, extent=few.extent, body=body)
        again = Let(self._name("again"), "gt", (group, atom(0)), "bool")
        taken = self._taken(self.rows.carries, parts, block, again.name, of_loop=True)
        inside = self._along(column, (down, *taken))
        most = self._groups(height, self._name("most"))
        count = self._groups(row.extent, self._name("count"))
        some = Let(groups, "min", (most[-1].name, count[-1].name), "int64")
        loop = Loop(group, groups, "serial", (*these, again, inside))
        return most, (*count, some, loop)

    def _groups(self, rows: str, name: str) -> tuple[Let, ...]:
        """How many groups there are of so many rows."""
        up = Let(self._name("up"), "add", (rows, atom(TOGETHER - 1)), "int64")
        return up, Let(name, "floordiv", (up.name, atom(TOGETHER)), "int64")

    def _few(self, group: str, rows: str) -> tuple[Range, tuple[Let, ...]]:
        """The rows of a group, as a part of so many.

        Unlike `part_of`, whose limit follows from sizes: so many are none of those.
        """
        begin, left, some = map(self._name, ("begin", "left", "some"))
        lets = (
            Let(begin, "mul", (group, atom(TOGETHER)), "int64"),
            Let(left, "sub", (rows, begin), "int64"),
            Let(some, "min", (left, atom(TOGETHER)), "int64"),
        )
        return Range(begin, self._name("at"), self._name("place"), some), lets

    def _nested_tile(
        self, row: Range, column: Range, block: str, parts: tuple[Buffer, ...]
    ) -> tuple[Statement, ...]:
        """As `_tile` where a row takes a loop itself: one step of that at a time."""
        nest = _nest(self.rows)
        begins, again = self._again([row.axis, *(loop.axis for loop in nest[1:])])
        taken = self._taken(nest[-1].carries, parts, block, again, of_loop=False)
        kept = [s for loop in nest for s in loop.body if not isinstance(s, Loop)]
        inside = self._along(column, row.moved((*kept, *taken), self.rows.axis))
        within: tuple[Statement, ...] = (*begins, inside)
        for loop in reversed(nest[1:]):
            within = (Loop(loop.axis, loop.extent, "serial", within),)
        return (Loop(row.axis, row.extent, "serial", within),)

    def _taken(
        self,
        carries: tuple[Carry, ...],
        parts: tuple[Buffer, ...],
        block: str,
        again: str,
        *,
        of_loop: bool,
    ) -> list[Statement]:
        """What takes the carries' values into the parts, or if `of_loop` results."""
        where, steps = (axis(block), axis(self.outer.axis)), list[Statement]()
        for part, carry in zip(parts, carries, strict=True):
            held, old, new = map(self._name, ("held", "old", "new"))
            start = identity(carry.combine, carry.dtype)
            op, dtype = COMBINERS[carry.combine], carry.dtype
            steps += [
                Load(held, part.name, where, dtype),
                Let(old, "select", (again, held, start), dtype),
                Let(new, op, (old, carry.name if of_loop else carry.value), dtype),
                Store(part.name, where, new),
            ]
        return steps

    def _along(self, column: Range, body: tuple[Statement, ...]) -> Loop:
        """The loop along the columns of a tile, with what comes before the rows."""
        place = self.outer.body.index(self.rows)
        lanes = column.moved((*self.outer.body[:place], *body), self.outer.axis)
        return Loop(column.axis, column.extent, "vector", lanes)

    def _again(self, axes: list[str]) -> tuple[list[Let], str]:
        """Whether this is not the first step of loops over `axes`."""
        zero = Const(0, "int64")
        lets = [Let(self._name("again"), "gt", (axes[0], zero), "bool")]
        for each in axes[1:]:
            more = Let(self._name("more"), "gt", (each, zero), "bool")
            both = (lets[-1].name, more.name)
            lets += [more, Let(self._name("again"), "or", both, "bool")]
        return lets, lets[-1].name

    def second(self) -> Kernel:
        """The parts combined, and what the kernel did after that."""
        blocks, block = self._name("blocks"), self._name("block")
        parts = self._parts(blocks, "in")
        where = (axis(block), axis(self.outer.axis))
        carries, loads = [], []
        for carry, part in zip(self.rows.carries, parts, strict=True):
            loads.append(Load(self._name("found"), part.name, where, carry.dtype))
            carries.append(replace(carry, value=loads[-1].name))
        loop = Loop(block, blocks, "serial", tuple(loads), tuple(carries))
        place = self.outer.body.index(self.rows)
        body = (*self.outer.body[:place], loop, *self.outer.body[place + 1 :])
        whole = (*self.kernel.body[:-1], replace(self.outer, body=body))
        return self._made("combined", whole, parts, self.outer.axis, (blocks,))

    def _made(
        self,
        suffix: str,
        body: tuple[Statement, ...],
        parts: tuple[Buffer, ...],
        split: str,
        sizes: tuple[str, ...],
    ) -> Kernel:
        """A kernel of the old one's name and sizes, and of the arrays that it uses."""
        used = {s.buffer for s, _ in walk(body) if isinstance(s, Load | Store)}
        buffers = tuple(b for b in self.kernel.buffers if b.name in used)
        name = f"{self.kernel.name}_{suffix}"
        sizes = (*self.kernel.sizes, *sizes)
        return Kernel(name, (*buffers, *parts), sizes, body, split)
