"""What loads and stores touch: proofs about bounds and races.

Indices are affine and loops rectangular, so that a range of indices is known from its
two ends, and whether two iterations meet from the stride of their axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from .ir import Affine, Extent, Kernel, Let, Load, Loop, Statement, Store, walk

#: A load or store.
Access: TypeAlias = Load | Store


# Bounds


def out_of_bounds(index: Affine, dim: Extent, loops: list[Loop]) -> str:
    """How `index` leaves ``[0, dim)`` for some iteration; empty if that is not certain.

    Both ends of its range are affine in the sizes (and in values, whose range is not
    known); they are certain where all names cancel out.
    """
    extents = {loop.axis: loop.extent for loop in loops}
    if 0 in extents.values():
        return ""
    low = high = Affine((), index.const)
    for name, coef in index.terms:
        if name not in extents:
            low, high = (end + Affine(((name, coef),)) for end in (low, high))
        elif coef > 0:
            high += (_affine(extents[name]) + -1) * coef
        else:
            low += (_affine(extents[name]) + -1) * coef
    beyond = high + _affine(dim) * -1
    if not low.terms and low.const < 0:
        return f"an index falls to {low.const}"
    if not beyond.terms and beyond.const >= 0:
        return f"an index exceeds its last place by {beyond.const + 1}"
    return ""


def _affine(extent: Extent) -> Affine:
    return Affine((), extent) if isinstance(extent, int) else Affine(((extent, 1),))


# Races


@dataclass(frozen=True, slots=True)
class _Window:
    """An index ``stride * axis + base + [low, high]``, narrower than the stride.

    Then no two values of the axis meet.  `base` does not vary inside the loop.
    """

    stride: int
    base: frozenset[tuple[str, int]]
    low: int
    high: int

    def apart(self, other: _Window, extent: Extent) -> bool:
        """Whether two iterations never meet, one in each window."""
        if self.stride != other.stride:
            return False
        if self.base != other.base:
            return True  # run-time sizes decide, as in the parts of a concatenation
        span = max(self.high, other.high) - min(self.low, other.low)
        gap = max(self.low - other.high, other.low - self.high)
        stride = abs(self.stride)
        are_points = self.low == self.high and other.low == other.high
        is_interleaved = are_points and gap % stride != 0
        is_beyond = isinstance(extent, int) and gap > stride * (extent - 1)
        return span < stride or is_interleaved or is_beyond


@dataclass(frozen=True, slots=True)
class _Region:
    """What varies inside a loop whose iterations may run at once."""

    loop: Loop
    extents: dict[str, Extent]
    values: frozenset[str]
    accesses: tuple[Access, ...]

    @classmethod
    def of(cls, loop: Loop) -> _Region:
        inside = [statement for statement, _ in walk(loop.body)]
        inner = [s for s in inside if isinstance(s, Loop)]
        values = {s.name for s in inside if isinstance(s, Let | Load)}
        values.update(carry.name for s in inner for carry in s.carries)
        values.update(state.name for s in (loop, *inner) for state in s.state)
        values.update(state.final for s in inner for state in s.state)
        accesses = tuple(s for s in inside if isinstance(s, Load | Store))
        extents = {s.axis: s.extent for s in inner}
        return cls(loop, extents, frozenset(values), accesses)

    def window(self, index: Affine) -> _Window | None:
        """The window of `index`, or None where iterations may meet in it."""
        low = high = index.const
        base = []
        for name, coef in index.terms:
            extent = self.extents.get(name)
            if name in self.values or isinstance(extent, str):
                return None
            if isinstance(extent, int):
                reach = coef * max(extent - 1, 0)
                low, high = low + min(reach, 0), high + max(reach, 0)
            elif name != self.loop.axis:
                base.append((name, coef))
        stride = index.coefficient(self.loop.axis)
        if high - low >= abs(stride):
            return None
        return _Window(stride, frozenset(base), low, high)

    def keeps_apart(self, store: Access) -> bool:
        """Whether each iteration stores to places of its own."""
        if self.loop.extent in (0, 1):
            return True
        return any(self.window(index) is not None for index in store.index)

    def are_apart(self, store: Access, other: Access) -> bool:
        """Whether `other` never touches what another iteration stores."""
        if self.loop.extent in (0, 1):
            return True
        for mine, its in zip(store.index, other.index, strict=True):
            if not mine.terms and not its.terms and mine.const != its.const:
                return True
            first, second = self.window(mine), self.window(its)
            if first and second and first.apart(second, self.loop.extent):
                return True
        return False


def find_race(kernel: Kernel) -> tuple[Access, str] | None:
    """The first access of `kernel` that may race, and why; None where none does.

    Iterations of the parallel or split loop run in any order or at once.  The lanes of
    other vector loops do not race: targets add them up in order where they may meet.
    What only may race counts, unless run-time sizes decide it.
    """
    private = {buffer.name for buffer in kernel.scratch}
    split = kernel.split
    for outer in kernel.body:
        if _runs_at_once(outer, split):
            found = _race_between_iterations(_Region.of(outer), private)
            if outer.carries:
                split = None  # what follows runs once
        else:
            found = _store_in_every_chunk(split, outer, private)
        if found is not None:
            return found
    return None


def _runs_at_once(statement: Statement, split: str | None) -> TypeGuard[Loop]:
    return isinstance(statement, Loop) and (
        statement.kind == "parallel" or statement.axis == split
    )


def _race_between_iterations(
    region: _Region, private: set[str]
) -> tuple[Access, str] | None:
    """An iteration of a parallel or split loop touches what another one stores."""
    shared = [access for access in region.accesses if access.buffer not in private]
    axis = region.loop.axis
    for store in shared:
        if not isinstance(store, Store):
            continue
        if store.accumulate:
            return store, f"'+=' inside of the parallel or split loop over {axis!r}"
        if not region.keeps_apart(store):
            return store, f"iterations of {axis!r} may store to one place"
        for other in shared:
            if other.buffer == store.buffer and not region.are_apart(store, other):
                return other, f"another iteration of {axis!r} may store to that place"
    return None


def _store_in_every_chunk(
    split: str | None, outer: Statement, private: set[str]
) -> tuple[Access, str] | None:
    """A result stored outside of the split loop, which every chunk would repeat."""
    if split is None:
        return None
    for statement, _ in walk((outer,)):
        if isinstance(statement, Store) and statement.buffer not in private:
            return statement, f"a store outside of the split loop over {split!r}"
    return None


def independent(loop: Loop) -> bool:
    """Whether no iteration of `loop` touches what another one stores, ``+=`` included.

    Scratch buffers count like any other: the iterations share them.
    """
    region = _Region.of(loop)
    stores = [access for access in region.accesses if isinstance(access, Store)]
    return all(
        region.keeps_apart(store) and region.are_apart(store, other)
        for store in stores
        for other in region.accesses
        if other.buffer == store.buffer
    )
