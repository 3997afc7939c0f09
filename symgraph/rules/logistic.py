"""The logistic function and the hyperbolic tangent, however they were written."""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

from ..ops.arithmetic import Divide
from ..ops.stable import softplus
from ..ops.transcendental import exp, expm1, log, sigmoid, tanh
from ..rewrite import RuleSet, Uses, like
from ..variable import Variable

logistic_rules = RuleSet("logistic")


# -- the hyperbolic tangent ------------------------------------------------------------


@logistic_rules.rule(
    lambda x: (exp(x) - exp(-x)) / (exp(x) + exp(-x)), preserves="special_values"
)
def tanh_of_exps(x: Variable) -> Variable:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)) -> tanh(x), where exp may overflow"""
    return tanh(x)


@logistic_rules.rule(
    lambda x: like(Divide, expm1(x), 1 + exp(x)), preserves="special_values"
)
def tanh_of_half(x: Variable) -> Variable:
    """expm1(x) / (1 + exp(x)) -> tanh(x / 2), where exp(x) may overflow"""
    return tanh(x * 0.5)


@logistic_rules.rule(lambda x: 1 - tanh(x), preserves="rounding")
def one_minus_tanh(x: Variable, uses: Uses) -> Variable | None:
    """1 - tanh(x) -> 2 * sigmoid(-2 * x), if nothing else reads tanh(x)"""
    return None if uses(tanh(x).node) > 1 else sigmoid(x * -2) * 2


@logistic_rules.rule(lambda x: 1 + tanh(x), preserves="rounding")
def one_plus_tanh(x: Variable, uses: Uses) -> Variable | None:
    """1 + tanh(x) -> 2 * sigmoid(2 * x), if nothing else reads tanh(x)"""
    return None if uses(tanh(x).node) > 1 else sigmoid(x * 2) * 2


@logistic_rules.rule(lambda x: 1 - tanh(x) * tanh(x), preserves="rounding")
def one_minus_square_of_tanh(x: Variable, uses: Uses) -> Variable | None:
    """1 - tanh(x)**2 -> 4 * sigmoid(2x) * sigmoid(-2x), if nothing else reads tanh(x)

    Where the tangent itself is wanted too, as in a gradient, its square costs less.
    """
    if uses(tanh(x).node) > 2:
        return None
    return sigmoid(x * 2) * sigmoid(x * -2) * 4


# -- recognising it --------------------------------------------------------------------


@logistic_rules.rule(lambda x: 1 / (1 + exp(-x)), preserves="rounding")
def logistic(x: Variable) -> Variable:
    """1 / (1 + exp(-x)) -> sigmoid(x)"""
    return sigmoid(x)


@logistic_rules.rule(lambda x: 1 / (1 + exp(x)), preserves="rounding")
def logistic_of_negative(x: Variable) -> Variable:
    """1 / (1 + exp(x)) -> sigmoid(-x)"""
    return sigmoid(-x)


@logistic_rules.rule(lambda x: exp(x) / (1 + exp(x)), preserves="special_values")
def logistic_ratio(x: Variable) -> Variable:
    """exp(x) / (1 + exp(x)) -> sigmoid(x), where exp(x) may overflow"""
    return sigmoid(x)


@logistic_rules.rule(
    lambda x, y: exp(x) / (exp(x) + exp(y)), preserves="special_values"
)
def logistic_of_difference(x: Variable, y: Variable) -> Variable:
    """exp(x) / (exp(x) + exp(y)) -> sigmoid(x - y), where exp may overflow or vanish"""
    return sigmoid(x - y)


@logistic_rules.rule(
    lambda x: exp(x) / ((1 + exp(x)) * (1 + exp(x))), preserves="special_values"
)
def logistic_density(x: Variable) -> Variable:
    """exp(x) / (1 + exp(x))**2 -> sigmoid(x) * sigmoid(-x), where exp may overflow"""
    return sigmoid(x) * sigmoid(-x)


# -- products with exponentials --------------------------------------------------------


@logistic_rules.rule(lambda x: exp(x) * sigmoid(-x), preserves="special_values")
def exp_times_sigmoid(x: Variable) -> Variable:
    """exp(x) * sigmoid(-x) -> sigmoid(x), where exp(x) may overflow"""
    return sigmoid(x)


@logistic_rules.rule(lambda x: exp(-x) * sigmoid(x), preserves="special_values")
def exp_of_negative_times_sigmoid(x: Variable) -> Variable:
    """exp(-x) * sigmoid(x) -> sigmoid(-x), where exp(-x) may overflow"""
    return sigmoid(-x)


@logistic_rules.rule(
    lambda g, x: (g * sigmoid(-x)) * exp(x), preserves="special_values"
)
def logistic_in_gradient(g: Variable, x: Variable) -> Variable:
    """g * sigmoid(-x) * exp(x) -> g * sigmoid(x), the gradient of log(1 + exp(x))"""
    return g * sigmoid(x)


@logistic_rules.rule(lambda x: sigmoid(x) / sigmoid(-x), preserves="special_values")
def odds_of_sigmoid(x: Variable) -> Variable:
    """sigmoid(x) / sigmoid(-x) -> exp(x), where a sigmoid may vanish"""
    return exp(x)


@logistic_rules.rule(lambda x: sigmoid(-x) / sigmoid(x), preserves="special_values")
def inverse_odds_of_sigmoid(x: Variable) -> Variable:
    """sigmoid(-x) / sigmoid(x) -> exp(-x), where a sigmoid may vanish"""
    return exp(-x)


# -- complements and logarithms --------------------------------------------------------


@logistic_rules.rule(lambda x: 1 - sigmoid(x), preserves="rounding")
def one_minus_sigmoid(x: Variable) -> Variable:
    """1 - sigmoid(x) -> sigmoid(-x)"""
    return sigmoid(-x)


@logistic_rules.rule(lambda x: log(sigmoid(x)), preserves="special_values")
def log_of_sigmoid(x: Variable) -> Variable:
    """log(sigmoid(x)) -> -softplus(-x), where sigmoid(x) may vanish"""
    return -softplus(-x)


# -- gradients of cross-entropy --------------------------------------------------------


@logistic_rules.rule(
    lambda a, b, x: ((a / sigmoid(x) - b / sigmoid(-x)) * sigmoid(x)) * sigmoid(-x),
    preserves="special_values",
)
def cross_entropy_of_sigmoid(a: Variable, b: Variable, x: Variable) -> Variable:
    """(a / s - b / r) * s * r -> a * r - b * s, for s = sigmoid(x), r = sigmoid(-x)

    The gradient of a * log(s) + b * log(1 - s).
    """
    return a * sigmoid(-x) - b * sigmoid(x)


@logistic_rules.rule(
    lambda a, b, x: ((b / sigmoid(-x) - a / sigmoid(x)) * sigmoid(x)) * sigmoid(-x),
    preserves="special_values",
)
def negative_cross_entropy_of_sigmoid(
    a: Variable, b: Variable, x: Variable
) -> Variable:
    """(b / r - a / s) * s * r -> b * s - a * r, for s = sigmoid(x), r = sigmoid(-x)"""
    return b * sigmoid(x) - a * sigmoid(-x)


# -- quotients, after the particular ones above ----------------------------------------


@logistic_rules.rule(lambda g, x: g / (1 + exp(-x)), preserves="special_values")
def weighted_logistic(g: Variable, x: Variable) -> Variable:
    """g / (1 + exp(-x)) -> g * sigmoid(x), where exp(-x) may overflow"""
    return g * sigmoid(x)


@logistic_rules.rule(lambda g, x: g / (1 + exp(x)), preserves="special_values")
def weighted_logistic_of_negative(g: Variable, x: Variable) -> Variable:
    """g / (1 + exp(x)) -> g * sigmoid(-x), where exp(x) may overflow"""
    return g * sigmoid(-x)
