"""A hidden Markov model, 32 states, 1,000 observations: likelihood and posteriors.

The forward algorithm in log space; the gradient with respect to the log likelihoods of
the observations in each state is the probability of the states, as Baum and Welch have
it.  All in float64.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from places import symgraph_arrays
from scipy.special import logsumexp

from . import Arrays, Job, stateless

TITLE = "HMM forward and posteriors, T 1,000, 32 states, float64"
GOAL = 0.7
RTOL, ATOL = 1e-9, 1e-9
STEPS, STATES = 1000, 32

Array = NDArray[np.float64]


@cache
def inputs() -> tuple[Array, Array, Array]:
    """Log probabilities: first states, transitions (from x to), observations."""
    random = np.random.default_rng(0)

    def normal(*shape: int) -> Array:
        scores = random.standard_normal(shape)
        return scores - logsumexp(scores, axis=-1, keepdims=True)

    return normal(STATES), normal(STATES, STATES), random.normal(-3, 1, (STEPS, STATES))


def reference() -> Arrays:
    first, moves, seen = inputs()
    ahead = np.empty((STEPS, STATES))
    ahead[0] = first + seen[0]
    for t in range(1, STEPS):
        ahead[t] = logsumexp(ahead[t - 1][:, None] + moves, axis=0) + seen[t]
    behind = np.zeros((STEPS, STATES))
    for t in range(STEPS - 2, -1, -1):
        behind[t] = logsumexp(moves + (seen[t + 1] + behind[t + 1])[None, :], axis=1)
    total = logsumexp(ahead[-1])
    return [np.asarray(total), np.exp(ahead + behind - total)]


def symgraph_job() -> Job:
    import symgraph as sg

    first, moves, seen = sg.dvector("first"), sg.dmatrix("moves"), sg.dmatrix("seen")

    def step(scores: Any, row: Any) -> Any:
        ways = sg.expand_dims(scores, 1) + moves
        return sg.special.logsumexp(ways, axis=0) + row, None

    last, _ = sg.scan(step, first + seen[0], seen[1:])
    total = sg.special.logsumexp(last)
    compiled = sg.function([first, moves, seen], [total, sg.grad(total, seen)])
    values = symgraph_arrays(inputs())
    return stateless(lambda: compiled(*values))


def jax_job() -> Job:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def total(seen: Any, first: Any, moves: Any) -> Any:
        def step(scores: Any, row: Any) -> Any:
            ways = scores[:, None] + moves
            return jax.scipy.special.logsumexp(ways, axis=0) + row, None

        last, _ = jax.lax.scan(step, first + seen[0], seen[1:])
        return jax.scipy.special.logsumexp(last)

    compiled = jax.jit(jax.value_and_grad(total))
    first, moves, seen = map(jnp.asarray, inputs())
    return stateless(lambda: jax.block_until_ready(compiled(seen, first, moves)))


def pytensor_job() -> Job:
    import pytensor
    import pytensor.tensor as pt

    first, moves, seen = pt.dvector("first"), pt.dmatrix("moves"), pt.dmatrix("seen")

    def logsumexp(x: Any) -> Any:
        # The gradient of pt.logsumexp is NaN where all of x is far below 0.
        largest = pt.max(x, axis=0)
        return largest + pt.log(pt.exp(x - largest).sum(axis=0))

    def step(row: Any, scores: Any, moves: Any) -> Any:
        return logsumexp(scores[:, None] + moves) + row

    kept = pytensor.scan(
        step,
        sequences=seen[1:],
        outputs_info=first + seen[0],
        non_sequences=moves,
        return_updates=False,
    )
    total = logsumexp(kept[-1])
    outputs = [total, pytensor.grad(total, seen)]
    compiled = pytensor.function([first, moves, seen], outputs, mode="NUMBA")
    values = inputs()
    return stateless(lambda: compiled(*values))


BUILDERS = {"symgraph": symgraph_job, "jax": jax_job, "pytensor": pytensor_job}
