"""What the Array API has beside its functions of arrays: dtypes, limits, constants.

A dtype is its name, as in ``x.dtype``: ``sg.float32`` is ``"float32"``.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from .types import DTYPES, check_dtype, result_dtype
from .variable import Variable

#: Python's own, whose name stands for a dtype here.
_Truth: TypeAlias = bool

bool = "bool"
int8, int16, int32, int64 = "int8", "int16", "int32", "int64"
uint8, uint16, uint32, uint64 = "uint8", "uint16", "uint32", "uint64"
float32, float64 = "float32", "float64"
complex64, complex128 = "complex64", "complex128"

e, inf, nan, pi = math.e, math.inf, math.nan, math.pi
newaxis = None


def result_type(*arrays_and_dtypes: object) -> str:
    """The dtype in which these are computed together; Python scalars are weak.

    Raises:
        DTypeError: a dtype that is not supported.

    >>> result_type("float32", 2.5), result_type("int8", "uint8")
    ('float32', 'int16')
    """
    return result_dtype(*(_operand(given) for given in arrays_and_dtypes))


def can_cast(from_: object, to: object) -> _Truth:
    """Whether every value of a dtype, or of an array's, can be kept in another one.

    >>> can_cast("int32", "float64"), can_cast("int64", "int32")
    (True, False)
    """
    return np.can_cast(_dtype(from_), _dtype(to))


def isdtype(dtype: object, kind: Any) -> _Truth:
    """Whether `dtype` is `kind`: "integral", "real floating" and so on, or a dtype.

    `kind` may be a tuple of them: any of these.
    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    known = [np.dtype(k) if k in DTYPES and k != "bool" else k for k in kinds]
    return np.isdtype(np.dtype(check_dtype(dtype)), tuple(known))


def finfo(type: object) -> np.finfo[Any]:
    """The limits of a float dtype, or of an array's: ``.eps``, ``.max``, ``.bits``."""
    return np.finfo(_dtype(type))


def iinfo(type: object) -> np.iinfo[Any]:
    """The limits of an integer dtype, or of an array's: ``.min`` and ``.max``."""
    return np.iinfo(_dtype(type))


def _operand(given: object) -> object:
    """A dtype as its name; Python scalars as they are."""
    if isinstance(given, int | float | complex):
        return given
    return _dtype(given)


def _dtype(given: object) -> str:
    """The name of a dtype, or of an array's."""
    if isinstance(given, Variable | np.ndarray | np.generic):
        return check_dtype(given.dtype)
    return check_dtype(given)


__all__ = [
    "bool",
    "can_cast",
    "complex64",
    "complex128",
    "e",
    "finfo",
    "float32",
    "float64",
    "iinfo",
    "inf",
    "int8",
    "int16",
    "int32",
    "int64",
    "isdtype",
    "nan",
    "newaxis",
    "pi",
    "result_type",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]
