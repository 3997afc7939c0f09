"""Formulas over whole arrays against the loop interpreter, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from symgraph.codegen import ir
from symgraph.codegen.arrays import Array, contractible, evaluate, expanded, fma
from symgraph.codegen.expand import formula
from symgraph.codegen.interpret import SCALARS
from symgraph.codegen.ir import FLOATS, Let, Value


def bits(x: Array) -> Array:
    """The bits of `x`, with one NaN for all."""
    x = np.where(np.isnan(x), x.dtype.type(np.nan), x)
    return x.view(f"u{x.dtype.itemsize}")


def patterns(dtype: str, count: int, rng: np.random.Generator) -> Array:
    """Floats of every exponent, and the specials."""
    size = np.dtype(dtype).itemsize
    raw = rng.integers(0, 2 ** (8 * size), count, f"u{size}").view(dtype)
    specials = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan], dtype)
    raw[: len(specials)] = rng.permutation(specials)
    return raw


@pytest.mark.parametrize("dtype", FLOATS)
def test_fma_rounds_once(dtype: str) -> None:
    """For wild operands, tame ones, sums that cancel, and ties in the last place."""
    rng = np.random.default_rng(1)
    a, b, c = (patterns(dtype, 3000, rng) for _ in range(3))
    d, e = (rng.normal(size=3000).astype(dtype) for _ in range(2))
    near = (-d * e * (1 + np.finfo(dtype).eps * rng.integers(-3, 4, 3000))).astype(
        dtype
    )
    short = rng.integers(1, 64, (2, 3000)).astype(dtype)
    half = (np.finfo(dtype).eps / 2 * rng.integers(-3, 4, 3000)).astype(dtype)
    with np.errstate(all="ignore"):
        for x, y, z in ((a, b, c), (d, e, near), (d, e, c), (*short, half)):
            got = fma(x, y, z)
            want = [SCALARS["fma"](*p) for p in zip(x, y, z, strict=True)]
            np.testing.assert_array_equal(bits(got), bits(np.array(want, dtype)))


def test_shifts_casts_and_choices_are_the_interpreters() -> None:
    x = np.array([-5, 7, 2**31 - 1], "int32")
    lets = (
        Let("a", "shr", ("x", ir.Const(40, "int32")), "int32"),
        Let("b", "shl", ("x", ir.Const(40, "int32")), "int32"),
        Let("c", "lt", ("a", "b"), "bool"),
        Let("d", "select", ("c", "a", "x"), "int32"),
    )
    np.testing.assert_array_equal(evaluate(lets, {"x": x}), [-1, 7, 2**31 - 1])
    y = np.array([1e30, -3.7, np.nan, 200.0])
    cast = (Let("a", "cast", ("y",), "int8"),)
    np.testing.assert_array_equal(evaluate(cast, {"y": y}), [-128, -3, -128, -128])


def test_transcendentals_are_expanded() -> None:
    lets = (Let("a", "exp", ("x",), "float64"), Let("b", "log", ("a",), "float64"))
    assert {let.op for let in expanded(lets)} <= set(ir.PRIMITIVES)
    x = np.linspace(-3, 3, 50)
    np.testing.assert_allclose(evaluate(lets, {"x": x}), x, atol=1e-15)
    only = formula("log", "float64")
    direct = evaluate(only, {"x": np.exp(x)})
    np.testing.assert_allclose(direct, x, atol=2e-16)


def test_what_may_be_contracted_is_found() -> None:
    builder = ir.Builder()
    x = Value(builder, "x", "float32")
    _ = x * 2.0 + 1.0  # exact, whichever way
    _ = ir.apply("fma", x, x, 1.0)
    lets = [s for s in builder.statements if isinstance(s, Let)]
    assert contractible(lets) == []
    _ = -(x * x) + 1.0
    lets = [s for s in builder.statements if isinstance(s, Let)]
    assert [let.op for let in contractible(lets)] == ["add"]
    for op in ("log", "log1p"):
        for dtype in FLOATS:
            assert contractible(formula(op, dtype)) == []
