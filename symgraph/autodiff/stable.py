"""The stable form of what is differentiated, whose gradients are stable in turn.

That of ``log(1 - exp(x))``, differentiated as it is written, divides by a difference
that cancels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from .. import ops
from ..graph import Node, toposort
from ..leaf import Leaf
from ..rewrite import RuleSet, rewrite
from ..variable import Variable


def stable_seeds(
    seeds: Mapping[Node, Variable], named: set[Node]
) -> dict[Node, Variable] | None:
    """`seeds` of the stable forms; None where the graph must be taken as it stands.

    That is where it is differentiated with respect to an expression, or around one
    (`named`), which must be found in it.
    """
    inner = {i for n in toposort(seeds) for i in n.inputs}
    if not all(isinstance(n.op, Leaf) for n in named) or not inner.isdisjoint(seeds):
        return None
    stable: dict[Node, Variable] = {}
    for node, g in zip(rewrite(list(seeds), _rules()), seeds.values(), strict=True):
        stable[node] = ops.add(stable[node], g) if node in stable else g
    return stable


@cache
def _rules() -> RuleSet:
    """What brings an expression to its stable form: composites keep their gradients."""
    from ..rules.canonical import canonical
    from ..rules.softmax import softmax_rules
    from ..rules.stabilize import stabilize

    return (softmax_rules + stabilize + canonical).excluding("inline")
