"""DLPack: arrays that go from library to library in capsules, without copies.

NumPy makes and reads the capsules, lifetimes included; only the device in them is ours
to write, since NumPy knows none but its own.  To this end an array of NumPy's stands
for memory that it cannot touch: it *carries* an address, and nobody reads from it.  The
layout is that of ``dlpack.h``: a capsule holds a structure that begins with the address
of the data, then the kind of device and its number as int32.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from .op import Array

#: Kinds of devices: the host, a GPU, and memory that CUDA moves between the two.
HOST, CUDA, CUDA_MANAGED = 1, 2, 13
#: CUDA's default stream, on which what a producer has begun must be done.
_DEFAULT_STREAM = 1


def exported(carrier: Array, device: tuple[int, int]) -> Any:
    """A capsule with what `carrier` carries, on the device of this kind and number."""
    capsule = carrier.__dlpack__()
    _device_in(capsule)[:] = device
    return capsule


def carried(producer: Any) -> Array:
    """An array that carries what `producer` has on a device, and keeps it alive.

    Raises:
        BufferError, RuntimeError: NumPy has no such dtype.
    """
    capsule = producer.__dlpack__(stream=_DEFAULT_STREAM)
    place = _device_in(capsule)
    before = tuple(place)
    place[:] = HOST, 0
    try:
        return np.from_dlpack(_Capsule(capsule))
    finally:
        # Whoever has the structure now, the carrier or still the capsule, gives it back
        # as it was.
        place[:] = before


def _device_in(capsule: Any) -> Any:
    """The kind and the number of the device in a capsule, where they stand."""
    prototype = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    pointer = prototype(("PyCapsule_GetPointer", ctypes.pythonapi))
    address = pointer(capsule, b"dltensor") + ctypes.sizeof(ctypes.c_void_p)
    return (ctypes.c_int32 * 2).from_address(address)


class _Capsule:
    """What NumPy asks for a capsule."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return HOST, 0


__all__ = ["CUDA", "CUDA_MANAGED", "HOST", "carried", "exported"]
