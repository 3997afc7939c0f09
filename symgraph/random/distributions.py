"""Draws of real numbers: stateless functions of a key.

All take a stack of keys, of shape (..., 2), in place of one, and then give a stack of
draws, of shape (..., *shape).  `shape` is an int, an integer scalar or a sequence of
these; None stands for the shape of the parameters, broadcast together.
"""

from __future__ import annotations

from typing import Any

from ..config import config
from ..errors import DTypeError, ShapeError
from ..ops import (
    broadcast_to,
    cast,
    greater,
    maximum,
    minimum,
    ndtr,
    ndtri,
    subtract,
    where,
)
from ..ops.common import refuse
from ..ops.random import (
    FLOAT_OF,
    Draw,
    MultiplyAdd,
    StandardExponential,
    StandardGumbel,
    StandardLaplace,
    StandardNormal,
    StandardUniform,
)
from ..ops.sizes import shape_variables
from ..types import check_dtype, float_dtype, is_float, result_dtype
from ..variable import Variable, apply, as_tensor, constant
from .keys import words

BITS_OF = {made: given for given, made in FLOAT_OF.items()}


def uniform(
    key: object,
    shape: Any = None,
    low: object = 0.0,
    high: object = 1.0,
    dtype: object = None,
) -> Variable:
    """Uniform in [low, high): ``low + (high - low) * u``, rounded once.

    u is a multiple of 2**-24 (float32) or 2**-53 (float64) in [0, 1); rounding can give
    `high` itself where that is not 1.  The gradient with respect to `low` is 1 - u, to
    `high` u.

    >>> from symgraph.random import key
    >>> uniform(key(0), (2,), dtype="float32").eval()
    array([0.94766706, 0.9785799 ], dtype=float32)
    """
    a, b = parameters(dtype, low, high)
    u = standard(StandardUniform(), key, shape, "uniform", a, b)
    if _is(a, 0) and _is(b, 1):
        return u
    return apply(MultiplyAdd(), u, subtract(b, a), a)


def normal(
    key: object,
    shape: Any = None,
    loc: object = 0.0,
    scale: object = 1.0,
    dtype: object = None,
) -> Variable:
    """Normal with mean `loc` and standard deviation `scale`: ``loc + scale * z``.

    z is the normal quantile of a uniform number of 32 bits (float32: up to 6.3) or 64
    bits (float64: up to 9.1), within 4 ulp for z beyond 2**-20.  The gradient with
    respect to `loc` is 1, to `scale` z.
    """
    mean, deviation = parameters(dtype, loc, scale)
    z = standard(StandardNormal(), key, shape, "normal", mean, deviation)
    return _placed(z, mean, deviation)


def truncated_normal(
    key: object,
    lower: object,
    upper: object,
    shape: Any = None,
    dtype: object = None,
) -> Variable:
    """Standard normal on the condition that it lies in [lower, upper].

    The quantile of a uniform number between the bounds' probabilities, taken in the
    tail where those are small.  Bounds that both lie beyond 37 (float32: 13) on one
    side leave no probability, and give the nearer bound.  Unlike the other draws it may
    differ by some ulp between modes.
    """
    a, b = parameters(dtype, lower, upper)
    mirrored = greater(a, 0)
    low, high = where(mirrored, -b, a), where(mirrored, -a, b)
    p = uniform(key, shape, ndtr(low), ndtr(high))
    z = ndtri(p)
    return maximum(minimum(where(mirrored, -z, z), b), a)


def exponential(
    key: object, shape: Any = None, scale: object = 1.0, dtype: object = None
) -> Variable:
    """Exponential with mean `scale`: ``-scale * log(u)``."""
    (mean,) = parameters(dtype, scale)
    made = standard(StandardExponential(), key, shape, "exponential", mean)
    return _placed(made, constant(0.0, mean.dtype), mean)


def gumbel(
    key: object,
    shape: Any = None,
    loc: object = 0.0,
    scale: object = 1.0,
    dtype: object = None,
) -> Variable:
    """Gumbel, the law of the largest: ``loc - scale * log(-log(u))``."""
    place, width = parameters(dtype, loc, scale)
    made = standard(StandardGumbel(), key, shape, "gumbel", place, width)
    return _placed(made, place, width)


def laplace(
    key: object,
    shape: Any = None,
    loc: object = 0.0,
    scale: object = 1.0,
    dtype: object = None,
) -> Variable:
    """Laplace: `loc` plus an exponential of mean `scale` with a random sign."""
    place, width = parameters(dtype, loc, scale)
    made = standard(StandardLaplace(), key, shape, "laplace", place, width)
    return _placed(made, place, width)


def _placed(z: Variable, loc: Variable, scale: Variable) -> Variable:
    """``scale * z + loc``, rounded once."""
    if _is(loc, 0) and _is(scale, 1):
        return z
    return apply(MultiplyAdd(), z, scale, loc)


def standard(
    draw: Draw, key: object, shape: Any, what: str, *given: Variable
) -> Variable:
    """`draw` in `shape`, or in that of the parameters, of which one gives the dtype."""
    sizes = draw_shape(shape, what, *given)
    width = 32 if given[0].dtype == "float32" else 64
    return apply(draw, words(key, sizes, width, what))


def draw_shape(shape: Any, what: str, *given: Variable) -> tuple[Variable, ...]:
    """`shape`, into which the parameters must broadcast; their own where it is None.

    Raises:
        ShapeError: a parameter does not broadcast to `shape`.
    """
    if shape is None:
        together = given[0]
        for value in given[1:]:
            together = subtract(together, value)  # for its type: never computed
        return shape_variables(together.shape, what)
    sizes = shape_variables(shape, what)
    for value in given:
        if value.ndim > len(sizes):
            refuse(
                ShapeError,
                f"{what}: a parameter has {value.ndim} axes, the shape {len(sizes)}",
                value,
                remedy="parameters must broadcast to the shape",
            )
        if value.ndim:
            broadcast_to(value, sizes)  # raises where they do not fit
    return sizes


def parameters(dtype: object, *values: object) -> tuple[Variable, ...]:
    """Parameters as floats of one dtype: `dtype`, or theirs, or ``config.floatX``.

    Raises:
        DTypeError: `dtype` is not a float type.
    """
    if dtype is None:
        arrays = [v for v in values if not isinstance(v, bool | int | float)]
        kinds = [as_tensor(v).dtype for v in arrays]
        chosen = float_dtype(result_dtype(*kinds)) if kinds else config.floatX
    else:
        chosen = check_dtype(dtype)
    if not is_float(chosen):
        refuse(
            DTypeError,
            f"no draws of real numbers in dtype {chosen}",
            remedy="give float32 or float64; sg.random.integers draws integers",
        )
    return tuple(
        constant(v, chosen)
        if isinstance(v, bool | int | float)
        else cast(as_tensor(v), chosen)
        for v in values
    )


def _is(value: Variable, number: int) -> bool:
    """Whether `value` is that scalar constant."""
    return value.same(constant(float(number), value.dtype))
