"""Sizes that are not known yet: polynomials of names, as text that Python can read.

What is no sum or product of sizes, such as a quotient or the larger of two, is one more
name: its own formula.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

#: The names in a product, in order; a square has a name twice.
Names: TypeAlias = tuple[str, ...]

_INFIX = {
    "floordiv": "//", "rem": "%", "eq": "==", "ne": "!=", "lt": "<", "le": "<=",
    "gt": ">", "ge": ">=", "and": "&", "or": "|", "xor": "^", "shl": "<<", "shr": ">>",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Polynomial:
    """A sum of factors times names, products of more names first.

    >>> n, m = name("n"), name("m")
    >>> str(n * (m + 2) * 3 + 1)
    '3*m*n + 6*n + 1'
    """

    terms: tuple[tuple[Names, Fraction], ...]

    def __add__(self, other: Amount) -> Polynomial:
        terms = dict(self.terms)
        for names, factor in _terms(other):
            terms[names] = terms.get(names, Fraction()) + factor
        return _polynomial(terms)

    def __mul__(self, other: Amount | Fraction) -> Polynomial:
        terms: dict[Names, Fraction] = {}
        for mine, factor in self.terms:
            for its, more in _terms(other):
                names = tuple(sorted((*mine, *its)))
                terms[names] = terms.get(names, Fraction()) + factor * more
        return _polynomial(terms)

    __radd__ = __add__
    __rmul__ = __mul__

    def __str__(self) -> str:
        text = ""
        for names, factor in self.terms:
            sign = ("-" if factor < 0 else "") if not text else " + "
            if text and factor < 0:
                sign = " - "
            text += sign + _term(names, abs(factor))
        return text or "0"


#: A size, or a sum and product of such.
Amount: TypeAlias = int | Polynomial


def name(text: str) -> Polynomial:
    """The polynomial that is just a name."""
    return Polynomial((((text,), Fraction(1)),))


def apply(op: str, *args: Amount) -> Amount:
    """Scalar primitive `op` of int64 sizes of which some are not known.

    A number where everything unknown cancels out.
    """
    match op, args:
        case "add", (a, b):
            return known(a + b)
        case "sub", (a, b):
            return known(a + b * -1)
        case "mul", (a, b):
            return known(a * b)
        case "neg", (a,):
            return known(a * -1)
        case "cast", (a,):
            return a
        case (("min" | "max"), (a, b)):
            return a if a == b else name(f"{op}({a}, {b})")
        case "select", (condition, a, b):
            return a if a == b else name(f"({a} if {condition} else {b})")
        case _, (a, b) if op in _INFIX:
            return name(f"({_atom(a)}{_INFIX[op]}{_atom(b)})")
    return name(f"{op}({', '.join(map(str, args))})")


def known(amount: Amount) -> Amount:
    """`amount` as a number, where it is one."""
    if isinstance(amount, int):
        return amount
    match amount.terms:
        case ():
            return 0
        case (((), factor),) if factor.denominator == 1:
            return int(factor)
    return amount


def _terms(amount: Amount | Fraction) -> tuple[tuple[Names, Fraction], ...]:
    if isinstance(amount, Polynomial):
        return amount.terms
    return (((), Fraction(amount)),)


def _polynomial(terms: dict[Names, Fraction]) -> Polynomial:
    kept = [(names, factor) for names, factor in terms.items() if factor]
    return Polynomial(tuple(sorted(kept, key=lambda t: (-len(t[0]), t[0]))))


def _term(names: Names, factor: Fraction) -> str:
    """A term with a positive factor: ``3*m*n**2/20``."""
    powers = {n: names.count(n) for n in names}
    parts = [n if power == 1 else f"{n}**{power}" for n, power in powers.items()]
    if factor.numerator != 1 or not parts:
        parts.insert(0, str(factor.numerator))
    under = "" if factor.denominator == 1 else f"/{factor.denominator}"
    return "*".join(parts) + under


def _atom(amount: Amount) -> str:
    """An operand of an infix operator."""
    text = str(amount)
    plain = text.replace(".", "").replace("_", "").isalnum()
    return text if plain or _enclosed(text) else f"({text})"


def _enclosed(text: str) -> bool:
    """Whether the parenthesis that opens `text` closes at its very end."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return letter == ")" and place == len(text) - 1
    return False


def product(amounts: tuple[Amount, ...]) -> Amount:
    """All of `amounts` multiplied."""
    return math.prod(amounts, start=1)
