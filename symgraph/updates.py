"""New values of shared variables: those given, and those that come of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from .errors import ArgumentError, refuse
from .graph import Node, toposort
from .leaf import Shared
from .shared import fit
from .variable import Variable, substitute

#: Variables with what is given for them.
Updates: TypeAlias = Mapping[Variable, object] | Iterable[tuple[Variable, object]]


def pairs_of(given: Updates | None, what: str) -> list[tuple[Variable, object]]:
    """Variables with what is given for them."""
    items = given.items() if isinstance(given, Mapping) else given or ()
    pairs = list(items)
    for pair in pairs:
        right = isinstance(pair, tuple | list) and len(pair) == 2
        if not right or not isinstance(pair[0], Variable):
            refuse(
                ArgumentError,
                f"{what}: {pair!r} is not a variable and its new value",
                remedy=f"give a dict, or pairs: {what}=[(variable, value)]",
            )
    return pairs


def updated(
    updates: Updates | None, results: Sequence[Node], replaced: dict[Node, Node]
) -> tuple[tuple[Node, Node], ...]:
    """Shared leaves with their new values: those given, then the default updates."""
    changed: dict[Node, Node] = {}
    for target, new in pairs_of(updates, "updates"):
        if not isinstance(target.node.op, Shared):
            refuse(
                ArgumentError,
                "updates: not a shared variable",
                target,
                remedy="only what sg.shared made is kept between calls: return the new "
                "value as an output",
            )
        if target.node in changed:
            refuse(
                ArgumentError,
                "updates: one shared variable has two new values",
                target,
                remedy="give one: add them, or choose with sg.where",
            )
        (value,) = substitute([fit(new, target, "updates").node], replaced)
        changed[target.node] = value
    # A default update may read variables that have default updates of their own.
    pending = [*results, *changed.values()]
    while pending:
        found = {}
        order = toposort(pending)
        for node in order:
            for leaf, new in node.op.updates(node):
                if leaf not in changed:
                    found[leaf] = new
        for leaf in order:
            default = (
                leaf.op.storage.default_update if isinstance(leaf.op, Shared) else None
            )
            if default is not None and leaf not in {**changed, **found}:
                (found[leaf],) = substitute([default], replaced)
        changed |= found
        pending = list(found.values())
    return tuple(changed.items())


__all__ = ["Updates", "pairs_of", "updated"]
