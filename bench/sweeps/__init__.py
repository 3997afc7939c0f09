"""Formulas that are measured over sizes and dtypes, one family a file.

A case is named ``family:argument:...``; ``case(*arguments)`` of the module makes it.
A process measures several, so that it imports its library once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from workloads import Arrays, Job

#: Results are compared at so many places, evenly spread; smaller ones everywhere.
COMPARED = 2_000_000
#: A steady time is the median of at least three samples, in at most so many seconds
#: where that is enough for them.
BUDGET, LEAST = 0.3, 3


@dataclass(frozen=True)
class Case:
    """One formula on arrays of one size and dtype; as a module of `workloads` has it.

    `reference` gives of the result those elements that `picked` takes.
    """

    builders: Mapping[str, Callable[[], Job]]
    reference: Callable[[], Arrays]
    rtol: float
    atol: float = 0.0


def picked(array: Any) -> Any:
    """Evenly spread elements of a large array, in one line; an odd number apart."""
    flat = np.ravel(array)
    return flat[:: flat.size // COMPARED | 1]


def steps(library: str, *names: str) -> dict[str, float]:
    """The seconds that a step of each case takes, once its results are compared."""
    import worker

    found = {}
    for name in names:
        family, *arguments = name.split(":")
        case: Case = importlib.import_module(f"sweeps.{family}").case(*arguments)
        job = case.builders[library]()
        job.step()
        results = [picked(result) for result in job.results()]
        worker.check(results, case.reference(), case.rtol, case.atol)
        found[name] = worker.steady(job, BUDGET, LEAST)
    return found
