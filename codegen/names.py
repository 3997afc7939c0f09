"""Which names the statements of a kernel read and define."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from .ir import Affine, Buffer, Check, Kernel, Let, Load, Loop, Statement, Store, walk


def _indices(statement: Statement) -> tuple[Affine, ...]:
    return statement.index if isinstance(statement, Load | Store) else ()


def reads(statement: Statement) -> Iterator[str]:
    """The values that a statement (not a loop) uses other than in an index."""
    match statement:
        case Let(args=args):
            yield from (a for a in args if isinstance(a, str))
        case Load(guard=str(guard)):
            yield guard
        case Store(value=str(value)):
            yield value
        case Check(ok=ok, round=number):
            yield ok
            yield from (number,) if isinstance(number, str) else ()


def uses(statement: Statement) -> Iterator[str]:
    """Every value, axis or size that a statement (not a loop) uses."""
    yield from reads(statement)
    for index in _indices(statement):
        yield from (name for name, _ in index.terms)


def defines(statement: Statement) -> Iterator[str]:
    """What a statement leaves visible after it."""
    match statement:
        case Let(name=name) | Load(name=name):
            yield name
        case Loop(carries=carries, state=state):
            yield from (c.name for c in carries)
            yield from (s.final for s in state)


def local_to(loop: Loop) -> Iterator[str]:
    """What a loop itself makes visible in its body."""
    yield loop.axis
    yield from (s.name for s in loop.state)


def names_of(kernel: Kernel) -> set[str]:
    """All names in the kernel's scope."""
    names = {b.name for b in (*kernel.buffers, *kernel.scratch)} | set(kernel.sizes)
    for statement, _ in walk(kernel.body):
        names.update(defines(statement))
        if isinstance(statement, Loop):
            names.update(local_to(statement))
    return names


def fresh(name: str, taken: set[str]) -> str:
    """`name`, or the first of ``name_2``, ``name_3``, ... that is free; now taken."""
    count, found = 1, name
    while found in taken:
        count += 1
        found = f"{name}_{count}"
    taken.add(found)
    return found


def only_read(kernel: Kernel, body: Iterable[Statement]) -> tuple[Buffer, ...]:
    """The kernel's buffers that `body`, which stores to none, reads."""
    names = {s.buffer for s, _ in walk(tuple(body)) if isinstance(s, Load)}
    found = (b for b in kernel.buffers if b.name in names)
    return tuple(replace(b, mode="in") for b in found)
