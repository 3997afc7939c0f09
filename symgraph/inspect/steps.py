"""A step of rewriting as two short formulas, before and after.

What both have in common is named by a letter: ``log(1.0 + a) -> log1p(a)``, where
``a = exp(x)``.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..graph import Node
from ..history import Change
from ..leaf import Constant
from .text import formula

#: Formulas are written out this deep at most, and as long.
DEEPEST, LONGEST = 6, 160
#: What a letter stands for is written out this deep.
WHERE_DEPTH = 2
#: Of what a pass did by itself, so many nodes are listed.
MOST_LISTED = 6


@dataclass(frozen=True, slots=True)
class StepText:
    """A step's formulas, and what the letters in them stand for."""

    before: str
    after: str
    where: dict[str, str]


def step_text(step: Change) -> StepText:
    """`step` as formulas; of what a pass did by itself, the ops that went and came."""
    if step.rule is None:
        return StepText(_listed(step.before), _listed(step.after), {})
    names = _shared_names(step)
    where = {
        label: _short(node, WHERE_DEPTH, {n: v for n, v in names.items() if n != node})
        for node, label in names.items()
    }
    before = _short(step.before[0], DEEPEST, names)
    return StepText(before, _short(step.after[0], DEEPEST, names), where)


def _shared_names(step: Change) -> dict[Node, str]:
    """Letters for the expressions that a rule took as they are."""
    before, after = step.before, step.after
    looked_at = set(before)
    new = set(after) - looked_at
    edge = [i for n in before for i in n.inputs if i not in looked_at]
    if after[0] in edge:  # the rule gave back what was there
        new = set()
    edge += [i for n in after if n in new for i in n.inputs if i not in new]
    if not new and after[0] != before[0]:
        edge.append(after[0])
    shared = (n for n in dict.fromkeys(edge) if n.inputs and n is not before[0])
    return dict(zip(shared, _letters(), strict=False))


def _letters() -> Iterator[str]:
    """a, b, ..., z, a1, b1, ..."""
    yield from string.ascii_lowercase
    number = 1
    while True:
        yield from (f"{letter}{number}" for letter in string.ascii_lowercase)
        number += 1


def _short(node: Node, depth: int, names: Mapping[Node, str]) -> str:
    text = formula(node, depth, names, longest=LONGEST)
    return text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."


def _listed(nodes: tuple[Node, ...]) -> str:
    """The ops among `nodes`, how many of each, the most frequent first."""
    counts: dict[str, int] = {}
    for node in nodes:
        title = "constant" if isinstance(node.op, Constant) else node.op.name
        counts[title] = counts.get(title, 0) + 1
    ranked = sorted(counts.items(), key=lambda pair: -pair[1])
    shown = [n if k == 1 else f"{k} {n}" for n, k in ranked[:MOST_LISTED]]
    return ", ".join([*shown, *(["..."] if len(ranked) > MOST_LISTED else [])])


__all__ = ["StepText", "step_text"]
