"""The stable form of what is differentiated, whose gradients are stable in turn.

That of ``log(1 - exp(x))``, differentiated as it is written, divides by a difference
that cancels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache

from .. import ops
from ..graph import Node, toposort
from ..leaf import Leaf
from ..rewrite import RuleSet, rewrite
from ..types import is_complex
from ..variable import Variable


def stable_forms(
    outputs: Sequence[Node], named: Collection[Node]
) -> tuple[Node, ...] | None:
    """`outputs` in their stable forms; None where they must be taken as they stand.

    That is where they are differentiated with respect to an expression, or around one
    (`named`), which must be found in them, and where numbers are complex: the rules are
    about real ones.
    """
    order = toposort(outputs)
    if any(is_complex(n.type.dtype) for n in order):
        return None
    inner = {i for n in order for i in n.inputs}
    if not all(isinstance(n.op, Leaf) for n in named) or not inner.isdisjoint(outputs):
        return None
    return rewrite(list(outputs), _rules())


def stable_seeds(
    seeds: Mapping[Node, Variable], named: Collection[Node]
) -> dict[Node, Variable] | None:
    """`seeds` of the stable forms, if there are such (:func:`stable_forms`)."""
    forms = stable_forms(list(seeds), named)
    if forms is None:
        return None
    stable: dict[Node, Variable] = {}
    for node, g in zip(forms, seeds.values(), strict=True):
        stable[node] = ops.add(stable[node], g) if node in stable else g
    return stable


@cache
def _rules() -> RuleSet:
    """What brings an expression to its stable form.

    What has a gradient of its own keeps it: composites, and what is there for
    differentiation alone.
    """
    from ..rules.canonical import canonical
    from ..rules.softmax import softmax_rules
    from ..rules.stabilize import stabilize

    return (softmax_rules + stabilize + canonical).excluding("inline", "unmarked")
