"""Rows divided by one number each: the machine's own quotients, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from symgraph.codegen.cpu import division
from symgraph.codegen.cpu.host import detect
from symgraph.codegen.ir import FLOATS, Kernel
from symgraph.codegen.parse import parse_kernel

from .jit import Native

TEXT = """\
kernel rows_{t}(x: in {t}[m, n], d: in {t}[m], o: out {t}[m, n]; m, n) split i
  parallel i < m
    v1 = load d[i]: {t}
    vector j < n
      v2 = load x[i, j]: {t}
      v3 = div(v2, v1): {t}
      store o[i, j] = v3
"""
KERNELS = {dtype: parse_kernel(TEXT.format(t=dtype)) for dtype in FLOATS}
LENGTHS = (1, 3, 16, 31, 64, 200, 257)


@pytest.fixture(scope="module")
def native() -> Native:
    """Both kernels with vectors that are wide, whatever this CPU has."""
    host = replace(detect(), vector_bytes=division.LEAST_BYTES)
    return Native(KERNELS.values(), host)


def quotients(native: Native, x: np.ndarray, d: np.ndarray) -> np.ndarray:
    kernel: Kernel = KERNELS[str(x.dtype)]
    m, n = x.shape
    o = np.full_like(x, 1)
    native(kernel, {"x": x, "d": d, "o": o}, {"m": m, "n": n})
    return o


def exactly(found: np.ndarray, expected: np.ndarray) -> None:
    """The same bits, but for those of a NaN."""
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), nan)
    np.testing.assert_array_equal(found[~nan], expected[~nan])
    np.testing.assert_array_equal(np.signbit(found[~nan]), np.signbit(expected[~nan]))


def bits(rng: np.random.Generator, dtype: str, low: int, high: int, *shape: int):
    """Floats with random digits and exponents from `low` to `high`, of either sign."""
    digits = rng.uniform(1, 2, shape) * rng.choice([-1.0, 1.0], shape)
    return np.ldexp(digits, rng.integers(low, high, shape)).astype(dtype)


#: The exponents of normal numbers, and those from which on the last digit is right.
RANGES = {"float32": (-126, 127, -100), "float64": (-1022, 1023, -960)}


@pytest.mark.parametrize("dtype", FLOATS)
def test_quotients_are_rounded_once(native: Native, dtype: str) -> None:
    rng = np.random.default_rng(0)
    low, high, sound = RANGES[dtype]
    wide = bits(rng, dtype, sound, high, 200, 257), bits(rng, dtype, low, high, 200)
    near = bits(rng, dtype, -2, 2, 400, 257), bits(rng, dtype, -2, 2, 400)
    for x, d in (wide, near):
        with np.errstate(all="ignore"):
            expected = x / d[:, None]
        tiny = np.abs(expected) < np.finfo(dtype).tiny
        exactly(quotients(native, x, d)[~tiny], expected[~tiny])


@pytest.mark.parametrize("dtype", FLOATS)
def test_one_lane_that_is_special_spoils_no_other(native: Native, dtype: str) -> None:
    info = np.finfo(dtype)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -3.0, info.max, -info.max]
    special += [info.tiny, info.smallest_subnormal, -info.tiny / 4, 7 * info.tiny]
    rng = np.random.default_rng(1)
    for n in LENGTHS:
        for value in special:
            x = bits(rng, dtype, -3, 3, len(special), n)
            x[:, rng.integers(n)] = value
            d = np.array(special, dtype)
            with np.errstate(all="ignore"):
                expected = x / d[:, None]
            found = quotients(native, x, d)
            sound = np.abs(x) >= np.ldexp(1.0, RANGES[dtype][2])
            sound &= ~(np.abs(expected) < info.tiny) | (expected == 0)
            sound |= x == 0
            exactly(found[sound], expected[sound])


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_smallest_numbers_are_nearly_right(native: Native, dtype: str) -> None:
    rng = np.random.default_rng(2)
    low, _, sound = RANGES[dtype]
    least = np.finfo(dtype).smallest_subnormal
    x = bits(rng, dtype, low - 20, sound, 100, 257)
    d = bits(rng, dtype, low, 100, 100)
    with np.errstate(all="ignore"):
        expected = x / d[:, None]
    error = np.abs(quotients(native, x, d) - expected)
    assert (error <= np.maximum(4 * np.spacing(np.abs(expected)), least)).all()


def test_narrow_vectors_are_divided(native: Native) -> None:
    host = replace(detect(), vector_bytes=division.LEAST_BYTES // 2)
    narrow = Native(KERNELS.values(), host)
    assert "@llvm.fma" in native.text
    assert "@llvm.fma" not in narrow.text
