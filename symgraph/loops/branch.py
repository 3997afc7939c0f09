"""One of two graphs: `ifelse` computes what it returns, and nothing of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from .. import ops
from ..autodiff.forward import stable_pushforward
from ..autodiff.reverse import stable_pullback
from ..composite import Body, capture, of_type, parameter
from ..dims import Size
from ..errors import ArgumentError, DTypeError, ShapeError, refuse
from ..graph import Node, Site, here, intern, leaves
from ..leaf import Constant
from ..lower.branches import Branches
from ..lower.rounds import Source
from ..op import Array, Nested, op
from ..ops import Item
from ..ops.broadcasting import repeated
from ..ops.common import Flags
from ..types import TensorType, TupleType, is_differentiable, tensor
from ..variable import Variable, apply, as_tensor, promote
from ..vectorize import batch
from .parts import is_size
from .scan import flat

if TYPE_CHECKING:
    from ..lower import Emitter


@op
class IfElse(Nested):
    """The outputs of `yes` where the condition holds, else those of `no`.

    Both bodies take the inputs after the condition.
    """

    yes: Body
    no: Body

    name: ClassVar[str] = "ifelse"
    runs_all: ClassVar[bool] = False

    def parameters(self, inputs: Sequence[Node]) -> tuple[Node, ...]:
        """Fresh parameters of the bodies; sizes stand for themselves."""
        return tuple(
            i if is_size(i) else of_type(i.type, f"outer {k}").node
            for k, i in enumerate(inputs[1:])
        )

    def opened(
        self, inputs: Sequence[Node]
    ) -> tuple[tuple[Node, ...], tuple[Node, ...], tuple[Node, ...]]:
        """Fresh parameters, and the outputs of both bodies over them."""
        own = self.parameters(inputs)
        return own, self.yes.nodes(*own), self.no.nodes(*own)

    def inner(self, *inputs: Node) -> tuple[Node, ...]:
        _, yes, no = self.opened(inputs)
        return (*yes, *no)

    def infer(self, *inputs: Node) -> TensorType:
        _, yes, no = self.opened(inputs)
        kinds = []
        for number, (a, b) in enumerate(zip(yes, no, strict=True)):
            kinds.append(_common(number, a.type, b.type))
        return TupleType(kinds)

    def agree(self, *inputs: Node) -> Iterable[tuple[Size, Size]]:
        _, yes, no = self.opened(inputs)
        for a, b in zip(yes, no, strict=True):
            yield from zip(a.type.dims, b.type.dims, strict=True)

    def data(self, *inputs: Node) -> tuple[Node, ...]:
        return (inputs[0], *(i for i in inputs[1:] if not is_size(i)))

    def ref(self, *arrays: Array) -> Any:
        condition, *others = arrays
        return (self.yes if condition else self.no).ref(*others)

    def vjp(self, gs: dict[int, Variable], y: Variable, *xs: Variable) -> Any:
        own, yes, no = self.opened([x.node for x in xs])
        seeds = {k: parameter(g) for k, g in gs.items()}
        targets = [
            p for p, x in zip(own, xs[1:], strict=True)
            if p is not x.node and is_differentiable(p.type.dtype)
        ]  # fmt: skip
        found = [
            stable_pullback(
                [Variable(roots[k]) for k in seeds], targets, list(seeds.values())
            )
            for roots in (yes, no)
        ]
        reached = [
            k
            for k, pair in enumerate(zip(*found, strict=True))
            if any(g is not None for g in pair)
        ]
        sent = [
            [_or_zero(gradients[k], targets[k]).node for k in reached]
            for gradients in found
        ]
        places = [*own, *(s.node for s in seeds.values())]
        made = _choice(
            xs[0].node,
            places,
            [*(x.node for x in xs[1:]), *(g.node for g in gs.values())],
            sent,
            y.node.site,
        )
        by_target = {targets[k]: made[n] for n, k in enumerate(reached)}
        return (None, *(by_target.get(p) for p in own))

    def jvp(self, y: Variable, xs: Any, ts: Any) -> Any:
        own, yes, no = self.opened([x.node for x in xs])
        moved = {
            p: parameter(t) for p, t in zip(own, ts[1:], strict=True) if t is not None
        }
        found = [stable_pushforward(roots, list(moved.items())) for roots in (yes, no)]
        reached = [
            k for k, pair in enumerate(zip(*found, strict=True))
            if any(t is not None for t in pair)
        ]  # fmt: skip
        sent = [
            [_or_zero(tangents[k], roots[k]).node for k in reached]
            for tangents, roots in zip(found, (yes, no), strict=True)
        ]
        places = [*own, *(t.node for t in moved.values())]
        given = [*(x.node for x in xs[1:]), *(t.node for t in ts[1:] if t is not None)]
        made = _choice(xs[0].node, places, given, sent, y.node.site)
        return {k: made[n] for n, k in enumerate(reached)}

    def batch(self, batched: Flags, *xs: Variable) -> Variable:
        """One choice for all, or both branches where each has its own."""
        own = [
            of_type(tensor(x.dtype, x.type.dims[1:] if flag else x.type.dims))
            for x, flag in zip(xs[1:], batched[1:], strict=True)
        ]
        wides = [parameter(x) for x in xs[1:]]
        stacks = {
            p.node: w
            for p, w, flag in zip(own, wides, batched[1:], strict=True)
            if flag
        }
        first = next(x for x, flag in zip(xs, batched, strict=True) if flag)
        size = first.shape[0]
        cores = [
            p if flag else w for p, w, flag in zip(own, wides, batched[1:], strict=True)
        ]
        branches = []
        for body in (self.yes, self.no):
            outputs = body(*cores)
            made = batch(outputs, stacks) if stacks else list(outputs)
            branches.append(
                [
                    w if w.ndim > v.ndim else repeated(w, size)
                    for w, v in zip(made, outputs, strict=True)
                ]
            )
        if batched[0]:
            chosen = [
                ops.where(ops.expand_dims(xs[0], tuple(range(1, a.ndim))), a, b).node
                for a, b in zip(*branches, strict=True)
            ]
            true = as_tensor(True)
            places = [xs[0].node, *(w.node for w in wides)]
            given = [x.node for x in xs]
            made_all = _choice(true.node, places, given, [chosen, chosen], here())
        else:
            sent = [[v.node for v in found] for found in branches]
            made_all = _choice(
                xs[0].node, [w.node for w in wides], [x.node for x in xs[1:]],
                sent, here(),
            )  # fmt: skip
        return Variable(made_all[0].node.inputs[0])

    def batched_item(self, x: Variable, number: int) -> Variable:
        """Result `number` of a batched choice, whose batch axis is in front already."""
        return apply(Item(number), x)

    def rewritten(
        self, node: Node, change: Callable[[tuple[Node, ...]], tuple[Node, ...]]
    ) -> Node:
        own, yes, no = self.opened(node.inputs)
        changed = change(yes), change(no)
        if changed == (yes, no):
            return node
        return choice(node.inputs[0], own, node.inputs[1:], changed, node.site)

    def steps(self, node: Node, emit: Emitter) -> None:
        own, yes, no = self.opened(node.inputs)
        readers = emit.partition.users[node]
        emit.opened(node, yes, no)
        emit.branches(
            Branches(
                node,
                node.inputs[0],
                tuple(
                    Source(p, x)
                    for p, x in zip(own, node.inputs[1:], strict=True)
                    if p is not x
                ),
                yes,
                no,
                {i.op.number: i for i in readers if isinstance(i.op, Item)},
            )
        )


def _common(number: int, a: TensorType, b: TensorType) -> TensorType:
    """The type of a result that has type `a` in one branch and `b` in the other."""
    if a.dtype != b.dtype:
        raise DTypeError(
            f"result {number} is {a} in one branch and {b} in the other", "cast one"
        )
    clash = any(
        isinstance(m, int) and isinstance(n, int) and m != n
        for m, n in zip(a.dims, b.dims, strict=False)
    )
    if a.ndim != b.ndim or clash:
        raise ShapeError(
            f"result {number} is {a} in one branch and {b} in the other",
            "both branches give arrays of one shape: use sg.broadcast_to",
        )
    sizes = (
        m if isinstance(m, int) else n for m, n in zip(a.dims, b.dims, strict=True)
    )
    return tensor(a.dtype, tuple(sizes))


def _or_zero(value: Variable | None, like: Node) -> Variable:
    return ops.zeros_like(Variable(like)) if value is None else value


def choice(
    condition: Node,
    parameters: Sequence[Node],
    given: Sequence[Node],
    branches: Sequence[Sequence[Node]],
    site: Site | None,
) -> Node:
    """The choice between two lists of roots over `parameters`, which stand for `given`.

    What else the roots depend on is found.
    """
    own = list(dict.fromkeys(parameters))
    standing = dict(zip(parameters, given, strict=True))
    roots = [Variable(r) for branch in branches for r in branch]
    _, more = capture(roots, [Variable(p) for p in own])
    every = [*own, *(v.node for v in more)]
    bodies = []
    for branch in branches:
        body, _ = capture([Variable(r) for r in branch], [Variable(n) for n in every])
        bodies.append(body)
    inputs = (condition, *(standing.get(n, n) for n in every))
    return intern(IfElse(*bodies), inputs, site)


def _choice(
    condition: Node,
    parameters: Sequence[Node],
    given: Sequence[Node],
    branches: Sequence[Sequence[Node]],
    site: Site | None,
) -> list[Variable]:
    """The results of :func:`choice`."""
    made = Variable(choice(condition, parameters, given, branches, site))
    return [apply(Item(k), made) for k in range(len(branches[0]))]


def ifelse(
    condition: object, then: Any, otherwise: Any, name: str | None = None
) -> Any:
    """`then` where a scalar condition holds, else `otherwise`; only that is computed.

    Args:
        condition: a scalar; true if it is not 0.
        then: an array, a nested list, tuple or dict of arrays, or a function without
            arguments that returns such.  What only it depends on is computed if it is
            chosen.
        otherwise: the same, of the same structure, dtypes and shapes.
        name: not used; for compatibility.

    Returns:
        What was chosen, in that structure.

    Raises:
        ShapeError: the condition is not a scalar, or shapes differ.
        ArgumentError: the structures differ.

    >>> import symgraph as sg
    >>> x = sg.dscalar("x")
    >>> f = sg.function([x], sg.ifelse(x > 0, sg.log(x), -x))
    >>> f(1.0), f(-2.0)
    (np.float64(0.0), np.float64(2.0))
    """
    flag = as_tensor(condition)
    if flag.ndim:
        refuse(
            ShapeError,
            "ifelse: the condition is not a scalar",
            flag,
            remedy="choose element by element with sg.where, or reduce it with sg.all",
        )
    flag = ops.cast(flag, "bool")
    branches = [
        b() if callable(b) and not isinstance(b, Variable) else b
        for b in (then, otherwise)
    ]
    (yes, structure), (no, other) = map(flat, branches)
    if structure != other:
        refuse(
            ArgumentError,
            "ifelse: the branches differ in structure",
            remedy="return the same nesting of lists, tuples and dicts from both",
        )
    pairs = [promote(_operand(a), _operand(b)) for a, b in zip(yes, no, strict=True)]
    for number, (a, b) in enumerate(pairs):
        _check_alike(number, a, b)
    first, second = ([p[k].node for p in pairs] for k in (0, 1))
    given = [n for n in leaves([*first, *second]) if not _literal(n)]
    made = _choice(flag.node, given, given, [first, second], here())
    return structure.build(iter(made))


def _check_alike(number: int, a: Variable, b: Variable) -> None:
    """Refuse branches of two shapes."""
    try:
        _common(number, a.type, b.type)
    except ShapeError as error:
        what, remedy = error.args
        refuse(ShapeError, f"ifelse: {what}", a, b, remedy=remedy)


def _operand(value: Any) -> Any:
    """`value` as a variable, unless it is a Python number, which takes any dtype."""
    return value if isinstance(value, bool | int | float) else as_tensor(value)


def _literal(node: Node) -> bool:
    return isinstance(node.op, Constant) and node.op.small


__all__ = ["IfElse", "choice", "ifelse"]
