"""``exp(-x * x) * y + x``, and its sum, over float64 vectors of any length."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from workloads import Arrays, formula_builders, numexpr_builder, numpy_names

from . import Case, picked

TEXT = "exp(-x * x) * y + x"
TITLES = {"elementwise": TEXT, "sum": f"sum({TEXT})"}


def chain(lib: Any, x: Any, y: Any) -> Any:
    return lib.exp(-x * x) * y + x


def chain_sum(lib: Any, x: Any, y: Any) -> Any:
    return lib.sum(chain(lib, x, y))


def case(name: str, size: str) -> Case:
    """The chain, or its sum, over `size` elements."""
    formula = {"elementwise": chain, "sum": chain_sum}[name]

    @cache
    def inputs() -> list[NDArray[np.float64]]:
        random = np.random.default_rng(0)
        return [random.random(int(size)) for _ in range(2)]

    def named() -> dict[str, Any]:
        return dict(zip("xy", inputs(), strict=True))

    def reference() -> Arrays:
        if name == "sum":
            return [np.asarray(formula(numpy_names(), *inputs()))]
        return [formula(numpy_names(), *(picked(x) for x in inputs()))]

    builders = formula_builders(formula, inputs, [(None,)] * 2)
    builders["numexpr"] = numexpr_builder(TITLES[name], named)
    # numexpr adds one number after the other.
    return Case(builders, reference, rtol=1e-10 if name == "sum" else 1e-13)
