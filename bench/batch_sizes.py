"""A step compiled once, and then fifty batch sizes: who compiles again?

The training step of ``workloads/mlp.py`` is compiled with a batch of 128.  What is
measured then is the time of the first step with each of fifty other sizes; see the
words under the table that this writes to ``bench/RESULTS.md``.

    python bench/batch_sizes.py --python .venv/bin/python --peers .venv-bench/bin/python
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import results
import runner

if TYPE_CHECKING:
    from workloads.mlp import Training

NAMES = ("symgraph", "numpy", "jax", "torch", "torch.compile")
#: Odd and even ones, and one that is 1.
SIZES = tuple(range(1, 251, 5))
#: float32, fifty steps on from the same parameters.
RTOL = 1e-3

WORDS = """\
The training step of a {network} network is compiled in an empty cache; then comes one
step with each of {count} batch sizes ({first}, {second}, ... {last}), none seen before.
*First result*: building, compiling and the step of 128; *new sizes*: the time of all
{count} steps; *known sizes*: of the same once more; *ratio*: new over known;
*compilations*: those that the new sizes asked for, as the library counts them
(symgraph: a function's `versions`; JAX: the cache of the jitted function;
torch.compile: the graphs that it made, as it comes, of which one is for a size of 1 and
one for all others).  Medians of {rounds} processes.  All losses are compared with
NumPy's in float64."""


def batches() -> list[tuple[Any, Any]]:
    """A batch of each size, from those of the workload over and over."""
    import numpy as np
    from workloads import mlp

    x, labels, _ = mlp.inputs()
    rows = [np.arange(size) * 7 % mlp.BATCH for size in SIZES]
    return [(x[row], labels[row]) for row in rows]


def reference(given: list[tuple[Any, Any]]) -> list[Any]:
    """NumPy's losses in float64, the first batch's before them."""
    import numpy as np
    from workloads import mlp

    x, labels, values = mlp.inputs()
    exact = [value.astype(np.float64) for value in values]
    return [
        mlp.numpy_step(exact, x.astype(np.float64), labels)
        for x, labels in [(x, labels), *given]
    ]


def timed(training: Training, given: list[tuple[Any, Any]]) -> tuple[float, list[Any]]:
    """The seconds that a step with each batch takes, and the losses."""
    import numpy as np

    begin = time.perf_counter()
    losses = [training.step(*batch) for batch in given]
    taken = time.perf_counter() - begin
    return taken, [np.asarray(loss) for loss in losses]


def measure(library: str) -> runner.Figures:
    """The figures of this process."""
    import numpy as np
    import worker
    from workloads import mlp

    for name in runner.LIBRARIES[library].imports:
        worker.preload(name)
    plain = batches()
    begin = time.perf_counter()
    training = mlp.TRAININGS[library]()
    first = [training.batch(*mlp.inputs()[:2])]
    _, losses = timed(training, first)
    built = time.perf_counter() - begin
    given = [training.batch(*batch) for batch in plain]
    before = training.compilations()
    new, more = timed(training, given)
    compilations = training.compilations() - before
    np.testing.assert_allclose([*losses, *more], reference(plain), rtol=RTOL)
    known, _ = timed(training, given)
    return {"first": built, "new": new, "known": known, "compilations": compilations}


def main() -> None:
    options = runner.parse(__doc__, NAMES, rounds=3)

    def run(library: str) -> runner.Figures:
        figures: runner.Figures = runner.call(
            options, library, "batch_sizes:measure", library
        )
        return figures

    found = runner.in_turn(options.rounds, options.present(), run)
    sheet = results.Sheet(
        "Fifty batch sizes after one compilation",
        "", "first result", "new sizes", "known sizes", "ratio", "compilations",
    )  # fmt: skip
    for library, figures in found.items():
        new, known = figures["new"][0], figures["known"][0]
        cells = [results.seconds(v) for v in (figures["first"][0], new, known)]
        sheet.add(
            library, *cells, f"{new / known:.2f}", f"{figures['compilations'][0]:.0f}"
        )
    results.publish(sheet.title, runner.describe(options), sheet, words(options))


def words(options: runner.Options) -> str:
    from workloads import mlp

    first, second, *_, last = SIZES
    return WORDS.format(
        network="-".join(map(str, mlp.SIZES)), count=len(SIZES), first=first,
        second=second, last=last, rounds=options.rounds,
    )  # fmt: skip


if __name__ == "__main__":
    main()
