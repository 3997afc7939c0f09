"""Do deep and wide graphs cost no more for each node than small ones?

Chains ``y = sin(y)``, ``y = y + x`` and ``y = y + y``, and one sum of many inputs:
seconds to build, differentiate, rewrite, print and pickle them, and to run them by
``mode="interpret"``, each in a fresh process.  Then the time to compile the expression
with its gradients.

    python bench/depth.py
"""

from __future__ import annotations

import argparse
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

CHAINS = ("sin", "add", "double")
STAGES = ("build", "gradient", "rewrite", "print", "pickle", "interpret")
T = TypeVar("T")


def sizes(kind: str) -> tuple[int, ...]:
    """Numbers of operations; the last is what must take less than a minute."""
    return (1_000, 10_000, 100_000) if kind in CHAINS else (1_000, 10_000)


def run(kind: str, count: int) -> Iterator[float]:
    """Seconds of each stage for `count` operations."""
    import symgraph as sg
    from symgraph.inspect.text import graph_text

    (inputs, y), seconds = timed(lambda: built(kind, count))
    yield seconds
    grads, seconds = timed(lambda: sg.grad(sg.sum(y), inputs))
    yield seconds
    graph = sg.Graph(inputs, [y, *grads])
    yield timed(graph.rewrite)[1]
    yield timed(lambda: graph_text(graph))[1]
    yield timed(lambda: pickle.loads(pickle.dumps(graph)))[1]
    f = sg.function(inputs, [y, *grads], mode="interpret")
    with np.errstate(all="ignore"):
        yield timed(lambda: f(*arguments(len(inputs))))[1]


def compile_seconds(kind: str, count: int) -> Iterator[float]:
    """Seconds to compile the value alone, and with the gradients."""
    import symgraph as sg

    sg.config.cache = False
    sg.function([x := sg.vector()], x + 1)  # LLVM starts
    inputs, y = built(kind, count)
    grads = sg.grad(sg.sum(y), inputs)
    for outputs in ([y], [y, *grads]):
        yield timed(lambda wanted=outputs: sg.function(inputs, wanted))[1]  # type: ignore[misc]


def built(kind: str, count: int):  # type: ignore[no-untyped-def]
    """Inputs and the result of `count` operations on vectors."""
    import symgraph as sg

    inputs = [sg.vector(f"x{k}", "float64") for k in range({"sum": count}.get(kind, 2))]
    y = inputs[0]
    for k in range(count):
        match kind:
            case "sin":
                y = sg.sin(y)
            case "add":
                y = y + inputs[1]
            case "double":
                y = y + y
            case "sum" if k:
                y = y + inputs[k]
    return inputs if kind in ("sum", "add") else inputs[:1], y


def arguments(count: int) -> list[np.ndarray]:
    return [np.ones(3)] * count


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """What `work` gives, and the seconds that it takes."""
    begin = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begin


def measured(what: str, kind: str, count: int) -> list[float]:
    """The figures of a fresh process."""
    command = [sys.executable, __file__, "--measure", what, kind, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def show(what: str, columns: tuple[str, ...], rows: list[tuple[str, int]]) -> None:
    """Print one table as it is measured."""
    table = Table("graph", "operations", *columns, "all", title=what)
    for kind, count in rows:
        figures = measured(what, kind, count)
        cells = [f"{s:.2f}" for s in (*figures, sum(figures))]
        table.add_row(kind, f"{count:,}", *cells)
    for column in table.columns[1:]:
        column.justify = "right"
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", nargs=3, metavar=("WHAT", "GRAPH", "COUNT"))
    options = parser.parse_args()
    if options.measure:
        what, kind, count = options.measure
        stages = {"depth": run, "compile": compile_seconds}[what]
        print(*stages(kind, int(count)))
        return
    kinds = (*CHAINS, "sum")
    show("depth", STAGES, [(k, n) for k in kinds for n in sizes(k)])
    outputs = ("the value", "with gradients")
    show("compile", outputs, [(k, n) for k in kinds for n in (500, 1_000, 2_000)])


if __name__ == "__main__":
    main()
