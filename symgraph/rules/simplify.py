"""Simplification: what is done once the stable forms are found."""

from __future__ import annotations

from ..rewrite import RuleSet
from .algebra import algebra
from .choice import choice
from .reductions import reductions
from .shapes import shapes
from .slices import slices
from .structure import structure

simplify = RuleSet(
    "simplify", [*structure, *shapes, *slices, *reductions, *choice, *algebra]
)
