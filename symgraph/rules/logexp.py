"""Stable logarithms and exponentials.

Patterns come in the spelling that canonical forms leave: differences with a constant
first or last, minus signs outside of products.
"""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

import math

from ..graph import Node
from ..ops.arithmetic import Add, Divide, Multiply, abs
from ..ops.broadcasting import Sum, sum
from ..ops.choice import where
from ..ops.comparison import less
from ..ops.logadd import logaddexp
from ..ops.reduce import Prod, prod
from ..ops.softmax import Softmax
from ..ops.stable import (
    exprel,
    log1mexp,
    logcosh,
    logexpm1,
    logsubexp,
    softplus,
)
from ..ops.transcendental import Exp, Log, Sigmoid, exp, expm1, log, log1p
from ..rewrite import RuleSet, like
from ..variable import Variable

logexp = RuleSet("logexp")


# -- near 0 and near 1 -----------------------------------------------------------------


@logexp.rule(lambda x: log(1 + x), preserves="rounding")
def log_of_one_plus(x: Variable) -> Variable:
    """log(1 + x) -> log1p(x)"""
    return log1p(x)


@logexp.rule(lambda x: log(1 - x), preserves="rounding")
def log_of_one_minus(x: Variable) -> Variable:
    """log(1 - x) -> log1p(-x)"""
    return log1p(-x)


@logexp.rule(lambda x: log((1 + x) / (1 - x)), preserves="rounding")
def log_of_one_plus_ratio(x: Variable) -> Variable:
    """log((1 + x) / (1 - x)) -> log1p(x) - log1p(-x), whose parts never cancel"""
    return log1p(x) - log1p(-x)


@logexp.rule(lambda x: log((1 - x) / (1 + x)), preserves="rounding")
def log_of_one_minus_ratio(x: Variable) -> Variable:
    """log((1 - x) / (1 + x)) -> log1p(-x) - log1p(x)"""
    return log1p(-x) - log1p(x)


@logexp.rule(lambda x: exp(x) - 1, preserves="rounding")
def exp_minus_one(x: Variable) -> Variable:
    """exp(x) - 1 -> expm1(x)"""
    return expm1(x)


@logexp.rule(lambda x: exp(x) + -1.0, preserves="rounding")
def exp_plus_minus_one(x: Variable) -> Variable:
    """exp(x) + -1 -> expm1(x)"""
    return expm1(x)


@logexp.rule(lambda x: 1 - exp(x), preserves="rounding")
def one_minus_exp(x: Variable) -> Variable:
    """1 - exp(x) -> -expm1(x)"""
    return -expm1(x)


@logexp.rule(lambda x: like(Divide, expm1(x), x), preserves="special_values")
def exp_minus_one_ratio(x: Variable) -> Variable:
    """expm1(x) / x -> exprel(x), 1 at 0"""
    return exprel(x)


@logexp.rule(lambda x: like(Divide, expm1(-x), x), preserves="special_values")
def exp_of_negative_minus_one_ratio(x: Variable) -> Variable:
    """expm1(-x) / x -> -exprel(-x), -1 at 0"""
    return -exprel(-x)


@logexp.rule(lambda x: like(Divide, x, expm1(x)), preserves="special_values")
def ratio_to_exp_minus_one(x: Variable) -> Variable:
    """x / expm1(x) -> 1 / exprel(x), 1 at 0"""
    return 1 / exprel(x)


@logexp.rule(lambda x: expm1(log1p(x)), preserves="special_values")
def expm1_of_log1p(x: Variable) -> Variable:
    """expm1(log1p(x)) -> where(x >= -1, x, nan)"""
    return where(less(x, -1), math.nan, x)


@logexp.rule(lambda x: log1p(expm1(x)), preserves="special_values")
def log1p_of_expm1(x: Variable) -> Variable:
    """log1p(expm1(x)) -> x, where expm1(x) may overflow or round to -1"""
    return x


# -- inverses --------------------------------------------------------------------------


@logexp.rule(lambda x: log(exp(x)), preserves="special_values")
def log_of_exp(x: Variable) -> Variable:
    """log(exp(x)) -> x, where exp(x) may overflow or vanish"""
    return x


@logexp.rule(lambda x: exp(log(x)), preserves="rounding")
def exp_of_log(x: Variable) -> Variable:
    """exp(log(x)) -> where(x >= 0, x, nan)"""
    return where(less(x, 0), math.nan, x)


# -- logarithms of sums ----------------------------------------------------------------


@logexp.rule(lambda x: log1p(exp(x)), preserves="special_values")
def log1p_of_exp(x: Variable) -> Variable:
    """log1p(exp(x)) -> softplus(x), where exp(x) may overflow"""
    return softplus(x)


@logexp.rule(lambda x: log1p(-exp(x)), preserves="special_values")
def log1p_of_minus_exp(x: Variable) -> Variable:
    """log1p(-exp(x)) -> log1mexp(x), where exp(x) may round to 1"""
    return log1mexp(x)


@logexp.rule(lambda x: log(-expm1(x)), preserves="rounding")
def log_of_minus_expm1(x: Variable) -> Variable:
    """log(-expm1(x)) -> log1mexp(x)"""
    return log1mexp(x)


@logexp.rule(lambda x: log(expm1(x)), preserves="special_values")
def log_of_expm1(x: Variable) -> Variable:
    """log(expm1(x)) -> logexpm1(x), where expm1(x) may overflow"""
    return logexpm1(x)


@logexp.rule(lambda x: log(exp(x) + exp(-x)), preserves="special_values")
def log_of_twice_cosh(x: Variable) -> Variable:
    """log(exp(x) + exp(-x)) -> logcosh(x) + log(2), where exp may overflow"""
    return logcosh(x) + math.log(2)


@logexp.rule(lambda x: log((exp(x) + exp(-x)) * 0.5), preserves="special_values")
def log_of_cosh(x: Variable) -> Variable:
    """log((exp(x) + exp(-x)) / 2) -> logcosh(x), where exp may overflow"""
    return logcosh(x)


@logexp.rule(lambda x, y: log(exp(x) + exp(y)), preserves="special_values")
def log_of_two_exps(x: Variable, y: Variable) -> Variable:
    """log(exp(x) + exp(y)) -> logaddexp(x, y), where exp may overflow or vanish"""
    return logaddexp(x, y)


@logexp.rule(lambda x, y: log(exp(x) - exp(y)), preserves="special_values")
def log_of_difference_of_exps(x: Variable, y: Variable) -> Variable:
    """log(exp(x) - exp(y)) -> x + log1mexp(y - x), -inf where x = y"""
    return logsubexp(x, y)


# -- logarithms of products ------------------------------------------------------------


def _has_stable_log(node: Node) -> bool:
    """Whether `node` is positive, and its logarithm is had without it."""
    op, inputs = node.op, node.inputs
    if isinstance(op, Exp | Sigmoid | Softmax):
        return True
    if isinstance(op, Sum):
        return isinstance(inputs[0].op, Exp)
    return isinstance(op, Add) and all(isinstance(i.op, Exp) for i in inputs)


@logexp.rule(Log, preserves="special_values")
def log_of_product(node: Node) -> Variable | None:
    """log(p * y) -> log(p) + log(y), for p = exp(x), sigmoid(x), sum(exp(x)), ...

    Likewise for quotients: p may overflow or vanish, and log(p) need not.
    """
    (product,) = node.inputs
    if not isinstance(product.op, Multiply | Divide):
        return None
    if not any(_has_stable_log(i) for i in product.inputs):
        return None
    a, b = (log(Variable(i)) for i in product.inputs)
    return a + b if isinstance(product.op, Multiply) else a - b


@logexp.rule(lambda x: log(x * x), preserves="special_values")
def log_of_square(x: Variable) -> Variable:
    """log(x * x) -> 2 * log(abs(x)), where x * x may overflow or vanish"""
    return log(abs(x)) * 2


@logexp.rule(lambda x: log(1 / x), preserves="special_values")
def log_of_reciprocal(x: Variable) -> Variable:
    """log(1 / x) -> -log(x), where 1 / x may overflow"""
    return -log(x)


@logexp.rule(lambda x: log(like(Prod, x, name="product")), preserves="special_values")
def log_of_prod(x: Variable, product: Node) -> Variable:
    """log(prod(x)) -> sum(log(abs(x))), NaN for an odd number of negative elements"""
    op = product.op
    assert isinstance(op, Prod)
    total = sum(log(abs(x)), op.axes, keepdims=op.keepdims)
    signs = prod(where(less(x, 0), -1.0, 1.0), op.axes, keepdims=op.keepdims)
    return where(less(signs, 0) & less(-math.inf, total), math.nan, total)


# -- products of exponentials ----------------------------------------------------------


@logexp.rule(lambda x, y: exp(x) * exp(y), preserves="special_values")
def product_of_exps(x: Variable, y: Variable) -> Variable:
    """exp(x) * exp(y) -> exp(x + y), where one may overflow and the other vanish"""
    return exp(x + y)


@logexp.rule(lambda x, y: exp(x) / exp(y), preserves="special_values")
def ratio_of_exps(x: Variable, y: Variable) -> Variable:
    """exp(x) / exp(y) -> exp(x - y), where both may overflow or vanish"""
    return exp(x - y)


@logexp.rule(lambda x: 1 / exp(x), preserves="special_values")
def reciprocal_of_exp(x: Variable) -> Variable:
    """1 / exp(x) -> exp(-x), where exp(x) may overflow"""
    return exp(-x)
