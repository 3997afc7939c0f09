"""Loads and stores of whole vectors: dense, reversed, gathered, masked.

An access of a vector loop knows its :class:`Address`; these functions write the
instructions for one block of lanes.  A `mask` of None means all lanes.  `whole` is the
condition that a mask has all lanes, where asking that first is cheaper than the mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import primitives
from .lines import Writer, llvm_type, memory_type
from .streams import ALIGN, HINT, MEANING

_ALL = "splat (i1 true)"


@dataclass(frozen=True, slots=True)
class Address:
    """Where an access goes: ``pointer + lane * stride + offsets`` in elements.

    `pointer` is that of lane 0 of block 0.  `stride` is an int or the name of an i64;
    `offsets` holds a vector of i64 for each block (strides included), when an index is
    itself data.  Where the condition `past` holds, whole vectors are stored past the
    caches: see `streams`.
    """

    pointer: str
    stride: int | str = 0
    offsets: tuple[str, ...] = ()
    past: str | None = None

    @property
    def uniform(self) -> bool:
        """Whether all lanes access one element."""
        return self.stride == 0 and not self.offsets

    @property
    def dense(self) -> bool:
        """Whether the lanes access neighbours, in either direction."""
        return self.stride in (1, -1) and not self.offsets


def from_memory(w: Writer, text: str, dtype: str, width: int) -> str:
    """A value as loaded: bools are bytes in memory and bits in registers."""
    if dtype != "bool":
        return text
    w.place(text)
    w.lanes = width
    return primitives.emit(w, "cast", "int8", "bool", (text,))


def to_memory(w: Writer, text: str, dtype: str, width: int) -> str:
    """A value as it is to be stored: the inverse of `from_memory`."""
    if dtype != "bool":
        return text
    w.place(text)
    w.lanes = width
    return primitives.emit(w, "cast", "bool", "int8", (text,))


def lane_steps(w: Writer, block: int, stride: int | str, width: int) -> str:
    """``stride * lane`` for the lanes of `block`, as a vector of i64."""
    factor = stride if isinstance(stride, int) else 1
    lanes = range(block * width, (block + 1) * width)
    text = "<" + ", ".join(f"i64 {k * factor}" for k in lanes) + ">"
    if isinstance(stride, int):
        return text
    spread = w.splat(stride, "int64", width)
    w.place(spread)
    return w.op(f"mul {llvm_type('int64', width)} {text}, {spread}")


def load_vector(
    w: Writer,
    dtype: str,
    address: Address,
    block: int,
    width: int,
    mask: str | None,
    whole: str | None = None,
) -> str:
    """The values in the lanes of `block`; 0 in lanes outside of `mask`."""
    kind, bits = memory_type(dtype, width), llvm_type("bool", width)
    align = np.dtype(dtype).itemsize
    rest = (("i32", str(align)), (bits, mask or _ALL), (kind, "zeroinitializer"))
    if not address.dense:
        where = _pointers(w, dtype, address, block, width)
        call = w.intrinsic("masked.gather", (kind, where[0]), kind, where, *rest)
        return from_memory(w, w.read(call), dtype, width)
    pointer = _lowest(w, dtype, address, block, width)
    back = address.stride == -1
    all_lanes = f"load {kind}, ptr {pointer}, align {align}"
    if mask is None:
        text = w.read(all_lanes)
    else:
        mask = reverse(w, mask, bits, width) if back else mask
        rest = (rest[0], (bits, mask), rest[2])
        where = ("ptr", pointer)
        call = w.intrinsic("masked.load", (kind, "ptr"), kind, where, *rest)
        text = w.either(whole, kind, all_lanes, call) if whole else w.read(call)
    text = reverse(w, text, kind, width) if back else text
    return from_memory(w, text, dtype, width)


def store_vector(
    w: Writer,
    dtype: str,
    address: Address,
    block: int,
    width: int,
    mask: str | None,
    whole: str | None,
    text: str,
) -> None:
    """Store `text` from the lanes of `block` that are in `mask`."""
    kind, bits = memory_type(dtype, width), llvm_type("bool", width)
    align = np.dtype(dtype).itemsize
    text = to_memory(w, text, dtype, width)
    if not address.dense:
        where = _pointers(w, dtype, address, block, width)
        rest = (where, ("i32", str(align)), (bits, mask or _ALL))
        overloads = (kind, where[0])
        w.effect(w.intrinsic("masked.scatter", overloads, "void", (kind, text), *rest))
        return
    pointer = _lowest(w, dtype, address, block, width)
    if address.stride == -1:
        text = reverse(w, text, kind, width)
        mask = mask and reverse(w, mask, bits, width)
    all_lanes = f"store {kind} {text}, ptr {pointer}, align {align}"
    if mask is None:
        if address.past:
            w.declarations[MEANING] = None
            hinted = f"store {kind} {text}, ptr {pointer}, align {ALIGN}{HINT}"
            w.either(address.past, "void", hinted, all_lanes)
        else:
            w.effect(all_lanes)
        return
    rest = (("ptr", pointer), ("i32", str(align)), (bits, mask))
    call = w.intrinsic("masked.store", (kind, "ptr"), "void", (kind, text), *rest)
    if whole:
        w.either(whole, "void", all_lanes, call)
    else:
        w.effect(call)


def reverse(w: Writer, text: str, kind: str, width: int) -> str:
    """A vector with its lanes in the opposite order."""
    order = ", ".join(f"i32 {k}" for k in reversed(range(width)))
    w.place(text)
    return w.op(
        f"shufflevector {kind} {text}, {kind} poison, <{width} x i32> <{order}>"
    )


def _lowest(w: Writer, dtype: str, address: Address, block: int, width: int) -> str:
    """The lowest address that the lanes of `block` of a dense access touch."""
    elements = block * width
    if address.stride == -1:
        elements = -elements - (width - 1)
    if elements == 0:
        return address.pointer
    w.place(address.pointer)
    kind = memory_type(dtype)
    return w.op(f"getelementptr {kind}, ptr {address.pointer}, i64 {elements}")


def _pointers(
    w: Writer, dtype: str, address: Address, block: int, width: int
) -> tuple[str, str]:
    """A vector of addresses, as its type and its name."""
    if address.offsets:
        offsets = address.offsets[block]
    else:
        offsets = lane_steps(w, block, address.stride, width)
    w.place(address.pointer, offsets)
    kind, vector = memory_type(dtype), llvm_type("int64", width)
    text = f"getelementptr {kind}, ptr {address.pointer}, {vector} {offsets}"
    return f"<{width} x ptr>", w.op(text)


def accumulate_lanes(
    w: Writer, dtype: str, address: Address, width: int, active: str, value: str
) -> None:
    """Add the first `active` lanes of `value` one by one, as several may meet.

    For an address that is uniform or holds offsets, in a loop of one block.
    """
    offsets = address.offsets[0] if address.offsets else "zeroinitializer"
    kind, vector = memory_type(dtype), llvm_type(dtype, width)
    wide = llvm_type("int64", width)

    def body(lane: str, _: list[str]) -> list[str]:
        offset = w.read(f"extractelement {wide} {offsets}, i64 {lane}")
        pointer = w.read(f"getelementptr {kind}, ptr {address.pointer}, i64 {offset}")
        part = w.read(f"extractelement {vector} {value}, i64 {lane}")
        found = from_memory(w, w.read(f"load {kind}, ptr {pointer}"), dtype, 0)
        w.place(found, part)
        w.lanes = 0
        total = primitives.emit(w, "add", dtype, dtype, (found, part))
        total = to_memory(w, total, dtype, 0)
        w.effect(f"store {kind} {total}, ptr {pointer}")
        return []

    w.loop("lane", ("0", active, 1), [], body)
