"""The workloads on an NVIDIA GPU: symgraph, JAX, torch, torch.compile and CuPy.

As in `compare.py` each figure comes from several fresh processes a library, taken in
turn, and the first result of each process is compared with NumPy's in float64.
Arguments, shared variables and parameters are on the GPU before the first step, and
results stay there.  A step ends when its result is there, by the library's own way to
wait, which is part of its time: `numba.cuda.synchronize` for symgraph,
`jax.block_until_ready`, `torch.cuda.synchronize`, `cupy.cuda.Device().synchronize`.

All multiply float32 matrices in float32: ``JAX_DEFAULT_MATMUL_PRECISION`` is "highest",
torch's precision of float32 products is left at "highest", and CuPy's TF32 is off.
torch.compile has its default mode.  The page ``bench/GPU.md`` is written anew after
each workload.

    make gpu ONLY=softmax          # the workloads with this in their name

A library that is not installed, sees no GPU or fails on a workload is left out, with a
line that says why.  Without symgraph nothing is measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import compare
import machine
import results
import workloads
from places import split
from results import Entry, Sheet
from runner import (
    ON_GPU,
    Options,
    WorkerError,
    call,
    chosen,
    describe,
    in_turn,
    measure,
    parser,
)  # fmt: skip

PAGE = Path(__file__).resolve().parent / "GPU.md"
NAMES = tuple(library.name for library in ON_GPU)
#: Measured only if asked for by name: two that time a call with hardly any work, and a
#: loop over three numbers, which has nothing to do side by side (as the Kalman filter).
LEFT_OUT = ("scalars", "small_vectors", "lorenz")


@dataclass
class Run:
    """What the page is made of.

    `machine` says where it was measured, `missing` why libraries were left out;
    `libraries` are the names of the others, and `entries` the workloads so far.
    """

    machine: Sequence[str]
    libraries: Sequence[str]
    missing: dict[str, str]
    entries: list[Entry] = field(default_factory=list)


def looked(options: Options) -> tuple[Run, Options]:
    """Which libraries see a GPU, before anything is measured.

    Ends the program where symgraph does not.
    """
    present, missing, device = [], {}, ""
    for library in options.libraries:
        name, _ = split(library)
        try:
            found = call(options, library, "places:seen", library)
        except WorkerError as error:
            if name == "symgraph":
                raise SystemExit(f"symgraph has no GPU here: {error.error}") from None
            missing[name] = error.reason
            continue
        present.append(library)
        if name == "symgraph":
            device = f"{found['name']}, compute capability {found['capability']}"
    where = [f"{device}; {machine.driver()}.", describe(options)]
    names = [split(library)[0] for library in present]
    return Run(where, names, missing), replace(options, libraries=tuple(present))


def measured(options: Options, name: str) -> Entry:
    """The figures of one workload, by the libraries' names without their place."""
    workload = workloads.find(name)
    able = [n for n in options.libraries if split(n)[0] in workload.BUILDERS]
    failed: dict[str, str] = {}
    cold = in_turn(
        options.rounds, able, partial(measure, options, "steady", name), failed
    )
    return {
        "title": workload.TITLE,
        "goal": workload.GOAL,
        "cold": {split(n)[0]: figures for n, figures in cold.items()},
        "failed": {split(n)[0]: reason for n, reason in failed.items()},
    }


def times(run: Run, title: str, figure: str, ratio: bool = False) -> Sheet:
    """One row a workload, with a figure of each library."""
    last = ["symgraph over the best peer"] if ratio else []
    sheet = Sheet(title, "workload", *run.libraries, *last)
    for entry in run.entries:
        found = [results.median(entry, "cold", n, figure) for n in run.libraries]
        cells = ["" if each is None else results.seconds(each) for each in found]
        if ratio:
            peer, over = results.best_peer(entry), results.run_ratio(entry)
            cells.append(f"{over:.2f} ({peer[0]})" if peer and over else "")
        sheet.add(entry["title"], *cells)
    return sheet


def sheets(run: Run) -> list[Sheet]:
    return [
        times(run, "Run time", "step", ratio=True),
        times(run, "Cold compile", "first"),
    ]


def left_out(run: Run) -> list[str]:
    """What was not measured, a line each, and why."""
    lines = [f"- {name} was left out: {why}" for name, why in run.missing.items()]
    for entry in run.entries:
        failed = entry["failed"].items()
        lines += [f"- {name} failed on {entry['title']}: {why}" for name, why in failed]
    return lines


WORDS = """\
*Run time*: the median over processes of the median step once all is compiled, with
arguments on the GPU, until the result is there.  *Cold compile*: from arguments on the
host and an empty cache to the first result, with imports done and the GPU's context
made; what numba imports for its first kernel counts as symgraph's.  The first result of
each process is compared with NumPy's.  No library multiplies in TF32.  An empty cell: a
library for which the workload is not written, or that was left out."""


def page(run: Run) -> str:
    """GPU.md."""
    lines = ["# On a GPU", "", "Made by `make gpu`; see `gpu.py` beside this page.", ""]
    lines += ["\n\n".join(run.machine), "", WORDS]
    for sheet in sheets(run):
        lines += ["", f"## {sheet.title}", "", *sheet.markdown()]
    if missing := left_out(run):
        lines += ["", "## Not measured", "", *missing]
    return "\n".join(lines) + "\n"


def read() -> argparse.Namespace:
    """The command line."""
    found = parser(__doc__)
    found.add_argument("--write", type=Path, default=PAGE, help="a file for the page")
    found.add_argument("--module", help="one workload from elsewhere: a module's name")
    return found.parse_args()


def wanted(only: str, module: str | None) -> list[str]:
    """The names of the workloads to measure."""
    if module:
        return [module]
    return [n for n in compare.chosen(only) if only or n not in LEFT_OUT]


def main() -> None:
    given = read()
    names = wanted(given.only, given.module)
    run, options = looked(chosen(given, NAMES))
    for name in names:
        run.entries.append(measured(options, name))
        given.write.write_text(page(run), encoding="utf-8")
    for sheet in sheets(run):
        sheet.show()
    print("\n".join([*left_out(run), f"written to {given.write}"]))
    sys.exit(any("symgraph" in entry["failed"] for entry in run.entries))


if __name__ == "__main__":
    main()
