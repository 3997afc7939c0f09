"""Examples: joining and making."""

from __future__ import annotations

import numpy as np

from symgraph import ops
from symgraph.op import Op
from symgraph.types import COMPLEX

from ..cases import (
    ALL,
    NUMBERS,
    Case,
    Operand,
    one,
    two,
)

EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    ops.Concatenate: (
        two(
            lambda a, b: ops.concatenate([a, b, a]),
            *(((2, 3), (4, 3)), ((0, 3), (1, 3)), ((1, 0), (2, 0))),
            numpy=lambda a, b: np.concatenate([a, b, a]),
            dtypes=(*ALL, *COMPLEX),
        ),
        two(
            lambda a, b: ops.concatenate([a, b], -1),
            *(((2, 3), (2, 1)), ((0, 3), (0, 2))),
            numpy=lambda a, b: np.concatenate([a, b], -1),
        ),
        two(
            lambda a, b: ops.stack([a, b], 1),
            *(((2, 3), (2, 3)), ((2,), (2,))),
            numpy=lambda a, b: np.stack([a, b], 1),
        ),
    ),
    ops.Full: (
        one(
            lambda x: ops.full((2, 3), x),
            (),
            numpy=lambda x: np.full((2, 3), x),
            dtypes=(*ALL, *COMPLEX),
        ),
        one(
            lambda x: ops.full_like(x, 2),
            *((2, 3), (0, 3), (1, 1)),
            numpy=lambda x: np.full_like(x, 2),
            dtypes=NUMBERS,
            smooth=False,
        ),
    ),
    ops.Arange: (
        one(
            lambda n: ops.arange(n),
            (),
            numpy=np.arange,
            dtypes=("int32", "int64"),
            operand=Operand(-2, 9),
            smooth=False,
        ),
        one(
            lambda n: ops.arange(2, n, 3) + ops.arange(n, 2, -3)[:1].sum(),
            (),
            numpy=lambda n: np.arange(2, n, 3) + np.arange(n, 2, -3)[:1].sum(),
            dtypes=("int64",),
            operand=Operand(-2, 9),
            smooth=False,
        ),
        one(
            lambda x: (
                x[: ops.arange(0.1, 1.0, 0.1).shape[0]] * ops.arange(0.1, 1.0, 0.1)
            ),
            (9,),
            numpy=lambda x: x * np.arange(0.1, 1.0, 0.1),
            dtypes=("float64",),
        ),
    ),
    ops.CommonSize: (
        two(
            ops.common_size,
            *(((), ()),) * 4,
            numpy=lambda a, b: np.where(a == 1, b, a)[()],
            dtypes=("int64",),
            second=Operand(0, 2),
        ),
    ),
    ops.Shape: (
        one(
            lambda x: ops.shape_of(x, 1),
            *((2, 3), (0, 0)),
            numpy=lambda x: np.int64(x.shape[1]),
            dtypes=(*ALL, *COMPLEX),
            smooth=False,
        ),
        one(lambda x: x / x.size, (2, 3), dtypes=("float64",)),
    ),
}
