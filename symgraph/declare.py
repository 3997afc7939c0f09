"""Declaring inputs: ``x = sg.matrix("x")``, ``a, b = sg.dvectors("a b")``.

Without a dtype a variable has ``config.floatX``.  The shorthands fix it by a letter:
b, w, i, l for int8 to int64, f and d for float32 and float64, c and z for complex64 and
complex128.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from .config import config
from .errors import ShapeError, refuse
from .graph import here, intern
from .leaf import Input
from .types import LETTERS, TensorType
from .variable import Variable

Shape: TypeAlias = Iterable[int | str | None]
One: TypeAlias = Callable[..., Variable]
Several: TypeAlias = Callable[..., tuple[Variable, ...]]


def tensor(
    name: str | None = None, dtype: object = None, shape: Shape = ()
) -> Variable:
    """An input of `dtype` (``config.floatX`` unless given) and `shape`.

    A dimension is an int, a name (equal wherever the name occurs in a graph), or None.

    >>> tensor("x", "float32", shape=("batch", 10))
    <x: float32[batch, 10]>

    Raises:
        DTypeError: a dtype that is not supported.
        ShapeError: a dimension that is none.
    """
    return _declared(name, TensorType(dtype or config.floatX, shape))


def _declared(name: str | None, kind: TensorType) -> Variable:
    """A new input of type `kind`."""
    return Variable(intern(Input(kind, name), (), here()), name)


def scalar(name: str | None = None, dtype: object = None) -> Variable:
    """An input without axes."""
    return tensor(name, dtype)


def vector(
    name: str | None = None, dtype: object = None, shape: Shape = (None,)
) -> Variable:
    """An input with one axis."""
    return _sized(1, name, dtype, shape)


def matrix(
    name: str | None = None, dtype: object = None, shape: Shape = (None, None)
) -> Variable:
    """An input with two axes."""
    return _sized(2, name, dtype, shape)


def row(name: str | None = None, dtype: object = None) -> Variable:
    """An input of shape (1, ?)."""
    return tensor(name, dtype, (1, None))


def col(name: str | None = None, dtype: object = None) -> Variable:
    """An input of shape (?, 1)."""
    return tensor(name, dtype, (None, 1))


def tensor3(
    name: str | None = None, dtype: object = None, shape: Shape = (None,) * 3
) -> Variable:
    """An input with three axes."""
    return _sized(3, name, dtype, shape)


def tensor4(
    name: str | None = None, dtype: object = None, shape: Shape = (None,) * 4
) -> Variable:
    """An input with four axes."""
    return _sized(4, name, dtype, shape)


def _sized(ndim: int, name: str | None, dtype: object, shape: Shape) -> Variable:
    """An input whose `shape` must have `ndim` dimensions."""
    kind = TensorType(dtype or config.floatX, shape)
    if kind.ndim != ndim:
        refuse(
            ShapeError,
            f"a shape of {ndim} dimensions is needed, not that of {kind}",
            remedy="use sg.tensor for another number of dimensions",
        )
    return _declared(name, kind)


def _several(one: One) -> Several:
    """The plural of a declaration: ``("x y")``, ``("x", "y")`` or a number."""

    def declare(*names: str | int) -> tuple[Variable, ...]:
        words: list[str | None] = []
        for given in names:
            if isinstance(given, int):
                words.extend([None] * given)
            else:
                words.extend(given.replace(",", " ").split())
        return tuple(one(word) for word in words)

    declare.__doc__ = "Several variables: names in one string or several, or a number."
    return declare


def _typed(letter: str, one: One) -> tuple[One, Several]:
    """The shorthand of a declaration for a dtype's letter, and its plural."""
    dtype = LETTERS[letter]

    def declare(name: str | None = None) -> Variable:
        return one(name, dtype)

    declare.__doc__ = f"{(one.__doc__ or '').rstrip('.')}, of dtype {dtype}."
    return declare, _several(declare)


scalars = _several(scalar)
vectors = _several(vector)
matrices = _several(matrix)
rows = _several(row)
cols = _several(col)
tensor3s = _several(tensor3)
tensor4s = _several(tensor4)

bscalar, bscalars = _typed("b", scalar)
bvector, bvectors = _typed("b", vector)
bmatrix, bmatrices = _typed("b", matrix)
brow, brows = _typed("b", row)
bcol, bcols = _typed("b", col)
btensor3, btensor3s = _typed("b", tensor3)
btensor4, btensor4s = _typed("b", tensor4)

wscalar, wscalars = _typed("w", scalar)
wvector, wvectors = _typed("w", vector)
wmatrix, wmatrices = _typed("w", matrix)
wrow, wrows = _typed("w", row)
wcol, wcols = _typed("w", col)
wtensor3, wtensor3s = _typed("w", tensor3)
wtensor4, wtensor4s = _typed("w", tensor4)

iscalar, iscalars = _typed("i", scalar)
ivector, ivectors = _typed("i", vector)
imatrix, imatrices = _typed("i", matrix)
irow, irows = _typed("i", row)
icol, icols = _typed("i", col)
itensor3, itensor3s = _typed("i", tensor3)
itensor4, itensor4s = _typed("i", tensor4)

lscalar, lscalars = _typed("l", scalar)
lvector, lvectors = _typed("l", vector)
lmatrix, lmatrices = _typed("l", matrix)
lrow, lrows = _typed("l", row)
lcol, lcols = _typed("l", col)
ltensor3, ltensor3s = _typed("l", tensor3)
ltensor4, ltensor4s = _typed("l", tensor4)

fscalar, fscalars = _typed("f", scalar)
fvector, fvectors = _typed("f", vector)
fmatrix, fmatrices = _typed("f", matrix)
frow, frows = _typed("f", row)
fcol, fcols = _typed("f", col)
ftensor3, ftensor3s = _typed("f", tensor3)
ftensor4, ftensor4s = _typed("f", tensor4)

dscalar, dscalars = _typed("d", scalar)
dvector, dvectors = _typed("d", vector)
dmatrix, dmatrices = _typed("d", matrix)
drow, drows = _typed("d", row)
dcol, dcols = _typed("d", col)
dtensor3, dtensor3s = _typed("d", tensor3)
dtensor4, dtensor4s = _typed("d", tensor4)


cscalar, cscalars = _typed("c", scalar)
cvector, cvectors = _typed("c", vector)
cmatrix, cmatrices = _typed("c", matrix)
crow, crows = _typed("c", row)
ccol, ccols = _typed("c", col)
ctensor3, ctensor3s = _typed("c", tensor3)
ctensor4, ctensor4s = _typed("c", tensor4)


zscalar, zscalars = _typed("z", scalar)
zvector, zvectors = _typed("z", vector)
zmatrix, zmatrices = _typed("z", matrix)
zrow, zrows = _typed("z", row)
zcol, zcols = _typed("z", col)
ztensor3, ztensor3s = _typed("z", tensor3)
ztensor4, ztensor4s = _typed("z", tensor4)
