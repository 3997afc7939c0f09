"""A training step of logistic regression: 400 examples of 784 float64 features."""

from __future__ import annotations

import importlib
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from places import host, symgraph_arrays, torch_array

from . import Arrays, Job

TITLE = "logistic regression step, 400 x 784 float64"
GOAL = 0.8
RTOL, ATOL = 1e-10, 1e-12
EXAMPLES, FEATURES = 400, 784
RATE, DECAY = 0.1, 0.01

Array = NDArray[np.float64]


@cache
def inputs() -> tuple[Array, Array, Array]:
    """Features, labels 0 and 1, and weights to begin with."""
    random = np.random.default_rng(0)
    x = random.standard_normal((EXAMPLES, FEATURES))
    labels = random.integers(0, 2, EXAMPLES).astype(np.float64)
    return x, labels, 0.1 * random.standard_normal(FEATURES)


def numpy_step(
    x: Array, labels: Array, w: Array, b: Array, lib: Any = np
) -> list[Array]:
    """The loss, and the weights and the bias after the step; `lib` may be CuPy."""
    z = x @ w + b
    loss = lib.mean(lib.logaddexp(0, z) - labels * z) + DECAY * lib.sum(w * w)
    delta = (1 / (1 + lib.exp(-z)) - labels) / len(labels)
    moved = w - RATE * (x.T @ delta + 2 * DECAY * w)
    return [loss, moved, b - RATE * lib.sum(delta)]


def reference() -> Arrays:
    return numpy_step(*inputs(), np.zeros(()))


def numpy_job(name: str = "numpy") -> Job:
    lib: Any = importlib.import_module(name)
    x, labels, w = (lib.asarray(value) for value in inputs())
    held = [lib.zeros(()), w, lib.zeros(())]

    def step() -> None:
        held[:] = numpy_step(x, labels, *held[1:], lib)

    return Job(step, lambda: [host(value) for value in held])


def symgraph_job() -> Job:
    import symgraph as sg

    x, labels = sg.dmatrix("x"), sg.dvector("labels")
    *batch, begin = symgraph_arrays(inputs())
    w, b = (sg.shared(value) for value in (begin, *symgraph_arrays([np.zeros(())])))
    z = x @ w + b
    loss = sg.mean(sg.logaddexp(0, z) - labels * z) + DECAY * sg.sum(w * w)
    gradients = sg.grad(loss, [w, b])
    updates = [(p, p - RATE * g) for p, g in zip([w, b], gradients, strict=True)]
    compiled = sg.function([x, labels], loss, updates=updates)
    held: list[Any] = []

    def step() -> None:
        held[:] = [compiled(*batch)]

    return Job(step, lambda: [*map(host, held), w.get_value(), b.get_value()])


def jax_job() -> Job:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def cost(values: Any, x: Any, labels: Any) -> Any:
        w, b = values
        z = x @ w + b
        return jnp.mean(jnp.logaddexp(0, z) - labels * z) + DECAY * jnp.sum(w * w)

    def update(values: Any, x: Any, labels: Any) -> Any:
        loss, gradients = jax.value_and_grad(cost)(values, x, labels)
        return loss, [p - RATE * g for p, g in zip(values, gradients, strict=True)]

    compiled = jax.jit(update, donate_argnums=0)
    *batch, begin = (jnp.asarray(value) for value in inputs())
    held: list[Any] = [None, [begin, jnp.zeros(())]]

    def step() -> None:
        held[:] = jax.block_until_ready(compiled(held[1], *batch))

    return Job(step, lambda: [np.asarray(value) for value in jax.tree.leaves(held)])


def torch_job(compiled: bool = False) -> Job:
    import torch

    x, labels, begin = (torch_array(value.copy()) for value in inputs())
    values = [begin.requires_grad_(), torch_array(np.zeros(())).requires_grad_()]

    def cost(x: Any, labels: Any) -> Any:
        w, b = values
        loss = torch.nn.functional.binary_cross_entropy_with_logits(x @ w + b, labels)
        return loss + DECAY * torch.sum(w * w)

    function = torch.compile(cost) if compiled else cost
    held: list[Any] = []

    def step() -> None:
        loss = function(x, labels)
        gradients = torch.autograd.grad(loss, values)
        with torch.no_grad():
            for value, gradient in zip(values, gradients, strict=True):
                value.sub_(gradient, alpha=RATE)
        held[:] = [loss.detach()]

    return Job(step, lambda: [host(v) for v in (*held, *values)])


def pytensor_job() -> Job:
    import pytensor
    import pytensor.tensor as pt

    x, labels = pt.dmatrix("x"), pt.dvector("labels")
    *batch, begin = inputs()
    w, b = pytensor.shared(begin), pytensor.shared(0.0)
    z = x @ w + b
    loss = pt.mean(pt.softplus(z) - labels * z) + DECAY * pt.sum(w * w)
    gradients = pytensor.grad(loss, [w, b])
    updates = [(p, p - RATE * g) for p, g in zip([w, b], gradients, strict=True)]
    compiled = pytensor.function([x, labels], loss, updates=updates, mode="NUMBA")
    held: list[Any] = []

    def step() -> None:
        held[:] = [compiled(*batch)]

    return Job(
        step, lambda: [np.asarray(v) for v in (*held, w.get_value(), b.get_value())]
    )


BUILDERS = {
    "symgraph": symgraph_job,
    "numpy": numpy_job,
    "cupy": partial(numpy_job, "cupy"),
    "jax": jax_job,
    "torch": torch_job,
    "torch.compile": lambda: torch_job(compiled=True),
    "pytensor": pytensor_job,
}
