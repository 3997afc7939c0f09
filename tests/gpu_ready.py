"""Whether this machine can run ``make gpu``; needs nothing but Python.

Prints the GPU, or says what is missing and exits with status 1.  It asks the driver
itself, so that nothing large is installed where there is no GPU.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

#: The extra `cuda` has the compilers of CUDA 13, whose code older drivers do not load.
NEEDED = 13000
#: The least compute capability that those compile for.
CAPABILITY = (7, 5)
#: The driver's numbers of the attributes that a capability is.
_MAJOR, _MINOR = 75, 76


def ready(load: Callable[[str], Any] = ctypes.CDLL) -> tuple[bool, str]:
    """Whether there is a GPU that can be used, and a sentence that says so."""
    try:
        driver = load("libcuda.so.1")
    except OSError:
        return False, "no NVIDIA driver is installed: there is no libcuda.so.1"
    if code := driver.cuInit(0):
        return False, f"the NVIDIA driver finds no GPU that it can use (error {code})"
    count, version = ctypes.c_int(), ctypes.c_int()
    driver.cuDeviceGetCount(ctypes.byref(count))
    if not count.value:
        return False, "the NVIDIA driver is installed, and there is no GPU"
    driver.cuDriverGetVersion(ctypes.byref(version))
    major, minor = divmod(version.value, 1000)
    known = f"CUDA {major}.{minor // 10}"
    if version.value < NEEDED:
        return False, f"the NVIDIA driver knows {known} only: 13 or newer is needed"
    name = ctypes.create_string_buffer(256)
    driver.cuDeviceGetName(name, len(name), 0)
    own = []
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, 0)
        own.append(value.value)
    shown = f"{name.value.decode()}, of compute capability {own[0]}.{own[1]}"
    if tuple(own) < CAPABILITY:
        return False, f"{shown}: 7.5 or newer is needed"
    return True, f"{shown}, driver for {known}"


if __name__ == "__main__":
    good, words = ready()
    print(f"make gpu: {words}", file=sys.stdout if good else sys.stderr)
    sys.exit(not good)
