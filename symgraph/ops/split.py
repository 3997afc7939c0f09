"""Arrays taken apart along an axis, and put together under NumPy's shorter names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import ShapeError, UnsupportedError
from ..variable import Variable, apply, as_tensor
from .arrange import atleast_1d, atleast_2d, atleast_3d
from .choice import minimum
from .common import one_axis, refuse
from .join import concatenate
from .sizes import size_variable
from .slices import Pick, slice_axis
from .view import transpose

__all__ = [
    "array_split",
    "column_stack",
    "concat",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "split",
    "unstack",
    "vsplit",
    "vstack",
]


def split(x: object, indices_or_sections: Any, axis: int = 0) -> list[Variable]:
    """`x` in parts along `axis`: so many equal ones, or cut at the given positions.

    Positions are ints or integer scalars, and may be negative.

    Raises:
        ShapeError: the size is known not to divide into equal parts.
    """
    value = as_tensor(x)
    place = one_axis(axis, value.ndim, "split")
    if not isinstance(indices_or_sections, int | np.integer):
        return _cut(value, indices_or_sections, place)
    parts = _count(value, indices_or_sections, "split")
    size = value.shape[place]
    if isinstance(size, int) and size % parts:
        refuse(
            ShapeError,
            f"split: size {size} does not divide into {parts} equal parts",
            value,
            remedy="use array_split, or give positions",
        )
    if not isinstance(size, int):
        shape = list(value.shape)
        shape[place : place + 1] = [parts, size // parts]
        return list(unstack(value.reshape(shape), axis=place))
    return _cut(value, [k * (size // parts) for k in range(1, parts)], place)


def array_split(x: object, indices_or_sections: Any, axis: int = 0) -> list[Variable]:
    """As :func:`split`, but parts need not be equal: the first ones are longer by 1."""
    value = as_tensor(x)
    place = one_axis(axis, value.ndim, "array_split")
    if not isinstance(indices_or_sections, int | np.integer):
        return _cut(value, indices_or_sections, place)
    parts = _count(value, indices_or_sections, "array_split")
    size = value.shape[place]
    each = size // parts
    longer = size - each * parts
    least = min if isinstance(size, int) else minimum
    return _cut(value, [k * each + least(k, longer) for k in range(1, parts)], place)


def _count(x: Variable, parts: Any, what: str) -> int:
    """The number of parts: 1 or more."""
    if parts < 1:
        refuse(ShapeError, f"{what}: {parts} parts", x, remedy="give 1 or more")
    return int(parts)


def _cut(x: Variable, positions: Sequence[Any], axis: int) -> list[Variable]:
    """`x` cut at `positions`."""
    given = positions.tolist() if isinstance(positions, np.ndarray) else positions
    if isinstance(given, Variable):
        refuse(
            UnsupportedError,
            "split: the positions are one symbolic array",
            x,
            given,
            remedy="give a list of scalars",
        )
    return [slice_axis(x, axis, *ends) for ends in pairwise((None, *given, None))]


def vsplit(x: object, indices_or_sections: Any) -> list[Variable]:
    """`x`, of two axes or more, split along its first axis."""
    return split(_with_axes(x, 2, "vsplit"), indices_or_sections, 0)


def hsplit(x: object, indices_or_sections: Any) -> list[Variable]:
    """`x` split along its second axis, or its only one."""
    value = _with_axes(x, 1, "hsplit")
    return split(value, indices_or_sections, 1 if value.ndim > 1 else 0)


def dsplit(x: object, indices_or_sections: Any) -> list[Variable]:
    """`x`, of three axes or more, split along its third axis."""
    return split(_with_axes(x, 3, "dsplit"), indices_or_sections, 2)


def _with_axes(x: object, ndim: int, what: str) -> Variable:
    """`x`, which must have as many axes."""
    value = as_tensor(x)
    if value.ndim < ndim:
        refuse(
            ShapeError,
            f"{what}: fewer than {ndim} dimensions",
            value,
            remedy="use split and say which axis",
        )
    return value


def unstack(x: object, *, axis: int = 0) -> tuple[Variable, ...]:
    """The parts of `x` at each position of `axis`, whose size must be known.

    Raises:
        UnsupportedError: the size of the axis is not known.
    """
    value = as_tensor(x)
    place = one_axis(axis, value.ndim, "unstack")
    size = value.shape[place]
    if not isinstance(size, int):
        refuse(
            UnsupportedError,
            f"unstack: the size of axis {place} is not known",
            value,
            remedy="declare it: sg.tensor(shape=(3, None))",
        )
    return tuple(apply(Pick(place), value, size_variable(k, "")) for k in range(size))


# -- together --------------------------------------------------------------------------


def concat(arrays: Sequence[Any], *, axis: int | None = 0) -> Variable:
    """See :func:`concatenate`."""
    return concatenate(arrays, axis)


def hstack(arrays: Sequence[Any]) -> Variable:
    """`arrays` along their second axis, or their only one."""
    values = [atleast_1d(a) for a in arrays]
    return concatenate(values, 1 if values and values[0].ndim > 1 else 0)


def vstack(arrays: Sequence[Any]) -> Variable:
    """`arrays` along their first axis; vectors are rows."""
    return concatenate([atleast_2d(a) for a in arrays], 0)


def dstack(arrays: Sequence[Any]) -> Variable:
    """`arrays` along their third axis; see :func:`atleast_3d`."""
    return concatenate([atleast_3d(a) for a in arrays], 2)


def column_stack(arrays: Sequence[Any]) -> Variable:
    """Vectors as the columns of a matrix; matrices go in as they are."""
    values = [as_tensor(a) for a in arrays]
    return concatenate(
        [v if v.ndim > 1 else transpose(atleast_2d(v)) for v in values], 1
    )
