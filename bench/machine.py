"""The machine: what it is, whether it is busy, its caches, and a process's memory."""

from __future__ import annotations

import os
import platform
import resource
import time
from pathlib import Path

#: The share of all processors' time that others may take during `LOOK` seconds.
IDLE_ENOUGH = 0.05
LOOK = 1.0
CPUS = Path("/sys/devices/system/cpu")
#: Bytes of level 2 for each core, and of level 3, where the system does not say.
UNKNOWN_CACHES = {2: 2**20, 3: 2**25}


def model() -> str:
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


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


def caches() -> dict[int, int]:
    """The bytes of levels 2 and 3 that the processors of this process have together.

    What the system does not say is taken from `UNKNOWN_CACHES`, with a message.
    """
    found: dict[tuple[str, str], int] = {}
    cores = os.sched_getaffinity(0)
    for cpu in cores:
        for index in CPUS.glob(f"cpu{cpu}/cache/index*"):
            words = [(index / name).read_text().strip() for name in _CACHE]
            level, kind, size, shared = words
            if kind != "Instruction":
                found[level, shared] = int(size.removesuffix("K")) * 1024
    sizes = {}
    for number, guess in UNKNOWN_CACHES.items():
        known = sum(size for (level, _), size in found.items() if level == str(number))
        sizes[number] = known or guess * (len(cores) if number == 2 else 1)
        if not known:
            print(
                f"the size of the L{number} cache is not known; say {sizes[number]:,}"
            )
    return sizes


#: What is said of each cache, in `CPUS`.
_CACHE = ("level", "type", "size", "shared_cpu_list")


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
