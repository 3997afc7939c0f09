"""Products out of loops: what rows alone decide in front, what is only kept behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .. import ops
from ..composite import of_type
from ..errors import UnsupportedError
from ..graph import Node, intern, rebuild, toposort
from ..ops import Contract
from ..ops.sizes import dim_of
from ..types import tensor
from ..variable import Variable
from ..vectorize import batch
from .opened import Later, Open


def before(loop: Open) -> None:
    """Products of rows alone are rows of one product."""
    varying = loop.reached((loop.first, *loop.carried))
    by_row = loop.reached(loop.rows)
    places: dict[Node, Node] = {}
    for node in loop.order:
        if not isinstance(node.op, Contract) or node in varying or node not in by_row:
            continue
        stack = _stacked(loop, [node], loop.rows)
        if stack is not None:
            own = of_type(node.type).node
            places[node] = own
            loop.rows[own] = stack[0].node
    if places:
        loop.replace_nodes(places)


def laid_out(loop: Open) -> None:
    """Matrices that all rounds multiply by, turned so that their rows are contiguous.

    Products of few rows then need no copy of them.
    """
    turned: dict[Node, Node] = {}
    places: dict[Node, Node] = {}
    for node in loop.order:
        if not isinstance(node.op, Contract):
            continue
        op, (left, right) = node.op, node.inputs
        second = op.out == (*op.rows, *op.columns)
        own, labels = (right, op.right) if second else (left, op.left)
        columns = op.columns if second else op.rows
        if own not in loop.rest or labels != (*columns, *op.contracted):
            continue
        if len(labels) != 2 or op.stack:
            continue
        if own not in turned:
            rows = Variable(own).type.dims[::-1]
            turned[own] = of_type(tensor(own.type.dtype, rows)).node
            outer = Variable(loop.rest[own])
            loop.rest[turned[own]] = ops.transpose(outer).node
        if second:
            made, inputs = replace(op, right=labels[::-1]), (left, turned[own])
        else:
            made, inputs = replace(op, left=labels[::-1]), (turned[own], right)
        places[node] = intern(made, inputs, node.site)
    if places:
        loop.replace_nodes(places)


def _stacked(
    loop: Open, nodes: Sequence[Node], stacks: dict[Node, Node]
) -> list[Variable] | None:
    """What nodes of the body are in all rounds, if they can be batched."""
    roots = rebuild(nodes, loop.rest | {own: own for own in stacks})
    standing = {own: Variable(stack) for own, stack in stacks.items()}
    try:
        return batch([Variable(r) for r in roots], standing)
    except UnsupportedError:
        return None


def behind(loop: Open) -> None:
    """Products that only stacks need are one product of the stacks of their factors.

    That is done where nothing larger has to be kept for it.
    """
    if not loop.op.remember:
        return
    nexts = [after for _, after in loop.carried.values()]
    needed = set(toposort(nexts)) | {loop.first, *loop.carried, *loop.rows}
    varying = loop.reached((loop.first, *loop.carried, *loop.rows))
    for number, root in list(loop.kept.items()):
        late = [n for n in toposort([root]) if n in varying and n not in needed]
        if not any(isinstance(n.op, Contract) for n in late):
            continue
        inside = set(late)
        edge = dict.fromkeys(
            i for n in late for i in n.inputs if i in varying and i not in inside
        )
        new = [n for n in edge if n not in loop.rows and n not in loop.kept.values()]
        if len(new) > 1 or any(n.type.ndim > root.type.ndim for n in new):
            continue
        size = dim_of(loop.count)
        stands = {
            n: of_type(tensor(n.type.dtype, (size, *n.type.dims))).node for n in edge
        }
        found = _stacked(loop, [root], stands)
        if found is not None:
            del loop.kept[number]
            numbers = _keep(loop, list(edge))
            loop.later[number] = Later(found[0], stands, numbers, dict(loop.rows))


def _keep(loop: Open, nodes: Sequence[Node]) -> dict[Node, int | None]:
    """The numbers under which nodes are kept; None for a row of a sequence."""
    numbers: dict[Node, int | None] = {}
    for node in nodes:
        if node in loop.rows:
            numbers[node] = None
            continue
        found = next((k for k, r in loop.kept.items() if r is node), None)
        if found is None:
            taken = [*loop.kept, *loop.later, loop.op.rounds]
            found = 1 + max(taken)
            loop.kept[found] = node
        numbers[node] = found
    return numbers


__all__ = ["before", "behind", "laid_out"]
