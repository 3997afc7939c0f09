"""Formulas that read and write each element once: how near they come to the roof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, reduce
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from workloads import Arrays, formula_builders, numpy_names

from . import Case, picked

Array = NDArray[Any]
#: A polynomial of degree 20: one multiplication and one addition for each but the last.
COEFFICIENTS = [(-1) ** k / (k + 1) for k in range(21)]


@dataclass(frozen=True)
class Stream:
    """A formula, the arrays that it reads and writes, and its work for each element.

    `matrices` says that the arrays are square, `elementwise` that an element of the
    result follows from those at its own place.
    """

    title: str
    formula: Callable[..., Any]
    reads: int
    writes: int = 0
    flops: int = 0
    matrices: bool = False
    elementwise: bool = False

    def shape(self, size: int) -> tuple[int, ...]:
        """That of each array, of about `size` elements.

        The side of a matrix is a multiple of 8 but not of 64: rows whose distance is
        a power of two would all fall on a few lines of a cache.
        """
        if not self.matrices:
            return (size,)
        side = max(8, isqrt(size) // 8 * 8)
        return (side - 8, side - 8) if side % 64 == 0 else (side, side)


def horner(lib: Any, x: Any) -> Any:
    return reduce(lambda value, c: value * x + c, COEFFICIENTS[1:], COEFFICIENTS[0])


STREAMS = {
    "axpy": Stream("a * x + y", lambda lib, x, y: 2.5 * x + y, 2, 1, 2,
                   elementwise=True),
    "sum-0": Stream("sum, axis 0", lambda lib, x: lib.sum(x, axis=0), 1, matrices=True),
    "sum-1": Stream("sum, axis 1", lambda lib, x: lib.sum(x, axis=1), 1, matrices=True),
    "sum": Stream("sum of a matrix", lambda lib, x: lib.sum(x), 1, matrices=True),
    "transpose": Stream("A.T + B", lambda lib, x, y: x.T + y, 2, 1, matrices=True),
    "polynomial": Stream("polynomial, 20 terms", horner, 1, 1, 40, elementwise=True),
}  # fmt: skip


def case(name: str, dtype: str, size: str) -> Case:
    """One of `STREAMS` on arrays of about `size` elements."""
    stream = STREAMS[name]
    shape = stream.shape(int(size))

    kind: Any = np.dtype(dtype)

    @cache
    def inputs() -> list[Array]:
        random = np.random.default_rng(0)
        return [random.random(shape, kind) for _ in range(stream.reads)]

    def reference() -> Arrays:
        given = [picked(x) for x in inputs()] if stream.elementwise else inputs()
        exact = [x.astype(np.float64) for x in given]
        right = stream.formula(numpy_names(), *exact)
        return [right if stream.elementwise else picked(right)]

    # Sums of positive numbers, one after the other, err by some eps for each row; the
    # polynomial cancels little between 0 and 1.
    rtol = {"float32": 1e-5, "float64": 1e-13}[dtype]
    if name.startswith("sum"):
        rtol *= 100
    unknown = [(None,) * len(shape)] * stream.reads
    return Case(
        formula_builders(stream.formula, inputs, unknown), reference, rtol, rtol
    )
