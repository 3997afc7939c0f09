"""Kernels compiled for this CPU and for older ones, against the interpreter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from symgraph.codegen import ir
from symgraph.codegen.cpu import host as hosts
from symgraph.codegen.cpu.compile import compile_module
from symgraph.codegen.cpu.emit import emit_kernel, lane_count
from symgraph.codegen.errors import CompileError
from symgraph.codegen.interpret import run_kernel
from symgraph.codegen.ir import (
    DTYPES,
    FLOATS,
    Buffer,
    Builder,
    Carry,
    Check,
    Const,
    Kernel,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    Value,
    axis,
)
from symgraph.codegen.schedule import prepare

from .jit import Native

AT_I, AT_J = axis("i"), axis("j")
INTEGERS = (*ir.SIGNED, *ir.UNSIGNED)

UNARY = ("neg", "abs", "sqrt", "rint", "floor", "ceil", "trunc", "not")
BINARY = (
    *("add", "sub", "mul", "div", "floordiv", "rem", "min", "max", "copysign"),
    *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "xor", "shl", "shr"),
)
FLOAT_ONLY = {"div", "copysign", "sqrt", "rint", "floor", "ceil", "trunc"}
INTEGER_ONLY = {"shl", "shr"}
NO_BOOL = {"sub", "neg", "floordiv", "rem"}


def ops_of(dtype: str) -> tuple[str, ...]:
    """The unary and binary primitives that NumPy defines for `dtype`, staying in it."""
    wrong = {"and", "or", "xor", "not"} | INTEGER_ONLY
    if dtype == "bool":
        wrong = NO_BOOL | FLOAT_ONLY | INTEGER_ONLY
    elif dtype not in FLOATS:
        wrong = FLOAT_ONLY
    return tuple(op for op in (*UNARY, *BINARY) if op not in wrong)


def values_of(dtype: str) -> np.ndarray:
    """Ordinary and extreme values of `dtype`."""
    if dtype == "bool":
        return np.array([False, True])
    if dtype in FLOATS:
        big = float(np.finfo(dtype).max)
        tiny = float(np.finfo(dtype).smallest_subnormal)
        plain = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -3.0, 7.0, 1e9, -(2.0**31), 2.0**63]
        edges = [127.5, 128.0, -128.5, 255.9, 2.0**31, -(2.0**63), 2.0**64, 65536.0]
        extreme = [big, -big, tiny, -tiny, np.inf, -np.inf, np.nan]
        return np.array([*plain, *edges, *extreme], dtype)
    limits = np.iinfo(dtype)
    plain = [k for k in (-65, -8, -3, -1, 0, 1, 2, 3, 7, 31, 64) if k >= limits.min]
    return np.array([*plain, limits.min, limits.min + 1, limits.max], dtype)


def in_buffer(name: str, dtype: str, *shape: ir.Extent) -> Buffer:
    return Buffer(name, dtype, shape, "in")


def out_buffer(name: str, dtype: str, *shape: ir.Extent) -> Buffer:
    return Buffer(name, dtype, shape, "out")


def vector(axis_name: str, extent: ir.Extent, body: Iterable[Statement]) -> Loop:
    return Loop(axis_name, extent, "vector", tuple(body))


# --------------------------------------------------------------------------------------
# The kernels, compiled together
# --------------------------------------------------------------------------------------


def table(dtype: str) -> Kernel:
    """Every primitive of `dtype`: too long a body for anything but a masked loop."""
    b = Builder()
    x, y = in_buffer("x", dtype, "n"), in_buffer("y", dtype, "n")
    a, c = b.load(x, (AT_I,)), b.load(y, (AT_I,))
    outs = []
    for op in ops_of(dtype):
        value = ir.apply(op, *((a,) if op in UNARY else (a, c)))
        outs.append(out_buffer(f"o_{op}", value.dtype, "n"))
        b.statements.append(Store(outs[-1].name, (AT_I,), value.atom))
    body = (vector("i", "n", b.statements),)
    return Kernel(f"table_{dtype}", (x, y, *outs), ("n",), body, split="i")


def casts(dtype: str) -> Kernel:
    b = Builder()
    x = in_buffer("x", dtype, "n")
    a = b.load(x, (AT_I,))
    outs = []
    for to in DTYPES:
        outs.append(out_buffer(f"o_{to}", to, "n"))
        b.statements.append(Store(outs[-1].name, (AT_I,), a.cast(to).atom))
    body = (vector("i", "n", b.statements),)
    return Kernel(f"casts_{dtype}", (x, *outs), ("n",), body, split="i")


def elementwise(dtype: str) -> Kernel:
    """A short body: blocks of vectors, and a masked rest."""
    b = Builder()
    x, y = in_buffer("x", dtype, "n"), in_buffer("y", dtype, "n")
    value = ir.apply("max", b.load(x, (AT_I,)), b.load(y, (AT_I,)))
    b.statements.append(Store("o", (AT_I,), value.atom))
    body = (vector("i", "n", b.statements),)
    out = out_buffer("o", dtype, "n")
    return Kernel(f"elementwise_{dtype}", (x, y, out), ("n",), body, split="i")


def reduction(combine: ir.Combine, dtype: str) -> Kernel:
    x, out = in_buffer("x", dtype, "n"), out_buffer("o", dtype)
    load = Load("v", "x", (AT_I,), dtype)
    loop = Loop("i", "n", "vector", (load,), (Carry("s", combine, "v", dtype),))
    body = (loop, Store("o", (), "s"))
    return Kernel(f"reduce_{combine}_{dtype}", (x, out), ("n",), body)


def softmax() -> Kernel:
    """Three loops over a row, which stays in scratch."""
    x, out = in_buffer("x", "float32", "n", "m"), out_buffer("o", "float32", "n", "m")
    row = Buffer("row", "float32", ("m",), "inout")
    first = Loop(
        "j0",
        "m",
        "vector",
        (Load("v", "x", (AT_I, axis("j0")), "float32"),),
        (Carry("most", "max", "v", "float32"),),
    )
    b = Builder()
    most = Value(b, "most", "float32")
    e = ir.apply("exp", b.load(x, (AT_I, axis("j1"))) - most)
    b.statements.append(Store("row", (axis("j1"),), e.atom))
    second = Loop(
        "j1",
        "m",
        "vector",
        tuple(b.statements),
        (Carry("total", "sum", e.atom, "float32"),),
    )
    b = Builder(prefix="w")
    share = b.load(row, (axis("j2"),)) / Value(b, "total", "float32")
    b.statements.append(Store("o", (AT_I, axis("j2")), share.atom))
    third = vector("j2", "m", b.statements)
    body = (Loop("i", "n", "parallel", (first, second, third)),)
    return prepare(Kernel("softmax", (x, out), ("n", "m"), body, "i", (row,)))


def column_sums() -> Kernel:
    x, out = in_buffer("x", "float64", "n", "m"), out_buffer("o", "float64", "m")
    load = Load("v", "x", (AT_I, AT_J), "float64")
    inner = Loop("i", "n", "serial", (load,), (Carry("s", "sum", "v", "float64"),))
    body = (vector("j", "m", (inner, Store("o", (AT_J,), "s"))),)
    return Kernel("column_sums", (x, out), ("n", "m"), body, split="j")


def take(kind: ir.LoopKind) -> Kernel:
    """``o[i] = x[at[i]]`` with a check of the index, and 0 where it fails."""
    b = Builder()
    x, at = in_buffer("x", "float32", "m"), in_buffer("at", "int64", "n")
    index = b.load(at, (AT_I,))
    inside = (index >= 0) & (index < Value(b, "m", "int64"))
    b.statements.append(Check(str(inside.atom), 7))
    value = b.load(x, (axis(str(index.atom)),), guard=inside)
    b.statements.append(Store("o", (AT_I,), value.atom))
    body = (Loop("i", "n", kind, tuple(b.statements)),)
    out = out_buffer("o", "float32", "n")
    return Kernel(f"take_{kind}", (x, at, out), ("n", "m"), body)


def pad(kind: ir.LoopKind) -> Kernel:
    """Guarded loads: x with two zeros on either side, and a flag held to one row."""
    b = Builder()
    x, flag = in_buffer("x", "int32", "n"), in_buffer("flag", "bool", 1)
    one = b.load(flag, (ir.Affine(),))
    i = Value(b, "i", "int64")
    inside = (i >= 2) & (i < Value(b, "n", "int64") + 2)
    value = b.load(x, (AT_I + -2,), guard=inside)
    held = b.load(x, (ir.Affine(),), guard=one)
    b.statements.append(Store("o", (AT_I,), (value + held).atom))
    body = (
        Let("wide", "add", ("n", Const(4, "int64")), "int64"),
        Loop("i", "wide", kind, tuple(b.statements)),
    )
    out = out_buffer("o", "int32", "p")
    return Kernel(f"pad_{kind}", (x, flag, out), ("n", "p"), body)


def strided() -> Kernel:
    """Forwards, backwards, by twos, across rows, and of one element."""
    b = Builder()
    x, y = in_buffer("x", "float32", "n"), in_buffer("y", "float32", "m", "n")
    t = in_buffer("t", "float32", "n", "m")
    back = ir.Affine((("n", 1), ("i", -1)), -1)
    value = b.load(x, (back,)) + b.load(y, (ir.Affine(), AT_I))
    last = b.load(t, (AT_I, ir.Affine((("m", 1),), -1)))
    value = value * last + b.load(x, (ir.Affine(),))
    outs = [out_buffer("o", "float32", "n"), out_buffer("p", "float32", "n", 2)]
    b.statements.append(Store("o", (back,), value.atom))
    b.statements.append(Store("p", (AT_I, ir.Affine((), 1)), value.atom))
    body = (vector("i", "n", b.statements),)
    return Kernel("strided", (x, y, t, *outs), ("n", "m"), body, split="i")


def histogram(kind: ir.LoopKind) -> Kernel:
    b = Builder()
    at, w = in_buffer("at", "int64", "n"), in_buffer("w", "float32", "n")
    index, weight = b.load(at, (AT_I,)), b.load(w, (AT_I,))
    b.statements.append(
        Store("o", (axis(str(index.atom)),), weight.atom, accumulate=True)
    )
    b.statements.append(Store("d", (AT_I,), weight.atom, accumulate=True))
    b.statements.append(Store("all", (), weight.atom, accumulate=True))
    outs = (
        Buffer("o", "float32", ("m",), "inout"),
        Buffer("d", "float32", ("n",), "inout"),
        Buffer("all", "float32", (), "inout"),
    )
    body = (Loop("i", "n", kind, tuple(b.statements)),)
    return Kernel(f"histogram_{kind}", (at, w, *outs), ("n", "m"), body)


def counting() -> Kernel:
    """The axis of a vector loop as a value; a literal extent; a select."""
    b = Builder()
    i = Value(b, "i", "int64")
    odd = (i % 2).eq(1)
    value = ir.select(odd, i * i, -1)
    b.statements.append(Store("o", (AT_I,), value.atom))
    b.statements.append(Store("f", (AT_I,), odd.atom))
    outs = (out_buffer("o", "int64", 37), out_buffer("f", "bool", 37))
    return Kernel("counting", outs, (), (vector("i", 37, b.statements),), split="i")


def fused() -> Kernel:
    """Primitives of three arguments, and bits seen as another type."""
    b = Builder()
    x = in_buffer("x", "float64", "n")
    a = b.load(x, (AT_I,))
    fma = ir.apply("fma", a, a, -1.0)
    bits = (a.bitcast("int64") >> 52) & 0x7FF
    picked = ir.select(a < 0.0, fma, 3.0)
    outs = (
        out_buffer("o", "float64", "n"),
        out_buffer("b", "int64", "n"),
        out_buffer("p", "float64", "n"),
    )
    for out, value in zip(outs, (fma, bits, picked), strict=True):
        b.statements.append(Store(out.name, (AT_I,), value.atom))
    body = (vector("i", "n", b.statements),)
    return Kernel("fused", (x, *outs), ("n",), body, split="i")


def nested() -> Kernel:
    """A vector loop in a serial one in a parallel one, and carries at two levels."""
    x = in_buffer("x", "int32", "n", "m", "k")
    out = out_buffer("o", "int32", "n")
    load = Load("v", "x", (AT_I, AT_J, axis("l")), "int32")
    inner = Loop("l", "k", "vector", (load,), (Carry("s", "sum", "v", "int32"),))
    middle = Loop("j", "m", "serial", (inner,), (Carry("t", "max", "s", "int32"),))
    body = (Loop("i", "n", "parallel", (middle, Store("o", (AT_I,), "t"))),)
    return Kernel("nested", (x, out), ("n", "m", "k"), body, split="i")


REDUCED = [
    *((c, d) for c in ("sum", "prod", "min", "max") for d in ("float32", "float64")),
    *((c, d) for c in ("sum", "min", "max", "and", "or") for d in ("bool", "int8")),
    *(
        (c, d)
        for c in ("sum", "prod", "min", "max", "and")
        for d in ("uint32", "int64")
    ),
]
KERNELS = {
    kernel.name: kernel
    for kernel in (
        *map(table, DTYPES),
        *map(casts, DTYPES),
        *map(elementwise, DTYPES),
        *(reduction(c, d) for c, d in REDUCED),
        *(f(kind) for f in (take, pad, histogram) for kind in ("serial", "vector")),
        *(f() for f in (softmax, column_sums, strided, counting, fused, nested)),
    )
}


#: CPUs to compile for, the feature that running the result takes, and vector bytes.
OTHERS = {"haswell": ("avx2", 32), "x86-64": ("sse2", 16)}


@pytest.fixture(scope="module", params=["native", "streams", *OTHERS])
def native(request: pytest.FixtureRequest) -> Native:
    """All kernels, for this CPU, with stores past its caches, or for an older one."""
    host = replace(hosts.detect(), streams=int(request.param == "streams"))
    if request.param in OTHERS:
        feature, width = OTHERS[request.param]
        if f"+{feature}" not in host.features.split(","):
            pytest.skip(f"this CPU has no {feature}")
        host = hosts.Host(host.triple, request.param, "", width)
    return Native(KERNELS.values(), host)


def agree(
    native: Native,
    kernel: Kernel,
    arrays: dict[str, np.ndarray],
    sizes: dict[str, int],
    rtol: float = 0.0,
) -> None:
    """Run both ways, from copies; outputs start as garbage and must come out equal."""
    expected = {name: array.copy() for name, array in arrays.items()}
    status = run_kernel(kernel, expected, sizes)
    found = {name: array.copy() for name, array in arrays.items()}
    assert native(kernel, found, sizes) == status
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol, 0.0, err_msg=name)


def garbage(kernel: Kernel, sizes: dict[str, int]) -> dict[str, np.ndarray]:
    """The kernel's output arrays."""
    arrays = {}
    for buffer in kernel.buffers:
        shape = [d if isinstance(d, int) else sizes[d] for d in buffer.shape]
        if buffer.mode == "out":
            arrays[buffer.name] = np.full(shape, 1, buffer.dtype)
    return arrays


def draw(rng: np.random.Generator, dtype: str, *shape: int) -> np.ndarray:
    return rng.choice(values_of(dtype), shape)


LENGTHS = (0, 1, 3, 15, 16, 17, 63, 64, 65, 129, 1000)


# --------------------------------------------------------------------------------------
# Primitives
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_primitive_means_what_numpy_means(native: Native, dtype: str) -> None:
    kernel = KERNELS[f"table_{dtype}"]
    values = values_of(dtype)
    x, y = (np.ascontiguousarray(a.ravel()) for a in np.meshgrid(values, values))
    sizes = {"n": x.size}
    arrays = {"x": x, "y": y, **garbage(kernel, sizes)}
    agree(native, kernel, arrays, sizes)
    if dtype in FLOATS:
        native(kernel, arrays, sizes)
        with np.errstate(all="ignore"):
            signed = {"copysign": np.copysign(x, y), "neg": -x, "rem": x % y}
        for op, ref in signed.items():
            known = ~np.isnan(ref)
            signs = np.signbit(arrays[f"o_{op}"])[known]
            np.testing.assert_array_equal(signs, np.signbit(ref)[known], op)


@pytest.mark.parametrize("dtype", DTYPES)
def test_casts_are_total(native: Native, dtype: str) -> None:
    kernel = KERNELS[f"casts_{dtype}"]
    x = values_of(dtype)
    sizes = {"n": x.size}
    agree(native, kernel, {"x": x, **garbage(kernel, sizes)}, sizes)


def test_fused_multiply_add_rounds_once(native: Native) -> None:
    x = np.concatenate([1 + np.arange(40) * 2.0**-30, values_of("float64")])
    sizes = {"n": x.size}
    agree(native, KERNELS["fused"], {"x": x, **garbage(KERNELS["fused"], sizes)}, sizes)


# --------------------------------------------------------------------------------------
# Loops
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_elementwise_of_every_length(native: Native, dtype: str) -> None:
    kernel = KERNELS[f"elementwise_{dtype}"]
    rng = np.random.default_rng(1)
    for n in LENGTHS:
        arrays = {"x": draw(rng, dtype, n), "y": draw(rng, dtype, n)}
        agree(native, kernel, arrays | garbage(kernel, {"n": n}), {"n": n})


@pytest.mark.parametrize(("combine", "dtype"), REDUCED)
def test_reductions_of_every_length(native: Native, combine: str, dtype: str) -> None:
    kernel = KERNELS[f"reduce_{combine}_{dtype}"]
    rng = np.random.default_rng(2)
    for n in LENGTHS:
        x = draw(rng, dtype, n)
        if dtype in FLOATS:
            x = rng.uniform(0.9, 1.1, n).astype(dtype)
        arrays = {"x": x, "o": np.ones((), dtype)}
        agree(native, kernel, arrays, {"n": n}, rtol=1e-4 if dtype in FLOATS else 0)


@pytest.mark.parametrize("combine", ["sum", "prod", "min", "max"])
def test_one_nan_anywhere_reaches_the_result(native: Native, combine: str) -> None:
    kernel = KERNELS[f"reduce_{combine}_float32"]
    for n in (1, 17, 130):
        for at in range(n):
            x = np.linspace(-1, 1, n, dtype="float32")
            x[at] = np.nan
            out = np.zeros((), "float32")
            native(kernel, {"x": x, "o": out}, {"n": n})
            assert np.isnan(out), (n, at)


@pytest.mark.parametrize("shape", [(1, 1), (3, 16), (5, 37), (2, 300), (4, 0), (0, 9)])
def test_softmax_of_rows_in_chunks(native: Native, shape: tuple[int, int]) -> None:
    n, m = shape
    x = np.random.default_rng(3).standard_normal(shape).astype("float32")
    e = np.exp(x - x.max(1, keepdims=True, initial=-np.inf))
    whole, cut = np.zeros_like(x), np.zeros_like(x)
    sizes = {"n": n, "m": m}
    native(KERNELS["softmax"], {"x": x, "o": whole}, sizes)
    np.testing.assert_allclose(whole, e / e.sum(1, keepdims=True), rtol=1e-5)
    chunks = [(k, min(k + 2, n)) for k in range(0, n, 2)]
    native(KERNELS["softmax"], {"x": x, "o": cut}, sizes, chunks[::-1])
    np.testing.assert_array_equal(cut, whole)


def test_column_sums_in_chunks(native: Native) -> None:
    kernel = KERNELS["column_sums"]
    rng = np.random.default_rng(4)
    for n, m in [(0, 3), (1, 1), (7, 16), (5, 33), (9, 300)]:
        arrays = {"x": rng.standard_normal((n, m)), "o": np.ones(m)}
        agree(native, kernel, arrays, {"n": n, "m": m})
        out = np.zeros(m)
        chunks = [(k, min(k + 256, m)) for k in range(0, m, 256)]
        native(kernel, arrays | {"o": out}, {"n": n, "m": m}, chunks)
        np.testing.assert_allclose(out, arrays["x"].sum(0), rtol=1e-12, atol=1e-12)


def test_nested_carries(native: Native) -> None:
    rng = np.random.default_rng(5)
    for n, m, k in [(2, 3, 5), (3, 1, 200), (1, 4, 0), (2, 0, 4)]:
        x = rng.integers(-99, 99, (n, m, k), dtype="int32")
        sizes = {"n": n, "m": m, "k": k}
        agree(native, KERNELS["nested"], {"x": x, "o": np.ones(n, "int32")}, sizes)


def test_the_axis_of_a_vector_loop_is_a_value(native: Native) -> None:
    kernel = KERNELS["counting"]
    agree(native, kernel, garbage(kernel, {}), {})


def test_a_reduction_gives_the_same_bits_from_any_address(native: Native) -> None:
    kernel = KERNELS["reduce_sum_float32"]
    x = np.random.default_rng(6).standard_normal(1003).astype("float32")
    results = set()
    for shift in range(8):
        moved = np.empty(1003 + shift, "float32")[shift:]
        moved[:] = x
        out = np.zeros((), "float32")
        native(kernel, {"x": moved, "o": out}, {"n": x.size})
        results.add(out.tobytes())
    assert len(results) == 1


# --------------------------------------------------------------------------------------
# Memory
# --------------------------------------------------------------------------------------


def test_strides_of_every_kind(native: Native) -> None:
    kernel = KERNELS["strided"]
    rng = np.random.default_rng(7)
    for n in LENGTHS[1:]:
        sizes = {"n": n, "m": 3}
        arrays = {
            # Small integers: a contracted product and sum is then exact.
            "x": rng.integers(-9, 9, n).astype("float32"),
            "y": rng.integers(-9, 9, (3, n)).astype("float32"),
            "t": rng.integers(-9, 9, (n, 3)).astype("float32"),
        }
        agree(native, kernel, arrays | garbage(kernel, sizes), sizes)


@pytest.mark.parametrize("kind", ["serial", "vector"])
def test_a_checked_gather(native: Native, kind: str) -> None:
    kernel = KERNELS[f"take_{kind}"]
    rng = np.random.default_rng(8)
    x = rng.standard_normal(50).astype("float32")
    for n in LENGTHS:
        at = rng.integers(0, 50, n)
        arrays = {"x": x, "at": at, "o": np.ones(n, "float32")}
        agree(native, kernel, arrays, {"n": n, "m": 50})
        if n:
            at[rng.integers(n)] = rng.choice([-1, 50, 1 << 62, -(1 << 63)])
            assert native(kernel, arrays, {"n": n, "m": 50}) == 7


@pytest.mark.parametrize("kind", ["serial", "vector"])
def test_guarded_loads_touch_nothing(native: Native, kind: str) -> None:
    kernel = KERNELS[f"pad_{kind}"]
    for n in LENGTHS:
        for flag in (False, True) if n else (False,):
            arrays = {
                "x": np.arange(1, n + 1, dtype="int32"),
                "flag": np.array([flag]),
                "o": np.ones(n + 4, "int32"),
            }
            agree(native, kernel, arrays, {"n": n, "p": n + 4})


@pytest.mark.parametrize("kind", ["serial", "vector"])
def test_accumulating_stores_meet_in_order(native: Native, kind: str) -> None:
    kernel = KERNELS[f"histogram_{kind}"]
    rng = np.random.default_rng(9)
    for n in LENGTHS:
        arrays = {
            "at": rng.integers(0, 3, n),
            "w": rng.standard_normal(n).astype("float32"),
            "o": np.zeros(3, "float32"),
            "d": np.ones(n, "float32"),
            "all": np.zeros((), "float32"),
        }
        agree(native, kernel, arrays, {"n": n, "m": 3})


# --------------------------------------------------------------------------------------
# What is written, and what is refused
# --------------------------------------------------------------------------------------


def test_lanes_follow_the_widest_float() -> None:
    assert hosts.vector_bytes({"avx", "avx512f"}) == 64
    assert lane_count(KERNELS["elementwise_float32"], 64) == 16
    assert lane_count(KERNELS["elementwise_float64"], 64) == 8
    assert lane_count(KERNELS["elementwise_int8"], 16) == 16
    assert (
        lane_count(KERNELS["take_vector"], 32) == 8
    )  # not halved by its int64 indices


def test_what_does_not_change_is_written_before_the_loop() -> None:
    b = Builder()
    x, s = in_buffer("x", "float32", "n", "m"), in_buffer("s", "float32", 1)
    scale = b.load(s, (ir.Affine(),))
    inner = Builder(prefix="w")
    scaled = inner.load(x, (AT_I, AT_J)) * Value(inner, str(scale.atom), "float32")
    inner.statements.append(Store("x", (AT_I, AT_J), scaled.atom))
    loop = Loop("i", "n", "parallel", (vector("j", "m", inner.statements),))
    kernel = Kernel("scale", (x, s), ("n", "m"), (*b.statements, loop), split="i")
    text = emit_kernel(kernel, hosts.detect()).text
    entry, _, loops = text.partition("\ni.")
    assert entry.count("shufflevector") == 1  # the splat of `scale`
    rows, _, lanes = loops.partition("\nj.")
    assert rows.count("mul i64") == 1 and lanes.count("mul i64") == 0


def test_names_are_made_fit_for_llvm() -> None:
    kernel = Kernel('a "b"/c', (), (), ())
    emitted = emit_kernel(kernel, hosts.detect())
    assert emitted.name == "a__b__c" and "@a__b__c(" in emitted.text


def test_a_malformed_module_is_an_error_with_its_text() -> None:
    for text in ("define void @f() {", "define i32 @f() {\n  ret i64 0\n}"):
        with pytest.raises(CompileError, match="LLVM rejects") as caught:
            compile_module(text, hosts.detect())
        assert caught.value.__notes__ == [text]


@pytest.mark.parametrize(("op", "dtype"), [("div", "int64"), ("sub", "bool")])
def test_a_primitive_without_a_meaning_is_refused(op: str, dtype: str) -> None:
    one = Const(1, dtype)
    kernel = Kernel("f", (), (), (Let("a", op, (one, one), dtype),))
    with pytest.raises(CompileError, match=f"{op} of {dtype}"):
        emit_kernel(kernel, hosts.detect())


def test_vector_loops_do_not_nest() -> None:
    kernel = Kernel("f", (), ("n",), (vector("i", "n", [vector("j", "n", [])]),))
    with pytest.raises(CompileError, match="vector loop j of f stands inside"):
        emit_kernel(kernel, hosts.detect())
