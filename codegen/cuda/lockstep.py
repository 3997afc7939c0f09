"""All threads of a launch at once: a kernel's accesses, recorded and compared.

Every value is one NumPy scalar, where all threads agree, or an array with an element
for each thread; a mask says which threads take part.  Only what decides about accesses
is computed.  In a kernel without races the threads may run in this order as in any
other, so that what is read is right; in one with races the first is found all the same,
since the ledgers do not depend on the order of what nothing orders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

import numpy as np

from ..interpret import (
    CONVERSIONS,
    SCALARS,
    Scalar,
    identity,
)
from ..ir import (
    COMBINERS,
    Affine,
    Atom,
    Const,
    Kernel,
    Let,
    Load,
    Loop,
    Statement,
    Store,
)
from ..text import print_item
from .cells import Memory
from .decisive import decisive
from .last_group import Handover
from .ledger import Race, Touch, Who
from .spread import Dealt, Spread, count, numbered

FaultKind = Literal["race", "bounds", "barrier", "unwritten", "counter"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a kernel under a spread: `text` says it for people."""

    kernel: str
    kind: FaultKind
    statement: Statement
    text: str

    def __str__(self) -> str:
        return f"{self.kernel}: {self.text}, in `{print_item(self.statement)}`"


@dataclass(slots=True)
class Lockstep:
    """One run of a kernel; `faults` has the first of each statement and kind."""

    kernel: Kernel
    spread: Spread
    memory: Memory
    values: dict[str, Scalar]
    faults: list[Fault] = field(default_factory=list)
    thread: np.ndarray = field(init=False)
    group: np.ndarray = field(init=False)
    phase: np.ndarray = field(init=False)
    last: Handover = field(init=False)
    _counts: dict[int, int] = field(init=False)
    _statements: tuple[Statement, ...] = field(init=False)
    _names: frozenset[str] = field(init=False)
    _found: set[tuple[int, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.thread = np.arange(self.spread.groups * self.spread.threads)
        self.group = self.thread // self.spread.threads
        self.phase = np.zeros_like(self.thread)
        self.last = Handover(self.spread, self.memory)
        self._statements = numbered(self.kernel)
        self._counts = {id(s): count(s) for s in self._statements}
        self._names = decisive(self.kernel).names

    def run(self) -> list[Fault]:
        """Run the kernel from its start to its end."""
        everyone = np.ones(self.thread.shape, bool)
        stores = {
            "launch": self.thread == 0,
            "group": self.thread % self.spread.threads == 0,
            "thread": everyone,
        }[self.spread.leader]
        with np.errstate(all="ignore"):
            self.block(0, self.kernel.body, everyone, stores)
        if text := self.last.left():
            self.counter(text)
        return self.faults

    def block(
        self,
        number: int,
        statements: tuple[Statement, ...],
        mask: np.ndarray,
        stores: np.ndarray,
    ) -> None:
        """Statements from `number` on for `mask`; of these threads `stores` store.

        Recurses into loops, which nest no deeper than arrays have dimensions.
        """
        spread = self.spread
        for statement in statements:
            mine = mask
            if number in spread.once:
                mine = mask & (self.thread == 0)
            elif self.last.alone:
                mine = mask & (self.group == 0)
            if number in spread.barriers:
                self.wait(number, mine)
            if self.last.begins(number):
                mine = mask & (self.group == 0)
                if text := self.last.found(mine):
                    self.counter(text)
            match statement:
                case Let(name=name) if name in self._names:
                    self.values[name] = self.applied(statement)
                case Load():
                    self.load(number, statement, mine)
                case Store():
                    self.store(number, statement, mine & stores)
                    self.last.stored(number, mine & stores, self.phase)
                case Loop():
                    self.loop(number, statement, mine, stores)
            if number in spread.boundaries:
                self.memory.launch(b.name for b in self.kernel.scratch)
            number += self._counts[id(statement)]

    # Values

    def atom(self, atom: Atom) -> Scalar:
        if isinstance(atom, Const):
            return np.dtype(atom.dtype).type(atom.value)
        return self.values[atom]

    def applied(self, let: Let) -> Scalar:
        """What a primitive gives, for each thread."""
        args = [self.atom(arg) for arg in let.args]
        if let.op == "select":
            return np.where(*args)
        if let.op in CONVERSIONS and not any(np.ndim(a) for a in args):
            return CONVERSIONS[let.op](args[0], np.dtype(let.dtype))
        if let.op == "bitcast":
            return np.ascontiguousarray(args[0]).view(let.dtype)
        if let.op == "cast":
            return _cast(args[0], np.dtype(let.dtype))
        if let.op in ("fma", "trigamma", "lookup"):
            rows = (
                list(zip(*np.broadcast_arrays(*args), strict=True))
                if _vary(args)
                else []
            )
            if rows:
                each = [SCALARS[let.op](*row) for row in rows]
                return np.array(each, let.dtype)
        return np.asarray(SCALARS[let.op](*args)).astype(let.dtype)[()]

    def place(self, index: Affine) -> Scalar:
        """An index as a number, for each thread."""
        total: Scalar = np.int64(index.const)
        for name, coef in index.terms:
            total = total + self.values[name] * np.int64(coef)
        return total

    # Accesses

    def load(self, number: int, load: Load, mask: np.ndarray) -> None:
        if load.guard is not None:
            mask = mask & np.asarray(self.values[load.guard], bool)
        flat, inside = self.located(number, load, mask)
        self.touch("read", number, flat, inside)
        self.written(number, load.buffer, flat, inside)
        if load.name in self._names:
            taken = np.zeros(mask.shape, load.dtype)
            taken[inside] = self.memory.contents[load.buffer][flat[inside]]
            self.values[load.name] = taken

    def store(self, number: int, store: Store, mask: np.ndarray) -> None:
        flat, inside = self.located(number, store, mask)
        if number in self.spread.atomics:
            self.touch("atomic", number, flat, inside)
        else:  # with "+=" it is read as well, which nothing meets that may meet a write
            self.touch("write", number, flat, inside)
        if store.buffer in self.memory.written:
            if store.accumulate:
                self.written(number, store.buffer, flat, inside)
            self.memory.written[store.buffer][flat[inside]] = True
        content = self.memory.contents.get(store.buffer)
        if content is None:
            return
        value = np.broadcast_to(self.atom(store.value), mask.shape)[inside]
        if store.accumulate:
            np.add.at(content, flat[inside], value)
        else:
            content[flat[inside]] = value

    def written(
        self, number: int, buffer: str, flat: np.ndarray, mask: np.ndarray
    ) -> None:
        """Report elements that are read and hold nothing."""
        flags = self.memory.written.get(buffer)
        if flags is None:
            return
        empty = np.flatnonzero(mask & ~flags[np.where(mask, flat, 0)])
        if empty.size:
            thread, element = int(self.thread[empty[0]]), int(flat[empty[0]])
            text = f"thread {thread} reads element {element} of {buffer}"
            self.report("unwritten", number, f"{text}, to which nothing was stored")

    def located(
        self, number: int, access: Load | Store, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each thread's element, and which threads of `mask` have one in bounds."""
        shape = self.memory.shapes[access.buffer]
        flat = np.zeros(mask.shape, np.int64)
        inside = mask
        for affine, dim in zip(access.index, shape, strict=True):
            at = np.broadcast_to(self.place(affine), mask.shape)
            fits = (at >= 0) & (at < dim)
            bad = np.flatnonzero(inside & ~fits)
            if bad.size:
                thread, outside = int(self.thread[bad[0]]), int(at[bad[0]])
                text = f"thread {thread} is at {outside} of {access.buffer}"
                self.report("bounds", number, f"{text}, outside of 0..{dim}")
            inside = inside & fits
            flat = flat * dim + at
        copies = self.memory.copies.get(access.buffer)
        if copies is not None:
            flat = flat + copies * prod(shape)
        return flat, inside

    def touch(
        self, touch: Touch, number: int, flat: np.ndarray, mask: np.ndarray
    ) -> None:
        """Record the elements `flat` of the threads of `mask`."""
        if not mask.any():
            return
        memory, access = self.memory, self._statements[number]
        assert isinstance(access, Load | Store)
        region = memory.places[access.buffer].region
        group = self.last.groups(self.group)
        who = Who(self.thread, group, self.phase).where(mask)
        parts = memory.itemsizes[access.buffer] // memory.units[region]
        for part in range(parts):
            cells = memory.cells(access.buffer, flat[mask], part)
            race = memory.ledgers[region].record(touch, cells, who, number)
            if race is not None:
                self.races(region, race)

    # Loops and barriers

    def loop(
        self, number: int, loop: Loop, mask: np.ndarray, stores: np.ndarray
    ) -> None:
        dealt = self.spread.dealt.get(number)
        nest = nested(loop, 1 if dealt is None else dealt.depth)
        extents = [np.asarray(extent_of(each, self.values)) for each in nest]
        last, width = extents[-1], 1 if dealt is None else dealt.width
        extents[-1] = -(-last // width) * width
        extent = np.asarray(np.prod(np.broadcast_arrays(*extents), axis=0))
        self.values |= {
            s.name: self.atom(s.init) for s in loop.state if s.name in self._names
        }
        held = {
            c.name: identity(c.combine, c.dtype)
            for c in loop.carries
            if c.name in self._names
        }
        if dealt is not None:
            stores = self.storing(dealt)
        most = int(np.max(np.broadcast_to(extent, mask.shape)[mask], initial=0))
        for at, valid in self.turns(dealt, most):
            active = mask & valid & (at < extent)
            if loop.going is not None:
                active = active & np.asarray(self.values[loop.going], bool)
            if active.any():
                for each, own in zip(reversed(nest), reversed(extents), strict=True):
                    self.values[each.axis] = at % np.maximum(own, 1)
                    at = at // np.maximum(own, 1)
                active = active & (self.values[nest[-1].axis] < last)
                self.block(number + len(nest), nest[-1].body, active, stores)
                self.carry(loop, nest[-1], held, active)
        self.finish(loop, held, dealt)
        shared_out = dealt is not None and dealt.by_threads
        if loop.carries and shared_out and self.spread.meets:
            self.wait(number, mask)  # a declared reduction

    def turns(
        self, dealt: Dealt | None, most: int
    ) -> Iterator[tuple[Scalar, np.ndarray]]:
        """Everyone's iterations one by one, up to `most`, and who has one."""
        groups, threads = self.spread.groups, self.spread.threads
        lane = self.thread % threads
        everyone = np.ones(self.thread.shape, bool)
        if dealt is None:
            yield from ((np.int64(at), everyone) for at in range(most))
        elif dealt.chunk is not None:
            for turn in range(0, min(dealt.chunk, most), threads):
                own = turn + lane
                yield self.group * dealt.chunk + own, own < dealt.chunk
        else:
            who, count = {
                "grid": (self.thread, groups * threads),
                "groups": (self.group, groups),
                "threads": (lane, threads),
            }[dealt.level]
            for turn in range(0, most, count * dealt.width):
                for place in range(dealt.width):
                    yield turn + who * dealt.width + place, everyone

    def storing(self, dealt: Dealt) -> np.ndarray:
        """Which threads store in a loop that is dealt out."""
        if dealt.level == "groups":
            return np.asarray(self.thread % self.spread.threads == 0)
        return np.ones(self.thread.shape, bool)

    def carry(
        self, loop: Loop, inner: Loop, held: dict[str, Scalar], active: np.ndarray
    ) -> None:
        """What an iteration of `inner` hands on to `loop`, where there was one."""
        after = {
            s.name: np.where(active, self.atom(s.next), self.values[s.name])
            for s in loop.state
            if s.name in self._names
        }
        self.values |= after
        for c, own in zip(loop.carries, inner.carries, strict=True):
            if c.name in held:
                combine = SCALARS[COMBINERS[c.combine]]
                value = combine(held[c.name], self.atom(own.value))
                held[c.name] = np.where(active, value, held[c.name])

    def finish(self, loop: Loop, held: dict[str, Scalar], dealt: Dealt | None) -> None:
        """What a loop leaves behind."""
        for c in loop.carries:
            if c.name in held and dealt is not None:
                combine = SCALARS[COMBINERS[c.combine]]
                parts = np.broadcast_to(held[c.name], self.thread.shape)
                held[c.name] = self.combined(combine, parts, dealt)
        self.values |= held
        self.values |= {
            s.final: self.values[s.name] for s in loop.state if s.name in self._names
        }

    def combined(self, combine: Any, parts: np.ndarray, dealt: Dealt) -> Scalar:
        """Everyone's part of a reduction as one, for the group or for all."""
        if not dealt.by_threads:
            return combine.reduce(parts)
        rows = parts.reshape(self.spread.groups, self.spread.threads)
        return np.repeat(combine.reduce(rows, axis=1), self.spread.threads)

    def wait(self, number: int, mask: np.ndarray) -> None:
        """A barrier of each group in `mask`, to which all of its threads must come."""
        here = mask.reshape(self.spread.groups, self.spread.threads)
        some, every = here.any(axis=1), here.all(axis=1)
        split = np.flatnonzero(some & ~every)
        if split.size:
            text = f"a barrier that not all threads of group {int(split[0])} come to"
            self.report("barrier", number, text)
        self.phase = self.phase + np.repeat(some, self.spread.threads)
        self.last.met(np.asarray(some))

    # Faults

    def races(self, region: str, race: Race) -> None:
        other = "several threads" if race.other is None else f"thread {race.other}"
        text = (
            f"thread {race.thread} may {_VERBS[race.touch]} cell {race.cell} of "
            f"{region}, which {other} may {_VERBS[race.other_touch]} at the same time"
        )
        if race.earlier != race.statement:
            text += f" in `{print_item(self._statements[race.earlier])}`"
        self.report("race", race.statement, text)

    def counter(self, text: str) -> None:
        assert self.spread.handover is not None
        self.report("counter", self.spread.handover.count, text)

    def report(self, kind: FaultKind, number: int, text: str) -> None:
        if (number, kind) not in self._found:
            self._found.add((number, kind))
            fault = Fault(self.kernel.name, kind, self._statements[number], text)
            self.faults.append(fault)


_VERBS = {"read": "read", "write": "write", "atomic": "add to"}


def extent_of(loop: Loop, values: Mapping[str, Scalar]) -> Scalar:
    """A loop's extent: a number, a size, or a value of each thread."""
    if isinstance(loop.extent, int):
        return np.int64(loop.extent)
    return values[loop.extent]


def nested(loop: Loop, depth: int) -> list[Loop]:
    """`loop` and those perfectly nested in it, as many as `depth`, outermost first.

    Raises ValueError where there are fewer.
    """
    nest = [loop]
    while len(nest) < depth:
        match nest[-1].body:
            case (Loop() as inner,):
                nest.append(inner)
            case _:
                raise ValueError(f"no {depth} loops are nested over {loop.axis!r}")
    return nest


def _vary(args: list[Scalar]) -> bool:
    return any(np.ndim(a) for a in args)


def _cast(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`interpret.cast_to` for arrays."""
    if x.dtype.kind != "f" or dtype.kind not in "iu":
        return x.astype(dtype)
    limits = np.iinfo(dtype)
    whole = np.trunc(x)
    # The largest integers are no floats, but the first one that is too large is.
    fits = (whole >= float(limits.min)) & (whole < float(limits.max + 1))
    return np.where(fits, whole, limits.min).astype(dtype)
