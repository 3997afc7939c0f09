"""An epilogue as text: one iteration as a function, and what a product needs around it.

The function is written as that of a wide map is: it takes the product's element, and
stores what the kernel stores.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..ir import Extent, Loop, walk
from . import indices
from .epilogue import Epilogue
from .plan import THREADS, WARP, Plan, Spread
from .source import Writer
from .stage import Argument
from .vectors import Wide

__all__ = ["PREFIX", "Ending"]

#: What stands before the names of an epilogue's buffers and sizes, as sources of
#: arguments: a product has names of its own.
PREFIX = "then "


@dataclass(slots=True)
class Ending:
    """The text of `epilogue` in a kernel in which the words of `around` are taken."""

    epilogue: Epilogue
    around: str
    #: What the kernel computes once.
    first: list[str] = field(init=False)
    _writer: Writer = field(init=False)
    _function: str = field(init=False)
    _given: list[str] = field(init=False)

    def __post_init__(self) -> None:
        words = set(re.findall(r"\w+", self.around))
        plan = _plan(self.epilogue)
        self._writer = writer = Writer(plan, taken=words)
        alone = plan.kernel.body[:-1]
        self.first = self._written(lambda: writer.body(alone))
        moved = Wide(1, self.epilogue.totals, ())
        self._function, self._given = writer.function(moved)

    @property
    def name(self) -> str:
        """What is added to the name of a kernel."""
        return f"_then_{self.epilogue.name}"

    @property
    def used(self) -> set[str]:
        """The functions that are imported."""
        return self._writer.used

    @property
    def functions(self) -> list[str]:
        """The lines that define what the kernel calls."""
        return self._writer.functions

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What the kernel takes for the epilogue."""
        called = self._writer.name
        arrays = [(b.name, b.dtype, "buffer") for b in self.epilogue.buffers]
        return (
            *(Argument(called(n), d, "buffer", PREFIX + n) for n, d, _ in arrays),
            *(
                Argument(called(n), "int64", "size", PREFIX + n)
                for n in self.epilogue.kernel.sizes
            ),
        )

    def at(self, part: str, number: str) -> list[str]:
        """The statements that set the axes of a part for the number of a row, say."""
        loops = self.epilogue.parts[part]
        axes = [self._axis(loop) for loop in loops]
        if not loops or not self._looks_at(loops):
            return []
        if number == "0":
            return [f"{axis} = 0" for axis in axes]
        lines = [f"{axes[0]} = {number}"] if len(axes) == 1 else []
        held = number if len(axes) == 1 else f"({number})"
        return [*lines, *indices.axes_of(held, axes, self._extents(loops))]

    def ones(self) -> list[str]:
        """The statements that set the axes of length 1."""
        parts = [loop for each in self.epilogue.parts.values() for loop in each]
        others = [loop for loop in self.epilogue.loops if loop not in parts]
        return [f"{self._axis(o)} = 0" for o in others if self._looks_at([o])]

    def every(self, begin: str, step: str) -> tuple[list[str], list[str]]:
        """Statements that set all axes for the element `begin`, and move them on."""
        loops, writer = self.epilogue.loops, self._writer
        axes, extents = [self._axis(o) for o in loops], self._extents(loops)
        if len(loops) == 1:
            return [f"{axes[0]} = {begin}"], [f"{axes[0]} += {step}"]
        steps: list[str] = []

        def start() -> None:
            steps.extend(writer.odometer(axes, extents, begin, step)[1])

        return self._written(start), indices.onward(axes, steps, extents)

    def call(self, total: str) -> str:
        """The statement that goes on with an element."""
        totals = [total] * len(self.epilogue.totals)
        axis = self._axis(self.epilogue.loops[-1])
        return f"{self._function}({', '.join([*totals, axis, *self._given])})"

    def _axis(self, loop: Loop) -> str:
        return self._writer.name(loop.axis)

    def _looks_at(self, loops: Sequence[Loop]) -> bool:
        """Whether the function is given any of the axes."""
        given = {*self._given, self._axis(self.epilogue.loops[-1])}
        return not given.isdisjoint(map(self._axis, loops))

    def _extents(self, loops: Sequence[Loop]) -> list[str]:
        extents: Iterator[Extent] = (loop.extent for loop in loops)
        return [self._writer.extent(extent) for extent in extents]

    def _written(self, write: Callable[[], None]) -> list[str]:
        """The lines that `write` adds, as they stand in no block."""
        writer = self._writer
        lines, writer.lines, depth, writer.depth = writer.lines, [], writer.depth, 0
        write()
        lines, writer.lines, writer.depth = writer.lines, lines, depth
        return lines


def _plan(epilogue: Epilogue) -> Plan:
    """The kernel as a map, which is what is written of it."""
    kernel = epilogue.kernel
    statements = [s for s, _ in walk(kernel.body)]
    positions = range(len(statements))
    loops = [k for k in positions if isinstance(statements[k], Loop)]
    spread: list[Spread] = ["grid" if k in loops else "serial" for k in positions]
    return Plan(
        kind="map",
        kernel=kernel,
        nest=tuple(loops),
        spread=tuple(spread),
        barriers=frozenset(),
        places=(),
        threads=THREADS,
        team=THREADS,
        warp=WARP,
    )
