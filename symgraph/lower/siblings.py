"""Groups that read one array in one loop nest become one group: memory is read once.

Two groups of one stage never wait for each other.  Where both read some array, and the
axes along which they do are all that either loops over, with equal roles (rows, or the
inner axes that a reduction runs over), their loops are the same loops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..graph import Node
from ..op import Opaque
from .groups import MAX_WEIGHT, Axis, Group, Source

#: A group tries to join no more than so many others that read one of its arrays: the
#: time taken is linear.
TRIALS = 4

Sources = Callable[[Node], list[Source]]


def merge_siblings(groups: list[Group], sources: Sources) -> list[Group]:
    """`groups`, in their order, with siblings merged into the first of them.

    `sources` gives what a node reads.
    """
    kept: list[Group] = []
    readers: dict[tuple[int, Node], list[Group]] = {}
    for group in groups:
        if isinstance(group.members[0].op, Opaque) or not group.frame:
            kept.append(group)
            continue
        read = dict(_read(group, sources))
        if not _joins(group, read, readers, sources):
            kept.append(group)
            for node in read:
                readers.setdefault((group.stage, node), []).append(group)
    return kept


def _joins(
    group: Group,
    read: dict[Node, tuple[Axis | None, ...]],
    readers: dict[tuple[int, Node], list[Group]],
    sources: Sources,
) -> bool:
    """Whether `group` has become part of an earlier one."""
    for node, axes in read.items():
        for other in readers.get((group.stage, node), [])[-TRIALS:]:
            if group.weight + other.weight > MAX_WEIGHT:
                continue
            for theirs in _places(other, node, sources):
                mapping = _same_loops(group, axes, other, theirs)
                if mapping is not None:
                    other.take(group, mapping)
                    return True
    return False


def _places(
    group: Group, node: Node, sources: Sources
) -> Iterator[tuple[Axis | None, ...]]:
    """The frame axes along which a group reads `node`."""
    for known, places in _read(group, sources):
        if known is node:
            yield places


def _read(
    group: Group, sources: Sources
) -> Iterator[tuple[Node, tuple[Axis | None, ...]]]:
    """What a group reads from outside, and the frame axis of each dimension of that."""
    for member in group.members:
        places = group.domain.get(member, group.place[member])
        for source in sources(member):
            if source.aligned and source.node not in group.place:
                yield (
                    source.node,
                    tuple(None if d is None else places[d] for d in source.alignment),
                )


def _same_loops(
    group: Group,
    axes: tuple[Axis | None, ...],
    other: Group,
    theirs: tuple[Axis | None, ...],
) -> dict[Axis, Axis] | None:
    """The axes of `group` as those of `other`, if the loops are the same."""
    mapping: dict[Axis, Axis] = {}
    for mine, its in zip(axes, theirs, strict=True):
        if mine is None or its is None:
            if mine is not its:
                return None
        elif mapping.setdefault(mine, its) != its:
            return None
    for role, roles in ((group.rows, other.rows), (group.inner, other.inner)):
        if [mapping.get(axis) for axis in role] != roles:  # as one would be transposed
            return None
    equal = all(group.extents[a] == other.extents[b] for a, b in mapping.items())
    return mapping if equal and len(set(mapping.values())) == len(mapping) else None
