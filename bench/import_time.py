"""What ``import symgraph`` costs beside ``import numpy`` and ``import jax``."""

from __future__ import annotations

import subprocess
from functools import partial

import results
from runner import Figures, Options, describe, in_turn, parse

PROGRAM = """
import time
begin = time.perf_counter()
import {name}
print(time.perf_counter() - begin)
"""


def import_time(options: Options, name: str) -> Figures:
    """The seconds that importing `name` takes in a fresh process."""
    command = [options.interpreter(name), "-P", "-c", PROGRAM.format(name=name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"import": float(done.stdout)}


def main() -> None:
    options = parse(__doc__, ("numpy", "symgraph", "jax", "torch", "pytensor"))
    run = partial(import_time, options)
    times = in_turn(options.rounds, options.present(), run)
    sheet = results.Sheet("Import time", "import", "median", "ratio to numpy")
    for name, figures in times.items():
        taken = figures["import"][0]
        ratio = f"{taken / times['numpy']['import'][0]:.2f}"
        sheet.add(name, results.seconds(taken), ratio)
    results.publish(sheet.title, describe(options), sheet)


if __name__ == "__main__":
    main()
