"""``exp(x) * sigmoid(y)`` over a million float64: one fused elementwise kernel."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Arrays, Job, stateless

TITLE = "exp(x) * sigmoid(y), 1M float64"
RTOL, ATOL = 1e-14, 0.0
SIZE = 1_000_000

Array = NDArray[np.float64]


@cache
def inputs() -> tuple[Array, Array]:
    random = np.random.default_rng(0)
    return random.standard_normal(SIZE), random.standard_normal(SIZE)


def formula(x: Array, y: Array) -> Array:
    return np.exp(x) / (1.0 + np.exp(-y))


def reference() -> Arrays:
    return [formula(*inputs())]


def numpy_job() -> Job:
    x, y = inputs()
    return stateless(lambda: formula(x, y))


def symgraph_job() -> Job:
    import symgraph as sg

    x, y = sg.dvectors("x y")
    compiled = sg.function([x, y], sg.exp(x) * sg.special.expit(y))
    a, b = inputs()
    return stateless(lambda: compiled(a, b))


def jax_job() -> Job:
    import jax

    jax.config.update("jax_enable_x64", True)
    compiled = jax.jit(lambda x, y: jax.numpy.exp(x) * jax.nn.sigmoid(y))
    a, b = (jax.numpy.asarray(value) for value in inputs())
    return stateless(lambda: compiled(a, b).block_until_ready())


def torch_job(compiled: bool = False) -> Job:
    import torch

    def formula(x: Any, y: Any) -> Any:
        return torch.exp(x) * torch.sigmoid(y)

    function = torch.compile(formula) if compiled else formula
    a, b = (torch.from_numpy(value) for value in inputs())
    return stateless(lambda: function(a, b))


def pytensor_job() -> Job:
    import pytensor
    import pytensor.tensor as pt

    x, y = pt.dvectors("x", "y")
    compiled = pytensor.function([x, y], pt.exp(x) * pt.sigmoid(y), mode="NUMBA")
    a, b = inputs()
    return stateless(lambda: compiled(a, b))


def numexpr_job() -> Job:
    import numexpr

    x, y = inputs()
    values = {"x": x, "y": y}
    text = "exp(x) / (1.0 + exp(-y))"
    return stateless(lambda: numexpr.evaluate(text, values))


BUILDERS = {
    "symgraph": symgraph_job,
    "numpy": numpy_job,
    "jax": jax_job,
    "torch": torch_job,
    "torch.compile": lambda: torch_job(compiled=True),
    "pytensor": pytensor_job,
    "numexpr": numexpr_job,
}
