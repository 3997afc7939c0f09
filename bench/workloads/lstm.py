"""A training step of an LSTM: 100 steps, batch 32, 64 features to 128, float32.

The cost is the mean square of the last state's distance to a target; parameters move
down its gradient.  Each library loops in its own way: symgraph, JAX and PyTensor by a
scan, torch in Python.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from places import host, symgraph_arrays, torch_array

from . import Arrays, Job

TITLE = "LSTM step, T 100, batch 32, 64 to 128, float32"
GOAL = 0.6
RTOL, ATOL = 2e-3, 2e-6
STEPS, BATCH, FEATURES, UNITS = 100, 32, 64, 128
RATE = 0.1

Array = NDArray[Any]


@cache
def inputs() -> tuple[Array, Array, list[Array]]:
    """Sequences, targets, and parameters to begin with (gates i, f, g, o abreast)."""
    random = np.random.default_rng(0)

    def normal(scale: float, *shape: int) -> Array:
        return (scale * random.standard_normal(shape)).astype(np.float32)

    values = [
        normal(FEATURES**-0.5, FEATURES, 4 * UNITS),
        normal(UNITS**-0.5, UNITS, 4 * UNITS),
        np.zeros(4 * UNITS, np.float32),
    ]
    return normal(1.0, STEPS, BATCH, FEATURES), normal(0.5, BATCH, UNITS), values


def reference() -> Arrays:
    """Loss and parameters after a step, by hand-written backpropagation in float64."""
    x, target, values = inputs()
    x, target = x.astype(np.float64), target.astype(np.float64)
    w, u, b = (v.astype(np.float64) for v in values)
    h = np.zeros((BATCH, UNITS))
    c = np.zeros((BATCH, UNITS))
    kept = []
    for row in x:
        i, f, g, o = np.split(row @ w + h @ u + b, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-z)) for z in (i, f, o))
        g = np.tanh(g)
        before = h, c
        c = f * c + i * g
        h = o * np.tanh(c)
        kept.append((row, *before, i, f, g, o, c))
    loss = np.mean((h - target) ** 2)
    dh, dc = 2 * (h - target) / h.size, np.zeros_like(c)
    dw, du, db = np.zeros_like(w), np.zeros_like(u), np.zeros_like(b)
    for row, h, c, i, f, g, o, after in reversed(kept):
        t = np.tanh(after)
        dc = dc + dh * o * (1 - t * t)
        dz = np.concatenate(
            [
                dc * g * i * (1 - i),
                dc * c * f * (1 - f),
                dc * i * (1 - g * g),
                dh * t * o * (1 - o),
            ],
            axis=1,
        )
        dw, du, db = dw + row.T @ dz, du + h.T @ dz, db + dz.sum(0)
        dh, dc = dz @ u.T, dc * f
    moved = [v - RATE * d for v, d in zip((w, u, b), (dw, du, db), strict=True)]
    return [np.asarray(loss), *moved]


def symgraph_job() -> Job:
    import symgraph as sg

    x, target = sg.ftensor3("x"), sg.fmatrix("target")
    *batch, begin = inputs()
    batch = symgraph_arrays(batch)
    w, u, b = shared = [sg.shared(value) for value in symgraph_arrays(begin)]

    def step(carry: Any, row: Any) -> Any:
        h, c = carry
        cuts = [UNITS, 2 * UNITS, 3 * UNITS]
        i, f, g, o = sg.split(row @ w + h @ u + b, cuts, axis=1)
        c = sg.special.expit(f) * c + sg.special.expit(i) * sg.tanh(g)
        return (sg.special.expit(o) * sg.tanh(c), c), None

    zeros = sg.zeros((x.shape[1], UNITS), "float32")
    (h, _), _ = sg.scan(step, (zeros, zeros), x)
    loss = sg.mean((h - target) ** 2)
    gradients = sg.grad(loss, shared)
    updates = [(p, p - RATE * g) for p, g in zip(shared, gradients, strict=True)]
    compiled = sg.function([x, target], loss, updates=updates)
    held: list[Any] = []

    def once() -> None:
        held[:] = [compiled(*batch)]

    return Job(once, lambda: [*map(host, held), *(p.get_value() for p in shared)])


def jax_job() -> Job:
    import jax
    import jax.numpy as jnp

    def cost(values: Any, x: Any, target: Any) -> Any:
        w, u, b = values

        def step(carry: Any, row: Any) -> Any:
            h, c = carry
            i, f, g, o = jnp.split(row @ w + h @ u + b, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

        zeros = jnp.zeros((x.shape[1], UNITS), "float32")
        (h, _), _ = jax.lax.scan(step, (zeros, zeros), x)
        return jnp.mean((h - target) ** 2)

    def update(values: Any, x: Any, target: Any) -> Any:
        loss, gradients = jax.value_and_grad(cost)(values, x, target)
        return loss, [p - RATE * g for p, g in zip(values, gradients, strict=True)]

    compiled = jax.jit(update, donate_argnums=0)
    sequences, wanted, begin = inputs()
    batch = jnp.asarray(sequences), jnp.asarray(wanted)
    held: list[Any] = [None, [jnp.asarray(value) for value in begin]]

    def once() -> None:
        held[:] = jax.block_until_ready(compiled(held[1], *batch))

    return Job(once, lambda: [np.asarray(v) for v in jax.tree.leaves(held)])


def torch_job(compiled: bool = False) -> Job:
    import torch

    sequences, wanted, begin = inputs()
    x, target = torch_array(sequences), torch_array(wanted)
    values = [torch_array(v.copy()).requires_grad_() for v in begin]

    def cell(h: Any, c: Any, row: Any) -> Any:
        _, u, b = values
        i, f, g, o = (row + h @ u + b).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    function = torch.compile(cell) if compiled else cell
    held: list[Any] = []

    def once() -> None:
        h = c = torch.zeros(BATCH, UNITS, device=x.device)
        for row in x @ values[0]:
            h, c = function(h, c, row)
        loss = torch.mean((h - target) ** 2)
        gradients = torch.autograd.grad(loss, values)
        with torch.no_grad():
            for value, gradient in zip(values, gradients, strict=True):
                value.sub_(gradient, alpha=RATE)
        held[:] = [loss.detach()]

    return Job(once, lambda: [host(v) for v in (*held, *values)])


def pytensor_job() -> Job:
    import pytensor
    import pytensor.tensor as pt

    x, target = pt.ftensor3("x"), pt.fmatrix("target")
    sequences, wanted, begin = inputs()
    w, u, b = shared = [pytensor.shared(value) for value in begin]

    def step(row: Any, h: Any, c: Any, u: Any, b: Any) -> Any:
        z = row + h @ u + b
        i, f, g, o = (z[:, k * UNITS : (k + 1) * UNITS] for k in range(4))
        c = pt.sigmoid(f) * c + pt.sigmoid(i) * pt.tanh(g)
        return pt.sigmoid(o) * pt.tanh(c), c

    zeros = pt.zeros((x.shape[1], UNITS), "float32")
    h, _ = pytensor.scan(
        step,
        sequences=x @ w,
        outputs_info=[zeros, zeros],
        non_sequences=[u, b],
        return_updates=False,
    )
    loss = ((h[-1] - target) ** 2).mean()
    gradients = pytensor.grad(loss, shared)
    rate = np.float32(RATE)
    updates = [(p, p - rate * g) for p, g in zip(shared, gradients, strict=True)]
    compiled = pytensor.function([x, target], loss, updates=updates, mode="NUMBA")
    held: list[Any] = []

    def once() -> None:
        held[:] = [compiled(sequences, wanted)]

    return Job(
        once, lambda: [np.asarray(v) for v in (*held, *(p.get_value() for p in shared))]
    )


BUILDERS = {
    "symgraph": symgraph_job,
    "jax": jax_job,
    "torch": torch_job,
    "torch.compile": lambda: torch_job(compiled=True),
    "pytensor": pytensor_job,
}
