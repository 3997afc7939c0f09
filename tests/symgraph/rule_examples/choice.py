"""Examples: comparisons whose result is known, and choices."""

from __future__ import annotations

from symgraph import ops

from .common import Example, i, natural, other, row, truth, x, y

EXAMPLES: dict[str, Example] = {
    "less_than_itself": Example(lambda: x < x, lambda: x < y),
    "at_most_itself": Example(lambda: i <= i, lambda: x <= x),
    "equal_to_itself": Example(lambda: i == i, lambda: x == x),
    "different_from_itself": Example(lambda: i != i, lambda: x != x),
    "never_negative": Example(lambda: natural < 0, lambda: i < 0),
    "always_nonnegative": Example(lambda: x.shape[0] >= 0, lambda: i >= 0),
    "not_equal_to": Example(lambda: ~ops.equal(x, y), lambda: ~(x < y)),
    "not_different_from": Example(lambda: ~ops.not_equal(x, y), lambda: ~(x < y)),
    "not_less": Example(lambda: ~(i < 2), lambda: ~(x < y)),
    "not_at_most": Example(lambda: ~(i <= 2), lambda: ~(x <= y)),
    "and_same": Example(lambda: truth & truth, lambda: truth & other),
    "or_same": Example(lambda: truth | truth, lambda: truth | other),
    "and_true": Example(lambda: truth & True, lambda: truth & False),
    "or_false": Example(lambda: truth | False, lambda: truth | True),
    "where_in_first_branch": Example(
        lambda: ops.where(truth, ops.where(truth, x, y), row),
        lambda: ops.where(truth, ops.where(other, x, y), row),
    ),
    "where_in_second_branch": Example(
        lambda: ops.where(truth, row, ops.where(truth, x, y)),
        lambda: ops.where(truth, row, ops.where(other, x, y)),
    ),
    "where_one_or_zero": Example(
        lambda: ops.where(truth, 1.0, 0.0), lambda: ops.where(truth, 1.0, -0.0)
    ),
    "maximum_twice": Example(
        lambda: ops.maximum(ops.maximum(x, y), y),
        lambda: ops.maximum(ops.minimum(x, y), y),
    ),
    "minimum_twice": Example(
        lambda: ops.minimum(ops.minimum(x, y), y),
        lambda: ops.minimum(ops.maximum(x, y), y),
    ),
    "maximum_of_constants": Example(
        lambda: ops.maximum(ops.maximum(x, 1), 2),
        lambda: ops.maximum(ops.minimum(x, 1), 2),
    ),
    "minimum_of_constants": Example(
        lambda: ops.minimum(ops.minimum(x, 1), 2),
        lambda: ops.minimum(ops.minimum(x, y), 2),
    ),
}
