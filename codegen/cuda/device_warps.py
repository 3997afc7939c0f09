"""What the threads of a warp do together, for generated kernels: shuffles, and waiting.

Each function takes the number of threads of a warp, which is 32 on a device.  numba's
simulator has no warps; there as many threads as are said hand values over one by one.
This module is imported by generated code only, since it imports numba.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from ..ir import DTYPES, UNSIGNED
from .combine import shuffle

_EVERYONE = 0xFFFFFFFF
#: Seconds until a thread of the simulator gives up on those that do not come.
_PATIENCE = 120.0


class _Warp:
    """A warp of the simulator: its threads meet, and leave values for one another."""

    def __init__(self, width: int) -> None:
        self.barrier = threading.Barrier(width)
        self.values: list[Any] = [None] * width

    def handed(self, lane: int, value: Any) -> list[Any]:
        """What each lane holds."""
        self.values[lane] = value
        self.barrier.wait(_PATIENCE)
        found = list(self.values)
        # The next to leave a value must not overtake those who still read.
        self.barrier.wait(_PATIENCE)
        return found


def _warp(width: int) -> tuple[_Warp, int]:
    """The warp of the thread that asks, and its lane."""
    thread: Any = threading.current_thread()
    number, lane = divmod(thread.thread_id, width)
    # The simulator has an object for each block, made anew when the block begins.
    warps = vars(thread._manager).setdefault("symgraph_warps", {})
    return warps.setdefault((number, width), _Warp(width)), lane


def _down(value: Any, step: int, width: int) -> Any:
    warp, lane = _warp(width)
    there = lane + step
    return warp.handed(lane, value)[there if there < width else lane]


def _up(value: Any, step: int, width: int) -> Any:
    warp, lane = _warp(width)
    there = lane - step
    return warp.handed(lane, value)[there if there >= 0 else lane]


def _lane(value: Any, which: int, width: int) -> Any:
    warp, lane = _warp(width)
    return warp.handed(lane, value)[which]


def _meet(width: int) -> None:
    warp, lane = _warp(width)
    warp.handed(lane, None)


def simulated() -> dict[str, Any]:
    """Everything by name, for the simulator."""
    ways = {"down": _down, "up": _up, "lane": _lane}
    found: dict[str, Any] = {
        shuffle(way, dtype): f for way, f in ways.items() for dtype in DTYPES
    }
    return found | {"meet": _meet}


def real() -> dict[str, Any]:
    """Everything by name, for a device."""
    from numba import cuda

    ways = {
        "down": cuda.shfl_down_sync,
        "up": cuda.shfl_up_sync,
        "lane": cuda.shfl_sync,
    }
    found = {
        shuffle(way, dtype): _shuffle(f, dtype)
        for way, f in ways.items()
        for dtype in DTYPES
    }

    @cuda.jit(device=True)
    def meet(width: int) -> None:
        cuda.syncwarp()

    return found | {"meet": meet}


def _shuffle(function: Any, dtype: str) -> Any:
    """A shuffle of values of `dtype`: the hardware has those of 32 and of 64 bits."""
    from numba import cuda

    if dtype == "bool":

        @cuda.jit(device=True)
        def shuffled(value: Any, step: Any, width: Any) -> Any:
            return function(_EVERYONE, np.int32(value), np.int32(step)) != 0

        return shuffled
    kept = np.dtype(_CARRIED.get(dtype, dtype)).type
    given = np.dtype(dtype).type

    @cuda.jit(device=True)
    def shuffled_as(value: Any, step: Any, width: Any) -> Any:
        return given(function(_EVERYONE, kept(value), np.int32(step)))

    return shuffled_as


#: As what short and unsigned integers go from lane to lane.
_CARRIED = {d: "int64" if d == "uint64" else "int32" for d in UNSIGNED}
_CARRIED |= {"int8": "int32", "int16": "int32"}
