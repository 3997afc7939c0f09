"""Matrix products: every form against NumPy, panels, special values, limits."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from symgraph.codegen.cpu import build, gemm_parts, threads
from symgraph.codegen.cpu import host as hosts
from symgraph.codegen.cpu.gemm import DEPTH, FEW_ROWS, FEW_STRIPS, height
from symgraph.codegen.cpu.host import Host
from symgraph.codegen.cpu.link import link
from symgraph.codegen.errors import CompileError
from symgraph.codegen.ir import Buffer, Const, Kernel, Loop, Store, axis
from symgraph.codegen.program import Array, Gemm, Launch, Program, ReadScalar

from .native import compiled, decline, fail, fill, make, matmul

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


def link_for(program: Program, host: Host) -> Callable[..., Any]:
    """The entry of `program`, compiled for another `host` on which it runs."""
    code = build.build(program, host)
    return link(code, slow=decline, fail=fail, name=program.name).entry


def operand(array: np.ndarray, transposed: bool) -> np.ndarray:
    """`array` as it is stored for a transposed operand."""
    return np.ascontiguousarray(np.swapaxes(array, -1, -2)) if transposed else array


def edges(host: Host, dtype: str) -> list[tuple[int, int, int]]:
    """Sizes around those of micro-kernels, strips, blocks and squares."""
    shape = gemm_parts.Shape(dtype, host)
    (most, few), tall = shape.rows, height(shape)
    rows = [*range(1, most + few + 2), FEW_ROWS, FEW_ROWS + 1, tall + most + 1]
    columns = [*range(1, shape.width + 2), FEW_STRIPS * shape.width, 161]
    near = [DEPTH - 1, DEPTH, DEPTH + 1]
    depths = [*range(1, 6), shape.lanes + 1, *near, 2 * DEPTH + 3, 4567]
    found = [(m, n, k) for m in rows for n, k in ((1, 7), (shape.width + 3, 5))]
    found += [(m, n, 9) for n in columns for m in (1, few, most + 1)]
    found += [(m, n, k) for k in depths for m, n in ((1, 50), (50, 1), (15, 150))]
    return [*found, (tall + 5, 161, DEPTH + 9)]


@pytest.mark.parametrize("width", [16, 32, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("left", "right"), FLAGS)
def test_every_edge(dtype: str, left: bool, right: bool, width: int):
    """With vectors of any width, as on other processors; the machine's may be less."""
    host = replace(hosts.detect(), vector_bytes=width)
    f = link_for(matmul(dtype, left, right), host)
    for m, n, k in edges(host, dtype):
        a, b = random(dtype, m, k), random(dtype, k, n)
        result = f(operand(a, left), operand(b, right))
        np.testing.assert_allclose(result, a @ b, rtol=0, atol=tolerance(dtype, k))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("left", "right"), FLAGS)
def test_an_element_depends_on_its_row_and_column_alone(
    dtype: str, left: bool, right: bool
):
    f = make(matmul(dtype, left, right)).entry
    a, b = random(dtype, 40, 500), random(dtype, 500, 200)
    whole = f(operand(a, left), operand(b, right))
    for rows, columns in (((0, 2), (0, 200)), ((3, 40), (1, 8)), ((1, 15), (57, 180))):
        some_a = np.ascontiguousarray(a[slice(*rows)])
        some_b = np.ascontiguousarray(b[:, slice(*columns)])
        part = f(operand(some_a, left), operand(some_b, right))
        np.testing.assert_array_equal(part, whole[slice(*rows), slice(*columns)])


def test_a_product_needs_little_stack():
    """It runs on threads that have a quarter of a megabyte."""
    script = """
    import threading
    import numpy as np
    import symgraph as sg
    x = sg.dmatrix("x")
    f = sg.function([x], x @ x)
    a = np.ones((300, 300))
    found = []
    threading.stack_size(256 * 1024)
    thread = threading.Thread(target=lambda: found.append(f(a)))
    thread.start()
    thread.join()
    assert (found[0] == len(a)).all()
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_may_be_added_for_every_shape(dtype: str):
    f = make(over(1.0, True, dtype)).entry
    for m, n, k in [(1, 9, 3), (9, 1, 3), (9, 37, 5), (30, 130, 400), (13, 4, 1)]:
        a, b = random(dtype, m, k), random(dtype, k, n)
        expected = 1 + a @ b
        np.testing.assert_allclose(f(a, b), expected, atol=tolerance(dtype, k))


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


@pytest.mark.parametrize("width", [(1 << 31) - 1, 1 << 31, 1 << 40])
def test_extents_may_exceed_32_bits(width: int):
    f = make(too_wide()).entry
    result = f(np.array(width), np.zeros((0, 3)), np.zeros((3, 0)))
    assert result.shape == (0, width)


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
