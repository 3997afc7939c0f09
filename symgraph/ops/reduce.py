"""Reductions along axes; the sum is in :mod:`.broadcasting`, whose adjoint it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from ..codegen import ir
from ..errors import ShapeError
from ..graph import Node
from ..op import Array, Expanded, Reduce, op
from ..types import TensorType, is_differentiable, is_float, tensor
from ..variable import Variable, apply, as_tensor, promote
from .arithmetic import divide
from .broadcasting import kept, sum, widened
from .cast import cast
from .choice import where
from .common import Axis, Flags, Grads, many_axes, one_axis
from .comparison import equal, not_equal
from .create import arange
from .logic import bitwise_or
from .sizes import shape_of, total
from .view import expand_dims, reshape, transpose

__all__ = [
    "All",
    "Any",
    "ArgMax",
    "ArgMin",
    "Max",
    "Min",
    "Prod",
    "ProdOthers",
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "max",
    "mean",
    "min",
    "prod",
]


def _apply(
    made: Callable[[tuple[int, ...], bool], Reduce],
    x: Variable,
    axis: Axis,
    keepdims: bool,
    what: str,
) -> Variable:
    """Apply a reduction; over no axes at all it is the identity."""
    axes = tuple(sorted(many_axes(axis, x.ndim, what)))
    return apply(made(axes, keepdims), x) if axes else x


# -- extremes --------------------------------------------------------------------------


class Extreme(Reduce):
    """The largest or the smallest element: there must be one along the axes."""

    nonempty: ClassVar[bool] = True

    def infer(self, *inputs: Node) -> TensorType:
        check_nonempty(self.axes, inputs[0])
        return super().infer(*inputs)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        chosen = equal(x, kept(self, y))
        count = sum(cast(chosen, g.dtype), self.axes, keepdims=True)
        return (where(chosen, kept(self, g) / count, 0),)


def check_nonempty(axes: tuple[int, ...], x: Node) -> None:
    """Raise ShapeError where an axis of `axes` is known to be empty."""
    for axis in axes:
        if x.type.dims[axis] == 0:
            raise ShapeError(
                f"axis {axis} is empty: nothing has no extreme",
                "reduce an axis that has elements",
            )


@op
class Max(Extreme):
    """The largest element along axes; NaN where there is one."""

    axes: tuple[int, ...]
    keepdims: bool = False

    combine: ClassVar[ir.Combine] = "max"

    def ref(self, x: Array) -> Array:
        return np.asarray(np.max(x, axis=self.axes, keepdims=self.keepdims))


@op
class Min(Extreme):
    """The smallest element along axes; NaN where there is one."""

    axes: tuple[int, ...]
    keepdims: bool = False

    combine: ClassVar[ir.Combine] = "min"

    def ref(self, x: Array) -> Array:
        return np.asarray(np.min(x, axis=self.axes, keepdims=self.keepdims))


def max(x: object, axis: Axis = None, *, keepdims: bool = False) -> Variable:
    """The largest element; at ties the gradient is shared equally.

    Raises:
        ShapeError: an axis is empty (where the size is not known: at run time).
    """
    return _apply(Max, as_tensor(x), axis, keepdims, "max")


def min(x: object, axis: Axis = None, *, keepdims: bool = False) -> Variable:
    """The smallest element; at ties the gradient is shared equally.

    Raises:
        ShapeError: an axis is empty (where the size is not known: at run time).
    """
    return _apply(Min, as_tensor(x), axis, keepdims, "min")


class ArgExtreme(Expanded):
    """The first index of an extreme element along an axis, a NaN before all others."""

    axis: int
    keepdims: bool

    nonempty: ClassVar[bool] = True

    def infer(self, *inputs: Node) -> TensorType:
        (x,) = inputs
        check_nonempty((self.axis,), x)
        shape = list(x.type.dims)
        shape[self.axis : self.axis + 1] = [1] if self.keepdims else []
        return tensor("int64", tuple(shape))

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (None,)

    def batch(self, batched: Flags, x: Variable) -> Variable:
        made = type(self)(self.axis + 1, self.keepdims)  # type: ignore[call-arg]
        return apply(made, x)

    def extreme(self, x: Variable) -> Variable:
        """What is looked for, its axis kept."""
        raise NotImplementedError

    def expand(self, *inputs: Variable) -> Variable:
        (x,) = inputs
        hit = equal(x, self.extreme(x))
        if is_float(x.dtype):
            hit = bitwise_or(hit, not_equal(x, x))
        size = shape_of(x, self.axis)
        after = tuple(range(1, x.ndim - self.axis))
        index = expand_dims(arange(size), after)
        return min(where(hit, index, size), self.axis, keepdims=self.keepdims)


@op
class ArgMax(ArgExtreme):
    """The first index of the largest element along an axis, a NaN before all others."""

    axis: int
    keepdims: bool = False

    def ref(self, x: Array) -> Array:
        return np.asarray(np.argmax(x, axis=self.axis, keepdims=self.keepdims))

    def extreme(self, x: Variable) -> Variable:
        return max(x, self.axis, keepdims=True)


@op
class ArgMin(ArgExtreme):
    """The first index of the smallest element along an axis, a NaN before others."""

    axis: int
    keepdims: bool = False

    def ref(self, x: Array) -> Array:
        return np.asarray(np.argmin(x, axis=self.axis, keepdims=self.keepdims))

    def extreme(self, x: Variable) -> Variable:
        return min(x, self.axis, keepdims=True)


def argmax(x: object, axis: int | None = None, *, keepdims: bool = False) -> Variable:
    """The first index (int64) of the largest element; without an axis, in C order.

    Raises:
        ShapeError: there is no element.
    """
    return _found(ArgMax, x, axis, keepdims, "argmax")


def argmin(x: object, axis: int | None = None, *, keepdims: bool = False) -> Variable:
    """The first index (int64) of the smallest element; without an axis, in C order.

    Raises:
        ShapeError: there is no element.
    """
    return _found(ArgMin, x, axis, keepdims, "argmin")


def _found(
    made: Callable[[int, bool], ArgExtreme],
    x: object,
    axis: int | None,
    keepdims: bool,
    what: str,
) -> Variable:
    value = as_tensor(x)
    if axis is not None:
        return apply(made(one_axis(axis, value.ndim, what), keepdims), value)
    found = apply(made(0, False), reshape(value, (-1,)))
    return expand_dims(found, tuple(range(value.ndim))) if keepdims else found


# -- products --------------------------------------------------------------------------


@op
class Prod(Reduce):
    """The product of the elements along axes."""

    axes: tuple[int, ...]
    keepdims: bool = False

    combine: ClassVar[ir.Combine] = "prod"

    def ref(self, x: Array) -> Array:
        return np.asarray(
            np.prod(x, axis=self.axes, keepdims=self.keepdims, dtype=x.dtype)
        )

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (kept(self, g) * apply(ProdOthers(self.axes), x),)


@op
class ProdOthers(Expanded):
    """At each element, the product of all others along axes: the gradient of a product.

    It is not product / element, which fails at zeros.
    """

    axes: tuple[int, ...]

    def infer(self, *inputs: Node) -> TensorType:
        return inputs[0].type

    def ref(self, x: Array) -> Array:
        moved = np.moveaxis(x, self.axes, range(len(self.axes)))
        count = int(np.prod(moved.shape[: len(self.axes)]))
        flat = moved.reshape((count, *moved.shape[len(self.axes) :]))
        result = np.empty_like(flat)
        for k in range(count):
            result[k] = np.prod(np.delete(flat, k, axis=0), axis=0)
        return np.moveaxis(
            result.reshape(moved.shape), range(len(self.axes)), self.axes
        )

    def batch(self, batched: Flags, x: Variable) -> Variable:
        return apply(ProdOthers(tuple(axis + 1 for axis in self.axes)), x)

    def expand(self, *inputs: Variable) -> Variable:
        (x,) = inputs
        zero = equal(x, 0)
        zeros = sum(zero, self.axes, keepdims=True)
        product = prod(where(zero, 1, x), self.axes, keepdims=True)
        elsewhere = where(equal(zeros, 0), product / x, 0)
        return where(zero, where(equal(zeros, 1), product, 0), elsewhere)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        # With the axes flattened into one: dL/dx_k = sum over i != k of g_i times the
        # product of all but i and k.  Row k of `rest` has 1 in place of x_k.
        order = (*(k for k in range(x.ndim) if k not in self.axes), *self.axes)
        kept_ndim = x.ndim - len(self.axes)
        moved = transpose(x, order)
        shape = (*moved.shape[:kept_ndim], -1)
        flat, cotangent = reshape(moved, shape), reshape(transpose(g, order), shape)
        index = arange(shape_of(flat, -1))
        same = equal(expand_dims(index, 1), index)
        rest = apply(
            ProdOthers((kept_ndim + 1,)), where(same, 1, expand_dims(flat, -2))
        )
        grad = sum(where(same, 0, expand_dims(cotangent, -2) * rest), -1)
        return (transpose(reshape(grad, moved.shape), np.argsort(order).tolist()),)


def prod(
    x: object, axis: Axis = None, *, dtype: object = None, keepdims: bool = False
) -> Variable:
    """The product over `axis` in `dtype`, or of short integers as 64 bits."""
    value = as_tensor(x)
    value = widened(value) if dtype is None else cast(value, dtype)
    return _apply(Prod, value, axis, keepdims, "prod")


# -- truth -----------------------------------------------------------------------------


@op
class Any(Reduce):
    """Whether any element along axes is true."""

    axes: tuple[int, ...]
    keepdims: bool = False

    combine: ClassVar[ir.Combine] = "or"

    vjp = None

    def ref(self, x: Array) -> Array:
        return np.asarray(np.any(x, axis=self.axes, keepdims=self.keepdims))


@op
class All(Reduce):
    """Whether all elements along axes are true."""

    axes: tuple[int, ...]
    keepdims: bool = False

    combine: ClassVar[ir.Combine] = "and"

    vjp = None

    def ref(self, x: Array) -> Array:
        return np.asarray(np.all(x, axis=self.axes, keepdims=self.keepdims))


def any(x: object, axis: Axis = None, *, keepdims: bool = False) -> Variable:
    """Whether any element is true (not 0); False where there is none."""
    return _apply(Any, promote(x, to="bool")[0], axis, keepdims, "any")


def all(x: object, axis: Axis = None, *, keepdims: bool = False) -> Variable:
    """Whether all elements are true (not 0); True where there is none."""
    return _apply(All, promote(x, to="bool")[0], axis, keepdims, "all")


#: NumPy's other names.
amax = max
amin = min


# -- averages --------------------------------------------------------------------------


def mean(
    x: object, axis: Axis = None, *, dtype: object = None, keepdims: bool = False
) -> Variable:
    """The arithmetic mean in `dtype`; otherwise bool and integers give float64."""
    value = as_tensor(x) if dtype is None else cast(x, dtype)
    if dtype is not None and not is_differentiable(value.dtype):
        return cast(mean(value, axis, keepdims=keepdims), value.dtype)
    if not is_differentiable(value.dtype):
        value = cast(value, "float64")
    axes = many_axes(axis, value.ndim, "mean")
    count = total(value.shape[a] for a in axes)
    if isinstance(count, Variable):
        count = cast(count, value.dtype)
    return divide(sum(value, axes, keepdims=keepdims), count)
