"""For every rule: a graph where it applies, and one like it where it must not.

The tests of rules and the golden files run over this one table, a module a rule set.  A
new rule without an entry fails them.
"""

from __future__ import annotations

from symgraph.rewrite import RuleSet
from symgraph.rules.algebra import algebra as algebra_rules
from symgraph.rules.cancel import cancel as cancel_rules
from symgraph.rules.canonical import canonical as canonical_rules
from symgraph.rules.choice import choice as choice_rules
from symgraph.rules.expand import expand
from symgraph.rules.fold import fold
from symgraph.rules.logexp import logexp as logexp_rules
from symgraph.rules.logistic import logistic_rules
from symgraph.rules.reductions import reductions as reduction_rules
from symgraph.rules.shapes import shapes as shape_rules
from symgraph.rules.slices import slices as slice_rules
from symgraph.rules.softmax import softmax_rules
from symgraph.rules.special import special_rules
from symgraph.rules.structure import structure as structure_rules

from . import (
    algebra,
    cancel,
    canonical,
    choice,
    last,
    logexp,
    logistic,
    reductions,
    shapes,
    slices,
    softmax,
    special,
    structure,
)
from .common import Example

#: The rule sets, each with its examples.
SETS: dict[str, tuple[RuleSet, dict[str, Example]]] = {
    "canonical": (canonical_rules, canonical.EXAMPLES),
    "logexp": (logexp_rules, logexp.EXAMPLES),
    "logistic": (logistic_rules, logistic.EXAMPLES),
    "special": (special_rules, special.EXAMPLES),
    "cancel": (cancel_rules, cancel.EXAMPLES),
    "softmax": (softmax_rules, softmax.EXAMPLES),
    "structure": (structure_rules, structure.EXAMPLES),
    "shapes": (shape_rules, shapes.EXAMPLES),
    "slices": (slice_rules, slices.EXAMPLES),
    "reductions": (reduction_rules, reductions.EXAMPLES),
    "choice": (choice_rules, choice.EXAMPLES),
    "algebra": (algebra_rules, algebra.EXAMPLES),
    "last": (fold + expand, last.EXAMPLES),
}

EXAMPLES = {name: made for _, listed in SETS.values() for name, made in listed.items()}
RULES = {rule.name: rule for rules, _ in SETS.values() for rule in rules}
