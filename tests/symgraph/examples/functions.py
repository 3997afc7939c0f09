"""Examples: functions."""

from __future__ import annotations

import numpy as np
import scipy.special

from symgraph import ops
from symgraph.op import Array, Op
from symgraph.types import FLOATS

from ..cases import (
    ANY,
    FLOATED,
    POSITIVE,
    WHOLE,
    Case,
    Operand,
    elementwise,
)
from .elementwise import complex_


def float_power(x: Array, y: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.power(x, y)


EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    ops.Exp: elementwise(ops.exp, np.exp, ANY, dtypes=FLOATED)
    + complex_(ops.exp, np.exp),
    ops.Expm1: elementwise(ops.expm1, np.expm1, ANY, dtypes=FLOATED),
    ops.Log: elementwise(ops.log, np.log, POSITIVE, dtypes=FLOATED)
    + complex_(ops.log, np.log),
    ops.Log1p: elementwise(ops.log1p, np.log1p, POSITIVE, dtypes=FLOATED),
    ops.Sqrt: elementwise(ops.sqrt, np.sqrt, POSITIVE, dtypes=FLOATED)
    + complex_(ops.sqrt, np.sqrt),
    ops.Tanh: elementwise(ops.tanh, np.tanh, ANY, dtypes=FLOATED)
    + complex_(ops.tanh, np.tanh),
    ops.Sigmoid: elementwise(ops.sigmoid, scipy.special.expit, ANY, dtypes=FLOATS),
    ops.Sin: elementwise(ops.sin, np.sin, ANY, dtypes=FLOATED)
    + complex_(ops.sin, np.sin),
    ops.Cos: elementwise(ops.cos, np.cos, ANY, dtypes=FLOATED)
    + complex_(ops.cos, np.cos),
    ops.Power: elementwise(ops.power, float_power, POSITIVE, ANY, dtypes=FLOATS)
    + complex_(ops.power, np.power, 2)
    + elementwise(
        ops.power,
        np.power,
        ANY,
        Operand(0, 9),
        dtypes=WHOLE,
        smooth=False,
        specials=False,
    ),
    ops.LogAddExp: elementwise(ops.logaddexp, np.logaddexp, ANY, ANY, dtypes=FLOATED),
    ops.LogAddExp2: elementwise(
        ops.logaddexp2, np.logaddexp2, ANY, ANY, dtypes=FLOATED
    ),
}
