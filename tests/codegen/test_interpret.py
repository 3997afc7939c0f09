"""The interpreter against NumPy, and the corners where NumPy needs help."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.special

from symgraph.codegen import ir
from symgraph.codegen.check import TYPING, check_kernel
from symgraph.codegen.interpret import CONVERSIONS, SCALARS, identity, run_kernel
from symgraph.codegen.ir import (
    COMBINERS,
    Affine,
    Buffer,
    Kernel,
    Let,
    Load,
    Store,
)
from symgraph.codegen.parse import parse_kernel, parse_program
from symgraph.codegen.program_check import check_program
from symgraph.codegen.run import GuardError, run_program

SOFTMAX = """
kernel softmax(x: in float32[n, m], out: out float32[n, m]; n, m) split i
  scratch row: float32[m]
  parallel i < n
    vector j < m -> top = max v1: float32
      v1 = load x[i, j]: float32
    vector j < m -> total = sum v4: float32
      v2 = load x[i, j]: float32
      v3 = sub(v2, top): float32
      v4 = exp(v3): float32
      store row[j] = v4
    vector j < m
      v5 = load row[j]: float32
      v6 = div(v5, total): float32
      store out[i, j] = v6
"""

COLUMN_SUM = """
kernel column_sum(x: in float64[n, m], out: inout float64[m]; n, m)
  serial i < n
    vector j < m
      v1 = load x[i, j]: float64
      store out[j] += v1
"""

GATHER = """
kernel gather(x: in float32[n, m], at: in int64[n], out: out float32[n]; n, m) split i
  vector i < n
    v1 = load at[i]: int64
    v2 = ge(v1, 0:int64): bool
    v3 = lt(v1, m): bool
    v4 = and(v2, v3): bool
    check v4 else 7
    v5 = load x[i, v1] if v4: float32
    store out[i] = v5
"""


def evaluate(op: str, dtype: str, *args: np.ndarray) -> np.ndarray:
    """`op` over 1-d arrays of equal length, through a kernel that passes the checks."""
    here = (Affine((("i", 1),)),)
    names = [f"x{i}" for i in range(len(args))]
    values = tuple(f"v{i}" for i in range(len(args)))
    dtypes = [str(arg.dtype) for arg in args]
    buffers = [Buffer(n, d, ("n",), "in") for n, d in zip(names, dtypes, strict=True)]
    loads = [Load(v, n, here, d) for v, n, d in zip(values, names, dtypes, strict=True)]
    body = (*loads, Let("r", op, values, dtype), Store("out", here, "r"))
    loop = ir.Loop("i", "n", "parallel", body)
    out = Buffer("out", dtype, ("n",), "out")
    kernel = Kernel("k", (*buffers, out), ("n",), (loop,), split="i")
    check_kernel(kernel)
    result = np.empty(len(args[0]), dtype)
    memory = dict(zip(names, args, strict=True)) | {"out": result}
    assert run_kernel(kernel, memory, {"n": len(result)}) == 0
    return result


def test_softmax() -> None:
    x = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    out = np.empty_like(x)
    kernel = parse_kernel(SOFTMAX)
    assert run_kernel(kernel, {"x": x, "out": out}, {"n": 5, "m": 7}) == 0
    np.testing.assert_allclose(out, scipy.special.softmax(x, axis=1), rtol=1e-6)


def test_column_sum_accumulates_in_order() -> None:
    x = np.random.default_rng(1).normal(size=(30, 4))
    out = np.ones(4)
    expected = np.ones(4)
    for row in x:
        expected = expected + row
    run_kernel(parse_kernel(COLUMN_SUM), {"x": x, "out": out}, {"n": 30, "m": 4})
    np.testing.assert_array_equal(out, expected)


def test_gather_checks_and_guards() -> None:
    x = np.arange(12, dtype=np.float32).reshape(4, 3) + 1
    out = np.empty(4, np.float32)
    kernel = parse_kernel(GATHER)
    at = np.array([2, 0, 1, 2])
    memory = {"x": x, "at": at, "out": out}
    assert run_kernel(kernel, memory, {"n": 4, "m": 3}) == 0
    np.testing.assert_array_equal(out, x[np.arange(4), at])
    memory["at"] = np.array([0, 3, -1, 1])
    assert run_kernel(kernel, memory, {"n": 4, "m": 3}) == 7
    np.testing.assert_array_equal(out, [x[0, 0], 0, 0, x[3, 1]])


def test_the_first_failed_check_is_the_status() -> None:
    kernel = parse_kernel("""
kernel k(x: in bool[n]; n)
  serial i < n
    a = load x[i]: bool
    b = not(a): bool
    check a else 4
    check b else 5
""")
    assert run_kernel(kernel, {"x": np.array([True, False])}, {"n": 2}) == 5
    assert run_kernel(kernel, {"x": np.array([False, True])}, {"n": 2}) == 4


@pytest.mark.parametrize(
    ("combine", "dtype"),
    [(combine, dtype) for combine, op in COMBINERS.items() for dtype in TYPING[op][1]],
)
def test_identities_are_neutral(combine: ir.Combine, dtype: str) -> None:
    neutral = identity(combine, dtype)
    assert neutral.dtype == np.dtype(dtype)
    combiner = SCALARS[COMBINERS[combine]]
    for value in (0, 1, 100, *(() if dtype in (*ir.UNSIGNED, "bool") else (-100,))):
        assert combiner(neutral, np.dtype(dtype).type(value)) == np.dtype(dtype).type(
            value
        )


def test_empty_loops_leave_identities_and_nan_propagates() -> None:
    kernel = parse_kernel("""
kernel k(x: in float32[n], out: out float32[4]; n)
  vector i < n -> s = sum a: float32, p = prod a: float32, l = min a: float32, h = max a: float32
    a = load x[i]: float32
  store out[0] = s
  store out[1] = p
  store out[2] = l
  store out[3] = h
""")  # noqa: E501
    out = np.zeros(4, np.float32)
    run_kernel(kernel, {"x": np.empty(0, np.float32), "out": out}, {"n": 0})
    np.testing.assert_array_equal(out, [0, 1, np.inf, -np.inf])
    x = np.array([1, np.nan, 2], np.float32)
    run_kernel(kernel, {"x": x, "out": out}, {"n": 3})
    assert np.isnan(out).all()


BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply,
    "floordiv": np.floor_divide, "rem": np.remainder,
    "min": np.minimum, "max": np.maximum,
}  # fmt: skip


@pytest.mark.parametrize("op", BINARY)
@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint64"])
def test_integers_wrap_and_divide_like_numpy(op: str, dtype: str) -> None:
    limits = np.iinfo(dtype)
    corners = np.array([limits.min, limits.min + 1, 0, 1, 7, limits.max], dtype)
    corners = np.append(corners, np.array(-1).astype(dtype))
    a, b = (grid.ravel() for grid in np.meshgrid(corners, corners))
    with np.errstate(all="ignore"):
        expected = BINARY[op](a, b)
    np.testing.assert_array_equal(evaluate(op, dtype, a, b), expected)
    if op in ("floordiv", "rem"):
        assert (expected[b == 0] == 0).all()


@pytest.mark.parametrize("op", [*BINARY, "div", "copysign"])
@pytest.mark.parametrize("dtype", ir.FLOATS)
def test_float_specials(op: str, dtype: str) -> None:
    corners = np.array([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan], dtype)
    a, b = (grid.ravel() for grid in np.meshgrid(corners, corners))
    with np.errstate(all="ignore"):
        expected = {**BINARY, "div": np.divide, "copysign": np.copysign}[op](a, b)
    result = evaluate(op, dtype, a, b)
    np.testing.assert_array_equal(result, expected)
    zeros = result == 0
    np.testing.assert_array_equal(
        np.signbit(result[zeros]), np.signbit(expected[zeros])
    )


def test_shifts_beyond_the_width() -> None:
    a = np.array([-5, -5, -5, 5, 5, 5], np.int32)
    b = np.array([1, 31, 40, 1, 32, -1], np.int32)
    np.testing.assert_array_equal(evaluate("shr", "int32", a, b), [-3, -1, -1, 2, 0, 0])
    np.testing.assert_array_equal(
        evaluate("shl", "int32", a, b), [-10, -(2**31), 0, 10, 0, 0]
    )
    unsigned = evaluate(
        "shr", "uint8", np.array([200], np.uint8), np.array([1], np.uint8)
    )
    assert unsigned.tolist() == [100]


def test_float_to_integer_casts_are_total() -> None:
    x = np.array([1.9, -1.9, 300.0, -300.0, 1e30, np.nan, -np.inf])
    assert evaluate("cast", "int8", x).tolist() == [1, -1] + [-128] * 5
    assert evaluate("cast", "int32", x).tolist() == [1, -1, 300, -300] + [-(2**31)] * 3
    assert evaluate("cast", "uint8", x).tolist() == [1] + [0] * 6
    assert evaluate("cast", "bool", x).tolist() == [True] * 7
    wide = np.array([2.0**63, 2.0**63 - 1024])
    assert evaluate("cast", "int64", wide).tolist() == [-(2**63), 2**63 - 1024]
    assert evaluate("cast", "uint64", wide).tolist() == [2**63, 2**63 - 1024]


def test_other_casts() -> None:
    assert evaluate("cast", "int8", np.array([300, -1])).tolist() == [44, -1]
    assert evaluate("cast", "float32", np.array([1e300, 0.1])).tolist() == [
        math.inf,
        0.10000000149011612,
    ]
    assert evaluate("bitcast", "uint32", np.array([-0.0], np.float32)).tolist() == [
        2**31
    ]
    assert evaluate("not", "bool", np.array([True, False])).tolist() == [False, True]
    assert evaluate("not", "int8", np.array([5], np.int8)).tolist() == [-6]


def test_select_takes_the_other_side() -> None:
    choice = np.array([True, False])
    yes, no = np.array([1.0, np.nan]), np.array([np.nan, 2.0])
    assert evaluate("select", "float64", choice, yes, no).tolist() == [1.0, 2.0]


def test_fma_rounds_once() -> None:
    tiny = 2.0**-30
    a = np.array([1 + tiny])
    assert evaluate("fma", "float64", a, a, -(a + tiny)).tolist() == [tiny**2]
    corners = [
        (np.inf, 0.0, 1.0, math.nan), (1e300, 1e300, -np.inf, -math.inf),
        (1e300, 1e300, 0.0, math.inf), (-1e300, 1e300, 0.0, -math.inf),
        (-0.0, 1.0, -0.0, -0.0), (1.0, 1.0, -1.0, 0.0), (np.nan, 1.0, 1.0, math.nan),
    ]  # fmt: skip
    for x, y, z, expected in corners:
        args = (np.array([value]) for value in (x, y, z))
        assert repr(evaluate("fma", "float64", *args).item()) == repr(expected)


def test_float32_fma_is_not_rounded_twice() -> None:
    rng = np.random.default_rng(2)
    a, b = (rng.normal(size=300).astype(np.float32) for _ in range(2))
    # The last sum is 2**-70 below the middle between two float32 values.
    middle = np.float32(1) + np.float32(2**-23)
    c = np.append(rng.normal(size=299).astype(np.float32), middle)
    a[-1], b[-1] = (1 + 2**-23) * 2**-24, 1 - 2**-23
    result = evaluate("fma", "float32", a, b, c)
    for x, y, z, r in zip(a, b, c, result, strict=True):
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        error = abs(Fraction(float(r)) - exact)
        for side in (-np.inf, np.inf):
            neighbour = np.nextafter(r, np.float32(side))
            assert error <= abs(Fraction(float(neighbour)) - exact)
    assert result[-1] == middle


@pytest.mark.parametrize("dtype", ir.FLOATS)
@pytest.mark.parametrize("op", ir.TRANSCENDENTALS)
def test_transcendentals_in_their_dtype(op: str, dtype: str) -> None:
    low, high = (1.1, 1.9) if op in ("acosh", "erfcinv") else (0.1, 0.9)
    x = np.linspace(low, high, 5).astype(dtype)
    args = (x,) * ir.TRANSCENDENTALS[op]
    name = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2",
            "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "pow": "power",
            "sigmoid": "expit", "lgamma": "gammaln"}.get(op, op)  # fmt: skip
    expected = getattr(np, name, None) or getattr(scipy.special, name, None)
    if op == "trigamma":
        expected = lambda x: scipy.special.polygamma(1, x)  # noqa: E731
    result = evaluate(op, dtype, *args)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, expected(*args), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("op", ["sqrt", "rint", "floor", "ceil", "trunc", "abs"])
def test_unary_floats(op: str) -> None:
    x = np.array([0.5, 1.5, 2.25, np.inf, np.nan])
    np.testing.assert_array_equal(evaluate(op, "float64", x), getattr(np, op)(x))


def test_every_primitive_has_a_meaning() -> None:
    assert SCALARS.keys() | CONVERSIONS.keys() == (
        ir.PRIMITIVES.keys() | ir.TRANSCENDENTALS.keys()
    )


def test_what_does_not_fit_is_refused() -> None:
    kernel = parse_kernel(COLUMN_SUM)
    x, out = np.zeros((2, 3)), np.zeros(3)
    with pytest.raises(TypeError, match="x is float64, given float32"):
        run_kernel(kernel, {"x": x.astype("f4"), "out": out}, {"n": 2, "m": 3})
    with pytest.raises(ValueError, match="x has shape"):
        run_kernel(kernel, {"x": x, "out": out}, {"n": 3, "m": 3})
    with pytest.raises(KeyError, match="out"):
        run_kernel(kernel, {"x": x}, {"n": 2, "m": 3})
    stray = parse_kernel("kernel k(x: inout bool[n]; n)\n  store x[n - 3] = true:bool")
    with pytest.raises(IndexError, match=r"x\[-1\] is outside of shape"):
        run_kernel(stray, {"x": np.zeros(2, bool)}, {"n": 2})


def test_scratch_starts_as_garbage() -> None:
    kernel = parse_kernel("""
kernel k(out: out float32[2])
  scratch row: float32[2]
  store row[0] = 1.0:float32
  serial i < 2
    a = load row[i]: float32
    store out[i] = a
""")
    out = np.zeros(2, np.float32)
    run_kernel(kernel, {"out": out}, {})
    np.testing.assert_array_equal(out, [1, np.nan])


PROGRAM = """\
program p
  input x: float64[n, m]
  input s: int32[]
  shared w: float64[m, 3]
  output y: float64[n, 3]
  output z: float64[k1]
  update w1: float64[m, 3] of w
  temp t: float64[n, 3] slot 0
  host k = read s
  host k1 = add(k, n): int64
  guard k le n else 3
  kernel double(x: in float64[n, m], out: out float64[n, m]; n, m) split i
    parallel i < n
      vector j < m
        v1 = load x[i, j]: float64
        v2 = add(v1, v1): float64
        store out[i, j] = v2
  kernel ones(out: out float64[n]; n) split i
    vector i < n
      v1 = lt(i, 6:int64): bool
      check v1 else 9
      store out[i] = 1.0:float64
  gemm t = x @ w for m=n, n=3, k=m
  launch double(t, y; n, 3)
  gemm w1 = transpose(x) @ t for m=m, n=3, k=n
  gemm w1 += transpose(x) @ t for m=m, n=3, k=n
  launch ones(z; k1)
  return z, y
"""


def test_program() -> None:
    program = parse_program(PROGRAM)
    check_program(program)
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(4, 2)), rng.normal(size=(2, 3))
    arrays = {"x": x, "s": np.array(2, np.int32), "w": w}
    result = run_program(program, arrays)
    assert result.status == 0
    np.testing.assert_array_equal(result.results[0], np.ones(6))
    np.testing.assert_allclose(result.results[1], 2 * (x @ w))
    assert result.updates.keys() == {"w"}
    np.testing.assert_allclose(result.updates["w"], 2 * (x.T @ (x @ w)))


def test_program_refuses() -> None:
    program = parse_program(PROGRAM)
    arrays = {"x": np.ones((4, 2)), "s": np.array(5, np.int32), "w": np.ones((2, 3))}
    with pytest.raises(GuardError) as caught:
        run_program(program, arrays)
    assert (caught.value.code, caught.value.left, caught.value.right) == (3, 5, 4)
    with pytest.raises(ValueError, match=r"w has shape \(2, 3\), given \(3, 3\)"):
        run_program(program, arrays | {"w": np.ones((3, 3))})
    with pytest.raises(ValueError, match="w has 2 dimensions, given 1"):
        run_program(program, arrays | {"w": np.ones(3)})
    with pytest.raises(TypeError, match="w is float64, given int64"):
        run_program(program, arrays | {"w": np.ones((2, 3), int)})


def test_a_failed_check_leaves_no_update() -> None:
    arrays = {"x": np.ones((4, 2)), "s": np.array(3, np.int32), "w": np.ones((2, 3))}
    result = run_program(parse_program(PROGRAM), arrays)
    assert result.status == 9
    assert result.updates == {}


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("batched", [False, True])
def test_gemm_layouts(transposed: bool, batched: bool) -> None:
    rng = np.random.default_rng(4)
    batch, m, n, k = 3, 2, 4, 5
    lhs = rng.normal(size=(batch, m, k))
    rhs = rng.normal(
        size=(batch if batched else 1, *((n, k) if transposed else (k, n)))
    )
    operand = "transpose(b)" if transposed else "b"
    shared = "" if batched else ", rhs_batched=false"
    shape = ", ".join(map(str, rhs.shape))
    program = parse_program(f"""\
program p
  input a: float64[{batch}, {m}, {k}]
  input b: float64[{shape}]
  output y: float64[{batch}, {m}, {n}]
  gemm y = a @ {operand} for m={m}, n={n}, k={k}, batch={batch}{shared}
  return y
""")
    check_program(program)
    matrices = rhs.swapaxes(1, 2) if transposed else rhs
    (result,) = run_program(program, {"a": lhs, "b": rhs}).results
    np.testing.assert_allclose(result, lhs @ matrices)


def test_outputs_that_no_step_writes_show() -> None:
    program = parse_program("program p\n  output y: float32[2]\n  return y\n")
    (result,) = run_program(program, {}).results
    assert np.isnan(result).all()
