"""Work on sequences that is done in the rounds, on each row when it is read.

``scan(step, init, x * 2)`` would write a stack of products and read it again; in the
round a product costs next to nothing, since it depends on no round before.  Long
formulas stay outside, where they are computed in vectors, on all cores: what moves in
has a weight of `MOST_WEIGHT` at the most, exponentials have more.  Only loops may read
it; where several do, it must not take more reading than its result would.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Node, intern, rebuild, toposort, users
from ..op import Elemwise, Reduce
from ..ops.sizes import Shape, dim_of
from .loop import Loop
from .opened import Open
from .rowwise import goes_along, in_round, standing
from .traits import Traits, traits_of

#: The longest formula that is computed in rounds rather than in vectors.
MOST_WEIGHT = 12


def rows_inward(outputs: tuple[Node, ...]) -> tuple[Node, ...]:
    """`outputs` with light work on sequences in the loops that go through them."""
    order = toposort(outputs)
    inward = _inward(order, set(outputs))
    if not inward:
        return outputs
    place = {node: k for k, node in enumerate(order)}
    new: dict[Node, Node] = {}

    def made(node: Node, inputs: tuple[Node, ...]) -> Node:
        new[node] = result = intern(node.op, inputs, node.site)
        if isinstance(node.op, Loop):
            given = node.op.sorted(node.inputs).rows
            if not inward.isdisjoint(given):
                found = sorted(_above(given, inward), key=place.__getitem__)
                result = _with_rows(result, given, found, new)
        return result

    return rebuild(outputs, made)


def _inward(order: Sequence[Node], roots: set[Node]) -> set[Node]:
    """What is computed in the rounds of those who read it."""
    traits = {node: traits_of(node) for node in order if isinstance(node.op, Loop)}
    readers = users(order)
    weight: dict[Node, int] = {}
    loops: dict[Node, set[Node]] = {}
    for node in reversed(order) if traits else ():
        along = goes_along(node)
        if along is None or isinstance(node.op, Reduce) or node in roots:
            continue
        own = node.op.weight if isinstance(node.op, Elemwise) else 0
        above, found = 0, set[Node]()
        for reader in readers[node]:
            if reader in weight and _whole(node, reader):
                above = max(above, weight[reader])
                found |= loops[reader]
            elif reader in traits and _as_row(node, traits[reader], any(along)):
                found.add(reader)
            elif not isinstance(reader.op, Shape):
                break
        else:
            several = len(found) > 1 and sum(along) > 1
            if found and own + above <= MOST_WEIGHT and not several:
                weight[node], loops[node] = own + above, found
    return set(weight)


def _whole(node: Node, reader: Node) -> bool:
    """Whether `reader` goes through the rows of `node` with its own, wherever it is."""
    pairs = zip(reader.inputs, goes_along(reader) or (), strict=True)
    return all(along for i, along in pairs if i is node)


def _as_row(node: Node, loop: Traits, counted: bool) -> bool:
    """Whether a loop only goes through `node`, and not for products of all rows."""
    first = 1 + loop.op.carries
    uses = [k - first for k, i in enumerate(loop.node.inputs) if i is node]
    # Without operands as long as itself nothing would tell of another length.
    known = counted or node.type.dims[0] == dim_of(loop.node.inputs[0])
    through = all(0 <= k < loop.op.sequences for k in uses)
    return known and through and not loop.few and loop.multiplied.isdisjoint(uses)


def _above(rows: Sequence[Node], inward: set[Node]) -> set[Node]:
    """What is computed in a round for `rows`."""
    found: set[Node] = set()
    stack = [row for row in rows if row in inward]
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack += [i for i in node.inputs if i in inward]
    return found


def _with_rows(
    node: Node, rows: Sequence[Node], found: Sequence[Node], new: dict[Node, Node]
) -> Node:
    """The loop `node` with `found` computed in its rounds; `new` has what they are."""
    op = node.op
    assert isinstance(op, Loop)
    loop = Open.of(node, range(op.rounds))
    own = list(loop.rows)
    row: dict[Node, Node] = {}
    for inner in found:
        operands = []
        for old, along in zip(inner.inputs, goes_along(inner) or (), strict=True):
            if old in row:
                operands.append(row[old])
            elif along:
                operands.append(loop.row(new[old]))
            else:
                operands.append(standing(loop, new[old], inner.type.ndim))
        row[inner] = in_round(inner, operands)
    places = {p: row[outer] for p, outer in zip(own, rows, strict=True) if outer in row}
    for p in places:
        del loop.rows[p]
    loop.replace_nodes(places)
    return loop.shut(node.site)


__all__ = ["MOST_WEIGHT", "rows_inward"]
