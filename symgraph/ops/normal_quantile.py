"""The inverse of the normal distribution function, as a formula over loop IR.

With ``x`` the difference of the two tails' probabilities, the quantile is
``sqrt(2) erfinv(x)``.  That is x times a smooth function of ``w = -log(1 - x**2)`` near
the middle and of ``sqrt(w)`` in the tails (Giles, "Approximating the erfinv function",
GPU Computing Gems 2, 2010).  The polynomials here were fitted for this module at
50 digits, at Chebyshev's points of each range; the comments give their largest error.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..codegen import ir
from ..codegen.expand.floats import fma, horner


@dataclass(frozen=True, slots=True)
class Piece:
    """A polynomial in ``t - center``, lowest coefficient first, for w up to `end`.

    t is w in the first piece of a list and ``sqrt(w)`` in the others.
    """

    end: float
    center: float
    coefficients: tuple[float, ...]


CENTRAL32 = Piece(
    6.25, 3.125,
    (  # 2e-8
        2.338620710026593, 0.33963495712162156, -0.008532916546056164,
        -0.0010475061592133792, 0.00026411767951630365, -1.9639211597275098e-05,
        -1.9515783487871654e-06, 6.019780914818225e-07, -3.6278646195396985e-08,
        -6.516196180268572e-09, 9.876416004034884e-10,
    ),
)  # fmt: skip

TAIL32 = Piece(
    21.7, 3.5,
    (  # 2e-7
        4.717089081610255, 1.4246341862251197, 0.004636893158201291,
        -0.0029124618323551643, 0.0015256145616244176, -0.0009757329650937656,
        0.0006649413602585365, -0.0003130231562285008, 5.123661811102004e-05,
        9.06363674144297e-06,
    ),
)  # fmt: skip

CENTRAL64 = Piece(
    6.25, 3.125,
    (  # 1e-17
        2.338620710026593, 0.3396349587011389, -0.008532899177267343,
        -0.001047511569485617, 0.00026408204954061674, -1.9632852863696442e-05,
        -1.931065027529881e-06, 5.988894861277318e-07, -4.111174160550445e-08,
        -5.8161801676714855e-09, 1.4866543569083624e-09, -7.65698113492015e-11,
        -1.8354802577559388e-11, 3.7201267209535326e-12, -1.1415427137390895e-13,
        -5.659687073061811e-14, 9.222558296724625e-15, -5.57226748086415e-17,
        -1.7275519790527177e-16, 2.1935565352484576e-17, 8.591419094975e-19,
        -4.912241660340459e-19, 2.8273805909578654e-20, 4.51702010660485e-21,
        -5.081556263217504e-22,
    ),
)  # fmt: skip

MIDDLE64 = Piece(
    16.0, 3.25,
    (  # 7e-17
        4.36127285516533, 1.4216508658102656, 0.007595620204008106,
        -0.005305009947607792, 0.0035234312034188703, -0.0023875821596573117,
        0.0013481547470721663, -0.000502099285717319, 3.398532959161743e-05,
        9.657252393046758e-05, -6.691914910038016e-05, 1.762840845080047e-05,
        4.137605900581969e-06, -5.637174612476464e-06, 2.119500361605534e-06,
        -3.8189733148301894e-08, -3.837399354148746e-07, 1.8532351617364632e-07,
        9.855996524223803e-10, -2.135843669607052e-08,
    ),
)  # fmt: skip

TAIL64 = Piece(
    44.2, 5.25,
    (  # 3e-18
        7.215981945390646, 1.4286317203525387, -0.00038795086527167974,
        -0.00021219709099258978, 7.799207691442136e-05, -1.9831704380711582e-05,
        4.410648300106932e-06, -9.154898348368331e-07, 1.8514589952530248e-07,
        -3.981318675063912e-08, 1.1059212755656781e-08, -4.536307654216778e-09,
        2.306149344492969e-09, -1.165899462694199e-09, 5.264757931283954e-10,
        -2.0113063618365807e-10, 6.271822611946649e-11, -1.4449693886176284e-11,
        4.436230177381627e-13, 1.8146107780412227e-12, -8.536814624172081e-13,
        1.346275789197019e-13,
    ),
)  # fmt: skip

PIECES = {
    "float32": (CENTRAL32, TAIL32),
    "float64": (CENTRAL64, MIDDLE64, TAIL64),
}


def normal_quantile(x: ir.Value, rest: ir.Value) -> ir.Value:
    """The number that a normal variable exceeds with probability ``(1 - x) / 2``.

    `rest` is ``1 - |x|``, which x itself does not give to full precision near 1; it is
    at least 2**-32 (float32) or 2**-64 (float64).
    """
    w = -ir.apply("log", rest * (2.0 - rest))
    central, *tails = PIECES[x.dtype]
    factor = horner(w - central.center, central.coefficients)
    root = ir.apply("sqrt", w)
    before = central
    for piece in tails:
        value = horner(root - piece.center, piece.coefficients)
        factor = ir.select(w < before.end, factor, value)
        before = piece
    return fma(x, factor, -0.0)  # a product that cannot be contracted
