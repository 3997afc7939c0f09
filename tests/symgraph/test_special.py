"""Functions composed of others, NumPy's and SciPy's names, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import special

import symgraph as sg
from symgraph.errors import UnsupportedError
from symgraph.op import Array
from symgraph.variable import Variable

from ..support import MODES, compute

POINTS = np.array(
    [-40.0, -3.7, -1.0, -1e-9, -0.0, 0.0, 1e-300, 1e-3, 0.4, 0.5, 2.5, 60]
)

#: Functions of one operand, and the same in NumPy or SciPy.
UNARY: list[tuple[Callable[..., Variable], Callable[..., Array]]] = [
    (sg.deg2rad, np.deg2rad),
    (sg.rad2deg, np.rad2deg),
    (sg.degrees, np.degrees),
    (sg.radians, np.radians),
    (sg.sinc, np.sinc),
    (sg.arcsin, np.arcsin),
    (sg.arccos, np.arccos),
    (sg.arctan, np.arctan),
    (sg.arcsinh, np.arcsinh),
    (sg.arccosh, np.arccosh),
    (sg.arctanh, np.arctanh),
    (sg.special.ndtri, special.ndtri),
    (sg.special.log_expit, special.log_expit),
    (sg.special.expit, special.expit),
    (sg.special.psi, special.psi),
    (lambda x: sg.special.polygamma(0, x), special.psi),
    (lambda x: sg.special.polygamma(4, x), lambda x: special.polygamma(4, x)),
]

#: Of two operands.
BINARY: list[tuple[Callable[..., Variable], Callable[..., Array]]] = [
    (sg.arctan2, np.arctan2),
    (sg.special.betaln, special.betaln),
    (sg.special.kl_div, special.kl_div),
]


@pytest.mark.parametrize("mode", MODES)
def test_functions_of_one_operand(mode: str) -> None:
    x = sg.dvector("x")
    results = compute([ours(x) for ours, _ in UNARY], [x], [POINTS], mode)
    for got, (ours, theirs) in zip(results, UNARY, strict=True):
        with np.errstate(all="ignore"):
            expected = theirs(POINTS)
        np.testing.assert_allclose(got, expected, 1e-13, 1e-300, err_msg=str(ours))


@pytest.mark.parametrize("mode", MODES)
def test_functions_of_two_operands(mode: str) -> None:
    x, y = sg.dvectors("x y")
    a, b = (g.ravel() for g in np.meshgrid(POINTS, POINTS))
    results = compute([ours(x, y) for ours, _ in BINARY], [x, y], [a, b], mode)
    for got, (ours, theirs) in zip(results, BINARY, strict=True):
        keep = (a > 0) & (b > 0) if ours is sg.special.betaln else a == a
        with np.errstate(all="ignore"):
            expected = theirs(a, b)
        np.testing.assert_allclose(
            got[keep], expected[keep], 1e-12, 1e-14, err_msg=str(ours)
        )


@pytest.mark.parametrize("mode", MODES)
def test_kl_div_is_infinite_where_rel_entr_is(mode: str) -> None:
    x, y = sg.dvectors("x y")
    a, b = (g.ravel() for g in np.meshgrid([0.0, 1.0, np.inf], [0.0, -1.0, -np.inf]))
    (got,) = compute([sg.special.kl_div(x, y)], [x, y], [a, b], mode)
    np.testing.assert_array_equal(got, special.kl_div(a, b))


@pytest.mark.parametrize("mode", MODES)
def test_betaln_of_operands_far_apart(mode: str) -> None:
    """Where values of `gammaln` would cancel, and its gradient, against mpmath."""
    x, y = sg.dvectors("x y")
    points = np.array([1e-8, 0.3, 1.0, 4.5, 9.9, 10.1, 33.0, 5e3, 1e9, 3e15])
    a, b = (g.ravel() for g in np.meshgrid(points, points))
    value = sg.special.betaln(x, y)
    got, slope = compute([value, sg.grad(sg.sum(value), x)], [x, y], [a, b], mode)
    with mpmath.workdps(60):
        for p, q, log_beta, rate in zip(a, b, got, slope, strict=True):
            m, n = mpmath.mpf(p), mpmath.mpf(q)
            whole = mpmath.loggamma(m) + mpmath.loggamma(n) - mpmath.loggamma(m + n)
            np.testing.assert_allclose(log_beta, float(whole), 2e-14, 2e-14)
            partial = mpmath.digamma(m) - mpmath.digamma(m + n)
            np.testing.assert_allclose(rate, float(partial), 1e-13, 1e-14)


@pytest.mark.parametrize("mode", MODES)
def test_gradients_where_formulas_meet(mode: str) -> None:
    """At 0 and at the edges of their domains, where quotients would be 0 / 0."""
    x, y = sg.dscalars("x y")
    s = sg.special
    cases: list[tuple[Any, list[float], list[float]]] = [
        (sg.sinc(x), [0.0, 1.0], [0.0]),
        (sg.grad(sg.sinc(x), x), [0.0, 1.0], [-(np.pi**2) / 3]),
        (sg.atan2(x, y), [0.0, 0.0], [0.0, 0.0]),
        (sg.atan2(x, y), [1e200, 1e200], [5e-201, -5e-201]),
        (sg.hypot(x, y), [0.0, 0.0], [0.0, 0.0]),
        (s.xlogy(x, y), [0.0, 0.0], [0.0, 0.0]),
        (s.xlogy(x, y), [0.0, 2.0], [np.log(2), 0.0]),
        (s.xlog1py(x, y), [0.0, -1.0], [0.0, 0.0]),
        (s.logit(x), [1e-300, 1.0], [1e300]),
        (s.log_ndtr(x), [-1e3, 1.0], [1000.000999998]),
        (s.log_ndtr(x), [50.0, 1.0], [0.0]),
        (s.gammaln(x), [1e-200, 1.0], [-1e200]),
        (s.log_expit(x), [-800.0, 1.0], [1.0]),
    ]
    for result, point, expected in cases:
        wrt = [x, y][: len(expected)]
        got = compute(
            sg.grad(result, wrt), [x, y], [np.float64(p) for p in point], mode
        )
        np.testing.assert_allclose(got, expected, 1e-9, 1e-300, err_msg=str(result))


def test_gamma_of_whole_numbers_is_whole() -> None:
    x = sg.dvector("x")
    whole = np.arange(1.0, 19.0)  # beyond, not every whole number is a float
    (got,) = compute([sg.special.gamma(x)], [x], [whole], "fast")
    np.testing.assert_array_equal(got, special.gamma(whole))


@pytest.mark.parametrize("order", [-1, 31, 1.5, True])
def test_orders_of_polygamma(order: Any) -> None:
    with pytest.raises(UnsupportedError, match=f"0 to 30, not {order}"):
        sg.special.polygamma(order, sg.dscalar("x"))


def test_all_of_special_is_scipys() -> None:
    for name in sg.special.__all__:
        assert hasattr(special, name), name


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1), (2, 0), (0, 1, 2), ()])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_over_several_axes(name: str, axis: Any) -> None:
    x, values = sg.dtensor3("x"), np.random.default_rng(0).standard_normal((3, 4, 5))
    mine, right = getattr(sg.special, name), getattr(special, name)
    f = sg.function([x], [mine(x, axis), getattr(sg, name)(x, axis)])
    for found in f(values):
        np.testing.assert_allclose(found, right(values, axis), rtol=1e-12)


def test_softmax_has_the_defaults_of_scipy_and_of_networks() -> None:
    values = np.random.default_rng(0).standard_normal((3, 4))
    x = sg.dmatrix("x")
    f = sg.function([x], [sg.special.softmax(x), sg.softmax(x)])
    over_all, rows = f(values)
    np.testing.assert_allclose(over_all, special.softmax(values))
    np.testing.assert_allclose(rows, special.softmax(values, axis=1))
    assert sg.special.log_softmax(0.3).eval() == 0
