"""Constant folding: scalars that are known are computed once, now.

It comes after stabilisation, which it would otherwise cut off: ``log(1 + 1e-20)`` would
be frozen as 0.  Only constants of one element are folded, to one element: those are
part of the graph's structure.  Larger ones are opaque arguments of compiled code, which
is cached without looking at their values, and results are never made larger than a
scalar.
"""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

import numpy as np

from ..dims import product
from ..graph import Node
from ..leaf import Constant, Leaf
from ..op import Expanded, Op
from ..rewrite import RuleSet
from ..types import TupleType
from ..variable import Variable, constant

fold = RuleSet("fold")


@fold.rule(Op, preserves="exact")
def known_value(node: Node) -> Variable | None:
    """f(c0, c1, ...) -> c, for constants of one element"""
    if isinstance(node.op, Leaf | Expanded) or product(node.type.dims) != 1:
        return None
    if isinstance(node.type, TupleType):
        return None  # loops and such, which may take long
    arrays = []
    for source in node.inputs:
        if not isinstance(source.op, Constant) or source.op.data.size != 1:
            return None
        arrays.append(source.op.data)
    try:
        with np.errstate(all="ignore"):  # it may overflow, as it would when it runs
            value = node.op.ref(*arrays)
    except (ArithmeticError, IndexError, ValueError):
        return None  # it fails when it runs, with the user's line
    return constant(value, node.type.dtype)
