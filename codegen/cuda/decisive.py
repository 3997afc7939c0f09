"""Which values of a kernel decide where it reads and writes, and how often.

A checker of accesses follows those alone: for most kernels they are axes and sizes, and
no element of any array matters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..ir import Atom, Kernel, Let, Load, Loop, Statement, Store, walk


@dataclass(frozen=True, slots=True)
class Decisive:
    """Names of values, and buffers whose elements are among them."""

    names: frozenset[str]
    buffers: frozenset[str]


def decisive(kernel: Kernel) -> Decisive:
    """What the indices, guards, extents and ends of loops of `kernel` depend on.

    The names of sizes and axes are among them.
    """
    statements = [s for s, _ in walk(kernel.body)]
    names: set[str] = {n for s in statements for n in _directly(s)}
    buffers: set[str] = set()
    size = -1
    while size != len(names) + len(buffers):
        size = len(names) + len(buffers)
        for statement in reversed(statements):
            _follow(statement, names, buffers)
    return Decisive(frozenset(names), frozenset(buffers))


def _directly(statement: Statement) -> Iterable[str]:
    """What says where an access goes, or how often a loop runs."""
    match statement:
        case Load(index=index, guard=guard):
            yield from (name for affine in index for name, _ in affine.terms)
            if guard is not None:
                yield guard
        case Store(index=index):
            yield from (name for affine in index for name, _ in affine.terms)
        case Loop(extent=extent, going=going):
            yield from (n for n in (extent, going) if isinstance(n, str))


def _follow(statement: Statement, names: set[str], buffers: set[str]) -> None:
    """Add what the decisive values that `statement` defines come from."""
    match statement:
        case Let(name=name, args=args) if name in names:
            names.update(_named(args))
        case Load(name=name, buffer=buffer) if name in names:
            buffers.add(buffer)
        case Store(buffer=buffer, value=value) if buffer in buffers:
            names.update(_named((value,)))
        case Loop(carries=carries, state=state):
            for carry in carries:
                if carry.name in names:
                    names.update(_named((carry.value,)))
            for kept in state:
                if not names.isdisjoint((kept.name, kept.final)):
                    names.update(_named((kept.name, kept.init, kept.next)))


def _named(atoms: Iterable[Atom]) -> Iterable[str]:
    return (atom for atom in atoms if isinstance(atom, str))
