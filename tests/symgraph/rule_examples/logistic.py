"""Examples: the logistic function and the hyperbolic tangent."""

from __future__ import annotations

from symgraph import ops

from .common import E, Example, F, R, S, row, x, y

M = ops.exp(-x)
T = ops.tanh(x)

EXAMPLES: dict[str, Example] = {
    "tanh_of_exps": Example(lambda: (E - M) / (E + M), lambda: (E - M) / (E + F)),
    "tanh_of_half": Example(
        lambda: ops.expm1(x) / (1 + E), lambda: ops.expm1(x) / (1 + F)
    ),
    "one_minus_tanh": Example(lambda: 1 - T, lambda: (1 - T) * T),
    "one_plus_tanh": Example(lambda: 1 + T, lambda: (1 + T) * T),
    "one_minus_square_of_tanh": Example(lambda: 1 - T * T, lambda: (1 - T * T) * T),
    "logistic": Example(lambda: 1 / (M + 1), lambda: 2 / (M + 1)),
    "logistic_of_negative": Example(lambda: 1 / (E + 1), lambda: 1 / (E + 2)),
    "logistic_ratio": Example(lambda: E / (1 + E), lambda: E / (1 + F)),
    "logistic_of_difference": Example(
        lambda: E / (E + ops.exp(row)), lambda: E / (F + ops.exp(row))
    ),
    "logistic_density": Example(
        lambda: E / ((1 + E) * (1 + E)), lambda: E / ((1 + E) * (1 + F))
    ),
    "exp_times_sigmoid": Example(lambda: R * E, lambda: R * F),
    "exp_of_negative_times_sigmoid": Example(lambda: M * S, lambda: M * ops.sigmoid(y)),
    "logistic_in_gradient": Example(lambda: y * R * E, lambda: y * R * F),
    "odds_of_sigmoid": Example(lambda: S / R, lambda: S / ops.sigmoid(-y)),
    "inverse_odds_of_sigmoid": Example(lambda: R / S, lambda: R / ops.sigmoid(y)),
    "one_minus_sigmoid": Example(lambda: 1 - S, lambda: S - 1),
    "log_of_sigmoid": Example(lambda: ops.log(S), lambda: ops.log(S * y * y)),
    "cross_entropy_of_sigmoid": Example(
        lambda: (y / S - row / R) * S * R, lambda: (y / S - row / S) * S * R
    ),
    "negative_cross_entropy_of_sigmoid": Example(
        lambda: (y / R - row / S) * S * R, lambda: (y / R + row / S) * S * R
    ),
    "weighted_logistic": Example(lambda: y / (1 + M), lambda: y / (2 + M)),
    "weighted_logistic_of_negative": Example(lambda: y / (1 + E), lambda: y / (2 + E)),
}
