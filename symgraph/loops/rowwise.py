"""What is done to rows alike: outside of a loop to all of them, or in it to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .. import ops
from ..graph import Node, intern
from ..op import Elemwise, Reduce
from ..ops.slices import Pick
from ..ops.view import ExpandDims, Squeeze, Transpose
from ..variable import Variable, apply, constant
from .opened import Open
from .parts import is_size


def goes_along(node: Node) -> tuple[bool, ...] | None:
    """Which operands have a row for each row of `node`; the others are as they are.

    None: its rows are not made row by row.
    """
    op, dims = node.op, node.type.dims
    if not dims or dims[0] == 1:
        return None
    match op:
        case Elemwise() | ops.BroadcastTo():
            found = []
            for operand in node.inputs:
                theirs = operand.type.dims
                whole = len(theirs) == len(dims) and theirs[0] != 1
                if whole and theirs[0] != dims[0]:
                    return None
                found.append(whole)
            return tuple(found)
        case ExpandDims() | Squeeze() | Reduce():
            return None if 0 in op.axes else (True,)
        case Transpose():
            return None if op.axes[0] else (True,)
    return None


def in_round(node: Node, operands: Sequence[Node]) -> Node:
    """A row of `node`, from rows of its operands, or these as they are."""
    op: Any = node.op
    match op:
        case Elemwise():
            return intern(op, tuple(operands), node.site)
        case ops.BroadcastTo():
            x, _, *sizes = map(Variable, operands)
            return ops.broadcast_to(x, sizes).node if sizes else x.node
    moved = replace(op, axes=tuple(axis - 1 for axis in op.axes if axis))
    if isinstance(op, Transpose):
        moved = Transpose(tuple(axis - 1 for axis in op.axes[1:]))
    return intern(moved, tuple(operands), node.site)


def standing(loop: Open, outer: Node, ndim: int) -> Node:
    """What stands in a round for `outer`, which is the same in all of them.

    Beside rows of arrays of `ndim` dimensions; its own first one, if any, is 1.
    """
    if outer.type.ndim == ndim:
        outer = apply(Pick(0), Variable(outer), constant(0, "int64")).node
    return outer if is_size(outer) else loop.outer(outer)


__all__ = ["goes_along", "in_round", "standing"]
