"""Loops over the rows of arrays, in two forms: JAX's, here, and Theano's, in `taps`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import ops
from ..errors import ArgumentError, refuse
from ..ops.sizes import size_variable
from ..tree import Structure, flatten
from ..variable import Variable, as_tensor
from .build import Options, Round, Start, build, called
from .taps import Taps, Until

_MISSING: Any = object()


def scan(
    fn: Callable[..., Any],
    init: Any = _MISSING,
    xs: Any = None,
    length: Any = None,
    *,
    reverse: bool = False,
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    n_steps: Any = None,
    go_backwards: bool = False,
    truncate_gradient: int = -1,
    remember: bool = True,
    checkpoint_every: int | None = None,
    max_memory: int | None = None,
    name: str | None = None,
) -> Any:
    """Run a step for each row of arrays, carrying values from one to the next.

    There are two forms.

    ``scan(step, init, xs)`` is that of JAX: ``step(carry, x)`` returns the next carry
    and something to keep; `init`, `xs` and what is kept are arrays or nested lists,
    tuples and dicts of them (or None).  The result is the last carry and the stacks of
    what was kept.  Without `xs`, `length` says how many rounds there are; `reverse`
    goes through the rows, and stacks, from the last to the first.

    >>> import symgraph as sg
    >>> x = sg.dvector("x")
    >>> total, sums = sg.scan(lambda c, v: (c + v, c + v), 0.0, x)
    >>> sg.function([x], [total, sums])([1.0, 2.0, 3.0])
    [np.float64(6.0), array([1., 3., 6.])]

    ``scan(fn, sequences=, outputs_info=, non_sequences=, n_steps=)`` is that of Theano:
    `fn` is given the taps of the sequences, those of the outputs that have any, and the
    non-sequences, in this order; it returns the outputs, maybe with a dict of updates
    of shared variables, and maybe :func:`until`.  The result is the stack of each
    output: a variable, or a tuple of them.

    >>> n = sg.lscalar("n")
    >>> fibonacci = sg.scan(
    ...     lambda a, b: a + b,
    ...     outputs_info={"initial": [1, 1], "taps": [-2, -1]},
    ...     n_steps=n,
    ... )
    >>> sg.function([n], fibonacci)(5)
    array([ 2,  3,  5,  8, 13])

    Args:
        fn: makes one round of symbolic variables.  It is called when the graph is
            built, a few times at the most, not when it runs.
        init: the first carry, in the simple form.
        xs: what is gone through, row by row, in the simple form.
        length: how many rounds there are, in the simple form; needed without `xs`.
        reverse: whether the simple form begins with the last row.
        sequences: arrays that are gone through along their first axes; or dicts of
            "input" and "taps": which rows a round is given, counted from its own.  As
            many rounds are made as the shortest sequence has, unless `n_steps` says it.
        outputs_info: for each output None, what it is before the first round, or a dict
            of "initial" and "taps": -1 is the round before, and so on.  With taps
            beyond -1, "initial" has a first axis, of all earlier values that are read.
        non_sequences: given to `fn` as they are.  What else `fn` uses is found without
            being named.
        n_steps: an int or an integer scalar.
        go_backwards: go through the sequences from their ends.
        truncate_gradient: gradients pass through the last so many rounds; -1: all.
        remember: whether what is costly to compute (products, reductions) is kept for
            the gradient.  If not, only the carried values are, and a round is computed
            again on the way back: less memory, more time.
        checkpoint_every: for the gradient keep what is carried into every k-th round
            only, and compute k rounds again at a time on the way back: with k about the
            square root of the number of rounds, memory grows as that root.
        max_memory: how many bytes may be kept of the rounds for the gradient; the
            chunks are chosen so.  If all fits, all is kept; chunks are of about equal
            parts otherwise, or if numbers and sizes are known, chunks in chunks if need
            be.  Where they are not known, and even the least is more than that, the
            least is kept, which grows as the square root.  What the program keeps
            anyway is not counted: the sequences, stacks that it asks for, and gradients
            of either.
        name: what the loop is called in dumps and messages.

    Random streams used in `fn` draw anew in each round.  Shared variables that `fn`
    updates carry their values through the rounds, and functions update them.

    Raises:
        DTypeError, ShapeError: a carried value has another type after a round.
        ArgumentError: the arguments do not fit together, or no gradient keeps as little
            as `max_memory`.
    """
    taps = {
        "sequences": sequences,
        "outputs_info": outputs_info,
        "non_sequences": non_sequences,
        "n_steps": n_steps,
    }
    truncate = max(truncate_gradient, 0)
    options = Options(
        name or "scan", reverse, remember, truncate, checkpoint_every, max_memory
    )
    if init is _MISSING:
        if reverse or xs is not None or length is not None:
            _both(["xs", "length", "reverse"], "init")
        made = Taps.of(**taps, backwards=go_backwards)
        return made.scan(fn, options)
    if go_backwards or any(given is not None for given in taps.values()):
        _both([*taps, "go_backwards"], "init")
    return _carrying(fn, init, xs, length, options)


def _both(names: Sequence[str], other: str) -> None:
    refuse(
        ArgumentError,
        f"scan: {', '.join(names)} are of another form than `{other}`",
        remedy="give scan(step, init, xs, length), or sequences=, outputs_info=, "
        "non_sequences= and n_steps= by name",
    )


def _leaf(value: object) -> bool:
    return value is not None and not isinstance(value, list | tuple | dict)


def flat(value: Any) -> tuple[list[Any], Structure]:
    """The arrays of a nested structure, and the structure."""
    return flatten(value, _leaf)


def _carrying(
    step: Callable[..., Any], init: Any, xs: Any, length: Any, options: Options
) -> Any:
    """The simple form."""
    first, carry = flat(init)
    given, elements = flat(xs)
    rows = [as_tensor(x) for x in given]
    starts = [Start.of(v, f"part {k} of the carry") for k, v in enumerate(first)]
    structures: list[Structure] = []

    def once(t: Variable, carried: list[Variable], row: list[Variable]) -> Round:
        state, x = carry.build(iter(carried)), elements.build(iter(row))
        made = called(step, [state, x], options.label)
        if isinstance(made, tuple) and any(isinstance(m, Until) for m in made):
            refuse(
                ArgumentError,
                f"{options.label}: a step of this form does not return until()",
                *carried,
                *row,
                remedy="give sequences=, outputs_info= and n_steps= by name, or use "
                "while_loop",
            )
        if not isinstance(made, tuple) or len(made) != 2:
            refuse(
                ArgumentError,
                f"{options.label}: the step returns {made!r}, not a pair",
                remedy="return (carry, kept), with None for nothing to keep",
            )
        nexts, after = flat(made[0])
        if after != carry:
            refuse(
                ArgumentError,
                f"{options.label}: the carry changes its structure",
                remedy="return it nested as the initial one is",
            )
        kept, structure = flat(made[1])
        structures[:] = [structure]
        return Round(nexts, kept)

    built = build(once, starts, rows, _count(rows, length, options.label), options)
    last = carry.build(iter(built.last))
    return last, structures[0].build(iter(built.stacks))


def _count(rows: Sequence[Variable], length: Any, label: str) -> Variable:
    """How many rounds there are."""
    if length is not None:
        return size_variable(length, label)
    if not rows:
        refuse(
            ArgumentError,
            f"{label}: neither sequences nor a number of rounds",
            remedy="say how many: length=",
        )
    return ops.shape_of(rows[0], 0) if rows[0].ndim else as_tensor(0)


__all__ = ["flat", "scan"]
