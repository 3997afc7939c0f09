"""For every op: how to build it, what it should give, and on what.

The tests of values and of gradients run over this one table, a module a family.  A new
op without an entry fails them.
"""

from __future__ import annotations

from symgraph.op import Op

from ..cases import Case
from . import (
    arrays,
    elementwise,
    foreign,
    functions,
    indexing,
    loops,
    products,
    random,
    reductions,
    softmax,
    special,
    stable,
    structure,
    views,
)

FAMILIES = (
    elementwise,
    functions,
    reductions,
    views,
    indexing,
    loops,
    products,
    arrays,
    softmax,
    structure,
    random,
    foreign,
    stable,
    special,
    random,
)

EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    made: cases for family in FAMILIES for made, cases in family.EXAMPLES.items()
}
