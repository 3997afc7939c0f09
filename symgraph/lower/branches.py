"""Branches in a Program: a `When` around the steps of two graphs, of which one runs.

Both write their results into the same arrays.  What only one of them needs is computed
in it, and only if it runs; so is what it requires of sizes and integer arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..codegen.program import End, Otherwise, When
from ..graph import Node
from .fuse import Partition
from .rounds import Source, refuse_complex

if TYPE_CHECKING:
    from .program import Emitter


@dataclass(frozen=True, slots=True)
class Branches:
    """A choice to lower: two lists of roots, and where each result goes, if it is used.

    `parameters` stand for what both graphs use.
    """

    node: Node
    condition: Node
    parameters: tuple[Source, ...]
    yes: tuple[Node, ...]
    no: tuple[Node, ...]
    results: dict[int, Node]


def lower_branches(emit: Emitter, choice: Branches) -> None:
    """Append the steps of a choice."""
    own = [s.parameter for s in choice.parameters]
    refuse_complex(choice.node, [*own, *choice.results.values()])
    for item in choice.results.values():
        emit.array(item)
    for source in choice.parameters:
        emit.also(source.parameter, emit.in_memory(source.of))
    emit.steps.append(When(emit.in_memory(choice.condition)))
    _branch(emit, choice, choice.yes)
    emit.steps.append(Otherwise())
    _branch(emit, choice, choice.no)
    emit.steps.append(End())


def _branch(emit: Emitter, choice: Branches, roots: tuple[Node, ...]) -> None:
    outer = emit.partition
    with emit.scope():
        made = emit.distinct(emit.settled([roots[k] for k in choice.results]))
        for root, item in zip(made, choice.results.values(), strict=True):
            emit.also(root, emit.array(item))
        emit.demand(made)
        emit.partition = Partition(made, emit.classes)
        for group in emit.partition.groups:
            emit.lower_unit(group)
    emit.partition = outer
