"""Products with their epilogues as loop IR: what the fused kernels mean.

For whoever looks at accesses, or interprets: each element of a product is an iteration,
which sums up along k and goes on with the sum.  Kernels are not written from this: a
block does a tile; but each element of the operands that a tile reads is read here, all
that its end reads and stores is read and stored, and no order of elements is promised.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import (
    Affine,
    Buffer,
    Carry,
    Extent,
    Let,
    Load,
    Loop,
    Statement,
    axis,
)
from ..names import fresh, names_of
from ..program import Array, Gemm, Launch, Program, Step
from .fusion import Fused, fusions_of

__all__ = ["modelled"]


def modelled(program: Program) -> Program:
    """`program` with a launch of one kernel for each product that is fused."""
    fusions = fusions_of(program)
    arrays, steps = list(program.arrays), list[Step]()
    for position, step in enumerate(program.steps):
        if position in fusions.ends:
            fused = fusions.ends[position]
            model = _Model(program, fused)
            shown = [model.shown(n, position) for n in model.operands]
            arrays += shown
            steps.append(model.launch([array.name for array in shown]))
        elif position not in fusions.begins:
            steps.append(step)
    return replace(program, arrays=tuple(arrays), steps=tuple(steps))


class _Model:
    """The kernel of one product with its epilogue."""

    def __init__(self, program: Program, fused: Fused) -> None:
        self.program = program
        self.fused = fused
        gemm, epilogue = fused.gemm, fused.epilogue
        self.dtype = program.array(gemm.out).dtype
        self.taken = names_of(epilogue.kernel)
        sizes = zip(epilogue.kernel.sizes, fused.launch.sizes, strict=True)
        self.sizes: dict[str, Extent] = dict(sizes)
        depth: Extent = gemm.k
        if isinstance(gemm.k, str):
            depth = fresh("depth", self.taken)
            self.sizes[depth] = gemm.k
        self.along = Loop(fresh("k", self.taken), depth, "serial", ())
        self.operands = ("lhs", "rhs", *(("out",) if gemm.accumulate else ()))
        self.names = {name: fresh(name, self.taken) for name in self.operands}

    def axes(self, operand: str) -> list[Loop]:
        """The loops along the dimensions of an operand, or of what is added to."""
        gemm, parts = self.fused.gemm, self.fused.epilogue.parts
        if operand == "out":
            return [*parts["matrix"], *parts["row"], *parts["column"]]
        left = operand == "lhs"
        batched = gemm.lhs_batched if left else gemm.rhs_batched
        matrices = parts["matrix"] if batched else ()
        across = parts["row"] if left else parts["column"]
        turned = gemm.transpose_lhs if left else gemm.transpose_rhs
        # Along k last: rows of the left operand, columns that are stored as rows.
        last = left != turned
        return [*matrices, *((*across, self.along) if last else (self.along, *across))]

    def shown(self, operand: str, position: int) -> Array:
        """An operand in a shape that has a dimension for each of its axes."""
        array = self.program.array(_array_of(self.fused.gemm, operand))
        shape = tuple(self.outer(loop.extent) for loop in self.axes(operand))
        target = array.target if array.role == "view" else array.name
        name = f"{operand}_of_{position}"
        return Array(name, array.dtype, shape, "view", target=target)

    def outer(self, extent: Extent) -> Extent:
        """An extent as the program has it."""
        return self.sizes[extent] if isinstance(extent, str) else extent

    def launch(self, shown: list[str]) -> Launch:
        """The step, on arrays of these shapes."""
        epilogue = self.fused.epilogue
        buffers = [
            Buffer(
                self.names[name],
                self.dtype,
                tuple(loop.extent for loop in self.axes(name)),
                "in",
            )
            for name in self.operands
        ]
        kernel = replace(
            epilogue.kernel,
            name=f"product_then_{epilogue.name}",
            buffers=(*buffers, *epilogue.buffers),
            sizes=tuple(self.sizes),
            body=self.body(),
            split=epilogue.loops[0].axis,
        )
        arrays = (*shown, *self.fused.arrays().values())
        return Launch(kernel, arrays, tuple(self.sizes.values()))

    def body(self) -> tuple[Statement, ...]:
        """The epilogue's loops, with the sums in the innermost one."""
        epilogue = self.fused.epilogue
        inner: list[Statement] = list(self.summed("total"))
        for statement in epilogue.loops[-1].body:
            if isinstance(statement, Load) and statement.buffer in epilogue.held:
                # The sum under another name.
                args = (self.total,)
                statement = Let(statement.name, "bitcast", args, self.dtype)
            inner.append(statement)
        nest = tuple(inner)
        for loop in reversed(epilogue.loops):
            nest = (replace(loop, body=nest),)
        return (*epilogue.kernel.body[:-1], *nest)

    def summed(self, name: str) -> tuple[Statement, ...]:
        """The loop along k, and the addition to what is there."""
        self.total = total = fresh(name, self.taken)
        a, b, term = (fresh(n, self.taken) for n in ("a", "b", "term"))
        body = (
            self.load(a, "lhs"),
            self.load(b, "rhs"),
            Let(term, "mul", (a, b), self.dtype),
        )
        carry = Carry(total, "sum", term, self.dtype)
        loop = replace(self.along, body=body, carries=(carry,))
        if not self.fused.gemm.accumulate:
            return (loop,)
        before = fresh("before", self.taken)
        self.total = fresh(name, self.taken)
        added = Let(self.total, "add", (before, total), self.dtype)
        return (loop, self.load(before, "out"), added)

    def load(self, name: str, operand: str) -> Load:
        """The element of an operand at the axes."""
        index: tuple[Affine, ...] = tuple(axis(o.axis) for o in self.axes(operand))
        return Load(name, self.names[operand], index, self.dtype)


def _array_of(gemm: Gemm, operand: str) -> str:
    """The array that an operand is."""
    return {"lhs": gemm.lhs, "rhs": gemm.rhs, "out": gemm.out}[operand]
