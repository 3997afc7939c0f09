"""What a node reads and where, found by running its `element` on placeholders."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator

from ..codegen import ir
from ..errors import UnsupportedError, refuse
from ..graph import Node, describe_node
from ..op import Elemwise, Expanded, Index, Indexed, Opaque, Reduce, Same
from .at import At, Context


def data_inputs(node: Node) -> tuple[Node, ...]:
    """The inputs of `node` whose elements are read; sizes are not among them."""
    if isinstance(node.op, Elemwise | Reduce) or not node.inputs:
        return node.inputs
    if isinstance(node.op, Opaque):
        return node.op.data(*node.inputs)
    context = Context(ir.Builder(), lambda _: "size", operator.eq, lambda *_: None)
    reads = reads_of(node, _identity(node), context)
    return tuple(source for source, _ in reversed(reads))


def reads_through(
    node: Node, inlined: Callable[[Node], bool], same: Same
) -> Iterator[tuple[Node, Index]]:
    """Each node that `node` reads, `inlined` nodes seen through, with its index.

    Indices are over axes ``d0, d1, ...``, one for each dimension of `node` (of a
    reduction's or opaque op's operand).  Sizes and data are other names.
    """
    context = Context(ir.Builder(), lambda _: "size", same, lambda *_: None)
    if isinstance(node.op, Indexed):
        stack = reads_of(node, _identity(node), context)
    else:
        stack = [(i, _identity(i)) for i in data_inputs(node)]
    while stack:
        source, index = stack.pop()
        if inlined(source):
            stack.extend(reads_of(source, index, context))
        else:
            yield source, index


def _identity(node: Node) -> Index:
    return tuple(ir.axis(f"d{k}") for k in range(node.type.ndim))


def reads_of(node: Node, index: Index, context: Context) -> list[tuple[Node, Index]]:
    """The direct reads of one element of `node`, last first.

    Raises:
        UnsupportedError: `node` is a named formula that no pass has written out.
    """
    if isinstance(node.op, Expanded):
        refuse(
            UnsupportedError,
            f"{node.op.name} cannot be lowered before it is written out in other ops",
            *(describe_node(i) for i in node.inputs),
            site=node.site,
            remedy="have the pass 'expand' in the pipeline",
        )
    assert isinstance(node.op, Indexed) and not isinstance(node.op, Reduce)
    at = At(node, index, context)
    normal = At(node, at.normal(node.type.dims, index), context)
    element = node.op.element(normal)
    found: list[tuple[Node, Index]] = []
    try:
        request = next(element)
        while True:
            source = node.inputs[request.input]
            found.append((source, request.index))
            name = context.builder.fresh()
            request = element.send(ir.Value(context.builder, name, source.type.dtype))
    except StopIteration:
        found.reverse()
        return found
