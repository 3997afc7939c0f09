"""A Kalman filter over 10,000 observations: log likelihood and its gradient, float64.

A local level model: a random walk seen with noise, whose two log variances the
gradient is taken with respect to.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from places import symgraph_arrays

from . import Arrays, Job, stateless

TITLE = "Kalman filter and its gradient, T 10,000, float64"
GOAL = 0.7
RTOL, ATOL = 1e-8, 1e-8
STEPS = 10_000

Array = NDArray[np.float64]


@cache
def inputs() -> tuple[Array, Array]:
    """Observations, and the log variances of the noise and of the walk."""
    random = np.random.default_rng(0)
    walk = np.cumsum(0.3 * random.standard_normal(STEPS))
    return walk + random.standard_normal(STEPS), np.log([1.2, 0.05])


def filtered(lib: Any, state: Any, y: Any, variances: Any) -> tuple[Any, Any]:
    """The next mean and variance of the level, and how likely an observation was."""
    mean, spread = state
    total = spread + variances[0]
    off = y - mean
    gain = spread / total
    after = mean + gain * off, spread * (1 - gain) + variances[1]
    return after, -0.5 * (lib.log(2 * np.pi * total) + off * off / total)


def reference() -> Arrays:
    """By a derivative carried forward beside each value."""
    y, logs = inputs()
    variances = np.exp(logs)
    mean, spread, total = 0.0, 1e3, 0.0
    slopes = {name: np.zeros(2) for name in ("mean", "spread", "total")}
    ones = np.diag(variances)
    for value in y:
        f, df = spread + variances[0], slopes["spread"] + ones[0]
        v, dv = value - mean, -slopes["mean"]
        k = spread / f
        dk = (slopes["spread"] - k * df) / f
        total += -0.5 * (np.log(2 * np.pi * f) + v * v / f)
        slopes["total"] += -0.5 * (df / f + 2 * v * dv / f - v * v * df / f**2)
        slopes["mean"] = slopes["mean"] + dk * v + k * dv
        slopes["spread"] = slopes["spread"] * (1 - k) - spread * dk + ones[1]
        mean, spread = mean + k * v, spread * (1 - k) + variances[1]
    return [np.asarray(total), slopes["total"]]


def symgraph_job() -> Job:
    import symgraph as sg

    y, logs = sg.dvector("y"), sg.tensor("logs", "float64", (2,))
    variances = sg.exp(logs)
    _, terms = sg.scan(
        lambda state, value: filtered(sg, state, value, variances), (0.0, 1e3), y
    )
    total = sg.sum(terms)
    compiled = sg.function([y, logs], [total, sg.grad(total, logs)])
    values = symgraph_arrays(inputs())
    return stateless(lambda: compiled(*values))


def jax_job() -> Job:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def total(logs: Any, y: Any) -> Any:
        variances = jnp.exp(logs)
        _, terms = jax.lax.scan(
            lambda state, value: filtered(jnp, state, value, variances), (0.0, 1e3), y
        )
        return jnp.sum(terms)

    compiled = jax.jit(jax.value_and_grad(total))
    y, logs = map(jnp.asarray, inputs())
    return stateless(lambda: jax.block_until_ready(compiled(logs, y)))


def pytensor_job() -> Job:
    import pytensor
    import pytensor.tensor as pt

    y, logs = pt.dvector("y"), pt.tensor("logs", dtype="float64", shape=(2,))
    variances = pt.exp(logs)

    def step(value: Any, mean: Any, spread: Any, variances: Any) -> Any:
        lib = SimpleNamespace(log=pt.log)
        after, term = filtered(lib, (mean, spread), value, variances)
        return [*after, term]

    begin = [pt.constant(0.0, dtype="float64"), pt.constant(1e3, dtype="float64")]
    *_, terms = pytensor.scan(
        step,
        sequences=y,
        outputs_info=[*begin, None],
        non_sequences=variances,
        return_updates=False,
    )
    total = terms.sum()
    outputs = [total, pytensor.grad(total, logs)]
    compiled = pytensor.function([y, logs], outputs, mode="NUMBA")
    values = inputs()
    return stateless(lambda: compiled(*values))


BUILDERS = {"symgraph": symgraph_job, "jax": jax_job, "pytensor": pytensor_job}
