"""Loops and branches of a Program in the driver: blocks, counters, pointers that move.

Where an array lies is a pointer in a register, except for what a loop moves from one
array to another after a round: their pointers are in memory, and are loaded again
wherever paths meet.  A row's pointer is computed at the start of each round.
"""

from __future__ import annotations

import numpy as np

from ..errors import CompileError
from ..program import (
    Array,
    Control,
    End,
    Otherwise,
    Program,
    Repeat,
    When,
    brackets,
    rotation,
)
from .straight import Writer, size


class ControlFlow:
    """Writes control steps; `pointers` is kept up to date, block by block."""

    def __init__(
        self,
        program: Program,
        out: Writer,
        sizes: dict[str, str],
        pointers: dict[str, str],
    ) -> None:
        self.program = program
        self.out = out
        self.sizes = sizes
        self.pointers = pointers
        self._ends = brackets(program.steps)
        self._begins = {end: begin for begin, end in self._ends.items()}
        self._held: dict[str, str] = {}
        self._open: list[Repeat] = []

    def begin(self) -> None:
        """Put the pointers of what moves into memory; find where views lie."""
        for step in self.program.steps:
            for name in sum(step.moves, ()) if isinstance(step, Repeat) else ():
                if name not in self._held:
                    held = self.out.let("alloca ptr")
                    self.out.store("ptr", self._pointer(name), held)
                    self._held[name] = held
        self._look_again()

    def write(self, position: int, step: Control) -> None:
        """Write the step at `position`."""
        match step:
            case Repeat():
                self.out.store("i64", "0", self._pointer(step.counter))
                self._open.append(step)
                self._round(position, step)
            case When():
                self._when(position, step)
            case Otherwise():
                self.out.do(f"br label %after{self._ends[position]}")
                self._start(f"after{position}")
            case End():
                self._end(position)

    def _pointer(self, name: str) -> str:
        if name in self._held:
            return self.out.load("ptr", self._held[name])
        if name not in self.pointers:
            raise CompileError(f"{self.program.name}: no array is called {name!r}")
        return self.pointers[name]

    def _holds(self, name: str) -> str:
        """Whether the bool array `name` holds true, as an i1."""
        byte = self.out.load("i8", self._pointer(name))
        return self.out.let(f"icmp ne i8 {byte}, 0")

    def _start(self, label: str) -> None:
        """Begin a block at which paths meet."""
        self.out.label(label)
        self._look_again()

    def _look_again(self) -> None:
        """Load the pointers that may have moved, and have views follow them."""
        for name, held in self._held.items():
            self.pointers[name] = self.out.load("ptr", held)
        for view in self.program.by_role("view"):
            if view.target in self.pointers:
                self.pointers[view.name] = self.pointers[view.target]

    # -- loops -------------------------------------------------------------------------

    def _round(self, position: int, step: Repeat) -> None:
        """Before each round: go on or leave; at its start, where the rows are."""
        out = self.out
        out.do(f"br label %round{position}")
        out.label(f"round{position}")
        number = out.load("i64", self.pointers[step.counter])
        more = out.let(f"icmp slt i64 {number}, {size(step.extent, self.sizes)}")
        if step.going is not None:
            out.require(more, f"after{self._ends[position]}")
            more = self._holds(step.going)
        out.require(more, f"after{self._ends[position]}")
        self.out.store("i64", self.out.let(f"add i64 {number}, 1"), "%round")
        self._look_again()
        for row in self.program.by_role("row"):
            if row.row is not None and row.row.counter == step.counter:
                self.pointers[row.name] = self._row(row, number)
        self._look_again()

    def _row(self, row: Array, number: str) -> str:
        """Where a row lies in round `number`."""
        assert row.row is not None
        out, bytes_ = self.out, str(np.dtype(row.dtype).itemsize)
        for extent in self.program.array(str(row.target)).shape[1:]:
            bytes_ = out.let(f"mul i64 {bytes_}, {size(extent, self.sizes)}")
        steps = out.let(f"mul i64 {number}, {size(row.row.stride, self.sizes)}")
        place = out.let(f"add i64 {steps}, {size(row.row.start, self.sizes)}")
        offset = out.let(f"mul i64 {place}, {bytes_}")
        base = self._pointer(str(row.target))
        return out.let(f"getelementptr i8, ptr {base}, i64 {offset}")

    def _end(self, position: int) -> None:
        begun = self._begins[position]
        step = self.program.steps[begun]
        if isinstance(step, Repeat):
            counter = self.pointers[step.counter]
            number = self.out.load("i64", counter)
            self.out.store("i64", self.out.let(f"add i64 {number}, 1"), counter)
            self._move(step)
            self.out.do(f"br label %round{begun}")
            self._start(f"after{position}")
            self._open.pop()
            self._outer_round()
        else:
            self.out.do(f"br label %after{position}")
            self._start(f"after{position}")

    def _outer_round(self) -> None:
        """Behind a loop: the round of the one around it, or none."""
        number = "0"
        if self._open:
            outer = self.out.load("i64", self.pointers[self._open[-1].counter])
            number = self.out.let(f"add i64 {outer}, 1")
        self.out.store("i64", number, "%round")

    def _move(self, step: Repeat) -> None:
        """Exchange pointers, all at once."""
        taken = rotation(step.moves)
        loaded = {name: self.out.load("ptr", self._held[name]) for name in taken}
        for name, source in taken.items():
            self.out.store("ptr", loaded[source], self._held[name])

    # -- branches ----------------------------------------------------------------------

    def _when(self, position: int, step: When) -> None:
        first = f"then{position}"
        holds = self._holds(step.condition)
        self.out.do(
            f"br i1 {holds}, label %{first}, label %after{self._ends[position]}"
        )
        self._start(first)
