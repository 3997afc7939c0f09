"""What ``import symgraph`` costs beside ``import numpy`` and ``import jax``."""

from __future__ import annotations

import subprocess
from functools import partial

from runner import (
    Figures,
    Options,
    describe,
    in_turn,
    parse,
    rows_of,
    show,
    write_section,
)

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
    times = in_turn(options, options.present(), partial(import_time, options))
    rows = rows_of(options.libraries, times, "import")
    lines = show("import", rows, to="numpy")
    write_section("Import time", [*describe(options), *lines])


if __name__ == "__main__":
    main()
