"""Matrix products: every form against NumPy, panels, special values, limits."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from symgraph.codegen.cpu import blas, threads
from symgraph.codegen.cpu.runtime import Slot, runtime
from symgraph.codegen.errors import CompileError, UnsupportedHostError
from symgraph.codegen.ir import Buffer, Const, Kernel, Loop, Store, axis
from symgraph.codegen.program import Array, Gemm, Launch, Program, ReadScalar

from .native import compiled, fill, make, matmul

FLAGS = list(product((False, True), repeat=2))


@pytest.fixture
def thread_count() -> Iterator[None]:
    """Put the number of threads back."""
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


def random(dtype: str, *shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def tolerance(dtype: str, depth: int) -> float:
    """Four times the bound on a sum of `depth` products of numbers up to 5."""
    return float(np.finfo(dtype).eps) * 100 * max(depth, 1)


def operand(array: np.ndarray, transposed: bool) -> np.ndarray:
    """`array` as it is stored for a transposed operand."""
    return np.ascontiguousarray(np.swapaxes(array, -1, -2)) if transposed else array


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("left", [False, True])
def test_few_rows(dtype: str, left: bool):
    """Without the library: any number of rows, columns that are no whole block."""
    f = make(matmul(dtype, left, False)).entry
    shapes = [(m, 70, 11) for m in range(1, 15)]
    shapes += [(7, n, 5) for n in range(1, 80)]
    shapes += [(5, 64, k) for k in (0, 1, 2, 3, 512, 513)]
    for m, n, k in shapes:
        a, b = random(dtype, m, k), random(dtype, k, n)
        result = f(operand(a, left), b)
        np.testing.assert_allclose(result, a @ b, rtol=0, atol=tolerance(dtype, k))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("left", "right"), FLAGS)
def test_transposes_and_shapes(dtype: str, left: bool, right: bool):
    f = make(matmul(dtype, left, right)).entry
    for m, n, k in [
        (1, 1, 1),
        (3, 5, 7),
        (1, 9, 4),
        (9, 1, 4),
        (64, 33, 128),
        (17, 2, 1),
    ]:
        a, b = random(dtype, m, k), random(dtype, k, n)
        result = f(operand(a, left), operand(b, right))
        assert result.dtype == dtype
        np.testing.assert_allclose(result, a @ b, atol=tolerance(dtype, k))


@pytest.mark.parametrize(("left", "right"), FLAGS)
@pytest.mark.parametrize(
    "shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0), (1, 1, 0), (0, 5, 0)]
)
def test_products_without_elements(
    left: bool, right: bool, shape: tuple[int, int, int]
):
    m, n, k = shape
    f = make(matmul("float64", left, right)).entry
    result = f(operand(np.zeros((m, k)), left), operand(np.zeros((k, n)), right))
    np.testing.assert_array_equal(result, np.zeros((m, n)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("left", "right"), FLAGS)
@pytest.mark.parametrize("shape", [(500, 300, 200), (200, 700, 150), (1, 4000, 900)])
def test_panels_are_bitwise_the_same_for_any_number_of_threads(
    dtype: str, left: bool, right: bool, shape: tuple[int, int, int], thread_count: None
):
    m, n, k = shape
    f = make(matmul(dtype, left, right)).entry
    a, b = random(dtype, m, k), random(dtype, k, n)
    stored = operand(a, left), operand(b, right)
    bits = set()
    for count in (1, 2, 5):
        threads.set_num_threads(count)
        result = f(*stored)
        np.testing.assert_allclose(result, a @ b, atol=tolerance(dtype, k))
        bits.add(result.tobytes())
    assert len(bits) == 1


@pytest.mark.parametrize(("left", "right"), FLAGS)
def test_batches(left: bool, right: bool):
    f = make(matmul("float64", left, right, batch="p")).entry
    for p, m, n, k in [(0, 2, 3, 4), (1, 2, 3, 4), (7, 5, 1, 3), (40, 65, 70, 30)]:
        a, b = random("float64", p, m, k), random("float64", p, k, n)
        result = f(operand(a, left), operand(b, right))
        np.testing.assert_allclose(result, a @ b, atol=tolerance("float64", k))


@pytest.mark.parametrize("which", ["left", "right", "neither"])
def test_operands_shared_by_the_batch(which: str):
    left, right = which == "left", which == "right"
    f = make(matmul("float64", batch="p", lhs_batched=left, rhs_batched=right)) if (
        left or right
    ) else None  # fmt: skip
    a, b = random("float64", 4, 6), random("float64", 6, 5)
    many_a, many_b = random("float64", 3, 4, 6), random("float64", 3, 6, 5)
    if f is None:
        program = matmul()
        np.testing.assert_allclose(make(program).entry(a, b), a @ b, atol=1e-12)
        return
    given = (many_a, b) if left else (a, many_b)
    np.testing.assert_allclose(f.entry(*given), given[0] @ given[1], atol=1e-12)


def over(value: float, accumulate: bool, dtype: str = "float64") -> Program:
    """The output is filled with `value`, then written by (or added) a product."""
    size = {"o": ("m", "n")}
    store = Store("o", (axis("i"), axis("j")), Const(value, dtype))
    loops = Loop("i", "m", "serial", (Loop("j", "n", "serial", (store,)),))
    buffers = (Buffer("o", dtype, size["o"], "out"),)
    kernel = Kernel("fill", buffers, ("m", "n"), (loops,))
    arrays = (
        Array("a", dtype, ("m", "k"), "input"),
        Array("b", dtype, ("k", "n"), "input"),
        Array("o", dtype, ("m", "n"), "output"),
    )
    steps = (
        Launch(kernel, ("o",), ("m", "n")),
        Gemm("o", "a", "b", "m", "n", "k", accumulate=accumulate),
    )
    return Program("over", arrays, (), (), steps, ("o",))


SHAPES = [
    (1, 1, 1),
    (4, 4, 0),
    (1, 7, 3),
    (7, 1, 3),
    (6, 5, 4),
    (130, 70, 90),
    (300, 200, 400),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_the_output_held_is_not_read(dtype: str, value: float):
    f = make(over(value, False, dtype)).entry
    for m, n, k in SHAPES:
        a, b = random(dtype, m, k), random(dtype, k, n)
        np.testing.assert_allclose(f(a, b), a @ b, atol=tolerance(dtype, k))


def test_a_product_may_be_added():
    f = make(over(2.0, True)).entry
    for m, n, k in SHAPES:
        a, b = random("float64", m, k), random("float64", k, n)
        np.testing.assert_allclose(f(a, b), a @ b + 2.0, atol=tolerance("float64", k))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_special_operands_are_not_skipped(value: float):
    f = make(matmul()).entry
    for m, n, k in [(1, 1, 1), (3, 1, 2), (1, 3, 2), (4, 5, 6), (70, 80, 90)]:
        a, b = np.zeros((m, k)), np.zeros((k, n))
        b[0, 0] = value  # times 0: NaN in the first column
        expected = np.zeros((m, n))
        expected[:, 0] = np.nan
        np.testing.assert_array_equal(f(a, b), expected)


def too_wide() -> Program:
    """A product without rows whose width is an argument's value."""
    arrays = (
        Array("x", "int64", (), "input"),
        Array("a", "float64", (0, 3), "input"),
        Array("b", "float64", ("k", 0), "input"),
        Array("o", "float64", (0, "n"), "output"),
    )
    steps: tuple[Any, ...] = (Gemm("o", "a", "b", 0, "n", "k"),)
    return Program("wide", arrays, (ReadScalar("n", "x"),), (), steps, ("o",))


@pytest.mark.parametrize("width", [1 << 31, 1 << 40])
def test_what_does_not_fit_32_bits_is_an_error(width: int):
    f = make(too_wide()).entry
    a, b = np.zeros((0, 3)), np.zeros((3, 0))
    with pytest.raises(OverflowError, match="32-bit"):
        f(np.array(width), a, b)
    assert f(np.array((1 << 31) - 1), a, b).shape == (0, (1 << 31) - 1)


def test_products_of_other_dtypes_are_rejected():
    arrays = (
        Array("a", "int64", ("n", "n"), "input"),
        Array("o", "int64", ("n", "n"), "output"),
    )
    step = Gemm("o", "a", "a", "n", "n", "n")
    with pytest.raises(CompileError, match="int64"):
        compiled(Program("ints", arrays, (), (), (step,), ("o",)))


def test_a_product_into_an_argument_is_rejected():
    arrays = (Array("a", "float64", ("n", "n"), "input"),)
    step = Gemm("a", "a", "a", "n", "n", "n")
    with pytest.raises(CompileError, match="written"):
        compiled(Program("into", arrays, (), (), (step,), ()))


def test_openblas_is_held_to_one_thread():
    blas.load()
    library = blas.bundled()
    if library is None:
        pytest.skip("SciPy was built with another BLAS")
    assert library.scipy_openblas_get_num_threads() == 1


def test_the_pointers_of_cython_blas_compute_the_same(monkeypatch: pytest.MonkeyPatch):
    f = make(matmul("float64")).entry
    a, b = random("float64", 20, 30), random("float64", 30, 10)
    expected = f(a, b)
    words = runtime().words
    before = words[Slot.DGEMM]
    try:
        _, words[Slot.DGEMM] = blas.from_cython()
        np.testing.assert_allclose(f(a, b), expected, atol=1e-13)
    finally:
        words[Slot.DGEMM] = before


def test_a_blas_with_other_integers_is_refused():
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    signature = b"void (char *, char *, long *)"
    capsule = new(1, signature, None)
    with pytest.raises(UnsupportedHostError, match="long"):
        blas._pointer({"sgemm": capsule}, "sgemm")


def test_products_and_kernels_follow_one_another():
    arrays = (
        Array("a", "float64", ("n", "n"), "input"),
        Array("t", "float64", ("n", "n"), "temp", slot=0),
        Array("u", "float64", ("n", "n"), "temp", slot=1),
        Array("s", "float64", ("n",), "output"),
        Array("o", "float64", ("n", "n"), "output"),
    )
    steps = (
        Gemm("t", "a", "a", "n", "n", "n"),
        Gemm("u", "t", "a", "n", "n", "n", transpose_rhs=True),
        Launch(fill(3.0), ("s",), ("n",)),
        Gemm("o", "u", "t", "n", "n", "n", transpose_lhs=True),
    )
    f = make(Program("mixed", arrays, (), (), steps, ("o", "s"))).entry
    a = random("float64", 40, 40)
    t = a @ a
    result, filled = f(a)
    np.testing.assert_allclose(result, (t @ a.T).T @ t, rtol=1e-10)
    assert (filled == 3.0).all()
