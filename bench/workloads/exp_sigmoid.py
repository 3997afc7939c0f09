"""``exp(x) * sigmoid(y)`` over a million float64: one fused elementwise kernel."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Arrays, formula_builders, numexpr_builder, numpy_names

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


def named() -> dict[str, Array]:
    return dict(zip("xy", inputs(), strict=True))


BUILDERS = formula_builders(formula, inputs, [(None,), (None,)]) | {
    "numexpr": numexpr_builder("exp(x) / (1.0 + exp(-y))", named)
}
