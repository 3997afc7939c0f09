"""The stable form of what is differentiated: stable forms have stable gradients.

log(1 - exp(x)), differentiated as it is written, divides by a difference that cancels
or by 0, and no later rewriting finds back what is lost.  So expressions are brought to
the form in which they are computed before they are differentiated.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache

from .. import ops
from ..graph import Node, toposort
from ..leaf import Leaf
from ..rewrite import RuleSet, rewrite
from ..variable import Variable


def stable_form(
    seeds: Mapping[Node, Variable], marked: Collection[Node]
) -> Mapping[Node, Variable]:
    """`seeds` with each expression in its stable form, if `marked` nodes are kept.

    Only inputs and shared variables are sure to be.  What is differentiated with
    respect to an expression, or with an expression held constant, is taken as it is
    written.
    """
    inner = {i for node in toposort(seeds) for i in node.inputs}
    if not all(isinstance(node.op, Leaf) for node in marked) or inner & seeds.keys():
        return seeds
    stable: dict[Node, Variable] = {}
    for node, g in zip(rewrite(list(seeds), _rules()), seeds.values(), strict=True):
        stable[node] = ops.add(stable[node], g) if node in stable else g
    return stable


@cache
def _rules() -> RuleSet:
    """The rules of stable forms, without those that drop a gradient of its own."""
    from ..rules.canonical import canonical
    from ..rules.softmax import softmax_rules
    from ..rules.stabilize import stabilize

    return (softmax_rules + stabilize + canonical).excluding("inline", "unmarked")
