"""Examples: trigonometric and hyperbolic functions, erf, gamma, and their kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from symgraph import ops
from symgraph.op import Array, Op
from symgraph.types import FLOATS

from ..cases import ANY, FLOATED, POSITIVE, Case, Operand
from .elementwise import complex_

INSIDE = Operand(-0.8, 0.8)
ABOVE_ONE = Operand(1.2, 3.0)
FRACTION = Operand(0.1, 0.9)
BELOW = Operand(-2.9, -2.2)


def like(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` in the dtype of its argument, which SciPy does not always keep."""
    return lambda *xs: np.asarray(function(*xs), xs[0].dtype)


def gammaln(x: Array) -> Array:
    """SciPy's is infinite for the smallest numbers."""
    tiny = (np.abs(x) < np.finfo(x.dtype).tiny) & (x != 0)
    return np.where(tiny, -np.log(np.abs(x)), special.gammaln(x))


#: One compiled function serves them all; other ops show that ranks are handled.
SHAPES = ((3, 5), (0, 3), (4, 33))


def numpy(
    build: Callable[..., Any],
    function: Callable[..., Any],
    *operands: Operand,
    dtypes: tuple[str, ...] = FLOATS,
) -> tuple[Case, ...]:
    given = operands or (ANY,)
    shapes = tuple((shape,) * len(given) for shape in SHAPES)
    return (Case(build, function, given, shapes, dtypes, specials=True),)


def scipy(
    build: Callable[..., Any], function: Callable[..., Any], *operands: Operand
) -> tuple[Case, ...]:
    return numpy(build, like(function), *operands)


EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    ops.Exp2: numpy(ops.exp2, np.exp2, dtypes=FLOATED) + complex_(ops.exp2, np.exp2),
    ops.Log2: numpy(ops.log2, np.log2, POSITIVE) + complex_(ops.log2, np.log2),
    ops.Log10: numpy(ops.log10, np.log10, POSITIVE) + complex_(ops.log10, np.log10),
    ops.Cbrt: numpy(ops.cbrt, np.cbrt, POSITIVE),
    ops.Tan: numpy(ops.tan, np.tan, INSIDE) + complex_(ops.tan, np.tan),
    ops.Asin: numpy(ops.asin, np.arcsin, INSIDE),
    ops.Acos: numpy(ops.acos, np.arccos, INSIDE),
    ops.Atan: numpy(ops.atan, np.arctan),
    ops.Atan2: numpy(ops.atan2, np.arctan2, POSITIVE, POSITIVE),
    ops.Sinh: numpy(ops.sinh, np.sinh) + complex_(ops.sinh, np.sinh),
    ops.Cosh: numpy(ops.cosh, np.cosh) + complex_(ops.cosh, np.cosh),
    ops.Asinh: numpy(ops.asinh, np.arcsinh),
    ops.Acosh: numpy(ops.acosh, np.arccosh, ABOVE_ONE),
    ops.Atanh: numpy(ops.atanh, np.arctanh, INSIDE),
    ops.Erf: scipy(ops.erf, special.erf),
    ops.Erfc: scipy(ops.erfc, special.erfc),
    ops.Erfcx: scipy(ops.erfcx, special.erfcx),
    ops.Erfinv: scipy(ops.erfinv, special.erfinv, INSIDE),
    ops.Erfcinv: scipy(ops.erfcinv, special.erfcinv, Operand(0.2, 1.8)),
    ops.Ndtr: scipy(ops.ndtr, special.ndtr),
    ops.LogNdtr: scipy(ops.log_ndtr, special.log_ndtr),
    ops.GammaLn: scipy(ops.gammaln, gammaln, POSITIVE)
    + scipy(ops.gammaln, gammaln, BELOW),
    ops.Gamma: scipy(ops.gamma, special.gamma, POSITIVE),
    ops.Digamma: scipy(ops.digamma, special.psi, POSITIVE),
    ops.Polygamma: scipy(
        lambda x: ops.polygamma(1, x), lambda x: special.polygamma(1, x), ABOVE_ONE
    )
    + scipy(lambda x: ops.polygamma(2, x), lambda x: special.polygamma(2, x), ABOVE_ONE)
    + scipy(lambda x: ops.polygamma(3, x), lambda x: special.polygamma(3, x), BELOW),
    ops.Logit: scipy(ops.logit, special.logit, FRACTION),
    ops.XLogY: scipy(ops.xlogy, special.xlogy, POSITIVE, POSITIVE),
    ops.XLog1pY: scipy(ops.xlog1py, special.xlog1py, POSITIVE, POSITIVE),
    ops.Entr: scipy(ops.entr, special.entr, POSITIVE),
    ops.RelEntr: scipy(ops.rel_entr, special.rel_entr, POSITIVE, POSITIVE),
}
