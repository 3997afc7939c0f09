"""How each scalar primitive is written in LLVM IR, for scalars and vectors alike.

The meaning is NumPy's for every value (see `ir.PRIMITIVES`).  LLVM's own integer
division traps, and its shifts and float-to-integer conversions are undefined outside
their range, so those are wrapped in selects.  `contract` on add, subtract and multiply
lets a multiply and an add become one fma; no other fast-math flag is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import CompileError
from ..ir import COMPARISONS, FLOATS, SIGNED
from .lines import Writer

_FLOAT_PREDICATES = {
    "eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge",
}  # fmt: skip

#: Float primitives that are one LLVM intrinsic with operands of one type.
_INTRINSICS = {
    "abs": "fabs", "sqrt": "sqrt", "rint": "rint", "floor": "floor", "ceil": "ceil",
    "trunc": "trunc", "copysign": "copysign", "fma": "fma",
}  # fmt: skip

#: By kind of operand: float, integer, bool.
_ARITHMETIC = {
    "add": ("fadd contract", "add", "or"),
    "sub": ("fsub contract", "sub", ""),
    "mul": ("fmul contract", "mul", "and"),
}

#: What NumPy refuses for bools, or computes in another dtype.
_NOT_BOOL = frozenset({"sub", "neg", "floordiv", "rem", "shl", "shr"})


def emit(w: Writer, op: str, source: str, result: str, args: Sequence[str]) -> str:
    """Write ``op(args)`` at the writer's level and width; returns the value's name.

    `source` is the dtype of the (last) operand, `result` that of the value.
    """
    if op == "cast":
        return _cast(w, source, result, args[0])
    if op == "bitcast":
        return w.op(f"bitcast {w.type(source)} {args[0]} to {w.type(result)}")
    if op == "select":
        return _select(w, source, *args)
    if op in COMPARISONS:
        return _compare(w, op, source, *args)
    if source == "bool" and op in _NOT_BOOL:
        raise CompileError(f"{op} of bool has no meaning; cast its operands first")
    if op in _ARITHMETIC:
        code = _ARITHMETIC[op][0 if source in FLOATS else 2 if source == "bool" else 1]
        return _binary(w, code, source, *args)
    if source in FLOATS and op in _INTRINSICS:
        return w.call(_INTRINSICS[op], source, *args)
    table = _FLOAT if source in FLOATS else _INTEGER
    if op not in table:
        raise CompileError(
            f"{op} of {source} has no native form; cast its operands first"
        )
    return table[op](w, source, *args)


def _largest(dtype: str) -> int:
    bits = _bits(dtype)
    return (1 << (bits - 1)) - 1 if dtype in SIGNED else (1 << bits) - 1


def _bits(dtype: str) -> int:
    return 1 if dtype == "bool" else int(dtype.lstrip("abcdefghijklmnopqrstuvwxyz"))


def _binary(w: Writer, code: str, dtype: str, a: str, b: str) -> str:
    return w.op(f"{code} {w.type(dtype)} {a}, {b}")


def _select(w: Writer, dtype: str, condition: str, yes: str, no: str) -> str:
    kind = w.type(dtype)
    return w.op(f"select {w.type('bool')} {condition}, {kind} {yes}, {kind} {no}")


def _compare(w: Writer, op: str, dtype: str, a: str, b: str) -> str:
    if dtype in FLOATS:
        return w.op(f"fcmp {_FLOAT_PREDICATES[op]} {w.type(dtype)} {a}, {b}")
    sign = "" if op in ("eq", "ne") else "s" if dtype in SIGNED else "u"
    return w.op(f"icmp {sign}{op} {w.type(dtype)} {a}, {b}")


def _both(w: Writer, a: str, b: str) -> str:
    return _binary(w, "and", "bool", a, b)


def _float_extreme(w: Writer, op: str, dtype: str, a: str, b: str) -> str:
    """``a if (a < b or a is NaN) else b``: a NaN on either side comes through."""
    first = _compare(w, "lt" if op == "min" else "gt", dtype, a, b)
    ordered = _select(w, dtype, first, a, b)
    nan = w.op(f"fcmp uno {w.type(dtype)} {a}, {a}")
    return _select(w, dtype, nan, a, ordered)


def _float_divmod(w: Writer, dtype: str, a: str, b: str) -> tuple[str, str, str, str]:
    """The pieces of NumPy's `npy_divmod` before its last step.

    Returns fmod(a, b), whether it is not 0, whether it then has another sign than b,
    and a zero.
    """
    zero = w.literal(0.0, dtype)
    mod = _binary(w, "frem", dtype, a, b)
    some = _compare(w, "ne", dtype, mod, zero)
    below = _compare(w, "lt", dtype, b, zero)
    differ = _binary(w, "xor", "bool", below, _compare(w, "lt", dtype, mod, zero))
    return mod, some, _both(w, some, differ), zero


def _float_rem(w: Writer, dtype: str, a: str, b: str) -> str:
    mod, some, differ, zero = _float_divmod(w, dtype, a, b)
    moved = _select(w, dtype, differ, _binary(w, "fadd", dtype, mod, b), mod)
    signed = _select(w, dtype, some, moved, w.call("copysign", dtype, zero, b))
    return _select(w, dtype, _compare(w, "eq", dtype, b, zero), mod, signed)


def _float_floordiv(w: Writer, dtype: str, a: str, b: str) -> str:
    mod, _, differ, zero = _float_divmod(w, dtype, a, b)
    one = w.literal(1.0, dtype)
    quotient = _binary(w, "fdiv", dtype, a, b)
    div = _binary(w, "fdiv", dtype, _binary(w, "fsub", dtype, a, mod), b)
    div = _select(w, dtype, differ, _binary(w, "fsub", dtype, div, one), div)
    floor = w.call("floor", dtype, div)
    # (a - mod) / b is an integer up to rounding: floor must not lose a whole unit.
    short = _binary(w, "fsub", dtype, div, floor)
    short = _compare(w, "gt", dtype, short, w.literal(0.5, dtype))
    floor = _select(w, dtype, short, _binary(w, "fadd", dtype, floor, one), floor)
    some = _compare(w, "ne", dtype, div, zero)
    floor = _select(w, dtype, some, floor, w.call("copysign", dtype, zero, quotient))
    return _select(w, dtype, _compare(w, "eq", dtype, b, zero), quotient, floor)


def _value_of(text: str) -> int | None:
    """The value of an integer literal, None for a name."""
    if text.startswith("%"):
        return None
    return int(text.removesuffix(")").rpartition(" ")[2])


def _safe_divisor(w: Writer, dtype: str, a: str, b: str) -> tuple[str, str | None]:
    """A divisor that cannot trap, and whether `b` was 0 (None if it cannot be).

    Dividing the smallest integer by -1 overflows; by 1 it gives what NumPy gives.
    """
    if _value_of(b) not in (None, 0, -1):
        return b, None
    none = _compare(w, "eq", dtype, b, w.literal(0, dtype))
    unsafe = none
    if dtype in SIGNED:
        minus = _compare(w, "eq", dtype, b, w.literal(-1, dtype))
        smallest = w.literal(-_largest(dtype) - 1, dtype)
        wraps = _both(w, minus, _compare(w, "eq", dtype, a, smallest))
        unsafe = _binary(w, "or", "bool", none, wraps)
    return _select(w, dtype, unsafe, w.literal(1, dtype), b), none


def _int_floordiv(w: Writer, dtype: str, a: str, b: str) -> str:
    divisor, none = _safe_divisor(w, dtype, a, b)
    zero = w.literal(0, dtype)
    if dtype in SIGNED:
        quotient = _binary(w, "sdiv", dtype, a, divisor)
        down = _rounds_up(w, dtype, _binary(w, "srem", dtype, a, divisor), divisor)
        lower = _binary(w, "sub", dtype, quotient, w.literal(1, dtype))
        quotient = _select(w, dtype, down, lower, quotient)
    else:
        quotient = _binary(w, "udiv", dtype, a, divisor)
    return quotient if none is None else _select(w, dtype, none, zero, quotient)


def _int_rem(w: Writer, dtype: str, a: str, b: str) -> str:
    divisor, none = _safe_divisor(w, dtype, a, b)
    zero = w.literal(0, dtype)
    if dtype in SIGNED:
        rest = _binary(w, "srem", dtype, a, divisor)
        down = _rounds_up(w, dtype, rest, divisor)
        rest = _select(w, dtype, down, _binary(w, "add", dtype, rest, divisor), rest)
    else:
        rest = _binary(w, "urem", dtype, a, divisor)
    return rest if none is None else _select(w, dtype, none, zero, rest)


def _rounds_up(w: Writer, dtype: str, rest: str, divisor: str) -> str:
    """Whether truncation rounded up: a remainder whose sign is not the divisor's."""
    zero = w.literal(0, dtype)
    differ = _binary(w, "xor", dtype, rest, divisor)
    some = _compare(w, "ne", dtype, rest, zero)
    return _both(w, some, _compare(w, "lt", dtype, differ, zero))


def _int_extreme(w: Writer, op: str, dtype: str, a: str, b: str) -> str:
    first = _compare(w, "lt" if op == "min" else "gt", dtype, a, b)
    return _select(w, dtype, first, a, b)


def _int_abs(w: Writer, dtype: str, a: str) -> str:
    if dtype not in SIGNED:
        return a
    kind = w.type(dtype)
    return w.op(w.intrinsic("abs", (kind,), kind, (kind, a), ("i1", "false")))


def _shift(w: Writer, op: str, dtype: str, a: str, b: str) -> str:
    """A shift by the width or more (or by less than 0) moves every bit out."""
    code = "shl" if op == "shl" else "ashr" if dtype in SIGNED else "lshr"
    bits = _bits(dtype)
    amount = _value_of(b)
    if amount is not None and 0 <= amount < bits:
        return _binary(w, code, dtype, a, b)
    inside = w.op(f"icmp ult {w.type(dtype)} {b}, {w.literal(bits, dtype)}")
    if code == "ashr":
        within = _select(w, dtype, inside, b, w.literal(bits - 1, dtype))
        return _binary(w, code, dtype, a, within)
    zero = w.literal(0, dtype)
    moved = _binary(w, code, dtype, a, _select(w, dtype, inside, b, zero))
    return _select(w, dtype, inside, moved, zero)


def _not(w: Writer, dtype: str, a: str) -> str:
    ones = w.literal(True if dtype == "bool" else -1, dtype)
    return _binary(w, "xor", dtype, a, ones)


def _negate(w: Writer, dtype: str, a: str) -> str:
    if dtype in FLOATS:
        return w.op(f"fneg {w.type(dtype)} {a}")
    return _binary(w, "sub", dtype, w.literal(0, dtype), a)


def _cast(w: Writer, source: str, result: str, a: str) -> str:
    if source == result:
        return a
    if result == "bool":
        return _compare(w, "ne", source, a, w.literal(0, source))
    if source in FLOATS and result not in FLOATS:
        return _float_to_int(w, source, result, a)
    signed = source in SIGNED
    grows = _bits(result) > _bits(source)
    if result in FLOATS:
        code = "sitofp" if signed else "uitofp"
        if source in FLOATS:
            code = "fpext" if grows else "fptrunc"
    elif _bits(result) == _bits(source):
        return a
    else:
        code = "trunc" if not grows else "sext" if signed else "zext"
    return w.op(f"{code} {w.type(source)} {a} to {w.type(result)}")


def _float_to_int(w: Writer, source: str, result: str, a: str) -> str:
    """Truncates; NaN and what is out of range give the smallest integer of the type.

    The conversion's own result there is poison, which select does not let through.
    Values between the bound and the next integer below it truncate to that bound, which
    is also the answer for what is out of range.
    """
    lowest = -_largest(result) - 1 if result in SIGNED else 0
    highest = _largest(result) + 1
    above = _compare(w, "ge", source, a, w.literal(lowest, source))
    below = _compare(w, "lt", source, a, w.literal(highest, source))
    code = "fptosi" if result in SIGNED else "fptoui"
    whole = w.op(f"{code} {w.type(source)} {a} to {w.type(result)}")
    return _select(w, result, _both(w, above, below), whole, w.literal(lowest, result))


def _code(code: str) -> Callable[..., str]:
    return lambda w, dtype, a, b: _binary(w, code, dtype, a, b)


_FLOAT: dict[str, Callable[..., str]] = {
    "div": _code("fdiv"),
    "floordiv": _float_floordiv,
    "rem": _float_rem,
    "neg": _negate,
    "min": lambda w, dtype, a, b: _float_extreme(w, "min", dtype, a, b),
    "max": lambda w, dtype, a, b: _float_extreme(w, "max", dtype, a, b),
}

_INTEGER: dict[str, Callable[..., str]] = {
    "floordiv": _int_floordiv,
    "rem": _int_rem,
    "neg": _negate,
    "abs": _int_abs,
    "min": lambda w, dtype, a, b: _int_extreme(w, "min", dtype, a, b),
    "max": lambda w, dtype, a, b: _int_extreme(w, "max", dtype, a, b),
    "and": _code("and"),
    "or": _code("or"),
    "xor": _code("xor"),
    "not": _not,
    "shl": lambda w, dtype, a, b: _shift(w, "shl", dtype, a, b),
    "shr": lambda w, dtype, a, b: _shift(w, "shr", dtype, a, b),
}
