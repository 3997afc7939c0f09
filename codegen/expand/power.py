"""pow: ``exp(y * log(|x|))`` with a logarithm of higher precision, and the sign."""

from __future__ import annotations

from .. import ir
from ..ir import Value, select
from .exponential import EXP, EXPM1, reduce
from .floats import FORMATS, INF, clamp, fma, horner, magnitude, nan_where
from .logarithm import WIDE, log_pair, log_sum, split_normal, with_limits

#: With an exponent of this size every x but 1 over- or underflows, and 1 gives 1, which
#: it would not if its logarithm 0 were multiplied by infinity.
LARGE = 2.0**70


def power32(x: Value, y: Value) -> Value:
    """``x**y`` of float32 x not negative: in float64, where nothing is tight."""
    x, y = x.cast("float64"), clamp(y.cast("float64"), -LARGE, LARGE)
    f = FORMATS["float64"]
    k, m = split_normal(x)
    log_x = with_limits(x, log_sum(k, m, k * f.ln2_lo, WIDE))
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
