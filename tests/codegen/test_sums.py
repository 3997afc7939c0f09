"""Sums of floats: errors do not grow with the length; infinities stay what they are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from symgraph.codegen.ir import Kernel
from symgraph.codegen.schedule import prepare
from symgraph.codegen.text import parse_kernel

from .jit import Native

LENGTHS = (0, 1, 7, 100, 4_096, 4_097, 99_999, 3_000_000)


def total(dtype: str) -> Kernel:
    return parse_kernel(
        f"""
        kernel total_{dtype}(x: in {dtype}[n], out: out {dtype}[]; n)
          vector i < n -> s = sum v: {dtype}
            v = load x[i]: {dtype}
          store out[] = s
        """
    )


def rows(dtype: str) -> Kernel:
    return parse_kernel(
        f"""
        kernel rows_{dtype}(x: in {dtype}[n, m], out: out {dtype}[]; n, m)
          serial i < n -> s = sum r: {dtype}
            vector j < m -> r = sum v: {dtype}
              v = load x[i, j]: {dtype}
          store out[] = s
        """
    )


KERNELS = {
    (make.__name__, dtype): prepare(make(dtype))
    for make in (total, rows)
    for dtype in ("float32", "float64")
}


@pytest.fixture(scope="module")
def native() -> Native:
    return Native(KERNELS.values())


def summed(native: Native, kind: str, values: np.ndarray) -> float:
    kernel = KERNELS[kind, values.dtype.name]
    out = np.full((), 7, values.dtype)
    sizes = dict(zip(kernel.sizes, values.shape, strict=True))
    assert native(kernel, {"x": values, "out": out}, sizes) == 0
    return float(out)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", LENGTHS)
def test_error_of_a_long_sum(native: Native, dtype: str, length: int) -> None:
    """At most a rounding of the result, and 12 of the terms: 7 in a run, 5 across."""
    random = np.random.default_rng(length)
    for values in (random.random(length), random.standard_normal(length)):
        values = values.astype(dtype)
        exact, size = math.fsum(values), math.fsum(abs(values))
        unit = float(np.finfo(dtype).eps) / 2
        error = abs(summed(native, "total", values) - exact)
        assert error <= unit * (abs(exact) + 32 * size)
        if dtype == "float32" and length > 1000:
            assert error <= 1.5 * abs(float(np.sum(values)) - exact) + unit * size


def test_sums_of_sums(native: Native) -> None:
    """A million small numbers after a large one are not lost."""
    values = np.full((1_000_000, 3), 1e-8, "float32")
    values[0, 0] = 1
    exact = math.fsum(values.ravel())
    assert abs(summed(native, "rows", values) - exact) < 1e-6


@pytest.mark.parametrize("kind", ["total", "rows"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_infinities(native: Native, kind: str, dtype: str) -> None:
    """What is not finite is as IEEE says, not the NaN of its rounding error."""
    huge = float(np.finfo(dtype).max)
    cases = (
        ([np.inf, 1.0], np.inf),
        ([-np.inf, 5.0], -np.inf),
        ([np.inf, -np.inf], np.nan),
        ([np.nan, 1.0], np.nan),
        ([huge, huge], np.inf),
        ([-huge, -huge], -np.inf),
    )
    shape = (50_000,) if kind == "total" else (10_000, 5)
    for special, expected in cases:
        values = np.ones(shape, dtype)
        values.ravel()[[9, 30_009]] = special
        np.testing.assert_equal(summed(native, kind, values), expected)
