"""What the tests of symgraph share: computing in each mode, arrays of every layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symgraph import dims
from symgraph.dims import Dim
from symgraph.evaluate import evaluate
from symgraph.function import function
from symgraph.op import Array
from symgraph.variable import Variable

MODES = ("interpret", "fast")

#: Relative tolerance by dtype: a few ulp for each of a few operations.
RTOL = {"float32": 2e-5, "float64": 1e-11, "complex64": 2e-5, "complex128": 1e-11}


class Computer:
    """`outputs` as a Python function of arrays for `inputs`, compiled once."""

    def __init__(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], mode: str
    ) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.compiled = None
        if mode == "fast":
            self.compiled = function(
                self.inputs, self.outputs, on_unused_input="ignore"
            )

    def __call__(self, *values: object) -> list[Any]:
        if self.compiled is not None:
            return list(self.compiled(*values))
        given = {v.node: value for v, value in zip(self.inputs, values, strict=True)}
        return evaluate([v.node for v in self.outputs], given)


def compute(
    outputs: Sequence[Variable],
    inputs: Sequence[Variable],
    values: Sequence[object],
    mode: str = "interpret",
) -> list[Any]:
    """The values of `outputs` where `inputs` have `values`."""
    return Computer(inputs, outputs, mode)(*values)


def predicted_shape(
    output: Variable, inputs: Sequence[Variable], values: Sequence[Any]
) -> tuple[int, ...]:
    """The shape of `output` by its type alone, where `inputs` have `values`."""
    given = {v.node: value for v, value in zip(inputs, values, strict=True)}
    sizes = {
        dim: extent
        for v, value in zip(inputs, values, strict=True)
        for dim, extent in zip(v.type.dims, np.shape(value), strict=True)
    }

    def known(dim: Dim) -> int:
        if dim.kind == "value":
            (node,) = dim.args
            return int(evaluate([node], given)[0])  # type: ignore[list-item]
        return sizes[dim]

    return tuple(dims.evaluate(size, known, {}) for size in output.type.dims)


def layouts(array: Array) -> Iterator[tuple[str, Array]]:
    """`array` as it is, and as equal arrays that lie otherwise in memory."""
    yield "as it is", array
    if array.ndim:
        twice = np.repeat(array, 2, axis=-1)
        yield "strided", twice[..., ::2]
        yield "reversed", np.array(array[::-1])[::-1]
    if array.ndim > 1:
        yield "Fortran order", np.asfortranarray(array)
    frozen = array.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen
    yield "swapped bytes", array.astype(array.dtype.newbyteorder("S"))


def assert_same(got: Any, expected: Any, note: str, rtol: float | None = None) -> None:
    """Equal dtype, shape and values; floats within a tolerance, NaN equal to itself."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.dtype == expected.dtype, f"{note}: {got.dtype}, not {expected.dtype}"
    assert got.shape == expected.shape, f"{note}: {got.shape}, not {expected.shape}"
    tolerance = RTOL.get(str(expected.dtype), 0.0) if rtol is None else rtol
    parts = [(got, expected)]
    if expected.dtype.kind == "c":
        parts = [(got.real, expected.real), (got.imag, expected.imag)]
    known = [float(np.abs(e[np.isfinite(e)]).max(initial=0.0)) for _, e in parts]
    for mine, theirs in parts:
        np.testing.assert_allclose(
            mine,
            theirs,
            rtol=tolerance,
            atol=tolerance * 0.1 * max(known),
            err_msg=note,
            equal_nan=True,
        )
