"""exp, exp2, expm1, sigmoid and tanh.

All but exp2 write x as ``k ln(2) + r`` with ``|r| <= ln(2) / 2`` (Cody and Waite, 1980)
and evaluate ``exp(r) = 1 + r + r**2 * P(r)``; they differ in how they keep the
low-order part where 1 is added or subtracted.
"""

from __future__ import annotations

from ..ir import Value, select
from .floats import (
    FORMATS,
    Exponent,
    clamp,
    copysign,
    divide,
    fast_two_sum,
    fma,
    horner,
    magnitude,
    two_sum,
)

LOG2_E = float.fromhex("0x1.71547652b82fep+0")

#: P(r) = (exp(r) - 1 - r) / r**2, minimax for the relative error of exp.
EXP = {
    "float32": (  # 2**-28.3
        0.4999999344845867, 0.1666652062963538, 0.04166838785539009,
        0.008368717081241645, 0.0013814610145259539,
    ),
    "float64": (  # 2**-57.9
        0.5000000000000011, 0.16666666666666413, 0.04166666666653016,
        0.008333333333494465, 0.001388888894363005, 0.0001984126950657133,
        2.480149309892918e-05, 2.7557586380882422e-06, 2.763024837974211e-07,
        2.5000059256055573e-08,
    ),
}  # fmt: skip

#: The same for the relative error of expm1, which needs one more term near 0.
EXPM1 = {
    "float32": (  # 2**-33
        0.5000000067682727, 0.16666665868955957, 0.041666294945647546,
        0.008333497070921344, 0.0013944659723924037, 0.00019790343399430892,
    ),
    "float64": (  # 2**-61.7
        0.5, 0.16666666666666677, 0.04166666666666651, 0.008333333333321691,
        0.0013888888888962335, 0.00019841269885967502, 2.480158717258517e-05,
        2.7557244372725135e-06, 2.75574026131402e-07, 2.5108979358977337e-08,
        2.0875337194376873e-09,
    ),
}  # fmt: skip

#: (2**r - 1) / r, minimax for the relative error of 2**r.
EXP2 = {
    "float32": (  # 2**-28.9
        0.6931472028067455, 0.24022647888916304, 0.055503325194487675,
        0.009618439949800493, 0.0013398863523797924, 0.00015352725175025737,
    ),
    "float64": (  # 2**-64.4
        0.6931471805599453, 0.24022650695910072, 0.05550410866482169,
        0.00961812910762833, 0.0013333558146392695, 0.00015403530393640673,
        1.5252733854314528e-05, 1.3215486594945016e-06, 1.0178051943507239e-07,
        7.0549744678884e-09, 4.4565702816690634e-10, 2.5625433052854534e-11,
    ),
}  # fmt: skip


def reduce(x: Value) -> tuple[Exponent, Value]:
    """The exponent k, and ``x - k * ln2_hi``, which is exact (for |x| below 750)."""
    f = FORMATS[x.dtype]
    origin = f.shifter + 2 * f.bias
    shifted = fma(x, LOG2_E, origin)
    e = Exponent(shifted - origin, shifted.bitcast(f.integer))
    return e, fma(e.k, -f.ln2_hi, x)


def reduce_twice(x: Value) -> tuple[Exponent, Value, Value]:
    """The exponent k, and r and its rounding error: ``x = k ln(2) + r + low``."""
    f = FORMATS[x.dtype]
    e, r0 = reduce(x)
    r = fma(e.k, -f.ln2_lo, r0)
    return e, r, fma(e.k, -f.ln2_lo, r0 - r)


def exp(x: Value) -> Value:
    """``exp(r)`` scaled by ``2**k``."""
    f = FORMATS[x.dtype]
    e, r0 = reduce(clamp(x, f.exp_low, f.exp_high))
    r = fma(e.k, -f.ln2_lo, r0)
    return e.scale(horner(r, (1.0, 1.0, *EXP[x.dtype])))


def exp2(x: Value) -> Value:
    """``2**r`` scaled by ``2**k``, with k the nearest whole number."""
    f = FORMATS[x.dtype]
    x = clamp(x, f.exp_low * 1.5, f.exp_high * 1.5)
    origin = f.shifter + 2 * f.bias
    shifted = x + origin
    e = Exponent(shifted - origin, shifted.bitcast(f.integer))
    return e.scale(horner(x - e.k, (1.0, *EXP2[x.dtype])))


def expm1_parts(x: Value) -> tuple[Exponent, Value, Value]:
    """The k, high and low with ``exp(x) - 1 = 2**k * (high + low)``.

    The sum is ``(1 - 2**-k) + r + r**2 * P(r)``; its first two terms may cancel and are
    added with their rounding errors.
    """
    f = FORMATS[x.dtype]
    e, r, r_low = reduce_twice(x)
    # Beyond this, 2**-k is negligible, and near the end of the range it is not normal.
    inverse = select(e.k > f.mantissa + 10.0, 0.0, e.inverse())
    one, one_low = two_sum(1.0, -inverse)
    high, low = fast_two_sum(one, r)
    square = r * r
    tail = fma(square, horner(r, EXPM1[x.dtype]), r_low + one_low)
    return e, high, low + tail


def expm1(x: Value) -> Value:
    """``exp(x) - 1`` without cancellation near 0."""
    f = FORMATS[x.dtype]
    e, high, low = expm1_parts(clamp(x, -f.saturated, f.exp_high))
    return copysign(e.scale(high + low), x)  # the sign is for -0.0


def sigmoid(x: Value) -> Value:
    """``1 / (1 + exp(-x))``, for negative x as ``exp(x) / (1 + exp(x))``.

    With ``p * 2**k = exp(-|x|)``, both are a division of p or 1 by ``1 + p * 2**k``;
    for negative x the quotient is scaled last, since the result may be subnormal.
    """
    f = FORMATS[x.dtype]
    below = -magnitude(x)
    e, r, r_low = reduce_twice(select(below < f.exp_low, f.exp_low, below))
    one, one_low = fast_two_sum(1.0, r)
    square = r * r
    tail = one_low + fma(square, horner(r, EXPM1[x.dtype]), r_low)
    p, p_low = fast_two_sum(one, tail)
    first, second = e.halves()
    d, d_low = fast_two_sum(1.0, p * first * second)
    d_low = fma(p_low * first, second, d_low)
    negative = x < 0.0
    numerator = (select(negative, p, 1.0), select(negative, p_low, 0.0))
    quotient = divide(numerator, (d, d_low))
    return quotient * select(negative, first, 1.0) * select(negative, second, 1.0)


def tanh(x: Value) -> Value:
    """``-m / (2 + m)`` with ``m = expm1(-2 |x|)``, and the sign of x."""
    f = FORMATS[x.dtype]
    below = magnitude(x) * -2.0
    below = select(below < -f.saturated, -f.saturated, below)
    e, high, low = expm1_parts(below)
    power = e.power()
    m, m_low = fast_two_sum(high, low)
    m, m_low = m * power, m_low * power  # exact, as k >= -60
    d, d_low = fast_two_sum(2.0, m)
    return copysign(divide((-m, -m_low), (d, d_low + m_low)), x)
