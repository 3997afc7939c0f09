"""Arrays made larger at their edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ShapeError, UnsupportedError
from ..variable import Variable, apply, as_tensor
from .arithmetic import abs
from .cast import cast
from .choice import maximum, minimum, where
from .common import one_axis, refuse
from .comparison import less
from .create import arange
from .index import take
from .sizes import shape_of, size_variable
from .slices import SliceEmbed
from .view import expand_dims

__all__ = ["pad"]

#: The modes that read x again.
_MODES = ("edge", "reflect", "symmetric", "wrap")


def pad(
    x: object, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0
) -> Variable:
    """`x` with elements added before and after it along each axis.

    Args:
        x: an array.
        pad_width: ``(before, after)`` for each axis, one pair for all, one number for
            all, or a dict from axes to either.  Widths may be integer scalars.
        mode: what is added: "constant", "edge" (the last element), "reflect" (mirrored
            about it), "symmetric" (mirrored behind it) or "wrap" (from the other end).
        constant_values: what "constant" adds, in the same forms as `pad_width`.

    Raises:
        ShapeError: a width is known to be negative, or the pairs fit no axes.
        IndexOutOfBoundsError: an axis without elements is to be continued.
        UnsupportedError: another mode.

    >>> pad(np.array([1, 2, 3]), (1, 2), mode="reflect").eval()
    array([2, 1, 2, 3, 2, 1])
    """
    value = as_tensor(x)
    if mode != "constant" and mode not in _MODES:
        refuse(
            UnsupportedError,
            f"pad: mode {mode!r}",
            value,
            remedy=f"modes are constant, {', '.join(_MODES)}",
        )
    fills = _pairs(constant_values, value, "values")
    for axis, (before, after) in enumerate(_pairs(pad_width, value, "widths")):
        if _none(before, value) and _none(after, value):
            continue
        if mode == "constant":
            value = _filled(value, axis, (before, after), fills[axis])
        else:
            value = _continued(value, axis, (before, after), mode)
    return value


def _pairs(given: Any, x: Variable, what: str) -> list[tuple[Any, Any]]:
    """``(before, after)`` for each axis, in whatever form it was given."""
    if isinstance(given, Mapping):
        pairs: list[tuple[Any, Any]] = [(0, 0)] * x.ndim
        for axis, ends in given.items():
            pairs[one_axis(axis, x.ndim, "pad")] = _pair(ends, x, what)
        return pairs
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if isinstance(given, list | tuple) and any(
        isinstance(g, list | tuple | np.ndarray) for g in given
    ):
        ends = [_pair(g, x, what) for g in given]
        if len(ends) == 1:
            return ends * x.ndim
        if len(ends) != x.ndim:
            refuse(
                ShapeError,
                f"pad: {len(ends)} pairs of {what} for {x.ndim} dimensions",
                x,
                remedy="give a pair for each axis, or one for all",
            )
        return ends
    return [_pair(given, x, what)] * x.ndim


def _pair(given: Any, x: Variable, what: str) -> tuple[Any, Any]:
    """One or two numbers as two."""
    if not isinstance(given, list | tuple | np.ndarray):
        return given, given
    if len(given) not in (1, 2):
        refuse(
            ShapeError,
            f"pad: {len(given)} {what} for an axis",
            x,
            remedy="give (before, after)",
        )
    return given[0], given[-1]


def _none(width: Any, x: Variable) -> bool:
    """Whether `width` is known to be 0; refuses one known to be negative."""
    if isinstance(width, Variable):
        return False
    if width < 0:
        refuse(
            ShapeError,
            f"pad: a width of {width}",
            x,
            remedy="widths are 0 or more; a slice cuts off",
        )
    return bool(width == 0)


def _filled(x: Variable, axis: int, ends: tuple[Any, Any], fills: Any) -> Variable:
    """`x` with constants added along `axis`."""
    before, after = (size_variable(e, "pad") for e in ends)
    size = shape_of(x, axis)
    whole = before + size + after
    made = SliceEmbed(axis, 1, True, True)
    inner = apply(made, x, size_variable(whole, "pad"), before, before + size)
    plain = [not isinstance(f, Variable) and np.all(f == 0) for f in fills]
    if all(plain):
        return inner
    place = _along(arange(whole), axis, x.ndim)
    low, high = (_as_filler(f, x.dtype) for f in fills)
    inner = where(less(place, before), low, inner)
    return where(less(place, before + size), inner, high)


def _as_filler(value: Any, dtype: str) -> Variable:
    return cast(as_tensor(value), dtype)


def _along(index: Variable, axis: int, ndim: int) -> Variable:
    """A vector as an array of `ndim` axes that varies along `axis`."""
    return expand_dims(index, tuple(k for k in range(ndim) if k != axis))


def _continued(x: Variable, axis: int, ends: tuple[Any, Any], mode: str) -> Variable:
    """`x` continued along `axis` with its own elements."""
    before, after = (size_variable(e, "pad") for e in ends)
    size = shape_of(x, axis)
    place = arange(before + size + after) - before
    match mode:
        case "edge":
            source = maximum(minimum(place, size - 1), 0)
        case "wrap":
            source = place % size
        case "symmetric":
            back = place % (2 * size)
            source = minimum(back, 2 * size - 1 - back)
        case _:
            # Of one element nothing but itself is mirrored.
            last = size - 1
            source = last - abs(last - place % maximum(2 * last, 1))
    return take(x, source, axis)
