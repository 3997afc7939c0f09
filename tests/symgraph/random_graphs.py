"""Random graphs with values for their inputs, as a hypothesis strategy.

Graphs grow by one expression at a time, whose value is computed at once.  So they stay
within what can be compared: nothing overflows, and comparisons are never decided by
rounding.  Sizes of 1 are declared or not, and meet others either way.
"""

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


@st.composite
def random_graphs(draw: Draw, most_nodes: int = 40) -> RandomGraph:
    """Graphs of up to `most_nodes` expressions, with gradients among the outputs."""
    grower = Grower(draw)
    for _ in range(draw(st.integers(1, 4))):
        grower.declare()
    for _ in range(draw(st.integers(1, most_nodes))):
        rule = draw(st.sampled_from(RULES))
        grower.add(rule(grower), rule.__name__)
    return grower.finish()


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

        def fits(b: Variable) -> bool:
            pairs = zip(self.shape(a)[::-1], self.shape(b)[::-1], strict=False)
            return all(m == n or 1 in (m, n) for m, n in pairs)

        return fits

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
        value = self._evaluate(made)
        if value.size > MOST_ELEMENTS:
            return
        if np.abs(value.astype("float64")).max(initial=0.0) > LARGEST:
            made = sg.tanh(made * 0.1) if is_float(made.dtype) else made % 7
            value = self._evaluate(made)
        self._admit(made, value, f"{what}: {sg_text(made)} {value.shape}")

    def _evaluate(self, made: Variable) -> Array:
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


# -- rules: each gives a new expression, or None where nothing in the pool will do -----


def unary(g: Grower) -> Variable | None:
    x = g.float()
    functions: tuple[Callable[[Variable], Variable], ...] = (
        sg.tanh,
        sg.sin,
        sg.cos,
        sg.sigmoid,
        sg.abs,
        lambda v: -v,
        lambda v: sg.exp(-sg.abs(v)),
        lambda v: sg.log1p(v * v),
        lambda v: sg.log(sg.abs(v) + 0.5),
        lambda v: sg.sqrt(v * v + 1),
        lambda v: sg.expm1(sg.minimum(v, 1)),
        lambda v: v**2,
        lambda v: sg.cast(v, g.choose("float32", "float64")),
    )
    return None if x is None else g.choose(*functions)(x)


def binary(g: Grower) -> Variable | None:
    x = g.any()
    y = None if x is None else g.pick(g.meets(x))
    if x is None or y is None or x.dtype == y.dtype == "bool":
        return None
    functions: tuple[Callable[[Variable, Variable], Variable], ...] = (
        sg.add,
        sg.subtract,
        sg.multiply,
        sg.minimum,
        sg.maximum,
        lambda a, b: a / (sg.abs(b) + 1),
        lambda a, b: a * 0.5 - b,
    )
    return g.choose(*functions)(x, y)


def whole(g: Grower) -> Variable | None:
    """Integer arithmetic, with zero divisors among the values."""
    x = g.pick(lambda v: v.dtype.startswith("int"))
    y = (
        None
        if x is None
        else g.pick(lambda v: v.dtype.startswith("int") and g.meets(x)(v))
    )
    if x is None or y is None:
        return None
    bits = (sg.bitwise_and, sg.bitwise_or, sg.bitwise_xor)
    return g.choose(*bits, sg.floor_divide, sg.remainder)(x, y)


def shifted(g: Grower) -> Variable | None:
    """Shifts, with counts that wrap or clear everything among them."""
    x = g.pick(lambda v: v.dtype.startswith("int"))
    if x is None:
        return None
    return g.choose(sg.left_shift, sg.right_shift)(x, g.choose(0, 1, 3, 40))


def logical(g: Grower) -> Variable | None:
    x = g.any()
    y = None if x is None else g.pick(g.meets(x))
    if x is None or y is None or g.close_to(x, 0) or g.close_to(y, 0):
        return None
    functions = (sg.logical_and, sg.logical_or, sg.logical_xor)
    return g.choose(*functions, lambda a, _: sg.logical_not(a))(x, y)


def bounded(g: Grower) -> Variable | None:
    """Extremes that ignore NaN, and clip with numbers or expressions as bounds."""
    x = g.float()
    y = None if x is None else g.pick(lambda v: g.meets(x)(v) and v.dtype == x.dtype)
    if x is None or y is None:
        return None
    return g.choose(
        lambda: sg.clip(x, -0.7, g.choose(0.9, None)),
        lambda: sg.clip(x, y, None),
        lambda: sg.fmax(x, y),
        lambda: sg.fmin(x, y),
        lambda: sg.logaddexp(x, y),
        lambda: sg.copysign(x, 0.5 + sg.abs(y)),
        lambda: sg.nan_to_num(x),
    )()


def rounded(g: Grower) -> Variable | None:
    """Steps, away from where they step."""
    x = g.float()
    if x is None:
        return None
    steps = g.choose(
        (sg.floor, 1.0, 0.0),
        (sg.ceil, 1.0, 0.0),
        (sg.trunc, 1.0, 0.0),
        (sg.round, 1.0, 0.5),
    )
    function, every, offset = steps
    position = g.value_of[x.node].astype("float64") / every - offset
    apart = np.abs(position - np.rint(position)).min(initial=1.0)
    return None if apart < APART else function(x)


def signed(g: Grower) -> Variable | None:
    x = g.any()
    if x is None or x.dtype == "bool" or g.close_to(x, 0):
        return None
    return sg.sign(x) if x.dtype.startswith("int") else g.choose(sg.sign, sg.signbit)(x)


def stretched(g: Grower) -> Variable | None:
    """An expression in the shape of another, or of the two together."""
    x = g.any()
    y = None if x is None else g.pick(g.meets(x))
    if x is None or y is None:
        return None
    together = np.broadcast_shapes(g.shape(x), g.shape(y))
    return sg.broadcast_to(x, y.shape) if together == g.shape(y) else x + 0 * y


def outer(g: Grower) -> Variable | None:
    x, y = g.float(), g.float()
    if x is None or y is None or x.ndim + y.ndim > 3:
        return None
    if np.size(g.value_of[x.node]) * np.size(g.value_of[y.node]) > MOST_ELEMENTS:
        return None
    return g.choose(sg.outer, lambda a, b: sg.tensordot(a, b, 0))(x, y)


def crossed(g: Grower) -> Variable | None:
    """x[i, j] with index arrays that are broadcast together."""
    x = g.any(2)
    if x is None or 0 in g.shape(x)[:2]:
        return None
    rows, columns = g.shape(x)[:2]
    rng = np.random.default_rng(g.number(0, 9))
    i = rng.integers(-rows, rows, (g.choose(1, 3), 1))
    j = rng.integers(-columns, columns, g.choose(1, 2))
    whole = g.pick(lambda v: v.dtype == "int64" and v.ndim <= 1)
    if whole is None or g.choose(True, False):
        return x[i, j]
    return x[i, whole % columns]


def chosen(g: Grower) -> Variable | None:
    """where(test, x, y)."""
    test = g.pick(lambda v: v.dtype == "bool")
    x = None if test is None else g.pick(g.meets(test))
    if x is None:
        return None
    y = g.pick(lambda v: g.meets(test)(v) and g.meets(x)(v))
    return sg.where(test, x, g.choose(0, 1, y))


def compared(g: Grower) -> Variable | None:
    x = g.any()
    y = None if x is None else g.pick(g.meets(x))
    if x is None or y is None:
        return None
    if is_float(x.dtype) or is_float(y.dtype):
        gap = np.abs(g.value_of[x.node].astype("float64") - g.value_of[y.node])
        if gap.min(initial=1.0) < APART:
            return None
    return g.choose(sg.less, sg.less_equal, sg.equal, sg.not_equal, sg.greater)(x, y)


def reduced(g: Grower) -> Variable | None:
    x = g.any(1)
    if x is None:
        return None
    axes = tuple(k for k in range(x.ndim) if g.choose(True, False)) or (x.ndim - 1,)
    reduction = g.choose(sg.sum, sg.mean, sg.max, sg.min, sg.prod, sg.any, sg.all)
    if reduction in (sg.max, sg.min) and 0 in g.shape(x):
        return None
    if reduction is sg.mean and any(g.shape(x)[a] == 0 for a in axes):
        return None
    if reduction in (sg.any, sg.all) and x.dtype != "bool":
        return None
    return reduction(x, axis=axes, keepdims=g.choose(True, False))


def position(g: Grower) -> Variable | None:
    """argmax, where rounding does not decide it."""
    x = g.any(1)
    if x is None or 0 in g.shape(x):
        return None
    axis = g.number(0, x.ndim - 1)
    ordered = np.sort(g.value_of[x.node].astype("float64"), axis=axis)
    close = np.diff(ordered, axis=axis).min(initial=1.0) < APART
    return None if is_float(x.dtype) and close else sg.argmax(x, axis=axis)


def row_chain(g: Grower) -> Variable | None:
    """Reductions whose results meet their operand again, along one axis."""
    x = g.float(1)
    if x is None or 0 in g.shape(x):
        return None
    axis = g.number(0, x.ndim - 1)

    def normal(v: Variable) -> Variable:
        centred = v - sg.mean(v, axis=axis, keepdims=True)
        spread = sg.mean(centred * centred, axis=axis, keepdims=True)
        return centred / sg.sqrt(spread + 0.1)

    return g.choose(
        lambda v: sg.special.softmax(v, axis=axis),
        lambda v: sg.special.log_softmax(v, axis=axis),
        normal,
        lambda v: sg.logsumexp(v, axis=axis),
    )(x)


def transposed(g: Grower) -> Variable | None:
    x = g.any(2)
    return (
        None if x is None else sg.transpose(x, g.draw(st.permutations(range(x.ndim))))
    )


def sliced(g: Grower) -> Variable | None:
    x = g.any(1)
    if x is None:
        return None
    ends = st.none() | st.integers(-6, 6)
    steps = st.sampled_from([1, 1, 2, 3, -1, -2])
    keys = [
        slice(g.draw(ends), g.draw(ends), g.draw(steps))
        if g.choose(True, False)
        else slice(None)
        for _ in range(x.ndim)
    ]
    return x[tuple(keys)]


def picked(g: Grower) -> Variable | None:
    """One position of an axis."""
    x = g.any(1)
    axis = 0 if x is None else g.number(0, x.ndim - 1)
    if x is None or g.shape(x)[axis] == 0:
        return None
    size = g.shape(x)[axis]
    return x[(*(slice(None),) * axis, g.number(-size, size - 1))]


def gathered(g: Grower) -> Variable | None:
    """Positions given by an integer array, or by an expression."""
    x = g.any(1)
    axis = 0 if x is None else g.number(0, x.ndim - 1)
    if x is None or g.shape(x)[axis] == 0:
        return None
    size = g.shape(x)[axis]
    index = g.pick(
        lambda v: (
            v.dtype == "int64"
            and g.value_of[v.node].min(initial=0) >= -size
            and g.value_of[v.node].max(initial=0) < size
        )
    )
    drawn = st.lists(st.integers(-size, size - 1), min_size=0, max_size=5)
    if index is None or g.choose(True, False):
        return sg.take(x, np.array(g.draw(drawn), "int64"), axis=axis)
    return sg.take(x, index, axis=axis)


def by_rows(g: Grower) -> Variable | None:
    """x[arange(n), index], as losses read it."""
    x = g.any(2)
    if x is None or 0 in g.shape(x)[:2]:
        return None
    rows, size = g.shape(x)[:2]
    index = np.random.default_rng(g.number(0, 9)).integers(-size, size, rows)
    return x[sg.arange(x.shape[0]), index]


def reshaped(g: Grower) -> Variable | None:
    x = g.any(1)
    if x is None:
        return None
    size = int(np.prod(g.shape(x)))
    divisor = g.choose(*(k for k in (1, 2, 3, 5) if size % k == 0))
    return g.choose(
        lambda: x.reshape((-1,)),
        lambda: x.reshape((divisor, -1)),
        lambda: x.reshape((-1, divisor)),
        lambda: x.reshape((x.shape[0], -1)) if size else x.reshape((-1,)),
    )()


def expanded(g: Grower) -> Variable | None:
    x = g.any()
    return None if x is None or x.ndim > 3 else sg.expand_dims(x, g.number(0, x.ndim))


def joined(g: Grower) -> Variable | None:
    x = g.any(1)
    if x is None:
        return None
    axis = g.number(0, x.ndim - 1)

    def around(v: Variable) -> tuple[int, ...]:
        shape = g.shape(v)
        return shape[:axis] + shape[axis + 1 :]

    others = [v for v in g.pool if v.ndim == x.ndim and around(v) == around(x)]
    parts = [x, *(g.choose(*others) for _ in range(g.number(1, 2)))]
    return sg.concatenate(parts, axis=axis)


def product(g: Grower) -> Variable | None:
    """Matrix products, of vectors and batches too."""
    x = g.float(1)
    if x is None:
        return None
    if x.ndim > 1 and g.choose(True, False):
        return sg.matmul(x, sg.matrix_transpose(x))
    if x.ndim == 2 and g.choose(True, False):
        return x.T @ x
    inner = g.shape(x)[-1]
    y = g.pick(
        lambda v: (
            v.dtype == x.dtype
            and 1 <= v.ndim <= 2
            and g.shape(v)[max(v.ndim - 2, 0)] == inner
        )
    )
    return None if y is None else sg.matmul(x, y)


def distances(g: Grower) -> Variable | None:
    """Sums over a product of two index spaces that is never built."""
    x = g.float(2)
    if x is None or x.ndim > 2:
        return None
    apart = sg.expand_dims(x, 1) - x
    if g.shape(x)[0] ** 2 * g.shape(x)[1] > 5 * MOST_ELEMENTS:
        return None
    return sg.sum(apart * apart, axis=-1)


RULES = (
    unary,
    unary,
    binary,
    binary,
    binary,
    whole,
    shifted,
    logical,
    bounded,
    rounded,
    signed,
    stretched,
    outer,
    crossed,
    chosen,
    compared,
    reduced,
    reduced,
    position,
    row_chain,
    row_chain,
    transposed,
    sliced,
    sliced,
    picked,
    gathered,
    by_rows,
    reshaped,
    expanded,
    joined,
    product,
    distances,
)
