"""``Function.profile``: how long compiling took, and on request running, step by step.

Steps are measured by native code that is made for that: the function's own kernels in a
driver that reads the clock around each step.  The ordinary code has none of this.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .codegen.cost import ProgramCost, StepCost, cost
from .codegen.cpu.build import executed
from .codegen.program import End, Gemm, Otherwise, Program, Repeat, When
from .errors import ArgumentError, refuse
from .inspect.cost import size_names
from .inspect.memory import live_bytes
from .inspect.profile import Phases, Profile, Run, StepTime
from .op import Array
from .versions import Version, check_guards

if TYPE_CHECKING:
    from .compiler import Compilation
    from .inspect.roofline import Roofline


class Profiler:
    """What ``Function.profile`` gives: phases of compilation, and calls on request.

    `versions` are those that have been compiled; `given` turns what a call is given
    into arrays; `stored` has the values of shared variables; `built` puts results
    into the structure of the outputs.
    """

    def __init__(
        self,
        compilation: Compilation,
        versions: Mapping[str, Version],
        given: Callable[[Sequence[Any], Mapping[str, Any]], list[Array]],
        stored: Callable[[], list[Array]],
        built: Callable[[Any], Any],
    ) -> None:
        self._compilation = compilation
        self._versions = versions
        self._given = given
        self._stored = stored
        self._built = built

    @property
    def compiled(self) -> Profile:
        """How long compiling took, by phase and pass."""
        phases = (_phases(name, version) for name, version in self._versions.items())
        return Profile(self._compilation.name, tuple(phases))

    def __str__(self) -> str:
        return str(self.compiled)

    def __repr__(self) -> str:
        return f"<profile of {self._compilation.name}: {', '.join(self._versions)}>"

    def json(self) -> dict[str, Any]:
        """`compiled` as plain data."""
        return self.compiled.json()

    def arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Array]:
        """What a call is given, as arrays of the inputs' types.

        Raises:
            SymgraphError, and others: what such a call raises.
        """
        return self._given(args, kwargs)

    def calls(
        self,
        count: int,
        /,
        *args: Any,
        roofline: Roofline | None = None,
        **kwargs: Any,
    ) -> Profile:
        """The profile of `count` calls with these arguments, after one that warms up.

        Shared variables keep their values: the calls update copies.  A function of the
        user's, a `Call` step, is called each time.  `roofline` is what the machine can
        do: see `symgraph.inspect.roofline`.

        Raises:
            ArgumentError: `count` is less than 1.
            SymgraphError, and others: what such a call raises.

        >>> import symgraph as sg
        >>> x = sg.dmatrix("x")
        >>> f = sg.function([x], sg.exp(x @ x))
        >>> run = f.profile.calls(5, [[0.0]]).run
        >>> [step.kind for step in run.steps], run.result.tolist()
        (['product', 'kernel'], [[1.0]])
        """
        if count < 1:
            refuse(
                ArgumentError,
                f"a profile of {count} calls",
                remedy="ask for 1 at the least",
            )
        arrays = self._given(args, kwargs)
        boxes = [[np.array(value)] for value in self._stored()]
        version, kind, result = self._first(arrays, boxes)
        sizes = check_guards(version.compilation, [*arrays, *(b[0] for b in boxes)])
        walls, laps = _sampled(version, arrays, count)
        made = _Reading(version.compilation, sizes, walls, laps, roofline).run()
        run = replace(made, version=kind, result=self._built(result))
        return replace(self.compiled, run=run, roofline=roofline)

    def _first(
        self, arrays: list[Array], boxes: list[list[Any]]
    ) -> tuple[Version, str, Any]:
        """The version that takes the arguments, its name, and what it returns."""

        def declined(*_: Any) -> Any:
            raise _DeclinedError

        version = Version(self._compilation.timed(), boxes, declined)
        try:
            return version, "fast", version.entry(*arrays)
        except _DeclinedError:
            if not version.stretches(arrays):
                version.refuse(arrays)
        version = Version(self._compilation.generic().timed(), boxes, declined)
        try:
            return version, "generic", version.entry(*arrays)
        except _DeclinedError:
            version.refuse(arrays)


class _DeclinedError(Exception):
    """Native code does not take the arguments."""


def _phases(name: str, version: Version) -> Phases:
    report = version.report
    return Phases(
        name,
        version.from_cache,
        dict(report.pass_times),
        report.lower_time,
        report.emit_time,
        report.llvm_time,
        version.load_time,
        version.link_time,
    )


def _sampled(version: Version, arrays: list[Array], count: int) -> tuple[Array, Array]:
    """Seconds of each call, and the laps of each: (nanoseconds, runs) by step."""
    entry, laps = version.entry, version.native.laps
    walls, samples = [], []
    for _ in range(count):
        laps[...] = 0
        begun = time.perf_counter()
        entry(*arrays)
        walls.append(time.perf_counter() - begun)
        samples.append(laps.copy())
    return np.array(walls), np.array(samples)


def middle(walls: Array) -> Array:
    """Which calls are in the middle half, in the order of how long they took."""
    count = len(walls)
    return np.argsort(walls, kind="stable")[count // 4 : count - count // 4]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was measured, about to be read."""

    compilation: Compilation
    sizes: Mapping[str, int]
    walls: Array
    laps: Array
    roofline: Roofline | None

    def run(self) -> Run:
        """Everything, but for the version and the result."""
        lowered = self.compilation.lowered
        chosen = middle(self.walls)
        laps = self.laps[chosen].mean(axis=0)
        program = executed(lowered.program)
        costs = cost(lowered.program, self.sizes)
        native = float(laps[-1, 0]) * 1e-9 if len(laps) else 0.0
        steps = tuple(self._steps(program, laps, costs, native))
        names = size_names(lowered)
        live = [step.live for step in steps]
        return Run(
            "fast",
            {text: self.sizes[size] for size, text in names.items()},
            len(self.walls),
            float(self.walls[chosen].mean()),
            native,
            float(laps[-2, 0]) * 1e-9 if len(laps) else 0.0,
            steps,
            _whole(costs.arena),
            max(live, default=0),
            _whole(costs.output),
            None,
        )

    def _steps(
        self, program: Program, laps: Array, costs: ProgramCost, native: float
    ) -> Iterator[StepTime]:
        """All steps in order: work, and before what they hold, loops and choices."""
        live = live_bytes(program, self.sizes, [_whole(s.scratch) for s in costs.steps])
        work = {position: k for k, (position, _) in enumerate(program.work)}
        inside = _inside(program)
        for position, step in enumerate(program.steps):
            depth = len(inside.around[position])
            if (number := work.get(position)) is not None:
                taken, runs = float(laps[number, 0]) * 1e-9, float(laps[number, 1])
                found = costs.steps[number]
                made = _work(number, depth, found, taken, runs, native)
                made = replace(made, live=live[number])
                dtype = "float64"
                if isinstance(step, Gemm):
                    dtype = program.array(step.out).dtype
                yield self._roofed(made, dtype)
            elif isinstance(step, Repeat | When):
                held = [work[p] for p in inside.held[position]]
                direct = [laps[work[p], 1] for p in inside.direct[position]]
                taken = float(laps[held, 0].sum()) * 1e-9
                yield _control(step, depth, taken, direct, native)

    def _roofed(self, step: StepTime, dtype: str) -> StepTime:
        if self.roofline is None or step.kind == "call" or step.seconds <= 0:
            return step
        moved = step.bytes_read + step.bytes_written
        least = self.roofline.seconds(moved, step.flops, step.runs, dtype)
        return replace(step, roof=least / step.seconds)


def _work(
    number: int, depth: int, cost: StepCost, taken: float, runs: float, native: float
) -> StepTime:
    """A step that computes something, with what it did in so many runs."""
    most = _whole(cost.runs)
    part = runs / most if most else 0.0
    return StepTime(
        number,
        depth,
        cost.kind,
        cost.name,
        taken,
        taken / native if native else 0.0,
        runs,
        None,
        _whole(cost.work) * part,
        _whole(cost.flops) * part,
        _whole(cost.bytes_read) * part,
        _whole(cost.bytes_written) * part,
    )


def _control(
    step: Repeat | When, depth: int, taken: float, direct: list[float], native: float
) -> StepTime:
    """A loop or a choice; `direct` says how often steps of each round ran."""
    share = taken / native if native else 0.0
    if isinstance(step, When):
        return StepTime(
            None, depth, "choice", f"if {step.condition}", taken, share, 1.0
        )
    rounds = float(max(direct)) if direct else None
    name = f"rounds {step.counter}"
    return StepTime(None, depth, "rounds", name, taken, share, 1.0, rounds)


def _whole(amount: Any) -> int:
    """An amount, which sizes make a number."""
    assert isinstance(amount, int)
    return amount


@dataclass(frozen=True, slots=True)
class _Inside:
    """For each loop and choice, the steps that compute something in it.

    `around` has the loops and choices around each step; `direct` those steps that run
    once in each round.
    """

    around: dict[int, tuple[int, ...]]
    held: dict[int, list[int]]
    direct: dict[int, list[int]]


def _inside(program: Program) -> _Inside:
    found = _Inside({}, {}, {})
    opened: list[int] = []
    for position, step in enumerate(program.steps):
        if isinstance(step, End):
            opened.pop()
        found.around[position] = tuple(opened)
        if isinstance(step, Repeat | When):
            found.held[position], found.direct[position] = [], []
            opened.append(position)
        elif not isinstance(step, End | Otherwise):
            for begun in opened:
                found.held[begun].append(position)
            if opened:
                found.direct[opened[-1]].append(position)
    return found


__all__ = ["Profiler", "middle"]
