"""The price of a million European calls, one expression with two error functions."""

from __future__ import annotations

from functools import cache
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Arrays, formula_builders, numpy_names

TITLE = "Black-Scholes, 1M float64"
GOAL = 0.8
RTOL, ATOL = 1e-11, 1e-11
SIZE = 1_000_000
RATE, VOLATILITY = 0.02, 0.3


@cache
def inputs() -> list[NDArray[np.float64]]:
    """Spot prices, strikes and years to expiry."""
    random = np.random.default_rng(0)
    spot, strike = random.uniform(10, 100, (2, SIZE))
    return [spot, strike, random.uniform(0.1, 3, SIZE)]


def formula(lib: Any, spot: Any, strike: Any, years: Any) -> Any:
    spread = VOLATILITY * lib.sqrt(years)
    drift = (RATE + 0.5 * VOLATILITY**2) * years
    d1 = (lib.log(spot / strike) + drift) / spread
    d2 = d1 - spread

    def normal(x: Any) -> Any:
        return 0.5 * (1 + lib.erf(x / sqrt(2)))

    return spot * normal(d1) - strike * lib.exp(-RATE * years) * normal(d2)


def reference() -> Arrays:
    return [formula(numpy_names(), *inputs())]


BUILDERS = formula_builders(formula, inputs, [(None,)] * 3)
