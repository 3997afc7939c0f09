"""Reductions of long columns: many threads for each, in two kernels.

A kernel that reduces one axis for each place beside it has a thread for each place.
Where these are few, the rows are dealt out to *groups*, row r to group r modulo their
number: neighbouring threads then have neighbouring columns, and after those the next
row's.  The first kernel leaves each group's part, the second combines them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from ..interpret import size_of
from ..ir import (
    Atom,
    Buffer,
    Carry,
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
from ..names import fresh, names_of, only_read

#: The threads there are to be, for each thread of a block.
BLOCKS = 256
#: A group has the threads of a block by this of rows, or more.
SHARE = 16


@dataclass(frozen=True, slots=True)
class Columns:
    """A kernel in which each iteration of `nest` reduces one long axis first.

    Attributes:
        nest: the loops over columns, outermost first, the first one at the top level.
        before: what stands in them before the reduction.
        along: the reduction; it stores nothing.
        after: what follows, no loops.
    """

    kernel: Kernel
    nest: tuple[Loop, ...]
    before: tuple[Statement, ...]
    along: Loop
    after: tuple[Statement, ...]

    def few(self, sizes: Mapping[str, Any], threads: int) -> bool:
        """Whether there are more rows, and fewer columns, than are good for a thread.

        `sizes` are the kernel's, and what its first statements compute from them.
        """
        count = prod(int(size_of(loop.extent, sizes)) for loop in self.nest)
        rows = int(size_of(self.along.extent, sizes))
        return 0 < 4 * count <= threads * BLOCKS and rows >= threads

    def cut(self, threads: int) -> tuple[Kernel, Kernel]:
        """The kernel as two, with a buffer for each carry's parts between them."""
        return _Cut(self, threads).kernels()


def columns_of(kernel: Kernel, nest: tuple[Loop, ...]) -> Columns | None:
    """`kernel`, whose iterations over `nest` have a thread each, as columns, if so."""
    if not nest or nest[0].carries:
        return None
    above = [s for s in kernel.body if s is not nest[0]]
    if not all(isinstance(s, Let | Load) for s in above):
        return None
    known = {*kernel.sizes, *(s.name for s in above if isinstance(s, Let))}
    body = nest[-1].body
    for place, statement in enumerate(body):
        match statement:
            case Let() | Load():
                continue
            case Loop() as along if along.carries and not along.state:
                inside = [s for s, _ in walk(along.body)]
                stores = any(isinstance(s, Store) for s in inside)
                simple = isinstance(along.extent, int) or along.extent in known
                loops = all(
                    isinstance(x.extent, int) or x.extent in known for x in nest
                )
                after = body[place + 1 :]
                # In the second kernel a loop that follows would be one thread's.
                follows = any(isinstance(s, Loop) for s in after)
                if stores or follows or not simple or not loops:
                    return None
                return Columns(kernel, nest, body[:place], along, after)
        return None
    return None


class _Cut:
    """The two kernels."""

    def __init__(self, columns: Columns, threads: int) -> None:
        self.columns = columns
        self.threads = threads
        self.kernel = columns.kernel
        taken = names_of(self.kernel)
        self.lets: list[Let] = []
        self.fresh = lambda name: fresh(name, taken)
        self.groups = self._groups()
        self.group = self.fresh("group")
        rows = atom(columns.along.extent)
        more = self.let("turns", "add", rows, self.groups)
        last = self.let("turns", "sub", more, atom(1))
        # So many rows the first `rest` groups have; the others have `fewer`.
        self.turns = self.let("turns", "floordiv", last, self.groups)
        self.fewer = self.let("fewer", "sub", self.turns, atom(1))
        full = self.let("full", "mul", self.fewer, self.groups)
        self.rest = self.let("rest", "sub", rows, full)
        shape = (*(loop.extent for loop in columns.nest), self.groups)
        self.parts = [
            Buffer(self.fresh(f"{c.name}_parts"), c.dtype, shape, "out")
            for c in columns.along.carries
        ]
        self.place = tuple(
            axis(name) for name in (*(loop.axis for loop in columns.nest), self.group)
        )

    def let(self, name: str, op: str, *args: Atom) -> str:
        """One more value that follows from the sizes."""
        found = self.fresh(name)
        self.lets.append(Let(found, op, args, "int64"))
        return found

    def _groups(self) -> str:
        """How many groups there are: by the shape alone."""
        columns: Atom = atom(1)
        for loop in self.columns.nest:
            columns = self.let("columns", "mul", columns, atom(loop.extent))
        some = self.let("columns", "max", columns, atom(1))
        wanted = self.let("groups", "floordiv", atom(self.threads * BLOCKS), some)
        least = atom(max(1, self.threads // SHARE))
        most = self.let("groups", "floordiv", atom(self.columns.along.extent), least)
        fewer = self.let("groups", "min", wanted, most)
        return self.let("groups", "max", fewer, atom(1))

    def kernels(self) -> tuple[Kernel, Kernel]:
        """What leaves the parts, and what combines them."""
        return self._leaving(), self._combining()

    def _leaving(self) -> Kernel:
        along, group, groups = self.columns.along, self.group, self.groups
        turn, longer, count, first = (
            self.fresh(n) for n in ("turn", "longer", "count", "first")
        )
        lets = (
            # Rows group, group + groups, ...: so many of them are less than the extent.
            Let(longer, "lt", (group, self.rest), "bool"),
            Let(count, "select", (longer, self.turns, self.fewer), "int64"),
        )
        row = (
            Let(first, "mul", (turn, groups), "int64"),
            Let(along.axis, "add", (first, group), "int64"),
        )
        loop = replace(along, axis=turn, extent=count, body=(*row, *along.body))
        pairs = zip(self.parts, along.carries, strict=True)
        stores = (Store(b.name, self.place, c.name) for b, c in pairs)
        body: tuple[Statement, ...] = (*self.columns.before, *lets, loop, *stores)
        for each in reversed(self.columns.nest):
            body = (replace(each, kind="serial", body=body),)
        whole = Loop(group, groups, "parallel", body)
        return replace(
            self.kernel,
            name=f"{self.kernel.name}_parts",
            buffers=(*only_read(self.kernel, (*self._above(), whole)), *self.parts),
            body=(*self._above(), whole),
            split=group,
            scratch=(),
        )

    def _combining(self) -> Kernel:
        carries: list[Carry] = []
        loads: list[Statement] = []
        for part, carry in zip(self.parts, self.columns.along.carries, strict=True):
            name = self.fresh("part")
            loads.append(Load(name, part.name, self.place, part.dtype))
            carries.append(replace(carry, value=name))
        loop = Loop(self.group, self.groups, "vector", tuple(loads), tuple(carries))
        body: tuple[Statement, ...] = (*self.columns.before, loop, *self.columns.after)
        for each in reversed(self.columns.nest):
            body = (replace(each, body=body),)
        given = tuple(replace(part, mode="in") for part in self.parts)
        return replace(
            self.kernel,
            buffers=(*self.kernel.buffers, *given),
            body=(*self._above(), *body),
        )

    def _above(self) -> tuple[Statement, ...]:
        first = self.columns.nest[0]
        return (*(s for s in self.kernel.body if s is not first), *self.lets)
