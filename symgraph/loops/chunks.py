"""Loops whose gradient keeps little: rounds in chunks, of which the first states stay.

The loop becomes one over chunks of rounds, each a loop of its own, and one over what is
left.  The gradient keeps what is carried into each chunk, and computes a chunk's rounds
again, keeping what it needs of them, when it comes to it.  With chunks of about the
square root of n rounds, memory grows as that root (Griewank and Walther, "Algorithm
799: revolve", 2000, on the trade of memory for a second computation).  Chunks may be
loops in chunks in their turn: with as many rounds as the cube root of n in the smaller
ones and its square in the larger ones memory grows as that root, for a third
computation, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .. import ops
from ..composite import of_type
from ..graph import Node, rebuild
from ..ops.sizes import dim_of
from ..types import tensor
from ..variable import Variable, apply, as_tensor
from .loop import Loop
from .parts import Parts, closed, results


@dataclass(frozen=True, slots=True)
class Chunks:
    """How a loop is cut.

    Attributes:
        sizes: the rounds of a chunk, of a chunk of it, and so on.
        some: 1, or 0 where all rounds are left outside the chunks.
    """

    sizes: tuple[int | Variable, ...] = ()
    some: int | Variable = 1

    @property
    def smaller(self) -> Chunks:
        """How each chunk is cut."""
        return Chunks(self.sizes[1:])


def in_chunks(
    loop: Loop, inputs: Sequence[Variable], cut: Chunks
) -> tuple[Variable, ...]:
    """The results of `loop`, run in chunks."""
    if not cut.sizes:
        return results(apply(loop, *inputs).node)
    given = loop.sorted([v.node for v in inputs])
    count, every = Variable(given.first), cut.sizes[0]
    chunks = count // every * cut.some
    left = count - chunks * every
    rows = [Variable(r) for r in given.rows]
    head = [_part(r, chunks * every, left, loop.backwards) for r in rows]
    tail = [_part(r, left, chunks * every, not loop.backwards) for r in rows]
    shaped = [ops.reshape(r, (chunks, every, *r.shape[1:])) for r in head]
    first = _chunked(loop, given, chunks, shaped, cut)
    if dim_of(left) == 0:
        flat = [_flat(s, chunks * every) for s in first[loop.carries : -1]]
        return (*first[: loop.carries], *flat, ops.maximum(count, 0))
    last, stacks = first[: loop.carries], first[loop.carries : -1]
    rest = [Variable(r) for r in given.rest]
    made, begun = _shifted(loop, left, last, tail, rest, chunks * every)
    second = in_chunks(made, begun, cut.smaller)
    joined = []
    for one, other in zip(stacks, second[loop.carries : -1], strict=True):
        whole = _flat(one, chunks * every)
        pair = (other, whole) if loop.backwards else (whole, other)
        joined.append(ops.concatenate(pair))
    return (*second[: loop.carries], *joined, ops.maximum(count, 0))


def _flat(stack: Variable, count: Variable) -> Variable:
    """A stack of chunks' stacks as one of `count` rows."""
    return ops.reshape(stack, (count, *stack.shape[2:]))


def _part(row: Variable, mine: Variable, other: Variable, behind: bool) -> Variable:
    """The first `mine` rows, or those behind the first `other` ones."""
    return row[other : other + mine] if behind else row[:mine]


def _chunked(
    loop: Loop,
    given: Parts,
    chunks: Variable,
    rows: Sequence[Variable],
    cut: Chunks,
) -> tuple[Variable, ...]:
    """The loop over chunks."""
    every = as_tensor(cut.sizes[0])

    def fresh(dtype: str, shape: tuple[object, ...]) -> Variable:
        return of_type(tensor(dtype, shape))  # type: ignore[arg-type]

    t = fresh("int64", ())
    carried = [fresh(c.type.dtype, c.type.dims) for c in given.carried]
    own = [fresh(r.dtype, r.type.dims[1:]) for r in rows]
    rest = [Variable(r) for r in given.rest]
    inner, begun = _shifted(loop, every, carried, own, rest, t * every)
    made = in_chunks(inner, begun, cut.smaller)
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
) -> tuple[Loop, list[Variable]]:
    """The loop as one of `count` rounds that begin at number `by`, and its inputs."""
    inputs = [count, *carried, *rows, *rest]
    parts, roots = loop.opened([v.node for v in inputs])
    moved = rebuild(roots, {parts.first: (Variable(parts.first) + by).node})
    outer: dict[Node, Node] = {
        p: v.node for p, v in zip(parts.rest, rest, strict=True) if p is not v.node
    }
    body, more = closed(replace(parts, rest=()), rebuild(moved, outer))
    return replace(loop, body=body), [count, *carried, *rows, *more]


__all__ = ["Chunks", "in_chunks"]
