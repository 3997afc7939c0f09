"""Does a kernel cost no more among thousands than among ten?

Seconds to rewrite, lower and compile programs of 10 to 3,000 kernels, and operations of
up to 1,000 inputs, each once, in a fresh process and without the disk cache.  See the
words under the table that this writes to ``bench/RESULTS.md``.

    python bench/growth.py --python .venv/bin/python
    ... --only equal --most 300 --busy                  # a trial
"""

from __future__ import annotations

from typing import Any

import results
import runner

#: Graphs by name: what they are, and the numbers of kernels or inputs to try.
KINDS = {
    "distinct": ("a chain of kernels, all different", (10, 100, 300, 1_000, 3_000)),
    "equal": ("a chain of kernels, all alike", (10, 100, 300, 1_000, 3_000)),
    "gradient": ("a chain of kernels and its gradient", (10, 100, 300, 1_000, 3_000)),
    "add": ("a sum of so many inputs", (10, 100, 500, 1_000)),
    "concatenate": ("so many inputs end to end", (10, 100, 500, 1_000)),
}
COLUMNS = ("kernels", "build", "rewrite", "lower", "compile")

WORDS = """\
In seconds.  *Build*: the graph, in Python; *rewrite*, *lower* and *compile*: to object
code.  *Each*: the time for each kernel or input, relative to that of the first row with
100 or more."""


def built(kind: str, count: int) -> tuple[list[Any], Any]:
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


def measure(kind: str, count: str) -> list[float]:
    """The figures of this process, in the order of `COLUMNS`."""
    import time

    import symgraph as sg

    sg.config.cache = False
    sg.function([x := sg.vector("x")], x + 1)  # LLVM starts
    begin = time.perf_counter()
    inputs, result = built(kind, int(count))
    built_in = time.perf_counter() - begin
    report = sg.function(inputs, result).report
    times = (report.rewrite_time, report.lower_time, report.build_time)
    return [report.kernels, built_in, *times]


def add(sheet: results.Sheet, options: runner.Options, kind: str, most: int) -> None:
    """Measure the rows of one kind."""
    what, sizes = KINDS[kind]
    first: float | None = None
    for count in sizes:
        if count > most:
            break
        figures = runner.call(options, "symgraph", "growth:measure", kind, count)
        kernels, *times = figures
        each = sum(times) / count
        first = each if first is None and count >= 100 else first
        ratio = "" if first is None else f"{each / first:.2f}"
        seconds = [f"{t:.3f}" for t in (*times, sum(times))]
        sheet.add(what, f"{count:,}", f"{int(kernels):,}", *seconds, ratio)


def main() -> None:
    parser = runner.parser(__doc__)
    parser.add_argument("--most", type=int, default=3_000, help="kernels or inputs")
    given = parser.parse_args()
    options = runner.chosen(given, ["symgraph"])
    title = "Compile time over the number of kernels"
    sheet = results.Sheet(title, "graph", "size", *COLUMNS, "all", "each")
    for kind in KINDS:
        if options.only in kind:
            add(sheet, options, kind, given.most)
    results.publish(title, runner.describe(options), sheet, WORDS)


if __name__ == "__main__":
    main()
