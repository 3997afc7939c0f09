"""erf, erfc, erfcx, and the inverses erfinv and erfcinv.

erf is one of 16 polynomials, by the piece in which its argument lies, and so is, but
for ``exp(-a**2)``, erfc.

The others come, beyond a bound, from the scaled ``erfcx(a) = exp(a**2) * erfc(a)``,
which is ``p(t) / (1 + 2 a)`` with a polynomial p in ``t = (a - c) / (a + c)`` (Shepherd
and Laframboise, Math. Comp. 36, 1981), and below it from a polynomial for erf around 0.
But for erf, float32 is computed in float64.
"""

from __future__ import annotations

from .. import ir
from ..ir import Value, const, lookup, select
from .erf_pieces import PIECES, SCALED
from .exponential import EXP, EXPM1, reduce
from .floats import (
    FORMATS,
    INF,
    Exponent,
    copysign,
    divide,
    fma,
    horner,
    magnitude,
    nan_where,
    two_sum,
)
from .logarithm import split, wide_log

SLOPE = float.fromhex("0x1.20dd750429b6dp+0")  # 2 / sqrt(pi)
SLOPE_LO = float.fromhex("0x1.1ae3a914fed80p-56")
INVERSE_SLOPE = float.fromhex("0x1.c5bf891b4ef6bp-1")

#: (erf(x) / x - 2 / sqrt(pi)) / z in z = x**2 for x up to NEAR, minimax for erf.
ERF = {
    "float32": (  # 2**-32.6
        -0.37612637496102375, 0.11283754168195972, -0.0268628173297028,
        0.005210073130055923, -0.0008252857206431642, 8.872668990634525e-05,
    ),
    "float64": (  # 2**-62.3
        -0.3761263890318375, 0.11283791670954746, -0.02686617064502605,
        0.005223977623988179, -0.0008548326906424131, 0.0001205532704447813,
        -1.4925452428091975e-05, 1.6457708081938502e-06, -1.6300762926900345e-07,
        1.4190862955041378e-08, -8.839850675122784e-10,
    ),
}  # fmt: skip
NEAR = 0.85

#: (1 + 2 a) erfcx(a) in t = (a - c) / (a + c) for all a >= 0, minimax for erfcx; c
#: comes first.
ERFCX = {
    "float32": (3.0, (  # 2**-33.3
        1.2530080582550551, -0.1356211043691206, -0.04756229287996167,
        0.12964509283632225, -0.11927368843233128, 0.0683087440741596,
        -0.023770350221134093, 0.0025259279635308682, 0.001888149089031768,
        -0.0007711188226648708, -0.00010416844009303722, 0.00011302731463860659,
        3.876249478108211e-06, -1.0985470614520053e-05,
    )),
    "float64": (4.0, (  # 2**-57
        1.2329951186255526, -0.1396211168405623, 0.015379652102619367,
        0.06809705425466907, -0.10103906603628855, 0.09373283499909602,
        -0.06633036581242217, 0.03716751552652604, -0.01619773405743568,
        0.005031970067916043, -0.0007577732753083605, -0.00019925714788606794,
        0.00015062154185784373, -2.4397742566569923e-05, -1.122141350786134e-05,
        5.706597000981047e-06, 2.921785754598056e-07, -8.210848057414118e-07,
        7.725056383655363e-08, 1.0633165360022068e-07, -2.041229554016329e-08,
        -1.2343916230067326e-08, 3.112062372895647e-09, 9.306314418948649e-10,
        -2.5621693295118066e-10,
    )),
}  # fmt: skip

#: Below TINY, erf of a float32 is proportional; it is computed for a multiple.
TINY, TINY_SCALE = 2.0**-60, 2.0**64

#: What the first coefficient lost when it was rounded to float64.
ERFCX_LO = float.fromhex("-0x1.9798358843241p-55")


def near(x: Value, dtype: str) -> Value:
    """``erf(x)`` of float64 x for ``|x| <= NEAR``."""
    z = x * x
    return fma(x, SLOPE, x * fma(z, horner(z, ERF[dtype]), SLOPE_LO))


def scaled(a: Value, dtype: str) -> Value:
    """``exp(a**2) * erfc(a)`` of float64 a >= 0."""
    center, coefficients = ERFCX[dtype]
    held = select(a > 2.0**60, 2.0**60, a)
    t = (held - center) / (held + center)
    if dtype == "float32":
        return horner(t, coefficients) * 0.5 / (a + 0.5)
    constant, *rest = coefficients
    q = horner(t, rest)
    p = fma(t, q, constant)
    p_low = fma(t, q, constant - p) + ERFCX_LO
    d, d_low = two_sum(0.5, a)
    return select(a.eq(INF), 0.0, divide((p * 0.5, p_low * 0.5), (d, d_low)))


def square_exponent(a: Value, sign: float, dtype: str) -> tuple[Exponent, Value]:
    """The k and s with ``exp(sign * a**2) = 2**k * (1 + s)`` (a**2 below 750)."""
    f = FORMATS["float64"]
    square = a * a * sign
    low = fma(a * sign, a, -square)
    e, r0 = reduce(square)
    r = r0 + fma(e.k, -f.ln2_lo, low)
    coefficients = EXPM1["float32"] if dtype == "float32" else EXP["float64"]
    return e, r * horner(r, (1.0, *coefficients))


def tail(a: Value, dtype: str) -> Value:
    """``erfc(a)`` of float64 a >= 0: ``exp(-a**2)`` times a polynomial for erfcx."""
    a = select(a > 27.3, 27.3, a)
    e, s = square_exponent(a, -1.0, dtype)
    number = (a + 2.0).bitcast("int64") >> (FORMATS["float64"].mantissa - 2)
    d = a - lookup(number, SCALED[dtype].centers, "float64")
    *lower, y = (lookup(number, table, "float64") for table in SCALED[dtype].rest)
    for coefficient in reversed(lower):
        y = fma(y, d, coefficient)
    return e.scale(fma(y, s, y))


def erf(x: Value) -> Value:
    """The error function.

    In each piece it is ``value + (slope + low) * t + t**2 * q(t)``, where t is how far
    ``|x|`` is from the piece's center: see `erf_pieces`.
    """
    f, pieces = FORMATS[x.dtype], PIECES[x.dtype]
    end = 15.49 * pieces.width
    a = magnitude(x)
    a = select(a > end, end, a)
    number = fma(a, 1.0 / pieces.width, f.shifter).bitcast(f.integer)

    def entry(table: tuple[float, ...]) -> Value:
        return lookup(number, table, x.dtype)

    t = a - entry(pieces.centers)
    value, slope = entry(pieces.values), entry(pieces.slopes)
    *lower, q = (entry(table) for table in pieces.rest)
    for coefficient in reversed(lower):
        q = fma(q, t, coefficient)
    total = fma(t, slope, value)
    error = fma(t, slope, value - total)
    if pieces.low:
        error = fma(t, pieces.low, error)
    result = total + fma(t * t, q, error)
    if pieces.low:
        # Of numbers so small that the error has no digits left, a multiple is taken.
        large = a * TINY_SCALE
        small = fma(large, pieces.slopes[0], large * pieces.low) * (1.0 / TINY_SCALE)
        result = select(a < TINY, small, result)
    return copysign(result, x)


def erfc(x: Value) -> Value:
    """``1 - erf(x)`` without cancellation."""
    wide = x.cast("float64")
    y = tail(magnitude(wide), x.dtype)
    return select(wide < 0.0, 2.0 - y, y).cast(x.dtype)


def erfcx(x: Value) -> Value:
    """``exp(x**2) * erfc(x)``; below 0 from the value at -x, ``2 exp(x**2)`` less."""
    wide = x.cast("float64")
    a = magnitude(wide)
    y = scaled(a, x.dtype)
    e, s = square_exponent(select(a > 27.0, 27.0, a), 1.0, x.dtype)
    grown = e.scale(s + 1.0)
    beyond = select(wide < 0.0, grown + (grown - y), y)
    rest = 1.0 - near(wide, x.dtype)
    product = e.scale(fma(rest, s, rest))
    return select(a < 0.47, product, beyond).cast(x.dtype)


#: The inverse of erf divided by its argument x, to 2**-28.7 or better, in w = -log(1 -
#: x**2) and s = sqrt(w): where w < 5 in w - 5/2; where s < 65/16 in s - 25/8; beyond
#: that, divided by s as well, in (s - 5) / (s + 5).
INVERSE = (
    (
        1.5014093535141915, 0.24664028763497578, -0.004177339404502206,
        -0.0012527446558435655, 0.00021828263215738542, -4.961915685453762e-06,
        -3.4346126386514785e-06, 4.6589293157713086e-07, 1.8037433888855365e-08,
        -8.772878452392144e-09, 3.3552299732352764e-10,
    ),
    (
        2.9583201468125377, 1.0037186601558377, 0.007048132189296633,
        -0.00530020923766822, 0.0037914123785039587, -0.002525256264282811,
        0.0012745057133598866, -0.00031507256311437615, -0.00011929345691045824,
        0.00012418511634932226, -2.859756899740891e-05,
    ),
    (
        0.9699812815304933, 0.08063839393537976, -0.0834139207541029,
        0.037630618230887355, 0.025750159046512504, -0.09610164659976639,
        0.16113231153895308, -0.20049444003295183, 0.18159991612189683,
        -0.10361714146551217, 0.027075523016288423,
    ),
)  # fmt: skip


def inverse_estimate(w: Value) -> Value:
    """``erfinv(x) / x`` to 2**-28.7 of its value, with ``w = -log(1 - x**2)``."""
    s = ir.apply("sqrt", w)
    low, middle = w < 5.0, s < 4.0625
    u = select(middle, s - 3.125, (s - 5.0) / (s + 5.0))
    u = select(low, w - 2.5, u)

    def coefficient(i: int) -> Value:
        """The one of the three polynomials that applies."""
        first, second, third = (c[i] for c in INVERSE)
        return select(low, first, select(middle, const(second, "float64"), third))

    result = coefficient(10)
    for i in range(9, -1, -1):
        result = fma(result, u, coefficient(i))
    return result * select(middle, 1.0, s)


def inverse(a: Value, q: Value, dtype: str) -> Value:
    """The y with ``erfc(y) = q``, and a = 1 - q, from 0 to 1, either of them rounded.

    For float64 the estimate is refined by Halley's method, on erf or on erfc.
    """
    k, m = split(q * (a + 1.0))
    logarithm = fma(k, -FORMATS["float64"].ln2_hi, -wide_log(m))
    w = select(logarithm > 0.0, logarithm, 0.0)
    y = inverse_estimate(w) * a
    if dtype == "float32":
        return y
    y = select(y > 27.3, 27.3, y)
    e, s = square_exponent(y, 1.0, dtype)
    missing = (a - near(y, dtype)) + ((1.0 - a) - q)
    central = e.scale(fma(missing, s, missing))
    first, second = e.halves()
    q = q * first  # which may have been subnormal
    outer = scaled(y, dtype) - fma(q, s, q) * second
    step = select(y < NEAR, central, outer) * INVERSE_SLOPE
    return y + fma(step * step, y, step)


def erfinv(x: Value) -> Value:
    """The inverse of erf; infinite at 1 and -1, NaN beyond."""
    a = magnitude(x.cast("float64"))
    y = inverse(a, 1.0 - a, x.dtype).cast(x.dtype)
    y = select(a.eq(1.0), INF, y)
    return copysign(nan_where(a > 1.0, y), x)


def erfcinv(x: Value) -> Value:
    """The inverse of erfc; infinite at 0 and 2, NaN outside."""
    wide = x.cast("float64")
    upper = wide > 1.0
    q = select(upper, 2.0 - wide, wide)
    a = 1.0 - q
    y = inverse(a, q, x.dtype).cast(x.dtype)
    y = select(q.eq(0.0), INF, y)
    return nan_where(q < 0.0, select(upper, -y, y))
