"""Differences that cancel, quotients that overflow, and masks that let NaN through."""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

import numpy as np

from ..graph import Node
from ..leaf import Constant
from ..ops.arithmetic import abs
from ..ops.choice import Where, where
from ..ops.stable import cosm1, hypot, sqrt1pm1
from ..ops.transcendental import cos, log, sin, sqrt
from ..rewrite import RuleSet, has_value, like
from ..types import is_float
from ..variable import Variable

cancel = RuleSet("cancel")


def _finite_scalar(node: Node) -> bool:
    """Whether `node` is a constant number, neither infinite nor NaN."""
    op = node.op
    return isinstance(op, Constant) and op.data.ndim == 0 and bool(np.isfinite(op.data))


# -- roots -----------------------------------------------------------------------------


@cancel.rule(lambda x: sqrt(1 + x) - 1, preserves="rounding")
def root_minus_one(x: Variable) -> Variable:
    """sqrt(1 + x) - 1 -> sqrt1pm1(x), which is x / (sqrt(1 + x) + 1) near 0"""
    return sqrt1pm1(x)


@cancel.rule(lambda x: sqrt(1 + x) + -1.0, preserves="rounding")
def root_plus_minus_one(x: Variable) -> Variable:
    """sqrt(1 + x) + -1 -> sqrt1pm1(x)"""
    return sqrt1pm1(x)


@cancel.rule(lambda x: 1 - sqrt(1 + x), preserves="rounding")
def one_minus_root(x: Variable) -> Variable:
    """1 - sqrt(1 + x) -> -sqrt1pm1(x)"""
    return -sqrt1pm1(x)


@cancel.rule(lambda x: 1 - sqrt(1 - x), preserves="rounding")
def one_minus_root_of_difference(x: Variable) -> Variable:
    """1 - sqrt(1 - x) -> -sqrt1pm1(-x)"""
    return -sqrt1pm1(-x)


@cancel.rule(lambda x, c: sqrt(x + c) - sqrt(x), preserves="special_values")
def difference_of_roots(x: Variable, c: Variable) -> Variable | None:
    """sqrt(x + c) - sqrt(x) -> c / (sqrt(x + c) + sqrt(x)), for a constant c"""
    return c / (sqrt(x + c) + sqrt(x)) if _finite_scalar(c.node) else None


@cancel.rule(lambda x: sqrt(x * x), preserves="special_values")
def root_of_square(x: Variable) -> Variable:
    """sqrt(x * x) -> abs(x), where x * x may overflow or vanish"""
    return abs(x)


@cancel.rule(lambda x, y: sqrt(x * x + y * y), preserves="special_values")
def root_of_two_squares(x: Variable, y: Variable) -> Variable:
    """sqrt(x * x + y * y) -> hypot(x, y), where squares may overflow or vanish"""
    return hypot(x, y)


@cancel.rule(lambda x: log(sqrt(x)), preserves="rounding")
def log_of_root(x: Variable) -> Variable:
    """log(sqrt(x)) -> log(x) / 2"""
    return log(x) * 0.5


# -- squares and reciprocals -----------------------------------------------------------


@cancel.rule(lambda x, y: x * x - y * y, preserves="special_values")
def difference_of_squares(x: Variable, y: Variable) -> Variable | None:
    """x * x - y * y -> (x - y) * (x + y), on floats: squares may overflow"""
    return (x - y) * (x + y) if is_float(x.dtype) else None


@cancel.rule(lambda x, c: 1 / x - 1 / (x + c), preserves="special_values")
def difference_of_reciprocals(x: Variable, c: Variable) -> Variable | None:
    """1 / x - 1 / (x + c) -> 1 / x * (c / (x + c)), for a constant c"""
    return 1 / x * (c / (x + c)) if _finite_scalar(c.node) else None


# -- trigonometry ----------------------------------------------------------------------


@cancel.rule(lambda x: cos(x) - 1, preserves="rounding")
def cos_minus_one(x: Variable) -> Variable:
    """cos(x) - 1 -> cosm1(x), -2 sin(x / 2)**2"""
    return cosm1(x)


@cancel.rule(lambda x: cos(x) + -1.0, preserves="rounding")
def cos_plus_minus_one(x: Variable) -> Variable:
    """cos(x) + -1 -> cosm1(x)"""
    return cosm1(x)


@cancel.rule(lambda x: 1 - cos(x), preserves="rounding")
def one_minus_cos(x: Variable) -> Variable:
    """1 - cos(x) -> -cosm1(x)"""
    return -cosm1(x)


@cancel.rule(lambda x: 1 - cos(x) * cos(x), preserves="rounding")
def one_minus_square_of_cos(x: Variable) -> Variable:
    """1 - cos(x)**2 -> sin(x)**2"""
    return sin(x) * sin(x)


@cancel.rule(lambda x: 1 - sin(x) * sin(x), preserves="rounding")
def one_minus_square_of_sin(x: Variable) -> Variable:
    """1 - sin(x)**2 -> cos(x)**2"""
    return cos(x) * cos(x)


# -- quotients -------------------------------------------------------------------------


@cancel.rule(lambda x, y: (x / y) * y, preserves="special_values")
def product_of_quotient(x: Variable, node: Node) -> Variable | None:
    """x / y * y -> x, where y may be 0: the gradient of log(f(x)) is full of these"""
    return x if x.type == node.type else None


@cancel.rule(lambda x, y: (x * y) / y, preserves="special_values")
def quotient_of_product(x: Variable, node: Node) -> Variable | None:
    """x * y / y -> x, where y may be 0"""
    return x if x.type == node.type else None


@cancel.rule(lambda x, y, z: ((x / y) * z) * y, preserves="special_values")
def product_around_quotient(x: Variable, z: Variable, node: Node) -> Variable | None:
    """x / y * z * y -> x * z, where y may be 0"""
    return x * z if x.type == node.type or z.type == node.type else None


# -- masks -----------------------------------------------------------------------------


@cancel.rule(
    lambda c, a, b, x: like(Where, c, a, b, name="masked") * x,
    preserves="special_values",
)
def product_of_masked(
    c: Variable, a: Variable, b: Variable, x: Variable, node: Node
) -> Variable | None:
    """where(c, a, 0) * x -> where(c, a * x, 0): 0 where x is infinite or NaN

    Gradients are masked before the slope is known: without this, a slope that is
    infinite outside of the mask makes NaN of 0.
    """
    if not is_float(node.type.dtype):
        return None
    if has_value(b.node, 0):
        return where(c, a * x, 0)
    return where(c, 0, b * x) if has_value(a.node, 0) else None


@cancel.rule(
    lambda c, a, b, x: like(Where, c, a, b, name="masked") / x,
    preserves="special_values",
)
def quotient_of_masked(
    c: Variable, a: Variable, b: Variable, x: Variable
) -> Variable | None:
    """where(c, a, 0) / x -> where(c, a / x, 0): 0 where x is 0 or NaN"""
    if has_value(b.node, 0):
        return where(c, a / x, 0)
    return where(c, 0, b / x) if has_value(a.node, 0) else None
