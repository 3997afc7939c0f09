"""A Program's steps as one native function: arena, launches, products, signals.

The text is straight-line LLVM over the run-time sizes.  What is the same for every
program is called (`support`, `product`); what is written here is only this program's
arithmetic: which pointers and sizes each kernel gets, and where temporaries lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from ..errors import CompileError
from ..ir import Extent, Kernel, Let
from ..program import Array, Call, Gemm, Launch, Program
from . import product
from .control import ControlFlow
from .runtime import Cell, Slot
from .straight import Writer, emit_let, size
from .support import ALIGNMENT, FRAME_WORDS, MOST_CHUNKS, unoptimized
from .timing import Laps

#: What `run` returns besides 0 and the positive code of a failed check: an exception is
#: set already.
RAISED = -1

#: More than any machine addresses, and far from where adding a header would overflow.
MOST_BYTES = 1 << 60

Cost = tuple[tuple[int, tuple[Extent, ...]], ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A kernel that is ready to be launched.

    `symbol` is its LLVM function; `extent` the range that may be cut (after `prologue`)
    and `cost` one iteration's, both in the kernel's own names; chunks are multiples of
    `align` long.  `split` false: the kernel runs once, whole.  After all chunks the
    function `finish` must run, on the `partial` bytes that each has left.
    """

    kernel: Kernel
    symbol: str
    split: bool
    extent: Extent = 1
    prologue: tuple[Let, ...] = ()
    cost: Cost = ()
    align: int = 1
    finish: str | None = None
    partial: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """Positions of the program's sizes and arrays in what the entry hands to `run`."""

    sizes: dict[str, int]
    arrays: dict[str, int]


def frame_of(program: Program) -> Frame:
    """The sizes (bound ones first, in order of occurrence) and arrays of `program`."""
    names: dict[str, int] = {}
    for array in program.by_role("input", "shared", "constant"):
        for extent in array.shape:
            if isinstance(extent, str):
                names.setdefault(extent, len(names))
    for statement in program.host:
        names.setdefault(statement.name, len(names))
    arrays = {array.name: position for position, array in enumerate(program.arrays)}
    if len(arrays) < len(program.arrays):
        raise CompileError(f"{program.name}: two arrays have one name")
    return Frame(names, arrays)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a launch is cut: i64 operands for its range, chunk length, chunk count.

    `local` holds the operands of the kernel's own sizes, and of the split's prologue.
    """

    total: str
    length: str
    chunks: str
    local: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Driver:
    """The function being written, and where the program's values are in it."""

    program: Program
    prepared: dict[int, Prepared]
    frame: Frame
    out: Writer = field(default_factory=Writer)
    sizes: dict[str, str] = field(default_factory=dict)
    pointers: dict[str, str] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)
    sized: dict[tuple[tuple[Extent, ...], int], str] = field(default_factory=dict)


def driver(program: Program, prepared: dict[int, Prepared], timed: bool = False) -> str:
    """``i32 @run(cells, table, sizes, data)``, which runs the steps of `program`.

    `prepared` holds a kernel for each position in `program.steps` that is a launch.
    `run` returns 0, a failed check's code (> 0), or `RAISED` with a Python exception
    set.  It is called with the GIL held, and runs the steps without it.  A `timed` one
    measures its steps.
    """
    d = _Driver(program, prepared, frame_of(program))
    _frame_memory(d)
    for name, position in d.frame.sizes.items():
        d.sizes[name] = d.out.load("i64", "%sizes", 8 * position)
    for name, position in d.frame.arrays.items():
        if program.arrays[position].role not in ("temp", "view", "row"):
            d.pointers[name] = d.out.load("ptr", "%data", 8 * position)
    plans = _plans(d)
    scratch = _arena(d, plans)
    _steps(d, plans, scratch, Laps(program, d.out, timed))
    args = "ptr %cells, ptr %table, ptr %sizes, ptr %data, ptr %team"
    texts = (
        unoptimized(d.out.function(f"internal i32 @steps({args})")),
        _shared(program, prepared),
    )
    return "\n".join(texts)


def _shared(program: Program, prepared: dict[int, Prepared]) -> str:
    """``i1 @shared(sizes)``: whether some step has work for more than one thread."""
    d = _Driver(program, prepared, frame_of(program))
    out = d.out
    for name, position in d.frame.sizes.items():
        d.sizes[name] = out.load("i64", "%sizes", 8 * position)
    counts = {plan.chunks for plan in _plans(d).values()} - {"1"}
    several = [out.let(f"icmp ugt i64 {chunks}, 1") for chunks in sorted(counts)]
    for step in program.steps:
        if isinstance(step, Gemm):
            work = _cost(out, ((1, (step.m, step.n, step.k, step.batch)),), d.sizes)
            least = f"{2.0 * product.PANEL_WORK:e}"
            several.append(out.let(f"fcmp oge double {work}, {least}"))
    out.do(f"ret i1 {out.either(several) if several else 'false'}")
    return unoptimized(out.function("internal i1 @shared(ptr %sizes)"))


def _frame_memory(d: _Driver) -> None:
    """Stack memory that all launches share: they run one after another."""
    out = d.out
    kernels = [p.kernel for p in d.prepared.values()]
    buffers = max([4, *(len(k.buffers) + len(k.scratch) + 1 for k in kernels)])
    numbers = max([product.SIZES, *(len(k.sizes) for k in kernels)])
    for step in d.program.steps:
        if isinstance(step, Call):
            buffers = max(buffers, len(step.reads) + len(step.writes))
            numbers = max(numbers, len(step.sizes))
    out.do(f"%bufs = alloca [{buffers} x ptr]")
    out.do(f"%numbers = alloca [{numbers} x i64]")
    out.do(f"%frame = alloca [{FRAME_WORDS} x i64]")
    # A failed check's code, and behind it the round, from 1, in which it stood.
    out.do("%status = alloca [2 x i64]")
    out.do("%round = getelementptr i64, ptr %status, i64 1")
    out.do("%state = alloca ptr")
    out.do("%last = alloca i64")
    partial = max([p.partial for p in d.prepared.values()], default=0)
    if partial:
        room = MOST_CHUNKS * partial
        out.do(f"%partials = alloca [{room} x i8], align {ALIGNMENT}")
    out.do("store i32 0, ptr %status")
    out.do("store i64 0, ptr %round")


def _local_sizes(d: _Driver, step: int) -> dict[str, str]:
    """The kernel's own size names, with the program's operands."""
    launch, kernel = d.program.steps[step], d.prepared[step].kernel
    assert isinstance(launch, Launch)
    if len(launch.sizes) != len(kernel.sizes):
        raise CompileError(f"{kernel.name}: {len(kernel.sizes)} sizes are expected")
    operands = (size(extent, d.sizes) for extent in launch.sizes)
    return dict(zip(kernel.sizes, operands, strict=True))


def _plans(d: _Driver) -> dict[int, _Plan]:
    """A plan for each launch; a kernel over the same sizes is planned once."""
    plans: dict[int, _Plan] = {}
    made: dict[tuple[str, tuple[Extent, ...]], _Plan] = {}
    for step, prepared in d.prepared.items():
        launch = d.program.steps[step]
        assert isinstance(launch, Launch)
        key = (prepared.symbol, launch.sizes)
        if key not in made:
            made[key] = _plan_launch(d, step)
        # Equal kernels may name their sizes differently.
        plans[step] = replace(made[key], local=_local_sizes(d, step))
    return plans


def _plan_launch(d: _Driver, step: int) -> _Plan:
    """Cut the range of a launch, by its run-time shape alone."""
    prepared, out = d.prepared[step], d.out
    local = _local_sizes(d, step)
    if not prepared.split:
        return _Plan("1", "1", "1", local)
    for let in prepared.prologue:
        emit_let(out, let, local)
    total = out.let(
        f"call i64 @llvm.smax.i64(i64 {size(prepared.extent, local)}, i64 0)"
    )
    cost = _cost(out, prepared.cost, local)
    return replace(_cut(out, total, cost, prepared.align), local=local)


def _cut(out: Writer, total: str, cost: str, align: int) -> _Plan:
    length = out.let(f"call i64 @plan(i64 {total}, double {cost}, i64 {align})")
    over = out.let(f"add i64 {total}, {length}")
    up = out.let(f"sub i64 {over}, 1")
    return _Plan(total, length, out.let(f"udiv i64 {up}, {length}"))


def _cost(out: Writer, cost: Cost, local: dict[str, str]) -> str:
    """A cost polynomial as a double, which cannot overflow."""
    fixed = sum(
        c * prod(n for n in e if isinstance(n, int)) for c, e in cost if _flat(e)
    )
    result = f"{float(fixed):e}"
    for coefficient, extents in cost:
        if _flat(extents):
            continue
        term = f"{float(coefficient):e}"
        for extent in extents:
            number = out.let(f"sitofp i64 {size(extent, local)} to double")
            term = out.let(f"fmul double {term}, {number}")
        result = out.let(f"fadd double {result}, {term}")
    return result


def _flat(extents: Sequence[Extent]) -> bool:
    return all(isinstance(extent, int) for extent in extents)


def _bytes(
    d: _Driver, shape: tuple[Extent, ...], dtype: str, local: dict[str, str]
) -> str:
    """The bytes of an array, rounded up to a cache line; overflow is noted in `bad`."""
    out = d.out
    fixed = np.dtype(dtype).itemsize * prod(n for n in shape if isinstance(n, int))
    if not 0 <= fixed < MOST_BYTES:
        raise CompileError(f"no array can have the shape {shape}")
    total = str(fixed)
    for extent in shape:
        if isinstance(extent, str):
            operand = size(extent, local)
            d.bad.append(out.let(f"icmp slt i64 {operand}, 0"))
            total = out.checked("mul", total, operand, d.bad)
    return _round_up(d, total)


def _round_up(d: _Driver, total: str) -> str:
    if total.isdecimal():
        return str(-(-int(total) // ALIGNMENT) * ALIGNMENT)
    over = d.out.checked("add", total, str(ALIGNMENT - 1), d.bad)
    return d.out.let(f"and i64 {over}, -{ALIGNMENT}")


def _slot_sizes(d: _Driver) -> dict[int, str]:
    """The bytes of each slot: its largest member's."""
    slots: dict[int, str] = {}
    for array in d.program.by_role("temp"):
        if array.slot is None:
            raise CompileError(f"temporary {array.name} has no slot in the arena")
        key = (array.shape, np.dtype(array.dtype).itemsize)
        if key not in d.sized:
            d.sized[key] = _bytes(d, array.shape, array.dtype, d.sizes)
        mine, held = d.sized[key], slots.get(array.slot)
        if held is None or held == mine:
            slots[array.slot] = mine
        else:
            slots[array.slot] = d.out.let(
                f"call i64 @llvm.umax.i64(i64 {held}, i64 {mine})"
            )
    return dict(sorted(slots.items()))


def _scratch_blocks(d: _Driver, step: int, plan: _Plan) -> list[str]:
    """The bytes of each scratch buffer of a launch, for all of its chunks."""
    blocks = []
    for buffer in d.prepared[step].kernel.scratch:
        one = _bytes(d, buffer.shape, buffer.dtype, plan.local)
        blocks.append(d.out.checked("mul", one, plan.chunks, d.bad))
    return blocks


def _arena(d: _Driver, plans: dict[int, _Plan]) -> dict[int, list[str]]:
    """Take the arena and place temporaries in it; returns scratch pointers by step.

    Slots lie one after another; the scratch of all launches shares what comes after.
    """
    out = d.out
    offset, places = "0", {}
    for slot, size_ in _slot_sizes(d).items():
        places[slot] = offset
        offset = out.checked("add", offset, size_, d.bad)
    need, offsets = offset, {}
    for step, plan in plans.items():
        end, starts = offset, []
        for block in _scratch_blocks(d, step, plan):
            starts.append(end)
            end = out.checked("add", end, block, d.bad)
        offsets[step] = starts
        if starts:
            need = out.let(f"call i64 @llvm.umax.i64(i64 {need}, i64 {end})")
    if not places and not any(offsets.values()):
        return {}
    d.bad.append(out.let(f"icmp ugt i64 {need}, {MOST_BYTES}"))
    _take(d, need)
    for array in d.program.by_role("temp"):
        assert array.slot is not None
        d.pointers[array.name] = _place(out, places[array.slot])
    return {step: [_place(out, o) for o in starts] for step, starts in offsets.items()}


def _place(out: Writer, offset: str) -> str:
    return out.let(f"getelementptr i8, ptr %base, i64 {offset}")


def _take(d: _Driver, need: str) -> None:
    out = d.out
    out.do(f"br i1 {out.either(d.bad)}, label %full, label %take")
    out.label("take")
    out.do(f"%arena = call ptr @take_arena(ptr %table, ptr %cells, i64 {need})")
    out.do("%none = icmp eq ptr %arena, null")
    out.do("br i1 %none, label %full, label %placed")
    out.label("full")
    out.call("ptr", Slot.NO_MEMORY)
    out.do(f"ret i32 {RAISED}")
    out.label("placed")
    out.do(f"%base = getelementptr i8, ptr %arena, i64 {ALIGNMENT}")


def _steps(
    d: _Driver, plans: dict[int, _Plan], scratch: dict[int, list[str]], laps: Laps
) -> None:
    """Run the steps without the GIL."""
    out, last = d.out, len(d.program.steps) - 1
    thread = out.call("ptr", Slot.SAVE_THREAD)
    out.do(f"store ptr {thread}, ptr %state")
    if last > 0:
        begun = out.let("call i64 @now(ptr %table)")
        out.do(f"store i64 {begun}, ptr %last")
    for array in d.program.by_role("view", "row"):
        _viewed(d.program, array)
    control = ControlFlow(d.program, out, d.sizes, d.pointers)
    control.begin()
    laps.begin_call()
    for i, step in enumerate(d.program.steps):
        if not isinstance(step, Launch | Gemm | Call):
            control.write(i, step)
            continue
        begun = laps.begin()
        match step:
            case Launch():
                plan = _fill_launch(d, i, step, plans[i], scratch.get(i, []))
                _launch(d, plan, d.prepared[i].finish, last=i == last)
            case Gemm():
                _launch(d, _fill_gemm(d, step), None, last=i == last)
            case Call():
                _call(d, step)
        laps.end(i, begun)
    out.do("br label %done")
    _finish(d, bool(scratch) or bool(d.program.by_role("temp")), laps)


def _launch(d: _Driver, plan: _Plan, finish: str | None, last: bool) -> None:
    """Run the chunks of the frame, and then what puts their parts together."""
    out = d.out
    if last:  # nothing is left to be stopped
        out.do(
            f"call void @launch(ptr %table, ptr %frame, i64 {plan.chunks}, ptr %team)"
        )
    else:
        stop = out.let(
            f"call i32 @step(ptr %table, ptr %frame, i64 {plan.chunks}, "
            "ptr %team, ptr %state, ptr %last)"
        )
        out.require(out.let(f"icmp eq i32 {stop}, 0"), "done")
    if finish:
        out.do(
            f"call void @{finish}(ptr %bufs, ptr %numbers, ptr %status, i64 0, "
            f"i64 {plan.chunks}, i64 0)"
        )


def _call(d: _Driver, call: Call) -> None:
    """Call a function from outside, whose address is in the cells."""
    out, program = d.out, d.program
    for name in call.writes:
        _check_writable(d, call.function, program.array(name))
    for position, name in enumerate((*call.reads, *call.writes)):
        out.store("ptr", _pointer(d, name), "%bufs", 8 * position)
    for position, extent in enumerate(call.sizes):
        out.store("i64", size(extent, d.sizes), "%numbers", 8 * position)
    objects = len(program.by_role("shared", "constant"))
    place = Cell.OBJECTS + objects + program.functions.index(call.function)
    function = out.load("ptr", "%cells", 8 * place)
    returned = out.let(f"call i32 {function}(ptr %bufs, ptr %numbers)")
    done = out.let(f"icmp eq i32 {returned}, 1")
    status = out.let(f"select i1 {done}, i32 0, i32 {call.code}")
    out.do(f"store i32 {status}, ptr %status")
    out.require(done, "done")


def _finish(d: _Driver, arena: bool, laps: Laps) -> None:
    """Take the GIL again, put the arena back, and say what happened."""
    out = d.out
    out.label("done")
    laps.end_call()
    state = out.let("load ptr, ptr %state")
    out.invoke(Slot.RESTORE_THREAD, f"ptr {state}")
    if arena:
        out.do("call void @put_arena(ptr %table, ptr %cells, ptr %arena)")
    result = out.let("load i32, ptr %status")
    out.require(out.let(f"icmp eq i32 {result}, 0"), "failed")
    # A warning turned into an exception ends the call like any other.
    out.do("%warned = call i32 @warn(ptr %table)")
    out.do("ret i32 %warned")
    out.label("failed")
    out.store("i64", out.let("load i64, ptr %round"), "%cells", 8 * Cell.ROUND)
    out.do(f"ret i32 {result}")


def _pointer(d: _Driver, array: str) -> str:
    if array not in d.pointers:
        raise CompileError(f"{d.program.name}: no array is called {array!r}")
    return d.pointers[array]


def _fill(d: _Driver, symbol: str, plan: _Plan) -> _Plan:
    """Fill in the launch's frame."""
    out = d.out
    words = (
        ("ptr", f"@{symbol}"), ("ptr", "%bufs"), ("ptr", "%numbers"),
        ("ptr", "%status"), ("i64", plan.total), ("i64", plan.length),
    )  # fmt: skip
    for position, (kind, value) in enumerate(words):
        out.store(kind, value, "%frame", 8 * position)
    return plan


def _fill_launch(
    d: _Driver, step: int, launch: Launch, plan: _Plan, scratch: list[str]
) -> _Plan:
    """Store the pointers and sizes that a kernel reads."""
    prepared = d.prepared[step]
    _check_arrays(d, launch)
    pointers = [*(_pointer(d, name) for name in launch.arrays), *scratch]
    if prepared.partial:
        pointers.append("%partials")
    for position, pointer in enumerate(pointers):
        d.out.store("ptr", pointer, "%bufs", 8 * position)
    for position, extent in enumerate(launch.sizes):
        d.out.store("i64", size(extent, d.sizes), "%numbers", 8 * position)
    return _fill(d, prepared.symbol, plan)


def _viewed(program: Program, view: Array) -> Array:
    """The array whose memory `view` shows, or has as a row."""
    target = next((a for a in program.arrays if a.name == view.target), None)
    nested = target is not None and target.role == view.role == "view"
    if target is None or nested or target.dtype != view.dtype:
        raise CompileError(f"view {view.name} has no array of its dtype as target")
    return target


def _check_writable(d: _Driver, writer: str, array: Array) -> None:
    """Arguments, shared storage and constants are never written to."""
    root = array
    while root.role in ("view", "row"):
        root = _viewed(d.program, root)
    if root.role in ("input", "shared", "constant"):
        raise CompileError(f"{writer}: {root.role} {root.name} is written to")


def _check_arrays(d: _Driver, launch: Launch) -> None:
    """Compare with the kernel as it was given: preparation may merge dimensions."""
    name, buffers = launch.kernel.name, launch.kernel.buffers
    if len(launch.arrays) != len(buffers):
        raise CompileError(f"{name}: {len(buffers)} arrays are expected")
    for given, buffer in zip(launch.arrays, buffers, strict=True):
        array = d.program.arrays[d.frame.arrays[given]]
        if array.dtype != buffer.dtype or len(array.shape) != len(buffer.shape):
            raise CompileError(
                f"{name}: buffer {buffer.name} is {buffer.dtype} of "
                f"{len(buffer.shape)} dimensions, array {given} {array.dtype} of "
                f"{len(array.shape)}"
            )
        if buffer.mode != "in":
            _check_writable(d, name, array)


def _fill_gemm(d: _Driver, gemm: Gemm) -> _Plan:
    """Store a product's words, and cut it into panels."""
    out = d.out
    dtype = _gemm_dtype(d, gemm)
    m, n, k = (size(extent, d.sizes) for extent in (gemm.m, gemm.n, gemm.k))
    for position, name in enumerate((gemm.out, gemm.lhs, gemm.rhs)):
        out.store("ptr", _pointer(d, name), "%bufs", 8 * position)
    out.store("ptr", "%table", "%bufs", 24)
    # Compilers see constants here, but a panel's shape is known at run time only.
    left = out.let(f"mul i64 {m}, {k}") if gemm.lhs_batched else "0"
    right = out.let(f"mul i64 {k}, {n}") if gemm.rhs_batched else "0"
    words = (
        m, n, k, str(int(gemm.transpose_lhs)), str(int(gemm.transpose_rhs)),
        left, right, str(int(gemm.accumulate)),
    )  # fmt: skip
    for position, word in enumerate(words):
        out.store("i64", word, "%numbers", 8 * position)
    cost = out.let("call double @panels(ptr %numbers)")
    panels = out.load("i64", "%numbers", 8 * product.PANELS)
    batch = size(gemm.batch, d.sizes)
    items = out.let(f"call i64 @llvm.smax.i64(i64 {batch}, i64 0)")
    total = out.let(f"mul i64 {panels}, {items}")
    return _fill(d, f"product_{dtype}", _cut(out, total, cost, 1))


def _gemm_dtype(d: _Driver, gemm: Gemm) -> str:
    arrays: list[Array] = [d.program.array(a) for a in (gemm.out, gemm.lhs, gemm.rhs)]
    dtypes = {array.dtype for array in arrays}
    if len(dtypes) != 1 or not dtypes <= set(product.ELEMENT):
        raise CompileError(f"a product of {', '.join(a.dtype for a in arrays)} arrays")
    _check_writable(d, "a product", arrays[0])
    return dtypes.pop()
