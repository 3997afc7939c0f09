"""Stable forms: the same value in exact arithmetic, better conditioned in floats.

The rules are in :mod:`.logexp`, :mod:`.logistic`, :mod:`.special` and :mod:`.cancel`;
softmax and its gradient have a file of their own, :mod:`.softmax`.
"""

from __future__ import annotations

from ..rewrite import RuleSet
from .cancel import cancel
from .logexp import logexp
from .logistic import logistic_rules
from .special import special_rules

stabilize = RuleSet("stabilize", [*special_rules, *logistic_rules, *logexp, *cancel])
