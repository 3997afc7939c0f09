"""Keys: where random draws come from, and how one key makes others."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError, UnsupportedError
from ..ops import cast, expand_dims, floor_divide, stack
from ..ops.common import refuse
from ..ops.random import Positions, Threefry
from ..ops.sizes import shape_variables, size_variable
from ..types import INTEGERS
from ..variable import Variable, apply, as_tensor, constant

#: The dtypes of random bits, with how many of a block's bits are drawn for each.
WIDTHS = {"uint8": 32, "uint16": 32, "uint32": 32, "uint64": 64}


def key(seed: object) -> Variable:
    """The key of `seed`, an int or an integer scalar: uint32 of shape (2,).

    The words are the high and the low 32 bits of the seed (negative ones: of its
    complement to 2**64), as ``jax.random.PRNGKey`` has them.

    >>> key(42).eval()
    array([ 0, 42], dtype=uint32)

    Raises:
        DTypeError: not an integer.
    """
    if isinstance(seed, Variable):
        return _words(cast(size_variable(seed, "key"), "uint64"))
    try:
        number = operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        refuse(
            DTypeError,
            f"key: the seed {seed!r} is not an integer",
            remedy="give an int or a symbolic integer scalar",
        )
    number &= 2**64 - 1
    return constant(np.array([number >> 32, number & 0xFFFFFFFF], "uint32"))


def split(key: object, num: Any = 2) -> Variable:
    """Independent keys made of one: uint32 of shape (*num, 2), `num` a size or a shape.

    A key that has been split is used up: draw from the new ones.

    >>> first, second = split(key(0))
    """
    return _words(words(key, num, 64, "split"))


def fold_in(key: object, data: object) -> Variable:
    """A key made of a key and an integer, such as the number of a step or a layer.

    `data` is an integer or an array of integers; keys and data broadcast, so that one
    key and an array give a key for each: the shape is ``(*data.shape, 2)``.

    Raises:
        DTypeError: `data` is not of an integer type.
    """
    given = as_key(key, "fold_in")
    number = as_tensor(data)
    if number.dtype not in INTEGERS:
        refuse(DTypeError, "fold_in: data is not an integer", number, remedy="cast it")
    counter = cast(number, "int64")
    return _words(apply(Threefry(64), given[..., 0], given[..., 1], counter))


def bits(key: object, shape: Any = (), dtype: str = "uint32") -> Variable:
    """Random bits: unsigned integers of `dtype`, uniform over all that it holds.

    Element i (in C order) is Threefry-2x32's block i under `key`: the same in every
    mode and for any number of threads, and a prefix of what a longer first axis gives.
    Of uint32 and uint64 they are the bits that JAX (0.5 and later) draws.  `key` may be
    a stack of keys, of shape (..., 2); the result then has shape (..., *shape).

    Raises:
        DTypeError: `dtype` is not an unsigned integer type, or `key` is not uint32.
    """
    if dtype not in WIDTHS:
        refuse(
            DTypeError,
            f"bits: no random bits of dtype {dtype!r}",
            remedy="there are uint8, uint16, uint32, uint64; see integers",
        )
    return cast(words(key, shape, WIDTHS[dtype], "bits"), dtype)


def words(key: object, shape: Any, width: int, what: str) -> Variable:
    """Random uint32 or uint64 of shape (*keys, *shape)."""
    given = as_key(key, what)
    sizes = shape_variables(shape, what)
    axes = tuple(range(given.ndim - 1, given.ndim - 1 + len(sizes)))
    first, second = (expand_dims(given[..., k], axes) for k in range(2))
    return apply(Threefry(width), first, second, apply(Positions(), *sizes))


def as_key(key: object, what: str, *, single: bool = False) -> Variable:
    """`key` as a variable, checked.

    Raises:
        DTypeError: not uint32.
        ShapeError: not of shape (..., 2), or (2,) where a `single` key is needed.
    """
    given = as_tensor(key)
    if given.dtype != "uint32":
        refuse(
            DTypeError,
            f"{what}: a key is uint32 of shape (2,)",
            given,
            remedy="make one with sg.random.key(seed)",
        )
    last = given.type.dims[-1] if given.ndim else 0
    if isinstance(last, int) and last != 2:
        refuse(
            ShapeError,
            f"{what}: a key has shape (2,), or (..., 2) for a stack of keys",
            given,
            remedy="make one with sg.random.key(seed)",
        )
    if single and given.ndim != 1:
        refuse(
            UnsupportedError,
            f"{what}: one key is needed, not a stack of keys",
            given,
            remedy="use sg.vectorize, or index the stack",
        )
    return given


def _words(word: Variable) -> Variable:
    """uint64 as pairs of uint32, high words first, along a new last axis."""
    high = floor_divide(word, constant(2**32, "uint64"))
    return stack([cast(high, "uint32"), cast(word, "uint32")], -1)


def sizes_of(shape: Sequence[Any] | Any) -> tuple[Any, ...]:
    """A shape as a tuple."""
    if isinstance(shape, np.ndarray):
        shape = shape.tolist()
    return tuple(shape) if isinstance(shape, Sequence) else (shape,)
