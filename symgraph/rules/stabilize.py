"""Stable forms: the same value in exact arithmetic, better conditioned in floats.

Softmax and its gradient have a file of their own, :mod:`symgraph.rules.softmax`.
"""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

from ..graph import Node
from ..ops.arithmetic import Abs, Negative
from ..ops.choice import maximum, minimum
from ..ops.transcendental import exp, expm1, log, log1p, sigmoid
from ..rewrite import RuleSet
from ..variable import Variable

stabilize = RuleSet("stabilize")


# -- logarithms and exponentials -------------------------------------------------------


@stabilize.rule(lambda x: log(1 + x), preserves="rounding")
def log_of_one_plus(x: Variable) -> Variable:
    """log(1 + x) -> log1p(x)"""
    return log1p(x)


@stabilize.rule(lambda x: log(1 - x), preserves="rounding")
def log_of_one_minus(x: Variable) -> Variable:
    """log(1 - x) -> log1p(-x)"""
    return log1p(-x)


@stabilize.rule(lambda x: exp(x) - 1, preserves="rounding")
def exp_minus_one(x: Variable) -> Variable:
    """exp(x) - 1 -> expm1(x)"""
    return expm1(x)


@stabilize.rule(lambda x: exp(x) + -1.0, preserves="rounding")
def exp_plus_minus_one(x: Variable) -> Variable:
    """exp(x) + -1 -> expm1(x)"""
    return expm1(x)


@stabilize.rule(lambda x: log(exp(x)), preserves="special_values")
def log_of_exp(x: Variable) -> Variable:
    """log(exp(x)) -> x, where exp(x) may overflow or vanish"""
    return x


@stabilize.rule(lambda x: log1p(exp(x)), preserves="special_values")
def softplus(x: Variable) -> Variable | None:
    """log1p(exp(x)) -> maximum(x, 0) + log1p(exp(-abs(x))): exp(x) may overflow"""
    if isinstance(x.op, Negative) and isinstance(x.node.inputs[0].op, Abs):
        return None
    return maximum(x, 0) + log1p(exp(-abs(x)))


# -- the logistic function -------------------------------------------------------------


@stabilize.rule(lambda x: 1 / (1 + exp(-x)), preserves="rounding")
def logistic(x: Variable) -> Variable:
    """1 / (1 + exp(-x)) -> sigmoid(x)"""
    return sigmoid(x)


@stabilize.rule(lambda x: 1 / (1 + exp(x)), preserves="rounding")
def logistic_of_negative(x: Variable) -> Variable:
    """1 / (1 + exp(x)) -> sigmoid(-x)"""
    return sigmoid(-x)


@stabilize.rule(lambda x: exp(x) / (1 + exp(x)), preserves="special_values")
def logistic_ratio(x: Variable) -> Variable:
    """exp(x) / (1 + exp(x)) -> sigmoid(x), where exp(x) may overflow"""
    return sigmoid(x)


@stabilize.rule(lambda g, x: (g / (1 + exp(x))) * exp(x), preserves="special_values")
def logistic_in_gradient(g: Variable, x: Variable) -> Variable:
    """g / (1 + exp(x)) * exp(x) -> g * sigmoid(x), the gradient of log(1 + exp(x))"""
    return g * sigmoid(x)


@stabilize.rule(lambda x: exp(x) * sigmoid(-x), preserves="special_values")
def exp_times_sigmoid(x: Variable) -> Variable:
    """exp(x) * sigmoid(-x) -> sigmoid(x), where exp(x) may overflow"""
    return sigmoid(x)


@stabilize.rule(lambda x: exp(-x) * sigmoid(x), preserves="special_values")
def exp_of_negative_times_sigmoid(x: Variable) -> Variable:
    """exp(-x) * sigmoid(x) -> sigmoid(-x), where exp(-x) may overflow"""
    return sigmoid(-x)


@stabilize.rule(lambda x: 1 - sigmoid(x), preserves="rounding")
def one_minus_sigmoid(x: Variable) -> Variable:
    """1 - sigmoid(x) -> sigmoid(-x)"""
    return sigmoid(-x)


@stabilize.rule(lambda x: log(sigmoid(x)), preserves="special_values")
def log_of_sigmoid(x: Variable) -> Variable:
    """log(sigmoid(x)) -> minimum(x, 0) - log1p(exp(-abs(x))), where it may vanish"""
    return minimum(x, 0) - log1p(exp(-abs(x)))


@stabilize.rule(
    lambda a, b, x: ((a / sigmoid(x) - b / sigmoid(-x)) * sigmoid(x)) * sigmoid(-x),
    preserves="special_values",
)
def cross_entropy_of_sigmoid(a: Variable, b: Variable, x: Variable) -> Variable:
    """(a / s - b / r) * s * r -> a * r - b * s, for s = sigmoid(x), r = sigmoid(-x)

    The gradient of a * log(s) + b * log(1 - s).
    """
    return a * sigmoid(-x) - b * sigmoid(x)


@stabilize.rule(
    lambda a, b, x: ((b / sigmoid(-x) - a / sigmoid(x)) * sigmoid(x)) * sigmoid(-x),
    preserves="special_values",
)
def negative_cross_entropy_of_sigmoid(
    a: Variable, b: Variable, x: Variable
) -> Variable:
    """(b / r - a / s) * s * r -> b * s - a * r, for s = sigmoid(x), r = sigmoid(-x)"""
    return b * sigmoid(x) - a * sigmoid(-x)


# -- quotients -------------------------------------------------------------------------


@stabilize.rule(lambda x, y: (x / y) * y, preserves="special_values")
def product_of_quotient(x: Variable, node: Node) -> Variable | None:
    """x / y * y -> x, where y may be 0: the gradient of log(f(x)) is full of these"""
    return x if x.type == node.type else None


@stabilize.rule(lambda x, y: (x * y) / y, preserves="special_values")
def quotient_of_product(x: Variable, node: Node) -> Variable | None:
    """x * y / y -> x, where y may be 0"""
    return x if x.type == node.type else None


@stabilize.rule(lambda x, y, z: ((x / y) * z) * y, preserves="special_values")
def product_around_quotient(x: Variable, z: Variable, node: Node) -> Variable | None:
    """x / y * z * y -> x * z, where y may be 0"""
    return x * z if x.type == node.type or z.type == node.type else None
