"""Arrays turned round in registers: a square of vectors at a time.

A loop around a vector loop that does nothing but copy what is contiguous along the one
axis to where the other is (as :mod:`~symgraph.codegen.tiles` makes them) would store
lane by lane.  So as many vectors as each has lanes are loaded, transposed by shuffles,
and stored whole.

The transposition exchanges, for h = 1, 2, 4, ..., the h x h blocks beside the diagonal
of each 2h x 2h block (as in J. O. Eklundh, "A fast computer method for matrix
transposing", 1972).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..ir import Affine, Load, Loop, Store
from .lines import Writer, memory_type
from .statements import Lanes, Statements, Value

#: So many squares ahead is asked for what lies along the vectors that are loaded.
FURTHER = 4


@dataclass(frozen=True, slots=True)
class Turn:
    """A loop, the vector loop in it, and all that this does."""

    outer: Loop
    inner: Loop
    load: Load
    store: Store


def turn_of(loop: Loop) -> Turn | None:
    """`loop` as one that only turns an array round, if it is one."""
    if loop.kind != "serial" or loop.carries or loop.state or len(loop.body) != 1:
        return None
    (inner,) = loop.body
    if not isinstance(inner, Loop) or inner.kind != "vector" or len(inner.body) != 2:
        return None
    load, store = inner.body
    if not isinstance(load, Load) or not isinstance(store, Store):
        return None
    copied = store.value == load.name and not store.accumulate and load.guard is None
    if not copied or load.dtype == "bool" or load.buffer == store.buffer:
        return None
    turns = _runs_along(load.index, inner.axis, loop.axis)
    turns = turns and _runs_along(store.index, loop.axis, inner.axis)
    return Turn(loop, inner, load, store) if turns else None


def _runs_along(index: Sequence[Affine], own: str, other: str) -> bool:
    """Whether neighbours along `own` are neighbours in memory, and others are not."""
    if not index:
        return False
    *first, last = index
    only = last.coefficient(own) == 1 and last.coefficient(other) == 0
    return only and not any(a.coefficient(own) for a in first)


class Squares(Statements):
    """Adds what turns arrays round."""

    __slots__ = ()

    def square(self, turn: Turn, row: str, column: str) -> None:
        """Turn the square at `column` of the outer axis and `row` of the inner one."""
        w, width = self.w, self.width
        outer, inner = turn.outer.axis, turn.inner.axis
        found: list[str] = []
        for k in range(width):
            self.lanes = Lanes(inner, width, 1, row)
            self.values[outer] = Value("int64", (str(w.plus(column, k)),))
            self.load(turn.load)
            self.ask_below(turn.load, outer)
            found += self.values[turn.load.name].texts
        turned = transposed(w, memory_type(turn.load.dtype, width), found)
        for k, text in enumerate(turned):
            self.lanes = Lanes(outer, width, 1, column)
            self.values[inner] = Value("int64", (str(w.plus(row, k)),))
            self.values[turn.load.name] = Value(turn.load.dtype, (text,), True)
            self.store(turn.store)
        self.lanes = None

    def ask_below(self, load: Load, axis: str) -> None:
        """Ask for what the next square along `axis` will load here.

        And for what a square a little further on will, along the loaded vectors.
        """
        w = self.w
        step: int | str = 0
        _, strides = self.layout(load.buffer)
        for affine, stride in zip(load.index, strides, strict=True):
            step = w.plus(step, w.times(affine.coefficient(axis), stride))
        pointer = self.address(load.buffer, load.index).pointer
        kind = memory_type(load.dtype)
        for skipped in (w.times(step, self.width), FURTHER * self.width):
            w.place(pointer, str(skipped))
            asked = w.op(f"getelementptr {kind}, ptr {pointer}, i64 {skipped}")
            w.ask_for(asked, first=False)

    def in_squares(
        self,
        turn: Turn,
        ends: tuple[str, str],
        middles: tuple[str, str],
        rest: Callable[[str, str, str], None],
    ) -> None:
        """Both loops: squares up to `middles` of the axes, outer first.

        ``rest(column, row, end)`` does one step of the outer loop from `row` on.
        """
        width, (_, last), (columns, rows) = self.width, ends, middles

        def strip(column: str) -> None:
            def one(row: str, _: list[str]) -> list[str]:
                self.square(turn, row, column)
                return []

            def left(step: str, _: list[str]) -> list[str]:
                rest(step, rows, last)
                return []

            self.w.loop(turn.inner.axis, ("0", rows, width), [], one)
            end = str(self.w.plus(column, width))
            self.w.loop(turn.outer.axis, (column, end, 1), [], left)

        def whole(column: str, _: list[str]) -> list[str]:
            strip(column)
            return []

        def behind(step: str, _: list[str]) -> list[str]:
            rest(step, "0", last)
            return []

        self.w.loop(turn.outer.axis, ("0", columns, width), [], whole)
        self.w.loop(turn.outer.axis, (columns, ends[0], 1), [], behind)


def transposed(w: Writer, kind: str, rows: Sequence[str]) -> list[str]:
    """As many vectors as each has lanes, transposed; `kind` is their type."""
    count, found, half = len(rows), list(rows), 1
    while half < count:
        for k in range(count):
            if k & half:
                continue
            first, second = found[k], found[k + half]
            upper = [j if not j & half else count + j - half for j in range(count)]
            lower = [j + half if not j & half else count + j for j in range(count)]
            found[k] = _shuffled(w, kind, first, second, upper)
            found[k + half] = _shuffled(w, kind, first, second, lower)
        half *= 2
    return found


def _shuffled(w: Writer, kind: str, a: str, b: str, order: Sequence[int]) -> str:
    w.place(a, b)
    lanes = ", ".join(f"i32 {k}" for k in order)
    return w.op(f"shufflevector {kind} {a}, {kind} {b}, <{len(order)} x i32> <{lanes}>")


__all__ = ["Squares", "Turn", "transposed", "turn_of"]
