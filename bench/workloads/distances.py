"""A Gaussian kernel between two clouds of points, summed: no n x m array is needed."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Arrays, formula_builders, numexpr_builder, numpy_names

TITLE = "exp(-squared distances) summed, 2000 x 2000 x 3 float64"
GOAL = 0.4
RTOL, ATOL = 1e-12, 0.0
COUNT = 2000


@cache
def inputs() -> list[NDArray[np.float64]]:
    random = np.random.default_rng(0)
    return [random.standard_normal((COUNT, 3)) for _ in range(2)]


def formula(lib: Any, x: Any, y: Any) -> Any:
    apart = x[:, None, :] - y[None, :, :]
    return lib.sum(lib.exp(-lib.sum(apart * apart, axis=2)))


def reference() -> Arrays:
    return [formula(numpy_names(), *inputs())]


NUMEXPR = "sum(exp(-((x0 - y0) ** 2 + (x1 - y1) ** 2 + (x2 - y2) ** 2)))"


def coordinates() -> dict[str, NDArray[np.float64]]:
    """The columns of x down the rows of what numexpr makes, those of y along them."""
    x, y = inputs()
    columns = {f"x{k}": x[:, k, None] for k in range(3)}
    return columns | {f"y{k}": y[None, :, k] for k in range(3)}


BUILDERS = formula_builders(formula, inputs, [(None, 3), (None, 3)]) | {
    "numexpr": numexpr_builder(NUMEXPR, coordinates)
}
