"""For every op: how to build it, what it should give, and on what.

The tests of values and of gradients run over this one table.  A new op without an entry
fails them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

from symgraph import ops
from symgraph.op import Array, Op
from symgraph.ops.elementwise import Copy
from symgraph.types import FLOATS
from symgraph.variable import Variable, apply, constant

from .cases import (
    ALL,
    ANY,
    FLOATED,
    NUMBERS,
    POSITIVE,
    WHOLE,
    Case,
    Operand,
    elementwise,
    one,
    reductions,
    two,
)


def at(low: int, high: int) -> Operand:
    """Indices of an axis."""
    return Operand(low, high, "int64")


def sizes(*values: int) -> tuple[Variable, ...]:
    return tuple(constant(v, "int64") for v in values)


def placed(axis: int, key: Any, size: int) -> Callable[[Array], Array]:
    """Zeros of `size` along `axis` with the operand at `key`."""

    def embed(g: Array) -> Array:
        shape = list(g.shape)
        shape[axis : axis + isinstance(key, slice)] = [size]
        result = np.zeros(shape, g.dtype)
        result[(slice(None),) * axis + (key,)] = g
        return result

    return embed


def added(base: Array, value: Array, *indices: Array) -> Array:
    result = base.copy()
    np.add.at(result, indices, value)
    return result


def rows_with(value: Array, position: Array, axis: int, size: int) -> Array:
    """Zeros with each value at its position of a row of `size`."""
    result = np.zeros((len(value), size), value.dtype)
    for k, place in enumerate(position):
        result[k, place] = value[k]
    return result if axis else result.T


def argmax_with_keepdims(x: Array) -> Array:
    return np.argmax(x, axis=0, keepdims=True)


def products_of_others(x: Array) -> Array:
    result = np.empty_like(x)
    for k in range(x.shape[1]):
        result[:, k] = np.prod(np.delete(x, k, axis=1), axis=1)
    return result


def float_power(x: Array, y: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.power(x, y)


def embed_slice(axis: int, size: int, start: int, stop: int, step: int) -> Any:
    made = ops.SliceEmbed(axis, step, True, True)
    return lambda g: apply(made, g, *sizes(size, start, stop))


EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    # -- elementwise ---------------------------------------------------------------
    ops.Add: elementwise(ops.add, np.add, ANY, ANY, dtypes=ALL),
    ops.Subtract: elementwise(ops.subtract, np.subtract, ANY, ANY),
    ops.Multiply: elementwise(ops.multiply, np.multiply, ANY, ANY, dtypes=ALL),
    ops.Divide: elementwise(ops.divide, np.divide, ANY, POSITIVE, dtypes=ALL),
    ops.FloorDivide: elementwise(
        ops.floor_divide, np.floor_divide, ANY, ANY, smooth=False
    ),
    ops.Remainder: elementwise(ops.remainder, np.remainder, ANY, POSITIVE),
    ops.Equal: elementwise(ops.equal, np.equal, ANY, ANY, dtypes=ALL, smooth=False),
    ops.NotEqual: elementwise(
        ops.not_equal, np.not_equal, ANY, ANY, dtypes=ALL, smooth=False
    ),
    ops.Less: elementwise(ops.less, np.less, ANY, ANY, dtypes=ALL, smooth=False)
    + elementwise(ops.greater, np.greater, ANY, ANY, dtypes=FLOATS, smooth=False),
    ops.LessEqual: elementwise(
        ops.less_equal, np.less_equal, ANY, ANY, dtypes=ALL, smooth=False
    ),
    ops.Minimum: elementwise(ops.minimum, np.minimum, ANY, ANY, dtypes=ALL),
    ops.Maximum: elementwise(ops.maximum, np.maximum, ANY, ANY, dtypes=ALL),
    ops.Where: elementwise(
        ops.where, np.where, Operand(dtype="bool"), ANY, ANY, dtypes=ALL
    ),
    ops.Negative: elementwise(ops.negative, np.negative, ANY),
    ops.Abs: elementwise(ops.abs, np.abs, ANY, dtypes=ALL),
    ops.Invert: elementwise(ops.invert, np.invert, ANY, dtypes=WHOLE, smooth=False),
    ops.BitwiseAnd: elementwise(
        ops.bitwise_and, np.bitwise_and, ANY, ANY, dtypes=WHOLE, smooth=False
    ),
    ops.BitwiseOr: elementwise(
        ops.bitwise_or, np.bitwise_or, ANY, ANY, dtypes=WHOLE, smooth=False
    ),
    ops.BitwiseXor: elementwise(
        ops.bitwise_xor, np.bitwise_xor, ANY, ANY, dtypes=WHOLE, smooth=False
    ),
    ops.OnesLike: elementwise(
        lambda x: x**0, np.ones_like, ANY, dtypes=FLOATS, smooth=False
    ),
    Copy: elementwise(lambda x: apply(Copy(), x), np.positive, ANY),
    ops.StopGradient: elementwise(
        ops.stop_gradient, np.positive, ANY, dtypes=NUMBERS, smooth=False
    ),
    ops.Cast: tuple(
        case
        for to in ALL
        for case in elementwise(
            lambda x, to=to: ops.cast(ops.cast(x, to), "float64"),
            lambda x, to=to: x.astype(to).astype("float64"),
            Operand(0, 2),
            dtypes=ALL,
            smooth=to == "float64",
            specials=False,
        )
    ),
    # -- functions -----------------------------------------------------------------
    ops.Exp: elementwise(ops.exp, np.exp, ANY, dtypes=FLOATED),
    ops.Expm1: elementwise(ops.expm1, np.expm1, ANY, dtypes=FLOATED),
    ops.Log: elementwise(ops.log, np.log, POSITIVE, dtypes=FLOATED),
    ops.Log1p: elementwise(ops.log1p, np.log1p, POSITIVE, dtypes=FLOATED),
    ops.Sqrt: elementwise(ops.sqrt, np.sqrt, POSITIVE, dtypes=FLOATED),
    ops.Tanh: elementwise(ops.tanh, np.tanh, ANY, dtypes=FLOATED),
    ops.Sigmoid: elementwise(ops.sigmoid, scipy.special.expit, ANY, dtypes=FLOATS),
    ops.Sin: elementwise(ops.sin, np.sin, ANY, dtypes=FLOATED),
    ops.Cos: elementwise(ops.cos, np.cos, ANY, dtypes=FLOATED),
    ops.Power: elementwise(ops.power, float_power, POSITIVE, ANY, dtypes=FLOATS),
    # -- reductions ----------------------------------------------------------------
    ops.Sum: reductions(ops.sum, np.sum, ALL)
    + reductions(ops.mean, np.mean, FLOATS, empty=False),
    ops.Prod: reductions(ops.prod, np.prod, ALL),
    ops.Max: reductions(ops.max, np.max, ALL, empty=False),
    ops.Min: reductions(ops.min, np.min, ALL, empty=False),
    ops.Any: reductions(ops.any, np.any, ALL, smooth=False),
    ops.All: reductions(ops.all, np.all, ALL, smooth=False),
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
    # -- views ---------------------------------------------------------------------
    ops.Transpose: (
        one(ops.transpose, (3, 4), (1, 5), (0, 2), numpy=np.transpose, dtypes=ALL),
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
            dtypes=ALL,
        ),
        one(lambda x: x[None], (), (3,), dtypes=FLOATS),
    ),
    ops.Squeeze: (
        one(
            lambda x: ops.squeeze(x, (0, -1)),
            *((1, 4, 1), (1, 0, 1)),
            numpy=lambda x: np.squeeze(x, (0, -1)),
            dtypes=ALL,
        ),
    ),
    ops.BroadcastTo: (
        one(
            lambda x: ops.broadcast_to(x, (2, *x.shape)),
            *((3, 4), (0, 2), (1, 1)),
            numpy=lambda x: np.broadcast_to(x, (2, *x.shape)),
            dtypes=ALL,
        ),
        Case(
            lambda x: ops.broadcast_to(x, (3, 5)),
            lambda x: np.broadcast_to(x, (3, 5)),
            (ANY,),
            (((3, 1),), ((1, 1),), ((),)),
            static=True,
        ),
    ),
    ops.Reshape: (
        one(lambda x: x.reshape(-1), (3, 4), (0, 2), (1, 1), (), dtypes=ALL),
        one(lambda x: x.reshape((2, -1)), (4, 3), (2, 5), (0, 2)),
        one(lambda x: x.reshape((x.shape[1], x.shape[0])), (4, 3), (0, 2), (1, 1)),
        one(lambda x: x.reshape((x.shape[0], -1)), (4, 3, 2), (1, 1, 1)),
    ),
    # -- indexing ------------------------------------------------------------------
    ops.Slice: (
        one(lambda x: x[1:], (5, 3), (1, 3), (0, 3), dtypes=ALL),
        one(lambda x: x[:-1, ::2], (5, 4), (1, 1), (0, 3)),
        one(lambda x: x[::-1, 3:1:-1], (5, 7), (1, 1), (2, 3)),
        one(lambda x: x[-3:-1, -20:20:3], (5, 7), (1, 1), (0, 0)),
        one(lambda x: x[4:2, 1:1], (5, 7), (1, 1)),
        one(lambda x: x[2:] - 2 * x[1:-1] + x[:-2], (7,), (2,), (3,)),
        two(
            lambda x, n: x[n:],
            *(((5,), ()), ((1,), ()), ((0,), ())),
            second=at(-3, 3),
        ),
        two(
            lambda x, n: x[:n:2],
            *(((5,), ()), ((1,), ()), ((0,), ())),
            second=at(-3, 3),
        ),
    ),
    ops.SliceEmbed: (
        one(
            embed_slice(0, 5, 1, 3, 1), (2, 3), (2, 0), numpy=placed(0, slice(1, 3), 5)
        ),
        one(
            embed_slice(1, 7, 0, 7, 3),
            *((2, 3), (0, 3)),
            numpy=placed(1, slice(0, 7, 3), 7),
        ),
        one(
            embed_slice(0, 6, 5, 1, -2),
            (2,),
            numpy=placed(0, slice(5, 1, -2), 6),
            dtypes=ALL,
        ),
    ),
    ops.Pick: (
        one(lambda x: x[1], (2, 3), (4, 0), dtypes=ALL),
        one(lambda x: x[:, -1], (2, 3), (0, 2), (1, 1)),
        one(lambda x: x[-1, 0], (2, 3), (1, 1)),
        two(lambda x, k: x[:, k], ((3, 4), ()), ((1, 4), ()), second=at(-4, 3)),
    ),
    ops.PickEmbed: (
        one(
            lambda g: apply(ops.PickEmbed(1), g, *sizes(4, -1)),
            *((2, 3), (0, 2)),
            numpy=placed(1, -1, 4),
            dtypes=ALL,
        ),
        one(
            lambda g: apply(ops.PickEmbed(0), g, *sizes(1, 0)),
            *((), (3,)),
            numpy=placed(0, 0, 1),
        ),
    ),
    ops.Gather: (
        two(
            lambda x, i: x[i],
            *(((4, 3), (5,)), ((3, 2), (0,)), ((3, 2), (1,))),
            second=at(-3, 2),
            dtypes=ALL,
        ),
        two(lambda x, i: x[:, i, None], ((2, 4), (3, 2)), second=at(-4, 3)),
        two(lambda x, i: x[i, :, 0], ((3, 4, 2), (5,)), second=at(-3, 2)),
        two(lambda x, i: x[1:, i, ..., i], ((3, 2, 2, 2), (5,)), second=at(-2, 1)),
        two(
            lambda x, i: ops.take(x, i, 1),
            ((3, 4), (2, 2)),
            numpy=lambda x, i: np.take(x, i, 1),
            second=at(-4, 3),
        ),
        Case(
            lambda x, i: x[ops.arange(x.shape[0]), i],
            lambda x, i: x[np.arange(x.shape[0]), i],
            (ANY, at(-3, 2)),
            (((4, 3), (4,)), ((0, 3), (0,)), ((1, 3), (1,))),
        ),
        one(lambda x: x[[0, -1, 0]], (3, 2), (1, 4)),
    ),
    ops.Scatter: (
        Case(
            lambda x, v, i: apply(ops.Scatter((0,), 0), x, v, i),
            added,
            (ANY, ANY, at(-3, 2)),
            (((4, 2), (5, 2), (5,)), ((3, 2), (0, 2), (0,)), ((3, 0), (2, 0), (2,))),
            NUMBERS,
        ),
        Case(
            lambda x, v, i, j: apply(ops.Scatter((0, 1), 0), x, v, i, j),
            added,
            (ANY, ANY, at(-3, 2), at(-2, 1)),
            (((3, 2), (6,), (6,), (6,)),),
        ),
    ),
    ops.RowScatter: tuple(
        Case(
            lambda v, i, axis=axis, size=size: apply(
                ops.RowScatter(axis), v, i, *sizes(size)
            ),
            lambda v, i, axis=axis, size=size: rows_with(v, i, axis, size),
            (ANY, at(-size, size - 1)),
            (((4,), (4,)), ((0,), (0,)), ((1,), (1,))),
            ALL,
        )
        for axis, size in ((0, 3), (1, 3), (1, 1))
    ),
    # -- products ------------------------------------------------------------------
    ops.Contract: (
        two(
            lambda a, b: a @ b,
            *(((3, 4), (4, 5)), ((1, 1), (1, 1)), ((0, 2), (2, 3)), ((2, 0), (0, 3))),
            dtypes=ALL,
        ),
        two(lambda a, b: a @ b, ((40, 70), (70, 50)), ((4,), (4,)), ((0,), (0,))),
        two(lambda a, b: a @ b, ((3, 4), (4,)), ((4,), (4, 3))),
        two(lambda a, b: a @ b, ((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (4, 2))),
        two(lambda a, b: a @ b, ((4,), (2, 4, 3)), ((5, 2, 3, 4), (2, 4, 3))),
        two(lambda a, b: a @ b, ((1, 3, 4), (2, 4, 5)), static=True),
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
    # -- joining and making --------------------------------------------------------
    ops.Concatenate: (
        two(
            lambda a, b: ops.concatenate([a, b, a]),
            *(((2, 3), (4, 3)), ((0, 3), (1, 3)), ((1, 0), (2, 0))),
            numpy=lambda a, b: np.concatenate([a, b, a]),
            dtypes=ALL,
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
            dtypes=ALL,
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
    ops.Shape: (
        one(
            lambda x: ops.shape_of(x, 1),
            *((2, 3), (0, 0)),
            numpy=lambda x: np.int64(x.shape[1]),
            dtypes=ALL,
            smooth=False,
        ),
        one(lambda x: x / x.size, (2, 3), dtypes=("float64",)),
    ),
    # -- softmax -------------------------------------------------------------------
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
