"""Scan in Theano's form: sequences and outputs with taps, updates, an end.

An output whose values of up to d rounds ago are read carries d values, each of which
becomes the next older one; nothing is copied for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import ops
from ..errors import ArgumentError, ShapeError, refuse
from ..leaf import Shared
from ..ops.sizes import size_variable
from ..variable import Variable, as_tensor
from .build import Built, Options, Round, Start, build, called


@dataclass(frozen=True, slots=True)
class Until:
    """What :func:`until` returns."""

    condition: Variable


def until(condition: object) -> Until:
    """For a step of :func:`scan` to return: the loop ends where `condition` holds.

    The round that says so is the last one, and is kept.
    """
    made = as_tensor(condition)
    if made.ndim:
        refuse(
            ShapeError,
            "until: the condition is not a scalar",
            made,
            remedy="reduce it, with sg.all or sg.any",
        )
    return Until(ops.cast(made, "bool"))


@dataclass(frozen=True, slots=True)
class _Output:
    """An output: how many rounds ago its values that are read were, and these."""

    taps: tuple[int, ...] = ()
    starts: tuple[Start, ...] = ()


@dataclass(frozen=True, slots=True)
class Taps:
    """The arguments of a scan, sorted out."""

    rows: list[Variable]
    outputs: list[_Output]
    listed: bool
    rest: list[Any]
    count: Variable

    @classmethod
    def of(
        cls,
        sequences: Any,
        outputs_info: Any,
        non_sequences: Any,
        n_steps: Any,
        backwards: bool,
    ) -> Taps:
        """Sort them out.

        Raises:
            ArgumentError, ShapeError: they do not say what is meant.
        """
        given = [_sequence(s, k) for k, s in enumerate(_listed(sequences))]
        lengths = [_length(x, taps) for x, taps in given]
        count = _count(lengths, n_steps)
        rows = []
        for (x, taps), length in zip(given, lengths, strict=True):
            for tap in taps:
                start = tap - min(0, *taps)
                if backwards:
                    rows.append(_cut(_cut(x, start, length)[::-1], 0, count))
                else:
                    rows.append(_cut(x, start, count))
        listed = isinstance(outputs_info, list | tuple)
        infos = list(outputs_info) if listed else [outputs_info]
        outputs = [_output(o, k) for k, o in enumerate(infos)]
        return cls(rows, outputs, listed, _listed(non_sequences), count)

    def scan(self, fn: Callable[..., Any], options: Options) -> Any:
        """The stacks of what `fn` makes."""
        singles: list[bool] = []
        built = self._build(fn, options, singles)
        stacks = built.stacks
        if built.conditional:
            stacks = [stack[: built.rounds] for stack in stacks]
        return stacks[0] if singles[0] else tuple(stacks)

    def last(self, fn: Callable[..., Any], options: Options) -> list[Variable]:
        """What each output is after the last round."""
        built = iter(self._build(fn, options, []).last)
        own = [[next(built) for _ in output.starts] for output in self.outputs]
        return [values[0] for values in own]

    def _build(
        self, fn: Callable[..., Any], options: Options, singles: list[bool]
    ) -> Built:
        def once(t: Variable, carried: list[Variable], rows: list[Variable]) -> Round:
            past, args = iter(carried), list(rows)
            histories = [[next(past) for _ in o.starts] for o in self.outputs]
            for output, history in zip(self.outputs, histories, strict=True):
                args += [history[-tap - 1] for tap in output.taps]
            returned = called(fn, [*args, *self.rest], options.label)
            made = _Made.of(returned, options.label)
            singles[:] = [made.single]
            self._check(len(made.outputs), options.label)
            nexts: list[Any] = []
            for value, history in zip(made.outputs, histories, strict=False):
                nexts += [value, *history[:-1]][: len(history)]
            return Round(nexts, made.outputs, made.going, made.updates)

        starts = [s for output in self.outputs for s in output.starts]
        return build(once, starts, self.rows, self.count, options)

    def _check(self, made: int, label: str) -> None:
        """Refuse a step that returns another number of outputs than is described."""
        described = len(self.outputs)
        if made != described and (self.listed or self.outputs[0].starts):
            refuse(
                ArgumentError,
                f"{label}: the step returns {made} outputs, and outputs_info describes "
                f"{described}",
                remedy="give one entry for each output, None for one that is not read",
            )


@dataclass(frozen=True, slots=True)
class _Made:
    """What a step returned."""

    outputs: list[Any]
    single: bool
    updates: list[tuple[Variable, Any]]
    going: Variable | None

    @classmethod
    def of(cls, made: Any, label: str) -> _Made:
        """Tell outputs, updates and the end apart."""
        ends: list[Until] = []
        updates: list[tuple[Variable, Any]] = []
        parts = list(made) if isinstance(made, tuple) else [made]
        while parts and (isinstance(parts[-1], Until) or _is_updates(parts[-1])):
            last = parts.pop()
            if isinstance(last, Until):
                ends.append(last)
            else:
                updates += list(last.items() if isinstance(last, Mapping) else last)
        if len(parts) == 1 and isinstance(parts[0], tuple | list):
            outputs, single = list(parts[0]), False
        else:
            whole = isinstance(made, tuple) and len(parts) == len(made)
            outputs, single = parts, not whole and len(parts) == 1
        if not outputs and not updates:
            refuse(
                ArgumentError,
                f"{label}: the step returned nothing",
                remedy="return an output at least",
            )
        going = ~ends[0].condition if ends else None
        return cls(outputs, single, updates, going)


def _is_updates(value: Any) -> bool:
    """Whether a part of what a step returned says how shared variables change."""
    if isinstance(value, Mapping):
        return True
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(pair, tuple)
            and len(pair) == 2
            and isinstance(pair[0], Variable)
            and isinstance(pair[0].node.op, Shared)
            for pair in value
        )
    )


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def _sequence(given: Any, number: int) -> tuple[Variable, tuple[int, ...]]:
    """A sequence and its taps."""
    taps: Any = (0,)
    if isinstance(given, Mapping):
        _known(given, ("input", "taps"), f"sequence {number}")
        taps, given = given.get("taps", (0,)), given["input"]
        taps = tuple(_ints((taps,) if isinstance(taps, int) else taps, "taps"))
    x = as_tensor(given)
    if not x.ndim:
        refuse(
            ShapeError,
            f"scan: sequence {number} has no axis to go along",
            x,
            remedy="pass it as a non-sequence",
        )
    return x, taps


def _known(given: Mapping[str, Any], names: Sequence[str], what: str) -> None:
    """Refuse a description without its array, or with entries that mean nothing."""
    unknown = sorted(set(given) - set(names))
    if unknown or names[0] not in given:
        which = f"{unknown[0]!r} is unknown" if unknown else f"{names[0]!r} is missing"
        refuse(
            ArgumentError,
            f"scan: in the description of {what}, {which}",
            remedy=f"it has {' and '.join(map(repr, names))}",
        )


def _ints(given: Iterable[Any], what: str) -> list[int]:
    found = list(given)
    if not found or not all(isinstance(k, int) for k in found):
        refuse(
            ArgumentError,
            f"scan: {what} cannot be {found}",
            remedy="give a list of ints",
        )
    return found


def _length(x: Variable, taps: Sequence[int]) -> Variable:
    """How many rounds a sequence is enough for."""
    size = ops.shape_of(x, 0)
    spread = max(0, *taps) - min(0, *taps)
    return ops.maximum(size - spread, 0) if spread else size


def _count(lengths: Sequence[Variable], n_steps: Any) -> Variable:
    """How many rounds there are."""
    if n_steps is not None:
        return size_variable(n_steps, "scan")
    if not lengths:
        refuse(
            ArgumentError,
            "scan: neither sequences nor a number of rounds",
            remedy="say how many: n_steps=",
        )
    least = lengths[0]
    for length in lengths[1:]:
        if length.node is not least.node:
            least = ops.minimum(least, length)
    return least


def _cut(x: Variable, start: int, count: Variable) -> Variable:
    """The rows of `x` from `start` on that the rounds are given."""
    if start == 0 and count.node is ops.shape_of(x, 0).node:
        return x
    return x[start : start + count]


def _output(info: Any, number: int) -> _Output:
    """What an entry of `outputs_info` says."""
    name = f"output {number}"
    if info is None:
        return _Output()
    if not isinstance(info, Mapping):
        return _Output((-1,), (Start.of(info, name),))
    _known(info, ("initial", "taps"), name) if info else None
    if not info or info["initial"] is None:
        return _Output()
    taps = info.get("taps", (-1,))
    taps = tuple(_ints((taps,) if isinstance(taps, int) else taps, "taps"))
    if max(taps) >= 0:
        refuse(
            ArgumentError,
            f"scan: {name} has a tap {max(taps)}, which is not there yet",
            remedy="taps of outputs are negative: -1 is the round before",
        )
    if taps == (-1,):
        return _Output(taps, (Start.of(info["initial"], name),))
    depth = -min(taps)
    initial = as_tensor(info["initial"])
    size = initial.type.dims[0] if initial.ndim else None
    if size is None or (isinstance(size, int) and size < depth):
        refuse(
            ShapeError,
            f"scan: {name} starts from {initial.type}, its taps read {depth} values",
            initial,
            remedy="'initial' has all of them along its first axis, the oldest first",
        )
    # The last row is that of the round before the first.
    starts = tuple(
        Start(initial[depth - ago], f"{name}, {ago} rounds ago")
        for ago in range(1, depth + 1)
    )
    return _Output(taps, starts)


__all__ = ["Taps", "Until", "until"]
