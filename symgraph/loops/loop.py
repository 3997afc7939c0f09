"""The loop as an op: values carried from round to round, rows in, rows out.

``Loop`` runs its body n times.  The inputs are n, what the carried values are at first,
the *sequences* (of which round t is given row t), and the *rest*, which each round sees
whole.  The body's parameters are the round's number t and these in the same order; its
outputs are the next carried values and the *kept* ones, which are stacked.  The results
are the last carried values, the stacks, and how many rounds there were.

All that can be said of loops, scans with taps, ``while`` and ``until``, is built of
this in :mod:`.scan`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..composite import Body, of_type
from ..dims import Size
from ..errors import DTypeError, ShapeError
from ..graph import Node, intern
from ..leaf import Shared
from ..lower.rounds import Carried, Rounds, Source, unchunked
from ..op import Array, Nested, op
from ..ops import Item, dim_of
from ..ops.common import Flags
from ..ops.view import move_axes
from ..types import TensorType, TupleType, tensor
from ..variable import Variable, apply
from .batching import batched_loop
from .gradient import pulled_back, pushed_forward
from .parts import Parts, closed, is_size, last_of, results

if TYPE_CHECKING:
    from ..lower import Emitter


@op
class Loop(Nested):
    """Runs `body` in rounds; see the module's docstring.

    Attributes:
        carries: how many values are carried.
        sequences: how many inputs are given row by row.
        backwards: rows are taken, and kept, from the last to the first.
        conditional: the first carried value is a bool; a round begins only while it
            holds true.  What would have been kept in later rounds is zero.
        remember: whether gradients keep what is costly to compute again; else they keep
            the carried values only.
        truncate: gradients pass through the last so many rounds only; 0: through all.
        updated: the last so many carried values are those of shared variables, which
            are updated with them.
        masked: a conditional loop over a stack (`batching`): the second carried value
            says which of it go on, the last one how many rounds each has made.
        label: what the loop is called in dumps and messages.
    """

    body: Body
    carries: int
    sequences: int
    backwards: bool = False
    conditional: bool = False
    remember: bool = True
    truncate: int = 0
    updated: int = 0
    masked: bool = False
    label: str = "loop"

    foreign: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return self.label

    @property
    def kept(self) -> int:
        """How many values are stacked."""
        return len(self.body.outputs) - self.carries

    @property
    def rounds(self) -> int:
        """The number of the result that is how many rounds there were."""
        return len(self.body.outputs)

    def sorted(self, given: Sequence[Node]) -> Parts:
        """Inputs or parameters by what they are for."""
        a, b = 1 + self.carries, 1 + self.carries + self.sequences
        return Parts(given[0], tuple(given[1:a]), tuple(given[a:b]), tuple(given[b:]))

    def parameters(self, inputs: Sequence[Node]) -> Parts:
        """Fresh parameters of the body; sizes stand for themselves."""
        given = self.sorted(inputs)

        def fresh(kind: TensorType, what: str, number: int) -> Node:
            return of_type(kind, f"{what} {number}").node

        return Parts(
            of_type(tensor("int64", ()), "round").node,
            tuple(fresh(i.type, "carried", k) for k, i in enumerate(given.carried)),
            tuple(
                fresh(tensor(i.type.dtype, i.type.dims[1:]), "row", k)
                for k, i in enumerate(given.rows)
            ),
            tuple(
                i if is_size(i) else fresh(i.type, "outer", k)
                for k, i in enumerate(given.rest)
            ),
        )

    def opened(self, inputs: Sequence[Node]) -> tuple[Parts, tuple[Node, ...]]:
        """Fresh parameters, and the body's outputs over them."""
        parameters = self.parameters(inputs)
        return parameters, self.body.nodes(*parameters)

    def inner(self, *inputs: Node) -> tuple[Node, ...]:
        return self.opened(inputs)[1]

    # -- what it is --------------------------------------------------------------------

    def infer(self, *inputs: Node) -> TensorType:
        given = self.sorted(inputs)
        n = dim_of(inputs[0])
        for node in given.rows:
            if not node.type.ndim:
                raise ShapeError("a scalar has no rows", "give it an axis to go along")
            size = node.type.dims[0]
            if isinstance(size, int) and isinstance(n, int) and size != max(n, 0):
                raise ShapeError(
                    f"{node.type} has {size} rows for {n} rounds",
                    "go through arrays of one length, or say how many rounds there are",
                )
        roots = self.inner(*inputs)
        for number, (before, after) in enumerate(
            zip(given.carried, roots[: self.carries], strict=True)
        ):
            _same_kind(number, before.type, after.type)
        stacks = [
            tensor(r.type.dtype, (n, *r.type.dims)) for r in roots[self.carries :]
        ]
        last = [i.type for i in given.carried]
        return TupleType((*last, *stacks, tensor("int64", ())))

    def agree(self, *inputs: Node) -> Iterable[tuple[Size, Size]]:
        given, roots = self.sorted(inputs), self.inner(*inputs)
        for before, after in zip(given.carried, roots[: self.carries], strict=True):
            yield from zip(before.type.dims, after.type.dims, strict=True)
        for node in given.rows:
            yield node.type.dims[0], dim_of(inputs[0])

    def data(self, *inputs: Node) -> tuple[Node, ...]:
        given = self.sorted(inputs)
        rows = (unchunked(r)[0] for r in given.rows)
        return tuple(i for i in (*given.carried, *rows, *given.rest) if not is_size(i))

    def ref(self, *arrays: Array) -> Any:
        n, *others = arrays
        count, a = int(n), self.carries
        state, rows, rest = others[:a], others[a : a + self.sequences], others[a:]
        rest = rest[self.sequences :]
        for row in rows:
            if len(row) != max(count, 0):
                raise ShapeError(
                    f"sizes {len(row)} and {count} differ: of an array that is gone "
                    "through, and of the number of rounds",
                    "the sizes must be equal in each call",
                )
        stacks: list[Array] | None = None
        done = 0
        for t in range(count):
            if self.conditional and not state[0]:
                break
            place = count - 1 - t if self.backwards else t
            made = self._round(t, state, [r[place] for r in rows], rest)
            kept = made[a:]
            if stacks is None:
                stacks = [np.zeros((count, *np.shape(k)), k.dtype) for k in kept]
            for stack, value in zip(stacks, kept, strict=True):
                stack[place] = value
            state, done = list(made[:a]), t + 1
        if stacks is None:
            stacks = self._no_rows(count, state, rows, rest)
        return (*state, *stacks, np.int64(done))

    def _round(
        self, t: int, state: Sequence[Array], rows: Sequence[Any], rest: Sequence[Array]
    ) -> tuple[Array, ...]:
        """One round by `ref`; errors say which."""
        try:
            made = self.body.ref(
                np.asarray(t, "int64"), *state, *map(np.asarray, rows), *rest
            )
        except (ValueError, IndexError) as error:
            reason, *remedy = error.args
            told = type(error)(f"in round {t}: {reason}", *remedy)
            told.site = getattr(error, "site", None)  # type: ignore[union-attr]
            raise told from None
        for number, (before, after) in enumerate(
            zip(state, made[: self.carries], strict=True)
        ):
            if np.shape(before) != np.shape(after):
                raise ShapeError(
                    f"in round {t} the carried value {number} changes its shape from "
                    f"{np.shape(before)} to {np.shape(after)}",
                    _KEEP_SHAPE,
                )
        return made

    def _no_rows(
        self,
        count: int,
        state: Sequence[Array],
        rows: Sequence[Array],
        rest: Sequence[Array],
    ) -> list[Array]:
        """The stacks of a loop without rounds: what the rows would be like."""
        blank = [np.zeros(np.shape(r)[1:], r.dtype) for r in rows]
        with np.errstate(all="ignore"):
            made = self.body.ref(np.asarray(0, "int64"), *state, *blank, *rest)
        kept = made[self.carries :]
        return [np.zeros((count, *np.shape(k)), k.dtype) for k in kept]

    def updates(self, node: Node) -> Iterable[tuple[Node, Node]]:
        last = results(node)
        for number in range(self.carries - self.updated, self.carries):
            leaf = node.inputs[1 + number]
            if isinstance(leaf.op, Shared):
                yield leaf, last[number].node

    # -- derivatives and batches -------------------------------------------------------

    def vjp(self, gs: dict[int, Variable], y: Variable, *xs: Variable) -> Any:
        return pulled_back(self, gs, y, xs)

    def jvp(self, y: Variable, xs: Any, ts: Any) -> Any:
        return pushed_forward(self, y, xs, ts)

    def batch(self, batched: Flags, *xs: Variable) -> Variable:
        return batched_loop(self, batched, xs)

    def batched_item(self, x: Variable, number: int) -> Variable:
        """Result `number` of the loop of which this is the batched one."""
        if self.masked and number == self.rounds - 2:
            return apply(Item(self.carries - 1), x)
        if self.masked:
            number += 1 if number < self.carries - 2 else 2
        item = apply(Item(number), x)
        kept = self.carries <= number < self.rounds
        return move_axes(item, (1,), (0,)) if kept else item

    def last_row(self, node: Node, number: int, counted: bool) -> Variable | None:
        if number < self.carries or self.backwards or counted != self.conditional:
            return None
        outputs = self.body.outputs
        if outputs[number] in outputs[: self.carries]:
            place = outputs.index(outputs[number])
            return last_of(apply(Item(place), Variable(node)), node.inputs[0])
        if not counted:
            return None
        rounds = apply(Item(self.rounds), Variable(node))
        return apply(Item(number), Variable(node))[rounds - 1]

    # -- other bodies ------------------------------------------------------------------

    def rewritten(
        self, node: Node, change: Callable[[tuple[Node, ...]], tuple[Node, ...]]
    ) -> Node:
        parameters, roots = self.opened(node.inputs)
        changed = change(roots)
        if changed == roots:
            return node
        return self.with_body(node, parameters, changed)

    def with_body(
        self, node: Node, parameters: Parts, roots: Sequence[Node], **changes: Any
    ) -> Node:
        """`node` with another body, given as `roots` over `parameters`."""
        body, more = closed(parameters, roots)
        made = replace(self, body=body, **changes)
        return intern(made, (*node.inputs, *(v.node for v in more)), node.site)

    # -- lowering ----------------------------------------------------------------------

    def steps(self, node: Node, emit: Emitter) -> None:
        parameters, roots = self.opened(node.inputs)
        given = self.sorted(node.inputs)
        readers = emit.partition.users[node]
        used = {i.op.number: i for i in readers if isinstance(i.op, Item)}
        carried = zip(parameters.carried, given.carried, roots, strict=False)
        emit.opened(node, roots)
        emit.rounds(
            Rounds(
                node=node,
                extent=dim_of(given.first),
                backwards=self.backwards,
                conditional=self.conditional,
                counter=parameters.first,
                carried=tuple(
                    Carried(own, init, root, used.get(number))
                    for number, (own, init, root) in enumerate(carried)
                ),
                rows=tuple(map(Source, parameters.rows, given.rows)),
                rest=tuple(
                    Source(own, outer)
                    for own, outer in zip(parameters.rest, given.rest, strict=True)
                    if own is not outer
                ),
                kept=tuple(
                    (root, used[number])
                    for number, root in enumerate(roots)
                    if number >= self.carries and number in used
                ),
                count=used.get(self.rounds),
            )
        )


_KEEP_SHAPE = (
    "what is carried has one shape in all rounds: start from a value of the full shape"
)


def _same_kind(number: int, before: TensorType, after: TensorType) -> None:
    """Refuse a carried value whose type changes."""
    if before.dtype != after.dtype:
        raise DTypeError(
            f"the carried value {number} changes its dtype from {before} to {after}",
            f"start from {after.dtype}, or cast what the step returns to "
            f"{before.dtype}",
        )
    clash = any(
        isinstance(a, int) and isinstance(b, int) and a != b
        for a, b in zip(before.dims, after.dims, strict=False)
    )
    if before.ndim != after.ndim or clash:
        raise ShapeError(
            f"the carried value {number} changes its shape from {before} to {after}",
            _KEEP_SHAPE,
        )


__all__ = ["Loop"]
