"""The vocabulary of random graphs: each rule gives a new expression, or None.

None says that nothing in the pool will do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

import symgraph as sg
from symgraph.types import is_float
from symgraph.variable import Variable

from .grower import APART, MOST_ELEMENTS, Grower


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


def accumulated(g: Grower) -> Variable | None:
    x = g.float(1)
    if x is None:
        return None
    axis = g.number(0, x.ndim - 1)
    return g.choose(sg.cumsum, lambda v, axis: sg.cumprod(sg.tanh(v), axis=axis))(
        x, axis=axis
    )


def arranged(g: Grower) -> Variable | None:
    """The elements of x elsewhere, more than once, or within zeros."""
    x = g.any(1)
    if x is None:
        return None
    axis = g.number(0, x.ndim - 1)
    count = g.number(-3, 3)
    widths = [(g.number(0, 2), g.number(0, 2)) for _ in range(x.ndim)]
    return g.choose(
        lambda: sg.flip(x, axis),
        lambda: sg.roll(x, count, axis),
        lambda: sg.repeat(x, abs(count), axis),
        lambda: sg.tile(x, abs(count)),
        lambda: sg.pad(x, widths),
        lambda: sg.diff(x, axis=axis) if x.dtype != "bool" else x,
        lambda: sg.moveaxis(x, axis, 0),
    )()


def triangular(g: Grower) -> Variable | None:
    x = g.any(2)
    if x is None:
        return None
    k = g.number(-2, 2)
    return g.choose(
        lambda: sg.tril(x, k), lambda: sg.triu(x, k), lambda: sg.diagonal(x)
    )()


def changed(g: Grower) -> Variable | None:
    """x with some elements set or added to."""
    x = g.float(1)
    if x is None:
        return None
    key = g.choose(slice(1, None), slice(None, None, 2), slice(None, 1))
    if g.shape(x)[0] and g.choose(True, False):
        key = np.random.default_rng(g.number(0, 9)).integers(0, g.shape(x)[0], 3)
    part = x[key]
    shape = g.value(part).shape

    def fits(v: Variable) -> bool:
        mine = g.shape(v)
        if v.dtype != x.dtype or not g.broadcasts(mine, shape):
            return False
        return np.broadcast_shapes(mine, shape) == shape

    y = g.pick(fits)
    return g.choose(part.set, part.inc)(0.5 if y is None else y)


def spread(g: Grower) -> Variable | None:
    """Variances and standard deviations."""
    x = g.float(1)
    axis = 0 if x is None else g.number(0, x.ndim - 1)
    if x is None or g.shape(x)[axis] == 0:
        return None
    return sg.sqrt(sg.var(x, axis=axis, keepdims=g.choose(True, False)) + 0.1)


def summed_products(g: Grower) -> Variable | None:
    """Sums of products by labels; sizes of 1 are broadcast."""
    x = g.float(2)
    if x is None or x.ndim > 2:
        return None
    n, m = g.shape(x)

    def fits(v: Variable) -> bool:
        shape = g.shape(v)
        return v.dtype == x.dtype and v.ndim == 2 and g.broadcasts(shape[:1], (m,))

    y = g.pick(fits)
    if y is None or n * max(m, g.shape(y)[0]) * g.shape(y)[1] > 5 * MOST_ELEMENTS:
        return None
    return sg.einsum(g.choose("ij,jk->ki", "ij,jk->jik", "ij,jk", "ij,jk->j"), x, y)


def looped(g: Grower) -> Variable | None:
    """Scans over the rows of x, which see another array whole."""
    x = g.float(1)
    if x is None:
        return None
    w = g.pick(lambda v: is_float(v.dtype) and g.shape(v) in ((), g.shape(x)[1:]))
    seen = 0.5 if w is None else sg.cast(w, x.dtype)
    zero = sg.zeros(x.shape[1:], x.dtype)
    steps: tuple[Callable[[Variable, Variable], tuple[Variable, Variable]], ...] = (
        lambda c, v: (sg.tanh(c * 0.5 + v * seen), c + v),
        lambda c, v: (c * 0.25 + sg.sin(v), sg.sum(c * v)),
        lambda c, v: (sg.where(v > c, v, c), c * 0.5 + seen),
    )
    step = g.choose(*steps)
    last, kept = sg.scan(step, zero, x, reverse=g.choose(True, False))
    return g.choose(last, kept)


def either(g: Grower) -> Variable | None:
    """One of two formulas, by a condition that rounding does not decide."""
    x = g.float()
    y = g.float()
    if x is None or y is None:
        return None
    condition = sg.sum(sg.cast(y, "float64"))
    if abs(float(g.value(condition))) < APART:
        return None
    one, other = sg.sin(x), x * 0.5 - 1
    return sg.ifelse(condition > 0, lambda: one, lambda: sg.cast(other, x.dtype))


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
    accumulated,
    arranged,
    arranged,
    triangular,
    changed,
    changed,
    spread,
    summed_products,
    looped,
    either,
)
