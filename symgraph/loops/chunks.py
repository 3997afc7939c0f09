"""Loops whose gradient keeps little: rounds in chunks, of which the first states stay.

The loop becomes one over chunks of rounds, each a loop of its own, and one over what is
left.  The gradient keeps what is carried into each chunk, and computes a chunk's rounds
again, keeping what it needs of them, when it comes to it.  With chunks of about the
square root of n rounds, memory grows as that root (Griewank and Walther, "Algorithm
799: revolve", 2000, on the trade of memory for a second computation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .. import ops
from ..composite import of_type
from ..graph import Node, rebuild
from ..types import tensor
from ..variable import Variable, apply, constant
from .loop import Loop
from .parts import Parts, closed, results


def in_chunks(
    loop: Loop, inputs: Sequence[Variable], every: int
) -> tuple[Variable, ...]:
    """The results of `loop`, run in chunks of `every` rounds."""
    given = loop.sorted([v.node for v in inputs])
    count = Variable(given.first)
    chunks = count // every
    left = count - chunks * every
    rows = [Variable(r) for r in given.rows]
    head = [_part(r, chunks * every, left, loop.backwards) for r in rows]
    tail = [_part(r, left, chunks * every, not loop.backwards) for r in rows]
    shaped = [ops.reshape(r, (chunks, every, *r.shape[1:])) for r in head]
    first = _chunked(loop, given, chunks, shaped, every)
    last, stacks = first[: loop.carries], first[loop.carries : -1]
    rest = [Variable(r) for r in given.rest]
    second = _shifted(loop, left, last, tail, rest, chunks * every)
    joined = []
    for one, other in zip(stacks, second[loop.carries : -1], strict=True):
        flat = ops.reshape(one, (chunks * every, *one.shape[2:]))
        pair = (other, flat) if loop.backwards else (flat, other)
        joined.append(ops.concatenate(pair))
    return (*second[: loop.carries], *joined, ops.maximum(count, 0))


def _part(row: Variable, mine: Variable, other: Variable, behind: bool) -> Variable:
    """The first `mine` rows, or those behind the first `other` ones."""
    return row[other : other + mine] if behind else row[:mine]


def _chunked(
    loop: Loop,
    given: Parts,
    chunks: Variable,
    rows: Sequence[Variable],
    every: int,
) -> tuple[Variable, ...]:
    """The loop over chunks."""

    def fresh(dtype: str, shape: tuple[object, ...]) -> Variable:
        return of_type(tensor(dtype, shape))  # type: ignore[arg-type]

    t = fresh("int64", ())
    carried = [fresh(c.type.dtype, c.type.dims) for c in given.carried]
    own = [fresh(r.dtype, r.type.dims[1:]) for r in rows]
    rest = [Variable(r) for r in given.rest]
    made = _shifted(loop, constant(every, "int64"), carried, own, rest, t * every)
    parts = Parts(
        t.node, tuple(v.node for v in carried), tuple(v.node for v in own), ()
    )
    body, more = closed(parts, [v.node for v in made[:-1]])
    outer = replace(
        loop,
        body=body,
        sequences=len(own),
        remember=False,
        label=f"{loop.label} in chunks",
    )
    first = [Variable(c) for c in given.carried]
    return results(apply(outer, chunks, *first, *rows, *more).node)


def _shifted(
    loop: Loop,
    count: Variable,
    carried: Sequence[Variable],
    rows: Sequence[Variable],
    rest: Sequence[Variable],
    by: Variable,
) -> tuple[Variable, ...]:
    """The results of `count` rounds of the loop that begin at number `by`."""
    inputs = [count, *carried, *rows, *rest]
    parts, roots = loop.opened([v.node for v in inputs])
    moved = rebuild(roots, {parts.first: (Variable(parts.first) + by).node})
    outer: dict[Node, Node] = {
        p: v.node for p, v in zip(parts.rest, rest, strict=True) if p is not v.node
    }
    body, more = closed(replace(parts, rest=()), rebuild(moved, outer))
    made = replace(loop, body=body)
    return results(apply(made, count, *carried, *rows, *more).node)


__all__ = ["in_chunks"]
