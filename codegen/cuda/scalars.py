"""One scalar primitive as a Python expression with the loop IR's meaning.

numba widens small integers to 64 bits and mixes of float32 and float64 to float64, so
every literal has its dtype, and so has every integer result.  What a primitive needs
beyond operators it calls by a name of `device_functions`, which is noted in `used`.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import CompileError
from ..ir import FLOATS, SIGNED, TRANSCENDENTALS, UNSIGNED, Const

#: Operators that say what the primitive means for all but bools.
OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "and": "&", "or": "|", "xor": "^",
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip
#: What arithmetic on bools is.
OF_BOOLS = {"add": "|", "mul": "&", "min": "&", "max": "|"}
#: Transcendentals without a CUDA function: to be written out as primitives.
EXPANDED = frozenset({"sigmoid", "digamma", "trigamma"})
#: Primitives of floats that are functions of CUDA's.
CALLED = (
    *("fma", "sqrt", "rint", "floor", "ceil", "trunc", "copysign", "abs"),
    *(op for op in TRANSCENDENTALS if op not in EXPANDED),
)
#: How float and integer bits are taken for one another.
BITS = {
    ("float32", "int32"): "float_as_int", ("int32", "float32"): "int_as_float",
    ("float64", "int64"): "double_as_longlong",
    ("int64", "float64"): "longlong_as_double",
}  # fmt: skip
#: Where C has another name.
C_NAMES = {"gamma": "tgamma", "abs": "fabs"}


def literal(const: Const) -> str:
    """A literal with its dtype."""
    value, dtype = const.value, const.dtype
    if dtype == "bool":
        return str(bool(value))
    if isinstance(value, float) and not math.isfinite(value):
        shown = "np.nan" if math.isnan(value) else "np.inf" if value > 0 else "-np.inf"
        return f"np.{dtype}({shown})"
    return f"np.{dtype}({value!r})"


def function_name(op: str, dtype: str) -> str:
    """The name of `op` for a float `dtype`, as C has it."""
    return C_NAMES.get(op, op) + ("f" if dtype == "float32" else "")


def expression(
    op: str, args: tuple[str, ...], source: str, dtype: str, used: set[str]
) -> str:
    """``op(args)`` of type `dtype`, the last argument being of type `source`.

    Raises CompileError for what has no form on a device.
    """
    if op == "select":
        return f"{args[1]} if {args[0]} else {args[2]}"
    if op == "cast":
        return cast(args[0], source, dtype)
    if op == "bitcast":
        return _bitcast(args[0], source, dtype, used)
    if op == "lookup":
        return f"({', '.join(args[1:])})[{args[0]} & 15]"
    if source == "bool":
        return _of_bools(op, args)
    if op in ("eq", "ne", "lt", "le", "gt", "ge"):
        return f"{args[0]} {OPERATORS[op]} {args[1]}"
    if source in FLOATS:
        return _of_floats(op, args, source, used)
    return f"np.{dtype}({_of_integers(op, args, source)})"


def _of_bools(op: str, args: tuple[str, ...]) -> str:
    if op == "not":
        return f"not {args[0]}"
    sign = OF_BOOLS.get(op) or OPERATORS.get(op)
    if sign is None:
        raise CompileError(f"{op} of bool has no form on a device")
    return f"{args[0]} {sign} {args[1]}"


def _of_floats(op: str, args: tuple[str, ...], dtype: str, used: set[str]) -> str:
    if op in ("add", "sub", "mul"):
        return f"{args[0]} {OPERATORS[op]} {args[1]}"
    if op == "div":
        return f"{args[0]} / {args[1]}"
    if op == "neg":
        return f"-{args[0]}"
    if op in ("min", "max"):
        # A NaN on either side comes through.
        first = f"{args[0]} {'<' if op == 'min' else '>'} {args[1]}"
        return f"{args[0]} if {first} or {args[0]} != {args[0]} else {args[1]}"
    if op in CALLED:
        return _call(function_name(op, dtype), args, used)
    raise CompileError(f"{op} of {dtype} has no form on a device")


def _of_integers(op: str, args: tuple[str, ...], dtype: str) -> str:
    """Of the right value, in whatever width numba computes it."""
    match op:
        case "neg":
            # Not -x: NumPy has no such thing for its unsigned scalars.
            return f"np.{dtype}(0) - {args[0]}"
        case "abs":
            return f"abs({args[0]})" if dtype in SIGNED else args[0]
        case "not":
            return f"~{args[0]}"
        case "min" | "max":
            return f"{op}({args[0]}, {args[1]})"
        case "shl" | "shr":
            return _shift(op, args, dtype)
        case "floordiv" | "rem":
            return _division(op, args, dtype)
    if op not in OPERATORS:
        raise CompileError(f"{op} of {dtype} has no form on a device")
    return f"{args[0]} {OPERATORS[op]} {args[1]}"


def _division(op: str, args: tuple[str, ...], dtype: str) -> str:
    """Rounded down; 0 for a divisor of 0.  Dividing by -1 may overflow."""
    a, b = args
    zero, minus = f"np.{dtype}(0)", f"np.{dtype}(-1)"
    found = f"{a} // {b}" if op == "floordiv" else f"{a} % {b}"
    if b.startswith(f"np.{dtype}(") and b not in (zero, minus):
        return found
    if dtype in SIGNED:
        turned = f"{zero} - {a}" if op == "floordiv" else zero
        found = f"{turned} if {b} == {minus} else {found}"
    return f"{zero} if {b} == {zero} else {found}"


def float_division(
    op: str, args: tuple[str, ...], name: str, dtype: str, used: set[str]
) -> list[str]:
    """The statements that set `name` to what NumPy's floor_divide or remainder gives.

    Names that begin with `name` and an underscore are theirs.
    """
    a, b = args
    zero, half, one = (f"np.{dtype}({x})" for x in ("0.0", "0.5", "1.0"))
    rest, whole, down = f"{name}_rest", f"{name}_whole", f"{name}_down"
    f = "f" if dtype == "float32" else ""
    used.update((f"fmod{f}", f"copysign{f}"))
    differ = f"{rest} != {zero} and ({b} < {zero}) != ({rest} < {zero})"
    lines = [f"{rest} = fmod{f}({a}, {b})"]
    if op == "rem":
        return [
            *lines,
            f"{name} = {rest} + {b} if {differ} else {rest}",
            f"{name} = {name} if {rest} != {zero} else copysign{f}({zero}, {b})",
            f"{name} = {rest} if {b} == {zero} else {name}",
        ]
    used.add(f"floor{f}")
    return [
        *lines,
        f"{whole} = ({a} - {rest}) / {b}",
        f"{whole} = {whole} - {one} if {differ} else {whole}",
        # It is an integer up to rounding: floor must not lose a whole unit.
        f"{down} = floor{f}({whole})",
        f"{down} = {down} + {one} if {whole} - {down} > {half} else {down}",
        f"{down} = {down} if {whole} != {zero} else copysign{f}({zero}, {a} / {b})",
        f"{name} = {a} / {b} if {b} == {zero} else {down}",
    ]


def _shift(op: str, args: tuple[str, ...], dtype: str) -> str:
    """A shift by the width or more (or by less than 0) moves every bit out."""
    sign, bits = ("<<" if op == "shl" else ">>"), 8 * np.dtype(dtype).itemsize
    a, b = args
    fixed = b.removeprefix(f"np.{dtype}(").removesuffix(")")
    if fixed.isdecimal() and int(fixed) < bits:
        return f"{a} {sign} {b}"
    inside = f"{b} < np.{dtype}({bits})"
    if dtype in SIGNED:
        inside = f"np.{dtype}(0) <= {inside}"
    out = f"np.{dtype}(0)"
    if op == "shr" and dtype in SIGNED:
        out = f"{a} >> np.{dtype}({bits - 1})"
    return f"{a} {sign} {b} if {inside} else {out}"


def cast(a: str, source: str, dtype: str) -> str:
    """A conversion; of a float out of range, the smallest integer of the type."""
    if source == dtype:
        return a
    if dtype == "bool":
        return f"{a} != {literal(Const(0.0 if source in FLOATS else 0, source))}"
    if source not in FLOATS or dtype in FLOATS:
        return f"np.{dtype}({a})"
    limits = np.iinfo(dtype)
    low, high = float(limits.min), float(int(limits.max) + 1)
    # What lies between the least integer and the next one below is truncated to it.
    inside = f"np.{source}({low!r}) <= {a} < np.{source}({high!r})"
    return f"np.{dtype}({a}) if {inside} else np.{dtype}({limits.min})"


def _bitcast(a: str, source: str, dtype: str, used: set[str]) -> str:
    if source == dtype:
        return a
    if source not in FLOATS and dtype not in FLOATS:
        return f"np.{dtype}({a})"
    signed = {"uint32": "int32", "uint64": "int64"}
    if source in UNSIGNED:
        a, source = f"np.{signed[source]}({a})", signed[source]
    name = BITS[source, signed.get(dtype, dtype)]
    found = _call(name, (a,), used)
    return f"np.{dtype}({found})" if dtype in signed else found


def _call(name: str, args: tuple[str, ...], used: set[str]) -> str:
    used.add(name)
    return f"{name}({', '.join(args)})"
