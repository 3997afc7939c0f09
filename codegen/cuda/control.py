"""How the loops and branches of a program are launched, decided once for all calls.

The host waits for what the device computes as seldom as it can:

- A loop of fixed extent needs nothing read: its rounds are launched one after another.
- Where a condition's two branches are little work, both are launched, *blind*: under
  a bool on the device each, of which one at most is true.  Where they are more than
  `MOST_BLIND` launches, or loops, the bool is read, and one branch is launched.
- A loop that may end early is launched in batches, of 1, 2, 4, ... rounds up to a
  bound, each under a bool that says whether the loop still goes on; how far it went is
  read once a batch.  Where its body has loops, or conditions that are read, each round
  is waited for, as the body waits anyway.
- A function of the host is called by nobody else, and only where its turn has surely
  come: what is around it is waited for as if it were a loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import CompileError
from ..liveness import owners
from ..program import (
    Array,
    Call,
    Gemm,
    Launch,
    Program,
    Repeat,
    When,
    arrays_of,
    brackets,
    rotation,
    written_by,
)

#: The most launches in the branches of a condition that is not waited for.
MOST_BLIND = 8
#: The most rounds of a batch, and the most launches.
MOST_ROUNDS = 32
MOST_LAUNCHES = 256


@dataclass(frozen=True, slots=True)
class Control:
    """What is known of a program's steps, by position.

    Attributes:
        ends: of each part that a step opens, where it ends; `begins` the other way.
        blind: each `When` whose branches are both launched, and its `Otherwise`.
        rounds: of each loop that may end early, the most rounds in a batch.
        under: each launch that is under a condition on the device.
        rotations: of each loop, whose memory each array has after a round.
        rows: the arrays that are rows of a loop, by its counter.
        counted: the counters that something reads.
        views: of each view, the array whose memory it is.
    """

    ends: Mapping[int, int]
    begins: Mapping[int, int]
    blind: frozenset[int]
    rounds: Mapping[int, int]
    under: frozenset[int]
    rotations: Mapping[int, Mapping[str, str]]
    rows: Mapping[str, tuple[Array, ...]]
    counted: frozenset[str]
    views: Mapping[str, str]

    def held(self, name: str) -> str:
        """The name of an array's memory; a view's is its target's."""
        return self.views.get(name, name)


def control_of(program: Program) -> Control:
    """Decide how `program` is launched.

    Raises CompileError for a counter that is not a loop's own.
    """
    steps, ends = program.steps, brackets(program.steps)
    counted = _counters_read(program)
    blind: set[int] = set()
    rounds: dict[int, int] = {}
    under: set[int] = set()
    # Inner parts first, which are the shorter ones.
    for begin, end in sorted(ends.items(), key=lambda part: part[1] - part[0]):
        step = steps[begin]
        end = ends[end] if isinstance(step, When) else end
        inside = range(begin + 1, end)
        work = [k for k in inside if isinstance(steps[k], Launch | Gemm)]
        waits = any(
            isinstance(steps[k], Repeat | Call)
            or (isinstance(steps[k], When) and k not in blind)
            for k in inside
        )
        if isinstance(step, When) and not waits and len(work) <= MOST_BLIND:
            blind |= {begin, ends[begin]}
            under.update(work)
        if isinstance(step, Repeat) and step.going is not None:
            most = min(MOST_ROUNDS, MOST_LAUNCHES // max(1, len(work)))
            rounds[begin] = 1 if waits else max(1, most)
            under.update(work if rounds[begin] > 1 else ())
    return Control(
        ends,
        {end: begin for begin, end in ends.items()},
        frozenset(blind),
        rounds,
        frozenset(under),
        {k: rotation(s.moves) for k, s in enumerate(steps) if isinstance(s, Repeat)},
        _rows(program),
        counted,
        {view.name: str(view.target) for view in program.by_role("view")},
    )


def _rows(program: Program) -> dict[str, tuple[Array, ...]]:
    found: dict[str, tuple[Array, ...]] = {}
    for array in program.by_role("row"):
        if array.row is not None:
            counter = array.row.counter
            found[counter] = *found.get(counter, ()), array
    return found


def _counters_read(program: Program) -> frozenset[str]:
    """The counters that launches read, which are to be nobody's but their loops'."""
    owner = owners(program)
    loops = [step for step in program.steps if isinstance(step, Repeat)]
    counters = {owner[loop.counter] for loop in loops}
    moved = {owner[name] for loop in loops for pair in loop.moves for name in pair}
    work = [step for step in program.steps if not isinstance(step, Repeat)]
    written = {owner[name] for step in work for name in written_by(step)}
    for name in sorted(counters):
        if program.array(name).role != "temp" or name in written | moved:
            raise CompileError(
                f"{program.name}: on a device the counter {name} of a loop must be a "
                "temporary that no other step writes"
            )
    read = {owner[name] for step in work for name in arrays_of(step)}
    return frozenset(counters & read)


__all__ = ["Control", "control_of"]
