"""Sums, products and powers: constants collected, what cancels dropped."""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..graph import Node
from ..leaf import Constant
from ..ops.arithmetic import Abs, Add, Divide, Multiply, Subtract, divide
from ..ops.choice import where
from ..ops.comparison import less
from ..ops.create import full
from ..ops.powers import OnesLike, Power, power
from ..ops.softmax import Softmax
from ..ops.transcendental import Exp, Sigmoid, sin, sqrt, tanh
from ..rewrite import RuleSet, like
from ..types import is_float
from ..variable import Variable, apply, constant

algebra = RuleSet("algebra")


def _scalar(node: Node) -> Any:
    """The value of a constant without axes."""
    op = node.op
    return op.data[()] if isinstance(op, Constant) and not op.data.ndim else None


def _filled(node: Node, value: float) -> Variable:
    """`value` in the shape and dtype of `node`'s first operand, which has its type."""
    made = constant(value, node.type.dtype)
    return made if not node.type.ndim else full(Variable(node.inputs[0]).shape, made)


def _usable(value: Any) -> bool:
    """Whether a collected constant is an ordinary number: no overflow, no underflow."""
    size = abs(float(value))
    return math.isfinite(size) and size >= float(np.finfo(value.dtype).tiny)


# -- constants in sums -----------------------------------------------------------------


def _terms(node: Node) -> tuple[bool, Node, Any] | None:
    """`node` as (whether x is subtracted, x, c): x + c, x - c or c - x."""
    if not isinstance(node.op, Add | Subtract):
        return None
    a, b = node.inputs
    right, left = _scalar(b), _scalar(a)
    if right is not None and left is None:
        return False, a, right if isinstance(node.op, Add) else -right
    if left is not None and right is None:
        return isinstance(node.op, Subtract), b, left
    return None


def _collected_sum(node: Node) -> Variable | None:
    """c - (d - x), (x + c) + d, ... with one constant.

    On floats only where the constants add up: (x + c) - c rounds x to multiples of c's
    last place, and people write it for that.
    """
    outer = _terms(node)
    inner = None if outer is None else _terms(outer[1])
    if outer is None or inner is None or node.type.dtype == "bool":
        return None
    negative, _, second = outer
    with np.errstate(all="ignore"):
        total = second - inner[2] if negative else second + inner[2]
    if is_float(node.type.dtype) and not (
        max(abs(second), abs(inner[2])) <= abs(total) < math.inf
    ):
        return None
    made = constant(total, node.type.dtype)
    x = Variable(inner[1])
    return made - x if negative != inner[0] else x + made


@algebra.rule(Add, preserves="rounding")
def constants_of_sum(node: Node) -> Variable | None:
    """(x + c) + d -> x + (c + d), for numbers c and d; likewise (c - x) + d"""
    return _collected_sum(node)


@algebra.rule(Subtract, preserves="rounding")
def constants_of_difference(node: Node) -> Variable | None:
    """(x + c) - d -> x + (c - d), for numbers c and d; likewise d - (x + c), ..."""
    return _collected_sum(node)


# -- constants in products -------------------------------------------------------------


def _factors(node: Node) -> tuple[bool, Node, Any] | None:
    """`node` as (whether x divides, x, c): x * c, x / c or c / x."""
    if not isinstance(node.op, Multiply | Divide):
        return None
    a, b = node.inputs
    right, left = _scalar(b), _scalar(a)
    if isinstance(node.op, Multiply):
        return (False, a, right) if right is not None and left is None else None
    return (True, b, left) if left is not None and right is None else None


@algebra.rule(Multiply, preserves="special_values")
def constants_of_product(node: Node) -> Variable | None:
    """(x * c) * d -> x * (c * d), for numbers c and d; likewise (c / x) * d

    On floats an intermediate result may have overflown or vanished.
    """
    outer = _factors(node)
    inner = None if outer is None else _factors(outer[1])
    if outer is None or inner is None or node.type.dtype == "bool":
        return None
    with np.errstate(all="ignore"):
        factor = outer[2] * inner[2]
    if is_float(node.type.dtype) and not _usable(factor):
        return None
    x, made = Variable(inner[1]), constant(factor, node.type.dtype)
    return made / x if inner[0] else x * made


@algebra.rule(Divide, preserves="special_values")
def constants_of_quotient(node: Node) -> Variable | None:
    """d / (x * c) -> (d / c) / x, for numbers c and d; likewise d / (c / x)"""
    outer = _factors(node)
    inner = None if outer is None else _factors(outer[1])
    if outer is None or inner is None:
        return None
    with np.errstate(all="ignore"):
        factor = outer[2] / inner[2]
    if not _usable(factor):
        return None
    x, made = Variable(inner[1]), constant(factor, node.type.dtype)
    return x * made if inner[0] else made / x


# -- what cancels ----------------------------------------------------------------------


@algebra.rule(lambda x: x - x, preserves="special_values")
def difference_of_same(x: Variable, node: Node) -> Variable | None:
    """x - x -> 0, where x may be infinite or NaN"""
    return _filled(node, 0)


@algebra.rule(lambda x: like(Divide, x, x), preserves="special_values")
def ratio_of_same(x: Variable, node: Node) -> Variable | None:
    """p / p -> 1, for p = exp(x), sigmoid(x), softmax(x), which may vanish or overflow

    Not for any x: 0 / 0 is NaN, and says so.
    """
    return _filled(node, 1) if isinstance(x.op, Exp | Sigmoid | Softmax) else None


@algebra.rule(lambda x, y: (x + y) - y, preserves="special_values")
def sum_less_term(x: Variable, y: Variable, node: Node) -> Variable | None:
    """(x + y) - y -> x, on integers"""
    return x if not is_float(x.dtype) and x.type == node.type else None


@algebra.rule(lambda x, y: (x - y) + y, preserves="special_values")
def difference_plus_term(x: Variable, y: Variable, node: Node) -> Variable | None:
    """(x - y) + y -> x, on integers"""
    return x if not is_float(x.dtype) and x.type == node.type else None


# -- powers ----------------------------------------------------------------------------

#: Larger exponents are left to `pow`, whose error does not grow with them.
LARGEST = 8


@algebra.rule(Power, preserves="exact")
def power_zero(node: Node) -> Variable | None:
    """x ** 0 -> 1, for NaN too"""
    x, exponent = node.inputs
    if _scalar(exponent) != 0 or x.type != node.type:
        return None
    return apply(OnesLike(), Variable(x))


@algebra.rule(Power, preserves="special_values")
def power_whole(node: Node) -> Variable | None:
    """x ** n -> products, by squaring, for whole n up to 8; 1 / x**n for negative n"""
    x, exponent = node.inputs
    value = _scalar(exponent)
    if value is None or not is_float(x.type.dtype) or x.type != node.type:
        return None
    whole = float(value).is_integer() and 2 < abs(float(value)) <= LARGEST
    return power(Variable(x), int(value)) if whole or value in (-1, -2) else None


@algebra.rule(Power, preserves="special_values")
def power_half_more(node: Node) -> Variable | None:
    """x ** 1.5 -> x * sqrt(x), and x ** -0.5 -> 1 / sqrt(x), NaN at -inf"""
    x, exponent = node.inputs
    value, base = _scalar(exponent), Variable(x)
    if value not in (1.5, -0.5) or x.type != node.type:
        return None
    return base * sqrt(base) if value == 1.5 else divide(1, sqrt(base))


@algebra.rule(lambda x: sqrt(x) * sqrt(x), preserves="rounding")
def square_of_root(x: Variable) -> Variable:
    """sqrt(x) * sqrt(x) -> where(x >= 0, x, nan)"""
    return where(less(x, 0), math.nan, x)


# -- signs -----------------------------------------------------------------------------


@algebra.rule(lambda x: like(Abs, x) * like(Abs, x), preserves="exact")
def square_of_abs(x: Variable) -> Variable:
    """abs(x) * abs(x) -> x * x"""
    return x * x


@algebra.rule(lambda x: like(Abs, x * x), preserves="exact")
def abs_of_square(x: Variable) -> Variable | None:
    """abs(x * x) -> x * x, on floats: integers wrap around"""
    return x * x if is_float(x.dtype) else None


@algebra.rule(Abs, preserves="exact")
def abs_of_positive(node: Node) -> Node | None:
    """abs(exp(x)) -> exp(x); likewise of sigmoid and softmax"""
    (x,) = node.inputs
    return x if isinstance(x.op, Exp | Sigmoid | Softmax) else None


@algebra.rule(lambda x: tanh(-x), preserves="rounding")
def tanh_of_negative(x: Variable) -> Variable:
    """tanh(-x) -> -tanh(x)"""
    return -tanh(x)


@algebra.rule(lambda x: sin(-x), preserves="rounding")
def sin_of_negative(x: Variable) -> Variable:
    """sin(-x) -> -sin(x)"""
    return -sin(x)
