"""Examples: reductions."""

from __future__ import annotations

import numpy as np

from symgraph import ops
from symgraph.op import Array, Op
from symgraph.types import COMPLEX
from symgraph.variable import apply

from ..cases import (
    ALL,
    ANY,
    FIELD,
    Case,
    one,
    reductions,
)


def argmax_with_keepdims(x: Array) -> Array:
    return np.argmax(x, axis=0, keepdims=True)


def products_of_others(x: Array) -> Array:
    result = np.empty_like(x)
    for k in range(x.shape[1]):
        result[:, k] = np.prod(np.delete(x, k, axis=1), axis=1)
    return result


EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    ops.Sum: reductions(ops.sum, np.sum, (*ALL, *COMPLEX))
    + reductions(ops.mean, np.mean, FIELD, empty=False),
    ops.Prod: reductions(ops.prod, np.prod, ALL),
    ops.Max: reductions(ops.max, np.max, ALL, empty=False),
    ops.Min: reductions(ops.min, np.min, ALL, empty=False),
    ops.Any: reductions(ops.any, np.any, (*ALL, *COMPLEX), smooth=False),
    ops.All: reductions(ops.all, np.all, (*ALL, *COMPLEX), smooth=False),
    ops.ArgMax: (
        one(
            lambda x: ops.argmax(x, 1),
            *((3, 4), (1, 1), (5, 70), (0, 3)),
            numpy=lambda x: np.argmax(x, 1),
            dtypes=ALL,
            smooth=False,
        ),
        one(
            ops.argmax,
            *((3, 4), (1, 1)),
            numpy=np.argmax,
            dtypes=("int32", "float64"),
            smooth=False,
        ),
        one(
            lambda x: ops.argmax(x, 0, keepdims=True),
            *((3, 4), (3, 0)),
            numpy=argmax_with_keepdims,
            smooth=False,
        ),
    ),
    ops.ArgMin: (
        one(
            lambda x: ops.argmin(x, 1),
            *((3, 4), (1, 1), (5, 70), (0, 3)),
            numpy=lambda x: np.argmin(x, 1),
            dtypes=ALL,
            smooth=False,
        ),
    ),
    ops.ProdOthers: (
        one(
            lambda x: apply(ops.ProdOthers((1,)), x),
            *((3, 4), (2, 1), (0, 3)),
            numpy=products_of_others,
        ),
    ),
    ops.SumTo: (
        Case(
            lambda g, like: apply(ops.SumTo(), g, like),
            lambda g, like: g.sum(0),
            (ANY, ANY),
            (((3, 4), (4,)), ((1, 1), (1,)), ((0, 2), (2,))),
        ),
    ),
}
