"""How far each expression of `stability_cases` is from the truth, by whom evaluated.

The truth comes from mpmath with a thousand digits; its gradient is a central
difference, which with as many digits is exact.  An error is relative to the true value;
infinity stands for a NaN, or for an infinity in place of a float.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import mpmath
import numpy as np
import scipy.special

from symgraph import ops
from symgraph.autodiff import grad
from symgraph.declare import tensor
from symgraph.function import function
from symgraph.op import Array
from symgraph.variable import Variable

from .stability_cases import JOINT, POINTWISE, Case

DIGITS = 1000
TINY = float(np.finfo(float).tiny)
STEP = mpmath.mpf(10) ** -300
Evaluate = Callable[..., Any]


def calls(case: Case) -> tuple[tuple[Array, ...], ...]:
    """The operands of each call."""
    given = (case.points,) if case in POINTWISE else case.points
    return tuple(tuple(np.array(x, "float64") for x in call) for call in given)


# -- the truth -------------------------------------------------------------------------


def _each(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of numbers for arrays of them."""
    return np.frompyfunc(function, 1, 1)


NAMES = ("exp", "log", "sqrt", "tanh", "cos", "sin", "cosh", "sinh", "erf", "erfc")


class Exact:
    """NumPy's names over arrays of mpmath's numbers."""

    exp, log, sqrt, tanh, cos, sin, cosh, sinh, erf, erfc = (
        _each(getattr(mpmath, name)) for name in NAMES
    )
    sum, prod, abs = staticmethod(np.sum), staticmethod(np.prod), staticmethod(np.abs)
    where = staticmethod(np.where)
    sigmoid = _each(lambda x: 1 / (1 + mpmath.exp(-x)))

    @staticmethod
    def softmax(x: Any) -> Any:
        e = Exact.exp(x)
        return e / np.sum(e)

    @staticmethod
    def log_softmax(x: Any) -> Any:
        return x - Exact.log(np.sum(Exact.exp(x)))


def truth(case: Case, call: Sequence[Array]) -> tuple[Any, list[Any]]:
    """The value and the gradients of its sum, as arrays of mpmath's numbers."""
    with mpmath.workdps(DIGITS):
        exact = [np.vectorize(mpmath.mpf, otypes=[object])(x) for x in call]
        value = case.build(Exact, *exact)
        return value, [_slopes(case, exact, k) for k in range(len(exact))]


def _slopes(case: Case, exact: list[Any], operand: int) -> Any:
    """The gradient of the value's sum with respect to one operand."""
    x = exact[operand]
    steps = np.where(x == 0, mpmath.mpf(1), np.abs(x)) * STEP
    if case in POINTWISE:  # each element of the result is of its own elements alone
        return _difference(case, exact, operand, steps) / (2 * steps)
    slopes = np.empty(x.shape, object)
    for place, step in enumerate(steps):
        alone = np.where(np.arange(x.size) == place, step, mpmath.mpf(0))
        slopes[place] = np.sum(_difference(case, exact, operand, alone)) / (2 * step)
    return slopes


def _difference(case: Case, exact: list[Any], operand: int, step: Any) -> Any:
    there = []
    for sign in (1, -1):
        moved = list(exact)
        moved[operand] = exact[operand] + sign * step
        there.append(case.build(Exact, *moved))
    return there[0] - there[1]


def error(got: Any, exact: Any) -> float:
    """The largest relative error."""
    pairs = zip(np.ravel(np.asarray(got)), np.ravel(np.asarray(exact)), strict=True)
    return max(_error(float(a), b) for a, b in pairs)


def _error(got: float, exact: Any) -> float:
    rounded = float(exact)
    if got == rounded:
        return 0.0
    if not math.isfinite(got) or not math.isfinite(rounded):
        return math.inf
    with mpmath.workdps(30):
        return float(abs(got - exact) / max(abs(exact), TINY))


# -- those who evaluate ----------------------------------------------------------------


class Plain:
    """NumPy, with SciPy's names for what it does not have."""

    def __getattr__(self, name: str) -> Any:
        known = {"sigmoid": scipy.special.expit}
        found = known.get(name) or getattr(np, name, None)
        return found or getattr(scipy.special, name)


def numpy_values(case: Case) -> list[Any]:
    """What NumPy makes of the expression as written, for each call."""
    with np.errstate(all="ignore"):
        return [case.build(Plain(), *call) for call in calls(case)]


class Symbolic:
    """symgraph's functions."""

    def __getattr__(self, name: str) -> Any:
        return getattr(ops, name)


def outputs(case: Case) -> tuple[list[Variable], list[Variable]]:
    """The operands as variables; the value and its sum's gradients."""
    variables = [
        tensor(f"x{k}", "float64", np.shape(x)) for k, x in enumerate(calls(case)[0])
    ]
    value = case.build(Symbolic(), *variables)
    return variables, [value, *grad(ops.sum(value), variables)]


def symgraph_values(cases: Sequence[Case]) -> Iterator[list[Any]]:
    """The value and gradients for each call, compiled together, case by case."""
    inputs, results = zip(*(outputs(case) for case in cases), strict=True)
    compiled = function([v for group in inputs for v in group], list(results))
    most = max(len(calls(case)) for case in cases)
    rounds = []
    for turn in range(most):
        given = [calls(case)[min(turn, len(calls(case)) - 1)] for case in cases]
        rounds.append(compiled(*(x for call in given for x in call)))
    for number, case in enumerate(cases):
        yield [rounds[turn][number] for turn in range(len(calls(case)))]


def errors(case: Case, values: Sequence[Any]) -> list[float]:
    """The largest error of the value, then of each gradient, over all calls."""
    worst = [0.0] * len(values[0])
    for call, got in zip(calls(case), values, strict=True):
        value, slopes = truth(case, call)
        found = [error(a, b) for a, b in zip(got, [value, *slopes], strict=False)]
        worst = [max(a, b) for a, b in zip(worst, found, strict=True)]
    return worst


ALL = (*POINTWISE, *JOINT)

#: How much larger than the better of NumPy's and JAX' an error may be: a few roundings.
SLACK = 4 * float(np.finfo(float).eps)


def excess(peers: dict[str, list[float]], ours: Sequence[float]) -> list[str]:
    """What of `ours` is worse than the better of the peers', in words."""
    value, *slopes = ours
    bounds = [min(peers["numpy"][0], peers["jax"][0]), *peers["jax"][1:]]
    return [
        f"{'value' if k == 0 else f'gradient {k}'}: {got:.1e} > {bound:.1e}"
        for k, (got, bound) in enumerate(zip((value, *slopes), bounds, strict=True))
        if not got <= bound + SLACK
    ]
