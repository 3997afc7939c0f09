"""How launches are cut for given sizes: blocks, chunks, and areas of scratch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from ..interpret import Frame, Scalar, dims_of, size_of
from ..ir import Kernel, Let
from ..names import uses
from . import product
from .plan import LEAST_CHUNK, MOST_OF_A_WARP, THREADS, WARP, Plan, chunks

#: The most bytes of a launch's global scratch areas, where several blocks have one.
MOST_AREA = 1 << 28


@dataclass(frozen=True, slots=True)
class Limits:
    """How launches are cut.

    Attributes:
        threads: of a block; a power of two.
        blocks: the most in a grid.
        chunk: the least length of a chunk of a reduction.
        tile: the side of the square of threads that does a matrix product's tile.
        warp: the threads of a warp; 32 on a device.
        row: the most elements of a row that a warp runs.
    """

    threads: int = THREADS
    blocks: int = 4096
    chunk: int = LEAST_CHUNK
    tile: int = product.TILE
    warp: int = WARP
    row: int = MOST_OF_A_WARP


def known_values(kernel: Kernel, sizes: Mapping[str, int]) -> dict[str, Scalar]:
    """The sizes, and what the top level computes from them, which may be extents."""
    frame = Frame({}, {name: np.int64(sizes[name]) for name in kernel.sizes})
    with np.errstate(all="ignore"):
        for statement in kernel.body:
            if isinstance(statement, Let) and frame.values.keys() >= set(
                uses(statement)
            ):
                frame.block((statement,))
    return frame.values


def known_sizes(kernel: Kernel, sizes: Mapping[str, int]) -> dict[str, int]:
    """Those of `known_values` that are int64."""
    known = known_values(kernel, sizes)
    return {n: int(v) for n, v in known.items() if v.dtype == np.dtype("int64")}


def grid(planned: Plan, sizes: Mapping[str, int], limits: Limits) -> tuple[int, int]:
    """The blocks of a launch, and the length of a chunk where a reduction has them."""
    if planned.kind == "single":
        return 1, 0
    extents = [max(0, int(size_of(loop.extent, sizes))) for loop in planned.loops]
    extents[-1] = -(-extents[-1] // planned.width)
    total = prod(extents)
    if planned.kind == "reduce":
        return chunks(total, planned.threads, limits.chunk)
    at_once = planned.threads
    if planned.kind == "rows":
        at_once //= planned.team
    wanted = -(-total // at_once)
    area = 0
    for scratch, place in zip(planned.kernel.scratch, planned.places, strict=True):
        if place.endswith("area"):
            count = int(np.prod(dims_of(scratch.shape, sizes)))
            count *= area_parts(planned, scratch.name)
            area += count * np.dtype(scratch.dtype).itemsize
    most = limits.blocks if not area else min(limits.blocks, MOST_AREA // area)
    return max(1, min(wanted, most)), 0


def area_parts(planned: Plan, name: str) -> int:
    """How many owners a block has of the scratch buffer called `name`."""
    names = [scratch.name for scratch in planned.kernel.scratch]
    match planned.places[names.index(name)]:
        case "thread area":
            return planned.threads
        case "warp area":
            return planned.threads // planned.team
    return 1


__all__ = ["Limits", "area_parts", "grid", "known_sizes", "known_values"]
