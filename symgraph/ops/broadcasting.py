"""Broadcasting and summing, each the other's gradient."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..codegen import ir
from ..dims import Dim
from ..errors import ShapeError
from ..graph import Node
from ..op import Array, Element, Op, Read, Reduce, Same, Shape, op
from ..types import TensorType, is_differentiable, tensor
from ..variable import Variable, apply, as_tensor, constant
from .cast import cast
from .common import (
    Axis,
    Flags,
    Grads,
    each_part,
    linear_in_first,
    many_axes,
    refuse_sizes,
)
from .sizes import shape_from, shape_variables
from .view import View, expand_dims, reshape

if TYPE_CHECKING:
    from ..lower import At

__all__ = [
    "BroadcastTo",
    "Sum",
    "SumTo",
    "broadcast_to",
    "sum",
    "sum_to",
]


@op
class BroadcastTo(View):
    """x repeated to a shape: inputs x and the int64 sizes."""

    def infer(self, *inputs: Node) -> TensorType:
        x, *sizes = inputs
        shape = list(shape_from(sizes))
        offset = len(shape) - x.type.ndim
        if offset < 0:
            raise ShapeError(
                f"{x.type.ndim} dimensions cannot be broadcast to {len(shape)}",
                "the new shape has at least as many dimensions",
            )
        for axis, size in enumerate(x.type.dims):
            target = shape[offset + axis]
            if isinstance(size, int) and size != 1:
                if isinstance(target, int) and target != size:
                    raise ShapeError(
                        f"axis {axis} of size {size} cannot be broadcast to {target}",
                        "sizes must be equal, or that of the operand 1",
                    )
                shape[offset + axis] = size
        return tensor(x.type.dtype, tuple(shape))

    def stretch(self, *inputs: Node) -> tuple[Shape | None, ...]:
        _, *sizes = inputs
        return shape_from(sizes), *(None for _ in sizes)

    def settled(self, same: Same, *inputs: Variable) -> Variable | None:
        x, *sizes = inputs
        shape = shape_from(s.node for s in sizes)
        kept = len(shape) == x.ndim and all(map(same, x.type.dims, shape))
        return x if kept else None

    def ref(self, x: Array, *sizes: Array) -> Array:
        return np.broadcast_to(x, tuple(int(s) for s in sizes))

    def vjp(self, g: Variable, y: Variable, x: Variable, *sizes: Variable) -> Grads:
        return (sum_to(g, x), *(None for _ in sizes))

    def batch(self, batched: Flags, x: Variable, *sizes: Variable) -> Variable:
        refuse_sizes(self, batched[1:], x, *sizes)
        x = expand_dims(x, tuple(range(1, len(sizes) - x.ndim + 2)))
        return broadcast_to(x, (x.shape[0], *sizes))

    def element(self, at: At) -> Element:
        return (yield Read(0, at.aligned(0)))


def broadcast_to(x: object, shape: Any) -> Variable:
    """`x` repeated along new axes and axes of size 1 until it has `shape`.

    Raises:
        ShapeError: an axis is known to have another size than 1 and than the new one.
    """
    value = as_tensor(x)
    sizes = shape_variables(shape, "broadcast_to")
    made = apply(BroadcastTo(), value, *sizes)
    return value if made.type.dims == value.type.dims else made


def repeated(x: Variable, size: Any) -> Variable:
    """`x` along a new axis of `size` in front."""
    return broadcast_to(x, (size, *x.shape))


def stacked(batched: Flags, *xs: Variable) -> list[Variable]:
    """Inputs of a batched op with the batch axis on all of them."""
    size = next(x.shape[0] for x, own in zip(xs, batched, strict=True) if own)
    return [x if own else repeated(x, size) for x, own in zip(xs, batched, strict=True)]


def pattern(shape: Any, dtype: str) -> Variable:
    """A value of `shape`, for ops that look at nothing else."""
    return broadcast_to(constant(0, dtype), shape)


@op
class Sum(Reduce):
    """The sum of the elements along axes."""

    parts = each_part

    axes: tuple[int, ...]
    keepdims: bool = False

    combine: ClassVar[ir.Combine] = "sum"

    def ref(self, x: Array) -> Array:
        return np.sum(x, axis=self.axes, keepdims=self.keepdims, dtype=x.dtype)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (broadcast_to(kept(self, g), x.shape),)

    jvp = linear_in_first


def kept(reduction: Reduce, value: Variable) -> Variable:
    """A result of `reduction` with its axes as size 1, to meet the operand again."""
    return value if reduction.keepdims else expand_dims(value, reduction.axes)


def sum(
    x: object, axis: Axis = None, *, dtype: object = None, keepdims: bool = False
) -> Variable:
    """The sum over `axis` (None: all) in `dtype`, or short integers as 64 bits."""
    value = as_tensor(x)
    value = widened(value) if dtype is None else cast(value, dtype)
    axes = tuple(sorted(many_axes(axis, value.ndim, "sum")))
    return apply(Sum(axes, keepdims), value) if axes else value


def widened(x: Variable) -> Variable:
    """`x` in the dtype in which NumPy sums and multiplies it."""
    if is_differentiable(x.dtype):
        return x
    return cast(x, "uint64" if x.dtype.startswith("u") else "int64")


@op
class SumTo(Op):
    """g summed to the shape of `like`, from which broadcasting made g's shape.

    Which axes were broadcast is seen at run time, where it is not known: the fast
    version of a function relies on sizes that may differ being equal.
    """

    parts = each_part

    def infer(self, *inputs: Node) -> TensorType:
        g, like = inputs
        return tensor(g.type.dtype, like.type.dims)

    def stretch(self, *inputs: Node) -> tuple[Shape | None, ...]:
        return None, inputs[0].type.dims

    def ref(self, g: Array, like: Array) -> Array:
        offset = g.ndim - like.ndim
        once = tuple(
            offset + k
            for k, size in enumerate(like.shape)
            if size == 1 and g.shape[offset + k] != 1
        )
        new = tuple(range(offset))
        summed = np.sum(g, axis=new + once, keepdims=True, dtype=g.dtype)
        return np.reshape(summed, summed.shape[offset:])

    def vjp(self, g: Variable, y: Variable, x: Variable, like: Variable) -> Grads:
        return broadcast_to(g, x.shape), None

    jvp = linear_in_first

    def batch(self, batched: Flags, g: Variable, like: Variable) -> Variable:
        if not batched[0]:  # `like` has a shape and no value
            return sum_to(g, pattern(like.shape[1:], g.dtype))
        if not batched[1]:
            like = pattern((g.shape[0], *like.shape), g.dtype)
        added = tuple(range(1, g.ndim - like.ndim + 1))
        return sum_to(sum(g, added) if added else g, like)

    def settled(self, same: Same, *inputs: Variable) -> Variable:
        """The sum over axes of size 1; an axis of n as (n, 1), where it may be one.

        An axis that may be 1 in `like` is split in as many parts as `like` has places
        there, n of length 1 or 1 of length n, and the parts are summed.
        """
        g, like = inputs
        g = _summed(g, like.type.dims, same)
        shape: list[Variable | int] = []
        parts = []
        for axis, size in enumerate(like.type.dims):
            if same(size, g.type.dims[axis]):
                shape.append(g.shape[axis])
                continue
            shape += [like.shape[axis], g.shape[axis] // like.shape[axis]]
            parts.append(len(shape) - 1)
        return apply(Sum(tuple(parts)), reshape(g, shape)) if parts else g


def sum_to(g: Variable, like: Variable) -> Variable:
    """`g` summed over the axes along which broadcasting repeated `like`.

    Where all sizes are known to agree nothing is built, or a plain sum.
    """
    theirs = like.type.dims
    if g.type.dims == theirs:
        return g
    g = _summed(g, theirs, operator.eq)
    met = zip(theirs, g.type.dims, strict=True)
    if any(isinstance(size, Dim) and size is not other for size, other in met):
        return apply(SumTo(), g, like)
    return g


def _summed(g: Variable, shape: Shape, same: Same) -> Variable:
    """`g` summed over leading axes that `shape` lacks and where it is known to be 1."""
    offset = g.ndim - len(shape)
    if offset:
        g = apply(Sum(tuple(range(offset))), g)
    once = tuple(
        k
        for k, size in enumerate(shape)
        if same(size, 1) and not same(g.type.dims[k], 1)
    )
    return apply(Sum(once, keepdims=True), g) if once else g
