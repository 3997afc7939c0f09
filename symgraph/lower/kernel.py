"""A group of nodes as one kernel of loop IR.

Elements are evaluated on demand: a node's `element` asks for its inputs at indices, and
what is asked for is a load where the input has an array, and else evaluated in turn (a
stack of suspended elements, so depth does not matter).  Each value is computed once for
each index, in the outermost scope where its index is known: once a row, or inside the
loop of a stage.

A group with reductions runs in *stages* for each row: first the reductions that need
none of the others, then those that need these, and so on; each stage is one loop over
the inner axes.  Long formulas needed by several stages are kept in a scratch row.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from ..codegen import ir
from ..codegen.program import Launch
from ..dims import Size
from ..errors import SymgraphError
from ..graph import Node
from ..leaf import Constant
from ..op import Element, Elemwise, Index, Indexed, Reduce, Requirement
from ..types import is_complex, real_dtype
from .at import At, Context
from .fuse import Partition
from .groups import Axis, Group
from .watch import Watch

#: Values of formulas at least this long are kept rather than computed in two stages.
KEEP_WEIGHT = 20
#: Reductions of at most this many elements, where that is known, are not shared out.
SMALL_REDUCTION = 4096
#: An array of one more axis outweighs fewer arrays than this.
VOTERS = 64


class Environment(Protocol):
    """What a kernel asks of the program around it."""

    partition: Partition
    watch: Watch | None

    def array(self, node: Node) -> str:
        """The array that holds `node`."""

    def extent(self, size: Size) -> ir.Extent:
        """A dimension as a number or the name of one of the program's sizes."""

    def failure(self, reason: str, node: Node, error: type[SymgraphError]) -> int:
        """The error code of a run-time check."""


@dataclass(slots=True)
class Scope:
    """Statements run at one depth of the nest, and the values that they define."""

    statements: list[ir.Statement] = field(default_factory=list)
    values: dict[object, ir.Value] = field(default_factory=dict)


@dataclass(slots=True)
class _Pending:
    """An element being computed: its generator waits for a read.

    Where `owed` is false, the read it waits for gives 0.
    """

    key: tuple[Node, Index, ir.Atom | None]
    element: Element
    scope: Scope
    guard: ir.Value | None
    owed: ir.Value | None = None


class KernelBuilder:
    """Builds one kernel over a frame of axes; see the module's docstring."""

    def __init__(self, env: Environment, name: str, group: Group) -> None:
        self.env = env
        self.name = name
        self.group = group
        self.builder = ir.Builder()
        self.row = Scope(self.builder.statements)
        self.loop: Scope | None = None
        self.axis_name = {axis: f"i{k}" for k, axis in enumerate(group.frame)}
        self.kept: dict[Node, ir.Buffer] = {}
        self._inner = {self.axis_name[a] for a in group.inner}
        self._outer = {self.axis_name[a] for a in group.rows}
        self._buffers: dict[Node, ir.Buffer] = {}
        self._written: dict[Node, None] = {}
        self._scratch: list[ir.Buffer] = []
        self._sizes: dict[str, str] = {}
        self._computed: dict[Node, None] = {}
        self._context = Context(
            self.builder, self.extent, env.partition.same, self._check
        )

    # -- names -------------------------------------------------------------------------

    def extent(self, size: Size) -> ir.Extent:
        """A dimension as a number or the name of a size of this kernel."""
        return self._local(self.env.extent(size))

    def _local(self, extent: ir.Extent) -> ir.Extent:
        if isinstance(extent, int):
            return extent
        return self._sizes.setdefault(extent, f"n{len(self._sizes)}")

    def offset(self, extent: ir.Extent) -> ir.Affine:
        """A size of the program, as part of an index."""
        local = self._local(extent)
        return ir.Affine((), local) if isinstance(local, int) else ir.axis(local)

    def buffer(self, node: Node, *, written: bool = False) -> ir.Buffer:
        """The kernel's argument for the array of `node`."""
        if written:
            self._written[node] = None
        if node not in self._buffers:
            shape = tuple(self.extent(s) for s in node.type.dims)
            name, dtype = f"b{len(self._buffers)}", node.type.dtype
            if is_complex(dtype):
                shape, dtype = (*shape, 2), real_dtype(dtype)
            self._buffers[node] = ir.Buffer(name, dtype, shape, "in")
        return self._buffers[node]

    def index(self, places: Sequence[Axis | None]) -> Index:
        """The index along frame axes; 0 where the size is 1."""
        return tuple(
            ir.Affine() if a is None else ir.axis(self.axis_name[a]) for a in places
        )

    def at(self, node: Node, index: Index) -> At:
        """What an op's formulas need, for `node` at `index`, in this kernel."""
        return At(node, index, self._context)

    def _check(
        self, ok: ir.Value, reason: str, node: Node, error: type[SymgraphError]
    ) -> None:
        code = self.env.failure(reason, node, error)
        self.builder.statements.append(ir.Check(str(ok.atom), code))

    def require(self, node: Node, it: Requirement) -> None:
        """Check what `node` requires of sizes."""
        at = self.at(node, ())
        a, b = (at.value(at.extent(size)) for size in (it.left, it.right))
        self._check(a < b if it.relation == "lt" else a <= b, it.reason, node, it.error)

    # -- values ------------------------------------------------------------------------

    def value(
        self, node: Node, index: Index, guard: ir.Value | None = None
    ) -> ir.Value:
        """`node` at `index`, evaluated in the scope where the index is known."""
        scope = self.loop or self.row
        found = self._known(node, index, guard, scope)
        pending = [] if found is not None else [self._open(node, index, guard, scope)]
        while pending:
            top = pending[-1]
            self.builder.statements = top.scope.statements
            if found is not None and top.owed is not None:
                zero = ir.const(0, found.dtype)
                found = ir.select(top.owed, found, zero)
            try:
                request = top.element.send(found)  # type: ignore[arg-type]
            except StopIteration as stop:
                found = stop.value
                assert found is not None
                top.scope.values[top.key] = found
                pending.pop()
                continue
            source = top.key[0].inputs[request.input]
            held = _both(top.guard, request.guard)
            top.owed = None if self._in_array(source) else request.guard
            found = self._known(source, request.index, held, top.scope)
            if found is None:
                pending.append(self._open(source, request.index, held, top.scope))
        self.builder.statements = scope.statements
        assert found is not None
        return found

    def _spans_row(self, key: tuple[Node, Index, ir.Atom | None]) -> bool:
        """Whether an element of a kept value is the one of this row and inner index."""
        return key[2] is None and key[1] == self.index(self.group.place[key[0]])

    def _in_array(self, node: Node) -> bool:
        """Whether `node` is read from memory, where a guard gives 0."""
        if isinstance(node.op, Constant) and node.op.small:
            return False
        return node not in self.group.place and not self.env.partition.inlined(node)

    def _key(
        self, node: Node, index: Index, guard: ir.Value | None
    ) -> tuple[Node, Index, ir.Atom | None]:
        is_one = self.env.partition.is_one
        normal = tuple(
            ir.Affine() if is_one(s) else a
            for s, a in zip(node.type.dims, index, strict=True)
        )
        return node, normal, None if guard is None else guard.atom

    def _scope(self, index: Index, guard: ir.Value | None, reader: Scope) -> Scope:
        """The outermost scope in which `index` is known."""
        if self.loop is None or reader is self.row:
            return self.row
        names = {name for affine in index for name, _ in affine.terms}
        outer = names <= (self._outer | set(self._sizes.values()))
        return self.row if outer and guard is None else self.loop

    def _known(
        self, node: Node, index: Index, guard: ir.Value | None, reader: Scope
    ) -> ir.Value | None:
        """The value if it is at hand or in an array; None if it must be computed."""
        if isinstance(node.op, Reduce) and node in self.group.place:
            guard = None  # computed for the whole row, whoever asks
        key = self._key(node, index, guard)
        scope = self._scope(key[1], guard, reader)
        plain = key if self._in_array(node) else (*key[:2], None)
        for place in (scope, self.row):
            for known in (key, plain):  # computed without the guard, it serves as well
                if known in place.values:
                    return place.values[known]
        if isinstance(node.op, Constant) and node.op.small:
            number = node.op.data.reshape(()).item()
            return self.at(node, index).literal(number, node.type.dtype)
        if node in self.kept and self.loop is not None and self._spans_row(key):
            buffer = self.kept[node]
            where = tuple(ir.axis(self.axis_name[a]) for a in self.group.inner)
        elif not self._in_array(node):
            return None
        else:
            buffer, where = self.buffer(node), key[1]
        before = self.builder.statements
        self.builder.statements = scope.statements
        loaded = self.builder.load(buffer, where, guard)
        self.builder.statements = before
        scope.values[key] = loaded
        return loaded

    def _open(
        self, node: Node, index: Index, guard: ir.Value | None, reader: Scope
    ) -> _Pending:
        assert isinstance(node.op, Indexed), f"{node} has no value yet"
        self._computed[node] = None
        key = self._key(node, index, guard)
        at = At(node, key[1], self._context)
        scope = self._scope(key[1], guard, reader)
        return _Pending(key, node.op.element(at), scope, guard)

    def store(
        self, node: Node, index: Index, value: ir.Value, *, accumulate: bool = False
    ) -> None:
        """Write `value` into the array of `node`."""
        buffer = self.buffer(node, written=True)
        self.builder.statements.append(
            ir.Store(buffer.name, index, value.atom, accumulate)
        )

    def write(self, node: Node, index: Index) -> None:
        """Compute `node` at `index` and store it; of complex numbers each part."""
        if not is_complex(node.type.dtype):
            self.store(node, index, self.value(node, index))
            return
        at = self.at(node, index)
        for number, part in enumerate(node.inputs):
            value = self.value(part, at.aligned(number))
            self.store(node, (*index, ir.Affine((), number)), value)

    def scratch(self, dtype: str, axes: Sequence[Axis]) -> ir.Buffer:
        """Memory private to a row, of the extents of `axes`."""
        shape = tuple(self.extent(self.group.extents[a]) for a in axes)
        buffer = ir.Buffer(f"s{len(self._scratch)}", dtype, shape, "inout")
        self._scratch.append(buffer)
        return buffer

    # -- the nest ----------------------------------------------------------------------

    def stage(
        self,
        order: Sequence[Axis],
        vector: Axis | None,
        body: Callable[[], list[ir.Carry]],
    ) -> None:
        """Append a nest of loops over `order` to the row; `body` fills the innermost.

        The carries that `body` returns are combined through all loops of the nest.
        """
        self.loop = Scope()
        self.builder.statements = self.loop.statements
        carries = body()
        statements = self.loop.statements
        self.loop = None
        for depth, axis in enumerate(reversed(order)):
            kind: ir.LoopKind = "vector" if axis == vector else "serial"
            outermost = depth == len(order) - 1
            named = tuple(
                ir.Carry(
                    c.name if outermost else f"{c.name}_{depth}",
                    c.combine,
                    c.value if depth == 0 else f"{c.name}_{depth - 1}",
                    c.dtype,
                )
                for c in carries
            )
            extent = self.extent(self.group.extents[axis])
            statements = [
                ir.Loop(self.axis_name[axis], extent, kind, tuple(statements), named)
            ]
        self.row.statements.extend(statements)
        self.builder.statements = self.row.statements

    def keep(self, node: Node, value: ir.Value) -> ir.Buffer:
        """Store `value` in a scratch row, for later stages to load."""
        shape = tuple(self.extent(self.group.extents[a]) for a in self.group.inner)
        buffer = ir.Buffer(f"r{len(self.kept)}", node.type.dtype, shape, "inout")
        where = tuple(ir.axis(self.axis_name[a]) for a in self.group.inner)
        self.builder.statements.append(ir.Store(buffer.name, where, value.atom))
        return buffer

    def finish(
        self, rows: Sequence[Axis], vector: Axis | None, *, parallel: bool = True
    ) -> Launch:
        """Wrap the row in loops over `rows` and name the arrays."""
        statements: tuple[ir.Statement, ...] = tuple(self.row.statements)
        for depth, axis in enumerate(reversed(rows)):
            kind: ir.LoopKind = "serial"
            if axis == vector:
                kind = "vector"
            elif depth == len(rows) - 1 and parallel:
                kind = "parallel"
            extent = self.extent(self.group.extents[axis])
            statements = (ir.Loop(self.axis_name[axis], extent, kind, statements),)
        split = self.axis_name[rows[0]] if rows and parallel else None
        if not rows and parallel:
            split = _shared_reduction(statements)
        nodes = list(self._buffers)
        if self.env.watch is not None:
            known = [n for n in self.group.members if n not in self._computed]
            self.env.watch.kernel(self.name, [*self._computed, *known], self._written)
        read = _read(statements)
        kernel = ir.Kernel(
            self.name,
            tuple(self._with_mode(n, read) for n in nodes),
            tuple(self._sizes.values()),
            statements,
            split,
            (*self.kept.values(), *self._scratch),
        )
        arrays = tuple(self.env.array(n) for n in nodes)
        return Launch(kernel, arrays, tuple(self._sizes))

    def _with_mode(self, node: Node, read: set[str]) -> ir.Buffer:
        buffer = self._buffers[node]
        if node not in self._written:
            return buffer
        return replace(buffer, mode="inout" if buffer.name in read else "out")


def _read(statements: tuple[ir.Statement, ...]) -> set[str]:
    """The buffers that are loaded from or added to."""
    return {
        s.buffer
        for s, _ in ir.walk(statements)
        if isinstance(s, ir.Load) or (isinstance(s, ir.Store) and s.accumulate)
    }


def _both(a: ir.Value | None, b: ir.Value | None) -> ir.Value | None:
    if a is None or b is None:
        return a or b
    return a & b


# -- groups ----------------------------------------------------------------------------


def lower_group(env: Environment, name: str, group: Group) -> Launch:
    """The kernel of a group whose outputs have arrays."""
    kernel = KernelBuilder(env, name, group)
    vector = _vector_axis(env.partition, group)
    rows, inner = _order(group, group.rows, vector), _order(group, group.inner, vector)
    levels = _levels(env.partition, group)
    usage = _usage(env.partition, group, levels)
    stages = max(levels.values()) + 1 if group.inner else 0
    for number in range(stages):
        _lower_stage(kernel, number, inner, vector, levels, usage)
    for node in group.outputs:
        if not _spans(group, node):
            kernel.write(node, kernel.index(group.place[node]))
    return kernel.finish(rows, vector)


def _lower_stage(
    kernel: KernelBuilder,
    number: int,
    inner: list[Axis],
    vector: Axis | None,
    levels: dict[Node, int],
    usage: dict[Node, set[int]],
) -> None:
    """The loop of one stage: its reductions, and the outputs first known in it."""
    group = kernel.group
    roots = [n for n in group.members if levels[n] == number]
    reductions = [n for n in roots if isinstance(n.op, Reduce)]
    stored = [n for n in roots if n in group.outputs and _spans(group, n)]
    if not reductions and not stored:
        return
    keepers: dict[Node, ir.Buffer] = {}

    def body() -> list[ir.Carry]:
        carries = []
        for node in reductions:
            assert isinstance(node.op, Reduce)
            index = kernel.index(group.domain[node])
            operand = kernel.value(node.inputs[0], index)
            carry = kernel.builder.fresh()
            dtype = node.type.dtype
            carries.append(
                ir.Carry(carry, node.op.combine_for(dtype), operand.atom, dtype)
            )
        for node in stored:
            kernel.write(node, kernel.index(group.place[node]))
        for node, stages in usage.items():
            if vector in inner and min(stages) == number and len(stages) > 1:
                index = kernel.index(group.place[node])
                keepers[node] = kernel.keep(node, kernel.value(node, index))
                kernel.kept[node] = keepers.pop(node)
        return carries

    kernel.stage(inner, vector, body)
    for node, carry in zip(reductions, _carries(kernel, inner), strict=True):
        key = (node, kernel.index(group.place[node]), None)
        kernel.row.values[key] = ir.Value(kernel.builder, carry.name, carry.dtype)


def _carries(kernel: KernelBuilder, inner: list[Axis]) -> tuple[ir.Carry, ...]:
    """The carries of the loop appended last."""
    loop = kernel.row.statements[-1]
    assert isinstance(loop, ir.Loop)
    return loop.carries


def _spans(group: Group, node: Node) -> bool:
    """Whether `node` has an element for each step of the inner loop."""
    return any(a in group.inner for a in group.place[node])


def _levels(partition: Partition, group: Group) -> dict[Node, int]:
    """For each member, the stage in which it is first known."""
    levels: dict[Node, int] = {}
    for node in group.members:
        levels[node] = max(
            (
                levels[s.node] + isinstance(s.node.op, Reduce)
                for s in partition.sources(node)
                if s.node in levels
            ),
            default=0,
        )
    return levels


def _shared_reduction(statements: Sequence[ir.Statement]) -> str | None:
    """The axis of the reduction that all of a kernel is, unless it is a small one."""
    loops = [s for s in statements if isinstance(s, ir.Loop)]
    if len(loops) != 1 or not loops[0].carries:
        return None
    inside = [loops[0], *(s for s, _ in ir.walk(loops[0].body))]
    extents = [s.extent for s in inside if isinstance(s, ir.Loop)]
    known = math.prod(e for e in extents if isinstance(e, int))
    small = all(isinstance(e, int) for e in extents) and known <= SMALL_REDUCTION
    return None if small else loops[0].axis


def _usage(
    partition: Partition, group: Group, levels: dict[Node, int]
) -> dict[Node, set[int]]:
    """The stages that need each long or slow member that spans the inner loop."""
    stages: dict[Node, set[int]] = {n: set() for n in group.members}
    for node in reversed(group.members):
        if isinstance(node.op, Reduce) or node in group.outputs:
            stages[node].add(levels[node])
        for source in partition.sources(node):
            if source.node in stages and not isinstance(source.node.op, Reduce):
                stages[source.node] |= stages[node] or {levels[node]}
    return {
        node: used
        for node, used in stages.items()
        if isinstance(node.op, Elemwise)
        and (node.op.slow or node.op.weight >= KEEP_WEIGHT)
        and {a for a in group.place[node] if a is not None} == set(group.frame)
        and len(used) > 1
    }


def _vector_axis(partition: Partition, group: Group) -> Axis | None:
    """The axis along which most arrays are contiguous, the largest ones first."""
    if not group.frame:
        return None
    votes: Counter[Axis | None] = Counter()

    def vote(places: Sequence[Axis | None]) -> None:
        """For the last of an array's axes, by how many axes it has."""
        if places:
            rank = sum(a is not None for a in places)
            votes[places[-1]] += VOTERS**rank

    for node in group.members:
        places = group.domain.get(node, group.place[node])
        for source in partition.sources(node):
            if source.node not in group.place and -1 not in source.alignment[-1:]:
                vote([None if d in (None, -1) else places[d] for d in source.alignment])
        if node in group.outputs:
            vote(group.place[node])
    del votes[None]  # axes of size 1
    if not votes:
        return group.frame[-1]
    most = max(votes.values())
    leaders = [a for a in group.frame if votes[a] == most]
    return leaders[-1]


def _order(group: Group, axes: list[Axis], vector: Axis | None) -> list[Axis]:
    """`axes` as the largest member has them, the vector axis innermost."""
    shapes = [*group.domain.values(), *group.place.values()]
    widest = max(shapes, key=lambda places: sum(a is not None for a in places))
    known = [a for a in widest if a in axes]
    ordered = known + [a for a in axes if a not in known]
    return sorted(ordered, key=lambda a: a == vector)
