"""Softmax, its logarithm, and log(sum(exp(x))), shifted so that nothing overflows.

The gradients are given by name too, so that they are as stable as the values; `expand`
is how each is computed.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from ..errors import ShapeError
from ..graph import Node
from ..op import Array, Expanded, op
from ..types import TensorType, tensor
from ..variable import Variable, apply, promote
from .arithmetic import abs
from .broadcasting import stacked, sum
from .choice import where
from .common import Axis, Flags, Grads, many_axes
from .comparison import less
from .reduce import check_nonempty, max
from .transcendental import exp, log
from .view import expand_dims, move_axes, reshape, squeeze

__all__ = [
    "LogSoftmax",
    "LogSumExp",
    "Softmax",
    "SoftmaxGrad",
    "log_softmax",
    "logsumexp",
    "softmax",
]


class _RowWise(Expanded):
    """A function along one axis, which must have elements."""

    axis: int

    nonempty: ClassVar[bool] = True

    def infer(self, *inputs: Node) -> TensorType:
        check_nonempty((self.axis,), inputs[0])
        return inputs[0].type

    def batch(self, batched: Flags, *xs: Variable) -> Variable:
        return apply(type(self)(self.axis + 1), *stacked(batched, *xs))  # type: ignore[call-arg]


@op
class Softmax(_RowWise):
    """exp(x) / sum(exp(x)) along an axis."""

    axis: int

    def ref(self, x: Array) -> Array:
        from scipy.special import softmax

        return np.asarray(softmax(x, axis=self.axis))

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (apply(SoftmaxGrad(self.axis), g, y),)

    def expand(self, *inputs: Variable) -> Variable:
        (x,) = inputs
        scaled = exp(x - max(x, self.axis, keepdims=True))
        return scaled / sum(scaled, self.axis, keepdims=True)


@op
class SoftmaxGrad(_RowWise):
    """y * (g - sum(g * y)) along an axis: inputs the cotangent g and a softmax y."""

    axis: int

    def ref(self, g: Array, y: Array) -> Array:
        return np.asarray(y * (g - np.sum(g * y, axis=self.axis, keepdims=True)))

    def vjp(self, g: Variable, y: Variable, *inputs: Variable) -> Grads:
        cotangent, softmax_y = inputs
        inner = sum(cotangent * softmax_y, self.axis, keepdims=True)
        outer = sum(g * softmax_y, self.axis, keepdims=True)
        return (
            apply(SoftmaxGrad(self.axis), g, softmax_y),
            g * (cotangent - inner) - cotangent * outer,
        )

    def expand(self, *inputs: Variable) -> Variable:
        g, y = inputs
        return y * (g - sum(g * y, self.axis, keepdims=True))


@op
class LogSoftmax(_RowWise):
    """x - log(sum(exp(x))) along an axis."""

    axis: int

    def ref(self, x: Array) -> Array:
        from scipy.special import log_softmax

        return np.asarray(log_softmax(x, axis=self.axis))

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g - exp(y) * sum(g, self.axis, keepdims=True),)

    def expand(self, *inputs: Variable) -> Variable:
        (x,) = inputs
        shifted = x - _shift(x, (self.axis,))
        return shifted - log(sum(exp(shifted), self.axis, keepdims=True))


@op
class LogSumExp(Expanded):
    """log(sum(exp(x))) along axes."""

    axes: tuple[int, ...]
    keepdims: bool = False

    nonempty: ClassVar[bool] = True

    def infer(self, *inputs: Node) -> TensorType:
        (x,) = inputs
        check_nonempty(self.axes, x)
        shape = tuple(1 if k in self.axes else d for k, d in enumerate(x.type.dims))
        if not self.keepdims:
            shape = tuple(d for k, d in enumerate(shape) if k not in self.axes)
        return tensor(x.type.dtype, shape)

    def ref(self, x: Array) -> Array:
        from scipy.special import logsumexp

        if any(x.shape[axis] == 0 for axis in self.axes):
            raise ShapeError(
                "an axis is empty: nothing has no extreme",
                "reduce an axis that has elements",
            )
        if x.size == 0:  # which SciPy refuses for several axes
            return np.asarray(np.sum(x, axis=self.axes, keepdims=self.keepdims))
        return np.asarray(logsumexp(x, axis=self.axes, keepdims=self.keepdims))

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        if not self.keepdims:
            g, y = expand_dims(g, self.axes), expand_dims(y, self.axes)
        return (g * exp(x - y),)

    def batch(self, batched: Flags, x: Variable) -> Variable:
        axes = tuple(axis + 1 for axis in self.axes)
        return apply(LogSumExp(axes, self.keepdims), x)

    def expand(self, *inputs: Variable) -> Variable:
        (x,) = inputs
        shift = _shift(x, self.axes)
        result = log(sum(exp(x - shift), self.axes, keepdims=True)) + shift
        return result if self.keepdims else squeeze(result, self.axes)


def _shift(x: Variable, axes: tuple[int, ...]) -> Variable:
    """The largest element along axes; 0 where that is not finite, as in SciPy."""
    largest = max(x, axes, keepdims=True)
    return where(less(abs(largest), math.inf), largest, 0)


def softmax(x: object, axis: Axis = -1) -> Variable:
    """``exp(x) / sum(exp(x))`` over `axis`; integers are computed in float.

    `axis` may be several, or None for all.
    """
    return _over(Softmax, x, axis, "softmax")


def log_softmax(x: object, axis: Axis = -1) -> Variable:
    """``x - log(sum(exp(x)))`` over `axis`; integers are computed in float.

    `axis` may be several, or None for all.
    """
    return _over(LogSoftmax, x, axis, "log_softmax")


def _over(op: type[Softmax | LogSoftmax], x: object, axis: Axis, what: str) -> Variable:
    """`op` along one axis, which several are made into."""
    (value,) = promote(x, to="float")
    axes = many_axes(axis, value.ndim, what)
    if len(axes) == 1:
        return apply(op(axes[0]), value)
    if not axes:
        return squeeze(apply(op(value.ndim), expand_dims(value, -1)), -1)
    first = value.ndim - len(axes)
    behind = tuple(range(first, value.ndim))
    moved = move_axes(value, axes, behind)
    length = math.prod(moved.shape[first:])
    rows = apply(op(first), reshape(moved, (*moved.shape[:first], length)))
    return move_axes(reshape(rows, moved.shape), behind, axes)


def logsumexp(x: object, axis: Axis = None, *, keepdims: bool = False) -> Variable:
    """``log(sum(exp(x)))`` over `axis`; integers are computed in float."""
    (value,) = promote(x, to="float")
    axes = tuple(sorted(many_axes(axis, value.ndim, "logsumexp")))
    return apply(LogSumExp(axes, keepdims), value) if axes else value
