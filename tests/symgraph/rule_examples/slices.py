"""Examples: slices."""

from __future__ import annotations

from symgraph import ops
from symgraph.declare import tensor
from symgraph.ops.slices import Pick, Slice, SliceEmbed
from symgraph.variable import Variable

from .common import AB, Example, a, c, cube, k, make, s, v, x, y, z

GATHERED = tensor("places", "int64", (2,))


def embedded(first: int) -> Variable:
    """z in rows of zeros from row 0 on, and three rows of that."""
    part = make(SliceEmbed(0, 1, True, True), z, *(c(n, "int64") for n in (5, 0, 3)))
    ends = (c(n, "int64") for n in (first, first + 3))
    return make(Slice(0, 1, True, True), part, *ends)


JOIN = ops.concatenate([a, a * 2])

EXAMPLES: dict[str, Example] = {
    "slice_of_slice": Example(lambda: a[:, 1:5][:, ::-2], lambda: a[1:][:, 1:]),
    "slice_of_full": Example(
        lambda: ops.full((5, 4), s)[1:3], lambda: ops.full((k, 4), s)[1:3]
    ),
    "slice_of_elementwise": Example(
        lambda: (x * y + s)[1:], lambda: (x * y)[1:] * ops.sum(x * y)
    ),
    "slice_of_reduction": Example(
        lambda: ops.sum(cube, 1)[:, 1:3],
        lambda: ops.sum(cube, 1, keepdims=True)[:, ::-1],
    ),
    "pick_of_reduction": Example(
        lambda: ops.max(cube, 1)[1], lambda: ops.max(cube, 1, keepdims=True)[1]
    ),
    "slice_of_product": Example(
        lambda: AB[1:], lambda: ops.matmul(cube, cube.transpose(0, 2, 1))[1:]
    ),
    "pick_of_join": Example(
        lambda: JOIN[-2], lambda: make(Pick(1), JOIN, c(1, "int64"))
    ),
    "slice_of_join": Example(lambda: JOIN[4:6], lambda: JOIN[2:4]),
    "pick_of_new_axis": Example(
        lambda: ops.expand_dims(x, 1)[:, 0], lambda: ops.expand_dims(x, 1)[0]
    ),
    "slice_of_embedded": Example(lambda: embedded(0), lambda: embedded(1)),
    "read_of_written": Example(lambda: a[:2].set(s)[:2], lambda: a[:2].set(s)[1:]),
    "put_of_put": Example(
        lambda: v[GATHERED].set(1.0)[GATHERED].set(2.0),
        lambda: v[GATHERED].set(1.0)[GATHERED + 1].set(2.0),
    ),
}
