"""A loop over a stack of arguments: one loop, each round over the whole stack.

All that is carried and kept gets a batch axis in front.  A loop that ends by a
condition goes on while it holds for any of the stack; what has ended keeps its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import ops
from ..composite import of_type, parameter
from ..errors import UnsupportedError, refuse
from ..graph import Node
from ..ops.broadcasting import repeated
from ..ops.common import Flags
from ..ops.view import move_axes
from ..types import tensor
from ..variable import Variable, apply
from ..vectorize import batch
from .parts import Parts, closed

if TYPE_CHECKING:
    from .loop import Loop


def batched_loop(loop: Loop, batched: Flags, xs: Sequence[Variable]) -> Variable:
    """`loop` over inputs of which some have a batch axis in front."""
    flags = loop.sorted(list(batched))  # type: ignore[arg-type]
    if flags.first:
        refuse(
            UnsupportedError,
            f"vectorize: {loop.label} has a number of rounds for each element of the "
            "batch",
            *xs[:1],
            remedy="run as many rounds for all, and choose with sg.where",
        )
    size = next(x for x, flag in zip(xs, batched, strict=True) if flag).shape[0]
    given = loop.sorted([x.node for x in xs])
    first = [
        x if flag else repeated(x, size)
        for x, flag in zip(map(Variable, given.carried), flags.carried, strict=True)
    ]
    rows = [
        move_axes(x, (1,), (0,)) if flag else x
        for x, flag in zip(map(Variable, given.rows), flags.rows, strict=True)
    ]
    core, wide = _parameters(loop, first, rows, given, flags)
    stacks = {
        c: Variable(w)
        for c, w in zip(core, wide, strict=True)
        if w.type.ndim > c.type.ndim
    }
    roots = [Variable(n) for n in loop.body.nodes(*core)]
    made = [
        w if w.ndim > v.ndim else repeated(w, size)
        for w, v in zip(batch(roots, stacks), roots, strict=True)
    ]
    batched_one = replace(loop, updated=0)
    if loop.conditional:
        batched_one = replace(batched_one, carries=loop.carries + 2, masked=True)
        wide, first, made = _masked(loop, wide, first, made)
    body, more = closed(wide, [v.node for v in made])
    inputs = [xs[0], *first, *rows, *map(Variable, given.rest), *more]
    return apply(replace(batched_one, body=body), *inputs)


def _masked(
    loop: Loop, wide: Parts, first: Sequence[Variable], made: Sequence[Variable]
) -> tuple[Parts, list[Variable], list[Variable]]:
    """The loop's parameters, first values and roots where each element ends by itself.

    In front of what is carried is whether any goes on, behind it each one's rounds.
    """
    going = Variable(wide.carried[0])
    on, rounds = of_type(tensor("bool", ())), of_type(tensor("int64", going.type.dims))

    def where(value: Variable, otherwise: Variable) -> Variable:
        axes = tuple(range(1, value.ndim))
        return ops.where(ops.expand_dims(going, axes), value, otherwise)

    after = ops.bitwise_and(going, made[0])
    nexts = [
        where(new, Variable(old))
        for new, old in zip(made[1 : loop.carries], wide.carried[1:], strict=True)
    ]
    kept = [where(k, ops.zeros_like(k)) for k in made[loop.carries :]]
    count = rounds + ops.cast(going, "int64")
    roots = [ops.any(after), after, *nexts, count, *kept]
    begun = ops.zeros_like(ops.cast(first[0], "int64"))
    parts = replace(wide, carried=(on.node, *wide.carried, rounds.node))
    return parts, [ops.any(first[0]), *first, begun], roots


def _parameters(
    loop: Loop,
    first: Sequence[Variable],
    rows: Sequence[Variable],
    given: Parts,
    flags: Parts,
) -> tuple[Parts, Parts]:
    """Parameters of the body, and those of the batched one."""

    def core(node: Node) -> Node:
        return of_type(tensor(node.type.dtype, node.type.dims[1:])).node

    wide_carried = [parameter(v).node for v in first]
    wide_rows = [of_type(tensor(v.dtype, v.type.dims[1:])).node for v in rows]
    wide_rest = [parameter(Variable(n)).node for n in given.rest]
    t = of_type(tensor("int64", ())).node

    def cores(wide: Sequence[Node], batched: Sequence[Any]) -> tuple[Node, ...]:
        return tuple(core(w) if f else w for w, f in zip(wide, batched, strict=True))

    return (
        Parts(
            t,
            tuple(core(w) for w in wide_carried),
            cores(wide_rows, flags.rows),
            cores(wide_rest, flags.rest),
        ),
        Parts(t, tuple(wide_carried), tuple(wide_rows), tuple(wide_rest)),
    )


__all__ = ["batched_loop"]
