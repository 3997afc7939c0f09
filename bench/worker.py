"""One measurement in a process of its own: `runner` starts it, it prints one JSON line.

    worker.py first|steady WORKLOAD LIBRARY STARTED [IMPORT ...]

STARTED is the runner's monotonic clock when it started this process.  Each IMPORT is a
module, or ``module:function`` to call.  They come before the clock of a compilation, so
that "imports excluded" means the same for all: what a library would import while it
compiles is imported, and a backend that must be started is started.
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

#: A steady time is the median over as many steps as fit in this many seconds.
BUDGET = 1.0
MIN_STEPS = 10
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


def steady(job: Job) -> dict[str, float]:
    """The median time of a step once everything is compiled and in cache."""
    from statistics import median

    for _ in range(WARMUP_STEPS):
        job.step()
    times: list[float] = []
    until = time.perf_counter() + BUDGET
    while len(times) < MIN_STEPS or time.perf_counter() < until:
        begin = time.perf_counter()
        job.step()
        times.append(time.perf_counter() - begin)
    return {"step": median(times)}


def main(
    what: str, name: str, library: str, started: float, imports: list[str]
) -> None:
    begin = time.monotonic()
    for each in imports:
        preload(each)
    imported = time.monotonic()
    workload = importlib.import_module(f"workloads.{name}")
    workload.inputs()
    ready = time.monotonic()
    job = workload.BUILDERS[library]()
    job.step()
    done = time.monotonic()
    check(workload, job)
    measured = {
        "imports": imported - begin,
        "first": done - ready,
        "process": done - started,
    }
    if what == "steady":
        measured |= steady(job)
    print(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5:])
