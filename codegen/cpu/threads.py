"""The thread pool: numba's OpenMP layer, loaded by path so that numba is not imported.

Work is cut into chunks by shape alone, so the number of threads never changes a result;
it only changes who computes which chunk.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.machinery
import importlib.util
import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from ..errors import UnsupportedHostError
from .runtime import Runtime, Slot, runtime

#: Turns of the loop in which a waiting thread spins: a few microseconds.
SPIN_COUNT = "1000"
#: More threads than this are a slip, not a wish.
MOST_THREADS = 4096


@dataclass(slots=True)
class Pool:
    """The thread layer's state in this process.

    `wanted` is the number of threads asked for; `started` says whether the layer was
    loaded; `serial` that it cannot be used here: it is missing, or its threads were
    lost in a fork.
    """

    wanted: int
    started: bool = False
    serial: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


_LOCK = threading.Lock()


def pool() -> Pool:
    """This process's `Pool`."""
    with _LOCK:
        return _pool()


@functools.cache
def _pool() -> Pool:
    return Pool(default_threads())


def default_threads() -> int:
    """OMP_NUM_THREADS where it is a positive number, else the usable processors."""
    # OpenMP allows a list, one number for each level of nesting; ours is the outermost.
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if text.isdecimal() and int(text) > 0:
        return min(int(text), MOST_THREADS)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def get_num_threads() -> int:
    """How many threads parallel loops may use in this process."""
    state = pool()
    return 1 if state.serial else state.wanted


def set_num_threads(count: int) -> None:
    """Let parallel loops use `count` threads, from their next call on.

    Results do not depend on it.  In a forked child of a process that had started the
    thread layer the number stays 1.  Raises `ValueError` unless 1 <= count <= 4096.
    """
    if not 1 <= count <= MOST_THREADS:
        raise ValueError(f"the number of threads must be 1 to {MOST_THREADS}: {count}")
    state = pool()
    with state.lock:
        state.wanted = count
        if state.started and not state.serial:
            runtime().words[Slot.THREADS] = count
    start()


def start() -> None:
    """Load the thread layer and let compiled functions use it, once.

    Without numba's OpenMP layer (it needs the system's OpenMP library) compiled
    functions run on one thread, after one warning.
    """
    state = pool()
    with state.lock:
        if state.started or state.serial or state.wanted == 1:
            return
        state.started = True
        try:
            with _short_spin():
                layer = _load_layer()
        except (ImportError, UnsupportedHostError) as error:
            warnings.warn(
                f"compiled functions run on one thread: {error}",
                RuntimeWarning,
                stacklevel=3,
            )
            state.serial = True
            return
        _launch(layer, state, runtime())


@contextlib.contextmanager
def _short_spin() -> Iterator[None]:
    """Have OpenMP threads soon sleep while they wait, unless the user says otherwise.

    GNU OpenMP reads this when it is loaded.  By default its threads spin for many
    milliseconds at a call's end, which takes the processor from other busy processes
    and, where those hold the other threads up, from the call itself.
    """
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    if any(name in os.environ for name in names):
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def _load_layer() -> ModuleType:
    """Import numba's ``omppool`` extension without importing numba."""
    found = importlib.util.find_spec("numba")
    if found is None or found.origin is None:
        raise UnsupportedHostError(
            "numba, whose thread layer is used, is not installed"
        )
    folder = Path(found.origin).parent / "np" / "ufunc"
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = folder / f"omppool{suffix}"
        if path.exists():
            loader = importlib.machinery.ExtensionFileLoader("omppool", str(path))
            spec = importlib.util.spec_from_loader("omppool", loader, origin=str(path))
            assert spec is not None
            module = importlib.util.module_from_spec(spec)
            loader.exec_module(module)
            return module
    raise UnsupportedHostError(f"numba's OpenMP layer is not in {folder}")


def _launch(layer: ModuleType, state: Pool, table: Runtime) -> None:
    ctypes.CFUNCTYPE(None, ctypes.c_int)(layer.launch_threads)(state.wanted)
    table.words[Slot.PARALLEL_FOR] = layer.parallel_for
    table.words[Slot.THREADS] = state.wanted
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(_after_fork, state, table))


def _after_fork(state: Pool, table: Runtime) -> None:
    """Run serially in a child, which has no copy of the layer's threads.

    The layer would end a child that entered it.
    """
    state.lock = threading.Lock()
    state.serial = True
    if table.words[Slot.THREADS] > 1:
        table.words[Slot.NOTICE] = 1
    table.words[Slot.THREADS] = 1
