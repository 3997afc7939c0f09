"""Whether a program is well-formed: names, types, what is written before it is read.

Its kernels are checked by `check`; here are the arrays, sizes and steps around them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NoReturn, TypeGuard, get_args

from .check import INTEGERS, CheckError, check_kernel, literal_fault, type_mismatch
from .cursor import NAME
from .ir import DTYPES, FLOATS, Const, Extent, Let
from .program import (
    Array,
    Call,
    Control,
    End,
    Gemm,
    Launch,
    Otherwise,
    Program,
    ReadScalar,
    Relation,
    Repeat,
    Row,
    When,
)
from .text import Item


def check_program(program: Program) -> None:
    """Raise `CheckError` for the first thing in `program` that is ill-formed."""
    kernels = {id(s.kernel): s.kernel for s in program.steps if isinstance(s, Launch)}
    for kernel in kernels.values():
        check_kernel(kernel)
    checker = _ProgramChecker(program)
    checker.declarations()
    for step in program.steps:
        match step:
            case Launch():
                checker.launch(step)
            case Call():
                checker.call(step)
            case Gemm():
                checker.gemm(step)
            case _:
                checker.control(step)
    if checker.opened:
        checker.fail("nothing closes this step", checker.opened[-1].step)
    checker.results()


@dataclass(slots=True)
class _Opened:
    """A control step whose part has begun, and what had been written by then.

    `other` is what the first branch has written, when the second has begun; `rows` are
    arrays whose rows are written in a loop.
    """

    step: Repeat | When
    before: set[str]
    other: set[str] | None = None
    rows: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _ProgramChecker:
    """One walk over a program, with the arrays that hold something by then."""

    program: Program
    arrays: dict[str, Array] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)  # of sizes and host values
    written: set[str] = field(default_factory=set)
    opened: list[_Opened] = field(default_factory=list)

    def fail(self, reason: str, item: Item | Launch | None = None) -> NoReturn:
        raise CheckError(self.program.name, item, reason)

    def declarations(self) -> None:
        """Arrays, sizes, host statements and guards."""
        given = self.program.by_role("input", "shared", "constant")
        for array in self.program.arrays:
            if not NAME.fullmatch(array.name) or array.name in self.arrays:
                self.fail(f"the name {array.name!r} is taken or is not a name", array)
            if array.dtype not in DTYPES:
                self.fail(f"unknown dtype {array.dtype!r}", array)
            if array.paired:
                self.paired(array)
            self.arrays[array.name] = array
        for array in given:
            self.written.add(array.name)
            names = (extent for extent in array.shape if isinstance(extent, str))
            self.dtypes.update((name, "int64") for name in names)
        for statement in self.program.host:
            self.host(statement)
        for array in self.program.arrays:
            self.sizes(array.shape, array)
        for array in self.program.by_role("update"):
            self.update(array)
        for array in self.program.by_role("view"):
            self.view(array)
        for array in self.program.by_role("row"):
            self.row(array)
        for guard in self.program.guards:
            self.sizes((guard.left, guard.right), guard)
            if guard.code <= 0 or guard.relation not in get_args(Relation):
                known = ", ".join(get_args(Relation))
                self.fail(f"a guard compares by {known}, its code is > 0", guard)

    def host(self, statement: Let | ReadScalar) -> None:
        if statement.name in self.dtypes or not NAME.fullmatch(statement.name):
            self.fail(f"the name {statement.name!r} is taken", statement)
        if isinstance(statement, ReadScalar):
            array = self.array(statement.array, statement)
            is_given = array.role in ("input", "shared", "constant")
            if not is_given or array.shape or array.dtype not in INTEGERS:
                self.fail("a size is read from a given 0-d integer array", statement)
            self.dtypes[statement.name] = "int64"
            return
        for atom in statement.args:
            fault = literal_fault(atom) if isinstance(atom, Const) else ""
            if fault or (isinstance(atom, str) and atom not in self.dtypes):
                self.fail(fault or f"{atom!r} is not defined", statement)
        given = (
            a.dtype if isinstance(a, Const) else self.dtypes[a] for a in statement.args
        )
        if fault := type_mismatch(statement.op, tuple(given), statement.dtype):
            self.fail(fault, statement)
        self.dtypes[statement.name] = statement.dtype

    def paired(self, array: Array) -> None:
        inner = array.role in ("temp", "view")
        if inner or array.dtype not in FLOATS or array.shape[-1:] != (2,):
            self.fail("only outer float arrays with a last axis of 2 are paired", array)

    def update(self, array: Array) -> None:
        target = self.arrays.get(array.target or "")
        if target is None or target.role != "shared":
            self.fail(f"the target {array.target!r} is not a shared array", array)
        outer = (target.outer_dtype, len(target.shape))
        if outer != (array.outer_dtype, len(array.shape)):
            self.fail(f"the target is {target.dtype}[{len(target.shape)}-d]", array)
        if [a.target for a in self.program.arrays].count(target.name) > 1:
            self.fail(f"a second update of {target.name}", array)

    def view(self, array: Array) -> None:
        target = self.arrays.get(array.target or "")
        if target is None or target.role == "view" or target.dtype != array.dtype:
            self.fail(
                f"the target {array.target!r} is no array of {array.dtype}", array
            )

    def row(self, array: Array) -> None:
        target = self.arrays.get(array.target or "")
        if target is None or target.dtype != array.dtype:
            self.fail(
                f"the target {array.target!r} is no array of {array.dtype}", array
            )
        several = len(array.shape) == len(target.shape)
        if not target.shape or _differ(array.shape[several:], target.shape[1:]):
            self.fail(f"{target.name} has no rows of this shape", array)
        if array.row is None:
            self.fail("which row it is is not said", array)
        self.sizes((array.row.start, array.row.stride), array)

    def memory(self, name: str) -> str:
        """The array whose memory `name` is."""
        while self.arrays[name].role in ("view", "row"):
            name = str(self.arrays[name].target)
        return name

    def rows_of(self, name: str) -> list[Row]:
        """The rows that `name` is, shows, or is a part of."""
        array, found = self.arrays[name], []
        while array.role in ("view", "row"):
            if array.row is not None:
                found.append(array.row)
            array = self.arrays[str(array.target)]
        return found

    def in_reach(self, name: str, item: Item | Launch) -> None:
        """Rows are those of a loop that runs."""
        counters = {o.step.counter for o in self.opened if isinstance(o.step, Repeat)}
        if not counters.issuperset(row.counter for row in self.rows_of(name)):
            self.fail(f"{name} is a row of a loop that does not run", item)

    def sizes(self, extents: Iterable[Extent], item: Item | Launch) -> None:
        for extent in extents:
            if isinstance(extent, str) and self.dtypes.get(extent) != "int64":
                self.fail(f"{extent!r} is not a size", item)

    def array(self, name: str, item: Item | Launch) -> Array:
        if name not in self.arrays:
            self.fail(f"unknown array {name!r}", item)
        return self.arrays[name]

    def read(self, name: str, item: Item | Launch) -> None:
        self.in_reach(name, item)
        if self.memory(name) not in self.written:
            self.fail(f"{name} is read before any step writes it", item)

    def write(self, name: str, item: Item | Launch) -> None:
        self.in_reach(name, item)
        memory = self.memory(name)
        counters = {row.counter for row in self.rows_of(name)}
        for opened in self.opened:
            if isinstance(opened.step, Repeat) and opened.step.counter in counters:
                opened.rows.add(memory)
        if self.arrays[memory].role in ("input", "shared", "constant"):
            self.fail(f"{self.arrays[memory].role} array {name} is written", item)
        self.written.add(memory)

    def launch(self, step: Launch) -> None:
        kernel = step.kernel
        if len(step.arrays) != len(kernel.buffers) or len(step.sizes) != len(
            kernel.sizes
        ):
            self.fail("the number of arrays or sizes is not the kernel's", step)
        self.sizes(step.sizes, step)
        sizes = dict(zip(kernel.sizes, step.sizes, strict=True))
        pairs = list(zip(kernel.buffers, step.arrays, strict=True))
        for buffer, name in pairs:
            array = self.array(name, step)
            wanted = tuple(sizes[d] if isinstance(d, str) else d for d in buffer.shape)
            if buffer.dtype != array.dtype or _differ(wanted, array.shape):
                self.fail(f"{name} is {array.dtype}{array.shape}, {buffer.name} is "
                          f"{buffer.dtype}{wanted}", step)  # fmt: skip
            if buffer.mode != "in" and step.arrays.count(name) > 1:
                self.fail(f"{name} is written and passed twice", step)
            if buffer.mode != "out":
                self.read(name, step)
        for buffer, name in pairs:
            if buffer.mode != "in":
                self.write(name, step)

    def gemm(self, step: Gemm) -> None:
        self.sizes((step.m, step.n, step.k, step.batch), step)
        out, lhs, rhs = (self.array(a, step) for a in (step.out, step.lhs, step.rhs))
        if out.dtype not in FLOATS or not out.dtype == lhs.dtype == rhs.dtype:
            self.fail(f"gemm of {lhs.dtype} and {rhs.dtype} into {out.dtype}", step)
        if step.out in (step.lhs, step.rhs):
            self.fail(f"{step.out} is written and read", step)
        for array, dims in (
            (out, (step.batch, step.m, step.n)),
            (lhs, (step.batch if step.lhs_batched else 1, step.m, step.k)),
            (rhs, (step.batch if step.rhs_batched else 1, step.k, step.n)),
        ):
            counts = [math.prod(d) for d in (array.shape, dims) if _known(d)]
            if len(counts) == 2 and counts[0] != counts[1]:
                self.fail(
                    f"{array.name} has {counts[0]} elements, not {counts[1]}", step
                )
        reads = (step.lhs, step.rhs, *((step.out,) if step.accumulate else ()))
        for name in reads:
            self.read(name, step)
        self.write(step.out, step)

    def call(self, step: Call) -> None:
        if not NAME.fullmatch(step.function) or not step.writes or step.code <= 0:
            self.fail("a call has a name, writes something and has a code > 0", step)
        self.sizes(step.sizes, step)
        for name in (*step.reads, *step.writes):
            self.array(name, step)
        written = [self.memory(name) for name in step.writes]
        read = {self.memory(name) for name in step.reads}
        if len(set(written)) < len(written) or read.intersection(written):
            self.fail("an array is written and passed twice", step)
        for name in step.reads:
            self.read(name, step)
        for name in step.writes:
            self.write(name, step)

    def control(self, step: Control) -> None:
        match step:
            case Repeat():
                self.repeat(step)
                self.opened.append(_Opened(step, set(self.written)))
            case When():
                self.scalar(step.condition, "bool", step)
                self.read(step.condition, step)
                self.opened.append(_Opened(step, set(self.written)))
            case Otherwise():
                opened = self.opened[-1] if self.opened else None
                if (
                    opened is None
                    or opened.other is not None
                    or isinstance(opened.step, Repeat)
                ):
                    self.fail("there is no first branch", step)
                opened.other, self.written = self.written, set(opened.before)
            case End():
                if not self.opened:
                    self.fail("it closes nothing", step)
                self.close(self.opened.pop())

    def scalar(self, name: str, dtype: str, step: Control) -> None:
        array = self.array(name, step)
        if array.shape or array.dtype != dtype:
            self.fail(f"{name} is no {dtype} array without axes", step)

    def repeat(self, step: Repeat) -> None:
        self.sizes((step.extent,), step)
        self.scalar(step.counter, "int64", step)
        self.write(step.counter, step)
        if step.going is not None:
            self.scalar(step.going, "bool", step)
            self.read(step.going, step)
        for pair in step.moves:
            first, second = (self.array(name, step) for name in pair)
            self.read(first.name, step)
            alike = first.dtype == second.dtype and not _differ(
                first.shape, second.shape
            )
            if not alike or {first.role, second.role} != {"temp"}:
                self.fail(f"{first.name} cannot take the memory of {second.name}", step)
        for names in zip(*step.moves, strict=True):
            if len(set(names)) < len(names):
                self.fail("an array is moved twice", step)

    def close(self, opened: _Opened) -> None:
        """What is written for sure after a loop, or after either branch."""
        step = opened.step
        if isinstance(step, When):
            if opened.other is None:
                self.fail("there is no second branch", step)
            self.written &= opened.other
            return
        for _, source in step.moves:
            self.read(source, step)
        if step.going is not None and opened.rows - opened.before:
            self.fail("a loop that may end early does not fill an array", step)
        self.written = opened.before | opened.rows

    def results(self) -> None:
        for name in self.program.results:
            if name not in self.arrays or self.arrays[name].role != "output":
                self.fail(f"the result {name!r} is not an output array")
        for array in self.program.by_role("output", "update"):
            if array.name not in self.written:
                self.fail("no step writes this array", array)


def _known(shape: tuple[Extent, ...]) -> TypeGuard[tuple[int, ...]]:
    return all(isinstance(extent, int) for extent in shape)


def _differ(wanted: tuple[Extent, ...], given: tuple[Extent, ...]) -> bool:
    """Whether two shapes cannot be equal."""
    pairs = zip(wanted, given, strict=False)
    return len(wanted) != len(given) or any(
        isinstance(a, int) and isinstance(b, int) and a != b for a, b in pairs
    )
