"""Examples: loops and branches."""

from __future__ import annotations

from typing import Any

import numpy as np

import symgraph as sg
from symgraph import ops
from symgraph.loops import IfElse, Loop
from symgraph.op import Array, Op

from ..cases import Case, one, two


def sums(x: Any) -> Any:
    """Running sums of rows, each damped by the one before: the stack."""
    return sg.scan(lambda c, v: (c * 0.5 + v, c * 0.5 + v), ops.zeros_like(x[0]), x)[1]


def sums_by_numpy(x: Array) -> Array:
    made, c = np.zeros_like(x), np.zeros_like(x[0])
    for t, v in enumerate(x):
        c = c * x.dtype.type(0.5) + v
        made[t] = c
    return made


def mixed(x: Any, w: Any) -> Any:
    """A recurrence with a matrix that every round sees, from the last row on."""
    start = ops.zeros_like(w[0])
    return sg.scan(lambda c, v: (ops.tanh(c @ w + v), None), start, x, reverse=True)[0]


def mixed_by_numpy(x: Array, w: Array) -> Array:
    c = np.zeros_like(w[0])
    for v in x[::-1]:
        c = np.tanh(c @ w + v)
    return c


def chosen(x: Any, y: Any) -> Any:
    """By a sum of x that is not near 0, one of two formulas of both."""
    return sg.ifelse(ops.sum(x * x) > 1e-3, ops.sin(x) * y, x + y * y)


def chosen_by_numpy(x: Array, y: Array) -> Array:
    return np.sin(x) * y if np.sum(x * x) > 1e-3 else x + y * y


EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    ops.Item: (one(sums, (3, 2), (1, 4), numpy=sums_by_numpy),),
    Loop: (
        one(sums, (4,), (2, 3), (1, 1), numpy=sums_by_numpy),
        two(
            mixed,
            ((3, 2), (2, 2)),
            ((0, 3), (3, 3)),
            ((1, 1), (1, 1)),
            numpy=mixed_by_numpy,
        ),
    ),
    IfElse: (
        two(
            chosen,
            ((3, 2), (3, 2)),
            ((0, 2), (0, 2)),
            ((4,), (4,)),
            numpy=chosen_by_numpy,
        ),
    ),
}
