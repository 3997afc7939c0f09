"""What reads the stacks that a loop keeps, computed in its rounds instead.

A reduction over the rounds becomes a carried value: then a loop of which only sums over
time are read takes no memory that grows with its length.  Sums of floats carry what
their rounding loses beside them (Knuth's two-sum, as reductions do), so that they are
as exact as over a stack.  And of ``kept * 2`` the product is kept in the first place.

That is done where a stack goes away by it, and for formulas as light as those that
:mod:`.inward` takes: long ones are computed in vectors, of the stack.  Of loops that
end by a condition nothing is taken: rows of rounds that were not made are zero.  And
a few numbers a round are stored and summed as fast as they are added up exactly: that
is changed only where it leaves a loop without stacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import dims, ops
from ..composite import of_type
from ..dims import Size
from ..graph import Node, intern, toposort, users
from ..leaf import Constant
from ..op import Elemwise, Reduce
from ..ops import Item
from ..ops.broadcasting import repeated
from ..ops.floating import RoundingError
from ..ops.sizes import Shape, common_size, dim_of
from ..ops.slices import Pick
from ..types import FLOATS, TensorType, tensor
from ..variable import Variable, apply
from .inward import MOST_WEIGHT
from .loop import Loop
from .merge import known_sizes, replaced
from .opened import Open
from .parts import results
from .rowwise import goes_along, in_round, standing
from .traits import Known, cells, kept_of, traits_of

#: Numbers of a round that are stored, and summed in vectors, as fast as they are added
#: up exactly in scalars: they are kept as long as the loop keeps anything else.
FEW_NUMBERS = 8

_REDUCTIONS = (ops.Sum, ops.Prod, ops.Max, ops.Min, ops.Any, ops.All)

#: What two values become one by.
_COMBINED = {
    "sum": ops.add,
    "prod": ops.multiply,
    "max": ops.maximum,
    "min": ops.minimum,
    "or": ops.logical_or,
    "and": ops.logical_and,
}


def stacks_inward(outputs: tuple[Node, ...], known: Known) -> tuple[Node, ...]:
    """`outputs` with what reads stacks computed in the rounds, where that is good."""
    found = _Found(outputs, known)
    if not found.chosen:
        return outputs
    places: dict[Node, Node] = {}
    for loop in found.loops:
        mine = [node for node in found.order if node in found.chosen]
        mine = [node for node in mine if found.along[node].loop is loop]
        if mine:
            places |= _Absorbed(found, loop).places(mine)
    return replaced(outputs, places)


@dataclass(frozen=True, slots=True)
class _Along:
    """What has a row for each round of `loop`, or is reduced over them.

    `stacks` are those it is made of.
    """

    loop: Node
    weight: int
    stacks: frozenset[Node]


class _Found:
    """What reads the stacks of loops in a graph; `chosen` is to be absorbed."""

    def __init__(self, outputs: tuple[Node, ...], known: Known) -> None:
        self.order = toposort(outputs)
        self.loops = [node for node in self.order if isinstance(node.op, Loop)]
        self.along: dict[Node, _Along] = {}
        self.chosen: set[Node] = set()
        if not self.loops:
            return
        self.sizes = known_sizes(self.order)
        self.roots = set(outputs)
        self.readers = users(self.order)
        self.traits = {node: traits_of(node, known) for node in self.loops}
        self.phase: dict[Node, int] = {}
        self.known: dict[Node, int] = {}
        for node in self.order:
            self._place(node)
        for node in self.order:
            found = self._along(node)
            if found is not None:
                self.along[node] = found
        self._choose()

    # -- what could be computed in the rounds ------------------------------------------

    def _place(self, node: Node) -> None:
        """Note from which phase on a node is known."""
        self.known[node] = max((self.known[i] for i in node.inputs), default=0)
        if node in self.traits:
            self.phase[node] = self.known[node]
            self.known[node] += 1

    def _along(self, node: Node) -> _Along | None:
        maker = kept_of(node)
        if maker is not None:
            other = self.traits[maker].few or self.traits[maker].op.conditional
            return None if other else _Along(maker, 0, frozenset([node]))
        if isinstance(node.op, Reduce) and 0 in node.op.axes:
            return self._reduced(node)
        flags = goes_along(node)
        if flags is None:
            return None
        pairs = list(zip(node.inputs, flags, strict=True))
        if any(self._has_rows(i) for i, flag in pairs if not flag):
            return None  # each row sees all of them
        rows = [i for i, flag in pairs if flag]
        with_stacks = [self.along[i] for i in rows if self._has_rows(i)]
        if not with_stacks:
            return None
        loop = with_stacks[0].loop
        if any(a.loop is not loop for a in with_stacks):
            return None
        free = [i for i in node.inputs if not self._has_rows(i)]
        if any(self.known[i] > self.phase[loop] for i in free):
            return None
        weight = max(a.weight for a in with_stacks)
        weight += node.op.weight if isinstance(node.op, Elemwise) else 1
        if weight > MOST_WEIGHT:
            return None
        stacks = frozenset().union(*(a.stacks for a in with_stacks))
        return _Along(loop, weight, stacks)

    def _has_rows(self, node: Node) -> bool:
        """Whether a node has a row for each round (and is not reduced over them)."""
        return node in self.along and not _is_total(node)

    def _reduced(self, node: Node) -> _Along | None:
        """A reduction over rounds that can be a carried value."""
        (x,) = node.inputs
        if not isinstance(node.op, _REDUCTIONS) or not self._has_rows(x):
            return None
        own = self.along[x]
        for k, size in enumerate(x.type.dims):
            made = None if k in node.op.axes else self.size(size)
            if k not in node.op.axes and made is None:
                return None
            late = isinstance(made, Variable) and self._since(made.node)
            if late and late > self.phase[own.loop]:
                return None
        return own

    def size(self, size: Size) -> Variable | int | None:
        """A size as a value, if it can be had of inputs."""
        if isinstance(size, int):
            return size
        if size in self.sizes:
            return Variable(self.sizes[size])
        met = dims.operands(size)
        if size.kind == "bcast" and all(d in self.sizes for d in met):
            return common_size(*(Variable(self.sizes[d]) for d in met))
        return None

    def _since(self, node: Node) -> int:
        """The phase from which on a size is known."""
        return max((self.known.get(n, 0) for n in (node, *node.inputs)), default=0)

    # -- what is -----------------------------------------------------------------------

    def _choose(self) -> None:
        """Choose what makes stacks go away, until nothing changes."""
        last: dict[Node, list[Node]] = {}
        needed: set[Node] = set()
        for node, own in self.along.items():
            outside = self._outside(node)
            if _is_total(node) or (outside and not isinstance(node.op, Item)):
                for stack in own.stacks:
                    last.setdefault(stack, []).append(node)
            elif outside:
                needed |= own.stacks
            loop = self.traits[own.loop]
            if isinstance(node.op, Item) and node.op.number in loop.late:
                needed.add(node)
        candidates = dict.fromkeys(c for found in last.values() for c in found)
        self.chosen = set(candidates)
        while True:
            rows = {c for c in self.chosen if not _is_total(c)}
            keeping = {self.along[n].loop for n in needed | rows}
            poor = {c for c in self.chosen if not self._pays(c, needed, last, keeping)}
            if not poor:
                return
            self.chosen -= poor
            for node in poor:
                needed |= self.along[node].stacks

    def _outside(self, node: Node) -> bool:
        """Whether something reads `node` that is not computed in the rounds."""
        if node in self.roots:
            return True
        own = self.along[node]
        return any(
            reader not in self.along and not self._is_easy(node, own, reader)
            for reader in self.readers[node]
        )

    def _is_easy(self, node: Node, own: _Along, reader: Node) -> bool:
        """Whether a reader needs no rows: a size, or what is carried anyway."""
        if isinstance(reader.op, Shape):
            return True
        op = self.traits[own.loop].op
        if op.backwards or not isinstance(reader.op, Pick):
            return False
        last = reader.inputs[1].op
        ends = isinstance(last, Constant) and int(last.data) == -1
        return ends and not reader.op.axis and isinstance(node.op, Item)

    def _pays(
        self,
        node: Node,
        needed: set[Node],
        last: dict[Node, list[Node]],
        keeping: set[Node],
    ) -> bool:
        """Whether it pays to compute `node` in the rounds: a stack goes away by it.

        For a reduction of a few numbers a round that is the last stack of the loop.
        """
        own = self.along[node]
        free = own.stacks - needed
        if _is_total(node):
            few = all(cells(_row_type(s)) <= FEW_NUMBERS for s in free)
            return bool(free) and not (few and own.loop in keeping)
        rows = [s for s in free if s.type.ndim >= node.type.ndim]
        return any(
            all(other is node or _is_total(other) for other in last[s]) for s in rows
        )


def _row_type(stack: Node) -> TensorType:
    return tensor(stack.type.dtype, stack.type.dims[1:])


def _is_total(node: Node) -> bool:
    return isinstance(node.op, Reduce) and 0 in node.op.axes


class _Absorbed:
    """A loop that computes more in its rounds."""

    def __init__(self, found: _Found, node: Node) -> None:
        op = node.op
        assert isinstance(op, Loop)
        self.found = found
        self.node = node
        self.op = op
        self.loop = Open.of(node, range(op.rounds))
        self.own = list(self.loop.carried)
        self.row: dict[Node, Node] = {}
        #: For a reduction what is carried for it: the total, and maybe an error.
        self.totals: dict[Node, list[Node]] = {}

    def places(self, chosen: Sequence[Node]) -> dict[Node, Node]:
        """What stands for results of the loop, and for the nodes `chosen`."""
        for node in self._inside(chosen):
            self._into(node)
        kept = len(self.loop.kept)
        rows = [node for node in chosen if node not in self.totals]
        first = self.op.rounds
        self.loop.kept |= {first + k: self.row[node] for k, node in enumerate(rows)}
        made = results(self.loop.shut(self.node.site))
        last = dict(zip(self.loop.carried, made, strict=False))
        stacks = made[len(self.loop.carried) : -1]
        items = [*(last[p] for p in self.own), *stacks[:kept], made[-1]]
        found = {
            intern(Item(k), (self.node,)): item.node for k, item in enumerate(items)
        }
        found |= {n: v.node for n, v in zip(rows, stacks[kept:], strict=True)}
        for node, carried in self.totals.items():
            found[node] = self._total(node, [last[p] for p in carried])
        return found

    def _inside(self, chosen: Sequence[Node]) -> list[Node]:
        """What is computed in the rounds for the nodes `chosen`, and these."""
        found: set[Node] = set()
        stack = list(chosen)
        while stack:
            node = stack.pop()
            if node in self.found.along and node not in found:
                found.add(node)
                stack += () if isinstance(node.op, Item) else node.inputs
        return [node for node in self.found.along if node in found]

    def _into(self, node: Node) -> None:
        """Add a node to the round."""
        if isinstance(node.op, Item):
            self.row[node] = self.loop.kept[node.op.number]
            return
        if _is_total(node):
            self._carry(node, self.row[node.inputs[0]])
            return
        operands = []
        for outer, along in zip(node.inputs, goes_along(node) or (), strict=True):
            if outer in self.row:
                operands.append(self.row[outer])
            elif along:
                operands.append(self.loop.row(outer))
            else:
                operands.append(standing(self.loop, outer, node.type.ndim))
        self.row[node] = in_round(node, operands)

    def _carry(self, node: Node, value: Node) -> None:
        """Carry the reduction `node`, of which `value` is a row."""
        op: Any = node.op
        inner = tuple(axis - 1 for axis in op.axes if axis)
        if inner:
            value = intern(replace(op, axes=inner, keepdims=False), (value,), node.site)
        dtype = value.type.dtype
        combine = op.combine_for(dtype)
        sizes = [
            self.found.size(size)
            for k, size in enumerate(node.inputs[0].type.dims)
            if k not in op.axes
        ]
        own = of_type(value.type)
        total = _COMBINED[combine](own, Variable(value))
        first = ops.full(sizes, op.start(dtype), dtype)
        self.loop.carried[own.node] = first.node, total.node
        self.totals[node] = [own.node]
        if combine == "sum" and dtype in FLOATS:
            error = of_type(value.type)
            lost = error + apply(RoundingError(), own, Variable(value))
            self.loop.carried[error.node] = ops.full(sizes, 0, dtype).node, lost.node
            self.totals[node].append(error.node)

    def _total(self, node: Node, carried: Sequence[Variable]) -> Node:
        """What a reduction is in the end."""
        op: Any = node.op
        value = carried[0]
        if len(carried) > 1:
            # What is lost is NaN where the total is not finite.
            lost = carried[1]
            value = value + ops.where(ops.equal(lost, lost), lost, 0)
        if op.nonempty:
            value = self._refused_of_nothing(node, value)
        return (ops.expand_dims(value, op.axes) if op.keepdims else value).node

    def _refused_of_nothing(self, node: Node, value: Variable) -> Variable:
        """`value`, refused where there are no rounds, or no elements in a row."""
        op: Any = node.op
        count = dim_of(self.node.inputs[0])
        if dims.surely_nonnegative(dims.sub(count, 1)):
            return value
        rows = ops.minimum(Variable(self.node.inputs[0]), 1)
        made = replace(op, axes=(0,), keepdims=False)
        return apply(made, repeated(value, ops.maximum(rows, 0)))


__all__ = ["stacks_inward"]
