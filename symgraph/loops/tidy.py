"""Loops made to do less: the pass between what users write and what is lowered.

Loops over the same values are merged; results that nobody reads are left out, and with
them what only they need; of a stack of which only the last row is read that row is
carried; what is the same in all rounds is computed once, in front of the loop; products
that depend on rows alone are computed for all rows at once, in front, and those that
only stacks need, behind it.  Loops of few, known rounds are written out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from .. import ops
from ..composite import of_type
from ..errors import UnsupportedError
from ..graph import Node, intern, rebuild, toposort, users
from ..leaf import Constant
from ..ops import Contract, Item
from ..ops.sizes import dim_of
from ..ops.slices import Pick
from ..types import tensor
from ..variable import Variable, apply, constant
from ..vectorize import batch
from .branch import IfElse
from .hoist import hoisted
from .loop import Loop
from .parts import Parts, closed, is_size, last_of, results

#: Loops of so many rounds or fewer, of bodies of so many ops in all, are written out.
FEW_ROUNDS = 3
FEW_OPS = 60


def tidied(outputs: Sequence[Node]) -> tuple[Node, ...]:
    """`outputs` with the loops under them made to do less."""
    current = tuple(outputs)
    kinds = {type(node.op) for node in toposort(current)}
    if IfElse in kinds:
        current = hoisted(current)
    return _Tidied(_merged(current)).outputs() if Loop in kinds else current


# -- merging ---------------------------------------------------------------------------


def _merged(outputs: tuple[Node, ...]) -> tuple[Node, ...]:
    """`outputs` with loops put together that carry the same values."""
    order = toposort(outputs)
    alike: dict[object, list[Node]] = {}
    for node in order:
        if isinstance(node.op, Loop):
            alike.setdefault(_carrying(node), []).append(node)
    places: dict[Node, Node] = {}
    for first, *others in alike.values():
        if others:
            places |= _together(first, others)
    if not places:
        return outputs

    def replaced(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node in places:
            item = places[node]
            return intern(item.op, _rebuilt(item.inputs, made), node.site)
        return intern(node.op, inputs, node.site)

    made: dict[Node, Node] = {}

    def remembered(node: Node, inputs: tuple[Node, ...]) -> Node:
        made[node] = replaced(node, inputs)
        return made[node]

    return rebuild(outputs, remembered)


def _rebuilt(nodes: Sequence[Node], made: dict[Node, Node]) -> tuple[Node, ...]:
    """`nodes`, new ones, over what has been made of the old ones below them."""
    return rebuild(nodes, {n: made[n] for n in toposort(nodes) if n in made})


def _carrying(node: Node) -> object:
    """What loops have in common that may be merged."""
    op = node.op
    assert isinstance(op, Loop)
    given = op.sorted(node.inputs)
    return (
        op.carries, op.sequences, op.backwards, op.conditional,
        given.first, given.carried, given.rows,
    )  # fmt: skip


def _together(first: Node, others: Sequence[Node]) -> dict[Node, Node]:
    """For each item of the loops, that of one loop that does what they all do."""
    op = first.op
    assert isinstance(op, Loop)
    parts, roots = op.opened(first.inputs)
    known = dict(zip(op.sorted(first.inputs).rest, parts.rest, strict=True))
    nexts = roots[: op.carries]
    kept = dict.fromkeys(roots[op.carries :])
    joined: list[tuple[Node, tuple[Node, ...]]] = [(first, roots[op.carries :])]
    for other in others:
        theirs = other.op
        assert isinstance(theirs, Loop)
        if first in toposort(other.inputs) or other in toposort(first.inputs):
            continue
        rest = theirs.sorted(other.inputs).rest
        for node in rest:
            if node not in known:
                known[node] = node if is_size(node) else of_type(node.type).node
        own = Parts(
            parts.first, parts.carried, parts.rows, tuple(known[n] for n in rest)
        )
        made = theirs.body.nodes(*own)
        if made[: op.carries] != nexts:
            continue
        kept |= dict.fromkeys(made[op.carries :])
        joined.append((other, made[op.carries :]))
    if len(joined) == 1:
        return {}
    whole = Parts(parts.first, parts.carried, parts.rows, tuple(known.values()))
    body, more = closed(whole, [*nexts, *kept])
    given = op.sorted(first.inputs)
    inputs = (given.first, *given.carried, *given.rows, *known, *(v.node for v in more))
    loop = intern(replace(op, body=body), inputs, first.site)
    items = [v.node for v in results(loop)]
    place = {root: items[op.carries + k] for k, root in enumerate(kept)}
    found: dict[Node, Node] = {}
    for node, own_kept in joined:
        mine = [*items[: op.carries], *(place[r] for r in own_kept), items[-1]]
        for number, item in enumerate(mine):
            found[intern(Item(number), (node,))] = item
    return found


# -- one loop at a time ----------------------------------------------------------------


@dataclass(slots=True)
class _Open:
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
    later: dict[int, _Later] = field(default_factory=dict)

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
    op = node.op
    assert isinstance(op, Loop)
    given = op.sorted(node.inputs)
    parts, roots = op.opened(node.inputs)
    pairs = zip(given.carried, roots, strict=False)
    loop = _Open(
        op,
        given.first,
        parts.first,
        dict(zip(parts.carried, pairs, strict=True)),
        dict(zip(parts.rows, given.rows, strict=True)),
        {p: g for p, g in zip(parts.rest, given.rest, strict=True) if p is not g},
        {k: roots[k] for k in range(op.carries, op.rounds) if k in read},
    )
    wanted = {k: parts.carried[k] for k in read if k < op.carries}
    wanted |= _last_rows(loop, read)
    if isinstance(loop_count := dim_of(given.first), int) and _few(op, loop_count):
        return _written_out(loop, loop_count, wanted, read)
    _hoist_constants(loop, wanted)
    if not op.conditional:
        _before(loop)
        _behind(loop)
        _given(loop)
    _laid_out(loop)
    _drop(loop, wanted)
    found = _closed(loop, node, wanted, op.rounds in read)
    return {k: last_of(v, given.first) if k <= _LAST else v for k, v in found.items()}


def _last_rows(loop: _Open, read: dict[int, bool]) -> dict[int, Node]:
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


def _hoist_constants(loop: _Open, wanted: dict[int, Node]) -> None:
    """Carried values that never change are what they were at first."""
    for own, (before, after) in list(loop.carried.items()):
        if after is not own or own in list(loop.carried)[: loop.op.conditional]:
            continue
        for number in [k for k, p in wanted.items() if p is own]:
            loop.made[number] = Variable(before)
            del wanted[number]
        del loop.carried[own]
        parameter = of_type(before.type).node
        loop.rest[parameter] = before
        loop.replace_nodes({own: parameter})


def _before(loop: _Open) -> None:
    """Products of rows alone are rows of one product."""
    varying = loop.reached((loop.first, *loop.carried))
    by_row = loop.reached(loop.rows)
    places: dict[Node, Node] = {}
    for node in loop.order:
        if not isinstance(node.op, Contract) or node in varying or node not in by_row:
            continue
        stack = _stacked(loop, [node], loop.rows)
        if stack is not None:
            own = of_type(node.type).node
            places[node] = own
            loop.rows[own] = stack[0].node
    if places:
        loop.replace_nodes(places)


def _laid_out(loop: _Open) -> None:
    """Matrices that all rounds multiply by, turned so that their rows are contiguous.

    Products of few rows then need no copy of them.
    """
    turned: dict[Node, Node] = {}
    places: dict[Node, Node] = {}
    for node in loop.order:
        if not isinstance(node.op, Contract):
            continue
        op, (left, right) = node.op, node.inputs
        second = op.out == (*op.rows, *op.columns)
        own, labels = (right, op.right) if second else (left, op.left)
        columns = op.columns if second else op.rows
        if own not in loop.rest or labels != (*columns, *op.contracted):
            continue
        if len(labels) != 2 or op.stack:
            continue
        if own not in turned:
            rows = Variable(own).type.dims[::-1]
            turned[own] = of_type(tensor(own.type.dtype, rows)).node
            outer = Variable(loop.rest[own])
            loop.rest[turned[own]] = ops.transpose(outer).node
        if second:
            made, inputs = replace(op, right=labels[::-1]), (left, turned[own])
        else:
            made, inputs = replace(op, left=labels[::-1]), (turned[own], right)
        places[node] = intern(made, inputs, node.site)
    if places:
        loop.replace_nodes(places)


def _given(loop: _Open) -> None:
    """Stacks of what the rows of a sequence are, are that sequence."""
    for number, root in list(loop.kept.items()):
        if root in loop.rows:
            loop.made[number] = Variable(loop.rows[root])
            del loop.kept[number]


def _stacked(
    loop: _Open, nodes: Sequence[Node], stacks: dict[Node, Node]
) -> list[Variable] | None:
    """What nodes of the body are in all rounds, if they can be batched."""
    roots = rebuild(nodes, loop.rest | {own: own for own in stacks})
    standing = {own: Variable(stack) for own, stack in stacks.items()}
    try:
        return batch([Variable(r) for r in roots], standing)
    except UnsupportedError:
        return None


@dataclass(frozen=True, slots=True)
class _Later:
    """A stack that is computed behind the loop.

    `value` is over `stands`, for stacks that are kept, by number, or given (None): as
    `rows` says, also where the loop itself needs them no more.
    """

    value: Variable
    stands: dict[Node, Node]
    numbers: dict[Node, int | None]
    rows: dict[Node, Node]


def _behind(loop: _Open) -> None:
    """Products that only stacks need are one product of the stacks of their factors.

    That is done where nothing larger has to be kept for it.
    """
    if not loop.op.remember:
        return
    nexts = [after for _, after in loop.carried.values()]
    needed = set(toposort(nexts)) | {loop.first, *loop.carried, *loop.rows}
    varying = loop.reached((loop.first, *loop.carried, *loop.rows))
    for number, root in list(loop.kept.items()):
        late = [n for n in toposort([root]) if n in varying and n not in needed]
        if not any(isinstance(n.op, Contract) for n in late):
            continue
        inside = set(late)
        edge = dict.fromkeys(
            i for n in late for i in n.inputs if i in varying and i not in inside
        )
        new = [n for n in edge if n not in loop.rows and n not in loop.kept.values()]
        if len(new) > 1 or any(n.type.ndim > root.type.ndim for n in new):
            continue
        size = dim_of(loop.count)
        stands = {
            n: of_type(tensor(n.type.dtype, (size, *n.type.dims))).node for n in edge
        }
        found = _stacked(loop, [root], stands)
        if found is not None:
            del loop.kept[number]
            numbers = _keep(loop, list(edge))
            loop.later[number] = _Later(found[0], stands, numbers, dict(loop.rows))


def _keep(loop: _Open, nodes: Sequence[Node]) -> dict[Node, int | None]:
    """The numbers under which nodes are kept; None for a row of a sequence."""
    numbers: dict[Node, int | None] = {}
    for node in nodes:
        if node in loop.rows:
            numbers[node] = None
            continue
        found = next((k for k, r in loop.kept.items() if r is node), None)
        if found is None:
            taken = [*loop.kept, *loop.later, loop.op.rounds]
            found = 1 + max(taken)
            loop.kept[found] = node
        numbers[node] = found
    return numbers


def _drop(loop: _Open, wanted: dict[int, Node]) -> None:
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
    loop: _Open, node: Node, wanted: dict[int, Node], counted: bool
) -> dict[int, Variable]:
    """The results of the loop put together again."""
    made = dict(loop.made)
    if counted and not loop.op.conditional:
        made[loop.op.rounds] = ops.maximum(Variable(loop.count), 0)
        counted = False
    if wanted or loop.kept or counted:
        nexts = [after for _, after in loop.carried.values()]
        roots = rebuild([*nexts, *loop.kept.values()], loop.rest)
        parts = Parts(loop.first, tuple(loop.carried), tuple(loop.rows), ())
        body, more = closed(parts, roots)
        op = replace(
            loop.op,
            body=body,
            carries=len(loop.carried),
            sequences=len(loop.rows),
            updated=0,
        )
        inputs = [
            loop.count, *(f for f, _ in loop.carried.values()), *loop.rows.values(),
            *(v.node for v in more),
        ]  # fmt: skip
        found = results(intern(op, tuple(inputs), node.site))
        place = {p: k for k, p in enumerate(loop.carried)}
        made |= {k: found[place[p]] for k, p in wanted.items()}
        made |= dict(zip(loop.kept, found[op.carries : -1], strict=True))
        if counted:
            made[loop.op.rounds] = found[-1]
    for number, later in loop.later.items():
        made[number] = _computed(later, made)
    return made


def _computed(later: _Later, made: dict[int, Variable]) -> Variable:
    """A stack computed behind the loop."""
    places = {
        later.stands[node]: later.rows[node] if number is None else made[number].node
        for node, number in later.numbers.items()
    }
    return Variable(rebuild([later.value.node], places)[0])


# -- few rounds ------------------------------------------------------------------------


def _few(op: Loop, count: int) -> bool:
    small = count * len(op.body.steps) <= FEW_OPS
    return 0 < count <= FEW_ROUNDS and small and not op.conditional


def _written_out(
    loop: _Open, count: int, wanted: dict[int, Node], read: dict[int, bool]
) -> dict[int, Variable]:
    """The results of a loop of `count` rounds, one after another."""
    state = {p: first for p, (first, _) in loop.carried.items()}
    kept: dict[int, list[Variable]] = {k: [] for k in loop.kept}
    for t in range(count):
        place = count - 1 - t if loop.op.backwards else t
        here: dict[Node, Node] = {loop.first: constant(t, "int64").node}
        here |= state | loop.rest
        here |= {
            p: apply(Pick(0), Variable(s), constant(place, "int64")).node
            for p, s in loop.rows.items()
        }
        nexts = [after for _, after in loop.carried.values()]
        roots = rebuild([*nexts, *loop.kept.values()], here)
        state = dict(zip(loop.carried, roots, strict=False))
        for stack, root in zip(kept.values(), roots[len(nexts) :], strict=True):
            stack.append(Variable(root))
    made = {k: Variable(state[p]) for k, p in wanted.items()}
    for number, rows in kept.items():
        made[number] = ops.stack(rows[::-1] if loop.op.backwards else rows)
    if loop.op.rounds in read:
        made[loop.op.rounds] = constant(count, "int64")
    return made
