"""The sum of twenty vectors of three elements: a call with many arguments."""

from __future__ import annotations

from functools import cache, reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Arrays, formula_builders, numpy_names

TITLE = "the sum of 20 three-element float64 vectors, whole call"
GOAL = 0.12
RTOL, ATOL = 1e-14, 1e-14
COUNT = 20


@cache
def inputs() -> list[NDArray[np.float64]]:
    return list(np.random.default_rng(0).standard_normal((COUNT, 3)))


def formula(lib: Any, *vectors: Any) -> Any:
    return reduce(add, vectors)


def reference() -> Arrays:
    return [formula(numpy_names(), *inputs())]


BUILDERS = formula_builders(formula, inputs, [(None,)] * COUNT)
