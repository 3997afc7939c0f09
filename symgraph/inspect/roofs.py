"""Measuring what a machine can do: bytes and operations a second, by small kernels.

Each thread runs a kernel on arrays of its own, again and again, so that starting it
costs nothing.  The kernels are numba's; nothing that symgraph compiles is in this.
"""

from __future__ import annotations

import functools
import os
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

#: Seconds that a kernel runs at least.
LONG_ENOUGH = 0.05
TRIES = 5
CHAINS, LENGTH = 8, 16
#: Of the matrices that BLAS multiplies.
SIDE = 1536
CPUS = Path("/sys/devices/system/cpu")
#: What is said of each cache, in `CPUS`.
_CACHE = ("level", "type", "size", "shared_cpu_list")
#: Bytes of level 2 for each core, and of level 3, where the system does not say.
UNKNOWN_CACHES = {2: 2**20, 3: 2**25}
Work = Callable[[int, int], object]


def model() -> str:
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def threads() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def caches() -> dict[int, int]:
    """The bytes of levels 2 and 3 that the processors of this process have together.

    What the system does not say is taken from `UNKNOWN_CACHES`.
    """
    found: dict[tuple[str, str], int] = {}
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    for cpu in cores:
        for index in CPUS.glob(f"cpu{cpu}/cache/index*"):
            words = [(index / name).read_text().strip() for name in _CACHE]
            level, kind, size, shared = words
            if kind != "Instruction":
                found[level, shared] = int(size.removesuffix("K")) * 1024
    sizes = {}
    for number, guess in UNKNOWN_CACHES.items():
        known = sum(size for (level, _), size in found.items() if level == str(number))
        sizes[number] = known or guess * (threads() if number == 2 else 1)
    return sizes


@functools.cache
def kernels() -> SimpleNamespace:
    """The kernels, by numba, which is imported here."""
    from numba import njit

    @njit(nogil=True, fastmath=True)
    def total(x: Any, times: int) -> float:
        found = 0.0
        for _ in range(times):
            for i in range(x.size):
                found += x[i]
        return found

    @njit(nogil=True, fastmath=True)
    def product(x: Any, y: Any, times: int) -> float:
        found = 0.0
        for _ in range(times):
            for i in range(x.size):
                found += x[i] * y[i]
        return found

    @njit(nogil=True, fastmath=True)
    def triad(a: Any, b: Any, c: Any, times: int) -> None:
        for k in range(times):
            for i in range(a.size):
                a[i] = b[i] + k * c[i]

    @njit(nogil=True, fastmath=True)
    def scale(a: Any, b: Any, times: int) -> None:
        for k in range(times):
            for i in range(a.size):
                a[i] = k * b[i]

    # Only contraction: terms that are put in another order are other operations.
    @njit(nogil=True, fastmath={"contract"})
    def chains(x: Any, out: Any, start: Any, step: Any, times: int) -> None:
        """`CHAINS` independent chains of `LENGTH` fused operations for each element."""
        for _ in range(times):
            for i in range(x.size):
                a = x[i]
                p, q, r, s = start, start + a, start - a, -a
                t, u, v, w = start * a, step - a, step + a, step * a
                for _ in range(LENGTH):
                    p, q, r, s = p * a + step, q * a + step, r * a + step, s * a + step
                    t, u, v, w = t * a + step, u * a + step, v * a + step, w * a + step
                out[i] = ((p + q) + (r + s)) + ((t + u) + (v + w))

    return SimpleNamespace(
        total=total, product=product, triad=triad, scale=scale, chains=chains
    )


def seconds(team_size: int, work: Work, times: int) -> float:
    """The time in which all threads have done `work` so often."""
    ready = threading.Barrier(team_size + 1)

    def run(number: int) -> None:
        ready.wait()
        work(number, times)

    team = [threading.Thread(target=run, args=(k,)) for k in range(team_size)]
    for thread in team:
        thread.start()
    ready.wait()
    begin = time.perf_counter()
    for thread in team:
        thread.join()
    return time.perf_counter() - begin


def best(threads: int, work: Work) -> float:
    """The least seconds for one time, among tries that each take long enough."""
    work(0, 1)  # compiled
    times = 1
    while (taken := seconds(threads, work, times)) < LONG_ENOUGH:
        times = max(2 * times, int(1.2 * LONG_ENOUGH / taken * times))
    return min(seconds(threads, work, times) for _ in range(TRIES)) / times


def bandwidth(size: int, threads: int, allocates: bool) -> tuple[float, float]:
    """Bytes a second: reading, and reading and writing, in arrays of `size` bytes.

    That is all arrays of all threads together.  `allocates` says that a line is read
    before it is written, as it is in a memory behind the caches; `copyto`, which may
    know how to do without, is counted without.
    """

    def arrays(count: int) -> list[list[Any]]:
        length = size // (8 * count * threads)
        return [[np.ones(length) for _ in range(count)] for _ in range(threads)]

    def rate(count: int, moved: int, work: Callable[..., object]) -> float:
        held = arrays(count)
        taken = best(threads, lambda k, times: work(*held[k], times))
        size: int = held[0][0].nbytes
        return moved * threads * size / taken

    def copy(a: Any, b: Any, times: int) -> None:
        for _ in range(times):
            np.copyto(a, b)

    by, more = kernels(), 1 if allocates else 0
    reading = max(rate(1, 1, by.total), rate(2, 2, by.product))
    both = (rate(3, 3 + more, by.triad), rate(2, 2 + more, by.scale), rate(2, 2, copy))
    return reading, max(both)


def peak(dtype: str, threads: int) -> float:
    """Operations a second, a fused multiplication and addition counted as two.

    By `chains` or, where numba's vectors are shorter than they could be, by the matrix
    product of NumPy's BLAS.
    """
    kind = np.dtype(dtype).type
    x = np.linspace(0.1, 0.9, 512).astype(dtype)
    out = [np.empty_like(x) for _ in range(threads)]
    square = np.ones((SIDE, SIDE), dtype)

    def fused(number: int, times: int) -> None:
        kernels().chains(x, out[number], kind(0.5), kind(0.25), times)

    def multiplied(_: int, times: int) -> None:
        for _ in range(times):
            square @ square

    return max(
        2 * CHAINS * LENGTH * x.size * threads / best(threads, fused),
        2 * SIDE**3 / best(1, multiplied),  # BLAS has threads of its own
    )


def measured(threads: str, *levels: str) -> dict[str, float]:
    """`peak` by dtype; each level, as ``bytes`` or ``bytes+``, reading and both.

    A plus stands for `allocates`.
    """
    count = int(threads)
    found = {dtype: peak(dtype, count) for dtype in ("float32", "float64")}
    for level in levels:
        size = int(level.removesuffix("+"))
        rates = bandwidth(size, count, level.endswith("+"))
        found[f"{level} read"], found[f"{level} both"] = rates
    return found
