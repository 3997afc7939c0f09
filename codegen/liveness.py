"""Whether what an array holds is read later on, along any path through a program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .program import (
    Call,
    End,
    Gemm,
    Launch,
    Otherwise,
    Program,
    Repeat,
    Step,
    When,
    brackets,
    rotation,
    written_by,
)


def owners(program: Program) -> dict[str, str]:
    """For each array, the one whose memory it is: that of a view or row, or itself."""
    target = {a.name: str(a.target) for a in program.by_role("view", "row")}
    owner: dict[str, str] = {}
    for array in program.arrays:
        name = array.name
        while name in target:
            name = target[name]
        owner[array.name] = name
    return owner


@dataclass(slots=True)
class Liveness:
    """Answers for one program."""

    program: Program
    _owner: dict[str, str] = field(init=False)
    _whole: set[str] = field(init=False)
    _ends: dict[int, int] = field(init=False)
    _begins: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._owner = owners(self.program)
        rows = {a.name for a in self.program.by_role("row")}
        parts = {a.name for a in self.program.by_role("view") if a.target in rows}
        self._whole = {a.name for a in self.program.arrays} - rows - parts
        self._ends = brackets(self.program.steps)
        self._begins = {end: begin for begin, end in self._ends.items()}

    def read_from(self, position: int, name: str) -> bool:
        """Whether the memory called `name` is read at or after the step at `position`.

        What is written as a whole before that does not count.
        """
        steps = self.program.steps
        pending, seen = [(position, name)], set()
        while pending:
            place = pending.pop()
            if place in seen or place[0] == len(steps):
                continue
            seen.add(place)
            position, name = place
            step = steps[position]
            if name in self._read(position, step):
                return True
            if name not in self._replaced(step):
                pending.extend(self._after(position, step, name))
        return False

    def _read(self, position: int, step: Step) -> set[str]:
        """The memory that a step reads, by the names that it has before the step."""
        found: tuple[str | None, ...] = ()
        match step:
            case Launch(kernel=kernel, arrays=arrays):
                pairs = zip(arrays, kernel.buffers, strict=True)
                found = tuple(name for name, buffer in pairs if buffer.mode != "out")
            case Gemm(out=out, lhs=lhs, rhs=rhs, accumulate=accumulate):
                found = (lhs, rhs, out if accumulate else None)
            case Call(reads=reads):
                found = reads
            case Repeat(going=going):
                found = (going,)
            case When(condition=condition):
                found = (condition,)
            case End():
                opener = self.program.steps[self._begins[position]]
                if isinstance(opener, Repeat):
                    taken = rotation(opener.moves)
                    ends = (opener.counter, opener.going)
                    found = tuple(taken.get(str(name), name) for name in ends)
        return {self._owner[name] for name in found if name is not None}

    def _replaced(self, step: Step) -> set[str]:
        """The memory that a step writes as a whole."""
        return {self._owner[name] for name in written_by(step) if name in self._whole}

    def _after(self, position: int, step: Step, name: str) -> Iterator[tuple[int, str]]:
        """Where a program may go on, and what the memory called `name` is called there.

        After a round an array's memory is that of another one.
        """
        if isinstance(step, Otherwise):
            yield self._ends[position] + 1, name
            return
        if isinstance(step, Repeat | When):
            yield self._ends[position] + 1, name
        if isinstance(step, End):
            begun = self._begins[position]
            opener = self.program.steps[begun]
            if isinstance(opener, Repeat):
                names = {held: new for new, held in rotation(opener.moves).items()}
                name = names.get(name, name)
                yield begun + 1, name
        yield position + 1, name
