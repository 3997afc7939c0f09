"""A Program: kernels and library calls in order, and the arrays that they share.

Where a kernel knows only its buffers, a program knows where each array comes from (an
argument, a shared variable, a constant, an output, the arena), how the run-time sizes
follow from the arguments' dimensions, and what must hold before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from .ir import Extent, Kernel, Let

Role = Literal["input", "shared", "constant", "output", "update", "temp", "view", "row"]
Relation = Literal["eq", "le", "lt", "fits"]


@dataclass(frozen=True, slots=True)
class Row:
    """Number ``start + stride * round`` of an array's rows, in each round of a loop.

    The loop is the one whose counter is the array `counter`.
    """

    counter: str
    start: Extent = 0
    stride: Extent = 1


@dataclass(frozen=True, slots=True)
class Array:
    """A C-contiguous run-time array.

    The shape of an *input*, *shared* or *constant* array binds sizes: the first place
    where a name occurs defines it, and every further place, like every number, is
    checked at entry.  *output* and *update* arrays are made anew by each call; an
    update replaces the value of the shared array `target` when the whole call has
    succeeded.  *temp* arrays live in the arena, in slot `slot`.  A *view* is the memory
    of the array `target` (not itself a view) in another shape of as many elements.  A
    *row* is one of the rows along the first axis of `target`, another in each round of
    the loop that it belongs to; `row` says which.  With as many axes as `target` it is
    several rows, one after another, of which `row` says the first.

    A *paired* array, given or returned, is complex for the caller: its last axis, of
    size 2, holds real and imaginary parts, and the caller's array lacks that axis.
    """

    name: str
    dtype: str
    shape: tuple[Extent, ...]
    role: Role
    slot: int | None = None
    target: str | None = None
    paired: bool = False
    row: Row | None = None

    @property
    def outer_dtype(self) -> str:
        """The dtype of the caller's array."""
        if not self.paired:
            return self.dtype
        return "complex64" if self.dtype == "float32" else "complex128"

    @property
    def outer_shape(self) -> tuple[Extent, ...]:
        """The shape of the caller's array."""
        return self.shape[:-1] if self.paired else self.shape


@dataclass(frozen=True, slots=True)
class ReadScalar:
    """``name = array[()]`` as int64: a size that is an integer argument's value."""

    name: str
    array: str


@dataclass(frozen=True, slots=True)
class Guard:
    """``left relation right`` must hold before any step runs; else error `code`.

    ``left fits right`` where they are equal or the left one is 1: it is broadcast.
    """

    left: Extent
    relation: Relation
    right: Extent
    code: int


@dataclass(frozen=True, slots=True)
class Launch:
    """Run `kernel`; `arrays` name its buffers in order and `sizes` its sizes."""

    kernel: Kernel
    arrays: tuple[str, ...]
    sizes: tuple[Extent, ...]


@dataclass(frozen=True, slots=True)
class Gemm:
    """``out[b] = op(lhs[b]) @ op(rhs[b])`` of row-major float matrices.

    op(lhs) is m x k and op(rhs) k x n; a *transposed* operand is stored the other way
    round.  Operands with ``*_batched`` false are the same for every b < `batch`.
    With `accumulate` the product is added to what `out` holds.
    """

    out: str
    lhs: str
    rhs: str
    m: Extent
    n: Extent
    k: Extent
    transpose_lhs: bool = False
    transpose_rhs: bool = False
    batch: Extent = 1
    lhs_batched: bool = True
    rhs_batched: bool = True
    accumulate: bool = False


class HostFunction(Protocol):
    """A function that compiled code calls: native code, which this object keeps."""

    @property
    def address(self) -> int:
        """Where ``i32 f(ptr arrays, ptr sizes)`` starts."""

    def take(self) -> BaseException | None:
        """What this thread's last call raised, once."""


@dataclass(frozen=True, slots=True)
class Call:
    """Call a function from outside of the program, which linking supplies.

    The function called `function` is native code, ``i32 f(ptr arrays, ptr sizes)``: it
    is given a pointer to each of `reads`, then of `writes`, and the `sizes` as int64,
    and returns 1 where it succeeded.  It is called by the thread that made the call,
    without the GIL.  Anything else that it returns ends the call with error `code`.
    """

    function: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    sizes: tuple[Extent, ...]
    code: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """Run the steps up to the matching `End` up to `extent` times, in *rounds*.

    Before each round the loop ends unless the bool array `going`, if there is one,
    holds true.  `counter` is an int64 array without axes that holds the number of the
    round, and after the loop how many there were.

    The `moves` carry values from one round to the next without copying them: after each
    round, and all at once, the first array of each pair becomes what the second one was
    (its memory), and arrays whose memory is taken so get that which is left.  All are
    temporaries, and no array is first or second twice.
    """

    counter: str
    extent: Extent
    going: str | None = None
    moves: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class When:
    """Run the steps up to the matching `Otherwise` if the bool array `condition` holds.

    Else run those from there to the matching `End`.
    """

    condition: str


@dataclass(frozen=True, slots=True)
class Otherwise:
    """Between the two branches of a `When`."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a `Repeat` or a `When`."""


#: What does the work, and what says when: brackets around other steps.
Work: TypeAlias = Launch | Gemm | Call
Control: TypeAlias = Repeat | When | Otherwise | End
Step: TypeAlias = Work | Control


@dataclass(frozen=True, slots=True)
class Program:
    """What one compiled function does.

    `host` statements compute int64 sizes from bound sizes and scalars read from
    arguments, in order; a call in which a sum or a product of them overflows is
    declined. `results` names the output arrays in the order in which they are returned.
    Error codes of guards and of the kernels' checks share one numbering; what a code
    means is the caller's business.
    """

    name: str
    arrays: tuple[Array, ...]
    host: tuple[Let | ReadScalar, ...]
    guards: tuple[Guard, ...]
    steps: tuple[Step, ...]
    results: tuple[str, ...]

    def array(self, name: str) -> Array:
        """The array called `name`."""
        return next(a for a in self.arrays if a.name == name)

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the functions from outside, in the order of their first call."""
        names = (step.function for step in self.steps if isinstance(step, Call))
        return tuple(dict.fromkeys(names))

    @property
    def work(self) -> Iterator[tuple[int, Work]]:
        """The steps that compute something, with their positions."""
        for position, step in enumerate(self.steps):
            if isinstance(step, Launch | Gemm | Call):
                yield position, step

    def by_role(self, *roles: Role) -> tuple[Array, ...]:
        """The arrays with one of `roles`, in order."""
        return tuple(a for a in self.arrays if a.role in roles)


def arrays_of(step: Step) -> tuple[str, ...]:
    """The arrays that a step reads or writes; a loop's own, not those of its steps."""
    match step:
        case Launch(arrays=arrays):
            return arrays
        case Gemm(out=out, lhs=lhs, rhs=rhs):
            return (out, lhs, rhs)
        case Call(reads=reads, writes=writes):
            return (*reads, *writes)
        case Repeat(counter=counter, going=going, moves=moves):
            held = (counter, *((going,) if going else ()))
            return (*held, *(name for pair in moves for name in pair))
        case When(condition=condition):
            return (condition,)
    return ()


def written_by(step: Step) -> tuple[str, ...]:
    """The arrays that a step writes."""
    match step:
        case Launch(kernel=kernel, arrays=arrays):
            pairs = zip(arrays, kernel.buffers, strict=True)
            return tuple(name for name, buffer in pairs if buffer.mode != "in")
        case Gemm(out=out):
            return (out,)
        case Call(writes=writes):
            return writes
        case Repeat(counter=counter):
            return (counter,)
    return ()


def brackets(steps: Sequence[Step]) -> dict[int, int]:
    """For each `Repeat`, `When` and `Otherwise`, where the part that it opens ends.

    That is the position of the matching `Otherwise` or `End`.

    Raises:
        ValueError: one is missing, or closes nothing.
    """
    ends: dict[int, int] = {}
    opened: list[int] = []
    for position, step in enumerate(steps):
        if isinstance(step, Otherwise | End):
            if not opened:
                raise ValueError(f"step {position} closes nothing")
            begun = opened.pop()
            if isinstance(step, Otherwise) != isinstance(steps[begun], When):
                raise ValueError(f"step {position} does not belong to step {begun}")
            ends[begun] = position
        if isinstance(step, Repeat | When | Otherwise):
            opened.append(position)
    if opened:
        raise ValueError(f"nothing closes step {opened[-1]}")
    return ends


def rotation(moves: Sequence[tuple[str, str]]) -> dict[str, str]:
    """For each array in `moves`, the one whose memory it has after a round.

    An array that is moved from but not to gets the memory at the other end of its
    chain, which nobody else takes.
    """
    taken = dict(moves)
    source_of = dict(taken)
    follower = {source: target for target, source in moves}
    for source in follower:
        if source in taken:
            continue
        last = source
        while last in follower:
            last = follower[last]
        source_of[source] = last
    return source_of
