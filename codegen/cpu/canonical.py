"""A kernel with its names replaced by numbers, to tell whether two kernels are one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..ir import (
    Affine,
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


def canonical(kernel: Kernel) -> Kernel:
    """`kernel` with every name replaced by its order of occurrence.

    Two kernels compute the same from buffers and sizes given in the same order exactly
    when (as far as their text shows) their canonical forms are equal.
    """
    names = _Names()
    return Kernel(
        name="",
        buffers=tuple(names.buffer(b) for b in kernel.buffers),
        sizes=tuple(names[s] for s in kernel.sizes),
        body=names.body(kernel.body),
        split=None if kernel.split is None else names[kernel.split],
        scratch=tuple(names.buffer(b) for b in kernel.scratch),
    )


@dataclass(slots=True)
class _Names:
    """The numbers given so far.  Recursion follows loop nesting, a handful deep."""

    numbers: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.numbers.setdefault(name, str(len(self.numbers)))

    def atom(self, atom: Atom) -> Atom:
        if isinstance(atom, Const):  # as text, in which 0.0 is not -0.0, and NaN is NaN
            return f"{atom.value!r}:{atom.dtype}"
        return self[atom]

    def extent(self, extent: Extent) -> Extent:
        return extent if isinstance(extent, int) else self[extent]

    def affine(self, index: Affine) -> Affine:
        return Affine(tuple((self[n], c) for n, c in index.terms), index.const)

    def buffer(self, buffer: Buffer) -> Buffer:
        shape = tuple(self.extent(e) for e in buffer.shape)
        return replace(buffer, name=self[buffer.name], shape=shape)

    def body(self, body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(self.statement(s) for s in body)

    def statement(self, s: Statement) -> Statement:
        match s:
            case Let():
                args = tuple(self.atom(a) for a in s.args)
                return replace(s, name=self[s.name], args=args)
            case Load():
                return replace(
                    s,
                    name=self[s.name],
                    buffer=self[s.buffer],
                    index=tuple(self.affine(i) for i in s.index),
                    guard=None if s.guard is None else self[s.guard],
                )
            case Store():
                return replace(
                    s,
                    buffer=self[s.buffer],
                    index=tuple(self.affine(i) for i in s.index),
                    value=self.atom(s.value),
                )
            case Check():
                number = None if s.round is None else self.atom(s.round)
                return replace(s, ok=self[s.ok], round=number)
            case Loop():
                return replace(
                    s,
                    axis=self[s.axis],
                    extent=self.extent(s.extent),
                    body=self.body(s.body),
                    carries=tuple(self.carry(c) for c in s.carries),
                    state=tuple(self.state(k) for k in s.state),
                    going=None if s.going is None else self[s.going],
                )

    def state(self, state: State) -> State:
        return replace(
            state,
            name=self[state.name],
            init=self.atom(state.init),
            next=self.atom(state.next),
            final=self[state.final],
        )

    def carry(self, carry: Carry) -> Carry:
        return replace(carry, name=self[carry.name], value=self.atom(carry.value))
