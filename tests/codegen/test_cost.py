"""The cost of programs: chunks and panels as native code computes them."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from symgraph.codegen.cost import chunk_count, cost, panels
from symgraph.codegen.cpu import host as hosts
from symgraph.codegen.cpu import product
from symgraph.codegen.cpu.compile import compile_module
from symgraph.codegen.cpu.straight import INTRINSICS
from symgraph.codegen.cpu.support import CHUNK_COST, MOST_CHUNKS, PLAN
from symgraph.codegen.errors import CompileError
from symgraph.codegen.ir import Buffer, Kernel, Let, Loop, Store, axis
from symgraph.codegen.polynomial import Polynomial, apply, known, name
from symgraph.codegen.program import Array, Call, Gemm, Launch, Program

from .native import elementwise


@cache
def engine() -> llvm.ExecutionEngine:
    """The driver's own `plan` and `panels`, compiled by themselves."""
    host = hosts.detect()
    text = "\n".join([*INTRINSICS, PLAN, product.PANELS_TEXT])
    code = compile_module(text.replace("define internal", "define"), host)
    target = llvm.Target.from_triple(host.triple)
    machine = target.create_target_machine(jit=True)
    made = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    made.add_object_file(llvm.ObjectFileRef.from_data(code))
    made.finalize_object()
    return made


def native(symbol: str, result: Any, *kinds: Any) -> Callable[..., Any]:
    address = engine().get_function_address(symbol)
    return ctypes.CFUNCTYPE(result, *kinds)(address)


def test_chunks_are_those_of_native_code() -> None:
    plan = native(
        "plan", ctypes.c_int64, ctypes.c_int64, ctypes.c_double, ctypes.c_int64
    )
    rng = random.Random(0)
    cases = [(t, e) for t in (0, 1, 255, 256, 257) for e in (0.0, 1.0, 4e5, 1e300)]
    for _ in range(2000):
        each = rng.choice([rng.uniform(0, 10), float(rng.randrange(1, 1 << 24))])
        cases.append((rng.randrange(1 << rng.randrange(1, 50)), each))
    for total, each in cases:
        for align in (1, 256):
            length = plan(total, each, align)
            assert length % align == 0
            assert chunk_count(total, each, align) == -(-total // length)


def test_chunks_are_neither_small_nor_many() -> None:
    assert chunk_count(CHUNK_COST, 1.0, 1) == 1
    assert chunk_count(CHUNK_COST + 1, 1.0, 1) == 2
    assert chunk_count(10**15, 1e9, 1) == MOST_CHUNKS
    assert chunk_count(0, 1.0, 256) == 0
    assert chunk_count(300, 1e9, 256) == 2
    assert [chunk_count(k * CHUNK_COST, 1.0, 1) for k in (3, 4, 5)] == [4, 4, 6]


def native_panels(m: int, n: int, k: int) -> tuple[int, float]:
    words = (ctypes.c_int64 * product.SIZES)(m, n, k)
    call = native("panels", ctypes.c_double, ctypes.c_void_p)
    each = call(ctypes.addressof(words))
    return words[product.PANELS], each


def test_panels_are_those_of_native_code() -> None:
    rng = random.Random(1)
    sizes = [(0, 5, 5), (5, 0, 5), (5, 5, 0), (1, 1, 1), (2**31 + 5, 1, 1)]
    for _ in range(2000):
        m, n, k = (rng.randrange(1 << rng.randrange(1, 15)) for _ in range(3))
        sizes.append((m, n, k))
    for m, n, k in sizes:
        assert panels(m, n, k) == native_panels(m, n, k)


# -- programs --------------------------------------------------------------------------


def test_a_view_and_what_it_shows_are_read_once() -> None:
    arrays = (
        Array("x", "float32", ("n",), "input"),
        Array("v", "float32", ("n",), "view", target="x"),
        Array("y", "float32", ("n",), "output"),
    )
    step = Launch(elementwise("div", "float32"), ("x", "v", "y"), ("n",))
    program = Program("f", arrays, (), (), (step,), ("y",))
    found = cost(program, {"n": 100})
    (row,) = found.steps
    # Two loads and a store at 2 each, and a division at 4.
    assert (row.name, row.work, row.chunks) == ("div", 1000, 1)
    assert (row.bytes_read, row.bytes_written) == (400, 400)
    assert (found.arena, found.output) == (0, 400)


def test_what_is_added_to_is_read_as_well() -> None:
    where = (axis("i"),)
    body = (
        Let("v", "cast", ("i",), "float64"),
        Store("o", where, "v", accumulate=True),
    )
    buffers = (Buffer("o", "float64", ("n",), "inout"),)
    loop = Loop("i", "n", "serial", body)
    arrays = (Array("y", "float64", (7,), "output"),)
    step = Launch(Kernel("k", buffers, ("n",), (loop,)), ("y",), (7,))
    (row,) = cost(Program("f", arrays, (), (), (step,), ("y",)), {}).steps
    # A cast, and a store at 2 with a load at 2 and an addition; never cut.
    assert (row.work, row.chunks) == (2 * 7 * 6, 1)
    assert (row.bytes_read, row.bytes_written) == (56, 56)


def products(accumulate: bool = False) -> Program:
    arrays = (
        Array("a", "float32", ("b", "m", "k"), "input"),
        Array("w", "float32", ("k", "n"), "input"),
        Array("y", "float32", ("b", "m", "n"), "output"),
    )
    step = Gemm("y", "a", "w", "m", "n", "k", batch="b", rhs_batched=False)
    if accumulate:
        step = Gemm("y", "a", "w", "m", "n", "k", batch="b", accumulate=True)
    return Program("f", arrays, (), (), (step,), ("y",))


def test_a_batch_of_products() -> None:
    sizes = {"b": 3, "m": 1000, "n": 200, "k": 500}
    (row,) = cost(products(), sizes).steps
    assert (row.name, row.kind) == ("gemm y = a @ w", "product")
    assert row.flops == 2 * 3 * 1000 * 200 * 500
    assert row.work == 3 * 1000 * 200 * 500 // 2
    assert row.bytes_read == 4 * (3 * 1000 * 500 + 500 * 200)
    assert row.bytes_written == 4 * 3 * 1000 * 200
    # Seven panels of 144 rows or fewer: 10**8 / 7 / 2 units, more than a chunk, each.
    assert row.chunks == 3 * 7
    (more,) = cost(products(accumulate=True), sizes).steps
    assert more.bytes_read == row.bytes_read + more.bytes_written


def test_formulas_give_the_numbers() -> None:
    sizes = {"b": 3, "m": 1000, "n": 200, "k": 500}
    (row,) = cost(products(), sizes).steps
    (formula,) = cost(products(), {size: name(size) for size in sizes}).steps
    assert formula.chunks is None
    assert str(formula.work) == "b*k*m*n/2"
    for field in ("work", "flops", "bytes_read", "bytes_written"):
        assert eval(str(getattr(formula, field)), sizes) == getattr(row, field)


def test_nothing_is_known_of_calls() -> None:
    arrays = (
        Array("x", "float64", ("n",), "input"),
        Array("y", "float64", (), "output"),
    )
    step = Call("g", ("x",), ("y",), ("n",), 2)
    (row,) = cost(Program("f", arrays, (), (), (step,), ("y",)), {"n": 5}).steps
    assert (row.name, row.kind, row.work, row.chunks) == ("call g", "call", 0, 1)
    assert (row.bytes_read, row.bytes_written) == (40, 8)


def test_a_size_that_nothing_defines() -> None:
    with pytest.raises(CompileError, match="size 'b' is used before"):
        cost(products(), {"m": 1, "n": 1, "k": 1})


# -- polynomials -----------------------------------------------------------------------


def test_polynomials_as_text() -> None:
    n, m = name("n"), name("m")
    assert str(n * m * 5 + n * 3) == "5*m*n + 3*n"
    assert str(n * n * n + m * n * -2 + -1) == "n**3 - 2*m*n - 1"
    assert str(n * -1 + 1) == "-n + 1"
    assert str(n + n * -1) == "0"
    assert apply("sub", n + 4, n) == 4
    assert known(n * 0) == 0


def test_formulas_mean_what_primitives_compute() -> None:
    """Python reads each formula as the primitive has it."""
    binary = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum,
        "min": np.minimum, "floordiv": np.floor_divide, "rem": np.remainder,
        "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
        "gt": np.greater, "ge": np.greater_equal, "and": np.bitwise_and,
        "or": np.bitwise_or, "xor": np.bitwise_xor, "shl": np.left_shift,
        "shr": np.right_shift,
    }  # fmt: skip
    rng = random.Random(2)
    for op, reference in binary.items():
        for _ in range(20):
            sizes = {s: rng.randrange(1, 9) for s in "nmk"}
            n, m, k = (name(s) for s in "nmk")
            a = apply("floordiv", n * m + 1, 2)
            b = apply("add", k, 1)
            formula = apply("mul", apply(op, a, b), m + 2)
            left = (sizes["n"] * sizes["m"] + 1) // 2
            expected = int(reference(left, sizes["k"] + 1)) * (sizes["m"] + 2)
            assert isinstance(formula, Polynomial)
            assert eval(str(formula), sizes) == expected, (op, str(formula))


def test_choices_and_signs() -> None:
    n = name("n")
    chosen = apply("select", apply("eq", n, 1), 7, apply("neg", n))
    assert str(chosen) == "(7 if (n==1) else -n)"
    assert apply("max", n, n) == n
    assert apply("cast", n) == n
    assert str(apply("abs", n)) == "abs(n)"
