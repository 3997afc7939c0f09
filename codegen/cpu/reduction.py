"""How partial results of a reduction are combined, lane by lane and then across.

Floating-point sums are taken in runs: each accumulator adds up a run of steps, and the
run's sum is added to the total with the rounding error kept (Knuth's two-sum).  So the
error does not grow with the length of the array, at six additions a run.  Products are
taken in runs too, each of which is finished before the next one.
"""

from __future__ import annotations

from .. import ir
from ..ir import COMBINERS, FLOATS, Carry
from . import primitives
from .lines import Writer, literal, llvm_type

#: Steps of a loop in a run: few enough that adding them up loses little.
RUN = 32
#: The same for products: so few that ordinary factors do not overflow in any lane.
ORDERED_RUN = 4


def apply(
    w: Writer, op: str, source: str, result: str, args: tuple[str, ...], lanes: int
) -> str:
    """One primitive of values with so many lanes (0: scalars), where they are known."""
    w.place(*args)
    w.lanes = lanes
    return primitives.emit(w, op, source, result, args)


def identity(carry: Carry, lanes: int) -> str:
    """What an accumulator holds before anything is combined."""
    start = ir.identity(carry.combine, carry.dtype)
    return literal(start.value, carry.dtype, lanes)


def combine(w: Writer, carry: Carry, a: str, b: str, lanes: int) -> str:
    """Two partial results as one."""
    op = COMBINERS[carry.combine]
    return apply(w, op, carry.dtype, carry.dtype, (a, b), lanes)


def tree(w: Writer, carry: Carry, parts: list[str], lanes: int) -> str:
    """Combine neighbours until one is left."""
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [combine(w, carry, a, b, lanes) for a, b in pairs]
    return parts[0]


def across(w: Writer, carry: Carry, text: str, lanes: int) -> str:
    """Combine the lanes of a vector: its upper half on to its lower, and again."""
    while lanes > 1:
        kind, half = llvm_type(carry.dtype, lanes), lanes // 2
        parts = []
        for start in (0, half):
            numbers = ", ".join(f"i32 {k}" for k in range(start, start + half))
            w.place(text)
            picked = f"<{half} x i32> <{numbers}>"
            shuffle = f"shufflevector {kind} {text}, {kind} poison, {picked}"
            parts.append(w.op(shuffle))
        text = combine(w, carry, parts[0], parts[1], half)
        lanes = half
    w.place(text)
    return w.op(f"extractelement <1 x {llvm_type(carry.dtype)}> {text}, i64 0")


def compensated(carry: Carry) -> bool:
    """Whether the rounding errors of an accumulator are worth keeping."""
    return carry.combine == "sum" and carry.dtype in FLOATS


def is_ordered(carry: Carry) -> bool:
    """Whether values far apart must not be combined long before those between them.

    A product of all the elements that fall into one lane may overflow though the
    product of all does not.
    """
    return carry.combine == "prod" and carry.dtype in FLOATS


def in_one_lane(w: Writer, carry: Carry, parts: list[str], lanes: int) -> list[str]:
    """The combination of `parts` in the first lane of the first, and identities."""
    start = identity(carry, lanes)
    total = across(w, carry, tree(w, carry, parts, lanes), lanes)
    w.place(total)
    kind = llvm_type(carry.dtype, lanes)
    first = w.op(
        f"insertelement {kind} {start}, {llvm_type(carry.dtype)} {total}, i64 0"
    )
    return [first, *[start] * (len(parts) - 1)]


def two_sum(
    w: Writer, dtype: str, a: str, b: str, error: str, lanes: int
) -> tuple[str, str]:
    """a + b rounded, and `error` with what was lost added to it."""

    def do(op: str, x: str, y: str) -> str:
        return apply(w, op, dtype, dtype, (x, y), lanes)

    total = do("add", a, b)
    b_part = do("sub", total, a)
    a_part = do("sub", total, b_part)
    lost = do("add", do("sub", a, a_part), do("sub", b, b_part))
    return total, do("add", error, lost)


def corrected(w: Writer, dtype: str, total: str, error: str, lanes: int) -> str:
    """`total` plus its `error`, which is NaN where the total is not finite."""
    finite = apply(w, "eq", dtype, "bool", (error, error), lanes)
    zero = literal(0.0, dtype, lanes)
    known = apply(w, "select", dtype, dtype, (finite, error, zero), lanes)
    return apply(w, "add", dtype, dtype, (total, known), lanes)
