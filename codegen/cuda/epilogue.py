"""Elementwise kernels that can end the kernel of a matrix product.

What such a kernel does at each element of the product needs no other element of it, so
that the thread that has summed the element up can go on with it: the product never
reaches memory.  Each axis of the kernel's loops is an axis of the product's matrices,
or one of several that make up their number, their rows or their columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..access import independent
from ..expand import expand_kernel
from ..ir import (
    Buffer,
    Check,
    Extent,
    Kernel,
    Let,
    Load,
    Loop,
    Statement,
    axis,
)
from ..names import defines, uses
from ..polynomial import Amount, known, name, product
from ..program import Gemm, Launch, Program
from .scalars import EXPANDED
from .vectors import work_of

__all__ = ["MOST_VALUES", "MOST_WORK", "Epilogue", "Extents", "epilogue_of"]

#: The most work at an element, as `work_of` has it, of what ends a product.  Beyond
#: that a launch of its own, with registers of its own, is no loss.
MOST_WORK = 160
#: The most values that are needed at once there, beside the sums in registers.
MOST_VALUES = 24


@dataclass(frozen=True, slots=True)
class Epilogue:
    """What is done with each element of a product.

    Attributes:
        kernel: what the sizes alone decide, and then one perfect nest of loops.
        loops: the nest, outermost first.
        totals: the loads of the product, in the innermost loop.
        held: the buffers that are the product.
        parts: for "matrix", "row" and "column" the loops that run over them.
    """

    kernel: Kernel
    loops: tuple[Loop, ...]
    totals: tuple[Load, ...]
    held: frozenset[str]
    parts: Mapping[str, tuple[Loop, ...]]

    @property
    def name(self) -> str:
        """The kernel's name."""
        return self.kernel.name

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """What is read and written but for the product."""
        return tuple(b for b in self.kernel.buffers if b.name not in self.held)

    @property
    def work(self) -> int:
        """How much there is to do at an element."""
        return sum(map(work_of, self.loops[-1].body))

    @property
    def values(self) -> int:
        """How many values are needed at once, where that is most."""
        body = self.loops[-1].body
        last = {name: k for k, s in enumerate(body) for name in uses(s)}
        most, held = 0, set[str]()
        for k, statement in enumerate(body):
            held.update(defines(statement))
            most = max(most, len(held))
            held = {name for name in held if last.get(name, 0) > k}
        return most


class Extents:
    """The sizes of a program as products of such as are not computed."""

    def __init__(self, program: Program) -> None:
        self._known: dict[str, Amount] = {}
        for let in program.host:
            if isinstance(let, Let) and let.op == "mul" and let.dtype == "int64":
                values = [a if isinstance(a, str) else int(a.value) for a in let.args]
                self._known[let.name] = known(product(tuple(map(self.of, values))))

    def of(self, extent: Extent) -> Amount:
        """A size, or a number."""
        if isinstance(extent, int):
            return extent
        return self._known.get(extent, name(extent))


def epilogue_of(
    gemm: Gemm, launch: Launch, held: Sequence[bool], extents: Extents
) -> Epilogue | None:
    """`launch` as what ends `gemm`; None where it cannot.

    `held` says of each array of the launch whether it is the product.
    """
    kernel = _perfect(expand_kernel(launch.kernel, EXPANDED))
    buffers = [
        b for b, is_held in zip(launch.kernel.buffers, held, strict=True) if is_held
    ]
    if kernel is None or any(b.mode != "in" for b in buffers):
        return None
    loops, names = _nest(kernel), frozenset(b.name for b in buffers)
    totals = [s for s in loops[-1].body if isinstance(s, Load) and s.buffer in names]
    sizes = dict(zip(kernel.sizes, launch.sizes, strict=True))
    parts = _parts(gemm, loops, sizes, extents)
    if not totals or parts is None:
        return None
    if not all(_in_place(load, kernel, loops) for load in totals):
        return None
    found = Epilogue(kernel, loops, tuple(totals), names, parts)
    light = found.work <= MOST_WORK and found.values <= MOST_VALUES
    return found if light else None


def _perfect(kernel: Kernel) -> Kernel | None:
    """`kernel` as what its sizes decide, and loops around all else; None if it is not.

    The iterations of all loops may be run at once, in any order.
    """
    outer: list[Loop] = []
    first: list[Statement] = []
    body = kernel.body
    while body and isinstance(body[-1], Loop):
        *before, loop = body
        assert isinstance(loop, Loop)
        if loop.carries or loop.state:
            return None
        outer.append(loop)
        first += before
        body = loop.body
    simple = all(isinstance(s, Let | Load) for s in first)
    if kernel.scratch or not outer or not simple:
        return None
    if any(isinstance(s, Loop | Check) for s in body):
        return None
    names, alone, each = set(kernel.sizes), list[Statement](), list[Statement]()
    for statement in (*first, *body):
        if isinstance(statement, Let) and names.issuperset(uses(statement)):
            alone.append(statement)
            names.add(statement.name)
        else:
            each.append(statement)
    nest: tuple[Statement, ...] = tuple(each)
    for loop in reversed(outer):
        nest = (replace(loop, body=nest),)
    found = replace(kernel, body=(*alone, *nest))
    return found if all(map(independent, _nest(found))) else None


def _nest(kernel: Kernel) -> tuple[Loop, ...]:
    """The perfectly nested loops at the end of a kernel, outermost first."""
    loops: list[Loop] = []
    body = kernel.body
    while body and isinstance(body[-1], Loop):
        loops.append(body[-1])
        body = body[-1].body
    return tuple(loops)


def _in_place(load: Load, kernel: Kernel, loops: Sequence[Loop]) -> bool:
    """Whether `load` is of the element whose number is that of the iteration."""
    shape = kernel.buffer(load.buffer).shape
    pairs = zip(load.index, shape, strict=True)
    index = [(affine, extent) for affine, extent in pairs if extent != 1]
    wanted = [(axis(o.axis), o.extent) for o in loops if o.extent != 1]
    return load.guard is None and index == wanted


def _parts(
    gemm: Gemm,
    loops: Sequence[Loop],
    sizes: Mapping[str, Extent],
    extents: Extents,
) -> dict[str, tuple[Loop, ...]] | None:
    """Which loops run over the columns, the rows and the matrices of a product."""
    left = [loop for loop in loops if loop.extent != 1]
    if any(isinstance(o.extent, str) and o.extent not in sizes for o in left):
        return None
    parts: dict[str, tuple[Loop, ...]] = {}
    for part, extent in (("column", gemm.n), ("row", gemm.m), ("matrix", gemm.batch)):
        mine: list[Loop] = []
        wanted, found = extents.of(extent), known(1)
        while found != wanted and left:
            mine.insert(0, left.pop())
            last = mine[0].extent
            length = extents.of(sizes[last] if isinstance(last, str) else last)
            found = known(product((found, length)))
        if found != wanted:
            return None
        parts[part] = tuple(mine)
    return None if left else parts
