"""Examples: stable logarithms and exponentials."""

from __future__ import annotations

from symgraph import ops
from symgraph.ops.transcendental import Expm1

from .common import E, Example, F, make, row, s, total, x, y

M, N = make(Expm1(), x), make(Expm1(), -x)

EXAMPLES: dict[str, Example] = {
    "log_of_one_plus": Example(lambda: ops.log(x * x + 1), lambda: ops.log(x * x + 2)),
    "log_of_one_minus": Example(
        lambda: ops.log(1 - -abs(x)), lambda: ops.log(abs(x) - -1.0)
    ),
    "log_of_one_plus_ratio": Example(
        lambda: ops.log((1 + x) / (1 - x)), lambda: ops.log((1 + x) / (1 - y))
    ),
    "log_of_one_minus_ratio": Example(
        lambda: ops.log((1 - x) / (1 + x)), lambda: ops.log((1 - x) / (1 + y))
    ),
    "exp_minus_one": Example(lambda: E - 1, lambda: E - 2),
    "exp_plus_minus_one": Example(lambda: E + -1, lambda: E + 1),
    "one_minus_exp": Example(lambda: 1 - E, lambda: -1 - E),
    "exp_minus_one_ratio": Example(lambda: M / x, lambda: M / y),
    "exp_of_negative_minus_one_ratio": Example(lambda: N / x, lambda: M / x),
    "ratio_to_exp_minus_one": Example(lambda: x / M, lambda: y / M),
    "expm1_of_log1p": Example(
        lambda: ops.expm1(ops.log1p(x)), lambda: ops.expm1(ops.log(x))
    ),
    "log1p_of_expm1": Example(lambda: ops.log1p(M), lambda: ops.log1p(E)),
    "log_of_exp": Example(lambda: ops.log(E), lambda: ops.log(E + y * y)),
    "exp_of_log": Example(lambda: ops.exp(ops.log(x)), lambda: ops.exp(ops.log1p(x))),
    "log1p_of_exp": Example(lambda: ops.log1p(E), lambda: ops.log1p(-E)),
    "log1p_of_minus_exp": Example(lambda: ops.log1p(-E), lambda: ops.log1p(E)),
    "log_of_minus_expm1": Example(lambda: ops.log(-M), lambda: ops.log(M)),
    "log_of_expm1": Example(lambda: ops.log(M), lambda: ops.log(-M)),
    "log_of_twice_cosh": Example(
        lambda: ops.log(E + ops.exp(-x)), lambda: ops.log(E + ops.exp(-y))
    ),
    "log_of_cosh": Example(
        lambda: ops.log((E + ops.exp(-x)) * 0.5), lambda: ops.log((E + F) * 0.5)
    ),
    "log_of_two_exps": Example(
        lambda: ops.log(E + ops.exp(row)), lambda: ops.log(E + y * y)
    ),
    "log_of_difference_of_exps": Example(
        lambda: ops.log(E - F), lambda: ops.log(E - y)
    ),
    "log_of_product": Example(
        lambda: ops.log(total(E) / y), lambda: ops.log(total(abs(x)) / y)
    ),
    "log_of_square": Example(lambda: ops.log(x * x), lambda: ops.log(x * y)),
    "log_of_reciprocal": Example(lambda: ops.log(1 / x), lambda: ops.log(2 / x)),
    "log_of_prod": Example(lambda: ops.log(ops.prod(x, 1)), lambda: ops.log(total(x))),
    "product_of_exps": Example(lambda: E * ops.exp(row), lambda: E * y),
    "ratio_of_exps": Example(lambda: E / ops.exp(row), lambda: y / E),
    "reciprocal_of_exp": Example(lambda: 1 / E, lambda: s / E),
}
