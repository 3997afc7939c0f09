"""The steady time of a step, beside NumPy, JAX, torch and others.

In each of five processes a library, taken in turn, the median over a second's steps
once all is compiled; the table shows the median over the processes.  All run with the
same number of threads on the same cores, and the first result is compared with NumPy's.
"""

from __future__ import annotations

import importlib
from functools import partial

from runner import describe, in_turn, measure, parse, rows_of, show, write_section

WORKLOADS = ("mlp", "exp_sigmoid", "log_softmax")
LIBRARIES = ("symgraph", "numpy", "jax", "torch", "pytensor", "numexpr")


def main() -> None:
    options = parse(__doc__, LIBRARIES)
    present = options.present()
    lines = describe(options)
    for name in WORKLOADS:
        workload = importlib.import_module(f"workloads.{name}")
        able = [
            library for library in options.libraries if library in workload.BUILDERS
        ]
        run = partial(measure, options, "steady", name)
        times = in_turn(options, [n for n in able if n in present], run)
        lines += show(workload.TITLE, rows_of(able, times, "step"), to="symgraph")
    write_section("Run time", lines)


if __name__ == "__main__":
    main()
