"""Examples: reductions."""

from __future__ import annotations

from symgraph import ops

from .common import Example, a, column, cube, k, s, total, u, x

EXAMPLES: dict[str, Example] = {
    "reduction_of_one": Example(lambda: ops.max(column, 1), lambda: ops.max(column, 0)),
    "nested_reduction": Example(
        lambda: ops.sum(ops.sum(cube, 1), 0), lambda: ops.max(ops.sum(cube, 1), 0)
    ),
    "sum_of_multiple": Example(lambda: ops.sum(x * 3, 0), lambda: ops.sum(x * 0.1, 0)),
    "sum_of_quotient": Example(lambda: ops.sum(x / 0.1, 0), lambda: ops.sum(x / 3, 0)),
    "sum_of_full": Example(
        lambda: ops.sum(ops.full((3, 4), 2.5), 0), lambda: ops.sum(ops.full((3, 4), s))
    ),
    "extreme_of_full": Example(
        lambda: ops.max(ops.full((3, 4), s), 0), lambda: ops.max(ops.full((3, k), s), 0)
    ),
    "reduction_of_join": Example(
        lambda: ops.max(ops.concatenate([a, a * 2, a[:1]]), 0),
        lambda: ops.max(ops.concatenate([u, total(u) * u]), 0),
    ),
}
