"""pow: ``exp(y * log(|x|))`` with a logarithm of higher precision, and the sign."""

from __future__ import annotations

from .. import ir
from ..ir import Value, select
from .exponential import EXP, EXPM1, reduce
from .floats import (
    FORMATS,
    INF,
    clamp,
    fast_two_sum,
    fma,
    horner,
    magnitude,
    nan_where,
)
from .logarithm import log_sum, split, split_normal

#: (2 atanh(s) / s - 2) / z in z = s**2: 2**-37.6, for float32, computed in float64.
LOG = (
    0.6666666564501978, 0.40000335298884265, 0.28537301204666, 0.23582298724268486,
)  # fmt: skip

#: (2 atanh(s) / s - 2 - 2/3 z) / z**2: 2**-73.5, for float64, where the error of the
#: logarithm is multiplied by up to 745.
LOG_TAIL = (
    0.3999999999999998, 0.2857142857144511, 0.22222222217536536, 0.1818181887030643,
    0.15384556871517985, 0.13336317400948677, 0.11674818832336951, 0.11989010803845496,
)  # fmt: skip
TWO_THIRDS = 2.0 / 3.0
TWO_THIRDS_LO = float.fromhex("0x1.5555555555555p-55")  # 2/3 - TWO_THIRDS

#: With an exponent of this size every x but 1 over- or underflows, and 1 gives 1, which
#: it would not if its logarithm 0 were multiplied by infinity.
LARGE = 2.0**70


def log_pair(x: Value) -> tuple[Value, Value]:
    """``log(x)`` of positive finite float64 x as high + low, to 2**-64 of its value."""
    f = FORMATS["float64"]
    k, m = split(x)
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
    low = low + (third_low + (s_low + s_low))
    total = fma(k, f.ln2_hi, high)
    error = fma(k, f.ln2_hi, -total) + high
    return total, error + fma(k, f.ln2_lo, low)


def with_limits(x: Value, log_x: Value) -> Value:
    """`log_x`, for x not negative, or the logarithm of 0, infinity or NaN."""
    return select(x.eq(0.0), -INF, select(x < INF, log_x, x))


def power32(x: Value, y: Value) -> Value:
    """``x**y`` of float32 x not negative: in float64, where nothing is tight."""
    x, y = x.cast("float64"), clamp(y.cast("float64"), -LARGE, LARGE)
    f = FORMATS["float64"]
    k, m = split_normal(x)
    log_x = with_limits(x, log_sum(k, m, k * f.ln2_lo, LOG))
    e, r0 = reduce(clamp(y * log_x, -110.0, 95.0))
    r = fma(e.k, -f.ln2_lo, r0)
    result = horner(r, (1.0, 1.0, *EXPM1["float32"])) * e.power()
    return result.cast("float32")


def power64(x: Value, y: Value) -> Value:
    """``x**y`` of float64 x not negative; ``y * log(x)`` is a sum high + low."""
    f = FORMATS["float64"]
    log_x, log_low = log_pair(x)
    log_x = with_limits(x, log_x)
    y = clamp(y, -LARGE, LARGE)
    product = y * log_x
    low = fma(y, log_low, fma(y, log_x, -product))
    low = select(magnitude(product) < -f.exp_low, low, 0.0)  # may be infinite or NaN
    e, r0 = reduce(clamp(product, f.exp_low, f.exp_high))
    r = r0 + fma(e.k, -f.ln2_lo, low)
    return e.scale(horner(r, (1.0, 1.0, *EXP["float64"])))


def pow(x: Value, y: Value) -> Value:
    """``x**y`` with the special values of C's pow (C99, F.9.4.4), which are NumPy's."""
    size = magnitude(x)
    result = power32(size, y) if x.dtype == "float32" else power64(size, y)
    half = y * 0.5
    whole = ir.apply("floor", y).eq(y)
    odd = whole & ir.apply("floor", half).ne(half)
    result = select(odd, ir.apply("copysign", result, x), result)
    finite_negative = (x < 0.0) & (x > -INF)
    result = nan_where(finite_negative & ~whole, result)
    return select(x.eq(1.0) | y.eq(0.0), 1.0, result)
