"""LLVM text of what matrix products consist of: micro-kernels, copies, dot products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .host import Host
from .lines import TYPES, Writer
from .squares import transposed

#: Vectors side by side in a strip.
ACROSS = 2
#: Behind the name of a micro-kernel for one of them.
NARROW = "_narrow"
#: Rows or columns of the squares that are turned round while an operand is copied.
SQUARE = 4
#: Rows of a table whose products with a vector are summed together.
TOGETHER = 4
#: Vectors side by side of a table whose rows are added up.
STRIDE = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """What the products of a dtype look like on a host."""

    dtype: str
    host: Host

    @property
    def kind(self) -> str:
        """The LLVM type of an element."""
        return TYPES[self.dtype]

    @property
    def size(self) -> int:
        """Bytes of an element."""
        return np.dtype(self.dtype).itemsize

    @property
    def lanes(self) -> int:
        """Elements of a vector."""
        return self.host.vector_bytes // self.size

    @property
    def width(self) -> int:
        """Columns of a strip."""
        return ACROSS * self.lanes

    @property
    def vector(self) -> str:
        """The LLVM type of a vector."""
        return f"<{self.lanes} x {self.kind}>"

    @property
    def rows(self) -> tuple[int, int]:
        """Rows of the two micro-kernels.

        The sums of the larger one fill the registers; those of the smaller one are
        enough to keep the multipliers busy.
        """
        return (12, 4) if self.host.vector_bytes == 64 else (6, 2)


def function(head: str, w: Writer) -> tuple[str, list[str]]:
    """A whole function, and the declarations that it needs."""
    (scope,) = w.scopes
    body = "\n".join(scope.lines)
    return f"{head} {{\nentry:\n{body}\n  ret void\n}}\n", list(w.declarations)


def at(w: Writer, kind: str, base: str, index: int | str) -> str:
    """The address so many elements from `base`."""
    w.place(base, str(index))
    return w.op(f"getelementptr {kind}, ptr {base}, i64 {index}")


def least(w: Writer, a: str, b: int | str) -> str:
    """The smaller of two i64."""
    w.place(a, str(b))
    return w.op(w.intrinsic("smin", ("i64",), "i64", ("i64", a), ("i64", str(b))))


def _fma(w: Writer, kind: str, a: str, b: str, c: str) -> str:
    w.place(a, b, c)
    operands = ((kind, a), (kind, b), (kind, c))
    return w.op(w.intrinsic("fmuladd", (kind,), kind, *operands))


def _load(w: Writer, kind: str, place: str, size: int) -> str:
    return w.read(f"load {kind}, ptr {place}, align {size}")


def _hidden(w: Writer, kind: str, value: str) -> str:
    """`value`, of which LLVM does not know how it was made.

    Else it makes each address from the one before, and they all wait for one another.
    """
    place = w.read(f"alloca {kind}")
    w.effect(f"store volatile {kind} {value}, ptr {place}")
    return w.read(f"load volatile {kind}, ptr {place}")


def micro(shape: Shape, rows: int, *, narrow: bool = False) -> tuple[str, list[str]]:
    """``micro_DTYPE_ROWS``: some rows and a strip's columns, k terms of each sum.

    A `narrow` one makes the first vector of each row only.  The rows of A are reached
    from every third one.
    """
    across, end = (1, NARROW) if narrow else (ACROSS, "")
    w, kind, vector, size = Writer(), shape.kind, shape.vector, shape.size
    step = str(w.times("%sai", size))
    steps = ["0", step, _hidden(w, "i64", str(w.times(step, 2)))]
    starts = [
        _hidden(w, "ptr", at(w, "i8", "%a", w.times(step, r)))
        for r in range(0, rows, 3)
    ]
    along, down = str(w.times("%sap", size)), str(w.times("%sbp", size))
    count = rows * across
    sums = [(vector, "zeroinitializer")] * count

    def term(_: str, held: list[str]) -> list[str]:
        *lefts, right = held[:-count]
        strip = [
            _load(w, vector, at(w, kind, right, v * shape.lanes), size)
            for v in range(across)
        ]
        new = []
        for r in range(rows):
            place = lefts[r // 3]
            if r % 3:
                place = at(w, "i8", place, steps[r % 3])
            left = w.splat(_load(w, kind, place, size), shape.dtype, shape.lanes)
            for v, beside in enumerate(strip):
                total = held[r * across + v - count]
                new.append(_fma(w, vector, left, beside, total))
        moved = [at(w, "i8", base, along) for base in lefts]
        return [*moved, at(w, "i8", right, down), *new]

    carried = [*(("ptr", s) for s in starts), ("ptr", "%b"), *sums]
    found = w.loop("term", ("0", "%k", 1), carried, term)[-count:]
    _stored(w, shape, found, across)
    name = f"micro_{shape.dtype}_{rows}{end}"
    head = (
        f"define internal void @{name}(ptr noalias %a, i64 %sai, i64 %sap, "
        "ptr noalias %b, i64 %sbp, ptr noalias %c, i64 %sci, i64 %k, i1 %add)"
    )
    return function(f"{head} noinline", w)


def _stored(w: Writer, shape: Shape, totals: list[str], across: int) -> None:
    """The sums to C, or added to it."""
    kind, vector, align = shape.kind, shape.vector, f"align {shape.size}"
    places = [
        at(w, kind, at(w, kind, "%c", w.times("%sci", k // across)),
           k % across * shape.lanes)
        for k in range(len(totals))
    ]  # fmt: skip
    w.effect("br i1 %add, label %adding, label %storing")
    w.effect("\nadding:")
    for k, (total, place) in enumerate(zip(totals, places, strict=True)):
        w.effect(f"%before.{k} = load {vector}, ptr {place}, {align}")
        w.effect(f"%after.{k} = fadd {vector} %before.{k}, {total}")
        w.effect(f"store {vector} %after.{k}, ptr {place}, {align}")
    w.effect("ret void")
    w.effect("\nstoring:")
    for total, place in zip(totals, places, strict=True):
        w.effect(f"store {vector} {total}, ptr {place}, {align}")


def pack_call(
    shape: Shape,
    operand: tuple[str, str, str],
    k: str,
    size: tuple[int | str, int | str],
    out: str,
) -> str:
    """The call of `pack` for an operand, its steps down and across."""
    start, down, across = operand
    columns, pitch = size
    return (
        f"call void @pack_{shape.dtype}(ptr {start}, i64 {down}, i64 {across}, "
        f"i64 {k}, i64 {columns}, i64 {pitch}, ptr {out})"
    )


def pack(shape: Shape) -> tuple[str, list[str]]:
    """``pack_DTYPE``: k rows of `columns` elements to where rows are `pitch` apart.

    The elements are `down` and `across` apart; up to `pitch` there follow zeros.
    """
    w, kind, lanes = Writer(), shape.kind, shape.lanes

    def whole(p: str, _: list[str]) -> list[str]:
        start = at(w, kind, "%from", w.times(p, "%down"))
        out = at(w, kind, "%out", w.times(p, shape.width))
        for v in range(ACROSS):
            value = _load(w, shape.vector, at(w, kind, start, v * lanes), shape.size)
            w.effect(f"store {shape.vector} {value}, ptr {at(w, kind, out, v * lanes)}")
        return []

    w.effect("%lies = icmp eq i64 %across, 1")
    w.effect(f"%wide = icmp eq i64 %columns, {shape.width}")
    w.effect("%is.strip = and i1 %lies, %wide")
    w.effect("%strip = select i1 %is.strip, i64 %k, i64 0")
    w.loop("whole", ("0", "%strip", 1), [], whole)
    w.effect("br i1 %is.strip, label %done, label %parts")
    w.effect("\ndone:")
    w.effect("ret void")
    w.effect("\nparts:")
    w.scopes[-1].label = "parts"
    w.effect("%stands = icmp eq i64 %down, 1")
    w.effect("%regular = or i1 %lies, %stands")
    w.effect(f"%squares = and i64 %columns, {-SQUARE}")
    w.effect("%begin = select i1 %regular, i64 %squares, i64 0")
    w.effect(f"%even = and i64 %k, {-SQUARE}")
    w.effect("%deep = select i1 %lies, i64 %k, i64 %even")
    _in_squares(w, shape)
    _one_by_one(w, shape)
    head = (
        f"define internal void @pack_{shape.dtype}(ptr noalias %from, i64 %down, "
        "i64 %across, i64 %k, i64 %columns, i64 %pitch, ptr noalias %out)"
    )
    return function(f"{head} noinline", w)


def _in_squares(w: Writer, shape: Shape) -> None:
    """Columns up to `begin`, some at a time: as they lie, or turned round."""
    kind, size, few = shape.kind, shape.size, f"<{SQUARE} x {shape.kind}>"
    some = {"lies": "select i1 %lies, i64 %begin, i64 0",
            "stands": "select i1 %lies, i64 0, i64 %begin"}  # fmt: skip

    def store(text: str, out: str, p: str, k: int) -> None:
        place = at(w, kind, out, w.times(w.plus(p, k), "%pitch"))
        w.effect(f"store {few} {text}, ptr {place}, align {size}")

    def beside(j: str, _: list[str]) -> list[str]:
        start = at(w, kind, "%from", w.times(j, "%across"))
        out = at(w, kind, "%out", j)

        def row(p: str, _: list[str]) -> list[str]:
            place = at(w, kind, start, w.times(p, "%down"))
            store(_load(w, few, place, size), out, p, 0)
            return []

        w.loop("row", ("0", "%k", 1), [], row)
        return []

    def below(j: str, _: list[str]) -> list[str]:
        start = at(w, kind, "%from", w.times(j, "%across"))
        out = at(w, kind, "%out", j)

        def square(p: str, _: list[str]) -> list[str]:
            first = at(w, kind, start, p)
            rows = [
                _load(w, few, at(w, kind, first, w.times("%across", k)), size)
                for k in range(SQUARE)
            ]
            for k, text in enumerate(transposed(w, few, rows)):
                store(text, out, p, k)
            return []

        w.loop("square", ("0", "%deep", SQUARE), [], square)
        return []

    for body, (name, text) in zip((beside, below), some.items(), strict=True):
        w.effect(f"%end.{name} = {text}")
        w.loop(name, ("0", f"%end.{name}", SQUARE), [], body)


def _one_by_one(w: Writer, shape: Shape) -> None:
    """What is left: rows beyond the squares, columns beside them, zeros."""
    kind = shape.kind

    def row(p: str, _: list[str]) -> list[str]:
        start = at(w, kind, "%from", w.times(p, "%down"))
        out = at(w, kind, "%out", w.times(p, "%pitch"))
        w.place(p)
        below = w.op(f"icmp sge i64 {p}, %deep")
        w.place(below)
        first = w.op(f"select i1 {below}, i64 0, i64 %begin")

        def copied(j: str, _: list[str]) -> list[str]:
            place = at(w, kind, start, w.times(j, "%across"))
            value = _load(w, kind, place, shape.size)
            w.effect(f"store {kind} {value}, ptr {at(w, kind, out, j)}")
            return []

        def cleared(j: str, _: list[str]) -> list[str]:
            w.effect(f"store {kind} 0.0, ptr {at(w, kind, out, j)}")
            return []

        w.loop("copied", (first, "%columns", 1), [], copied)
        w.loop("cleared", ("%columns", "%pitch", 1), [], cleared)
        return []

    # Where all was done in squares there is nothing to see to.
    w.effect("%filled = icmp eq i64 %begin, %pitch")
    w.effect("%top = select i1 %filled, i64 %deep, i64 0")
    w.loop("rest", ("%top", "%k", 1), [], row)


def put_call(
    shape: Shape, c: str, rows: int | str, columns: int | str, add: str
) -> str:
    """The call of `put` for a part of the tile."""
    return (
        f"call void @put_{shape.dtype}(ptr %tile, ptr {c}, i64 %sci, i64 {rows}, "
        f"i64 {columns}, i1 {add})"
    )


def put(shape: Shape) -> tuple[str, list[str]]:
    """``put_DTYPE``: a part of a tile to C, or added to it."""
    w, kind = Writer(), shape.kind

    def row(i: str, _: list[str]) -> list[str]:
        start = at(w, kind, "%tile", w.times(i, shape.width))
        out = at(w, kind, "%c", w.times(i, "%sci"))

        def one(j: str, _: list[str]) -> list[str]:
            value = _load(w, kind, at(w, kind, start, j), shape.size)
            _into(w, shape, at(w, kind, out, j), value)
            return []

        if shape.host.masks:
            _put_vectors(w, shape, start, out)
        else:
            w.loop("one", ("0", "%columns", 1), [], one)
        return []

    w.loop("row", ("0", "%rows", 1), [], row)
    head = (
        f"define internal void @put_{shape.dtype}(ptr noalias %tile, ptr noalias %c, "
        "i64 %sci, i64 %rows, i64 %columns, i1 %add) noinline"
    )
    return function(head, w)


def _put_vectors(w: Writer, shape: Shape, start: str, out: str) -> None:
    """A row of `put`, in vectors of which only the first `columns` lanes count."""
    vector, align = shape.vector, ("i32", str(shape.size))
    bits, numbers = f"<{shape.lanes} x i1>", f"<{shape.lanes} x i64>"
    columns = w.splat("%columns", "int64", shape.lanes)
    for v in range(ACROSS):
        lanes = ", ".join(f"i64 {v * shape.lanes + k}" for k in range(shape.lanes))
        w.place(columns)
        mask = (bits, w.op(f"icmp slt {numbers} <{lanes}>, {columns}"))
        place = ("ptr", at(w, shape.kind, out, v * shape.lanes))
        value = _load(w, vector, at(w, shape.kind, start, v * shape.lanes), shape.size)
        zero = (vector, "zeroinitializer")
        read = ("masked.load", (vector, "ptr"), vector, place, align, mask, zero)
        before = w.read(w.intrinsic(*read))
        total = w.read(f"fadd {vector} {before}, {value}")
        total = w.read(f"select i1 %add, {vector} {total}, {vector} {value}")
        kinds = (vector, "ptr")
        stored = ("masked.store", kinds, "void", (vector, total), place, align, mask)
        w.effect(w.intrinsic(*stored))


def _into(w: Writer, shape: Shape, place: str, value: str, kind: str = "") -> None:
    """Store a number or vector, or add it; else what is there does not matter."""
    kind = kind or shape.kind
    before = _load(w, kind, place, shape.size)
    total = w.read(f"fadd {kind} {before}, {value}")
    total = w.read(f"select i1 %add, {kind} {total}, {kind} {value}")
    w.effect(f"store {kind} {total}, ptr {place}, align {shape.size}")


def dots(shape: Shape) -> tuple[str, list[str]]:
    """``dots_DTYPE``: the products of a table's rows with a vector.

    Rows past the last are the last again.
    """
    w, kind, vector, size = Writer(), shape.kind, shape.vector, shape.size
    w.effect(f"%whole = and i64 %k, {-shape.lanes}")
    w.effect("%last = sub i64 %rows, 1")

    def some(row: str, _: list[str]) -> list[str]:
        numbers = [least(w, str(w.plus(row, r)), "%last") for r in range(TOGETHER)]
        starts = [at(w, kind, "%table", w.times(r, "%step")) for r in numbers]

        def along(kind_: str, p: str, held: list[str]) -> list[str]:
            right = _load(w, kind_, at(w, kind, "%vector", p), size)
            lefts = [_load(w, kind_, at(w, kind, s, p), size) for s in starts]
            pairs = zip(lefts, held, strict=True)
            return [_fma(w, kind_, left, right, total) for left, total in pairs]

        def vectors(p: str, held: list[str]) -> list[str]:
            return along(vector, p, held)

        def alone(p: str, held: list[str]) -> list[str]:
            return along(kind, p, held)

        zeros = [(vector, "zeroinitializer")] * TOGETHER
        found = w.loop("vectors", ("0", "%whole", shape.lanes), zeros, vectors)
        totals = [(kind, _folded(w, shape, total)) for total in found]
        ends = w.loop("alone", ("%whole", "%k", 1), totals, alone)
        places = [at(w, kind, "%out", r) for r in numbers]
        # All are read before any is stored: the last row may be there several times.
        before = [_load(w, kind, place, size) for place in places]
        for old, total, place in zip(before, ends, places, strict=True):
            both = w.read(f"fadd {kind} {old}, {total}")
            both = w.read(f"select i1 %add, {kind} {both}, {kind} {total}")
            w.effect(f"store {kind} {both}, ptr {place}, align {size}")
        return []

    w.loop("some", ("0", "%rows", TOGETHER), [], some)
    head = (
        f"define internal void @dots_{shape.dtype}(ptr noalias %table, i64 %step, "
        "ptr noalias %vector, ptr noalias %out, i64 %rows, i64 %k, i1 %add) noinline"
    )
    return function(head, w)


def weighted(shape: Shape) -> tuple[str, list[str]]:
    """``weighted_DTYPE``: the sum of a table's rows, each times a vector's element."""
    w = Writer()

    def some(kind: str, lanes: int, count: int, j: str) -> None:
        start, out = at(w, shape.kind, "%table", j), at(w, shape.kind, "%out", j)

        def row(p: str, held: list[str]) -> list[str]:
            one = _load(w, shape.kind, at(w, shape.kind, "%vector", p), shape.size)
            left = w.splat(one, shape.dtype, lanes) if kind != shape.kind else one
            here = at(w, shape.kind, start, w.times(p, "%step"))
            new = []
            for v, total in enumerate(held):
                place = at(w, shape.kind, here, v * lanes)
                right = _load(w, kind, place, shape.size)
                new.append(_fma(w, kind, left, right, total))
            return new

        zero = "0.0" if kind == shape.kind else "zeroinitializer"
        for v, total in enumerate(
            w.loop("row", ("0", "%k", 1), [(kind, zero)] * count, row)
        ):
            _into(w, shape, at(w, shape.kind, out, v * lanes), total, kind)

    low = "0"
    for kind, lanes, count in (
        (shape.vector, shape.lanes, STRIDE), (shape.vector, shape.lanes, 1),
        (shape.kind, 1, 1),
    ):  # fmt: skip
        each = lanes * count

        def one(
            j: str, _: list[str], kind: str = kind, lanes: int = lanes, n: int = count
        ) -> list[str]:
            some(kind, lanes, n, j)
            return []

        high = f"%end.{each}"
        w.effect(f"{high} = and i64 %columns, {-each}")
        w.loop("some", (low, high, each), [], one)
        low = high
    head = (
        f"define internal void @weighted_{shape.dtype}(ptr noalias %table, i64 %step, "
        "ptr noalias %vector, ptr noalias %out, i64 %columns, i64 %k, i1 %add) noinline"
    )
    return function(head, w)


def _folded(w: Writer, shape: Shape, total: str) -> str:
    """The sum of a vector's lanes, by halves."""
    kind, lanes = shape.kind, shape.lanes
    while lanes > 1:
        whole, half = f"<{lanes} x {kind}>", lanes // 2
        parts = []
        for begin in (0, half):
            order = ", ".join(f"i32 {begin + k}" for k in range(half))
            parts.append(
                w.read(
                    f"shufflevector {whole} {total}, {whole} poison, "
                    f"<{half} x i32> <{order}>"
                )
            )
        total = w.read(f"fadd <{half} x {kind}> {parts[0]}, {parts[1]}")
        lanes = half
    return w.read(f"extractelement <1 x {kind}> {total}, i32 0")
