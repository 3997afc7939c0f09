"""Softmax, cross-entropy and their gradients, however they were written.

With p = softmax(x), the gradient of a loss that takes log(p) divides by p, and then
multiplies by p: for far-apart logits, 0/0.  Here the division is cancelled against the
softmax' own gradient, through whatever was read from p (indices, slices, transposes).

Softmax of nothing is refused, where the formulas give an empty result: an axis known to
be empty is left as it was written; one that turns out to be is an error when it runs.
"""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Node, intern
from ..ops.arithmetic import Add, Divide, Multiply, Negative, Subtract
from ..ops.broadcasting import BroadcastTo, Sum, broadcast_to, sum
from ..ops.create import Full
from ..ops.gather import Gather, Scatter
from ..ops.slices import Pick, PickEmbed, Slice, SliceEmbed
from ..ops.softmax import (
    LogSoftmax,
    LogSumExp,
    Softmax,
    SoftmaxGrad,
    log_softmax,
    logsumexp,
    softmax,
)
from ..ops.transcendental import Exp, Log, Sigmoid, exp, log
from ..ops.view import ExpandDims, Reshape, Squeeze, Transpose
from ..rewrite import RuleSet, Uses, has_value, like
from ..variable import Variable

softmax_rules = RuleSet("softmax")

#: Ops that move elements without changing them, in their first input.
MOVES = (Gather, Slice, Pick, Reshape, Transpose, ExpandDims, Squeeze, BroadcastTo)


# -- recognising the forward formulas --------------------------------------------------


@softmax_rules.rule(
    lambda x: log(like(Sum, exp(x), name="total")), preserves="special_values"
)
def log_of_sum_of_exp(x: Variable, total: Node) -> Variable | None:
    """log(sum(exp(x), axes)) -> logsumexp(x, axes), where exp(x) may overflow"""
    op = total.op
    assert isinstance(op, Sum)
    if 0 in x.type.dims:
        return None
    return logsumexp(x, op.axes, keepdims=op.keepdims)


@softmax_rules.rule(Divide, preserves="special_values")
def softmax_of_ratio(node: Node) -> Variable | None:
    """exp(x) / sum(exp(x), axis, keepdims=True) -> softmax(x, axis)"""
    e, total = node.inputs
    axis = _sum_axis(total, e)
    if axis is None or not isinstance(e.op, Exp) or e.type != node.type:
        return None
    return softmax(_unshifted(Variable(e.inputs[0]), (axis,)), axis)


def _sum_axis(total: Node, x: Node) -> int | None:
    """The one axis of x that `total` sums over, so that it broadcasts against x."""
    op = total.op
    if not isinstance(op, Sum) or total.inputs[0] is not x or len(op.axes) != 1:
        return None
    if 0 in x.type.dims:
        return None
    return op.axes[0] if op.keepdims or op.axes == (0,) else None


def _unshifted(x: Variable, axes: Sequence[int]) -> Variable:
    """x0, if x is x0 - m with m constant along `axes`: both have one softmax."""
    if not isinstance(x.op, Subtract):
        return x
    whole, shift = x.inputs
    offset = x.ndim - shift.ndim
    constant = all(k < offset or shift.type.dims[k - offset] == 1 for k in axes)
    return whole if constant and whole.type == x.type else x


@softmax_rules.rule(Softmax, preserves="special_values")
def softmax_of_shifted(node: Node) -> Variable | None:
    """softmax(x - m, axis) -> softmax(x, axis), for m constant along the axis"""
    (x,) = node.inputs
    axis: int = node.op.axis  # type: ignore[attr-defined]
    whole = _unshifted(Variable(x), (axis,))
    return None if whole.node is x else softmax(whole, axis)


@softmax_rules.rule(LogSoftmax, preserves="special_values")
def log_softmax_of_shifted(node: Node) -> Variable | None:
    """log_softmax(x - m, axis) -> log_softmax(x, axis), for m constant along it"""
    (x,) = node.inputs
    axis: int = node.op.axis  # type: ignore[attr-defined]
    whole = _unshifted(Variable(x), (axis,))
    return None if whole.node is x else log_softmax(whole, axis)


@softmax_rules.rule(
    lambda x, m: like(LogSumExp, x - m, name="inner") + m, preserves="special_values"
)
def logsumexp_of_shifted(x: Variable, inner: Node, node: Node) -> Variable | None:
    """logsumexp(x - m, axes, keepdims=True) + m -> logsumexp(x, axes, keepdims=True)"""
    op = inner.op
    assert isinstance(op, LogSumExp)
    whole = _unshifted(Variable(inner.inputs[0]), op.axes)
    if not op.keepdims or whole.node is not x.node or inner.type != node.type:
        return None
    return logsumexp(x, op.axes, keepdims=True)


@softmax_rules.rule(Subtract, preserves="rounding")
def minus_logsumexp(node: Node) -> Variable | None:
    """x - logsumexp(x, axis, keepdims=True) -> log_softmax(x, axis)"""
    x, total = node.inputs
    op = total.op
    if isinstance(op, ExpandDims) and isinstance(total.inputs[0].op, LogSumExp):
        kept, (total,) = op.axes, total.inputs
        op = total.op
        if kept != op.axes:  # type: ignore[attr-defined]
            return None
    elif not isinstance(op, LogSumExp) or not (op.keepdims or op.axes == (0,)):
        return None
    assert isinstance(op, LogSumExp)
    if total.inputs[0] is not x or len(op.axes) != 1 or x.type != node.type:
        return None
    return log_softmax(_unshifted(Variable(x), op.axes), op.axes[0])


@softmax_rules.rule(
    lambda x: log(like(Softmax, x, name="p")), preserves="special_values"
)
def log_of_softmax(x: Variable, p: Node) -> Variable:
    """log(softmax(x, axis)) -> log_softmax(x, axis), where softmax may vanish"""
    return log_softmax(x, p.op.axis)  # type: ignore[attr-defined]


@softmax_rules.rule(Log, preserves="special_values")
def log_of_moved_softmax(node: Node) -> Node | None:
    """log(softmax(x)[i, j]) -> log(softmax(x))[i, j]; likewise views, and of sigmoid"""
    path: list[Node] = []
    (at,) = node.inputs
    while isinstance(at.op, MOVES):
        path.append(at)
        at = at.inputs[0]
    if not path or not isinstance(at.op, Softmax | Sigmoid):
        return None
    made = log(Variable(at)).node
    for moved in reversed(path):
        made = intern(moved.op, (made, *moved.inputs[1:]), node.site)
    return made


@softmax_rules.rule(
    lambda x: exp(like(LogSoftmax, x, name="y")), preserves="special_values"
)
def exp_of_log_softmax(x: Variable, y: Node, uses: Uses) -> Variable | None:
    """exp(log_softmax(x, axis)) -> softmax(x, axis), if nothing else reads that"""
    return None if uses(y) > 1 else softmax(x, y.op.axis)  # type: ignore[attr-defined]


# -- gradients -------------------------------------------------------------------------


@softmax_rules.rule(lambda g, p: like(SoftmaxGrad, -g, p), preserves="rounding")
def softmax_grad_of_negative(g: Variable, p: Variable, node: Node) -> Variable:
    """softmax_grad(-g, p) -> -softmax_grad(g, p), but for the sign of zeros"""
    return -Variable(intern(node.op, (g.node, p.node), node.site))


@softmax_rules.rule(SoftmaxGrad, preserves="special_values")
def softmax_grad_of_log(node: Node) -> Variable | None:
    """softmax_grad(g / p, p) -> g - p * sum(g), for p = softmax(x)

    Likewise where the division reaches p through what was read from it:
    ``scatter(0, g / p[i, j], (i, j))``.
    """
    g, p = node.inputs
    if not isinstance(p.op, Softmax):
        return None
    undivided = _undivided(g, p)
    if undivided is None:
        return None
    axis: int = node.op.axis  # type: ignore[attr-defined]
    return undivided - Variable(p) * sum(undivided, axis, keepdims=True)


@softmax_rules.rule(SoftmaxGrad, preserves="special_values")
def softmax_grad_of_sum(node: Node) -> Variable | None:
    """softmax_grad(g / p + h, p) -> softmax_grad(g / p, p) + softmax_grad(h, p)

    Likewise for a difference: so that several losses on one softmax part.
    """
    total, p = node.inputs
    if not isinstance(total.op, Add | Subtract) or not isinstance(p.op, Softmax):
        return None
    parts = total.inputs
    if any(i.type != total.type for i in parts):
        return None
    if all(_undivided(i, p) is None for i in parts):
        return None
    grads = tuple(intern(node.op, (i, p), node.site) for i in parts)
    return Variable(intern(total.op, grads, node.site))


def _undivided(g: Node, p: Node) -> Variable | None:
    """The v for which g is v / p, elementwise or where it was read from p.

    Descends through the gradients of what reads p, following p the way forward, until
    the division by the p so read.
    """
    path: list[Node] = []
    at, read = g, p
    while not (isinstance(at.op, Divide) and at.inputs[1] is read):
        below = _below(at, read)
        if below is None:
            return None
        path.append(at)
        at, read = below
    made = _shaped(Variable(at.inputs[0]), at)
    for above in reversed(path):
        place = _carrier(above)
        inputs = list(above.inputs)
        inputs[place] = made.node
        made = Variable(intern(above.op, tuple(inputs), above.site))
    return made


def _shaped(x: Variable, node: Node) -> Variable:
    """`x` broadcast to the shape of `node`."""
    return x if x.type == node.type else broadcast_to(x, Variable(node).shape)


def _carrier(node: Node) -> int:
    """Which input of a node on the way down carries the quotient."""
    if isinstance(node.op, Multiply):
        return 0 if isinstance(node.inputs[0].op, Divide) else 1
    return 1 if isinstance(node.op, Scatter) else 0


def _below(at: Node, read: Node) -> tuple[Node, Node] | None:
    """One step down from a gradient, and what its op read of `read` going forward."""
    op, inputs = at.op, at.inputs
    match op:
        case Scatter(axes=axes, place=place):
            if not (
                isinstance(inputs[0].op, Full) and has_value(inputs[0].inputs[0], 0)
            ):
                return None
            return inputs[1], intern(Gather(axes, place), (read, *inputs[2:]))
        case SliceEmbed(axis=axis, step=step, has_start=start, has_stop=stop):
            forward = Slice(axis, step, start, stop)
            return inputs[0], intern(forward, (read, *inputs[2:]))
        case PickEmbed(axis=axis):
            return inputs[0], intern(Pick(axis), (read, inputs[2]))
        case Transpose(axes=axes):
            back = tuple(axes.index(k) for k in range(len(axes)))
            return inputs[0], intern(Transpose(back), (read,))
        case ExpandDims(axes=axes):
            return inputs[0], intern(Squeeze(axes), (read,))
        case Squeeze(axes=axes):
            return inputs[0], intern(ExpandDims(axes), (read,))
        case Negative():
            return inputs[0], read
        case Multiply() if any(isinstance(i.op, Divide) for i in inputs):
            below = inputs[_carrier(at)]
            return (below, read) if below.type == at.type else None
    return None


@softmax_rules.rule(Multiply, preserves="special_values")
def exp_over_sum(node: Node) -> Variable | None:
    """exp(x) * (g / sum(exp(x), axes)) -> g * exp(x - logsumexp(x, axes))

    The gradient of log(sum(exp(x))); g / sum may have been broadcast.
    """
    for e, factor in (node.inputs, node.inputs[::-1]):
        if not isinstance(e.op, Exp) or e.type != node.type or 0 in e.type.dims:
            continue
        path, at = _spread(factor)
        if not isinstance(at.op, Divide):
            continue
        g, total = at.inputs
        op = total.op
        if not isinstance(op, Sum) or total.inputs[0] is not e:
            continue
        made = _shaped(Variable(g), at)
        for above in reversed(path):
            inputs = (made.node, *above.inputs[1:])
            made = Variable(intern(above.op, inputs, above.site))
        x = Variable(e.inputs[0])
        return made * exp(x - logsumexp(x, op.axes, keepdims=True))
    return None


def _spread(node: Node) -> tuple[list[Node], Node]:
    """What was broadcast to give `node`, and the steps that did so."""
    path = []
    while isinstance(node.op, BroadcastTo | ExpandDims):
        path.append(node)
        node = node.inputs[0]
    return path, node


@softmax_rules.rule(Multiply, preserves="special_values")
def gradient_of_ratio(node: Node) -> Variable | None:
    """exp(x) * (g/s - sum(g*p/s)) -> softmax_grad(g, p), s = sum(exp(x)), p = exp(x)/s

    What differentiating exp(x) / sum(exp(x), axis, keepdims=True) gives.
    """
    for e, difference in (node.inputs, node.inputs[::-1]):
        if not isinstance(e.op, Exp) or not isinstance(difference.op, Subtract):
            continue
        for flip in (False, True):
            direct, summed = difference.inputs[:: -1 if flip else 1]
            made = _gradient_of_ratio(e, direct, summed)
            if made is not None and made.type == node.type:
                return -made if flip else made
    return None


def _gradient_of_ratio(e: Node, direct: Node, summed: Node) -> Variable | None:
    """softmax_grad(g, p), if direct is g/s and summed is sum(g*p/s) broadcast."""
    _, at = _spread(summed)
    if not isinstance(direct.op, Divide) or not isinstance(at.op, Sum):
        return None
    g, total = direct.inputs
    axis = _sum_axis(total, e)
    (terms,) = at.inputs
    if axis is None or at.op.axes != (axis,) or not isinstance(terms.op, Divide):
        return None
    p = softmax(_unshifted(Variable(e.inputs[0]), (axis,)), axis).node
    if terms.inputs[1] is not total or not _is_product(terms.inputs[0], g, p):
        return None
    cotangent = _shaped(Variable(g), e)
    return Variable(intern(SoftmaxGrad(axis), (cotangent.node, p)))


def _is_product(node: Node, g: Node, p: Node) -> bool:
    """Whether `node` is g * p, simplified or not."""
    if isinstance(g.op, Divide) and g.inputs[1] is p:
        return node is g.inputs[0]
    return isinstance(node.op, Multiply) and node.inputs in ((g, p), (p, g))
