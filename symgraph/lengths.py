"""Values whose length is computed, as whole arrays of which some rows count.

How many rounds a loop made that ends by a condition is known when it has run, and so is
the length of its outputs, ``kept[:rounds]``.  Native code needs all sizes before.  So
what is made of them, row by row, is made of whole arrays, and cut when a call returns
(see :mod:`.cuts`); a reduction leaves out rows that do not count, a position is counted
from the computed end.  What cannot be had so stays as it is, and is refused when it is
compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import ops
from .composite import bodies_of
from .graph import Node, intern, rebuild, toposort
from .leaf import Constant
from .op import Elemwise, Expanded, Nested, Reduce
from .ops.create import Arange, Full
from .ops.sizes import Shape, dim_of, shape_of
from .ops.slices import Pick, PickEmbed, Slice, SliceEmbed, of_rounds
from .ops.view import ExpandDims, Squeeze, Transpose
from .variable import Variable, apply, constant


@dataclass(frozen=True, slots=True)
class _Cut:
    """The first `length` rows of `whole`."""

    whole: Variable
    length: Variable

    @property
    def rows(self) -> Variable:
        """How many rows `whole` has."""
        return shape_of(self.whole, 0)

    def counts(self, ndim: int = 1) -> Variable:
        """Which rows count, to choose by from an array of `ndim` dimensions."""
        chosen = ops.arange(self.rows) < self.length
        return ops.expand_dims(chosen, tuple(range(1, ndim)))

    def node(self) -> Node:
        """The rows that count, as an array of a computed length."""
        return self.whole[: self.length].node


def whole_lengths(outputs: Sequence[Node]) -> tuple[Node, ...]:
    """`outputs` with computed lengths only where they are cut in the end."""
    order = toposort(outputs)
    if not any(_has_inside(node) or of_rounds(node) for node in order):
        return tuple(outputs)
    return _Lengths().run(outputs)


def _has_inside(node: Node) -> bool:
    """Whether there may be a computed length in the graphs that a node runs."""
    nested = isinstance(node.op, Nested)
    return nested and any({Slice, ops.Item} <= b.kinds for b in bodies_of(node.op))


class _Lengths:
    """One walk over a graph."""

    def __init__(self) -> None:
        #: What stands for old nodes, by new ones that have a computed length.
        self.cuts: dict[Node, _Cut] = {}
        #: Of lengths that are computed how many rows there are.
        self.rows: dict[Node, Variable] = {}

    def run(self, outputs: Sequence[Node]) -> tuple[Node, ...]:
        """The graph after the walk."""
        return rebuild(outputs, self._made)

    def _made(self, node: Node, inputs: tuple[Node, ...]) -> Node:
        if of_rounds(node) is not None:
            made = intern(node.op, inputs, node.site)
            self._note(made, _Cut(Variable(inputs[0]), Variable(inputs[1])))
            return made
        found: _Cut | Variable | None = None
        if any(i in self.cuts for i in inputs):
            found = self._of_cut(node, inputs)
        elif any(i in self.rows for i in inputs):
            found = self._of_length(node, inputs)
        if isinstance(found, Variable):
            return found.node
        if found is not None:
            made = found.node()
            self._note(made, found)
            return made
        made = intern(node.op, inputs, node.site)
        if isinstance(made.op, Nested) and _has_inside(made):
            return made.op.rewritten(made, whole_lengths)
        return made

    def _note(self, made: Node, cut: _Cut) -> None:
        self.cuts[made] = cut
        self.rows[cut.length.node] = cut.rows

    # -- by op -------------------------------------------------------------------------

    def _of_cut(self, node: Node, inputs: tuple[Node, ...]) -> _Cut | Variable | None:
        """What is made of an array of a computed length."""
        op: Any = node.op
        first = self.cuts.get(inputs[0])
        match op:
            case Elemwise():
                return self._elementwise(node, inputs)
            case Expanded():
                return self._expanded(op, inputs)
            case Shape() if first is not None:
                return shape_of(first.whole, op.axis) if op.axis else first.length
            case ops.Contract():
                return self._product(op, inputs)
        if first is None:
            return None
        match op:
            case ExpandDims() | Squeeze() if 0 not in op.axes:
                return replace(first, whole=apply(op, first.whole))
            case Transpose() if op.axes[0] == 0:
                return replace(first, whole=apply(op, first.whole))
            case Reduce():
                return self._reduced(op, first)
            case Slice() | Pick() | SliceEmbed() | PickEmbed() if op.axis:
                others = map(Variable, inputs[1:])
                return replace(first, whole=apply(op, first.whole, *others))
            case ops.BroadcastTo() if inputs[1] is first.length.node:
                others = map(Variable, inputs[2:])
                return replace(first, whole=apply(op, first.whole, first.rows, *others))
            case Slice():
                return _sliced(op, first, inputs[1:])
            case Pick() if of_rounds(inputs[0]) is None or not _is_last(inputs[1]):
                return apply(op, first.whole, _position(first, Variable(inputs[1])))
            case SliceEmbed() if op == SliceEmbed(0, 1, False, True) and (
                inputs[2] is first.length.node
            ):
                return _masked(first, 0)
            case SliceEmbed() if not op.axis and inputs[1] in self.rows:
                size = Variable(inputs[1])
                return _embedded(op, first, size, self.rows[inputs[1]], inputs[2:])
        return None

    def _elementwise(self, node: Node, inputs: tuple[Node, ...]) -> _Cut | None:
        cuts = [self.cuts[i] for i in inputs if i in self.cuts]
        lengths = {c.length.node for c in cuts}
        rows = {c.whole.type.dims[0] for c in cuts}
        if len(lengths) > 1 or len(rows) > 1:
            return None
        ndim = node.type.ndim
        for i in inputs:
            if i in self.cuts:
                if i.type.ndim < ndim:
                    return None
            elif i.type.ndim == ndim and i.type.dims[0] != 1:
                return None
        operands = [
            self.cuts[i].whole if i in self.cuts else Variable(i) for i in inputs
        ]
        made = intern(node.op, tuple(v.node for v in operands), node.site)
        return replace(cuts[0], whole=Variable(made))

    def _expanded(self, op: Expanded, inputs: tuple[Node, ...]) -> _Cut | None:
        """A named formula, by what it is made of."""
        root = op.expand(*map(Variable, inputs)).node
        given = set(inputs)
        made: dict[Node, Node] = {}
        for node in toposort([root], lambda n: () if n in given else n.inputs):
            below = tuple(made[i] for i in node.inputs) if node not in given else ()
            made[node] = node if node in given else self._made(node, below)
        return self.cuts.get(made[root])

    def _product(self, op: Any, inputs: tuple[Node, ...]) -> _Cut | Variable | None:
        """A product: rows of it, or a sum over rows."""
        cuts = [self.cuts.get(i) for i in inputs]
        labels = [op.left, op.right]
        own = {side[0] for side, cut in zip(labels, cuts, strict=True) if cut}
        first = cuts[0] or cuts[1]
        if first is None or len({c.length.node for c in cuts if c}) > 1 or len(own) > 1:
            return None
        (row,) = own
        if any(row in side for side, cut in zip(labels, cuts, strict=True) if not cut):
            return None
        pairs = list(zip(inputs, cuts, strict=True))
        if op.out[:1] == (row,):
            made = apply(op, *(c.whole if c else Variable(i) for i, c in pairs))
            return replace(first, whole=made)
        if row in op.out:
            return None
        return apply(op, *(_masked(c, 0) if c else Variable(i) for i, c in pairs))

    def _reduced(self, op: Any, cut: _Cut) -> _Cut | Variable | None:
        """A reduction: over rows it leaves out what does not count."""
        if 0 not in op.axes:
            return replace(cut, whole=apply(op, cut.whole))
        if op.nonempty and not _makes_rounds(cut.length.node):
            return None
        return apply(op, _masked(cut, op.start(cut.whole.dtype)))

    def _of_length(
        self, node: Node, inputs: tuple[Node, ...]
    ) -> _Cut | Variable | None:
        """What is made by a computed length, as long as all rows."""
        op = node.op
        values = list(map(Variable, inputs))
        match op:
            case ops.BroadcastTo() | Full() if inputs[1] in self.rows:
                rows = self.rows[inputs[1]]
                return _Cut(apply(op, values[0], rows, *values[2:]), values[1])
            case Slice() if op == Slice(0, 1, False, True) and inputs[1] in self.rows:
                same = values[0].type.dims[0] == dim_of(self.rows[inputs[1]].node)
                return _Cut(values[0], values[1]) if same else None
            case Arange() if inputs[2] in self.rows:
                rows = self.rows[inputs[2]]
                return _Cut(apply(op, *values[:2], rows), values[2])
            case PickEmbed() if op.axis == 0 and inputs[1] in self.rows:
                cut = _Cut(ops.zeros((self.rows[inputs[1]],)), values[1])
                place = _position(cut, values[2])
                return _Cut(apply(op, values[0], cut.rows, place), values[1])
        return None


def _masked(cut: _Cut, otherwise: object) -> Variable:
    """The whole array, with `otherwise` in rows that do not count."""
    whole = cut.whole
    other = constant(otherwise, whole.dtype)
    return apply(ops.Where(), cut.counts(whole.ndim), whole, other)


def _position(cut: _Cut, index: Variable) -> Variable:
    """`index`, counted from the end of what counts; outside of all rows if outside."""
    place = ops.where(index < 0, index + cut.length, index)
    inside = (place >= 0) & (place < cut.length)
    return ops.where(inside, place, cut.rows)


def _is_last(index: Node) -> bool:
    return isinstance(index.op, Constant) and int(index.op.data) == -1


def _ends(
    op: Slice | SliceEmbed, ends: Sequence[Node]
) -> tuple[int, int | None] | None:
    """Where a slice of step 1 begins and ends, if both are known."""
    if op.step != 1 or not all(isinstance(end.op, Constant) for end in ends):
        return None
    known = [int(end.op.data) for end in ends]  # type: ignore[attr-defined]
    start = known.pop(0) if op.has_start else 0
    return None if start < 0 else (start, known.pop(0) if op.has_stop else None)


def _sliced(op: Slice, cut: _Cut, ends: Sequence[Node]) -> _Cut | None:
    """A slice from a known row on, or all rows from the last to the first."""
    if op.step == -1 and not ends:
        return _reversed(cut)
    known = _ends(op, ends)
    if known is None:
        return None
    start, stop = known
    length = cut.length
    if stop is not None:
        length = ops.minimum(length, stop) if stop >= 0 else length + stop
    whole = cut.whole[start : None if stop is None or stop < 0 else stop]
    return _Cut(whole, ops.maximum(length - start, 0))


def _embedded(
    op: SliceEmbed, cut: _Cut, size: Variable, rows: Variable, ends: Sequence[Node]
) -> _Cut | None:
    """Zeros with `cut` at such a slice of the first `size` of so many rows."""
    if op.step == -1 and not ends:
        return replace(_reversed(cut), length=size)
    known = _ends(op, ends)
    if known is None:
        return None
    start, stop = known
    last = None if stop is None or stop < 0 else stop
    part = ops.zeros((rows, *cut.whole.shape[1:]), cut.whole.dtype)[start:last]
    return _Cut(ops.set_subtensor(part, _masked(cut, 0)), size)


def _reversed(cut: _Cut) -> _Cut:
    place = ops.maximum(cut.length - 1 - ops.arange(cut.rows), 0)
    return replace(cut, whole=cut.whole[place])


def _makes_rounds(length: Node) -> bool:
    """Whether `length` is how many rounds a loop made that makes one if it may any."""
    if not isinstance(length.op, ops.Item):
        return False
    first = length.inputs[0].inputs[1].op
    return isinstance(first, Constant) and bool(first.data)


__all__ = ["whole_lengths"]
