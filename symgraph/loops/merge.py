"""Loops put together that make the same rounds.

Two loops can be one if they make as many rounds, in the same direction, and neither
needs the other's results, or needs of them only rows that the other keeps, each in the
round in which it is made.  What it saves decides (:class:`Traits`):

* what carries the same values, as a loop and its like that keeps more for a gradient
  do, is computed once;
* rows of one array are read once, and kept rows that another loop goes through need not
  be read again, or be kept at all if nobody else reads them;
* rounds of a few scalars wait for their own results most of the time: those of other
  loops fit in between.

A loop over a few numbers, which runs in one kernel, its state in registers, is put
together with such loops only, and only while the whole still is one.  Products that
could be taken for all rounds at once stay out of it.

That it makes no cycle is seen from *phases*: each loop has one, every path from a loop
to another leads to a higher phase, and loops of one phase are free of each other.  A
loop may be moved to a later phase that is still before those of its readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..composite import of_type
from ..dims import Size
from ..graph import Node, intern, rebuild, toposort, users
from ..ops import Item
from ..ops.sizes import Shape, dim_of, shape_of
from ..types import tensor
from ..variable import Variable
from .loop import Loop
from .opened import Open
from .parts import is_size, results
from .traits import MOST_LENGTH, Traits, kept_of, traits_of

#: Groups that a loop is tried with, for each thing that they have in common.
MOST_TRIED = 4
#: How often guesses which carried values are the same are made anew.
MOST_GUESSES = 8


def merged(outputs: tuple[Node, ...]) -> tuple[Node, ...]:
    """`outputs` with loops put together."""
    if sum(isinstance(node.op, Loop) for node in toposort(outputs)) < 2:
        return outputs
    outputs = _sized(outputs)
    order = toposort(outputs)
    places: dict[Node, Node] = {}
    for group in _Plan(order).groups():
        if len(group) > 1:
            places |= _together(group)
    return replaced(outputs, places) if places else outputs


def _sized(outputs: tuple[Node, ...]) -> tuple[Node, ...]:
    """`outputs` with sizes taken from inputs, or loops' counts, where these have them.

    So that what has as many rows as a loop keeps need not come after that loop.
    """
    order = toposort(outputs)
    known = known_sizes(order)
    sizes = [node for node in order if isinstance(node.op, Shape)]
    places = {n: known[dim_of(n)] for n in sizes if dim_of(n) in known}
    return rebuild(outputs, {n: p for n, p in places.items() if n is not p})


def known_sizes(order: Sequence[Node]) -> dict[Size, Node]:
    """What has the value of a size, of inputs or numbers of rounds."""
    known: dict[Size, Node] = {}
    for node in order:
        for axis, size in enumerate(() if node.inputs else node.type.dims):
            if size not in known and not isinstance(size, int):
                known[size] = shape_of(Variable(node), axis).node
    for node in order:
        if isinstance(node.op, Loop):
            known.setdefault(dim_of(node.inputs[0]), node.inputs[0])
    return known


def replaced(outputs: tuple[Node, ...], places: dict[Node, Node]) -> tuple[Node, ...]:
    """`outputs` with new nodes, over old ones, in the places of others."""

    def inputs_of(node: Node) -> Sequence[Node]:
        return (places[node],) if node in places else node.inputs

    made: dict[Node, Node] = {}
    for node in toposort(outputs, inputs_of):
        if node in places:
            made[node] = made[places[node]]
        else:
            inputs = tuple(made[i] for i in node.inputs)
            made[node] = intern(node.op, inputs, node.site)
    return tuple(made[node] for node in outputs)


# -- which -----------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Group:
    """Loops that become one; how long its round is, where that is known."""

    phase: int
    length: int
    members: list[Node] = field(default_factory=list)


class _Plan:
    """Which loops of a graph become one."""

    def __init__(self, order: Sequence[Node]) -> None:
        self._order = order
        self._place = {node: k for k, node in enumerate(order)}
        self._users = users(order)
        self._traits: dict[Node, Traits] = {}
        self._phase: dict[Node, int] = {}
        #: The phase from which on a node is known.
        self._known: dict[Node, int] = {}
        #: Loops that go through each other's rows, by the first of them.
        self._chain: dict[Node, Node] = {}
        self._length: dict[Node, int] = {}

    def groups(self) -> list[list[Node]]:
        """The loops, each in one group, in an order in which they can be made."""
        for node in self._order:
            if isinstance(node.op, Loop):
                self._traits[node] = traits_of(node)
                self._begin(node)
                self._known[node] = self._phase[node] + 1
            else:
                self._known[node] = max(
                    (self._known[i] for i in node.inputs), default=0
                )
        return [sorted(g.members, key=self._place.__getitem__) for g in self._grouped()]

    # -- forwards: the earliest phases, and rows that other loops keep ----------------

    def _begin(self, node: Node) -> None:
        """Put a loop in its earliest phase, beside those whose rows it goes through."""
        mine = self._traits[node]
        makers = self._makers(node)
        first = 1 + mine.op.carries
        through = range(first, first + mine.op.sequences)
        others = [
            self._known[i]
            for k, i in enumerate(node.inputs)
            if k not in through or kept_of(i) not in makers
        ]
        phase = max([*others, *(self._phase[m] for m in makers)], default=0)
        chains = {self._chain_of(m) for m in makers if self._phase[m] == phase}
        length = mine.length + sum(self._length[c] for c in chains)
        if mine.small and length > MOST_LENGTH:
            phase, chains, length = self._after(node), set(), mine.length
        self._phase[node] = phase
        self._join(node, chains, length)

    def _after(self, node: Node) -> int:
        return max((self._known[i] for i in node.inputs), default=0)

    def _makers(self, node: Node) -> set[Node]:
        """The loops whose kept rows `node` had better be given as they are made."""
        mine = self._traits[node]
        found = set()
        for number, row in enumerate(mine.rows):
            maker = kept_of(row)
            if maker is None or number in mine.multiplied:
                continue
            theirs = self._traits[maker]
            assert isinstance(row.op, Item)
            late = row.op.number in theirs.late
            alike = theirs.key == mine.key and theirs.small == mine.small
            if alike and not late and not mine.op.conditional and not mine.few:
                found.add(maker)
        return found

    def _join(self, node: Node, chains: set[Node], length: int) -> None:
        """Put a loop and those of `chains` in one chain."""
        self._chain[node] = node
        for chain in chains:
            self._chain[chain] = node
        self._length[node] = length

    def _chain_of(self, node: Node) -> Node:
        """What stands for the chain that a loop is in."""
        while (above := self._chain[node]) is not node:
            self._chain[node] = node = self._chain[above]
        return node

    # -- backwards: the groups, at phases as late as may be ---------------------------

    def _grouped(self) -> list[_Group]:
        found: list[_Group] = []
        index: dict[object, list[_Group]] = {}
        groups: dict[Node, _Group] = {}
        chained = {self._chain_of(n) for n, c in self._chain.items() if c is not n}
        need: dict[Node, int] = {}
        latest = 1 + max(self._known.values())

        def by_phase(node: Node) -> tuple[int, int]:
            return self._phase.get(node, self._known[node]), self._place[node]

        for node in sorted(self._order, key=by_phase, reverse=True):
            read = [self._phase.get(u, need.get(u, latest)) for u in self._users[node]]
            need[node] = min(read, default=latest)
            if node not in self._phase:
                continue
            chain = self._chain_of(node)
            own = self._phase[node]
            limit = own if chain in chained else max(own, need[node] - 1)
            group = groups.get(chain)
            if group is None:
                group = self._fitting(node, limit, index)
                if group is None:
                    group = _Group(own, 0)
                    found.append(group)
                group.length += self._length[chain]
                groups[chain] = group
            group.members.append(node)
            self._phase[node] = group.phase
            for token in self._traits[node].tokens:
                known = index.setdefault(token, [])
                if group not in known[-1:]:
                    known.append(group)
        return found

    def _fitting(
        self, node: Node, limit: int, index: dict[object, list[_Group]]
    ) -> _Group | None:
        """A group that `node` may join, and had better."""
        mine = self._traits[node]
        own, length = self._phase[node], self._length[self._chain_of(node)]
        for token in mine.tokens:
            for group in index.get(token, [])[: -MOST_TRIED - 1 : -1]:
                if not own <= group.phase <= limit:
                    continue
                fits = not mine.small or group.length + length <= MOST_LENGTH
                if fits or token is mine.same:
                    return group
        return None


# -- how -------------------------------------------------------------------------------


def _together(group: Sequence[Node]) -> dict[Node, Node]:
    """For each result of the loops, that of one loop that does what they all do."""
    whole = _Whole(group[0])
    for other in group[1:]:
        whole.add(other)
    return whole.places() if len(whole.parts) > 1 else {}


class _Whole:
    """A loop made of several.

    `rows` and `rest` map what is outside to the parameters that stand for it; `parts`
    the loops to their last carried values, as parameters, and what they keep.
    """

    def __init__(self, first: Node) -> None:
        op = first.op
        assert isinstance(op, Loop)
        parameters, roots = op.opened(first.inputs)
        given = op.sorted(first.inputs)
        self.first = first
        self.op = op
        self.t = parameters.first
        self.rows = dict(zip(given.rows, parameters.rows, strict=True))
        self.rest = dict(zip(given.rest, parameters.rest, strict=True))
        if len(self.rows) < len(given.rows):
            # Of an array that is gone through twice one parameter is left.
            rows = [self.rows[outer] for outer in given.rows]
            rest = [self.rest[outer] for outer in given.rest]
            roots = op.body.nodes(self.t, *parameters.carried, *rows, *rest)
        pairs = zip(given.carried, roots, strict=False)
        self.carried = dict(zip(parameters.carried, pairs, strict=True))
        kept = roots[op.carries :]
        self.kept = dict.fromkeys(kept)
        self.parts = {first: (parameters.carried, kept)}

    def add(self, node: Node) -> None:
        """Have the loop do what `node` does too, unless the conditions differ."""
        op = node.op
        assert isinstance(op, Loop)
        given = op.sorted(node.inputs)
        rest = [self._rest(outer) for outer in given.rest]
        rows = [self._row(outer) for outer in given.rows]
        carried, made = self._united(op, given.carried, [*rows, *rest])
        if op.conditional and carried[0] is not next(iter(self.carried)):
            return
        for own, first, after in zip(carried, given.carried, made, strict=False):
            self.carried.setdefault(own, (first, after))
        kept = made[op.carries :]
        self.kept |= dict.fromkeys(kept)
        self.parts[node] = tuple(carried), kept

    def _rest(self, outer: Node) -> Node:
        if outer not in self.rest:
            fresh = outer if is_size(outer) else of_type(outer.type).node
            self.rest[outer] = fresh
        return self.rest[outer]

    def _row(self, outer: Node) -> Node:
        """The row of a sequence in a round: a parameter, or what another loop keeps."""
        maker = kept_of(outer)
        if maker in self.parts:
            assert isinstance(outer.op, Item)
            op = maker.op
            assert isinstance(op, Loop)
            return self.parts[maker][1][outer.op.number - op.carries]
        if outer not in self.rows:
            kind = tensor(outer.type.dtype, outer.type.dims[1:])
            self.rows[outer] = of_type(kind).node
        return self.rows[outer]

    def _united(
        self, op: Loop, firsts: Sequence[Node], others: Sequence[Node]
    ) -> tuple[list[Node], tuple[Node, ...]]:
        """What stands for carried values, and what a round then makes.

        Values that begin alike are taken to be the same; where what follows them is not
        the same after all, they are not.
        """
        places = list(self.carried)
        fresh = [of_type(f.type).node for f in firsts]
        guesses = [
            sorted(
                (p for p in places if self.carried[p][0] is first),
                key=lambda p: places.index(p) != k,
            )
            for k, first in enumerate(firsts)
        ]
        for turn in range(MOST_GUESSES + 1):
            carried = [g[0] if g else f for g, f in zip(guesses, fresh, strict=True)]
            made = op.body.nodes(self.t, *carried, *others)
            wrong = [
                k
                for k, own in enumerate(carried)
                if own in self.carried and made[k] is not self.carried[own][1]
            ]
            if not wrong:
                return carried, made
            for k in wrong:
                del guesses[k][: 1 if turn < MOST_GUESSES - 1 else None]
            if turn == MOST_GUESSES - 1:
                guesses = [[] for _ in guesses]
        raise AssertionError("without guesses nothing is wrong")

    def places(self) -> dict[Node, Node]:
        """For each result of the loops, that of the whole."""
        labels = dict.fromkeys(n.op.label for n in self.parts)  # type: ignore[attr-defined]
        loop = Open(
            replace(self.op, label=" and ".join(list(labels)[:2])),
            self.op.sorted(self.first.inputs).first,
            self.t,
            self.carried,
            {own: outer for outer, own in self.rows.items()},
            {own: outer for outer, own in self.rest.items() if own is not outer},
            dict(enumerate(self.kept)),
        ).shut(self.first.site)
        items = [v.node for v in results(loop)]
        # A value may be carried and kept: it is found by what it is for.
        last = dict(zip(self.carried, items, strict=False))
        stack = dict(zip(self.kept, items[len(self.carried) : -1], strict=True))
        found: dict[Node, Node] = {}
        for node, (carried, kept) in self.parts.items():
            mine = [*(last[p] for p in carried), *(stack[root] for root in kept)]
            for k, item in enumerate([*mine, items[-1]]):
                old = intern(Item(k), (node,))
                if old is not item:
                    found[old] = item
        return found


__all__ = ["known_sizes", "merged", "replaced"]
