"""One loop of a program as one launch: its rounds in a kernel, its state in values.

See `rolled` for what it is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Literal

import numpy as np

from .ir import (
    Affine,
    Atom,
    Buffer,
    Const,
    Extent,
    Kernel,
    Let,
    Load,
    Loop,
    State,
    Statement,
    Store,
    atom,
    axis,
    walk,
)
from .liveness import owners
from .names import fresh
from .program import Array, Launch, Program, Repeat, Row, Step, rotation, written_by
from .unroll import (
    Cells,
    Index,
    UnfitError,
    Unroller,
    length,
    pruned,
    reshaped,
    weight,
)

#: Statements in a round.  They are scalar, some five to a nanosecond; with more of them
#: launches of kernels that run in vectors win.  Measured: tanh of 4 numbers, which is
#: 270 statements, takes 60 ns so and 95 ns in launches; of 8 numbers 120 and 100 ns;
#: six states of a recurrent network, some 500 statements, 140 and 220 ns.
MOST_STATEMENTS = 600
#: Statements of kernels that are looked at to that end: many are folded, found again or
#: only move numbers.
MOST_MET = 4 * MOST_STATEMENTS
#: Numbers handed from round to round.  A target has 16 or 32 registers; what exceeds
#: them is in the nearest cache, where a kernel in vectors had it as well.
MOST_STATE = 64
#: Elements of an array that is kept in values.  Most have far fewer.
MOST_CELLS = 256


def rolling(
    program: Program,
    loop: Repeat,
    steps: Sequence[Step],
    most: Extent | None,
    live: Callable[[str], bool],
) -> Launch:
    """A launch that does all rounds of `loop`, each of which is `steps`.

    With `most` it does so many of them at the most, and goes on where the counter's
    array stands.  `live` says of an array whether it is read after the loop.

    Raises:
        UnfitError: that cannot be, or would not pay.
    """
    launches = [step for step in steps if isinstance(step, Launch)]
    if not launches or len(launches) < len(steps):
        raise UnfitError("there is more than launches in the loop")
    made = _Rolling(program, loop, launches, most)
    elements = made.elements()
    wanted = {e.state.name for e in elements if e.changes and live(e.array)}
    kept, body = made.needed(elements, wanted)
    stored = [e for e in kept if e.changes and (most is not None or live(e.array))]
    return made.launch(kept, body, stored, most is not None or live(loop.counter))


@dataclass(frozen=True, slots=True)
class _Element:
    """An element of an array that is kept in values, as a state of the loop."""

    array: str
    index: Index
    state: State

    @property
    def changes(self) -> bool:
        """Whether a round makes something else of it."""
        return self.state.next != self.state.name


@dataclass(slots=True)
class _Rolling:
    """The kernel being made.

    Its buffers are called what the program's arrays are; `sizes` maps the program's
    sizes to those of the kernel.  `done` is how many rounds there were in the slices
    before, if the loop is cut into slices.
    """

    program: Program
    loop: Repeat
    launches: Sequence[Launch]
    most: Extent | None
    arrays: dict[str, Array] = field(init=False)
    owner: dict[str, str] = field(init=False)
    written: set[str] = field(init=False)
    taken: set[str] = field(init=False)
    axis: str = field(init=False)
    done: str | None = None
    sizes: dict[str, str] = field(default_factory=dict)
    unroller: Unroller = field(init=False)

    def __post_init__(self) -> None:
        self.owner = owners(self.program)
        self.arrays = {a.name: a for a in self.program.arrays}
        writers = (name for launch in self.launches for name in written_by(launch))
        self.written = {self.owner[name] for name in writers}
        self.taken = set(self.arrays)
        self.axis = fresh("round", self.taken)
        if self.most is not None:
            self.done = fresh("done", self.taken)
        changing = {a for a, owner in self.owner.items() if owner in self.written}
        self.unroller = Unroller(self._place, changing, self.taken)

    # -- one round ---------------------------------------------------------------------

    def elements(self) -> list[_Element]:
        """Write one round, and say what it makes of what is kept in values."""
        cells, loop = self.unroller.cells, self.loop
        kept = self._kept()
        for name in kept:
            cells[name] = self._begun(self.arrays[name])
        begun = {name: list(cells[name].values) for name in kept}
        number: Atom = self.axis
        if self.done is not None:
            number = self.unroller.let("add", (self.done, self.axis), "int64")
        cells[loop.counter] = Cells("int64", (), [number])
        self.unroller.round = number
        for launch, sizes in self._met():
            self.unroller.run(launch.kernel, launch.arrays, sizes)
        taken = rotation(loop.moves)
        return [
            element
            for name in kept
            for element in self._states(name, begun[name], taken.get(name, name))
        ]

    def _met(self) -> list[tuple[Launch, list[Atom]]]:
        """The launches with their sizes, if there is not too much in them."""
        met = [(x, [self._atom(extent) for extent in x.sizes]) for x in self.launches]
        total = 0
        for launch, sizes in met:
            names = dict(zip(launch.kernel.sizes, sizes, strict=True))
            total += length(launch.kernel.body, names)
        if total > MOST_MET:
            raise UnfitError("there are many statements")
        return met

    def _kept(self) -> list[str]:
        """The arrays that are kept in values: what rounds hand on or make, if small."""
        must = {name for pair in self.loop.moves for name in pair}
        must |= {self.loop.going} if self.loop.going else set()
        if self.loop.counter in self.written | must:
            raise UnfitError("a round changes the number of the round")
        rows = {
            self.owner[name]
            for launch in self.launches
            for name in launch.arrays
            if self._is_row(name)
        }
        kept = []
        for name in sorted(self.written | must):
            array = self.arrays[name]
            count = _count(array)
            inner = array.role == "temp"
            if name in must:
                alone = self.owner[name] == name and (inner or name not in self.written)
                if not alone or count is None or count > MOST_STATE:
                    raise UnfitError(f"{name} is large, or is not the loop's own")
                kept.append(name)
            elif inner and count is not None and count <= MOST_CELLS:
                kept += [name] if name not in rows else []
        return kept

    def _is_row(self, name: str) -> bool:
        array = self.arrays[name]
        if array.role == "view":
            array = self.arrays[str(array.target)]
        return array.role == "row"

    def _begun(self, array: Array) -> Cells:
        """An array at the start of a round: a name for each element."""
        shape = tuple(e for e in array.shape if isinstance(e, int))
        names = (fresh(f"{array.name}_{k}", self.taken) for k in range(prod(shape)))
        return Cells(array.dtype, shape, list(names))

    def _states(
        self, name: str, begun: Sequence[Atom | None], source: str
    ) -> Iterator[_Element]:
        """The elements of an array, which become those of `source` after a round."""
        cells = self.unroller.cells[source]
        if len(begun) != len(cells.values):
            raise UnfitError("arrays of different sizes exchange their memory")
        places = np.ndindex(*self.unroller.cells[name].shape)
        for held, following, place in zip(begun, cells.values, places, strict=True):
            assert isinstance(held, str) and following is not None
            first, last = (fresh(f"{held}_{w}", self.taken) for w in ("first", "last"))
            index = tuple(Affine((), k) for k in place)
            state = State(held, first, following, last, cells.dtype)
            yield _Element(name, index, state)

    # -- arrays and sizes --------------------------------------------------------------

    def _place(self, name: str, index: Index) -> tuple[str, Index]:
        """Where an element is that a kernel asks for: rows follow from the round."""
        while name not in self.unroller.cells:
            array = self.arrays[name]
            target = self.arrays.get(str(array.target))
            if target is None or not self._follows(array, target):
                break
            if array.row is not None:
                number = self._row(array.row)
                if len(array.shape) < len(target.shape):
                    index = (number, *index)
                else:  # one of several rows
                    index = (number + index[0], *index[1:])
            else:
                index = reshaped(index, array.shape, target.shape)
            name = target.name
        return name, index

    def _follows(self, array: Array, target: Array) -> bool:
        """Whether an element is looked for in the array that `array` shows."""
        if array.row is not None:
            return array.row.counter == self.loop.counter
        if array.role != "view":
            return False
        mine = target.row is not None and target.row.counter == self.loop.counter
        return mine or self.owner[target.name] in self.written

    def _row(self, row: Row) -> Affine:
        """The number of a row in terms of the kernel's round."""
        if not isinstance(row.stride, int):
            raise UnfitError("how many rows a round goes on by is known when it runs")
        number = axis(self.axis)
        if self.done is not None:
            number += axis(self.done)
        number *= row.stride
        if isinstance(row.start, int):
            return number + row.start
        return number + axis(str(self._size(row.start)))

    def _size(self, extent: Extent) -> Extent:
        """A size of the program as one of the kernel."""
        if isinstance(extent, int):
            return extent
        if extent not in self.sizes:
            self.sizes[extent] = fresh(extent, self.taken)
        return self.sizes[extent]

    def _atom(self, extent: Extent) -> Atom:
        return atom(self._size(extent))

    # -- the kernel --------------------------------------------------------------------

    def needed(
        self, elements: Sequence[_Element], wanted: set[str]
    ) -> tuple[list[_Element], list[Statement]]:
        """The elements on which those in `wanted` depend, and the statements."""
        wanted, count = set(wanted), -1
        wanted |= {e.state.name for e in elements if e.array == self.loop.going}
        body: list[Statement] = []
        while len(wanted) > count:
            count = len(wanted)
            states = [e.state for e in elements if e.state.name in wanted]
            body, used = pruned(self.unroller.statements, {str(s.next) for s in states})
            wanted |= {e.state.name for e in elements if e.state.name in used}
        if sum(weight(s) for s, _ in walk(tuple(body))) > MOST_STATEMENTS:
            raise UnfitError("the rounds are long")
        kept = [e for e in elements if e.state.name in wanted]
        if len(kept) > MOST_STATE:
            raise UnfitError("much is handed from round to round")
        return kept, body

    def launch(
        self,
        kept: Sequence[_Element],
        body: Sequence[Statement],
        stored: Sequence[_Element],
        counting: bool,
    ) -> Launch:
        """The loop, after what loads its states and before what stores them."""
        before, extent = self._extent()
        for e in kept:
            name = str(e.state.init)
            before.append(Load(name, e.array, e.index, e.state.dtype))
        states = [e.state for e in kept]
        after: list[Statement] = []
        after += [Store(e.array, e.index, e.state.final) for e in stored]
        if counting:
            count, lets, store = self._counted()
            states.append(count)
            body = [*body, lets[0]]
            after += [*lets[1:], store]
        going = [e.state.name for e in kept if e.array == self.loop.going]
        loop = Loop(
            self.axis,
            extent,
            "serial",
            tuple(body),
            (),
            tuple(states),
            going[0] if going else None,
        )
        return self._launched((*before, loop, *after))

    def _extent(self) -> tuple[list[Statement], Extent]:
        """How many rounds there are at the most, and what must be computed for that."""
        whole = self._size(self.loop.extent)
        if self.done is None or self.most is None:
            return [], whole
        left, some = (fresh(n, self.taken) for n in ("left", "some"))
        args = (self._atom(self.loop.extent), self.done)
        return [
            Load(self.done, self.loop.counter, (), "int64"),
            Let(left, "sub", args, "int64"),
            Let(some, "min", (left, self._atom(self.most)), "int64"),
        ], some

    def _counted(self) -> tuple[State, list[Let], Store]:
        """A state that counts rounds; its next value and the sum; the store of that."""
        names = ("number", "next", "rounds", "total")
        number, following, rounds, total = (fresh(n, self.taken) for n in names)
        zero, one = Const(0, "int64"), Const(1, "int64")
        state = State(number, zero, following, rounds, "int64")
        lets = [Let(following, "add", (self.axis, one), "int64")]
        if self.done is not None:
            lets.append(Let(total, "add", (self.done, rounds), "int64"))
            rounds = total
        return state, lets, Store(self.loop.counter, (), rounds)

    def _launched(self, body: tuple[Statement, ...]) -> Launch:
        """A kernel of what `body` loads from and stores to."""
        read = {s.buffer for s, _ in walk(body) if isinstance(s, Load)}
        written = {s.buffer for s, _ in walk(body) if isinstance(s, Store)}
        names = tuple(a for a in self.arrays if a in read | written)
        buffers = []
        for name in names:
            array, mode = self.arrays[name], _mode(name in read, name in written)
            kept = name in self.unroller.cells
            if mode == "out" and self.loop.going and not kept:
                mode = "inout"  # rounds that are left out leave rows as they were
            alike = [n for n in names if self.owner[n] == self.owner[name]]
            if mode != "in" and len(alike) > 1:
                raise UnfitError(f"what is written as {name} has another name too")
            shape = tuple(self._size(extent) for extent in array.shape)
            buffers.append(Buffer(name, array.dtype, shape, mode))
        sizes = tuple(self.sizes.values())
        kernel = Kernel(f"rolled_{self.loop.counter}", tuple(buffers), sizes, body)
        return Launch(kernel, names, tuple(self.sizes))


def _mode(read: bool, written: bool) -> Literal["in", "out", "inout"]:
    if not written:
        return "in"
    return "inout" if read else "out"


def _count(array: Array) -> int | None:
    """The elements of an array, where that is known."""
    known = [extent for extent in array.shape if isinstance(extent, int)]
    return prod(known) if len(known) == len(array.shape) else None
