"""Libraries in fresh processes, by turns, and the medians of what they report."""

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

import machine

HERE = Path(__file__).resolve().parent
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
    cache: Callable[[str], dict[str, str]] | None = None

    @property
    def caches(self) -> bool:
        """Whether what it compiles outlives a process."""
        return self.cache is not None

    def environment(self, folder: str) -> dict[str, str]:
        """What moves its cache to `folder`."""
        return self.cache(folder) if self.cache is not None else {}

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
    only: str = ""

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

    From here on this process and what it starts have as many cores as threads.  Ends
    the program where the machine is busy.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--python", default=sys.executable, help="runs symgraph, NumPy")
    parser.add_argument("--peers", default=sys.executable, help="runs the others")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--libraries", help="some of them, with commas", default="")
    parser.add_argument("--only", help="what has this in its name", default="")
    parser.add_argument("--busy", action="store_true", help="measure all the same")
    given = parser.parse_args()
    if not given.busy:
        machine.refuse_if_busy()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    chosen = given.libraries.split(",") if given.libraries else libraries
    return Options(
        given.python,
        given.peers,
        given.rounds,
        given.threads,
        tuple(chosen),
        given.only,
    )


#: What a process reports: seconds (or bytes) by what they are.
Figures = dict[str, float]
#: The middle one, the least and the greatest of some figures.
Spread = tuple[float, float, float]


def spread(values: Sequence[float]) -> Spread:
    return median(values), min(values), max(values)


def measure(
    options: Options, what: str, workload: str, library: str, warm: str | None = None
) -> Figures:
    """Run one worker; its compile cache is empty, or the folder `warm`.

    Ends the program where the worker fails.
    """
    held = LIBRARIES[library]
    imports = held.imports if warm is None else held.warm_imports or held.imports
    with tempfile.TemporaryDirectory() as empty:
        environment = options.environment() | held.environment(warm or empty)
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
    rounds: int, names: Iterable[str], run: Callable[[str], Figures]
) -> dict[str, dict[str, Spread]]:
    """`run` each of `names` once a round, so that a drift of the machine meets all.

    Returns the figures' spreads by name.  A first round does not count: it writes
    bytecode, reads files from the disk, and fills the caches that outlive a run.
    """
    reports: dict[str, list[Figures]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name, held in reports.items():
            figures = run(name)
            if number:
                held.append(figures)
    return {
        name: {key: spread([r[key] for r in held]) for key in held[0]}
        for name, held in reports.items()
    }


def describe(options: Options) -> str:
    """The machine and the versions, as a sentence or two."""
    names = dict.fromkeys(LIBRARIES[n].distribution for n in options.libraries)
    finder = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    found = [f"Python {platform.python_version()}"]
    for name in (*names, "numba"):
        library = "symgraph" if name in ("symgraph-compiler", "numba") else name
        command = [options.interpreter(library), "-P", "-c", finder, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found.append(f"{name} {done.stdout.strip()}")
    where = f"{machine.model()}, {options.threads} threads for each"
    return f"{where}; {platform.system()}. {', '.join(found)}."
