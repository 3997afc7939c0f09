"""Rounding to whole numbers and to decimals; the gradients are 0, at the steps too."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..op import Array, op
from ..types import INTEGERS
from ..variable import Variable, apply, as_tensor, constant, promote
from .cast import cast
from .elementwise import Flat

__all__ = [
    "Ceil",
    "Floor",
    "Rint",
    "Trunc",
    "around",
    "ceil",
    "fix",
    "floor",
    "rint",
    "round",
    "trunc",
]


class Rounding(Flat):
    """A float rounded to a whole number."""

    primitive: ClassVar[str]

    def scalar(self, x: ir.Value) -> ir.Value:
        return ir.apply(self.primitive, x)


@op
class Floor(Rounding):
    """The largest whole number that is not above x."""

    primitive: ClassVar[str] = "floor"

    def ref(self, x: Array) -> Array:
        return np.floor(x)


@op
class Ceil(Rounding):
    """The smallest whole number that is not below x."""

    primitive: ClassVar[str] = "ceil"

    def ref(self, x: Array) -> Array:
        return np.ceil(x)


@op
class Trunc(Rounding):
    """x without its fraction: the nearest whole number towards 0."""

    primitive: ClassVar[str] = "trunc"

    def ref(self, x: Array) -> Array:
        return np.trunc(x)


@op
class Rint(Rounding):
    """The nearest whole number, the even one of two."""

    primitive: ClassVar[str] = "rint"

    def ref(self, x: Array) -> Array:
        return np.rint(x)


def _rounded(made: Rounding, x: object) -> Variable:
    """Integers and bools are whole as they are."""
    (value,) = promote(x)
    whole = value.dtype == "bool" or value.dtype in INTEGERS
    return value if whole else apply(made, value)


def floor(x: object) -> Variable:
    """Elementwise largest whole number that is not above `x`, in the dtype of `x`."""
    return _rounded(Floor(), x)


def ceil(x: object) -> Variable:
    """Elementwise smallest whole number that is not below `x`, in the dtype of `x`."""
    return _rounded(Ceil(), x)


def trunc(x: object) -> Variable:
    """Elementwise nearest whole number towards 0, in the dtype of `x`."""
    return _rounded(Trunc(), x)


def fix(x: object) -> Variable:
    """The same as :func:`trunc`."""
    return trunc(x)


def rint(x: object) -> Variable:
    """Elementwise nearest whole number, the even one of two; always a float."""
    return apply(Rint(), *promote(x, to="float"))


def round(x: object, decimals: int = 0) -> Variable:
    """Elementwise rounding to `decimals` decimals, half to even.

    With negative `decimals`, to tens, hundreds, ...  Computed as NumPy does, by way of
    ``rint(x * 10**decimals)``, so that the last bit is NumPy's too.  The dtype is that
    of `x`, but float32 for bool.

    >>> round(constant([2.5, 3.5, 0.125])).eval()
    array([2., 4., 0.])
    """
    value = as_tensor(x)
    if value.dtype == "bool":
        return rint(value)
    if value.dtype in INTEGERS:
        if decimals >= 0:
            return value
        return cast(round(cast(value, "float64"), decimals), value.dtype)
    if not decimals:
        return rint(value)
    factor = constant(10.0 ** (decimals if decimals > 0 else -decimals), value.dtype)
    if decimals > 0:
        return rint(value * factor) / factor
    return rint(value / factor) * factor


around = round
