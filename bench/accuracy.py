"""Errors of functions and of reductions against mpmath, as docs/accuracy.md.

    .venv/bin/python bench/accuracy.py --jax .venv-bench/bin/python

Arguments are drawn over all exponents of a dtype and from the intervals where something
happens; each function of symgraph, compiled, stands beside NumPy's or SciPy's, and
JAX', which runs in the Python that has it.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import reductions
from jax_values import evaluate, version
from numpy.typing import NDArray
from scipy import special

import symgraph as sg
from symgraph.codegen.expand import ULP

Array = NDArray[Any]
PAGE = Path(__file__).resolve().parent.parent / "docs" / "accuracy.md"
DTYPES = ("float32", "float64")
EVERYWHERE = (-np.inf, np.inf)
SPECIALS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0)

HEAD = """\
# Accuracy

Made by `python bench/accuracy.py`: errors in units in the last place of the result,
against mpmath, over {points} arguments of each kind: spread over all exponents of the
dtype, subnormal numbers among them, and drawn from the intervals where a function bends
or its formula changes.  *Bound* is what the expansion states and the tests check, of a
larger sample; `-` stands for a function that is composed of others.  Beside it stand
{versions} on the same arguments.  JAX takes subnormal
numbers for zeros: such arguments and results are left out of its columns.

Where `gammaln` and `digamma` cross 0 between their poles, errors at negative arguments
are in ulps of 1 if the result is smaller than 1.
"""
FUNCTION_COLUMNS = (
    "function", "bound", "median", "largest", "NumPy or SciPy: median", "largest",
    "JAX: median", "largest",
)  # fmt: skip

REDUCTIONS_HEAD = """\
## Reductions

The largest errors over vectors of 10^{least} to 10^{longest} elements, one of each
length, against sums by `math.fsum` and mpmath with at least twice the digits of
float64.  The unit for sum, mean, cumsum, dot and matmul is eps times the sum of the
absolute values of all that is added (for mean over their number), in which no order of
summation errs by more than the number of elements; for var, std, norm, logsumexp and
prod it is eps times the result.  Rounding the exact result costs up to half a unit of
either kind.  *Short* is up to 10^{short} elements.

*Signs in turn*: numbers between 1 and 2, plus and minus; *wide exponents*: from 2^-50
to 2^50, of either sign.  matmul is of {side} rows and {side} columns with a quarter of
the elements each; prod is of `1 + (x - mean(x)) / (4 * sqrt(n))`, whose products from
left to right stay in range (`inf`: those in another order do not).
"""
REDUCTION_COLUMNS = (
    "", "values", *(f"{library}{more}" for library in ("symgraph", "NumPy", "JAX")
    for more in (", short", ", all")),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A function by its names here and there, and where to try it."""

    name: str
    ours: Callable[..., Any]
    numpy: Callable[..., Any] | None
    exact: Callable[..., Any]
    intervals: tuple[tuple[float, float], ...]
    domain: tuple[float, float] = EVERYWHERE
    primitive: str = ""
    arity: int = 1


def reflected(x: mpmath.mpf) -> mpmath.mpf:
    """``log|Gamma(x)|`` for negative x."""
    return mpmath.log(mpmath.pi / abs(mpmath.sinpi(x))) - mpmath.loggamma(1 - x)


def inverse(function: Callable[..., Any], sign: int) -> Callable[..., Any]:
    """One step of Newton's method from the float64 result of SciPy."""
    start = {1: special.erfinv, -1: special.erfcinv}[sign]

    def exact(x: mpmath.mpf) -> mpmath.mpf:
        y = mpmath.mpf(float(start(float(x))))
        if not mpmath.isfinite(y):
            y = mpmath.sqrt(-mpmath.log(x))
        for _ in range(8):
            slope = 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-y * y) * sign
            step = (function(y) - x) / slope
            y = y - step / (1 + y * step)
            if abs(step) < abs(y) * mpmath.mpf(2) ** -60:
                break
        return y

    return exact


def odd(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of ``|x|`` with the sign of x, where mpmath cancels for negative x."""
    return lambda x: mpmath.sign(x) * function(abs(x))


ROWS = (
    Row("exp", sg.exp, np.exp, mpmath.exp, ((-1, 1), (-745, 709)), (-745, 709)),
    Row("exp2", sg.exp2, np.exp2, lambda x: mpmath.power(2, x),
        ((-1, 1), (-1074, 1023)), (-1074, 1023)),
    Row("expm1", sg.expm1, np.expm1, mpmath.expm1, ((-1, 1), (-40, 709)), (-99, 709)),
    Row("log", sg.log, np.log, mpmath.log, ((0, 4), (0.9, 1.1)), (0, np.inf)),
    Row("log2", sg.log2, np.log2, lambda x: mpmath.log(x, 2),
        ((0, 4), (0.9, 1.1)), (0, np.inf)),
    Row("log10", sg.log10, np.log10, mpmath.log10, ((0, 4), (0.9, 1.1)), (0, np.inf)),
    Row("log1p", sg.log1p, np.log1p, mpmath.log1p,
        ((-1, 4), (-0.1, 0.1)), (-1, np.inf)),
    Row("power", lambda x, y: x**y, np.power, mpmath.power, ((0.5, 2),), (0, 1e9),
        "pow", 2),
    Row("cbrt", sg.cbrt, np.cbrt, odd(mpmath.cbrt), ((-9, 9),)),
    Row("hypot", sg.hypot, np.hypot, mpmath.hypot, ((-9, 9),), arity=2),
    Row("sigmoid", sg.sigmoid, special.expit, lambda x: 1 / (1 + mpmath.exp(-x)),
        ((-2, 2), (-745, 40)), (-745, 745)),
    Row("sin", sg.sin, np.sin, mpmath.sin, ((-4, 4), (-1e5, 1e5))),
    Row("cos", sg.cos, np.cos, mpmath.cos, ((-4, 4), (-1e5, 1e5))),
    Row("tan", sg.tan, np.tan, mpmath.tan, ((-4, 4), (-1e5, 1e5))),
    Row("asin", sg.asin, np.arcsin, mpmath.asin, ((-1, 1), (0.49, 0.51)), (-1, 1)),
    Row("acos", sg.acos, np.arccos, mpmath.acos, ((-1, 1), (0.49, 0.51)), (-1, 1)),
    Row("atan", sg.atan, np.arctan, mpmath.atan, ((-1, 1), (-9, 9))),
    Row("atan2", sg.atan2, np.arctan2, mpmath.atan2, ((-9, 9),), arity=2),
    Row("sinh", sg.sinh, np.sinh, mpmath.sinh, ((-1, 1), (-89, 89)), (-710, 710)),
    Row("cosh", sg.cosh, np.cosh, mpmath.cosh, ((-1, 1), (-89, 89)), (-710, 710)),
    Row("tanh", sg.tanh, np.tanh, mpmath.tanh, ((-1, 1), (-20, 20)), (-99, 99)),
    Row("asinh", sg.asinh, np.arcsinh, odd(mpmath.asinh), ((-1, 1), (-9, 9))),
    Row("acosh", sg.acosh, np.arccosh, mpmath.acosh, ((1, 1.1), (1, 9)), (1, np.inf)),
    Row("atanh", sg.atanh, np.arctanh, mpmath.atanh, ((-1, 1), (0.9, 1)), (-1, 1)),
    Row("erf", sg.special.erf, special.erf, mpmath.erf, ((-1, 1), (-6, 6)), (-9, 9)),
    Row("erfc", sg.special.erfc, special.erfc, mpmath.erfc, ((-1, 1), (0, 27)),
        (-9, 27)),
    Row("erfcx", sg.special.erfcx, special.erfcx,
        lambda x: mpmath.exp(x * x) * mpmath.erfc(x), ((-1, 1), (-9, 20)), (-26, 1e4)),
    Row("erfinv", sg.special.erfinv, special.erfinv, inverse(mpmath.erf, 1),
        ((-1, 1), (0.99, 1)), (-1, 1)),
    Row("erfcinv", sg.special.erfcinv, special.erfcinv, inverse(mpmath.erfc, -1),
        ((0, 2), (0, 0.01)), (0, 2)),
    Row("gammaln, x > 0", sg.special.gammaln, special.gammaln, mpmath.loggamma,
        ((0, 4), (0.9, 1.1), (1.9, 2.1), (4, 99)), (0, np.inf), "lgamma"),
    Row("gammaln, x < 0", sg.special.gammaln, special.gammaln, reflected,
        ((-4, 0), (-99, 0)), (-1e4, 0), "lgamma"),
    Row("gamma", sg.special.gamma, special.gamma, mpmath.gamma, ((-9, 9), (0, 171)),
        (-180, 180)),
    Row("digamma, x > 0", sg.special.digamma, special.psi, mpmath.digamma,
        ((0, 4), (1.4, 1.5), (4, 99)), (0, np.inf), "digamma"),
    Row("digamma, x < 0", sg.special.digamma, special.psi, mpmath.digamma,
        ((-4, 0), (-99, 0)), (-1e4, 0), "digamma"),
    Row("polygamma(1, x)", lambda x: sg.special.polygamma(1, x),
        lambda x: special.polygamma(1, x), lambda x: mpmath.psi(1, x),
        ((-4, 4), (0, 99)), (-1e4, np.inf), "trigamma"),
    Row("polygamma(2, x)", lambda x: sg.special.polygamma(2, x),
        lambda x: special.polygamma(2, x), lambda x: mpmath.psi(2, x),
        ((0, 4), (0, 99)), (0, np.inf)),
    Row("ndtr", sg.special.ndtr, special.ndtr, mpmath.ncdf, ((-3, 3), (-37, 0)),
        (-37, 9)),
    Row("ndtri", sg.special.ndtri, special.ndtri,
        lambda p: -mpmath.sqrt(2) * inverse(mpmath.erfc, -1)(2 * p),
        ((0, 1), (0, 0.01)), (0, 1)),
    Row("log_ndtr", sg.special.log_ndtr, special.log_ndtr,
        lambda x: mpmath.log(mpmath.ncdf(x)), ((-3, 3), (-99, 0)), (-1e3, 8)),
    Row("logit", sg.special.logit, special.logit, lambda x: mpmath.log(x / (1 - x)),
        ((0, 1), (0.4, 0.6)), (0, 1)),
    Row("softplus", sg.special.softplus, special.softplus,
        lambda x: mpmath.log1p(mpmath.exp(x)), ((-3, 3), (-99, 40)), (-700, 1e4)),
)  # fmt: skip


def arguments(row: Row, dtype: str, points: int) -> tuple[Array, ...]:
    """Finite arguments in the row's domain, `points` of each kind."""
    rng = np.random.default_rng(len(row.name))
    width = np.dtype(dtype).itemsize
    columns = []
    for _ in range(row.arity):
        bits = rng.integers(0, 256, (8 * points, width), dtype=np.uint8)
        wide = bits.view(dtype).ravel()
        low, high = row.domain
        wide = wide[np.isfinite(wide) & (wide > low) & (wide < high)][:points]
        parts = [rng.uniform(a, b, points).astype(dtype) for a, b in row.intervals]
        columns.append(np.concatenate([wide, *parts, np.array(SPECIALS, dtype)]))
    size = min(len(c) for c in columns)
    x = np.stack([c[:size] for c in columns])
    if row.arity == 2:
        x[1] = rng.permutation(x[1])
        if row.name == "power":
            x[1] = rng.uniform(-60, 60, size).astype(dtype)
    keep = np.all((x > row.domain[0]) & (x < row.domain[1]) | (row.arity == 2), axis=0)
    keep &= (x[0] > row.domain[0]) & (x[0] < row.domain[1])
    if row.arity == 2:  # mpmath has one zero, atan2 two
        keep &= (x != 0).all(axis=0)
    return tuple(x[:, keep])


def error(value: float, exact: mpmath.mpf, dtype: str, lowest: int) -> float:
    """The error of `value` in ulps; NaN where the result is out of range."""
    info = np.finfo(dtype)
    limit = mpmath.ldexp(1, info.maxexp)
    if abs(exact) >= limit or not mpmath.isfinite(exact):
        return float("nan")
    exponent = mpmath.frexp(exact)[1] - 1 if exact else info.minexp
    exponent = min(max(exponent, lowest), info.maxexp - 1)
    if not np.isfinite(value):
        return float("inf")
    return float(mpmath.ldexp(abs(mpmath.mpf(value) - exact), info.nmant - exponent))


def truths(row: Row, given: tuple[Array, ...]) -> list[Any]:
    """The exact results; None at a pole, and where the result is not real."""
    found: list[Any] = []
    for point in zip(*(a.tolist() for a in given), strict=True):
        with mpmath.workprec(140):
            try:
                exact = row.exact(*(mpmath.mpf(p) for p in point))
            except (ValueError, ZeroDivisionError):  # a pole
                exact = None
            found.append(exact if isinstance(exact, mpmath.mpf) else None)
    return found


def measure(
    row: Row, dtype: str, given: tuple[Array, ...], jax: Array | None
) -> list[str]:
    """The cells of one row of the table for `dtype`; `jax` is what that has found."""
    inputs = [sg.tensor(None, dtype, (None,)) for _ in given]
    ours = sg.function(inputs, row.ours(*inputs))(*given)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        theirs = None if row.numpy is None else np.asarray(row.numpy(*given), dtype)
    lowest = 0 if row.name.endswith("x < 0") else int(np.finfo(dtype).minexp)
    exact = truths(row, given)
    tiny = float(np.finfo(dtype).tiny)
    normal = np.all([(x == 0) | (np.abs(x) >= tiny) for x in given], axis=0)
    normal &= [right is not None and abs(right) >= tiny for right in exact]
    bound = ULP.get(row.primitive or row.name, {}).get(dtype)
    cells = [row.name, "-" if bound is None else f"{bound:g}"]
    for results, taken in ((ours, True), (theirs, True), (jax, normal)):
        if results is None:
            cells += ["", ""]
            continue
        with mpmath.workprec(140):
            errors = np.array([
                np.nan if right is None else error(value, right, dtype, lowest)
                for value, right in zip(results.tolist(), exact, strict=True)
            ])  # fmt: skip
        errors = errors[~np.isnan(errors) & taken]
        cells += [f"{np.median(errors):.2f}", figure(errors.max())]
    return cells


def figure(value: float) -> str:
    """`value` to three digits or so."""
    if not np.isfinite(value):
        return "inf"
    return f"{value:.2f}" if value < 100 else f"{value:.1e}"


def head(columns: tuple[str, ...]) -> list[str]:
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def functions(dtype: str, points: int, jax: str) -> list[str]:
    """The table of functions for `dtype`."""
    given = [arguments(row, dtype, points) for row in ROWS]
    names = [row.name.split(", x ")[0] for row in ROWS]
    theirs = evaluate(jax, list(zip(names, given, strict=True)))
    lines = [f"## {dtype}", "", *head(FUNCTION_COLUMNS)]
    for row, xs, found in zip(ROWS, given, theirs, strict=True):
        lines.append(f"| {' | '.join(measure(row, dtype, xs, found))} |")
    return [*lines, ""]


def reduced(dtype: str, longest: int, jax: str) -> list[str]:
    """The table of reductions for `dtype`."""
    lines = [f"### Reductions in {dtype}", "", *head(REDUCTION_COLUMNS)]
    for name, kind, errors in reductions.rows(dtype, longest, jax):
        cells = ["" if np.isnan(e) else figure(e) for e in errors]
        lines.append(f"| {' | '.join([name, kind, *cells])} |")
    return [*lines, ""]


def page(points: int, longest: int, jax: str) -> str:
    """The text of the page."""
    import scipy

    versions = f"NumPy {np.__version__}, SciPy {scipy.__version__}, JAX {version(jax)}"
    lines = [HEAD.format(points=points, versions=versions)]
    for dtype in DTYPES:
        lines += functions(dtype, points, jax)
    text = REDUCTIONS_HEAD.format(
        least=reductions.LEAST, longest=longest, side=reductions.SIDE,
        short=reductions.SHORT,
    )  # fmt: skip
    lines.append(text)
    for dtype in DTYPES:
        lines += reduced(dtype, longest, jax)
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=400)
    parser.add_argument("--longest", type=int, default=7, help="a power of ten")
    parser.add_argument("--jax", default=".venv-bench/bin/python", help="its Python")
    given = parser.parse_args()
    text = page(given.points, given.longest, given.jax)
    PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
