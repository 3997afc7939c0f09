"""Loops of few, known rounds, one round after another."""

from __future__ import annotations

from .. import ops
from ..dims import Size
from ..graph import Node, rebuild
from ..ops.slices import Pick
from ..variable import Variable, apply, constant
from .loop import Loop
from .opened import Open

#: Loops of so many rounds or fewer, of bodies of so many ops in all, are written out.
FEW_ROUNDS = 3
FEW_OPS = 60


def is_few(op: Loop, count: Size) -> bool:
    """Whether a loop of `count` rounds is written out."""
    if not isinstance(count, int) or op.conditional:
        return False
    small = count * len(op.body.steps) <= FEW_OPS
    return 0 < count <= FEW_ROUNDS and small


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
