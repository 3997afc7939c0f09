"""Draws of integers, categories and orders: stateless functions of a key.

They have no gradient.  Keys and shapes are as in :mod:`.distributions`.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError, UnsupportedError
from ..ops import (
    add,
    arange,
    argmax,
    cast,
    equal,
    less,
    log,
    subtract,
    take,
    transpose,
    where,
)
from ..ops.common import one_axis, refuse
from ..ops.random import MultiplyHigh, Shuffle, StandardUniform
from ..types import INTEGERS, check_dtype
from ..variable import Variable, apply, as_tensor, constant
from .distributions import draw_shape, gumbel, parameters, standard
from .keys import as_key, fold_in, sizes_of, words


def bernoulli(key: object, p: object = 0.5, shape: Any = None) -> Variable:
    """True with probability `p`, as bool.

    >>> from symgraph.random import key
    >>> bernoulli(key(0), 0.5, 4).eval()
    array([ True,  True, False, False])
    """
    (chance,) = parameters(None, p)
    u = standard(StandardUniform(), key, shape, "bernoulli", chance)
    return less(u, chance)


def integers(
    key: object,
    low: object,
    high: object = None,
    shape: Any = None,
    *,
    endpoint: bool = False,
    dtype: object = "int64",
) -> Variable:
    """Integers from `low` to below `high` (or up to it, with `endpoint`).

    With one bound it is `high`, and `low` is 0.  Bounds are integers, or integer
    variables that broadcast.  A draw scales 64 random bits (for 64-bit dtypes 128) by
    the number of integers n: no two differ in probability by more than a factor of
    1 + n / 2**64 (n / 2**128).  A range that turns out to be empty when the function is
    called has no meaning, and its draws neither.

    Raises:
        DTypeError: a bound or `dtype` is not an integer type.
        ShapeError: the range is known to be empty, or exceeds `dtype`.
    """
    made = check_dtype(dtype)
    if high is None:
        low, high = 0, low
    if made not in INTEGERS:
        refuse(
            DTypeError,
            f"integers: dtype {made} is not an integer type",
            remedy="cast the result, or use uniform",
        )
    _check_range(low, high, endpoint, made)
    first, last = (_bound(b) for b in (low, high))
    count = subtract(last, first)
    if endpoint:
        count = add(count, constant(1, "uint64"))
    sizes = draw_shape(shape, "integers", first, count)
    offset = _below(key, sizes, count, wide=made in ("int64", "uint64"))
    return cast(add(first, offset), made)


def _bound(value: object) -> Variable:
    """A bound modulo 2**64, in which differences are right whatever the sign."""
    if isinstance(value, int | np.integer):
        return constant(int(value) % 2**64, "uint64")
    bound = as_tensor(value)
    if bound.dtype not in INTEGERS:
        refuse(
            DTypeError, "integers: a bound is not an integer", bound, remedy="cast it"
        )
    return cast(bound, "uint64")


def _check_range(low: object, high: object, endpoint: bool, dtype: str) -> None:
    """Refuse what is known to be empty or too wide."""
    limits = np.iinfo(dtype)
    ends = []
    for value in (low, high):
        known = isinstance(value, int | np.integer) and not isinstance(value, bool)
        ends.append(int(value) if known else None)  # type: ignore[call-overload]
    first, last = ends
    if last is not None and not endpoint:
        last -= 1
    small = first is not None and first < limits.min
    large = last is not None and last > limits.max
    if small or large:
        refuse(
            ShapeError,
            f"integers: {low} to {high} does not fit {dtype}",
            remedy="give another dtype",
        )
    if first is not None and last is not None and first > last:
        refuse(
            ShapeError,
            f"integers: there is no integer from {low} to {high}",
            remedy="low must be below high",
        )


def _below(
    key: object, sizes: tuple[Variable, ...], count: Variable, *, wide: bool
) -> Variable:
    """Random uint64 below `count`, where 0 stands for 2**64."""
    if not wide:
        return apply(MultiplyHigh(), words(key, sizes, 64, "integers"), count)
    upper, lower = (
        words(fold_in(key, number), sizes, 64, "integers") for number in (1, 2)
    )
    product = upper * count
    carried = less(product + apply(MultiplyHigh(), lower, count), product)
    scaled = apply(MultiplyHigh(), upper, count) + cast(carried, "uint64")
    return where(equal(count, constant(0, "uint64")), upper, scaled)


def categorical(
    key: object, logits: object, axis: int = -1, shape: Any = None
) -> Variable:
    """Positions along `axis`, with probabilities ``softmax(logits, axis)``: int64.

    The position of the largest of logits plus Gumbel noise (Gumbel, 1954).  `shape`,
    which defaults to that of `logits` without `axis`, must be one that it broadcasts
    to.
    """
    value = as_tensor(logits)
    place = one_axis(axis, value.ndim, "categorical")
    last = value.shape[place]
    moved = _axis_last(value, place)
    batch = moved.shape[:-1] if shape is None else sizes_of(shape)
    noise = gumbel(key, (*batch, last), dtype=_float_of(value))
    return argmax(noise + cast(moved, noise.dtype), -1)


def _axis_last(x: Variable, axis: int) -> Variable:
    order = [k for k in range(x.ndim) if k != axis]
    return transpose(x, (*order, axis))


def _float_of(value: Variable) -> str:
    return parameters(None, value)[0].dtype


def permutation(key: object, x: object, axis: int = 0) -> Variable:
    """`x` with its `axis` in random order; of an integer n, the order itself, int64.

    Every order is equally likely, but for a factor of 1 + n / 2**64 for each element.
    """
    value = None if isinstance(x, int | np.integer) else as_tensor(x)
    if value is None or (value.ndim == 0 and value.dtype in INTEGERS):
        return _order(key, x)
    place = one_axis(axis, value.ndim, "permutation")
    as_key(key, "permutation", single=True)
    return take(value, _order(key, value.shape[place]), axis=place)


def _order(key: object, length: Any) -> Variable:
    return apply(Shuffle(), words(key, (length,), 64, "permutation"))


def choice(
    key: object,
    a: object,
    shape: Any = (),
    replace: bool = True,
    p: object = None,
    axis: int = 0,
) -> Variable:
    """Elements of `a` (of an integer n: of 0, 1, ..., n - 1) along `axis`, at random.

    All are equally likely, or have the probabilities `p`, a vector, which sum to 1.
    With `p`, a draw takes as many random numbers as there are elements.

    Raises:
        UnsupportedError: `p` without replacement, or a `shape` of several axes then.
    """
    sizes = sizes_of(shape)
    value = None if isinstance(a, int | np.integer) else as_tensor(a)
    counts = value is None or (value.ndim == 0 and value.dtype in INTEGERS)
    place = 0 if counts else one_axis(axis, value.ndim, "choice")  # type: ignore[union-attr]
    length: Any = a if counts else value.shape[place]  # type: ignore[union-attr]
    chosen = _chosen(key, length, sizes, replace, p)
    return chosen if counts else take(value, chosen, axis=place)


def _chosen(
    key: object, length: Any, sizes: tuple[Any, ...], replace: bool, p: object
) -> Variable:
    if p is not None and replace:
        chances = log(parameters(None, p)[0])
        return categorical(key, chances, shape=sizes)
    if p is not None:
        refuse(
            UnsupportedError,
            "choice: probabilities without replacement",
            remedy="replace=True, or sort sg.random.gumbel(key) + log(p)",
        )
    if replace:
        return integers(key, 0, length, sizes)
    if len(sizes) > 1:
        refuse(
            UnsupportedError,
            "choice: several axes without replacement",
            remedy="draw one axis and reshape it",
        )
    order = permutation(key, length)
    known = [isinstance(s, int) for s in (*sizes, length)]
    if builtins.all(known) and sizes and sizes[0] > length:
        refuse(
            ShapeError,
            f"choice: {sizes[0]} of {length} elements without replacement",
            remedy="draw fewer, or replace=True",
        )
    return take(order, arange(sizes[0]), axis=-1) if sizes else order[..., 0]
