"""Sums of floats: errors do not grow with the length; infinities stay what they are."""

from __future__ import annotations

import math
from textwrap import dedent

import numpy as np
import pytest

from symgraph.codegen.cpu import threads
from symgraph.codegen.ir import Kernel
from symgraph.codegen.parse import parse_kernel, parse_program
from symgraph.codegen.schedule import prepare

from .jit import Native
from .native import make

LENGTHS = (0, 1, 7, 100, 4_096, 4_097, 99_999, 3_000_000)


def total(dtype: str, combine: str = "sum") -> Kernel:
    return parse_kernel(
        f"""
        kernel total_{combine}_{dtype}(x: in {dtype}[n], out: out {dtype}[]; n)
          vector i < n -> s = {combine} v: {dtype}
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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [0, 1, 33, 1_000, 1_000_000])
def test_long_products_do_not_overflow_on_the_way(dtype: str, length: int) -> None:
    """Factors that cancel one another, at whatever distance the lanes are apart."""
    kernel = prepare(total(dtype, "prod"))
    for period in (2, 8, 64, 500):
        values = np.full(length, 1.25, dtype)
        values[np.arange(length) % period >= period // 2] = 0.8
        out = np.full((), 7, dtype)
        run = Native([kernel])
        assert run(kernel, {"x": values, "out": out}, {"n": length}) == 0
        exact = 1.25 ** (np.sum(values > 1) - np.sum(values < 1))
        np.testing.assert_allclose(
            out, exact, rtol=1e-2 if dtype == "float32" else 1e-9
        )


#: How NumPy combines, and what an empty array gives.
REDUCE = {
    "sum": (np.sum, 0),
    "prod": (np.prod, 1),
    "min": (np.min, None),
    "max": (np.max, None),
    "and": (np.bitwise_and.reduce, None),
    "or": (np.bitwise_or.reduce, 0),
}
SHARED = [
    *((c, d) for c in ("sum", "min", "max", "prod") for d in ("float32", "float64")),
    *((c, d) for c in ("sum", "min", "or", "and") for d in ("int64", "uint8")),
    *((c, "bool") for c in ("and", "or")),
]


def shared(combine: str, dtype: str) -> str:
    """A whole reduction in chunks, which also copy their part of the operand."""
    return f"""
        program shared
          input x: {dtype}[n, m]
          output total: {dtype}[]
          output copied: {dtype}[n, m]
          kernel k(x: in {dtype}[n, m], t: out {dtype}[], c: out {dtype}[n, m]; n, m) split i
            serial i < n -> s = {combine} r: {dtype}
              vector j < m -> r = {combine} v: {dtype}
                v = load x[i, j]: {dtype}
                store c[i, j] = v
            store t[] = s
          launch k(x, total, copied; n, m)
          return total, copied
    """  # noqa: E501


@pytest.mark.parametrize(("combine", "dtype"), SHARED)
def test_reductions_in_chunks(combine: str, dtype: str) -> None:
    """Any number of chunks, none among them; the same bits for one and two threads."""
    run = make(parse_program(dedent(shared(combine, dtype)).strip()))
    random = np.random.default_rng(1)
    reduce, empty = REDUCE[combine]
    before = threads.get_num_threads()
    for shape in ((0, 3), (3, 0), (1, 1), (31, 7), (999, 1001)):
        values = random.random(shape) * 2 if dtype[0] == "f" else random.random(shape)
        x = values.astype(dtype) if dtype[0] != "u" else (values * 200).astype(dtype)
        results = []
        for count in (1, 2):
            threads.set_num_threads(count)
            total, copied = run.entry(x)
            results.append(np.asarray(total).tobytes())
            np.testing.assert_array_equal(copied, x)
        threads.set_num_threads(before)
        assert results[0] == results[1]
        if x.size:
            expected = reduce(x.ravel().astype("f8" if dtype[0] == "f" else dtype))
            rtol = 1e-3 if combine == "prod" else 1e-6
            np.testing.assert_allclose(total, np.asarray(expected, dtype), rtol=rtol)
        elif empty is not None:
            assert total == empty
