"""The primitive ``lookup``: an entry of a small table, another one in each lane.

AVX-512 permutes a register by the numbers in another, and does so within two registers
as well: 16 entries of either float are one instruction.  Elsewhere the table lies in
memory, from which LLVM gathers as suits the machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from ..ir import Const
from .lines import TYPES, Writer, literal, llvm_type

#: Bytes of a register that is permuted.
REGISTER = 64
#: The instruction by dtype, and whether it takes a pair of registers.
PERMUTES = {
    "float32": ("@llvm.x86.avx512.permvar.sf.512", False),
    "float64": ("@llvm.x86.avx512.vpermi2var.pd.512", True),
}


def looked_up(
    w: Writer, index: str, table: Sequence[Const], lanes: int, permutes: bool
) -> str:
    """The entry of `table` at the low four bits of `index`, of so many lanes (0: one).

    With `permutes` the machine has AVX-512.
    """
    dtype = table[0].dtype
    w.place(index)
    if permutes and lanes and lanes * np.dtype(dtype).itemsize % REGISTER == 0:
        return _permuted(w, index, table, lanes)
    return _gathered(w, index, table, lanes)


def _permuted(w: Writer, index: str, table: Sequence[Const], lanes: int) -> str:
    """One permutation for each register of the index."""
    dtype = table[0].dtype
    count = REGISTER // np.dtype(dtype).itemsize
    name, paired = PERMUTES[dtype]
    whole, kind = llvm_type(_integer(dtype), count), llvm_type(dtype, count)
    entries = [_vector(table[at : at + count]) for at in range(0, len(table), count)]
    taken = [kind, whole, kind] if paired else [kind, whole]
    w.declarations[f"declare {kind} {name}({', '.join(taken)})"] = None
    parts = []
    for at in range(0, lanes, count):
        part = index
        if lanes > count:
            numbers = ", ".join(f"i32 {k}" for k in range(at, at + count))
            wide = llvm_type(_integer(dtype), lanes)
            part = w.op(
                f"shufflevector {wide} {index}, {wide} poison, "
                f"<{count} x i32> <{numbers}>"
            )
        given = [entries[0], part, *entries[1:]]
        args = ", ".join(f"{k} {v}" for k, v in zip(taken, given, strict=True))
        parts.append(w.op(f"call {kind} {name}({args})"))
    while len(parts) > 1:
        parts = [_joined(w, dtype, a, b, count) for a, b in _pairs(parts)]
        count *= 2
    return parts[0]


def _pairs(parts: list[str]) -> list[tuple[str, str]]:
    return list(zip(parts[::2], parts[1::2], strict=True))


def _joined(w: Writer, dtype: str, a: str, b: str, count: int) -> str:
    """Two vectors as one."""
    kind = llvm_type(dtype, count)
    numbers = ", ".join(f"i32 {k}" for k in range(2 * count))
    return w.op(
        f"shufflevector {kind} {a}, {kind} {b}, <{2 * count} x i32> <{numbers}>"
    )


def _gathered(w: Writer, index: str, table: Sequence[Const], lanes: int) -> str:
    """The entries loaded from a constant array."""
    dtype = table[0].dtype
    integer, size = _integer(dtype), np.dtype(dtype).itemsize
    w.lanes = lanes
    low = w.op(f"and {w.type(integer)} {index}, {w.literal(15, integer)}")
    at = f"getelementptr inbounds {TYPES[dtype]}, ptr {_array(w, table)}"
    place = w.op(f"{at}, {w.type(integer)} {low}")
    kind = w.type(dtype)
    if not lanes:
        return w.op(f"load {kind}, ptr {place}, align {size}")
    bools = llvm_type("bool", lanes)
    gather = w.intrinsic(
        "masked.gather",
        (kind, f"<{lanes} x ptr>"),
        kind,
        (f"<{lanes} x ptr>", place),
        ("i32", str(size)),
        (bools, "splat (i1 true)"),
        (kind, "poison"),
    )
    return w.op(gather)


def _array(w: Writer, table: Sequence[Const]) -> str:
    """The name of the constant array of the module that holds `table`."""
    kind = f"[{len(table)} x {TYPES[table[0].dtype]}]"
    text = f"{kind} [{_entries(table)}]"
    name = f"@table.{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"
    w.declarations[f"{name} = private unnamed_addr constant {text}, align 64"] = None
    return name


def _vector(table: Sequence[Const]) -> str:
    return f"<{_entries(table)}>"


def _entries(table: Sequence[Const]) -> str:
    return ", ".join(f"{TYPES[c.dtype]} {literal(c.value, c.dtype)}" for c in table)


def _integer(dtype: str) -> str:
    return dtype.replace("float", "int")


__all__ = ["looked_up"]
