"""Long rows that accumulate: many blocks for each, in three kernels.

A kernel that accumulates along neighbouring elements has a block for each row.  Where
rows are few and long they are cut into *chunks*, all of one length but for the last,
and a block goes through each.  The first kernel leaves each chunk's total (but for the
last chunk's, which nobody needs), the second makes of each total what the row has come
to at the chunk's end, and the third accumulates each chunk from where the one before
has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from ..interpret import size_of
from ..ir import (
    COMBINERS,
    FLOATS,
    Affine,
    Atom,
    Buffer,
    Carry,
    Const,
    Extent,
    Kernel,
    Let,
    Load,
    Loop,
    State,
    Statement,
    Store,
    atom,
    axis,
    walk,
)
from ..names import fresh, names_of, only_read
from ..unroll import names_in, pruned
from .scans import Scan, scan_of

#: More rows keep a device busy with a block for each.
MOST_ROWS = 64
#: The fewest chunks that are worth three launches, and the most of a row.
LEAST_CHUNKS, MOST_CHUNKS = 4, 1024
#: The fewest elements of a chunk, for each thread of a block.
SHARE = 16


@dataclass(frozen=True, slots=True)
class LongRows:
    """A kernel in which each iteration of `nest` does nothing but accumulate a row.

    Attributes:
        nest: the loops over rows, outermost first; none where there is one row.
        before: what stands in them before the row.
        along: the loop over the row, and as a scan.
    """

    kernel: Kernel
    nest: tuple[Loop, ...]
    before: tuple[Statement, ...]
    along: Loop
    scan: Scan

    def few(self, sizes: Mapping[str, Any], threads: int) -> bool:
        """Whether there are few rows, and several chunks in each.

        `sizes` are the kernel's, and what its first statements compute from them.
        """
        count = prod(int(size_of(loop.extent, sizes)) for loop in self.nest)
        least = LEAST_CHUNKS * SHARE * threads
        return 0 < count <= MOST_ROWS and size_of(self.along.extent, sizes) >= least

    def cut(self, threads: int) -> tuple[Kernel, Kernel, Kernel]:
        """The kernel as three, with a buffer for the chunks' totals between them."""
        return _Cut(self, threads).kernels()


def long_rows_of(
    kernel: Kernel, nest: tuple[Loop, ...], threads: int
) -> LongRows | None:
    """`kernel`, whose iterations over `nest` have a block each, as rows, if so.

    Rows that are known to be short, or many, are none.
    """
    if kernel.scratch or (nest and nest[0].carries):
        return None
    above = [s for s in kernel.body if not nest or s is not nest[0]]
    *before, along = (nest[-1].body if nest else kernel.body) or (None,)
    scan = scan_of(along) if isinstance(along, Loop) else None
    if scan is None or not isinstance(along, Loop):
        return None
    outside = [*(above if nest else ()), *before]
    if not all(isinstance(s, Let | Load) for s in outside):
        return None
    known = {*kernel.sizes, *(s.name for s in above if isinstance(s, Let))}
    extents = [loop.extent for loop in (*nest, along)]
    if any(isinstance(e, str) and e not in known for e in extents):
        return None
    stored = {s.buffer for s, _ in walk(along.body) if isinstance(s, Store)}
    # The first kernel stores nothing, and another chunk's stores are in no order.
    read = {s.buffer for s in outside if isinstance(s, Load)}
    if any(isinstance(s, Store) for s in scan.before) or read & stored:
        return None
    found = LongRows(kernel, nest, tuple(before) if nest else (), along, scan)
    # What is not known yet may be as is best.
    some = {e: 1 for e in extents[:-1] if isinstance(e, str)}
    if isinstance(along.extent, str):
        some[along.extent] = LEAST_CHUNKS * SHARE * threads
    return found if found.few(some, threads) else None


class _Cut:
    """The three kernels."""

    def __init__(self, rows: LongRows, threads: int) -> None:
        self.rows = rows
        self.kernel = rows.kernel
        taken = names_of(self.kernel)
        self.lets: list[Let] = []
        self.fresh = lambda name: fresh(name, taken)
        self.chunk, self.element, self.start = (
            self.fresh(n) for n in ("chunk", "element", "start")
        )
        self.length, self.chunks, self.full = self._lengths(threads)
        self.dtype = rows.scan.state.dtype
        shape = (*(loop.extent for loop in rows.nest), self.full)
        totals = self.fresh(f"{rows.scan.state.name}_totals")
        self.totals = Buffer(totals, self.dtype, shape, "out")
        self.place = tuple(axis(loop.axis) for loop in rows.nest)

    def let(self, name: str, op: str, *args: Atom) -> str:
        """One more value that follows from the sizes."""
        found = self.fresh(name)
        self.lets.append(Let(found, op, args, "int64"))
        return found

    def _lengths(self, threads: int) -> tuple[str, str, str]:
        """A chunk's length, how many there are, and how many before the last.

        They follow from the shape alone.
        """
        row = atom(self.rows.along.extent)
        more = self.let("more", "add", row, atom(MOST_CHUNKS - 1))
        share = self.let("share", "floordiv", more, atom(MOST_CHUNKS))
        least = self.let("least", "max", share, atom(SHARE * threads))
        # Whole turns of a block's threads.
        more = self.let("more", "add", least, atom(threads - 1))
        turns = self.let("turns", "floordiv", more, atom(threads))
        length = self.let("length", "mul", turns, atom(threads))
        last = self.let("last", "sub", row, atom(1))
        full = self.let("full", "floordiv", last, length)
        return length, self.let("chunks", "add", full, atom(1)), full

    def kernels(self) -> tuple[Kernel, Kernel, Kernel]:
        """What leaves the totals, what accumulates them, and what uses them."""
        return self._leaving(), self._adding(), self._using()

    # -- the first kernel --------------------------------------------------------------

    def _leaving(self) -> Kernel:
        scan = self.rows.scan
        # Checks are left to the third kernel.
        given = (s for s in scan.before if isinstance(s, Let | Load))
        value = self._moved(given, scan.value)
        total = self.fresh(f"{scan.state.name}_total")
        carries = [Carry(total, scan.combine, scan.value, self.dtype)]
        after: list[Statement] = []
        if scan.combine == "sum" and self.dtype in FLOATS:
            total = self._signed(scan.value, value, carries, after)
        loop = Loop(self.element, self.length, "vector", tuple(value), tuple(carries))
        after.append(Store(self.totals.name, (*self.place, axis(self.chunk)), total))
        before, _ = pruned(self.rows.before, _needs((loop,)))
        inside = self._over_chunks(self.full, (*before, self._begin(), loop, *after))
        body = self._whole(inside)
        return replace(
            self.kernel,
            name=f"{self.kernel.name}_totals",
            buffers=(*only_read(self.kernel, body), self.totals),
            body=body,
            split=self.chunk,
        )

    def _signed(
        self,
        value: Atom,
        body: list[Statement],
        carries: list[Carry],
        after: list[Statement],
    ) -> str:
        """A sum that is -0.0 where all are, which one that begins with 0.0 is not."""
        bits, negative, every, total = (
            self.fresh(n) for n in ("bits", "negative", "every", "total")
        )
        integer = f"int{self.dtype.removeprefix('float')}"
        least = -(1 << (int(integer.removeprefix("int")) - 1))
        body += [
            Let(bits, "bitcast", (value,), integer),
            Let(negative, "eq", (bits, Const(least, integer)), "bool"),
        ]
        zero = Const(-0.0, self.dtype)
        after.append(Let(total, "select", (every, zero, carries[0].name), self.dtype))
        carries.append(Carry(every, "and", negative, "bool"))
        return total

    # -- the second --------------------------------------------------------------------

    def _adding(self) -> Kernel:
        scan, place = self.rows.scan, (*self.place, axis(self.chunk))
        total, now, then, final = (
            self.fresh(f"{scan.state.name}_{n}") for n in ("part", "to", "at", "end")
        )
        loop = Loop(
            self.chunk,
            self.full,
            "serial",
            (
                Load(total, self.totals.name, place, self.dtype),
                Let(then, COMBINERS[scan.combine], (now, total), self.dtype),
                Store(self.totals.name, place, then),
            ),
            state=(State(now, scan.state.init, then, final, self.dtype),),
        )
        before, _ = pruned(self.rows.before, _needs((loop,)))
        inside: tuple[Statement, ...] = (*before, loop)
        for each in reversed(self.rows.nest):
            inside = (replace(each, body=inside),)
        body = self._whole(inside)
        return replace(
            self.kernel,
            name=f"{self.kernel.name}_carries",
            buffers=(*only_read(self.kernel, body), replace(self.totals, mode="inout")),
            body=body,
        )

    # -- the third ---------------------------------------------------------------------

    def _using(self) -> Kernel:
        scan, along = self.rows.scan, self.rows.along
        state = scan.state
        later, left, count, before, first = (
            self.fresh(n) for n in ("later", "left", "count", "before", "first")
        )
        previous = (*self.place, axis(self.chunk) + -1)
        begin = (
            self._begin(),
            Let(left, "sub", (atom(along.extent), self.start), "int64"),
            Let(count, "min", (self.length, left), "int64"),
            Let(later, "gt", (self.chunk, atom(0)), "bool"),
            Load(before, self.totals.name, previous, self.dtype, guard=later),
            Let(first, "select", (later, before, state.init), self.dtype),
        )
        loop = replace(
            along,
            axis=self.element,
            extent=count,
            body=tuple(self._moved(along.body, scan.combined)),
            state=(replace(state, init=first),),
        )
        inside = self._over_chunks(self.chunks, (*self.rows.before, *begin, loop))
        return replace(
            self.kernel,
            name=f"{self.kernel.name}_chunks",
            buffers=(*self.kernel.buffers, replace(self.totals, mode="in")),
            body=self._whole(inside),
            split=self.chunk,
        )

    # -- what they have in common ------------------------------------------------------

    def _begin(self) -> Let:
        return Let(self.start, "mul", (self.chunk, self.length), "int64")

    def _moved(self, body: Iterable[Statement], value: Atom) -> list[Statement]:
        """What computes `value`, and acts, for an element of a chunk.

        Indices are written as its start and a place in it: so it shows that neighbours
        have neighbours.
        """
        name = self.rows.along.axis
        place = axis(self.start) + axis(self.element)

        def moved(index: Affine) -> Affine:
            others = tuple(term for term in index.terms if term[0] != name)
            return Affine(others, index.const) + place * index.coefficient(name)

        found: list[Statement] = [Let(name, "add", (self.start, self.element), "int64")]
        for statement in body:
            if isinstance(statement, Load | Store):
                index = tuple(map(moved, statement.index))
                statement = replace(statement, index=index)
            found.append(statement)
        return pruned(found, _named((value,)))[0]

    def _over_chunks(
        self, count: str, body: tuple[Statement, ...]
    ) -> tuple[Statement, ...]:
        """`body` for each chunk of each row."""
        for each in reversed(self.rows.nest):
            body = (replace(each, kind="serial", body=body),)
        return (Loop(self.chunk, count, "parallel", body),)

    def _whole(self, inside: tuple[Statement, ...]) -> tuple[Statement, ...]:
        """`inside` with what it needs from above."""
        rows = self.rows
        first = rows.nest[0] if rows.nest else rows.along
        above = [*(s for s in self.kernel.body if s is not first), *self.lets]
        shapes = {e for b in self.kernel.buffers for e in _named(b.shape)}
        return (*pruned(above, _needs(inside) | shapes)[0], *inside)


def _needs(body: tuple[Statement, ...]) -> set[str]:
    """The names that are used in `body`, or that loops in it are given."""
    found = {name for statement in body for name in names_in(statement)}
    for loop in (s for s, _ in walk(body) if isinstance(s, Loop)):
        found |= _named((loop.extent, *(c.value for c in loop.carries)))
    return found


def _named(atoms: Iterable[Atom | Extent]) -> set[str]:
    return {atom for atom in atoms if isinstance(atom, str)}
