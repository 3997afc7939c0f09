"""Loops made to do less: the pass between what users write and what is lowered.

Loops over the same values are merged; results that nobody reads are left out, and with
them what only they need; of a stack of which only the last row is read that row is
carried; what is the same in all rounds is computed once, in front of the loop; products
that depend on rows alone are computed for all rows at once, in front, and those that
only stacks need, behind it.  Loops of few, known rounds are written out.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import ops
from ..composite import of_type
from ..graph import Node, intern, rebuild, toposort, users
from ..leaf import Constant
from ..ops import Item
from ..ops.sizes import dim_of
from ..ops.slices import Pick
from ..variable import Variable
from .absorb import stacks_inward
from .branch import IfElse
from .hoist import hoisted
from .inward import rows_inward
from .loop import Loop
from .merge import merged
from .opened import Later, Open
from .parts import last_of, results
from .products import before, behind, laid_out
from .unroll import is_few, written_out


def tidied(outputs: Sequence[Node]) -> tuple[Node, ...]:
    """`outputs` with the loops under them made to do less."""
    current = tuple(outputs)
    kinds = {type(node.op) for node in toposort(current)}
    if IfElse in kinds:
        current = hoisted(current)
    if Loop not in kinds:
        return current
    current = merged(rows_inward(current))
    return _Tidied(stacks_inward(current)).outputs()


# -- one loop at a time ----------------------------------------------------------------


class _Tidied:
    """One walk over a graph, loop by loop."""

    def __init__(self, outputs: tuple[Node, ...]) -> None:
        self._outputs = outputs
        order = toposort(outputs)
        self._users = users(order)
        self._roots = set(outputs)
        self._results: dict[Node, dict[int, Variable]] = {}

    def outputs(self) -> tuple[Node, ...]:
        """The graph after the walk."""
        return rebuild(self._outputs, self._made)

    def _made(self, node: Node, inputs: tuple[Node, ...]) -> Node:
        if isinstance(node.op, Loop):
            made = intern(node.op, inputs, node.site)
            read = self._read(node)
            self._results[node] = _one(made, read)
            return made
        if isinstance(node.op, Item):
            found = self._results.get(node.inputs[0], {})
            if node.op.number in found:
                return found[node.op.number].node
        if _is_last(node) and node.inputs[0].inputs[0] in self._results:
            found = self._results[node.inputs[0].inputs[0]]
            number = _LAST - node.inputs[0].op.number  # type: ignore[attr-defined]
            if number in found:
                return found[number].node
        return intern(node.op, inputs, node.site)

    def _read(self, node: Node) -> dict[int, bool]:
        """The results that are read, and whether all of each is."""
        read: dict[int, bool] = {}
        for item in self._users[node]:
            assert isinstance(item.op, Item)
            readers = self._users[item]
            whole = item in self._roots or not all(map(_is_last, readers))
            read[item.op.number] = whole
        return read


#: The last row of result k goes by the number _LAST - k.
_LAST = -1


def _is_last(node: Node) -> bool:
    """Whether `node` is the last row of a result."""
    if not isinstance(node.op, Pick) or node.op.axis:
        return False
    x, index = node.inputs
    last = isinstance(index.op, Constant) and int(index.op.data) == -1
    return last and isinstance(x.op, Item) and isinstance(x.inputs[0].op, Loop)


def _one(node: Node, read: dict[int, bool]) -> dict[int, Variable]:
    """What stands for the results of a loop that are read, and for last rows."""
    loop = Open.of(node, read)
    op, parameters = loop.op, list(loop.carried)
    wanted = {k: parameters[k] for k in read if k < op.carries}
    wanted |= _last_rows(loop, read)
    if is_few(op, count := dim_of(loop.count), len(loop.kept)):
        assert isinstance(count, int)
        return written_out(loop, count, wanted, read)
    _hoist_constants(loop, wanted)
    if not op.conditional:
        before(loop)
        behind(loop)
        _given(loop)
    laid_out(loop)
    _drop(loop, wanted)
    found = _closed(loop, node, wanted, op.rounds in read)
    return {k: last_of(v, loop.count) if k <= _LAST else v for k, v in found.items()}


def _last_rows(loop: Open, read: dict[int, bool]) -> dict[int, Node]:
    """Stacks of which only the last row is read: what is carried instead."""
    wanted: dict[int, Node] = {}
    for number, root in list(loop.kept.items()):
        if read[number] or loop.op.backwards or loop.op.conditional:
            continue
        own = next((p for p, (_, n) in loop.carried.items() if n is root), None)
        if own is None and all(isinstance(s, int) for s in root.type.dims):
            own = of_type(root.type).node
            loop.carried[own] = (ops.zeros_like(Variable(own)).node, root)
        if own is not None:
            wanted[_LAST - number] = own
            del loop.kept[number]
    return wanted


def _hoist_constants(loop: Open, wanted: dict[int, Node]) -> None:
    """Carried values that never change are what they were at first."""
    for own, (first, after) in list(loop.carried.items()):
        if after is not own or own in list(loop.carried)[: loop.op.conditional]:
            continue
        for number in [k for k, p in wanted.items() if p is own]:
            loop.made[number] = Variable(first)
            del wanted[number]
        del loop.carried[own]
        parameter = of_type(first.type).node
        loop.rest[parameter] = first
        loop.replace_nodes({own: parameter})


def _given(loop: Open) -> None:
    """Stacks of what the rows of a sequence are, are that sequence."""
    for number, root in list(loop.kept.items()):
        if root in loop.rows:
            loop.made[number] = Variable(loop.rows[root])
            del loop.kept[number]


def _drop(loop: Open, wanted: dict[int, Node]) -> None:
    """Leave out carried values, and rows, that nothing needs."""
    live = set(wanted.values()) | set(list(loop.carried)[: loop.op.conditional])
    while True:
        roots = [loop.carried[p][1] for p in live] + [*loop.kept.values()]
        used = set(toposort(roots))
        more = {p for p in loop.carried if p in used} - live
        if not more:
            break
        live |= more
    loop.carried = {p: v for p, v in loop.carried.items() if p in live}
    loop.rows = {p: s for p, s in loop.rows.items() if p in used}
    loop.rest = {p: s for p, s in loop.rest.items() if p in used}


def _closed(
    loop: Open, node: Node, wanted: dict[int, Node], counted: bool
) -> dict[int, Variable]:
    """The results of the loop put together again."""
    made = dict(loop.made)
    if counted and not loop.op.conditional:
        made[loop.op.rounds] = ops.maximum(Variable(loop.count), 0)
        counted = False
    if wanted or loop.kept or counted:
        found = results(loop.shut(node.site))
        place = {p: k for k, p in enumerate(loop.carried)}
        made |= {k: found[place[p]] for k, p in wanted.items()}
        made |= dict(zip(loop.kept, found[len(loop.carried) : -1], strict=True))
        if counted:
            made[loop.op.rounds] = found[-1]
    for number, later in loop.later.items():
        made[number] = _computed(later, made)
    return made


def _computed(later: Later, made: dict[int, Variable]) -> Variable:
    """A stack computed behind the loop."""
    places = {
        later.stands[node]: later.rows[node] if number is None else made[number].node
        for node, number in later.numbers.items()
    }
    return Variable(rebuild([later.value.node], places)[0])
