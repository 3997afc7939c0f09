"""From a Python function that makes one round to a loop over many."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from .. import ops
from ..composite import of_type
from ..errors import ArgumentError, DTypeError, ShapeError, refuse
from ..graph import Node, leaves, rebuild, toposort
from ..leaf import Constant, Shared
from ..ops.sizes import dim_of, size_variable
from ..random.keys import fold_in
from ..types import is_float, tensor
from ..variable import Variable, as_tensor
from .budget import planned
from .chunks import Chunks, in_chunks
from .loop import Loop
from .parts import Parts, closed

#: Round t draws with this many + t folded into a stream's state; the numbers of the
#: stream's own draws are smaller.
_ROUND_KEYS = 2**31


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What is carried at first, and how messages call it; equal to itself only.

    Where `weak` holds it was a Python number, which takes the dtype of what follows.
    """

    value: Variable
    name: str
    weak: bool = False

    @classmethod
    def of(cls, value: object, name: str) -> Start:
        """`value` as a start."""
        weak = isinstance(value, bool | int | float)
        return cls(as_tensor(value), name, weak)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round makes.

    `carried` are the next values of what is carried, `kept` what is stacked, `going`
    says whether there is another round, `updates` are new values of shared variables.
    """

    carried: Sequence[Any]
    kept: Sequence[Any] = ()
    going: Any = None
    updates: Sequence[tuple[Variable, Any]] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """How a loop runs; see :class:`~symgraph.loops.loop.Loop`."""

    label: str = "scan"
    backwards: bool = False
    remember: bool = True
    truncate: int = 0
    every: int | None = None
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A loop's last carried values, its stacks, and the number of its rounds.

    Where the loop is `conditional` that may be less than the stacks have rows.
    """

    last: list[Variable]
    stacks: list[Variable]
    rounds: Variable
    conditional: bool


def called(fn: Callable[..., Any], arguments: Sequence[Any], label: str) -> Any:
    """What a user's function makes of `arguments`.

    Raises:
        ArgumentError: it is no function, or not one of so many arguments.
    """
    if not callable(fn):
        refuse(
            ArgumentError,
            f"{label}: {fn!r} is not a function",
            remedy="give one that makes a round of symbolic variables",
        )
    try:
        inspect.signature(fn).bind(*arguments)
    except ValueError:  # built in, without a signature
        pass
    except TypeError as error:
        refuse(
            ArgumentError,
            f"{label}: the function does not take what it is given: {error}",
            *arguments,
            remedy="let it take these, in this order",
        )
    return fn(*arguments)


#: Makes a round of its number, what is carried, and the rows.
Step: TypeAlias = Callable[[Variable, list[Variable], list[Variable]], Round]


def build(
    step: Step,
    starts: Sequence[Start],
    rows: Sequence[Variable],
    count: object,
    options: Options,
    going: object = True,
) -> Built:
    """A loop of `count` rounds of ``step(t, carried, rows)``.

    `going` says whether a first round is to begin, where the step says it of the next.

    Raises:
        DTypeError, ShapeError: a carried value changes its type.
    """
    for row in rows:
        if not row.ndim:
            refuse(
                ShapeError,
                f"{options.label}: a sequence has no axis to go along",
                row,
                remedy="use it in the step as it is, or pass it as a non-sequence",
            )
    n = size_variable(count, options.label)
    rounds = dim_of(n.node)
    if isinstance(rounds, int) and rounds < 0:
        refuse(
            ShapeError,
            f"{options.label}: a number of rounds cannot be negative: {rounds}",
            remedy="0 rounds give empty results",
        )
    traced = _Traced(step, list(starts), rows, options)
    traced.run()
    own = len(starts)
    flags = [ops.cast(going, "bool")] if traced.conditional else []
    first = [*flags, *(s.value for s in traced.starts), *traced.shared]
    body, more = closed(traced.parts, traced.roots)
    made = Loop(
        body,
        len(first),
        len(rows),
        options.backwards,
        conditional=bool(flags),
        remember=options.remember,
        truncate=options.truncate,
        updated=len(traced.shared),
        label=options.label,
    )
    inputs = [n, *first, *rows, *more]
    found = in_chunks(made, inputs, _chunks(made, inputs, options))
    found = found[len(flags) :]
    stacks = list(found[own + len(traced.shared) : -1])
    return Built(list(found[:own]), stacks, found[-1], traced.conditional)


def _chunks(loop: Loop, inputs: Sequence[Variable], options: Options) -> Chunks:
    """How the loop is cut, as the user says or has it found."""
    asked = {"checkpoint_every": options.every, "max_memory": options.budget}
    given = {what: number for what, number in asked.items() if number is not None}
    if len(given) == 2:
        refuse(
            ArgumentError,
            f"{options.label}: checkpoint_every and max_memory are both given",
            remedy="say how many rounds a chunk has, or have it found",
        )
    for what, number in given.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            refuse(
                ArgumentError,
                f"{options.label}: {what} cannot be {number!r}",
                remedy=_SOME[what],
            )
        if loop.conditional or loop.updated or loop.truncate:
            refuse(
                ArgumentError,
                f"{options.label}: {what} with an end by a condition, updates of "
                "shared variables, or a truncated gradient",
                remedy="leave one of them out",
            )
    if options.budget is not None:
        return planned(loop, inputs, options.budget)
    return Chunks(() if options.every is None else (options.every,))


_SOME = {
    "checkpoint_every": "give a number of rounds, about the square root of all of them",
    "max_memory": "give a number of bytes",
}


class _Traced:
    """What a step makes of parameters: a body's parameters and roots."""

    def __init__(
        self,
        step: Step,
        starts: list[Start],
        rows: Sequence[Variable],
        options: Options,
    ) -> None:
        self.step = step
        self.starts = starts
        self.rows = rows
        self.conditional = False
        self.label = options.label
        self.shared: list[Variable] = []
        self.carried: list[Node] = []

    def run(self) -> None:
        """Trace, and again where a start takes the dtype of what follows it."""
        nexts = self._once()
        for fitted in (self._narrowed, _widened):
            for _ in range(1 + 2 * len(self.starts)):
                starts = list(map(fitted, self.starts, nexts))
                if all(map(operator.is_, starts, self.starts)):
                    break
                self.starts = starts
                nexts = self._once()
        for start, after in zip(self.starts, nexts, strict=True):
            self._check(start, after)

    def _narrowed(self, start: Start, after: Variable) -> Start:
        """`start` in float32 where that is all that it is computed with.

        A Python number takes any float type, but alone it is traced as float64.
        """
        if not start.weak or start.value.dtype == "float32":
            return start
        pairs = zip(self.carried, self.starts, strict=True)
        weak = {p for p, s in pairs if s.weak and s.value.dtype != "float32"}
        others = {
            leaf.type.dtype
            for leaf in leaves([after.node])
            if is_float(leaf.type.dtype)
            and leaf not in weak
            and not (isinstance(leaf.op, Constant) and leaf.op.small)
        }
        if others != {"float32"}:
            return start
        return replace(start, value=ops.cast(start.value, "float32"))

    def _once(self) -> list[Variable]:
        t = of_type(tensor("int64", ()))
        carried = [of_type(s.value.type) for s in self.starts]
        self.carried = [c.node for c in carried]
        elements = [of_type(tensor(r.dtype, r.type.dims[1:])) for r in self.rows]
        made = self.step(t, list(carried), list(elements))
        nexts = [as_tensor(v) for v in made.carried]
        if len(nexts) != len(self.starts):
            refuse(
                ArgumentError,
                f"{self.label}: the step returns {len(nexts)} carried values for "
                f"{len(self.starts)}",
                remedy="return the next value of each, in the same structure",
            )
        kept = [as_tensor(v) for v in made.kept]
        self.conditional = made.going is not None
        flags = [ops.cast(made.going, "bool")] if self.conditional else []
        new = {shared.node: as_tensor(value).node for shared, value in made.updates}
        places, new = _travelling([v.node for v in (*flags, *nexts, *kept)], new, t)
        self.shared = [Variable(node) for node in new]
        held = [of_type(shared.type) for shared in self.shared]
        places |= {s.node: h.node for s, h in zip(self.shared, held, strict=True)}
        roots = [v.node for v in (*flags, *nexts)] + list(new.values())
        roots += [v.node for v in kept]
        self.roots = rebuild(roots, places)
        first = [of_type(tensor("bool", ())).node] if self.conditional else []
        self.parts = Parts(
            t.node,
            (*first, *(v.node for v in (*carried, *held))),
            tuple(v.node for v in elements),
            (),
        )
        return nexts

    def _check(self, start: Start, after: Variable) -> None:
        before = start.value
        if before.dtype != after.dtype:
            refuse(
                DTypeError,
                f"{self.label}: {start.name} changes its dtype from {before.dtype} to "
                f"{after.dtype}",
                before,
                after,
                remedy=f"start from {after.dtype}, or cast what the step returns: "
                f".astype({before.dtype!r})",
            )
        sizes = zip(before.type.dims, after.type.dims, strict=False)
        clash = any(
            isinstance(a, int) and isinstance(b, int) and a != b for a, b in sizes
        )
        if before.ndim != after.ndim or clash:
            refuse(
                ShapeError,
                f"{self.label}: {start.name} changes its shape from {before.type} to "
                f"{after.type}",
                remedy="what is carried has one shape in all rounds: start from a "
                "value of the full shape (sg.broadcast_to, sg.zeros)",
            )


def _widened(start: Start, after: Variable) -> Start:
    """`start` in the dtype of what follows it, where that is for it to take."""
    if not start.weak or start.value.dtype == after.dtype:
        return start
    return replace(start, value=ops.cast(start.value, after.dtype))


def _travelling(
    roots: Sequence[Node], updates: dict[Node, Node], t: Variable
) -> tuple[dict[Node, Node], dict[Node, Node]]:
    """What stands for the state of random streams in round t; all updates.

    A shared variable with a default update is updated in each round; streams are not,
    since their draws are numbered.
    """
    places: dict[Node, Node] = {}
    found = dict(updates)
    for node in toposort([*roots, *updates.values()]):
        if not isinstance(node.op, Shared) or node in found:
            continue
        new = node.op.storage.default_update
        if new is None:
            continue
        state = Variable(node)
        if new is fold_in(state, 0).node:
            places[node] = fold_in(state, t + _ROUND_KEYS).node
        else:
            found[node] = new
    return places, found
