"""The figures of the examples with loops, against what is known of them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def figures(name: str) -> dict[str, Any]:
    """What the example's `main` returns."""
    made: dict[str, Any] = runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]()
    return made


def test_lorenz() -> None:
    names = runpy.run_path(str(EXAMPLES / "lorenz.py"))
    found = names["main"]()
    states = found["states"]
    assert states.shape == (100_000, 3)
    assert found["mean_z"] == pytest.approx(23.55, abs=0.1)
    # Each state follows from the one before by the same formula in NumPy.
    x, y, z = states[:-1].T
    stages = [np.stack([x, y, z])]
    slopes = []
    for part in (0.5, 0.5, 1.0, None):
        x, y, z = stages[-1]
        slopes.append(np.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z]))
        if part:
            stages.append(stages[0] + part * names["DT"] * slopes[-1])
    k1, k2, k3, k4 = slopes
    after = stages[0] + names["DT"] / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    np.testing.assert_allclose(states[1:], after.T, rtol=0, atol=1e-12)
    # Neighbours part, at about the rate of the largest Lyapunov exponent.
    assert found["apart"][0] < 1e-9 and found["apart"][3000:].max() > 10
    assert 0.7 < found["rate"] < 1.2


def test_heat() -> None:
    found = figures("heat")
    for measured, scheme, equation in found["decays"]:
        assert measured == pytest.approx(scheme, rel=1e-10)
        assert measured == pytest.approx(equation, rel=0.005)
    assert found["warmth"].shape == (2000,)
    assert np.all(np.diff(found["warmth"]) < 1e-9)
    assert found["after"].sum() == pytest.approx(found["warmth"][-1])
    assert 0.4 < found["share"] < 0.6


def test_newton() -> None:
    found = figures("newton")["figures"]
    assert len(found) == 4
    for one in found:
        assert abs(one["residual"]) < 1e-14
        assert 3 <= one["rounds"] <= 10
        np.testing.assert_allclose(one["implicit"], one["unrolled"], rtol=1e-10)
        np.testing.assert_allclose(one["implicit"], one["differences"], rtol=1e-7)


def test_hmm() -> None:
    found = figures("hmm")
    total, posterior, expected = found["known"]
    assert found["total"] == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(found["posterior"], posterior, atol=1e-10)
    np.testing.assert_allclose(found["expected"], expected, atol=1e-8)
    np.testing.assert_allclose(found["posterior"].sum(axis=1), 1, rtol=1e-10)
    assert found["right"] > 0.8


def test_kalman() -> None:
    found = figures("kalman")
    # Durbin and Koopman (2012), section 2.10, and statsmodels' UnobservedComponents.
    assert found["eps"] == pytest.approx(15099, rel=1e-3)
    assert found["eta"] == pytest.approx(1469.1, rel=3e-3)
    assert found["likelihood"] == pytest.approx(-632.5456, abs=1e-3)
    assert found["levels"][-1] == pytest.approx(798.4, abs=0.5)


def test_char_lstm() -> None:
    found = figures("char_lstm")
    assert found["before"] == pytest.approx(np.log(len(found["letters"])), abs=0.05)
    assert found["after"] < 2.3
    assert len(found["written"]) == 300
    assert set(found["written"]) <= set(found["letters"])
    assert "the" in found["written"]


def test_mcmc() -> None:
    found = figures("mcmc")
    for name, one in found["figures"].items():
        mean, covariance = found["known"][name.split(", ")[0]]
        spread = np.sqrt(np.diag(covariance))
        # Five standard errors, by the number of draws that are independent.
        error = 5 * spread / np.sqrt(one["effective"])
        assert np.all(np.abs(one["mean"] - mean) < error), name
        low, high = (0.15, 0.4) if "metropolis" in name else (0.85, 1.0)
        assert low < one["accepted"] < high, name
    # The fast sampler's moments, closely.
    for name, tolerance in (("gaussian", 0.05), ("banana", 0.15)):
        one = found["figures"][f"{name}, hamiltonian"]
        _, covariance = found["known"][name]
        scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
        assert np.all(np.abs(one["covariance"] - covariance) < tolerance * scale), name
