"""Functions for the device, and arrays on it that other libraries could have made."""

from __future__ import annotations

from typing import Any

import numpy as np

import symgraph as sg
from symgraph import dlpack
from symgraph.function import Function


def far(*args: Any, **options: Any) -> Function:
    """A function for the device."""
    return sg.function(*args, device="cuda", **options)


class Producer:
    """Another library's array on the device, as the CUDA array interface shows it."""

    def __init__(self, array: np.ndarray, **more: Any) -> None:
        self.array = array
        shown = array.__array_interface__
        names = "shape", "strides", "typestr", "data"
        self.__cuda_array_interface__ = {k: shown[k] for k in names}
        self.__cuda_array_interface__ |= {"version": 3, **more}


class Exporter:
    """Another library's array on the device, as DLPack has it."""

    def __init__(self, array: np.ndarray, kind: int = dlpack.CUDA) -> None:
        self.array, self.kind = array, kind

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.kind, 0

    def __dlpack__(self, stream: int | None = None) -> Any:
        assert stream == 1
        return dlpack.exported(self.array, (self.kind, 0))


__all__ = ["Exporter", "Producer", "far"]
