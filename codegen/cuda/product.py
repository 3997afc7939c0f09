"""Matrix products as a kernel: square tiles of both operands in shared memory."""

from __future__ import annotations

from collections.abc import Mapping

from ..interpret import size_of
from ..program import Gemm
from .source import Argument, Stage

#: The side of a tile; a block has a thread for each of its elements.
TILE = 16

_ARRAYS = ("out", "lhs", "rhs")
#: Extents, and the steps in the operands' memory from one row, column and matrix to the
#: next.
NUMBERS = (
    *("m", "n", "k", "batch"),
    *("lhs_row", "lhs_column", "lhs_matrix"),
    *("rhs_row", "rhs_column", "rhs_matrix"),
)

_TEXT = '''\
import numpy as np
from numba import cuda


def {name}({arguments}):
    """out[b] {sign} lhs[b] @ rhs[b], m x k and k x n; a block does one tile of out."""
    left = cuda.shared.array(({tile}, {tile}), np.{dtype})
    right = cuda.shared.array(({tile}, {tile}), np.{dtype})
    x = cuda.threadIdx.x % {tile}
    y = cuda.threadIdx.x // {tile}
    across = (n + {last}) // {tile}
    down = (m + {last}) // {tile}
    for number in range(cuda.blockIdx.x, batch * down * across, cuda.gridDim.x):
        column = number % across * {tile} + x
        number = number // across
        row = number % down * {tile} + y
        matrix = number // down
        total = np.{dtype}(0.0)
        for start in range(0, k, {tile}):
            a = np.{dtype}(0.0)
            if row < m and start + x < k:
                a = lhs[
                    matrix * lhs_matrix + row * lhs_row + (start + x) * lhs_column
                ]
            b = np.{dtype}(0.0)
            if start + y < k and column < n:
                b = rhs[
                    matrix * rhs_matrix + (start + y) * rhs_row + column * rhs_column
                ]
            left[y, x] = a
            right[y, x] = b
            cuda.syncthreads()
            for step in range({tile}):
                total = total + left[y, step] * right[step, x]
            cuda.syncthreads()
        if row < m and column < n:
            out[(matrix * m + row) * n + column] {sign} total
'''


def product_stage(dtype: str, accumulate: bool, tile: int = TILE) -> Stage:
    """The kernel of products of `dtype`, float32 or float64."""
    name = f"product_{dtype}" + ("_added" if accumulate else "")
    arguments = (
        *(Argument(a, dtype, "buffer", a) for a in _ARRAYS),
        *(Argument(a, "int64", "size", a) for a in NUMBERS),
    )
    text = _TEXT.format(
        name=name,
        arguments=", ".join(a.name for a in arguments),
        dtype=dtype,
        sign="+=" if accumulate else "=",
        tile=tile,
        last=tile - 1,
    )
    return Stage(name, text, arguments, tile * tile)


def numbers_of(gemm: Gemm, sizes: Mapping[str, int]) -> dict[str, int]:
    """The values of `NUMBERS` for one product."""
    m, n, k, batch = (size_of(e, sizes) for e in (gemm.m, gemm.n, gemm.k, gemm.batch))
    lhs = (1, m) if gemm.transpose_lhs else (k, 1)
    rhs = (1, k) if gemm.transpose_rhs else (n, 1)
    steps = (
        *(*lhs, m * k if gemm.lhs_batched else 0),
        *(*rhs, k * n if gemm.rhs_batched else 0),
    )
    return dict(zip(NUMBERS, (m, n, k, batch, *steps), strict=True))


def blocks_of(numbers: Mapping[str, int], tile: int = TILE) -> int:
    """The tiles of all results."""
    down, across = -(-numbers["m"] // tile), -(-numbers["n"] // tile)
    return numbers["batch"] * down * across
