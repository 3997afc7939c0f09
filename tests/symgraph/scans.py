"""Scans in NumPy, and functions computed in every way that there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

import symgraph as sg
from symgraph.codegen.program import End, Gemm, Repeat, When
from symgraph.mode import Mode
from symgraph.variable import Variable

from ..support import Computer, assert_same
from .loops import assert_legal, run_in_slots, run_lowered

Array: TypeAlias = np.ndarray
#: A sequence and its taps; an output's first values and its taps, or None.
Tapped: TypeAlias = tuple[Any, Sequence[int]]


class Checked:
    """`outputs` compiled; the program is checked, and run by all means there are.

    These are native code, the loop interpreter, that with the slots that native code
    has, and the ops' references.
    """

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        mode: Mode | None = None,
    ) -> None:
        self.slow = Computer(inputs, outputs, "interpret")
        self.f = sg.function(
            list(inputs), list(outputs), mode=mode, on_unused_input="ignore"
        )
        self.program = self.f.program
        assert_legal(self.program)

    def __call__(self, *values: object) -> list[Any]:
        got = list(self.f(*values))
        lowered = self.f._compilation.lowered
        fitting = [
            np.asarray(v, a.outer_dtype)
            for v, a in zip(values, self.program.by_role("input"), strict=True)
        ]
        for way, others in (
            ("interpret", self.slow(*values)),
            ("loops", run_lowered(lowered, fitting)),
            ("slots", run_in_slots(lowered, fitting)),
        ):
            # Programs make whole stacks, and behind them how much of each is returned.
            for number, (a, b) in enumerate(zip(got, others, strict=False)):
                cut = way != "interpret" and np.ndim(a) and len(a) < len(b)
                assert_same(a, b[: len(a)] if cut else b, f"{way}, output {number}")
        return got

    @property
    def repeats(self) -> int:
        return sum(isinstance(s, Repeat) for s in self.program.steps)

    @property
    def gemms(self) -> list[tuple[int, Gemm]]:
        """The products, and how many loops each stands in."""
        found, depth = [], []
        for step in self.program.steps:
            match step:
                case Gemm():
                    found.append((sum(depth), step))
                case End():
                    depth.pop()
                case Repeat():
                    depth.append(1)
                case When():
                    depth.append(0)
        return found


def plain_scan(
    step: Callable[..., Any],
    sequences: Sequence[Tapped] = (),
    outputs: Sequence[Tapped | None] = (None,),
    n_steps: int | None = None,
    backwards: bool = False,
) -> list[list[Any]]:
    """Theano's scan as a loop: what each output is in each round.

    `step` returns a list of the outputs, and whether this is the last round.
    """
    views = []
    for x, taps in sequences:
        low, high = min(0, *taps), max(0, *taps)
        length = max(len(x) - high + low, 0)
        for tap in taps:
            view = x[tap - low : tap - low + length]
            views.append(view[::-1] if backwards else view)
    count = min(map(len, views)) if n_steps is None else n_steps
    past = [
        None if o is None else list(o[0] if tuple(o[1]) != (-1,) else [o[0]])
        for o in outputs
    ]
    stacks: list[list[Any]] = [[] for _ in outputs]
    for t in range(count):
        args = [view[t] for view in views]
        for output, values in zip(outputs, past, strict=True):
            if output is not None:
                args += [values[tap] for tap in output[1]]  # type: ignore[index]
        made, last = step(*args)
        for stack, values, value in zip(stacks, past, made, strict=True):
            stack.append(value)
            if values is not None:
                values.append(value)
        if last:
            break
    return stacks


def unrolled(
    step: Any,
    init: Any,
    xs: Any = None,
    length: int = 0,
    reverse: bool = False,
    **_: Any,
) -> Any:
    """``scan(step, init, xs)`` of arrays, or pairs of them, without a loop."""
    rows = xs if isinstance(xs, tuple) else (xs,)
    count = length if xs is None else rows[0].type.dims[0]
    kept: list[Any] = []
    carry = init
    for t in reversed(range(count)) if reverse else range(count):
        row = tuple(x[t] for x in rows) if isinstance(xs, tuple) else xs
        carry, value = step(
            carry, row if xs is None or isinstance(row, tuple) else xs[t]
        )
        kept.append(value)
    kept = kept[::-1] if reverse else kept
    if isinstance(kept[0], tuple):
        return carry, tuple(sg.stack(list(part)) for part in zip(*kept, strict=True))
    return carry, None if kept[0] is None else sg.stack(kept)
