"""sinh and cosh, and the inverse hyperbolic functions, which are logarithms.

The argument of each logarithm is 1 plus a sum high + low, so that nothing is lost where
it is close to 1.
"""

from __future__ import annotations

from .. import ir
from ..ir import Value, select
from .exponential import EXPM1, expm1_parts, reduce_twice
from .floats import (
    FORMATS,
    INF,
    Exponent,
    copysign,
    divide,
    fast_two_sum,
    fma,
    horner,
    magnitude,
    nan_where,
    two_sum,
)
from .logarithm import LOG, log_sum, split_normal


def limited(x: Value) -> Value:
    """``|x|``, held to where exp(|x|) / 2 is infinite."""
    a, high = magnitude(x), FORMATS[x.dtype].exp_high + 2.0
    return select(a > high, high, a)


def inverse_power(e: Exponent) -> Value:
    """``2**-k``, 0 where that is negligible beside 1 (and may not be normal)."""
    return select(e.k > e.format.mantissa + 10.0, 0.0, e.inverse())


def sinh(x: Value) -> Value:
    """``(m + m / (1 + m)) / 2`` with ``m = expm1(|x|)``, and the sign of x."""
    e, high, low = expm1_parts(limited(x))
    m, m_low = fast_two_sum(high, low)
    inverse = inverse_power(e)
    p, p_low = two_sum(m, inverse)
    quotient = divide((m, m_low), (p, p_low + m_low))
    # 2**k is taken out of all of them; the product with `inverse` is exact.
    total, error = two_sum(m, quotient * inverse)
    return copysign(e.scale((total + (error + m_low)) * 0.5), x)


def cosh(x: Value) -> Value:
    """``(p + 1 / p) / 2`` with ``p = exp(|x|)``."""
    e, r, r_low = reduce_twice(limited(x))
    one, one_low = fast_two_sum(1.0, r)
    tail = one_low + fma(r * r, horner(r, EXPM1[x.dtype]), r_low)
    p, p_low = fast_two_sum(one, tail)
    inverse = inverse_power(e)
    total, error = fast_two_sum(p, inverse * inverse / p)
    return e.scale((total + (error + p_low)) * 0.5)


def root(x: Value, x_low: Value) -> tuple[Value, Value]:
    """The square root of a positive sum high + low, as such a sum."""
    s = ir.apply("sqrt", x)
    return s, (fma(-s, s, x) + x_low) * (0.5 / s)


def log1p_sum(high: Value, low: Value, large: Value, x: Value) -> Value:
    """``log(1 + high + low)``, or ``log(2 x)`` where `large` holds."""
    f = FORMATS[x.dtype]
    u, c = two_sum(1.0, high)
    u, c = select(large, x, u), select(large, 0.0, c + low)
    k, m = split_normal(u)
    k = select(large, k + 1.0, k)
    c = c / u
    return log_sum(k, m, fma(k, f.ln2_lo, fma(c * -0.5, c, c)), LOG[x.dtype])


def is_large(x: Value) -> Value:
    """Where 1 is negligible beside ``4 x**2``."""
    return x > 2.0 ** (FORMATS[x.dtype].mantissa // 2 + 2)


def asinh(x: Value) -> Value:
    """``log1p(a + a**2 / (1 + sqrt(1 + a**2)))`` with ``a = |x|``."""
    a = magnitude(x)
    z = a * a
    z_low = fma(a, a, -z)
    t, t_low = two_sum(1.0, z)
    s, s_low = root(t, t_low + z_low)
    d, d_low = two_sum(1.0, s)
    inverse = 1.0 / d
    w = z * inverse
    w_low = (fma(-w, d, z) + fma(-w, d_low + s_low, z_low)) * inverse
    total, error = two_sum(a, w)
    result = log1p_sum(total, error + w_low, is_large(a), a)
    return copysign(select(a < INF, result, a), x)  # also NaN


def acosh(x: Value) -> Value:
    """``log1p(t + sqrt(2 t + t**2))`` with ``t = x - 1``."""
    t, t_low = two_sum(-1.0, x)
    square = t * t
    v, v_low = two_sum(square, t + t)
    v_low = fma(t_low, t + t, v_low + fma(t, t, -square)) + (t_low + t_low)
    s, s_low = root(v, v_low)
    total, error = two_sum(t, s)
    result = log1p_sum(total, error + (t_low + s_low), is_large(x), x)
    result = select(x < INF, result, x)
    return nan_where(x < 1.0, select(x.eq(1.0), 0.0, result))


def atanh(x: Value) -> Value:
    """``log1p(2 a / (1 - a)) / 2`` with ``a = |x|``, and the sign of x."""
    a = magnitude(x)
    n = a + a
    d, d_low = two_sum(1.0, -a)
    inverse = 1.0 / d
    w = n * inverse
    w_low = (fma(-w, d, n) - w * d_low) * inverse
    result = log1p_sum(w, w_low, a > 2.0, a) * 0.5
    result = select(a.eq(1.0), INF, result)
    return copysign(nan_where(a > 1.0, result), x)
