"""Markov chain Monte Carlo, wholly compiled: random draws and gradients inside a scan.

Two samplers for any log density that is written in symbols: Metropolis' random walk,
and Hamiltonian Monte Carlo, which follows the gradient for some steps (a scan inside
the scan) and so makes long moves that are nearly always accepted.  Each round folds its
number into a key that is made of a seed: the same seed gives the same chain.

They are tried on a correlated Gaussian, whose moments are known, and on a density in
the shape of a banana: x is normal with variance 100, and y + 0.03 (x**2 - 100) is
standard normal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import symgraph as sg

DRAWS = 20_000
MEAN = np.array([1.0, -2.0])
COVARIANCE = np.array([[2.0, 1.2], [1.2, 1.0]])
BEND = 0.03


def gaussian(q: Any) -> Any:
    """The log density of a correlated Gaussian, up to a constant."""
    away = q - MEAN
    return -sg.dot(away, np.linalg.inv(COVARIANCE) @ away) / 2


def banana(q: Any) -> Any:
    """A Gaussian that is bent; up to a constant."""
    x, y = q[0], q[1]
    return -(x**2 / 100 + (y + BEND * (x**2 - 100)) ** 2) / 2


def metropolis(density: Callable[..., Any], start: Any, key: Any, width: float) -> Any:
    """A random walk: a normal step, taken with the probability of the densities' ratio.

    Returns the states, and for each round whether it moved.
    """

    def step(state: Any, t: Any) -> Any:
        q, logp = state
        walk, toss = sg.random.split(sg.random.fold_in(key, t))
        new = q + width * sg.random.normal(walk, (2,))
        new_logp = density(new)
        taken = sg.log(sg.random.uniform(toss)) < new_logp - logp
        q, logp = sg.where(taken, new, q), sg.where(taken, new_logp, logp)
        return (q, logp), (q, taken)

    _, kept = sg.scan(step, (start, density(start)), sg.arange(DRAWS))
    return kept


def hamiltonian(
    density: Callable[..., Any], start: Any, key: Any, size: float, leaps: int
) -> Any:
    """A ball rolls over the density's hills for some `leaps`, each of a `size`.

    Returns the states, and for each round whether it moved.
    """

    def force(q: Any) -> Any:
        return sg.grad(density(q), q)

    def leap(state: Any, _: None) -> Any:
        q, p = state
        p = p + size / 2 * force(q)
        q = q + size * p
        return (q, p + size / 2 * force(q)), None

    def energy(q: Any, p: Any) -> Any:
        return sg.sum(p * p) / 2 - density(q)

    def step(q: Any, t: Any) -> Any:
        push, toss = sg.random.split(sg.random.fold_in(key, t))
        p = sg.random.normal(push, (2,))
        (new, end), _ = sg.scan(leap, (q, p), length=leaps)
        # Energy is kept but for the error of the leaps, which this makes up for.
        lost = energy(q, p) - energy(new, end)
        taken = sg.log(sg.random.uniform(toss)) < lost
        # The branch that is not taken costs nothing.
        q = sg.ifelse(taken, new, q)
        return q, (q, taken)

    _, kept = sg.scan(step, start, sg.arange(DRAWS))
    return kept


def effective(x: np.ndarray) -> float:
    """How many independent draws tell as much of the mean as these do."""
    x = x - x.mean()
    spectrum = np.abs(np.fft.rfft(x, 2 * len(x))) ** 2
    correlations = np.fft.irfft(spectrum)[: len(x)] / (x @ x)
    # Sums of neighbours are positive until they are noise (Geyer, 1992).
    pairs = correlations[: len(x) // 2 * 2].reshape(-1, 2).sum(1)
    end = int(np.argmax(pairs < 0)) or len(pairs)
    return float(len(x) / (2 * pairs[:end].sum() - 1))


def picture(draws: np.ndarray, columns: int = 72, lines: int = 20) -> str:
    """Where the draws are, dark where there are many."""
    counts, _, _ = np.histogram2d(draws[:, 1], draws[:, 0], (lines, columns))
    shades = np.digitize(counts, [1, 4, 16, 64])
    return "\n".join("".join(" .:*#"[k] for k in row) for row in shades[::-1])


def main() -> dict[str, Any]:
    start, seed = sg.dvector("start"), sg.lscalar("seed")
    key = sg.random.key(seed)
    samplers = {
        "gaussian, metropolis": metropolis(gaussian, start, key, 1.7),
        "gaussian, hamiltonian": hamiltonian(gaussian, start, key, 0.4, 8),
        "banana, metropolis": metropolis(banana, start, key, 4.0),
        "banana, hamiltonian": hamiltonian(banana, start, key, 0.5, 20),
    }
    known = {
        "gaussian": (MEAN, COVARIANCE),
        "banana": (np.zeros(2), np.diag([100, 1 + 2 * BEND**2 * 100**2])),
    }
    print(f"{DRAWS} draws      accepted  effective  mean          covariance")
    figures = {}
    for name, kept in samplers.items():
        sample = sg.function([start, seed], list(kept), name=name.split(", ")[1])
        draws, taken = sample(np.zeros(2), 1)
        mean, covariance = draws.mean(0), np.cov(draws.T)
        size = min(effective(draws[:, k]) for k in range(2))
        shown = covariance[np.triu_indices(2)].round(2)
        print(f"{name:22} {taken.mean():6.3f} {size:9.0f}   {mean.round(2)}  {shown}")
        figures[name] = {
            "mean": mean,
            "covariance": covariance,
            "accepted": float(taken.mean()),
            "effective": size,
        }
    for name, (mean, covariance) in known.items():
        print(f"{name + ', known':42}   {mean}  {covariance[np.triu_indices(2)]}")
    print(picture(draws))
    return {"figures": figures, "known": known}


if __name__ == "__main__":
    main()
