"""sin, cos and tan over the whole range of floats.

The argument is measured in turns: ``x / (2 pi)`` modulo 1.  That needs the digits of
1 / (2 pi) from the place where their product with x is no longer a whole number down
to the last bit that matters (Payne and Hanek, 1983).  Here the digits are cut into
floats whose products with x are exact, or exact as a sum of two; whole turns are
dropped from each product, and the nearest quarter turn from the sum.
"""

from __future__ import annotations

from .. import ir
from ..ir import Value, const, select
from .floats import FORMATS, divide, fast_two_sum, fma, horner, magnitude, two_sum

#: 1 / (2 pi) * 2**DIGITS, rounded down.
INVERSE_TURN = int(
    "28be60db9391054a7f09d5f47d4d377036d8a5664f10e4107f9458eaf7aef1586dc91b8e90"
    "9374b801924bba827464873f877ac72c4a69cfba208d7d4baed1213a671c09ad17df904e64"
    "758e60d4ce7d272117e2ef7e4a0ec7fe25fff7816603fbcbc462d6829b47db4d9fb3c9f2c2"
    "6dd3d18fd9a797fa8b5d49eeb1faf97c5ecf41ce7de294a4ba9afed7ec47e357421580cc11"
    "bf1edaeafc33ef0826bd0d87",
    16,
)
DIGITS = 1280

TURN = float.fromhex("0x1.921fb54442d18p+2")  # 2 pi
TURN_LO = float.fromhex("0x1.1a62633145c07p-52")  # 2 pi - TURN

#: (sin(r) / r - 1) / z in z = r**2 on |r| <= pi / 4, minimax for the relative error of
#: the sine: 2**-37.5 for float32 (which is computed in float64), 2**-57.9 for float64.
SIN = {
    "float32": (
        -0.16666666640775607, 0.00833332930236249, -0.0001983931147174531,
        2.71811401194483e-06,
    ),
    "float64": (
        -0.1666666666666663, 0.008333333333322106, -0.00019841269829579887,
        2.7557313617930853e-06, -2.5050747206226797e-08, 1.5896197019188072e-10,
    ),
}  # fmt: skip

#: (cos(r) - 1 + z / 2) / z**2, likewise: 2**-42.9 and 2**-64.
COS = {
    "float32": (
        0.0416666666194538, -0.0013888883496862604, 2.4799459310501892e-05,
        -2.720568464760105e-07,
    ),
    "float64": (
        0.041666666666666595, -0.001388888888887304, 2.480158728884145e-05,
        -2.7557314176255484e-07, 2.0875700418148304e-09, -1.1358514055007467e-11,
    ),
}  # fmt: skip

#: Below this, sin(x) rounds to x and cos(x) to 1.
SMALL = 2.0**-27


def digits(start: int, count: int) -> float:
    """`count` (at most 53) binary digits of 1 / (2 pi) from `start`, as a fraction."""
    shifted = INVERSE_TURN >> (DIGITS - start - count)
    return (shifted & ((1 << count) - 1)) * 2.0**-count


def without_turns(x: Value) -> Value:
    """`x` less the nearest whole number."""
    return x - ir.apply("rint", x)


def quarters(turns: Value) -> tuple[Value, Value]:
    """The nearest number of quarter turns, in an integer's low bits and as a float."""
    f = FORMATS["float64"]
    shifted = fma(turns, 4.0, f.shifter)
    return shifted.bitcast(f.integer), shifted - f.shifter


def reduce32(x: Value) -> tuple[Value, Value]:
    """The quadrant and the angle within it (float64), for a float32 x held in float64.

    29 digits times 24 bits of x are exact.  From the sixth piece on, a product with the
    largest float32 is less than half a turn.
    """
    pieces = [digits(29 * i, 29) * 2.0 ** (-29 * i) for i in range(5)]
    terms = [without_turns(x * piece) for piece in pieces]
    terms.append(x * (digits(145, 53) * 2.0**-145))
    estimate = terms[0]
    for term in terms[1:]:
        estimate = estimate + term
    quadrant, k = quarters(estimate)
    # Anew, now that the leading terms cancel exactly where the result is small.
    turns = fma(k, -0.25, terms[0])
    for term in terms[1:]:
        turns = turns + term
    return quadrant, turns * TURN


def window(x: Value) -> tuple[Value, list[Value]]:
    """A scaled x below 2**105, and the five pieces of 53 digits that matter to it.

    Pieces whose product with x is whole are passed over by a shift in five stages, each
    of which divides x by the weight of what it skips.
    """
    size = magnitude(x)
    pieces = [const(digits(53 * i, 53), x.dtype) for i in range(23)]
    for stage in (16, 8, 4, 2, 1):
        far = size >= 2.0 ** (52 + 53 * stage)
        scaled = size * 2.0 ** (-53 * stage)
        size = select(far, scaled, size)
        pieces = [
            select(far, pieces[i + stage], piece) if i + stage < len(pieces) else piece
            for i, piece in enumerate(pieces[: stage + 4])
        ]
    return ir.apply("copysign", size, x), pieces


def reduce64(x: Value) -> tuple[Value, Value, Value]:
    """The quadrant, and the angle within it as a sum high + low."""
    scaled, pieces = window(x)
    terms: list[Value] = []
    for piece in pieces[:4]:
        product = scaled * piece
        terms += [product, fma(scaled, piece, -product)]
        scaled = scaled * 2.0**-53
    terms[:3] = [without_turns(term) for term in terms[:3]]
    terms[7] = fma(scaled, pieces[4], terms[7])
    estimate = terms[0]
    for term in terms[1:5]:
        estimate = estimate + term
    quadrant, k = quarters(estimate)
    total, error = two_sum(fma(k, -0.25, terms[0]), terms[1])
    for term in terms[2:]:
        total, rounding = two_sum(total, term)
        error = error + rounding
    small = fma(total, TURN_LO, error * TURN)
    high = fma(total, TURN, small)
    return quadrant, high, fma(total, TURN, -high) + small


def rotate(quadrant: Value, sine: Value, cosine: Value) -> Value:
    """The sine of an angle plus `quadrant` right angles."""
    result = select((quadrant & 1).eq(0), sine, cosine)
    sign = (quadrant & 2) << 62
    return (result.bitcast("int64") ^ sign).bitcast("float64")


def sine32(x: Value, ahead: int) -> Value:
    """``sin(x + ahead * pi / 2)`` of float32 x."""
    quadrant, r = reduce32(x.cast("float64"))
    z = r * r
    sine = fma(r * z, horner(z, SIN["float32"]), r)
    cosine = fma(z, fma(z, horner(z, COS["float32"]), -0.5), 1.0)
    return rotate(quadrant + ahead, sine, cosine).cast("float32")


def sine64(x: Value, ahead: int) -> Value:
    """``sin(x + ahead * pi / 2)`` of float64 x."""
    quadrant, r, low = reduce64(x)
    z = r * r
    one = fma(z, -0.5, 1.0)
    one_low = fma(z, -0.5, 1.0 - one)
    sine = r + fma(r * z, horner(z, SIN["float64"]), low * one)
    tail = fma(z * z, horner(z, COS["float64"]), fma(-r, low, one_low))
    return rotate(quadrant + ahead, sine, one + tail)


def sin(x: Value) -> Value:
    """The sine; NaN of an infinity."""
    result = sine32(x, 0) if x.dtype == "float32" else sine64(x, 0)
    return select(magnitude(x) < SMALL, x, result)


def cos(x: Value) -> Value:
    """The cosine; NaN of an infinity."""
    result = sine32(x, 1) if x.dtype == "float32" else sine64(x, 1)
    return select(magnitude(x) < SMALL, 1.0, result)


def tangent32(x: Value) -> Value:
    """``tan(x)`` of float32 x; past an odd number of right angles, ``-1 / tan(r)``."""
    quadrant, r = reduce32(x.cast("float64"))
    z = r * r
    sine = fma(r * z, horner(z, SIN["float32"]), r)
    cosine = fma(z, fma(z, horner(z, COS["float32"]), -0.5), 1.0)
    odd = (quadrant & 1).ne(0)
    return (select(odd, -cosine, sine) / select(odd, sine, cosine)).cast("float32")


def tangent64(x: Value) -> Value:
    """``tan(x)`` of float64 x, the quotient of sums high + low."""
    quadrant, r, low = reduce64(x)
    z = r * r
    z_low = fma(r, r, -z)
    one = fma(z, -0.5, 1.0)
    one_low = fma(z_low, -0.5, fma(z, -0.5, 1.0 - one))
    tail = fma(r * z, horner(z, SIN["float64"]), low * one)
    sine, sine_low = fast_two_sum(r, tail)
    tail = fma(z * z, horner(z, COS["float64"]), fma(-r, low, one_low))
    cosine, cosine_low = fast_two_sum(one, tail)
    odd = (quadrant & 1).ne(0)
    n = select(odd, -cosine, sine), select(odd, -cosine_low, sine_low)
    d = select(odd, sine, cosine), select(odd, sine_low, cosine_low)
    return divide(n, d)


def tan(x: Value) -> Value:
    """The tangent; NaN of an infinity."""
    result = tangent32(x) if x.dtype == "float32" else tangent64(x)
    return select(magnitude(x) < SMALL, x, result)
