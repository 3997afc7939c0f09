"""lgamma, gamma, digamma and trigamma on the whole real line.

The positive axis is reduced to a polynomial on an interval of length 1 by the
recurrence of each function, and large arguments go through Stirling's series.  Negative
arguments are reflected at 0, with ``sin(pi x)`` of the exact distance to a whole number
(Abramowitz and Stegun, 6.1, 6.3 and 6.4).  float32 is computed in float64.
"""

from __future__ import annotations

from .. import ir
from ..ir import Value, const, select
from .exponential import EXP, EXPM1, reduce
from .floats import (
    FORMATS,
    INF,
    clamp,
    divide,
    fast_two_sum,
    fma,
    horner,
    magnitude,
    nan_where,
    two_sum,
)
from .logarithm import WIDE, log_pair, log_sum, split

Pair = tuple[Value, Value]

#: (lgamma(2 + t) / t - LGAMMA_SLOPE) / t for |t| <= 1/2, minimax for lgamma.
LGAMMA = {
    "float32": (  # 2**-41
        0.3224670334211584, -0.06735230102904007, 0.020580808813744845,
        -0.007385552478360133, 0.002890497197800863, -0.0011927246186959999,
        0.000509854934901477, -0.00022342638785305635, 9.8210944118646e-05,
        -4.3671848233615524e-05, 2.4428196606848945e-05, -1.2179195439706997e-05,
    ),
    "float64": (  # 2**-62.4
        0.3224670334241132, -0.06735230105319813, 0.02058080842778487,
        -0.007385551028669309, 0.0028905103307162294, -0.0011927539119615123,
        0.0005096695256287963, -0.00022315475146714148, 9.945749595206038e-05,
        -4.4926343430641066e-05, 2.050740312487882e-05, -9.438507652421609e-06,
        4.373531364315043e-06, -2.044735695812218e-06, 9.609750461863596e-07,
        -4.307344431291158e-07, 1.96792963008742e-07, -1.3380217846654716e-07,
        6.90837484449609e-08,
    ),
}  # fmt: skip
LGAMMA_SLOPE = float.fromhex("0x1.b0ee6072093cep-2")  # 1 - Euler's constant
LGAMMA_SLOPE_LO = float.fromhex("0x1.6cb90701fbfabp-58")

#: x (lgamma(x) - (x - 1/2) log(x) + x - log(2 pi) / 2) in x**-2, x >= 15/2, likewise.
STIRLING = {
    "float32": (  # 2**-41.3
        0.08333333260825453, -0.002777553916938866, 0.0007730915029378262,
    ),
    "float64": (  # 2**-61.8
        0.08333333333333147, -0.002777777775964544, 0.000793650180452902,
        -0.0005951400133145116, 0.0008336136052642835, -0.0015726078887182001,
    ),
}  # fmt: skip
STIRLING_START = 7.5
STIRLING_OFFSET = float.fromhex("0x1.d67f1c864beb5p-1")  # log(2 pi) / 2
STIRLING_OFFSET_LO = float.fromhex("-0x1.65b5a1b7ff5dfp-55")

#: (sin(pi r) / (pi r) - 1) / z in z = r**2 for |r| <= 1/2.
SINE = {
    "float32": (  # 2**-43.7
        -1.6449340668322396, 0.811742424090924, -0.19075179421611257,
        0.02614750049454005, -0.002344029289755263, 0.00014242580591104326,
    ),
    "float64": (  # 2**-61.6
        -1.6449340668482264, 0.8117424252833402, -0.19075182412150202,
        0.026147847805472826, -0.0023460808938770327, 0.00014842783092298498,
        -6.9720684543366954e-06, 2.449941489479229e-07,
    ),
}  # fmt: skip

#: digamma(3/2 + u) / (3/2 + u - root) for |u| <= 1/2, where root is the positive zero.
DIGAMMA = {
    "float32": (  # 2**-33.1
        0.9510558760431073, -0.4236274185745424, 0.24054247911312615,
        -0.14840522322168107, 0.094989080446834, -0.06191266592718913,
        0.04075185680617404, -0.027102798517858157, 0.01801249403971658,
        -0.011092364851919197, 0.007309951956997421, -0.00770242379962634,
        0.005230536705039248,
    ),
    "float64": (  # 2**-58.5
        0.9510558760318328, -0.4236274212814606, 0.24054248424078722,
        -0.1484049230538802, 0.09498872445285042, -0.06192213327555047,
        0.04076083394335532, -0.02697579665731115, 0.017907248236555266,
        -0.011908220160095255, 0.0079270233117348, -0.005279936544604373,
        0.003518088862972523, -0.0023455005883946272, 0.0015635023730928542,
        -0.0010364281110024128, 0.0006902864410876839, -0.0004860470588207007,
        0.00032586951945880454, -0.0001446342693246895, 9.331171552952693e-05,
        -0.0001783502449228835, 0.00012116269707524783,
    ),
}  # fmt: skip
DIGAMMA_ROOT = float.fromhex("-0x1.3a4f395283812p-5")  # the zero, less 3/2
DIGAMMA_ROOT_LO = float.fromhex("-0x1.e563779a1f5b1p-60")

#: x**2 (log(x) - 1 / (2 x) - digamma(x)) in x**-2, x >= 4, minimax for digamma.
DIGAMMA_SERIES = {
    "float32": (  # 2**-37.3
        0.08333332638883874, -0.008332333419302125, 0.003921077974796397,
        -0.003233255822198693,
    ),
    "float64": (  # 2**-58.6
        0.08333333333331926, -0.008333333324967806, 0.00396825218595323,
        -0.004166474914491844, 0.007563741125431534, -0.020620622461438406,
        0.07120062340008912, -0.23275556240509832, 0.44944149416369483,
    ),
}  # fmt: skip
DIGAMMA_START = 4.0

#: (1 - pi r cot(pi r)) / z in z = r**2 for |r| <= 1/2, minimax absolutely.
COTANGENT = {
    "float32": (  # 2**-32
        3.2898681339305487, 2.1646463198793744, 2.0347013968189014,
        2.007548165700059, 2.0139785577344655, 1.8688414326127607,
        2.8323537882406473, -0.9427382892006909, 7.039341512845125,
    ),
    "float64": (  # 2**-58.6
        3.289868133696453, 2.164646467422281, 2.034686123967347, 2.008154712600912,
        2.00198913604475, 2.0004927677689914, 2.000106199035291, 2.000338225116364,
        1.9958791264737696, 2.0400928504127886, 1.7164029241755006,
        3.454511349222862, -3.3082455850628403, 15.23758458924381,
        -18.741415775256407, 18.578788066306995,
    ),
}  # fmt: skip

#: (1 + a) trigamma(1 + a) in t = (a - 2) / (a + 2) for all a >= 0.
TRIGAMMA = {
    "float32": (  # 2**-31.9
        1.184802200576199, -0.26962940455381623, 0.11909534136127557,
        -0.046635087603347024, 0.016516433863471357, -0.0055163336910767045,
        0.001823790736935813, -0.0006121767578583378, 0.00020470740797597298,
        -6.304762196520791e-05, 2.083975815745433e-05, -1.0982862463090216e-05,
        3.71963875719741e-06,
    ),
    "float64": (  # 2**-57.3
        1.1848022005446792, -0.2696294084373573, 0.11909534485952555,
        -0.04663497941314953, 0.016516372218459335, -0.005517189993977937,
        0.0018241852256423055, -0.0006092964811034334, 0.00020353684429464669,
        -6.768446459524468e-05, 2.2572950064280967e-05, -7.533794340026184e-06,
        2.506888228037119e-06, -8.366019310841531e-07, 2.791078161206285e-07,
        -9.233844172143183e-08, 3.0815509306324504e-08, -1.0840364463251927e-08,
        3.6246561293618216e-09, -8.10934283777475e-10, 2.608119064124862e-10,
        -2.4791823510122856e-10, 8.442628788669113e-11,
    ),
}  # fmt: skip

#: What the first coefficient lost when it was rounded to float64.
TRIGAMMA_LO = float.fromhex("0x1.a1c545b877e8cp-54")


def log_of(x: Value, low: Value, dtype: str) -> Pair:
    """``log(x + low)`` of positive float64 x as a sum; in short for float32."""
    if dtype == "float64":
        high, error = log_pair(x)
        return high, error + low / x
    f = FORMATS["float64"]
    k, m = split(x)
    result = log_sum(k, m, fma(k, f.ln2_lo, low / x), WIDE)
    return result, const(0.0, "float64")


def middle(x: Value, x_low: Value, n: Value, dtype: str) -> tuple[Pair, Pair]:
    """The pairs A and P with ``lgamma(x) = A +- log(P)`` for x < STIRLING_START.

    With ``x = 2 + n + t``, A is ``lgamma(2 + t)``, and P a product of n factors, the
    divisor for negative n.
    """
    t = (x - (n + 2.0)) + x_low
    r = horner(t, LGAMMA[dtype])
    q = fma(t, r, LGAMMA_SLOPE)
    q_low = fma(t, r, LGAMMA_SLOPE - q) + LGAMMA_SLOPE_LO
    high = t * q
    low = fma(t, q_low, fma(t, q, -high))
    next_x, next_low = two_sum(1.0, x)
    below = x * next_x
    below_low = fma(x, next_low, fma(x, next_x, -below))
    p = select(n >= 1.0, x - 1.0, 1.0)
    p_low = select(n >= 1.0, x_low, 0.0)
    for j in range(2, 6):
        active = n >= float(j)
        factor = select(active, x - float(j), 1.0)
        product = p * factor
        p_low = fma(p_low, factor, p * select(active, x_low, 0.0))
        p_low = fma(p, factor, -product) + p_low
        p = product
    p, p_low = select(n < 0.0, x, p), select(n < 0.0, x_low, p_low)
    p, p_low = select(n < -1.0, below, p), select(n < -1.0, below_low, p_low)
    return (high, low), (p, p_low)


def lgamma_positive(x: Value, x_low: Value, dtype: str) -> Pair:
    """``lgamma(x + x_low)`` of positive finite float64 x as a sum high + low."""
    is_middle = x < STIRLING_START
    n = ir.apply("rint", x - 2.0)
    n = select(n > 5.0, 5.0, n)
    (a, a_low), (p, p_low) = middle(x, x_low, n, dtype)
    v, v_low = select(is_middle, p, x), select(is_middle, p_low, 0.0)
    log_v, log_low = log_of(v, v_low, dtype)
    sign = select(n < 0.0, const(-1.0, "float64"), 1.0)
    total, error = two_sum(a, log_v * sign)
    error = fma(log_low, sign, error + a_low)
    # Stirling: x (log(x) - 1) - log(x) / 2 + offset + series.
    w = 1.0 / x
    less, less_low = two_sum(-1.0, log_v)
    less_low = less_low + log_low
    product = x * less
    product_low = fma(x, less_low, fma(x, less, -product))
    large, large_low = two_sum(product, log_v * -0.5)
    large, offset_low = two_sum(large, const(STIRLING_OFFSET, "float64"))
    large_low = large_low + (offset_low + STIRLING_OFFSET_LO)
    rest = fma(w, horner(w * w, STIRLING[dtype]), product_low)
    rest = fma(x_low, log_v, fma(log_low, -0.5, rest))
    large, large_low = fast_two_sum(large, large_low + rest)
    large = select(product < INF, large, INF)
    return select(is_middle, total, large), select(is_middle, error, large_low)


def distance(a: Value) -> Value:
    """``a`` less the nearest whole number, which is exact."""
    return a - ir.apply("rint", a)


def log_gamma(x: Value, dtype: str) -> Pair:
    """``log|Gamma(x)|`` of float64 x, finite and no pole, as a sum high + low.

    For negative x it is ``log(pi / |sin(pi x)|) - lgamma(1 - x)``.
    """
    negative = x < 0.0
    y, y_low = two_sum(1.0, -x)
    y, y_low = select(negative, y, x), select(negative, y_low, 0.0)
    high, low = lgamma_positive(y, y_low, dtype)
    r = magnitude(distance(x))
    z = r * r
    sine = horner(z, SINE[dtype])
    q = fma(z, sine, 1.0)
    q_low = fma(z, sine, 1.0 - q)
    s = r * q
    s_low = fma(r, q_low, fma(r, q, -s))
    log_s, log_low = log_of(s, s_low, dtype)
    total, error = two_sum(-log_s, -high)
    error = error - (log_low + low)
    return select(negative, total, high), select(negative, error, low)


def is_pole(x: Value) -> Value:
    """Where x is 0 or a negative whole number."""
    return (x <= 0.0) & ir.apply("rint", x).eq(x)


def lgamma(x: Value) -> Value:
    """``log|Gamma(x)|``, with SciPy's gammaln(-inf) = -inf."""
    wide = x.cast("float64")
    high, low = log_gamma(wide, x.dtype)
    y = select(magnitude(high) < INF, high + low, high).cast(x.dtype)
    y = select(is_pole(x), INF, y)
    return select(magnitude(x) < INF, y, x)  # also NaN


def gamma(x: Value) -> Value:
    """``exp(log|Gamma(x)|)``, whole where x is, with a sign for negative x."""
    f = FORMATS["float64"]
    wide = x.cast("float64")
    high, low = log_gamma(clamp(wide, -199.5, 200.0), x.dtype)
    held = clamp(high, -750.0, 720.0)
    e, r0 = reduce(held)
    r = r0 + fma(e.k, -f.ln2_lo, low)
    series = EXPM1["float32"] if x.dtype == "float32" else EXP["float64"]
    y = e.scale(horner(r, (1.0, 1.0, *series)))
    floor = ir.apply("floor", wide)
    half = floor * 0.5
    odd = ir.apply("floor", half).ne(half)
    y = select((wide < 0.0) & odd, -y, y)
    y = select(floor.eq(wide) & (wide < 24.0), ir.apply("rint", y), y)
    y = nan_where(is_pole(wide) & wide.ne(0.0), y.cast(x.dtype))
    y = select(x.eq(0.0), 1.0 / x, y)
    return nan_where(x.ne(x), y)


def digamma(x: Value) -> Value:
    """The derivative of lgamma; NaN at negative whole numbers and -inf."""
    result = digamma_finite(x.cast("float64"), x.dtype).cast(x.dtype)
    result = select(x.eq(0.0), -1.0 / x, result)
    result = nan_where(is_pole(x) & x.ne(0.0), result)
    return select(x.eq(INF), x, result)


def digamma_finite(x: Value, dtype: str) -> Value:
    """Digamma of float64 x; for negative x ``digamma(1 - x) + pi cot(-pi x)``."""
    negative = x < 0.0
    y, y_low = two_sum(1.0, -x)
    y, y_low = select(negative, y, x), select(negative, y_low, 0.0)
    first, first_low = digamma_middle(y, y_low, dtype)
    large, large_low = digamma_large(y, y_low, dtype)
    is_middle = y < DIGAMMA_START
    high, low = select(is_middle, first, large), select(is_middle, first_low, large_low)
    r = -distance(x)
    z = r * r
    series = horner(z, COTANGENT[dtype])
    c = fma(-z, series, 1.0)
    c_low = fma(-z, series, 1.0 - c)
    inverse = 1.0 / r
    cotangent = c * inverse
    error = (fma(-cotangent, r, c) + c_low) * inverse
    error = select(magnitude(r) < 2.0**-60, 0.0, error)
    total, rounding = two_sum(high, cotangent)
    reflected = select(magnitude(total) < INF, rounding + (low + error), 0.0)
    return select(negative, total, high) + select(negative, reflected, low)


def digamma_middle(y: Value, y_low: Value, dtype: str) -> Pair:
    """With ``y = 1 + n + b`` and b in [0, 1): digamma(1 + b) and n quotients."""
    n = ir.apply("floor", y) - 1.0
    n = select(n > 2.0, 2.0, n)
    u = (y - (n + 1.5)) + y_low
    constant, *rest = DIGAMMA[dtype]
    r = horner(u, rest)
    g = fma(u, r, constant)
    g_low = fma(u, r, constant - g)
    delta = (u - DIGAMMA_ROOT) - DIGAMMA_ROOT_LO
    # n = -1: -1 / y; n = 1: 1 / (y - 1); n = 2: 1 / (y - 1) + 1 / (y - 2).
    first, second, double = y - 1.0, y - 2.0, n > 1.0
    both, both_low = two_sum(first, second)
    product = first * second
    product_low = fma(first, second, -product)
    top = select(double, both, select(n > 0.0, const(1.0, "float64"), 0.0))
    top = select(n < 0.0, -1.0, top)
    bottom = select(double, product, select(n > 0.0, first, 1.0))
    bottom = select(n < 0.0, y, bottom)
    inverse = 1.0 / bottom
    quotient = top * inverse
    residue = fma(-quotient, bottom, top)
    correction = fma(-quotient, product_low, both_low)
    residue = (residue + select(double, correction, 0.0)) * inverse
    base = delta * g
    total, error = two_sum(quotient, base)
    low = fma(delta, g_low, fma(delta, g, -base))
    return total, select(y < 2.0**-60, 0.0, error + (low + residue))


def digamma_large(y: Value, y_low: Value, dtype: str) -> Pair:
    """``log(y) - 1 / (2 y) - series``."""
    w = 1.0 / y
    high, low = log_of(y, y_low, dtype)
    series = fma(w, horner(w * w, DIGAMMA_SERIES[dtype]), 0.5)
    return fast_two_sum(high, fma(-w, series, low))


def trigamma(x: Value) -> Value:
    """The derivative of digamma.

    ``1 / x**2 + trigamma(1 + x)``, or ``(pi / sin(pi x))**2 - trigamma(1 - x)``.
    """
    wide = x.cast("float64")
    a = magnitude(wide)
    held = select(a > 2.0**60, 2.0**60, a)
    t = (held - 2.0) / (held + 2.0)
    constant, *rest = TRIGAMMA[x.dtype]
    p = horner(t, rest)
    high = fma(t, p, constant)
    low = fma(t, p, constant - high)
    d, d_low = two_sum(1.0, a)
    part = divide((high, low + TRIGAMMA_LO), (d, d_low))
    r = magnitude(distance(wide))
    z = r * r
    sine = horner(z, SINE[x.dtype])
    q = fma(z, sine, 1.0)
    s = r * q
    s_low = fma(r, fma(z, sine, 1.0 - q), fma(r, q, -s))
    negative = wide < 0.0
    s, s_low = select(negative, s, a), select(negative, s_low, 0.0)
    part = select(negative, -part, part)
    inverse = 1.0 / s
    error = fma(-inverse, s_low, fma(-inverse, s, 1.0)) * inverse
    error = select((s < 2.0**-60) | (s > 2.0**60), 0.0, error)
    part = fma(select(error.eq(0.0), 0.0, inverse + inverse), error, part)
    result = fma(inverse, inverse, part).cast(x.dtype)
    result = select(is_pole(x) | x.eq(-INF), INF, result)
    return select(x.eq(INF), 0.0, result)
