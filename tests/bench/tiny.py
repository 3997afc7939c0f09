"""A workload of six elements, which numba's simulator runs in a moment."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from workloads import Arrays, formula_builders, numpy_names

TITLE = "exp(x) * sigmoid(y), 6 float64"
GOAL = 1.0
RTOL, ATOL = 1e-12, 0.0


def inputs() -> list[NDArray[np.float64]]:
    x = np.linspace(-2, 2, 6)
    return [x, x[::-1].copy()]


def formula(lib: Any, x: Any, y: Any) -> Any:
    return lib.exp(x) * lib.expit(y)


def reference() -> Arrays:
    return [formula(numpy_names(), *inputs())]


BUILDERS = formula_builders(formula, inputs, [(None,)] * 2)
