"""What lowering did with each node, for those who ask: a :class:`Watch` is told.

Kernels inline most of what they compute; only here is it known which nodes those are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ..graph import Node, intern
from ..history import History
from .groups import Group

#: Makes a node over new inputs, as `rebuild` has it.
Replace = Callable[[Node, tuple[Node, ...]], Node]


@dataclass(frozen=True, slots=True)
class Unit:
    """Nodes that are lowered together, and the steps that they become.

    Attributes:
        group: the nodes, and the frame of their loops.
        owner: the loop or choice in whose body they are; None: in none.
        steps: the numbers of the program's steps.
    """

    group: Group
    owner: Node | None
    steps: range


@dataclass(slots=True)
class Watch:
    """What lowering did.

    Attributes:
        history: what is told of nodes that were replaced on the way.
        mark: the place in the history where lowering begins.
        units: what was lowered together, in order; those of a body before its loop.
        computed: for each kernel, by name, the nodes that it evaluates.
        stored: for each kernel those of them that it writes into arrays.
    """

    history: History
    units: list[Unit] = field(default_factory=list)
    computed: dict[str, tuple[Node, ...]] = field(default_factory=dict)
    stored: dict[str, tuple[Node, ...]] = field(default_factory=dict)
    _owners: list[Node] = field(default_factory=list)
    mark: int = field(init=False)

    def __post_init__(self) -> None:
        self.mark = self.history.now()

    def kernel(
        self, name: str, computed: Iterable[Node], stored: Iterable[Node]
    ) -> None:
        """Note what the kernel `name` evaluates and what it writes."""
        self.computed[name] = tuple(computed)
        self.stored[name] = tuple(stored)

    def enter(self, owner: Node, bodies: Sequence[Sequence[Node]]) -> None:
        """Note that the bodies of `owner` are lowered next, over these roots."""
        self.history.lowered(owner, bodies)
        self._owners.append(owner)

    def unit(self, group: Group, steps: range) -> None:
        """Note that `group` has been lowered to these steps."""
        if self._owners and self._owners[-1] is group.members[-1]:
            self._owners.pop()
        owner = self._owners[-1] if self._owners else None
        self.units.append(Unit(group, owner, steps))

    def replacing(self, replace: Replace) -> Replace:
        """`replace`, whose results are noted."""

        def watched(node: Node, inputs: tuple[Node, ...]) -> Node:
            plain = intern(node.op, inputs, node.site)
            made = replace(node, inputs)
            self.history.again(node, plain)
            self.history.made(plain, made)
            return made

        return watched


def told(watch: Watch | None, replace: Replace) -> Replace:
    """`replace`, of whose results `watch` is told, if there is one."""
    return replace if watch is None else watch.replacing(replace)


__all__ = ["Unit", "Watch", "told"]
