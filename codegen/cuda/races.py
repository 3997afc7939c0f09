"""No two threads at one cell, none outside of its array: checked for given sizes.

A kernel is run by all threads of a launch at once (see `lockstep`), as a `Spread` deals
its loops out, and every read and write is entered in ledgers of who touched what.  For
the sizes given that is a proof: every access of every thread is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import CodegenError
from ..interpret import Frame, Scalar, size_of
from ..ir import Kernel, Let
from ..names import uses
from ..program import Launch, Program
from ..run import HostFunction, walk_launches
from .lockstep import Fault, Lockstep, Place, lay_out
from .spread import Spread

__all__ = [
    "AccessError",
    "Checked",
    "Fault",
    "Place",
    "check_launch",
    "find_faults",
    "walk_faults",
]


class AccessError(CodegenError):
    """Threads race for a cell, or an access leaves its array: `faults` says which."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


def find_faults(
    kernel: Kernel,
    spread: Spread,
    sizes: Mapping[str, int],
    arrays: Mapping[str, np.ndarray] | None = None,
    places: Mapping[str, Place] | None = None,
) -> list[Fault]:
    """What is wrong with the accesses of `kernel`, the first of each statement.

    `sizes` are the kernel's.  `arrays` must hold, by name, the buffers whose elements
    decide what is accessed (indices, guards, lengths of loops); others are not looked
    at.  `places` says which buffers lie in one memory.  An empty list means that, for
    these sizes, no thread touches what another writes without a barrier, an end of a
    launch or a declared reduction between them, no access leaves its buffer, and all
    threads of a group come to each of its barriers.

    Raises:
        KeyError: a size, or an array that decides, is not given.
        ValueError: an array has another dtype or size than declared.
    """
    known = {name: np.int64(sizes[name]) for name in kernel.sizes}
    known |= _prologue(kernel, known)
    memory = lay_out(kernel, spread, known, arrays or {}, places or {})
    return Lockstep(kernel, spread, memory, known).run()


def _prologue(kernel: Kernel, known: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """What the top level computes from sizes and numbers, which may be extents."""
    frame = Frame({}, dict(known))
    with np.errstate(all="ignore"):
        for statement in kernel.body:
            if isinstance(statement, Let) and frame.values.keys() >= set(
                uses(statement)
            ):
                frame.block((statement,))
    return frame.values


def check_launch(
    kernel: Kernel,
    spread: Spread,
    sizes: Mapping[str, int],
    arrays: Mapping[str, np.ndarray] | None = None,
    places: Mapping[str, Place] | None = None,
) -> None:
    """Raise `AccessError` for what `find_faults` finds."""
    if faults := find_faults(kernel, spread, sizes, arrays, places):
        raise AccessError(faults)


@dataclass(frozen=True, slots=True)
class Checked:
    """One launch that was checked: the step, its kernel, and what is wrong with it."""

    position: int
    kernel: Kernel
    faults: list[Fault]


def walk_faults(
    program: Program,
    arrays: Mapping[str, np.ndarray],
    spread: Callable[[Kernel, Mapping[str, int]], Spread],
    functions: Mapping[str, HostFunction] | None = None,
    rounds: int = 2,
) -> Iterator[Checked]:
    """Run `program` in the loop interpreter, and check each launch on what it is given.

    `spread` says how a kernel is dealt out for given sizes.  Arrays that share a slot
    of the arena, are views of one another or rows of one array lie in one memory.  In
    loops, each launch is checked in its first `rounds` rounds.  Raises what
    `run.run_program` raises.
    """
    times: dict[int, int] = {}
    regions: dict[int, str] = {}
    for position, memory, sizes in walk_launches(program, arrays, functions):
        regions = regions or _regions(program, memory)
        times[position] = times.get(position, 0) + 1
        step = program.steps[position]
        if times[position] > rounds or not isinstance(step, Launch):
            continue
        kernel = step.kernel
        bound = {
            name: int(size_of(extent, sizes))
            for name, extent in zip(kernel.sizes, step.sizes, strict=True)
        }
        names = [buffer.name for buffer in kernel.buffers]
        held = {n: memory[a] for n, a in zip(names, step.arrays, strict=True)}
        places = {name: _place(array, regions) for name, array in held.items()}
        found = find_faults(kernel, spread(kernel, bound), bound, held, places)
        yield Checked(position, kernel, found)


def _regions(program: Program, memory: Mapping[str, np.ndarray]) -> dict[int, str]:
    """The slot of each temporary's memory, before any loop moves what is in it."""
    return {
        id(memory[array.name]): f"slot {array.slot}"
        for array in program.by_role("temp")
        if array.slot is not None
    }


def _place(array: np.ndarray, regions: Mapping[int, str]) -> Place:
    """Where an array lies: the interpreter gives each one its own memory."""
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    start = array.ctypes.data - root.ctypes.data
    return Place(regions.get(id(root), f"array {id(root)}"), start)
