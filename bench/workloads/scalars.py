"""``x * y + x`` of two float64 scalars: what a call costs."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Arrays, formula_builders, numpy_names

TITLE = "x * y + x of two float64 scalars, whole call"
GOAL = 0.3
RTOL, ATOL = 1e-15, 0.0


@cache
def inputs() -> list[NDArray[np.float64]]:
    return [np.array(1.5), np.array(2.25)]


def formula(lib: Any, x: Any, y: Any) -> Any:
    return x * y + x


def reference() -> Arrays:
    return [formula(numpy_names(), *inputs())]


BUILDERS = formula_builders(formula, inputs, [(), ()])
