"""A random graph while it grows, expression by expression, with their values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import symgraph as sg
from symgraph.evaluate import evaluate
from symgraph.graph import Node
from symgraph.op import Array
from symgraph.types import is_float
from symgraph.variable import Variable

DTYPES = ("float64", "float32", "int64", "int32", "bool")
SIZES = (0, 1, 2, 3, 5, 17)
#: Larger arrays are not grown: the loop interpreter takes a microsecond a statement.
MOST_ELEMENTS = 300
#: Larger floats are squeezed, larger integers taken modulo something small.
LARGEST = 30.0
#: Floats that are compared differ by more than this.
APART = 1e-3

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class RandomGraph:
    """Inputs, a value for each, outputs, and how they were made."""

    inputs: list[Variable]
    values: list[Array]
    outputs: list[Variable]
    script: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(self.script)


class Grower:
    """A graph while it grows: `pool` holds what new expressions are made of."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.inputs: list[Variable] = []
        self.values: list[Array] = []
        self.pool: list[Variable] = []
        self.value_of: dict[Node, Array] = {}
        self.script: list[str] = []

    # -- drawing -----------------------------------------------------------------------

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def number(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def pick(
        self, accept: Callable[[Variable], bool] = lambda _: True
    ) -> Variable | None:
        """One of the newest expressions that `accept` takes."""
        fitting = [v for v in reversed(self.pool) if accept(v)][:8]
        return self.choose(*fitting) if fitting else None

    def float(self, ndim: int = 0) -> Variable | None:
        """A float expression with at least `ndim` axes."""
        return self.pick(lambda v: is_float(v.dtype) and v.ndim >= ndim)

    def any(self, ndim: int = 0) -> Variable | None:
        """An expression with at least `ndim` axes."""
        return self.pick(lambda v: v.ndim >= ndim)

    def shape(self, v: Variable) -> tuple[int, ...]:
        return np.shape(self.value_of[v.node])

    def meets(self, a: Variable) -> Callable[[Variable], bool]:
        """Whether an expression broadcasts with `a`."""

        return lambda b: self.broadcasts(self.shape(a), self.shape(b))

    def broadcasts(self, a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        """Whether NumPy broadcasts shapes `a` and `b`."""
        pairs = zip(a[::-1], b[::-1], strict=False)
        return all(m == n or 1 in (m, n) for m, n in pairs)

    def close_to(self, v: Variable, number: float) -> bool:
        """Whether rounding may decide on which side of `number` a float lies."""
        gap = np.abs(self.value_of[v.node].astype("float64") - number)
        return is_float(v.dtype) and bool(gap.min(initial=1.0) < APART)

    # -- growing -----------------------------------------------------------------------

    def declare(self) -> None:
        """An input, its sizes known, named or open, with a value."""
        shape = tuple(self.choose(*SIZES) for _ in range(self.number(0, 3)))
        while np.prod(shape) > MOST_ELEMENTS:
            shape = shape[1:]
        declared = [self.choose(None, f"n{s}", s) for s in shape]
        dtype = self.choose(*DTYPES)
        name = f"x{len(self.inputs)}"
        rng = np.random.default_rng(self.number(0, 1000))
        value = np.asarray(
            rng.uniform(-2, 2, shape) if is_float(dtype) else rng.integers(-3, 4, shape)
        ).astype(dtype)
        variable = sg.tensor(name, dtype, declared)
        self.inputs.append(variable)
        self.values.append(value)
        self._admit(variable, value, f"{name}: {variable.type} {shape}")

    def add(self, made: Variable | None, what: str) -> None:
        """Take an expression into the pool, tamed where its value is large."""
        if made is None or made.node in self.value_of:
            return
        value = self.value(made)
        if value.size > MOST_ELEMENTS:
            return
        if np.abs(value.astype("float64")).max(initial=0.0) > LARGEST:
            made = sg.tanh(made * 0.1) if is_float(made.dtype) else made % 7
            value = self.value(made)
        self._admit(made, value, f"{what}: {sg_text(made)} {value.shape}")

    def value(self, made: Variable) -> Array:
        given = {v.node: x for v, x in zip(self.inputs, self.values, strict=True)}
        with np.errstate(all="ignore"):
            return np.asarray(evaluate([made.node], given)[0])

    def _admit(self, made: Variable, value: Array, line: str) -> None:
        self.pool.append(made)
        self.value_of[made.node] = value
        self.script.append(line)

    def finish(self) -> RandomGraph:
        """The graph, with the last expression and some others as outputs."""
        outputs = [self.pool[-1]]
        outputs += [self.choose(*self.pool) for _ in range(self.number(0, 3))]
        outputs += self._gradients(outputs) if self.choose(True, False) else []
        return RandomGraph(self.inputs, self.values, outputs, tuple(self.script))

    def _gradients(self, outputs: list[Variable]) -> list[Variable]:
        floats = [v for v in self.inputs if is_float(v.dtype)]
        costs = [sg.sum(sg.cast(v, "float64")) for v in outputs if is_float(v.dtype)]
        if not floats or not costs:
            return []
        cost = costs[0]
        for other in costs[1:]:
            cost = cost + other
        self.script.append(f"gradients of {len(costs)}")
        return list(sg.grad(cost, floats, disconnected_inputs="ignore"))


def sg_text(v: Variable) -> str:
    """The op and type of an expression, and its operands' types."""
    return repr(v.node)
