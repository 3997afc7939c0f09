"""Run time over the number of elements, and over the number of threads.

See the words under the tables that this writes to ``bench/RESULTS.md``.

    python bench/scaling.py --python .venv/bin/python --peers .venv-bench/bin/python
    ... --only chain --most 5 --rounds 1 --busy         # a trial: up to 10^5 elements
"""

from __future__ import annotations

import importlib
import os
from dataclasses import replace

import compare
import results
import runner
from sweeps.chain import TITLES

NAMES = ("symgraph", "numpy", "numexpr", "jax")
THREADED = ("symgraph", "jax")
LEAST, MOST = 2, 8
#: Of these workloads a step is hardly more than a call.
LIGHT = ("scalars", "small_vectors")

SIZES_WORDS = """\
float64 vectors of so many elements; the medians of {rounds} processes for each library,
in which the result is allocated at each call.  *Over best peer*: symgraph's time over
the least of the others (below 1: symgraph is faster); *each*: symgraph's time for an
element.  symgraph compiled once for all sizes, JAX for each.  Results are compared with
NumPy's."""
THREADS_WORDS = """\
The time of a step in processes of one core and one thread (*symgraph 1*) and of
{threads}; *gain*: the first over the second, {threads} where nothing else holds a step
up.  Medians of {rounds} processes each, by turns."""


def sizes_sheet(options: runner.Options, name: str, most: int) -> results.Sheet:
    """A table of one formula: a row for each power of ten."""
    cases = {10**k: f"chain:{name}:{10**k}" for k in range(LEAST, most + 1)}
    found = runner.steps(options, list(cases.values()))
    sheet = results.Sheet(TITLES[name], "elements", *found, "over best peer", "each")
    for size, case in cases.items():
        times = {library: figures[case] for library, figures in found.items()}
        ours = times.get("symgraph")
        sheet.add(
            f"{size:,}",
            *map(results.seconds, times.values()),
            results.over_best_peer(times),
            f"{ours / size * 1e9:.3g} ns" if ours else "",
        )
    return sheet


def threads_sheet(options: runner.Options, names: list[str]) -> results.Sheet:
    """A table of workloads: what all threads gain over one."""
    cores = sorted(os.sched_getaffinity(0))
    present = replace(options, libraries=THREADED).present()
    pairs = [f"{library} {k}" for library in present for k in (1, options.threads)]
    gained = [f"{library}: gain" for library in present]
    sheet = results.Sheet("Threads", "workload", *pairs, *gained)
    for name in names:

        def run(pair: str, name: str = name) -> runner.Figures:
            library, count = pair.split()
            os.sched_setaffinity(0, cores[: int(count)])
            some = replace(options, threads=int(count))
            return runner.measure(some, "steady", name, library)

        found = runner.in_turn(options.rounds, pairs, run)
        steps = {pair: figures["step"][0] for pair, figures in found.items()}
        gains = [steps[f"{n} 1"] / steps[f"{n} {options.threads}"] for n in present]
        workload = importlib.import_module(f"workloads.{name}").TITLE
        cells = [results.seconds(taken) for taken in steps.values()]
        sheet.add(workload, *cells, *(f"{gain:.2f}" for gain in gains))
    os.sched_setaffinity(0, cores)
    return sheet


def main() -> None:
    parser = runner.parser(__doc__, rounds=3)
    parser.add_argument("--most", type=int, default=MOST, help="the last power of ten")
    given = parser.parse_args()
    options = runner.chosen(given, NAMES)
    about = runner.describe(options)
    chains = [name for name in TITLES if options.only in f"chain_{name}"]
    if chains:
        sheets = [sizes_sheet(options, name, given.most) for name in chains]
        words = SIZES_WORDS.format(rounds=options.rounds)
        results.publish("Run time over the number of elements", about, *sheets, words)
    heavy = [n for n in compare.ORDER if options.only in n and n not in LIGHT]
    if heavy and options.threads > 1:
        words = THREADS_WORDS.format(rounds=options.rounds, threads=options.threads)
        sheet = threads_sheet(options, heavy)
        results.publish(sheet.title, about, sheet, words)


if __name__ == "__main__":
    main()
