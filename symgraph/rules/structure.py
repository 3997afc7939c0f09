"""Shapes, views and layouts: fewer steps between the data and the arithmetic."""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

from dataclasses import replace

from ..graph import Node, intern
from ..leaf import Constant, Leaf
from ..op import Elemwise, Reduce
from ..ops.broadcasting import BroadcastTo, SumTo, sum_to
from ..ops.contract import Contract
from ..ops.create import Full
from ..ops.sizes import Shape, dim_of
from ..ops.slices import Slice, SliceEmbed
from ..ops.softmax import LogSoftmax, Softmax
from ..ops.transcendental import exp
from ..ops.view import Reshape, Transpose, transpose
from ..rewrite import RuleSet, Seen, Uses, like
from ..variable import Variable, constant

structure = RuleSet("structure")


def _if_same_type(x: Node, node: Node) -> Node | None:
    """`x` where it can stand for `node` as it is."""
    return x if x.type == node.type else None


# -- transposes ------------------------------------------------------------------------


@structure.rule(Transpose, preserves="exact")
def useless_transpose(node: Node) -> Node | None:
    """transpose(x, (0, 1, ...)) -> x"""
    axes: tuple[int, ...] = node.op.axes  # type: ignore[attr-defined]
    return node.inputs[0] if axes == tuple(range(len(axes))) else None


@structure.rule(
    lambda x: like(Transpose, like(Transpose, x, name="inner")), preserves="exact"
)
def transpose_of_transpose(x: Variable, inner: Node, node: Node) -> Variable:
    """transpose(transpose(x, a), b) -> transpose(x, a[b])"""
    first: tuple[int, ...] = inner.op.axes  # type: ignore[attr-defined]
    return transpose(x, [first[k] for k in node.op.axes])  # type: ignore[attr-defined]


@structure.rule(Contract, preserves="rounding")
def transposed_operand(node: Node) -> Node | None:
    """contract(transpose(x), y) -> contract(x, y) with x's labels permuted"""
    op, (a, b) = node.op, node.inputs
    assert isinstance(op, Contract)
    if isinstance(a.op, Transpose):
        op, a = replace(op, left=_untransposed(op.left, a.op.axes)), a.inputs[0]
    if isinstance(b.op, Transpose):
        op, b = replace(op, right=_untransposed(op.right, b.op.axes)), b.inputs[0]
    return None if op is node.op else intern(op, (a, b), node.site)


def _untransposed(labels: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The labels of x where those of transpose(x, axes) are `labels`."""
    return tuple(labels[axes.index(k)] for k in range(len(axes)))


@structure.rule(
    lambda x, y: like(Transpose, like(Contract, x, y, name="product")),
    preserves="rounding",
)
def transposed_result(product: Node, node: Node, uses: Uses) -> Node | None:
    """transpose(contract(x, y)) -> contract(x, y) with its labels permuted

    Only where nothing else reads the product, which would be computed twice.
    """
    if uses(product) > 1:
        return None
    axes: tuple[int, ...] = node.op.axes  # type: ignore[attr-defined]
    op = product.op
    assert isinstance(op, Contract)
    return intern(replace(op, out=tuple(op.out[k] for k in axes)), product.inputs)


# -- reductions and broadcasting -------------------------------------------------------


@structure.rule(Reduce, preserves="rounding")
def empty_reduction(node: Node) -> Node | None:
    """reduce(x, axes=()) -> x, which keeps -0.0 where the empty sum is 0.0"""
    op = node.op
    assert isinstance(op, Reduce)
    return None if op.axes else _if_same_type(node.inputs[0], node)


@structure.rule(BroadcastTo, preserves="exact")
def useless_broadcast(node: Node) -> Node | None:
    """broadcast_to(x, its own shape) -> x"""
    return _if_same_type(node.inputs[0], node)


@structure.rule(Elemwise, preserves="exact")
def broadcast_operand(node: Node) -> Node | None:
    """f(x, broadcast_to(y, shape)) -> f(x, y), where x alone has the result's shape

    Likewise for full(y, shape).
    """
    for place, operand in enumerate(node.inputs):
        if not isinstance(operand.op, BroadcastTo | Full):
            continue
        inputs = list(node.inputs)
        inputs[place] = operand.inputs[0]
        if any(i.type.dims == node.type.dims for i in inputs):
            made = intern(node.op, tuple(inputs), node.site)
            if made.type == node.type:
                return made
    return None


@structure.rule(BroadcastTo, preserves="exact")
def broadcast_of_transpose(node: Node) -> Variable | None:
    """broadcast_to(transpose(x), shape) -> transpose(broadcast_to(x, its shape))

    Where no axis is new: so that a product sees the transpose.
    """
    inner, *sizes = node.inputs
    if not isinstance(inner.op, Transpose) or len(sizes) != inner.type.ndim:
        return None
    axes = inner.op.axes
    order = [sizes[axes.index(k)] for k in range(len(axes))]
    made = intern(BroadcastTo(), (inner.inputs[0], *order), node.site)
    return transpose(Variable(made), axes)


@structure.rule(SumTo, preserves="rounding")
def known_sum_to(node: Node) -> Variable | None:
    """sum_to(g, x) -> g or sum(g), where the types say which axes were broadcast"""
    g, shaped = (Variable(i) for i in node.inputs)
    made = sum_to(g, shaped)
    return None if isinstance(made.op, SumTo) else made


@structure.rule(Reshape, preserves="exact")
def useless_reshape(node: Node) -> Node | None:
    """reshape(x, its own shape) -> x"""
    return _if_same_type(node.inputs[0], node)


@structure.rule(lambda x: like(Reshape), preserves="exact")
def reshape_of_reshape(node: Node) -> Node | None:
    """reshape(reshape(x, s), t) -> reshape(x, t), where no check of s is lost"""
    inner, *sizes = node.inputs
    if not isinstance(inner.op, Reshape):
        return None
    if not all(
        isinstance(d, int) for d in (*inner.type.dims, *inner.inputs[0].type.dims)
    ):
        return None
    return intern(node.op, (inner.inputs[0], *sizes), node.site)


@structure.rule(Slice, preserves="exact")
def useless_slice(node: Node) -> Node | None:
    """x[0:n] -> x, where n is its size"""
    step: int = node.op.step  # type: ignore[attr-defined]
    return _if_same_type(node.inputs[0], node) if step == 1 else None


@structure.rule(SliceEmbed, preserves="exact")
def useless_slice_embed(node: Node) -> Node | None:
    """zeros with x at 0:n -> x, where n is the whole size"""
    step: int = node.op.step  # type: ignore[attr-defined]
    return _if_same_type(node.inputs[0], node) if step == 1 else None


# -- shared work -----------------------------------------------------------------------


@structure.rule(Softmax, preserves="rounding")
def softmax_beside_log(node: Node, seen: Seen) -> Variable | None:
    """softmax(x) -> exp(log_softmax(x)), where log_softmax(x) is in the graph"""
    log = seen(LogSoftmax(node.op.axis), node.inputs)  # type: ignore[attr-defined]
    return None if log is None else exp(Variable(log))


# -- sizes -----------------------------------------------------------------------------


@structure.rule(Shape, preserves="exact")
def known_size(node: Node) -> Variable | None:
    """shape(x, axis) -> c, where the type says it"""
    size = node.inputs[0].type.dims[node.op.axis]  # type: ignore[attr-defined]
    return constant(size, "int64") if isinstance(size, int) else None


@structure.rule(Shape, preserves="exact")
def size_of_operand(node: Node) -> Node | None:
    """shape(f(x, ...), axis) -> shape(x, axis'), or a scalar that gives the size

    So that values which are needed for their shape alone are not computed.
    """
    (x,) = node.inputs
    size = x.type.dims[node.op.axis]  # type: ignore[attr-defined]
    if isinstance(x.op, Leaf):
        return None
    for source in x.inputs:
        for axis, other in enumerate(source.type.dims):
            if other is size:
                return intern(Shape(axis), (source,), node.site)
    if isinstance(x.op, Full | BroadcastTo | Reshape):
        for source in x.inputs[1:]:
            if not isinstance(source.op, Constant) and dim_of(source) is size:
                return source
    return None
