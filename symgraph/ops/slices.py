"""Slices and single positions of an axis, and their gradients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dims
from ..codegen import ir
from ..dims import Size
from ..errors import IndexOutOfBoundsError
from ..graph import Node
from ..leaf import Constant
from ..op import Array, Element, Indexed, Nested, Read, Requirement, op
from ..types import TensorType, tensor
from ..variable import Variable, apply
from .broadcasting import stacked
from .common import Flags, Grads, each_part, linear_in_first, refuse_sizes
from .create import arange, zeros
from .sizes import dim_of, shape_from, shape_of, size_variable
from .tuples import Item
from .view import View, move_axes

if TYPE_CHECKING:
    from ..lower import At

__all__ = [
    "Pick",
    "PickEmbed",
    "Slice",
    "SliceEmbed",
]


def wrapped(index: Size, size: Size) -> Size:
    """`index` with `size` added where it is negative."""
    if isinstance(index, int):
        return index if index >= 0 else dims.add(size, index)
    if dims.surely_nonnegative(index):
        return index
    negative = dims.minimum(dims.maximum(dims.scale(index, -1), 0), 1)
    return dims.add(index, dims.mul(size, negative))


class _Sliced(Indexed):
    """What a slice and its gradient share: bounds by Python's ``slice.indices``."""

    parts = each_part

    axis: int
    step: int
    has_start: bool
    has_stop: bool

    def _bounds(self, size: Size, ends: tuple[Node, ...]) -> tuple[Size, Size]:
        """The first position and the number of positions."""
        lowest, highest = (0, size) if self.step > 0 else (-1, dims.sub(size, 1))
        given = [
            dims.maximum(dims.minimum(wrapped(dim_of(end), size), highest), lowest)
            for end in ends
        ]
        first, last = (lowest, highest) if self.step > 0 else (highest, lowest)
        start = given.pop(0) if self.has_start else first
        stop = given.pop(0) if self.has_stop else last
        distance = dims.sub(stop, start) if self.step > 0 else dims.sub(start, stop)
        every = abs(self.step)
        count = dims.floordiv(dims.add(distance, every - 1), every)
        return start, dims.maximum(count, 0)

    def _key(self, x: Array, *ends: Array) -> tuple[slice, ...]:
        """The slice as NumPy takes it."""
        given = [int(e) for e in ends]
        start = given.pop(0) if self.has_start else None
        stop = given.pop(0) if self.has_stop else None
        return (*(slice(None) for _ in range(self.axis)), slice(start, stop, self.step))


@op
class Slice(_Sliced, View):
    """``x[start:stop:step]`` along one axis: inputs x and the int64 ends given."""

    axis: int
    step: int
    has_start: bool
    has_stop: bool

    def bounds(self, node: Node) -> tuple[Size, Size]:
        """The first position and the number of positions."""
        x, *ends = node.inputs
        return self._bounds(x.type.dims[self.axis], tuple(ends))

    def infer(self, *inputs: Node) -> TensorType:
        x, *ends = inputs
        shape = list(x.type.dims)
        shape[self.axis] = self._bounds(shape[self.axis], tuple(ends))[1]
        return tensor(x.type.dtype, tuple(shape))

    def ref(self, x: Array, *ends: Array) -> Array:
        return x[self._key(x, *ends)]

    def vjp(self, g: Variable, y: Variable, x: Variable, *ends: Variable) -> Grads:
        made = SliceEmbed(self.axis, self.step, self.has_start, self.has_stop)
        return apply(made, g, shape_of(x, self.axis), *ends), *(None for _ in ends)

    def batch(self, batched: Flags, x: Variable, *ends: Variable) -> Variable:
        refuse_sizes(self, batched[1:], x, *ends)
        return apply(replace(self, axis=self.axis + 1), x, *ends)

    def element(self, at: At) -> Element:
        start, _ = self.bounds(at.node)
        index = list(at.index)
        index[self.axis] = index[self.axis] * self.step + at.extent(start)
        return (yield Read(0, tuple(index)))


@op
class SliceEmbed(_Sliced):
    """Zeros with g at a slice of one axis: inputs g, the axis' size and the ends."""

    axis: int
    step: int
    has_start: bool
    has_stop: bool

    def bounds(self, node: Node) -> tuple[Size, Size]:
        """The first position and the number of positions."""
        _, size, *ends = node.inputs
        return self._bounds(dim_of(size), tuple(ends))

    def infer(self, *inputs: Node) -> TensorType:
        g, size, *_ = inputs
        shape = list(g.type.dims)
        (shape[self.axis],) = shape_from((size,))
        return tensor(g.type.dtype, tuple(shape))

    def agree(self, *inputs: Node) -> Iterable[tuple[Size, Size]]:
        g, size, *ends = inputs
        yield g.type.dims[self.axis], self._bounds(dim_of(size), tuple(ends))[1]

    def ref(self, g: Array, size: Array, *ends: Array) -> Array:
        shape = (*g.shape[: self.axis], int(size), *g.shape[self.axis + 1 :])
        result = np.zeros(shape, g.dtype)
        result[self._key(result, *ends)] = g
        return result

    def vjp(self, g: Variable, y: Variable, *inputs: Variable) -> Grads:
        _, _, *ends = inputs
        made = Slice(self.axis, self.step, self.has_start, self.has_stop)
        return apply(made, g, *ends), None, *(None for _ in ends)

    jvp = linear_in_first

    def batch(self, batched: Flags, g: Variable, *sizes: Variable) -> Variable:
        refuse_sizes(self, batched[1:], g, *sizes)
        return apply(replace(self, axis=self.axis + 1), g, *sizes)

    def element(self, at: At) -> Element:
        start, count = self.bounds(at.node)
        index = list(at.index)
        if count == 0:
            return at.literal(0, at.node.type.dtype)
        if self.step == 1 and count == dim_of(at.node.inputs[1]):
            return (yield Read(0, tuple(index)))
        offset = index[self.axis] + at.extent(start) * -1
        place = at.value(offset)
        if self.step == 1:
            index[self.axis] = offset
        else:
            steps = place // self.step
            index[self.axis] = at.position(steps)
            exact, place = (steps * self.step).eq(place), steps
        inside = place < at.value(at.extent(count))
        if self.step != 1:
            inside = inside & exact
        if start != 0 or self.step != 1:
            inside = inside & (place >= 0)
        return (yield Read(0, tuple(index), inside))


def slice_axis(
    x: Variable, axis: int, start: Any = None, stop: Any = None, step: int = 1
) -> Variable:
    """``x[start:stop:step]`` along `axis`; ends are ints, integer scalars or None."""
    ends = [size_variable(_bounded(e), "slice") for e in (start, stop) if e is not None]
    step = max(min(step, 2**40), -(2**40))  # as far as any axis is long
    made = Slice(axis, step, start is not None, stop is not None)
    result = apply(made, x, *ends)
    whole = step == 1 and result.type.dims == x.type.dims
    return x if whole else result


def _bounded(end: Any) -> Any:
    """An end of a slice, which may lie beyond all axes by any distance, as in NumPy."""
    return max(min(end, 2**62), -(2**62)) if isinstance(end, int) else end


def _position(index: Node, size: Size) -> Size | None:
    """Where `index` points, if that is known when a function is called."""
    known = dim_of(index)
    return wrapped(known, size) if dims.at_entry(known) else None


def _within(index: Node, size: Size, axis: int) -> Iterable[Requirement]:
    """That `index` lies within its axis, if that can be told before anything runs."""
    place = _position(index, size)
    if place is not None:
        yield Requirement(0, "le", place, out_of_bounds(axis))
        yield Requirement(place, "lt", size, out_of_bounds(axis))


def of_rounds(x: Node) -> Node | None:
    """`kept` where x is ``kept[:rounds]``, the rows that a loop has made."""
    if not isinstance(x.op, Slice) or x.op != Slice(0, 1, False, True):
        return None
    kept, rounds = x.inputs
    if not isinstance(kept.op, Item) or not isinstance(rounds.op, Item):
        return None
    same = kept.inputs == rounds.inputs
    return kept if same and isinstance(kept.inputs[0].op, Nested) else None


@op
class Pick(View):
    """``x[i]`` along one axis, which goes: inputs x and the int64 scalar i."""

    axis: int

    def require(self, *inputs: Node) -> Iterable[Requirement]:
        x, index = inputs
        if self.axis == 0 and dim_of(index) == -1:
            # A loop that ends by a condition makes a round if it may make any.
            x = of_rounds(x) or x
        return _within(index, x.type.dims[self.axis], self.axis)

    def infer(self, *inputs: Node) -> TensorType:
        x, index = inputs
        check_bounds(index, x.type.dims[self.axis], self.axis)
        shape = x.type.dims
        return tensor(x.type.dtype, shape[: self.axis] + shape[self.axis + 1 :])

    def ref(self, x: Array, index: Array) -> Array:
        return np.asarray(np.take(x, int(index), axis=self.axis))

    def vjp(self, g: Variable, y: Variable, x: Variable, index: Variable) -> Grads:
        return apply(PickEmbed(self.axis), g, shape_of(x, self.axis), index), None

    def batch(self, batched: Flags, x: Variable, index: Variable) -> Variable:
        if not batched[1]:
            return apply(Pick(self.axis + 1), x, index)
        before = (slice(None),) * self.axis
        if batched[0]:
            return x[arange(x.shape[0]), *before, index]
        return move_axes(x[*before, index], (self.axis,), (0,))

    def element(self, at: At) -> Element:
        x, chosen = at.node.inputs
        size = x.type.dims[self.axis]
        known, ok = _position(chosen, size), None
        if known is None:
            place, ok = checked(at, (yield Read(1, ())), size, self.axis)
        else:
            place = at.extent(known)
        index = list(at.index)
        index.insert(self.axis, place)
        return (yield Read(0, tuple(index), ok))


@op
class PickEmbed(Indexed):
    """Zeros with g at position i of a new axis: inputs g, the axis' size and i."""

    parts = each_part

    axis: int

    def require(self, *inputs: Node) -> Iterable[Requirement]:
        return _within(inputs[2], dim_of(inputs[1]), self.axis)

    def infer(self, *inputs: Node) -> TensorType:
        g, size, index = inputs
        (extent,) = shape_from((size,))
        check_bounds(index, extent, self.axis)
        shape = g.type.dims
        return tensor(g.type.dtype, (*shape[: self.axis], extent, *shape[self.axis :]))

    def ref(self, g: Array, size: Array, index: Array) -> Array:
        result = np.zeros(
            (*g.shape[: self.axis], int(size), *g.shape[self.axis :]), g.dtype
        )
        np.moveaxis(result, self.axis, 0)[int(index)] = g
        return result

    def vjp(self, g: Variable, y: Variable, *inputs: Variable) -> Grads:
        return apply(Pick(self.axis), g, inputs[2]), None, None

    jvp = linear_in_first

    def batch(
        self, batched: Flags, g: Variable, size: Variable, index: Variable
    ) -> Variable:
        refuse_sizes(self, batched[1:2], g, size, index)
        if not batched[2]:
            return apply(PickEmbed(self.axis + 1), g, size, index)
        g, index = stacked((batched[0], True), g, index)
        shape = (*g.shape[: self.axis + 1], size, *g.shape[self.axis + 1 :])
        read = Pick(self.axis).batch((True, True), zeros(shape, g.dtype), index)
        assert read.op.vjp is not None  # of a gather, whose gradient this is
        made = read.op.vjp(g, read, *read.inputs)[0]
        assert made is not None
        return made

    def element(self, at: At) -> Element:
        size = dim_of(at.node.inputs[1])
        known = _position(at.node.inputs[2], size)
        index = at.index[: self.axis] + at.index[self.axis + 1 :]
        if known is None:
            place, _ = checked(at, (yield Read(2, ())), size, self.axis)
        else:
            place = at.extent(known)
        here = at.value(at.index[self.axis]).eq(at.value(place))
        return (yield Read(0, index, here))


def check_bounds(index: Node, size: Size, axis: int) -> None:
    """Raise IndexOutOfBoundsError where a constant index lies outside a known size."""
    if not isinstance(index.op, Constant) or not isinstance(size, int):
        return
    data = index.op.data
    outside = data[(data < -size) | (data >= size)]
    if outside.size:
        raise IndexOutOfBoundsError(
            out_of_bounds(axis, f" of size {size}", int(outside.flat[0])),
            f"indices go from {-size} to {size - 1}" if size else "the axis is empty",
        )


def out_of_bounds(axis: int, size: str = "", index: int | None = None) -> str:
    """What to say of an index outside its axis."""
    which = "an index" if index is None else f"index {index}"
    return f"{which} is out of bounds for axis {axis}{size}"


def checked(
    at: At, index: ir.Value, size: Size, axis: int
) -> tuple[ir.Affine, ir.Value | None]:
    """The position that `index` means, wrapped where negative, checked when it runs.

    A failed check does not stop the loop, so reads there must be guarded by the second
    value, which is None where the index is known to be right.

    Raises:
        IndexOutOfBoundsError: index and size are known, and it is outside.
    """
    extent = at.value(at.extent(size))
    if not isinstance(index.atom, ir.Const):
        place = ir.select(index < 0, index + extent, index)
        ok = (place >= 0) & (place < extent)
        at.check(ok, out_of_bounds(axis))
        return at.position(place), ok
    number = int(index.atom.value)
    if isinstance(size, int):
        if not -size <= number < size:
            raise IndexOutOfBoundsError(out_of_bounds(axis, f" of size {size}", number))
        return at.extent(wrapped(number, size)), None
    enough = extent > number if number >= 0 else extent >= -number
    at.check(enough, out_of_bounds(axis))
    return at.extent(wrapped(number, size)), enough
