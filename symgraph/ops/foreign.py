"""Functions of the user's as ops: over whole NumPy arrays, or compiled by numba."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..codegen.errors import CodegenError
from ..dims import Size
from ..errors import DTypeError, ShapeError, SymgraphError, refuse
from ..graph import Node
from ..op import Array, Opaque, op
from ..types import TensorType, tensor
from ..variable import Variable, apply
from .broadcasting import broadcast_to
from .common import Flags
from .sizes import shape_from

if TYPE_CHECKING:
    from ..codegen.cpu.scalar_loop import ScalarLoop
    from ..lower import Emitter

__all__ = [
    "NumbaFunction",
    "NumpyFunction",
]


@op
class NumpyFunction(Opaque):
    """A Python function over NumPy arrays: inputs its `count` arguments, then sizes.

    The sizes, int64 scalars, are those of the result, which is of dtype `to`.
    """

    fn: Callable[..., Any]
    count: int
    to: str
    label: str

    foreign: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return self.label

    def infer(self, *inputs: Node) -> TensorType:
        return tensor(self.to, shape_from(inputs[self.count :]))

    def data(self, *inputs: Node) -> tuple[Node, ...]:
        return inputs[: self.count]

    def ref(self, *arrays: Array) -> Array:
        given, sizes = arrays[: self.count], arrays[self.count :]
        copies = [np.array(a) for a in given]
        return self.checked(tuple(int(s) for s in sizes), self.fn(*copies))

    def checked(self, shape: tuple[int, ...], made: Any) -> Array:
        """What the function returned, if it is as declared.

        Raises:
            DTypeError, ShapeError: it is not.
        """
        result = np.asarray(made)
        if result.dtype != np.dtype(self.to):
            refuse(
                DTypeError,
                f"{self.label}: the function returned dtype {result.dtype}, declared "
                f"{self.to}",
                remedy="convert the result, or declare its dtype",
            )
        if result.shape != shape:
            refuse(
                ShapeError,
                f"{self.label}: the function returned shape {result.shape}, declared "
                f"{shape}",
                remedy="declare the shape that it returns",
            )
        return result

    def steps(self, node: Node, emit: Emitter) -> None:
        from ..codegen.cpu.callback import Callback

        given = node.inputs[: self.count]
        kinds = [(n.type.dtype, n.type.ndim) for n in (*given, node)]

        emit.call(node, Callback(self.fn, self.checked, kinds), *given)


@op
class NumbaFunction(Opaque):
    """A scalar function that numba compiles, applied to operands of one shape."""

    fn: Callable[..., Any]
    to: str
    label: str

    foreign: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return self.label

    def infer(self, *inputs: Node) -> TensorType:
        return tensor(self.to, inputs[0].type.dims)

    def agree(self, *inputs: Node) -> Iterable[tuple[Size, Size]]:
        for other in inputs[1:]:
            yield from zip(inputs[0].type.dims, other.type.dims, strict=True)

    def ref(self, *arrays: Array) -> Array:
        dtypes = tuple(a.dtype.name for a in arrays)
        try:
            return self._loop(dtypes, arrays[0].ndim).run(arrays)
        except CodegenError:
            raise SymgraphError(f"{self.label}: the function failed") from None

    def batch(self, batched: Flags, *xs: Variable) -> Variable:
        """Operands without the axis are repeated along it."""
        size = next(x.shape[0] for x, own in zip(xs, batched, strict=True) if own)
        stacks = [
            x if own else broadcast_to(x, (size, *x.shape))
            for x, own in zip(xs, batched, strict=True)
        ]
        return apply(self, *stacks)

    def steps(self, node: Node, emit: Emitter) -> None:
        dtypes = tuple(i.type.dtype for i in node.inputs)
        emit.call(node, self._loop(dtypes, node.type.ndim), *node.inputs)

    def _loop(self, dtypes: tuple[str, ...], ndim: int) -> ScalarLoop:
        from ..codegen.cpu.scalar_loop import scalar_loop

        return scalar_loop(self.fn, dtypes, self.to, ndim)
