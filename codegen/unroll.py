"""Kernels written out: loops unrolled, small arrays kept in values, constants folded.

Every statement is met in the order in which it would run.  What it computes from
numbers is computed here, what has been computed before is used again, and a load from
an array that is kept in *cells*, one value for each element, is the value stored last.
So nothing is left of the memory that kernels use to hand each other a few numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TypeAlias

import numpy as np

from .expand import formula
from .interpret import applied
from .ir import (
    COMBINERS,
    FLOATS,
    TRANSCENDENTALS,
    Affine,
    Atom,
    Check,
    Combine,
    Const,
    Kernel,
    Let,
    Load,
    Loop,
    State,
    Statement,
    Store,
    axis,
    identity,
    walk,
)
from .names import defines, fresh, uses

Index: TypeAlias = tuple[Affine, ...]
#: What a kernel's own names stand for.
Names: TypeAlias = dict[str, Atom]

#: An array of more elements is not searched for the one at an index that is data.
MOST_SEARCHED = 16


class UnfitError(Exception):
    """This cannot be written out, or not at a length that pays."""


@dataclass(slots=True)
class Cells:
    """The elements of an array as values; None where nothing has been stored."""

    dtype: str
    shape: tuple[int, ...]
    values: list[Atom | None]


@dataclass(slots=True)
class Unroller:
    """Writes kernels one after another to `statements`.

    `place` says for an array and an index which element of which array that is;
    `written` are those arrays that may change, `round` is the number of the round that
    is written, for its checks.
    """

    place: Callable[[str, Index], tuple[str, Index]]
    written: set[str]
    taken: set[str]
    cells: dict[str, Cells] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    round: Atom | None = None
    _known: dict[tuple[object, ...], Atom] = field(default_factory=dict)
    _arrays: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    def run(
        self, kernel: Kernel, arrays: Sequence[str], sizes: Sequence[Atom]
    ) -> Names:
        """Write out `kernel` over `arrays` and `sizes`; what its names stand for.

        Raises `UnfitError`.
        """
        self._arrays = dict(zip((b.name for b in kernel.buffers), arrays, strict=True))
        for buffer in kernel.scratch:
            shape = tuple(e for e in buffer.shape if isinstance(e, int))
            if len(shape) < len(buffer.shape):
                raise UnfitError(f"scratch {buffer.name} has no fixed shape")
            name = self._arrays[buffer.name] = fresh(buffer.name, self.taken)
            self.cells[name] = Cells(buffer.dtype, shape, [None] * prod(shape))
        names: Names = dict(zip(kernel.sizes, sizes, strict=True))
        self._block(kernel.body, names)
        return names

    def let(self, op: str, args: tuple[Atom, ...], dtype: str) -> Atom:
        """The value of ``op(args)``, written down unless it is known."""
        value = folded(op, args, dtype)
        if value is not None:
            return value
        key = (op, *map(_key, args), dtype)
        if key not in self._known:
            name = self._known[key] = self._fresh()
            self.statements.append(Let(name, op, args, dtype))
        return self._known[key]

    def _fresh(self) -> str:
        self._count += 1
        while f"v{self._count}" in self.taken:
            self._count += 1
        self.taken.add(f"v{self._count}")
        return f"v{self._count}"

    # -- statements --------------------------------------------------------------------

    def _block(self, body: Iterable[Statement], names: Names) -> None:
        for statement in body:
            match statement:
                case Let(name, op, args, dtype):
                    atoms = tuple(_atom(a, names) for a in args)
                    names[name] = self.let(op, atoms, dtype)
                case Load():
                    names[statement.name] = self._load(statement, names)
                case Store():
                    self._store(statement, names)
                case Check(ok, code, number):
                    own = self.round if number is None else _atom(number, names)
                    self._check(names[ok], code, own)
                case Loop() if statement.state:
                    self._nested(statement, names)
                case Loop():
                    self._unrolled(statement, names)

    def _check(self, ok: Atom, code: int, number: Atom | None) -> None:
        if isinstance(ok, Const):
            if ok.value:
                return
            name = self._fresh()
            self.statements.append(Let(name, "not", (Const(True, "bool"),), "bool"))
            ok = name
        self.statements.append(Check(ok, code, number))

    # -- loops -------------------------------------------------------------------------

    def _unrolled(self, loop: Loop, names: Names) -> None:
        """All iterations in turn; what they carry is combined in a balanced tree."""
        extent = fixed(loop, names)
        parts: list[list[Atom]] = [[] for _ in loop.carries]
        for k in range(extent):
            names[loop.axis] = Const(k, "int64")
            self._block(loop.body, names)
            for part, carry in zip(parts, loop.carries, strict=True):
                part.append(_atom(carry.value, names))
        for part, carry in zip(parts, loop.carries, strict=True):
            names[carry.name] = self._tree(part, carry.combine, carry.dtype)

    def _tree(self, parts: list[Atom], combine: Combine, dtype: str) -> Atom:
        while len(parts) > 1:
            pairs = zip(parts[::2], parts[1::2], strict=False)
            rest = parts[len(parts) - len(parts) % 2 :]
            parts = [self.let(COMBINERS[combine], pair, dtype) for pair in pairs] + rest
        return parts[0] if parts else identity(combine, dtype)

    def _nested(self, loop: Loop, names: Names) -> None:
        """A loop with state stays one; it leaves what is kept in cells alone."""
        outside, known = self.statements, self._known
        before = {name: list(cells.values) for name, cells in self.cells.items()}
        self.statements, self._known = [], dict(known)
        extent, inner = _extent(loop, names), dict(names)
        inner[loop.axis] = index = fresh(loop.axis, self.taken)
        held = [fresh(s.name, self.taken) for s in loop.state]
        inner.update(zip((s.name for s in loop.state), held, strict=True))
        self._block(loop.body, inner)
        state = tuple(
            State(
                name,
                _atom(s.init, names),
                _atom(s.next, inner),
                fresh(s.final, self.taken),
                s.dtype,
            )
            for name, s in zip(held, loop.state, strict=True)
        )
        going = None if loop.going is None else str(inner[loop.going])
        names.update((s.final, t.final) for s, t in zip(loop.state, state, strict=True))
        if before != {name: cells.values for name, cells in self.cells.items()}:
            raise UnfitError("a loop in a loop changes what is kept in values")
        body = tuple(self.statements)
        self.statements, self._known = outside, known
        outside.append(Loop(index, extent, "serial", body, (), state, going))

    # -- memory ------------------------------------------------------------------------

    def _load(self, load: Load, names: Names) -> Atom:
        guard = None if load.guard is None else names[load.guard]
        zero = _zero(load.dtype)
        if isinstance(guard, Const):
            if not guard.value:
                return zero
            guard = None
        array, index = self._at(load, names)
        if array in self.cells:
            value = self._held(self.cells[array], index, guard)
            if guard is None:
                return value
            return self.let("select", (guard, value, zero), load.dtype)
        key = ("load", array, index, guard)
        if array in self.written or key not in self._known:
            name = self._known[key] = self._fresh()
            self.statements.append(Load(name, array, index, load.dtype, guard))
        return self._known[key]

    def _held(self, cells: Cells, index: Index, guard: str | None) -> Atom:
        """An element; anything, if there is none and a guard says so."""
        number = linear(index, cells.shape)
        if number is None:
            if guard is None:
                raise UnfitError("an index is out of bounds")
            return _zero(cells.dtype)
        if not number.terms:
            return _stored(cells.values[number.const])
        place = self._searched(cells, number)
        value = _stored(cells.values[0])
        for k, other in enumerate(cells.values[1:], 1):
            here = self.let("eq", (place, Const(k, "int64")), "bool")
            value = self.let("select", (here, _stored(other), value), cells.dtype)
        return value

    def _store(self, store: Store, names: Names) -> None:
        array, index = self._at(store, names)
        value = _atom(store.value, names)
        if array not in self.cells:
            self.statements.append(Store(array, index, value, store.accumulate))
            return
        cells = self.cells[array]
        number = linear(index, cells.shape)
        if number is None:
            raise UnfitError("an index is out of bounds")
        if not number.terms:
            if store.accumulate:
                old = _stored(cells.values[number.const])
                value = self.let("add", (old, value), cells.dtype)
            cells.values[number.const] = value
            return
        place = self._searched(cells, number)
        for k, held in enumerate(cells.values):
            old, new = _stored(held), value
            if store.accumulate:
                new = self.let("add", (old, value), cells.dtype)
            here = self.let("eq", (place, Const(k, "int64")), "bool")
            cells.values[k] = self.let("select", (here, new, old), cells.dtype)

    def _at(self, access: Load | Store, names: Names) -> tuple[str, Index]:
        index = tuple(_affine(a, names) for a in access.index)
        array = self._arrays[access.buffer]
        return (array, index) if array in self.cells else self.place(array, index)

    def _searched(self, cells: Cells, number: Affine) -> Atom:
        """The number of an element, as a value to compare with all there are."""
        if not 0 < len(cells.values) <= MOST_SEARCHED:
            raise UnfitError("the index of a kept array is data")
        total: Atom = Const(number.const, "int64")
        for name, coef in number.terms:
            part = self.let("mul", (name, Const(coef, "int64")), "int64")
            total = self.let("add", (total, part), "int64")
        return total


# --------------------------------------------------------------------------------------
# Values
# --------------------------------------------------------------------------------------


def folded(op: str, args: tuple[Atom, ...], dtype: str) -> Atom | None:
    """What ``op(args)`` is without a statement; None if it takes one."""
    if op == "select":
        condition, yes, no = args
        if isinstance(condition, Const):
            return yes if condition.value else no
        return yes if _key(yes) == _key(no) else None
    if op in ("add", "mul") and dtype not in (*FLOATS, "bool"):
        neutral = int(op == "mul")
        for one, other in (args, args[::-1]):
            if isinstance(one, Const) and one.value == neutral:
                return other
    consts = [a for a in args if isinstance(a, Const)]
    # The target's own formulas for these need not agree with NumPy's.
    if len(consts) < len(args) or op in TRANSCENDENTALS:
        return None
    scalars = [np.dtype(c.dtype).type(c.value) for c in consts]
    with np.errstate(all="ignore"):
        return Const(applied(Let("", op, args, dtype), scalars).item(), dtype)


def weight(statement: Statement) -> int:
    """How many statements a target makes of one."""
    match statement:
        case Let(op=op, dtype=dtype) if op in TRANSCENDENTALS and dtype in FLOATS:
            return len(formula(op, dtype))
    return 1


def length(body: Iterable[Statement], names: Mapping[str, Atom]) -> int:
    """How many statements there are to be met.

    Raises `UnfitError` where a loop that has to be unrolled has no fixed extent.
    """
    total = 0
    for statement in body:
        total += weight(statement)
        if isinstance(statement, Loop):
            times = 1 if statement.state else fixed(statement, names)
            total += max(times, 0) * length(statement.body, names)
    return total


def fixed(loop: Loop, names: Mapping[str, Atom]) -> int:
    """The extent of a loop that is to be unrolled."""
    extent = _extent(loop, names)
    if isinstance(extent, str):
        raise UnfitError(f"the loop {loop.axis} has no fixed extent")
    return extent


def _zero(dtype: str) -> Const:
    kind = float if dtype in FLOATS else bool if dtype == "bool" else int
    return Const(kind(0), dtype)


def _key(atom: Atom) -> object:
    """Equal for equal values only: 0.0 is not -0.0, and NaN is NaN."""
    return (repr(atom.value), atom.dtype) if isinstance(atom, Const) else atom


def _atom(atom: Atom, names: Names) -> Atom:
    return atom if isinstance(atom, Const) else names[atom]


def _extent(loop: Loop, names: Mapping[str, Atom]) -> str | int:
    if isinstance(loop.extent, int):
        return loop.extent
    extent = names.get(loop.extent, loop.extent)
    return int(extent.value) if isinstance(extent, Const) else extent


def _stored(value: Atom | None) -> Atom:
    if value is None:
        raise UnfitError("what is loaded was never stored")
    return value


# --------------------------------------------------------------------------------------
# Indices
# --------------------------------------------------------------------------------------


def _affine(index: Affine, names: Names) -> Affine:
    total = Affine((), index.const)
    for name, coef in index.terms:
        value = names[name]
        if isinstance(value, Const):
            total += int(value.value) * coef
        else:
            total += axis(value) * coef
    return Affine(tuple(sorted(total.terms)), total.const)


def linear(index: Index, shape: tuple[int, ...]) -> Affine | None:
    """The number of an element in C order; None if it is not within bounds."""
    number = Affine()
    for affine, dim in zip(index, shape, strict=True):
        if not affine.terms and not 0 <= affine.const < dim:
            return None
        number = number * dim + affine
    return number


def reshaped(index: Index, shape: Sequence[object], other: Sequence[object]) -> Index:
    """The element of an array at `index`, in another shape of as many elements.

    Raises `UnfitError` where that is not affine.
    """
    kept = [a for a, dim in zip(index, shape, strict=True) if dim != 1]
    if [dim for dim in shape if dim != 1] == [dim for dim in other if dim != 1]:
        rest = iter(kept)
        return tuple(Affine() if dim == 1 else next(rest) for dim in other)
    known = tuple(d for d in shape if isinstance(d, int))
    target = tuple(d for d in other if isinstance(d, int))
    number = None
    if (len(known), len(target)) == (len(shape), len(other)):
        number = linear(index, known)
    if number is None or number.terms:
        raise UnfitError("a view is indexed by data")
    places = np.unravel_index(number.const, target)
    return tuple(Affine((), int(place)) for place in places)


# --------------------------------------------------------------------------------------
# What is needed
# --------------------------------------------------------------------------------------


def names_in(statement: Statement) -> Iterator[str]:
    """Every name that a statement uses, or that is used in a loop."""
    for inner, _ in walk((statement,)):
        yield from uses(inner)
        if isinstance(inner, Loop):
            for state in inner.state:
                atoms = (state.init, state.next)
                yield from (a for a in atoms if isinstance(a, str))


def pruned(
    statements: Sequence[Statement], needed: set[str]
) -> tuple[list[Statement], set[str]]:
    """The statements that do something or give a value in `needed`, and what they use.

    The second result holds all names that are needed before them.
    """
    needed, kept = set(needed), []
    for statement in reversed(statements):
        inside = [s for s, _ in walk((statement,))]
        acts = any(isinstance(s, Store | Check) for s in inside)
        if acts or not needed.isdisjoint(defines(statement)):
            kept.append(statement)
            needed.update(names_in(statement))
    return kept[::-1], needed
