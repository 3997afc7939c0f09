"""Where the tests of kernels run: numba's simulator; with ``--device cuda``, a GPU.

Each test that starts a process by `on_device` is marked ``gpu``: it runs the same
programs on either.  In the simulator a thread is one of Python's, so that there are few
of them; a GPU has warps of 32.  Real limits give a small array one block only, so that
on a GPU every program is run under both: the real limits, and ones so low that a few
hundred elements are several blocks and chunks.
"""

from __future__ import annotations

import os
from typing import Any

from symgraph.codegen.cuda.geometry import Limits

from .simulator import run, simulated

#: Set by ``--device cuda``, for the processes that tests start.
VARIABLE = "SYMGRAPH_TEST_DEVICE"

#: Few threads; blocks and chunks so small that there are several.
SIMULATED = (Limits(threads=4, blocks=3, chunk=4, tile=2, warp=2, row=4),)
#: Two warps in a block, and in one that does a product.
ON_GPU = (
    Limits(threads=64, blocks=3, chunk=64, tile=8, warp=32, row=16),
    Limits(),
)


def real() -> bool:
    """Whether the tests run on a GPU."""
    return os.environ.get(VARIABLE) == "cuda"


def limits() -> tuple[Limits, ...]:
    """How launches are cut; each program is run under all of them."""
    return ON_GPU if real() else SIMULATED


def address(array: Any) -> int:
    """Where an array of numba's lies on the device."""
    if not real():  # the device's memory is the host's
        return int(array.ctypes.data)
    return int(array.__cuda_array_interface__["data"][0])


def on_device(module: str, *args: object) -> str:
    """What ``python -m module args`` prints where the tests run; it must succeed."""
    return run(module, *args, simulator=False) if real() else simulated(module, *args)
