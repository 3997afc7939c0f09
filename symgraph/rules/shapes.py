"""Fills, broadcasts and transposes moved behind elementwise ops, chains of views."""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

from ..graph import Node, intern
from ..op import Elemwise, Op
from ..ops.arithmetic import Negative
from ..ops.broadcasting import BroadcastTo
from ..ops.create import Full
from ..ops.view import ExpandDims, Reshape, Squeeze, Transpose, squeeze
from ..rewrite import RuleSet, like
from ..variable import Variable

shapes = RuleSet("shapes")


def _wrapped(node: Node, cls: type[Op]) -> list[Node] | None:
    """The operands that are `cls` nodes, if there are any and the others scalars."""
    found = [i for i in node.inputs if isinstance(i.op, cls)]
    others = (i for i in node.inputs if not isinstance(i.op, cls))
    return found if found and all(not i.type.ndim for i in others) else None


def _below(node: Node, cls: type[Op]) -> Node:
    """`node` applied to what its `cls` operands are made of."""
    inputs = (i.inputs[0] if isinstance(i.op, cls) else i for i in node.inputs)
    return intern(node.op, tuple(inputs), node.site)


@shapes.rule(Elemwise, preserves="exact")
def elementwise_of_full(node: Node) -> Node | None:
    """f(full(a, shape), full(b, shape)) -> full(f(a, b), shape)"""
    fills = _wrapped(node, Full)
    if fills is None or any(i.inputs[1:] != fills[0].inputs[1:] for i in fills):
        return None
    made = intern(Full(), (_below(node, Full), *fills[0].inputs[1:]), node.site)
    return made if made.type == node.type else None


@shapes.rule(Elemwise, preserves="exact")
def elementwise_of_broadcast(node: Node) -> Node | None:
    """f(broadcast_to(x, shape), broadcast_to(y, shape)) -> broadcast_to(f(x, y), shape)

    For x and y of one shape: f has less to do.  Minus signs go the other way.
    """
    wide = _wrapped(node, BroadcastTo)
    if wide is None or isinstance(node.op, Negative):
        return None
    if any(i.inputs[1:] != wide[0].inputs[1:] for i in wide):
        return None
    if any(i.inputs[0].type.dims != wide[0].inputs[0].type.dims for i in wide):
        return None
    below = _below(node, BroadcastTo)
    made = intern(BroadcastTo(), (below, *wide[0].inputs[1:]), node.site)
    return made if made.type == node.type else None


@shapes.rule(Elemwise, preserves="exact")
def elementwise_of_transposes(node: Node) -> Node | None:
    """f(transpose(x), transpose(y)) -> transpose(f(x, y)), for equal orders of axes

    Of two transposes at least.
    """
    turned = _wrapped(node, Transpose)
    if turned is None or len(turned) < 2:
        return None
    op = turned[0].op
    if any(i.op != op for i in turned):
        return None
    made = intern(op, (_below(node, Transpose),), node.site)
    return made if made.type == node.type else None


@shapes.rule(lambda x: like(Squeeze, like(Squeeze, x)), preserves="exact")
def squeeze_twice(x: Variable, node: Node) -> Variable:
    """squeeze(squeeze(x, a), b) -> squeeze(x, both)"""
    outer: tuple[int, ...] = node.op.axes  # type: ignore[attr-defined]
    inner: tuple[int, ...] = node.inputs[0].op.axes  # type: ignore[attr-defined]
    left = [k for k in range(x.ndim) if k not in inner]
    return squeeze(x, (*inner, *(left[k] for k in outer)))


@shapes.rule(Reshape, preserves="exact")
def reshape_of_new_axes(node: Node) -> Node | None:
    """reshape(expand_dims(x, a), shape) -> reshape(x, shape)"""
    x, *sizes = node.inputs
    if not isinstance(x.op, ExpandDims):
        return None
    return intern(node.op, (x.inputs[0], *sizes), node.site)


@shapes.rule(Reshape, preserves="exact")
def reshape_of_squeeze(node: Node) -> Node | None:
    """reshape(squeeze(x, a), shape) -> reshape(x, shape), where size 1 is known"""
    inner, *sizes = node.inputs
    if not isinstance(inner.op, Squeeze):
        return None
    (x,) = inner.inputs
    if any(x.type.dims[axis] != 1 for axis in inner.op.axes):
        return None
    return intern(node.op, (x, *sizes), node.site)
