"""How near simple formulas come to what memory and processor can do.

Each library runs them in a process of its own, on arrays that fit into the caches and
on some that do not; the roof is what kernels of numba's reach in
``symgraph/inspect/roofs.py``.  See the words under the tables that this writes to
``bench/RESULTS.md``.

    python bench/roofline.py --python .venv/bin/python --peers .venv-bench/bin/python
    ... --only sum --memory 64 --rounds 1 --busy        # a trial
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import results
import runner
from sweeps.streams import STREAMS, Stream

NAMES = ("symgraph", "numpy", "jax", "torch")
DTYPES = ("float32", "float64")
#: The least bytes of what does not fit into a cache.
MEMORY = 256 * 2**20

WORDS = """\
*Bytes*: of all arrays of a call together, which is half of a cache (of those of all
cores, for L2), or several times the last.  *Achieved*: bytes that must be moved over
the time of the whole call, or operations for the polynomial (two for each of its 20
fused multiplications and additions).  In memory, a written array is counted twice
(*write-allocate*: its lines are read before they are written), in caches once.  *Roof*:
what the machine does at most with these bytes or operations, whichever takes longer.
For sums the bandwidth is that of reading, for the others that of reading and writing.
Then each library's share of the roof, and symgraph's time over the best of the others
(below 1: symgraph is faster).  All libraries make their results anew in each call.  The
system's work for new pages is not in the roof and keeps large results from 100%; that
is spared symgraph, which takes the memory of a dropped one again.  symgraph compiled
once for all shapes, JAX for each.  Medians over {rounds} processes for each library;
the results are compared with NumPy's in float64."""
ROOFS = """\
The best of some kernels, the best of {rounds} processes: sums of one array and of the
products of two for *read*; triad, scaling and `copyto` for *read and write*, with
write-allocate counted in memory (not for `copyto`); independent chains of fused
operations, and a large matrix product, for the peak: {peaks}."""


@dataclass(frozen=True)
class Level:
    """Where arrays of `size` bytes in all fit; `allocates`: see `roofs.bandwidth`."""

    title: str
    size: int
    allocates: bool = False

    @property
    def key(self) -> str:
        """Its name in `symgraph.inspect.roofs.measured`."""
        return f"{self.size}{'+' if self.allocates else ''}"


def levels(options: runner.Options, memory: int | None) -> list[Level]:
    """Half of each cache, and so many MiB beyond them."""
    said = runner.call(options, "symgraph", "symgraph.inspect.roofs:caches")
    caches = {int(number): size for number, size in said.items()}
    beyond = memory * 2**20 if memory else max(MEMORY, 4 * caches[3])
    found = [Level(f"L{k}", caches[k] // 2) for k in (2, 3)]
    return [*found, Level("memory", beyond, allocates=True)]


@dataclass(frozen=True)
class Row:
    """One formula in one dtype at one level."""

    name: str
    dtype: str
    level: Level

    @property
    def stream(self) -> Stream:
        return STREAMS[self.name]

    @property
    def size(self) -> int:
        """Of each array, in elements, before a matrix is made square."""
        arrays = self.stream.reads + self.stream.writes
        return self.level.size // (arrays * np.dtype(self.dtype).itemsize)

    @property
    def case(self) -> str:
        """Its name in `sweeps`."""
        return f"streams:{self.name}:{self.dtype}:{self.size}"

    @property
    def elements(self) -> int:
        """Of each array."""
        return int(np.prod(self.stream.shape(self.size)))

    @property
    def moved(self) -> int:
        """The bytes that a call moves."""
        again = self.stream.writes if self.level.allocates else 0
        arrays = self.stream.reads + self.stream.writes + again
        return arrays * self.elements * np.dtype(self.dtype).itemsize

    @property
    def operations(self) -> int:
        return self.stream.flops * self.elements

    def seconds(self, roofs: Mapping[str, float]) -> float:
        """What the machine needs at the least."""
        kind = "both" if self.stream.writes else "read"
        moving = self.moved / roofs[f"{self.level.key} {kind}"]
        return max(moving, self.operations / roofs[self.dtype])

    def rate(self, seconds: float) -> str:
        """What is achieved in this time, of operations where there are many."""
        if self.stream.flops > 10:
            return f"{self.operations / seconds / 1e9:.3g} Gflop/s"
        return f"{self.moved / seconds / 1e9:.3g} GB/s"


def best_roofs(options: runner.Options, found: list[Level]) -> dict[str, float]:
    """What the machine can do, by the keys of `symgraph.inspect.roofs.measured`."""
    keys = [level.key for level in found]

    def run(_: str) -> runner.Figures:
        rates: runner.Figures = runner.call(
            options,
            "symgraph",
            "symgraph.inspect.roofs:measured",
            options.threads,
            *keys,
        )
        return rates

    spreads = runner.in_turn(options.rounds, ["numba"], run)["numba"]
    return {key: spread[2] for key, spread in spreads.items()}


def roof_sheet(found: list[Level], roofs: Mapping[str, float]) -> results.Sheet:
    sheet = results.Sheet("The roofs", "", "bytes", "read", "read and write")
    for level in found:
        rates = [
            f"{roofs[f'{level.key} {k}'] / 1e9:.3g} GB/s" for k in ("read", "both")
        ]
        sheet.add(level.title, results.size(level.size), *rates)
    return sheet


def add(
    sheet: results.Sheet,
    row: Row,
    roofs: Mapping[str, float],
    times: dict[str, dict[str, float]],
) -> None:
    """Put one row into the table."""
    least = row.seconds(roofs)
    mine = {library: figures[row.case] for library, figures in times.items()}
    ours = mine.get("symgraph")
    arrays = row.stream.reads + row.stream.writes
    sheet.add(
        row.stream.title,
        row.dtype,
        row.level.title,
        results.size(arrays * row.elements * np.dtype(row.dtype).itemsize),
        results.seconds(ours) if ours else "",
        row.rate(ours) if ours else "",
        row.rate(least),
        *(f"{least / taken:.0%}" for taken in mine.values()),
        results.over_best_peer(mine),
    )


def main() -> None:
    parser = runner.parser(__doc__, rounds=3)
    parser.add_argument("--memory", type=int, help="MiB beyond the caches")
    given = parser.parse_args()
    options = runner.chosen(given, NAMES)
    found = levels(options, given.memory)
    roofs = best_roofs(options, found)
    columns = ["", "dtype", "in", "bytes", "symgraph takes", "achieved", "roof"]
    columns += [*options.present(), "over best peer"]
    sheet = results.Sheet("Shares of the roof", *columns)
    for name in STREAMS:
        if options.only not in name:
            continue
        for dtype in DTYPES:
            rows = [Row(name, dtype, level) for level in found]
            times = runner.steps(options, [row.case for row in rows])
            for row in rows:
                add(sheet, row, roofs, times)
    peaks = " and ".join(f"{roofs[d] / 1e9:.3g} Gflop/s in {d}" for d in DTYPES)
    results.publish(
        "Roofline",
        runner.describe(options),
        sheet,
        WORDS.format(rounds=options.rounds),
        roof_sheet(found, roofs),
        ROOFS.format(rounds=options.rounds, peaks=peaks),
    )


if __name__ == "__main__":
    main()
