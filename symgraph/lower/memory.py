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
from ..codegen.program import Array, Call, Gemm, Launch, Program, Step

#: The size of an array in a form that compares: bytes times the product of the names.
SizeKey = tuple[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The steps from the one that writes a temporary to the last that reads it."""

    first: int
    last: int


def arrays_of(step: Step) -> tuple[str, ...]:
    """The arrays that a step reads or writes."""
    match step:
        case Launch(arrays=arrays):
            return arrays
        case Gemm(out=out, lhs=lhs, rhs=rhs):
            return (out, lhs, rhs)
        case Call(reads=reads, writes=writes):
            return (*reads, *writes)


def owners(program: Program) -> dict[str, str]:
    """For each array, the one whose memory it is: a view's target, or itself."""
    owner = {a.name: a.name for a in program.arrays}
    return owner | {a.name: str(a.target) for a in program.by_role("view")}


def lifetimes(program: Program) -> dict[str, Lifetime]:
    """The lifetime of each temporary, uses through views included."""
    owner = owners(program)
    temps = {a.name for a in program.by_role("temp")}
    lives: dict[str, Lifetime] = {}
    for number, step in enumerate(program.steps):
        for name in arrays_of(step):
            base = owner[name]
            if base in temps:
                first = lives[base].first if base in lives else number
                lives[base] = Lifetime(first, number)
    return lives


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
    if not isinstance(step, Launch):
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
