"""The loop IR on one page: what a kernel is, before any target is chosen.

A :class:`Kernel` is a loop nest over C-contiguous buffers.  Its statements are in
three-address form: every :class:`Let` applies one scalar primitive to *atoms* (names of
values defined earlier, or :class:`Const`), so printing, checking, interpreting and
emitting are each one flat walk.  Reductions are loops that *carry* accumulators,
recurrences are loops with *state*, and
parallelism is marked on the one top-level loop; nothing is inferred from the shape of
the code.  A :class:`~.program.Program` strings kernels and library calls together.

Names are plain strings.  A kernel's names are its buffers, its sizes (int64 arguments),
its loop axes (int64), and its values; all four live in one scope and never repeat.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

FLOATS = ("float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
DTYPES = ("bool", *SIGNED, *UNSIGNED, *FLOATS)

#: Scalar primitives and the number of their arguments.  Semantics are NumPy's, for
#: every value: ``floordiv`` and ``rem`` round towards minus infinity and give 0 for a
#: zero integer divisor; ``min`` and ``max`` propagate NaN; a float-to-integer ``cast``
#: that is out of range (or NaN) gives the smallest integer of the type for signed
#: types; ``shr`` is arithmetic for signed types; ``fma`` rounds once.
#: ``and/or/xor/not`` are logical on bool and bitwise on integers.  ``bitcast`` keeps
#: the width.  ``lookup`` gives the one of 16 literals, after the first argument, that
#: the low four bits of that argument count up to; it is an integer of their width.
PRIMITIVES: dict[str, int] = {
    "add": 2, "sub": 2, "mul": 2, "div": 2, "floordiv": 2, "rem": 2,
    "neg": 1, "abs": 1, "min": 2, "max": 2, "fma": 3, "sqrt": 1,
    "rint": 1, "floor": 1, "ceil": 1, "trunc": 1, "copysign": 2,
    "eq": 2, "ne": 2, "lt": 2, "le": 2, "gt": 2, "ge": 2,
    "and": 2, "or": 2, "xor": 2, "not": 1, "shl": 2, "shr": 2,
    "select": 3, "cast": 1, "bitcast": 1, "lookup": 17,
}  # fmt: skip

#: Primitives that `expand` rewrites into the ones above before a CPU target sees them.
TRANSCENDENTALS: dict[str, int] = {
    "exp": 1, "exp2": 1, "expm1": 1, "log": 1, "log2": 1, "log10": 1, "log1p": 1,
    "pow": 2, "cbrt": 1, "hypot": 2, "sigmoid": 1,
    "sin": 1, "cos": 1, "tan": 1, "asin": 1, "acos": 1, "atan": 1, "atan2": 2,
    "sinh": 1, "cosh": 1, "tanh": 1, "asinh": 1, "acosh": 1, "atanh": 1,
    "erf": 1, "erfc": 1, "erfcx": 1, "erfinv": 1, "erfcinv": 1,
    "lgamma": 1, "gamma": 1, "digamma": 1, "trigamma": 1,
}  # fmt: skip

COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})

Combine = Literal["sum", "prod", "min", "max", "and", "or"]
LoopKind = Literal["parallel", "serial", "vector"]

#: The primitive that combines two partial results of a reduction.
COMBINERS: dict[Combine, str] = {
    "sum": "add", "prod": "mul", "min": "min", "max": "max", "and": "and", "or": "or",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Const:
    """A scalar literal.  `value` is a Python bool, int or float of `dtype`."""

    value: bool | int | float
    dtype: str


#: A value by name, or a literal.
Atom: TypeAlias = str | Const
#: A loop extent or a dimension: the name of a size, or a number.  A loop may also run
#: up to an int64 value that is known before it and is no axis.
Extent: TypeAlias = str | int


@dataclass(frozen=True, slots=True)
class Affine:
    """An index, ``const + sum(coef * name)``, over axes, sizes and int64 values."""

    terms: tuple[tuple[str, int], ...] = ()
    const: int = 0

    def coefficient(self, name: str) -> int:
        """The factor of `name`, 0 where it does not occur."""
        return next((c for n, c in self.terms if n == name), 0)

    def __add__(self, other: Affine | int) -> Affine:
        if isinstance(other, int):
            return Affine(self.terms, self.const + other)
        sums = dict(self.terms)
        for name, coef in other.terms:
            sums[name] = sums.get(name, 0) + coef
        terms = tuple((n, c) for n, c in sums.items() if c)
        return Affine(terms, self.const + other.const)

    def __mul__(self, factor: int) -> Affine:
        if factor == 0:
            return Affine()
        terms = tuple((n, c * factor) for n, c in self.terms)
        return Affine(terms, self.const * factor)


def atom(extent: Extent) -> Atom:
    """An extent as an operand."""
    return Const(extent, "int64") if isinstance(extent, int) else extent


def axis(name: str) -> Affine:
    """The index that is just `name`."""
    return Affine(((name, 1),))


@dataclass(frozen=True, slots=True)
class Buffer:
    """A C-contiguous array argument of a kernel; reading order is the last axis."""

    name: str
    dtype: str
    shape: tuple[Extent, ...]
    mode: Literal["in", "out", "inout"]


@dataclass(frozen=True, slots=True)
class Let:
    """``name = op(args)``, of type `dtype`."""

    name: str
    op: str
    args: tuple[Atom, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Load:
    """``name = buffer[index]``.

    Where `guard` (a bool value) is false the buffer is not touched and the value is 0.
    """

    name: str
    buffer: str
    index: tuple[Affine, ...]
    dtype: str
    guard: str | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """``buffer[index] = value``, or ``+=`` with `accumulate` (serial loops only)."""

    buffer: str
    index: tuple[Affine, ...]
    value: Atom
    accumulate: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """Record error number `code` (> 0) in the call's status unless `ok` holds.

    In a loop over a program's rounds, `round` is the number of the round, which is
    recorded with the first check that fails.
    """

    ok: str
    code: int
    round: Atom | None = None


@dataclass(frozen=True, slots=True)
class Carry:
    """An accumulator: ``name = combine over the loop of value``.

    `value` is defined in the loop's body, `name` is visible after the loop.  An empty
    loop leaves the combiner's identity (for min and max: the dtype's extreme value).
    """

    name: str
    combine: Combine
    value: Atom
    dtype: str


def identity(combine: Combine, dtype: str) -> Const:
    """What an empty reduction gives: 0, 1, or the dtype's extreme (inf for floats)."""
    if combine in ("sum", "or", "prod"):
        value: bool | int | float = int(combine == "prod")
    elif dtype in FLOATS:
        value = float("inf") if combine == "min" else float("-inf")
    elif dtype == "bool":
        value = combine != "max"
    elif combine == "and" and dtype in SIGNED:
        value = -1
    else:
        limits = np.iinfo(dtype)
        value = int(limits.min if combine == "max" else limits.max)
    kind = float if dtype in FLOATS else bool if dtype == "bool" else int
    return Const(kind(value), dtype)


@dataclass(frozen=True, slots=True)
class State:
    """A value that one iteration of a loop hands to the next.

    In the loop's body `name` is `init` at first, and then what `next` was in the
    iteration before; all states change at once.  After the loop `final` is what `name`
    would be in one more iteration: `init` if there was none.
    """

    name: str
    init: Atom
    next: Atom
    final: str
    dtype: str


@dataclass(frozen=True, slots=True)
class Loop:
    """``for axis in range(extent): body``.

    A *parallel* loop has no carries and stands outermost.  A *vector* loop runs in
    lanes of the target's width; its accumulators are combined lane by lane and then
    across, in an order fixed by the extent and the width.  Loops may nest inside a
    vector loop: their carries then hold one accumulator per lane.

    Only a serial loop has *state*; it has no carries then, and stands in no vector
    loop.  It ends before an iteration in which the bool state called `going`, if there
    is one, is false.
    """

    axis: str
    extent: Extent
    kind: LoopKind
    body: tuple[Statement, ...]
    carries: tuple[Carry, ...] = ()
    state: tuple[State, ...] = ()
    going: str | None = None


Statement: TypeAlias = Let | Load | Store | Check | Loop


@dataclass(frozen=True, slots=True)
class Kernel:
    """One launch: a loop nest with the buffers and sizes that it reads.

    `split` names the outermost loop's axis when the range of that loop may be cut into
    chunks that run in any order or at once (it may be a vector loop).  If that loop
    carries, each chunk does as much of the reduction, and what stands after the loop
    runs once, when all chunks are done.  `scratch` buffers are private to a chunk: a
    row of a value kept between the loops of one row.
    """

    name: str
    buffers: tuple[Buffer, ...]
    sizes: tuple[str, ...]
    body: tuple[Statement, ...]
    split: str | None = None
    scratch: tuple[Buffer, ...] = ()

    def buffer(self, name: str) -> Buffer:
        """The argument or scratch buffer called `name`."""
        return next(b for b in (*self.buffers, *self.scratch) if b.name == name)


@dataclass(slots=True)
class Builder:
    """Appends statements, naming values, so that formulas read as formulas."""

    statements: list[Statement] = field(default_factory=list)
    prefix: str = "v"
    count: int = 0

    def fresh(self) -> str:
        """A name not used before by this builder."""
        self.count += 1
        return f"{self.prefix}{self.count}"

    def let(self, op: str, *args: Value | bool | int | float, dtype: str = "") -> Value:
        """Append ``fresh = op(args)``; literals take the dtype of the values beside."""
        typed = args[1:] if op == "select" else args
        like = next(a.dtype for a in typed if isinstance(a, Value))
        atoms = tuple(
            a.atom if isinstance(a, Value) else const(a, like).atom for a in args
        )
        result = dtype or ("bool" if op in COMPARISONS else like)
        name = self.fresh()
        self.statements.append(Let(name, op, atoms, result))
        return Value(self, name, result)

    def lookup(self, index: Value, table: Sequence[float], dtype: str) -> Value:
        """Append the choice of an entry of `table`, of floats of `dtype`."""
        name = self.fresh()
        entries = (const(entry, dtype).atom for entry in table)
        self.statements.append(Let(name, "lookup", (index.atom, *entries), dtype))
        return Value(self, name, dtype)

    def load(
        self, buffer: Buffer, index: tuple[Affine, ...], guard: Value | None = None
    ) -> Value:
        """Append a load of ``buffer[index]``."""
        name = self.fresh()
        held = None if guard is None else str(guard.atom)
        self.statements.append(Load(name, buffer.name, index, buffer.dtype, held))
        return Value(self, name, buffer.dtype)


def const(value: bool | int | float, dtype: str) -> Value:
    """A literal of `dtype`, rounded to it once, here."""
    exact = np.dtype(dtype).type(value).item()
    return Value(None, Const(exact, dtype), dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A typed atom with arithmetic; each operator appends one statement."""

    builder: Builder | None
    atom: Atom
    dtype: str

    def _let(
        self, op: str, *args: Value | bool | int | float, dtype: str = ""
    ) -> Value:
        values = (a for a in args if isinstance(a, Value))
        builder = next((v.builder for v in values if v.builder is not None), None)
        if builder is None:
            raise ValueError(
                f"{op} of literals only: fold it before building the kernel"
            )
        return builder.let(op, *args, dtype=dtype)

    def __add__(self, o: Value | int | float) -> Value:
        return self._let("add", self, o)

    def __radd__(self, o: int | float) -> Value:
        return self._let("add", o, self)

    def __sub__(self, o: Value | int | float) -> Value:
        return self._let("sub", self, o)

    def __rsub__(self, o: int | float) -> Value:
        return self._let("sub", o, self)

    def __mul__(self, o: Value | int | float) -> Value:
        return self._let("mul", self, o)

    def __rmul__(self, o: int | float) -> Value:
        return self._let("mul", o, self)

    def __truediv__(self, o: Value | int | float) -> Value:
        return self._let("div", self, o)

    def __rtruediv__(self, o: int | float) -> Value:
        return self._let("div", o, self)

    def __floordiv__(self, o: Value | int | float) -> Value:
        return self._let("floordiv", self, o)

    def __mod__(self, o: Value | int | float) -> Value:
        return self._let("rem", self, o)

    def __neg__(self) -> Value:
        return self._let("neg", self)

    def __lt__(self, o: Value | int | float) -> Value:
        return self._let("lt", self, o)

    def __le__(self, o: Value | int | float) -> Value:
        return self._let("le", self, o)

    def __gt__(self, o: Value | int | float) -> Value:
        return self._let("gt", self, o)

    def __ge__(self, o: Value | int | float) -> Value:
        return self._let("ge", self, o)

    def __and__(self, o: Value | int | bool) -> Value:
        return self._let("and", self, o)

    def __or__(self, o: Value | int | bool) -> Value:
        return self._let("or", self, o)

    def __xor__(self, o: Value | int | bool) -> Value:
        return self._let("xor", self, o)

    def __invert__(self) -> Value:
        return self._let("not", self)

    def __lshift__(self, o: Value | int) -> Value:
        return self._let("shl", self, o)

    def __rshift__(self, o: Value | int) -> Value:
        return self._let("shr", self, o)

    def eq(self, o: Value | bool | int | float) -> Value:
        """``self == o`` (``==`` itself compares identity, as dataclasses must)."""
        return self._let("eq", self, o)

    def ne(self, o: Value | bool | int | float) -> Value:
        """``self != o``."""
        return self._let("ne", self, o)

    def cast(self, dtype: str) -> Value:
        """The value converted to `dtype`; itself where it has that type."""
        if dtype == self.dtype:
            return self
        return self._let("cast", self, dtype=dtype)

    def bitcast(self, dtype: str) -> Value:
        """The same bits as `dtype`, of the same width."""
        return self._let("bitcast", self, dtype=dtype)


def apply(op: str, *args: Value | bool | int | float) -> Value:
    """Append primitive or transcendental `op`; e.g. ``ir.apply("exp", x)``."""
    arity = PRIMITIVES.get(op) or TRANSCENDENTALS.get(op)
    if arity != len(args):
        raise ValueError(f"{op} takes {arity} arguments, given {len(args)}")
    first = next(a for a in args if isinstance(a, Value))
    return first._let(op, *args)


def select(
    condition: Value, yes: Value | int | float, no: Value | int | float
) -> Value:
    """``yes if condition else no``, both evaluated; at least one is a `Value`."""
    return condition._let("select", condition, yes, no)


def lookup(index: Value, table: Sequence[float], dtype: str) -> Value:
    """The entry of `table`, of 16, at the low four bits of `index`."""
    if index.builder is None:
        raise ValueError("lookup of a literal: take the entry itself")
    return index.builder.lookup(index, table, dtype)


def walk(statements: tuple[Statement, ...]) -> Iterator[tuple[Statement, int]]:
    """Every statement with its loop depth, in program order."""
    stack: list[tuple[Statement, int]] = [(s, 0) for s in reversed(statements)]
    while stack:
        statement, depth = stack.pop()
        yield statement, depth
        if isinstance(statement, Loop):
            stack.extend((s, depth + 1) for s in reversed(statement.body))
