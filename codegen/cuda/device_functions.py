"""What generated kernels call: CUDA's functions by their names in C, vectors, warps.

``expf`` is of float32, ``exp`` of float64.  On a device they are libdevice's functions;
in numba's simulator, which has none, what the interpreter computes.  This module is
imported by generated code only, since it imports numba.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from ..interpret import SCALARS
from ..ir import FLOATS
from . import device_vectors, device_warps
from .scalars import BITS, CALLED, function_name


def _simulated() -> dict[str, Any]:
    """Everything by name, for the simulator."""
    found: dict[str, Any] = {"fmod": np.fmod, "fmodf": np.fmod}
    found |= device_vectors.simulated() | device_warps.simulated()
    for op in CALLED:
        for dtype in FLOATS:
            found[function_name(op, dtype)] = SCALARS[op]
    for (_, dtype), name in BITS.items():
        found[name] = _bits_as(np.dtype(dtype))
    return found


def _bits_as(dtype: np.dtype) -> Any:
    return lambda x: x.view(dtype)


def _real() -> dict[str, Any]:
    """Everything by name, for a device."""
    from numba.cuda import libdevice

    names = ["fmod", "fmodf", *BITS.values()]
    names += [function_name(op, dtype) for op in CALLED for dtype in FLOATS]
    functions = {name: getattr(libdevice, name) for name in names}
    return functions | device_vectors.real() | device_warps.real()


_SIMULATED = import_module("numba.core.config").ENABLE_CUDASIM
globals().update(_simulated() if _SIMULATED else _real())
