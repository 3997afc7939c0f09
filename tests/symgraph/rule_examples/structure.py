"""Examples: shapes, views and layouts."""

from __future__ import annotations

from symgraph import ops
from symgraph.ops.broadcasting import Sum, SumTo
from symgraph.ops.contract import Contract
from symgraph.ops.sizes import size_variable
from symgraph.ops.slices import Slice, SliceEmbed
from symgraph.ops.view import Reshape, Transpose

from .common import AB, Example, P, a, b, c, cube, make, row, u, x, z

EXAMPLES: dict[str, Example] = {
    # structure
    "useless_transpose": Example(lambda: make(Transpose((0, 1)), x), lambda: x.T),
    "transpose_of_transpose": Example(
        lambda: cube.transpose(1, 0, 2).transpose(2, 0, 1), lambda: (cube.T + 1).T
    ),
    "transposed_operand": Example(
        lambda: make(Contract((1, 0), (1, 2), (0, 2)), a.T.T.transpose(1, 0), b),
        lambda: AB,
    ),
    "transposed_result": Example(lambda: AB.T, lambda: ops.matmul(AB, AB.T)),
    "empty_reduction": Example(lambda: make(Sum(()), x), lambda: ops.sum(x, 0)),
    "useless_broadcast": Example(
        lambda: make(
            ops.broadcast_to(row, x.shape).op,
            x,
            *(size_variable(d, "") for d in x.shape),
        ),
        lambda: ops.broadcast_to(row, x.shape),
    ),
    "broadcast_of_transpose": Example(
        lambda: ops.broadcast_to(row.T, (4, 3)),
        lambda: ops.broadcast_to(row.T, (2, 4, 3)),
    ),
    "broadcast_operand": Example(
        lambda: x * ops.broadcast_to(row, x.shape),
        lambda: row * ops.broadcast_to(row, x.shape),
    ),
    "known_sum_to": Example(lambda: make(SumTo(), x, x), lambda: make(SumTo(), x, u)),
    "useless_reshape": Example(
        lambda: make(Reshape(), z, c(3, "int64"), c(4, "int64")),
        lambda: z.reshape(4, 3),
    ),
    "reshape_of_reshape": Example(
        lambda: z.reshape(12).reshape(6, 2),
        lambda: x.reshape(-1).reshape(x.shape[0] * 2, 2),
    ),
    "useless_slice": Example(
        lambda: make(Slice(0, 1, False, False), x),
        lambda: make(Slice(0, -1, False, False), x),
    ),
    "useless_slice_embed": Example(
        lambda: make(SliceEmbed(0, 1, False, False), z, c(3, "int64")),
        lambda: make(SliceEmbed(0, -1, False, False), z, c(3, "int64")),
    ),
    "softmax_beside_log": Example(
        lambda: ops.log_softmax(x, 1) * P, lambda: ops.log_softmax(x, 0) * P
    ),
    "known_size": Example(
        lambda: make(type(x.shape[0].op)(1), x), lambda: make(type(x.shape[0].op)(0), x)
    ),
    "size_of_operand": Example(lambda: (x * 2).shape[0] + 1, lambda: x.shape[0] + 1),
}
