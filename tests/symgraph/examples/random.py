"""Examples: random bits, and draws made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special

from symgraph import ops
from symgraph.op import Array, Op
from symgraph.variable import apply

from ..cases import Case, Operand, elementwise, one

BITS32, BITS64 = Operand(0, 2**32 - 1, "uint32"), Operand(0, 2**63 - 1, "uint64")
SHAPES = ((3, 5), (0, 3), (1, 1), (77,), ())


def uniform(bits: Array) -> Array:
    """In the middle of each of 2**width intervals, in double precision."""
    return (bits.astype("float64") + 0.5) / 2.0 ** (bits.dtype.itemsize * 8)


def result(bits: Array, value: Any) -> Array:
    return np.asarray(value, "float32" if bits.dtype == "uint32" else "float64")


def normal(bits: Array) -> Array:
    """The quantile of the number that two's complement makes of the bits."""
    signed = bits.astype("uint64")
    half = np.uint64(2 ** (bits.dtype.itemsize * 8 - 1))
    moved = (signed + half).astype(bits.dtype)
    below = scipy.special.ndtri(uniform(np.minimum(moved, ~moved)))
    return result(bits, np.where(moved < half, below, -below))


def laplace(bits: Array) -> Array:
    signed = bits.view(f"i{bits.dtype.itemsize}").astype("float64") + 0.5
    size = -np.log(np.abs(signed) / 2.0 ** (bits.dtype.itemsize * 8 - 1))
    return result(bits, np.copysign(size, signed))


def exponential(bits: Array) -> Array:
    return result(bits, -np.log(uniform(bits)))


def gumbel(bits: Array) -> Array:
    return result(bits, -np.log(-np.log1p(-uniform(bits))))


def standard(bits: Array) -> Array:
    digits = 24 if bits.dtype == "uint32" else 53
    whole = bits >> bits.dtype.type(bits.dtype.itemsize * 8 - digits)
    return result(bits, whole / 2.0**digits)


def draws(draw: Op, numpy: Any) -> tuple[Case, ...]:
    return tuple(
        Case(
            lambda bits: apply(draw, bits),
            numpy,
            (operand,),
            tuple((s,) for s in SHAPES),
            ("float64",),
            smooth=False,
        )
        for operand in (BITS32, BITS64)
    )


def multiply_high(a: Array, b: Array) -> Array:
    wide = np.asarray(a.astype(object) * b.astype(object) >> 64)
    return wide.astype("uint64")


def threefry(width: int) -> Case:
    counter = Operand(-(2**40), 2**40, "int64")
    shapes = tuple((s, s, s) for s in ((3,), (0,), (2, 3)))
    return Case(
        lambda a, b, c: apply(ops.Threefry(width), a, b, c),
        ops.Threefry(width).ref,  # see test_random for the published values
        (BITS32, BITS32, counter),
        shapes,
        ("float64",),
        smooth=False,
    )


EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    ops.Positions: (
        one(
            lambda n: apply(ops.Positions(), n, n),
            (),
            numpy=lambda n: np.arange(n * n).reshape(n, n),
            dtypes=("int64",),
            operand=Operand(0, 9),
            smooth=False,
        ),
    ),
    ops.Threefry: (threefry(32), threefry(64)),
    ops.MultiplyHigh: (
        Case(
            lambda a, b: apply(ops.MultiplyHigh(), a, b),
            multiply_high,
            (BITS64, BITS64),
            tuple((s, s) for s in ((9,), (0,), (2, 3))),
            ("float64",),
            smooth=False,
        ),
    ),
    ops.MultiplyAdd: elementwise(
        lambda a, b, c: apply(ops.MultiplyAdd(), a, b, c),
        lambda a, b, c: a * b + c,
        *(Operand(), Operand(), Operand()),
        dtypes=("float32", "float64"),
        specials=False,
    ),
    ops.StandardUniform: draws(ops.StandardUniform(), standard),
    ops.StandardExponential: draws(ops.StandardExponential(), exponential),
    ops.StandardGumbel: draws(ops.StandardGumbel(), gumbel),
    ops.StandardLaplace: draws(ops.StandardLaplace(), laplace),
    ops.StandardNormal: draws(ops.StandardNormal(), normal),
    ops.Shuffle: (
        Case(
            lambda bits: ops.sum(apply(ops.Shuffle(), bits), -1),
            lambda bits: np.sum(
                np.zeros_like(bits, "int64") + np.arange(bits.shape[-1]), -1
            ),
            (BITS64,),
            tuple((s,) for s in ((7,), (0,), (1,), (2, 3), (3, 0), (0, 3))),
            ("float64",),
            smooth=False,
        ),
    ),
}
