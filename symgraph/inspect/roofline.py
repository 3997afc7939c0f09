"""What this machine can do at most: the roofline that steps are compared with.

After Williams, Waterman and Patterson (2009), doi:10.1145/1498765.1498785: a step takes
no less than its bytes over the bandwidth, nor than its operations over the peak.

It is measured once (:mod:`symgraph.inspect.roofs`) and kept in the compile cache, by
the processor, the number of threads and the sizes of the caches.  As data::

    {"cpu": "...", "threads": 2,
     "levels": [{"name": "L2", "size": 4194304, "read": 2.1e11, "both": 1.5e11}, ...],
     "peaks": {"float32": 3.1e11, "float64": 1.5e11}}

Sizes are in bytes, rates are a second; *both* is reading and writing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..codegen.cache import Cache, Entry, default_directory
from . import roofs

#: Changes when what is measured does.
VERSION = 1
#: The least bytes of what does not fit into a cache.
MEMORY = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Level:
    """A cache, or the memory behind them (size 0); bytes a second."""

    name: str
    size: int
    read: float
    both: float


@dataclass(frozen=True, slots=True)
class Roofline:
    """What the machine can do; the module says what the fields are."""

    cpu: str
    threads: int
    levels: tuple[Level, ...]
    peaks: Mapping[str, float]

    def seconds(
        self, moved: float, flops: float, runs: float = 1, dtype: str = "float64"
    ) -> float:
        """The least time in which so many bytes and operations are dealt with.

        They are the sum over `runs`; the bandwidth is that of the smallest cache into
        which the bytes of one fit.
        """
        each = moved / runs if runs else 0.0
        fits = [level for level in self.levels if each <= level.size]
        level = fits[0] if fits else self.levels[-1]
        return max(moved / level.both, flops / self.peaks[dtype])

    def json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self) | {"levels": [asdict(level) for level in self.levels]}

    def __str__(self) -> str:
        levels = ", ".join(f"{x.name} {x.both / 1e9:.3g} GB/s" for x in self.levels)
        peaks = ", ".join(f"{k} {v / 1e9:.3g} Gflop/s" for k, v in self.peaks.items())
        return f"{self.cpu}, threads: {self.threads}; {levels}; {peaks}"


def roofline(
    *, remeasure: bool = False, announce: Callable[[], None] | None = None
) -> Roofline:
    """This machine's roofline; the first time takes some fifteen seconds.

    `announce` is called before it is measured.
    """
    cpu, threads, caches = roofs.model(), roofs.threads(), roofs.caches()
    facts = ["roofline", VERSION, cpu, threads, sorted(caches.items())]
    key, cache = json.dumps(facts), Cache(default_directory())
    kept = None if remeasure else cache.get(key)
    if kept is not None:
        return _from_json(kept.header)
    if announce is not None:
        announce()
    made = _measured(cpu, threads, caches)
    cache.put(key, Entry(b"", made.json()))
    return made


def _from_json(data: Mapping[str, Any]) -> Roofline:
    levels = tuple(Level(**level) for level in data["levels"])
    return Roofline(data["cpu"], data["threads"], levels, data["peaks"])


def _measured(cpu: str, threads: int, caches: Mapping[int, int]) -> Roofline:
    beyond = f"{max(MEMORY, 4 * max(caches.values()))}+"
    keys = {f"L{number}": str(size // 2) for number, size in sorted(caches.items())}
    rates = roofs.measured(str(threads), *keys.values(), beyond)
    sizes = {f"L{number}": size for number, size in caches.items()}
    levels = [
        Level(name, sizes[name], rates[f"{key} read"], rates[f"{key} both"])
        for name, key in keys.items()
    ]
    levels.append(Level("memory", 0, rates[f"{beyond} read"], rates[f"{beyond} both"]))
    peaks = {dtype: rates[dtype] for dtype in ("float32", "float64")}
    return Roofline(cpu, threads, tuple(levels), peaks)


__all__ = ["Level", "Roofline", "roofline"]
