"""Examples: fills, broadcasts and transposes behind elementwise ops."""

from __future__ import annotations

from symgraph import ops
from symgraph.ops.view import ExpandDims, Reshape, Squeeze

from .common import Example, c, column, cube, k, make, row, s, u, v, x, y, z

WIDE, TALL = ops.broadcast_to(row, (3, 4)), ops.broadcast_to(row * 2, (3, 4))
ONES = make(ExpandDims((0, 1)), v)

EXAMPLES: dict[str, Example] = {
    "elementwise_of_full": Example(
        lambda: ops.full((k, 3), s) * ops.full((k, 3), c(2.0)),
        lambda: ops.full((k, 3), s) * ops.full((3, 3), c(2.0)),
    ),
    "elementwise_of_broadcast": Example(
        lambda: WIDE * TALL + s * WIDE,
        lambda: WIDE * ops.broadcast_to(v.reshape(3, 1), (3, 4)),
    ),
    "elementwise_of_transposes": Example(
        lambda: x.T * y.T * s, lambda: x.T * u.reshape(4, -1)
    ),
    "squeeze_twice": Example(
        lambda: make(Squeeze((0,)), make(Squeeze((0,)), ONES)),
        lambda: ops.squeeze(ops.sum(cube, 0, keepdims=True), 0),
    ),
    "reshape_of_new_axes": Example(
        lambda: ops.reshape(ops.expand_dims(z, 1), (4, 3)),
        lambda: ops.reshape(z, (4, 3)),
    ),
    "reshape_of_squeeze": Example(
        lambda: make(Reshape(), ops.squeeze(row, 0), c(2, "int64"), c(2, "int64")),
        lambda: ops.reshape(ops.squeeze(column[:k], 0), (1, 1)),
    ),
}
