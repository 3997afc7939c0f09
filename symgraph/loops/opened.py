"""A loop taken apart, for passes that change it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from ..composite import of_type
from ..graph import Node, Site, intern, rebuild, toposort
from ..types import tensor
from ..variable import Variable
from .loop import Loop
from .parts import Parts, closed


@dataclass(slots=True)
class Open:
    """A loop taken apart.

    `carried` maps parameters to first and next values, `rows` and `rest` to what they
    stand for; `kept` maps the numbers of results to outputs of the body.
    """

    op: Loop
    count: Node
    first: Node
    carried: dict[Node, tuple[Node, Node]]
    rows: dict[Node, Node]
    rest: dict[Node, Node]
    kept: dict[int, Node]
    made: dict[int, Variable] = field(default_factory=dict)
    later: dict[int, Later] = field(default_factory=dict)

    @classmethod
    def of(cls, node: Node, read: Collection[int]) -> Open:
        """The loop `node`, of the results of which those numbered in `read` matter."""
        op = node.op
        assert isinstance(op, Loop)
        given = op.sorted(node.inputs)
        parts, roots = op.opened(node.inputs)
        pairs = zip(given.carried, roots, strict=False)
        return cls(
            op,
            given.first,
            parts.first,
            dict(zip(parts.carried, pairs, strict=True)),
            dict(zip(parts.rows, given.rows, strict=True)),
            {p: g for p, g in zip(parts.rest, given.rest, strict=True) if p is not g},
            {k: roots[k] for k in range(op.carries, op.rounds) if k in read},
        )

    def row(self, outer: Node) -> Node:
        """The parameter for rows of the array `outer`, a new one if there is none."""
        for own, known in self.rows.items():
            if known is outer:
                return own
        made = of_type(tensor(outer.type.dtype, outer.type.dims[1:])).node
        self.rows[made] = outer
        return made

    def outer(self, outer: Node) -> Node:
        """The parameter for `outer`, the same in all rounds, a new one if need be."""
        for own, known in self.rest.items():
            if known is outer:
                return own
        made = of_type(outer.type).node
        self.rest[made] = outer
        return made

    def shut(self, site: Site | None) -> Node:
        """The loop put together again."""
        nexts = [after for _, after in self.carried.values()]
        roots = rebuild([*nexts, *self.kept.values()], self.rest)
        parts = Parts(self.first, tuple(self.carried), tuple(self.rows), ())
        body, more = closed(parts, roots)
        op = replace(
            self.op,
            body=body,
            carries=len(self.carried),
            sequences=len(self.rows),
            updated=0,
        )
        inputs = [
            self.count, *(f for f, _ in self.carried.values()), *self.rows.values(),
            *(v.node for v in more),
        ]  # fmt: skip
        return intern(op, tuple(inputs), site)

    def replace_nodes(self, places: dict[Node, Node]) -> None:
        """Put other nodes in the places of some of the body."""
        nexts = [after for _, after in self.carried.values()]
        roots = rebuild([*nexts, *self.kept.values()], places)
        for own, after in zip(self.carried, roots, strict=False):
            self.carried[own] = (self.carried[own][0], after)
        self.kept = dict(zip(self.kept, roots[len(nexts) :], strict=True))

    @property
    def order(self) -> list[Node]:
        """The body's nodes."""
        return toposort([n for _, n in self.carried.values()] + [*self.kept.values()])

    def reached(self, sources: Iterable[Node]) -> set[Node]:
        """The nodes of the body that depend on `sources`."""
        found = set(sources)
        for node in self.order:
            if any(i in found for i in node.inputs):
                found.add(node)
        return found


@dataclass(frozen=True, slots=True)
class Later:
    """A stack that is computed behind the loop.

    `value` is over `stands`, for stacks that are kept, by number, or given (None): as
    `rows` says, also where the loop itself needs them no more.
    """

    value: Variable
    stands: dict[Node, Node]
    numbers: dict[Node, int | None]
    rows: dict[Node, Node]


__all__ = ["Later", "Open"]
