"""Examples: known values, and named formulas written out."""

from __future__ import annotations

from symgraph import ops
from symgraph.variable import constant

from .common import Example, P, c, x

EXAMPLES: dict[str, Example] = {
    # fold, expand
    "known_value": Example(
        lambda: x + c(2.0) * 3, lambda: x + ops.sum(constant([1.0, 2.0]))
    ),
    "expanded": Example(lambda: P, lambda: ops.exp(x)),
}
