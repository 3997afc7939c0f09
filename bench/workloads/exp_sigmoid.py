"""``exp(x) * sigmoid(y)`` over a million float64: one fused elementwise kernel."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Arrays, Job, formula_builders, numpy_names, stateless

TITLE = "exp(x) * sigmoid(y), 1M float64"
GOAL = 0.8
RTOL, ATOL = 1e-14, 0.0
SIZE = 1_000_000

Array = NDArray[np.float64]


@cache
def inputs() -> tuple[Array, Array]:
    random = np.random.default_rng(0)
    return random.standard_normal(SIZE), random.standard_normal(SIZE)


def formula(lib: Any, x: Any, y: Any) -> Any:
    return lib.exp(x) * lib.expit(y)


def reference() -> Arrays:
    return [formula(numpy_names(), *inputs())]


def numexpr_job() -> Job:
    import numexpr

    x, y = inputs()
    values = {"x": x, "y": y}
    text = "exp(x) / (1.0 + exp(-y))"
    return stateless(lambda: numexpr.evaluate(text, values))


BUILDERS = formula_builders(formula, inputs, [(None,), (None,)]) | {
    "numexpr": numexpr_job
}
