"""One call of a program on a device, through the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .codegen.cuda.launch import CudaProgram


@dataclass(frozen=True, slots=True)
class DeviceResult:
    """What a call leaves on the device.

    `status` is 0, or the code of the first failed check: then there are neither
    `results`, in order, nor `updates`, by the names of the update arrays.
    """

    status: int
    results: tuple[Any, ...]
    updates: Mapping[str, Any]


def called(whole: CudaProgram, given: Mapping[str, Any]) -> DeviceResult:
    """Run a program on what a caller gives, on the host or on the device."""
    arrays = {
        name: value if isinstance(value, np.ndarray) else value.copy_to_host()
        for name, value in given.items()
    }
    done = whole.run(arrays)
    if done.status:
        return DeviceResult(done.status, (), {})
    to_device = whole._cuda.to_device
    updates = {
        array.name: to_device(done.updates[str(array.target)])
        for array in whole.program.by_role("update")
    }
    return DeviceResult(0, tuple(map(to_device, done.results)), updates)


__all__ = ["DeviceResult", "called"]
