"""The memory plan: which temporaries share a slot of the arena.

Liveness is read off the steps.  A temporary takes a slot whose last holder is dead,
preferring one of the same size; a slot is as large as its largest holder, so sharing
never costs more than a slot of one's own.  An elementwise result goes in place of an
operand that dies in the same step, where every element is read before it is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..codegen import ir
from ..codegen.liveness import owners
from ..codegen.program import Array, Launch, Program, Repeat, Step, arrays_of, brackets

#: The size of an array in a form that compares: bytes times the product of the names.
SizeKey = tuple[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The steps from the one that writes a temporary to the last that reads it."""

    first: int
    last: int


def lifetimes(program: Program) -> dict[str, Lifetime]:
    """The lifetime of each temporary, uses through views and rows included.

    What is used in a loop lives all through it, unless it is made anew in each round.
    Arrays that exchange their memory live as long as each other.
    """
    owner = owners(program)
    temps = {a.name for a in program.by_role("temp")}
    uses: dict[str, list[int]] = {}
    for number, step in enumerate(program.steps):
        for name in arrays_of(step):
            if owner[name] in temps:
                uses.setdefault(owner[name], []).append(number)
    lives = {name: Lifetime(min(at), max(at)) for name, at in uses.items()}
    rounds = [
        Lifetime(begin, end)
        for begin, end in brackets(program.steps).items()
        if isinstance(program.steps[begin], Repeat)
    ]
    # Inner loops first: what lives through one is used throughout by the outer one.
    for loop in sorted(rounds, key=lambda loop: loop.last - loop.first):
        kept = _kept(program, loop, owner)
        for name, life in lives.items():
            apart = life.last < loop.first or loop.last < life.first
            inside = loop.first < life.first and life.last < loop.last
            if not apart and (not inside or name in kept):
                first = min(life.first, loop.first)
                lives[name] = Lifetime(first, max(life.last, loop.last))
        _together(lives, program.steps[loop.first])
    return lives


def _together(lives: dict[str, Lifetime], step: Step) -> None:
    """Have all that a loop moves live as long as any of it."""
    assert isinstance(step, Repeat)
    moved = [name for pair in step.moves for name in pair]
    if moved:
        first = min(lives[name].first for name in moved)
        last = max(lives[name].last for name in moved)
        lives.update(dict.fromkeys(moved, Lifetime(first, last)))


def _kept(program: Program, loop: Lifetime, owner: dict[str, str]) -> set[str]:
    """Memory that a loop uses from one round to the next: its carries', and rows."""
    step = program.steps[loop.first]
    kept = {owner[name] for name in arrays_of(step)}
    rows = program.by_role("row")
    return kept | {owner[row.name] for row in rows if _counter(row) in kept}


def _counter(row: Array) -> str:
    assert row.row is not None
    return row.row.counter


def size_key(array: Array) -> SizeKey:
    """The bytes of an array: known factor and names of unknown ones."""
    known = np.dtype(array.dtype).itemsize
    names = []
    for extent in array.shape:
        if isinstance(extent, int):
            known *= extent
        else:
            names.append(extent)
    return known, tuple(sorted(names))


def plan(program: Program) -> Program:
    """`program` with a slot for each temporary; unused temporaries are dropped."""
    arrays = {a.name: a for a in program.arrays}
    owner = owners(program)
    lives = lifetimes(program)
    slots: dict[str, int] = {}
    free: dict[int, SizeKey] = {}
    starting: dict[int, list[str]] = {}
    ending: dict[int, list[str]] = {}
    for name, life in lives.items():
        starting.setdefault(life.first, []).append(name)
        ending.setdefault(life.last, []).append(name)
    count = 0
    for number, step in enumerate(program.steps):
        # In order: sets of names iterate in another order in every process.
        dying = [n for n in ending.get(number, ()) if n in slots]
        for name in starting.get(number, ()):
            alone = _read_once(step, dying, owner)
            donor = _donor(step, name, alone, arrays)
            if donor is not None:
                slots[name] = slots[donor]
                dying.remove(donor)
                continue
            slot = _take(free, size_key(arrays[name]))
            if slot is None:
                slot, count = count, count + 1
            slots[name] = slot
        unread = (n for n in starting.get(number, ()) if lives[n].last == number)
        for name in (*dying, *unread):
            free[slots[name]] = size_key(arrays[name])
    kept = tuple(
        replace(a, slot=slots[a.name]) if a.role == "temp" else a
        for a in program.arrays
        if a.role != "temp" or a.name in slots
    )
    return replace(program, arrays=kept)


def _take(free: dict[int, SizeKey], key: SizeKey) -> int | None:
    """A free slot, of size `key` if there is one."""
    if not free:
        return None
    slot = next((s for s, held in free.items() if held == key), next(reversed(free)))
    del free[slot]
    return slot


def _read_once(
    step: Step, names: Sequence[str], owner: dict[str, str]
) -> Sequence[str]:
    """Those of `names` that `step` reads as one array only: not through a view too."""
    uses = Counter(owner[name] for name in arrays_of(step))
    return [name for name in names if uses[name] == 1]


def _donor(
    step: Step, name: str, dying: Sequence[str], arrays: dict[str, Array]
) -> str | None:
    """An operand that dies in `step` and whose memory `name` may take over."""
    if not isinstance(step, Launch) or name not in step.arrays:
        return None
    out = step.kernel.buffers[step.arrays.index(name)]
    target = arrays[name]
    for buffer, candidate in zip(step.kernel.buffers, step.arrays, strict=True):
        if (
            candidate in dying
            and arrays[candidate].shape == target.shape
            and arrays[candidate].dtype == target.dtype
            and (buffer.mode, out.mode) == ("in", "out")
            and reads_before_writes(step.kernel, buffer.name, out.name)
        ):
            return candidate
    return None


def reads_before_writes(kernel: ir.Kernel, source: str, target: str) -> bool:
    """Whether `kernel` reads each element of `source` only just before it writes it.

    That is: all accesses to both are at one index, in the body of one loop, loads
    first; and the index names every loop around, so that no element is visited again.
    """
    touching = []
    for axes, body in _bodies(kernel.body):
        accesses = [s for s in body if _touches(s, source, target)]
        if accesses:
            touching.append((axes, accesses))
    if len(touching) != 1:
        return False
    ((axes, accesses),) = touching
    indices = {s.index for s in accesses if isinstance(s, ir.Load | ir.Store)}
    named = {name for index in indices for affine in index for name, _ in affine.terms}
    kinds = [isinstance(s, ir.Store) for s in accesses]
    once = len(indices) == 1 and named.issuperset(axes)
    return once and kinds == sorted(kinds) and sum(kinds) == 1


def _touches(statement: ir.Statement, source: str, target: str) -> bool:
    return isinstance(statement, ir.Load | ir.Store) and statement.buffer in (
        source,
        target,
    )


def _bodies(
    statements: Sequence[ir.Statement],
) -> Iterator[tuple[tuple[str, ...], tuple[ir.Statement, ...]]]:
    """The statement lists of a nest, outermost first, with the loops around them."""
    stack: list[tuple[tuple[str, ...], tuple[ir.Statement, ...]]] = [
        ((), tuple(statements))
    ]
    while stack:
        axes, body = stack.pop()
        yield axes, body
        stack.extend(((*axes, s.axis), s.body) for s in body if isinstance(s, ir.Loop))


def arena_bytes(program: Program, sizes: dict[str, int]) -> tuple[int, int]:
    """Bytes of the arena's slots, and of all temporaries had each its own memory."""
    slots: dict[int, int] = {}
    total = 0
    for array in program.by_role("temp"):
        known, names = size_key(array)
        for name in names:
            known *= sizes[name]
        total += known
        if array.slot is not None:
            slots[array.slot] = max(slots.get(array.slot, 0), known)
    return sum(slots.values()), total


__all__ = ["Lifetime", "arena_bytes", "lifetimes", "plan", "reads_before_writes"]
