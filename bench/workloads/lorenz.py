"""The Lorenz system: 100,000 Euler steps in float64, every state kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from places import symgraph_arrays

from . import Arrays, Job, stateless

TITLE = "Lorenz system, 100,000 Euler steps, all kept"
GOAL = 0.7
#: The system is chaotic: rounding grows by e every step of time, of which there are 20.
RTOL, ATOL = 1e-5, 1e-5
STEPS, DT = 100_000, 2e-4
SIGMA, RHO, BETA = 10.0, 28.0, 8.0 / 3.0


def inputs() -> NDArray[np.float64]:
    return np.array([1.0, 1.0, 1.0])


def reference() -> Arrays:
    x, y, z = inputs()
    kept = np.empty((STEPS, 3))
    for t in range(STEPS):
        x, y, z = (
            x + DT * SIGMA * (y - x),
            y + DT * (x * (RHO - z) - y),
            z + DT * (x * y - BETA * z),
        )
        kept[t] = x, y, z
    return [kept]


def euler(stack: Any, state: Any) -> Any:
    x, y, z = state[0], state[1], state[2]
    slope = stack([SIGMA * (y - x), x * (RHO - z) - y, x * y - BETA * z])
    return state + DT * slope


def symgraph_job() -> Job:
    import symgraph as sg

    begin = sg.tensor("begin", "float64", (3,))

    def step(state: Any, _: Any) -> Any:
        moved = euler(sg.stack, state)
        return moved, moved

    _, path = sg.scan(step, begin, length=STEPS)
    compiled = sg.function([begin], path)
    (value,) = symgraph_arrays([inputs()])
    return stateless(lambda: compiled(value))


def jax_job() -> Job:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def step(state: Any, _: Any) -> Any:
        moved = euler(jnp.stack, state)
        return moved, moved

    compiled = jax.jit(lambda begin: jax.lax.scan(step, begin, length=STEPS)[1])
    value = jnp.asarray(inputs())
    return stateless(lambda: jax.block_until_ready(compiled(value)))


def pytensor_job() -> Job:
    import pytensor
    import pytensor.tensor as pt

    begin = pt.tensor("begin", dtype="float64", shape=(3,))
    path = pytensor.scan(
        lambda state: euler(pt.stack, state),
        outputs_info=begin,
        n_steps=STEPS,
        return_updates=False,
    )
    compiled = pytensor.function([begin], path, mode="NUMBA")
    value = inputs()
    return stateless(lambda: compiled(value))


BUILDERS = {"symgraph": symgraph_job, "jax": jax_job, "pytensor": pytensor_job}
