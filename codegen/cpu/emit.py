"""A kernel as LLVM IR text, with its vectors written out.

A *vector* loop runs `width` lanes at a time, in up to four blocks side by side: a value
that differs from lane to lane is one vector for each block.  What does not divide
evenly is done by one more loop, a masked one; a long body is written once, masked
throughout.  Loops inside a vector loop keep an accumulator for each lane.

The order in which a reduction adds depends on its extent and on the width alone: each
lane of each block by itself, then neighbouring blocks, then the masked rest, then the
upper half of the vector on to its lower, until one lane is left.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..errors import CompileError
from ..ir import (
    FLOATS,
    Affine,
    Atom,
    Buffer,
    Carry,
    Check,
    Const,
    Extent,
    Kernel,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    walk,
)
from . import primitives
from .host import Host
from .lines import Writer, identifier, literal, llvm_type, memory_type
from .memory import (
    Address,
    accumulate_lanes,
    from_memory,
    lane_steps,
    load_vector,
    store_vector,
    to_memory,
)

#: A body of more statements than this is written once, masked, and not in blocks.
LONG_BODY = 24
#: A body of more statements than this gets half the blocks.
SHORT_BODY = 12
#: Vectors side by side in a short body: enough to hide an add's latency in a reduction.
REDUCTION_BLOCKS = 4
MAP_BLOCKS = 2
#: Each chunk's scratch starts on a cache line.
SCRATCH_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Emitted:
    """One function's text, and the declarations that its module must hold once."""

    name: str
    text: str
    declarations: tuple[str, ...]


def emit_kernel(kernel: Kernel, host: Host) -> Emitted:
    """Write `kernel` for `host`'s vector width.

    The function is ``void @NAME(ptr bufs, ptr sizes, ptr status, i64 lo, i64 hi, i64
    chunk)``: `bufs` holds the addresses of the kernel's buffers and then of its scratch
    buffers, `sizes` the int64 sizes.  The loop over `kernel.split` runs from `lo` to
    `hi`; `chunk` selects this call's part of each scratch buffer.  A failed check
    stores its code in the int32 at `status`, and the call goes on: accesses that depend
    on a check must be guarded.

    Raises `CompileError` where the kernel asks for what has no native form.
    """
    emitter = _Emitter(kernel, lane_count(kernel, host.vector_bytes))
    name = identifier(kernel.name)
    return Emitted(name, emitter.function(name), tuple(emitter.w.declarations))


def lane_count(kernel: Kernel, vector_bytes: int) -> int:
    """How many of the kernel's widest floats fill a register (of its ints, without)."""
    dtypes = {b.dtype for b in (*kernel.buffers, *kernel.scratch)}
    for statement, _ in walk(kernel.body):
        match statement:
            case Let(dtype=dtype):
                dtypes.add(dtype)
            case Loop(carries=carries):
                dtypes.update(c.dtype for c in carries)
    counted = [d for d in dtypes if d in FLOATS] or dtypes or {"int64"}
    return vector_bytes // max(np.dtype(d).itemsize for d in counted)


@dataclass(frozen=True, slots=True)
class _Value:
    """A scalar, or one vector for each block of lanes."""

    dtype: str
    texts: tuple[str, ...]
    wide: bool = False


@dataclass(frozen=True, slots=True)
class _Lanes:
    """The vector loop being written.

    `index` is the axis' value in lane 0 of block 0.  A masked loop has one block, in
    which the first `active` lanes count.
    """

    axis: str
    width: int
    blocks: int
    index: str
    mask: str | None = None
    active: str = ""


@dataclass(slots=True)
class _Emitter:
    kernel: Kernel
    width: int
    w: Writer = field(default_factory=Writer)
    values: dict[str, _Value] = field(default_factory=dict)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    pointers: dict[str, str] = field(default_factory=dict)
    strides: dict[str, list[int | str]] = field(default_factory=dict)
    lanes: _Lanes | None = None
    zero: bool = False

    # ---------------------------------------------------------------- the function

    def function(self, name: str) -> str:
        """The whole definition."""
        self._arguments()
        self._statements(self.kernel.body)
        lines = self.w.scopes[0].lines
        if self.zero:
            lines[:0] = ["  %zero = alloca i64", "  store i64 0, ptr %zero"]
        args = "ptr %bufs, ptr %sizes, ptr %status, i64 %lo, i64 %hi, i64 %chunk"
        head = f"define internal void @{name}({args}) nounwind {{\nentry:\n"
        return head + "\n".join(lines) + "\n  ret void\n}\n"

    def _arguments(self) -> None:
        """Load the addresses and sizes that the function is given."""
        kernel, w = self.kernel, self.w
        for k, size in enumerate(kernel.sizes):
            at = w.op(f"getelementptr i64, ptr %sizes, i64 {k}")
            self.values[size] = _Value("int64", (w.read(f"load i64, ptr {at}"),))
        for k, buffer in enumerate((*kernel.buffers, *kernel.scratch)):
            at = w.op(f"getelementptr ptr, ptr %bufs, i64 {k}")
            self.buffers[buffer.name] = buffer
            self.pointers[buffer.name] = w.read(f"load ptr, ptr {at}")

    def _scratch_pointer(self, buffer: Buffer) -> str:
        """This chunk's part of a scratch buffer, found at its first use."""
        w = self.w
        size: int | str = np.dtype(buffer.dtype).itemsize
        for dim in buffer.shape:
            size = w.times(size, self._extent(dim))
        padded = w.plus(size, SCRATCH_ALIGNMENT - 1)
        w.place(str(padded))
        aligned = w.op(f"and i64 {padded}, {-SCRATCH_ALIGNMENT}")
        offset = w.times("%chunk", aligned)
        base = self.pointers[buffer.name]
        w.place(base, str(offset))
        return w.op(f"getelementptr i8, ptr {base}, i64 {offset}")

    def _extent(self, extent: Extent) -> int | str:
        """An extent as a number or the name of an i64."""
        if isinstance(extent, int):
            return extent
        value = self.values[extent]
        if value.wide:
            raise CompileError(f"extent {extent} of {self.kernel.name} varies by lane")
        return value.texts[0]

    # ---------------------------------------------------------------- statements

    def _statements(self, body: tuple[Statement, ...]) -> None:
        for statement in body:
            match statement:
                case Let():
                    self._let(statement)
                case Load():
                    self._load(statement)
                case Store():
                    self._store(statement)
                case Check():
                    self._check(statement)
                case Loop():
                    self._loop(statement)

    def _operand(self, atom: Atom, wide: bool) -> tuple[str, ...]:
        """The texts of `atom`, spread over the lanes if `wide`."""
        width, blocks = (self.width, self._blocks()) if wide else (0, 1)
        if isinstance(atom, Const):
            return (literal(atom.value, atom.dtype, width),) * blocks
        value = self._value(atom)
        if value.wide or not wide:
            return value.texts
        return (self.w.splat(value.texts[0], value.dtype, width),) * blocks

    def _value(self, name: str) -> _Value:
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
        return _Value("int64", tuple(texts), True)

    def _blocks(self) -> int:
        return self.lanes.blocks if self.lanes else 1

    def _is_wide(self, atom: Atom) -> bool:
        """Whether `atom` differs from lane to lane."""
        if isinstance(atom, Const) or self.lanes is None:
            return False
        return atom == self.lanes.axis or self.values[atom].wide

    def _dtype(self, atom: Atom) -> str:
        if isinstance(atom, Const):
            return atom.dtype
        value = self.values.get(atom)
        return value.dtype if value else "int64"

    def _let(self, let: Let) -> None:
        wide = any(self._is_wide(a) for a in let.args)
        operands = [self._operand(a, wide) for a in let.args]
        source = self._dtype(let.args[-1])
        texts = tuple(
            self._apply(let.op, source, let.dtype, args, self.width if wide else 0)
            for args in zip(*operands, strict=True)
        )
        self.values[let.name] = _Value(let.dtype, texts, wide)

    def _apply(
        self, op: str, source: str, result: str, args: tuple[str, ...], lanes: int
    ) -> str:
        self.w.place(*args)
        self.w.lanes = lanes
        return primitives.emit(self.w, op, source, result, args)

    def _check(self, check: Check) -> None:
        w = self.w
        failed = []
        wide = self._is_wide(check.ok)
        lanes = self.width if wide else 0
        for ok in self._operand(check.ok, wide):
            bad = self._apply("not", "bool", "bool", (ok,), lanes)
            if wide:
                bad = self._masked(bad)
                w.place(bad)
                bits = w.op(f"bitcast {llvm_type('bool', lanes)} {bad} to i{lanes}")
                bad = w.op(f"icmp ne i{lanes} {bits}, 0")
            failed.append(bad)
        for bad in failed:
            w.branch_around(bad, [f"store i32 {check.code}, ptr %status"])

    def _masked(self, condition: str) -> str:
        """`condition` in the lanes that count."""
        if self.lanes is None or self.lanes.mask is None:
            return condition
        pair = (condition, self.lanes.mask)
        return self._apply("and", "bool", "bool", pair, self.width)

    # ---------------------------------------------------------------- addresses

    def _address(self, name: str, index: tuple[Affine, ...]) -> Address:
        """The address of ``name[index]``, its parts summed where each is known."""
        w, lanes = self.w, self.lanes
        stride: int | str = 0
        sums: dict[int, int | str] = {0: 0}
        data: list[tuple[tuple[str, ...], int | str]] = []
        base, strides = self._layout(name)
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
        return Address(base, stride, self._offsets(data, stride) if data else ())

    def _layout(self, name: str) -> tuple[str, list[int | str]]:
        """A buffer's address and its strides in elements (computed at first use)."""
        if name not in self.strides:
            buffer = self.buffers[name]
            if buffer in self.kernel.scratch:
                self.pointers[name] = self._scratch_pointer(buffer)
            unit: int | str = 1
            strides: list[int | str] = []
            for dim in reversed(buffer.shape[1:]):
                strides.append(unit)
                unit = self.w.times(unit, self._extent(dim))
            strides.append(unit)
            self.strides[name] = strides[::-1] if buffer.shape else []
        return self.pointers[name], self.strides[name]

    def _offsets(
        self, data: list[tuple[tuple[str, ...], int | str]], stride: int | str
    ) -> tuple[str, ...]:
        """Element offsets by lane: of the vector axis and of indices that are data."""
        w, width = self.w, self.width
        kind = llvm_type("int64", width)
        offsets = []
        for block in range(self._blocks()):
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

    def _load(self, load: Load) -> None:
        w = self.w
        address = self._address(load.buffer, load.index)
        if address.uniform and (load.guard is None or not self._is_wide(load.guard)):
            pointer = address.pointer
            if load.guard is not None:
                pointer = self._guarded(pointer, load.guard)
            text = w.read(f"load {memory_type(load.dtype)}, ptr {pointer}")
            text = from_memory(w, text, load.dtype, 0)
            self.values[load.name] = _Value(load.dtype, (text,))
            return
        masks: list[str | None] = [self._mask()] * self._blocks()
        if load.guard is not None:
            masks = [self._masked(guard) for guard in self._operand(load.guard, True)]
        texts = tuple(
            load_vector(w, load.dtype, address, block, self.width, mask)
            for block, mask in enumerate(masks)
        )
        self.values[load.name] = _Value(load.dtype, texts, True)

    def _guarded(self, pointer: str, guard: str) -> str:
        """`pointer`, or that of a zero where `guard` is false."""
        self.zero = True
        (text,) = self._operand(guard, False)
        self.w.place(text, pointer)
        return self.w.op(f"select i1 {text}, ptr {pointer}, ptr %zero")

    def _mask(self) -> str | None:
        """The lanes that count; None for all."""
        return self.lanes.mask if self.lanes else None

    def _store(self, store: Store) -> None:
        w, lanes = self.w, self.lanes
        address = self._address(store.buffer, store.index)
        dtype = self.buffers[store.buffer].dtype
        shared = address.uniform or address.offsets
        if lanes is not None and store.accumulate and shared:
            assert lanes.blocks == 1, "several blocks would add out of order"
            (text,) = self._operand(store.value, True)
            accumulate_lanes(w, dtype, address, self.width, lanes.active, text)
            return
        wide = not address.uniform or self._is_wide(store.value)
        for block, text in enumerate(self._operand(store.value, wide)):
            if store.accumulate:
                pair = (self._found(address, dtype, block, wide), text)
                width = self.width if wide else 0
                text = self._apply("add", dtype, dtype, pair, width)
            if wide:
                mask = self._mask()
                store_vector(w, dtype, address, block, self.width, mask, text)
            else:
                text = to_memory(w, text, dtype, 0)
                w.effect(f"store {memory_type(dtype)} {text}, ptr {address.pointer}")

    def _found(self, address: Address, dtype: str, block: int, wide: bool) -> str:
        """What an accumulating store adds to."""
        w = self.w
        if wide:
            return load_vector(w, dtype, address, block, self.width, self._mask())
        text = w.read(f"load {memory_type(dtype)}, ptr {address.pointer}")
        return from_memory(w, text, dtype, 0)

    # ---------------------------------------------------------------- loops

    def _loop(self, loop: Loop) -> None:
        if loop.axis == self.kernel.split:
            low, high = "%lo", "%hi"
        else:
            low, high = "0", str(self._extent(loop.extent))
        if loop.kind == "vector":
            self._vector_loop(loop, low, high)
            return
        wide = self.lanes is not None
        lanes, blocks = (self.width, self._blocks()) if wide else (0, 1)
        carried = [
            (llvm_type(c.dtype, lanes), self._identity(c, lanes))
            for c in loop.carries
            for _ in range(blocks)
        ]

        def body(index: str, held: list[str]) -> list[str]:
            self.values[loop.axis] = _Value("int64", (index,))
            self._statements(loop.body)
            return self._combined(loop, held, lanes, blocks)

        results = self.w.loop(loop.axis, (low, high, 1), carried, body)
        self._bind(loop, results, blocks, wide)

    def _identity(self, carry: Carry, lanes: int) -> str:
        value = primitives.identity(carry.combine, carry.dtype)
        return literal(value, carry.dtype, lanes)

    def _bind(self, loop: Loop, results: list[str], blocks: int, wide: bool) -> None:
        """Name what a loop carried out."""
        for k, carry in enumerate(loop.carries):
            texts = tuple(results[k * blocks : (k + 1) * blocks])
            self.values[carry.name] = _Value(carry.dtype, texts, wide)

    def _combined(
        self, loop: Loop, held: list[str], lanes: int, blocks: int
    ) -> list[str]:
        """The accumulators after one iteration."""
        new = []
        for k, carry in enumerate(loop.carries):
            for block, value in enumerate(self._operand(carry.value, lanes > 0)):
                old = held[k * blocks + block]
                new.append(self._combine(carry, old, value, lanes))
        return new

    def _combine(self, carry: Carry, a: str, b: str, lanes: int) -> str:
        op = primitives.COMBINERS[carry.combine]
        return self._apply(op, carry.dtype, carry.dtype, (a, b), lanes)

    def _vector_loop(self, loop: Loop, low: str, high: str) -> None:
        if self.lanes is not None:
            raise CompileError(
                f"vector loop {loop.axis} of {self.kernel.name} stands inside "
                f"vector loop {self.lanes.axis}: make one of them serial"
            )
        width, extent = self.width, None if low == "%lo" else loop.extent
        blocks = _blocks_for(loop, width, extent)
        each = range(blocks or 1)
        held = [self._identity(c, width) for c in loop.carries for _ in each]
        if blocks:
            step = width * blocks
            middle = self._last_multiple(low, high, step)
            held = self._lane_loop(loop, (low, middle, step), held, blocks)
            held = [
                self._tree(c, held[k * blocks : (k + 1) * blocks], width)
                for k, c in enumerate(loop.carries)
            ]
            low = middle
        if not blocks or not isinstance(extent, int) or extent % (width * blocks):
            held = self._lane_loop(loop, (low, high, width), held, 0)
        results = [
            self._across(c, text) for c, text in zip(loop.carries, held, strict=True)
        ]
        self._bind(loop, results, 1, False)

    def _last_multiple(self, low: str, high: str, step: int) -> str:
        """Where steps of `step` (a power of 2) from `low` must end."""
        span = self._span(low, high)
        self.w.place(span)
        whole = self.w.op(f"and i64 {span}, {-step}")
        return whole if low == "0" else str(self.w.plus(low, whole))

    def _span(self, low: str, high: str) -> str:
        if low == "0":
            return high
        self.w.place(low, high)
        return self.w.op(f"sub i64 {high}, {low}")

    def _lane_loop(
        self, loop: Loop, bounds: tuple[str, str, int], held: list[str], blocks: int
    ) -> list[str]:
        """`loop` in steps of some blocks of lanes, or of one masked block if 0."""
        width = self.width
        each = range(blocks or 1)
        kinds = [llvm_type(c.dtype, width) for c in loop.carries for _ in each]

        def body(index: str, old: list[str]) -> list[str]:
            if blocks:
                self.lanes = _Lanes(loop.axis, width, blocks, index)
            else:
                mask, active = self._prefix(index, bounds[1])
                self.lanes = _Lanes(loop.axis, width, 1, index, mask, active)
            self._statements(loop.body)
            new = self._combined(loop, old, width, len(each))
            if not blocks:
                new = [
                    self._apply("select", c.dtype, c.dtype, (mask, n, o), width)
                    for c, n, o in zip(loop.carries, new, old, strict=True)
                ]
            self.lanes = None
            return new

        return self.w.loop(loop.axis, bounds, list(zip(kinds, held, strict=True)), body)

    def _prefix(self, index: str, high: str) -> tuple[str, str]:
        """The mask of the lanes below `high`, and how many they are."""
        w, width = self.w, self.width
        rest = self._span(index, high)
        active = self._apply("min", "int64", "int64", (rest, str(width)), 0)
        # Compare in integers as wide as the lanes: one register, one instruction.
        narrow = f"int{min(64, max(8, 512 // width))}"
        count = self._apply("cast", "int64", narrow, (active,), 0)
        spread = w.splat(count, narrow, width)
        kind = llvm_type(narrow, width)
        numbers = ", ".join(f"i{narrow[3:]} {k}" for k in range(width))
        w.place(spread)
        return w.op(f"icmp slt {kind} <{numbers}>, {spread}"), active

    def _tree(self, carry: Carry, parts: list[str], lanes: int) -> str:
        """Combine neighbours until one is left."""
        while len(parts) > 1:
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [self._combine(carry, a, b, lanes) for a, b in pairs]
        return parts[0]

    def _across(self, carry: Carry, text: str) -> str:
        """Combine the lanes of a vector: its upper half on to its lower, and again."""
        w, lanes = self.w, self.width
        while lanes > 1:
            kind, half = llvm_type(carry.dtype, lanes), lanes // 2
            parts = []
            for start in (0, half):
                numbers = ", ".join(f"i32 {k}" for k in range(start, start + half))
                w.place(text)
                picked = f"<{half} x i32> <{numbers}>"
                shuffle = f"shufflevector {kind} {text}, {kind} poison, {picked}"
                parts.append(w.op(shuffle))
            text = self._combine(carry, parts[0], parts[1], half)
            lanes = half
        w.place(text)
        return w.op(f"extractelement <1 x {llvm_type(carry.dtype)}> {text}, i64 0")


def _blocks_for(loop: Loop, width: int, extent: Extent | None) -> int:
    """Vectors side by side in the unmasked loop; 0 if there is only a masked loop."""
    statements = [s for s, _ in walk(loop.body)]
    meets = any(isinstance(s, Store) and s.accumulate for s in statements)
    if len(statements) > LONG_BODY or meets:
        return 0
    nested = any(isinstance(s, Loop) for s in statements)
    blocks = REDUCTION_BLOCKS if loop.carries or nested else MAP_BLOCKS
    if len(statements) > SHORT_BODY:
        blocks //= 2
    while blocks and isinstance(extent, int) and extent < width * blocks:
        blocks //= 2
    return blocks
