"""Examples: sums, products and powers."""

from __future__ import annotations

from symgraph import ops
from symgraph.ops.powers import Power

from .common import E, Example, P, c, i, make, s, x, y

EXAMPLES: dict[str, Example] = {
    "constants_of_sum": Example(lambda: (x + 1) + 2, lambda: (x + 2) + -2),
    "constants_of_difference": Example(lambda: (x - 1) - 2, lambda: (x + 1e17) - 1e17),
    "constants_of_product": Example(lambda: (x * 2) * 3.5, lambda: (x * 1e300) * 1e300),
    "constants_of_quotient": Example(lambda: 3 / (x * 7), lambda: 3 / (x * s)),
    "difference_of_same": Example(lambda: x - x, lambda: x - y),
    "ratio_of_same": Example(lambda: P / P, lambda: x / x),
    "sum_less_term": Example(lambda: (i + 3) - 3, lambda: (x + y) - y),
    "difference_plus_term": Example(lambda: (i - 3) + 3, lambda: (x - y) + y),
    "power_zero": Example(
        lambda: make(Power(), x, c(0.0)), lambda: make(Power(), x, c(1.0))
    ),
    "power_whole": Example(
        lambda: make(Power(), x, c(-3.0)), lambda: make(Power(), x, c(9.0))
    ),
    "power_half_more": Example(
        lambda: make(Power(), x, c(1.5)), lambda: make(Power(), x, c(2.5))
    ),
    "square_of_root": Example(
        lambda: ops.sqrt(x) * ops.sqrt(x), lambda: ops.sqrt(x) * ops.sqrt(y)
    ),
    "square_of_abs": Example(lambda: abs(x) * abs(x), lambda: abs(x) * abs(y)),
    "abs_of_square": Example(lambda: abs(x * x), lambda: abs(i * i)),
    "abs_of_positive": Example(lambda: abs(E), lambda: abs(ops.sqrt(x))),
    "tanh_of_negative": Example(lambda: ops.tanh(-x), lambda: ops.tanh(x)),
    "sin_of_negative": Example(lambda: ops.sin(-x), lambda: ops.cos(-x)),
}
