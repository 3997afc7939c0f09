"""Examples: softmax."""

from __future__ import annotations

import scipy.special

from symgraph import ops
from symgraph.op import Op
from symgraph.variable import apply

from ..cases import (
    Case,
    one,
    two,
)

EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    ops.Softmax: (
        one(
            ops.softmax,
            *((3, 4), (1, 1), (5, 70), (0, 3)),
            numpy=lambda x: scipy.special.softmax(x, -1),
        ),
        one(
            lambda x: ops.softmax(x, 0),
            *((3, 4), (40, 3)),
            numpy=lambda x: scipy.special.softmax(x, 0),
        ),
    ),
    ops.SoftmaxGrad: (
        two(
            lambda g, y: apply(ops.SoftmaxGrad(1), g, y),
            *(((3, 4), (3, 4)), ((1, 1), (1, 1))),
            numpy=lambda g, y: y * (g - (g * y).sum(1, keepdims=True)),
        ),
    ),
    ops.LogSoftmax: (
        one(
            ops.log_softmax,
            *((3, 4), (1, 1), (5, 70), (0, 3)),
            numpy=lambda x: scipy.special.log_softmax(x, -1),
        ),
    ),
    ops.LogSumExp: (
        one(
            lambda x: ops.logsumexp(x, 1),
            *((3, 4), (1, 1), (5, 70), (0, 3)),
            numpy=lambda x: scipy.special.logsumexp(x, 1),
        ),
        one(
            lambda x: ops.logsumexp(x, keepdims=True),
            *((3, 4), (1, 1)),
            numpy=lambda x: scipy.special.logsumexp(x, keepdims=True),
        ),
    ),
}
