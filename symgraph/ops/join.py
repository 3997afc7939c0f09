"""Arrays end to end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import dims
from ..dims import Dim, Size
from ..errors import ShapeError
from ..graph import Node
from ..op import Array, Index, Opaque, op
from ..types import TensorType, tensor
from ..variable import Variable, apply, promote
from .broadcasting import stacked
from .common import Flags, Grads, each_part, one_axis, refuse
from .create import zeros_like
from .slices import slice_axis
from .view import expand_dims, reshape

if TYPE_CHECKING:
    from ..codegen import ir
    from ..lower import Emitter
    from ..lower.kernel import KernelBuilder

__all__ = [
    "Concatenate",
    "concatenate",
    "stack",
]


@op
class Concatenate(Opaque):
    """Operands one after another along an axis; their other axes agree."""

    parts = each_part

    axis: int

    inlines: ClassVar[bool] = True

    def infer(self, *inputs: Node) -> TensorType:
        shape = list(inputs[0].type.dims)
        lengths = [(x.type.dims[self.axis], 1) for x in inputs]
        shape[self.axis] = dims.weighted_sum(0, lengths)
        for x in inputs[1:]:
            for axis, size in enumerate(x.type.dims):
                if axis == self.axis:
                    continue
                if isinstance(shape[axis], Dim):
                    shape[axis] = size if isinstance(size, int) else shape[axis]
                elif isinstance(size, int) and size != shape[axis]:
                    raise ShapeError(
                        f"axis {axis} has size {shape[axis]} in one operand and {size} "
                        "in another",
                        f"only axis {self.axis} may differ",
                    )
        return tensor(inputs[0].type.dtype, tuple(shape))

    def agree(self, *inputs: Node) -> Iterable[tuple[Size, Size]]:
        for first, second in pairwise(inputs):
            pairs = zip(first.type.dims, second.type.dims, strict=True)
            yield from (p for axis, p in enumerate(pairs) if axis != self.axis)

    def steps(self, node: Node, emit: Emitter) -> None:
        start: ir.Extent = 0
        for part in node.inputs:
            self._put(node, part, start, emit)
            start = emit.sizes.plus(start, part.type.dims[self.axis])

    def _put(self, node: Node, part: Node, start: ir.Extent, emit: Emitter) -> None:
        """Copy `part` to its place."""

        def copy(kernel: KernelBuilder, index: Index) -> None:
            target = list(index)
            target[self.axis] = target[self.axis] + kernel.offset(start)
            kernel.store(node, tuple(target), kernel.value(part, index))

        emit.loop(node, part.type.dims, copy)

    def ref(self, *arrays: Array) -> Array:
        return np.concatenate(arrays, axis=self.axis)

    def vjp(self, g: Variable, y: Variable, *xs: Variable) -> Grads:
        grads, start = [], 0
        for x in xs:
            stop = start + x.shape[self.axis]
            grads.append(slice_axis(g, self.axis, start, stop))
            start = stop
        return tuple(grads)

    def jvp(
        self, y: Variable, xs: Sequence[Variable], ts: Sequence[Variable | None]
    ) -> Variable:
        parts = zip(xs, ts, strict=True)
        return apply(self, *(zeros_like(x) if t is None else t for x, t in parts))

    def batch(self, batched: Flags, *xs: Variable) -> Variable:
        return apply(Concatenate(self.axis + 1), *stacked(batched, *xs))


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Variable:
    """`arrays` one after another along `axis`; flattened first if it is None.

    Raises:
        ShapeError: other sizes are known to differ, or there is nothing to join.
    """
    values = _operands(arrays, "concatenate")
    if axis is None:
        values, axis = tuple(reshape(v, (-1,)) for v in values), 0
    if any(v.ndim == 0 or v.ndim != values[0].ndim for v in values):
        refuse(
            ShapeError,
            "concatenate: operands need one number of dimensions, and not 0",
            *values,
            remedy="use stack, or expand_dims",
        )
    axis = one_axis(axis, values[0].ndim, "concatenate")
    return apply(Concatenate(axis), *values) if len(values) > 1 else values[0]


def stack(arrays: Sequence[Any], axis: int = 0) -> Variable:
    """`arrays` of one shape along a new axis at position `axis` of the result.

    Raises:
        ShapeError: sizes are known to differ, or there is nothing to join.
    """
    values = _operands(arrays, "stack")
    for v in values[1:]:
        if v.ndim != values[0].ndim or _surely_differ(v.type.dims, values[0].type.dims):
            refuse(
                ShapeError,
                "stack: the shapes differ",
                *values,
                remedy="arrays that are stacked have one shape; to join along an axis, "
                "use sg.concatenate",
            )
    return concatenate([expand_dims(v, axis) for v in values], axis)


def _surely_differ(left: Sequence[Size], right: Sequence[Size]) -> bool:
    """Whether two sizes are known to differ."""
    return any(
        isinstance(a, int) and isinstance(b, int) and a != b
        for a, b in zip(left, right, strict=True)
    )


def _operands(arrays: Sequence[Any], what: str) -> tuple[Variable, ...]:
    if len(arrays) == 0:
        refuse(ShapeError, f"{what}: no arrays given", remedy="give at least one")
    return promote(*arrays)
