"""Arrays made of nothing: constants of a shape, and ranges."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..config import config
from ..dims import surely_nonnegative
from ..errors import DTypeError, UnsupportedError
from ..graph import Node
from ..op import Array, Element, Indexed, Read, op
from ..types import TensorType, check_dtype, is_float, tensor
from ..variable import Variable, apply, as_tensor, constant
from .broadcasting import broadcast_to, sum
from .cast import cast
from .choice import maximum
from .common import Flags, Grads, each_part, linear_in_first, refuse, refuse_sizes
from .comparison import equal
from .sizes import dim_of, shape_from, shape_variables, size_variable
from .view import expand_dims

if TYPE_CHECKING:
    from ..lower import At

__all__ = [
    "Arange",
    "Full",
    "arange",
    "eye",
    "full",
    "full_like",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


@op
class Full(Indexed):
    """One scalar everywhere in a shape: inputs the scalar and the int64 sizes."""

    parts = each_part

    free: ClassVar[bool] = True

    def infer(self, *inputs: Node) -> TensorType:
        value, *sizes = inputs
        return tensor(value.type.dtype, shape_from(sizes))

    def ref(self, value: Array, *sizes: Array) -> Array:
        return np.full(tuple(int(s) for s in sizes), value, dtype=value.dtype)

    def vjp(self, g: Variable, y: Variable, value: Variable, *sizes: Variable) -> Grads:
        return sum(g), *(None for _ in sizes)

    jvp = linear_in_first

    def batch(self, batched: Flags, value: Variable, *sizes: Variable) -> Variable:
        refuse_sizes(self, batched[1:], value, *sizes)
        spread = expand_dims(value, tuple(range(1, len(sizes) + 1)))
        return broadcast_to(spread, (value.shape[0], *sizes))

    def element(self, at: At) -> Element:
        return (yield Read(0, ()))


def full(shape: Any, fill_value: object, dtype: object = None) -> Variable:
    """`fill_value`, a scalar, everywhere in `shape`, in its own dtype or `dtype`."""
    value = as_tensor(fill_value)
    if value.ndim:
        refuse(
            UnsupportedError,
            "full: the fill value is not a scalar",
            value,
            remedy="use broadcast_to",
        )
    if dtype is not None:
        value = (
            constant(fill_value, check_dtype(dtype))
            if _plain(fill_value)
            else (cast(value, dtype))
        )
    return apply(Full(), value, *shape_variables(shape, "full"))


def _plain(value: object) -> bool:
    """Whether `value` is a Python scalar, which takes any dtype that holds it."""
    return isinstance(value, bool | int | float)


def zeros(shape: Any, dtype: object = None) -> Variable:
    """0 everywhere in `shape`; of dtype ``config.floatX`` unless given."""
    return full(shape, 0, dtype or config.floatX)


def ones(shape: Any, dtype: object = None) -> Variable:
    """1 everywhere in `shape`; of dtype ``config.floatX`` unless given."""
    return full(shape, 1, dtype or config.floatX)


def full_like(x: object, fill_value: object, dtype: object = None) -> Variable:
    """`fill_value` in the shape of `x`, and in its dtype unless given."""
    like = as_tensor(x)
    return full(like.shape, fill_value, dtype or like.dtype)


def zeros_like(x: object, dtype: object = None) -> Variable:
    """0 in the shape of `x`, and in its dtype unless given."""
    return full_like(x, 0, dtype)


def ones_like(x: object, dtype: object = None) -> Variable:
    """1 in the shape of `x`, and in its dtype unless given."""
    return full_like(x, 1, dtype)


@op
class Arange(Indexed):
    """start + step * (0, 1, ...).

    Inputs are start and step, scalars of one dtype, and the int64 length.
    """

    free: ClassVar[bool] = True

    def infer(self, *inputs: Node) -> TensorType:
        start, _, length = inputs
        return tensor(start.type.dtype, shape_from((length,)))

    def ref(self, start: Array, step: Array, length: Array) -> Array:
        count = np.arange(int(length)).astype(start.dtype)
        return np.asarray(start + step * count)

    def vjp(self, g: Variable, y: Variable, *inputs: Variable) -> Grads:
        return sum(g), sum(g * cast(arange(inputs[2]), g.dtype)), None

    def batch(
        self, batched: Flags, start: Variable, step: Variable, length: Variable
    ) -> Variable:
        refuse_sizes(self, batched[2:], start, step, length)
        first, each = (
            expand_dims(x, 1) if own else x
            for x, own in zip((start, step), batched, strict=False)
        )
        return first + each * cast(arange(length), start.dtype)

    def element(self, at: At) -> Element:
        count = at.value(at.index[0]).cast(at.node.type.dtype)
        if counts_from_zero(at.node):
            return count
        start = yield Read(0, ())
        step = yield Read(1, ())
        return start + count * step


def counts_from_zero(node: Node) -> bool:
    """Whether `node` is 0, 1, 2, ..."""
    return isinstance(node.op, Arange) and [i.op for i in node.inputs[:2]] == [
        constant(v, node.type.dtype).op for v in (0, 1)
    ]


def arange(
    start: Any, stop: Any = None, step: Any = 1, dtype: object = None
) -> Variable:
    """``start, start + step, ...`` before `stop`; with one argument ``0, 1, ...``.

    Integers (int64) may be symbolic, but for `step`; floats (float64) are numbers.

    Raises:
        UnsupportedError: a float argument or the step is symbolic.
    """
    if stop is None:
        start, stop = 0, start
    given = (start, stop, step)
    if isinstance(step, Variable) or any(
        isinstance(v, Variable) and is_float(v.dtype) for v in given
    ):
        refuse(
            UnsupportedError,
            "arange: the number of elements would depend on run-time values",
            *given,
            remedy="give numbers, or scale arange(n) yourself",
        )
    if step == 0:
        refuse(DTypeError, "arange: the step is 0", *given, remedy="give another step")
    if any(isinstance(v, float | np.floating) for v in given):
        made = _float_range(*given)
    else:
        made = _integer_range(start, stop, int(step))
    return made if dtype is None else cast(made, dtype)


def _float_range(start: float, stop: float, step: float) -> Variable:
    """A range of known numbers, spaced as NumPy spaces it."""
    length = max(0, math.ceil((stop - start) / step))
    spacing = (start + step) - start
    scalars = constant(start, "float64"), constant(spacing, "float64")
    return apply(Arange(), *scalars, constant(length, "int64"))


def _integer_range(start: Any, stop: Any, step: int) -> Variable:
    first, last = size_variable(start, "arange"), size_variable(stop, "arange")
    from_zero = dim_of(first) == 0
    distance = (last if from_zero else last - first) if step > 0 else first - last
    every = abs(step)
    length = distance if every == 1 else (distance + (every - 1)) // every
    if not surely_nonnegative(dim_of(length)):
        length = maximum(length, 0)
    known = dim_of(length)
    if isinstance(known, int):
        length = constant(known, "int64")
    return apply(Arange(), first, constant(step, "int64"), length)


def eye(
    n_rows: Any, n_cols: Any = None, /, *, k: int = 0, dtype: object = None
) -> Variable:
    """1 on diagonal `k` (above the main one where positive), 0 elsewhere."""
    rows = expand_dims(arange(n_rows), 1)
    columns = arange(n_rows if n_cols is None else n_cols)
    return cast(equal(rows + k, columns), dtype or config.floatX)
