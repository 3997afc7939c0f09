"""What fusion makes: groups of nodes, and how their members read one another."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..dims import Size
from ..graph import Node

#: A group's formulas are this long together at most; longer chains take more kernels.
MAX_WEIGHT = 400

#: Where an input's dimension goes: the reader's dimension, None (size 1), or neither.
Alignment = tuple["int | None", ...]
Axis = int


@dataclass(slots=True)
class Group:
    """Nodes computed by one kernel.

    `place` gives the frame axis of each dimension of each member (None for size 1), and
    `domain` those of each reduction's operand.
    """

    members: list[Node]
    place: dict[Node, tuple[Axis | None, ...]]
    domain: dict[Node, tuple[Axis | None, ...]]
    rows: list[Axis]
    inner: list[Axis]
    extents: dict[Axis, Size]
    stage: int = 0
    limit: float = math.inf
    weight: int = 0
    outputs: list[Node] = field(default_factory=list)

    @property
    def frame(self) -> list[Axis]:
        """Row axes, then inner axes."""
        return [*self.rows, *self.inner]

    def runs_down(self, short: int) -> bool:
        """Whether a reduction runs over other axes than the last: down the columns.

        Not those of at most `short` elements, where that is known.
        """
        known = [e for a in self.inner if isinstance(e := self.extents[a], int)]
        if len(known) == len(self.inner) and math.prod(known) <= short:
            return False
        lasts = [
            next((a for a in reversed(axes) if a is not None), None)
            for axes in self.domain.values()
        ]
        return any(last not in self.inner for last in lasts)

    def take(self, other: Group, mapping: dict[Axis, Axis]) -> None:
        """Take in the members of `other`, whose axes are renamed by `mapping`."""
        for member, axes in other.place.items():
            self.place[member] = tuple(None if a is None else mapping[a] for a in axes)
        for member, axes in other.domain.items():
            self.domain[member] = tuple(a if a is None else mapping[a] for a in axes)
        self.members = other.members + self.members
        for axis in other.inner:
            name = mapping[axis]
            if name not in self.extents:
                self.inner.append(name)
            elif name in self.rows:
                self.rows.remove(name)
                self.inner.append(name)
            self.extents[name] = other.extents[axis]
        self.weight += other.weight
        self.limit = min(self.limit, other.limit)


@dataclass(frozen=True, slots=True)
class Source:
    """A materialised or grouped node that a node reads, through views."""

    node: Node
    #: For each of the source's dimensions, the reader's; None for size 1.
    alignment: Alignment
    #: Whether each dimension follows one of the reader's or has size 1.
    aligned: bool
