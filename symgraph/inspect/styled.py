"""Text in pieces with styles: colours on a terminal, plain text everywhere else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

#: A line in pieces, each with the name of a style of rich ("": none).
Styled: TypeAlias = list[tuple[str, str]]

BEFORE, AFTER, NAME, LINE, DIM = "red", "green", "bold", "cyan", "dim"
HEADING = "bold underline"


def plain(lines: Iterable[Styled]) -> str:
    """Styled lines as text."""
    return "".join("".join(t for t, _ in line).rstrip() + "\n" for line in lines)
