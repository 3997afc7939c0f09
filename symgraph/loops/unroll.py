"""Loops of few, known rounds, one round after another.

Two kinds are written out: loops of at most `FEW_ROUNDS` rounds, whatever they do, as
long as that is little; and loops that take one array a few times through a formula,
such as an iteration towards a root.  In rounds the array would be read and written in
each, while the formula written out is one pass over memory.  That pays for no others:
a loop over a few numbers runs in one kernel in any case, and to put the rows of a stack
together costs more than to write each where it belongs.
"""

from __future__ import annotations

from .. import ops
from ..dims import Size
from ..graph import Node, rebuild
from ..leaf import Constant
from ..op import Elemwise, Indexed
from ..ops.slices import Pick
from ..variable import Variable, apply, constant
from .loop import Loop
from .opened import Open

#: Loops of so many rounds or fewer, of bodies of so many ops in all, are written out.
FEW_ROUNDS = 3
FEW_OPS = 60
#: The same of loops without rows, of elementwise formulas of so many statements in all:
#: they are compiled in some hundredths of a second.
SOME_ROUNDS = 16
SOME_STATEMENTS = 64


def is_few(op: Loop, count: Size, kept: int | None = None) -> bool:
    """Whether a loop of `count` rounds is written out.

    `kept` says how many of its stacks are read; without it all are.
    """
    if not isinstance(count, int) or op.conditional or count <= 0:
        return False
    if Loop in op.body.kinds:
        return False  # what it does would be there so often, and its rows in copies
    if count <= FEW_ROUNDS:
        return count * len(op.body.steps) <= FEW_OPS
    stacks = op.kept if kept is None else kept
    if count > SOME_ROUNDS or op.sequences or stacks:
        return False
    length = _length(op)
    return length is not None and count * length <= SOME_STATEMENTS


def _length(op: Loop) -> int | None:
    """The statements of a round for each element; None if it is not elementwise."""
    length = 0
    for made, _ in op.body.steps:
        if isinstance(made, Elemwise):
            length += made.weight
        elif not isinstance(made, Constant) and not (
            isinstance(made, Indexed) and made.free
        ):
            return None
    return length


def written_out(
    loop: Open, count: int, wanted: dict[int, Node], read: dict[int, bool]
) -> dict[int, Variable]:
    """The results of a loop of `count` rounds, one after another."""
    state = {p: first for p, (first, _) in loop.carried.items()}
    kept: dict[int, list[Variable]] = {k: [] for k in loop.kept}
    for t in range(count):
        place = count - 1 - t if loop.op.backwards else t
        here: dict[Node, Node] = {loop.first: constant(t, "int64").node}
        here |= state | loop.rest
        here |= {
            p: apply(Pick(0), Variable(s), constant(place, "int64")).node
            for p, s in loop.rows.items()
        }
        nexts = [after for _, after in loop.carried.values()]
        roots = rebuild([*nexts, *loop.kept.values()], here)
        state = dict(zip(loop.carried, roots, strict=False))
        for stack, root in zip(kept.values(), roots[len(nexts) :], strict=True):
            stack.append(Variable(root))
    made = {k: Variable(state[p]) for k, p in wanted.items()}
    for number, rows in kept.items():
        made[number] = ops.stack(rows[::-1] if loop.op.backwards else rows)
    if loop.op.rounds in read:
        made[loop.op.rounds] = constant(count, "int64")
    return made


__all__ = ["is_few", "written_out"]
