"""Run time, compile time and memory of the workloads, beside other libraries.

Each figure comes from several fresh processes a library, taken in turn.  See the words
under the table that it writes to ``bench/RESULTS.md``.

    make bench ONLY=softmax        # the workloads with this in their name
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import results
import workloads
from results import Entry
from runner import LIBRARIES, Figures, Options, describe, in_turn, measure, parse

ORDER = (
    "black_scholes", "layernorm_softmax", "log_softmax", "distances", "logistic", "mlp",
    "lstm", "lorenz", "hmm", "kalman", "scalars", "small_vectors", "exp_sigmoid",
)  # fmt: skip
NAMES = (
    "symgraph", "numpy", "numexpr", "jax", "torch", "torch.compile", "pytensor",
)  # fmt: skip


def chosen(only: str) -> list[str]:
    """The workloads with `only` in their name or title."""
    here = Path(__file__).resolve().parent / "workloads"
    found = {path.stem for path in here.glob("[!_]*.py")}
    assert found == set(ORDER), "each workload has its place in the order"
    names = [n for n in ORDER if only in n]
    if not names:
        raise SystemExit(f"no workload has {only!r} in its name: {', '.join(ORDER)}")
    return names


def compare(options: Options, name: str, present: list[str]) -> Entry:
    """All figures of one workload."""
    workload = workloads.find(name)
    able = [library for library in present if library in workload.BUILDERS]
    cold = in_turn(options.rounds, able, partial(measure, options, "steady", name))
    caching = [n for n in able if LIBRARIES[n].caches]
    with tempfile.TemporaryDirectory() as root:

        def again(library: str) -> Figures:
            return measure(options, "first", name, library, f"{root}/{library}")

        warm = in_turn(options.rounds, caching, again)
    return {
        "title": workload.TITLE,
        "goal": workload.GOAL,
        "machine": describe(options),
        "cold": cold,
        "warm": warm,
    }


def main() -> None:
    options = parse(__doc__, NAMES)
    present = options.present()
    for name in chosen(options.only):
        entry = compare(options, name, present)
        results.detail(entry).show()
        results.keep("workloads", name, entry)
    data = results.load()
    results.overview(data["workloads"]).show()
    results.plot(data)
    print(f"written to {results.PAGE.name}, {results.DATA.name}, {results.PLOT.name}")


if __name__ == "__main__":
    main()
