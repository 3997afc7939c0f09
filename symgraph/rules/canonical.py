"""Canonical forms: one spelling for equal expressions, and useless steps dropped.

A rule that returns an operand in place of the result does so only where both have the
same type: where broadcasting changes a shape, or checks one at run time, the step is
kept.
"""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..composite import Composite
from ..graph import Node, intern
from ..leaf import Constant
from ..op import Elemwise, Nested, Reduce
from ..ops.arithmetic import Abs, Divide, Negative, multiply
from ..ops.broadcasting import Sum
from ..ops.cast import Cast, cast
from ..ops.choice import Maximum, Minimum, Where
from ..ops.gradient import Marker
from ..ops.logic import Invert
from ..ops.powers import Power
from ..ops.slices import Pick, of_rounds
from ..ops.transcendental import sqrt
from ..ops.tuples import Item
from ..ops.view import ExpandDims, Squeeze, View, expand_dims
from ..rewrite import RuleSet, Seen, Uses, has_value, like
from ..types import is_float
from ..variable import Variable, constant

canonical = RuleSet("canonical")


def _if_same_type(x: Variable, node: Node) -> Variable | None:
    """`x` where it can stand for `node` as it is."""
    return x if x.type == node.type else None


# -- ops made of a graph ---------------------------------------------------------------


@canonical.rule(Composite, preserves="exact")
def inline(node: Node) -> Variable:
    """composite(x) -> its body"""
    assert isinstance(node.op, Composite)
    return node.op.expand(*(Variable(i) for i in node.inputs))


@canonical.rule(Marker, preserves="exact")
def unmarked(node: Node) -> Variable:
    """stop_gradient(x), grad_clip(x) -> x: gradients have been taken by now"""
    return Variable(node.inputs[0])


# -- loops ---------------------------------------------------------------------------


@canonical.rule(Pick, preserves="exact")
def last_row(node: Node) -> Variable | None:
    """kept[-1] -> the last carried value, where that is what a loop keeps

    Likewise for ``kept[:rounds][-1]`` of a loop that ends by a condition.
    """
    x, index = node.inputs
    last = isinstance(index.op, Constant) and int(index.op.data) == -1
    if not last or node.op.axis != 0:  # type: ignore[attr-defined]
        return None
    made = of_rounds(x)
    stack = made or x
    if not isinstance(stack.op, Item):
        return None
    loop = stack.inputs[0]
    assert isinstance(loop.op, Nested)
    return loop.op.last_row(loop, stack.op.number, made is not None)


# -- sums ------------------------------------------------------------------------------


@canonical.rule(lambda x: x + (-0.0), preserves="exact")
def add_negative_zero(x: Variable, node: Node) -> Variable | None:
    """x + -0.0 -> x"""
    return _if_same_type(x, node)


@canonical.rule(lambda x: x + 0, preserves="exact")
def add_zero(x: Variable, node: Node) -> Variable | None:
    """x + 0 -> x, on integers and bool"""
    return None if is_float(x.dtype) else _if_same_type(x, node)


@canonical.rule(lambda x: x + 0.0, preserves="rounding")
def add_positive_zero(x: Variable, node: Node) -> Variable | None:
    """x + 0.0 -> x, which keeps -0.0 where the sum is 0.0"""
    return _if_same_type(x, node)


@canonical.rule(lambda x: x - 0, preserves="exact")
def subtract_zero(x: Variable, node: Node) -> Variable | None:
    """x - 0 -> x"""
    return _if_same_type(x, node)


@canonical.rule(lambda x, y: x + -y, preserves="exact")
def add_negative(x: Variable, y: Variable) -> Variable:
    """x + -y -> x - y"""
    return x - y


@canonical.rule(lambda x, y: x - -y, preserves="exact")
def subtract_negative(x: Variable, y: Variable) -> Variable:
    """x - -y -> x + y"""
    return x + y


@canonical.rule(lambda x, y: -(x - y), preserves="rounding")
def negative_difference(x: Variable, y: Variable) -> Variable:
    """-(x - y) -> y - x, which gives 0.0 for -0.0 where x = y"""
    return y - x


# -- products --------------------------------------------------------------------------


@canonical.rule(lambda x: x * 1, preserves="exact")
def multiply_one(x: Variable, node: Node) -> Variable | None:
    """x * 1 -> x"""
    return _if_same_type(x, node)


@canonical.rule(lambda x: x * -1, preserves="exact")
def multiply_minus_one(x: Variable, node: Node) -> Variable | None:
    """x * -1 -> -x"""
    return -x if x.type == node.type else None


@canonical.rule(lambda x: x * 0, preserves="exact")
def multiply_zero(x: Variable, node: Node) -> Variable | None:
    """x * 0 -> 0, on integer scalars: a float may be NaN or infinite"""
    if is_float(x.dtype) or node.type.ndim:
        return None
    return constant(0, x.dtype)


@canonical.rule(lambda x: x / 1, preserves="exact")
def divide_one(x: Variable, node: Node) -> Variable | None:
    """x / 1 -> x"""
    return _if_same_type(x, node)


@canonical.rule(Divide, preserves="exact")
def divide_by_power_of_two(node: Node) -> Variable | None:
    """x / 2**k -> x * 2**-k: powers of two have exact reciprocals"""
    x, divisor = node.inputs
    if (
        not (isinstance(divisor.op, Constant) and divisor.op.small)
        or not divisor.op.data.size
    ):
        return None
    value = float(divisor.op.data.item())
    mantissa, exponent = np.frexp(value)
    if abs(mantissa) != 0.5 or abs(exponent) > 100:
        return None
    reciprocal = np.reshape(1 / divisor.op.data, divisor.op.shape)
    return multiply(Variable(x), constant(reciprocal, node.type.dtype))


@canonical.rule(lambda x, y: -x * y, preserves="exact")
def multiply_negative(x: Variable, y: Variable) -> Variable:
    """-x * y -> -(x * y)"""
    return -(x * y)


@canonical.rule(lambda x, y: -x / y, preserves="exact")
def divide_negative(x: Variable, y: Variable) -> Variable:
    """-x / y -> -(x / y)"""
    return -(x / y)


@canonical.rule(lambda x, y: x / -y, preserves="exact")
def divide_by_negative(x: Variable, y: Variable) -> Variable:
    """x / -y -> -(x / y)"""
    return -(x / y)


@canonical.rule(Power, preserves="exact")
def power_one(node: Node) -> Variable | None:
    """x ** 1.0 -> x"""
    x, exponent = node.inputs
    return _if_same_type(Variable(x), node) if has_value(exponent, 1) else None


@canonical.rule(Power, preserves="rounding")
def power_two(node: Node) -> Variable | None:
    """x ** 2.0 -> x * x"""
    x, exponent = node.inputs
    if not has_value(exponent, 2) or x.type != node.type:
        return None
    return Variable(x) * Variable(x)


@canonical.rule(Power, preserves="special_values")
def power_half(node: Node) -> Variable | None:
    """x ** 0.5 -> sqrt(x), which is NaN at -inf"""
    x, exponent = node.inputs
    if not has_value(exponent, 0.5) or x.type != node.type:
        return None
    return sqrt(Variable(x))


# -- one operand -----------------------------------------------------------------------


@canonical.rule(lambda x: like(Negative, -x), preserves="exact")
def negative_negative(x: Variable) -> Variable:
    """-(-x) -> x"""
    return x


@canonical.rule(lambda x: like(Invert, like(Invert, x)), preserves="exact")
def invert_invert(x: Variable) -> Variable:
    """~~x -> x"""
    return x


@canonical.rule(lambda x: like(Abs, like(Abs, x, name="inner")), preserves="exact")
def abs_abs(inner: Node) -> Node:
    """abs(abs(x)) -> abs(x)"""
    return inner


@canonical.rule(lambda x: like(Abs, -x), preserves="exact")
def abs_negative(x: Variable) -> Variable:
    """abs(-x) -> abs(x)"""
    return abs(x)


@canonical.rule(Cast, preserves="exact")
def useless_cast(node: Node) -> Node | None:
    """cast(x, dtype of x) -> x"""
    (x,) = node.inputs
    return x if x.type.dtype == node.type.dtype else None


@canonical.rule(lambda x: like(Cast, like(Cast, x)), preserves="exact")
def cast_of_cast(x: Variable, node: Node) -> Variable | None:
    """cast(cast(x, wider), to) -> cast(x, to), where the first step loses nothing"""
    between = node.inputs[0].type.dtype
    return cast(x, node.type.dtype) if lossless(x.dtype, between) else None


def lossless(source: str, to: str) -> bool:
    """Whether every value of dtype `source` is a value of dtype `to`."""
    a, b = np.dtype(source), np.dtype(to)
    if a.kind == "b" or a == b:
        return True
    if b.kind == "b" or (a.kind == "f" and b.kind != "f"):
        return False
    if b.kind == "f" and a.kind in "iu":
        return a.itemsize * 8 <= np.finfo(b).nmant + 1
    if a.kind == "i" and b.kind == "u":
        return False
    return b.itemsize > a.itemsize


# -- choice ----------------------------------------------------------------------------


@canonical.rule(lambda x: like(Maximum, x, x), preserves="exact")
def maximum_same(x: Variable) -> Variable:
    """maximum(x, x) -> x"""
    return x


@canonical.rule(lambda x: like(Minimum, x, x), preserves="exact")
def minimum_same(x: Variable) -> Variable:
    """minimum(x, x) -> x"""
    return x


@canonical.rule(Where, preserves="exact")
def where_known(node: Node) -> Variable | None:
    """where(True, a, b) -> a; where(False, a, b) -> b"""
    condition, a, b = node.inputs
    if has_value(condition, 1):
        return _if_same_type(Variable(a), node)
    return _if_same_type(Variable(b), node) if has_value(condition, 0) else None


@canonical.rule(lambda c, x: like(Where, c, x, x), preserves="exact")
def where_same(x: Variable, node: Node) -> Variable | None:
    """where(c, x, x) -> x"""
    return _if_same_type(x, node)


@canonical.rule(lambda c, x, y: like(Where, like(Invert, c), x, y), preserves="exact")
def where_inverted(c: Variable, x: Variable, y: Variable) -> Node:
    """where(~c, x, y) -> where(c, y, x)"""
    return intern(Where(), (c.node, y.node, x.node))


# -- views and sums --------------------------------------------------------------------


@canonical.rule(View, preserves="exact")
def view_of_negative(node: Node) -> Variable | None:
    """view(-x) -> -view(x), for transpose, slice, broadcast_to, ..."""
    x, *rest = node.inputs
    if not isinstance(x.op, Negative):
        return None
    return -Variable(intern(node.op, (x.inputs[0], *rest), node.site))


@canonical.rule(lambda x: like(Sum, -x), preserves="rounding")
def sum_of_negative(x: Variable, node: Node) -> Variable:
    """sum(-x) -> -sum(x), which gives -0.0 for 0.0"""
    return -Variable(intern(node.op, (x.node,), node.site))


# -- axes of size 1 --------------------------------------------------------------------


@canonical.rule(lambda x: like(Squeeze, like(ExpandDims, x)), preserves="exact")
def squeeze_of_expand_dims(x: Variable, node: Node) -> Variable | None:
    """squeeze(expand_dims(x, a), a) -> x"""
    same = node.op.axes == node.inputs[0].op.axes  # type: ignore[attr-defined]
    return x if same else None


@canonical.rule(lambda x: like(ExpandDims, like(Squeeze, x)), preserves="exact")
def expand_dims_of_squeeze(x: Variable, node: Node) -> Variable | None:
    """expand_dims(squeeze(x, a), a) -> x, where size 1 is known"""
    same = node.op.axes == node.inputs[0].op.axes  # type: ignore[attr-defined]
    return _if_same_type(x, node) if same else None


@canonical.rule(lambda x: like(ExpandDims, like(ExpandDims, x)), preserves="exact")
def expand_dims_twice(x: Variable, node: Node) -> Variable:
    """expand_dims(expand_dims(x, a), b) -> expand_dims(x, both)"""
    outer: tuple[int, ...] = node.op.axes  # type: ignore[attr-defined]
    inner: tuple[int, ...] = node.inputs[0].op.axes  # type: ignore[attr-defined]
    old = [k for k in range(node.type.ndim) if k not in outer]
    return expand_dims(x, (*outer, *(old[k] for k in inner)))


@canonical.rule(ExpandDims, preserves="exact")
def kept_reduction(node: Node, uses: Uses) -> Node | None:
    """expand_dims(reduce(x, a), a) -> reduce(x, a, keepdims=True)"""
    (inner,) = node.inputs
    op = inner.op
    if not isinstance(op, Reduce) or op.keepdims or uses(inner) > 1:
        return None
    if op.axes != node.op.axes:  # type: ignore[attr-defined]
        return None
    return intern(replace(op, keepdims=True), inner.inputs, inner.site)  # type: ignore[type-var]


@canonical.rule(Squeeze, preserves="exact")
def dropped_reduction(node: Node, uses: Uses) -> Node | None:
    """squeeze(reduce(x, a, keepdims=True), a) -> reduce(x, a)"""
    (inner,) = node.inputs
    op = inner.op
    if not isinstance(op, Reduce) or not op.keepdims or uses(inner) > 1:
        return None
    if op.axes != node.op.axes:  # type: ignore[attr-defined]
        return None
    return intern(replace(op, keepdims=False), inner.inputs, inner.site)  # type: ignore[type-var]


# -- order -----------------------------------------------------------------------------


@canonical.rule(Elemwise, preserves="exact")
def scalar_constant(node: Node) -> Node | None:
    """x + [[c]] -> x + c, where the shape is the same: patterns look for scalars"""
    for place, operand in enumerate(node.inputs):
        if isinstance(operand.op, Constant) and operand.op.small and operand.type.ndim:
            scalar = (
                constant(operand.op.data.reshape(())) if operand.op.data.size else None
            )
            if scalar is None:
                continue
            inputs = (*node.inputs[:place], scalar.node, *node.inputs[place + 1 :])
            made = intern(node.op, inputs, node.site)
            if made.type == node.type:
                return made
    return None


@canonical.rule(Elemwise, preserves="exact")
def constant_last(node: Node) -> Node | None:
    """c + x -> x + c, for commutative ops and constants c"""
    if not node.op.commutative or len(node.inputs) != 2:  # type: ignore[attr-defined]
        return None
    a, b = node.inputs
    if not isinstance(a.op, Constant) or isinstance(b.op, Constant):
        return None
    return intern(node.op, (b, a), node.site)


@canonical.rule(Elemwise, preserves="exact")
def one_order(node: Node, seen: Seen) -> Node | None:
    """b + a -> a + b, for commutative ops, where a + b is in the graph"""
    if not node.op.commutative or len(node.inputs) != 2:  # type: ignore[attr-defined]
        return None
    return seen(node.op, node.inputs[::-1])
