"""What a call does, for one tuple of sizes: where all lies, and what is launched.

A call plan is made once and used by all calls with such sizes, so that a launch in a
call is a list filled with arrays and a call of what numba has prepared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from ..interpret import Scalar, dims_of, size_of
from ..ir import Check, walk
from ..program import Array, Call, Gemm, Launch, Program, Repeat, When
from ..run import HostFunction
from . import product
from .control import Control
from .ending import PREFIX
from .fusion import Fused, Fusions
from .geometry import Limits, area_parts, grid, known_sizes
from .helpers import Helpers, helpers_on
from .host_calls import HostCall, host_call
from .kernels import KernelCache, Launcher, Prepared, Prepares, Stream, predicated
from .memory import Layout
from .stage import Argument, Stage

#: Names of what no array of a program is: the record of failed checks, the counter of
#: blocks that are done, and the bool that launches are under.
FAILED, COUNTER, ON = " failed", " counter", " on"


@dataclass(frozen=True, slots=True)
class Shot:
    """One kernel to launch.

    Attributes:
        launch: takes the arguments.
        fixed: the arguments; None where a call fills one in.
        arrays: the places of arrays among them, and what these are called.
        number: the place of the launch's number, if it has one.
    """

    launch: Launcher
    fixed: tuple[Any, ...]
    arrays: tuple[tuple[int, str], ...]
    number: int | None = None

    def takes(self, name: str) -> bool:
        """Whether the array called `name` is an argument."""
        return any(array == name for _, array in self.arrays)


@dataclass(frozen=True, slots=True)
class Rows:
    """An array that is rows of another, in numbers.

    In round k it is `count` rows of `length` elements of the array `of`, from row
    ``start + stride * k`` of its `bound` on.
    """

    name: str
    of: str
    start: int
    stride: int
    count: int
    length: int
    bound: int

    def place(self, number: int) -> int | None:
        """The first row in round `number`, or None where the array has not all."""
        place = self.start + self.stride * number
        return place if 0 <= place <= place + self.count <= self.bound else None


@dataclass(frozen=True, slots=True)
class Made:
    """An array that a call makes: its shape, which is that of the caller's array."""

    name: str
    dtype: str
    length: int
    outer_dtype: str
    outer_shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One pattern of calls.

    Attributes:
        layout: where temporaries, arguments from the host and scratch lie.
        shots: the kernels to launch, by the position of the step.
        calls: the functions of the host, likewise.
        extents: of each loop, the most rounds.
        rows: by counter.
        made: outputs and updates.
        checks: whether any kernel can fail; then the result says whether one did.
        watched: whether `FAILED` is looked at in the call.
        counted: whether any kernel counts its blocks.
    """

    stream: Stream
    helpers: Helpers
    layout: Layout
    shots: Mapping[int, tuple[Shot, ...]]
    calls: Mapping[int, HostCall]
    extents: Mapping[int, int]
    rows: Mapping[str, tuple[Rows, ...]]
    made: tuple[Made, ...]
    checks: bool
    watched: bool
    counted: bool


@dataclass(slots=True)
class Planner:
    """Makes the plan of one pattern of calls."""

    program: Program
    control: Control
    prepares: Prepares
    cache: KernelCache
    cuda: Any
    stream: Stream
    sizes: Mapping[str, Scalar]
    fusions: Fusions
    functions: Mapping[str, HostFunction] = field(default_factory=dict)
    layout: Layout = field(default_factory=Layout)
    _arrays: dict[str, Array] = field(init=False)
    _scratch: int = 0

    def __post_init__(self) -> None:
        self._arrays = {array.name: array for array in self.program.arrays}

    @property
    def limits(self) -> Limits:
        """How launches are cut."""
        return self.prepares.limits

    def planned(self, on_host: frozenset[str]) -> CallPlan:
        """The plan; the arrays called `on_host` are to be uploaded by each call."""
        program, steps = self.program, self.program.steps
        self.slots()
        for array in program.by_role("input", "shared", "constant"):
            # What has no elements is never read, but a kernel must be given something.
            if array.name in on_host or not self.length(array):
                self.layout.put(array.name, self.length(array), array.dtype)
        self.flags()
        begin = self.layout.bytes
        shots = dict.fromkeys(self.fusions.begins, tuple[Shot, ...]())
        for k, work in self.fusions.steps(program):
            shots[k] = tuple(self.shots(k, work))
        self.layout.bytes = begin
        self.layout.reserve(self._scratch)
        checks = any(map(_can_fail, steps))
        return CallPlan(
            self.stream,
            helpers_on(self.cache, self.cuda, self.stream),
            self.layout,
            shots,
            {
                k: host_call(step, self.functions[step.function], self.passed)
                for k, step in enumerate(steps)
                if isinstance(step, Call)
            },
            {
                k: int(size_of(step.extent, self.sizes))
                for k, step in enumerate(steps)
                if isinstance(step, Repeat)
            },
            {c: tuple(map(self.rows, rows)) for c, rows in self.control.rows.items()},
            tuple(map(self.made, program.by_role("output", "update"))),
            checks,
            checks or bool(self.control.rounds),
            any(shot.takes(COUNTER) for each in shots.values() for shot in each),
        )

    # -- memory ------------------------------------------------------------------------

    def dims(self, array: Array) -> tuple[int, ...]:
        """An array's shape."""
        return tuple(int(n) for n in dims_of(array.shape, self.sizes))

    def length(self, array: Array) -> int:
        """An array's elements."""
        return prod(self.dims(array))

    def slots(self) -> None:
        """Place the temporaries: a slot is as large as its largest array.

        What is never stored has no place.
        """
        dropped = self.fusions.dropped
        temps = [a for a in self.program.by_role("temp") if a.name not in dropped]
        most: dict[int, int] = {}
        for array in temps:
            if array.slot is not None:
                count = max(self.length(array), 1) * np.dtype(array.dtype).itemsize
                most[array.slot] = max(most.get(array.slot, 0), count)
        begins = {slot: self.layout.reserve(count) for slot, count in most.items()}
        for array in temps:
            begin = None if array.slot is None else begins[array.slot]
            self.layout.put(array.name, self.length(array), array.dtype, begin)

    def flags(self) -> None:
        """Place what conditions are kept in."""
        self.layout.put(FAILED, 1, "int64")
        self.layout.put(COUNTER, 1, "int32")
        for k, step in enumerate(self.program.steps):
            if k in self.control.blind and isinstance(step, When):
                self.layout.put(flag(k), 1, "bool")
                self.layout.put(flag(self.control.ends[k]), 1, "bool")
            if k in self.control.rounds:
                self.layout.put(flag(k), 1, "bool")
                self.layout.put(count_of(k), 1, "int64")

    def made(self, array: Array) -> Made:
        """An output or an update."""
        shape = self.dims(array)
        outer = shape[:-1] if array.paired else shape
        return Made(array.name, array.dtype, prod(shape), array.outer_dtype, outer)

    def passed(self, name: str) -> tuple[str, Made]:
        """The memory and the shape of an array that a function of the host is given."""
        return self.control.held(name), self.made(self._arrays[name])

    def rows(self, array: Array) -> Rows:
        """A row, or several; where they have no elements, something to point at."""
        assert array.row is not None
        inner = self.dims(self._arrays[str(array.target)])
        shape = self.dims(array)
        count = shape[0] if len(shape) == len(inner) else 1
        length = prod(inner[1:])
        if not length * count:
            self.layout.put(array.name, 1, array.dtype)
        start = int(size_of(array.row.start, self.sizes))
        stride = int(size_of(array.row.stride, self.sizes))
        of = self.control.held(str(array.target))
        return Rows(array.name, of, start, stride, count, length, inner[0])

    # -- launches ----------------------------------------------------------------------

    def shots(self, position: int, step: Any) -> Iterator[Shot]:
        """The kernels of a step."""
        begin = self.layout.bytes
        match step:
            case Launch():
                yield from self.launch(position, step)
            case Gemm():
                yield from self.gemm(position, step)
            case Fused():
                yield from self.gemm(position, step.gemm, step)
        # Steps run one after another, and share the memory that is theirs alone.
        self._scratch = max(self._scratch, self.layout.bytes - begin)
        self.layout.bytes = begin

    def launch(self, position: int, step: Launch) -> Iterator[Shot]:
        """What is launched for a kernel."""
        bound = self.bound(step)
        under = position in self.control.under
        for part, prepared in enumerate(
            self.prepares.kernel(step.kernel, bound, under)
        ):
            yield from self.stages((position, part), step, prepared, bound)

    def bound(self, step: Launch) -> dict[str, int]:
        """The sizes of a kernel."""
        pairs = zip(step.kernel.sizes, step.sizes, strict=True)
        return {name: int(size_of(extent, self.sizes)) for name, extent in pairs}

    def stages(
        self,
        place: tuple[int, int],
        step: Launch,
        prepared: Prepared,
        bound: Mapping[str, int],
    ) -> Iterator[Shot]:
        """The stages of the plan that is part ``place[1]`` of the step ``place[0]``."""
        planned = prepared.plan
        kernel = planned.kernel
        pairs = zip(step.kernel.buffers, step.arrays, strict=True)
        buffers = {buffer.name: self.control.held(name) for buffer, name in pairs}
        extents = known_sizes(kernel, bound)
        for buffer in kernel.buffers:
            if buffer.name not in buffers:  # what one part leaves to the next
                length = int(prod(dims_of(buffer.shape, extents)))
                name = f"{place[0]} between {buffer.name}"
                buffers[buffer.name] = self.own(name, length, buffer.dtype)
        blocks, chunk = grid(planned, extents, self.limits)

        def value(argument: Argument) -> Any:
            match argument.role:
                case "buffer":
                    return buffers[argument.source]
                case "size":
                    return np.int64(extents[argument.source])
                case "chunk":
                    return np.int64(chunk)
                case "partial":
                    name = f"{place} partial {argument.source}"
                    return self.own(name, blocks, argument.dtype)
                case "area":
                    shape = kernel.buffer(argument.source).shape
                    owners = blocks * area_parts(planned, argument.source)
                    length = owners * prod(dims_of(shape, extents))
                    name = f"{place} area {argument.source}"
                    return self.own(name, int(length), argument.dtype)
            return _common(argument)

        for stage in prepared.stages:
            values = [value(argument) for argument in stage.arguments]
            yield self.shot(stage, blocks, values)

    def own(self, name: str, length: int, dtype: str) -> str:
        """Memory that a step needs for itself; the same for the same `name`."""
        name = f" {name}"
        if name not in self.layout.places:
            self.layout.put(name, length, dtype)
        return name

    def gemm(
        self, position: int, step: Gemm, fused: Fused | None = None
    ) -> Iterator[Shot]:
        """A matrix product, and what it ends with."""
        limits, dtype = self.limits, self._arrays[step.out].dtype
        held = {"out": step.out, "lhs": step.lhs, "rhs": step.rhs}
        extents: dict[str, int] = {}
        if fused is not None:
            held |= {PREFIX + name: array for name, array in fused.arrays().items()}
            extents = {PREFIX + n: v for n, v in self.bound(fused.launch).items()}
        for cut in product.cuts(
            step,
            self.sizes,
            dtype,
            side=limits.tile,
            warp=limits.warp,
            most=limits.blocks,
            epilogue=None if fused is None else fused.epilogue,
        ):
            stage, numbers = cut.stage, {**cut.numbers, **extents}
            if position in self.control.under:
                stage = predicated(stage)
            values: list[Any] = []
            for argument in stage.arguments:
                match argument.role:
                    case "buffer":
                        values.append(self.control.held(held[argument.source]))
                    case "area":
                        name = f"{position} {argument.source}"
                        values.append(self.own(name, cut.area, argument.dtype))
                    case "size":
                        values.append(np.int64(numbers[argument.source]))
                    case _:
                        values.append(_common(argument))
            yield self.shot(stage, cut.blocks, values)

    def shot(self, stage: Stage, blocks: int, values: list[Any]) -> Shot:
        """A kernel with its arguments, of which names stand for arrays."""
        fixed = tuple(None if isinstance(value, str) else value for value in values)
        arrays = tuple((k, v) for k, v in enumerate(values) if isinstance(v, str))
        roles = [argument.role for argument in stage.arguments]
        number = roles.index("launch") if "launch" in roles else None
        launch = self.cache.launcher(self.cuda, stage, blocks, self.stream)
        return Shot(launch, fixed, arrays, number)


def flag(position: int) -> str:
    """What the bool is called that says whether the part begun there is run."""
    return f" on {position}"


def count_of(position: int) -> str:
    """What the number of rounds is called that a loop has run."""
    return f" rounds {position}"


def _common(argument: Argument) -> Any:
    """What any kernel may take."""
    named = {"failed": FAILED, "counter": COUNTER, "on": ON, "launch": None}
    return named[argument.role]


def _can_fail(step: Any) -> bool:
    """Whether a step has a check."""
    if not isinstance(step, Launch):
        return False
    return any(isinstance(s, Check) for s, _ in walk(step.kernel.body))


__all__ = [
    *("COUNTER", "FAILED", "ON", "CallPlan", "Made", "Planner", "Rows", "Shot"),
    *("count_of", "flag"),
]
