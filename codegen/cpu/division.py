"""Vectors divided by one number: multiplied by its reciprocal, and corrected.

A division of wide vectors takes as long as a dozen multiplications.  Where the divisor
d is the same in every lane, r = 1/d is computed once for a whole loop; then ::

    q = x * r       rest = x - q * d       x / d = q + rest * r

with fused operations, is the quotient rounded once: Markstein, "Computation of
elementary functions on the IBM RISC System/6000 processor", 1990.  That takes for
granted that nothing overflows, which makes the sum NaN: vectors with such a lane are
divided by the machine, so that infinities and NaN are right, and divisors so small that
they have no reciprocal.  Where x is less than 2**-100 (float32; 2**-960 in float64), or
the quotient subnormal, the rest may be rounded as well: the last digit may then differ.
"""

from __future__ import annotations

from collections.abc import Sequence

from .lines import Writer, literal, llvm_type
from .reduction import apply

#: Narrower vectors are divided almost as fast as they are multiplied.
LEAST_BYTES = 64


def quotients(
    w: Writer, dtype: str, dividends: Sequence[str], divisor: str, lanes: int
) -> tuple[str, ...]:
    """Each of the vectors `dividends` over the scalar `divisor`."""
    kind = llvm_type(dtype, lanes)

    def do(op: str, *args: str) -> str:
        return apply(w, op, dtype, dtype, args, lanes)

    one = literal(1.0, dtype)
    reciprocal = apply(w, "div", dtype, dtype, (one, divisor), 0)
    inverse = w.splat(reciprocal, dtype, lanes)
    spread = w.splat(divisor, dtype, lanes)
    less = w.splat(apply(w, "neg", dtype, dtype, (divisor,), 0), dtype, lanes)
    guesses, known = [], []
    for x in dividends:
        q = do("mul", x, inverse)
        rest = do("fma", q, less, x)
        # What is added to a zero makes it positive.
        guess = do("copysign", do("fma", rest, inverse, q), q)
        guesses.append(guess)
        known.append(apply(w, "eq", dtype, "bool", (guess, guess), lanes))
    sound = known[0]
    for each in known[1:]:
        sound = apply(w, "and", "bool", "bool", (sound, each), lanes)
    w.place(sound)
    bits = w.op(f"bitcast {llvm_type('bool', lanes)} {sound} to i{lanes}")
    every = w.op(f"icmp eq i{lanes} {bits}, -1")
    divided = [f"fdiv {kind} {x}, {spread}" for x in dividends]
    return w.where(every, kind, guesses, divided)


__all__ = ["LEAST_BYTES", "quotients"]
