"""One call's way through the steps of a program: what is launched, and in what order.

Arrays are found by name in `memory`, where rows and what loops move change from round
to round.  How loops and conditions are launched is `control`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..program import Call, End, Gemm, Launch, Otherwise, Program, Repeat, Step, When
from .call_plan import COUNTER, FAILED, ON, CallPlan, Rows, count_of, flag
from .control import Control
from .helpers import NOTHING
from .memory import Cut, Device

#: The number of a launch that is entered with a failed check has so many bits less 1.
_LAST_NUMBER = (1 << 31) - 1


@dataclass(slots=True)
class _Loop:
    """A loop that is run.

    Attributes:
        most: rounds in a batch; 0 where the loop has no condition.
        number: of the round that comes next.
        until: the first round before which the device is waited for.
        size: how many rounds the next batch has.
        begun: the first round of the batch.
        held: the memory of what moves, before each round since then.
    """

    position: int
    step: Repeat
    extent: int
    most: int
    number: int = 0
    until: int = 0
    size: int = 1
    begun: int = 0
    held: list[dict[str, Device]] = field(default_factory=list)

    @property
    def blind(self) -> bool:
        """Whether rounds are launched of which nobody knows whether they are run."""
        return self.most > 1


class Run:
    """Where a call stands."""

    def __init__(
        self,
        program: Program,
        control: Control,
        plan: CallPlan,
        arena: Cut,
        memory: dict[str, Device],
        number: Callable[[int], Device],
    ) -> None:
        self.program = program
        self.control = control
        self.plan = plan
        self.arena = arena
        self.memory = memory
        self.launches = 0
        self.position = 0
        self._number = number
        self._broken_off = 0
        self._loops: list[_Loop] = []
        self._under: list[Device] = []

    def steps(self) -> None:
        """Run all steps.

        Raises IndexError where a round begins for which an array has no row.
        """
        if self.plan.watched or self.plan.counted:
            self.plan.helpers.begin_call(self.memory[FAILED], self.memory[COUNTER])
        steps = self.program.steps
        while self.position < len(steps):
            position, self.position = self.position, self.position + 1
            self.step(position, steps[position])

    def status(self) -> int:
        """The code of the first check that failed, or of a function; or 0."""
        if self._broken_off:
            return self._broken_off
        if not self.plan.checks:
            return 0
        found = self.read(FAILED)
        return 0 if found == NOTHING else found & 0xFFFFFFFF

    def read(self, name: str) -> int:
        """The one element of an array, for which the device is waited for."""
        stream = self.plan.stream
        found = self.memory[name][:1].copy_to_host(stream=stream)
        if stream:
            stream.synchronize()
        return int(found[0])

    # -- steps -------------------------------------------------------------------------

    def step(self, position: int, step: Step) -> None:
        """Run one step, and say where to go on."""
        match step:
            case Launch() | Gemm():
                self.launch(position)
            case Call():
                self.call(position)
            case Repeat():
                self.repeat(position, step)
            case When():
                self.when(position, step)
            case Otherwise():
                if position in self.control.blind:
                    self.leave_under()
                    self.go_under(flag(position))
                else:
                    self.position = self.control.ends[position] + 1
            case End():
                begun = self.control.begins[position]
                if isinstance(self.program.steps[begun], Repeat):
                    self.next_round(self._loops[-1])
                elif begun in self.control.blind:
                    self.leave_under()

    def launch(self, position: int) -> None:
        """Launch a step's kernels."""
        memory = self.memory
        for shot in self.plan.shots[position]:
            arguments: list[Any] = list(shot.fixed)
            for place, name in shot.arrays:
                arguments[place] = memory[name]
            if shot.number is not None:
                number = min(self.launches, _LAST_NUMBER)
                arguments[shot.number] = np.int64(number << 32)
            shot.launch(*arguments)
        self.launches += 1

    def call(self, position: int) -> None:
        """Call a function of the host, unless a check has failed before."""
        if not self.status():
            call = self.plan.calls[position]
            self._broken_off = call.run(self.memory, self.plan.stream)
            if not self._broken_off:
                return
        self.position = len(self.program.steps)

    def when(self, position: int, step: When) -> None:
        """Run both branches blind, or the one that is to be run."""
        condition = self.control.held(step.condition)
        if position not in self.control.blind:
            if not self.read(condition):
                self.position = self.control.ends[position] + 1
            return
        first, second = flag(position), flag(self.control.ends[position])
        arrays = [self.memory[name] for name in (condition, first, second)]
        if self._under:
            self.plan.helpers.choose_branch_under(*arrays, self._under[-1])
        else:
            self.plan.helpers.choose_branch(*arrays)
        self.go_under(first)

    def go_under(self, name: str) -> None:
        """Launch under this bool until `leave_under`."""
        self._under.append(self.memory[name])
        self.memory[ON] = self._under[-1]

    def leave_under(self) -> None:
        """Launch under the bool around again, if there is one."""
        self._under.pop()
        if self._under:
            self.memory[ON] = self._under[-1]

    # -- loops -------------------------------------------------------------------------

    def repeat(self, position: int, step: Repeat) -> None:
        """Begin a loop."""
        most = self.control.rounds.get(position, 0)
        loop = _Loop(position, step, self.plan.extents[position], most)
        self._loops.append(loop)
        if loop.blind:
            loop.until, loop.size = 1, 2
            loop.held = [self.moved(loop)]
            self.go_under(flag(position))
        self.round(loop)

    def next_round(self, loop: _Loop) -> None:
        """End a round."""
        memory = self.memory
        taken = self.control.rotations[loop.position]
        memory.update({name: memory[source] for name, source in taken.items()})
        loop.number += 1
        if loop.blind:
            loop.held.append(self.moved(loop))
        self.round(loop)

    def moved(self, loop: _Loop) -> dict[str, Device]:
        """The memory of all that a loop moves."""
        names = self.control.rotations[loop.position]
        return {name: self.memory[name] for name in names}

    def round(self, loop: _Loop) -> None:
        """Begin a round, or leave the loop."""
        if loop.number >= loop.extent:
            if loop.blind and loop.number:
                self.back_to(loop, self.read(count_of(loop.position)))
            self.leave(loop)
            return
        if loop.most and not self.goes_on(loop):
            self.leave(loop)
            return
        self.position = loop.position + 1
        self.count(loop)
        for rows in self.plan.rows.get(loop.step.counter, ()):
            self.show(rows, loop.number)

    def goes_on(self, loop: _Loop) -> bool:
        """Whether to launch the round that comes next; maybe it is not run then."""
        memory = self.memory
        on, count = flag(loop.position), count_of(loop.position)
        self.plan.helpers.begin_round(
            memory[self.control.held(str(loop.step.going))],
            *(memory[name] for name in (FAILED, on, count)),
            np.int64(loop.number),
        )
        if loop.number < loop.until and self.in_reach(loop):
            return True
        ran = self.read(count)
        if ran <= loop.number:
            self.back_to(loop, ran)
            return False
        loop.begun, loop.until = loop.number, loop.number + loop.size
        loop.size = min(2 * loop.size, loop.most)
        if loop.blind:
            loop.held = [self.moved(loop)]
        return True

    def back_to(self, loop: _Loop, number: int) -> None:
        """Have what moves be where it was before a round that was not run."""
        if loop.blind:
            self.memory.update(loop.held[number - loop.begun])
        loop.number = number

    def leave(self, loop: _Loop) -> None:
        """Go on after a loop."""
        self._loops.pop()
        if loop.blind:
            self.leave_under()
        self.count(loop)
        self.position = self.control.ends[loop.position] + 1

    def count(self, loop: _Loop) -> None:
        """Have the counter say how many rounds there were."""
        counter = self.control.held(loop.step.counter)
        if counter in self.control.counted:
            self.memory[counter] = self._number(loop.number)

    def in_reach(self, loop: _Loop) -> bool:
        """Whether all rows are there that the round that comes next is given."""
        rows = self.plan.rows.get(loop.step.counter, ())
        return all(row.place(loop.number) is not None for row in rows)

    def show(self, rows: Rows, number: int) -> None:
        """Have a row be that of round `number`."""
        place = rows.place(number)
        if place is None:
            if self.status():  # the call has ended before
                self.position = len(self.program.steps)
                return
            first = rows.start + rows.stride * number
            raise IndexError(f"{rows.of} has no row {first}")
        if rows.length * rows.count:
            array, begin = self.memory[rows.of], place * rows.length
            end = begin + rows.count * rows.length
            kept = rows.of in self.plan.layout.places
            part = self.arena.part(array, begin, end) if kept else array[begin:end]
            self.memory[rows.name] = part


__all__ = ["Run"]
