"""Indexing with NumPy's keys: basic ones, integer arrays, and mixtures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ..errors import DTypeError, ShapeError, UnsupportedError
from ..types import INTEGERS
from ..variable import Variable, apply, as_tensor, holds_variable
from .cast import cast
from .common import one_axis, refuse
from .create import arange
from .gather import Gather
from .slices import Pick, slice_axis
from .update import Selection, set_subtensor
from .view import expand_dims, reshape

__all__ = [
    "getitem",
    "put_along_axis",
    "take",
    "take_along_axis",
]

#: A part of a key: a slice, None (a new axis), or an int64 scalar or array.
Part: TypeAlias = slice | Variable | None


def getitem(x: object, key: object) -> Variable:
    """``x[key]``: ints, slices, ``...``, None, and integer arrays, broadcast together.

    Ints and the ends of slices may be symbolic integer scalars.  Negative ones count
    from the end.

    Raises:
        IndexOutOfBoundsError: known to lie outside (else it is raised when it runs).
        ShapeError: more indices than axes.
        UnsupportedError: a boolean mask among other indices.

    A known mask stands for the positions where it holds.  The size of what a symbolic
    one selects is not known: ``x[mask]`` can be set and incremented, but not read.
    """
    value = as_tensor(x)
    keys = _without_known_masks(key if isinstance(key, tuple) else (key,))
    if len(keys) == 1 and isinstance(keys[0], Variable) and _is_mask(keys[0]):
        return Selection(value, keys[0])  # type: ignore[return-value]
    parts, separated = _parts(value, keys)
    if any(isinstance(p, Variable) and p.ndim for p in parts):
        found = _gathered(value, parts, separated)
    else:
        found = _sliced(value, parts)
    read = Variable(found.node, found.name)
    read.origin = value
    return read


def _is_mask(item: Variable) -> bool:
    return item.dtype == "bool" and item.ndim > 0


def _without_known_masks(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """The key with each array of bools as the positions where it holds."""
    found: list[Any] = []
    for item in key:
        if isinstance(item, np.ndarray) or (
            isinstance(item, list) and not holds_variable(item)
        ):
            array = np.asarray(item)
            if array.dtype == bool and array.ndim:
                found += np.nonzero(array)
                continue
        found.append(item)
    return tuple(found)


def _sliced(value: Variable, parts: Sequence[Part]) -> Variable:
    """Apply slices, new axes and single positions in turn."""
    axis = 0
    for part in parts:
        match part:
            case None:
                value = expand_dims(value, axis)
            case slice():
                value = slice_axis(value, axis, part.start, part.stop, part.step or 1)
            case Variable():
                value = apply(Pick(axis), value, part)
                continue
        axis += 1
    return value


def _gathered(x: Variable, parts: Sequence[Part], separated: bool) -> Variable:
    """Apply slices and new axes first, then all ints and arrays at once."""
    axes: list[int] = []
    indices: list[Variable] = []
    for axis, part in enumerate(parts):
        match part:
            case None:
                x = expand_dims(x, axis)
            case slice():
                x = slice_axis(x, axis, part.start, part.stop, part.step or 1)
            case Variable():
                axes.append(axis)
                indices.append(part)
    place = 0 if separated else axes[0]
    return apply(Gather(tuple(axes), place), x, *indices)


def _parts(x: Variable, key: tuple[Any, ...]) -> tuple[list[Part], bool]:
    """The key in one part an axis, and whether its arrays stand apart."""
    parts: list[Part] = []
    places: list[int] = []  # of ints and arrays, in the key as it was written
    rest: int | None = None
    for place, item in enumerate(key):
        if item is Ellipsis:
            if rest is not None:
                refuse(ShapeError, "x[...]: two ellipses", x, remedy="use one")
            rest = len(parts)
        elif item is None:
            parts.append(None)
        elif isinstance(item, slice):
            parts.append(_slice(item, x))
        else:
            parts.append(_index(item, x))
            places.append(place)
    missing = x.ndim - sum(part is not None for part in parts)
    if missing < 0:
        refuse(
            ShapeError,
            f"x[...]: {x.ndim - missing} indices for {x.ndim} dimensions",
            x,
            remedy="give at most one index an axis",
        )
    where = len(parts) if rest is None else rest
    parts[where:where] = [slice(None)] * missing
    return parts, bool(places) and places[-1] - places[0] >= len(places)


def _slice(item: slice, x: Variable) -> slice:
    """The slice, its step a number."""
    if isinstance(item.step, Variable):
        refuse(
            UnsupportedError,
            "x[::step]: the step is symbolic",
            x,
            remedy="give a number",
        )
    if item.step == 0:
        refuse(ShapeError, "x[::step]: the step is 0", x, remedy="give another step")
    return item


def _index(item: Any, x: Variable) -> Variable:
    """An int or array index as int64."""
    if not isinstance(item, Variable):
        empty = isinstance(item, list) and not item
        item = as_tensor(item, "int64" if empty else None)
    if item.dtype == "bool":
        what = "a mask among other indices" if item.ndim else "a bool as an index"
        refuse(
            UnsupportedError,
            f"x[...]: {what}",
            x,
            item,
            remedy="use sg.where(mask, x, other), or integers",
        )
    if item.dtype not in INTEGERS:
        refuse(
            DTypeError,
            "x[...]: an index is not of an integer type",
            x,
            item,
            remedy="cast it to int64",
        )
    return cast(item, "int64")


def take(x: object, indices: object, axis: int | None = None) -> Variable:
    """``x[..., indices, ...]`` with `indices` on `axis`; without one, on x flattened.

    Raises:
        IndexOutOfBoundsError: known to lie outside (else it is raised when it runs).
    """
    value = as_tensor(x)
    if axis is None:
        value, axis = reshape(value, (-1,)), 0
    place = one_axis(axis, value.ndim, "take")
    return getitem(value, (*(slice(None) for _ in range(place)), indices))


def take_along_axis(x: object, indices: object, axis: int | None = -1) -> Variable:
    """The elements of `x` at `indices` along `axis`, as argmin and their kin give them.

    The other axes of both are broadcast.  Without an axis, x is flattened.

    Raises:
        ShapeError: the numbers of axes differ.
        IndexOutOfBoundsError: known to lie outside (else it is raised when it runs).
    """
    value, key = _along(x, indices, axis, "take_along_axis")
    return getitem(value, key)


def put_along_axis(
    x: object, indices: object, values: object, axis: int | None = -1
) -> Variable:
    """`x` with `values` where :func:`take_along_axis` would read.

    Where a place is named twice, the last value stays.  Without an axis, x is taken as
    flattened; the result has the shape of x all the same.
    """
    value, key = _along(x, indices, axis, "put_along_axis")
    made = set_subtensor(getitem(value, key), values)
    return reshape(made, as_tensor(x).shape) if axis is None else made


def _along(
    x: object, indices: object, axis: int | None, what: str
) -> tuple[Variable, tuple[Variable, ...]]:
    """What to index, and the key: along other axes than `axis` 0, 1, ..."""
    value, index = as_tensor(x), as_tensor(indices)
    if axis is None:
        value, axis = reshape(value, (-1,)), 0
    if index.ndim != value.ndim:
        refuse(
            ShapeError,
            f"{what}: indices of {index.ndim} dimensions for {value.ndim}",
            value,
            index,
            remedy="use expand_dims: both have as many, and are broadcast",
        )
    place = one_axis(axis, value.ndim, what)
    key = [
        expand_dims(arange(size), tuple(range(1, value.ndim - k)))
        for k, size in enumerate(value.shape)
    ]
    key[place] = index
    return value, tuple(key)
