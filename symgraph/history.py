"""What became of each node: links and steps, kept only where somebody asks for them.

Rewriting, the passes and lowering tell a :class:`History` what stands for what.  A
*link* says that some nodes were made of others, or took their place; it belongs to a
*step*, the application of a rule or what a pass did by itself, or to none, where a node
was only made again over new inputs.  Links are in the order of time, so that a node's
origins are found by following them back (:meth:`History.origins`).

Loops and branches keep their graphs as plain data and make fresh nodes of them each
time they are opened.  The history knows which node of one opening is which of the
next.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .composite import Body, bodies_of
from .graph import Node, Site, toposort
from .op import Nested, Op

#: How deep below a node a rule's traces are looked for, and among how many nodes.
DEEPEST, MOST_LOOKED_AT = 8, 200


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the way: a rule applied, or what a pass did by itself.

    Attributes:
        number: its place among all steps.
        phase: the pass.
        rule: the rule's name; None for the pass itself.
        doc: what the rule or pass says of itself, in a line.
        preserves: "exact", "rounding" or "special_values".
        before: the nodes that were looked at and replaced, the replaced one first.
        after: what stands there now, first, then other new nodes.
        scope: the loops and branches in whose bodies it happened, outermost first.
    """

    number: int
    phase: str
    rule: str | None
    doc: str
    preserves: str
    before: tuple[Node, ...]
    after: tuple[Node, ...]
    scope: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """Each of `after` comes from each of `before`, by step number `step` (or none)."""

    before: tuple[Node, ...]
    after: tuple[Node, ...]
    step: int | None


@dataclass(frozen=True, slots=True)
class Origins:
    """Where a node comes from: nodes as written, and the steps on the way, in order."""

    written: tuple[Node, ...]
    steps: tuple[int, ...]


class History:
    """The links and steps of one run of a pipeline, and of lowering what it left.

    `roots` is the graph as it was written.
    """

    def __init__(self, roots: Sequence[Node]) -> None:
        self.steps: list[Change] = []
        self.links: list[Link] = []
        #: The graph as written: its nodes, and those of the bodies of its loops.
        self.written: dict[Node, None] = dict.fromkeys(toposort(roots))
        self._into: dict[Node, list[int]] = {}
        self._scope: list[Node] = []
        self._bodies: dict[Op, list[dict[int, Node]]] = {}
        self._first: dict[Op, list[dict[int, Node]]] = {}
        self._originals = {n.op for n in self.written if isinstance(n.op, Nested)}
        self._by_site: dict[Site, list[Node]] = {}
        #: The latest step that replaced each node.
        self._taken: dict[Node, int] = {}
        self._open: dict[Node, int] = {}
        self._latest: Change | None = None

    # -- being told --------------------------------------------------------------------

    def link(
        self, before: Iterable[Node], after: Iterable[Node], step: int | None = None
    ) -> None:
        """Note that `after` comes from `before`."""
        sources, made = tuple(before), tuple(after)
        for node in made:
            self._into.setdefault(node, []).append(len(self.links))
        self.links.append(Link(sources, made, step))

    def again(self, before: Node, after: Node) -> None:
        """Note that `after` is `before` over new inputs."""
        if before is not after:
            self.link((before,), (after,))

    def settled(self, before: Node, known: Node, final: Node) -> None:
        """Note that `before` became `known`, of which `final` had been made already.

        Its line belongs to the steps that did so, too.
        """
        at = known
        for _ in range(MOST_LOOKED_AT):
            number = self._taken.get(at)
            if at is final or number is None:
                break
            change = self.steps[number]
            self.link((before,), change.after, number)
            at = change.after[0]
        if at is not final:
            self.again(before, final)

    def made(self, before: Node, after: Node) -> None:
        """Note that lowering put `after` in the place of `before`: another formula."""
        if after is not before:
            kept = set(before.inputs)
            new = toposort([after], lambda n: () if n in kept else n.inputs)
            self.link((before,), [n for n in new if n not in kept and n.inputs])

    def applied(
        self,
        phase: str,
        rule: tuple[str, str, str],
        before: Sequence[Node],
        after: Node,
        known: Callable[[Node], bool],
    ) -> None:
        """Note that a rule (its name, doc and what it preserves) made `after`.

        `before` is the node that it replaced and the others that its pattern opened;
        `known` tells nodes that were there already.
        """
        name, doc, preserves = rule
        new = toposort([after], lambda n: () if known(n) else n.inputs)
        made = [n for n in reversed(new) if not known(n) and n.inputs]
        if len(before) == 1:
            before = _between(before[0], new, known)
        after_all = tuple(dict.fromkeys((after, *made)))
        change = self._changed(phase, name, doc, preserves, before, after_all)
        self.link(change.before, change.after, change.number)
        self._taken[before[0]] = change.number

    def _changed(
        self,
        phase: str,
        rule: str | None,
        doc: str,
        preserves: str,
        before: Sequence[Node],
        after: Sequence[Node],
    ) -> Change:
        change = Change(
            len(self.steps),
            phase,
            rule,
            doc,
            preserves,
            tuple(before),
            tuple(after),
            tuple(self._scope),
        )
        self.steps.append(change)
        return change

    def now(self) -> int:
        """A mark for :meth:`passed`."""
        return len(self.links)

    def passed(
        self,
        phase: str,
        told: tuple[str, str],
        before: Sequence[Node],
        after: Sequence[Node],
        mark: int,
    ) -> None:
        """Note what a pass did by itself, since `mark`: nodes that no link explains.

        `told` is what it says of itself and what it preserves.  Such nodes come from
        those of the same line that were there before, where there are any; else from
        all that are gone.
        """
        old, new = toposort(before), toposort(after)
        there = set(old)
        explained = {n for link in self.links[mark:] for n in link.after}
        fresh = [
            n for n in reversed(new) if n not in there and n not in explained
            and n.inputs
        ]  # fmt: skip
        if not fresh:
            return
        kept = set(new)
        gone = [n for n in old if n not in kept and n.inputs]
        self._by_site = self._lines([*gone, *self._inside(gone)], old)
        change = self._changed(
            phase, None, told[0], told[1], gone[::-1] or old[-1:], fresh
        )
        self._latest = change
        for node in fresh:
            self.link(self._likely(node) or change.before, (node,), change.number)

    def _inside(self, nodes: Iterable[Node]) -> Iterator[Node]:
        """The nodes of the bodies of loops among `nodes`, all the way down."""
        pending = [n for n in nodes if isinstance(n.op, Nested)]
        while pending:
            for body in self._bodies.get(pending.pop().op, ()):
                yield from body.values()
                pending += [n for n in body.values() if isinstance(n.op, Nested)]

    def _lines(
        self, first: Iterable[Node], others: Iterable[Node]
    ) -> dict[Site, list[Node]]:
        """Nodes by their lines: those of `others` where `first` has none."""
        found: dict[Site, list[Node]] = {}
        for node in first:
            if node.site is not None:
                found.setdefault(node.site, []).append(node)
        more: dict[Site, list[Node]] = {}
        for node in (*others, *self._inside(others)):
            if node.site is not None and node.site not in found:
                more.setdefault(node.site, []).append(node)
        return found | more

    def _likely(self, node: Node) -> list[Node]:
        """The nodes before the latest pass that `node` seems to come from."""
        same_line = self._by_site.get(node.site, []) if node.site else []
        same_op = [n for n in same_line if type(n.op) is type(node.op)]
        return same_op or same_line

    # -- loops and branches ------------------------------------------------------------

    def opened(self, owner: Node, roots: Sequence[Node]) -> None:
        """Note that `roots` are those of the next body of `owner`."""
        number = self._open[owner] = self._open.get(owner, -1) + 1
        bodies = bodies_of(owner.op)
        self._scope.append(owner)
        if number >= len(bodies):
            return
        places = _places(bodies[number], roots)
        known = self._bodies.get(owner.op)
        if known is not None and number < len(known):
            for place, node in places.items():
                if place in known[number]:
                    self.again(known[number][place], node)
        elif owner.op in self._originals:
            self._first.setdefault(owner.op, []).append(places)
            self.written |= dict.fromkeys(places.values())
            self._originals |= {
                n.op for n in places.values() if isinstance(n.op, Nested)
            }
        else:
            self._guess(owner, places.values())

    def _guess(self, owner: Node, nodes: Iterable[Node]) -> None:
        """Link the nodes of a body that a pass has made as a whole."""
        number = None if self._latest is None else self._latest.number
        for node in nodes:
            if node.inputs:
                self.link(self._likely(node) or (owner,), (node,), number)

    def closed(self, roots: Sequence[Node]) -> None:
        """Note that the body opened last is done with, and what its roots became."""
        self._scope.pop()

    def replaced(
        self, owner: Node, made: Node, bodies: Sequence[Sequence[Node]]
    ) -> None:
        """Note that `made` is `owner` over graphs with these roots, one list a body."""
        self._open.pop(owner, None)
        pairs = zip(bodies_of(made.op), bodies, strict=False)
        self._bodies[made.op] = [_places(body, roots) for body, roots in pairs]
        self.again(owner, made)

    def lowered(self, owner: Node, bodies: Sequence[Sequence[Node]]) -> None:
        """Note that the bodies of `owner` are lowered, as graphs with these roots."""
        known = self._bodies.get(owner.op, [])
        for number, (body, roots) in enumerate(
            zip(bodies_of(owner.op), bodies, strict=False)
        ):
            for place, node in _places(body, roots).items():
                if number < len(known) and place in known[number]:
                    self.again(known[number][place], node)

    def inside(self, owner: Node, roots: Sequence[Node]) -> dict[Node, Node]:
        """The nodes of the bodies of `owner` as they were last seen here.

        By those of another opening, which has these roots.
        """
        return _corresponding(owner.op, roots, self._bodies.get(owner.op, []))

    def inside_written(self, owner: Node, roots: Sequence[Node]) -> dict[Node, Node]:
        """The same for a loop as it was written."""
        return _corresponding(owner.op, roots, self._first.get(owner.op, []))

    # -- being asked -------------------------------------------------------------------

    def origins(self, node: Node) -> Origins:
        """Where `node`, of the graph that was left, comes from."""
        found, steps = self._back(node, 0)
        return Origins(
            tuple(n for n in found if n in self.written), tuple(sorted(steps))
        )

    def before(self, node: Node, mark: int) -> tuple[Node, ...]:
        """The nodes that `node` was made of since `mark`, itself included."""
        return tuple(self._back(node, mark)[0])

    def _back(self, node: Node, mark: int) -> tuple[dict[Node, int], set[int]]:
        """What links since `mark` lead to, the latest first, and their steps.

        A link counts only for what its nodes became later: rules may undo each other.
        """
        best: dict[Node, int] = {node: len(self.links)}
        queue = [(-len(self.links), 0, node)]
        steps: set[int] = set()
        count = 0
        while queue:
            latest, _, made = heapq.heappop(queue)
            if best[made] > -latest:
                continue
            for at in self._into.get(made, ()):
                if at >= -latest:
                    break
                if at < mark:
                    continue
                link = self.links[at]
                if link.step is not None:
                    steps.add(link.step)
                for source in link.before:
                    if best.get(source, -1) < at:
                        best[source] = at
                        count += 1
                        heapq.heappush(queue, (-at, count, source))
        return best, steps


def _between(
    node: Node, new: Sequence[Node], known: Callable[[Node], bool]
) -> list[Node]:
    """`node`, and what lies between it and the nodes that its successor reads."""
    kept = {n for n in new if known(n)}
    depth = {node: 0}
    queue = [node]
    for at in queue:  # it grows while it is walked
        for source in at.inputs if depth[at] < DEEPEST else ():
            if source not in depth and source not in kept and source.inputs:
                depth[source] = depth[at] + 1
                queue.append(source)
        if len(queue) > MOST_LOOKED_AT:
            break
    reaching: set[Node] = set()
    for at in sorted(queue, key=lambda n: -depth[n]):
        if any(i in kept or i in reaching for i in at.inputs):
            reaching.add(at)
    return [n for n in queue if n is node or n in reaching]


def _corresponding(
    owner: Op, roots: Sequence[Node], known: Sequence[dict[int, Node]]
) -> dict[Node, Node]:
    """The nodes under `roots`, those of all bodies of `owner`, with known ones."""
    found: dict[Node, Node] = {}
    start = 0
    for body, nodes in zip(bodies_of(owner), known, strict=False):
        end = start + len(body.outputs)
        for place, node in _places(body, roots[start:end]).items():
            if place in nodes:
                found[node] = nodes[place]
        start = end
    return found


def _places(body: Body, roots: Sequence[Node]) -> dict[int, Node]:
    """The node that each step of `body` is, where its outputs are `roots`."""
    found: dict[int, Node] = {}
    stack = list(zip(body.outputs, roots, strict=False))
    while stack:
        place, node = stack.pop()
        step = place - body.count
        if step < 0 or step in found:
            continue
        op, places = body.steps[step]
        if op != node.op or len(places) != len(node.inputs):
            continue
        found[step] = node
        stack += zip(places, node.inputs, strict=True)
    return dict(sorted(found.items()))


__all__ = ["Change", "History", "Link", "Origins"]
