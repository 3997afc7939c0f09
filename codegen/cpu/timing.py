"""Native code that measures a program's steps, in drivers that are built for that.

A timed driver reads the exact clock around each step and adds to an array of *laps*,
whose address is the last of the function's cells.  An ordinary driver has none of this.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..program import Program
from .runtime import Cell, Slot
from .straight import Writer, table_entry

#: A lap has two words: nanoseconds in all, and how often it was run.
LAP = 2
#: Behind the steps: an empty lap, which says what measuring one takes, and the call.
EXTRA = 2

#: ``instant(table)`` -> nanoseconds.  ``lap(table, laps, number, begun)`` ends one.
TIMING = f"""
define internal i64 @instant(ptr %table) {{
  %time = alloca [2 x i64]
  %clock.at = getelementptr i64, ptr %table, i64 {int(Slot.EXACT_CLOCK)}
  %clock = load i32, ptr %clock.at
{table_entry("gettime", Slot.CLOCK_GETTIME)}
  call i32 %gettime(i32 %clock, ptr %time)
  %seconds = load i64, ptr %time
  %rest.at = getelementptr i64, ptr %time, i64 1
  %rest = load i64, ptr %rest.at
  %whole = mul i64 %seconds, 1000000000
  %now = add i64 %whole, %rest
  ret i64 %now
}}

define internal void @lap(ptr %table, ptr %laps, i64 %number, i64 %begun) {{
  %now = call i64 @instant(ptr %table)
  %taken = sub i64 %now, %begun
  %word = mul i64 %number, {LAP}
  %total.at = getelementptr i64, ptr %laps, i64 %word
  %total = load i64, ptr %total.at
  %more = add i64 %total, %taken
  store i64 %more, ptr %total.at
  %count.at = getelementptr i64, ptr %total.at, i64 1
  %count = load i64, ptr %count.at
  %again = add i64 %count, 1
  store i64 %again, ptr %count.at
  ret void
}}
"""


def laps_of(program: Program) -> int:
    """How many laps a timed driver of `program` has."""
    return sum(1 for _ in program.work) + EXTRA


def laps_cell(program: Program) -> int:
    """Which of the function's cells holds the address of the laps."""
    objects = len(program.by_role("shared", "constant"))
    return Cell.OBJECTS + objects + len(program.functions)


@dataclass(slots=True)
class Laps:
    """Writes the measuring of `program`; nothing at all unless it is `timed`."""

    program: Program
    out: Writer
    timed: bool
    _numbers: dict[int, int] = field(init=False)
    _called: str = ""

    def __post_init__(self) -> None:
        work = (position for position, _ in self.program.work)
        self._numbers = {position: k for k, position in enumerate(work)}

    def begin_call(self) -> None:
        """Start the call's lap, and measure an empty one."""
        if self.timed:
            laps = self.out.load("ptr", "%cells", 8 * laps_cell(self.program))
            self.out.do(f"%laps = getelementptr i64, ptr {laps}, i64 0")
            self._lap(len(self._numbers), self.begin())
            self._called = self.begin()

    def end_call(self) -> None:
        """End the call's lap."""
        if self.timed:
            self._lap(len(self._numbers) + 1, self._called)

    def begin(self) -> str:
        """Start a step's lap; returns what `end` is to be given."""
        if not self.timed:
            return ""
        return self.out.let("call i64 @instant(ptr %table)")

    def end(self, position: int, begun: str) -> None:
        """End the lap of the step at `position`."""
        if self.timed:
            self._lap(self._numbers[position], begun)

    def _lap(self, number: int, begun: str) -> None:
        self.out.do(f"call void @lap(ptr %table, ptr %laps, i64 {number}, i64 {begun})")
