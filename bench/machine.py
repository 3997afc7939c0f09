"""The machine: whether it is busy, its GPU's driver, and a process's memory."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import resource
import time
from pathlib import Path

#: The share of all processors' time that others may take during `LOOK` seconds.
IDLE_ENOUGH = 0.05
LOOK = 1.0


def busy() -> float:
    """The share of the processors' time that is taken now, this process asleep."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return min(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))

    def ticks() -> tuple[int, int]:
        numbers = [int(n) for n in stat.read_text().splitlines()[0].split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]  # idle, and waiting for a disk

    all_before, idle_before = ticks()
    time.sleep(LOOK)
    all_after, idle_after = ticks()
    return 1 - (idle_after - idle_before) / max(1, all_after - all_before)


def refuse_if_busy() -> None:
    """End the program where the machine is not quiet enough to measure on."""
    share = min(busy() for _ in range(3))
    if share > IDLE_ENOUGH:
        raise SystemExit(
            f"the machine is busy ({share:.0%} of its processors' time is taken, which "
            f"may be {IDLE_ENOUGH:.0%}): what is measured now would say nothing; wait, "
            "or give --busy to measure all the same"
        )


def driver() -> str:
    """The NVIDIA driver: its release, and the CUDA version that it knows."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver"
    version = ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(version))
    major, minor = divmod(version.value, 1000)
    told = Path("/proc/driver/nvidia/version")
    words = told.read_text() if told.exists() else ""
    return f"driver {release(words)} (CUDA {major}.{minor // 10})"


def release(words: str) -> str:
    """The number in what the driver says of itself, as in "580.65.06"."""
    found = re.search(r"\s(\d+\.\d+(\.\d+)?)\s", words)
    return found[1] if found else "of unknown release"


class Memory:
    """How much more memory this process took at its peak than when this was made."""

    def __init__(self) -> None:
        try:  # forget the peak so far
            Path("/proc/self/clear_refs").write_text("5")
            self._peaks = self._high_water
        except OSError:
            self._peaks = self._most
        self._before = self._peaks()

    def peak(self) -> int:
        """In bytes."""
        return self._peaks() - self._before

    @staticmethod
    def _high_water() -> int:
        status = Path("/proc/self/status").read_text().splitlines()
        (line,) = [each for each in status if each.startswith("VmHWM")]
        return int(line.split()[1]) * 1024

    @staticmethod
    def _most() -> int:
        unit = 1 if platform.system() == "Darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
