"""A local level model of the Nile, fitted by the gradient of a Kalman filter.

The level of the river walks at random, and each year's flow is the level and noise:

    flow[t] = level[t] + eps,    level[t + 1] = level[t] + eta.

The filter is a scan that carries what is known of the level, its mean and variance, and
adds up the log likelihood of the flows.  Its gradient with respect to the two variances
makes the fit.  Durbin and Koopman ("Time Series Analysis by State Space Methods", 2012,
section 2.10) give the estimates: 15099 for eps and 1469.1 for eta.

The data are 100 annual flows at Aswan, 1871 to 1970, in 10**8 cubic metres.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

import symgraph as sg

# fmt: off
FLOWS = np.array([
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020,
    960, 1180, 799, 958, 1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840,
    874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969, 831, 726, 456, 824, 702, 1120,
    1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759, 781, 865,
    845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874,
    848, 890, 744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170,
    912, 746, 919, 718, 714, 740,
], dtype=float)
# fmt: on


def kalman(flows: Any, eps: Any, eta: Any) -> tuple[Any, Any, Any]:
    """Log likelihood of all flows after the first; levels and their variances."""

    def step(state: Any, flow: Any) -> tuple[Any, Any]:
        mean, variance, total = state
        # What the flow is expected to be, and how far off it is.
        error, spread = flow - mean, variance + eps
        total = total - (sg.log(2 * np.pi * spread) + error**2 / spread) / 2
        # What it says of this year's level, and then of the next year's.
        gain = variance / spread
        mean, variance = mean + gain * error, variance * (1 - gain)
        return (mean, variance + eta, total), (mean, variance)

    # Nothing was known before the first year: the first flow is the first estimate.
    start = (flows[0], eps + eta, 0.0)
    (_, _, total), (levels, variances) = sg.scan(step, start, flows[1:])
    return total, levels, variances


def picture(levels: np.ndarray, lines: range = range(1400, 400, -80)) -> str:
    """Flows (o) and levels (#) over the years, one column a year."""
    rows = []
    for high in lines:
        shown = ""
        for flow, level in zip(FLOWS[1:], levels, strict=True):
            here = [high - 80 < value <= high for value in (level, flow)]
            shown += "#" if here[0] else "o" if here[1] else " "
        rows.append(f"{high - 40:5} {shown}".rstrip())
    return "\n".join(rows)


def main() -> dict[str, Any]:
    flows, logs = sg.dvector("flows"), sg.dvector("logs")
    # Logarithms of variances: those may be any numbers.
    eps, eta = sg.exp(logs[0]), sg.exp(logs[1])
    total, levels, variances = kalman(flows, eps, eta)
    loss = -total / (flows.shape[0] - 1)
    fit = sg.function([flows, logs], [loss, sg.grad(loss, logs)], name="likelihood")
    run = sg.function([flows, logs], [total, levels, variances], name="filter")

    start = np.full(2, np.log(FLOWS.var()))
    found = minimize(
        lambda at: fit(FLOWS, at),
        start,
        jac=True,
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-9},
    )
    value, known, spreads = run(FLOWS, found.x)
    eps_hat, eta_hat = np.exp(found.x)
    before, slope = fit(FLOWS, start)
    print(f"before: log likelihood {-99 * before:.4f}, gradient {slope.round(4)}")
    print(f"after {found.nfev} evaluations: log likelihood {value:.4f}")
    print(f"variance of eps: {eps_hat:9.1f}   (known: 15099)")
    print(f"variance of eta: {eta_hat:9.1f}   (known: 1469.1)")
    print(f"level in 1970: {known[-1]:.1f} with a standard deviation of "
          f"{np.sqrt(spreads[-1]):.1f}")  # fmt: skip
    print("flows (o) and filtered levels (#), 1872 to 1970:")
    print(picture(known))
    return {
        "eps": float(eps_hat),
        "eta": float(eta_hat),
        "likelihood": float(value),
        "levels": known,
        "evaluations": int(found.nfev),
    }


if __name__ == "__main__":
    main()
