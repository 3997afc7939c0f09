"""What is done to a kernel before any target sees it, and what a kernel costs.

:func:`prepare` expands transcendentals, runs over transposed arrays in tiles, moves
what does not change out of loops, and turns loops over the neighbouring dimensions of
whole arrays into one. :func:`extent`
and :func:`grain` say how the range of the split loop may be cut, by shape alone, so
that results do not depend on how many threads there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from .ir import (
    FLOATS,
    Affine,
    Buffer,
    Carry,
    Check,
    Const,
    Extent,
    Kernel,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    atom,
    axis,
    walk,
)
from .names import defines, fresh, local_to, names_of, reads, uses
from .ranges import replaced
from .tiles import tiled

#: Chunks of a split vector loop are multiples of this many iterations: four blocks of
#: the most lanes that any target has (64, of bytes), so that only the last chunk has a
#: tail.
VECTOR_ALIGNMENT = 256

#: What a primitive costs, where that is not 1.
WEIGHTS = {"div": 4, "sqrt": 4, "floordiv": 8, "rem": 8}
LOAD_WEIGHT = 2
STORE_WEIGHT = 2

#: A sum of terms, each a weight times a product of extents.
Cost = tuple[tuple[int, tuple[Extent, ...]], ...]


def prepare(kernel: Kernel) -> Kernel:
    """An equivalent kernel that is ready for a target's emitter.

    It has the same buffers in the same order (though two dimensions of one may have
    become one), the same sizes and the same scratch.  New extents are computed by a
    *prologue*: `Let` statements over sizes and numbers at the start of the body.
    """
    from .expand import expand_kernel

    return collapse(hoist(tiled(expand_kernel(kernel))))


def extent(kernel: Kernel) -> tuple[Extent, tuple[Let, ...]]:
    """The split loop's extent (1 without one), and the prologue.

    The prologue is what must be computed from the sizes, in order, to know that extent
    and those that `grain` names.
    """
    split = _split_loop(kernel)
    bounds = _bounds(kernel)
    loops = [s for s, _ in walk(kernel.body) if isinstance(s, Loop)]
    needed = {bounds.get(s.extent, s.extent) for s in loops}
    lets = []
    for statement in reversed(kernel.body):
        if isinstance(statement, Let) and statement.name in needed:
            needed.update(a for a in statement.args if isinstance(a, str))
            lets.append(statement)
    return (split.extent if split else 1), tuple(reversed(lets))


def _bounds(kernel: Kernel) -> dict[Extent, Extent]:
    """For each extent that does not follow from sizes alone, what it is at the most.

    That is, for the lesser of two, the one that is known before all loops.
    """
    known = set(kernel.sizes)
    known.update(s.name for s in _prologue(kernel.body))
    bounds: dict[Extent, Extent] = {}
    for statement, _ in walk(kernel.body):
        match statement:
            case Let(name=name, op="min", args=args) if name not in known:
                bounds.update((name, a) for a in args if a in known)
                consts = (a for a in args if isinstance(a, Const))
                numbers = (int(c.value) for c in consts if c.dtype == "int64")
                bounds.update((name, number) for number in numbers)
    return bounds


def grain(kernel: Kernel) -> tuple[Cost, int]:
    """What one iteration of the split loop costs, and how chunks must be aligned.

    The cost (of the whole kernel, where no loop is split) counts scalar additions of
    float32, of which vector loops do several at a time, and half as many of wider
    numbers.  Its terms name different products of extents.
    The length of every chunk but the last must be a multiple of the alignment.
    """
    split = _split_loop(kernel)
    bounds = _bounds(kernel)
    scale = 2 if _is_wide(kernel) else 1
    terms: dict[tuple[Extent, ...], int] = {}
    stack: list[tuple[Statement, tuple[str, ...], int]] = [
        (s, (), 1) for s in (split.body if split else kernel.body)
    ]
    while stack:
        statement, names, times = stack.pop()
        if isinstance(statement, Loop):
            size = bounds.get(statement.extent, statement.extent)
            if isinstance(size, int):
                times *= size
            else:
                names = tuple(sorted((*names, size)))
            stack.extend((s, names, times) for s in statement.body)
        weight = scale * times * _weight(statement)
        if weight:
            terms[names] = terms.get(names, 0) + weight
    cost = tuple((weight, names) for names, weight in sorted(terms.items(), key=str))
    return cost, VECTOR_ALIGNMENT if split and split.kind == "vector" else 1


def _is_wide(kernel: Kernel) -> bool:
    """Whether vectors have as few lanes as float64's: see `cpu.emit.lane_count`."""
    dtypes = {b.dtype for b in (*kernel.buffers, *kernel.scratch)}
    dtypes.update(s.dtype for s, _ in walk(kernel.body) if isinstance(s, Let))
    counted = dtypes.intersection(FLOATS) or dtypes
    return not counted.isdisjoint(("float64", "int64", "uint64"))


def _split_loop(kernel: Kernel) -> Loop | None:
    """The loop whose range may be cut into chunks."""
    for statement in kernel.body:
        if isinstance(statement, Loop) and statement.axis == kernel.split:
            return statement
    return None


def _weight(statement: Statement) -> int:
    match statement:
        case Let(op=op):
            return WEIGHTS.get(op, 1)
        case Load():
            return LOAD_WEIGHT
        case Store(accumulate=accumulate):
            return STORE_WEIGHT + (LOAD_WEIGHT + 1 if accumulate else 0)
        case Loop(carries=carries, state=state):
            return len(carries) + len(state)
        case Check():
            return 1


# --------------------------------------------------------------------------------------
# Loop-invariant code
# --------------------------------------------------------------------------------------


def hoist(kernel: Kernel) -> Kernel:
    """Move each `Let`, and each `Load` of an array only read, as far out as it goes.

    A load that leaves a loop which may not run at all is guarded by ``extent > 0``:
    what it reads need not exist otherwise.
    """
    written = {s.buffer for s, _ in walk(kernel.body) if isinstance(s, Store)}
    shapes = {b.name: b.shape for b in (*kernel.buffers, *kernel.scratch)}
    body = _Hoister(shapes, written, names_of(kernel)).body(kernel.body)
    return replace(kernel, body=(*_prologue(body), *_rest(body)))


def _prologue(body: tuple[Statement, ...]) -> tuple[Let, ...]:
    """The top-level `Let`s that depend on sizes and numbers alone."""
    others = (s for s in body if not isinstance(s, Let))
    known = {name for s in others for name in defines(s)}
    found = []
    for statement in body:
        if isinstance(statement, Let):
            if known.isdisjoint(uses(statement)):
                found.append(statement)
            else:
                known.add(statement.name)
    return tuple(found)


def _rest(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """The top-level statements that are not in the prologue."""
    first = set(map(id, _prologue(body)))
    return tuple(s for s in body if id(s) not in first)


@dataclass(slots=True)
class _Hoister:
    """`written` are the arrays stored to, `taken` the names that may not come again."""

    shapes: dict[str, tuple[Extent, ...]]
    written: set[str]
    taken: set[str]

    def body(self, body: Iterable[Statement]) -> tuple[Statement, ...]:
        """Statements with the loops among them relieved of what does not change.

        Recurses into loops, which nest no deeper than arrays have dimensions.
        """
        out: list[Statement] = []
        for statement in body:
            if isinstance(statement, Loop):
                moved, statement = self._split(statement)
                out.extend(moved)
            out.append(statement)
        return tuple(out)

    def _split(self, loop: Loop) -> tuple[list[Statement], Loop]:
        """What can stand before `loop`, and the loop without it."""
        moved: list[Statement] = []
        kept: list[Statement] = []
        local = set(local_to(loop))
        runs: Let | None = None
        for statement in self.body(loop.body):
            reads = isinstance(statement, Load) and statement.buffer not in self.written
            still = isinstance(statement, Let) or reads
            if not still or not local.isdisjoint(uses(statement)):
                local.update(defines(statement))
                kept.append(statement)
            elif isinstance(statement, Load) and not self._safe(statement, loop):
                if runs is None:
                    tests = self._test(loop)
                    runs = tests[-1]
                    moved.extend(tests)
                moved.extend(self._guarded(statement, runs.name))
            else:
                moved.append(statement)
        return moved, replace(loop, body=tuple(kept))

    def _safe(self, load: Load, loop: Loop) -> bool:
        """Whether what `load` reads exists even if `loop` does not run."""
        always = isinstance(loop.extent, int) and loop.extent > 0
        if always and loop.going is None:
            return True
        shape = self.shapes[load.buffer]
        return all(
            isinstance(dim, int) and not index.terms and 0 <= index.const < dim
            for dim, index in zip(shape, load.index, strict=True)
        )

    def _test(self, loop: Loop) -> list[Let]:
        """Statements of which the last says whether `loop` runs at all."""
        extent = loop.extent
        size = extent if isinstance(extent, str) else Const(extent, "int64")
        name = fresh(f"{loop.axis}_runs", self.taken)
        tests = [Let(name, "gt", (size, Const(0, "int64")), "bool")]
        for state in loop.state:
            if state.name == loop.going:
                both = fresh(f"{loop.axis}_begins", self.taken)
                tests.append(Let(both, "and", (name, state.init), "bool"))
        return tests

    def _guarded(self, load: Load, guard: str) -> Iterator[Statement]:
        """`load` under its own guard and another."""
        if load.guard is not None:
            both = fresh(f"{load.guard}_and_{guard}", self.taken)
            yield Let(both, "and", (load.guard, guard), "bool")
            guard = both
        yield replace(load, guard=guard)


# --------------------------------------------------------------------------------------
# Two loops in one
# --------------------------------------------------------------------------------------


def collapse(kernel: Kernel) -> Kernel:
    """Make one loop of each two that run over neighbouring dimensions of whole arrays.

    An elementwise kernel over x[n, m] becomes a loop over n * m: longer vectors, one
    tail.  The arrays' two dimensions become one, in `Kernel.buffers` too.
    """
    found = _collapsible(kernel)
    while found is not None:
        kernel = _merged(kernel, *found)
        found = _collapsible(kernel)
    return kernel


def _collapsible(kernel: Kernel) -> tuple[Loop, Loop, dict[str, int]] | None:
    """Two loops to merge, and the first of the two dimensions of each array in them."""
    loops = [s for s, _ in walk(kernel.body) if isinstance(s, Loop)]
    for outer in reversed(loops):
        match outer.body:
            case (Loop() as inner,) if _fit(outer, inner):
                dims = _neighbours(kernel, outer, inner)
                if dims is not None:
                    return outer, inner, dims
    return None


def _fit(outer: Loop, inner: Loop) -> bool:
    """Whether the kinds and the carries of two loops let them be one."""
    if outer.state or inner.state:
        return False
    carries = [(c.name, c.combine, c.dtype) for c in inner.carries]
    handed = [(c.value, c.combine, c.dtype) for c in outer.carries]
    if carries != handed:
        return False
    if outer.kind == "serial" and inner.kind == "vector":
        # A serial loop promises nothing about its iterations; without both reads and
        # writes of one array they are independent.
        body = [s for s, _ in walk(inner.body)]
        stores = [s for s in body if isinstance(s, Store)]
        loaded = {s.buffer for s in body if isinstance(s, Load)}
        return not any(s.accumulate or s.buffer in loaded for s in stores)
    return outer.kind == inner.kind == "serial" or (
        outer.kind == "parallel" and inner.kind == "vector"
    )


def _neighbours(kernel: Kernel, outer: Loop, inner: Loop) -> dict[str, int] | None:
    """For each array that the loops run over, the dimension that `outer` indexes.

    None unless every access is ``[..., outer, inner, ...]`` over two whole dimensions,
    or does not depend on either loop.
    """
    axes = {outer.axis, inner.axis}
    inside = [s for s, _ in walk(inner.body)]
    if not axes.isdisjoint(n for s in inside for n in reads(s)):
        return None
    if any(c.value in axes for c in inner.carries):
        return None
    pair = (axis(outer.axis), axis(inner.axis))
    dims: dict[str, int] = {}
    for statement in inside:
        if not isinstance(statement, Load | Store):
            continue
        touched = [
            d
            for d, index in enumerate(statement.index)
            if any(name in axes for name, _ in index.terms)
        ]
        if not touched:
            continue
        d = touched[0]
        buffer = kernel.buffer(statement.buffer)
        whole = buffer.shape[d : d + 2] == (outer.extent, inner.extent)
        if not whole or touched[1:] != [d + 1] or statement.index[d : d + 2] != pair:
            return None
        if dims.setdefault(buffer.name, d) != d:
            return None
    return dims if _only_there(kernel, inside, dims, pair) else None


def _only_there(
    kernel: Kernel,
    inside: list[Statement],
    dims: dict[str, int],
    pair: tuple[Affine, Affine],
) -> bool:
    """Whether every access to the arrays in `dims` is `inside`, at the index `pair`.

    Loops one after another may share an axis, so the index alone does not tell.
    """
    within = set(map(id, inside))
    return all(
        id(s) in within and s.index[dims[s.buffer] : dims[s.buffer] + 2] == pair
        for s, _ in walk(kernel.body)
        if isinstance(s, Load | Store) and s.buffer in dims
    )


def _merged(kernel: Kernel, outer: Loop, inner: Loop, dims: dict[str, int]) -> Kernel:
    """`kernel` with `outer` and the `inner` that is its body as one loop."""
    taken = names_of(kernel)
    name = fresh(f"{outer.axis}_{inner.axis}", taken)
    size, product = _product(kernel, outer.extent, inner.extent, taken)
    loop = replace(
        inner,
        axis=name,
        extent=size,
        body=_indexed(inner.body, dims, axis(name)),
        carries=tuple(
            Carry(o.name, i.combine, i.value, i.dtype)
            for o, i in zip(outer.carries, inner.carries, strict=True)
        ),
    )

    body = replaced(kernel.body, outer, loop)

    def reshaped(buffers: tuple[Buffer, ...]) -> tuple[Buffer, ...]:
        return tuple(
            replace(b, shape=(*b.shape[:d], size, *b.shape[d + 2 :]))
            if (d := dims.get(b.name)) is not None
            else b
            for b in buffers
        )

    return replace(
        kernel,
        buffers=reshaped(kernel.buffers),
        scratch=reshaped(kernel.scratch),
        body=(*_prologue(body), *product, *_rest(body)),
        split=name if kernel.split == outer.axis else kernel.split,
    )


def _product(
    kernel: Kernel, a: Extent, b: Extent, taken: set[str]
) -> tuple[Extent, tuple[Let, ...]]:
    """``a * b`` as an extent, and the statement that computes it, if one must."""
    if isinstance(a, int) and isinstance(b, int):
        return a * b, ()
    args = (atom(a), atom(b))
    for statement in kernel.body:
        match statement:
            case Let(name=name, op="mul", args=found) if found == args:
                return name, ()
    name = fresh(f"{a}_{b}", taken)
    return name, (Let(name, "mul", args, "int64"),)


def _indexed(
    body: tuple[Statement, ...], dims: dict[str, int], index: Affine
) -> tuple[Statement, ...]:
    """`body` with two dimensions of each array in `dims` indexed as one.

    Recurses into loops, which nest no deeper than arrays have dimensions.
    """
    out: list[Statement] = []
    for statement in body:
        if isinstance(statement, Loop):
            inner = _indexed(statement.body, dims, index)
            out.append(replace(statement, body=inner))
        elif isinstance(statement, Load | Store) and statement.buffer in dims:
            d = dims[statement.buffer]
            whole = (*statement.index[:d], index, *statement.index[d + 2 :])
            out.append(replace(statement, index=whole))
        else:
            out.append(statement)
    return tuple(out)
