"""Branches in a Program: a `When` around the steps of two graphs, of which one runs.

Both write their results into the same arrays.  What only one of them needs is computed
in it, and only if it runs; so is what it requires of sizes and integer arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..codegen.program import End, Otherwise, When
from ..errors import UnsupportedError, refuse
from ..graph import Node, describe_node
from ..types import is_complex
from .fuse import Partition
from .rounds import Source

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
    _refuse_complex(choice)
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


def _refuse_complex(choice: Branches) -> None:
    nodes = [s.parameter for s in choice.parameters] + list(choice.results.values())
    for node in nodes:
        if is_complex(node.type.dtype):
            refuse(
                UnsupportedError,
                f"{choice.node.op.name}: complex values have no native form",
                describe_node(node),
                site=choice.node.site,
                remedy="choose real and imaginary parts, or use mode='interpret'",
            )
