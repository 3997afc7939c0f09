"""Examples: the error function, the normal distribution and log-odds."""

from __future__ import annotations

from symgraph import ops

from .common import Example, x, y

EXAMPLES: dict[str, Example] = {
    "one_minus_erf": Example(lambda: 1 - ops.erf(x), lambda: 2 - ops.erf(x)),
    "one_plus_erf": Example(lambda: 1 + ops.erf(x), lambda: 2 + ops.erf(x)),
    "one_minus_erfc": Example(lambda: 1 - ops.erfc(x), lambda: 2 - ops.erfc(x)),
    "one_minus_ndtr": Example(lambda: 1 - ops.ndtr(x), lambda: ops.ndtr(x) - 1),
    "log_of_ndtr": Example(
        lambda: ops.log(ops.ndtr(x)), lambda: ops.log1p(ops.ndtr(x))
    ),
    "scaled_erfc": Example(
        lambda: ops.exp(x * x) * ops.erfc(x), lambda: ops.exp(x * x) * ops.erfc(y)
    ),
    "log_of_probability_odds": Example(
        lambda: ops.log(x / (1 - x)), lambda: ops.log(x / (1 - y))
    ),
}
