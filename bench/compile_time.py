"""How soon is the first result of a training step there, in a fresh process?

Each figure comes from five processes a library, taken in turn.  *Whole process* runs
from starting Python to the first result.  *Imports excluded* leaves out all that is
imported, NumPy's making of the inputs, and the start of JAX's backend.  The first
result of each process, parameters included, is compared with NumPy's in float64.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from functools import partial

from runner import (
    Figures,
    Options,
    describe,
    in_turn,
    measure,
    parse,
    rows_of,
    show,
    write_section,
)
from workloads.mlp import TITLE

LIBRARIES = ("symgraph", "jax", "pytensor")
ALONE = "import jax alone"


def cold(options: Options) -> list[str]:
    """Tables of processes that find an empty cache."""
    run = partial(measure, options, "first", "mlp")
    times = in_turn(options, options.present(), run)
    lines: list[str] = []
    for title, figure in (("whole process", "process"), ("imports excluded", "first")):
        rows = rows_of(options.libraries, times, figure)
        lines += show(f"Empty cache, {title}", rows, to="jax")
    return lines


def import_alone(options: Options) -> Figures:
    """From starting Python to the end of ``import jax``, and nothing else."""
    program = "import jax, time; print(time.monotonic())"
    begin = time.monotonic()
    command = [options.peers, "-P", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"process": float(done.stdout) - begin}


def warm(options: Options) -> list[str]:
    """Tables of processes that find what an earlier one has compiled."""
    present = options.present()
    with tempfile.TemporaryDirectory() as root:

        def run(name: str) -> Figures:
            if name == ALONE:
                return import_alone(options)
            return measure(options, "first", "mlp", name, f"{root}/{name}")

        alone = [ALONE] if "jax" in present else []
        times = in_turn(options, [*present, *alone], run)
    whole = rows_of([*options.libraries, ALONE], times, "process")
    lines = show("From the cache, whole process", whole, to=ALONE)
    rows = rows_of(options.libraries, times, "first")
    return lines + show("From the cache, imports excluded", rows, to="jax")


def main() -> None:
    options = parse(__doc__, LIBRARIES)
    lines = [TITLE + ".", "", *describe(options)]
    write_section("Compile time", [*lines, *cold(options), *warm(options)])


if __name__ == "__main__":
    main()
