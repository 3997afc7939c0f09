"""The Array API's names for products and norms: ``sg.linalg.vector_norm(x)``."""

from .ops import (
    cross,
    matmul,
    matrix_norm,
    matrix_transpose,
    norm,
    outer,
    tensordot,
    vecdot,
    vector_norm,
)
from .ops import diagonal as _diagonal
from .ops import sum as _sum
from .variable import Variable

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_norm",
    "matrix_transpose",
    "norm",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


def diagonal(x: object, *, offset: int = 0) -> Variable:
    """The diagonal of each matrix in the last two axes; see `symgraph.diagonal`."""
    return _diagonal(x, offset, -2, -1)


def trace(x: object, *, offset: int = 0, dtype: object = None) -> Variable:
    """The sum of each :func:`diagonal`; short integers are summed as 64 bits."""
    found = diagonal(x, offset=offset)
    return _sum(found if dtype is None else found.astype(dtype), -1)
