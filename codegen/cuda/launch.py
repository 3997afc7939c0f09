"""Programs run through numba.cuda: on a GPU, or in numba's simulator.

Every array is flat memory on the device, and stays there until the program has ended;
views and rows are the same memory.  Kernels are compiled when first launched.  The host
runs the loops and conditions of a program, for which it reads back one bool a round;
failed checks are read once, at the end.

The simulator is numba's own: ``NUMBA_ENABLE_CUDASIM=1``, set before numba is imported.
"""

from __future__ import annotations

import linecache
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np

from ..errors import CompileError, UnsupportedHostError
from ..interpret import Arrays, Scalar, applied, dims_of, size_of
from ..ir import Const, Kernel, Let
from ..program import (
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
)
from ..run import ProgramResult, check_guards, given_arrays, program_result
from ..text import print_kernel
from . import product
from .choices import Choices, choices
from .plan import LEAST_CHUNK, MOST_OF_A_WARP, THREADS, WARP, Kind, Plan, chunks
from .source import Argument, Stage, stages

#: A flat array on the device.
Device: TypeAlias = Any
#: What ``cuda.jit`` gives: ``function[blocks, threads](*arguments)`` launches it.
Dispatcher: TypeAlias = Any
#: What `failed` holds while no check has failed; else the number of the launch, then
#: 32 bits of the code.
NOTHING = int(np.iinfo(np.int64).max)
#: The most bytes of a launch's global scratch areas, where several blocks have one.
MOST_AREA = 1 << 28


@dataclass(frozen=True, slots=True)
class Limits:
    """How launches are cut.

    Attributes:
        threads: of a block; a power of two.
        blocks: the most in a grid.
        chunk: the least length of a chunk of a reduction.
        tile: the side of the square of threads that does a matrix product's tile.
        warp: the threads of a warp; 32 on a device.
        row: the most elements of a row that a warp runs.
    """

    threads: int = THREADS
    blocks: int = 4096
    chunk: int = LEAST_CHUNK
    tile: int = product.TILE
    warp: int = WARP
    row: int = MOST_OF_A_WARP


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A kernel that can be launched: a function for each stage."""

    plan: Plan
    stages: tuple[Stage, ...]
    functions: tuple[Dispatcher, ...]


class CudaProgram:
    """A program that can be run on a device, again and again.

    Raises:
        CompileError: it calls a function of the host, or is ill-formed.
        UnsupportedHostError: there is neither a GPU nor a simulator.
    """

    def __init__(self, program: Program, limits: Limits | None = None) -> None:
        refuse_calls(program)
        self.program = program
        self.limits = limits or Limits()
        self._cuda = numba_cuda()
        self._choices: dict[str, Choices] = {}
        self._kernels: dict[tuple[str, int], _Prepared] = {}
        self._products: dict[str, Dispatcher] = {}

    def run(self, arrays: Arrays) -> ProgramResult:
        """What `run_program` gives for these arrays, computed on the device.

        The code of a failed check is that of the first launch in which one failed, and
        the least code of those that did.  Raises what `run_program` raises, but for
        accesses out of bounds.
        """
        program = self.program
        sizes = check_guards(program, arrays)
        run = _Run(self, sizes)
        run.begin(given_arrays(program, arrays))
        with warnings.catch_warnings():
            # What overflows in the simulator, and how small a grid is.
            warnings.simplefilter("ignore")
            run.steps()
        status = run.status()
        updates = () if status else program.by_role("update")
        names = *program.results, *(array.name for array in updates)
        memory = {name: run.fetch(name) for name in names}
        return program_result(program, memory, status)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """How each kernel that has run so far is spread over threads."""
        return tuple(made.plan.kind for made in self._kernels.values())

    def prepared(self, kernel: Kernel, sizes: Mapping[str, int]) -> Iterator[_Prepared]:
        """What is launched for a kernel and these sizes, each text compiled once."""
        key = print_kernel(kernel)
        if key not in self._choices:
            limits = self.limits
            self._choices[key] = choices(
                kernel, limits.threads, limits.warp, limits.row
            )
        for planned in self._choices[key].fitting(sizes):
            which = key, self._choices[key].plans.index(planned)
            if which not in self._kernels:
                written = stages(planned)
                functions = tuple(self._function(stage) for stage in written)
                self._kernels[which] = _Prepared(planned, written, functions)
            yield self._kernels[which]

    def product(self, stage: Stage) -> Dispatcher:
        """A kernel of matrix products, each text compiled once."""
        if stage.text not in self._products:
            self._products[stage.text] = self._function(stage)
        return self._products[stage.text]

    def _function(self, stage: Stage) -> Dispatcher:
        """A stage as what numba launches."""
        path = f"<cuda kernel {stage.name}>"
        # Where numba and tracebacks look for the lines that they quote.
        lines = stage.text.splitlines(True)
        linecache.cache[path] = len(stage.text), None, lines, path
        names: dict[str, Any] = {"__name__": "symgraph_kernel"}
        exec(compile(stage.text, path, "exec"), names)
        return self._cuda.jit(names[stage.name])


class _Run:
    """One call: the memory on the device, and where the run stands."""

    def __init__(self, whole: CudaProgram, sizes: Mapping[str, Scalar]) -> None:
        self.whole = whole
        self.program = whole.program
        self.cuda = whole._cuda
        self.sizes = sizes
        self.memory: dict[str, Device] = {}
        self.scratch: dict[tuple[str, int], Device] = {}
        self.failed = self.cuda.to_device(np.array([NOTHING], np.int64))
        self.counter = self.cuda.to_device(np.zeros(1, np.int32))
        self.launches = 0
        self.position = 0
        self._ends = brackets(self.program.steps)
        self._begins = {end: begin for begin, end in self._ends.items()}
        self._arrays = {array.name: array for array in self.program.arrays}

    # ------------------------------------------------------------------ memory

    def begin(self, given: Arrays) -> None:
        """All arrays before the first step."""
        for name, value in given.items():
            flat = np.ascontiguousarray(value).reshape(-1)
            flat = flat if flat.size else np.zeros(1, flat.dtype)
            self.memory[name] = self.cuda.to_device(flat)
        for array in self.program.by_role("output", "update", "temp"):
            shape = dims_of(array.shape, self.sizes)
            self.memory[array.name] = self.empty(int(np.prod(shape)), array.dtype)

    def empty(self, length: int, dtype: str) -> Device:
        """Memory for so many elements, and for one at least."""
        return self.cuda.device_array(max(length, 1), np.dtype(dtype))

    def device(self, name: str) -> Device:
        """An array's memory; a view's is its target's."""
        array = self._arrays[name]
        return self.memory[str(array.target) if array.role == "view" else name]

    def fetch(self, name: str) -> np.ndarray:
        """An array on the host."""
        shape = dims_of(self._arrays[name].shape, self.sizes)
        flat: np.ndarray = self.device(name).copy_to_host()
        return flat[: int(np.prod(shape))].reshape(shape)

    def value(self, name: str) -> Scalar:
        """The one element of an array without axes."""
        return self.device(name).copy_to_host()[0]

    def status(self) -> int:
        """The code of the first check that failed, or 0."""
        found = int(self.failed.copy_to_host()[0])
        return 0 if found == NOTHING else found & 0xFFFFFFFF

    # ------------------------------------------------------------------ steps

    def steps(self) -> None:
        """Run all steps."""
        while self.position < len(self.program.steps):
            position, self.position = self.position, self.position + 1
            self.step(position, self.program.steps[position])

    def step(self, position: int, step: Step) -> None:
        """Run one step, and say where to go on."""
        match step:
            case Launch():
                self.launch(step)
            case Gemm():
                self.gemm(step)
            case Repeat():
                self.count(step.counter, 0)
                self.round(position, step, 0)
            case When():
                if not self.value(step.condition):
                    self.position = self._ends[position] + 1
            case Otherwise():
                self.position = self._ends[position] + 1
            case End():
                begun = self._begins[position]
                opener = self.program.steps[begun]
                if isinstance(opener, Repeat):
                    number = int(self.value(opener.counter)) + 1
                    self.count(opener.counter, number)
                    taken = rotation(opener.moves)
                    moved = {name: self.memory[held] for name, held in taken.items()}
                    self.memory |= moved
                    self.round(begun, opener, number)

    def count(self, counter: str, number: int) -> None:
        """Enter the number of a round."""
        self.device(counter).copy_to_device(np.array([number], np.int64))

    def round(self, position: int, step: Repeat, number: int) -> None:
        """Begin a round of the loop at `position`, or leave it."""
        on = step.going is None or self.value(step.going)
        if number >= size_of(step.extent, self.sizes) or not on:
            self.position = self._ends[position] + 1
            return
        self.position = position + 1
        for array in self.program.by_role("row"):
            if array.row is None or array.row.counter != step.counter:
                continue
            rows = self._arrays[str(array.target)]
            inner = dims_of(rows.shape, self.sizes)
            shape = dims_of(array.shape, self.sizes)
            start = int(size_of(array.row.start, self.sizes))
            place = start + int(size_of(array.row.stride, self.sizes)) * number
            count = shape[0] if len(shape) == len(inner) else 1
            if not 0 <= place <= place + count <= inner[0]:
                raise IndexError(f"{array.target} has no row {place}")
            length = int(np.prod(inner[1:]))
            if length * count:
                part = slice(place * length, (place + count) * length)
                self.memory[array.name] = self.device(str(array.target))[part]
            else:
                self.memory[array.name] = self.empty(1, array.dtype)

    # ------------------------------------------------------------------ launches

    def launch(self, step: Launch) -> None:
        """Launch what is made of a kernel."""
        bound = {
            name: int(size_of(extent, self.sizes))
            for name, extent in zip(step.kernel.sizes, step.sizes, strict=True)
        }
        for prepared in self.whole.prepared(step.kernel, bound):
            self.stages(step, prepared, bound)
        self.launches += 1

    def stages(
        self, step: Launch, prepared: _Prepared, bound: Mapping[str, int]
    ) -> None:
        """Launch the stages of a plan."""
        kernel = prepared.plan.kernel
        pairs = zip(step.kernel.buffers, step.arrays, strict=True)
        buffers = {buffer.name: self.device(name) for buffer, name in pairs}
        extents = known_sizes(kernel, bound)
        for buffer in kernel.buffers:
            if buffer.name not in buffers:
                length = int(np.prod(dims_of(buffer.shape, extents)))
                buffers[buffer.name] = self.reused(buffer.name, length, buffer.dtype)
        blocks, chunk = grid(prepared.plan, extents, self.whole.limits)
        for number, stage in enumerate(prepared.stages):
            args = [
                self.argument(a, prepared.plan, buffers, extents, (blocks, chunk))
                for a in stage.arguments
            ]
            prepared.functions[number][blocks, stage.threads](*args)

    def argument(
        self,
        argument: Argument,
        planned: Plan,
        buffers: Mapping[str, Device],
        sizes: Mapping[str, int],
        cut: tuple[int, int],
    ) -> Any:
        """What is passed for an argument."""
        match argument.role:
            case "buffer":
                return buffers[argument.source]
            case "size":
                return np.int64(sizes[argument.source])
            case "chunk":
                return np.int64(cut[1])
            case "counter":
                return self.counter
            case "failed":
                return self.failed
            case "launch":
                return np.int64(self.launches << 32)
            case "partial":
                return self.reused(argument.source, cut[0], argument.dtype)
            case "area":
                owners = cut[0] * area_parts(planned, argument.source)
                shape = dims_of(planned.kernel.buffer(argument.source).shape, sizes)
                length = owners * int(np.prod(shape))
                return self.reused(argument.source, length, argument.dtype)

    def reused(self, name: str, length: int, dtype: str) -> Device:
        """Memory that a launch needs for itself."""
        key = f"{name} {dtype}", length
        if key not in self.scratch:
            self.scratch[key] = self.empty(length, dtype)
        return self.scratch[key]

    def gemm(self, step: Gemm) -> None:
        """Launch a matrix product."""
        limits = self.whole.limits
        for cut in product.cuts(
            step,
            self.sizes,
            self._arrays[step.out].dtype,
            side=limits.tile,
            warp=limits.warp,
            most=limits.blocks,
        ):
            named = {"out": step.out, "lhs": step.lhs, "rhs": step.rhs}
            args = []
            for argument in cut.stage.arguments:
                match argument.role:
                    case "buffer":
                        args.append(self.device(named[argument.source]))
                    case "area":
                        args.append(self.reused("parts", cut.area, argument.dtype))
                    case _:
                        args.append(np.int64(cut.numbers[argument.source]))
            self.whole.product(cut.stage)[cut.blocks, cut.stage.threads](*args)
        self.launches += 1


def known_sizes(kernel: Kernel, sizes: Mapping[str, int]) -> dict[str, int]:
    """The sizes, and what the first statements compute from them."""
    values: dict[str, Scalar] = {n: np.int64(size) for n, size in sizes.items()}
    with np.errstate(all="ignore"):
        for statement in kernel.body:
            if not isinstance(statement, Let):
                continue
            atoms = [
                np.dtype(a.dtype).type(a.value) if isinstance(a, Const) else values[a]
                for a in statement.args
                if isinstance(a, Const) or a in values
            ]
            if len(atoms) == len(statement.args):
                values[statement.name] = applied(statement, atoms)
    whole = {n: v for n, v in values.items() if v.dtype == np.dtype("int64")}
    return {name: int(value) for name, value in whole.items()}


def grid(planned: Plan, sizes: Mapping[str, int], limits: Limits) -> tuple[int, int]:
    """The blocks of a launch, and the length of a chunk where a reduction has them."""
    if planned.kind == "single":
        return 1, 0
    total = 1
    for loop in planned.loops:
        total *= max(0, int(size_of(loop.extent, sizes)))
    if planned.kind == "reduce":
        return chunks(total, planned.threads, limits.chunk)
    at_once = (
        planned.threads // planned.team if planned.kind == "rows" else planned.threads
    )
    wanted = -(-total // at_once)
    area = 0
    for scratch, place in zip(planned.kernel.scratch, planned.places, strict=True):
        if place.endswith("area"):
            count = int(np.prod(dims_of(scratch.shape, sizes)))
            count *= area_parts(planned, scratch.name)
            area += count * np.dtype(scratch.dtype).itemsize
    most = limits.blocks if not area else min(limits.blocks, MOST_AREA // area)
    return max(1, min(wanted, most)), 0


def area_parts(planned: Plan, name: str) -> int:
    """How many owners a block has of the scratch buffer called `name`."""
    names = [scratch.name for scratch in planned.kernel.scratch]
    match planned.places[names.index(name)]:
        case "thread area":
            return planned.threads
        case "warp area":
            return planned.threads // planned.team
    return 1


def refuse_calls(program: Program) -> None:
    """Raise CompileError where `program` calls a function of the host."""
    for step in program.steps:
        if isinstance(step, Call):
            raise CompileError(
                f"{program.name} calls {step.function}, which has no kernel: compile "
                "the function for the CPU, or leave that part to one that is"
            )


def numba_cuda() -> Any:
    """``numba.cuda``, with a GPU or as the simulator.

    Raises UnsupportedHostError where it has neither.
    """
    remedy = "install the extra: pip install 'symgraph-compiler[cuda]'"
    try:
        from numba import cuda
    except ImportError as error:
        raise UnsupportedHostError(f"numba-cuda is missing; {remedy}") from error
    simulated = import_module("numba.core.config").ENABLE_CUDASIM
    if not simulated and not cuda.is_available():
        raise UnsupportedHostError(
            "no NVIDIA GPU can be used here: its driver or numba-cuda is missing; with "
            f"a GPU and its driver, {remedy}"
        )
    return cuda
