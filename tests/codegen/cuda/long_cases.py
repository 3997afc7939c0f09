"""Long rows cut into chunks, against the interpreter.

The cases are run by `launch_cases`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from symgraph.codegen.cuda.launch import CudaProgram, Limits
from symgraph.codegen.cuda.long_rows import LEAST_CHUNKS, MOST_ROWS, SHARE
from symgraph.codegen.run import run_program

from ...device import real
from .launch_tools import Counting, case
from .long_programs import COUNTED, FUSED, accumulating
from .programs import parsed


def single(cut: Limits) -> Limits:
    """One thread, for the many elements of many chunks; a GPU has no smaller warps."""
    return cut if real() else replace(cut, threads=1, warp=1)


def shortest(limits: Limits) -> int:
    """The elements of the shortest row that is cut."""
    return LEAST_CHUNKS * SHARE * limits.threads


def lengths(limits: Limits) -> list[int]:
    """Rows that are not cut and that are, into even and uneven chunks."""
    least = shortest(limits)
    return [0, 1, least - 1, least, least + 1, least + SHARE * limits.threads - 1]


def launched(text: str, given: Mapping[str, Any], limits: Limits) -> set[str]:
    """Fail unless results are the interpreter's; which kernels were launched.

    Integers are the same, and so are signs of zeros, infinities and NaNs.
    """
    kernels = Counting()
    program = parsed(text)
    whole = CudaProgram(program, limits, kernels)
    want, got = run_program(program, given), whole.run(given)
    assert got.status == want.status
    for x, y in zip(got.results, want.results, strict=True):
        assert (x.dtype, x.shape) == (y.dtype, y.shape), (x, y)
        if y.dtype.kind != "f":
            assert np.array_equal(x, y), (x, y)
            continue
        bound = 1e-5 if y.dtype == "float32" else 1e-12
        assert np.allclose(x, y, rtol=bound, atol=bound, equal_nan=True), (x, y)
        zeros = (y == 0) & (x == 0)
        assert np.array_equal(np.signbit(x[zeros]), np.signbit(y[zeros])), (x, y)
    again = whole.run(given)
    for x, y in zip(again.results, got.results, strict=True):
        assert x.tobytes() == y.tobytes()  # and so in every run
    return set(kernels.launched) - {"begin_call"}


def check_cut(
    text: str, given: Mapping[str, Any], limits: Limits, several: bool
) -> None:
    """Fail unless results are the interpreter's, by one kernel or by `several`."""
    found = launched(text, given, limits)
    assert len(found) == (3 if several else 1), found
    endings = {name.rpartition("_")[2] for name in found}
    assert (endings == {"totals", "carries", "chunks"}) == several, found


@case
def sums_of_long_rows(cut: Limits) -> None:
    for dtype in ("int32", "int64", "float32", "float64"):
        zero = "-0.0" if dtype.startswith("float") else "0"
        text = accumulating(dtype, "add", zero)
        for few in dict.fromkeys((cut, single(cut))):
            for m in lengths(few):
                rng = np.random.default_rng(m)
                x = rng.integers(-(1 << 30), 1 << 30, m).astype(dtype)
                if dtype.startswith("float"):
                    x = rng.normal(size=m).astype(dtype)
                check_cut(text, {"x": x}, few, m >= shortest(few))


@case
def integers_that_wrap(cut: Limits) -> None:
    m = shortest(single(cut)) + 3
    rng = np.random.default_rng(0)
    for dtype in ("int8", "int32", "int64", "uint32"):
        ends = np.iinfo(dtype)
        x = rng.integers(ends.min, ends.max, m, dtype, endpoint=True)
        check_cut(accumulating(dtype, "add", "0"), {"x": x}, single(cut), True)
        check_cut(accumulating(dtype, "mul", "1"), {"x": x | 1}, single(cut), True)


@case
def rows_from_their_ends(cut: Limits) -> None:
    m = shortest(cut) + 7
    x = np.random.default_rng(1).normal(size=m)
    check_cut(accumulating("float64", "add", "-0.0", reverse=True), {"x": x}, cut, True)
    rows = accumulating("float64", "add", "-0.0", rows=True, reverse=True)
    check_cut(rows, {"x": np.stack([x, -x, 2 * x])}, cut, True)


@case
def several_long_rows(cut: Limits) -> None:
    rng = np.random.default_rng(2)
    least = shortest(single(cut))
    text = accumulating("float32", "add", "-0.0", rows=True)
    for n, m in ((0, least), (1, least), (3, least + 5), (3, 0), (3, least - 1)):
        x = rng.normal(size=(n, m)).astype("float32")
        check_cut(text, {"x": x}, single(cut), n > 0 and m >= least)
    for n in (MOST_ROWS, MOST_ROWS + 1):
        x = rng.integers(-9, 9, (n, least))
        program = accumulating("int64", "add", "5", rows=True)
        check_cut(program, {"x": x}, single(cut), n == MOST_ROWS)


@case
def products_and_extremes(cut: Limits) -> None:
    m = shortest(cut) + 9
    x = np.random.default_rng(3).uniform(0.9, 1.1, m) * np.resize([1, -1, 1], m)
    for dtype in ("float32", "float64"):
        check_cut(accumulating(dtype, "mul", "1.0"), {"x": x.astype(dtype)}, cut, True)
        for op, init in (("max", "-inf"), ("min", "inf")):
            text = accumulating(dtype, op, init)
            check_cut(text, {"x": x.astype(dtype)}, cut, True)
    zero = np.where(np.arange(m) == m // 2, 0.0, x)
    check_cut(accumulating("float64", "mul", "1.0"), {"x": zero}, cut, True)


@case
def signs_of_zeros(cut: Limits) -> None:
    """All of them are -0.0, or one is 0.0, in the first chunk or in a later one."""
    m = shortest(single(cut)) + 5
    for dtype in ("float32", "float64"):
        text = accumulating(dtype, "add", "-0.0")
        for place in (None, 0, SHARE - 1, SHARE, 2 * SHARE + 3, m - 1):
            x = np.full(m, -0.0, dtype)
            if place is not None:
                x[place] = 0.0
            check_cut(text, {"x": x}, single(cut), True)
        # What cancels is 0.0.
        x = np.full(m, -0.0, dtype)
        x[SHARE + 1 : SHARE + 3] = 1, -1
        check_cut(text, {"x": x}, single(cut), True)
        check_cut(
            accumulating(dtype, "add", "0.0"), {"x": -np.abs(0 * x)}, single(cut), True
        )


@case
def what_is_not_finite(cut: Limits) -> None:
    """It reaches what comes after it, and nothing before."""
    m = shortest(single(cut)) + 5
    rng = np.random.default_rng(4)
    for special in (np.nan, np.inf, -np.inf):
        for place in (0, SHARE - 1, SHARE, 3 * SHARE + 2, m - 1):
            x = rng.uniform(1, 1.1, m)
            x[place] = special
            for op, init in (("add", "-0.0"), ("mul", "1.0"), ("max", "-inf")):
                check_cut(
                    accumulating("float64", op, init), {"x": x}, single(cut), True
                )
    x = rng.normal(size=m)
    x[SHARE + 1], x[3 * SHARE] = np.inf, -np.inf
    check_cut(accumulating("float64", "add", "-0.0"), {"x": x}, single(cut), True)


@case
def flags_are_counted(cut: Limits) -> None:
    for m in lengths(cut):
        x = np.random.default_rng(m).integers(0, 2, m).astype(bool)
        check_cut(COUNTED, {"x": x}, cut, m >= shortest(cut))


@case
def what_is_computed_twice(cut: Limits) -> None:
    """The producer is in the first kernel and in the third, which checks."""
    m = shortest(single(cut)) + 3
    rng = np.random.default_rng(5)
    x, at = rng.normal(size=(2, m)), rng.integers(0, m, m)
    check_cut(FUSED, {"x": x, "at": at}, single(cut), True)
    at[m - 2] = -1
    given = {"x": x, "at": at}
    assert CudaProgram(parsed(FUSED), single(cut)).run(given).status == 9


@case
def more_than_the_most_chunks(cut: Limits) -> None:
    """Then chunks are longer."""
    m = 1024 * SHARE + 17
    x = np.random.default_rng(6).integers(-9, 9, m)
    check_cut(accumulating("int64", "add", "0"), {"x": x}, single(cut), True)
