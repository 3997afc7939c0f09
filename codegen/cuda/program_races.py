"""The checker of races over the launches of whole programs.

Arrays that share a slot of the arena, views of one another and rows of one array lie
in one memory, so that a result in place of an operand is looked at as what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np

from ..interpret import Scalar, dims_of, size_of
from ..ir import Kernel
from ..liveness import owners
from ..program import Array, Launch, Program
from ..run import HostFunction, check_guards, walk_launches
from .decisive import decisive
from .geometry import known_values
from .races import Fault, Place, find_faults
from .spread import Spread

#: What is made of a kernel for given sizes, one launch after another, and how each is
#: dealt out.  They have buffers of the same names, though two dimensions of one may
#: have become one.
Spreading: TypeAlias = Callable[
    [Kernel, Mapping[str, int]], Iterable[tuple[Kernel, Spread]]
]


@dataclass(frozen=True, slots=True)
class Checked:
    """One launch: the step, its kernel, and what is wrong with it.

    `needs` names buffers whose elements would have to be known: then it is not checked.
    """

    position: int
    kernel: Kernel
    faults: list[Fault]
    needs: frozenset[str] = frozenset()


def walk_faults(
    program: Program,
    arrays: Mapping[str, np.ndarray],
    spread: Spreading,
    functions: Mapping[str, HostFunction] | None = None,
    rounds: int = 2,
) -> Iterator[Checked]:
    """Run `program` in the loop interpreter, and check each launch on what it is given.

    In loops, each launch is checked in its first `rounds` rounds.  Ends early where a
    check of the program's fails.  Raises what `run.run_program` raises.
    """
    times: dict[int, int] = {}
    regions: dict[int, str] = {}
    for position, memory, sizes in walk_launches(program, arrays, functions):
        regions = regions or _regions(program, memory)
        times[position] = times.get(position, 0) + 1
        step = program.steps[position]
        if times[position] > rounds or not isinstance(step, Launch):
            continue
        bound = _bound(step, sizes)
        names = [buffer.name for buffer in step.kernel.buffers]
        held = {n: memory[a] for n, a in zip(names, step.arrays, strict=True)}
        places = {name: _place(array, regions) for name, array in held.items()}
        between: dict[str, np.ndarray] = {}
        for kernel, dealt in spread(step.kernel, bound):
            _handed_on(kernel, bound, held.keys(), between)
            found = find_faults(kernel, dealt, bound, held, places, between)
            yield Checked(position, kernel, found)


def still_faults(
    program: Program, arrays: Mapping[str, np.ndarray], spread: Spreading
) -> Iterator[Checked]:
    """Check each launch of `program` for the sizes of `arrays`, without running it.

    Launches whose accesses depend on elements of arrays are told of, and not checked.
    Each row of an array has memory of its own, unless it is the same row.  Raises what
    `run.check_guards` raises.
    """
    sizes = check_guards(program, arrays)
    owner = owners(program)
    for position, step in enumerate(program.steps):
        if not isinstance(step, Launch):
            continue
        bound = _bound(step, sizes)
        between: dict[str, np.ndarray] = {}
        given = {buffer.name for buffer in step.kernel.buffers}
        for kernel, dealt in spread(step.kernel, bound):
            _handed_on(kernel, bound, given, between)
            if needs := decisive(kernel).buffers & given:
                for name in between.keys() & {b.name for b in kernel.buffers}:
                    between[name][:] = True  # as far as is known
                yield Checked(position, kernel, [], needs)
                continue
            places = {
                buffer.name: Place(_memory_of(program, owner, array))
                for buffer, array in zip(step.kernel.buffers, step.arrays, strict=True)
            }
            found = find_faults(kernel, dealt, bound, None, places, between)
            yield Checked(position, kernel, found)


def _handed_on(
    kernel: Kernel,
    sizes: Mapping[str, int],
    given: Collection[str],
    between: dict[str, np.ndarray],
) -> None:
    """Add buffers of the kernel's own to `between`, in which nothing is stored yet."""
    known = known_values(kernel, sizes)
    for buffer in kernel.buffers:
        if buffer.mode == "out" and buffer.name not in given:
            count = prod(dims_of(buffer.shape, known))
            between[buffer.name] = np.zeros(count, bool)


def _bound(step: Launch, sizes: Mapping[str, Scalar]) -> dict[str, int]:
    """The kernel's sizes in a launch."""
    pairs = zip(step.kernel.sizes, step.sizes, strict=True)
    return {name: int(size_of(extent, sizes)) for name, extent in pairs}


def _memory_of(program: Program, owner: Mapping[str, str], name: str) -> str:
    """What memory an array is, as text."""
    array = program.array(name)
    if array.role == "view":
        array = program.array(str(array.target))
    held: Array = program.array(owner[name])
    where = f"array {held.name}" if held.slot is None else f"slot {held.slot}"
    return where if array.row is None else f"{where} at {array.row}"


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
