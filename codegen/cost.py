"""What each step of a Program costs, by its sizes alone: the driver's own arithmetic.

The CPU target cuts a launch into chunks by its shape (`cpu.support.PLAN`), a product
into panels (`cpu.product.PANELS_TEXT`), and lays out an arena (`cpu.main`).  The same
is computed here without a call.  Sizes may be names: amounts are then polynomials, and
what depends on comparing them is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np

from . import schedule
from .cpu import product
from .cpu.build import executed
from .cpu.support import ALIGNMENT, CHUNK_COST, MOST_CHUNKS
from .errors import CompileError
from .interpret import SCALARS
from .ir import Atom, Const, Extent, Kernel, Let, Load, Store, walk
from .polynomial import Amount, Polynomial, apply, known, name
from .polynomial import product as multiplied
from .program import (
    Array,
    Call,
    End,
    Gemm,
    Launch,
    Program,
    ReadScalar,
    Repeat,
    When,
    Work,
)

Sizes = Mapping[str, Amount]


@dataclass(frozen=True, slots=True)
class StepCost:
    """One step.

    Attributes:
        name: the kernel's name, ``gemm OUT = LHS @ RHS`` or ``call FUNCTION``.
        kind: which of the three it is.
        work: what `schedule.grain` counts, in additions of float32; of a product, its
            multiplications over `product.PER_COST`; of a call 0: it is not known.
        flops: of a product, two for each multiplication.
        bytes_read, bytes_written: each array that the step loads from, or stores to,
            once and whole, even if it only takes some elements of it.
        chunks: pieces that threads share; 1 for a serial step, 0 where there is nothing
            to do, None where the sizes are not known.
        scratch: bytes of scratch memory, of one chunk where `chunks` is not known.
        runs: how often the step runs at the most; everything above but chunks and
            scratch is the sum over as many runs.
    """

    name: str
    kind: Literal["kernel", "product", "call"]
    work: Amount
    flops: Amount
    bytes_read: Amount
    bytes_written: Amount
    chunks: int | None
    scratch: Amount = 0
    runs: Amount = 1


@dataclass(frozen=True, slots=True)
class ProgramCost:
    """All steps; bytes of temporaries (with scratch) and of what a call returns."""

    steps: tuple[StepCost, ...]
    arena: Amount
    output: Amount


def cost(program: Program, sizes: Sizes) -> ProgramCost:
    """What a call of `program` costs: all rounds of loops, and both branches.

    `sizes` holds what arguments bind and what is read from them, and may hold what the
    host computes.  Where they are numbers the arena is what the driver takes, rounded
    up to cache lines; else nothing is rounded, and scratch is that of one chunk.
    """
    program = executed(program)
    arrays = _Arrays(program, sizes_of(program, sizes))
    steps = tuple(_steps(arrays))
    results = program.by_role("output", "update")
    output = _total(arrays.bytes(a) for a in results)
    return ProgramCost(steps, _arena(arrays, steps), output)


def sizes_of(program: Program, sizes: Sizes) -> dict[str, Amount]:
    """`sizes` and what the host computes of them."""
    found = dict(sizes)
    for statement in program.host:
        if isinstance(statement, Let) and statement.name not in found:
            found[statement.name] = _evaluate(statement, found)
    return found


@dataclass(frozen=True, slots=True)
class _Arrays:
    """A program's arrays at some sizes."""

    program: Program
    sizes: Sizes

    def bytes(self, array: Array) -> Amount:
        return _bytes(array.shape, array.dtype, self.sizes)

    def all_bytes(self, names: Iterable[str]) -> Amount:
        """The bytes of some arrays; a view and what it shows count once."""
        found = (self.program.array(name) for name in names)
        memory = {a.target if a.role == "view" else a.name: a for a in found}
        return _total(self.bytes(a) for a in memory.values())


def _total(amounts: Iterable[Amount]) -> Amount:
    total: Amount = 0
    for amount in amounts:
        total = total + amount
    return known(total)


def _bytes(shape: tuple[Extent, ...], dtype: str, sizes: Sizes) -> Amount:
    extents = tuple(_size(extent, sizes) for extent in shape)
    return multiplied((np.dtype(dtype).itemsize, *extents))


# -- sizes -----------------------------------------------------------------------------


def _size(extent: Extent, sizes: Sizes) -> Amount:
    if isinstance(extent, int):
        return extent
    if extent not in sizes:
        raise CompileError(f"size {extent!r} is used before anything defines it")
    return sizes[extent]


def _evaluate(let: Let, sizes: Sizes) -> Amount:
    """An int64 or bool statement, as `cpu.straight.emit_let` computes it."""

    def value(atom: Atom) -> Amount:
        return atom.value if isinstance(atom, Const) else sizes[atom]  # type: ignore[return-value]

    args = [value(atom) for atom in let.args]
    if any(isinstance(a, Polynomial) for a in args):
        return apply(let.op, *args)
    kind = bool if let.dtype == "bool" else int
    if let.op == "cast":
        return kind(args[0])  # type: ignore[arg-type]
    with np.errstate(all="ignore"):
        return kind(SCALARS[let.op](*(np.asarray(a)[()] for a in args)))


# -- chunks ----------------------------------------------------------------------------


def chunk_count(total: int, each: float, align: int) -> int:
    """How many chunks `total` iterations that cost `each` are cut into, as by PLAN.

    Chunks cost `CHUNK_COST` at the most, but there are no more than `MOST_CHUNKS`; the
    length of all but the last is a multiple of `align`.
    """
    ideal = int(CHUNK_COST / max(each, 1.0))
    least = -(-total // MOST_CHUNKS)
    count = -(-total // max(ideal, least, 1))
    even = max(count + (count & 1 if count > 1 else 0), 1)
    length = -(-max(-(-total // even), 1) // align) * align
    return -(-total // length)


def panels(m: int, n: int, k: int) -> tuple[int, float]:
    """The panels of a product, and what one costs: `cpu.product.PANELS_TEXT`."""
    wide = max(m, n)
    work = float(m) * float(n) * float(k)
    wanted = int(min(work / product.PANEL_WORK, product.MOST_PANELS))
    least = max(min(wide // 2, product.PANEL_LEAST), product.PANEL_SHORT)
    aim = max(min(wanted, wide // least), 1)
    even = -(-wide // aim)
    align = product.PANEL_ALIGN
    extent = max(-(-even // align) * align, align)
    return -(-wide // extent), work / aim / product.PER_COST


# -- steps -----------------------------------------------------------------------------


def _steps(arrays: _Arrays) -> Iterator[StepCost]:
    """What each step that computes something costs, in all rounds of loops around."""
    rounds: list[Amount] = [1]
    for step in arrays.program.steps:
        match step:
            case Repeat(extent=extent):
                most = _size(extent, arrays.sizes)
                rounds.append(multiplied((rounds[-1], most)))
            case When():
                rounds.append(rounds[-1])
            case End():
                rounds.pop()
            case Launch() | Gemm() | Call():
                yield _times(_step(step, arrays), rounds[-1])


def _times(cost: StepCost, rounds: Amount) -> StepCost:
    if rounds == 1:
        return cost
    work, flops, read, written = (
        known(amount * rounds)
        for amount in (cost.work, cost.flops, cost.bytes_read, cost.bytes_written)
    )
    return replace(
        cost,
        work=work,
        flops=flops,
        bytes_read=read,
        bytes_written=written,
        runs=rounds,
    )


def _step(step: Work, arrays: _Arrays) -> StepCost:
    match step:
        case Launch():
            return _launch(step, arrays)
        case Gemm():
            return _gemm(step, arrays)
        case Call():
            read, written = map(arrays.all_bytes, (step.reads, step.writes))
            return StepCost(f"call {step.function}", "call", 0, 0, read, written, 1)


def _launch(step: Launch, arrays: _Arrays) -> StepCost:
    kernel = schedule.prepare(step.kernel)
    outside = (_size(extent, arrays.sizes) for extent in step.sizes)
    local = dict(zip(kernel.sizes, outside, strict=True))
    extent, prologue = schedule.extent(kernel)
    for let in prologue:
        local[let.name] = _evaluate(let, local)
    terms, align = schedule.grain(kernel)
    each = _total(
        multiplied((weight, *(_size(e, local) for e in extents)))
        for weight, extents in terms
    )
    total = _size(extent, local)
    total = max(total, 0) if isinstance(total, int) else total
    chunks: int | None = 1
    if kernel.split is not None:
        chunks = None
        if isinstance(total, int) and isinstance(each, int):
            # The driver's literals have seven digits, which is no difference: longer
            # numbers leave one iteration to a chunk.
            chunks = chunk_count(total, float(each), align)
    read, written = _accessed(step, nothing=total == 0 and kernel.split is not None)
    return StepCost(
        kernel.name,
        "kernel",
        known(total * each),
        0,
        arrays.all_bytes(read),
        arrays.all_bytes(written),
        chunks,
        _scratch(kernel, local, chunks),
    )


def _accessed(step: Launch, nothing: bool) -> tuple[list[str], list[str]]:
    """The arrays that a launch loads from, and those that it stores to.

    `nothing`: its loop has no iterations.
    """
    read, written = set(), set()
    for statement, depth in walk(step.kernel.body):
        if nothing and depth:
            continue
        match statement:
            case Load(buffer=buffer):
                read.add(buffer)
            case Store(buffer=buffer, accumulate=accumulate):
                written.add(buffer)
                if accumulate:
                    read.add(buffer)
    pairs = list(zip(step.kernel.buffers, step.arrays, strict=True))
    return (
        [array for buffer, array in pairs if buffer.name in read],
        [array for buffer, array in pairs if buffer.name in written],
    )


def _gemm(step: Gemm, arrays: _Arrays) -> StepCost:
    sizes = arrays.sizes
    m, n, k, batch = (_size(e, sizes) for e in (step.m, step.n, step.k, step.batch))
    count = multiplied((m, n, k, batch))
    chunks = None
    match m, n, k, batch:
        case int(), int(), int(), int():
            cuts, each = panels(m, n, k)
            chunks = chunk_count(cuts * max(batch, 0), each, 1)
    if isinstance(count, int):
        work: Amount = count // product.PER_COST
    else:
        work = count * Fraction(1, product.PER_COST)
    read = [step.lhs, step.rhs, *([step.out] if step.accumulate else [])]
    return StepCost(
        f"gemm {step.out} = {step.lhs} @ {step.rhs}",
        "product",
        work,
        known(count * 2),
        arrays.all_bytes(read),
        arrays.all_bytes([step.out]),
        chunks,
    )


# -- the arena -------------------------------------------------------------------------


def _rounded(amount: Amount) -> Amount:
    """Bytes rounded up to a cache line, where they are known."""
    if not isinstance(amount, int):
        return amount
    return -(-amount // ALIGNMENT) * ALIGNMENT


def _largest(amounts: Iterable[Amount]) -> Amount:
    """The largest of some amounts, none of them negative."""
    distinct = list(dict.fromkeys(amounts))
    most = max((a for a in distinct if isinstance(a, int)), default=0)
    several = [a for a in distinct if isinstance(a, Polynomial)]
    if not several:
        return most
    shown = [str(a) for a in (*several, most) if a != 0]
    return several[0] if len(shown) == 1 else name(f"max({', '.join(shown)})")


def _scratch(kernel: Kernel, local: Sizes, chunks: int | None) -> Amount:
    blocks = (_rounded(_bytes(b.shape, b.dtype, local)) for b in kernel.scratch)
    return known(_total(blocks) * (1 if chunks is None else chunks))


def _arena(arrays: _Arrays, steps: tuple[StepCost, ...]) -> Amount:
    """Slots one after another, and after them the scratch of all launches in turn."""
    slots: dict[int | None, list[Amount]] = {}
    for array in arrays.program.by_role("temp"):
        held = slots.setdefault(array.slot, [])
        held.append(_rounded(arrays.bytes(array)))
    scratch = _largest(step.scratch for step in steps)
    return _total([*map(_largest, slots.values()), scratch])


def read_scalars(program: Program) -> dict[str, str]:
    """The sizes that are arguments' values, each with the array that holds it."""
    found = (s for s in program.host if isinstance(s, ReadScalar))
    return {s.name: s.array for s in found}
