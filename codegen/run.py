"""Running whole programs in the loop interpreter, step by step.

Its kernels are executed by `interpret`, its products by NumPy.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from .interpret import (
    Arrays,
    Frame,
    Scalar,
    cast_to,
    dims_of,
    garbage,
    require_fits,
    run_kernel,
    size_of,
)
from .ir import Const, Let
from .program import (
    Call,
    End,
    Gemm,
    Guard,
    Launch,
    Otherwise,
    Program,
    ReadScalar,
    Repeat,
    Step,
    When,
    brackets,
    rotation,
)

#: A function that a program calls, over arrays.
HostFunction: TypeAlias = Callable[..., bool]


class GuardError(ValueError):
    """A program's guard did not hold: its `code` and the two sizes compared."""

    def __init__(self, code: int, left: int, right: int) -> None:
        super().__init__(f"guard {code} failed for {left} and {right}")
        self.code, self.left, self.right = code, left, right


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """What one call of a program gives.

    `results` are the returned arrays in order.  `updates` maps the name of each shared
    array to its new value, and is empty unless `status`, the first failed check's code,
    is 0.
    """

    results: list[np.ndarray]
    updates: dict[str, np.ndarray]
    status: int


def run_program(
    program: Program,
    arrays: Arrays,
    functions: Mapping[str, HostFunction] | None = None,
) -> ProgramResult:
    """Run `program` on its inputs, shared arrays and constants, given by name.

    What is given is only read.  `functions` stand for those that the program calls:
    each gets the arrays that it reads, then those that it writes, and says whether it
    succeeded.  Raises KeyError for a missing array or function, TypeError for a wrong
    dtype, ValueError where dimensions disagree, and `GuardError`.
    """
    memory, sizes = _memory(program, arrays)
    machine = _Machine(program, memory, sizes, functions or {})
    status = 0
    while machine.position < len(program.steps) and not status:
        status = machine.step(program.steps[machine.position])
    return program_result(program, memory, status)


def program_result(program: Program, memory: Arrays, status: int) -> ProgramResult:
    """What a run left in `memory`, which has the updates only if it succeeded."""
    updates = {
        str(a.target): outer(program, memory, a.name)
        for a in program.by_role("update")
        if not status
    }
    results = [outer(program, memory, name) for name in program.results]
    return ProgramResult(results, updates, status)


def outer(program: Program, memory: Arrays, name: str) -> np.ndarray:
    """An array as a caller sees it: a paired one is complex."""
    array, made = program.array(name), memory[name]
    return made.view(array.outer_dtype)[..., 0] if array.paired else made


def walk_program(
    program: Program,
    arrays: Arrays,
    functions: Mapping[str, HostFunction] | None = None,
) -> Iterator[tuple[int, dict[str, np.ndarray], int]]:
    """Run `program` step by step: each position, all arrays after it, and its status.

    Steps in a loop come up in each round.  Every array has memory of its own, so that
    each can be looked at to the end.  Raises what `run_program` raises, and IndexError
    for an access out of bounds.
    """
    memory, sizes = _memory(program, arrays)
    machine = _Machine(program, memory, sizes, functions or {})
    while machine.position < len(program.steps):
        position = machine.position
        status = machine.step(program.steps[position])
        yield position, memory, status


def walk_launches(
    program: Program,
    arrays: Arrays,
    functions: Mapping[str, HostFunction] | None = None,
) -> Iterator[tuple[int, dict[str, np.ndarray], dict[str, Scalar]]]:
    """Run `program`: the position of each launch, the arrays *before* it, and sizes.

    Ends where the program ends, or with the first check that fails.  Raises what
    `run_program` raises.
    """
    memory, sizes = _memory(program, arrays)
    machine = _Machine(program, memory, sizes, functions or {})
    status = 0
    while machine.position < len(program.steps) and not status:
        step = program.steps[machine.position]
        if isinstance(step, Launch):
            yield machine.position, memory, sizes
        status = machine.step(step)


class _Machine:
    """Where a run of a program stands."""

    def __init__(
        self,
        program: Program,
        memory: dict[str, np.ndarray],
        sizes: dict[str, Scalar],
        functions: Mapping[str, HostFunction],
    ) -> None:
        self.program = program
        self.memory = memory
        self.sizes = sizes
        self.functions = functions
        self.position = 0
        self._ends = brackets(program.steps)
        self._begins = {end: begin for begin, end in self._ends.items()}
        self._moved = {
            name
            for step in program.steps
            if isinstance(step, Repeat)
            for pair in step.moves
            for name in pair
        }

    def step(self, step: Step) -> int:
        """Run one step and go on to the next; its status is 0 where all checks hold."""
        position, self.position = self.position, self.position + 1
        match step:
            case Launch():
                return _launch(step, self.memory, self.sizes)
            case Call():
                passed = (self.memory[name] for name in (*step.reads, *step.writes))
                return 0 if self.functions[step.function](*passed) else step.code
            case Gemm():
                _gemm(step, self.memory, self.sizes)
            case Repeat():
                self.memory[step.counter][()] = 0
                self._round(position, step)
            case When():
                if not self.memory[step.condition][()]:
                    self.position = self._ends[position] + 1
            case Otherwise():
                self.position = self._ends[position] + 1
            case End():
                begun = self._begins[position]
                opener = self.program.steps[begun]
                if isinstance(opener, Repeat):
                    self.memory[opener.counter][()] += 1
                    self._move(opener)
                    self._round(begun, opener)
        return 0

    def _round(self, position: int, step: Repeat) -> None:
        """Begin a round of the loop at `position`, or leave it."""
        number = self.memory[step.counter][()]
        on = step.going is None or self.memory[step.going][()]
        if number >= size_of(step.extent, self.sizes) or not on:
            self.position = self._ends[position] + 1
            return
        self.position = position + 1
        for array in self.program.by_role("row"):
            if array.row is not None and array.row.counter == step.counter:
                start = int(size_of(array.row.start, self.sizes))
                stride = int(size_of(array.row.stride, self.sizes))
                place = start + stride * int(number)
                rows = self.memory[str(array.target)]
                shape = dims_of(array.shape, self.sizes)
                count = shape[0] if len(shape) == rows.ndim else 1
                if not 0 <= place <= place + count <= len(rows):
                    raise IndexError(f"{array.target} has no row {place}")
                self.memory[array.name] = rows[place : place + count].reshape(shape)
        self._look_again()

    def _move(self, step: Repeat) -> None:
        taken = rotation(step.moves)
        self.memory |= {name: self.memory[held] for name, held in taken.items()}
        self._look_again()

    def _look_again(self) -> None:
        """Have views show what their targets are now."""
        for view in self.program.by_role("view"):
            target = str(view.target)
            changes = target in self._moved or self.program.array(target).role == "row"
            if changes and target in self.memory:
                shape = dims_of(view.shape, self.sizes)
                self.memory[view.name] = self.memory[target].reshape(shape)


def given_arrays(program: Program, arrays: Arrays) -> dict[str, np.ndarray]:
    """The arrays that a program is given, complex ones as pairs of floats."""
    given: dict[str, np.ndarray] = {}
    for array in program.by_role("input", "shared", "constant"):
        value = np.asarray(arrays[array.name])
        if array.paired:
            if value.dtype != np.dtype(array.outer_dtype):
                raise TypeError(
                    f"{array.name} is {array.outer_dtype}, given {value.dtype}"
                )
            value = value[..., None].view(array.dtype)
        given[array.name] = value
    return given


def _memory(
    program: Program, arrays: Arrays
) -> tuple[dict[str, np.ndarray], dict[str, Scalar]]:
    """All arrays before the first step, and the sizes."""
    sizes = check_guards(program, arrays)
    memory = given_arrays(program, arrays)
    for array in program.by_role("output", "update", "temp"):
        memory[array.name] = garbage(array.dtype, dims_of(array.shape, sizes))
    for array in program.by_role("view"):
        shape = dims_of(array.shape, sizes)
        if array.target in memory:  # else it is a row, which each round has anew
            memory[array.name] = memory[str(array.target)].reshape(shape)
    return memory, sizes


def check_guards(program: Program, given: Arrays) -> dict[str, Scalar]:
    """The sizes that arguments bring along and the host computes, its guards checked.

    Raises `GuardError`, ValueError where dimensions disagree, and OverflowError where a
    size does not fit 64 bits.
    """
    given = given_arrays(program, given)
    sizes = _bind_sizes(program, given)
    with np.errstate(all="ignore"):
        _run_host(program, given, sizes)
    for guard in program.guards:
        _require_guard(guard, sizes)
    return sizes


def _bind_sizes(program: Program, given: Arrays) -> dict[str, Scalar]:
    """The sizes that the shapes of the given arrays define, in order."""
    sizes: dict[str, Scalar] = {}
    for array in program.by_role("input", "shared", "constant"):
        value = given[array.name]
        if value.ndim != len(array.shape):
            raise ValueError(
                f"{array.name} has {len(array.shape)} dimensions, given {value.ndim}"
            )
        for extent, dim in zip(array.shape, value.shape, strict=True):
            if isinstance(extent, str):
                sizes.setdefault(extent, np.int64(dim))
        require_fits(array, value, sizes)
    return sizes


def _run_host(program: Program, given: Arrays, sizes: dict[str, Scalar]) -> None:
    """Add what the host statements define to `sizes`."""
    frame = Frame(dict(given), sizes)
    for statement in program.host:
        if isinstance(statement, ReadScalar):
            scalar = given[statement.array][()]
            sizes[statement.name] = cast_to(scalar, np.dtype(np.int64))
        else:
            frame.block((statement,))
            _require_exact(statement, sizes)


def _require_exact(let: Let, sizes: Mapping[str, Scalar]) -> None:
    """Raise OverflowError where a size does not fit 64 bits."""
    exact = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}.get(let.op)
    if exact is None or let.dtype != "int64":
        return
    a, b = (int(x.value if isinstance(x, Const) else sizes[x]) for x in let.args)
    if exact(a, b) != int(sizes[let.name]):
        raise OverflowError(f"the size {let.name} = {let.op}({a}, {b}) overflows")


def _require_guard(guard: Guard, sizes: Mapping[str, Scalar]) -> None:
    left, right = size_of(guard.left, sizes), size_of(guard.right, sizes)
    holds = {
        "eq": left == right,
        "le": left <= right,
        "lt": left < right,
        "fits": left in (right, 1),
    }
    if not holds[guard.relation]:
        raise GuardError(guard.code, left, right)


def _launch(step: Launch, memory: Arrays, sizes: Mapping[str, Scalar]) -> int:
    kernel = step.kernel
    buffers = {
        buffer.name: memory[name]
        for buffer, name in zip(kernel.buffers, step.arrays, strict=True)
    }
    bound = {
        name: size_of(extent, sizes)
        for name, extent in zip(kernel.sizes, step.sizes, strict=True)
    }
    return run_kernel(kernel, buffers, bound)


def _gemm(step: Gemm, memory: Arrays, sizes: Mapping[str, Scalar]) -> None:
    """``out = lhs @ rhs`` through np.matmul, in the operands' dtype."""
    m, n, k, batch = dims_of((step.m, step.n, step.k, step.batch), sizes)
    lhs = _matrices(memory[step.lhs], m, k, batch, step.lhs_batched, step.transpose_lhs)
    rhs = _matrices(memory[step.rhs], k, n, batch, step.rhs_batched, step.transpose_rhs)
    out = memory[step.out].reshape(batch, m, n)  # a view: memory is C-contiguous
    with np.errstate(all="ignore"):
        product = np.matmul(lhs, rhs)
        out[...] = out + product if step.accumulate else product


def _matrices(
    array: np.ndarray,
    rows: int,
    columns: int,
    batch: int,
    is_batched: bool,
    is_transposed: bool,
) -> np.ndarray:
    """`array` as [batch or 1, rows, columns]."""
    count = batch if is_batched else 1
    if is_transposed:
        return array.reshape(count, columns, rows).swapaxes(1, 2)
    return array.reshape(count, rows, columns)
