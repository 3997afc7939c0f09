"""cbrt and hypot."""

from __future__ import annotations

from .. import ir
from ..ir import Value, const, select
from .floats import FORMATS, INF, Exponent, copysign, fma, horner, magnitude
from .logarithm import split

#: cbrt(m) for m from sqrt(1/2) to sqrt(2), to 2**-16.7; two steps make it exact.
CBRT = (
    0.451666078576446, 0.9048220590676176, -0.5356359538656134, 0.21694111731989532,
    -0.03778905579577512,
)  # fmt: skip

CBRT_2 = 2.0 ** (1 / 3)


def cbrt(x: Value) -> Value:
    """With ``x = 2**k * m``, by one step of Halley and one of Newton."""
    a = magnitude(x.cast("float64"))
    k, m = split(a)
    f = FORMATS["float64"]
    origin = f.shifter + 2 * f.bias
    shifted = fma(k, 1 / 3, origin)
    e = Exponent(shifted - origin, shifted.bitcast(f.integer))
    rest = fma(e.k, -3.0, k)
    above, below = rest > 0.0, rest < 0.0
    factor = select(above, CBRT_2, select(below, const(1 / CBRT_2, "float64"), 1.0))
    t = horner(m, CBRT) * factor
    m = m * select(above, 2.0, select(below, const(0.5, "float64"), 1.0))
    cube = t * t * t
    t = t * (cube + 2.0 * m) / (2.0 * cube + m)
    if x.dtype == "float64":
        square = t * t
        square_low = fma(t, t, -square)
        residue = fma(-t, square_low, fma(-t, square, m))
        t = t + residue / (3.0 * square)
    result = (t * e.power()).cast(x.dtype)
    return select(x.eq(0.0) | ~(magnitude(x) < INF), x, copysign(result, x))


def hypot(x: Value, y: Value) -> Value:
    """``sqrt(x**2 + y**2)`` without overflow; infinite where either is infinite."""
    infinite = magnitude(x).eq(INF) | magnitude(y).eq(INF)
    result = hypot32(x, y) if x.dtype == "float32" else hypot64(x, y)
    return select(infinite, INF, result)


def hypot32(x: Value, y: Value) -> Value:
    """In float64, where squares of float32 are exact."""
    x, y = x.cast("float64"), y.cast("float64")
    return ir.apply("sqrt", fma(x, x, y * y)).cast("float32")


def hypot64(x: Value, y: Value) -> Value:
    """Scaled by a power of two, with the rounding errors of squares, sum and root."""
    a, b = magnitude(x), magnitude(y)
    first = a > b
    a, b = select(first, a, b), select(first, b, a)
    huge, tiny = a > 2.0**500, a < 2.0**-500
    one = const(1.0, "float64")
    scale = select(huge, 2.0**-600, select(tiny, 2.0**600, one))
    back = select(huge, 2.0**600, select(tiny, 2.0**-600, one))
    a, b = a * scale, b * scale
    z, w = a * a, b * b
    low = fma(a, a, -z) + fma(b, b, -w)
    total = z + w
    error = (z - total) + w
    s = ir.apply("sqrt", total)
    s = fma(fma(-s, s, total) + (error + low), 0.5 / s, s) * back
    return select(total.eq(0.0), 0.0, s)
