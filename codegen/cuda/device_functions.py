"""What generated kernels call: the few things that Python's operators do not say.

The names are C's: ``expf`` is of float32, ``exp`` of float64.  On a device they are
libdevice's functions; in numba's simulator, which has none, those of the interpreter.
This module is imported by generated code only, since it imports numba.
"""

# ruff: noqa: D103

from __future__ import annotations

from typing import Any

import numpy as np
from numba import config, cuda

from ..interpret import SCALARS
from .scalars import function_name

#: Scalar functions of floats that CUDA has, by their names in the loop IR.
FUNCTIONS = (
    *("fma", "sqrt", "rint", "floor", "ceil", "trunc", "copysign", "abs"),
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "pow", "cbrt", "hypot"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh"),
    *("asinh", "acosh", "atanh", "erf", "erfc", "erfcx", "erfinv", "erfcinv"),
    *("lgamma", "gamma"),
)
#: What is written out below, by its name in the loop IR.
WRITTEN = {"floordiv": "floor_divide", "rem": "remainder"}
SIMULATED = bool(config.ENABLE_CUDASIM)


def _on_device(function: Any) -> Any:
    """A function that kernels may call."""
    return function if SIMULATED else cuda.jit(device=True)(function)


@_on_device
def minimum(a, b):  # type: ignore[no-untyped-def]
    return a if a < b or a != a else b


@_on_device
def maximum(a, b):  # type: ignore[no-untyped-def]
    return a if a > b or a != a else b


@_on_device
def divide_signed(a, b):  # type: ignore[no-untyped-def]
    """The quotient of int64 rounded down, and 0 for a divisor that is 0."""
    if b == 0:
        return np.int64(0)
    if b == -1:
        return np.int64(-a)  # of the smallest one: itself
    return np.int64(a // b)


@_on_device
def rest_signed(a, b):  # type: ignore[no-untyped-def]
    if b == 0 or b == -1:
        return np.int64(0)
    return np.int64(a % b)


@_on_device
def divide_unsigned(a, b):  # type: ignore[no-untyped-def]
    return np.uint64(0) if b == np.uint64(0) else np.uint64(a // b)


@_on_device
def rest_unsigned(a, b):  # type: ignore[no-untyped-def]
    return np.uint64(0) if b == np.uint64(0) else np.uint64(a % b)


def float_division(kind: Any, fmod: Any, floor: Any, copysign: Any) -> tuple[Any, Any]:
    """NumPy's floor_divide and remainder of floats of a `kind`, from C's functions."""
    zero, half, one = kind(0), kind(0.5), kind(1)

    def floor_divide(a, b):  # type: ignore[no-untyped-def]
        quotient = a / b
        if b == zero:
            return quotient
        rest = fmod(a, b)
        whole = (a - rest) / b
        if rest != zero and (b < zero) != (rest < zero):
            whole = whole - one
        if whole == zero:
            return copysign(zero, quotient)
        # It is an integer up to rounding: floor must not lose a whole unit.
        down = floor(whole)
        return down + one if whole - down > half else down

    def remainder(a, b):  # type: ignore[no-untyped-def]
        rest = fmod(a, b)
        if b == zero:
            return rest
        if rest == zero:
            return copysign(zero, b)
        return rest + b if (b < zero) != (rest < zero) else rest

    return floor_divide, remainder


def _simulated() -> dict[str, Any]:
    """Everything by name, for the simulator."""
    found: dict[str, Any] = {}
    for op in (*FUNCTIONS, *WRITTEN):
        for dtype in ("float32", "float64"):
            found[function_name(op, dtype)] = SCALARS[op]
    return found


def _real() -> dict[str, Any]:
    """Everything by name, for a device."""
    from numba.cuda import libdevice as lib

    found: dict[str, Any] = {}
    for op in FUNCTIONS:
        for dtype in ("float32", "float64"):
            name = function_name(op, dtype)
            found[name] = getattr(lib, name)
    double = float_division(np.float64, lib.fmod, lib.floor, lib.copysign)
    single = float_division(np.float32, lib.fmodf, lib.floorf, lib.copysignf)
    for name, function in zip(WRITTEN.values(), double, strict=True):
        found[name] = _on_device(function)
    for name, function in zip(WRITTEN.values(), single, strict=True):
        found[name + "f"] = _on_device(function)
    return found


def _bits() -> dict[str, Any]:
    if SIMULATED:
        return {
            "float_as_int": lambda x: x.view(np.int32),
            "int_as_float": lambda x: x.view(np.float32),
            "double_as_longlong": lambda x: x.view(np.int64),
            "longlong_as_double": lambda x: x.view(np.float64),
        }
    from numba.cuda import libdevice as lib

    names = ("float_as_int", "int_as_float", "double_as_longlong", "longlong_as_double")
    return {name: getattr(lib, name) for name in names}


globals().update(_bits(), **(_simulated() if SIMULATED else _real()))
