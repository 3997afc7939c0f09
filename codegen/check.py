"""What a well-formed kernel and program is: scopes, dtypes, bounds and races.

Run it on whatever was built by hand, parsed, or rewritten: the targets assume what is
checked here.  Bounds and shapes are compared where both sides are known; what depends
on run-time sizes passes.  A store that *may* race is rejected.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from .access import Access, find_race, out_of_bounds
from .cursor import NAME
from .errors import CompileError
from .ir import (
    COMBINERS,
    DTYPES,
    FLOATS,
    SIGNED,
    TRANSCENDENTALS,
    UNSIGNED,
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
    State,
    Statement,
    Store,
)
from .program import (
    Launch,
)
from .text import Item, print_item

INTEGERS = (*SIGNED, *UNSIGNED)
_NUMBERS = (*INTEGERS, *FLOATS)
_BITS = ("bool", *INTEGERS)

#: The typing rule of each primitive: a signature, and the dtypes that T may be.  B is
#: bool, U any dtype, W a number of T's width and I the signed integer of T's width.
_SIGNATURES = (
    ("add mul min max", "TT->T", DTYPES),
    ("sub floordiv rem", "TT->T", _NUMBERS),
    ("div copysign", "TT->T", FLOATS),
    ("fma", "TTT->T", FLOATS),
    ("neg abs", "T->T", _NUMBERS),
    ("sqrt rint floor ceil trunc", "T->T", FLOATS),
    ("eq ne lt le gt ge", "TT->B", DTYPES),
    ("and or xor", "TT->T", _BITS),
    ("not", "T->T", _BITS),
    ("shl shr", "TT->T", INTEGERS),
    ("select", "BTT->T", DTYPES),
    ("cast", "T->U", DTYPES),
    ("bitcast", "T->W", _NUMBERS),
    ("lookup", "I" + "T" * 16 + "->T", FLOATS),
    *((op, "T" * arity + "->T", FLOATS) for op, arity in TRANSCENDENTALS.items()),
)
TYPING: dict[str, tuple[str, tuple[str, ...]]] = {
    op: (signature, domain)
    for ops, signature, domain in _SIGNATURES
    for op in ops.split()
}


class CheckError(CompileError):
    """An ill-formed kernel or program: its `name`, the `item` at fault, and a `reason`.

    `item` is None where no single statement is at fault.
    """

    def __init__(self, name: str, item: Item | Launch | None, reason: str) -> None:
        where = ""
        if isinstance(item, Launch):
            where = f", in the launch of {item.kernel.name}"
        elif item is not None:
            where = f", in `{print_item(item)}`"
        super().__init__(f"{name}: {reason}{where}")
        self.name, self.item, self.reason = name, item, reason


def check_kernel(kernel: Kernel) -> None:
    """Raise `CheckError` for the first thing in `kernel` that is ill-formed."""
    checker = _KernelChecker(kernel)
    checker.signature()
    checker.block(kernel.body)
    if race := find_race(kernel):
        raise CheckError(kernel.name, *race)


def type_mismatch(op: str, args: tuple[str, ...], result: str) -> str:
    """Why ``op(*args)`` may not give `result` (all dtypes); empty if it may."""
    if op not in TYPING:
        return f"unknown primitive {op!r}"
    signature, domain = TYPING[op]
    wanted, _, gives = signature.partition("->")
    if len(args) != len(wanted):
        return f"{op} takes {len(wanted)} arguments, given {len(args)}"
    operand = args[-1]
    beside = {"T": operand, "B": "bool", "I": operand.replace("float", "int")}
    expected = tuple(beside[letter] for letter in wanted)
    if operand not in domain or args != expected:
        return f"{op} is {signature} for T in {', '.join(domain)}; given {args}"
    fits = {
        "T": result == operand,
        "B": result == "bool",
        "U": result in DTYPES,
        "W": result in _NUMBERS
        and np.dtype(result).itemsize == np.dtype(operand).itemsize,
    }
    return "" if fits[gives] else f"{op} of {operand} does not give {result}"


def literal_fault(literal: Const) -> str:
    """Why `literal` is not a value of its dtype; empty if it is."""
    value, dtype = literal.value, literal.dtype
    if dtype not in DTYPES:
        return f"unknown dtype {dtype!r}"
    kind = bool if dtype == "bool" else float if dtype in FLOATS else int
    if type(value) is not kind:
        return f"a {dtype} literal holds a Python {kind.__name__}, not {value!r}"
    if kind is int:
        limits = np.iinfo(dtype)
        return "" if limits.min <= value <= limits.max else f"{value} is no {dtype}"
    with np.errstate(over="ignore"):
        exact = np.dtype(dtype).type(value).item()
    is_exact = exact == value or math.isnan(value)
    return "" if is_exact else f"{value!r} is not rounded to {dtype}"


# Scopes and types


@dataclass(slots=True)
class _KernelChecker:
    """One walk over a kernel, with what is in scope at the statement at hand."""

    kernel: Kernel
    buffers: dict[str, Buffer] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)  # in scope: values and indices
    taken: set[str] = field(default_factory=set)  # names that may not come again
    axes: set[str] = field(default_factory=set)  # sibling loops may share an axis
    loops: list[Loop] = field(default_factory=list)
    stored: set[str] = field(default_factory=set)

    def fail(self, reason: str, item: Statement | None = None) -> NoReturn:
        raise CheckError(self.kernel.name, item, reason)

    def signature(self) -> None:
        """Sizes, buffers and the axis of `split`."""
        for size in self.kernel.sizes:
            self.define(size, "int64")
        for buffer in (*self.kernel.buffers, *self.kernel.scratch):
            self.claim(buffer.name)
            self.buffers[buffer.name] = buffer
            if buffer.dtype not in DTYPES or buffer.mode not in ("in", "out", "inout"):
                self.fail(f"buffer {buffer.name} is {buffer.mode} {buffer.dtype}")
            for extent in buffer.shape:
                self.extent(extent, f"the shape of {buffer.name}")
        self.stored.update(b.name for b in self.kernel.buffers if b.mode != "out")
        for buffer in self.kernel.scratch:
            if buffer.mode == "in":
                self.fail(f"scratch buffer {buffer.name} holds nothing to read")
        split = self.kernel.split
        outermost = [s for s in self.kernel.body if isinstance(s, Loop)]
        if split is not None and [s.axis for s in outermost].count(split) != 1:
            self.fail(f"split names {split!r}, which is not the axis of one outer loop")

    def claim(self, name: str, item: Statement | None = None) -> None:
        if not NAME.fullmatch(name):
            self.fail(f"{name!r} is not a name", item)
        if name in self.taken or name in self.axes:
            self.fail(f"the name {name!r} is taken", item)
        self.taken.add(name)

    def define(self, name: str, dtype: str, item: Statement | None = None) -> None:
        self.claim(name, item)
        self.dtypes[name] = dtype

    def extent(self, extent: Extent, what: str, item: Statement | None = None) -> None:
        if isinstance(extent, int) and extent < 0:
            self.fail(f"{what} has the negative extent {extent}", item)
        if isinstance(extent, str) and extent not in self.kernel.sizes:
            self.fail(f"{what} has the extent {extent!r}, which is not a size", item)

    def dtype_of(self, atom: Atom, item: Statement) -> str:
        """The dtype of a value in scope or of a sound literal."""
        if isinstance(atom, Const):
            if fault := literal_fault(atom):
                self.fail(fault, item)
            return atom.dtype
        if atom not in self.dtypes:
            known = "is out of scope here" if atom in self.taken else "is not defined"
            self.fail(f"{atom!r} {known}", item)
        return self.dtypes[atom]

    def boolean(self, name: str, item: Statement) -> None:
        if self.dtype_of(name, item) != "bool":
            self.fail(f"{name!r} is {self.dtypes[name]}, not bool", item)

    def block(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            match statement:
                case Let(name, op, args, dtype):
                    given = tuple(self.dtype_of(arg, statement) for arg in args)
                    if fault := type_mismatch(op, given, dtype):
                        self.fail(fault, statement)
                    if op == "lookup" and any(isinstance(a, str) for a in args[1:]):
                        self.fail("the entries of a lookup are literals", statement)
                    self.define(name, dtype, statement)
                case Load():
                    self.load(statement)
                case Store():
                    self.store(statement)
                case Check(ok, code, number):
                    self.boolean(ok, statement)
                    kind = None if number is None else self.dtype_of(number, statement)
                    if kind not in (None, "int64"):
                        self.fail(f"a round is {kind}, not int64", statement)
                    if code <= 0:
                        self.fail(f"the error code {code} is not positive", statement)
                case Loop():
                    self.loop(statement)

    def load(self, load: Load) -> None:
        buffer = self.access(load)
        if load.dtype != buffer.dtype:
            self.fail(f"{buffer.name} is {buffer.dtype}, loaded as {load.dtype}", load)
        if load.guard is not None:
            self.boolean(load.guard, load)
        if buffer.name not in self.stored:
            self.fail(f"{buffer.name} is read before anything is stored to it", load)
        self.define(load.name, load.dtype, load)

    def store(self, store: Store) -> None:
        buffer = self.access(store)
        dtype = self.dtype_of(store.value, store)
        if dtype != buffer.dtype:
            self.fail(f"{buffer.name} is {buffer.dtype}, the value {dtype}", store)
        if buffer.mode == "in":
            self.fail(f"{buffer.name} is an 'in' buffer", store)
        if store.accumulate and buffer.name not in self.stored:
            self.fail(f"nothing is stored to {buffer.name} before this '+='", store)
        self.stored.add(buffer.name)

    def access(self, access: Access) -> Buffer:
        """The buffer of a load or store, whose index is checked."""
        buffer = self.buffers.get(access.buffer)
        if buffer is None:
            self.fail(f"unknown buffer {access.buffer!r}", access)
        if len(access.index) != len(buffer.shape):
            rank = len(buffer.shape)
            self.fail(f"{buffer.name} has rank {rank}, not {len(access.index)}", access)
        for affine in access.index:
            for name, _ in affine.terms:
                if self.dtype_of(name, access) != "int64":
                    self.fail(f"the index {name!r} is not int64", access)
        if not (isinstance(access, Load) and access.guard):
            for affine, extent in zip(access.index, buffer.shape, strict=True):
                if fault := out_of_bounds(affine, extent, self.loops):
                    self.fail(fault, access)
        return buffer

    def loop(self, loop: Loop) -> None:
        if loop.kind not in ("parallel", "serial", "vector"):
            self.fail(f"unknown kind of loop {loop.kind!r}", loop)
        if loop.kind == "parallel" and self.loops:
            self.fail("a parallel loop stands outermost", loop)
        if loop.carries and loop.kind == "parallel":
            self.fail("a parallel loop cannot carry", loop)
        if loop.state or loop.going is not None:
            self.stateful(loop)
        value = isinstance(loop.extent, str) and loop.extent not in self.axes
        if not value or self.dtypes.get(str(loop.extent)) != "int64":
            self.extent(loop.extent, "the loop", loop)
        if loop.axis not in self.axes or loop.axis in self.dtypes:
            self.claim(loop.axis, loop)
        self.taken.discard(loop.axis)
        self.axes.add(loop.axis)
        outside = len(self.dtypes)
        self.dtypes[loop.axis] = "int64"
        for state in loop.state:
            self.define(state.name, state.dtype, loop)
        self.loops.append(loop)
        self.block(loop.body)
        for carry in loop.carries:
            self.carried(carry, loop)
        for state in loop.state:
            self.kept(state, state.next, loop)
        self.loops.pop()
        for name in list(self.dtypes)[outside:]:
            del self.dtypes[name]
        for carry in loop.carries:
            self.define(carry.name, carry.dtype, loop)
        for state in loop.state:
            self.define(state.final, state.dtype, loop)

    def stateful(self, loop: Loop) -> None:
        """What a loop with state may not be, and what it starts from."""
        if loop.kind != "serial" or loop.carries:
            self.fail("a loop with state is serial and has no carries", loop)
        if any(outer.kind == "vector" for outer in self.loops):
            self.fail("a loop with state stands inside of a vector loop", loop)
        if not self.loops and loop.axis == self.kernel.split:
            self.fail("a loop with state cannot be split", loop)
        bools = [s.name for s in loop.state if s.dtype == "bool"]
        if loop.going is not None and loop.going not in bools:
            self.fail(f"{loop.going!r} is no bool state of the loop", loop)
        for state in loop.state:
            self.kept(state, state.init, loop)

    def kept(self, state: State, atom: Atom, loop: Loop) -> None:
        """What a state begins with, or becomes."""
        dtype = self.dtype_of(atom, loop)
        if dtype != state.dtype or dtype not in DTYPES:
            self.fail(f"{state.name} is {state.dtype}, not {dtype}", loop)

    def carried(self, carry: Carry, loop: Loop) -> None:
        """A carry's value, in the scope of the loop's body."""
        if carry.combine not in COMBINERS:
            self.fail(f"unknown combiner {carry.combine!r}", loop)
        op, dtype = COMBINERS[carry.combine], self.dtype_of(carry.value, loop)
        if fault := type_mismatch(op, (dtype, dtype), carry.dtype):
            self.fail(fault, loop)


# Programs
