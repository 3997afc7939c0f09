"""The text of a wide map's loop: runs of neighbours, at once or one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..ir import Load, Store
from .indices import element
from .vectors import Wide


@dataclass(frozen=True, slots=True)
class Runs:
    """What is written for a run, in terms of a function of one iteration.

    Attributes:
        wide: what is moved at once.
        axis: the axis, as a name of Python's.
        extent: its extent as text.
        function: the function's name.
        given: what it takes behind the values that are loaded at once and the axis.
        name: what a value is called.
        place: the array of an access, and the place of its element there.
        used: where the names of called functions are noted.
    """

    wide: Wide
    axis: str
    extent: str
    function: str
    given: Sequence[str]
    name: Callable[[str], str]
    place: Callable[[Load | Store], tuple[str, str]]
    used: set[str]

    def lines(self, number: str, whole: str) -> Iterator[str]:
        """The run called `number`; `whole` is a name that is free."""
        axis, width = self.axis, self.wide.width
        yield f"{axis} = {width} * {number}"
        yield f"{whole} = {axis} + {width} <= {self.extent}"
        accesses: tuple[Load | Store, ...] = (*self.wide.loads, *self.wide.stores)
        for array, place in dict.fromkeys(self.place(access) for access in accesses):
            yield f"{whole} = {whole} and {self._moves('aligned', array, place)}"
        yield f"if {whole}:"
        yield from (f"    {line}" for line in self._at_once())
        yield "else:"
        yield f"    for {axis} in range({axis}, min({axis} + {width}, {self.extent})):"
        yield f"        {self._one()}"

    def _at_once(self) -> Iterator[str]:
        """With vectors."""
        wide = self.wide
        for load in wide.loads:
            yield f"{self.name(load.name)} = {self._moves('load', *self.place(load))}"
        results = [f"{self.function}_{k}" for k in range(wide.width)]
        for k, result in enumerate(results):
            parts = [f"{self.name(load.name)}[{k}]" for load in wide.loads]
            called = self._called(parts, f"{self.axis} + {k}" if k else self.axis)
            yield f"{result} = {called}" if wide.stores else called
        for number, store in enumerate(wide.stores):
            several = len(wide.stores) > 1
            parts = [f"{r}[{number}]" if several else r for r in results]
            values = f"({', '.join(parts)})"
            yield self._moves("store", *self.place(store), values)

    def _one(self) -> str:
        """One iteration by itself."""
        parts = [self._element(load) for load in self.wide.loads]
        left = ", ".join(self._element(store) for store in self.wide.stores)
        called = self._called(parts, self.axis)
        return f"{left} = {called}" if left else called

    def _element(self, access: Load | Store) -> str:
        return element(*self.place(access), self.used)

    def _called(self, parts: Sequence[str], axis: str) -> str:
        return f"{self.function}({', '.join([*parts, axis, *self.given])})"

    def _moves(self, kind: str, *arguments: str) -> str:
        """A call of one of the functions that move vectors."""
        name = f"{kind}{self.wide.width}"
        self.used.add(name)
        return f"{name}({', '.join(arguments)})"
