"""Transposed access in tiles: what is read across rows is first turned round in cache.

Where the vector loop runs along one dimension of an array and the array is contiguous
along the next loop out, each load touches as many cache lines as there are lanes, and
those lines (and pages) are gone before their other elements are needed.  So both loops
run in tiles, and the part of such an array that a tile needs is read along its rows
into scratch memory, transposed.

    parallel i < n                      parallel a < tiles down
      vector j < m                        serial b < tiles across
        u = load x[j, i]                    serial c < columns of the tile
        ...                                   vector r < rows of the tile
                                                v = load x[column + c, row + r]
                                                store turned[r, c] = v
                                            serial r < rows of the tile
                                              vector c < columns of the tile
                                                u = load turned[r, c]
                                                ...
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .ir import (
    Affine,
    Atom,
    Buffer,
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
    walk,
)
from .names import defines, fresh, names_of
from .ranges import Range, part_of, replaced

#: Rows of a tile at the most: runs of 16 cache lines of what is read across rows.
RUN_BYTES, ROWS = 1024, 256
#: Columns of a tile: long runs of what is read and written by rows.  A tile fits into
#: a small second-level cache.
COLUMNS = 192
#: There are so many strips of tiles at the least, so that threads have equal shares.
STRIPS = 8
#: Rows of scratch are longer than the tile's by an odd number of cache lines, so that
#: a column does not fall into a few sets of the cache.
PADDING_BYTES = 64
#: Two loops with fewer steps than this, where that is known, are left as they are.
FEW = 1024


def tiled(kernel: Kernel) -> Kernel:
    """`kernel` with each pair of loops that reads an array across its rows in tiles."""
    for statement, _ in list(walk(kernel.body)):
        if isinstance(statement, Loop):
            turned = _turned(kernel, statement)
            if turned:
                kernel = _Tiling(kernel, statement, turned).kernel_in_tiles()
    return kernel


def _turned(kernel: Kernel, outer: Loop) -> list[Load]:
    """What the vector loop in `outer` loads across rows, if both may run in tiles."""
    if outer.carries or outer.state or outer.kind == "vector" or not outer.body:
        return []
    *before, inner = outer.body
    if not isinstance(inner, Loop) or inner.kind != "vector" or inner.carries:
        return []
    within = [s for s in (*before, *inner.body) if not isinstance(s, Let)]
    stores = [s for s in within if isinstance(s, Store)]
    if not all(isinstance(s, Load) or s in inner.body for s in within):
        return []
    if not all(isinstance(s, Load | Store) for s in within) or _few(outer, inner):
        return []
    written = {s.buffer for s, _ in walk(kernel.body) if isinstance(s, Store)}
    read = {s.buffer for s, _ in walk(outer.body) if isinstance(s, Load)}
    # What reads and writes one array may rely on the order of the steps.
    if any(s.accumulate or s.buffer in read for s in stores):
        return []
    local = {name for s in outer.body for name in defines(s)}
    local.update(name for s in inner.body for name in defines(s))
    return [
        s
        for s in inner.body
        if isinstance(s, Load)
        and s.guard is None
        and s.buffer not in written
        and _across(s.index, outer.axis, inner.axis)
        and local.isdisjoint(name for a in s.index for name, _ in a.terms)
    ]


def _few(outer: Loop, inner: Loop) -> bool:
    """Whether both loops together are known to be short."""
    sizes = (outer.extent, inner.extent)
    a, b = (e if isinstance(e, int) else FEW for e in sizes)
    return a * b < FEW


def _across(index: tuple[Affine, ...], outer: str, inner: str) -> bool:
    """Whether `index` is contiguous along `outer`, and runs along `inner` before."""
    if len(index) < 2:
        return False
    *first, last = index
    along = last.coefficient(outer) == 1 and last.coefficient(inner) == 0
    steps = [a.coefficient(inner) for a in first if a.coefficient(inner)]
    return along and len(steps) == 1 and not any(a.coefficient(outer) for a in first)


@dataclass(slots=True)
class _Tiling:
    """One pair of loops being brought into tiles; see the module's docstring."""

    kernel: Kernel
    outer: Loop
    turned: list[Load]
    taken: set[str] = field(init=False)
    rows: int = field(init=False)
    lanes: int = field(init=False)
    scratch: list[Buffer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.taken = names_of(self.kernel)
        widest = max(np.dtype(load.dtype).itemsize for load in self.turned)
        self.rows = min(ROWS, RUN_BYTES // widest)
        # Of the widest registers that there are, so that squares of them fit in.
        self.lanes = 64 // widest

    def _name(self, name: str) -> str:
        return fresh(name, self.taken)

    def kernel_in_tiles(self) -> Kernel:
        """The whole kernel, with the tiles' loops in the place of the old ones."""
        inner = self.outer.body[-1]
        assert isinstance(inner, Loop)
        down, across = self._name("down"), self._name("across")
        tall, height = self._height(self.outer.extent)
        wide = Const(COLUMNS, "int64")
        row, rows, most_rows = part_of(down, tall, self.outer.extent, self._name)
        column, columns, most = part_of(across, wide, inner.extent, self._name)
        strips, count_down = self._count(self.outer.extent, tall)
        tiles, count_across = self._count(inner.extent, wide)
        packs, held = self._packs(row, column, inner.axis)
        main = self._main(row, column, inner, held)
        tile: tuple[Statement, ...] = (*columns, *packs, main)
        strip: tuple[Statement, ...] = (*rows, Loop(across, tiles, "serial", tile))
        loop = Loop(down, strips, self.outer.kind, strip)
        body = replaced(self.kernel.body, self.outer, loop)
        lets = (*height, most_rows, most, *count_down, *count_across)
        split = self.kernel.split
        return replace(
            self.kernel,
            body=(*lets, *body),
            scratch=(*self.kernel.scratch, *self.scratch),
            split=down if split == self.outer.axis else split,
        )

    def _height(self, extent: Extent) -> tuple[Atom, tuple[Let, ...]]:
        """The rows of a strip of tiles, and what computes them.

        Strips are even in number and as good as equal, for two threads or more.
        """
        lets: list[Let] = []

        def let(op: str, a: Atom, b: Atom) -> Atom:
            lets.append(Let(self._name("height"), op, (a, b), "int64"))
            return lets[-1].name

        def over(a: Atom, b: Atom) -> Atom:
            """``a / b``, rounded up."""
            return let("floordiv", let("add", let("add", a, b), less), b)

        less, one, two, lanes, least, rows = (
            Const(number, "int64")
            for number in (-1, 1, 2, self.lanes, STRIPS, 2 * self.rows)
        )
        squares = over(atom(extent), lanes)
        pairs = over(atom(extent), rows)
        strips = let("max", let("mul", pairs, two), least)
        each = let("max", over(squares, strips), one)
        return let("mul", each, lanes), tuple(lets)

    def _count(self, extent: Extent, side: Atom) -> tuple[Extent, tuple[Let, ...]]:
        """How many tiles there are along a loop."""
        if isinstance(extent, int) and isinstance(side, Const):
            return -(-extent // int(side.value)), ()
        sum_, up, count = (self._name(k) for k in ("sum", "up", "count"))
        lets = (
            Let(sum_, "add", (atom(extent), side), "int64"),
            Let(up, "add", (sum_, Const(-1, "int64")), "int64"),
            Let(count, "floordiv", (up, side), "int64"),
        )
        return count, lets

    def _packs(
        self, row: Range, column: Range, inner: str
    ) -> tuple[list[Loop], dict[str, str]]:
        """Loops that turn what is loaded, and the scratch buffer of each load."""
        packs, held = [], {}
        for load in self.turned:
            padded = COLUMNS + PADDING_BYTES // np.dtype(load.dtype).itemsize
            buffer = Buffer(
                self._name("turned"), load.dtype, (self.rows, padded), "inout"
            )
            self.scratch.append(buffer)
            held[load.name] = buffer.name
            lanes = replace(row, axis=self._name("at"))
            steps = replace(column, axis=self._name("at"))
            value = self._name("found")
            where = (axis(lanes.axis), axis(steps.axis))
            body = lanes.moved((replace(load, name=value),), self.outer.axis)
            body = steps.moved(body, inner)
            along = Loop(
                lanes.axis,
                lanes.extent,
                "vector",
                (*body, Store(buffer.name, where, value)),
            )
            packs.append(Loop(steps.axis, steps.extent, "serial", (along,)))
        return packs, held

    def _main(
        self, row: Range, column: Range, inner: Loop, held: dict[str, str]
    ) -> Loop:
        """What the loops did, for the elements of a tile."""
        where = (axis(row.axis), axis(column.axis))
        body: list[Statement] = []
        for statement in inner.body:
            if isinstance(statement, Load) and statement.name in held:
                turned = held[statement.name]
                statement = replace(statement, buffer=turned, index=where)
            body.append(statement)
        lanes = Loop(
            column.axis, column.extent, "vector", column.moved(tuple(body), inner.axis)
        )
        within = row.moved((*self.outer.body[:-1], lanes), self.outer.axis)
        return Loop(row.axis, row.extent, "serial", within)
