"""Ops that have a name worth matching, replaced by what they are made of."""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

from ..graph import Node
from ..op import Expanded
from ..rewrite import RuleSet
from ..variable import Variable

expand = RuleSet("expand")


@expand.rule(Expanded, preserves="special_values")
def expanded(node: Node) -> Variable:
    """softmax(x), argmax(x), ... -> their formulas"""
    op = node.op
    assert isinstance(op, Expanded)
    return op.expand(*(Variable(i) for i in node.inputs))
