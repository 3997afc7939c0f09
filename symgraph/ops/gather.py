"""Reading at integer arrays, and adding there, which is its gradient."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import dims
from ..codegen import ir
from ..dims import Size
from ..graph import Node
from ..leaf import Constant
from ..op import (
    Array,
    Element,
    Index,
    Indexed,
    Opaque,
    Read,
    Same,
    Shape,
    broadcast,
    op,
)
from ..types import TensorType, tensor
from ..variable import Variable, apply
from .broadcasting import repeated, stacked
from .choice import where
from .common import Flags, Grads, each_part, linear_in_first, refuse_sizes
from .comparison import equal
from .create import Full, arange, counts_from_zero, full, zeros, zeros_like
from .sizes import dim_of, shape_from, shape_of, total
from .slices import check_bounds, checked, out_of_bounds
from .view import expand_dims, move_axes, reshape

if TYPE_CHECKING:
    from ..lower import At, Emitter
    from ..lower.kernel import KernelBuilder

__all__ = [
    "Gather",
    "Put",
    "RowScatter",
    "Scatter",
]


@op
class Gather(Indexed):
    """``x[..., i, j, ...]``: inputs x and an int64 array for each of `axes`.

    The arrays are broadcast together; their axes stand at position `place` among the
    axes of x that are left.
    """

    parts = each_part

    axes: tuple[int, ...]
    place: int

    def infer(self, *inputs: Node) -> TensorType:
        x, *indices = inputs
        for axis, index in zip(self.axes, indices, strict=True):
            check_bounds(index, x.type.dims[axis], axis)
        return tensor(x.type.dtype, _gathered(self.axes, self.place, x, indices))

    def stretch(self, *inputs: Node) -> tuple[Shape | None, ...]:
        shape = broadcast(*(i.type.dims for i in inputs[1:]))
        return None, *(shape for _ in inputs[1:])

    def ref(self, x: Array, *indices: Array) -> Array:
        first = np.moveaxis(x, self.axes, range(len(self.axes)))
        return _placed(first[indices], self.place, indices)

    def vjp(self, g: Variable, y: Variable, x: Variable, *indices: Variable) -> Grads:
        made = Scatter(self.axes, self.place)
        return apply(made, zeros_like(x), g, *indices), *(None for _ in indices)

    jvp = linear_in_first

    def batch(self, batched: Flags, x: Variable, *indices: Variable) -> Variable:
        axes = tuple(axis + 1 for axis in self.axes)
        if not any(batched[1:]):
            return apply(Gather(axes, self.place + 1), x, *indices)
        aligned = _aligned(batched[1:], indices)
        if batched[0]:
            rows = _rows(x, aligned)
            read = apply(Gather((0, *axes), self.place), x, rows, *aligned)
        else:
            read = apply(self, x, *aligned)
        return move_axes(read, (self.place,), (0,))

    def element(self, at: At) -> Element:
        _, *indices = at.node.inputs
        ndim = len(broadcast(*(i.type.dims for i in indices)))
        block = at.index[self.place : self.place + ndim]
        rest = at.index[: self.place] + at.index[self.place + ndim :]
        index = list(rest)
        guard: ir.Value | None = None
        frame = at.node.type.dims[self.place : self.place + ndim]
        places = yield from self._places(at, frame, block)
        for axis, (place, ok) in sorted(places.items()):
            index.insert(axis, place)
            guard = ok if guard is None or ok is None else guard & ok
        return (yield Read(0, tuple(index), guard))

    def _places(
        self, at: At, frame: Shape, block: Index
    ) -> Generator[Read, ir.Value, dict[int, tuple[ir.Affine, ir.Value | None]]]:
        """The position on each indexed axis, and whether it is within bounds."""
        x, *indices = at.node.inputs
        places: dict[int, tuple[ir.Affine, ir.Value | None]] = {}
        for number, (axis, source) in enumerate(zip(self.axes, indices, strict=True)):
            shape = source.type.dims
            lead = len(block) - len(shape)
            where = at.fitted(shape, frame[lead:], block[lead:])
            if counts_from_zero(source) and shape[0] == x.type.dims[axis]:
                places[axis] = where[0], None
            else:
                value = yield Read(number + 1, where)
                places[axis] = checked(at, value, x.type.dims[axis], axis)
        return places


class _Written(Opaque):
    """`base` with `value` written where :class:`Gather` would read.

    Inputs are base, value and the indices.  One thread writes, in C order.
    """

    parts = each_part

    axes: tuple[int, ...]
    place: int

    inlines: ClassVar[bool] = True
    adds: ClassVar[bool]

    def infer(self, *inputs: Node) -> TensorType:
        base, _, *indices = inputs
        for axis, index in zip(self.axes, indices, strict=True):
            check_bounds(index, base.type.dims[axis], axis)
        return base.type

    def agree(self, *inputs: Node) -> Iterable[tuple[Size, Size]]:
        base, value, *indices = inputs
        shape = _gathered(self.axes, self.place, base, indices)
        return zip(value.type.dims, shape, strict=True)

    def stretch(self, *inputs: Node) -> tuple[Shape | None, ...]:
        shape = broadcast(*(i.type.dims for i in inputs[2:]))
        return None, None, *(shape for _ in inputs[2:])

    def steps(self, node: Node, emit: Emitter) -> None:
        base, value, *indices = node.inputs
        emit.assign(node, base)
        for axis in self.axes:
            # Even an index that is found wrong is written through, to position 0.
            count = dims.product(broadcast(*(i.type.dims for i in indices)))
            some = dims.minimum(count, 1)
            emit.require(some, "le", base.type.dims[axis], out_of_bounds(axis), node)

        def write(kernel: KernelBuilder, index: Index) -> None:
            target = self._target(kernel.at(node, ()), kernel, index)
            found = kernel.value(value, index)
            kernel.store(node, target, found, accumulate=self.adds)

        emit.loop(node, value.type.dims, write, parallel=False)

    def _target(self, at: At, kernel: KernelBuilder, index: Index) -> Index:
        """Where the value at `index` is written; 0 where that is out of bounds."""
        base, value, *indices = at.node.inputs
        ndim = len(broadcast(*(i.type.dims for i in indices)))
        block = index[self.place : self.place + ndim]
        frame = value.type.dims[self.place : self.place + ndim]
        target = list(index[: self.place] + index[self.place + ndim :])
        for axis, source in sorted(
            zip(self.axes, indices, strict=True), key=lambda pair: pair[0]
        ):
            lead = ndim - source.type.ndim
            own = at.fitted(source.type.dims, frame[lead:], block[lead:])
            found = kernel.value(source, own)
            place, ok = checked(at, found, base.type.dims[axis], axis)
            if ok is not None:
                place = at.position(ir.select(ok, at.value(place), 0))
            target.insert(axis, place)
        return tuple(target)

    def batch(
        self, batched: Flags, base: Variable, value: Variable, *indices: Variable
    ) -> Variable:
        size = next(
            x.shape[0]
            for x, own in zip((base, value, *indices), batched, strict=True)
            if own
        )
        base = base if batched[0] else repeated(base, size)
        value = value if batched[1] else repeated(value, size)
        axes = tuple(axis + 1 for axis in self.axes)
        again: Any = type(self)  # a dataclass
        if not any(batched[2:]):
            return apply(again(axes, self.place + 1), base, value, *indices)
        aligned = _aligned(batched[2:], indices)
        value = move_axes(value, (0,), (self.place,))
        made = again((0, *axes), self.place)
        return apply(made, base, value, _rows(base, aligned), *aligned)


@op
class Scatter(_Written):
    """`base` with `value` added where :class:`Gather` would read.

    Inputs are base, value and the indices.  Where an index repeats, all its values are
    added, as ``numpy.add.at`` does.
    """

    axes: tuple[int, ...]
    place: int

    adds: ClassVar[bool] = True

    def settled(self, same: Same, *inputs: Variable) -> Variable | None:
        """One value in each row of zeros takes a comparison instead of a scatter."""
        base, value, *indices = inputs
        if base.ndim != 2 or self.axes != (0, 1) or not _is_zeros(base.node):
            return None
        for row, counting in enumerate(indices):
            other = indices[1 - row]
            sizes = [v.type.dims[0] for v in (counting, value, other) if v.ndim == 1]
            every = len(sizes) == 3 and all(same(base.type.dims[row], s) for s in sizes)
            if every and counts_from_zero(counting.node):
                return apply(RowScatter(1 - row), value, other, shape_of(base, 1 - row))
        return None

    def ref(self, base: Array, value: Array, *indices: Array) -> Array:
        result = np.array(base)
        count = len(np.broadcast_shapes(*(i.shape for i in indices)))
        source = np.moveaxis(value, range(self.place, self.place + count), range(count))
        np.add.at(
            np.moveaxis(result, self.axes, range(len(self.axes))), indices, source
        )
        return result

    def vjp(self, g: Variable, y: Variable, *inputs: Variable) -> Grads:
        _, _, *indices = inputs
        read = apply(Gather(self.axes, self.place), g, *indices)
        return g, read, *(None for _ in indices)

    def jvp(
        self, y: Variable, xs: Sequence[Variable], ts: Sequence[Variable | None]
    ) -> Variable | None:
        if ts[1] is None:
            return ts[0]
        base = zeros_like(xs[0]) if ts[0] is None else ts[0]
        return apply(self, base, ts[1], *xs[2:])


@op
class Put(_Written):
    """`base` with `value` in place of what :class:`Gather` would read.

    Inputs are base, value and the indices.  Where an index repeats, its last value (in
    C order) stays, and is the only one that has a gradient.
    """

    axes: tuple[int, ...]
    place: int

    adds: ClassVar[bool] = False

    def ref(self, base: Array, value: Array, *indices: Array) -> Array:
        result = np.array(base)
        every = np.broadcast_arrays(*indices)
        count = every[0].ndim
        source = np.moveaxis(value, range(self.place, self.place + count), range(count))
        # NumPy assigns in order where the indices are vectors.
        flat = source.reshape((every[0].size, *source.shape[count:]))
        target = np.moveaxis(result, self.axes, range(len(self.axes)))
        target[tuple(i.ravel() for i in every)] = flat
        return result

    def vjp(self, g: Variable, y: Variable, *inputs: Variable) -> Grads:
        base, value, *indices = inputs
        kept = apply(self, g, zeros_like(value), *indices)
        sent = apply(Gather(self.axes, self.place), g, *indices)
        if not _surely_distinct(indices):
            last = self._last(base, value, indices)
            behind = tuple(range(last.ndim, value.ndim - self.place))
            sent = where(expand_dims(last, behind), sent, zeros_like(sent))
        return kept, sent, *(None for _ in indices)

    def jvp(
        self, y: Variable, xs: Sequence[Variable], ts: Sequence[Variable | None]
    ) -> Variable | None:
        if ts[0] is None and ts[1] is None:
            return None
        base, value = (
            zeros_like(x) if t is None else t
            for x, t in zip(xs[:2], ts[:2], strict=True)
        )
        return apply(self, base, value, *xs[2:])

    def _last(
        self, base: Variable, value: Variable, indices: Sequence[Variable]
    ) -> Variable:
        """Whether a place of the indices is the last one that names its element."""
        ndim = max(i.ndim for i in indices)
        shape = value.shape[self.place : self.place + ndim]
        number = reshape(arange(total(shape)), shape)
        axes = tuple(range(len(self.axes)))
        owners = full(tuple(shape_of(base, a) for a in self.axes), -1, "int64")
        owners = apply(Put(axes, 0), owners, number, *indices)
        return equal(apply(Gather(axes, 0), owners, *indices), number)


def _surely_distinct(indices: Sequence[Variable]) -> bool:
    """Whether no element is known to be named twice: 0, 1, ... or distinct numbers."""
    ndim = max(i.ndim for i in indices)
    for index in indices:
        if ndim == 1 and index.ndim == 1 and counts_from_zero(index.node):
            return True
        if index.ndim == ndim and isinstance(index.op, Constant):
            data = index.op.data
            if (data >= 0).all() and len(np.unique(data)) == data.size:
                return True
    return False


@op
class RowScatter(Indexed):
    """Zeros with one value in each row: inputs value, position and the row length.

    The new axis, along which the positions count, is `axis` (0 or 1).
    """

    parts = each_part

    axis: int

    def infer(self, *inputs: Node) -> TensorType:
        value, position, length = inputs
        (size,) = shape_from((length,))
        check_bounds(position, size, self.axis)
        shape = list(value.type.dims)
        shape.insert(self.axis, size)
        return tensor(value.type.dtype, tuple(shape))

    def agree(self, *inputs: Node) -> Iterable[tuple[Size, Size]]:
        return ((inputs[0].type.dims[0], inputs[1].type.dims[0]),)

    def ref(self, value: Array, position: Array, length: Array) -> Array:
        result = np.zeros((len(value), int(length)), value.dtype)
        result[np.arange(len(value)), position] = value
        return result if self.axis else result.T

    def vjp(self, g: Variable, y: Variable, *inputs: Variable) -> Grads:
        _, position, _ = inputs
        rows = arange(position.shape[0])
        indices = (rows, position) if self.axis else (position, rows)
        return apply(Gather((0, 1), 0), g, *indices), None, None

    jvp = linear_in_first

    def batch(
        self, batched: Flags, value: Variable, position: Variable, length: Variable
    ) -> Variable:
        refuse_sizes(self, batched[2:], value, position, length)
        value, position = stacked(batched[:2], value, position)
        count, rows = value.shape
        shape = (count, rows, length) if self.axis else (count, length, rows)
        row = arange(rows)
        places = (row, position) if self.axis else (position, row)
        stack = expand_dims(arange(count), 1)
        return apply(
            Scatter((0, 1, 2), 0), zeros(shape, value.dtype), value, stack, *places
        )

    def element(self, at: At) -> Element:
        row, column = at.index[1 - self.axis], at.index[self.axis]
        found = yield Read(1, (row,))
        place, _ = checked(at, found, dim_of(at.node.inputs[2]), self.axis)
        return (yield Read(0, (row,), at.value(column).eq(at.value(place))))


def _aligned(batched: Flags, indices: Sequence[Variable]) -> list[Variable]:
    """Batched indices with their batch axis in front of all axes of the others."""
    pairs = list(zip(indices, batched, strict=True))
    ndim = max(i.ndim - own for i, own in pairs)
    return [
        expand_dims(i, tuple(range(1, ndim - i.ndim + 2))) if own else i
        for i, own in pairs
    ]


def _rows(x: Variable, aligned: Sequence[Variable]) -> Variable:
    """The number of each element of the batch, to index the axis in front of `x`."""
    ndim = max(i.ndim for i in aligned)
    return expand_dims(arange(x.shape[0]), tuple(range(1, ndim)))


def _is_zeros(node: Node) -> bool:
    """Whether `node` is known to hold zeros only."""
    value = node.inputs[0].op if isinstance(node.op, Full) else node.op
    return isinstance(value, Constant) and value.small and value.data.item() == 0


def _gathered(
    axes: tuple[int, ...], place: int, x: Node, indices: Iterable[Node]
) -> tuple[Size, ...]:
    """The shape of what is read."""
    rest = tuple(d for k, d in enumerate(x.type.dims) if k not in axes)
    return rest[:place] + broadcast(*(i.type.dims for i in indices)) + rest[place:]


def _placed(read: Array, place: int, indices: tuple[Array, ...]) -> Array:
    """`read`, whose leading axes are those of the indices, with them at `place`."""
    count = len(np.broadcast_shapes(*(i.shape for i in indices)))
    return np.moveaxis(read, range(count), range(place, place + count))
