"""Loops in a Program: a `Repeat` around the steps of the loop's body.

The body is partitioned and lowered as a graph of its own, whose parameters are arrays:
temporaries for what is carried, rows of the sequences and of the stacks.  A carried
value and its successor exchange their memory after each round; where the successor *is*
another carried value, that one's memory is handed on, without a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .. import dims
from ..codegen import ir
from ..codegen.program import Array, End, Repeat, Row
from ..dims import Size
from ..errors import UnsupportedError, refuse
from ..graph import Node, describe_node
from ..op import Index
from ..ops.view import Reshape
from ..types import is_complex
from .at import Context
from .fuse import Partition
from .kernel import KernelBuilder
from .trace import reads_of

if TYPE_CHECKING:
    from .program import Emitter


@dataclass(frozen=True, slots=True)
class Carried:
    """A carried value: its parameter, the first value, the next one, the last one."""

    parameter: Node
    first: Node
    next: Node
    last: Node | None


@dataclass(frozen=True, slots=True)
class Source:
    """A parameter and what it stands for, or is a row of."""

    parameter: Node
    of: Node


@dataclass(frozen=True, slots=True)
class Rounds:
    """A loop to lower; what is not used after it is None, or is not there.

    `kept` pairs outputs of the body with the stacks that they are rows of; `count` is
    how many rounds there were.
    """

    node: Node
    extent: Size
    backwards: bool
    conditional: bool
    counter: Node
    carried: tuple[Carried, ...]
    rows: tuple[Source, ...]
    rest: tuple[Source, ...]
    kept: tuple[tuple[Node, Node], ...]
    count: Node | None


def lower_rounds(emit: Emitter, loop: Rounds) -> None:
    """Append the steps of a loop."""
    refuse_complex(loop.node, _operands(loop))
    loop, alike = _settled(emit, loop)
    for _, stack in loop.kept:
        emit.array(stack)
        if loop.conditional:
            _clear(emit, stack)
    counter = emit.temporary(loop.counter)
    for carried in loop.carried:
        emit.temporary(carried.parameter)
        emit.assign(carried.parameter, carried.first)
    for source in loop.rest:
        emit.also(source.parameter, emit.in_memory(source.of))
    for source in loop.rows:
        _declare_row(emit, loop, source.parameter, *_rows_of(emit, source.of))
    going = emit.array(loop.carried[0].parameter) if loop.conditional else None
    extent = emit.extent(loop.extent)
    handed, computed = _nexts(loop)
    outer = emit.partition
    with emit.scope():
        roots = emit.distinct([c.next for c in computed] + [k for k, _ in loop.kept])
        moves = [(emit.array(a), emit.array(b)) for a, b in handed]
        for carried, node in zip(computed, roots, strict=False):
            moves.append((emit.array(carried.parameter), emit.temporary(node)))
        for node, (_, stack) in zip(roots[len(computed) :], loop.kept, strict=True):
            _declare_row(emit, loop, node, emit.array(stack), ir.Affine(), 1)
        emit.steps.append(Repeat(counter, extent, going, tuple(moves)))
        emit.partition = Partition(roots, emit.classes)
        for group in emit.partition.groups:
            emit.lower_unit(group)
        emit.steps.append(End())
    emit.partition = outer
    for last, parameter in (
        *((c.last, c.parameter) for c in loop.carried),
        (loop.count, loop.counter),
    ):
        if last is not None:
            emit.give(last, parameter)
    for stack, same in alike:
        emit.give(stack, same)


def _settled(emit: Emitter, loop: Rounds) -> tuple[Rounds, list[tuple[Node, Node]]]:
    """The loop with its outputs in the form that is lowered; stacks that are others.

    What only which sizes are equal shows to be one value is stacked once.
    """
    nexts = [c.next for c in loop.carried]
    roots = emit.settled([*nexts, *(root for root, _ in loop.kept)])
    carried = tuple(
        replace(c, next=root) for c, root in zip(loop.carried, roots, strict=False)
    )
    first: dict[Node, Node] = {}
    kept, alike = [], []
    for root, (_, stack) in zip(roots[len(nexts) :], loop.kept, strict=True):
        if first.setdefault(root, stack) is stack or emit.is_result(stack):
            kept.append((root, stack))
        else:
            alike.append((stack, first[root]))
    return replace(loop, carried=carried, kept=tuple(kept)), alike


def _nexts(loop: Rounds) -> tuple[list[tuple[Node, Node]], list[Carried]]:
    """Which carried value takes over another's memory; which ones are computed.

    One that never changes is neither.
    """
    changed = {c.parameter for c in loop.carried if c.next is not c.parameter}
    handed: dict[Node, Node] = {}
    computed = []
    for carried in loop.carried:
        if carried.parameter not in changed:
            continue
        if carried.next in changed and carried.next not in handed.values():
            handed[carried.parameter] = carried.next
        else:
            computed.append(carried)
    return list(handed.items()), computed


def _declare_row(
    emit: Emitter,
    loop: Rounds,
    node: Node,
    target: str,
    start: ir.Affine,
    stride: Size,
) -> None:
    """Declare that `node` is row number start + stride * k of `target`.

    k counts the rows in the order of the array, whichever way the loop runs.
    """
    if loop.backwards:
        end = emit.extent(dims.mul(dims.sub(loop.extent, 1), stride))
        start += ir.Affine((), end) if isinstance(end, int) else ir.axis(end)
        stride = dims.scale(stride, -1)
    row = Row(emit.array(loop.counter), emit.sizes.total(start), emit.extent(stride))
    name, shape = f"r{len(emit.arrays)}", emit.extents(node)
    array = Array(name, node.type.dtype, shape, "row", None, target, row=row)
    emit.declare(node, array)


def _rows_of(emit: Emitter, node: Node) -> tuple[str, ir.Affine, Size]:
    """The array whose rows are those of `node`: row k is number start + stride * k.

    A slice along the first axis, or what is built of such, needs no array of its own,
    and neither do chunks of rows, ``x.reshape(n, k, ...)``: then row k is several rows.
    """
    node, chunk = unchunked(node)
    named: set[str] = set()

    def extent(size: Size) -> ir.Extent:
        found = emit.extent(size)
        named.update({found} if isinstance(found, str) else ())
        return found

    context = Context(ir.Builder(), extent, emit.classes.same, lambda *_: None)
    index: Index = tuple(ir.axis(f"d{k}") for k in range(node.type.ndim))
    source = node
    while emit.partition.inlined(source):
        reads = reads_of(source, index, context)
        if len(reads) != 1:
            return emit.in_memory(node), ir.Affine(), chunk
        ((source, index),) = reads
    if not index:
        return emit.in_memory(node), ir.Affine(), chunk
    first, others = index[0], index[1:]
    stride = first.coefficient("d0")
    start = first + ir.axis("d0") * -stride
    whole = others == tuple(ir.axis(f"d{k}") for k in range(1, node.type.ndim))
    known = {name for name, _ in start.terms} <= named
    if not whole or not known or (chunk != 1 and stride != 1):
        return emit.in_memory(node), ir.Affine(), chunk
    return emit.array(source), start, dims.scale(chunk, stride)


def unchunked(node: Node) -> tuple[Node, Size]:
    """What ``node = x.reshape(n, k, ...)`` has k rows each of; else `node` itself."""
    if not isinstance(node.op, Reshape) or node.type.ndim < 2:
        return node, 1
    x, (_, every, *rest) = node.inputs[0], node.type.dims
    same = x.type.ndim == node.type.ndim - 1 and x.type.dims[1:] == tuple(rest)
    return (x, every) if same and every != 0 else (node, 1)


def _clear(emit: Emitter, stack: Node) -> None:
    """Append a kernel that fills a stack with zeros."""

    def body(kernel: KernelBuilder, index: Index) -> None:
        kernel.store(stack, index, ir.const(0, stack.type.dtype))

    emit.loop(stack, stack.type.dims, body)


def _operands(loop: Rounds) -> list[Node]:
    """All that goes into the body, and what is kept."""
    nodes = [s.parameter for s in (*loop.rows, *loop.rest)]
    return nodes + [c.parameter for c in loop.carried] + [k for k, _ in loop.kept]


def refuse_complex(user: Node, nodes: Sequence[Node]) -> None:
    """Refuse `user`, a loop or a choice, where one of `nodes` is complex."""
    for node in nodes:
        if is_complex(node.type.dtype):
            refuse(
                UnsupportedError,
                f"{user.op.name}: complex values in it have no native form",
                describe_node(node),
                site=user.site,
                remedy="take real and imaginary parts apart, or use mode='interpret'",
            )
