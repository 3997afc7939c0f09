"""Fusion: which nodes are computed together, in one pass over memory.

Compute nodes are collected into groups, each of which becomes one kernel.  A group has
a *frame*: the axes of its loop nest.  In a *map* group every member covers the whole
frame.  A group with reductions splits its frame into *row* axes and *inner* axes: each
reduction runs over the inner axes, for one row at a time, and what follows may use its
result at once, while the row is in cache (softmax, layernorm, variance).

Groups grow bottom-up.  A node is put together with the groups of its inputs where the
frames fit and where that makes no cycle: each group has a *stage*, every edge between
groups leads to a higher stage, and a group's stage may rise only while it stays below
those of its users (its *limit*).  That check is conservative and takes constant time.

Nodes that cost nothing (views, ranges) belong to no group: every reader inlines them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from ..codegen import ir
from ..dims import Size
from ..graph import Node, toposort, users
from ..leaf import Leaf
from ..op import Elemwise, Indexed, Opaque, Reduce
from ..ops.slices import Pick, Slice
from .groups import MAX_WEIGHT, Axis, Group, Source
from .siblings import merge_siblings
from .sizes import Classes
from .trace import data_inputs, reads_through

#: The terms of a reduction are computed in its loop if they are no longer than this.
MAX_TERM_WEIGHT = 200

#: Columns of so many elements stay in cache, as rows do.
SHORT_COLUMN = 64

#: Scalar formulas up to this long are recomputed by every reader.
LIGHT_WEIGHT = 12


@dataclass(slots=True)
class _Frame:
    """A frame while a merge is tried on it."""

    rows: list[Axis]
    inner: list[Axis]
    extents: dict[Axis, Size]
    fresh: Iterator[Axis]


class Partition:
    """The groups and opaque nodes of a graph, and what each node belongs to."""

    def __init__(self, outputs: Sequence[Node], classes: Classes) -> None:
        inputs_of = cache(data_inputs)
        self.order = toposort(outputs, inputs_of)
        self.users = users(self.order, inputs_of)
        self.classes = classes
        self.group_of: dict[Node, Group] = {}
        self._axes = itertools.count()
        self.required = set(outputs)
        self._light: dict[Node, int] = {}
        self._terms: dict[Node, Node] = {}
        self._parted: dict[Node, int] = {}
        self._length: dict[Node, int] = {}
        self._uniform: set[Node] = set()
        self._sources: dict[Node, list[Source]] = {}
        for node in self.order:
            if isinstance(node.op, Opaque):
                free = node.op.inlines
                self.required.update(
                    i for i in inputs_of(node) if not (free and _is_free(i))
                )
        self._find_terms()
        self._find_parted()
        for node in self.order:
            self._weigh(node, inputs_of(node))
            self._place(node)
        self.groups = self._ordered()
        for group in self.groups:
            group.outputs = [n for n in group.members if self._leaves(n, group)]

    # -- reading the graph -------------------------------------------------------------

    def inlined(self, node: Node) -> bool:
        """Whether readers recompute `node` instead of loading it."""
        if node in self.required:
            return False
        return node in self._light or node in self._terms or node in self._parted

    def _find_parted(self) -> None:
        """Note short formulas that are read in parts, each part by itself.

        The gates of a recurrent cell are: every element is computed where it is read.
        """
        for node in reversed(self.order):
            if not isinstance(node.op, Elemwise) or node in self.required:
                continue
            readers = self.users[node]
            weight = node.op.weight
            if len(readers) == 1 and readers[0] in self._parted:
                weight += self._parted[readers[0]]
            elif not _in_parts(readers):
                continue
            if weight <= LIGHT_WEIGHT:
                self._parted[node] = weight

    def _find_terms(self) -> None:
        """Note which formulas only one reduction needs, at its own indices.

        They are computed in its loop, whatever else their operands' kernels hold: the
        terms of ``x.T @ y`` are never an array because `y` was computed in rows of `x`.
        Short ones that a reduction down columns needs are computed again by others.
        """
        for node in reversed(self.order):
            if not isinstance(node.op, Elemwise):
                continue
            readers = dict.fromkeys(self.users[node])
            roots = [r for r in map(self._reduced_in, readers) if r is not None]
            if len(readers) > 1:
                again = self._costs_no_more_again(node)
                roots = [r for r in roots if again and self._runs_down(r)]
            if not roots or not self._same_shape(node, roots[0].inputs[0]):
                continue
            length = self._length.get(roots[0], 1) + node.op.weight
            if length <= MAX_TERM_WEIGHT:
                self._length[roots[0]] = length
                self._terms[node] = roots[0]

    def _reduced_in(self, reader: Node) -> Node | None:
        """The reduction in whose loop `reader` is computed, or which it is."""
        if isinstance(reader.op, Reduce):
            return reader
        return None if reader in self.required else self._terms.get(reader)

    def _costs_no_more_again(self, node: Node) -> bool:
        """Whether to compute `node` takes no more reading than to load it would."""
        assert isinstance(node.op, Elemwise)
        whole = [i for i in node.inputs if self._same_shape(i, node)]
        return node.op.weight <= LIGHT_WEIGHT and len(whole) <= 1

    def _runs_down(self, node: Node) -> bool:
        """Whether a reduction runs down the columns of what it reduces."""
        return self._alone(node).runs_down(SHORT_COLUMN)

    def _same_shape(self, node: Node, other: Node) -> bool:
        sizes = zip(node.type.dims, other.type.dims, strict=False)
        equal = node.type.ndim == other.type.ndim
        return equal and all(self.same(a, b) for a, b in sizes)

    def _weigh(self, node: Node, inputs: tuple[Node, ...]) -> None:
        """Note that `node` may be inlined: free ops, and short formulas of scalars.

        Such a formula may be spread over axes, as it reads no array along them.
        """
        leaf = isinstance(node.op, Leaf)
        spread = not leaf and self._uniform.issuperset(inputs)
        weight = sum(self._light.get(i, 0) for i in inputs)
        if isinstance(node.op, Elemwise):
            weight += node.op.weight
        formula = spread and isinstance(node.op, Elemwise)
        light = weight <= LIGHT_WEIGHT and (formula or _is_free(node))
        if light:
            self._light[node] = weight
        if (light or leaf) and (spread or all(map(self.is_one, node.type.dims))):
            self._uniform.add(node)

    def sources(self, node: Node) -> list[Source]:
        """What `node` reads, with views and other free nodes seen through.

        A reduction's alignments are over its operand's dimensions.
        """
        if node not in self._sources:
            self._sources[node] = self._find_sources(node)
        return self._sources[node]

    def _find_sources(self, node: Node) -> list[Source]:
        found = []
        domain = () if isinstance(node.op, Opaque) else self._domain(node)
        for source, index in reads_through(node, self.inlined, self.same):
            alignment = tuple(
                self._follows(affine, size, domain)
                for affine, size in zip(index, source.type.dims, strict=True)
            )
            aligned = all(a != -1 for a in alignment)
            found.append(Source(source, alignment, aligned))
        return found

    def _follows(
        self, affine: ir.Affine, size: Size, domain: tuple[Size, ...]
    ) -> int | None:
        """The reader's dimension that an index runs along; None for size 1; else -1.

        It runs along one of the same size, all of it: ``x[:1]`` does not.
        """
        if self.is_one(size):
            return None
        if affine.const == 0 and len(affine.terms) == 1:
            name, coefficient = affine.terms[0]
            if coefficient == 1 and name.startswith("d") and name[1:].isdigit():
                place = int(name[1:])
                if not domain or self.same(domain[place], size):
                    return place
        return -1

    def is_one(self, size: Size) -> bool:
        """Whether `size` is known to be 1."""
        return self.classes.resolve(size) == 1

    def same(self, left: Size, right: Size) -> bool:
        """Whether two sizes are known to be equal."""
        return self.classes.same(left, right)

    def _domain(self, node: Node) -> tuple[Size, ...]:
        """The shape of the loops that compute `node`."""
        looped = node.inputs[0] if isinstance(node.op, Reduce) else node
        return tuple(self.classes.resolve(s) for s in looped.type.dims)

    # -- growing groups ----------------------------------------------------------------

    def _place(self, node: Node) -> None:
        if isinstance(node.op, Leaf) or self.inlined(node):
            return
        if isinstance(node.op, Opaque):
            self._finish(Group([node], {}, {}, [], [], {}), self.sources(node))
            return
        sources = self.sources(node)
        group = self._alone(node)
        self._merge(group, node, sources)
        self._finish(group, sources)

    def _alone(self, node: Node) -> Group:
        """A group of `node` only."""
        domain = self._domain(node)
        axes = tuple(None if size == 1 else next(self._axes) for size in domain)
        extents = {a: s for a, s in zip(axes, domain, strict=True) if a is not None}
        frame = [a for a in axes if a is not None]
        weight = node.op.weight if isinstance(node.op, Elemwise) else 1
        weight = self._length.get(node, weight)
        if not isinstance(node.op, Reduce):
            return Group([node], {node: axes}, {}, frame, [], extents, weight=weight)
        reduced = {axes[k] for k in node.op.axes}
        place = _after(node.op, axes)
        rows = [a for a in frame if a not in reduced]
        inner = [a for a in frame if a in reduced]
        domains = {node: axes}
        places = {node: place}
        return Group([node], places, domains, rows, inner, extents, weight=weight)

    def _finish(self, group: Group, sources: list[Source]) -> None:
        """Register `group`, raising its stage above those of its sources."""
        for member in group.members:
            self.group_of[member] = group
        for source in sources:
            other = self.group_of.get(source.node)
            if other is not None and other is not group:
                group.stage = max(group.stage, other.stage + 1)
        for source in sources:
            other = self.group_of.get(source.node)
            if other is not None and other is not group:
                other.limit = min(other.limit, group.stage)

    def _merge(self, group: Group, node: Node, sources: list[Source]) -> None:
        """Take into `group` (which holds `node` alone) the groups of its sources."""
        candidates: dict[int, tuple[Group, list[Source]]] = {}
        for source in sources:
            other = self.group_of.get(source.node)
            if other is not None:
                candidates.setdefault(id(other), (other, []))[1].append(source)
        chosen = [c for c in candidates.values() if self._may_join(c[0], c[1], node)]
        chosen.sort(key=lambda c: (-c[0].stage, -len(c[0].members)))
        while chosen:
            fitting, maps = self._fit(group, node, chosen)
            stage = max(
                (
                    other.stage + (0 if any(other is f[0] for f in fitting) else 1)
                    for other, _ in candidates.values()
                ),
                default=0,
            )
            tight = [f for f in fitting if stage >= f[0].limit]
            if not tight:
                for (other, _), mapping in zip(fitting, maps, strict=True):
                    self._absorb(group, other, mapping)
                group.stage = stage
                return
            worst = min(tight, key=lambda f: f[0].limit)
            chosen = [c for c in fitting if c is not worst]

    def _may_join(self, other: Group, sources: list[Source], node: Node) -> bool:
        """Whether `other` may be computed with `node`, frames and stages aside."""
        if isinstance(other.members[0].op, Opaque):
            return False
        if not all(s.aligned or _row_gather(s, other, node) for s in sources):
            return False
        scalar = not other.rows and not other.inner
        if scalar or (isinstance(node.op, Reduce) and not self._has_rows(node)):
            # Every chunk of a kernel recomputes a scalar, and one thread runs a full
            # reduction: in neither should anything be computed that others wait for.
            return self._private(other, node)
        if isinstance(node.op, Reduce) and self._runs_down(node):
            return self._private(other, node)  # nothing is stored on the way down
        return True

    def _has_rows(self, node: Node) -> bool:
        """Whether a reduction leaves any axis to run in parallel over."""
        assert isinstance(node.op, Reduce)
        domain = enumerate(self._domain(node))
        return any(k not in node.op.axes and size != 1 for k, size in domain)

    def _private(self, group: Group, reader: Node) -> bool:
        """Whether only `reader` uses the values of `group`."""
        return not any(
            member in self.required
            or any(u not in group.place and u is not reader for u in self.users[member])
            for member in group.members
        )

    def _fit(
        self, group: Group, node: Node, chosen: list[tuple[Group, list[Source]]]
    ) -> tuple[list[tuple[Group, list[Source]]], list[dict[Axis, Axis]]]:
        """The groups of `chosen` whose frames fit, each with its axes in `group`'s."""
        frame = _Frame(
            list(group.rows), list(group.inner), dict(group.extents), self._axes
        )
        domain_axes = self._reader_axes(group, node)
        weight = group.weight
        fitting, maps = [], []
        for candidate in chosen:
            other, sources = candidate
            if weight + other.weight > MAX_WEIGHT:
                continue
            spans = sum(a is not None for a in domain_axes) > len(other.rows)
            if spans and other.runs_down(SHORT_COLUMN):
                continue  # each step down the columns again would miss the cache
            mapping = _match(frame, other, sources, domain_axes)
            if mapping is not None:
                weight += other.weight
                fitting.append(candidate)
                maps.append(mapping)
        return fitting, maps

    def _reader_axes(self, group: Group, node: Node) -> tuple[Axis | None, ...]:
        """The frame axis of each dimension of the domain of `node`."""
        if not isinstance(node.op, Reduce):
            return group.place[node]
        axes = iter(sorted(group.frame))
        return tuple(None if size == 1 else next(axes) for size in self._domain(node))

    def _absorb(self, group: Group, other: Group, mapping: dict[Axis, Axis]) -> None:
        """Move the members of `other` into `group`, renaming its axes."""
        for member in other.place:
            self.group_of[member] = group
        group.take(other, mapping)

    # -- the result --------------------------------------------------------------------

    def _ordered(self) -> list[Group]:
        """The groups, each after those it reads."""
        position = {node: k for k, node in enumerate(self.order)}

        def last(group: Group) -> int:
            return max(position[member] for member in group.members)

        groups = list({id(g): g for g in self.group_of.values()}.values())
        groups.sort(key=lambda g: (g.stage, last(g)))
        groups = merge_siblings(groups, self.sources)
        for group in groups:
            group.members.sort(key=position.__getitem__)
            self.group_of.update(dict.fromkeys(group.members, group))
        return sorted(groups, key=lambda g: (g.stage, last(g)))

    def _leaves(self, node: Node, group: Group) -> bool:
        """Whether the value of `node` is used outside its group."""
        if node in self.required:
            return True
        stack = list(self.users[node])
        while stack:
            user = stack.pop()
            if self.inlined(user):
                stack.extend(self.users[user])
            elif self.group_of[user] is not group:
                return True
        return False


def _in_parts(readers: Sequence[Node]) -> bool:
    """Whether several readers each take another part along one axis."""
    cuts = {(r.op, r.inputs[1:]) for r in readers if isinstance(r.op, Slice | Pick)}
    axes = {cut.axis for cut, _ in cuts}
    return len(readers) > 1 and len(cuts) == len(readers) and len(axes) == 1


def _is_free(node: Node) -> bool:
    return isinstance(node.op, Indexed) and node.op.free


def _after(op: Reduce, axes: tuple[Axis | None, ...]) -> tuple[Axis | None, ...]:
    """The places of a reduction's dimensions, from those of its operand."""
    if op.keepdims:
        return tuple(None if k in op.axes else a for k, a in enumerate(axes))
    return tuple(a for k, a in enumerate(axes) if k not in op.axes)


def _row_gather(source: Source, other: Group, node: Node) -> bool:
    """Whether `node` picks single elements out of each row of `other`.

    The picked element is computed from the row's reductions where it is needed.
    """
    if not other.inner or isinstance(node.op, Reduce | Elemwise):
        return False
    place = other.place[source.node]
    return all(
        alignment != -1 or axis in other.inner
        for alignment, axis in zip(source.alignment, place, strict=True)
    )


def _match(
    frame: _Frame,
    other: Group,
    sources: list[Source],
    reader: tuple[Axis | None, ...],
) -> dict[Axis, Axis] | None:
    """Axes of `other` as axes of `frame`, which may grow; None if they clash."""
    mapping: dict[Axis, Axis] = {}
    for axis, target in _pairs(other, sources, reader):
        if mapping.setdefault(axis, target) != target:
            return None
    if len(set(mapping.values())) != len(mapping):
        return None
    free = [a for a in frame.rows + frame.inner if a not in mapping.values()]
    left = [a for a in other.rows + other.inner if a not in mapping]
    if not other.inner:
        if not other.rows:
            return mapping
        return mapping if not left and _covers(frame, mapping, free) else None
    if any(a in other.rows for a in left):
        return None
    if not other.rows and (frame.rows or frame.inner):
        return None  # the result of a full reduction is awaited by parallel work
    targets = {mapping[a] for a in other.rows}
    for axis in list(left):
        equal = [f for f in free if frame.extents[f] == other.extents[axis]]
        if equal:
            mapping[axis] = equal[0]
            free.remove(equal[0])
            left.remove(axis)
    if free:
        return None
    inner = [mapping[a] for a in other.inner if a in mapping]
    if (left and inner) or (frame.inner and set(frame.inner) != set(inner)):
        return None  # what spans the inner loops spans all of them, or runs too often
    frame.rows = [a for a in frame.rows if a in targets]
    frame.inner = inner
    for axis in left:
        mapping[axis] = next(frame.fresh)
        frame.inner.append(mapping[axis])
        frame.extents[mapping[axis]] = other.extents[axis]
    return mapping


def _covers(frame: _Frame, mapping: dict[Axis, Axis], free: list[Axis]) -> bool:
    """Whether a map group covers all of `frame`, or just its rows (once a row)."""
    covered = set(mapping.values())
    return not free or (bool(frame.inner) and covered == set(frame.rows))


def _pairs(
    other: Group, sources: list[Source], reader: tuple[Axis | None, ...]
) -> Iterator[tuple[Axis, Axis]]:
    """Which axis of `other` meets which of the reader's frame."""
    for source in sources:
        place = other.place[source.node]
        for axis, dimension in zip(place, source.alignment, strict=True):
            if axis is None or dimension is None or dimension == -1:
                continue
            target = reader[dimension]
            if target is not None:
                yield axis, target
