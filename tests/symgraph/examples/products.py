"""Examples: products."""

from __future__ import annotations

import numpy as np

from symgraph import ops
from symgraph.op import Op
from symgraph.types import COMPLEX

from ..cases import (
    ALL,
    Case,
    two,
)

EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    ops.Contract: (
        two(
            lambda a, b: a @ b,
            *(((3, 4), (4, 5)), ((1, 1), (1, 1)), ((0, 2), (2, 3)), ((2, 0), (0, 3))),
            dtypes=(*ALL, *COMPLEX),
        ),
        two(lambda a, b: a @ b, ((40, 70), (70, 50)), ((4,), (4,)), ((0,), (0,))),
        two(lambda a, b: a @ b, ((3, 4), (4,)), ((4,), (4, 3))),
        two(lambda a, b: a @ b, ((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (4, 2))),
        two(lambda a, b: a @ b, ((4,), (2, 4, 3)), ((5, 2, 3, 4), (2, 4, 3))),
        two(lambda a, b: a @ b, ((1, 3, 4), (2, 4, 5)), static=True),
        two(
            lambda a, b: a @ b,
            *(((1, 3, 4), (2, 4, 5)), ((2, 3, 4), (1, 4, 5)), ((0, 2, 2), (1, 2, 2))),
        ),
        two(
            lambda a, b: a @ ops.matrix_transpose(b),
            ((2, 3, 4), (1, 5, 4)),
            numpy=lambda a, b: a @ b.swapaxes(1, 2),
        ),
        two(lambda a, b: a.T @ b.T, ((4, 3), (5, 4)), ((1, 1), (1, 1))),
        two(
            ops.dot,
            *(((3, 4), (4, 5)), ((2, 3, 4), (5, 4, 2)), ((2, 3), (3,))),
            numpy=np.dot,
        ),
        two(
            lambda a, b: ops.tensordot(a, b, ((1, 0), (0, 2))),
            ((2, 3, 4), (3, 5, 2)),
            numpy=lambda a, b: np.tensordot(a, b, ((1, 0), (0, 2))),
        ),
        two(ops.tensordot, ((2, 3, 4), (3, 4, 5)), numpy=np.tensordot),
    ),
}
