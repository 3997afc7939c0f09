"""Indices as text: places in arrays, and the axes of a nest that is run as one loop.

A thread has every so-manieth iteration of a nest.  It divides to find the axes of its
first one only; from each to the next they go on like an odometer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..ir import Affine

#: A name of the loop IR as Python's.
Naming = Callable[[str], str]


def affine(index: Affine, name: Naming) -> str:
    """An index as a sum."""
    pieces = []
    for term, coef in index.terms:
        size = name(term) if abs(coef) == 1 else f"{abs(coef)} * {name(term)}"
        pieces.append(("-" if coef < 0 else "+", size))
    if index.const or not pieces:
        pieces.append(("-" if index.const < 0 else "+", str(abs(index.const))))
    pieces.sort(key=lambda piece: piece[0] == "-")
    text = " ".join(f"{sign} {piece}" for sign, piece in pieces)
    return text[2:] if text[0] == "+" else f"-{text[2:]}"


def place(
    index: Sequence[Affine], extents: Sequence[str], name: Naming, begin: str = ""
) -> str:
    """Where an element of an array with these `extents` stands in C order.

    The array begins at `begin`, if that is given.
    """
    terms = [begin] if begin else []
    for k, each in enumerate(index):
        strides = [extent for extent in extents[k + 1 :] if extent != "1"]
        text = affine(each, name)
        if text == "0":
            continue
        if strides and " " in text:
            text = f"({text})"
        terms.append(" * ".join([text, *strides]))
    return (" + ".join(terms) or "0").replace("+ -", "- ")


def element(array: str, place: str, used: set[str]) -> str:
    """An element of a flat array.

    Its place is taken to be no negative number, for which numba would look otherwise.
    """
    if place.isdecimal():
        return f"{array}[{place}]"
    used.add("flat")
    return f"{array}[flat({place})]"


def axes_of(number: str, axes: Sequence[str], extents: Sequence[str]) -> list[str]:
    """The statements that set `axes`, the last one fastest, for an iteration's number.

    An extent of 0 leaves them at anything: there is no iteration then.
    """
    lines = []
    for k in reversed(range(1, len(axes))):
        extent = extents[k] if extents[k] != "0" else "1"
        lines.append(f"{axes[k]} = {number} % {extent}")
        lines.append(f"{axes[0]} = {number} // {extent}")
        number = axes[0]
    return lines


def onward(
    axes: Sequence[str], steps: Sequence[str], extents: Sequence[str]
) -> list[str]:
    """The statements that move `axes` on by `steps`, each of which is below its extent.

    Only the first axis may go beyond its extent, where the iterations end.
    """
    lines = []
    for k in reversed(range(1, len(axes))):
        lines.append(f"{axes[k]} += {steps[k]}")
        lines.append(f"if {axes[k]} >= {extents[k]}:")
        lines.append(f"    {axes[k]} -= {extents[k]}")
        lines.append(f"    {axes[k - 1]} += 1")
    return [*lines, f"{axes[0]} += {steps[0]}"]
