"""Functions that only combine elementwise ops, against NumPy in both modes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import DomainError, DTypeError
from symgraph.op import Array
from symgraph.types import FLOATS, INTEGERS, SIGNED, UNSIGNED
from symgraph.variable import Variable

from ..support import MODES, Computer, assert_same, compute

NAN, INF = np.nan, np.inf
VALUES = (
    *(0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1.0, -1.0, 3.7, -3.7, 125.0, 1e-310),
    *(NAN, INF, -INF, 1e38, 15.0, 25.0, 0.125),
)
Dtypes = tuple[str, ...]
ANY_FLOAT: Dtypes = FLOATS
ALL: Dtypes = ("bool", *INTEGERS, *FLOATS)


def fixed(x: Array) -> Array:
    return np.asarray(np.fix(x))


#: A name, the function, what it must give, and the dtypes of its one operand.
ONE: list[tuple[str, Callable[[Any], Any], Callable[[Any], Any], Dtypes]] = [
    ("positive", sg.positive, np.positive, (*INTEGERS, *FLOATS)),
    ("square", sg.square, np.square, ALL),
    ("reciprocal", sg.reciprocal, np.reciprocal, ALL),
    ("absolute", sg.absolute, np.absolute, ALL),
    ("fabs", sg.fabs, np.fabs, FLOATS),
    ("floor", math.floor, np.floor, FLOATS),
    ("ceil", math.ceil, np.ceil, FLOATS),
    ("trunc", math.trunc, np.trunc, FLOATS),
    ("floor of whole", sg.floor, np.floor, ("bool", *INTEGERS)),
    ("trunc of whole", sg.trunc, np.trunc, ("bool", *INTEGERS)),
    ("fix", sg.fix, fixed, FLOATS),
    ("round", sg.round, np.round, (*INTEGERS, *FLOATS)),
    ("round()", round, np.round, FLOATS),
    ("round 1", lambda x: sg.round(x, 1), lambda x: np.round(x, 1), FLOATS),
    ("round 2", lambda x: round(x, 2), lambda x: np.round(x, 2), FLOATS),
    ("round -1", lambda x: x.round(-1), lambda x: x.round(-1), (*INTEGERS[2:4],)),
    ("round -1", lambda x: x.round(-1), lambda x: x.round(-1), FLOATS),
    ("round -2", lambda x: x.round(-2), lambda x: x.round(-2), FLOATS),
    ("isposinf", sg.isposinf, np.isposinf, FLOATS),
    ("isneginf", sg.isneginf, np.isneginf, FLOATS),
    ("nan_to_num", sg.nan_to_num, np.nan_to_num, ALL),
    (
        "nan_to_num with",
        lambda x: sg.nan_to_num(x, 1.5, posinf=7, neginf=-7),
        lambda x: np.nan_to_num(x, nan=1.5, posinf=7, neginf=-7),
        FLOATS,
    ),
    ("angle", sg.angle, np.angle, FLOATS),
    ("sinc", sg.sinc, np.sinc, INTEGERS),
    ("x < 300", lambda x: x < 300, lambda x: x < 300, ALL[1:]),
    ("x != 300", lambda x: x != 300, lambda x: x != 300, ALL[1:]),
    ("-1 >= x", lambda x: sg.greater_equal(-1, x), lambda x: x <= -1, INTEGERS),
    ("x == -1", lambda x: x == -1, lambda x: x == -1, INTEGERS),
    ("x < 2**70", lambda x: x < 2**70, lambda x: x < 2**70, INTEGERS),
    ("logical_not", sg.logical_not, np.logical_not, ALL),
    ("bitwise_not", sg.bitwise_not, np.bitwise_not, INTEGERS),
    ("clip", lambda x: sg.clip(x, 0, 2), lambda x: np.clip(x, 0, 2), ALL[1:]),
    ("clip below", lambda x: x.clip(min=-1), lambda x: x.clip(min=-1), ALL[1:]),
    ("clip above", lambda x: x.clip(max=100), lambda x: x.clip(max=100), ALL[1:]),
    ("clip not", lambda x: x.clip(-(10**30), 10**30), lambda x: x, INTEGERS),
    ("clip crossed", lambda x: x.clip(3, 1), lambda x: x.clip(3, 1), FLOATS),
    ("2 << x", lambda x: 2 << x, lambda x: 2 << x, INTEGERS),
    ("x >> 1", lambda x: x >> 1, lambda x: x >> 1, INTEGERS),
    ("x ** 3", lambda x: x**3, lambda x: x**3, (*INTEGERS, *FLOATS)),
    ("x ** -2", lambda x: x**-2, lambda x: x**-2.0, FLOATS),
    ("x ** 70", lambda x: x**70, lambda x: x**70, INTEGERS),
    ("3 ** x", lambda x: 3**x, lambda x: 3**x, UNSIGNED),
    (
        "float_power",
        lambda x: sg.float_power(x, 2.5),
        lambda x: np.float_power(x, 2.5),
        ALL,
    ),
]

TWO: list[tuple[str, Callable[[Any, Any], Any], Callable[[Any, Any], Any], Dtypes]] = [
    ("fmax", sg.fmax, np.fmax, ALL),
    ("fmin", sg.fmin, np.fmin, ALL),
    ("heaviside", sg.heaviside, np.heaviside, FLOATS),
    ("floor_divide", lambda a, b: divmod(a, b)[0], np.floor_divide, ALL),
    ("remainder", lambda a, b: divmod(a, b)[1], np.remainder, ALL),
    ("mod", sg.mod, np.mod, ALL),
    ("fmod", sg.fmod, np.fmod, ALL),
    ("true_divide", sg.true_divide, np.true_divide, ALL),
    ("logical_and", sg.logical_and, np.logical_and, ALL),
    ("logical_or", sg.logical_or, np.logical_or, ALL),
    ("logical_xor", sg.logical_xor, np.logical_xor, ALL),
    (
        "clip",
        lambda a, b: sg.clip(a, b, None),
        lambda a, b: np.clip(a, b, None),
        FLOATS,
    ),
    ("clip", lambda a, b: sg.clip(1, a, b), lambda a, b: np.clip(1, a, b), FLOATS),
    ("isclose", sg.isclose, np.isclose, ALL[1:]),
    (
        "isclose",
        lambda a, b: sg.isclose(a, b, rtol=0.1, atol=0.3, equal_nan=True),
        lambda a, b: np.isclose(a, b, rtol=0.1, atol=0.3, equal_nan=True),
        FLOATS,
    ),
    ("power", sg.pow, np.power, UNSIGNED),
    ("float_power", sg.float_power, np.float_power, FLOATS),
]


def values(dtype: str) -> Array:
    """Interesting elements of `dtype`."""
    if dtype == "bool":
        return np.array([False, True, True])
    if dtype in FLOATS:
        with np.errstate(all="ignore"):
            return np.array(VALUES, dtype)
    limits = np.iinfo(dtype)
    numbers = [0, 1, 2, 3, 7, 15, 25, 35, 66, limits.max, limits.max - 1, limits.min]
    return np.array(numbers + [-1, -2, -15] * (dtype in SIGNED), dtype)


@pytest.mark.parametrize("mode", MODES)
def test_one_operand(mode: str) -> None:
    inputs = {dtype: sg.tensor(dtype, dtype, (None,)) for dtype in ALL}
    with np.errstate(all="ignore"):
        rows = [
            (f"{name} of {dtype}", build(inputs[dtype]), numpy(values(dtype)))
            for name, build, numpy, dtypes in ONE
            for dtype in dtypes
        ]
    run = Computer(list(inputs.values()), [row[1] for row in rows], mode)
    results = run(*(values(dtype) for dtype in inputs))
    for (name, _, expected), got in zip(rows, results, strict=True):
        assert_same(got, expected, name)
        assert_zeros(got, expected, name)


def assert_zeros(got: Array, expected: Array, name: str) -> None:
    """Zeros have the same signs, but where it is open which of two equals is taken."""
    if expected.dtype.kind == "f" and not name.startswith(("clip", "x **")):
        zero = expected == 0
        np.testing.assert_array_equal(
            np.signbit(got[zero]), np.signbit(expected[zero]), err_msg=name
        )


@pytest.mark.parametrize("mode", MODES)
def test_two_operands(mode: str) -> None:
    """Every pair of values, broadcast."""
    inputs: list[Variable] = []
    arrays: list[Array] = []
    for dtype in ALL:
        inputs += [sg.tensor(None, dtype, (None, 1)), sg.tensor(None, dtype, (None,))]
        arrays += [values(dtype)[:, None], values(dtype)]
    rows = []
    for name, build, numpy, dtypes in TWO:
        for dtype in dtypes:
            k = 2 * ALL.index(dtype)
            with np.errstate(all="ignore"):
                expected = numpy(*arrays[k : k + 2])
            rows.append((f"{name} of {dtype}", build(*inputs[k : k + 2]), expected))
    results = Computer(inputs, [row[1] for row in rows], mode)(*arrays)
    for (name, _, expected), got in zip(rows, results, strict=True):
        assert_same(got, expected, name)


@pytest.mark.parametrize("name", ["arctan2", "hypot", "logaddexp", "copysign"])
def test_floats_of_two_integers(name: str) -> None:
    """Two that are each computed in float32 are so together, as in NumPy."""
    for a, b in [("int8", "uint16"), ("int16", "uint32"), ("int16", "float32")]:
        given = np.array([1, 2], a), np.array([3, 4], b)
        x, y = sg.vector("x", a), sg.vector("y", b)
        assert getattr(sg, name)(x, y).dtype == getattr(np, name)(*given).dtype
    for a, scalar in [("int16", 2), ("int16", 2.5), ("bool", 2), ("float32", 2.5)]:
        expected = getattr(np, name)(np.ones(2, a), scalar).dtype
        assert getattr(sg, name)(sg.vector("x", a), scalar).dtype == expected


@pytest.mark.parametrize("mode", MODES)
def test_negative_integer_powers_are_refused(mode: str) -> None:
    x, y = sg.lvector("x"), sg.lvector("y")
    with pytest.raises(DomainError, match="negative integer power"):
        x**-1
    run = Computer([x, y], [x**y], mode)
    assert_same(run([2, -3], [3, 5])[0], np.array([8, -243]), "power")
    with pytest.raises(DomainError, match="negative integer power"):
        run([2, 3], [1, -2])


def test_names_are_aliases() -> None:
    assert sg.pow is sg.power and sg.mod is sg.remainder and sg.absolute is sg.abs
    assert sg.bitwise_left_shift is sg.left_shift and sg.bitwise_invert is sg.invert
    assert sg.true_divide is sg.divide and sg.around is sg.round


@pytest.mark.parametrize(
    ("build", "operand"),
    [
        (sg.positive, "bool"),
        (sg.sign, "bool"),
        (sg.negative, "bool"),
        (lambda x: x - x, "bool"),
        (lambda x: x << 1, "float64"),
        (sg.bitwise_count, "float32"),
        (sg.invert, "float32"),
    ],
)
def test_refused_dtypes(build: Callable[[Variable], Variable], operand: str) -> None:
    with pytest.raises(DTypeError):
        build(sg.tensor("x", operand, (None,)))


def test_whole_comparisons() -> None:
    x, y = sg.dvector("x"), sg.dvector("y")
    outputs = [sg.allclose(x, y), sg.array_equal(x, y), sg.array_equal(x, y, True)]
    given = [np.array([1.0, NAN]), np.array([1.0, NAN])]
    assert compute(outputs, [x, y], given) == [False, False, True]
    assert not sg.array_equal(x, sg.dmatrix("m")).eval()
    assert not sg.array_equal(sg.zeros(3), sg.zeros(4)).eval()
    assert sg.allclose(x, y, equal_nan=True).eval({x: given[0], y: given[1]})


@pytest.mark.parametrize(
    ("build", "at", "expected"),
    [
        (lambda x: sg.clip(x, 0, 1), [-1, 0.0, 0.5, 1.0, 2], [0, 0.5, 1, 0.5, 0]),
        (sg.sign, [-1.0, 0.0, 2.0], [0, 0, 0]),
        (sg.abs, [-1.0, 0.0, 2.0], [-1, 0, 1]),
        (sg.round, [-1.5, 0.0, 0.3], [0, 0, 0]),
        (lambda x: sg.fmax(x, 1.0), [NAN, 0.0, 1.0, 2.0], [0, 0, 0.5, 1]),
        (sg.nan_to_num, [NAN, INF, 3.0], [0, 0, 1]),
        (lambda x: sg.logaddexp(x, x[0]), [-INF, 3.0, INF], [0.5 + 0.5, 1, 1]),
        (lambda x: sg.logaddexp(x, 0.0), [-1e4, 1e4, 0.0], [0, 1, 0.5]),
        (lambda x: sg.heaviside(x, 0.5), [-1.0, 0.0, 1.0], [0, 0, 0]),
    ],
)
def test_gradients_at_kinks(
    build: Callable[[Variable], Variable], at: list[float], expected: list[float]
) -> None:
    x = sg.dvector("x")
    slope = sg.grad(sg.sum(build(x)), x, disconnected_inputs="ignore")
    np.testing.assert_allclose(slope.eval({x: np.array(at)}), expected, atol=1e-300)
