"""log, log1p, log2 and log10, and what other functions share with them.

A positive number is split as ``2**k * m`` with m from sqrt(1/2) to sqrt(2), and
``log(m) = 2 atanh(s)`` with ``s = (m - 1) / (m + 1)``, as in fdlibm's e_log.c.
"""

from __future__ import annotations

from ..ir import Value, const, select
from .floats import (
    FORMATS,
    INF,
    copysign,
    fast_two_sum,
    fma,
    horner,
    nan_where,
    two_sum,
)

#: (2 atanh(s) / s - 2) / z in z = s**2, minimax for the relative error of log.
LOG = {
    "float32": (  # 2**-30.2
        0.6666677641540736, 0.39977536951400006, 0.2987186297966869,
    ),
    "float64": (  # 2**-59.5
        0.6666666666666734, 0.39999999999414304, 0.2857142874247805,
        0.22222198563197185, 0.18183564879563147, 0.1531403555560678,
        0.14796107792937296,
    ),
}  # fmt: skip

#: (2 atanh(s) / s - 2) / z in z = s**2: 2**-37.6, for float32 computed in float64.
WIDE = (
    0.6666666564501978, 0.40000335298884265, 0.28537301204666, 0.23582298724268486,
)  # fmt: skip

#: (2 atanh(s) / s - 2 - 2/3 z) / z**2: 2**-73.5, for logarithms of float64 in double
#: precision: their error is multiplied, by up to 745 in pow.
LOG_TAIL = (
    0.3999999999999998, 0.2857142857144511, 0.22222222217536536, 0.1818181887030643,
    0.15384556871517985, 0.13336317400948677, 0.11674818832336951, 0.11989010803845496,
)  # fmt: skip
TWO_THIRDS = 2.0 / 3.0
TWO_THIRDS_LO = float.fromhex("0x1.5555555555555p-55")  # 2/3 - TWO_THIRDS

LOG2_E = float.fromhex("0x1.71547652b82fep+0")
LOG2_E_LO = float.fromhex("0x1.777d0ffda0d24p-56")  # log2(e) - LOG2_E
LOG10_E = float.fromhex("0x1.bcb7b1526e50ep-2")
LOG10_E_LO = float.fromhex("0x1.95355baaafad3p-57")
LOG10_2 = float.fromhex("0x1.34413509f4p-2")  # k * LOG10_2 is exact for exponents k
LOG10_2_LO = float.fromhex("0x1.cff7988f8959bp-41")


def split_normal(x: Value) -> tuple[Value, Value]:
    """The k (a float) and m with ``x = 2**k * m``, for normal positive x."""
    f = FORMATS[x.dtype]
    bits = x.bitcast(f.integer)
    k = (bits - f.sqrt_half) >> f.mantissa
    m = (bits - (k << f.mantissa)).bitcast(x.dtype)
    return (k + f.shifter_bits).bitcast(x.dtype) - f.shifter, m


def split(x: Value) -> tuple[Value, Value]:
    """The k (a float) and m with ``x = 2**k * m``, for any positive finite x."""
    f = FORMATS[x.dtype]
    subnormal = x < f.smallest_normal
    shift = float(f.mantissa + 2)
    k, m = split_normal(select(subnormal, x * 2.0**shift, x))
    return k + select(subnormal, const(-shift, x.dtype), 0.0), m


def log_sum(k: Value, m: Value, small: Value, coefficients: tuple[float, ...]) -> Value:
    """``k ln(2) + log(m) + small``, where `small` is of the order of one ulp of m.

    ``log(1 + f)`` is ``f - f**2 / 2 + s * (f**2 / 2 + z L(z))``; the leading terms
    ``k ln(2)`` and f may cancel, and are added with their rounding error.
    """
    format = FORMATS[m.dtype]
    f = m - 1.0
    s = f / (m + 1.0)
    z = s * s
    half_square = f * f * 0.5
    series = fma(z, horner(z, coefficients), half_square)
    tail = fma(s, series, small) - half_square
    high = fma(k, format.ln2_hi, f)
    low = fma(k, format.ln2_hi, -high) + f
    return high + (low + tail)


def mantissa_pair(m: Value) -> tuple[Value, Value]:
    """``log(m)`` of float64 m as high + low, to 2**-64 of its value."""
    top = m - 1.0
    bottom, bottom_low = fast_two_sum(1.0, m)
    inverse = 1.0 / bottom
    s = top * inverse
    s_low = fma(-s, bottom_low, fma(-s, bottom, top)) * inverse
    # z = s**2 and cube = s**3, each with its rounding error.
    z = s * s
    z_low = fma(s, s, -z) + (s + s) * s_low
    cube = s * z
    cube_low = fma(s, z_low, fma(s_low, z, fma(s, z, -cube)))
    # c = (2 atanh(s) - 2 s) / s**3.
    series = horner(z, LOG_TAIL)
    c = fma(z, series, TWO_THIRDS)
    c_low = fma(z, series, TWO_THIRDS - c) + TWO_THIRDS_LO
    cross = fma(cube, c_low, cube_low * c)
    third = fma(cube, c, cross)
    third_low = fma(cube, c, -third) + cross
    high, low = fast_two_sum(s + s, third)
    return high, low + (third_low + (s_low + s_low))


def log_pair(x: Value) -> tuple[Value, Value]:
    """``log(x)`` of positive finite float64 x as high + low, to 2**-64 of its value."""
    f = FORMATS["float64"]
    k, m = split(x)
    high, low = mantissa_pair(m)
    total = fma(k, f.ln2_hi, high)
    error = fma(k, f.ln2_hi, -total) + high
    return total, error + fma(k, f.ln2_lo, low)


def with_limits(x: Value, log_x: Value) -> Value:
    """`log_x`, for x not negative, or the logarithm of 0, infinity or NaN."""
    return select(x.eq(0.0), -INF, select(x < INF, log_x, x))


def wide_log(m: Value) -> Value:
    """``log(m)`` of float64 m from sqrt(1/2) to sqrt(2), to 2**-36 of its value."""
    f = m - 1.0
    s = f / (m + 1.0)
    z = s * s
    half_square = f * f * 0.5
    return f + fma(s, fma(z, horner(z, WIDE), half_square), -half_square)


def log(x: Value) -> Value:
    """``log(m)`` with ``k ln(2)`` added."""
    k, m = split(x)
    result = log_sum(k, m, k * FORMATS[x.dtype].ln2_lo, LOG[x.dtype])
    result = select(x < INF, result, x)  # also NaN
    result = select(x.eq(0.0), -INF, result)
    return nan_where(x < 0.0, result)


def log1p(x: Value) -> Value:
    """``log(u) + c / u`` with ``u = 1 + x`` rounded and c its rounding error."""
    u, c = two_sum(1.0, x)
    k, m = split_normal(u)
    small = fma(k, FORMATS[x.dtype].ln2_lo, c / u)
    result = log_sum(k, m, small, LOG[x.dtype])
    result = select(x < INF, result, x)
    result = select(x.eq(-1.0), -INF, result)
    return copysign(nan_where(x < -1.0, result), x)  # the sign is for -0.0


def log2(x: Value) -> Value:
    """The logarithm to base 2, ``k + log(m) / log(2)``; exact for powers of two."""
    if x.dtype == "float32":
        k, m = split_normal(x.cast("float64"))
        result = fma(wide_log(m), LOG2_E, k).cast("float32")
    else:
        k, m = split(x)
        high, low = mantissa_pair(m)
        product = high * LOG2_E
        low = fma(high, LOG2_E, -product) + fma(high, LOG2_E_LO, low * LOG2_E)
        total, error = two_sum(k, product)
        result = total + (error + low)
    return nan_where(x < 0.0, with_limits(x, result))


def log10(x: Value) -> Value:
    """The logarithm to base 10; exact for powers of ten."""
    if x.dtype == "float32":
        k, m = split_normal(x.cast("float64"))
        small = fma(wide_log(m), LOG10_E, k * LOG10_2_LO)
        result = fma(k, LOG10_2, small).cast("float32")
    else:
        k, m = split(x)
        high, low = mantissa_pair(m)
        product = high * LOG10_E
        low = fma(high, LOG10_E, -product) + fma(high, LOG10_E_LO, low * LOG10_E)
        total = fma(k, LOG10_2, product)
        error = fma(k, LOG10_2, -total) + product
        result = total + (error + fma(k, LOG10_2_LO, low))
    return nan_where(x < 0.0, with_limits(x, result))
