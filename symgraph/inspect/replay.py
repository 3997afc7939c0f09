"""The way from the graph as written to what is compiled, as small changes of one graph.

A *cell* is a node as a person sees it: one that a pass makes again over new inputs
stays the same cell.  A :class:`Step` says which cells went, which came, and which read
others than before, so that any moment of the rewriting is the sum of the steps before
it.  At the end of each pass the graph is compared with what the pass really left, so
that a *stage* is exact whatever was missed on the way there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..graph import Node, toposort
from ..graphs import Graph
from ..history import Change, History, Link, Reached
from ..leaf import Input
from ..op import Nested
from ..variable import Variable
from .text import Listing

#: Of the graph itself, where the number of a loop's cell would stand.
OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class Cell:
    """A node as a person sees it; `scope` is the cell of the loop that it is in."""

    number: int
    node: Node
    scope: int


@dataclass(slots=True)
class Step:
    """A change of the graph.

    Attributes:
        phase: the pass that did it.
        change: what the history knows of it; None where equal nodes became one.
        removed: the cells that went.
        reads: what each cell reads that came, or that reads others than before.
        added: the cells that came.
        results: the outputs, where they changed: the graph's own (`OUTSIDE`), and those
            of the bodies of loops, by the loop's cell.
    """

    phase: str
    change: Change | None
    removed: list[int]
    added: list[int]
    reads: dict[int, tuple[int, ...]]
    results: dict[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Stage:
    """The graph as a pass left it: `steps` are done; `order` is that of dumps."""

    name: str
    steps: int
    order: tuple[int, ...]


class Replay:
    """The cells, the steps and the stages of one run of a pipeline."""

    def __init__(self, inputs: Sequence[Node], history: History) -> None:
        self.cells: list[Cell] = []
        self.steps: list[Step] = []
        self.stages: list[Stage] = []
        self._inputs = tuple(Variable(n) for n in inputs)
        self._reads: dict[int, tuple[int, ...]] = {}
        self._results: dict[int, tuple[int, ...]] = {}
        self._users: dict[int, dict[int, int]] = {}
        self._alive: set[int] = set()
        self._at: dict[Node, dict[int, int]] = {}
        self._became: dict[int, int] = {}
        self._touched: set[int] = set()
        #: What has been told: what each cell reads, and the results.
        self._shown: dict[int, tuple[int, ...]] = {}
        self._shown_results: dict[int, tuple[int, ...]] = {}
        self._run(history)

    # -- the way -----------------------------------------------------------------------

    def _run(self, history: History) -> None:
        stages = history.stages_from_input()
        self._settle(stages[0])
        for last, stage in itertools.pairwise(stages):
            own = None
            seen = last.steps
            for link in history.links[last.links : stage.links]:
                if link.step is None:
                    self._again(link)
                elif link.step >= seen:
                    for number in range(seen, link.step + 1):
                        change = history.steps[number]
                        if change.rule is None:
                            own = change
                        else:
                            self._apply(change)
                    seen = link.step + 1
            self._settle(stage, own)

    def _again(self, link: Link) -> None:
        """A node made again over new inputs is the same cell, or one that was there."""
        before, after = link.before[0], link.after[0]
        for scope, number in list(self._at.get(before, {}).items()):
            cell = self._now(number)
            known = self._at.setdefault(after, {})
            if scope in known and self._now(known[scope]) != cell:
                self._replace(cell, self._now(known[scope]))
                self._amend()
            else:
                known[scope] = cell
            for node, read in zip(after.inputs, self._reads[cell], strict=False):
                if not node.inputs:  # the parameters of a body opened again
                    self._at.setdefault(node, {}).setdefault(scope, read)

    def _apply(self, change: Change) -> None:
        scope = self._scope(change.scope)
        found = self._at.get(change.before[0], {})
        if scope is None or scope not in found:
            self._close(change.phase, change)
            return
        cell = self._now(found[scope])
        if cell in self._alive:
            self._replace(cell, self._made(change.after[0], scope))
        self._close(change.phase, change)

    def _scope(self, owners: Iterable[Node]) -> int | None:
        scope = OUTSIDE
        for owner in owners:
            found = self._at.get(owner, {})
            if scope not in found:
                return None
            scope = self._now(found[scope])
        return scope

    def _now(self, cell: int) -> int:
        """What a cell has become: itself, as a rule."""
        seen = {cell}
        while cell in self._became and self._became[cell] not in seen:
            cell = self._became[cell]
            seen.add(cell)
        return cell

    def _made(self, node: Node, scope: int) -> int:
        """The cell of `node`, made where there is none; so for what it reads."""

        def known(at: Node) -> int | None:
            place = self._place(at, scope)
            return place if place in self._alive else None

        fresh = toposort([node], lambda n: () if known(n) is not None else n.inputs)
        for at in fresh:
            if known(at) is None:
                reads = [self._place(i, scope) for i in at.inputs]
                self._came(at, scope, tuple(r for r in reads if r is not None))
        place = self._place(node, scope)
        assert place is not None
        return place

    def _place(self, node: Node, scope: int) -> int | None:
        """The cell of a node in a graph; a leaf may be that of the graph outside."""
        found = self._at.get(node, {})
        place = found.get(scope, None if node.inputs else found.get(OUTSIDE))
        return None if place is None else self._now(place)

    def _came(self, node: Node, scope: int, reads: tuple[int, ...]) -> None:
        """A cell for `node`: a new one, or the one that it had before it went."""
        cell = self._at.setdefault(node, {}).get(scope)
        cell = self._new(node, scope) if cell is None else self._now(cell)
        self._at[node][scope] = cell
        self._became.pop(cell, None)
        self._alive.add(cell)
        self._read(cell, reads)

    def _new(self, node: Node, scope: int) -> int:
        self.cells.append(Cell(len(self.cells), node, scope))
        return len(self.cells) - 1

    # -- the graph ---------------------------------------------------------------------

    def _read(self, cell: int, reads: tuple[int, ...]) -> None:
        for source in reads:
            users = self._users.setdefault(source, {})
            users[cell] = users.get(cell, 0) + 1
        self._reads[cell] = reads
        self._touched.add(cell)

    def _replace(self, cell: int, by: int) -> None:
        """Let `by` stand for `cell`, which goes with all that nobody needs then."""
        if cell == by:
            return
        self._became[cell] = by
        self._became.pop(by, None)
        for user in list(self._users.get(cell, {})):
            reads = self._reads[user]
            if user == by:  # as in x -> x + 0
                continue
            self._drop(user)
            self._read(user, tuple(by if r == cell else r for r in reads))
        for owner, results in self._results.items():
            if cell in results:
                kept = tuple(by if r == cell else r for r in results)
                self._results[owner] = kept
                self._touched.add(owner)
        self._collect([cell])

    def _drop(self, cell: int) -> list[int]:
        """Forget what `cell` reads; returns what nothing else does."""
        unread = []
        for source in self._reads[cell]:
            users = self._users[source]
            users[cell] -= 1
            if not users[cell]:
                del users[cell]
            if not users:
                unread.append(source)
        return unread

    def _collect(self, cells: list[int]) -> None:
        kept = {r for results in self._results.values() for r in results}
        stack = list(cells)
        while stack:
            cell = stack.pop()
            node = self.cells[cell].node
            if (
                cell not in self._alive
                or self._users.get(cell)
                or cell in kept
                or isinstance(node.op, Input)
            ):
                continue
            self._alive.discard(cell)
            self._touched.add(cell)
            stack += self._drop(cell)
            body = self._results.pop(cell, ())
            kept -= set(body)
            stack += body

    # -- the steps ---------------------------------------------------------------------

    def _close(self, phase: str, change: Change | None) -> None:
        """Make a step of what has changed since the last one."""
        made = Step(phase, change, [], [], {}, {})
        self.steps.append(made)
        self._note(made)

    def _amend(self) -> None:
        """Add what has changed to the last step: what it led to."""
        if self.steps:
            self._note(self.steps[-1])

    def _note(self, step: Step) -> None:
        before = self._shown
        for cell in sorted(self._touched - {OUTSIDE}):
            alive, was = cell in self._alive, cell in before
            if alive and not was:
                (step.removed.remove if cell in step.removed else step.added.append)(
                    cell
                )
            elif was and not alive:
                (step.added.remove if cell in step.added else step.removed.append)(cell)
                step.reads.pop(cell, None)
            if alive and self._reads[cell] != before.get(cell):
                step.reads[cell] = self._reads[cell]
            if alive:
                before[cell] = self._reads[cell]
            else:
                before.pop(cell, None)
        for owner in sorted(self._touched):
            results = self._results.get(owner)
            if results is not None and results != self._shown_results.get(owner):
                step.results[owner] = results
                self._shown_results[owner] = results
        self._touched.clear()

    # -- the stages --------------------------------------------------------------------

    def _settle(self, stage: Reached, own: Change | None = None) -> None:
        """Compare with the graph that a pass left, and make up for what is missing."""
        listing = Listing(Graph(self._inputs, [Variable(n) for n in stage.roots]))
        cells: dict[Node, int] = {}
        reads: dict[int, tuple[int, ...]] = {}
        results: dict[int, tuple[int, ...]] = {}
        at: dict[Node, dict[int, int]] = {}
        for part in listing.parts:
            scope = OUTSIDE if part.owner is None else cells[part.owner]
            known = stage.inside(part.owner, part.roots) if part.owner else {}
            within = self._part(part.nodes, known, scope)
            cells |= within
            for node, cell in within.items():
                at.setdefault(known.get(node, node), {})[scope] = cell
                reads[cell] = tuple(cells[i] for i in node.inputs)
            results[scope] = tuple(cells[r] for r in part.roots)
        self._adopt(stage.name, reads, results, own)
        self._at = at
        self._became.clear()
        order = tuple(cells[node] for node in listing.names)
        self.stages.append(Stage(stage.name, len(self.steps), order))

    def _part(
        self, nodes: Sequence[Node], known: dict[Node, Node], scope: int
    ) -> dict[Node, int]:
        """The cells of the nodes of one graph."""
        found: dict[Node, int] = {}
        taken: set[int] = set()
        for node in nodes:
            cell = self._at.get(known.get(node, node), {}).get(scope)
            cell = None if cell is None else self._now(cell)
            if cell is not None and cell not in taken and self._fits(cell, node):
                found[node] = cell
                taken.add(cell)
                for source, read in zip(node.inputs, self._reads[cell], strict=False):
                    bare = not source.inputs and read not in taken
                    if bare and self._fits(read, source) and known:
                        found[source] = read
                        taken.add(read)
        for node in nodes:
            if node not in found:
                found[node] = self._new(node, scope)
        return found

    def _fits(self, cell: int, node: Node) -> bool:
        """Whether `node` looks as the cell does."""
        shown = self.cells[cell].node
        if isinstance(node.op, Nested) or not node.inputs:
            return (
                type(shown.op) is type(node.op) and shown.type.dtype == node.type.dtype
            )
        return shown.op == node.op

    def _adopt(
        self,
        phase: str,
        reads: dict[int, tuple[int, ...]],
        results: dict[int, tuple[int, ...]],
        own: Change | None,
    ) -> None:
        """Take over a graph as a whole; how it differs is a step of the pass's own."""
        differs = reads != {c: self._reads[c] for c in self._alive}
        self._touched |= self._alive ^ reads.keys()
        self._touched |= {c for c in reads if self._reads.get(c) != reads[c]}
        self._touched |= {o for o in results if results[o] != self._results.get(o)}
        self._alive = set(reads)
        self._reads.update(reads)
        differs = differs or results != self._results
        self._results = dict(results)
        self._users = {}
        for cell, sources in reads.items():
            for source in sources:
                users = self._users.setdefault(source, {})
                users[cell] = users.get(cell, 0) + 1
        if not self.stages or differs or own is not None:
            self._close(phase, own)


__all__ = ["OUTSIDE", "Cell", "Replay", "Stage", "Step"]
