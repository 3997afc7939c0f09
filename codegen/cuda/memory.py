"""Memory on the device: a call's arena, and the arenas that no call uses right now.

An arena is one allocation.  What lies where in it, a :class:`Layout` says; a place is a
multiple of `ALIGNMENT` bytes, as what the driver allocates is.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np

from ..errors import DeviceError, DeviceMemoryError
from .kernels import Stream
from .recent import Recent

#: An array on the device, as numba has it.
Device: TypeAlias = Any
#: Where arrays may begin in an arena: wide enough for any vector load.
ALIGNMENT = 256
#: The layouts for which an arena keeps its arrays, which take some time to make.
MOST_LAYOUTS = 8
#: The rows of its arrays that an arena keeps for a layout.
MOST_PARTS = 1 << 14
#: The driver's code for memory that there is not.
_OUT_OF_MEMORY = 2


@dataclass(frozen=True, slots=True)
class Place:
    """A flat array in an arena: from byte `begin` on, so many elements."""

    begin: int
    length: int
    dtype: str

    @property
    def end(self) -> int:
        """The byte after it."""
        return self.begin + self.length * np.dtype(self.dtype).itemsize


@dataclass(eq=False, slots=True)
class Layout:
    """Where arrays lie in an arena of `bytes` bytes, by name."""

    places: dict[str, Place] = field(default_factory=dict)
    bytes: int = 0

    def reserve(self, count: int) -> int:
        """Set so many bytes apart; where they begin."""
        begin = self.bytes
        self.bytes += -(-count // ALIGNMENT) * ALIGNMENT
        return begin

    def put(self, name: str, length: int, dtype: str, begin: int | None = None) -> None:
        """Place an array of so many elements, or of one if there are none."""
        place = Place(0, max(length, 1), dtype)
        begin = self.reserve(place.end) if begin is None else begin
        self.places[name] = Place(begin, place.length, dtype)


class Cut:
    """An arena's arrays in one layout, by name, and parts of them.

    What numba makes of a part takes longer than to launch a kernel, so that the rows
    that a loop comes by are kept for the next call.
    """

    def __init__(self, arrays: Mapping[str, Device]) -> None:
        self.arrays = arrays
        self._parts: dict[tuple[int, int, int], Device] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def part(self, array: Device, begin: int, end: int) -> Device:
        """The elements from `begin` to `end` of one of `arrays`."""
        key = id(array), begin, end
        if key not in self._parts:
            if len(self._parts) >= MOST_PARTS:
                self._parts.clear()
            self._parts[key] = array[begin:end]
        return self._parts[key]


class Arena:
    """Memory for the temporaries of one call at a time."""

    def __init__(self, memory: Device, stream: Stream) -> None:
        self.memory = memory
        self.stream = stream
        self.bytes = int(memory.nbytes)
        self._cuts: Recent[Cut] = Recent(MOST_LAYOUTS)

    def cut(self, layout: Layout) -> Cut:
        """The arrays of a layout that fits."""
        return self._cuts.get(layout, lambda: Cut(dict(self._arrays(layout))))

    def _arrays(self, layout: Layout) -> Iterator[tuple[str, Device]]:
        for name, place in layout.places.items():
            part = self.memory[place.begin : place.end]
            yield name, part.view(np.dtype(place.dtype))


class Memory:
    """What a program allocates on the device, and the arenas that lie ready.

    A program that is called by several threads at once, or on several streams, has
    several arenas; else one, as large as its calls so far have needed.
    """

    def __init__(self, cuda: Any, owner: str) -> None:
        self.cuda = cuda
        self.owner = owner
        self.failures = failures()
        self._free: list[Arena] = []
        self._lock = threading.Lock()

    def empty(self, shape: int | tuple[int, ...], dtype: str) -> Device:
        """An array of memory that nobody else holds.

        Raises:
            DeviceMemoryError: there is too little, even without the arenas kept.
        """
        try:
            return self._allocated(shape, dtype)
        except DeviceMemoryError:
            if not self.trim():
                raise
        return self._allocated(shape, dtype)

    def _allocated(self, shape: int | tuple[int, ...], dtype: str) -> Device:
        kinds: tuple[type[Exception], ...] = (*self.failures, MemoryError)
        try:
            return self.cuda.device_array(shape, np.dtype(dtype))
        except kinds as error:
            if getattr(error, "code", _OUT_OF_MEMORY) != _OUT_OF_MEMORY:
                raise DeviceError(f"{self.owner}: the device failed: {error}") from None
            count = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
            raise DeviceMemoryError(
                f"{self.owner}: the device has no memory for {count:,} bytes more, of "
                f"an array {dtype}[{shape}]: free what is not needed there, or call "
                "with fewer elements at a time",
                count,
            ) from None

    @contextmanager
    def lent(self, layout: Layout, stream: Stream) -> Iterator[Cut]:
        """The arrays of a layout in an arena that no other call uses meanwhile.

        What the call before has launched may still run: the stream keeps the order.
        """
        arena = self._taken(layout.bytes, stream)
        try:
            yield arena.cut(layout)
        finally:
            with self._lock:
                self._free.append(arena)

    def _taken(self, count: int, stream: Stream) -> Arena:
        with self._lock:
            mine = [arena for arena in self._free if arena.stream is stream]
            fits = [arena for arena in mine if arena.bytes >= count]
            found = min(fits or mine, key=lambda arena: arena.bytes, default=None)
            if found is not None:
                # One that is too small makes room for a larger one.
                self._free.remove(found)
            if found is not None and fits:
                return found
        found = None
        return Arena(self.empty(max(count, ALIGNMENT), "uint8"), stream)

    def trim(self) -> int:
        """Give back the arenas that no call uses; how many bytes they had."""
        with self._lock:
            dropped, self._free = self._free, []
        return sum(arena.bytes for arena in dropped)

    @property
    def kept(self) -> int:
        """How many bytes the arenas have that no call uses."""
        with self._lock:
            return sum(arena.bytes for arena in self._free)


def failures() -> tuple[type[Exception], ...]:
    """What numba raises where the driver reports a failure."""
    found = [import_module("numba.cuda.cudadrv.driver").CudaAPIError]
    if "cuda.core" in sys.modules:  # what newer versions launch kernels with
        found.append(import_module("cuda.core._utils.cuda_utils").CUDAError)
    return tuple(found)


__all__ = [
    "ALIGNMENT",
    "Arena",
    "Cut",
    "Device",
    "Layout",
    "Memory",
    "Place",
    "failures",
]
