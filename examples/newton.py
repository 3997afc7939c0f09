"""Newton's method until it has converged, and the gradient of the root.

The root x(a) of f(x, a) = 0 is found by a loop whose number of rounds depends on the
data.  There are three ways to its derivative with respect to a:

- the implicit function theorem says that dx/da = -(df/da) / (df/dx) at the root: a
  `custom_vjp` that does not look at the loop at all;
- with `max_steps` the loop itself is differentiated, round by round: the states of all
  rounds are kept, and the result is exact only because the last steps are;
- differences of the results, with half of the digits.

The equation is Kepler's, x - e sin x = m: a planet's place on its orbit from the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import symgraph as sg

TOLERANCE = 1e-13


def kepler(x: Any, m: Any, e: Any) -> Any:
    """Zero where x is the eccentric anomaly for the mean anomaly m."""
    return x - e * sg.sin(x) - m


def loop(m: Any, e: Any, max_steps: int | None = None) -> tuple[Any, Any]:
    """Newton's method; the root, and the number of rounds."""

    def going(state: Any) -> Any:
        return abs(state["change"]) > TOLERANCE

    def step(state: Any) -> Any:
        x = state["x"]
        f = kepler(x, m, e)
        # The derivative is made when the graph is: no formula for it is needed.
        change = f / sg.grad(f, x)
        return {"x": x - change, "change": change, "rounds": state["rounds"] + 1}

    start = {"x": m + e, "change": 1.0, "rounds": 0}
    end = sg.while_loop(going, step, start, max_steps, name="newton")
    return end["x"], end["rounds"]


def implicit(g: Any, x: Any, m: Any, e: Any) -> tuple[Any, Any]:
    """The cotangents of m and e by the implicit function theorem."""
    f = kepler(x, m, e)
    by_x, by_m, by_e = sg.grad(f, [x, m, e])
    return -g * by_m / by_x, -g * by_e / by_x


root = sg.custom_vjp(lambda m, e: loop(m, e)[0], implicit, "kepler")


def derivatives(solve: Callable[..., Any], name: str) -> sg.Function:
    """The root by `solve`, and its derivatives with respect to m and e."""
    m, e = sg.dscalar("m"), sg.dscalar("e")
    x = solve(m, e)
    return sg.function([m, e], [x, *sg.grad(x, [m, e])], name=name)


def differences(f: Callable[..., Any], m: float, e: float, h: float = 1e-6) -> Any:
    """Derivatives of the first result of `f` by central differences."""
    by_m = (f(m + h, e)[0] - f(m - h, e)[0]) / (2 * h)
    by_e = (f(m, e + h)[0] - f(m, e - h)[0]) / (2 * h)
    return np.array([by_m, by_e])


def main() -> dict[str, Any]:
    by_theorem = derivatives(root, "implicit")
    by_rounds = derivatives(lambda m, e: loop(m, e, 30)[0], "unrolled")
    a, b = sg.dscalar("m"), sg.dscalar("e")
    rounds = sg.function([a, b], loop(a, b)[1], name="rounds")

    figures = []
    print("  m    e   rounds        root           dx/dm           dx/de")
    for m, e in ((1.0, 0.1), (0.5, 0.9), (2.5, 0.6), (0.01, 0.99)):
        x, *implied = by_theorem(m, e)
        unrolled = by_rounds(m, e)[1:]
        guessed = differences(by_theorem, m, e)
        count = int(rounds(m, e))
        residual = float(x - e * np.sin(x) - m)
        print(f"{m:4} {e:4} {count:4} {x:18.12f}  ({residual:+.0e} off)")
        for name, values in (
            ("implicit", implied), ("unrolled", unrolled), ("differences", guessed)
        ):  # fmt: skip
            print(f"  {name:24} {values[0]:15.10f} {values[1]:15.10f}")
        figures.append(
            {
                "root": float(x),
                "rounds": count,
                "residual": residual,
                "implicit": np.array(implied),
                "unrolled": np.array(unrolled),
                "differences": guessed,
            }
        )
    return {"figures": figures}


if __name__ == "__main__":
    main()
