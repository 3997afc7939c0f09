"""Ops that are there for differentiation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..codegen import ir
from ..errors import DTypeError
from ..graph import Node
from ..leaf import Leaf
from ..op import Array, Elemwise, Opaque, op
from ..types import TensorType, is_differentiable
from ..variable import Variable, apply, as_tensor
from .broadcasting import stacked
from .choice import maximum, minimum
from .common import Flags, Grads, each_part, refuse
from .create import Full
from .view import View

if TYPE_CHECKING:
    from ..lower import Emitter

__all__ = [
    "Barrier",
    "GradClip",
    "Marker",
    "StopGradient",
    "grad_clip",
    "stop_gradient",
]


class Marker(Elemwise):
    """x itself: only differentiation looks at it."""

    parts = each_part

    def ref(self, x: Array) -> Array:
        return x

    def scalar(self, x: ir.Value) -> ir.Value:
        return x


@op
class StopGradient(Marker):
    """x itself, through which no gradient passes."""

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (None,)


def stop_gradient(x: object) -> Variable:
    """`x`, taken as a constant by differentiation."""
    return apply(StopGradient(), as_tensor(x))


@op
class GradClip(Marker):
    """x itself; the gradient that passes is clipped to ``[low, high]``."""

    low: float
    high: float

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (minimum(maximum(g, self.low), self.high),)

    def jvp(
        self, y: Variable, xs: Sequence[Variable], ts: Sequence[Variable | None]
    ) -> Variable | None:
        # Clipping is meant for what is accumulated on the way back.
        return ts[0]


def grad_clip(x: object, low: float, high: float) -> Variable:
    """`x`; each element of its gradient is clipped to ``[low, high]`` in reverse mode.

    The gradient is what reaches this place in the graph, summed over its users; NaN
    stays NaN.  Tangents (forward mode) pass as they are.

    Raises:
        DTypeError: `x` is not of a float type.

    >>> import symgraph as sg
    >>> x = sg.dscalar("x")
    >>> sg.grad(10 * sg.grad_clip(x, -1, 1), x).eval({x: 3.0})
    np.float64(1.0)
    """
    value = as_tensor(x)
    if not is_differentiable(value.dtype):
        refuse(
            DTypeError,
            "grad_clip: no gradient passes through this dtype",
            value,
            remedy="cast it to a float type",
        )
    return apply(GradClip(float(low), float(high)), value)


@op
class Barrier(Opaque):
    """x itself, but not before `after` is known: inputs x and `after`.

    What is computed from it is another value to the compiler than the same computed
    from x, and cannot be moved up: a checkpoint is computed again behind one.
    """

    parts = each_part

    aliases: ClassVar[bool] = True

    def infer(self, *inputs: Node) -> TensorType:
        return inputs[0].type

    def ref(self, x: Array, after: Array) -> Array:
        return np.asarray(x)

    def vjp(self, g: Variable, y: Variable, x: Variable, after: Variable) -> Grads:
        return g, None

    def jvp(
        self, y: Variable, xs: Sequence[Variable], ts: Sequence[Variable | None]
    ) -> Variable | None:
        return ts[0]

    def batch(self, batched: Flags, x: Variable, after: Variable) -> Variable:
        return apply(self, stacked(batched, x, after)[0], after)

    def data(self, *inputs: Node) -> tuple[Node, ...]:
        """What is waited for is what `after` is a view of, if that is computed."""
        x, after = inputs
        while isinstance(after.op, View | Full):
            after = after.inputs[0]
        return (x,) if isinstance(after.op, Leaf) else (x, after)

    def steps(self, node: Node, emit: Emitter) -> None:
        emit.alias(node, node.inputs[0])
