"""Loops over a few numbers, from a launch or more in each round to one kernel.

A launch costs as much as a hundred operations on scalars or more.  So where each round
of a loop is that short, all rounds run in one kernel: the loop of the program becomes a
loop of the kernel, and what a round hands to the next is its state, in registers.

    launch begin(x0, x)                 launch begin(x0, x)
    repeat t < n moving x <- next       launch rolled_t(x, ys; n)
    launch step(x, next, yt)
    end                                   v1 = load x[]
                                          serial t < n keeping x_0 = v1 then v7 to x_end
                                            ...
                                            store ys[t] = v7
                                          store x[] = x_end

What is still used after the loop is stored then; what a round makes for itself never
reaches memory.  A call can be interrupted between launches only, so that a loop of
which it is not known that it ends soon is run in slices, a launch each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from .ir import Buffer, Const, Extent, Kernel, Let, Loop, Store, walk
from .liveness import Liveness
from .names import fresh
from .program import Array, End, Launch, Program, Repeat, Step, arrays_of, brackets
from .rolling import rolling
from .unroll import UnfitError

#: Rounds of a loop that may run in one launch: some seconds, if rounds are long.
MOST_ROUNDS = 1 << 26
#: The same for each element of an array that bounds the loops around.
MOST_EACH = 1 << 10
#: Rounds in a slice of a loop that may take longer: a small part of a second, beside
#: which a launch is nothing.
SLICE = 1 << 20


def rolled(program: Program) -> Program:
    """`program` with each loop over a few numbers in one kernel, inner loops first.

    What a failed check says is seen after the loop then, not after the round; it says
    in which round that was.
    """
    loops = [step for step in program.steps if isinstance(step, Repeat)]
    for loop in reversed(loops):
        begin = next(k for k, step in enumerate(program.steps) if step is loop)
        try:
            program = _without(program, begin)
        except UnfitError:
            continue
    return program


def _without(program: Program, begin: int) -> Program:
    """`program` without the loop that begins there, but with a launch.

    Raises:
        UnfitError: that cannot be, or would not pay.
    """
    loop, end = program.steps[begin], brackets(program.steps)[begin]
    assert isinstance(loop, Repeat)
    steps = program.steps[begin + 1 : end]
    inner, slices = _inner(steps), None
    if not _bounded(program, [loop.extent]):
        slices = _Slices.of(program, loop)
    around = [SLICE if slices else loop.extent]
    if inner and not _bounded(program, [*around, *inner]):
        raise UnfitError("loops in each other may take long")
    live = Liveness(program)
    launch = rolling(
        program,
        loop,
        steps,
        None if slices is None else slices.most,
        lambda name: live.read_from(end + 1, name),
    )
    steps = (launch,)
    if slices is not None:
        again = Repeat(slices.counter.name, slices.count, loop.going)
        steps = (_zero(loop.counter), again, launch, End())
        arrays, host = (*program.arrays, slices.counter), (*program.host, *slices.host)
        program = replace(program, arrays=arrays, host=host)
    steps = (*program.steps[:begin], *steps, *program.steps[end + 1 :])
    return _used(replace(program, steps=steps))


def _bounded(program: Program, extents: Sequence[Extent]) -> bool:
    """Whether loops in each other are known to end soon; memory bounds sizes."""
    known = prod(e for e in extents if isinstance(e, int))
    names = Counter(e for e in extents if isinstance(e, str))
    if not names:
        return known <= MOST_ROUNDS
    shapes = (Counter(array.shape) for array in program.arrays)
    return known <= MOST_EACH and any(names <= shape for shape in shapes)


def _inner(launches: Sequence[Step]) -> list[Extent]:
    """The extents, in the program's sizes, of loops over rounds in kernels."""
    extents: list[Extent] = []
    for step in launches:
        if isinstance(step, Launch):
            sizes = dict(zip(step.kernel.sizes, step.sizes, strict=True))
            extents += [
                sizes.get(str(s.extent), s.extent)
                for s, _ in walk(step.kernel.body)
                if isinstance(s, Loop) and s.state
            ]
    return extents


def _zero(name: str) -> Launch:
    """A launch that sets a counter to 0."""
    store = Store("o", (), Const(0, "int64"))
    kernel = Kernel("zero", (Buffer("o", "int64", (), "out"),), (), (store,))
    return Launch(kernel, (name,), ())


def _used(program: Program) -> Program:
    """`program` without temporaries, views and rows that no step uses."""
    used = {name for step in program.steps for name in arrays_of(step)}
    for array in reversed(program.arrays):  # what shows another comes after it
        if array.name in used and array.target is not None:
            used.add(array.target)
    inner = ("temp", "view", "row")
    kept = (a for a in program.arrays if a.role not in inner or a.name in used)
    return replace(program, arrays=tuple(kept))


@dataclass(frozen=True, slots=True)
class _Slices:
    """How a loop that may take long is cut: `count` launches of `most` rounds."""

    most: Extent
    count: Extent
    host: tuple[Let, ...]
    counter: Array

    @classmethod
    def of(cls, program: Program, loop: Repeat) -> _Slices:
        """The slices of a loop, with the sizes and the array that they need."""
        taken = {e for a in program.arrays for e in a.shape if isinstance(e, str)}
        taken |= {s.name for s in program.host} | {a.name for a in program.arrays}
        slot = max((a.slot for a in program.arrays if a.slot is not None), default=-1)
        name = fresh(f"slice_{loop.counter}", taken)
        counter = Array(name, "int64", (), "temp", slot + 1)
        if isinstance(loop.extent, int):
            return cls(SLICE, -(-loop.extent // SLICE), (), counter)
        most, full, count = (fresh(n, taken) for n in ("most", "full", "count"))
        length = Const(SLICE, "int64")
        host = (
            Let(most, "min", (loop.extent, length), "int64"),
            Let(full, "floordiv", (loop.extent, length), "int64"),
            # One too many, which has no rounds, where rounding up might overflow.
            Let(count, "add", (full, Const(1, "int64")), "int64"),
        )
        return cls(most, count, host, counter)
