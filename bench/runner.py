"""Fresh processes in turn, medians and spread, and the page they are written to."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
ROUNDS = 5

#: What every library's threads are counted by, where it has such a variable.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@dataclass(frozen=True)
class Library:
    """How `name` is imported and where it keeps its compilations.

    `imports` are what it needs until its first result; `warm_imports` what it needs
    when that comes from its cache on disk, if that is less.  `cache` gives the
    environment that moves the cache to a folder.
    """

    name: str
    imports: tuple[str, ...]
    warm_imports: tuple[str, ...] = ()
    cache: Callable[[str], dict[str, str]] = lambda folder: {}

    @property
    def distribution(self) -> str:
        """The name under which its version is looked up."""
        known = {"symgraph": "symgraph-compiler", "torch.compile": "torch"}
        return known.get(self.name, self.name)


def jax_cache(folder: str) -> dict[str, str]:
    return {
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


LIBRARIES = {
    library.name: library
    for library in (
        Library(
            "symgraph",
            ("symgraph", "symgraph.codegen.cpu.build", "llvmlite.binding"),
            ("symgraph", "symgraph.codegen.cpu.link", "llvmlite.binding"),
            lambda folder: {"SYMGRAPH_CACHE_DIR": folder},
        ),
        Library("numpy", ("numpy",)),
        Library("jax", ("jax:devices",), cache=jax_cache),
        Library("torch", ("torch",)),
        Library(
            "torch.compile",
            ("torch", "torch._inductor.compile_fx"),
            cache=lambda folder: {"TORCHINDUCTOR_CACHE_DIR": folder},
        ),
        Library(
            "pytensor",
            ("pytensor.tensor", "pytensor.link.numba.dispatch.basic"),
            cache=lambda folder: {"PYTENSOR_FLAGS": f"base_compiledir={folder}"},
        ),
        Library("numexpr", ("numexpr",)),
    )
}


@dataclass(frozen=True)
class Options:
    """The command line: see `parse`."""

    python: str
    peers: str
    rounds: int
    threads: int
    libraries: tuple[str, ...]

    def interpreter(self, library: str) -> str:
        """The Python in which `library` runs."""
        return self.python if library in ("symgraph", "numpy") else self.peers

    def environment(self) -> dict[str, str]:
        """The environment, with the same number of threads for every library."""
        return os.environ | dict.fromkeys(THREAD_VARIABLES, str(self.threads))

    def present(self) -> list[str]:
        """Those of the libraries that are installed."""
        return [name for name in self.libraries if self.finds(name)]

    def finds(self, library: str) -> bool:
        """Whether the interpreter that would run `library` has it."""
        module = library.split(".")[0]
        finder = (
            f"import importlib.util as u; print(u.find_spec({module!r}) is not None)"
        )
        command = [self.interpreter(library), "-P", "-c", finder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip() == "True"


def parse(description: str | None, libraries: Sequence[str]) -> Options:
    """Read the command line of a script that compares `libraries`.

    From here on this process and what it starts have as many cores as threads.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--python", default=sys.executable, help="runs symgraph, NumPy")
    parser.add_argument("--peers", default=sys.executable, help="runs the others")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", help="libraries, with commas", default="")
    given = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    chosen = tuple(given.only.split(",")) if given.only else tuple(libraries)
    return Options(given.python, given.peers, given.rounds, given.threads, chosen)


@dataclass(frozen=True)
class Times:
    """Some measurements of one thing, in seconds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.seconds)

    def __str__(self) -> str:
        unit, scale = ("s", 1.0) if self.median >= 1.0 else ("ms", 1e3)
        low, high = min(self.seconds) * scale, max(self.seconds) * scale
        return f"{self.median * scale:.3g} {unit} ({low:.3g} to {high:.3g})"


#: What a process reports: seconds by what they were spent on.
Figures = dict[str, float]
Row = tuple[str, Times | None]


def measure(
    options: Options, what: str, workload: str, library: str, warm: str | None = None
) -> Figures:
    """Run one worker; its compile cache is empty, or the folder `warm`."""
    held = LIBRARIES[library]
    imports = held.imports if warm is None else held.warm_imports or held.imports
    with tempfile.TemporaryDirectory() as empty:
        environment = options.environment() | held.cache(warm or empty)
        command = [options.interpreter(library), str(HERE / "worker.py"), what]
        command += [workload, library, repr(time.monotonic()), *imports]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(f"{library}, {workload}: {done.stderr.strip()}")
    measured: Figures = json.loads(done.stdout.splitlines()[-1])
    return measured


def in_turn(
    options: Options, names: Iterable[str], run: Callable[[str], Figures]
) -> dict[str, dict[str, Times]]:
    """`run` each of `names` once a round, so that a drift of the machine meets all.

    Returns the times by name and figure.  A first round does not count: it writes
    bytecode, reads files from the disk, and fills the caches that outlive a run.
    """
    reports: dict[str, list[Figures]] = {name: [] for name in names}
    for number in range(options.rounds + 1):
        for name, held in reports.items():
            figures = run(name)
            if number:
                held.append(figures)
    return {
        name: {key: Times(tuple(r[key] for r in held)) for key in held[0]}
        for name, held in reports.items()
    }


def rows_of(
    names: Iterable[str], times: dict[str, dict[str, Times]], figure: str
) -> list[Row]:
    """One row a name; those that were not measured have no times."""
    return [(name, times[name][figure] if name in times else None) for name in names]


def describe(options: Options) -> list[str]:
    """The machine and the versions, as lines of Markdown."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        named = [line.split(":")[1].strip() for line in lines if "model name" in line]
        model = named[0] if named else model
    names = dict.fromkeys(LIBRARIES[n].distribution for n in options.libraries)
    finder = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    found = [f"Python {platform.python_version()}"]
    for name in (*names, "numba"):
        library = "symgraph" if name in ("symgraph-compiler", "numba") else name
        command = [options.interpreter(library), "-P", "-c", finder, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found.append(f"{name} {done.stdout.strip()}")
    return [
        f"{model}, {options.threads} threads for each; {platform.system()}.",
        f"{', '.join(found)}.",
    ]


def show(title: str, rows: Sequence[Row], to: str) -> list[str]:
    """Print `rows` as a table, with ratios to the row `to`; the same as Markdown."""
    base = dict(rows).get(to)
    table = Table(
        "", "median (spread)", f"ratio to {to}", title=title, title_justify="left"
    )
    lines = ["", f"**{title}**", "", f"| | median (spread) | ratio to {to} |"]
    lines.append("|---|---|---|")
    for name, times in rows:
        cells = [name, "absent", ""]
        if times is not None:
            ratio = f"{times.median / base.median:.2f}" if base else ""
            cells = [name, str(times), ratio]
        table.add_row(*cells)
        lines.append(f"| {' | '.join(cells)} |")
    Console().print(table)
    return lines


def write_section(heading: str, lines: Sequence[str]) -> None:
    """Replace the section `heading` of RESULTS.md, or append it."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n"
    first, *sections = text.split("\n## ")
    kept = [s for s in sections if s.splitlines()[0] != heading]
    kept.append("\n".join([heading, "", *lines]))
    parts = [first.strip(), *(f"## {section.strip()}" for section in sorted(kept))]
    RESULTS.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"written to {RESULTS.relative_to(HERE.parent)}")
