"""Examples: compositions that lose digits when written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

from symgraph import ops
from symgraph.op import Array, Op
from symgraph.types import FLOATS

from ..cases import ANY, POSITIVE, Case, Operand, elementwise

BELOW = Operand(-3.0, -0.1)


def quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` without NumPy's warnings, in the dtype of its first argument."""

    def called(*xs: Array) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(function(*xs)).astype(xs[0].dtype)

    return called


def first_moment(x: Array) -> Any:
    """The integral of t exp(x t) over [0, 1], by the formula that cancels near 0."""
    wide = x.astype("longdouble")
    near = 0.5 + wide / 3 + wide**2 / 8
    far = (np.exp(wide) * (wide - 1) + 1) / wide**2
    far = np.where(np.exp(x) == np.inf, np.inf, np.where(x == -np.inf, 0, far))
    return np.where(np.abs(x) < 1e-6, near, far)


def logsubexp(a: Array, b: Array) -> Any:
    plain = np.where(b == -np.inf, a, a + np.log(-np.expm1(b - a)))
    return np.where((a == b) & (a < np.inf), -np.inf, plain)


def logcosh(x: Array) -> Any:
    wide = x.astype("longdouble")
    return np.logaddexp(wide, -wide) - np.log(np.longdouble(2))


EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    ops.Softplus: elementwise(
        ops.softplus,
        quiet(lambda x: np.logaddexp(x, x.dtype.type(0))),
        ANY,
        dtypes=FLOATS,
    ),
    ops.Log1mExp: elementwise(
        ops.log1mexp, quiet(lambda x: np.log(-np.expm1(x))), BELOW, dtypes=FLOATS
    ),
    ops.LogExpm1: elementwise(
        ops.logexpm1,
        quiet(lambda x: np.where(x > 100, x, np.log(np.expm1(x)))),
        POSITIVE,
        dtypes=FLOATS,
    ),
    ops.LogSubExp: elementwise(
        ops.logsubexp,
        quiet(logsubexp),
        Operand(1.0, 2.0),
        Operand(-2.0, 0.9),
        dtypes=FLOATS,
    ),
    ops.LogCosh: elementwise(ops.logcosh, quiet(logcosh), POSITIVE, dtypes=FLOATS),
    ops.ExpMoment: elementwise(
        ops.exprel, quiet(scipy.special.exprel), ANY, dtypes=FLOATS
    )
    + elementwise(
        lambda x: ops.exp_moment(x, 1), quiet(first_moment), ANY, dtypes=FLOATS
    ),
    ops.CosM1: elementwise(ops.cosm1, quiet(scipy.special.cosm1), ANY, dtypes=FLOATS),
    ops.Sqrt1pm1: elementwise(
        ops.sqrt1pm1, quiet(lambda x: np.sqrt(1 + x) - 1), POSITIVE, dtypes=FLOATS
    ),
    ops.Hypot: elementwise(ops.hypot, np.hypot, POSITIVE, POSITIVE, dtypes=FLOATS),
}
