"""Run-time sizes: which dimensions are one, how each is computed, what must hold.

A function has two versions at the most.  The *fast* one is valid while all dimensions
that meet are equal; the *generic* one also broadcasts sizes that turn out to be 1.
What meets is read off the graph *as the user wrote it*, so that no rewrite can mask a
shape error, and off the rewritten graph; classes of equal dimensions then share one
name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .. import dims
from ..codegen import ir
from ..codegen.program import Guard, ReadScalar, Relation
from ..dims import Dim, Size
from ..errors import ShapeError, UnsupportedError, message, refuse
from ..graph import Node, describe_node, describe_site, toposort
from ..op import meeting

#: The order in which a class of equal dimensions chooses its representative.
_PREFERENCE = {"named": 0, "input": 1, "value": 2}


class Meeting(NamedTuple):
    """Two dimensions that meet at `node`: they must be equal.

    Where `broadcast` holds, the left one may also be 1, and is repeated.
    """

    node: Node
    left: Size
    right: Size
    broadcast: bool

    @property
    def repeats(self) -> bool:
        """Whether the left one is repeated as a rule: it is 0 or 1."""
        return self.broadcast and dims.at_most_one(self.left)


def meetings(nodes: Iterable[Node]) -> Iterator[Meeting]:
    """What meets in `nodes` and is not known to be equal."""
    for node in nodes:
        for left, right in node.op.agree(*node.inputs):
            if left is not right and left != right:
                yield Meeting(node, left, right, False)
        for left, right in meeting(node.op, node.inputs):
            yield Meeting(node, left, right, True)


class Classes:
    """Classes of dimensions taken to be equal, in a version of a function."""

    def __init__(self, *, generic: bool = False) -> None:
        self.generic = generic
        self._parent: dict[Dim, Size] = {}
        self._resolved: dict[Dim, Size] = {}
        self.pairs: list[Meeting] = []
        #: Those that ask one dimension to be two numbers: no call fits this version.
        self.clashes: list[Meeting] = []

    def unify(self, nodes: Iterable[Node]) -> None:
        """Take dimensions that meet in `nodes` to be equal.

        The generic version does so only where they must be.
        """
        for met in meetings(nodes):
            self.pairs.append(met)
            if not (self.may_repeat(met) or self._union(met.left, met.right)):
                self.clashes.append(met)
        self._resolved.clear()

    def may_repeat(self, met: Meeting) -> bool:
        """Whether the left size may be 1, and repeated, in this version."""
        return met.broadcast if self.generic else met.repeats

    def same(self, left: Size, right: Size) -> bool:
        """Whether two dimensions are taken to be equal."""
        a, b = self.resolve(left), self.resolve(right)
        return a is b or a == b

    def _find(self, size: Size) -> Size:
        passed = []
        while isinstance(size, Dim) and size in self._parent:
            passed.append(size)
            size = self._parent[size]
        for dim in passed[:-1]:
            self._parent[dim] = size
        return size

    def _union(self, left: Size, right: Size) -> bool:
        """Take two dimensions to be equal; false where they are different numbers."""
        a, b = self._find(left), self._find(right)
        if isinstance(a, int) and isinstance(b, int):
            return a == b
        if a is b:
            return True
        keep, drop = (a, b) if _rank(a) <= _rank(b) else (b, a)
        assert isinstance(drop, Dim)
        self._parent[drop] = keep
        return True

    def resolve(self, size: Size) -> Size:
        """The representative of `size`'s class, with its parts resolved in turn."""
        if isinstance(size, int):
            return size
        stack: list[Size] = [size]
        while stack:
            top = stack[-1]
            root = self._find(top)
            if isinstance(top, int) or top in self._resolved:
                stack.pop()
            elif root is not top:
                if isinstance(root, int) or root in self._resolved:
                    self._resolved[top] = (
                        root if isinstance(root, int) else self._resolved[root]
                    )
                    stack.pop()
                else:
                    stack.append(root)
            else:
                missing = [d for d in dims.operands(top) if d not in self._resolved]
                if missing:
                    stack.extend(missing)
                else:
                    self._resolved[top] = self._rebuilt(top)
                    stack.pop()
        return self._resolved[size]

    def _rebuilt(self, dim: Dim) -> Size:
        """`dim` over resolved parts; where dimensions meet, what they are equal to."""

        def part(size: object) -> Size:
            return self._resolved[size] if isinstance(size, Dim) else size  # type: ignore[return-value]

        match dim.kind:
            case "linear":
                const, terms = dim.args
                return dims.weighted_sum(const, [(part(d), c) for d, c in terms])  # type: ignore
            case "bcast":
                a, b = part(dim.args[0]), part(dim.args[1])
                long = [d for d in (a, b) if not dims.at_most_one(d)]
                if long and not self.generic:
                    return long[0]
                met = dims.bcast(a, b)
                return a if met is None else met  # None: every call is refused
            case "mul":
                return dims.mul(part(dim.args[0]), part(dim.args[1]))
            case "floordiv":
                return dims.floordiv(part(dim.args[0]), part(dim.args[1]))
            case "max":
                return dims.maximum(part(dim.args[0]), part(dim.args[1]))
            case "min":
                return dims.minimum(part(dim.args[0]), part(dim.args[1]))
        return dim


def check_sizes(roots: Sequence[Node]) -> None:
    """Refuse a graph that no call can fit.

    Raises:
        ShapeError: one dimension would have to be two numbers.
    """
    strict = Classes(generic=True)
    strict.unify(toposort(roots))
    for node, left, right, _ in strict.clashes:
        sizes = [size for size in (left, right) if isinstance(size, Dim)]
        which = f"dimension {dims.text(sizes[0])}" if sizes else "a dimension"
        a, b = (strict.resolve(size) for size in (left, right))
        raise ShapeError(
            message(
                f"{node.op.name}: the {which} would have to be both {a} and {b}",
                operands=tuple(i.type for i in node.inputs),
                line=describe_site(node.site),
                remedy="no call can fit: one size is fixed elsewhere in this graph",
            )
        )


def _rank(size: Size) -> tuple[int, int]:
    if isinstance(size, int):
        return (-1, 0)
    return (_PREFERENCE.get(size.kind, 3), size.serial)


class SizeTable:
    """Names sizes and lists the host statements that compute them.

    `bound` maps each dimension that an argument brings along to its name.
    """

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self.host: list[ir.Let | ReadScalar] = []
        self.guards: list[Guard] = []
        self._guarded: set[Guard] = set()
        self.array_of: dict[Node, str] = {}
        self._names: dict[Dim, str] = {}
        self._lets: dict[tuple[str, tuple[ir.Atom, ...]], str] = {}
        self._count = 0

    def total(self, affine: ir.Affine) -> ir.Extent:
        """A sum of named sizes as an extent of its own."""
        if not affine.terms:
            return affine.const
        total: ir.Atom | None = None
        for name, factor in affine.terms:
            part: ir.Atom = name
            if factor != 1:
                part = self._let("mul", name, ir.Const(factor, "int64"))
            total = part if total is None else self._let("add", total, part)
        assert total is not None
        if affine.const:
            total = self._let("add", total, ir.Const(affine.const, "int64"))
        return str(total)

    def plus(self, extent: ir.Extent, size: Size) -> ir.Extent:
        """The sum of an extent and a size, in one step: for sums that grow."""
        more = self.extent(size)
        if isinstance(extent, int) and isinstance(more, int):
            return extent + more
        if 0 in (extent, more):
            return more if extent == 0 else extent
        return self._let("add", ir.atom(extent), ir.atom(more))

    def bind(self, size: Size) -> ir.Extent:
        """The extent of an argument's dimension, which the entry binds or checks."""
        resolved = self.classes.resolve(size)
        if isinstance(resolved, int):
            return resolved
        if resolved not in self._names and resolved.kind in ("input", "named"):
            self._names[resolved] = self._fresh("n")
        return self._names.get(resolved) or self.extent(resolved)

    def _fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count - 1}"

    def extent(self, size: Size) -> ir.Extent:
        """`size` as a number or the name of a size, computed on the host if need be."""
        resolved = self.classes.resolve(size)
        if isinstance(resolved, int):
            return resolved
        stack = [resolved]
        while stack:
            dim = stack[-1]
            if dim in self._names:
                stack.pop()
                continue
            missing = [d for d in dims.operands(dim) if d not in self._names]
            if missing:
                stack.extend(missing)
            else:
                self._names[dim] = self._compute(dim)
                stack.pop()
        return self._names[resolved]

    def _compute(self, dim: Dim) -> str:
        """Append the statements that compute `dim` from its named parts."""
        match dim.kind:
            case "linear":
                const, terms = dim.args
                total: ir.Atom = ir.Const(const, "int64")  # type: ignore[arg-type]
                for d, coef in terms:  # type: ignore[attr-defined]
                    part: ir.Atom = self._names[d]
                    if coef != 1:
                        part = self._let("mul", part, ir.Const(coef, "int64"))
                    empty = total == ir.Const(0, "int64")
                    total = part if empty else self._let("add", total, part)
                return str(total)
            case "value":
                return self._host_value(dim.args[0])  # type: ignore[arg-type]
            case "mul" | "floordiv" | "max" | "min" as kind:
                return self._let(kind, *self._parts(dim))
            case "bcast":
                a, b = self._parts(dim)
                once = self._let("eq", a, ir.Const(1, "int64"), dtype="bool")
                return self._let("select", once, b, a)
        refuse(
            UnsupportedError,
            f"the size {dims.text(dim)} depends on an input that is not among the "
            "function's inputs",
            remedy="add that input, with on_unused_input='ignore'",
        )

    def _parts(self, dim: Dim) -> tuple[ir.Atom, ...]:
        """The named parts of a dimension."""
        return tuple(
            self._names[x] if isinstance(x, Dim) else ir.Const(x, "int64")  # type: ignore[arg-type]
            for x in dim.args
        )

    def _let(self, op: str, *args: ir.Atom, dtype: str = "int64") -> str:
        """The name of ``op(args)``, computed once: sums share their beginnings."""
        name = self._lets.get((op, args))
        if name is None:
            name = self._lets[op, args] = self._fresh("s")
            self.host.append(ir.Let(name, op, args, dtype))
        return name

    def _host_value(self, node: Node) -> str:
        """An integer scalar argument, read before anything runs."""
        if node in self.array_of:
            name = self._fresh("s")
            self.host.append(ReadScalar(name, self.array_of[node]))
            return name
        refuse(
            UnsupportedError,
            "a size that depends on computed data cannot be compiled: it must follow "
            "from the inputs' shapes, from integer scalar inputs and from constants",
            describe_node(node),
            site=node.site,
            remedy="pass the size as an integer input, or use mode='interpret'",
        )

    def require(self, left: Size, relation: Relation, right: Size, code: int) -> None:
        """Add a guard, unless it holds whatever the inputs."""
        a, b = self.classes.resolve(left), self.classes.resolve(right)
        if relation == "eq" and a is b:
            return
        if relation == "le" and dims.surely_nonnegative(dims.sub(b, a)):
            return
        self._guard(self.extent(left), relation, self.extent(right), code)

    def check_meetings(self, code: int) -> None:
        """Guard each pair that meets and is not one by construction.

        Arguments' dimensions share a name and are checked by the entry itself.
        """
        resolve = self.classes.resolve
        for met in self.classes.pairs:
            _, left, right, _ = met
            relation: Relation = "fits" if self.classes.may_repeat(met) else "eq"
            for side in (left, right):
                own, root = self._own(side), resolve(side)
                if own is not root:
                    self._guard(self.extent_of(own), "eq", self.extent(root), code)
            if not self.classes.same(left, right):
                self._guard(self.extent(left), relation, self.extent(right), code)

    def _guard(
        self, left: ir.Extent, relation: Relation, right: ir.Extent, code: int
    ) -> None:
        guard = Guard(left, relation, right, code)
        if guard not in self._guarded:
            self._guarded.add(guard)
            self.guards.append(guard)

    def _own(self, side: Size) -> Size:
        """`side` by its own formula, where its value is not bound by an argument."""
        while isinstance(side, Dim) and side.kind not in ("input", "named"):
            for part in dims.operands(side):
                self.classes.resolve(part)
            if side.kind == "bcast" and not self.classes.generic:
                break
            rebuilt = self.classes._rebuilt(side)
            if rebuilt is side:
                return side
            side = rebuilt  # whose parts may be members of classes in their turn
        return self.classes.resolve(side)

    def extent_of(self, size: Size) -> ir.Extent:
        """The extent of a size taken by its own formula, not by its class."""
        if isinstance(size, int):
            return size
        if size in self._names:
            return self._names[size]
        for part in dims.operands(size):
            self.extent(part)
        self._names[size] = self._compute(size)
        return self._names[size]
