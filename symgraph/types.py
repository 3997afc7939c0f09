"""Types: a dtype and a shape, and NumPy 2's rules for mixing dtypes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from . import dims
from .codegen import ir
from .codegen.ir import FLOATS, SIGNED, UNSIGNED
from .dims import Dim, Size
from .errors import DTypeError, ShapeError, refuse

INTEGERS = (*SIGNED, *UNSIGNED)
COMPLEX = ("complex64", "complex128")
DTYPES = (*ir.DTYPES, *COMPLEX)

#: The letters of typed shorthands such as ``dscalar`` and ``fmatrix``.
LETTERS = {
    "b": "int8", "w": "int16", "i": "int32", "l": "int64",
    "f": "float32", "d": "float64", "c": "complex64", "z": "complex128",
}  # fmt: skip


def check_dtype(dtype: object) -> str:
    """The canonical name of `dtype`; raises DTypeError for what is not supported."""
    if isinstance(dtype, str) and dtype in DTYPES:
        return dtype
    try:
        name = np.dtype(dtype).name  # type: ignore[call-overload]
    except TypeError:
        name = str(dtype)
    if name not in DTYPES:
        remedy = _NEAREST.get(name, f"symgraph has: {', '.join(DTYPES)}")
        refuse(DTypeError, f"dtype {name!r} is not supported", remedy=remedy)
    return str(name)


#: What to do about dtypes that people try.
_NEAREST = {
    "float16": "compute in float32: x.astype('float32')",
    "longdouble": "compute in float64: x.astype('float64')",
    "float128": "compute in float64: x.astype('float64')",
    "object": "give numbers of one type: np.asarray(value, dtype='float64'); sequences "
    "of different lengths are no array",
    "datetime64": "subtract a start and divide by a unit: "
    "(t - t0) / np.timedelta64(1, 's')",
}


@dataclass(frozen=True, slots=True)
class TensorType:
    """Elements of `dtype` in a box of `shape`.

    A dimension is an int, a name (equal wherever it occurs in a graph), or None
    (unknown).  Inside a graph, unknown dimensions are :class:`~symgraph.dims.Dim`.

    >>> TensorType("float32", ("batch", 10))
    float32[batch, 10]
    """

    dtype: str
    shape: tuple[int | Dim | None, ...]

    def __init__(self, dtype: object, shape: Iterable[int | str | Dim | None]) -> None:
        if isinstance(shape, int | str) or shape is None:
            refuse(
                ShapeError,
                f"a shape cannot be {shape!r}",
                remedy=f"a shape lists its dimensions: ({shape!r},)",
            )
        object.__setattr__(self, "dtype", check_dtype(dtype))
        object.__setattr__(self, "shape", tuple(_dimension(s) for s in shape))

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def dims(self) -> tuple[Size, ...]:
        """The shape of a value in a graph, where no dimension is None."""
        return self.shape  # type: ignore[return-value]

    def __repr__(self) -> str:
        if not self.shape:
            return self.dtype
        shape = ", ".join("?" if s is None else dims.text(s) for s in self.shape)
        return f"{self.dtype}[{shape}]"


@dataclass(frozen=True, slots=True)
class TupleType(TensorType):
    """What an op of several results gives: a value of each of `items`.

    Such a value is no array: its dtype is "tuple" and it has no axes.  Only
    :class:`~symgraph.ops.Item` reads it.
    """

    items: tuple[TensorType, ...]

    def __init__(self, items: Iterable[TensorType]) -> None:
        object.__setattr__(self, "dtype", "tuple")
        object.__setattr__(self, "shape", ())
        object.__setattr__(self, "items", tuple(items))

    def __repr__(self) -> str:
        return f"({', '.join(map(repr, self.items))})"


def tensor(dtype: str, shape: tuple[Size, ...]) -> TensorType:
    """A TensorType from parts known to be right, without checks (the hot path)."""
    made = object.__new__(TensorType)
    object.__setattr__(made, "dtype", dtype)
    object.__setattr__(made, "shape", shape)
    return made


def _dimension(size: int | str | Dim | None) -> int | Dim | None:
    if size is None or isinstance(size, Dim):
        return size
    if isinstance(size, str):
        return dims.named(size)
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
        refuse(
            ShapeError,
            f"a dimension cannot be {size!r}",
            remedy="a dimension is an int, a name ('batch'), or None for any size",
        )
    if size < 0:
        refuse(
            ShapeError,
            f"a dimension cannot be negative: {size}",
            remedy="None stands for any size",
        )
    return int(size)


def result_dtype(*operands: object) -> str:
    """NumPy 2's promotion of dtypes and Python scalars (which are weak).

    >>> result_dtype("float32", 1.5), result_dtype("int32", 1.5)
    ('float32', 'float64')
    """
    first = operands[0]
    if all(isinstance(o, str) and o == first for o in operands):
        return check_dtype(first)
    named = [np.dtype(o) if isinstance(o, str) else o for o in operands]
    return check_dtype(np.result_type(*named))  # type: ignore[arg-type]


def float_dtype(dtype: str) -> str:
    """The float type in which a function such as exp of `dtype` is computed.

    NumPy's choice, but float32 where NumPy would take float16, which is not supported.
    """
    if dtype in FLOATS or dtype in COMPLEX:
        return dtype
    return "float32" if np.dtype(dtype).itemsize <= 2 else "float64"


def is_float(dtype: str) -> bool:
    """Whether `dtype` is a floating-point type."""
    return dtype in FLOATS


def is_complex(dtype: str) -> bool:
    """Whether `dtype` is a complex type."""
    return dtype in COMPLEX


def is_differentiable(dtype: str) -> bool:
    """Whether gradients can flow through values of `dtype`: floats and complex ones."""
    return dtype in FLOATS or dtype in COMPLEX


def real_dtype(dtype: str) -> str:
    """The dtype of the real part of `dtype`, which is itself unless it is complex."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def complex_dtype(dtype: str) -> str:
    """The complex type with parts of the float type `dtype`."""
    return {"float32": "complex64", "float64": "complex128"}.get(dtype, dtype)
