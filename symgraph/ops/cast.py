"""Conversion between dtypes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..codegen import ir
from ..dims import Size
from ..graph import Node
from ..op import Array, Elemwise, Pair, op
from ..types import (
    TensorType,
    check_dtype,
    is_complex,
    is_differentiable,
    real_dtype,
    tensor,
)
from ..variable import Variable, apply, as_tensor, constant

__all__ = [
    "Cast",
    "asarray",
    "astype",
    "cast",
]


@op
class Cast(Elemwise):
    """Convert to another dtype, as ``ndarray.astype``."""

    to: str

    def infer(self, *inputs: Node) -> TensorType:
        return tensor(self.to, inputs[0].type.dims)

    def ref(self, x: Array) -> Array:
        value = np.asarray(x)
        if value.dtype.kind == "c" and self.to != "bool" and not is_complex(self.to):
            value = value.real
        with np.errstate(invalid="ignore", over="ignore"):
            return value.astype(self.to)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> tuple[Variable | None, ...]:
        smooth = is_differentiable(x.dtype) and is_differentiable(self.to)
        return (cast(g, x.dtype) if smooth else None,)

    def parts(self, x: Variable | Pair) -> Variable | Pair:
        to = real_dtype(self.to)
        if not isinstance(x, Pair):
            return Pair(cast(x, to), constant(0, to))
        if self.to == "bool":
            return (x.re != 0) | (x.im != 0)
        return Pair(cast(x.re, to), cast(x.im, to)) if self.to != to else cast(x.re, to)

    def jvp(
        self, y: Variable, xs: Sequence[Variable], ts: Sequence[Variable | None]
    ) -> Variable | None:
        return None if ts[0] is None else cast(ts[0], self.to)

    def dim(self, size: Size) -> Size | None:
        return size if self.to == "int64" else None

    def scalar(self, x: ir.Value) -> ir.Value:
        return x.cast(self.to)


def cast(x: object, dtype: object) -> Variable:
    """Convert `x` to `dtype`; `x` itself where it has that dtype.

    A complex number becomes a real one by its real part (as bool: whether it is not 0).
    A float that is NaN or out of an integer type's range gives that type's smallest
    value (signed types), as NumPy on x86-64 does.
    """
    value = as_tensor(x)
    to = check_dtype(dtype)
    return value if value.dtype == to else apply(Cast(to), value)


def asarray(x: object, dtype: object = None) -> Variable:
    """Data as a constant, a variable as it is; converted to `dtype` where one is given.

    Raises:
        DTypeError: `x` is not numeric.
    """
    return as_tensor(x) if dtype is None else cast(x, dtype)


def astype(x: object, dtype: object) -> Variable:
    """The Array API's name for :func:`cast`."""
    return cast(x, dtype)
