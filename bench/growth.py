"""Does a kernel cost no more among thousands than among ten?

Seconds to rewrite, lower and compile programs of 10 to 3,000 kernels, and operations of
up to 1,000 inputs, each in a fresh process and without the disk cache.  The figures go
to ``bench/GROWTH.md``; the last column is the time for each kernel or input, relative
to that of the smallest program of 100 or more.

    python bench/growth.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

PAGE = Path(__file__).resolve().parent / "GROWTH.md"

#: Graphs by name: what they are, and the numbers of kernels or inputs to try.
KINDS = {
    "distinct": ("a chain of kernels, all different", (10, 100, 300, 1_000, 3_000)),
    "equal": ("a chain of kernels, all alike", (10, 100, 300, 1_000, 3_000)),
    "gradient": ("a chain of kernels and its gradient", (10, 100, 300, 1_000, 3_000)),
    "add": ("a sum of so many inputs", (10, 100, 500, 1_000)),
    "concatenate": ("so many inputs end to end", (10, 100, 500, 1_000)),
}
COLUMNS = ("kernels", "build", "rewrite", "lower", "compile")


def built(kind: str, count: int):  # type: ignore[no-untyped-def]
    """Inputs and result; `count` is the number of kernels, or of inputs."""
    import symgraph as sg

    if kind in ("add", "concatenate"):
        inputs = [sg.vector(f"x{k}", "float64") for k in range(count)]
        if kind == "concatenate":
            return inputs, sg.concatenate(inputs)
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return inputs, total
    x = sg.vector("x", "float64")
    # Forwards and backwards, a link takes two kernels each: a sum, and what needs it.
    links = count // (4 if kind == "gradient" else 2)
    y = x
    for k in range(links):
        factor = 1.5 if kind == "equal" else 1 + 1e-3 * (k + 1)
        y = sg.sin(y * factor - sg.sum(y))
    return [x], sg.grad(sg.sum(y), x) if kind == "gradient" else y


def measure(kind: str, count: int) -> list[float]:
    """The figures of this process, in the order of `COLUMNS`."""
    import time

    import symgraph as sg

    sg.config.cache = False
    sg.function([x := sg.vector("x")], x + 1)  # LLVM starts
    begin = time.perf_counter()
    inputs, result = built(kind, count)
    built_in = time.perf_counter() - begin
    report = sg.function(inputs, result).report
    times = (report.rewrite_time, report.lower_time, report.build_time)
    return [report.kernels, built_in, *times]


def measured(kind: str, count: int) -> list[float]:
    """The figures of a fresh process."""
    command = [sys.executable, __file__, "--measure", kind, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", nargs=2, metavar=("GRAPH", "COUNT"))
    options = parser.parse_args()
    if options.measure:
        kind, count = options.measure
        print(*measure(kind, int(count)))
        return
    lines = [
        "# Growth",
        "",
        "Made by `python bench/growth.py`, in seconds.  The last column is the time",
        "for each kernel or input, relative to that of the first row with 100 or more.",
        "",
        f"| graph | size | {' | '.join(COLUMNS)} | all | each |",
        "|---|---:|" + "---:|" * (len(COLUMNS) + 2),
    ]
    table = Table("graph", "size", *COLUMNS, "all", "each")
    for kind, (what, sizes) in KINDS.items():
        first: float | None = None
        for count in sizes:
            kernels, *times = measured(kind, count)
            each = sum(times) / count
            first = each if first is None and count >= 100 else first
            ratio = "" if first is None else f"{each / first:.2f}"
            seconds = [f"{t:.3f}" for t in (*times, sum(times))]
            cells = [what, f"{count:,}", f"{int(kernels):,}", *seconds, ratio]
            lines.append(f"| {' | '.join(cells)} |")
            table.add_row(*cells)
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    Console().print(table)


if __name__ == "__main__":
    main()
