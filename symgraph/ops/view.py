"""Views: other index maps of the same elements, which copy nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import dims
from ..codegen import ir
from ..dims import Size
from ..errors import ShapeError
from ..graph import Node
from ..op import Array, Element, Indexed, Opaque, Read, op
from ..types import TensorType, tensor
from ..variable import Variable, apply, as_tensor
from .common import (
    Flags,
    Grads,
    each_part,
    linear_in_first,
    many_axes,
    refuse,
    refuse_sizes,
)
from .sizes import dim_of, shape_from, shape_variables, size_variable, total

if TYPE_CHECKING:
    from ..lower import At, Emitter

__all__ = [
    "ExpandDims",
    "Reshape",
    "Squeeze",
    "Transpose",
    "View",
    "expand_dims",
    "matrix_transpose",
    "reshape",
    "squeeze",
    "transpose",
]


class View(Indexed):
    """An index map: every element of the result is one element of x."""

    parts = each_part

    free: ClassVar[bool] = True

    jvp = linear_in_first


@op
class Transpose(View):
    """Axis k of the result is axis ``axes[k]`` of x."""

    axes: tuple[int, ...]

    def infer(self, *inputs: Node) -> TensorType:
        (x,) = inputs
        return tensor(x.type.dtype, tuple(x.type.dims[a] for a in self.axes))

    def ref(self, x: Array) -> Array:
        return np.transpose(x, self.axes)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (transpose(g, tuple(self.axes.index(k) for k in range(x.ndim))),)

    def batch(self, batched: Flags, x: Variable) -> Variable:
        return transpose(x, (0, *(axis + 1 for axis in self.axes)))

    def element(self, at: At) -> Element:
        index = tuple(at.index[self.axes.index(k)] for k in range(len(self.axes)))
        return (yield Read(0, index))


def transpose(x: object, axes: Iterable[int] | None = None) -> Variable:
    """`x` with its axes in the order of `axes`, or reversed."""
    value = as_tensor(x)
    if axes is None:
        order = tuple(reversed(range(value.ndim)))
    else:
        order = many_axes(tuple(axes), value.ndim, "transpose")
    if len(order) != value.ndim:
        refuse(
            ShapeError,
            f"transpose: {len(order)} axes given for {value.ndim} dimensions",
            value,
            remedy="name every axis once",
        )
    if order == tuple(range(value.ndim)):
        return value
    return apply(Transpose(order), value)


def matrix_transpose(x: object) -> Variable:
    """The last two axes of `x` exchanged."""
    value = as_tensor(x)
    if value.ndim < 2:
        refuse(
            ShapeError,
            "matrix_transpose: fewer than two dimensions",
            value,
            remedy="use x.T, or expand_dims first",
        )
    return transpose(value, (*range(value.ndim - 2), value.ndim - 1, value.ndim - 2))


def move_axes(
    x: Variable, source: tuple[int, ...], target: tuple[int, ...]
) -> Variable:
    """`x` with axes `source` at the positions `target` and the others in order."""
    rest = iter(k for k in range(x.ndim) if k not in source)
    placed = dict(zip(target, source, strict=True))
    return transpose(
        x, [placed[k] if k in placed else next(rest) for k in range(x.ndim)]
    )


@op
class ExpandDims(View):
    """New axes of size 1 at positions `axes` (sorted) of the result."""

    axes: tuple[int, ...]

    def infer(self, *inputs: Node) -> TensorType:
        (x,) = inputs
        shape = list(x.type.dims)
        for axis in self.axes:
            shape.insert(axis, 1)
        return tensor(x.type.dtype, tuple(shape))

    def ref(self, x: Array) -> Array:
        return np.expand_dims(x, self.axes)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (squeeze(g, self.axes),)

    def batch(self, batched: Flags, x: Variable) -> Variable:
        return expand_dims(x, tuple(axis + 1 for axis in self.axes))

    def element(self, at: At) -> Element:
        index = tuple(i for k, i in enumerate(at.index) if k not in self.axes)
        return (yield Read(0, index))


def expand_dims(x: object, axis: int | tuple[int, ...]) -> Variable:
    """`x` with axes of size 1 at the positions `axis` of the result."""
    value = as_tensor(x)
    count = len(axis) if isinstance(axis, tuple | list) else 1
    axes = tuple(sorted(many_axes(axis, value.ndim + count, "expand_dims")))
    return apply(ExpandDims(axes), value) if axes else value


@op
class Squeeze(View):
    """x without the axes `axes` (sorted), which have size 1."""

    axes: tuple[int, ...]

    def infer(self, *inputs: Node) -> TensorType:
        (x,) = inputs
        for axis in self.axes:
            size = x.type.dims[axis]
            if isinstance(size, int) and size != 1:
                raise ShapeError(
                    f"axis {axis} has size {size}, not 1", "only size 1 can be dropped"
                )
        kept = tuple(d for k, d in enumerate(x.type.dims) if k not in self.axes)
        return tensor(x.type.dtype, kept)

    def agree(self, *inputs: Node) -> Iterable[tuple[Size, Size]]:
        return ((inputs[0].type.dims[axis], 1) for axis in self.axes)

    def ref(self, x: Array) -> Array:
        return np.squeeze(x, self.axes)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (expand_dims(g, self.axes),)

    def batch(self, batched: Flags, x: Variable) -> Variable:
        return squeeze(x, tuple(axis + 1 for axis in self.axes))

    def element(self, at: At) -> Element:
        index = list(at.index)
        for axis in self.axes:
            index.insert(axis, ir.Affine())
        return (yield Read(0, tuple(index)))


def squeeze(x: object, axis: int | tuple[int, ...] | None = None) -> Variable:
    """`x` without the axes `axis`, each of which must have size 1.

    Without `axis`, those that are known to have size 1 are dropped.

    Raises:
        ShapeError: such an axis is known to have another size.
    """
    value = as_tensor(x)
    if axis is None:
        axis = tuple(k for k, size in enumerate(value.type.dims) if size == 1)
    axes = tuple(sorted(many_axes(axis, value.ndim, "squeeze")))
    if not axes:
        return value
    if value.op == ExpandDims(axes):
        return value.inputs[0]
    return apply(Squeeze(axes), value)


@op
class Reshape(Opaque):
    """The elements of x in C order in another shape: inputs x and the int64 sizes."""

    parts = each_part

    aliases: ClassVar[bool] = True

    def infer(self, *inputs: Node) -> TensorType:
        x, *sizes = inputs
        shape = shape_from(sizes)
        before, after = dims.product(x.type.dims), dims.product(shape)
        if isinstance(before, int) and isinstance(after, int) and before != after:
            raise ShapeError(
                f"{before} elements do not fill a shape of {after}",
                "the new shape must have as many elements; one size may be -1",
            )
        return tensor(x.type.dtype, shape)

    def agree(self, *inputs: Node) -> Iterable[tuple[Size, Size]]:
        x, *sizes = inputs
        yield dims.product(x.type.dims), dims.product(shape_from(sizes))

    def ref(self, x: Array, *sizes: Array) -> Array:
        return np.reshape(x, tuple(int(s) for s in sizes))

    def data(self, *inputs: Node) -> tuple[Node, ...]:
        return inputs[:1]

    def steps(self, node: Node, emit: Emitter) -> None:
        emit.alias(node, node.inputs[0])

    def vjp(self, g: Variable, y: Variable, x: Variable, *sizes: Variable) -> Grads:
        return (reshape(g, x.shape), *(None for _ in sizes))

    jvp = linear_in_first

    def batch(self, batched: Flags, x: Variable, *sizes: Variable) -> Variable:
        refuse_sizes(self, batched[1:], x, *sizes)
        return reshape(x, (x.shape[0], *sizes))


def reshape(x: object, shape: Any) -> Variable:
    """The elements of `x`, in C order, in `shape`; one size may be -1 (what is left).

    Sizes are ints or integer scalars.

    Raises:
        ShapeError: the numbers of elements are known to differ.
    """
    value = as_tensor(x)
    sizes = list(shape_variables(shape, "reshape"))
    given = [dim_of(s) for s in sizes]
    if given.count(-1) > 1:
        refuse(
            ShapeError, "reshape: more than one -1", value, remedy="give all but one"
        )
    if -1 in given:
        place = given.index(-1)
        rest = [
            (d, s)
            for k, (d, s) in enumerate(zip(given, sizes, strict=True))
            if k != place
        ]
        sizes[place] = _left_over(value, rest)
        given[place] = dim_of(sizes[place])
    if tuple(given) == value.type.dims:
        return value
    return apply(Reshape(), value, *sizes)


def _left_over(x: Variable, given: list[tuple[Size, Variable]]) -> Variable:
    """The size that -1 stands for: x's number of elements over the product of `given`.

    Equal factors cancel first, so that ``(n, 8, 8)`` to ``(n, -1)`` gives 64.
    """
    mine = list(zip(x.type.dims, x.shape, strict=True))
    theirs = []
    for size, variable in given:
        match = next((k for k, (d, _) in enumerate(mine) if d is size), None)
        if match is not None and not isinstance(size, int):
            del mine[match]
        else:
            theirs.append(size if isinstance(size, int) else variable)
    have, want = total(s for _, s in mine), total(theirs)
    if isinstance(want, int):
        if want == 1:
            return size_variable(have, "reshape")
        if isinstance(have, int) and (want == 0 or have % want):
            refuse(
                ShapeError,
                f"reshape: {have} elements do not divide by the given {want}",
                x,
                remedy="the given sizes must divide the number of elements",
            )
    return size_variable(have // want, "reshape")
