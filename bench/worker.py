"""One measurement in a process of its own: `runner` starts it, it prints one JSON line.

    worker.py first|steady WORKLOAD LIBRARY STARTED [IMPORT ...]
    worker.py call MODULE:FUNCTION [ARGUMENT ...]

STARTED is the runner's monotonic clock when it started this process.  Each IMPORT is a
module, or ``module:function`` to call.  They come before the clock of a compilation, so
that "imports excluded" means the same for all: what a library would import while it
compiles is imported, and a backend that must be started is started.

Seconds, but ``peak``, which is in bytes: how much memory was taken at the most, from
after the imports and the inputs to the end of the first step.  With ``call``, the line
is what the function returns.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workloads import Arrays, Job

#: A steady time is the median over as many samples as fit in this many seconds.
BUDGET = 0.6
MIN_SAMPLES = 10
#: A sample takes this long: as many steps as fit, and at least one.
SAMPLE = 1e-4
WARMUP_STEPS = 3


def called(name: str, arguments: list[str]) -> Any:
    """What a ``module:function`` returns."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)(*arguments)


def preload(name: str) -> None:
    if ":" in name:
        called(name, [])
    else:
        importlib.import_module(name)


def check(results: Arrays, right: Arrays, rtol: float, atol: float) -> None:
    """Raise unless the results of the first step are what NumPy computes in float64."""
    import numpy as np

    for result, expected in zip(results, right, strict=True):
        np.testing.assert_allclose(result, expected, rtol=rtol, atol=atol, strict=False)


def sample(job: Job, steps: int) -> float:
    """The mean time of some steps."""
    step = job.step
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - begin) / steps


def steady(job: Job, budget: float = BUDGET, least: int = MIN_SAMPLES) -> float:
    """The median time of a step once everything is compiled and in cache.

    It is that of at least `least` samples, and of more where they take less than
    `budget` seconds.
    """
    from statistics import median

    once = [sample(job, 1)]
    while len(once) < WARMUP_STEPS and sum(once) < budget:
        once.append(sample(job, 1))
    steps = max(1, int(SAMPLE / min(once)))
    times: list[float] = []
    until = time.perf_counter() + budget
    while len(times) < least or time.perf_counter() < until:
        times.append(sample(job, steps))
    return median(times)


def measure(
    what: str, name: str, library: str, started: float, imports: list[str]
) -> dict[str, float]:
    """The figures of a workload."""
    begin = time.monotonic()
    for each in imports:
        preload(each)
    imported = time.monotonic()
    import places
    import workloads
    from machine import Memory

    workload = workloads.find(name)
    workload.inputs()
    memory = Memory()
    ready = time.monotonic()
    job = places.build(workload.BUILDERS, library)
    job.step()
    done = time.monotonic()
    peak = memory.peak()
    check(job.results(), workload.reference(), workload.RTOL, workload.ATOL)
    measured: dict[str, float] = {
        "imports": imported - begin,
        "first": done - ready,
        "process": done - started,
        "peak": peak,
    }
    if what == "steady":
        measured["step"] = steady(job)
    return measured


def main(what: str, name: str, *words: str) -> None:
    if what == "call":
        print(json.dumps(called(name, list(words))))
        return
    library, started, *imports = words
    print(json.dumps(measure(what, name, library, float(started), imports)))


if __name__ == "__main__":
    main(*sys.argv[1:])
