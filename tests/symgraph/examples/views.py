"""Examples: views."""

from __future__ import annotations

import numpy as np

from symgraph import ops
from symgraph.op import Op
from symgraph.types import COMPLEX, FLOATS
from symgraph.variable import apply

from ..cases import (
    ALL,
    ANY,
    NUMBERS,
    Case,
    one,
    two,
)

EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    ops.Transpose: (
        one(
            ops.transpose,
            (3, 4),
            (1, 5),
            (0, 2),
            numpy=np.transpose,
            dtypes=(*ALL, *COMPLEX),
        ),
        one(
            lambda x: ops.transpose(x, (1, 2, 0)),
            *((2, 3, 4), (1, 0, 2)),
            numpy=lambda x: np.transpose(x, (1, 2, 0)),
        ),
        one(
            ops.matrix_transpose,
            (2, 3, 4),
            numpy=np.matrix_transpose,
        ),
    ),
    ops.ExpandDims: (
        one(
            lambda x: ops.expand_dims(x, (0, -1)),
            *((3, 4), (0, 2), (1, 1)),
            numpy=lambda x: np.expand_dims(x, (0, -1)),
            dtypes=(*ALL, *COMPLEX),
        ),
        one(lambda x: x[None], (), (3,), dtypes=FLOATS),
    ),
    ops.Squeeze: (
        one(
            lambda x: ops.squeeze(x, (0, -1)),
            *((1, 4, 1), (1, 0, 1)),
            numpy=lambda x: np.squeeze(x, (0, -1)),
            dtypes=(*ALL, *COMPLEX),
        ),
    ),
    ops.BroadcastTo: (
        one(
            lambda x: ops.broadcast_to(x, (2, *x.shape)),
            *((3, 4), (0, 2), (1, 1)),
            numpy=lambda x: np.broadcast_to(x, (2, *x.shape)),
            dtypes=(*ALL, *COMPLEX),
        ),
        Case(
            lambda x: ops.broadcast_to(x, (3, 5)),
            lambda x: np.broadcast_to(x, (3, 5)),
            (ANY,),
            (((3, 1),), ((1, 1),), ((),)),
            static=True,
        ),
    ),
    ops.Barrier: (
        two(
            lambda x, after: apply(ops.Barrier(), x * 2, after) + after,
            *(((3, 4), ()), ((0, 2), ()), ((1, 1), ())),
            numpy=lambda x, after: x * 2 + after,
            dtypes=NUMBERS,
        ),
        one(
            lambda x: apply(ops.Barrier(), x, x[0]),
            *((3,), (1,)),
            numpy=np.positive,
            dtypes=NUMBERS,
        ),
    ),
    ops.Reshape: (
        one(
            lambda x: x.reshape(-1), (3, 4), (0, 2), (1, 1), (), dtypes=(*ALL, *COMPLEX)
        ),
        one(lambda x: x.reshape((2, -1)), (4, 3), (2, 5), (0, 2)),
        one(lambda x: x.reshape((x.shape[1], x.shape[0])), (4, 3), (0, 2), (1, 1)),
        one(lambda x: x.reshape((x.shape[0], -1)), (4, 3, 2), (1, 1, 1)),
    ),
}
