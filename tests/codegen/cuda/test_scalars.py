"""Generated expressions mean what the interpreter says, through numba's front end.

The simulator runs them with NumPy's scalars; here numba types and compiles them, whose
promotion of small integers and of mixed floats is what they must get round.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numba import njit

from symgraph.codegen.check import TYPING
from symgraph.codegen.cuda import scalars
from symgraph.codegen.interpret import applied
from symgraph.codegen.ir import COMPARISONS, DTYPES, FLOATS, PRIMITIVES, Const, Let

#: What a device has as a function is numba's or libdevice's affair, not Python text.
WRITTEN = sorted(set(PRIMITIVES) - {"lookup", *scalars.CALLED} | {"abs"})


def values(dtype: str) -> np.ndarray:
    """The corners of a dtype, and ordinary values."""
    if dtype == "bool":
        return np.array([False, True])
    if dtype in FLOATS:
        some = [0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 0.3, -7.0, 3e9, -3e9, 128.0, -129.0]
        return np.array([*some, 255.9, 1e30, np.inf, -np.inf, np.nan, 2.0**63], dtype)
    limits = np.iinfo(dtype)
    some = [0, 1, 2, 3, 7, 8, 31, 63, 64, limits.max, limits.max - 1, limits.min]
    some += [] if limits.min == 0 else [-1, -2, -3, -7]
    return np.array([x for x in some if limits.min <= x <= limits.max], dtype)


def results(op: str, dtype: str) -> tuple[str, ...]:
    if op in COMPARISONS:
        return ("bool",)
    if op == "cast":
        return DTYPES
    if op == "bitcast":
        width = np.dtype(dtype).itemsize
        # Floats go through functions of the device.
        numbers = (d for d in DTYPES if d not in (*FLOATS, "bool"))
        return tuple(d for d in numbers if np.dtype(d).itemsize == width)
    return (dtype,)


def lets(dtype: str) -> list[Let]:
    """Every primitive on `dtype`, over the values a, b (and c, a bool)."""
    found = []
    for op in WRITTEN:
        if (op == "abs" and dtype in FLOATS) or dtype not in TYPING[op][1]:
            continue
        if op == "bitcast" and dtype in FLOATS:
            continue
        args: tuple[str, ...] = ("a", "b")[: PRIMITIVES[op]]
        args = ("c", "a", "b") if op == "select" else args
        for result in results(op, dtype):
            found.append(Let(f"{op}_{result}", op, args, result))
    return found


def text_of(found: list[Let], dtype: str) -> str:
    """A function that writes the value of each for each pair of arguments."""
    lines = []
    for let in found:
        if let.op in ("floordiv", "rem") and dtype in FLOATS:
            lines += scalars.float_division(
                let.op, ("a", "b"), f"v_{let.name}", dtype, set()
            )
        else:
            value = scalars.expression(let.op, let.args, dtype, let.dtype, set())
            lines.append(f"v_{let.name} = {value}")
        lines.append(f"{let.name}[i] = v_{let.name}")
    body = "\n".join(f"        {line}" for line in lines)
    return (
        f"def f(x, y, z, {', '.join(let.name for let in found)}):\n"
        "    for i in range(len(x)):\n"
        "        a, b, c = x[i], y[i], z[i]\n" + body
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_expressions(dtype: str) -> None:
    found = lets(dtype)
    some = values(dtype)
    pairs = list(itertools.product(some, some, [False, True]))
    x, y = (np.array([p[k] for p in pairs], dtype) for k in (0, 1))
    z = np.array([p[2] for p in pairs])
    names: dict[str, Any] = {"np": np, "fmod": np.fmod, "fmodf": np.fmod}
    names |= {"floor": np.floor, "floorf": np.floor}
    names |= {"copysign": np.copysign, "copysignf": np.copysign}
    exec(text_of(found, dtype), names)
    got = [np.empty(len(x), let.dtype) for let in found]
    njit(error_model="numpy")(names["f"])(x, y, z, *got)
    for let, array in zip(found, got, strict=True):
        for a, b, c, value in zip(x, y, z, array, strict=True):
            args = {"a": a, "b": b, "c": np.bool_(c)}
            with np.errstate(all="ignore"):
                want = applied(let, [args[str(arg)] for arg in let.args])
            same = want == value or (want != want and value != value)
            assert same, f"{let} of {args}: {value}, not {want}"
            if let.dtype in FLOATS and let.op not in ("min", "max"):
                assert np.isnan(want) or np.signbit(want) == np.signbit(value), let


@pytest.mark.parametrize("dtype", DTYPES)
def test_literals(dtype: str) -> None:
    for value in values(dtype):
        text = scalars.literal(Const(value.item(), dtype))
        made = np.asarray(eval(text, {"np": np}))
        assert made.dtype == dtype
        np.testing.assert_array_equal(made, value)
        assert np.signbit(made) == np.signbit(value) if dtype in FLOATS else True
