"""Log-softmax over the rows of a 4096 x 1024 float32 matrix: one kernel, row by row."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Arrays, Job, stateless

TITLE = "log-softmax, 4096 x 1024 float32"
RTOL, ATOL = 1e-6, 4e-6
SHAPE = (4096, 1024)

Array = NDArray[Any]


@cache
def inputs() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32)


def formula(x: Array) -> Array:
    shifted = x - x.max(axis=1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def reference() -> Arrays:
    return [formula(inputs().astype(np.float64))]


def numpy_job() -> Job:
    x = inputs()
    return stateless(lambda: formula(x))


def symgraph_job() -> Job:
    import symgraph as sg

    x = sg.fmatrix("x")
    compiled = sg.function([x], sg.special.log_softmax(x, axis=1))
    a = inputs()
    return stateless(lambda: compiled(a))


def jax_job() -> Job:
    import jax

    compiled = jax.jit(lambda x: jax.nn.log_softmax(x, axis=1))
    a = jax.numpy.asarray(inputs())
    return stateless(lambda: compiled(a).block_until_ready())


def torch_job(compiled: bool = False) -> Job:
    import torch

    def formula(x: Any) -> Any:
        return torch.log_softmax(x, dim=1)

    function = torch.compile(formula) if compiled else formula
    a = torch.from_numpy(inputs())
    return stateless(lambda: function(a))


def pytensor_job() -> Job:
    import pytensor
    import pytensor.tensor as pt

    x = pt.fmatrix("x")
    out = pt.special.log_softmax(x, axis=1)
    compiled = pytensor.function([x], out, mode="NUMBA")
    a = inputs()
    return stateless(lambda: compiled(a))


BUILDERS = {
    "symgraph": symgraph_job,
    "numpy": numpy_job,
    "jax": jax_job,
    "torch": torch_job,
    "torch.compile": lambda: torch_job(compiled=True),
    "pytensor": pytensor_job,
}
