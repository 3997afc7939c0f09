"""Functions for the device, and arrays on it that other libraries could have made."""

from __future__ import annotations

from typing import Any

import numpy as np

import symgraph as sg
from symgraph import dlpack
from symgraph.function import Function

from ..device import address, real


def far(*args: Any, **options: Any) -> Function:
    """A function for the device."""
    return sg.function(*args, device="cuda", **options)


class Elsewhere:
    """An array on the device in memory of another library's.

    It lies there as `array` does on the host, with the same steps from element to
    element.  In the simulator it is the same memory.

    Attributes:
        owner: what keeps the memory.
        address: of the first element.
    """

    def __init__(self, array: np.ndarray) -> None:
        self.owner: Any = array
        self.address = array.ctypes.data
        shown = array.__array_interface__
        self.shown = {name: shown[name] for name in ("shape", "strides", "typestr")}
        if real():
            whole = array
            while isinstance(whole.base, np.ndarray):
                whole = whole.base
            self.owner = _bytes_there(whole)
            self.address += address(self.owner) - whole.ctypes.data
        self.shown |= {"data": (self.address, False), "version": 3}


def _bytes_there(array: np.ndarray) -> Any:
    """What an array without gaps holds, on a GPU."""
    from numba import cuda

    return cuda.to_device(array.ravel("K").view("uint8"))


class Producer(Elsewhere):
    """As the CUDA array interface shows it."""

    def __init__(self, array: np.ndarray, **more: Any) -> None:
        super().__init__(array)
        self.__cuda_array_interface__ = self.shown | more


class Exporter(Elsewhere):
    """As DLPack has it."""

    def __init__(self, array: np.ndarray, kind: int = dlpack.CUDA) -> None:
        super().__init__(array)
        self.kind = kind

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.kind, 0

    def __dlpack__(self, stream: int | None = None) -> Any:
        assert stream == 1
        return dlpack.exported(np.asarray(_Carried(self)), (self.kind, 0))


class _Carried:
    """What NumPy makes an array of, without reading it."""

    def __init__(self, array: Elsewhere) -> None:
        self.__array_interface__ = array.shown
        self.owner = array.owner


class _Capsules:
    """An array that shows itself by DLPack only."""

    def __init__(self, array: Any) -> None:
        self.__dlpack_device__ = array.__dlpack_device__
        self.__dlpack__ = array.__dlpack__


def taken(array: sg.DeviceArray) -> tuple[Any, int]:
    """What another library has of an array by DLPack, and where that lies.

    The simulator's arrays are NumPy's to take; on a GPU, another of ours stands for it.
    """
    if real():
        made = sg.DeviceArray(_Capsules(array))
        return made, made.__cuda_array_interface__["data"][0]
    shared = np.from_dlpack(array)
    return shared, shared.ctypes.data


__all__ = ["Elsewhere", "Exporter", "Producer", "far", "taken"]
