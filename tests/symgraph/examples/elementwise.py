"""Examples: elementwise."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from symgraph import ops
from symgraph.op import Array, Op
from symgraph.ops.elementwise import Copy
from symgraph.types import COMPLEX, FLOATS
from symgraph.variable import apply

from ..cases import (
    ALL,
    ANY,
    FIELD,
    FLOATED,
    NUMBERS,
    POSITIVE,
    WHOLE,
    Case,
    Operand,
    elementwise,
)


def complex_(build: Any, numpy: Any, count: int = 1) -> tuple[Case, ...]:
    """Cases of complex operands, infinities and NaN apart."""
    operands = (ANY,) * count
    return elementwise(
        build, numpy, *operands, dtypes=COMPLEX, smooth=False, specials=False
    )


def converted(x: Array, to: str) -> Array:
    """As ``astype``, without NumPy's warning that an imaginary part is lost."""
    real = to != "bool" and not to.startswith("complex")
    return (x.real if real else x).astype(to)


def from_parts(re: Array, im: Array) -> Array:
    made = np.empty(np.broadcast(re, im).shape, np.result_type(re, 1j))
    made.real, made.imag = re, im
    return made


@np.vectorize
def _lost(a: Any, b: Any, total: Any) -> float:
    """a + b less its rounded value, in rational numbers."""
    if not np.isfinite(total):
        return np.nan
    return float(Fraction(float(a)) + Fraction(float(b)) - Fraction(float(total)))


def lost(a: Array, b: Array) -> Array:
    with np.errstate(all="ignore"):
        total = a + b
    made = _lost(a, b, total) if total.size else np.zeros(total.shape)
    return np.asarray(made, total.dtype)


EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    ops.Add: elementwise(ops.add, np.add, ANY, ANY, dtypes=ALL)
    + complex_(ops.add, np.add, 2),
    ops.Subtract: elementwise(ops.subtract, np.subtract, ANY, ANY)
    + complex_(ops.subtract, np.subtract, 2),
    ops.Multiply: elementwise(ops.multiply, np.multiply, ANY, ANY, dtypes=ALL)
    + complex_(ops.multiply, np.multiply, 2),
    ops.Divide: elementwise(ops.divide, np.divide, ANY, POSITIVE, dtypes=ALL)
    + complex_(ops.divide, np.divide, 2),
    ops.FloorDivide: elementwise(
        ops.floor_divide, np.floor_divide, ANY, ANY, smooth=False
    ),
    ops.Remainder: elementwise(ops.remainder, np.remainder, ANY, POSITIVE),
    ops.Equal: elementwise(ops.equal, np.equal, ANY, ANY, dtypes=ALL, smooth=False)
    + complex_(ops.equal, np.equal, 2),
    ops.NotEqual: elementwise(
        ops.not_equal, np.not_equal, ANY, ANY, dtypes=ALL, smooth=False
    )
    + complex_(ops.not_equal, np.not_equal, 2),
    ops.Less: elementwise(ops.less, np.less, ANY, ANY, dtypes=ALL, smooth=False)
    + elementwise(ops.greater, np.greater, ANY, ANY, dtypes=FLOATS, smooth=False),
    ops.LessEqual: elementwise(
        ops.less_equal, np.less_equal, ANY, ANY, dtypes=ALL, smooth=False
    ),
    ops.Minimum: elementwise(ops.minimum, np.minimum, ANY, ANY, dtypes=ALL),
    ops.Maximum: elementwise(ops.maximum, np.maximum, ANY, ANY, dtypes=ALL),
    ops.Where: elementwise(
        ops.where, np.where, Operand(dtype="bool"), ANY, ANY, dtypes=(*ALL, *COMPLEX)
    )
    + elementwise(
        ops.switch, np.where, Operand(dtype="bool"), ANY, ANY, dtypes=("float64",)
    ),
    ops.Negative: elementwise(ops.negative, np.negative, ANY)
    + complex_(ops.negative, np.negative),
    ops.Abs: elementwise(ops.abs, np.abs, ANY, dtypes=ALL) + complex_(ops.abs, np.abs),
    ops.Real: complex_(lambda z: z.real, np.real),
    ops.Imag: complex_(lambda z: z.imag, np.imag),
    ops.Conj: complex_(ops.conj, np.conj),
    ops.FromParts: elementwise(
        ops.from_parts, from_parts, ANY, ANY, dtypes=FLOATS, smooth=False
    ),
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
    ops.LeftShift: elementwise(
        ops.left_shift, np.left_shift, ANY, ANY, dtypes=WHOLE, smooth=False
    ),
    ops.RightShift: elementwise(
        ops.right_shift, np.right_shift, ANY, ANY, dtypes=WHOLE, smooth=False
    ),
    ops.BitwiseCount: elementwise(
        ops.bitwise_count, np.bitwise_count, ANY, dtypes=WHOLE, smooth=False
    ),
    ops.Fmod: elementwise(ops.fmod, np.fmod, ANY, POSITIVE),
    ops.Sign: elementwise(ops.sign, np.sign, ANY, smooth=False)
    + complex_(ops.sign, np.sign),
    ops.Floor: elementwise(ops.floor, np.floor, ANY, dtypes=FLOATS, smooth=False),
    ops.Ceil: elementwise(ops.ceil, np.ceil, ANY, dtypes=FLOATS, smooth=False),
    ops.Trunc: elementwise(ops.trunc, np.trunc, ANY, dtypes=FLOATS, smooth=False),
    ops.Rint: elementwise(ops.rint, np.rint, ANY, dtypes=FLOATED, smooth=False),
    ops.IsNan: elementwise(ops.isnan, np.isnan, ANY, dtypes=ALL, smooth=False)
    + complex_(ops.isnan, np.isnan),
    ops.IsInf: elementwise(ops.isinf, np.isinf, ANY, dtypes=ALL, smooth=False)
    + complex_(ops.isinf, np.isinf),
    ops.IsFinite: elementwise(ops.isfinite, np.isfinite, ANY, dtypes=ALL, smooth=False)
    + complex_(ops.isfinite, np.isfinite),
    ops.SignBit: elementwise(ops.signbit, np.signbit, ANY, dtypes=ALL, smooth=False),
    ops.CopySign: elementwise(ops.copysign, np.copysign, ANY, ANY, dtypes=FLOATED),
    ops.NextAfter: elementwise(ops.nextafter, np.nextafter, ANY, ANY, dtypes=FLOATED),
    ops.RoundingError: elementwise(
        lambda a, b: apply(ops.RoundingError(), a, b),
        lost,
        ANY,
        ANY,
        dtypes=FLOATS,
        smooth=False,
    ),
    ops.OnesLike: elementwise(
        lambda x: x**0, np.ones_like, ANY, dtypes=FIELD, smooth=False
    ),
    Copy: elementwise(
        lambda x: apply(Copy(), x), np.positive, ANY, dtypes=(*NUMBERS, *COMPLEX)
    ),
    ops.StopGradient: elementwise(
        ops.stop_gradient,
        np.positive,
        ANY,
        dtypes=(*NUMBERS, *COMPLEX),
        smooth=False,
    ),
    ops.GradClip: elementwise(
        lambda x: ops.grad_clip(x, -9, 9), np.positive, ANY, dtypes=FLOATS
    ),
    ops.Cast: tuple(
        case
        for to in (*ALL, *COMPLEX)
        for case in elementwise(
            lambda x, to=to: ops.cast(ops.cast(x, to), "float64"),
            lambda x, to=to: np.real(x.astype(to)).astype("float64"),
            Operand(0, 2),
            dtypes=ALL,
            smooth=to == "float64",
            specials=False,
        )
    )
    + tuple(
        case
        for to in ("bool", "float32", "complex64")
        for case in complex_(
            lambda x, to=to: ops.cast(ops.cast(x, to), "complex128"),
            lambda x, to=to: converted(x, to).astype("complex128"),
        )
    ),
}
