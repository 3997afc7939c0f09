"""Examples: canonical forms."""

from __future__ import annotations

import numpy as np

import symgraph as sg
from symgraph import ops
from symgraph.composite import Composite
from symgraph.composite import trace as trace_body
from symgraph.ops.cast import Cast
from symgraph.ops.powers import Power
from symgraph.variable import apply

from .common import (
    Example,
    P,
    c,
    i,
    k,
    make,
    row,
    s,
    total,
    truth,
    v,
    x,
    y,
    z,
)

COMPOSED = apply(Composite(trace_body(lambda t: ops.exp(t) + 1.0, [x])[0]), x)

#: The values that a loop carries, kept.
KEPT = sg.scan(lambda a, b: (a + b, a + b), ops.zeros_like(x[0]), x)[1]

EXAMPLES: dict[str, Example] = {
    # what is there for differentiation
    "unmarked": Example(lambda: ops.grad_clip(x, -1, 1) + 1, lambda: x + 1),
    # canonical: ops made of a graph
    "inline": Example(lambda: COMPOSED, lambda: P),
    # canonical: loops
    "last_row": Example(lambda: KEPT[-1], lambda: KEPT[0]),
    # canonical: sums
    "add_negative_zero": Example(lambda: x + -0.0, lambda: x + 0.0),
    "add_zero": Example(lambda: i + 0, lambda: x + 0.0),
    "add_positive_zero": Example(lambda: x + 0.0, lambda: v + np.zeros((2, 3))),
    "subtract_zero": Example(lambda: x - 0.0, lambda: 0.0 - x),
    "add_negative": Example(lambda: -y + x, lambda: ops.abs(y) + x),
    "subtract_negative": Example(lambda: x - -y, lambda: -x - y),
    "negative_difference": Example(lambda: -(x - y), lambda: -(x + y)),
    # canonical: products
    "multiply_one": Example(lambda: 1 * x, lambda: x * 2),
    "multiply_minus_one": Example(lambda: x * -1, lambda: x * 1),
    "multiply_zero": Example(lambda: k * 0, lambda: s * 0),
    "divide_one": Example(lambda: x / 1, lambda: 1 / x),
    "divide_by_power_of_two": Example(lambda: x / -8, lambda: x / 3),
    "multiply_negative": Example(lambda: x * -y, lambda: x * y),
    "divide_negative": Example(lambda: -x / y, lambda: x / y),
    "divide_by_negative": Example(lambda: x / -y, lambda: x / y),
    "power_one": Example(lambda: make(Power(), x, c(1.0)), lambda: make(Power(), x, s)),
    "power_two": Example(
        lambda: make(Power(), x, c(2.0)), lambda: make(Power(), x, c(3.0))
    ),
    "power_half": Example(
        lambda: make(Power(), x, c(0.5)), lambda: make(Power(), x, c(0.25))
    ),
    # canonical: one operand
    "negative_negative": Example(lambda: ops.negative(-x), lambda: -ops.abs(x)),
    "invert_invert": Example(lambda: ~~truth, lambda: ~truth),
    "abs_abs": Example(lambda: abs(abs(x)), lambda: abs(ops.exp(x))),
    "abs_negative": Example(lambda: abs(-x), lambda: abs(x)),
    "useless_cast": Example(
        lambda: make(Cast("float64"), x), lambda: ops.cast(x, "float32")
    ),
    "cast_of_cast": Example(
        lambda: z.astype("float64").astype("int32"),
        lambda: x.astype("float32").astype("int32"),
    ),
    # canonical: choice
    "maximum_same": Example(lambda: ops.maximum(x, x), lambda: ops.maximum(x, y)),
    "minimum_same": Example(lambda: ops.minimum(x, x), lambda: ops.minimum(x, y)),
    "where_known": Example(
        lambda: ops.where(True, x, y), lambda: ops.where(True, row, x)
    ),
    "where_same": Example(
        lambda: ops.where(truth, x, x), lambda: ops.where(truth, row, row)
    ),
    "where_inverted": Example(
        lambda: ops.where(~truth, x, y), lambda: ops.where(truth, x, y)
    ),
    # canonical: views, sums and axes of size 1
    "view_of_negative": Example(lambda: (-x).T, lambda: (2 * x).T),
    "sum_of_negative": Example(lambda: ops.sum(-x, 0), lambda: ops.sum(abs(x), 0)),
    "squeeze_of_expand_dims": Example(
        lambda: make(type(ops.squeeze(row, 0).op)((1,)), ops.expand_dims(x, 1)),
        lambda: ops.squeeze(ops.expand_dims(row, 1), 0),
    ),
    "expand_dims_of_squeeze": Example(
        lambda: ops.expand_dims(ops.squeeze(row, 0), 0),
        lambda: ops.expand_dims(ops.squeeze(row, 0), 1),
    ),
    "expand_dims_twice": Example(
        lambda: ops.expand_dims(ops.expand_dims(x, 1), 0), lambda: ops.expand_dims(x, 1)
    ),
    "kept_reduction": Example(
        lambda: ops.expand_dims(ops.max(x, 1), 1),
        lambda: ops.expand_dims(ops.max(x, 1), 0),
    ),
    "dropped_reduction": Example(
        lambda: ops.squeeze(total(x), 1),
        lambda: ops.squeeze(ops.sum(row, 1, keepdims=True), 0),
    ),
    # canonical: order
    "scalar_constant": Example(
        lambda: x * np.array([2.0]), lambda: s * np.array([2.0])
    ),
    "constant_last": Example(lambda: 2 + x, lambda: 2 - x),
    "one_order": Example(lambda: (x + y) * (y + x), lambda: (x - y) * (y - x)),
}
