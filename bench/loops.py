"""What does a loop cost as it gets longer: to compile, and in memory?

A recurrent step over 10 to a million rounds, of which only the last state is wanted;
and its gradient over 100 to 10,000 rounds, with everything kept, with products computed
again, and with a checkpoint every so many rounds as the root of their number.  See the
words under the tables that this writes to ``bench/RESULTS.md``.

    python bench/loops.py --python .venv/bin/python --peers .venv-bench/bin/python
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import isqrt
from typing import Any

import results
import runner

FORWARD = (10, 1_000, 100_000, 1_000_000)
BACKWARD = (100, 900, 10_000)
#: Of the state that is carried in the gradient's loop.
BATCH, UNITS = 16, 64
WAYS = {
    "all kept": {},
    "products again": {"remember": False},
    "checkpoints": {"checkpoint_every": 0},
}

FORWARD_WORDS = """\
``h = cos(h) + 1e-3`` for a state of 100 float64, of which only the last is asked for.
(A sequence to go through would be an array: ``arange(10**6)`` takes 8 MB in both.)
*Compile*: building and compiling, imports excluded; *run*: one call;
*peak*: memory taken at the most by both, above what was taken after the imports."""
BACKWARD_WORDS = """\
The gradient of a cost of the last state of ``h = tanh(h @ u + x)``, {batch} x {units}
float32, with respect to `u`; x is {units} numbers a round.  *Peak*: memory taken at
the most by compiling and one call.  JAX keeps all, or what `jax.checkpoint` around
chunks of as many rounds leaves it."""


def forward(library: str, rounds: str) -> runner.Figures:
    """The figures of a loop of which the last state is wanted, in this process."""
    import numpy as np
    from machine import Memory

    count, value = int(rounds), np.linspace(0.0, 1.0, 100)
    make = {"symgraph": _symgraph_forward, "jax": _jax_forward}[library]
    _prepare(library)
    memory = Memory()
    begin = time.perf_counter()
    run = make(count)
    first = np.asarray(run(value))
    compiled = time.perf_counter() - begin
    ran = min(timed(lambda: run(value)) for _ in range(3))
    assert np.isfinite(first).all()
    return {"compile": compiled - ran, "run": ran, "peak": memory.peak()}


def timed(step: Callable[[], Any]) -> float:
    """Seconds that `step` takes."""
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def _prepare(library: str) -> None:
    import worker

    for name in runner.LIBRARIES[library].imports:
        worker.preload(name)


def _symgraph_forward(count: int) -> Any:
    import symgraph as sg

    h = sg.dvector("h")
    kept = sg.scan(lambda c: sg.cos(c) + 1e-3, outputs_info=h, n_steps=count)
    return sg.function([h], kept[-1])


def _jax_forward(count: int) -> Any:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def loop(h: Any) -> Any:
        def step(c: Any, _: None) -> Any:
            return jnp.cos(c) + 1e-3, None

        return jax.lax.scan(step, h, None, count)[0]

    compiled = jax.jit(loop)
    return lambda h: jax.block_until_ready(compiled(h))


def backward(library: str, way: str, rounds: str) -> runner.Figures:
    """The figures of a gradient through a loop, in this process."""
    import numpy as np
    from machine import Memory

    count = int(rounds)
    random = np.random.default_rng(0)
    x = random.standard_normal((count, UNITS)).astype(np.float32)
    u = (random.standard_normal((UNITS, UNITS)) / UNITS).astype(np.float32)
    make = {"symgraph": _symgraph_backward, "jax": _jax_backward}[library]
    _prepare(library)
    memory = Memory()
    run = make(way, count)
    run(x, u)
    peak = memory.peak()
    return {"run": timed(lambda: run(x, u)), "peak": peak}


def _symgraph_backward(way: str, count: int) -> Any:
    import symgraph as sg

    x, u = sg.fmatrix("x"), sg.fmatrix("u")
    options: dict[str, Any] = dict(WAYS[way])
    if "checkpoint_every" in options:
        options["checkpoint_every"] = isqrt(count)
    zero = sg.zeros((BATCH, UNITS), "float32")
    h, _ = sg.scan(lambda h, v: (sg.tanh(h @ u + v), None), zero, x, **options)
    return sg.function([x, u], sg.grad(sg.sum(h * h), u))


def _jax_backward(way: str, count: int) -> Any:
    import jax
    import jax.numpy as jnp

    def cost(u: Any, x: Any) -> Any:
        def step(h: Any, v: Any) -> Any:
            return jnp.tanh(h @ u + v), None

        h = jnp.zeros((BATCH, UNITS), "float32")
        if way == "all kept":
            h, _ = jax.lax.scan(step, h, x)
        else:
            chunks = x.reshape(count // isqrt(count), isqrt(count), UNITS)
            chunk = jax.checkpoint(lambda h, rows: jax.lax.scan(step, h, rows))
            h, _ = jax.lax.scan(lambda h, rows: (chunk(h, rows)[0], None), h, chunks)
        return jnp.sum(h * h)

    compiled = jax.jit(jax.grad(cost))
    return lambda x, u: jax.block_until_ready(compiled(u, x))


def main() -> None:
    options = runner.parse(__doc__, ("symgraph", "jax"), rounds=1)
    libraries = [name for name in ("symgraph", "jax") if name in options.present()]
    sheet = results.Sheet(
        "Loops by their number of rounds",
        "", "rounds", "compile", "run", "peak",
    )  # fmt: skip
    for library in libraries:
        for count in FORWARD:
            found = runner.call(options, library, "loops:forward", library, str(count))
            times = [results.seconds(found[k]) for k in ("compile", "run")]
            sheet.add(library, f"{count:,}", *times, results.size(found["peak"]))
    results.publish(sheet.title, runner.describe(options), sheet, FORWARD_WORDS)
    other = results.Sheet(
        "Memory of gradients through loops",
        "", "rounds", "way", "run", "peak",
    )  # fmt: skip
    for library in libraries:
        for way in WAYS:
            if library == "jax" and way == "products again":
                continue
            for count in BACKWARD:
                found = runner.call(
                    options, library, "loops:backward", library, way, str(count)
                )
                run, peak = results.seconds(found["run"]), results.size(found["peak"])
                other.add(library, f"{count:,}", way, run, peak)
    words = BACKWARD_WORDS.format(batch=BATCH, units=UNITS)
    results.publish(other.title, runner.describe(options), other, words)


if __name__ == "__main__":
    main()
