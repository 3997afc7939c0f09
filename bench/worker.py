"""One measurement in a process of its own: `runner` starts it, it prints one JSON line.

    worker.py first|steady WORKLOAD LIBRARY STARTED [IMPORT ...]

STARTED is the runner's monotonic clock when it started this process.  Each IMPORT is a
module, or ``module:function`` to call.  They come before the clock of a compilation, so
that "imports excluded" means the same for all: what a library would import while it
compiles is imported, and a backend that must be started is started.

Seconds, but ``peak``, which is in bytes: how much memory was taken at the most, from
after the imports and the inputs to the end of the first step.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads import Job

#: A steady time is the median over as many samples as fit in this many seconds.
BUDGET = 0.6
MIN_SAMPLES = 10
#: A sample takes this long: as many steps as fit, and at least one.
SAMPLE = 1e-4
WARMUP_STEPS = 3


def preload(name: str) -> None:
    module, _, function = name.partition(":")
    loaded = importlib.import_module(module)
    if function:
        getattr(loaded, function)()


def check(workload: ModuleType, job: Job) -> None:
    """Raise unless the results of the first step are what NumPy computes in float64."""
    import numpy as np

    pairs = zip(job.results(), workload.reference(), strict=True)
    for result, right in pairs:
        np.testing.assert_allclose(
            result, right, rtol=workload.RTOL, atol=workload.ATOL, strict=False
        )


def sample(job: Job, steps: int) -> float:
    """The mean time of some steps."""
    step = job.step
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - begin) / steps


def steady(job: Job) -> float:
    """The median time of a step once everything is compiled and in cache."""
    from statistics import median

    once = min(sample(job, 1) for _ in range(WARMUP_STEPS))
    steps = max(1, int(SAMPLE / once))
    times: list[float] = []
    until = time.perf_counter() + BUDGET
    while len(times) < MIN_SAMPLES or time.perf_counter() < until:
        times.append(sample(job, steps))
    return median(times)


def main(
    what: str, name: str, library: str, started: float, imports: list[str]
) -> None:
    begin = time.monotonic()
    for each in imports:
        preload(each)
    imported = time.monotonic()
    from machine import Memory

    workload = importlib.import_module(f"workloads.{name}")
    workload.inputs()
    memory = Memory()
    ready = time.monotonic()
    job = workload.BUILDERS[library]()
    job.step()
    done = time.monotonic()
    peak = memory.peak()
    check(workload, job)
    measured: dict[str, float] = {
        "imports": imported - begin,
        "first": done - ready,
        "process": done - started,
        "peak": peak,
    }
    if what == "steady":
        measured["step"] = steady(job)
    print(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5:])
