"""The error function, the normal distribution and log-odds: tails that would cancel."""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

from ..ops.entropy import logit
from ..ops.error_function import erf, erfc, erfcx, log_ndtr, ndtr
from ..ops.transcendental import exp, log
from ..rewrite import RuleSet
from ..variable import Variable

special_rules = RuleSet("special")


@special_rules.rule(lambda x: 1 - erf(x), preserves="rounding")
def one_minus_erf(x: Variable) -> Variable:
    """1 - erf(x) -> erfc(x)"""
    return erfc(x)


@special_rules.rule(lambda x: 1 + erf(x), preserves="rounding")
def one_plus_erf(x: Variable) -> Variable:
    """1 + erf(x) -> erfc(-x)"""
    return erfc(-x)


@special_rules.rule(lambda x: 1 - erfc(x), preserves="rounding")
def one_minus_erfc(x: Variable) -> Variable:
    """1 - erfc(x) -> erf(x)"""
    return erf(x)


@special_rules.rule(lambda x: 1 - ndtr(x), preserves="rounding")
def one_minus_ndtr(x: Variable) -> Variable:
    """1 - ndtr(x) -> ndtr(-x)"""
    return ndtr(-x)


@special_rules.rule(lambda x: log(ndtr(x)), preserves="special_values")
def log_of_ndtr(x: Variable) -> Variable:
    """log(ndtr(x)) -> log_ndtr(x), where ndtr(x) may vanish"""
    return log_ndtr(x)


@special_rules.rule(lambda x: exp(x * x) * erfc(x), preserves="special_values")
def scaled_erfc(x: Variable) -> Variable:
    """exp(x * x) * erfc(x) -> erfcx(x), where one overflows and the other vanishes"""
    return erfcx(x)


@special_rules.rule(lambda x: log(x / (1 - x)), preserves="rounding")
def log_of_probability_odds(x: Variable) -> Variable:
    """log(x / (1 - x)) -> logit(x), which is 2 atanh(2 x - 1) near 1/2"""
    return logit(x)
