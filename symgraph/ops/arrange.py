"""The same elements in another place: flips, rolls, repeats, axes moved and added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..codegen import ir
from ..errors import ShapeError, UnsupportedError
from ..graph import Node
from ..op import Array, Element, Indexed, Read, op
from ..types import INTEGERS, TensorType
from ..variable import Variable, apply, as_tensor
from .broadcasting import broadcast_to, repeated
from .common import (
    Axis,
    Flags,
    Grads,
    each_part,
    linear_in_first,
    many_axes,
    one_axis,
    refuse,
)
from .create import arange
from .gather import Gather
from .index import take
from .sizes import common_size, shape_of, shape_variables, size_variable
from .slices import slice_axis
from .view import expand_dims, move_axes, reshape, transpose

if TYPE_CHECKING:
    from ..lower import At

__all__ = [
    "Roll",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "flip",
    "fliplr",
    "flipud",
    "meshgrid",
    "moveaxis",
    "permute_dims",
    "ravel",
    "repeat",
    "roll",
    "rot90",
    "swapaxes",
    "tile",
]


# -- the order along an axis -----------------------------------------------------------


@op
class Roll(Indexed):
    """Element i of x at ``i + shift`` along an axis, what leaves it coming in in front.

    Inputs are x and the int64 shift, of at least 0 and below the size of the axis.
    """

    parts = each_part

    axis: int

    free: ClassVar[bool] = True

    def infer(self, *inputs: Node) -> TensorType:
        return inputs[0].type

    def ref(self, x: Array, shift: Array) -> Array:
        return np.roll(x, int(shift), self.axis)

    def vjp(self, g: Variable, y: Variable, x: Variable, shift: Variable) -> Grads:
        return _rolled(g, self.axis, -shift), None

    jvp = linear_in_first

    def batch(self, batched: Flags, x: Variable, shift: Variable) -> Variable:
        if not batched[1]:
            return apply(Roll(self.axis + 1), x, shift)
        stack = x if batched[0] else repeated(x, shift.shape[0])
        size = shape_of(stack, self.axis + 1)
        place = (arange(size) - expand_dims(shift, 1)) % size
        rows = expand_dims(arange(stack.shape[0]), 1)
        made = apply(Gather((0, self.axis + 1), 0), stack, rows, place)
        return move_axes(made, (1,), (self.axis + 1,))

    def element(self, at: At) -> Element:
        size = at.extent(at.node.inputs[0].type.dims[self.axis])
        shift = yield Read(1, ())
        place = at.value(at.index[self.axis]) - shift
        index = list(at.index)
        inside = ir.select(place < 0, place + at.value(size), place)
        index[self.axis] = at.position(inside)
        return (yield Read(0, tuple(index)))


def _rolled(x: Variable, axis: int, shift: Variable) -> Variable:
    return apply(Roll(axis), x, shift % shape_of(x, axis))


def roll(x: object, shift: Any, axis: Axis = None) -> Variable:
    """`x` moved on by `shift` along `axis`; what leaves at the end enters in front.

    With several axes, or several shifts, each axis has its shift.  Without an axis the
    flattened array is rolled.  Shifts are ints or integer scalars.

    Raises:
        ShapeError: the numbers of shifts and axes do not fit.
    """
    value = as_tensor(x)
    if axis is None:
        return reshape(roll(ravel(value), shift, 0), value.shape)
    axes = tuple(axis) if isinstance(axis, Sequence) else (axis,)
    shifts = tuple(shift) if isinstance(shift, Sequence | np.ndarray) else (shift,)
    count = max(len(axes), len(shifts))
    if 1 not in (len(axes), len(shifts)) and len(axes) != len(shifts):
        refuse(
            ShapeError,
            f"roll: {len(shifts)} shifts for {len(axes)} axes",
            value,
            remedy="give as many, or one",
        )
    every = zip(
        axes * (count // len(axes)), shifts * (count // len(shifts)), strict=True
    )
    for axis, by in every:
        place = one_axis(axis, value.ndim, "roll")
        value = _rolled(value, place, size_variable(by, "roll"))
    return value


def flip(x: object, axis: Axis = None) -> Variable:
    """`x` backwards along `axis` (None: all)."""
    value = as_tensor(x)
    for place in many_axes(axis, value.ndim, "flip"):
        value = slice_axis(value, place, step=-1)
    return value


def flipud(x: object) -> Variable:
    """`x` backwards along its first axis."""
    return flip(x, 0)


def rot90(x: object, k: int = 1, axes: Sequence[int] = (0, 1)) -> Variable:
    """`x` turned by `k` right angles, from the first of `axes` to the second.

    Raises:
        ShapeError: not two different axes.
    """
    value = as_tensor(x)
    plane = many_axes(tuple(axes), value.ndim, "rot90")
    if len(plane) != 2:
        refuse(
            ShapeError,
            f"rot90: a plane has two axes, not {len(plane)}",
            value,
            remedy="give two axes",
        )
    first, second = plane
    match k % 4:
        case 0:
            return value
        case 1:
            return swapaxes(flip(value, second), first, second)
        case 2:
            return flip(value, plane)
        case _:
            return flip(swapaxes(value, first, second), second)


def fliplr(x: object) -> Variable:
    """`x` backwards along its second axis."""
    return flip(x, 1)


# -- copies ----------------------------------------------------------------------------


def tile(x: object, repetitions: Any) -> Variable:
    """`x` repeated as a whole, `repetitions` times along each axis.

    Where there are more or fewer of them than axes, the shorter of the two is taken to
    begin with ones.
    """
    value = as_tensor(x)
    counts = shape_variables(repetitions, "tile")
    ones = [size_variable(1, "tile")] * (value.ndim - len(counts))
    counts = (*ones, *counts)
    value = expand_dims(value, tuple(range(len(counts) - value.ndim)))
    pairs = list(zip(counts, value.shape, strict=True))
    spread = expand_dims(value, tuple(range(0, 2 * len(pairs), 2)))
    spread = broadcast_to(spread, tuple(s for pair in pairs for s in pair))
    return reshape(spread, tuple(count * size for count, size in pairs))


def repeat(x: object, repeats: Any, axis: int | None = None) -> Variable:
    """Each element `repeats` times in a row, along `axis` or flattened.

    `repeats` is an int, an integer scalar, or numbers: one for each element.

    Raises:
        UnsupportedError: a symbolic array of repeats.
        ShapeError: another number of repeats than of elements.
    """
    value = as_tensor(x)
    if axis is None:
        value, axis = ravel(value), 0
    place = one_axis(axis, value.ndim, "repeat")
    if isinstance(repeats, Variable) and repeats.ndim:
        refuse(
            UnsupportedError,
            "repeat: the size of the result would depend on run-time values",
            value,
            repeats,
            remedy="give numbers, or one scalar for all",
        )
    if not isinstance(repeats, Variable) and np.size(repeats) != 1:
        return _repeated_each(value, np.asarray(repeats), place)
    if not isinstance(repeats, Variable):
        repeats = np.asarray(repeats).reshape(())[()]
    count = size_variable(repeats, "repeat")
    spread = expand_dims(value, place + 1)
    shape = list(value.shape)
    spread = broadcast_to(spread, (*shape[: place + 1], count, *shape[place + 1 :]))
    shape[place] = shape[place] * count
    return reshape(spread, shape)


def _repeated_each(x: Variable, repeats: Array, axis: int) -> Variable:
    """Element k along `axis` ``repeats[k]`` times, which is known."""
    size = x.type.dims[axis]
    if repeats.ndim != 1 or repeats.dtype.name not in INTEGERS or (repeats < 0).any():
        refuse(
            ShapeError,
            "repeat: the repeats are not a list of non-negative integers",
            x,
            remedy="give an int, or an int for each element",
        )
    if isinstance(size, int) and size != len(repeats):
        refuse(
            ShapeError,
            f"repeat: {len(repeats)} repeats for {size} elements",
            x,
            remedy="give an int, or an int for each element",
        )
    if not isinstance(size, int):
        shape = list(x.shape)
        shape[axis] = len(repeats)
        x = reshape(x, shape)  # checked when it runs
    return take(x, np.repeat(np.arange(len(repeats)), repeats), axis)


# -- axes ------------------------------------------------------------------------------


def permute_dims(x: object, axes: Sequence[int]) -> Variable:
    """`x` with its axes in the order of `axes`."""
    return transpose(x, axes)


def moveaxis(x: object, source: Axis, destination: Axis) -> Variable:
    """`x` with axes `source` at the positions `destination`, the others in order."""
    value = as_tensor(x)
    given = [(s,) if isinstance(s, int) else s for s in (source, destination)]
    before, after = (many_axes(axes, value.ndim, "moveaxis") for axes in given)
    if len(before) != len(after):
        refuse(
            ShapeError,
            f"moveaxis: {len(before)} axes to {len(after)} positions",
            value,
            remedy="give a position for each axis",
        )
    return move_axes(value, before, after)


def swapaxes(x: object, axis1: int, axis2: int) -> Variable:
    """`x` with two axes exchanged."""
    value = as_tensor(x)
    order = list(range(value.ndim))
    a, b = (one_axis(axis, value.ndim, "swapaxes") for axis in (axis1, axis2))
    order[a], order[b] = b, a
    return transpose(value, order)


def ravel(x: object) -> Variable:
    """The elements of `x` along one axis, in C order."""
    return reshape(x, (-1,))


def atleast_1d(*arrays: object) -> Any:
    """`arrays` with an axis where they have none; a tuple where several are given."""
    return _each(arrays, lambda v: expand_dims(v, 0) if v.ndim == 0 else v)


def atleast_2d(*arrays: object) -> Any:
    """`arrays` with axes in front, up to two; a tuple where several are given."""
    return _each(arrays, lambda v: expand_dims(v, tuple(range(2 - v.ndim))))


def atleast_3d(*arrays: object) -> Any:
    """`arrays` with three axes: ``(1, n, 1)``, or ``(m, n, 1)``, as NumPy's."""
    new = {0: (0, 1, 2), 1: (0, 2), 2: (2,)}
    return _each(arrays, lambda v: expand_dims(v, new.get(v.ndim, ())))


def _each(arrays: tuple[object, ...], made: Any) -> Any:
    """`made` of each array; without the tuple where there is one."""
    results = tuple(made(as_tensor(a)) for a in arrays)
    return results[0] if len(results) == 1 else results


# -- broadcasting ----------------------------------------------------------------------


def broadcast_arrays(*arrays: object) -> tuple[Variable, ...]:
    """`arrays` broadcast to one shape.

    Raises:
        ShapeError: sizes are known to differ, and neither is 1.
    """
    values = [as_tensor(a) for a in arrays]
    if not values:
        return ()
    shape = common_shape(values)
    return tuple(broadcast_to(v, shape) for v in values)


def common_shape(values: Sequence[Variable]) -> tuple[Any, ...]:
    """The shape of `values` broadcast together: ints and symbolic sizes."""
    shape: list[Any] = [1] * max(v.ndim for v in values)
    for value in values:
        for axis, size in enumerate(value.shape, len(shape) - value.ndim):
            shape[axis] = common_size(shape[axis], size)
    return tuple(shape)


def meshgrid(
    *arrays: object, indexing: str = "xy", sparse: bool = False
) -> tuple[Variable, ...]:
    """Coordinates of a grid: for each vector an array, constant along other axes.

    Args:
        arrays: vectors, or scalars.
        indexing: "ij" has the axes in the order of the vectors, "xy" the first two
            exchanged.
        sparse: leave the other axes at size 1.

    Raises:
        ShapeError: an operand has more than one axis, or `indexing` is something else.
    """
    vectors = [reshape(v, (-1,)) if v.ndim == 0 else v for v in map(as_tensor, arrays)]
    if indexing not in ("xy", "ij") or any(v.ndim != 1 for v in vectors):
        refuse(
            ShapeError,
            f"meshgrid: of vectors, with indexing 'xy' or 'ij', not {indexing!r}",
            *vectors,
            remedy="flatten the operands",
        )
    order = list(range(len(vectors)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = [1, 0]
    spread = [
        expand_dims(v, tuple(k for k in range(len(order)) if k != place))
        for v, place in zip(vectors, order, strict=True)
    ]
    if sparse:
        return tuple(spread)
    axis_of = {place: v for v, place in zip(vectors, order, strict=True)}
    shape = tuple(axis_of[k].shape[0] for k in range(len(order)))
    return tuple(broadcast_to(v, shape) for v in spread)
