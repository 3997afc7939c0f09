"""Statements other than loops as LLVM IR: values, addresses, loads and stores.

A value that differs from lane to lane of the vector loop around it is one vector for
each block of lanes; any other is a scalar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import CompileError
from ..ir import (
    FLOATS,
    Affine,
    Atom,
    Buffer,
    Check,
    Const,
    Extent,
    Kernel,
    Let,
    Load,
    Loop,
    Store,
)
from .ahead import MOST_ROW, Ahead, asked_ahead
from .division import LEAST_BYTES, quotients
from .host import Host
from .lines import Writer, literal, llvm_type, memory_type
from .lookup import looked_up
from .memory import (
    Address,
    accumulate_lanes,
    from_memory,
    lane_steps,
    load_vector,
    store_vector,
    to_memory,
)
from .reduction import apply
from .streams import ALIGN, FENCE, streamed

#: Each chunk's scratch starts on a cache line.
SCRATCH_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Value:
    """A scalar, or one vector for each block of lanes."""

    dtype: str
    texts: tuple[str, ...]
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Lanes:
    """The vector loop being written.

    `index` is the axis' value in lane 0 of block 0.  A masked loop has one block, in
    which the first `active` lanes count; `whole` is whether these are all, where the
    host is slow at masked moves.  `first` is the value of `index` in the first step, if
    the loop runs through memory.
    """

    axis: str
    width: int
    blocks: int
    index: str
    first: str | None = None
    mask: str | None = None
    active: str = ""
    whole: str | None = None


@dataclass(slots=True)
class Statements:
    """Writes the statements of `kernel`, whose vectors have `width` lanes."""

    kernel: Kernel
    width: int
    host: Host
    w: Writer = field(default_factory=Writer)
    values: dict[str, Value] = field(default_factory=dict)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    pointers: dict[str, str] = field(default_factory=dict)
    strides: dict[str, list[int | str]] = field(default_factory=dict)
    lanes: Lanes | None = None
    zero: bool = False
    ahead: Mapping[int, tuple[Ahead, ...]] = field(init=False)
    streamed: Mapping[str, tuple[Extent, ...]] = field(init=False)
    large: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ahead = asked_ahead(self.kernel)
        self.streamed = streamed(self.kernel, self.width, self.host)

    def arguments(self) -> None:
        """Load the addresses and sizes that the function is given."""
        kernel, w = self.kernel, self.w
        for k, size in enumerate(kernel.sizes):
            at = w.op(f"getelementptr i64, ptr %sizes, i64 {k}")
            self.values[size] = Value("int64", (w.read(f"load i64, ptr {at}"),))
        for k, buffer in enumerate((*kernel.buffers, *kernel.scratch)):
            at = w.op(f"getelementptr ptr, ptr %bufs, i64 {k}")
            self.buffers[buffer.name] = buffer
            self.pointers[buffer.name] = w.read(f"load ptr, ptr {at}")

    def scratch_pointer(self, buffer: Buffer) -> str:
        """This chunk's part of a scratch buffer, found at its first use."""
        w = self.w
        size: int | str = np.dtype(buffer.dtype).itemsize
        for dim in buffer.shape:
            size = w.times(size, self.extent(dim))
        padded = w.plus(size, SCRATCH_ALIGNMENT - 1)
        w.place(str(padded))
        aligned = w.op(f"and i64 {padded}, {-SCRATCH_ALIGNMENT}")
        offset = w.times("%chunk", aligned)
        base = self.pointers[buffer.name]
        w.place(base, str(offset))
        return w.op(f"getelementptr i8, ptr {base}, i64 {offset}")

    def extent(self, extent: Extent) -> int | str:
        """An extent as a number or the name of an i64."""
        if isinstance(extent, int):
            return extent
        value = self.values[extent]
        if value.wide:
            raise CompileError(f"extent {extent} of {self.kernel.name} varies by lane")
        return value.texts[0]

    # ---------------------------------------------------------------- values

    def operand(self, atom: Atom, wide: bool) -> tuple[str, ...]:
        """The texts of `atom`, spread over the lanes if `wide`."""
        width, blocks = (self.width, self.blocks()) if wide else (0, 1)
        if isinstance(atom, Const):
            return (literal(atom.value, atom.dtype, width),) * blocks
        value = self.value(atom)
        if value.wide or not wide:
            return value.texts
        return (self.w.splat(value.texts[0], value.dtype, width),) * blocks

    def value(self, name: str) -> Value:
        """The value called `name`; the axis of a vector loop counts up its lanes."""
        lanes = self.lanes
        if lanes is None or name != lanes.axis:
            return self.values[name]
        steps = ", ".join(f"i64 {k}" for k in range(lanes.width))
        texts = []
        for block in range(lanes.blocks):
            first = self.w.plus(lanes.index, block * lanes.width)
            spread = self.w.splat(str(first), "int64", lanes.width)
            kind = llvm_type("int64", lanes.width)
            self.w.place(spread)
            texts.append(self.w.op(f"add {kind} {spread}, <{steps}>"))
        return Value("int64", tuple(texts), True)

    def blocks(self) -> int:
        return self.lanes.blocks if self.lanes else 1

    def is_wide(self, atom: Atom) -> bool:
        """Whether `atom` differs from lane to lane."""
        if isinstance(atom, Const) or self.lanes is None:
            return False
        return atom == self.lanes.axis or self.values[atom].wide

    def dtype(self, atom: Atom) -> str:
        if isinstance(atom, Const):
            return atom.dtype
        value = self.values.get(atom)
        return value.dtype if value else "int64"

    def let(self, let: Let) -> None:
        wide = any(self.is_wide(a) for a in let.args)
        if wide and self.divides_by_one_number(let):
            (divisor,) = self.operand(let.args[1], False)
            dividends = self.operand(let.args[0], True)
            made = quotients(self.w, let.dtype, dividends, divisor, self.width)
            self.values[let.name] = Value(let.dtype, made, True)
            return
        if let.op == "lookup":
            self.lookup(let, wide)
            return
        operands = [self.operand(a, wide) for a in let.args]
        source = self.dtype(let.args[-1])
        texts = tuple(
            self.apply(let.op, source, let.dtype, args, self.width if wide else 0)
            for args in zip(*operands, strict=True)
        )
        self.values[let.name] = Value(let.dtype, texts, wide)

    def lookup(self, let: Let, wide: bool) -> None:
        table = [a for a in let.args[1:] if isinstance(a, Const)]
        lanes = self.width if wide else 0
        texts = (
            looked_up(self.w, index, table, lanes, self.host.permutes)
            for index in self.operand(let.args[0], wide)
        )
        self.values[let.name] = Value(let.dtype, tuple(texts), wide)

    def divides_by_one_number(self, let: Let) -> bool:
        """Whether all lanes are divided by the same float, in wide vectors."""
        if let.op != "div" or let.dtype not in FLOATS or self.is_wide(let.args[1]):
            return False
        return np.dtype(let.dtype).itemsize * self.width >= LEAST_BYTES

    def apply(
        self, op: str, source: str, result: str, args: tuple[str, ...], lanes: int
    ) -> str:
        return apply(self.w, op, source, result, args, lanes)

    def check(self, check: Check) -> None:
        w = self.w
        failed = []
        wide = self.is_wide(check.ok)
        lanes = self.width if wide else 0
        for ok in self.operand(check.ok, wide):
            bad = self.apply("not", "bool", "bool", (ok,), lanes)
            if wide:
                bad = self.masked(bad)
                w.place(bad)
                bits = w.op(f"bitcast {llvm_type('bool', lanes)} {bad} to i{lanes}")
                bad = w.op(f"icmp ne i{lanes} {bits}, 0")
            failed.append(bad)
        for bad in failed:
            w.branch_around(bad, self._recorded(check))

    def _recorded(self, check: Check) -> list[str]:
        """What records a check that has failed; in rounds, only if it is the first."""
        w = self.w
        if check.round is None:
            return [f"store i32 {check.code}, ptr %status"]
        (number,) = self.operand(check.round, False)
        old, none, code, at, before, turn, kept = (w.name() for _ in range(7))
        return [
            f"{old} = load i32, ptr %status",
            f"{none} = icmp eq i32 {old}, 0",
            f"{code} = select i1 {none}, i32 {check.code}, i32 {old}",
            f"store i32 {code}, ptr %status",
            f"{at} = getelementptr i64, ptr %status, i64 1",
            f"{before} = load i64, ptr {at}",
            f"{turn} = add i64 {number}, 1",
            f"{kept} = select i1 {none}, i64 {turn}, i64 {before}",
            f"store i64 {kept}, ptr {at}",
        ]

    def masked(self, condition: str) -> str:
        """`condition` in the lanes that count."""
        if self.lanes is None or self.lanes.mask is None:
            return condition
        pair = (condition, self.lanes.mask)
        return self.apply("and", "bool", "bool", pair, self.width)

    # ---------------------------------------------------------------- addresses

    def address(self, name: str, index: tuple[Affine, ...]) -> Address:
        """The address of ``name[index]``, its parts summed where each is known."""
        w, lanes = self.w, self.lanes
        stride: int | str = 0
        sums: dict[int, int | str] = {0: 0}
        data: list[tuple[tuple[str, ...], int | str]] = []
        base, strides = self.layout(name)
        for affine, unit in zip(index, strides, strict=True):
            sums[0] = w.plus(sums[0], w.times(affine.const, unit))
            for term, coef in affine.terms:
                scale = w.times(coef, unit)
                if lanes is not None and term == lanes.axis:
                    text = lanes.index
                    stride = w.plus(stride, scale)
                elif self.values[term].wide:
                    data.append((self.values[term].texts, scale))
                    continue
                else:
                    text = self.values[term].texts[0]
                part = w.times(text, scale)
                level = w.level_of(str(part))
                sums[level] = w.plus(sums.get(level, 0), part)
        kind = memory_type(self.buffers[name].dtype)
        for level in sorted(sums):
            if sums[level] != 0:
                w.place(base, str(sums[level]))
                base = w.op(f"getelementptr {kind}, ptr {base}, i64 {sums[level]}")
        return Address(base, stride, self.offsets(data, stride) if data else ())

    def layout(self, name: str) -> tuple[str, list[int | str]]:
        """A buffer's address and its strides in elements (computed at first use)."""
        if name not in self.strides:
            buffer = self.buffers[name]
            if buffer in self.kernel.scratch:
                self.pointers[name] = self.scratch_pointer(buffer)
            unit: int | str = 1
            strides: list[int | str] = []
            for dim in reversed(buffer.shape[1:]):
                strides.append(unit)
                unit = self.w.times(unit, self.extent(dim))
            strides.append(unit)
            self.strides[name] = strides[::-1] if buffer.shape else []
        return self.pointers[name], self.strides[name]

    def offsets(
        self, data: list[tuple[tuple[str, ...], int | str]], stride: int | str
    ) -> tuple[str, ...]:
        """Element offsets by lane: of the vector axis and of indices that are data."""
        w, width = self.w, self.width
        kind = llvm_type("int64", width)
        offsets = []
        for block in range(self.blocks()):
            total = "" if stride == 0 else lane_steps(w, block, stride, width)
            for texts, scale in data:
                part = texts[block]
                if scale != 1:
                    factor = w.splat(str(scale), "int64", width)
                    w.place(part, factor)
                    part = w.op(f"mul {kind} {part}, {factor}")
                if total:
                    w.place(total, part)
                    part = w.op(f"add {kind} {total}, {part}")
                total = part
            offsets.append(total)
        return tuple(offsets)

    # ---------------------------------------------------------------- memory

    def load(self, load: Load) -> None:
        w = self.w
        address = self.address(load.buffer, load.index)
        if address.uniform and (load.guard is None or not self.is_wide(load.guard)):
            pointer = address.pointer
            if load.guard is not None:
                pointer = self.guarded(pointer, load.guard)
            text = w.read(f"load {memory_type(load.dtype)}, ptr {pointer}")
            text = from_memory(w, text, load.dtype, 0)
            self.values[load.name] = Value(load.dtype, (text,))
            return
        masks: list[str | None] = [self.mask()] * self.blocks()
        whole = self.lanes.whole if self.lanes else None
        if load.guard is not None:
            whole = None
            masks = [self.masked(guard) for guard in self.operand(load.guard, True)]
        texts = tuple(
            load_vector(w, load.dtype, address, block, self.width, mask, whole)
            for block, mask in enumerate(masks)
        )
        self.values[load.name] = Value(load.dtype, texts, True)

    def guarded(self, pointer: str, guard: str) -> str:
        """`pointer`, or that of a zero where `guard` is false."""
        self.zero = True
        (text,) = self.operand(guard, False)
        self.w.place(text, pointer)
        return self.w.op(f"select i1 {text}, ptr {pointer}, ptr %zero")

    def mask(self) -> str | None:
        """The lanes that count; None for all."""
        return self.lanes.mask if self.lanes else None

    def store(self, store: Store) -> None:
        w, lanes = self.w, self.lanes
        address = self.address(store.buffer, store.index)
        if address.stride == 1 and not address.offsets:
            address = replace(address, past=self.past_caches(store))
        dtype = self.buffers[store.buffer].dtype
        shared = address.uniform or address.offsets
        if lanes is not None and store.accumulate and shared:
            assert lanes.blocks == 1, "several blocks would add out of order"
            (text,) = self.operand(store.value, True)
            accumulate_lanes(w, dtype, address, self.width, lanes.active, text)
            return
        wide = not address.uniform or self.is_wide(store.value)
        whole = lanes.whole if lanes else None
        for block, text in enumerate(self.operand(store.value, wide)):
            if store.accumulate:
                pair = (self.found(address, dtype, block, wide), text)
                width = self.width if wide else 0
                text = self.apply("add", dtype, dtype, pair, width)
            if wide:
                mask = self.mask()
                store_vector(w, dtype, address, block, self.width, mask, whole, text)
            else:
                text = to_memory(w, text, dtype, 0)
                w.effect(f"store {memory_type(dtype)} {text}, ptr {address.pointer}")

    def past_caches(self, store: Store) -> str | None:
        """The condition under which this loop's stores go past the caches, if any."""
        w, lanes, large = self.w, self.lanes, self.is_large(store.buffer)
        if lanes is None or lanes.first is None or large is None:
            return None
        self.large[large] = None
        self.lanes = replace(lanes, index=lanes.first)
        pointer = self.address(store.buffer, store.index).pointer
        self.lanes = lanes
        w.place(pointer)
        number = w.op(f"ptrtoint ptr {pointer} to i64")
        beyond = w.op(f"and i64 {number}, {ALIGN - 1}")
        aligned = w.op(f"icmp eq i64 {beyond}, 0")
        return w.op(f"and i1 {large}, {aligned}")

    def is_large(self, buffer: str) -> str | None:
        """Whether a result is larger than the caches; None if it may not go past."""
        w, extents = self.w, self.streamed.get(buffer)
        if extents is None:
            return None
        size: int | str = np.dtype(self.buffers[buffer].dtype).itemsize
        for extent in extents:
            size = w.times(size, self.extent(extent))
        w.place(str(size))
        large = w.op(f"icmp sge i64 {size}, {self.host.streams}")
        return None if w.level else large  # known when the kernel is called

    def await_stores(self) -> None:
        """What went past the caches is there before the function returns."""
        fence = self.w.intrinsic(FENCE, (), "void")
        for large in self.large:
            self.w.branch_around(large, [fence])

    def ask_ahead(self, loop: Loop) -> None:
        """Ask for what will be needed, but for rows that are too long: see `ahead`."""
        w = self.w
        for asked in self.ahead.get(id(loop), ()):
            wanted = None if asked.row is None else self.is_short(asked, asked.row)
            pointer = self.address(asked.buffer, asked.index).pointer
            for block in range(self.blocks()):
                step = block * self.width * asked.itemsize
                w.place(pointer)
                at = w.op(f"getelementptr i8, ptr {pointer}, i64 {step}")
                if wanted is not None:
                    self.zero = True
                    w.place(at, wanted)
                    at = w.op(f"select i1 {wanted}, ptr {at}, ptr %zero")
                w.ask_for(at, to_write=asked.writes, first=asked.row is not None)

    def is_short(self, asked: Ahead, row: Extent) -> str:
        """Whether a row stays in the first cache and, if written, does not go past."""
        w, extent = self.w, str(self.extent(row))
        w.place(extent)
        short = w.op(f"icmp ule i64 {extent}, {MOST_ROW // asked.itemsize}")
        large = self.is_large(asked.buffer)
        if large is None:
            return short
        w.place(short, large)
        return w.op(f"select i1 {large}, i1 false, i1 {short}")

    def found(self, address: Address, dtype: str, block: int, wide: bool) -> str:
        """What an accumulating store adds to."""
        w = self.w
        if wide:
            return load_vector(w, dtype, address, block, self.width, self.mask())
        text = w.read(f"load {memory_type(dtype)}, ptr {address.pointer}")
        return from_memory(w, text, dtype, 0)
