"""Large results that are stored past the caches.

A line that is stored to is first read from memory, and a result that is larger than the
last cache drives out of it whatever was there, only to be gone itself before anybody
reads it.  Stores with a hint that the line will not be needed do neither.  Where a
result would fit into the cache they take twice as long, so that each loop has both
kinds, and decides when its kernel is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from ..ir import Buffer, Extent, Kernel, Load, Store, walk
from .host import Host

#: What the hint needs: the address of each vector is a multiple of so many bytes.
ALIGN = 16
#: What is behind a store with the hint, and the line that its module then holds.
HINT, MEANING = ", !nontemporal !0", "!0 = !{i32 1}"
#: After stores with the hint, and before anybody else is told of them.
FENCE = "x86.sse.sfence"


def streamed(
    kernel: Kernel, width: int, host: Host
) -> Mapping[str, tuple[Extent, ...]]:
    """By buffer the extents of what `kernel` writes, where that may be large.

    Those are buffers that it only writes, each element once, in vectors of `width`.
    """
    if not host.streams:
        return {}
    statements = [s for s, _ in walk(kernel.body)]
    read = {s.buffer for s in statements if isinstance(s, Load)}
    stores = [s for s in statements if isinstance(s, Store)]
    found = {}
    for buffer in kernel.buffers:
        mine = [s for s in stores if s.buffer == buffer.name]
        if buffer.name in read or len(mine) != 1 or mine[0].accumulate:
            continue
        extents = _written(kernel, buffer, mine[0])
        size = np.dtype(buffer.dtype).itemsize
        known = all(isinstance(e, int) for e in extents)
        small = known and size * prod(map(int, extents)) < host.streams
        if extents and not small and size * width % ALIGN == 0:
            found[buffer.name] = extents
    return found


def _written(kernel: Kernel, buffer: Buffer, store: Store) -> tuple[Extent, ...]:
    """The extents of the axes that `store` goes along."""
    pairs = zip(buffer.shape, store.index, strict=True)
    return tuple(
        extent
        for extent, index in pairs
        if any(name not in kernel.sizes for name, _ in index.terms)
    )


__all__ = ["ALIGN", "FENCE", "HINT", "MEANING", "streamed"]
