"""The helping threads: how many there are, and how they start.

Work is cut into chunks by shape alone, so the number of threads never changes a result;
it only changes who computes which chunk.  `team` has what the threads do.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import team
from .runtime import Runtime, Slot, runtime

#: More threads than this are a slip, not a wish.
MOST_THREADS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Worker:
    """The machine code of a helper, and what owns it."""

    address: int
    engine: Any


@dataclass(slots=True)
class Pool:
    """The helpers' state in this process.

    `wanted` is the number of threads asked for, the caller's included; `running` how
    many helpers have been started, with the code of `worker`; `serial` says that there
    can be none here: the system has no more threads, or they were lost in a fork.
    """

    wanted: int
    running: int = 0
    worker: Worker | None = None
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

    Results do not depend on it.  In a forked child of a process that had started its
    helpers the number stays 1.  Raises `ValueError` unless 1 <= count <= 4096.
    """
    if not 1 <= count <= MOST_THREADS:
        raise ValueError(f"the number of threads must be 1 to {MOST_THREADS}: {count}")
    state = pool()
    with state.lock:
        state.wanted = count
        _start(state)


def start(worker: Worker) -> None:
    """Have helpers for compiled functions, which run the code of the first `worker`.

    Where the system has no threads for them, compiled functions run on those that there
    are, after one warning.
    """
    state = pool()
    with state.lock:
        state.worker = state.worker or worker
        _start(state)


def _start(state: Pool) -> None:
    """Start the helpers that are missing, once there is code for them."""
    if state.worker is None or state.serial:
        return
    table = runtime()
    if state.wanted > 1 and not table.words[Slot.CREW]:
        table.words[Slot.CREW] = _crew(table, state.worker)
        if hasattr(os, "register_at_fork"):
            after = functools.partial(_after_fork, state, table)
            os.register_at_fork(after_in_child=after)
    with _no_signals():
        while state.running < state.wanted - 1:
            if not _create(state.worker.address, table.words[Slot.CREW]):
                state.wanted = state.running + 1
                warnings.warn(
                    f"compiled functions run on {state.wanted} threads: the system "
                    "has no more",
                    RuntimeWarning,
                    stacklevel=4,
                )
                break
            state.running += 1
    table.words[Slot.THREADS] = state.wanted


def _crew(table: Runtime, worker: Worker) -> int:
    """The address of the helpers' words.

    These and the helpers' code are there as long as the process is: nobody stops the
    threads.
    """
    size, line = 8 * team.CREW_WORDS, 128
    memory = ctypes.create_string_buffer(size + line)
    address = -(-ctypes.addressof(memory) // line) * line
    for kept in (memory, worker.engine, table):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
    libc = ctypes.CDLL(None)
    libc.pthread_mutex_init(ctypes.c_void_p(address + 8 * team.MUTEX), None)
    libc.pthread_cond_init(ctypes.c_void_p(address + 8 * team.BELL), None)
    ctypes.c_uint64.from_address(address + 8 * team.TABLE).value = table.address
    return address


def _create(function: int, argument: int) -> bool:
    """Start a thread that nobody joins; whether that went well."""
    libc, thread = ctypes.CDLL(None), ctypes.c_void_p()
    create = libc.pthread_create
    create.argtypes = [ctypes.c_void_p] * 4
    if create(ctypes.addressof(thread), None, function, argument):
        return False
    libc.pthread_detach.argtypes = [ctypes.c_void_p]
    libc.pthread_detach(thread)
    return True


@contextlib.contextmanager
def _no_signals() -> Iterator[None]:
    """Have threads that start here leave all signals to the others."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _after_fork(state: Pool, table: Runtime) -> None:
    """Run serially in a child, which has no copy of the helpers."""
    state.lock = threading.Lock()
    state.serial = True
    if table.words[Slot.THREADS] > 1:
        table.words[Slot.NOTICE] = 1
    table.words[Slot.THREADS] = 1
