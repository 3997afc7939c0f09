"""Slices merged, and taken before the work whose result they read."""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

from dataclasses import replace

from ..graph import Node, intern
from ..leaf import Constant
from ..op import Elemwise, Reduce
from ..ops.broadcasting import Sum
from ..ops.choice import Where
from ..ops.contract import Contract
from ..ops.create import Full, full
from ..ops.gather import Put
from ..ops.join import Concatenate
from ..ops.reduce import All, Any, Max, Min, Prod
from ..ops.slices import Pick, PickEmbed, Slice, SliceEmbed, slice_axis
from ..ops.view import ExpandDims
from ..rewrite import RuleSet, Uses, has_value
from ..variable import Variable, constant

slices = RuleSet("slices")


def _ends(node: Node) -> list[int | None] | None:
    """Start and stop of a slice, if they are known numbers or not given."""
    given = list(node.inputs[1:])
    ends: list[int | None] = []
    for has in (node.op.has_start, node.op.has_stop):  # type: ignore[attr-defined]
        known = _number(given.pop(0)) if has else None
        if has and known is None:
            return None
        ends.append(known)
    return ends


def _number(node: Node) -> int | None:
    """The value of an integer constant without axes."""
    op = node.op
    return int(op.data) if isinstance(op, Constant) and not op.data.ndim else None


# -- slices of views -------------------------------------------------------------------


@slices.rule(Slice, preserves="exact")
def slice_of_slice(node: Node) -> Variable | None:
    """x[a:b][c:d] -> x[a + c:...], along one axis, for known numbers"""
    inner = node.inputs[0]
    op, within = node.op, inner.op
    assert isinstance(op, Slice)
    if not isinstance(within, Slice) or within.axis != op.axis:
        return None
    first, second = _ends(inner), _ends(node)
    if first is None or second is None:
        return None
    axis, x = op.axis, Variable(inner.inputs[0])
    size = x.type.dims[axis]
    if not isinstance(size, int):
        return _tail_of_tail(x, axis, first, second, (within.step, op.step))
    inside = range(size)[slice(first[0], first[1], within.step)]
    every = inside[slice(second[0], second[1], op.step)]
    if not every:
        return slice_axis(x, axis, 0, 0)
    stop = every.stop if every.stop >= 0 else None
    return slice_axis(x, axis, every.start, stop, every.step)


def _tail_of_tail(
    x: Variable,
    axis: int,
    first: list[int | None],
    second: list[int | None],
    steps: tuple[int, int],
) -> Variable | None:
    """Slices of an axis of unknown size: x[a:][b:], and what is reversed twice."""
    if steps == (-1, -1) and first == second == [None, None]:
        return x
    (a, stop), (b, other) = first, second
    if steps != (1, 1) or stop is not None or other is not None:
        return None
    if a is None or b is None or a < 0 or b < 0:
        return None
    return slice_axis(x, axis, a + b)


@slices.rule(Slice, preserves="exact")
def slice_of_full(node: Node) -> Variable | None:
    """full(v, shape)[a:b] -> full(v, its shape), for known sizes"""
    (filled, *_) = node.inputs
    if not isinstance(filled.op, Full) or not all(
        isinstance(d, int) for d in node.type.dims
    ):
        return None
    return full(node.type.dims, Variable(filled.inputs[0]))


# -- slices of work --------------------------------------------------------------------


@slices.rule(Slice, preserves="exact")
def slice_of_elementwise(node: Node, uses: Uses) -> Node | None:
    """f(x, y)[a:b] -> f(x[a:b], y[a:b]), if nothing else reads the whole

    Operands of size 1 along the axis stay as they are; sizes that may be 1 at run time
    and meet others keep the slice where it is.
    """
    inner, *ends = node.inputs
    op = node.op
    assert isinstance(op, Slice)
    if not isinstance(inner.op, Elemwise) or uses(inner) > 1:
        return None
    inputs = []
    for operand in inner.inputs:
        axis = op.axis - (inner.type.ndim - operand.type.ndim)
        if axis < 0 or operand.type.dims[axis] == 1 != inner.type.dims[op.axis]:
            inputs.append(operand)
        elif operand.type.dims[axis] == inner.type.dims[op.axis]:
            inputs.append(intern(replace(op, axis=axis), (operand, *ends)))
        else:
            return None
    made = intern(inner.op, tuple(inputs), inner.site)
    return made if made.type == node.type else None


@slices.rule(Slice, preserves="rounding")
def slice_of_reduction(node: Node, uses: Uses) -> Node | None:
    """reduce(x, b)[c:d] -> reduce(x[c:d], b), if nothing else reads the whole"""
    inner, *ends = node.inputs
    op, reduction = node.op, inner.op
    assert isinstance(op, Slice)
    if not isinstance(reduction, Sum | Prod | Max | Min | All | Any):
        return None
    if uses(inner) > 1 or (reduction.keepdims and op.axis in reduction.axes):
        return None
    axis = _axis_before(reduction, inner.inputs[0].type.ndim, op.axis)
    part = intern(replace(op, axis=axis), (inner.inputs[0], *ends), node.site)
    made = intern(reduction, (part,), inner.site)
    return made if made.type == node.type else None


@slices.rule(Pick, preserves="rounding")
def pick_of_reduction(node: Node, uses: Uses) -> Node | None:
    """reduce(x, b)[i] -> reduce(x[i], b), if nothing else reads the whole"""
    inner, index = node.inputs
    op, reduction = node.op, inner.op
    assert isinstance(op, Pick)
    if not isinstance(reduction, Sum | Prod | Max | Min | All | Any):
        return None
    if uses(inner) > 1 or reduction.keepdims:
        return None
    axis = _axis_before(reduction, inner.inputs[0].type.ndim, op.axis)
    part = intern(Pick(axis), (inner.inputs[0], index), node.site)
    axes = tuple(k - (k > axis) for k in reduction.axes)
    made = intern(replace(reduction, axes=axes), (part,), inner.site)
    return made if made.type == node.type else None


def _axis_before(reduction: Reduce, ndim: int, axis: int) -> int:
    """The axis of a reduction's operand that is `axis` of its result."""
    if reduction.keepdims:
        return axis
    return [k for k in range(ndim) if k not in reduction.axes][axis]


@slices.rule(Slice, preserves="rounding")
def slice_of_product(node: Node, uses: Uses) -> Node | None:
    """(x @ y)[a:b] -> x[a:b] @ y, if nothing else reads the whole product"""
    inner, *ends = node.inputs
    op, product = node.op, inner.op
    assert isinstance(op, Slice)
    if not isinstance(product, Contract) or uses(inner) > 1:
        return None
    label = product.out[op.axis]
    operands = list(inner.inputs)
    labels = (product.left, product.right)
    if sum(names.count(label) for names in labels) != 1:
        return None  # a label of both operands: their sizes may be 1 and n
    for place, names in enumerate(labels):
        if label in names:
            cut = replace(op, axis=names.index(label))
            operands[place] = intern(cut, (operands[place], *ends), node.site)
    made = intern(product, tuple(operands), inner.site)
    return made if made.type == node.type else None


# -- what is read of joined arrays -----------------------------------------------------


def _part(join: Node, first: int, last: int) -> tuple[Node, int] | None:
    """The operand of a join that holds positions first to last, and where it starts."""
    start = 0
    for part in join.inputs:
        size = part.type.dims[join.op.axis]  # type: ignore[attr-defined]
        if not isinstance(size, int):
            return None
        if start <= first and last < start + size:
            return part, start
        start += size
    return None


@slices.rule(Pick, preserves="exact")
def pick_of_join(node: Node) -> Node | None:
    """concatenate(a, b)[i] -> a[i] or b[i - len(a)], for known sizes and i"""
    join, index = node.inputs
    axis: int = node.op.axis  # type: ignore[attr-defined]
    place = _number(index)
    if not isinstance(join.op, Concatenate) or join.op.axis != axis or place is None:
        return None
    size = join.type.dims[axis]
    if place < 0:
        if not isinstance(size, int):
            return None
        place += size
    found = _part(join, place, place)
    if found is None:
        return None
    part, start = found
    made = intern(node.op, (part, constant(place - start, "int64").node), node.site)
    return made if made.type == node.type else None


@slices.rule(Slice, preserves="exact")
def slice_of_join(node: Node) -> Variable | None:
    """concatenate(a, b)[c:d] -> a[c:d], where that is all of a part's"""
    join = node.inputs[0]
    op, ends = node.op, _ends(node)
    assert isinstance(op, Slice)
    if not isinstance(join.op, Concatenate) or join.op.axis != op.axis or ends is None:
        return None
    size = join.type.dims[op.axis]
    if not isinstance(size, int) or op.step != 1:
        return None
    every = range(size)[slice(*ends)]
    found = _part(join, every[0], every[-1]) if every else None
    if found is None:
        return None
    part, start = found
    made = slice_axis(Variable(part), op.axis, every.start - start, every.stop - start)
    return made if made.type == node.type else None


@slices.rule(Pick, preserves="exact")
def pick_of_new_axis(node: Node) -> Node | None:
    """expand_dims(x, a)[0] -> x, along a"""
    inner, index = node.inputs
    if not isinstance(inner.op, ExpandDims) or _number(index) not in (0, -1):
        return None
    same = inner.op.axes == (node.op.axis,)  # type: ignore[attr-defined]
    return inner.inputs[0] if same else None


# -- what is read of updated arrays ----------------------------------------------------


def _embedded(node: Node) -> tuple[Node, tuple[object, ...]] | None:
    """What an embedding holds, and where: op's parameters and ends."""
    op, inputs = node.op, node.inputs
    match op:
        case SliceEmbed():
            place = Slice(op.axis, op.step, op.has_start, op.has_stop)
        case PickEmbed():
            place = Pick(op.axis)  # type: ignore[assignment]
        case _:
            return None
    return inputs[0], (place, inputs[2:])


def _held(node: Node, source: Node) -> Node | None:
    """What an embedding of `source` holds where `node` reads, if that is all of it."""
    found = _embedded(source)
    if found is None or found[1] != (node.op, node.inputs[1:]):
        return None
    return found[0] if found[0].type == node.type else None


@slices.rule(Slice, preserves="exact")
def slice_of_embedded(node: Node) -> Node | None:
    """(zeros with g at a:b)[a:b] -> g"""
    return _held(node, node.inputs[0])


@slices.rule(Slice, preserves="exact")
def read_of_written(node: Node) -> Node | None:
    """x[a:b].set(v)[a:b] -> v"""
    (written, *_) = node.inputs
    if not isinstance(written.op, Where):
        return None
    mask, value, _ = written.inputs
    inside = _held(node, value)
    whole = _embedded(mask)
    if inside is None or whole is None or whole[1] != (node.op, node.inputs[1:]):
        return None
    filled = whole[0]
    known = isinstance(filled.op, Full) and has_value(filled.inputs[0], True)
    return inside if known else None


@slices.rule(Put, preserves="exact")
def put_of_put(node: Node) -> Node | None:
    """x[i].set(v)[i].set(w) -> x[i].set(w)"""
    inner, value, *indices = node.inputs
    if inner.op != node.op or list(inner.inputs[2:]) != indices:
        return None
    if inner.inputs[1].type != value.type:
        return None
    return intern(node.op, (inner.inputs[0], value, *indices), node.site)
