"""What a choice need not compute: results that nobody reads, and shared work.

What both branches compute, and what is computed around the choice anyway, is computed
once, in front of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Node, intern, rebuild, toposort, users
from ..leaf import Constant
from ..ops import Item
from ..variable import Variable, apply
from .branch import IfElse, choice


def hoisted(outputs: Sequence[Node]) -> tuple[Node, ...]:
    """`outputs` with choices that compute less."""
    order = toposort(outputs)
    readers = users(order)
    roots = set(outputs)
    around = {n for n in order if n.inputs and not isinstance(n.op, IfElse | Item)}
    made: dict[Node, dict[int, Node]] = {}

    def smaller(node: Node, inputs: tuple[Node, ...]) -> Node:
        if isinstance(node.op, Item) and node.inputs[0] in made:
            return made[node.inputs[0]][node.op.number]
        if isinstance(node.op, IfElse):
            read = [i for i in readers[node] if readers[i] or i in roots]
            used = sorted({i.op.number for i in read if isinstance(i.op, Item)})
            built, found = _one(node, inputs, used, around)
            made[node] = found
            return built
        return intern(node.op, inputs, node.site)

    return rebuild(outputs, smaller)


def _one(
    node: Node, inputs: tuple[Node, ...], used: Sequence[int], around: set[Node]
) -> tuple[Node, dict[int, Node]]:
    """A choice of the results `used`, and what stands for these."""
    op = node.op
    assert isinstance(op, IfElse)
    given = node.inputs[1:]
    branches = [body.nodes(*given) for body in (op.yes, op.no)]
    yes, no = ([roots[k] for k in used] for roots in branches)
    # Over the very nodes that are outside, what is shared with them is the same nodes.
    shared = _front(yes, no, around)
    places = dict(zip(given, inputs[1:], strict=True))
    parameters = [n for n in dict.fromkeys((*shared, *given)) if not _literal(n)]
    outside = rebuild(parameters, places)
    condition = inputs[0]
    built = choice(condition, parameters, outside, (yes, no), node.site)
    items = [apply(Item(k), Variable(built)).node for k in range(len(used))]
    if isinstance(condition.op, Constant):
        chosen = rebuild(yes if condition.op.data else no, places)
        # A size may be known of the other branch alone.
        pairs = zip(items, chosen, strict=True)
        items = [own if own.type == item.type else item for item, own in pairs]
    return built, dict(zip(used, items, strict=True))


def _front(yes: Sequence[Node], no: Sequence[Node], around: set[Node]) -> list[Node]:
    """The largest expressions in either branch that are computed in any case."""
    both = set(toposort(yes)) & set(toposort(no))
    found: dict[Node, None] = {}
    stack, seen = [*yes, *no], set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        # One of several results is as good as all: an item is taken, not their tuple.
        maker = node.inputs[0] if isinstance(node.op, Item) else node
        if node.inputs and (node in both or maker in both or maker in around):
            found[node] = None
        else:
            stack.extend(node.inputs)
    return list(found)


def _literal(node: Node) -> bool:
    return isinstance(node.op, Constant) and node.op.small


__all__ = ["hoisted"]
