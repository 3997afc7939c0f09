"""Examples: elementwise."""

from __future__ import annotations

import numpy as np

from symgraph import ops
from symgraph.op import Op
from symgraph.ops.elementwise import Copy
from symgraph.types import FLOATS
from symgraph.variable import apply

from ..cases import (
    ALL,
    ANY,
    FLOATED,
    NUMBERS,
    POSITIVE,
    WHOLE,
    Case,
    Operand,
    elementwise,
)

EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
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
    ops.Sign: elementwise(ops.sign, np.sign, ANY, smooth=False),
    ops.Floor: elementwise(ops.floor, np.floor, ANY, dtypes=FLOATS, smooth=False),
    ops.Ceil: elementwise(ops.ceil, np.ceil, ANY, dtypes=FLOATS, smooth=False),
    ops.Trunc: elementwise(ops.trunc, np.trunc, ANY, dtypes=FLOATS, smooth=False),
    ops.Rint: elementwise(ops.rint, np.rint, ANY, dtypes=FLOATED, smooth=False),
    ops.IsNan: elementwise(ops.isnan, np.isnan, ANY, dtypes=ALL, smooth=False),
    ops.IsInf: elementwise(ops.isinf, np.isinf, ANY, dtypes=ALL, smooth=False),
    ops.IsFinite: elementwise(ops.isfinite, np.isfinite, ANY, dtypes=ALL, smooth=False),
    ops.SignBit: elementwise(ops.signbit, np.signbit, ANY, dtypes=ALL, smooth=False),
    ops.CopySign: elementwise(ops.copysign, np.copysign, ANY, ANY, dtypes=FLOATED),
    ops.NextAfter: elementwise(ops.nextafter, np.nextafter, ANY, ANY, dtypes=FLOATED),
    ops.OnesLike: elementwise(
        lambda x: x**0, np.ones_like, ANY, dtypes=FLOATS, smooth=False
    ),
    Copy: elementwise(lambda x: apply(Copy(), x), np.positive, ANY),
    ops.StopGradient: elementwise(
        ops.stop_gradient, np.positive, ANY, dtypes=NUMBERS, smooth=False
    ),
    ops.GradClip: elementwise(
        lambda x: ops.grad_clip(x, -9, 9), np.positive, ANY, dtypes=FLOATS
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
}
