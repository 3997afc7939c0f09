"""Which arrays of a program may lie in one memory."""

from __future__ import annotations

from ..liveness import owners
from ..program import Program, Repeat

__all__ = ["Regions"]


class Regions:
    """Answers for one program, for any time of a call.

    Views and rows lie in the memory of what they show, temporaries in their slots.
    What loops move has, in some round, the memory of any array that it is moved with;
    two such arrays that begin apart stay apart, since they only change places.
    """

    def __init__(self, program: Program) -> None:
        self._owner = owners(program)
        self._slots = {a.name: a.slot for a in program.by_role("temp")}
        self._moved: dict[str, set[str]] = {}
        for step in program.steps:
            for pair in step.moves if isinstance(step, Repeat) else ():
                first, second = (self._owner[name] for name in pair)
                group = self._moved.get(first, {first}) | self._moved.get(
                    second, {second}
                )
                self._moved.update(dict.fromkeys(group, group))

    def owner(self, name: str) -> str:
        """The array whose memory another one is."""
        return self._owner[name]

    def moves(self, name: str) -> bool:
        """Whether a loop moves an array's memory."""
        return self._owner[name] in self._moved

    def meet(self, first: str, second: str) -> bool:
        """Whether two arrays may have an element in common."""
        one, other = self._owner[first], self._owner[second]
        if one == other:
            return True
        ones = self._moved.get(one, {one})
        places = [self._place(name) for name in ones]
        if ones is self._moved.get(other) and len(set(places)) == len(places):
            return False
        others = self._moved.get(other, {other})
        return not set(places).isdisjoint(map(self._place, others))

    def _place(self, name: str) -> str | int:
        slot = self._slots.get(name)
        return name if slot is None else slot
