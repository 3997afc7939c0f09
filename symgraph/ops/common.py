"""What functions that build expressions share: axes, errors on the user's line."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TypeAlias

from ..errors import ShapeError, refuse
from ..variable import Variable

Grads: TypeAlias = tuple[Variable | None, ...]
#: None for all axes, one, or several; negative ones count from the end.
Axis: TypeAlias = int | Sequence[int] | None


def one_axis(axis: object, ndim: int, what: str) -> int:
    """`axis` as a number in ``range(ndim)``; negative ones count from the end."""
    number = operator.index(axis)  # type: ignore[arg-type]
    if not -ndim <= number < ndim:
        refuse(
            ShapeError,
            f"{what}: axis {number} is out of bounds for {ndim} dimensions",
            remedy=f"axes go from {-ndim} to {ndim - 1}" if ndim else "there are none",
        )
    return number % ndim


def many_axes(axis: object, ndim: int, what: str) -> tuple[int, ...]:
    """`axis` (None for all, an int, or several) as numbers in the given order."""
    if axis is None:
        return tuple(range(ndim))
    given = tuple(axis) if isinstance(axis, Sequence) else (axis,)
    axes = tuple(one_axis(a, ndim, what) for a in given)
    if len(set(axes)) != len(axes):
        refuse(
            ShapeError,
            f"{what}: axis given twice: {given}",
            remedy="name each axis once",
        )
    return axes


__all__ = ["Axis", "Grads", "many_axes", "one_axis", "refuse"]
