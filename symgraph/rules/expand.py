"""Ops that have a name worth matching, replaced by what they are made of."""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from itertools import product
from math import prod

from ..graph import Node, intern, toposort
from ..leaf import Leaf
from ..op import Elemwise, Expanded, Indexed, Reduce
from ..ops.arithmetic import add, multiply
from ..ops.choice import maximum, minimum
from ..ops.logic import bitwise_and, bitwise_or
from ..ops.slices import Pick, Slice
from ..ops.view import squeeze
from ..rewrite import RuleSet
from ..variable import Variable, constant

expand = RuleSet("expand")

#: Reductions of at most so many elements are written out.
MOST_TERMS = 8
#: Terms of more weight are not: other readers of a term would compute it again.
LIGHT_TERM = 12

COMBINED: dict[str, Callable[[Variable, Variable], Variable]] = {
    "sum": add,
    "prod": multiply,
    "min": minimum,
    "max": maximum,
    "and": bitwise_and,
    "or": bitwise_or,
}


@expand.rule(Expanded, preserves="special_values")
def expanded(node: Node) -> Variable:
    """softmax(x), argmax(x), ... -> their formulas"""
    op = node.op
    assert isinstance(op, Expanded)
    return op.expand(*(Variable(i) for i in node.inputs))


@expand.rule(Reduce, preserves="rounding")
def small_reduction(node: Node) -> Variable | None:
    """sum(f(x), axis of few elements) -> f(x[0]) + f(x[1]) + ...

    So it is computed in registers, beside whatever needs it, and in lanes of results,
    if it is a reduction of what is given.
    """
    op, (x,) = node.op, node.inputs
    assert isinstance(op, Reduce)
    sizes = [x.type.dims[axis] for axis in op.axes]
    if not op.axes or not all(isinstance(s, int) and s > 0 for s in sizes):
        return None
    if all(size == 1 for size in node.type.dims):
        return None  # there are no lanes of results
    count = prod(s for s in sizes if isinstance(s, int))
    cone = toposort([x], _operands)
    weight = sum(n.op.weight for n in cone if isinstance(n.op, Elemwise))
    if count > MOST_TERMS or weight > LIGHT_TERM:
        return None
    if not all(isinstance(n.op, Elemwise) or _given(n) for n in cone):
        return None  # it is computed row by row, and reduced at once
    ranges = (range(s) for s in sizes if isinstance(s, int))
    terms = []
    for places in product(*ranges):
        term = x
        # The last axis first: those before it keep their numbers when it goes.
        for axis, place in sorted(zip(op.axes, places, strict=True), reverse=True):
            term = _at(term, axis, place, op.keepdims)
        terms.append(Variable(term))
    return reduce(COMBINED[op.combine_for(x.type.dtype)], terms)


def _operands(node: Node) -> tuple[Node, ...]:
    return node.inputs if isinstance(node.op, Elemwise) else ()


def _given(node: Node) -> bool:
    """Whether `node` is an argument, or a constant, or a view of one."""
    while isinstance(node.op, Indexed) and node.op.free and node.inputs:
        node = node.inputs[0]
    return isinstance(node.op, Leaf)


def _at(x: Node, axis: int, place: int, kept: bool) -> Node:
    """``x[place]`` along `axis`, in what an elementwise `x` is made of.

    Where the axis is to be `kept` it is ``x[place : place + 1]``.
    """
    ends = (constant(place).node, constant(place + 1).node)
    taken: dict[Node, Node] = {}
    for node in toposort([x], _operands):
        own = axis - (x.type.ndim - node.type.ndim)  # operands are aligned at the end
        if own < 0 or (kept and node.type.dims[own] == 1):
            taken[node] = node
        elif node.type.dims[own] == 1:
            taken[node] = squeeze(Variable(node), (own,)).node
        elif isinstance(node.op, Elemwise) and all(_splits(node, own)):
            inputs = tuple(taken[i] for i in node.inputs)
            taken[node] = intern(node.op, inputs, node.site)
        elif kept:
            taken[node] = intern(Slice(own, 1, True, True), (node, *ends), node.site)
        else:
            taken[node] = intern(Pick(own), (node, ends[0]), node.site)
    return taken[x]


def _splits(node: Node, axis: int) -> Iterator[bool]:
    """For each operand, whether its size along `axis` is known to fit the result's."""
    for operand in node.inputs:
        own = axis - (node.type.ndim - operand.type.ndim)
        yield own < 0 or operand.type.dims[own] in (1, node.type.dims[axis])
