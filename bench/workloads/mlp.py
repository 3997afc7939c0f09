"""A training step of a 784-512-512-10 network: cross-entropy, SGD, batch 128, float32.

Each library writes the step as its users would: the loss from the logits by its own
log-softmax, gradients by its own differentiation, parameters updated in its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from places import host, symgraph_arrays, torch_array

from . import Arrays, Job

TITLE = "MLP step 784-512-512-10, batch 128, float32"
GOAL = 0.95
RTOL, ATOL = 1e-4, 1e-6
SIZES = (784, 512, 512, 10)
BATCH = 128
RATE = 0.05

Array = NDArray[Any]


@cache
def inputs() -> tuple[NDArray[np.float32], NDArray[np.int64], list[Array]]:
    """A batch that looks like pixels, labels for it, and parameters to begin with.

    These are W1, b1, W2, b2, W3, b3: He-scaled weights (inputs x outputs), zero biases.
    """
    random = np.random.default_rng(0)
    x = random.random((BATCH, SIZES[0]), dtype=np.float32)
    labels = random.integers(0, SIZES[-1], BATCH)
    values: list[Array] = []
    for rows, columns in pairwise(SIZES):
        weights = random.standard_normal((rows, columns)) * np.sqrt(2.0 / rows)
        values += [weights.astype(np.float32), np.zeros(columns, np.float32)]
    return x, labels, values


def numpy_step(values: list[Array], x: Array, labels: Array, lib: Any = np) -> Array:
    """Update `values` in place by hand-written backpropagation; return the loss.

    `lib` may be CuPy.
    """
    layers = [x]
    for weights, bias in zip(values[0:-2:2], values[1:-2:2], strict=True):
        layers.append(lib.maximum(layers[-1] @ weights + bias, 0))
    logits = layers[-1] @ values[-2] + values[-1]
    shifted = logits - logits.max(axis=1, keepdims=True)
    logp = shifted - lib.log(lib.exp(shifted).sum(axis=1, keepdims=True))
    rows = lib.arange(len(labels))
    loss: Array = -logp[rows, labels].mean()

    delta = lib.exp(logp)
    delta[rows, labels] -= 1
    delta /= len(labels)
    for k in range(len(values) - 2, -1, -2):
        layer = layers[k // 2]
        weights_gradient, bias_gradient = layer.T @ delta, delta.sum(axis=0)
        if k:
            delta = (delta @ values[k].T) * (layer > 0)
        values[k] -= RATE * weights_gradient
        values[k + 1] -= RATE * bias_gradient
    return loss


def reference() -> Arrays:
    """The loss of one step and the parameters after it, in float64."""
    x, labels, values = inputs()
    values = [value.astype(np.float64) for value in values]
    return [numpy_step(values, x.astype(np.float64), labels), *values]


@dataclass(frozen=True)
class Training:
    """A network that learns.

    `batch` makes of NumPy's images and labels what `step` takes; a step returns the
    loss once the parameters are updated.  `values` are the parameters, and
    `compilations` says how often the library has compiled something so far.
    """

    batch: Callable[[Array, Array], Sequence[Any]]
    step: Callable[[Any, Any], Any]
    values: Callable[[], Arrays]
    compilations: Callable[[], int] = int


def as_given(x: Array, labels: Array) -> tuple[Any, Any]:
    return x, labels


def numpy_training() -> Training:
    values = [value.copy() for value in inputs()[2]]
    return Training(as_given, partial(numpy_step, values), lambda: values)


def cupy_training() -> Training:
    import cupy

    values = [cupy.asarray(value) for value in inputs()[2]]
    return Training(
        lambda x, labels: (cupy.asarray(x), cupy.asarray(labels)),
        partial(numpy_step, values, lib=cupy),
        lambda: [host(value) for value in values],
    )


def symgraph_training() -> Training:
    import symgraph as sg

    x, labels = sg.fmatrix("x"), sg.lvector("labels")
    shared = [sg.shared(value) for value in symgraph_arrays(inputs()[2])]
    layer = x
    for weights, bias in zip(shared[0:-2:2], shared[1:-2:2], strict=True):
        layer = sg.maximum(layer @ weights + bias, 0)
    logits = layer @ shared[-2] + shared[-1]
    logp = sg.special.log_softmax(logits, axis=1)
    loss = -sg.mean(logp[sg.arange(labels.shape[0]), labels])
    gradients = sg.grad(loss, shared)
    updates = [(p, p - RATE * g) for p, g in zip(shared, gradients, strict=True)]
    compiled = sg.function([x, labels], loss, updates=updates)
    return Training(
        lambda *given: symgraph_arrays(given),
        compiled,
        lambda: [p.get_value() for p in shared],
        lambda: len(compiled.versions),
    )


def jax_training() -> Training:
    import jax
    import jax.numpy as jnp

    def cost(values: Any, x: Any, labels: Any) -> Any:
        layer = x
        for weights, bias in zip(values[0:-2:2], values[1:-2:2], strict=True):
            layer = jnp.maximum(layer @ weights + bias, 0)
        logp = jax.nn.log_softmax(layer @ values[-2] + values[-1], axis=1)
        return -logp[jnp.arange(labels.shape[0]), labels].mean()

    def update(values: Any, x: Any, labels: Any) -> Any:
        loss, gradients = jax.value_and_grad(cost)(values, x, labels)
        moved = [p - RATE * g for p, g in zip(values, gradients, strict=True)]
        return loss, moved

    compiled = jax.jit(update, donate_argnums=0)
    held = [jnp.asarray(value) for value in inputs()[2]]

    def step(x: Any, labels: Any) -> Any:
        loss, held[:] = jax.block_until_ready(compiled(held, x, labels))
        return loss

    return Training(
        lambda x, labels: (jnp.asarray(x), jnp.asarray(labels)),
        step,
        lambda: [np.asarray(value) for value in held],
        compiled._cache_size,
    )


def torch_training(compiled: bool = False) -> Training:
    import torch

    values = [torch_array(v.copy()).requires_grad_() for v in inputs()[2]]

    def cost(x: Any, labels: Any) -> Any:
        layer = x
        for weights, bias in zip(values[0:-2:2], values[1:-2:2], strict=True):
            layer = torch.relu(torch.addmm(bias, layer, weights))
        logits = torch.addmm(values[-1], layer, values[-2])
        return torch.nn.functional.cross_entropy(logits, labels)

    function = torch.compile(cost) if compiled else cost

    def step(x: Any, labels: Any) -> Any:
        loss = function(x, labels)
        gradients = torch.autograd.grad(loss, values)
        with torch.no_grad():
            for value, gradient in zip(values, gradients, strict=True):
                value.sub_(gradient, alpha=RATE)
        return loss.detach()

    def compilations() -> int:
        graphs: int = torch._dynamo.utils.counters["stats"]["unique_graphs"]
        return graphs

    return Training(
        lambda x, labels: (torch_array(x), torch_array(labels)),
        step,
        lambda: [host(value) for value in values],
        compilations if compiled else int,
    )


def pytensor_training() -> Training:
    import pytensor
    import pytensor.tensor as pt

    x, labels = pt.fmatrix("x"), pt.lvector("labels")
    shared = [pytensor.shared(value) for value in inputs()[2]]
    layer = x
    for weights, bias in zip(shared[0:-2:2], shared[1:-2:2], strict=True):
        layer = pt.maximum(layer @ weights + bias, 0)
    logits = layer @ shared[-2] + shared[-1]
    logp = pt.special.log_softmax(logits, axis=1)
    loss = -logp[pt.arange(labels.shape[0]), labels].mean()
    gradients = pytensor.grad(loss, shared)
    rate = np.float32(RATE)
    updates = [(p, p - rate * g) for p, g in zip(shared, gradients, strict=True)]
    compiled = pytensor.function([x, labels], loss, updates=updates, mode="NUMBA")
    return Training(
        as_given, compiled, lambda: [p.get_value() for p in shared], lambda: 1
    )


TRAININGS: dict[str, Callable[[], Training]] = {
    "symgraph": symgraph_training,
    "numpy": numpy_training,
    "cupy": cupy_training,
    "jax": jax_training,
    "torch": torch_training,
    "torch.compile": lambda: torch_training(compiled=True),
    "pytensor": pytensor_training,
}


def job(library: str) -> Job:
    """A step on the one batch."""
    training = TRAININGS[library]()
    batch = training.batch(*inputs()[:2])
    loss: list[Any] = []

    def step() -> None:
        loss[:] = [training.step(*batch)]

    return Job(step, lambda: [host(v) for v in (*loss, *training.values())])


BUILDERS = {name: partial(job, name) for name in TRAININGS}
