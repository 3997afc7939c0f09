"""Loops over a part of what another loop ran over, put in the place of that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from .ir import (
    Affine,
    Atom,
    Extent,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    atom,
    axis,
    walk,
)
from .names import reads


def part_of(
    number: str, length: Atom, whole: Extent, name: Callable[[str], str]
) -> tuple[Range, tuple[Let, ...], Let]:
    """The part `number` of the range `whole`, and the statements that find it.

    The last one stands before all loops: it says how long a part is at the most.
    `name` makes names that are free.
    """
    size = atom(whole)
    begin, left, some, most = map(name, ("begin", "left", "some", "most"))
    lets = (
        Let(begin, "mul", (number, length), "int64"),
        Let(left, "sub", (size, begin), "int64"),
        Let(some, "min", (most, left), "int64"),
    )
    limit = Let(most, "min", (size, length), "int64")
    return Range(begin, name("at"), name("place"), some), lets, limit


@dataclass(frozen=True, slots=True)
class Range:
    """A loop over the part of a longer one from `begin`; `value` is the old axis."""

    begin: str
    axis: str
    value: str
    extent: str

    def moved(self, body: tuple[Statement, ...], old: str) -> tuple[Statement, ...]:
        """`body` with the axis `old` taken to be this one's place in the whole."""
        used = any(old in reads(s) for s, _ in walk(body))
        moved = self._indexed(body, old)
        if not used:
            return moved
        return (Let(self.value, "add", (self.begin, self.axis), "int64"), *moved)

    def _indexed(self, body: Iterable[Statement], old: str) -> tuple[Statement, ...]:
        """Recurses into loops, which nest no deeper than arrays have dimensions."""
        out: list[Statement] = []
        for statement in body:
            match statement:
                case Loop():
                    inner = self._indexed(statement.body, old)
                    carries = tuple(
                        replace(c, value=self._atom(c.value, old))
                        for c in statement.carries
                    )
                    state = tuple(
                        replace(
                            s,
                            init=self._atom(s.init, old),
                            next=self._atom(s.next, old),
                        )
                        for s in statement.state
                    )
                    found = replace(statement, body=inner, carries=carries, state=state)
                    out.append(found)
                case Load():
                    index = tuple(self._index(a, old) for a in statement.index)
                    out.append(replace(statement, index=index))
                case Store():
                    index = tuple(self._index(a, old) for a in statement.index)
                    value = self._atom(statement.value, old)
                    out.append(replace(statement, index=index, value=value))
                case Let():
                    args = tuple(self._atom(a, old) for a in statement.args)
                    out.append(replace(statement, args=args))
                case _:
                    out.append(statement)
        return tuple(out)

    def _index(self, index: Affine, old: str) -> Affine:
        factor = index.coefficient(old)
        rest = index + axis(old) * -factor
        return rest + (axis(self.begin) + axis(self.axis)) * factor

    def _atom(self, atom: Atom, old: str) -> Atom:
        return self.value if atom == old else atom


def replaced(
    body: tuple[Statement, ...], old: Loop, new: Loop
) -> tuple[Statement, ...]:
    """`body` with the loop `old`, wherever it stands, replaced by `new`.

    Recurses into loops, which nest no deeper than arrays have dimensions.
    """
    out: list[Statement] = []
    for statement in body:
        if statement is old:
            out.append(new)
        elif isinstance(statement, Loop):
            out.append(replace(statement, body=replaced(statement.body, old, new)))
        else:
            out.append(statement)
    return tuple(out)
