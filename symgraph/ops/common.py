"""What functions that build expressions share: axes, errors on the user's line."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import TypeAlias

import numpy as np

from ..errors import DTypeError, ShapeError, UnsupportedError, refuse
from ..op import Array, Op, Pair
from ..variable import Variable, apply

Grads: TypeAlias = tuple[Variable | None, ...]
#: Which inputs of an op are batched.
Flags: TypeAlias = Sequence[bool]
#: None for all axes, one, or several; negative ones count from the end.
Axis: TypeAlias = int | Sequence[int] | None


def sum_of(terms: Iterable[Variable | None]) -> Variable | None:
    """The sum of the terms that there are; None where there are none."""
    result: Variable | None = None
    for term in terms:
        if term is not None:
            result = term if result is None else result + term
    return result


def linear_in_first(
    made: Op, y: Variable, xs: Sequence[Variable], ts: Sequence[Variable | None]
) -> Variable | None:
    """The `jvp` of ops that are linear in input 0 and flat in the others."""
    return None if ts[0] is None else apply(made, ts[0], *xs[1:])


def each_part(self: Op, *operands: Variable | Pair) -> Pair:
    """The `parts` of a linear op: the op on the real and on the imaginary parts.

    Operands that are not complex (conditions, indices, sizes) go to both.
    """
    re = (v.re if isinstance(v, Pair) else v for v in operands)
    im = (v.im if isinstance(v, Pair) else v for v in operands)
    return Pair(apply(self, *re), apply(self, *im))


def by_formula(name: str) -> Callable[..., Pair | Variable]:
    """The `parts` that is the function `name` of :mod:`.pairs`.

    The module is found when it is called: its formulas are made of the very ops that
    they are for.
    """

    def parts(self: Op, *operands: Variable | Pair) -> Pair | Variable:
        pairs = import_module(".pairs", __package__)
        made: Pair | Variable = getattr(pairs, name)(*operands)
        return made

    return parts


def refuse_sizes(made: Op, batched: Sequence[bool], *xs: Variable) -> None:
    """Refuse to batch `made` where one of `batched`, its sizes and ends, is set."""
    if any(batched):
        refuse(
            UnsupportedError,
            f"vectorize: {made.name} of sizes that differ within the batch",
            *xs,
            remedy="compute sizes and ends of slices from what is not batched",
        )


def one_axis(axis: object, ndim: int, what: str) -> int:
    """`axis` as a number in ``range(ndim)``; negative ones count from the end."""
    if not hasattr(axis, "__index__"):
        refuse(
            DTypeError,
            f"{what}: {axis!r} is not an axis",
            remedy="an axis is an int, and here a single one",
        )
    number = operator.index(axis)
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


def scipy_special(name: str, *arrays: Array) -> Array:
    """SciPy's function `name`, imported when first evaluated; the operands' dtype."""
    from scipy import special

    with np.errstate(all="ignore"):
        return np.asarray(getattr(special, name)(*arrays), arrays[0].dtype)


__all__ = ["Axis", "Grads", "many_axes", "one_axis", "refuse", "scipy_special"]
