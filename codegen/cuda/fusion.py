"""Which products of a program end with the elementwise kernel that reads them.

The two steps become one, at the place of the second, whose kernel is the product's
`Epilogue`; the product itself is not stored.  That is right where

- the product is a temporary that nothing else reads, before it is written anew;
- between the two steps nothing is decided, and nothing writes the operands' memory;
- the elementwise kernel does not write it either: it may have been given the memory of
  an operand, which the other blocks still read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..liveness import Liveness
from ..program import Gemm, Launch, Program, Work, arrays_of, written_by
from .epilogue import Epilogue, Extents, epilogue_of
from .regions import Regions

__all__ = ["Fused", "Fusions", "fusions_of"]


@dataclass(frozen=True, slots=True)
class Fused:
    """A product and the launch that ends it; `product` is the former's position."""

    product: int
    gemm: Gemm
    launch: Launch
    epilogue: Epilogue

    def arrays(self) -> dict[str, str]:
        """The arrays by the names of the epilogue's buffers, the product's left out."""
        pairs = zip(self.launch.kernel.buffers, self.launch.arrays, strict=True)
        held = self.epilogue.held
        return {b.name: array for b, array in pairs if b.name not in held}

    def touched(self) -> tuple[str, ...]:
        """The arrays that are still read or written."""
        gemm = self.gemm
        added_to = (gemm.out,) if gemm.accumulate else ()
        return (gemm.lhs, gemm.rhs, *added_to, *self.arrays().values())


@dataclass(frozen=True, slots=True)
class Fusions:
    """What is fused in a program.

    Attributes:
        ends: by the position of the launch that ends a product.
        begins: the positions of these products, at which nothing is launched.
        dropped: the temporaries that need no memory.
    """

    ends: Mapping[int, Fused]
    begins: frozenset[int]
    dropped: frozenset[str]

    def steps(self, program: Program) -> Iterator[tuple[int, Work | Fused]]:
        """What is done in `program`, by position."""
        for position, step in program.work:
            if position in self.ends:
                yield position, self.ends[position]
            elif position not in self.begins:
                yield position, step


def fusions_of(program: Program) -> Fusions:
    """Decide for each launch which product it ends, if any: the last one that fits."""
    finder = _Finder(program)
    ends: dict[int, Fused] = {}
    begins: set[int] = set()
    for position, step in enumerate(program.steps):
        if isinstance(step, Launch):
            found = finder.before(position, step, begins)
            if found is not None:
                ends[position] = found
                begins.add(found.product)
    return Fusions(ends, frozenset(begins), finder.dropped(ends))


class _Finder:
    """Looks for the products of one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.regions = Regions(program)
        self.liveness = Liveness(program)
        self.extents = Extents(program)
        self.rows = {array.name for array in program.by_role("row")}

    def before(self, position: int, launch: Launch, taken: set[int]) -> Fused | None:
        """The last product before a launch that it ends."""
        for place in reversed(range(position)):
            step = self.program.steps[place]
            if not isinstance(step, Work):
                return None
            if isinstance(step, Gemm) and place not in taken:
                epilogue = self.fitting(place, step, position, launch)
                if epilogue is not None:
                    return Fused(place, step, launch, epilogue)
        return None

    def fitting(
        self, place: int, gemm: Gemm, position: int, launch: Launch
    ) -> Epilogue | None:
        """The launch as the end of a product, if it can be that."""
        regions = self.regions
        held = regions.owner(gemm.out)
        is_held = [regions.owner(name) == held for name in launch.arrays]
        if not any(is_held) or not self.is_lone(gemm, launch, position):
            return None
        between = self.program.steps[place + 1 : position]
        if any(held in map(regions.owner, arrays_of(step)) for step in between):
            return None
        read = (gemm.lhs, gemm.rhs, *((gemm.out,) if gemm.accumulate else ()))
        written = [name for step in between for name in written_by(step)]
        if any(regions.meet(a, b) for a in written for b in read):
            return None
        written = list(written_by(launch))
        if any(regions.meet(a, b) for a in written for b in read[:2]):
            return None
        return epilogue_of(gemm, launch, is_held, self.extents)

    def is_lone(self, gemm: Gemm, launch: Launch, position: int) -> bool:
        """Whether the product is a temporary, whole, and nobody's after the launch."""
        held = self.regions.owner(gemm.out)
        names = {n for n in launch.arrays if self.regions.owner(n) == held}
        shown = [self.program.array(name) for name in (gemm.out, *names)]
        return (
            self.program.array(held).role == "temp"
            and not self.regions.moves(held)
            and all(a.name == held or a.target == held for a in shown)
            and self.rows.isdisjoint(a.name for a in shown)
            and not self.liveness.read_from(position + 1, held)
        )

    def dropped(self, ends: Mapping[int, Fused]) -> frozenset[str]:
        """The products' arrays that no step touches any more."""
        gone = {k for p, f in ends.items() for k in (p, f.product)}
        kept = {
            self.regions.owner(name)
            for k, step in enumerate(self.program.steps)
            if k not in gone
            for name in arrays_of(step)
        }
        for fused in ends.values():
            kept |= {self.regions.owner(name) for name in fused.touched()}
        held = {self.regions.owner(f.gemm.out) for f in ends.values()}
        return frozenset(held - kept)
