"""A kernel as LLVM IR text, with its vectors written out.

A *vector* loop runs `width` lanes at a time, in up to four blocks side by side: a value
that differs from lane to lane is one vector for each block.  What does not divide
evenly is done by one more loop, a masked one; a huge body is written once, masked
throughout.  Loops inside a vector loop keep an accumulator for each lane.

The order in which a reduction adds depends on its extent and on the width alone: each
lane of each block by itself, then neighbouring blocks, then the masked rest, then the
upper half of the vector on to its lower, until one lane is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..errors import CompileError
from ..ir import (
    FLOATS,
    Atom,
    Carry,
    Check,
    Extent,
    Kernel,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    walk,
)
from .host import Host
from .lines import identifier, literal, llvm_type, memory_type
from .memory import from_memory, to_memory
from .reduction import (
    ORDERED_RUN,
    RUN,
    across,
    combine,
    compensated,
    corrected,
    identity,
    in_one_lane,
    is_ordered,
    tree,
    two_sum,
)
from .squares import Squares, Turn, turn_of
from .statements import SCRATCH_ALIGNMENT, Lanes, Value

#: A body of more statements than this is written once, masked throughout.
HUGE_BODY = 300
#: A body of more statements than this gets one block; it, too, is written once where
#: masks cost nothing.
LONG_BODY = 100
#: A body of more statements than this gets half the blocks.
SHORT_BODY = 12
#: Vectors side by side in a short body: enough to hide an add's latency in a reduction.
REDUCTION_BLOCKS = 4
MAP_BLOCKS = 2


@dataclass(frozen=True, slots=True)
class Emitted:
    """One function's text, and the declarations that its module must hold once.

    `finish` names a second function in `text`, which must run when all chunks have.
    """

    name: str
    text: str
    declarations: tuple[str, ...]
    finish: str | None = None


def emit_kernel(kernel: Kernel, host: Host) -> Emitted:
    """Write `kernel` for `host`'s vector width.

    The function is ``void @NAME(ptr bufs, ptr sizes, ptr status, i64 lo, i64 hi, i64
    chunk)``: `bufs` holds the addresses of the kernel's buffers and then of its scratch
    buffers, `sizes` the int64 sizes.  The loop over `kernel.split` runs from `lo` to
    `hi`; `chunk` selects this call's part of each scratch buffer.  A failed check
    stores its code in the int32 at `status` and the round, from 1, where it has one, in
    the second int64 there.  The call goes on: accesses that depend on a check must be
    guarded.

    Where the split loop carries (a reduction), the function leaves the chunk's carries
    in its part of one more scratch buffer, of `partial_bytes` for each chunk, and
    `Emitted.finish` does the rest from there; its `hi` is the number of chunks.

    Raises `CompileError` where the kernel asks for what has no native form.
    """
    name = identifier(kernel.name)
    width = lane_count(kernel, host.vector_bytes)
    first, last = (_Emitter(kernel, width, host) for _ in range(2))
    loop = reducing(kernel)
    if loop is None:
        text = first.function(name, first.whole)
        return Emitted(name, text, tuple(first.w.declarations))
    finish = f"{name}.finish"
    text = first.function(name, partial(first.part, loop))
    text += last.function(finish, partial(last.finish, loop))
    declarations = first.w.declarations | last.w.declarations
    return Emitted(name, text, tuple(declarations), finish)


def reducing(kernel: Kernel) -> Loop | None:
    """The split loop, if it carries: what follows it awaits all chunks."""
    for statement in kernel.body:
        if isinstance(statement, Loop) and statement.axis == kernel.split:
            return statement if statement.carries else None
    return None


def partial_bytes(kernel: Kernel) -> int:
    """The memory that each chunk of a kernel leaves its carries in."""
    loop = reducing(kernel)
    size = 8 * len(loop.carries) if loop else 0
    return -(-size // SCRATCH_ALIGNMENT) * SCRATCH_ALIGNMENT


def lane_count(kernel: Kernel, vector_bytes: int) -> int:
    """How many of the kernel's widest floats fill a register (of its ints, without)."""
    dtypes = {b.dtype for b in (*kernel.buffers, *kernel.scratch)}
    for statement, _ in walk(kernel.body):
        match statement:
            case Let(dtype=dtype):
                dtypes.add(dtype)
            case Loop(carries=carries, state=state):
                dtypes.update(c.dtype for c in carries)
                dtypes.update(s.dtype for s in state)
    counted = [d for d in dtypes if d in FLOATS] or dtypes or {"int64"}
    return vector_bytes // max(np.dtype(d).itemsize for d in counted)


@dataclass(slots=True)
class _Emitter(Squares):
    """Adds loops, and the functions around them."""

    # ---------------------------------------------------------------- the function

    def function(self, name: str, write: Callable[[], None]) -> str:
        """The whole definition, whose body is what `write` writes."""
        self.arguments()
        write()
        self.await_stores()
        lines = self.w.scopes[0].lines
        if self.zero:
            lines[:0] = ["  %zero = alloca i64", "  store i64 0, ptr %zero"]
        args = "ptr %bufs, ptr %sizes, ptr %status, i64 %lo, i64 %hi, i64 %chunk"
        head = f"define internal void @{name}({args}) nounwind {{\nentry:\n"
        return head + "\n".join(lines) + "\n  ret void\n}\n"

    def whole(self) -> None:
        """The body of a kernel that is one function."""
        self._statements(self.kernel.body)

    def part(self, loop: Loop) -> None:
        """A chunk of the reduction `loop`."""
        body = self.kernel.body
        self._statements(body[: body.index(loop) + 1])
        for k, carry in enumerate(loop.carries):
            (text,) = self.operand(carry.name, False)
            text = to_memory(self.w, text, carry.dtype, 0)
            kind = memory_type(carry.dtype)
            self.w.effect(f"store {kind} {text}, ptr {self._partial('%chunk', k)}")

    def finish(self, loop: Loop) -> None:
        """What there is to do when all chunks of the reduction `loop` are done."""
        body = self.kernel.body
        place = body.index(loop)
        self._statements(body[:place])

        def chunk(index: str) -> None:
            for k, carry in enumerate(loop.carries):
                kind = memory_type(carry.dtype)
                text = self.w.read(f"load {kind}, ptr {self._partial(index, k)}")
                text = from_memory(self.w, text, carry.dtype, 0)
                self.values[f"{carry.name}.part"] = Value(carry.dtype, (text,))

        parts = tuple(replace(c, value=f"{c.name}.part") for c in loop.carries)
        whole = replace(loop, carries=parts)
        self._carrying(whole, ("0", "%hi", 1), chunk, of_sums=True)
        self._statements(body[place + 1 :])

    def _partial(self, chunk: str, k: int) -> str:
        """Where a chunk leaves carry `k`."""
        w, size = self.w, partial_bytes(self.kernel)
        place = len(self.kernel.buffers) + len(self.kernel.scratch)
        at = w.op(f"getelementptr ptr, ptr %bufs, i64 {place}")
        base = w.read(f"load ptr, ptr {at}")
        offset = w.plus(w.times(chunk, size), 8 * k)
        w.place(base, str(offset))
        return w.op(f"getelementptr i8, ptr {base}, i64 {offset}")

    # ---------------------------------------------------------------- loops

    def _statements(self, body: tuple[Statement, ...]) -> None:
        for statement in body:
            match statement:
                case Let():
                    self.let(statement)
                case Load():
                    self.load(statement)
                case Store():
                    self.store(statement)
                case Check():
                    self.check(statement)
                case Loop():
                    self._loop(statement)

    def _loop(self, loop: Loop) -> None:
        if loop.axis == self.kernel.split:
            low, high = "%lo", "%hi"
        else:
            low, high = "0", str(self.extent(loop.extent))
        if loop.kind == "vector":
            self._vector_loop(loop, low, high)
            return

        if loop.state:
            self._keeping(loop, (low, high, 1))
            return
        turn = None if self.lanes or low != "0" else turn_of(loop)
        if turn is not None:
            self._turning(turn, high)
            return

        def body(index: str) -> None:
            self.values[loop.axis] = Value("int64", (index,))
            self._statements(loop.body)

        of_sums = any(isinstance(s, Loop) for s in loop.body)
        self._carrying(loop, (low, high, 1), body, of_sums=of_sums)

    def _keeping(self, loop: Loop, bounds: tuple[str, str, int]) -> None:
        """A loop with state, in registers: one phi for each."""

        def operands(atoms: Iterable[Atom]) -> list[str]:
            return [self.operand(atom, False)[0] for atom in atoms]

        def body(index: str, held: list[str]) -> list[str]:
            self.values[loop.axis] = Value("int64", (index,))
            for state, text in zip(loop.state, held, strict=True):
                self.values[state.name] = Value(state.dtype, (text,))
            self._statements(loop.body)
            return operands(s.next for s in loop.state)

        kinds = [llvm_type(s.dtype) for s in loop.state]
        begin = operands(s.init for s in loop.state)
        names = [s.name for s in loop.state]
        going = None if loop.going is None else names.index(loop.going)
        carried = list(zip(kinds, begin, strict=True))
        results = self.w.loop(loop.axis, bounds, carried, body, going)
        for state, text in zip(loop.state, results, strict=True):
            self.values[state.final] = Value(state.dtype, (text,))

    def _carrying(
        self,
        loop: Loop,
        bounds: tuple[str, str, int],
        write: Callable[[str], None],
        *,
        of_sums: bool,
    ) -> None:
        """A loop over scalars, or over lanes inside of a vector loop.

        Sums keep their rounding errors if what they add up is sums itself.
        """
        w, wide = self.w, self.lanes is not None
        lanes, blocks = (self.width, self.blocks()) if wide else (0, 1)
        each = [c for c in loop.carries for _ in range(blocks)]
        kept = [k for k, c in enumerate(each) if compensated(c) and of_sums]
        carried = [(llvm_type(c.dtype, lanes), identity(c, lanes)) for c in each]
        carried += [
            (llvm_type(each[k].dtype, lanes), literal(0.0, each[k].dtype, lanes))
            for k in kept
        ]

        def body(index: str, held: list[str]) -> list[str]:
            write(index)
            return self._accumulated(each, kept, held, self._carried(loop, wide), lanes)

        results = w.loop(loop.axis, bounds, carried, body)
        for k, error in zip(kept, results[len(each) :], strict=True):
            results[k] = corrected(w, each[k].dtype, results[k], error, lanes)
        self._bind(loop, results[: len(each)], blocks, wide)

    def _carried(self, loop: Loop, wide: bool) -> list[str]:
        """What an iteration hands to each accumulator."""
        return [text for c in loop.carries for text in self.operand(c.value, wide)]

    def _accumulated(
        self,
        each: list[Carry],
        kept: list[int],
        held: list[str],
        values: list[str],
        lanes: int,
    ) -> list[str]:
        """Accumulators, then the errors of those that are `kept`, with `values`."""
        new: list[str] = []
        errors: list[str] = []
        for k, (carry, value) in enumerate(zip(each, values, strict=True)):
            if k in kept:
                error = held[len(each) + len(errors)]
                total, error = two_sum(
                    self.w, carry.dtype, held[k], value, error, lanes
                )
                new.append(total)
                errors.append(error)
            else:
                new.append(combine(self.w, carry, held[k], value, lanes))
        return new + errors

    def _bind(self, loop: Loop, results: list[str], blocks: int, wide: bool) -> None:
        """Name what a loop carried out."""
        for k, carry in enumerate(loop.carries):
            texts = tuple(results[k * blocks : (k + 1) * blocks])
            self.values[carry.name] = Value(carry.dtype, texts, wide)

    def _vector_loop(self, loop: Loop, low: str, high: str) -> None:
        if self.lanes is not None:
            raise CompileError(
                f"vector loop {loop.axis} of {self.kernel.name} stands inside "
                f"vector loop {self.lanes.axis}: make one of them serial"
            )
        width, extent = self.width, None if low == "%lo" else loop.extent
        blocks = _blocks_for(loop, width, extent, self.host.masks)
        each = range(blocks or 1)
        held = [identity(c, width) for c in loop.carries for _ in each]
        if blocks:
            step = width * blocks
            middle = self._last_multiple(low, high, step)
            held = self._runs(loop, (low, middle, step), held, blocks)
            held = [
                tree(self.w, c, held[k * blocks : (k + 1) * blocks], width)
                for k, c in enumerate(loop.carries)
            ]
            low = middle
        if not blocks:
            held = self._runs(loop, (low, high, width), held, 0)
        elif not isinstance(extent, int) or extent % (width * blocks):
            # In a loop there are many tails, which may well have a whole vector.
            once = len(self.w.scopes) == 1
            held = self._lane_loop(loop, (low, high, width), held, 0, tail=once)
        results = [
            across(self.w, c, text, width)
            for c, text in zip(loop.carries, held, strict=True)
        ]
        self._bind(loop, results, 1, False)

    def _turning(self, turn: Turn, high: str) -> None:
        """Loops that turn an array round: squares, and what is left of either axis."""
        across = str(self.extent(turn.inner.extent))
        middles = [self._last_multiple("0", end, self.width) for end in (high, across)]

        def rest(column: str, row: str, end: str) -> None:
            self.values[turn.outer.axis] = Value("int64", (column,))
            self._lane_loop(turn.inner, (row, end, self.width), [], 0, tail=row != "0")

        self.in_squares(turn, (high, across), (middles[0], middles[1]), rest)

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

    def _runs(
        self, loop: Loop, bounds: tuple[str, str, int], held: list[str], blocks: int
    ) -> list[str]:
        """`_lane_loop` in runs, whose sums are added with their errors kept."""
        low, high, step = bounds
        width = self.width
        each = [c for c in loop.carries for _ in range(blocks or 1)]
        kept = [k for k, c in enumerate(each) if compensated(c)]
        ordered = any(is_ordered(c) for c in each)
        length = (ORDERED_RUN if ordered else RUN) * step
        short = isinstance(loop.extent, int) and loop.extent <= length
        if short or not (kept or ordered):
            return self._lane_loop(loop, bounds, held, blocks)
        zeros = [literal(0.0, each[k].dtype, width) for k in kept]
        kinds = [llvm_type(c.dtype, width) for c in (*each, *(each[k] for k in kept))]

        def body(index: str, old: list[str]) -> list[str]:
            end = str(self.w.plus(index, length))
            end = self.apply("min", "int64", "int64", (end, high), 0)
            begin = [identity(c, width) for c in each]
            run = self._lane_loop(loop, (index, end, step), begin, blocks)
            run = self._gathered(loop, run)
            return self._accumulated(each, kept, old, run, width)

        carried = list(zip(kinds, [*held, *zeros], strict=True))
        name = f"{loop.axis}.runs"
        results = self.w.loop(name, (low, high, length), carried, body)
        for k, error in zip(kept, results[len(each) :], strict=True):
            results[k] = corrected(self.w, each[k].dtype, results[k], error, width)
        return results[: len(each)]

    def _gathered(self, loop: Loop, run: list[str]) -> list[str]:
        """A run's results; those that must keep to their order in one lane."""
        count, found = len(run) // max(1, len(loop.carries)), []
        for k, carry in enumerate(loop.carries):
            parts = run[k * count : (k + 1) * count]
            if is_ordered(carry):
                parts = in_one_lane(self.w, carry, parts, self.width)
            found += parts
        return found

    def _lane_loop(
        self,
        loop: Loop,
        bounds: tuple[str, str, int],
        held: list[str],
        blocks: int,
        *,
        tail: bool = False,
    ) -> list[str]:
        """`loop` in steps of some blocks of lanes, or of one masked block if 0.

        A `tail` is what such blocks have left over: of its vectors few are whole.
        """
        width = self.width
        carries = [c for c in loop.carries for _ in range(blocks or 1)]
        kinds = [llvm_type(c.dtype, width) for c in carries]

        def body(index: str, old: list[str]) -> list[str]:
            if blocks:
                self.lanes = Lanes(loop.axis, width, blocks, index, bounds[0])
            else:
                self.lanes = self._prefix(loop.axis, index, bounds[1], tail)
                mask = self.lanes.mask or ""
            self._statements(loop.body)
            if blocks:
                self.ask_ahead(loop)
            values = self._carried(loop, True)
            new = self._accumulated(carries, [], old, values, width)
            if not blocks:
                new = [
                    self.apply("select", c.dtype, c.dtype, (mask, n, o), width)
                    for c, n, o in zip(loop.carries, new, old, strict=True)
                ]
            self.lanes = None
            return new

        return self.w.loop(loop.axis, bounds, list(zip(kinds, held, strict=True)), body)

    def _prefix(self, axis: str, index: str, high: str, tail: bool) -> Lanes:
        """The lanes of `axis` from `index` that are below `high`."""
        w, width = self.w, self.width
        rest = self._span(index, high)
        active = self.apply("min", "int64", "int64", (rest, str(width)), 0)
        # Compare in integers as wide as the lanes: one register, one instruction.
        narrow = f"int{min(64, max(8, 512 // width))}"
        count = self.apply("cast", "int64", narrow, (active,), 0)
        spread = w.splat(count, narrow, width)
        kind = llvm_type(narrow, width)
        numbers = ", ".join(f"i{narrow[3:]} {k}" for k in range(width))
        w.place(spread)
        mask = w.op(f"icmp slt {kind} <{numbers}>, {spread}")
        whole = None
        if not (self.host.masks or tail):
            whole = self.apply("eq", "int64", "bool", (active, str(width)), 0)
        return Lanes(axis, width, 1, index, None, mask, active, whole)


def _blocks_for(loop: Loop, width: int, extent: Extent | None, masks: bool) -> int:
    """Vectors side by side in the unmasked loop; 0 if there is only a masked loop."""
    statements = [s for s, _ in walk(loop.body)]
    meets = any(isinstance(s, Store) and s.accumulate for s in statements)
    if len(statements) > (LONG_BODY if masks else HUGE_BODY) or meets:
        return 0
    nested = any(isinstance(s, Loop) for s in statements)
    blocks = REDUCTION_BLOCKS if loop.carries or nested else MAP_BLOCKS
    if len(statements) > SHORT_BODY:
        blocks = 1 if len(statements) > LONG_BODY else blocks // 2
    while blocks and isinstance(extent, int) and extent < width * blocks:
        blocks //= 2
    return blocks
