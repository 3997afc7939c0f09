"""Reductions to more digits than those of float64, with the units of their errors.

Each function takes two float64 vectors and gives results by mpmath, with at least twice
the digits of float64, and for each what an error is divided by (and by eps): the sum of
absolute values for sums, the result itself for the others.
"""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
from reductions import SIDE, places

Array = NDArray[np.float64]
Exact = tuple[list[Any], Array]
BITS = 200


def total(values: Array) -> Any:
    """The sum, rounded twice: what `fsum` has lost is summed once more."""
    numbers = values.tolist()
    high = math.fsum(numbers)
    return mpmath.mpf(high) + math.fsum([*numbers, -high])


def halves(x: Array) -> tuple[Array, Array]:
    """Veltkamp's: `x` as a sum of two numbers of half its digits."""
    scaled = x * (2.0**27 + 1)
    high = scaled - (scaled - x)
    return high, x - high


def lost(x: Array, y: Array, product: Array) -> Array:
    """Dekker's: what ``x * y``, exactly, has above `product`."""
    (a, b), (c, d) = halves(x), halves(y)
    return b * d - (((product - a * c) - b * c) - a * d)


def inner(x: Array, y: Array) -> Any:
    product = x * y
    return total(np.concatenate([product, lost(x, y, product)]))


def of_sum(x: Array, y: Array) -> Exact:
    return [total(x)], np.array([np.abs(x).sum()])


def of_mean(x: Array, y: Array) -> Exact:
    (value,), unit = of_sum(x, y)
    return [value / len(x)], unit / len(x)


def of_cumsum(x: Array, y: Array) -> Exact:
    pieces = np.split(x, places(len(x)) + 1)[:-1]
    values = [mpmath.mpf(0)]
    for piece in pieces:
        values.append(values[-1] + total(piece))
    return values[1:], np.cumsum([np.abs(piece).sum() for piece in pieces])


def of_dot(x: Array, y: Array) -> Exact:
    return [inner(x, y)], np.array([np.abs(x * y).sum()])


def of_matmul(x: Array, y: Array) -> Exact:
    rows, columns = x.reshape(SIDE, -1), y.reshape(-1, SIDE).T
    values = [inner(row, column) for row in rows for column in columns]
    return values, (np.abs(rows) @ np.abs(columns).T).ravel()


def relative(value: Any) -> Exact:
    return [value], np.array([abs(float(value))])


def variance(x: Array) -> Any:
    return (inner(x, x) - total(x) ** 2 / len(x)) / len(x)


def of_logsumexp(x: Array, y: Array) -> Exact:
    """To a tenth of a unit: the exponentials are those of float64."""
    shift = float(x.max()) if x.max() > 600 else 0.0
    return relative(mpmath.log(total(np.exp(x - shift))) + shift)


def of_prod(x: Array, y: Array) -> Exact:
    """Pair by pair, in sums of two numbers."""
    high, low = x, np.zeros_like(x)
    while len(high) > 1:
        if len(high) % 2:
            high, low = np.append(high, 1.0), np.append(low, 0.0)
        a, b, c, d = high[::2], high[1::2], low[::2], low[1::2]
        product = a * b
        rest = lost(a, b, product) + (a * d + b * c)
        high = product + rest
        low = rest - (high - product)
    return relative(mpmath.mpf(float(high[0])) + float(low[0]))


EXACT = {
    "sum": of_sum,
    "mean": of_mean,
    "cumsum": of_cumsum,
    "dot": of_dot,
    "matmul": of_matmul,
    "var": lambda x, y: relative(variance(x)),
    "std": lambda x, y: relative(mpmath.sqrt(variance(x))),
    "norm": lambda x, y: relative(mpmath.sqrt(inner(x, x))),
    "logsumexp": of_logsumexp,
    "prod": of_prod,
}


def result(name: str, x: Array, y: Array) -> Exact:
    with mpmath.workprec(BITS):
        return EXACT[name](x, y)


def error(results: list[float], right: Exact, eps: float) -> float:
    """The largest error of some numbers, in their units."""
    if not np.isfinite(results).all():
        return float("inf")
    with mpmath.workprec(BITS):
        apart = [
            abs(mpmath.mpf(number) - value) / (eps * float(unit))
            for number, value, unit in zip(results, *right, strict=True)
        ]
    return float(max(apart))
