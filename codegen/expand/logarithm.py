"""log and log1p, and what pow shares with them.

A positive number is split as ``2**k * m`` with m from sqrt(1/2) to sqrt(2), and
``log(m) = 2 atanh(s)`` with ``s = (m - 1) / (m + 1)``, as in fdlibm's e_log.c.
"""

from __future__ import annotations

from ..ir import Value, const, select
from .floats import FORMATS, INF, copysign, fma, horner, nan_where, two_sum

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
