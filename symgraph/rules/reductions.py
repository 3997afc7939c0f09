"""Reductions: of one element, of reductions, of scaled, filled and joined arrays."""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import numpy as np

from ..dims import product
from ..graph import Node, intern
from ..leaf import Constant
from ..op import Reduce
from ..ops.arithmetic import Divide, Multiply, add
from ..ops.broadcasting import Sum
from ..ops.choice import maximum, minimum
from ..ops.create import Full, full
from ..ops.join import Concatenate
from ..ops.reduce import All, Any, Max, Min, Prod
from ..ops.view import squeeze
from ..rewrite import RuleSet
from ..types import is_float
from ..variable import Variable, constant

reductions = RuleSet("reductions")


def _over(op: Reduce, x: Node) -> Variable:
    """`op` applied to another operand."""
    return Variable(intern(op, (x,)))


@reductions.rule(Reduce, preserves="rounding")
def reduction_of_one(node: Node) -> Variable | None:
    """reduce(x, axes) -> x without the axes, where their sizes are known to be 1"""
    op, (x,) = node.op, node.inputs
    if not isinstance(op, Sum | Prod | Max | Min | All | Any) or not op.axes:
        return None
    if any(x.type.dims[axis] != 1 for axis in op.axes):
        return None
    return Variable(x) if op.keepdims else squeeze(Variable(x), op.axes)


@reductions.rule(Reduce, preserves="special_values")
def nested_reduction(node: Node) -> Variable | None:
    """reduce(reduce(x, a), b) -> reduce(x, both), for the same reduction"""
    op, (inner,) = node.op, node.inputs
    if not isinstance(op, Sum | Prod | Max | Min | All | Any):
        return None
    if type(inner.op) is not type(op) or inner.op.keepdims != op.keepdims:
        return None
    first: tuple[int, ...] = inner.op.axes
    (x,) = inner.inputs
    left = [k for k in range(x.type.ndim) if op.keepdims or k not in first]
    axes = {*first, *(left[k] for k in op.axes)}
    return _over(replace(op, axes=tuple(sorted(axes))), x)


def _number(node: Node) -> float | None:
    """The value of a constant without axes."""
    op = node.op
    return float(op.data) if isinstance(op, Constant) and not op.data.ndim else None


@reductions.rule(Sum, preserves="rounding")
def sum_of_multiple(node: Node) -> Variable | None:
    """sum(x * c) -> sum(x) * c, for a number c of at least 1 or on integers

    A smaller one may be what keeps the sum from overflowing.
    """
    op, (x,) = node.op, node.inputs
    assert isinstance(op, Sum)
    if not isinstance(x.op, Multiply) or x.inputs[0].type != x.type:
        return None
    factor = _number(x.inputs[1])
    if factor is None or x.type.dtype == "bool":
        return None
    if is_float(x.type.dtype) and not 1 <= abs(factor) < np.inf:
        return None
    return _over(op, x.inputs[0]) * Variable(x.inputs[1])


@reductions.rule(Sum, preserves="rounding")
def sum_of_quotient(node: Node) -> Variable | None:
    """sum(x / c) -> sum(x) / c, for a number c of at most 1: see sum_of_multiple"""
    op, (x,) = node.op, node.inputs
    assert isinstance(op, Sum)
    if not isinstance(x.op, Divide) or x.inputs[0].type != x.type:
        return None
    divisor = _number(x.inputs[1])
    if divisor is None or not 0 < abs(divisor) <= 1:
        return None
    return _over(op, x.inputs[0]) / Variable(x.inputs[1])


# -- of one value everywhere -----------------------------------------------------------


@reductions.rule(Sum, preserves="rounding")
def sum_of_full(node: Node) -> Variable | None:
    """sum(full(c, shape), axes) -> full(c * count, rest), c a number"""
    op, (x,) = node.op, node.inputs
    assert isinstance(op, Sum)
    if not isinstance(x.op, Full) or node.type.dtype == "bool":
        return None
    count = product(tuple(x.type.dims[k] for k in op.axes))
    value = _number(x.inputs[0])
    if value is None or not np.isfinite(value) or not isinstance(count, int):
        return None
    if not all(isinstance(d, int) for d in node.type.dims):
        return None
    made = Variable(x.inputs[0]) * constant(count, node.type.dtype)
    return full(node.type.dims, made) if node.type.ndim else made


@reductions.rule(Reduce, preserves="exact")
def extreme_of_full(node: Node) -> Variable | None:
    """max(full(v, shape), axes) -> full(v, rest), for known sizes, none of them 0"""
    op, (x,) = node.op, node.inputs
    if not isinstance(op, Max | Min | All | Any) or not isinstance(x.op, Full):
        return None
    if not all(isinstance(d, int) and d > 0 for d in x.type.dims):
        return None
    value = Variable(x.inputs[0])
    return full(node.type.dims, value) if node.type.ndim else value


# -- of joined arrays ------------------------------------------------------------------


@reductions.rule(Reduce, preserves="special_values")
def reduction_of_join(node: Node) -> Variable | None:
    """sum(concatenate(a, b)) -> sum(a) + sum(b), along the axis of the join

    Likewise for maxima and minima of parts that are known not to be empty.
    """
    op, (x,) = node.op, node.inputs
    if not isinstance(op, Sum | Max | Min) or not isinstance(x.op, Concatenate):
        return None
    axis = x.op.axis
    if axis not in op.axes or x.type.dtype == "bool":
        return None
    rest = [d for k, d in enumerate(x.type.dims) if k != axis]
    for part in x.inputs:
        if [d for k, d in enumerate(part.type.dims) if k != axis] != rest:
            return None
        size = part.type.dims[axis]
        if not isinstance(op, Sum) and not (isinstance(size, int) and size > 0):
            return None
    combine = (
        add if isinstance(op, Sum) else maximum if isinstance(op, Max) else minimum
    )
    return reduce(combine, [_over(op, part) for part in x.inputs])
