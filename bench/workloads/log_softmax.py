"""Log-softmax over the rows of a 4096 x 1024 float32 matrix: one kernel, row by row."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Arrays, formula_builders, numpy_names

TITLE = "log-softmax, 4096 x 1024 float32"
GOAL = 0.75
RTOL, ATOL = 1e-6, 4e-6
SHAPE = (4096, 1024)


@cache
def inputs() -> list[NDArray[np.float32]]:
    return [np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32)]


def formula(lib: Any, x: Any) -> Any:
    return lib.log_softmax(x, axis=1)


def torch_formula(lib: Any, x: Any) -> Any:
    return lib.log_softmax(x, 1)


def reference() -> Arrays:
    (x,) = inputs()
    return [formula(numpy_names(), x.astype(np.float64))]


BUILDERS = formula_builders(formula, inputs, [(None, None)], torch=torch_formula)
