"""LLVM IR as text, written forwards into the loop level where each value belongs.

A loop under construction is a :class:`Scope`.  An instruction without side effects goes
to the innermost scope that defines one of its operands, at the point that has been
reached there (which is just before the loops that are still open), and an instruction
that already stands there is reused.  So loop-invariant code motion and the elimination
of common subexpressions cost a dictionary look-up each and need no pass afterwards.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

TYPES = {
    "bool": "i1", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "uint8": "i8", "uint16": "i16", "uint32": "i32", "uint64": "i64",
    "float32": "float", "float64": "double",
}  # fmt: skip

_MANGLED = {"float": "f32", "double": "f64", "ptr": "p0"}


def llvm_type(dtype: str, lanes: int = 0) -> str:
    """The type of a value of `dtype`, or of a vector of `lanes` of them."""
    return f"<{lanes} x {TYPES[dtype]}>" if lanes else TYPES[dtype]


def memory_type(dtype: str, lanes: int = 0) -> str:
    """As `llvm_type` for values in memory, where a bool takes a byte."""
    return llvm_type("int8" if dtype == "bool" else dtype, lanes)


def mangled(type_text: str) -> str:
    """The suffix of an overloaded intrinsic: ``<8 x float>`` gives ``v8f32``."""
    if type_text.startswith("<"):
        lanes, _, scalar = type_text[1:-1].partition(" x ")
        return f"v{lanes}{_MANGLED.get(scalar, scalar)}"
    return _MANGLED.get(type_text, type_text)


def literal(value: bool | int | float, dtype: str, lanes: int = 0) -> str:
    """A constant of `dtype`; with `lanes`, a vector that holds it everywhere.

    Floats are printed as the bits of a double, the one form that LLVM reads back
    exactly for both widths, and only if the value is one of that width.
    """
    if dtype == "bool":
        text = "true" if value else "false"
    elif dtype in ("float32", "float64"):
        value = float(np.float32(value)) if dtype == "float32" else value
        text = "0x" + struct.pack(">d", value).hex().upper()
    else:
        text = str(int(value))
    return f"splat ({TYPES[dtype]} {text})" if lanes else text


def identifier(name: str) -> str:
    """`name` with every character that LLVM would want quoted replaced by ``_``."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", name)


@dataclass(slots=True)
class Scope:
    """The text of one loop body (or the function's) that has been written so far.

    `label` is the basic block that the next line falls into; `known` maps the
    right-hand side of each pure instruction to the name that holds it.
    """

    label: str
    lines: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Writer:
    """Appends instructions to nested scopes, naming their results.

    `level` is the scope that pure instructions go to now and `lanes` their vector width
    (0 for scalars); both are set before each statement, not passed through every call.
    """

    scopes: list[Scope] = field(default_factory=lambda: [Scope("entry")])
    level: int = 0
    lanes: int = 0
    declarations: dict[str, None] = field(default_factory=dict)
    _levels: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    def type(self, dtype: str) -> str:
        """The LLVM type of `dtype` at the current width."""
        return llvm_type(dtype, self.lanes)

    def literal(self, value: bool | int | float, dtype: str) -> str:
        """A constant at the current width."""
        return literal(value, dtype, self.lanes)

    def level_of(self, text: str) -> int:
        """The scope that defines an operand; constants belong to the outermost."""
        return self._levels.get(text, 0)

    def place(self, *operands: str) -> None:
        """Send the pure instructions that follow to where `operands` are all known."""
        get = self._levels.get
        self.level = max([get(text, 0) for text in operands], default=0)

    def op(self, text: str) -> str:
        """The name of the value computed by the pure instruction `text`."""
        scope = self.scopes[self.level]
        name = scope.known.get(text)
        if name is None:
            name = scope.known[text] = self._name(self.level)
            scope.lines.append(f"  {name} = {text}")
        return name

    def call(self, intrinsic: str, dtype: str, *args: str) -> str:
        """A pure intrinsic whose result and `args` all have one type."""
        kind = self.type(dtype)
        typed = [(kind, arg) for arg in args]
        return self.op(self.intrinsic(intrinsic, (kind,), kind, *typed))

    def intrinsic(
        self, name: str, overloads: Sequence[str], result: str, *args: tuple[str, str]
    ) -> str:
        """The text of a call of ``llvm.name``, which the module must then declare.

        `overloads` are the types in its full name; each argument is a type and a value.
        """
        full = ".".join(["@llvm", name, *map(mangled, overloads)])
        kinds = ", ".join(kind for kind, _ in args)
        self.declarations[f"declare {result} {full}({kinds})"] = None
        return f"call {result} {full}({', '.join(map(' '.join, args))})"

    def ask_for(
        self, pointer: str, *, to_write: bool = False, first: bool = True
    ) -> None:
        """Have the line at `pointer` brought near; it need not be there.

        It comes into the `first` cache, or else into the second.
        """
        near = "3" if first else "2"
        how = [("i32", str(int(to_write))), ("i32", near), ("i32", "1")]
        text = self.intrinsic("prefetch", ("ptr",), "void", ("ptr", pointer), *how)
        self.effect(text)

    def times(self, a: int | str, b: int | str) -> int | str:
        """An i64 product, folded where it can be."""
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if a == 1 or b == 1:
            return b if a == 1 else a
        if a == 0 or b == 0:
            return 0
        self.place(str(a), str(b))
        return self.op(f"mul i64 {a}, {b}")

    def plus(self, a: int | str, b: int | str) -> int | str:
        """An i64 sum, folded where it can be."""
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if a == 0 or b == 0:
            return b if a == 0 else a
        self.place(str(a), str(b))
        return self.op(f"add i64 {a}, {b}")

    def effect(self, text: str) -> None:
        """Append an instruction without a result where the program now stands."""
        self.scopes[-1].lines.append(f"  {text}")

    def read(self, text: str) -> str:
        """As `op` for an instruction that reads memory: it stays where it is."""
        name = self._name(len(self.scopes) - 1)
        self.scopes[-1].lines.append(f"  {name} = {text}")
        return name

    def name(self) -> str:
        """A new name, for an instruction that stands in a branch."""
        return self._name(len(self.scopes) - 1)

    def _name(self, level: int) -> str:
        self._count += 1
        name = f"%t{self._count}"
        self._levels[name] = level
        return name

    def splat(self, text: str, dtype: str, lanes: int) -> str:
        """A vector that holds the scalar `text` in every lane."""
        if not text.startswith("%"):
            return f"splat ({TYPES[dtype]} {text})"
        self.place(text)
        kind = llvm_type(dtype, lanes)
        one = self.op(f"insertelement {kind} poison, {TYPES[dtype]} {text}, i64 0")
        first = f"<{lanes} x i32> zeroinitializer"
        return self.op(f"shufflevector {kind} {one}, {kind} poison, {first}")

    def branch_around(self, condition: str, effects: Sequence[str]) -> None:
        """Run `effects` only where the i1 `condition` holds."""
        self._count += 1
        then, after = f"then.{self._count}", f"after.{self._count}"
        scope = self.scopes[-1]
        scope.lines.append(f"  br i1 {condition}, label %{then}, label %{after}")
        scope.lines.append(f"{then}:")
        scope.lines.extend(f"  {text}" for text in effects)
        scope.lines.append(f"  br label %{after}")
        scope.lines.append(f"{after}:")
        scope.label = after

    def either(self, condition: str, kind: str, then: str, otherwise: str) -> str:
        """The value of one of two instructions, of which only that one runs.

        With `kind` "void" they have no value, and neither has this.
        """
        self._count += 1
        scope, level = self.scopes[-1], len(self.scopes) - 1
        yes, no, after = (f"{k}.{self._count}" for k in ("whole", "part", "both"))
        scope.lines.append(f"  br i1 {condition}, label %{yes}, label %{no}")
        names = []
        for label, text in ((yes, then), (no, otherwise)):
            scope.lines.append(f"{label}:")
            names.append("" if kind == "void" else self._name(level))
            scope.lines.append(f"  {names[-1]} = {text}" if names[-1] else f"  {text}")
            scope.lines.append(f"  br label %{after}")
        scope.lines.append(f"{after}:")
        scope.label = after
        if kind == "void":
            return ""
        return self.read(f"phi {kind} [ {names[0]}, %{yes} ], [ {names[1]}, %{no} ]")

    def where(
        self, condition: str, kind: str, values: Sequence[str], others: Sequence[str]
    ) -> tuple[str, ...]:
        """`values` if the i1 `condition` holds, else what instructions `others` give.

        These run only then.  What does not belong into the loop being written stands
        further out, as with `op`; without a branch, since it is done once.
        """
        self.place(condition, *values)
        if self.level < len(self.scopes) - 1:
            return tuple(self.op(other) for other in others)
        self._count += 1
        scope, level = self.scopes[-1], len(self.scopes) - 1
        then, after = f"then.{self._count}", f"after.{self._count}"
        before = scope.label
        scope.lines.append(f"  br i1 {condition}, label %{after}, label %{then}")
        scope.lines.append(f"{then}:")
        names = [self._name(level) for _ in others]
        for name, text in zip(names, others, strict=True):
            scope.lines.append(f"  {name} = {text}")
        scope.lines.append(f"  br label %{after}")
        scope.lines.append(f"{after}:")
        scope.label = after
        return tuple(
            self.read(f"phi {kind} [ {value}, %{before} ], [ {name}, %{then} ]")
            for value, name in zip(values, names, strict=True)
        )

    def loop(
        self,
        name: str,
        bounds: tuple[str, str, int],
        carried: Sequence[tuple[str, str]],
        body: Callable[[str, list[str]], list[str]],
        going: int | None = None,
    ) -> list[str]:
        """Write ``for index in range(*bounds)`` and return what it carried out.

        `carried` holds the type and initial value of each accumulator.  `body` is given
        the index and the accumulators, writes the loop's body and returns their new
        values.  A loop that runs no times returns the initial values.  It ends before
        an iteration in which accumulator number `going`, an i1, is false.
        """
        low, high, step = bounds
        outer, level = self.scopes[-1], len(self.scopes)
        self._count += 1
        head = f"{identifier(name)}.{self._count}"
        inner = Scope(head)
        self.scopes.append(inner)
        index = self._name(level)
        held = [self._name(level) for _ in carried]
        new = body(index, held)
        self.scopes.pop()
        after = self._name(level)
        self.place(low, high)
        some = self.op(f"icmp slt i64 {low}, {high}")
        before, out = outer.label, outer.lines
        if going is not None:
            self.place(some, carried[going][1])
            some = self.op(f"and i1 {some}, {carried[going][1]}")
        out += [f"  br i1 {some}, label %{head}, label %{head}.end", f"{head}:"]

        def phi(result: str, kind: str, initial: str, latest: str) -> None:
            incoming = f"[ {initial}, %{before} ], [ {latest}, %{inner.label} ]"
            out.append(f"  {result} = phi {kind} {incoming}")

        phi(index, "i64", low, after)
        for (kind, initial), result, latest in zip(carried, held, new, strict=True):
            phi(result, kind, initial, latest)
        out += inner.lines
        out.append(f"  {after} = add nsw i64 {index}, {step}")
        out.append(f"  {after}.more = icmp slt i64 {after}, {high}")
        more = f"{after}.more"
        if going is not None:
            out.append(f"  {more}.too = and i1 {more}, {new[going]}")
            more += ".too"
        out.append(f"  br i1 {more}, label %{head}, label %{head}.end")
        outer.label = f"{head}.end"
        out.append(f"{outer.label}:")
        results = [self._name(level - 1) for _ in carried]
        for (kind, initial), result, latest in zip(carried, results, new, strict=True):
            phi(result, kind, initial, latest)
        return results
