"""Examples: known values, and named formulas written out."""

from __future__ import annotations

from symgraph import ops
from symgraph.variable import constant

from .common import Example, P, c, x, y

EXAMPLES: dict[str, Example] = {
    # fold, expand
    "known_value": Example(
        lambda: x + c(2.0) * 3, lambda: x + ops.sum(constant([1.0, 2.0]))
    ),
    "expanded": Example(lambda: P, lambda: ops.exp(x)),
    "small_reduction": Example(
        lambda: ops.sum((x - y) * x, 1), lambda: ops.sum(ops.exp(x), 1)
    ),
}
