"""Loops that accumulate along neighbouring elements, which threads can share out."""

from __future__ import annotations

from dataclasses import dataclass

from ..access import independent
from ..ir import (
    FLOATS,
    Atom,
    Combine,
    Const,
    Let,
    Loop,
    State,
    Statement,
    Store,
    identity,
    walk,
)
from ..names import uses

#: What may be combined in another grouping, by the primitive.
COMBINES: dict[str, Combine] = {
    "add": "sum", "mul": "prod", "min": "min", "max": "max", "and": "and", "or": "or",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scan:
    """A loop with one state, which becomes itself combined with a value.

    Attributes:
        before: the statements of the loop that compute `value`.
        combined: the name of the state with the value.
        after: the statements that follow, which use that.
    """

    state: State
    combine: Combine
    before: tuple[Statement, ...]
    value: Atom
    combined: str
    after: tuple[Statement, ...]

    @property
    def neutral(self) -> Const:
        """What changes nothing, zeros' signs included."""
        if self.combine == "sum" and self.state.dtype in FLOATS:
            return Const(-0.0, self.state.dtype)
        return identity(self.combine, self.state.dtype)


def scan_of(loop: Loop) -> Scan | None:
    """`loop` as a scan, or None where its iterations depend on one another otherwise.

    Its sums and products are those of a loop in order up to rounding, and but for
    products or sums in between that overflow.
    """
    if len(loop.state) != 1 or loop.going is not None or loop.carries:
        return None
    (state,) = loop.state
    inside = [s for s, _ in walk(loop.body)]
    if any(isinstance(s, Loop) for s in inside):
        return None
    if sum(name == state.name for s in inside for name in uses(s)) != 1:
        return None
    stores = (s for s in inside if isinstance(s, Store))
    if not all(s.index and s.index[-1].coefficient(loop.axis) for s in stores):
        return None  # neighbouring threads would store far from one another
    for place, statement in enumerate(loop.body):
        if not isinstance(statement, Let) or statement.name != state.next:
            continue
        if statement.op not in COMBINES or state.name not in statement.args:
            return None
        (value,) = (a for a in statement.args if a != state.name)
        before, after = loop.body[:place], loop.body[place + 1 :]
        combine = COMBINES[statement.op]
        found = Scan(state, combine, before, value, statement.name, after)
        return found if independent(loop) else None
    return None
