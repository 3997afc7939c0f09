"""What is built of scans: maps, reductions, and loops that end by a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import ops
from ..errors import ArgumentError, ShapeError, refuse
from ..variable import Variable, as_tensor
from .build import Options, Round, Start, build, called
from .parts import FOREVER
from .scan import flat, scan
from .taps import Taps


def while_loop(
    condition: Callable[..., Any],
    step: Callable[..., Any],
    init: Any,
    max_steps: Any = None,
    name: str | None = None,
) -> Any:
    """``while condition(state): state = step(state)``; the last state.

    Args:
        condition: makes a bool scalar of a state.
        step: makes the next state of one.
        init: the first state, an array or a nested structure of them; `condition` and
            `step` are given it in this structure.
        max_steps: an int or integer scalar; the loop ends after so many rounds.  With
            it the loop has a gradient, for which the states of all rounds are kept.
        name: what the loop is called in dumps and messages.

    >>> import symgraph as sg
    >>> a = sg.dscalar("a")
    >>> root = sg.while_loop(
    ...     lambda x: abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a
    ... )
    >>> sg.function([a], root)(2.0)
    np.float64(1.414213562373095)

    Raises:
        DTypeError, ShapeError: a state changes its type, or the condition is no scalar.
        ArgumentError: a state changes its structure.
    """
    first, structure = flat(init)
    label = name or "while_loop"

    def holds(state: list[Variable]) -> Variable:
        made = as_tensor(called(condition, [structure.build(iter(state))], label))
        if made.ndim:
            refuse(
                ShapeError,
                f"{label}: the condition is not a scalar",
                made,
                remedy="reduce it, with sg.all or sg.any",
            )
        return ops.cast(made, "bool")

    def once(t: Variable, carried: list[Variable], rows: list[Variable]) -> Round:
        nexts, after = flat(called(step, [structure.build(iter(carried))], label))
        if after != structure:
            refuse(
                ArgumentError,
                f"{label}: the state changes its structure",
                remedy="return it nested as the initial one is",
            )
        made = [as_tensor(v) for v in nexts]
        return Round(made, (), holds(made))

    starts = [Start.of(v, f"part {k} of the state") for k, v in enumerate(first)]
    going = holds([s.value for s in starts])
    count = FOREVER if max_steps is None else max_steps
    built = build(once, starts, [], count, Options(label), going)
    return structure.build(iter(built.last))


def map(
    fn: Callable[..., Any],
    sequences: Any,
    non_sequences: Any = None,
    go_backwards: bool = False,
    name: str | None = None,
) -> Any:
    """``fn(row of each sequence, ..., *non_sequences)`` for each row, stacked."""
    return scan(
        fn,
        sequences=sequences,
        non_sequences=non_sequences,
        go_backwards=go_backwards,
        name=name or "map",
    )


def reduce(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    go_backwards: bool = False,
    name: str | None = None,
) -> Any:
    """What ``fn(row of each sequence, ..., result so far, ...)`` gives in the end.

    `outputs_info` is what the result, or each of several, is before the first row.
    """
    several = isinstance(outputs_info, list | tuple)
    infos = list(outputs_info) if several else [outputs_info]
    if any(info is None for info in infos):
        refuse(
            ArgumentError,
            "reduce: a result without a first value",
            remedy="say in outputs_info what it is before the first row",
        )
    made = _last(fn, sequences, infos, non_sequences, go_backwards, name or "reduce")
    return made if several else made[0]


def _last(
    fn: Callable[..., Any],
    sequences: Any,
    infos: list[Any],
    non_sequences: Any,
    backwards: bool,
    name: str,
) -> list[Variable]:
    taps = Taps.of(sequences, infos, non_sequences, None, backwards)
    return taps.last(fn, Options(name))


def foldl(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    name: str | None = None,
) -> Any:
    """:func:`reduce` from the first row to the last."""
    return reduce(fn, sequences, outputs_info, non_sequences, False, name or "foldl")


def foldr(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    name: str | None = None,
) -> Any:
    """:func:`reduce` from the last row to the first."""
    return reduce(fn, sequences, outputs_info, non_sequences, True, name or "foldr")


__all__ = ["foldl", "foldr", "map", "reduce", "while_loop"]
