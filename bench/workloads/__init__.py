"""The workloads, one file each.

A workload module has a ``TITLE``; ``inputs()``, made once; ``reference()``, the results
of the first step by NumPy in float64; ``RTOL`` and ``ATOL``, how near a library must
come to them; and ``BUILDERS``: for each library a function that builds the job.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Results as a list of arrays, in an order that all libraries share.
Arrays = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Job:
    """A computation that can be repeated.

    `step` runs it once and returns when the result is there; `results` gives what the
    steps so far have computed, as NumPy arrays.
    """

    step: Callable[[], object]
    results: Callable[[], Arrays]


def stateless(function: Callable[[], Any]) -> Job:
    """A job whose every step computes one array anew."""
    held: list[Any] = []

    def step() -> None:
        held[:] = [function()]

    return Job(step, lambda: [np.asarray(value) for value in held])
