"""The memory of a launch, in cells that threads touch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import gcd, prod

import numpy as np

from ..interpret import Scalar, dims_of, garbage
from ..ir import Buffer, Kernel
from .decisive import decisive
from .ledger import Ledger
from .spread import Spread


@dataclass(frozen=True, slots=True)
class Place:
    """Where a buffer lies: `offset` bytes into the memory called `region`."""

    region: str
    offset: int = 0


@dataclass(slots=True)
class Memory:
    """The buffers of a launch: shapes, cells of their regions, contents that matter.

    A cell is as many bytes as all buffers in a region are made of.  `copies` has each
    thread's copy of a scratch buffer; `written` says of each element of a buffer that
    holds nothing at first whether it does now.
    """

    shapes: dict[str, tuple[int, ...]]
    places: dict[str, Place]
    units: dict[str, int]
    itemsizes: dict[str, int]
    ledgers: dict[str, Ledger]
    contents: dict[str, np.ndarray]
    copies: dict[str, np.ndarray]
    written: dict[str, np.ndarray]

    def launch(self, scratch: Iterable[str]) -> None:
        """Another launch begins, ordered after the last one; `scratch` is gone."""
        for ledger in self.ledgers.values():
            ledger.launch()
        for name in scratch:
            self.written[name][:] = False

    def cells(self, buffer: str, flat: np.ndarray, part: int) -> np.ndarray:
        """Cell number `part` of each element of a buffer."""
        place = self.places[buffer]
        unit = self.units[place.region]
        first = place.offset // unit + flat * (self.itemsizes[buffer] // unit)
        return np.asarray(first + part)


def lay_out(
    kernel: Kernel,
    spread: Spread,
    sizes: Mapping[str, Scalar],
    arrays: Mapping[str, np.ndarray],
    places: Mapping[str, Place],
) -> Memory:
    """The memory of a launch; buffers without a place have a region of their own."""
    lanes = np.arange(spread.groups * spread.threads, dtype=np.int64)
    buffers = (*kernel.buffers, *kernel.scratch)
    shapes = {b.name: dims_of(b.shape, sizes) for b in buffers}
    where = {b.name: places.get(b.name, Place(b.name)) for b in buffers}
    itemsizes = {b.name: np.dtype(b.dtype).itemsize for b in buffers}
    copies: dict[str, np.ndarray] = {}
    for b in kernel.scratch:
        copies[b.name] = lanes // spread.threads if b.name in spread.shared else lanes
    units: dict[str, int] = {}
    ends: dict[str, int] = {}
    for b in buffers:
        region, start = where[b.name].region, where[b.name].offset
        unit = gcd(units.get(region, 0), itemsizes[b.name], start)
        end = start + _count(b.name, copies) * prod(shapes[b.name]) * itemsizes[b.name]
        units[region], ends[region] = unit, max(end, ends.get(region, 0))
    ledgers = {region: Ledger(end // units[region]) for region, end in ends.items()}
    held = {
        b.name: _content(b, shapes[b.name], arrays, copies)
        for b in buffers
        if b.name in decisive(kernel).buffers
    }
    if spread.handover is not None:
        held[spread.handover.counter] = np.zeros(1, np.int32)
    written = {
        b.name: np.zeros((_count(b.name, copies) * prod(shapes[b.name]),), bool)
        for b in buffers
        if b.name in copies or b.mode == "out"
    }
    return Memory(shapes, where, units, itemsizes, ledgers, held, copies, written)


def _count(name: str, copies: Mapping[str, np.ndarray]) -> int:
    """How many copies of a buffer there are."""
    return int(copies[name][-1]) + 1 if name in copies else 1


def _content(
    buffer: Buffer,
    shape: tuple[int, ...],
    arrays: Mapping[str, np.ndarray],
    copies: Mapping[str, np.ndarray],
) -> np.ndarray:
    """The elements of a buffer, flat, to be changed at will."""
    if buffer.name in copies:
        return garbage(buffer.dtype, (_count(buffer.name, copies) * prod(shape),))
    if buffer.name in arrays:
        given = np.asarray(arrays[buffer.name])
        if given.size != prod(shape) or given.dtype != buffer.dtype:
            raise ValueError(
                f"{buffer.name} is {buffer.dtype}{list(shape)}, given "
                f"{given.dtype}{list(given.shape)}"
            )
        return given.ravel().copy()
    if buffer.mode == "out":
        return garbage(buffer.dtype, (prod(shape),))
    raise KeyError(
        f"the elements of {buffer.name} decide what is accessed: give them as an array"
    )
