"""A rewritten graph as a Program: arrays, sizes, guards, kernels and library calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from .. import dims
from ..codegen import ir
from ..codegen.program import (
    Array,
    Call,
    Gemm,
    HostFunction,
    Program,
    Relation,
    Role,
    Step,
)
from ..composite import written_out
from ..dims import Dim, Size
from ..errors import (
    IndexOutOfBoundsError,
    ShapeError,
    SymgraphError,
    UnsupportedError,
    refuse,
)
from ..graph import Node, Site, describe_node, intern, rebuild, toposort
from ..leaf import Constant, Leaf
from ..op import Expanded, Index, Indexed, Nested, Opaque, Reduce
from ..ops.complex import FromParts
from ..ops.elementwise import Copy
from ..ops.view import squeeze
from ..types import is_complex, real_dtype
from ..variable import Variable
from .branches import Branches, lower_branches
from .fuse import Partition
from .groups import Group
from .halves import Halves, halves, in_halves
from .kernel import KernelBuilder, lower_group
from .memory import plan
from .rounds import Rounds, lower_rounds
from .sizes import Classes, SizeTable, check_sizes
from .watch import Watch, told

#: The error code of a guard on sizes that must be equal; others are numbered from 2.
SIZES_DIFFER = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """What a non-zero status means."""

    reason: str
    node: Node
    error: type[SymgraphError] = IndexOutOfBoundsError


@dataclass(frozen=True, slots=True)
class Lowered:
    """A program with what the graph knows about it.

    `constants` are the values of the constant arrays, in order; `failures` explains
    error codes; `classes` the dimensions taken to be equal; `nodes` what each array
    holds.
    """

    program: Program
    constants: tuple[Constant, ...]
    failures: dict[int, Failure]
    classes: Classes
    nodes: dict[str, Node]
    functions: tuple[HostFunction, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What to compute: leaves in order, outputs, and new values of shared leaves."""

    inputs: tuple[Node, ...]
    shared: tuple[Node, ...]
    outputs: tuple[Node, ...]
    updates: tuple[tuple[Node, Node], ...] = ()

    @property
    def roots(self) -> tuple[Node, ...]:
        """Everything to compute."""
        return (*self.outputs, *(value for _, value in self.updates))

    def with_roots(self, roots: Sequence[Node]) -> Request:
        """The same request for rewritten roots."""
        count = len(self.outputs)
        targets = (leaf for leaf, _ in self.updates)
        updates = tuple(zip(targets, roots[count:], strict=True))
        return Request(self.inputs, self.shared, tuple(roots[:count]), updates)


def lower(
    written: Request,
    rewritten: Request,
    name: str,
    *,
    generic: bool = False,
    watch: Watch | None = None,
) -> Lowered:
    """The program of a request; `written` is the graph before any rewriting.

    The fast version takes all sizes that meet to be equal, the `generic` one
    broadcasts those that turn out to be 1.  A `watch` is told what becomes of nodes.

    Raises:
        ShapeError: no call can fit: a dimension would have to be two numbers.
        UnsupportedError: an op has no lowering, or a size depends on computed data.
    """
    classes = Classes(generic=generic)
    asked = written_out(written.roots)
    demanding = with_inner(asked)
    classes.unify(demanding)
    if classes.clashes:
        check_sizes(asked)
    more = with_inner(rewritten.roots)
    classes.unify(more)
    prepared = _prepared(in_halves(rewritten.roots, watch), classes, watch)
    roots = _distinct(prepared, watch)
    emitter = Emitter(rewritten.with_roots(roots), classes, name, watch)
    certain = [*with_inner(asked, certain=True), *with_inner(roots, certain=True)]
    return emitter.run((*demanding, *more), certain)


def with_inner(roots: Sequence[Node], *, certain: bool = False) -> list[Node]:
    """All nodes under `roots`, and those of the graphs that loops and branches run.

    With `certain`, not those of branches, which may not be taken.
    """
    found: list[Node] = []
    pending = [tuple(roots)]
    while pending:
        order = toposort(pending.pop())
        found += order
        for node in order:
            if isinstance(node.op, Nested) and (node.op.runs_all or not certain):
                pending.append(written_out(node.op.inner(*node.inputs)))
    return found


def _prepared(
    roots: Sequence[Node], classes: Classes, watch: Watch | None
) -> tuple[Node, ...]:
    """`roots` in the form that lowering takes.

    What depends on which sizes are equal is settled, and Opaque ops that cannot handle
    their operands are replaced; then reductions of nothing, such as were just made,
    become views.
    """

    def settled(node: Node, inputs: tuple[Node, ...]) -> Node:
        made = intern(node.op, inputs, node.site)
        other = made.op.settled(classes.same, *(Variable(i) for i in inputs))
        return made if other is None else other.node

    def plain(node: Node, inputs: tuple[Node, ...]) -> Node:
        made = intern(node.op, inputs, node.site)
        if not isinstance(made.op, Opaque):
            return made
        other = made.op.plain(*(Variable(i) for i in inputs))
        return made if other is None else other.node

    def lean(node: Node, inputs: tuple[Node, ...]) -> Node:
        if isinstance(node.op, Reduce):
            return _reduced(node.op, inputs[0], classes, node.site)
        return intern(node.op, inputs, node.site)

    made = tuple(roots)
    for step in (settled, plain, lean):
        made = rebuild(made, told(watch, step))
    return made


def _reduced(op: Reduce, operand: Node, classes: Classes, site: Site | None) -> Node:
    """A reduction, or a view where every axis has size 1."""
    if any(classes.resolve(operand.type.dims[axis]) != 1 for axis in op.axes):
        return intern(op, (operand,), site)
    kept = Variable(operand)
    return (kept if op.keepdims else squeeze(kept, op.axes)).node


def _distinct(roots: Sequence[Node], watch: Watch | None) -> list[Node]:
    """`roots` with copies where a root is a leaf, an alias, or there already."""
    seen: set[Node] = set()
    latest: dict[Node, Node] = {}
    result = []
    for root in roots:
        node = latest.get(root, root)
        while node in seen or isinstance(node.op, Leaf) or _aliases(node):
            node = _copied(node, root.site)
        if watch is not None:
            watch.history.made(root, node)
        latest[root] = node
        seen.add(node)
        result.append(node)
    return result


def _copied(node: Node, site: Site | None) -> Node:
    """A node of its own with the value of `node`; results stay results (complex)."""
    if isinstance(node.op, FromParts):
        first = intern(Copy(), node.inputs[:1], site)
        return intern(node.op, (first, *node.inputs[1:]), site)
    return intern(Copy(), (node,), site)


def _aliases(node: Node) -> bool:
    return isinstance(node.op, Opaque) and node.op.aliases


@dataclass(slots=True)
class Emitter:
    """The state of one lowering, and what an Opaque op's `steps` emits into."""

    request: Request
    classes: Classes
    name: str
    watch: Watch | None = None
    sizes: SizeTable = field(init=False)
    partition: Partition = field(init=False)
    arrays: dict[str, Array] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    constants: list[Constant] = field(default_factory=list)
    failures: dict[int, Failure] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    functions: list[HostFunction] = field(default_factory=list)
    _array_of: dict[Node, str] = field(default_factory=dict)
    _codes: dict[tuple[str, Node], int] = field(default_factory=dict)
    _roles: dict[Node, tuple[Role, str | None]] = field(default_factory=dict)

    def run(self, written: Sequence[Node], certain: Sequence[Node]) -> Lowered:
        """The program, with entry checks for what `certain` nodes require."""
        self.sizes = SizeTable(self.classes)
        self._declare_arguments()
        self._declare_results()
        for node in dict.fromkeys(certain):
            for it in node.op.require(*node.inputs):
                self.require(it.left, it.relation, it.right, it.reason, node, it.error)
        self.partition = Partition(self.request.roots, self.classes)
        for group in self.partition.groups:
            self.lower_unit(group)
        self._guard(list(dict.fromkeys(written)))
        program = Program(
            self.name,
            tuple(self.arrays.values()),
            tuple(self.sizes.host),
            tuple(self.sizes.guards),
            tuple(self.steps),
            tuple(self.array(n) for n in self.request.outputs),
        )
        return Lowered(
            plan(program),
            tuple(self.constants),
            self.failures,
            self.classes,
            self.nodes,
            tuple(self.functions),
        )

    # -- arrays ------------------------------------------------------------------------

    def _declare_arguments(self) -> None:
        for prefix, role, leaves in (
            ("x", "input", self.request.inputs),
            ("w", "shared", self.request.shared),
        ):
            for number, node in enumerate(leaves):
                name, memory = f"{prefix}{number}", halves(node)
                shape = tuple(self.sizes.bind(s) for s in memory.type.dims)
                paired = memory is not node
                array = Array(name, memory.type.dtype, shape, role, paired=paired)  # type: ignore[arg-type]
                self.declare(node, array)
                self._array_of[memory] = name
                if not shape:
                    self.sizes.array_of[node] = name

    def _declare_results(self) -> None:
        for number, node in enumerate(self.request.outputs):
            self._roles[node] = ("output", None)
            self._new(node, f"y{number}")
        for number, (leaf, value) in enumerate(self.request.updates):
            self._roles[value] = ("update", self._array_of[leaf])
            self._new(value, f"u{number}")

    def _new(self, node: Node, name: str) -> None:
        """Declare the array that `node` is computed into."""
        role, target = self._roles.get(node, ("temp", None))
        shape, dtype = self.extents(node), node.type.dtype
        paired = is_complex(dtype)
        if paired:
            shape, dtype = (*shape, 2), real_dtype(dtype)
        self.declare(node, Array(name, dtype, shape, role, None, target, paired))

    def declare(self, node: Node, array: Array) -> None:
        """Add an array, which holds `node`."""
        self.arrays[array.name] = array
        self._array_of[node] = array.name
        self.nodes[array.name] = node

    def temporary(self, node: Node) -> str:
        """Declare a temporary that holds `node`; its name."""
        name = f"t{len(self.arrays)}"
        self.declare(node, Array(name, node.type.dtype, self.extents(node), "temp"))
        return name

    def also(self, node: Node, array: str) -> None:
        """Note that `node` is in `array`, which holds another node too."""
        self._array_of[node] = array

    def in_memory(self, node: Node) -> str:
        """The array that holds `node`, made for it where every reader inlines it."""
        if node not in self._array_of and self.partition.inlined(node):
            self.temporary(node)
            self.assign(node, node)
        return self.array(node)

    def give(self, node: Node, source: Node) -> None:
        """Have `node` hold what the array of `source` does."""
        if node in self._array_of:  # a result, or a row
            self.assign(node, source)
        else:
            self.alias(node, source)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """What nodes are held by is forgotten after it: a body is lowered in it."""
        known = dict(self._array_of)
        try:
            yield
        finally:
            self._array_of = known

    def is_result(self, node: Node) -> bool:
        """Whether `node` is returned, or a new value of a shared variable."""
        return node in self._roles

    def settled(self, roots: Sequence[Node]) -> tuple[Node, ...]:
        """`roots` in the form that lowering takes."""
        return _prepared(in_halves(roots, self.watch), self.classes, self.watch)

    def distinct(self, roots: Sequence[Node]) -> list[Node]:
        """`roots`, settled ones, each as a node of its own."""
        return _distinct(roots, self.watch)

    def array(self, node: Node) -> str:
        """The array that holds `node`; constants are declared when first read."""
        if node not in self._array_of:
            leaf = node.op.of if isinstance(node.op, Halves) else node
            if isinstance(leaf.op, Constant):
                name = f"c{len(self.constants)}"
                self.constants.append(leaf.op)
                shape, paired = self.extents(node), leaf is not node
                array = Array(name, node.type.dtype, shape, "constant", paired=paired)
                self.declare(node, array)
            elif isinstance(node.op, Leaf):
                refuse(
                    UnsupportedError,
                    "a size needs an input that is not among the function's inputs",
                    describe_node(node),
                    site=node.site,
                    remedy="add it to the inputs, with on_unused_input='ignore'",
                )
            else:
                self._new(node, f"t{len(self.arrays)}")
        return self._array_of[node]

    def alias(self, node: Node, source: Node) -> None:
        """Declare that `node` is the array of `source` in another shape."""
        name = f"v{len(self.arrays)}"
        shape = self.extents(node)
        base = self.arrays[self.array(source)]
        target = base.target if base.role == "view" else base.name
        array = Array(name, node.type.dtype, shape, "view", None, target)
        self.declare(node, array)

    def extents(self, node: Node) -> tuple[ir.Extent, ...]:
        """The shape of `node` as numbers and sizes."""
        return tuple(self.extent(s) for s in node.type.dims)

    def extent(self, size: Size) -> ir.Extent:
        """A dimension as a number or the name of a size."""
        return self.sizes.extent(size)

    # -- errors ------------------------------------------------------------------------

    def failure(
        self,
        reason: str,
        node: Node,
        error: type[SymgraphError] = IndexOutOfBoundsError,
    ) -> int:
        """The code that stands for `error`, raised for `reason` at `node`."""
        key = (reason, node)
        if key not in self._codes:
            self._codes[key] = SIZES_DIFFER + 1 + len(self._codes)
            self.failures[self._codes[key]] = Failure(reason, node, error)
        return self._codes[key]

    def require(
        self,
        left: Size,
        relation: Relation,
        right: Size,
        reason: str,
        node: Node,
        error: type[SymgraphError] = IndexOutOfBoundsError,
    ) -> None:
        """Refuse calls at entry unless the sizes stand in `relation` (eq, le, lt)."""
        a, b = self.classes.resolve(left), self.classes.resolve(right)
        if isinstance(a, int) and isinstance(b, int) and relation == "lt" and a < b:
            return
        code = self.failure(reason, node, error)
        self.sizes.require(left, relation, right, code)

    def demand(self, roots: Sequence[Node]) -> None:
        """Append a kernel that checks what `roots` require, where they are computed."""
        wanted = [
            (node, it)
            for node in with_inner(roots, certain=True)
            for it in node.op.require(*node.inputs)
        ]
        if wanted:
            name, group = f"k{len(self.steps)}_require", Group([], {}, {}, [], [], {})
            kernel = KernelBuilder(self, name, group)
            for node, it in wanted:
                kernel.require(node, it)
            self.steps.append(kernel.finish([], None, parallel=False))

    def _guard(self, written: Sequence[Node]) -> None:
        """Guards on sizes that no argument's shape settles.

        Those of `written` nodes too, which rewriting may have done away with.
        """
        self.sizes.check_meetings(SIZES_DIFFER)
        checked: set[Dim] = set()
        for node in (*written, *self.nodes.values()):
            if isinstance(node.op, Leaf):
                continue
            for size in node.type.dims:
                resolved = self.classes.resolve(size)
                if isinstance(resolved, int) or resolved in checked:
                    continue
                checked.add(resolved)
                if not dims.surely_nonnegative(resolved):
                    reason = f"{node.op.name}: negative dimensions are not allowed"
                    self.require(0, "le", size, reason, node, ShapeError)

    # -- steps -------------------------------------------------------------------------

    def lower_unit(self, group: Group) -> None:
        """Append the steps of a group, or of an opaque op."""
        start = len(self.steps)
        self._lower(group)
        if self.watch is not None:
            self.watch.unit(group, range(start, len(self.steps)))

    def opened(self, node: Node, *bodies: Sequence[Node]) -> None:
        """Note the roots of the bodies of `node`, whose steps are next."""
        if self.watch is not None:
            self.watch.enter(node, bodies)

    def _lower(self, group: Group) -> None:
        node = group.members[-1]
        if isinstance(node.op, Opaque):
            node.op.steps(node, self)
            return
        for member in group.members:
            if isinstance(member.op, Expanded) or not isinstance(
                member.op, Indexed | Reduce
            ):
                refuse(
                    UnsupportedError,
                    f"{member.op.name}: no lowering to native code",
                    *(describe_node(i) for i in member.inputs),
                    site=member.site,
                    remedy="use mode='interpret'",
                )
        for output in group.outputs:
            self.array(output)
        kernel_name = f"k{len(self.steps)}_{node.op.name}"
        self.steps.append(lower_group(self, kernel_name, group))

    def gemm(self, step: Gemm) -> None:
        """Append a matrix product."""
        self.steps.append(step)

    def call(self, node: Node, function: HostFunction, *inputs: Node) -> None:
        """Append a call that computes `node` from whole arrays.

        `function` is given all sizes of the inputs, then those of the result.
        """
        name = f"f{len(self.functions)}"
        self.functions.append(function)
        reads = tuple(self.array(i) for i in inputs)
        sizes = tuple(e for n in (*inputs, node) for e in self.extents(n))
        reason = f"{node.op.name}: the function failed"
        code = self.failure(reason, node, SymgraphError)
        self.steps.append(Call(name, reads, (self.array(node),), sizes, code))

    def branches(self, choice: Branches) -> None:
        """Append the steps of a choice."""
        lower_branches(self, choice)

    def rounds(self, loop: Rounds) -> None:
        """Append the steps of a loop."""
        lower_rounds(self, loop)

    def loop(
        self,
        node: Node,
        domain: Sequence[Size],
        body: Callable[[KernelBuilder, Index], None],
        *,
        parallel: bool = True,
    ) -> None:
        """Append a kernel that runs `body` at each index of `domain`.

        It writes into the array of `node`.  With `parallel` false, the indices are
        visited in order, by one thread.
        """
        sizes = [self.classes.resolve(s) for s in domain]
        axes = [k for k, s in enumerate(sizes) if s != 1]
        group = Group([], {}, {}, list(axes), [], {k: sizes[k] for k in axes})
        kernel = KernelBuilder(self, f"k{len(self.steps)}_{node.op.name}", group)
        places = [k if k in axes else None for k in range(len(sizes))]
        body(kernel, kernel.index(places))
        vector = axes[-1] if axes and parallel else None
        self.steps.append(kernel.finish(axes, vector, parallel=parallel))

    def accumulate(
        self,
        node: Node,
        axis: int,
        start: bool | int | float,
        step: Callable[[KernelBuilder, Index, ir.Value], ir.Value],
    ) -> None:
        """Append a kernel that fills the array of `node` in order along `axis`.

        ``step(kernel, index, last)`` gives the element at `index` from its predecessor
        along the axis, the first one from `start`.  What is in front of the axis runs
        in parallel; what is behind it, in lanes.
        """
        sizes = [self.classes.resolve(s) for s in node.type.dims]
        axes = [k for k, s in enumerate(sizes) if s != 1]
        rows, inner = [k for k in axes if k < axis], [k for k in axes if k >= axis]
        behind = [k for k in inner if k > axis]
        extents = {k: sizes[k] for k in axes}
        group = Group([], {}, {}, rows, inner, extents)
        kernel = KernelBuilder(self, f"k{len(self.steps)}_{node.op.name}", group)
        index = kernel.index([k if k in axes else None for k in range(len(sizes))])
        held = kernel.scratch(node.type.dtype, behind)
        place = kernel.index(behind)
        vector = behind[-1] if behind else None

        def put(value: ir.Value) -> list[ir.Carry]:
            kernel.builder.statements.append(ir.Store(held.name, place, value.atom))
            return []

        def follow() -> list[ir.Carry]:
            value = step(kernel, index, kernel.builder.load(held, place))
            kernel.store(node, index, value)
            return put(value)

        kernel.stage(behind, vector, lambda: put(ir.const(start, held.dtype)))
        kernel.stage(inner, vector, follow)
        self.array(node)
        self.steps.append(kernel.finish(rows, None))

    def assign(self, node: Node, source: Node) -> None:
        """Append a kernel that copies `source` into the array of `node`."""
        self.array(node)

        def body(kernel: KernelBuilder, index: Index) -> None:
            kernel.store(node, index, kernel.value(source, index))

        self.loop(node, source.type.dims, body)
