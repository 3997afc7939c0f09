"""The heat equation on a square: an explicit stencil in a scan.

Each round adds to the inner points the second differences of their neighbours; the edge
stays at zero.  The product of two sine waves keeps its shape and decays by a factor
that is known for the discrete equation, and nearly that of the equation itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import symgraph as sg

POINTS = 101  # along each side of the unit square
STEPS = 2_000
#: dt / dx**2; beyond 1/4 the scheme is unstable.
RATIO = 0.2
DX = 1 / (POINTS - 1)
DT = RATIO * DX**2


def step(u: Any, _: None) -> tuple[Any, Any]:
    """One step in time, and the warmth that there is after it."""
    inner = u[1:-1, 1:-1]
    around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
    # An index on the left of an assignment, in symbols: u with these points changed.
    u = sg.inc_subtensor(inner, RATIO * (around - 4 * inner))
    return u, sg.sum(u)


def evolution() -> sg.Function:
    """The temperatures after STEPS steps, and the total warmth after each."""
    u = sg.matrix("u", "float64", (POINTS, POINTS))
    return sg.function([u], sg.scan(step, u, length=STEPS), name="heat")


def mode(i: int, j: int) -> np.ndarray:
    """i half waves along the first axis and j along the second."""
    x = np.linspace(0, 1, POINTS)
    return np.outer(np.sin(i * np.pi * x), np.sin(j * np.pi * x))


def factors(i: int, j: int) -> tuple[float, float]:
    """What such a mode is multiplied by: in the scheme, and in the equation."""
    waves = np.array([i, j])
    discrete = 1 - 4 * RATIO * np.sum(np.sin(waves * np.pi * DX / 2) ** 2)
    exact = np.exp(-(np.pi**2) * np.sum(waves**2) * STEPS * DT)
    return float(discrete**STEPS), float(exact)


def picture(u: np.ndarray, columns: int = 50, lines: int = 25) -> str:
    """Temperatures from zero to their maximum, dark where it is warm."""
    rows = np.linspace(0, POINTS - 1, lines).round().astype(int)
    places = np.linspace(0, POINTS - 1, columns).round().astype(int)
    shades = " .:-=+*#%@"
    levels = np.clip(u / u.max() * len(shades), 0, len(shades) - 1).astype(int)
    return "\n".join("".join(shades[k] for k in levels[row, places]) for row in rows)


def main() -> dict[str, Any]:
    run = evolution()
    decays = []
    print(f"{POINTS} x {POINTS} points, {STEPS} steps, until t = {STEPS * DT:.3f}")
    print("mode    computed      known (scheme)  known (equation)")
    for i, j in ((1, 1), (1, 2), (2, 3)):
        before = mode(i, j)
        after, _ = run(before)
        measured = float(np.sum(after * before) / np.sum(before**2))
        discrete, exact = factors(i, j)
        print(f"{i}, {j}    {measured:.10f}  {discrete:.10f}    {exact:.10f}")
        decays.append((measured, discrete, exact))

    # Two hot squares spread, meet, and lose their warmth through the edge.
    hot = np.zeros((POINTS, POINTS))
    hot[15:35, 20:40] = hot[55:80, 45:85] = 1.0
    after, warmth = run(hot)
    share = float(warmth[-1] / hot.sum())
    print(picture(hot))
    print(f"... after {STEPS} steps, with {100 * share:.1f} % of the warmth left:")
    print(picture(after))
    return {"decays": decays, "after": after, "warmth": warmth, "share": share}


if __name__ == "__main__":
    main()
