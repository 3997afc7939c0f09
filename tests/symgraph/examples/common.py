"""Operands that several families use."""

from __future__ import annotations

from symgraph.variable import Variable, constant

from ..cases import (
    Operand,
)


def at(low: int, high: int) -> Operand:
    """Indices of an axis."""
    return Operand(low, high, "int64")


def sizes(*values: int) -> tuple[Variable, ...]:
    return tuple(constant(v, "int64") for v in values)
