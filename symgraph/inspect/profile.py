"""How long a function takes to compile and to run, step by step, as text and as data.

The schema, version 1; times are in seconds, null: not known::

    {
      "schema": "symgraph.profile", "version": 1, "name": "train",
      "versions": [                       # what is compiled: `Function.versions`
        {"version": "fast", "from_cache": false,
         "rewrite": {"canonicalize": 0.004, ...},      # pass by pass
         "lower": 0.01, "codegen": 0.02, "llvm": 0.1,  # when the code was made
         "load": 0.0, "link": 0.001}],                 # in this process
      "run": null or {
        "version": "fast", "sizes": {"batch": 64}, "calls": 20,
        "seconds": 0.0011,                 # a call, as Python sees it
        "native": 0.001,                   # of it, from the first step to the last
        "clock": 2.5e-08,                  # what measuring adds to each run of a step
        "steps": [
          {"number": 0,                    # null: a loop or a choice, around others
           "depth": 0, "kind": "kernel", "name": "k0_exp", "seconds": 0.0005,
           "share": 0.5, "runs": 1, "rounds": null,
           "work": 35840, "flops": 0, "bytes_read": 2560, "bytes_written": 2560,
           "bytes_per_second": 1.0e10, "flops_per_second": 0.0, "live": 2560,
           "roof": 0.4}],                  # null: no roofline
        "memory": {"arena": 2560, "peak": 2560, "output": 2560}},
      "roofline": null or {...}            # see symgraph.inspect.roofline
    }

Times of a run are means over the middle half of the calls, in the order of how long
these took: as little disturbed as a median, and those of the steps add up.  *share* is
that of `native`; steps inside a loop are part of its time.  The time of a loop or a
choice is that of the steps in it.  *roof* is what the machine needs at the least, over
the time; more than 1 says that less was moved than whole arrays, or that they were in
the first cache, which is not measured.  *live* is what lies in the arena while the step
runs, scratch included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .program_form import table
from .styled import DIM, HEADING, NAME, Styled, plain

if TYPE_CHECKING:
    from .roofline import Roofline

VERSION = 1


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds of compilation, by phase, of one version of a function.

    Attributes:
        version: "fast" or "generic".
        from_cache: whether the code came from the cache; then `rewrite` to `llvm` are
            of the compilation that filled it.
        rewrite: each pass.
        lower, codegen, llvm: to a program, to LLVM IR, to machine code.
        load: finding the code in the cache, where it came from there.
        link: into this process.
    """

    version: str
    from_cache: bool
    rewrite: dict[str, float]
    lower: float
    codegen: float
    llvm: float
    load: float
    link: float


@dataclass(frozen=True, slots=True)
class StepTime:
    """One step in a call; the module says what the fields are."""

    number: int | None
    depth: int
    kind: str
    name: str
    seconds: float
    share: float
    runs: float
    rounds: float | None = None
    work: float = 0
    flops: float = 0
    bytes_read: float = 0
    bytes_written: float = 0
    live: int = 0
    roof: float | None = None

    @property
    def bytes_per_second(self) -> float | None:
        """What is read and written over the time; None: it took none."""
        moved = self.bytes_read + self.bytes_written
        return moved / self.seconds if self.seconds > 0 else None

    @property
    def flops_per_second(self) -> float | None:
        """Operations of matrix products over the time; None: it took none."""
        return self.flops / self.seconds if self.seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Run:
    """What some calls took; the module says what the fields are.

    `result` is what the first call returned.
    """

    version: str
    sizes: Mapping[str, int]
    calls: int
    seconds: float
    native: float
    clock: float
    steps: tuple[StepTime, ...]
    arena: int
    peak: int
    output: int
    result: Any


@dataclass(frozen=True, slots=True)
class Profile:
    """How long a function took to compile, and to run if it did; `str()` is a table.

    Attributes:
        name: the function's name.
        phases: for each version that has been compiled.
        run: what calls took; None: none were asked for.
        roofline: what the machine can do; None: not measured.
    """

    name: str
    phases: tuple[Phases, ...]
    run: Run | None = None
    roofline: Roofline | None = None

    def __str__(self) -> str:
        return plain(profile_lines(self))

    def json(self) -> dict[str, Any]:
        """As plain data; the module has the schema."""
        return {
            "schema": "symgraph.profile",
            "version": VERSION,
            "name": self.name,
            "versions": [asdict(phases) for phases in self.phases],
            "run": None if self.run is None else _run_json(self.run),
            "roofline": None if self.roofline is None else self.roofline.json(),
        }


def _run_json(run: Run) -> dict[str, Any]:
    return {
        "version": run.version,
        "sizes": dict(run.sizes),
        "calls": run.calls,
        "seconds": run.seconds,
        "native": run.native,
        "clock": run.clock,
        "steps": [_step_json(step) for step in run.steps],
        "memory": {"arena": run.arena, "peak": run.peak, "output": run.output},
    }


def _step_json(step: StepTime) -> dict[str, Any]:
    rates = {
        "bytes_per_second": step.bytes_per_second,
        "flops_per_second": step.flops_per_second,
    }
    return asdict(step) | rates


# -- text ------------------------------------------------------------------------------


def profile_lines(profile: Profile) -> Iterator[Styled]:
    """`profile` for people: phases, the steps in their order, and memory over them."""
    yield [(profile.name, NAME)]
    for phases in profile.phases:
        yield from _phase_lines(phases)
    if profile.run is not None:
        yield from _run_lines(profile.run)
        yield from _memory_lines(profile.run)
    if profile.roofline is not None:
        yield [("", "")]
        yield [(f"the machine: {profile.roofline}", DIM)]
        yield [
            ("roof: the least time that it needs for such a step, over the time", DIM)
        ]
        yield [("taken; above 100% less was moved, or it was in the first cache", DIM)]


def _phase_lines(phases: Phases) -> Iterator[Styled]:
    yield [("", "")]
    where = "from the cache" if phases.from_cache else "compiled"
    yield [(f"{phases.version} version, {where}", HEADING)]
    made = "  (when it was made)" if phases.from_cache else ""
    total = sum(phases.rewrite.values())
    rows = [[f"rewrite{made}", duration(total)]]
    rows += [[f"  {name}", duration(taken)] for name, taken in phases.rewrite.items()]
    rows += [
        [f"{name}{made}", duration(getattr(phases, name))]
        for name in ("lower", "codegen", "llvm")
    ]
    if phases.from_cache:
        rows.append(["load", duration(phases.load)])
    rows.append(["link", duration(phases.link)])
    yield from ([(line, "")] for line in table(rows, (1,)))


def _run_lines(run: Run) -> Iterator[Styled]:
    yield [("", "")]
    at = ", ".join(f"{name} = {size}" for name, size in run.sizes.items())
    yield [(f"a call of the {run.version} version{at and ', ' + at}", HEADING)]
    outside = run.seconds - run.native
    yield [
        (
            f"{duration(run.seconds)}, of which {duration(outside)} around the steps "
            "(arguments, results); ",
            "",
        ),
        (f"calls: {run.calls}; measuring adds {duration(run.clock)} a run", DIM),
    ]
    yield [("", "")]
    rows = [["step", "name", "kind", "runs", "time", "share", "B/s", "flop/s", "roof"]]
    rows += [_row(step) for step in run.steps]
    yield from ([(line, "")] for line in table(rows, (0, 3, 4, 5, 6, 7, 8)))


def _row(step: StepTime) -> list[str]:
    moves, computes = step.bytes_per_second, step.flops_per_second
    runs = f"{step.runs:g}"
    if step.rounds is not None:
        runs = f"{step.rounds:g} rounds"
    return [
        "" if step.number is None else str(step.number),
        "  " * step.depth + step.name,
        step.kind,
        runs,
        duration(step.seconds),
        f"{step.share:.1%}",
        rate(moves) if moves else "",
        rate(computes) if computes else "",
        "" if step.roof is None else f"{step.roof:.0%}",
    ]


#: Characters of the longest bar of the memory timeline.
WIDTH = 40


def _memory_lines(run: Run) -> Iterator[Styled]:
    yield [("", "")]
    yield [("memory of temporaries", HEADING)]
    rows = [["step", "bytes", ""]]
    for step in run.steps:
        if step.number is not None and run.peak:
            bar = "#" * -(-WIDTH * step.live // run.peak)
            rows.append([str(step.number), str(step.live), bar])
    if len(rows) > 1:
        yield from ([(line, "")] for line in table(rows, (0, 1)))
    yield [(f"peak: {run.peak} bytes in use, of an arena of {run.arena}", "")]
    yield [(f"output: {run.output} bytes", "")]


def duration(seconds: float) -> str:
    """A time with three digits and its unit."""
    for unit, least in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= least:
            return f"{seconds / least:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def rate(number: float) -> str:
    """So many a second, in billions or millions."""
    return f"{number / 1e9:.3g} G" if number >= 1e9 else f"{number / 1e6:.3g} M"


__all__ = ["Phases", "Profile", "Run", "StepTime", "duration", "profile_lines", "rate"]
