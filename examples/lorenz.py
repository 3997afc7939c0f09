"""The Lorenz system: a hundred thousand steps of Runge and Kutta in one scan.

The step is written once, as a Python function of symbolic variables; the loop over it
is compiled, and keeps the state of each round.  Two things are known of the classic
parameters: the mean of z is about 23.5, and trajectories that begin close together
drift apart as exp(0.906 t) until they are as far apart as the attractor is wide.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import symgraph as sg

STEPS = 100_000
DT = 0.01
#: Rounds that are left out of the statistics: the way to the attractor.
ONSET = 1_000


def velocity(state: Any, sigma: float = 10.0, rho: float = 28.0) -> Any:
    """Lorenz's equations, for a state (x, y, z)."""
    x, y, z = state[0], state[1], state[2]
    return sg.stack([sigma * (y - x), x * (rho - z) - y, x * y - 8 / 3 * z])


def runge_kutta(state: Any, dt: float) -> Any:
    """A step of the classic method of fourth order."""
    k1 = velocity(state)
    k2 = velocity(state + dt / 2 * k1)
    k3 = velocity(state + dt / 2 * k2)
    k4 = velocity(state + dt * k3)
    return state + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def trajectory() -> sg.Function:
    """All states after a first one, an array of shape (STEPS, 3)."""
    start = sg.vector("start", "float64", (3,))

    def step(state: Any, _: None) -> tuple[Any, Any]:
        after = runge_kutta(state, DT)
        return after, after  # what is carried on, and what is kept

    _, states = sg.scan(step, start, length=STEPS)
    return sg.function([start], states, name="trajectory")


def picture(states: np.ndarray, columns: int = 72, lines: int = 24) -> str:
    """How often the plane of x and z is visited, darker where more often."""
    counts, _, _ = np.histogram2d(states[:, 2], states[:, 0], (lines, columns))
    shades = np.digitize(counts, np.quantile(counts[counts > 0], [0, 0.3, 0.6, 0.9]))
    return "\n".join("".join(" .:*#"[k] for k in row) for row in shades[::-1])


def growth(apart: np.ndarray) -> float:
    """The rate at which a distance grows, while it is small but not rounding."""
    small = np.arange(np.argmax(apart > 1e-8), np.argmax(apart > 1e-1))
    return float(np.polyfit(small * DT, np.log(apart[small]), 1)[0])


def main() -> dict[str, Any]:
    run = trajectory()
    states = run([1.0, 1.0, 1.0])
    x, y, z = states[ONSET:].T
    print(f"{STEPS} steps of {DT}, the first {ONSET} left out")
    for name, values in (("x", x), ("y", y), ("z", z)):
        low, high = values.min(), values.max()
        print(f"{name}: mean {values.mean():7.3f}, from {low:7.3f} to {high:7.3f}")
    print("the mean of z is known to be about 23.5")
    print(picture(states[ONSET:]))

    # Twice from the attractor, the second time a little beside the first.
    first = states[ONSET]
    beside = first + np.array([1e-10, 0, 0])
    apart = np.linalg.norm(run(first) - run(beside), axis=1)
    rate = growth(apart)
    print("a distance of 1e-10 grows:")
    for k in (500, 1000, 2000, 3000):
        print(f"  after t = {k * DT:4.0f}: {apart[k - 1]:.1e}")
    print(f"as exp({rate:.2f} t); the largest Lyapunov exponent is 0.906")
    return {"states": states, "apart": apart, "rate": rate, "mean_z": float(z.mean())}


if __name__ == "__main__":
    main()
