"""asin, acos, atan and atan2.

asin and acos use ``asin(a) = pi / 2 - 2 asin(sqrt((1 - a) / 2))`` beyond 1/2.  atan and
atan2 turn the angle by a quarter or an eighth of a half turn, so that a quotient of at
most tan(pi / 8) is left; the quotient and the constants keep their low-order parts.
"""

from __future__ import annotations

from .. import ir
from ..ir import Value, const, select
from .floats import (
    FORMATS,
    INF,
    copysign,
    fast_two_sum,
    fma,
    horner,
    magnitude,
    nan_where,
    two_sum,
)

#: (asin(s) / s - 1) / z in z = s**2 on [0, 1/4], minimax for asin.
ASIN = {
    "float32": (  # 2**-27.6
        0.16666752378333324, 0.07495301477354052, 0.04546997205378433,
        0.024181120640114684, 0.04216416723657215,
    ),
    "float64": (  # 2**-59.9
        0.1666666666666676, 0.07499999999970801, 0.04464285717461154,
        0.03038194270778552, 0.022372214987526937, 0.01735161202121918,
        0.013980820369882881, 0.011398914419351834, 0.010780236555663984,
        0.003706483634656701, 0.02170723489606356, -0.020998724071873885,
        0.03262839083818617,
    ),
}  # fmt: skip

#: (atan(t) / t - 1) / z in z = t**2, |t| <= tan(pi / 8), likewise for atan.
ATAN = {
    "float32": (  # 2**-30.5
        -0.33333315225633897, 0.19998473141840337, -0.1424355380814794,
        0.10593908122228082, -0.06078354210922072,
    ),
    "float64": (  # 2**-59.4
        -0.333333333333332, 0.19999999999953227, -0.14285714280164563,
        0.1111111078205701, -0.09090897722472215, 0.07692059668710048,
        -0.06663098658916423, 0.05847855377351653, -0.050391731854395674,
        0.03806170979732492, -0.017904576991640088,
    ),
}  # fmt: skip

#: Eighths of a turn: the nearest float of each dtype, and what that leaves.
EIGHTHS = {
    "float32": (
        (float.fromhex("0x1.921fb6p-1"), float.fromhex("-0x1.777a5cf72cecep-26")),
        (float.fromhex("0x1.921fb6p+0"), float.fromhex("-0x1.777a5cf72cecep-25")),
        (float.fromhex("0x1.2d97c8p+1"), float.fromhex("-0x1.99bc5b961b1adp-28")),
        (float.fromhex("0x1.921fb6p+1"), float.fromhex("-0x1.777a5cf72cecep-24")),
    ),
    "float64": (
        (float.fromhex("0x1.921fb54442d18p-1"), float.fromhex("0x1.1a62633145c07p-55")),
        (float.fromhex("0x1.921fb54442d18p+0"), float.fromhex("0x1.1a62633145c07p-54")),
        (float.fromhex("0x1.2d97c7f3321d2p+1"), float.fromhex("0x1.a79394c9e8a0ap-54")),
        (float.fromhex("0x1.921fb54442d18p+1"), float.fromhex("0x1.1a62633145c07p-53")),
    ),
}

TAN_EIGHTH = 2.0**0.5 - 1.0  # tan(pi / 8)


def asin_parts(x: Value) -> tuple[Value, Value, Value]:
    """Whether |x| > 1/2; the asin of |x|, or then of sqrt((1 - |x|) / 2), as a sum."""
    a = magnitude(x)
    big = a > 0.5
    z = select(big, fma(a, -0.5, 0.5), a * a)
    s = select(big, ir.apply("sqrt", z), a)
    error = fma(-s, s, z) * (0.5 / select(s > 0.0, s, 1.0))
    tail = fma(s * z, horner(z, ASIN[x.dtype]), select(big, error, 0.0))
    return big, s, tail


def asin(x: Value) -> Value:
    """The arc sine; NaN beyond 1."""
    big, s, tail = asin_parts(x)
    right, right_low = EIGHTHS[x.dtype][1]
    high, low = fast_two_sum(right, s * -2.0)
    beyond = high + (low + fma(tail, -2.0, right_low))
    return copysign(select(big, beyond, s + tail), x)


def acos(x: Value) -> Value:
    """The arc cosine; NaN beyond 1."""
    _, right, _, half = EIGHTHS[x.dtype]
    big, s, tail = asin_parts(x)
    negative = x < 0.0
    s, tail = select(negative, -s, s), select(negative, -tail, tail)
    double = select(big, const(2.0, x.dtype), 1.0)
    base = select(big, select(negative, const(half[0], x.dtype), 0.0), right[0])
    base_low = select(big, select(negative, const(half[1], x.dtype), 0.0), right[1])
    sign = select(big, const(1.0, x.dtype), -1.0)
    high, low = two_sum(base, s * double * sign)
    return high + (low + fma(tail * sign, double, base_low))


def arc(y: Value, x: Value | float, left: Value | None = None) -> Value:
    """``atan(y / x)`` for y and x not negative, not both 0, of middling size.

    Where `left` holds, pi less that.
    """
    table = EIGHTHS[y.dtype]
    steep = y > x * (1.0 / TAN_EIGHTH)
    middle = y > x * TAN_EIGHTH
    difference, difference_low = two_sum(-x, y)
    total, total_low = two_sum(x, y)
    n = select(steep, -x, select(middle, difference, y))
    d = select(steep, y, select(middle, total, x))
    inner = middle & ~steep
    n_low = select(inner, difference_low, 0.0)
    d_low = select(inner, total_low, 0.0)
    inverse = 1.0 / d
    t = n * inverse
    t_low = (fma(-t, d, n) + fma(-t, d_low, n_low)) * inverse
    base, base_low = (
        select(steep, table[1][part], select(middle, const(table[0][part], y.dtype), 0))
        for part in (0, 1)
    )
    tail = fma(t * (t * t), horner(t * t, ATAN[y.dtype]), t_low)
    if left is not None:
        other, other_low = (
            select(
                steep,
                table[1][part],
                select(middle, const(table[2][part], y.dtype), table[3][part]),
            )
            for part in (0, 1)
        )
        base, base_low = select(left, other, base), select(left, other_low, base_low)
        t, tail = select(left, -t, t), select(left, -tail, tail)
    high, low = fast_two_sum(base, t)
    return high + (low + (base_low + tail))


def atan(x: Value) -> Value:
    """The arc tangent."""
    a = magnitude(x)
    return copysign(arc(select(a > 2.0**60, 2.0**60, a), 1.0), x)


def atan2(y: Value, x: Value) -> Value:
    """The angle of the point (x, y), with the special values of C99, F.9.1.4."""
    f = FORMATS[x.dtype]
    a, b = magnitude(x), magnitude(y)
    infinite = a.eq(INF) | b.eq(INF)
    a = select(infinite, select(a.eq(INF), const(1.0, x.dtype), 0.0), a)
    b = select(infinite, select(b.eq(INF), const(1.0, x.dtype), 0.0), b)
    a = select(a.eq(0.0) & b.eq(0.0), 1.0, a)
    largest = select(a > b, a, b)
    tiny = largest < 2.0 ** (60 - f.bias)
    scale = select(tiny, const(2.0**60, x.dtype), 1.0)
    scale = select(largest > 2.0 ** (f.bias - 3), 0.125, scale)
    left = copysign(const(1.0, x.dtype), x) < 0.0
    result = arc(b * scale, a * scale, left)
    return copysign(nan_where(x.ne(x) | y.ne(y), result), y)
