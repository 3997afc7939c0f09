"""What an example of an op is, and short ways to write many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgraph.op import Array
from symgraph.types import COMPLEX, FLOATS, INTEGERS

NUMBERS = (*INTEGERS, *FLOATS)
ALL = ("bool", *NUMBERS)
#: What has complex numbers too.
FIELD = (*FLOATS, *COMPLEX)
WHOLE = ("bool", *INTEGERS)
#: What NumPy computes functions such as exp of in a float type that symgraph has.
FLOATED = ("int16", "uint16", "int32", "uint32", "int64", "uint64", *FLOATS)


@dataclass(frozen=True)
class Operand:
    """Where an operand's elements are drawn from; its dtype where that is fixed."""

    low: float = -2.0
    high: float = 2.0
    dtype: str | None = None

    def draw(
        self, rng: np.random.Generator, shape: tuple[int, ...], dtype: str
    ) -> Array:
        """Random elements: floats anywhere in the range, integers from all of it."""
        dtype = self.dtype or dtype
        if dtype == "bool":
            return np.asarray(rng.random(shape) < 0.5)
        if dtype in FLOATS:
            return np.asarray(rng.uniform(self.low, self.high, shape), dtype)
        if dtype in COMPLEX:
            parts = rng.uniform(self.low, self.high, (2, *shape))
            return np.asarray(parts[0] + 1j * parts[1], dtype)
        low = max(int(self.low), 0) if dtype.startswith("u") else int(self.low)
        whole = rng.integers(low, int(self.high), shape, endpoint=True)
        return np.asarray(whole, dtype)


ANY = Operand()
POSITIVE = Operand(0.5, 3.0)
Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Case:
    """An expression, the same in NumPy, and the operands to try.

    Attributes:
        shapes: for each trial the operands' shapes.  Trials with as many axes share one
            compiled function, so that sizes vary at run time.
        static: declare the sizes of 1 among the shapes, which broadcasting needs.
        smooth: whether the gradient exists on the operands' ranges.
        specials: try infinities, NaN and zeros of both signs too.
    """

    build: Callable[..., Any]
    numpy: Callable[..., Any]
    operands: tuple[Operand, ...]
    shapes: tuple[Shapes, ...]
    dtypes: tuple[str, ...] = FLOATS
    static: bool = False
    smooth: bool = True
    specials: bool = False


def elementwise(
    build: Callable[..., Any],
    numpy: Callable[..., Any],
    *operands: Operand,
    dtypes: tuple[str, ...] = NUMBERS,
    smooth: bool = True,
    specials: bool = True,
) -> tuple[Case, ...]:
    """Cases of equal shapes and, for several operands, of broadcast ones."""
    count = len(operands)
    shapes = tuple(
        (s,) * count for s in ((), (3, 5), (0, 3), (1, 1), (4, 33), (7,), (0,))
    )
    options = {"dtypes": dtypes, "smooth": smooth, "specials": specials}
    cases = [Case(build, numpy, operands, shapes, **options)]
    if count > 1:
        mixed = ((3, 1), (1, 4), (4,))[:count]
        lone = ((), (2, 3), (2, 3))[:count]
        cases.append(
            Case(build, numpy, operands, (mixed, lone), dtypes[-1:], True, smooth)
        )
    return tuple(cases)


def one(
    build: Callable[..., Any],
    *shapes: tuple[int, ...],
    numpy: Callable[..., Any] | None = None,
    dtypes: tuple[str, ...] = FLOATS,
    operand: Operand = ANY,
    smooth: bool = True,
) -> Case:
    """A case of one operand; `build` works on arrays too unless `numpy` is given."""
    trials = tuple((s,) for s in shapes)
    return Case(build, numpy or build, (operand,), trials, dtypes, smooth=smooth)


def two(
    build: Callable[..., Any],
    *shapes: tuple[tuple[int, ...], tuple[int, ...]],
    numpy: Callable[..., Any] | None = None,
    dtypes: tuple[str, ...] = FLOATS,
    second: Operand = ANY,
    static: bool = False,
) -> Case:
    """A case of two operands."""
    return Case(build, numpy or build, (ANY, second), shapes, dtypes, static)


def reductions(
    build: Callable[..., Any],
    numpy: Callable[..., Any],
    dtypes: tuple[str, ...],
    *,
    empty: bool = True,
    operand: Operand = ANY,
    smooth: bool = True,
) -> tuple[Case, ...]:
    """A reduction over each choice of axes."""

    def case(axis: Any, keepdims: bool, *shapes: tuple[int, ...]) -> Case:
        return one(
            lambda x: build(x, axis, keepdims=keepdims),
            *shapes,
            numpy=lambda x: numpy(x, axis=axis, keepdims=keepdims),
            dtypes=dtypes,
            operand=operand,
            smooth=smooth,
        )

    none = ((0, 3), (0, 0)) if empty else ()
    return (
        case(None, False, (3, 4), (1, 1), (2, 70), *none),
        case(0, False, (3, 4), (1, 1), (70, 2), (3, 0), *none),
        case(-1, True, (3, 4), (1, 1), (2, 70), *none[:0], (0, 3)),
        case((0, 2), False, (2, 3, 4), (1, 1, 1), (3, 0, 2)),
        case((1,), True, (2, 3, 4), (2, 3, 0)),
    )
