"""Libraries in fresh processes, by turns, and the medians of what they report."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import machine
from places import split

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

    On a GPU it is another library, ``name@cuda``: see `places`.  `imports` are what it
    needs until its first result; `warm_imports` what it needs when that comes from its
    cache on disk, if that is less.  `cache` gives the environment that moves the cache
    to a folder; `variables` is what else its processes find there.
    """

    name: str
    imports: tuple[str, ...]
    warm_imports: tuple[str, ...] = ()
    cache: Callable[[str], dict[str, str]] | None = None
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def caches(self) -> bool:
        """Whether what it compiles outlives a process."""
        return self.cache is not None

    def environment(self, folder: str) -> dict[str, str]:
        """What moves its cache to `folder`, and its `variables`."""
        moved = self.cache(folder) if self.cache is not None else {}
        return moved | dict(self.variables)

    @property
    def distribution(self) -> str:
        """The name under which its version is looked up."""
        known = {
            "symgraph": "symgraph-compiler",
            "torch.compile": "torch",
            "cupy": "cupy-cuda13x",
        }
        name, _ = split(self.name)
        return known.get(name, name)


def jax_cache(folder: str) -> dict[str, str]:
    return {
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def torch_cache(folder: str) -> dict[str, str]:
    return {"TORCHINDUCTOR_CACHE_DIR": folder, "TRITON_CACHE_DIR": f"{folder}/triton"}


def gpu_cache(
    own: Callable[[str], dict[str, str]] | None = None,
) -> Callable[[str], dict[str, str]]:
    """`own`, and the driver's cache of what it assembled from PTX."""

    def cache(folder: str) -> dict[str, str]:
        moved = own(folder) if own is not None else {}
        return moved | {"CUDA_CACHE_PATH": f"{folder}/driver"}

    return cache


#: Leaves torch.get_float32_matmul_precision() at "highest".
NO_TF32_IN_TORCH = (("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "0"),)

#: The libraries on an NVIDIA GPU.  Their imports make its context as well.  None is to
#: multiply float32 matrices in TF32: JAX would of itself, torch and CuPy where the
#: environment says so.
ON_GPU = (
    Library(
        "symgraph@cuda",
        (
            "symgraph",
            "symgraph.on_device",
            "symgraph.codegen.cuda.launch",
            "numba.cuda:current_context",
        ),
        cache=gpu_cache(),
    ),
    Library(
        "jax@cuda",
        ("jax:devices",),
        cache=gpu_cache(jax_cache),
        variables=(("JAX_DEFAULT_MATMUL_PRECISION", "highest"),),
    ),
    Library(
        "torch@cuda",
        ("torch", "torch.cuda:synchronize"),
        cache=gpu_cache(),
        variables=NO_TF32_IN_TORCH,
    ),
    Library(
        "torch.compile@cuda",
        ("torch", "torch._inductor.compile_fx", "torch.cuda:synchronize"),
        cache=gpu_cache(torch_cache),
        variables=NO_TF32_IN_TORCH,
    ),
    Library(
        "cupy@cuda",
        ("cupy", "cupyx.scipy.special", "places:start_cupy"),
        cache=gpu_cache(lambda folder: {"CUPY_CACHE_DIR": f"{folder}/cupy"}),
        variables=(("CUPY_TF32", "0"),),
    ),
)

LIBRARIES = {
    library.name: library
    for library in (
        *ON_GPU,
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
            cache=torch_cache,
        ),
        Library(
            "pytensor",
            ("pytensor.tensor", "pytensor.link.numba.dispatch.basic"),
            cache=lambda folder: {"PYTENSOR_FLAGS": f"base_compiledir={folder}"},
        ),
        Library("numexpr", ("numexpr",)),
        Library("numba", ("numba",)),
    )
}

#: What symgraph's own environment has; the peers share another.
AT_HOME = ("symgraph", "numpy", "numba")
#: What symgraph's kernels are compiled with, where it is installed.
OF_NUMBA = ("numba", "numba-cuda")


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
        return self.python if split(library)[0] in AT_HOME else self.peers

    def environment(self) -> dict[str, str]:
        """The environment, with the same number of threads for every library."""
        return os.environ | dict.fromkeys(THREAD_VARIABLES, str(self.threads))

    def present(self) -> list[str]:
        """Those of the libraries that are installed."""
        return [name for name in self.libraries if self.finds(name)]

    def finds(self, library: str) -> bool:
        """Whether the interpreter that would run `library` has it."""
        module = split(library)[0].split(".")[0]
        finder = (
            f"import importlib.util as u; print(u.find_spec({module!r}) is not None)"
        )
        command = [self.interpreter(library), "-P", "-c", finder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip() == "True"


def parser(description: str | None, rounds: int = ROUNDS) -> argparse.ArgumentParser:
    """What reads the command line of a script; it may add options of its own."""
    found = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--python", default=sys.executable, help="runs symgraph, NumPy")
    found.add_argument("--peers", default=sys.executable, help="runs the others")
    found.add_argument("--rounds", type=int, default=rounds)
    found.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    found.add_argument("--libraries", help="some of them, with commas", default="")
    found.add_argument("--only", help="what has this in its name", default="")
    found.add_argument("--busy", action="store_true", help="measure all the same")
    return found


def chosen(given: argparse.Namespace, libraries: Sequence[str]) -> Options:
    """What was given to a script that compares `libraries`.

    From here on this process and what it starts have as many cores as threads.  Ends
    the program where the machine is busy.
    """
    if not given.busy:
        machine.refuse_if_busy()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    return Options(
        given.python,
        given.peers,
        given.rounds,
        given.threads,
        tuple(given.libraries.split(",") if given.libraries else libraries),
        given.only,
    )


def parse(
    description: str | None, libraries: Sequence[str], rounds: int = ROUNDS
) -> Options:
    """Read the command line of a script that compares `libraries`: see `chosen`."""
    return chosen(parser(description, rounds).parse_args(), libraries)


class WorkerError(SystemExit):
    """A worker failed, which ends the program where nobody catches it."""

    def __init__(self, library: str, what: str, written: str) -> None:
        super().__init__(f"{library}, {what}: {written}")
        self.written = written

    @property
    def error(self) -> str:
        """The last error that it wrote, with what follows, as one line."""
        lines = self.written.splitlines()
        errors = [k for k, line in enumerate(lines) if ERROR.match(line)]
        return " ".join(" ".join(lines[errors[-1] if errors else -1 :]).split())

    @property
    def reason(self) -> str:
        """The same, in a table's length."""
        return textwrap.shorten(self.error, 200, placeholder=" ...")


#: The line of a traceback that says what was wrong.
ERROR = re.compile(r"[\w.]*(Error|Exception)\b")


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
    started = repr(time.monotonic())
    arguments = (what, workload, library, started, *imports)
    measured: Figures = _worker(options, library, arguments, warm)
    return measured


def call(options: Options, library: str, function: str, *arguments: object) -> Any:
    """What `function`, a ``module:name``, gives for `arguments` as text.

    It is called by the worker in a fresh process, with `library`'s Python and with an
    empty compile cache.  Ends the program where the worker fails.
    """
    words = ("call", function, *map(str, arguments))
    return _worker(options, library, words, None)


def _worker(
    options: Options, library: str, arguments: Sequence[str], warm: str | None
) -> Any:
    with tempfile.TemporaryDirectory() as empty:
        held = LIBRARIES[library].environment(warm or empty)
        command = [options.interpreter(library), str(HERE / "worker.py"), *arguments]
        done = subprocess.run(
            command,
            env=options.environment() | held,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise WorkerError(library, arguments[1], done.stderr.strip())
    return json.loads(done.stdout.splitlines()[-1])


def in_turn(
    rounds: int,
    names: Iterable[str],
    run: Callable[[str], Figures],
    failed: dict[str, str] | None = None,
) -> dict[str, dict[str, Spread]]:
    """`run` each of `names` once a round, so that a drift of the machine meets all.

    Returns the figures' spreads by name.  A first round does not count: it writes
    bytecode, reads files from the disk, and fills the caches that outlive a run.  One
    whose worker fails is left out, and the reason put in `failed`; without that, it
    ends the program.
    """
    reports: dict[str, list[Figures]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name, held in list(reports.items()):
            try:
                figures = run(name)
            except WorkerError as error:
                if failed is None:
                    raise
                failed[name] = error.reason
                del reports[name]
                continue
            if number:
                held.append(figures)
    return {
        name: {key: spread([r[key] for r in held]) for key in held[0]}
        for name, held in reports.items()
    }


def steps(options: Options, cases: Sequence[str]) -> dict[str, dict[str, float]]:
    """The median seconds of each case of `sweeps`, by library.

    One process of a library measures all cases of a round, in this order.
    """

    def run(library: str) -> Figures:
        found: Figures = call(options, library, "sweeps:steps", library, *cases)
        return found

    found = in_turn(options.rounds, options.present(), run)
    return {
        library: {case: held[0] for case, held in figures.items()}
        for library, figures in found.items()
    }


def describe(options: Options) -> str:
    """The machine, the versions and how often, as a sentence or two."""
    names = dict.fromkeys(LIBRARIES[n].distribution for n in options.libraries)
    finder = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    found = [f"Python {platform.python_version()}"]
    for name in (*names, *OF_NUMBA):
        library = "symgraph" if name in ("symgraph-compiler", *OF_NUMBA) else name
        command = [options.interpreter(library), "-P", "-c", finder, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found.append(f"{name} {done.stdout.strip()}")
    model = call(options, "symgraph", "symgraph.inspect.roofs:model")
    where = f"{model}, {options.threads} threads for each"
    system, versions = platform.system(), ", ".join(found)
    return f"{where}; {system}. {versions}. Rounds: {options.rounds}."
