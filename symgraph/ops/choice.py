"""Choosing between values: where, minimum, maximum and their kin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from .. import dims
from ..codegen import ir
from ..dims import Size
from ..errors import ShapeError
from ..graph import Node
from ..op import Array, Elemwise, broadcast, op
from ..types import FLOATS, INTEGERS, TensorType, tensor
from ..variable import Variable, apply, as_tensor, promote
from .cast import cast
from .common import Grads, each_part, refuse
from .comparison import equal, isnan, less
from .elementwise import Binary

__all__ = [
    "Maximum",
    "Minimum",
    "Where",
    "clip",
    "fmax",
    "fmin",
    "heaviside",
    "maximum",
    "minimum",
    "select",
    "switch",
    "where",
]


@op
class Minimum(Binary):
    """The smaller of a and b; NaN where either is NaN."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.minimum(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return _shared_at_ties(g, y, a, b)

    def dim(self, a: Size, b: Size) -> Size:
        return dims.minimum(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a & b if a.dtype == "bool" else ir.apply("min", a, b)


@op
class Maximum(Binary):
    """The larger of a and b; NaN where either is NaN."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.maximum(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return _shared_at_ties(g, y, a, b)

    def dim(self, a: Size, b: Size) -> Size:
        return dims.maximum(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a | b if a.dtype == "bool" else ir.apply("max", a, b)


def _shared_at_ties(g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
    """The cotangent to whichever operand was chosen, half to each where they tie."""
    half = where(equal(a, b), g * 0.5, g)
    return where(equal(a, y), half, 0), where(equal(b, y), half, 0)


def minimum(a: object, b: object) -> Variable:
    """Elementwise minimum; at ties the gradient is shared equally."""
    return apply(Minimum(), *promote(a, b))


def maximum(a: object, b: object) -> Variable:
    """Elementwise maximum; at ties the gradient is shared equally."""
    return apply(Maximum(), *promote(a, b))


@op
class Where(Elemwise):
    """a where the condition holds, else b."""

    parts = each_part

    def infer(self, *inputs: Node) -> TensorType:
        shape = broadcast(*(i.type.dims for i in inputs))
        return tensor(inputs[1].type.dtype, shape)

    def ref(self, condition: Array, a: Array, b: Array) -> Array:
        return np.where(condition, a, b)

    def vjp(
        self, g: Variable, y: Variable, c: Variable, a: Variable, b: Variable
    ) -> Grads:
        return None, where(c, g, 0), where(c, 0, g)

    def scalar(self, c: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
        return ir.select(c, a, b)


def where(condition: object, a: object, b: object) -> Variable:
    """Elementwise `a` where `condition` holds, else `b`; both are evaluated."""
    (chosen,) = promote(condition, to="bool")
    return apply(Where(), chosen, *promote(a, b))


def switch(condition: object, ift: object, iff: object) -> Variable:
    """:func:`where` as PyTensor calls it: both are evaluated, and one taken.

    What must not be evaluated where it is not taken is for ``ifelse``.

    >>> import symgraph as sg
    >>> x = sg.dvector("x")
    >>> sg.switch(x > 0, x, 0).eval({x: [-1.0, 2.0]})
    array([0., 2.])
    """
    return where(condition, ift, iff)


def fmax(a: object, b: object) -> Variable:
    """Elementwise maximum that takes the other operand where one is NaN."""
    x, y = promote(a, b)
    if x.dtype not in FLOATS:
        return maximum(x, y)
    return where(isnan(x), y, maximum(x, where(isnan(y), x, y)))


def fmin(a: object, b: object) -> Variable:
    """Elementwise minimum that takes the other operand where one is NaN."""
    x, y = promote(a, b)
    if x.dtype not in FLOATS:
        return minimum(x, y)
    return where(isnan(x), y, minimum(x, where(isnan(y), x, y)))


def select(
    condlist: Sequence[object], choicelist: Sequence[object], default: object = 0
) -> Variable:
    """Elementwise the choice of the first condition that holds, or `default`.

    Raises:
        ShapeError: not as many choices as conditions.
    """
    if len(condlist) != len(choicelist) or not condlist:
        refuse(
            ShapeError,
            f"select: {len(choicelist)} choices for {len(condlist)} conditions",
            remedy="give each condition its choice, and one at least",
        )
    *choices, otherwise = promote(*choicelist, default)
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        otherwise = where(condition, choice, otherwise)
    return otherwise


def clip(x: object, min: object = None, max: object = None) -> Variable:
    """Elementwise ``minimum(maximum(x, min), max)``: `x` held between the bounds.

    Either bound may be None, and each may be a number or an array that broadcasts; the
    result has the dtype of all three.  Where they cross, the result is `max`.  Python
    integers beyond the range of an integer dtype of `x` bound nothing.  The gradient
    goes to `x` within the bounds, to a bound outside of it, and half to each where they
    are equal.

    >>> clip(as_tensor([-3.0, 0.5, 7.0]), 0, 1).eval()
    array([0. , 0.5, 1. ])
    """
    value = as_tensor(x)
    if value.dtype in INTEGERS:
        limits = np.iinfo(value.dtype)
        if isinstance(min, int) and min < limits.min:
            min = None
        if isinstance(max, int) and max > limits.max:
            max = None
    if min is not None:
        value = maximum(value, min)
    return value if max is None else minimum(value, max)


def heaviside(x: object, at_zero: object) -> Variable:
    """Elementwise step: 0 below 0, `at_zero` at 0, 1 above; NaN stays.

    The gradient is 0 to `x`, and goes to `at_zero` where `x` is 0.
    """
    position, middle = promote(x, at_zero, to="float")
    step = cast(less(0, position), position.dtype)
    outside = where(isnan(position), np.nan, step)
    return where(equal(position, 0), middle, outside)
