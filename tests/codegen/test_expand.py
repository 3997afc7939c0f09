"""The expansions against mpmath, extended precision and NumPy's special values."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from symgraph.codegen.errors import CompileError
from symgraph.codegen.expand import (
    EXPANSIONS,
    PARAMETERS,
    ULP,
    expand_kernel,
    formula,
)
from symgraph.codegen.ir import (
    COMPARISONS,
    FLOATS,
    PRIMITIVES,
    TRANSCENDENTALS,
    Atom,
    Buffer,
    Carry,
    Const,
    Kernel,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    axis,
    walk,
)

from .scalar_jit import ScalarLoop, compile_lets

Array = NDArray[Any]
CASES = [(op, dtype) for op in TRANSCENDENTALS for dtype in FLOATS]


def sigmoid(x: Array) -> Array:
    """The logistic function in the precision of `x`, without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


#: The meaning of each op, for any precision that NumPy has.
REFERENCE: dict[str, Callable[..., Array]] = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "sigmoid": sigmoid,
    "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p,
    "pow": np.power, "cbrt": np.cbrt, "hypot": np.hypot,
    "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
}  # fmt: skip

#: In float32 and float64 only, and not always to the last digits.
SCIPY: dict[str, Callable[[Array], Array]] = {
    "erf": special.erf, "erfc": special.erfc, "erfcx": special.erfcx,
    "erfinv": special.erfinv, "erfcinv": special.erfcinv,
    "lgamma": special.gammaln, "gamma": special.gamma, "digamma": special.psi,
    "trigamma": lambda x: np.asarray(special.polygamma(1, x), x.dtype),
}  # fmt: skip


def erfcx(x: mpmath.mpf) -> mpmath.mpf:
    """``exp(x**2) * erfc(x)``, for large x by its series (DLMF 7.12.1)."""
    if x < 1e5:
        return mpmath.exp(x * x) * mpmath.erfc(x)
    z = 1 / (2 * x * x)
    return (1 - z + 3 * z**2 - 15 * z**3) / (x * mpmath.sqrt(mpmath.pi))


def log_abs_gamma(x: mpmath.mpf) -> mpmath.mpf:
    """``log|Gamma(x)|``."""
    if x > 0:
        return mpmath.loggamma(x)
    reflected = mpmath.pi / abs(mpmath.sinpi(x))
    return mpmath.log(reflected) - mpmath.loggamma(1 - x)


#: The same in mpmath.
EXACT: dict[str, Callable[..., mpmath.mpf]] = {
    "exp": mpmath.exp, "exp2": lambda x: mpmath.power(2, x), "expm1": mpmath.expm1,
    "log": mpmath.log, "log2": lambda x: mpmath.log(x, 2), "log10": mpmath.log10,
    "log1p": mpmath.log1p, "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "pow": mpmath.power, "hypot": mpmath.hypot,
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan,
    "asin": mpmath.asin, "acos": mpmath.acos, "atan": mpmath.atan,
    "atan2": mpmath.atan2, "sinh": mpmath.sinh, "cosh": mpmath.cosh,
    "tanh": mpmath.tanh, "acosh": mpmath.acosh,
    "asinh": lambda x: mpmath.sign(x) * mpmath.asinh(abs(x)), "atanh": mpmath.atanh,
    "erf": mpmath.erf, "erfc": mpmath.erfc, "erfcx": erfcx,
    "lgamma": log_abs_gamma, "gamma": mpmath.gamma, "digamma": mpmath.digamma,
    "trigamma": lambda x: mpmath.psi(1, x),
}  # fmt: skip

#: Functions known by their inverse.  One step of Newton's method from what is to be
#: tested, in high precision, gives twice as many digits.
INVERSE: dict[str, tuple[Callable[..., mpmath.mpf], int]] = {
    "erfinv": (mpmath.erf, 1), "erfcinv": (mpmath.erfc, -1),
}  # fmt: skip

#: Where the result crosses 0 between poles, at negative arguments, an error below 1 is
#: counted in ulps of 1.
ABSOLUTE = {"lgamma", "digamma"}

#: Intervals where a function is neither constant nor out of range, sampled uniformly.
INTERVALS: dict[str, list[tuple[float, float]]] = {
    "exp": [(-104, 89), (-750, 712), (-1, 1), (-746, -708), (-104, -87)],
    "exp2": [(-150, 128), (-1080, 1025), (-1, 1), (-1075, -1021)],
    "expm1": [(-40, 89), (-40, 712), (-1, 1), (0.34, 0.37), (35, 40), (-40, -34)],
    "tanh": [(-20, 20), (-1, 1), (-0.3, 0.3)],
    "sigmoid": [(-104, 40), (-750, 40), (-2, 2), (-746, -708), (-104, -87)],
    "log": [(0, 4), (0.5, 2), (0.69, 0.72), (1.39, 1.43), (0.99, 1.01)],
    "log2": [(0, 4), (0.5, 2), (0.99, 1.01)],
    "log10": [(0, 4), (0.5, 2), (0.99, 1.01)],
    "log1p": [(-1, 4), (-0.5, 0.5), (-0.31, -0.28), (0.38, 0.44), (-1e-3, 1e-3)],
    "cbrt": [(-10, 10)],
    "sin": [(-10, 10), (-1e3, 1e3), (-1e9, 1e9)],
    "cos": [(-10, 10), (-1e3, 1e3), (-1e9, 1e9)],
    "tan": [(-10, 10), (-1e3, 1e3), (-1e9, 1e9)],
    "asin": [(-1, 1), (0.49, 0.51), (0.999, 1)],
    "acos": [(-1, 1), (0.49, 0.51), (0.999, 1), (-0.51, -0.49)],
    "atan": [(-1, 1), (-10, 10), (0.4, 0.43), (2.3, 2.5)],
    "sinh": [(-1, 1), (-90, 90), (-711, 711)],
    "cosh": [(-1, 1), (-90, 90), (-711, 711)],
    "asinh": [(-1, 1), (-10, 10), (-1e5, 1e5)],
    "acosh": [(1, 1.01), (1, 3), (1, 1e5)],
    "atanh": [(-1, 1), (-0.1, 0.1), (0.99, 1)],
    "erf": [(-1, 1), (0.84, 0.86), (-6, 6)],
    "erfc": [(-1, 1), (-6, 6), (0, 10.2), (0, 27.3), (0.4, 0.5)],
    "erfcx": [(-1, 1), (-9, 9), (-26, 0), (0, 30)],
    "erfinv": [(-1, 1), (0.9, 1), (0.76, 0.78), (-0.1, 0.1)],
    "erfcinv": [(0, 2), (0, 0.1), (0.2, 0.3), (0, 1e-5), (0.9, 1.1)],
    "lgamma": [(0, 8), (0.9, 1.1), (1.9, 2.1), (7, 8), (-4, 0), (-20, 0)],
    "gamma": [(0, 8), (0, 36), (0, 172), (-5, 0), (-180, 0)],
    "digamma": [(0, 4), (1.4, 1.5), (3.9, 4.1), (-4, 0), (-20, 0)],
    "trigamma": [(0, 4), (0, 100), (-4, 0), (-20, 0)],
}


@cache
def compiled(op: str, dtype: str, contract: bool = True) -> ScalarLoop:
    """The formula of `op` as a loop over arrays."""
    parameters = PARAMETERS[: TRANSCENDENTALS[op]]
    return compile_lets(formula(op, dtype), parameters, contract)


def neighbours(values: list[float], dtype: str, steps: int = 4) -> Array:
    """Each value, its negative, and the floats up to `steps` beside each."""
    lists: list[Array] = [np.array(values + [-v for v in values]).astype(dtype)]
    for direction in (np.inf, -np.inf):
        current = lists[0]
        for _ in range(steps):
            with np.errstate(over="ignore"):
                current = np.nextafter(current, np.array(direction, dtype))
            lists.append(current)
    values = np.concatenate(lists)
    return values[np.isfinite(values)]


def thresholds(dtype: str) -> Array:
    """Floats beside every place where a formula changes its mind."""
    info = np.finfo(dtype)
    values = [0.0, float(info.tiny), float(info.smallest_subnormal), float(info.max)]
    values += [2.0**k for k in range(-60, 61, 3)]
    values += [1.0, 1.5, 0.5**0.5, 2**0.5, 0.5**0.5 - 1, 2**0.5 - 1, 17.3, 18.7, 19.06]
    values += [np.log(2) * (k + 0.5) for k in range(-3, 4)]
    values += [np.log(2) * (k + 0.5) for k in (22, 23, 24, 25, 51, 52, 53, 54, 55)]
    values += [np.pi / 2 * k for k in (1, 2, 3, 4, 5, 1000, 10**6)]
    values += [np.log(float(info.max)), -np.log(float(info.tiny))]
    values += [-np.log(float(info.smallest_subnormal)) + np.log(2)]
    return neighbours(values, dtype)


def bit_patterns(dtype: str, count: int, rng: np.random.Generator) -> Array:
    """Finite floats with uniformly distributed bits: every exponent, both signs."""
    width = np.dtype(dtype).itemsize
    bits = rng.integers(0, 256, (count, width), dtype=np.uint8).view(dtype).ravel()
    return bits[np.isfinite(bits)]


def powers(dtype: str, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Bases near 1 and far off, and exponents, with powers all over `dtype`."""
    info = np.finfo(dtype)
    low, high = np.log(float(info.smallest_subnormal)), np.log(float(info.max))
    log_x = np.concatenate(
        [rng.uniform(low, high, count), rng.uniform(-0.4, 0.4, 2 * count)]
    )
    x = np.exp(log_x).astype(dtype)
    x = x[(x > 0) & (x != 1)]
    with np.errstate(all="ignore"):
        y = rng.uniform(low - 2, high + 1, x.size) / np.log(x.astype("float64"))
        y = y.astype(dtype)
    keep = np.isfinite(y)
    return x[keep], y[keep]


def pairs(dtype: str, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Unrelated numbers, and numbers of nearly one size, large and small."""
    x = bit_patterns(dtype, 2 * count, rng)
    with np.errstate(all="ignore"):
        near = (x[:count] * rng.uniform(-4, 4, count)).astype(dtype)
    y = np.concatenate([near, bit_patterns(dtype, 2 * count, rng)])[: x.size]
    x = x[: y.size]
    keep = np.isfinite(y) & (x != 0) & (y != 0)
    return x[keep], y[keep]


def samples(op: str, dtype: str, count: int, seed: int) -> tuple[Array, ...]:
    """Arguments for `op`: about `count` of each of several kinds."""
    rng = np.random.default_rng(seed)
    if op == "pow":
        return powers(dtype, count, rng)
    if TRANSCENDENTALS[op] == 2:
        return pairs(dtype, count, rng)
    parts = [thresholds(dtype), bit_patterns(dtype, count, rng)]
    parts += [rng.uniform(a, b, count).astype(dtype) for a, b in INTERVALS[op]]
    tiny = np.exp(rng.uniform(-60, 3, count)) * rng.choice([-1, 1], count)
    # The floats nearest to a multiple of pi / 2 (Muller, Elementary Functions, 11.3.2).
    nearest = [16367173 * 2.0**72, 6381956970095103 * 2.0**797]
    with np.errstate(over="ignore"):
        x = np.concatenate([*parts, tiny.astype(dtype), np.array(nearest, dtype)])
    return (x[in_domain(op, x)],)


def in_domain(op: str, x: Array) -> NDArray[np.bool_]:
    """Where `op` is real and finite (special values have their own test)."""
    whole = x == np.rint(x)
    domain: dict[str, NDArray[np.bool_]] = {
        "log": x > 0, "log2": x > 0, "log10": x > 0, "log1p": x > -1,
        "asin": np.abs(x) <= 1, "acos": np.abs(x) <= 1, "acosh": x >= 1,
        "atanh": np.abs(x) < 1, "erfinv": np.abs(x) < 1, "erfcinv": (x > 0) & (x < 2),
        "lgamma": (x > 0) | (~whole & (x > -1e4)),
        "gamma": (x > 0) | (~whole & (x > -1e4)),
        "digamma": (x > 0) | (~whole & (x > -1e4)),
        "trigamma": (x > 0) | (~whole & (x > -1e4)),
    }  # fmt: skip
    return np.isfinite(x) & domain.get(op, np.True_)


def ulps(got: Array, exact: Array, dtype: str) -> Array:
    """The error of `got` in ulps of `exact`, which has a wider type.

    Infinity counts as the power of two after the largest float, where rounding puts it.
    """
    info = np.finfo(dtype)
    limit = np.ldexp(exact.dtype.type(1), info.maxexp)
    wide = np.clip(got.astype(exact.dtype), -limit, limit)
    exact = np.clip(exact, -limit, limit)
    exponent = np.clip(np.frexp(exact)[1] - 1, info.minexp, info.maxexp - 1)
    unit = np.ldexp(np.ones_like(exact), exponent - info.nmant)
    return np.abs(wide - exact) / unit


def test_every_transcendental_has_an_expansion_and_a_bound() -> None:
    assert set(EXPANSIONS) == set(ULP) == set(TRANSCENDENTALS)
    assert all(0.5 < ULP[op][dtype] <= 3 for op, dtype in CASES)


@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_formula_is_made_of_typed_primitives(op: str, dtype: str) -> None:
    dtypes = dict.fromkeys(PARAMETERS[: TRANSCENDENTALS[op]], dtype)
    for let in formula(op, dtype):
        assert PRIMITIVES[let.op] == len(let.args)
        given = [a.dtype if isinstance(a, Const) else dtypes[a] for a in let.args]
        if let.op == "select":
            assert given == ["bool", let.dtype, let.dtype]
        elif let.op == "lookup":
            integer = let.dtype.replace("float", "int")
            assert given == [integer, *[let.dtype] * 16]
        elif let.op in COMPARISONS:
            assert given[0] == given[1] and let.dtype == "bool"
        elif let.op == "bitcast":
            assert np.dtype(given[0]).itemsize == np.dtype(let.dtype).itemsize
        elif let.op == "cast":  # float to integer would be slow
            assert given[0] in FLOATS and let.dtype in FLOATS
        else:
            assert set(given) == {let.dtype}
        assert let.name not in dtypes
        dtypes[let.name] = let.dtype
    assert let.dtype == dtype


@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_formula_uses_all_that_it_computes(op: str, dtype: str) -> None:
    *steps, _ = formula(op, dtype)
    used = {a for let in formula(op, dtype) for a in let.args}
    assert {let.name for let in steps} <= used


def test_formula_of_integers_is_refused() -> None:
    with pytest.raises(CompileError, match="exp of int32"):
        formula("exp", "int32")


@pytest.mark.parametrize(("op", "dtype"), [c for c in CASES if c[0] in REFERENCE])
def test_error_on_dense_samples(op: str, dtype: str) -> None:
    wide = np.dtype("float64" if dtype == "float32" else "longdouble")
    if np.finfo(wide).nmant < np.finfo(dtype).nmant + 11:
        pytest.skip("this platform's long double is no wider than float64")
    args = samples(op, dtype, 30_000, seed=1)
    with np.errstate(all="ignore"):
        exact = REFERENCE[op](*(a.astype(wide) for a in args))
    for contract in (False, True):
        got = compiled(op, dtype, contract)(*args)
        assert not np.isnan(got).any()
        error = ulps(got, exact, dtype)
        worst = int(np.argmax(error))
        assert error[worst] <= ULP[op][dtype], [a[worst] for a in args]


#: Beyond these arguments a function is constant, 0 or infinite in floats.
BEYOND = {
    "exp": 800, "exp2": 1200, "expm1": 800, "sigmoid": 800, "tanh": 800, "sinh": 800,
    "cosh": 800, "erf": 40, "erfc": 40, "gamma": 300.5,
}  # fmt: skip


def exactly(op: str, point: list[float], value: float) -> mpmath.mpf:
    """The value of `op` at `point`, of which `value` should be a rounding."""
    if op in BEYOND:
        point = [min(max(point[0], -BEYOND[op]), BEYOND[op])]
    if op == "erfcx" and point[0] < -40:
        return mpmath.mpf("inf")
    if op not in INVERSE:
        return EXACT[op](*(mpmath.mpf(p) for p in point))
    function, sign = INVERSE[op]
    y = mpmath.mpf(value)
    slope = 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-y * y) * sign
    return y - (function(y) - point[0]) / slope


@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_error_against_mpmath(op: str, dtype: str) -> None:
    args = samples(op, dtype, 300 if op in REFERENCE else 120, seed=2)
    got = compiled(op, dtype)(*args)
    info = np.finfo(dtype)
    for value, *point in zip(got.tolist(), *(a.tolist() for a in args), strict=True):
        with mpmath.workprec(140):
            exact = exactly(op, point, value)
            limit = mpmath.mpf(2) ** info.maxexp
            exact = max(min(exact, limit), -limit)
            exponent = mpmath.frexp(exact)[1] - 1 if exact else info.minexp
            lowest = 0 if op in ABSOLUTE and point[0] < 0 else info.minexp
            exponent = min(max(exponent, lowest), info.maxexp - 1)
            wide = max(min(mpmath.mpf(value), limit), -limit)
            error = mpmath.ldexp(abs(wide - exact), info.nmant - exponent)
        assert error <= ULP[op][dtype], (point, value, error)


def special_arguments(op: str, dtype: str) -> tuple[Array, ...]:
    """Zeros, infinities, NaN, integers, halves and the ends of the range, combined."""
    info = np.finfo(dtype)
    whole = [1.0, 2.0, 3.0, 4.0, 2.0**23 - 1, 2.0**24, 2.0**53 - 1, 2.0**53]
    rest = [0.0, 0.5, 1.5, 1e-30, 1e30, float(info.max), float(info.tiny), np.inf]
    rest += [float(info.smallest_subnormal), np.nan, 1 - 4 * info.eps, 1 + 4 * info.eps]
    values = np.array([s * v for v in (*whole, *rest) for s in (1, -1)], dtype)
    if op in SCIPY:  # which is not exact next to poles, nor of subnormal numbers
        near = (np.abs(values) < info.tiny) & (values != 0)
        values = values[~near & (np.abs(np.abs(values) - 1) != 4 * info.eps)]
    if TRANSCENDENTALS[op] == 1:
        return (values,)
    x, y = np.meshgrid(values, values)
    return x.ravel(), y.ravel()


@pytest.mark.parametrize("contract", [False, True])
@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_special_values_are_numpys(op: str, dtype: str, contract: bool) -> None:
    args = special_arguments(op, dtype)
    with np.errstate(all="ignore"):
        expected = {**REFERENCE, **SCIPY}[op](*args)
    got = compiled(op, dtype, contract)(*args)
    assert expected.dtype == got.dtype
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(got), nan)
    # SciPy's erfinv(-0.0) is 0.0, and its erfcinv(1.0) -0.0.
    signed = ~nan & ((got != 0) | (op not in INVERSE))
    np.testing.assert_array_equal(np.signbit(got)[signed], np.signbit(expected)[signed])
    special = ~nan & (np.isinf(expected) | (expected == 0) | (np.abs(expected) == 1))
    np.testing.assert_array_equal(got[special], expected[special])
    rtol = (4 if op in REFERENCE else 64) * np.finfo(dtype).eps
    np.testing.assert_allclose(got, expected, rtol=rtol)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("payload", [1, 0x1234])
@pytest.mark.parametrize("op", TRANSCENDENTALS)
def test_any_nan_gives_nan(op: str, payload: int, dtype: str) -> None:
    integer = {"float32": np.int32, "float64": np.int64}[dtype]
    nan = np.array([np.nan, -np.nan], dtype)
    x = (nan.view(integer) | integer(payload)).view(dtype)
    others = [np.full_like(x, 3.0)] * (TRANSCENDENTALS[op] - 1)
    assert np.isnan(compiled(op, dtype)(x, *others)).all()
    assert np.isnan(compiled(op, dtype)(*others, x)).all()


def row_kernel(body: tuple[Statement, ...]) -> Kernel:
    """A kernel of two nested loops around `body`, with a carry, over x[n, 8]."""
    x = Buffer("x", "float32", ("n", 8), "in")
    out = Buffer("out", "float32", ("n",), "out")
    inner = Loop("j", 8, "vector", body, (Carry("total", "sum", "e", "float32"),))
    store = Store("out", (axis("i"),), "total")
    outer = Loop("i", "n", "parallel", (inner, store))
    return Kernel("rows", (x, out), ("n",), (outer,), split="i")


LOAD = Load("a", "x", (axis("i"), axis("j")), "float32")


def test_expand_kernel_keeps_names_and_everything_else() -> None:
    square = Let("b", "mul", ("a", "a"), "float32")
    kernel = row_kernel((LOAD, square, Let("e", "exp", ("b",), "float32")))
    result = expand_kernel(kernel)
    outer = result.body[0]
    assert isinstance(outer, Loop) and outer.body[1] is kernel.body[0].body[1]  # type: ignore[union-attr]
    inner = outer.body[0]
    assert isinstance(inner, Loop) and inner.carries == (
        Carry("total", "sum", "e", "float32"),
    )
    assert inner.body[:2] == (LOAD, square)
    steps = inner.body[2:]
    assert len(steps) == len(formula("exp", "float32"))
    assert isinstance(steps[-1], Let) and steps[-1].name == "e"
    assert all(isinstance(s, Let) and s.op in PRIMITIVES for s in steps)
    assert all(isinstance(s, Let) and s.name.startswith("e_") for s in steps[:-1])
    assert (result.buffers, result.sizes, result.split) == (
        kernel.buffers, kernel.sizes, kernel.split,
    )  # fmt: skip


def test_expand_kernel_leaves_other_kernels_alone() -> None:
    kernel = row_kernel((LOAD, Let("e", "neg", ("a",), "float32")))
    assert expand_kernel(kernel) == kernel


def test_expanded_names_do_not_collide() -> None:
    taken = tuple(Let(f"e_v{i}", "neg", ("a",), "float32") for i in range(1, 6))
    kernel = row_kernel((LOAD, *taken, Let("e", "tanh", ("e_v3",), "float32")))
    names = [
        s.name for s, _ in walk(expand_kernel(kernel).body) if isinstance(s, Let | Load)
    ]
    assert len(names) == len(set(names))
    assert names.count("e_v3") == 1


def expanded_lets(body: tuple[Statement, ...]) -> tuple[Let, ...]:
    """What `body` computes once it is expanded."""
    kernel = expand_kernel(row_kernel(body))
    return tuple(s for s, _ in walk(kernel.body) if isinstance(s, Let))


def test_two_calls_of_one_function_expand_apart() -> None:
    body = (
        LOAD,
        Let("b", "exp", ("a",), "float32"),
        Let("e", "exp", ("b",), "float32"),
    )
    lets = expanded_lets(body)
    x = np.array([-1.5, 0.0, 1.0], "float32")
    got = compile_lets(lets, ("a",), contract=False)(x)
    np.testing.assert_allclose(got, np.exp(np.exp(x)), rtol=1e-6)


def test_a_literal_may_be_an_argument() -> None:
    args: tuple[Atom, ...] = ("a", Const(2.0, "float32"))
    body = (LOAD, Let("e", "pow", args, "float32"))
    lets = expanded_lets(body)
    got = compile_lets(lets, ("a",), contract=False)(np.float32([3.0, -0.5]))
    np.testing.assert_array_equal(got, np.float32([9.0, 0.25]))
