"""Rows that are asked for ahead of their use.

A kernel that goes over each row several times waits for memory in the first loop over a
row, and again where the results are stored, while memory is idle in between.  So the
loop in between that does the most work asks for the next row of what is loaded, and for
this row of what will be stored: a request for each register, which costs next to
nothing.  Machines see such patterns themselves only within a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..ir import Affine, Const, Extent, Kernel, Let, Load, Loop, Store, axis, walk

#: Longer rows (in bytes) would push each other out of the first cache.
MOST_ROW = 16384


@dataclass(frozen=True, slots=True)
class Ahead:
    """An element of `buffer` in each iteration, where it will be loaded or stored.

    `row` is the extent of a whole row, if all of it is asked for.
    """

    buffer: str
    index: tuple[Affine, ...]
    itemsize: int
    writes: bool = False
    row: Extent | None = None


def asked_ahead(kernel: Kernel) -> Mapping[int, tuple[Ahead, ...]]:
    """What is asked for in each vector loop, by the loop's `id`."""
    return _next_rows(kernel) | _next_tiles(kernel)


def _next_rows(kernel: Kernel) -> dict[int, tuple[Ahead, ...]]:
    rows = _rows(kernel)
    if rows is None:
        return {}
    loops = [s for s in rows.body if isinstance(s, Loop) and s.kind == "vector"]
    found: dict[int, list[Ahead]] = {}
    for buffer in kernel.buffers:
        loads = [k for k, loop in enumerate(loops) if _index(loop, buffer.name, Load)]
        stores = [k for k, loop in enumerate(loops) if _index(loop, buffer.name, Store)]
        if bool(loads) == bool(stores):
            continue
        first = (loads or stores)[0]
        loop = loops[first]
        index = _index(loop, buffer.name, Load if loads else Store)
        others = range(first + 1, len(loops)) if loads else range(first)
        if index is None or not others or not _along(index, rows.axis, loop.axis):
            continue
        where = max(others, key=lambda k: sum(1 for _ in walk(loops[k].body)))
        if loops[where].axis != loop.axis or loops[where].extent != loop.extent:
            continue
        if loads:
            index = tuple(i + i.coefficient(rows.axis) for i in index)
        size = np.dtype(buffer.dtype).itemsize
        made = Ahead(buffer.name, index, size, bool(stores), loop.extent)
        found.setdefault(id(loops[where]), []).append(made)
    return {place: tuple(each) for place, each in found.items()}


def _next_tiles(kernel: Kernel) -> dict[int, tuple[Ahead, ...]]:
    """The vector loops over rows of tiles, where these lie side by side."""
    sizes = {b.name: np.dtype(b.dtype).itemsize for b in kernel.buffers}
    found: dict[int, tuple[Ahead, ...]] = {}
    for tiles, _ in walk(kernel.body):
        if not isinstance(tiles, Loop) or tiles.kind != "serial":
            continue
        begins = _begins(tiles)
        rows = [s for s in tiles.body if isinstance(s, Loop) and s.kind == "serial"]
        pairs = [(r.axis, r.body[-1]) for r in rows if r.body] if begins else []
        for row, loop in pairs:
            if not isinstance(loop, Loop) or loop.kind != "vector":
                continue
            asked = tuple(
                Ahead(s.buffer, (*s.index[:-1], s.index[-1] + width), sizes[s.buffer])
                for s in loop.body
                if isinstance(s, Load) and s.guard is None and s.buffer in sizes
                for begin, width in begins.items()
                if s.index and s.index[-1] == axis(begin) + axis(loop.axis)
                if any(i.coefficient(row) for i in s.index[:-1])
            )
            if asked:
                found[id(loop)] = asked
    return found


def _begins(tiles: Loop) -> dict[str, int]:
    """What says where each tile begins, and how far from one another that is."""
    return {
        s.name: int(s.args[1].value)
        for s in tiles.body
        if isinstance(s, Let) and s.op == "mul" and s.args[0] == tiles.axis
        if isinstance(s.args[1], Const)
    }


def _rows(kernel: Kernel) -> Loop | None:
    """The split loop, where its iterations are rows."""
    for statement in kernel.body:
        if isinstance(statement, Loop) and statement.axis == kernel.split:
            return statement if statement.kind == "parallel" else None
    return None


def _index(
    loop: Loop, buffer: str, kind: type[Load] | type[Store]
) -> tuple[Affine, ...] | None:
    """Where `loop` first accesses `buffer`; None if it does not, or on a condition."""
    for statement in loop.body:
        if isinstance(statement, kind) and statement.buffer == buffer:
            return None if getattr(statement, "guard", None) else statement.index
    return None


def _along(index: tuple[Affine, ...], row: str, column: str) -> bool:
    """Whether an access runs along memory, in other places for other rows."""
    if not index or index[-1].coefficient(column) != 1:
        return False
    if any(i.coefficient(column) for i in index[:-1]):
        return False
    names = {name for i in index for name, _ in i.terms}
    return row in names and names <= {row, column}


__all__ = ["MOST_ROW", "Ahead", "asked_ahead"]
