"""Evenly spaced numbers, and more arrays made of nothing."""

from __future__ import annotations

import math
import operator
from typing import Any

from ..errors import ShapeError
from ..types import INTEGERS, check_dtype, result_dtype
from ..variable import Variable, as_tensor, constant
from .arithmetic import floor_divide
from .arrange import moveaxis
from .cast import cast
from .choice import where
from .common import refuse
from .comparison import equal, less
from .create import arange, eye, zeros, zeros_like
from .powers import power
from .transcendental import exp, log
from .view import expand_dims

__all__ = [
    "empty",
    "empty_like",
    "geomspace",
    "identity",
    "linspace",
    "logspace",
]


def empty(shape: Any, dtype: object = None) -> Variable:
    """0 everywhere in `shape`: expressions have no undefined elements."""
    return zeros(shape, dtype)


def empty_like(x: object, dtype: object = None) -> Variable:
    """0 in the shape of `x`: expressions have no undefined elements."""
    return zeros_like(x, dtype)


def identity(n: Any, dtype: object = None) -> Variable:
    """The identity matrix of `n` rows."""
    return eye(n, dtype=dtype)


def linspace(
    start: object,
    stop: object,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: object = None,
    axis: int = 0,
) -> Any:
    """`num` evenly spaced numbers from `start` to `stop`, along a new axis.

    `start` and `stop` may be arrays, which are broadcast.  The last number is `stop`
    itself, or without `endpoint` the one before it.  Integers give float64; an integer
    `dtype` rounds down.

    Returns:
        The numbers, or with `retstep` a pair: the numbers and their distance.

    Raises:
        ShapeError: `num` is negative.
    """
    count = _count(num, "linspace")
    low, high = _ends(start, stop)
    numbers, step = _spaced(low, high, count, endpoint)
    numbers = _finished(numbers, dtype, axis)
    return (numbers, step) if retstep else numbers


def logspace(
    start: object,
    stop: object,
    num: int = 50,
    endpoint: bool = True,
    base: object = 10.0,
    dtype: object = None,
    axis: int = 0,
) -> Variable:
    """``base ** linspace(start, stop, ...)``: numbers of a constant ratio."""
    low, high = _ends(start, stop)
    exponents, _ = _spaced(low, high, _count(num, "logspace"), endpoint)
    return _finished(power(base, exponents), dtype, axis)


def geomspace(
    start: object,
    stop: object,
    num: int = 50,
    endpoint: bool = True,
    dtype: object = None,
    axis: int = 0,
) -> Variable:
    """`num` numbers of a constant ratio from `start` to `stop`, of one sign."""
    low, high = _ends(start, stop)
    count = _count(num, "geomspace")
    sign = where(less(low, 0), constant(-1.0, low.dtype), 1)
    logs, _ = _spaced(log(sign * low), log(sign * high), count, endpoint)
    index = _index(count, logs.ndim)
    result = where(equal(index, 0), low, sign * exp(logs))
    if endpoint and count > 1:
        result = where(equal(index, count - 1), high, result)
    return _finished(result, dtype, axis)


def _count(num: Any, what: str) -> int:
    count = operator.index(num)
    if count < 0:
        refuse(ShapeError, f"{what}: {count} numbers", remedy="give 0 or more")
    return count


def _ends(start: object, stop: object) -> tuple[Variable, Variable]:
    """Both ends in a float type, and as many axes."""
    low, high = as_tensor(start), as_tensor(stop)
    dtype = result_dtype(low.dtype, high.dtype, 1.0)
    return cast(low, dtype), cast(high, dtype)


def _index(count: int, ndim: int) -> Variable:
    """0, 1, ... along the first axis."""
    return expand_dims(arange(count), tuple(range(1, ndim)))


def _spaced(
    low: Variable, high: Variable, count: int, endpoint: bool
) -> tuple[Variable, Variable]:
    """The numbers along a new first axis, and their distance (NaN if there is none)."""
    delta = high - low
    parts = count - 1 if endpoint else count
    step = delta / (parts or math.nan)
    index = _index(count, delta.ndim + 1)
    place = cast(index, delta.dtype)
    # A distance that underflows to 0 is taken apart, as NumPy does.
    tiny = place / (parts or 1) * delta
    numbers = where(equal(step, 0), tiny, place * step) if parts else place * delta
    numbers = numbers + low
    if endpoint and count > 1:
        numbers = where(equal(index, count - 1), high, numbers)
    return numbers, step


def _finished(numbers: Variable, dtype: object, axis: int) -> Variable:
    if dtype is not None and check_dtype(dtype) in INTEGERS:
        numbers = floor_divide(numbers, 1)
    made = numbers if dtype is None else cast(numbers, dtype)
    return moveaxis(made, 0, axis)
