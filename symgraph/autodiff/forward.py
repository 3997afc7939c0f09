"""Forward mode: products of a Jacobian with tangents.

One walk over the graph from the variables to the outputs, linear in its size.  An op
pushes tangents forward by its own `jvp`; for an elementwise op, whose Jacobian is
diagonal, its `vjp` of the tangents is just that; for any other the transpose of the
pullback is taken: `vjp` is linear in the cotangent g, so the tangent is the gradient of
``sum(vjp(g) * tangents)`` with respect to g.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from .. import ops
from ..composite import parameter
from ..graph import Node, rebuild, toposort
from ..op import Elemwise, Expanded
from ..ops.common import sum_of
from ..types import TupleType, is_differentiable
from ..variable import Variable, as_tensor
from .common import (
    Disconnected,
    connected,
    listed,
    paired,
    refuse_op,
    structured,
    targets_in,
)
from .reverse import pullback
from .stable import stable_forms


def jvp(
    outputs: Any,
    wrt: Any,
    tangents: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_outputs: Disconnected = "raise",
) -> Any:
    """The Jacobian of `outputs` times tangents: how they change with `wrt` (`Rop`).

    Args:
        outputs: an expression, or a list, tuple or dict of them, of any shapes.
        wrt: a variable, or a list, tuple or dict of variables.
        tangents: one for each variable, in its shape: the direction of the change.
        consider_constant: variables that do not change.
        disconnected_outputs: what to do about an output that depends on no variable:
            "raise", or give zeros, with a warning ("warn") or without ("ignore").

    Returns:
        Tangents in the structure of `outputs`, of their shapes and dtypes.

    Raises:
        DTypeError: a variable is not of a float type.
        ShapeError: a tangent has not the shape of its variable.
        NotDifferentiableError: an op on the way has no derivative.
        DisconnectedInputError: an output depends on no variable.

    >>> import symgraph as sg
    >>> x, t = sg.dvectors("x t")
    >>> jvp(x * x, x, t).eval({x: [1.0, 2.0], t: [1.0, 10.0]})
    array([ 2., 40.])
    """
    targets = targets_in(wrt, "jvp")
    given = [as_tensor(v) for v in listed(outputs)]
    moved = paired(wrt, tangents, "jvp", "tangent")
    constants = {v.node for v in consider_constant or ()}
    seeds = list(zip((v.node for v in targets), moved, strict=True))
    found = stable_pushforward([v.node for v in given], seeds, constants)
    what = "jvp: the output depends on none of the variables, or through integers"
    return structured(
        outputs,
        [
            connected(v, t, disconnected_outputs, what, "disconnected_outputs")
            for v, t in zip(given, found, strict=True)
        ],
    )


def stable_pushforward(
    outputs: Sequence[Node],
    seeds: Sequence[tuple[Node, Variable]],
    constants: Collection[Node] = (),
) -> list[Variable | None]:
    """:func:`pushforward` to the stable forms of the outputs."""
    forms = stable_forms(outputs, {*(node for node, _ in seeds), *constants})
    if forms is not None:
        found = pushforward(forms, seeds, constants)
        if all(t is not None for t in found):
            return found
    return pushforward(outputs, seeds, constants)


def pushforward(
    outputs: Sequence[Node],
    seeds: Iterable[tuple[Node, Variable]],
    constants: Iterable[Node] = (),
) -> list[Variable | None]:
    """The tangent of each output; None where it depends on no node of `seeds`.

    The tangents of a node add up: those given for it, and what comes from its inputs.
    """
    known: dict[Node, Any] = {}
    for node, tangent in seeds:
        earlier = known.get(node)
        known[node] = tangent if earlier is None else earlier + tangent
    fixed = set(constants)
    for node in toposort(outputs):
        if node in fixed:
            known.pop(node, None)
            continue
        ts: list[Any] = [known.get(i) for i in node.inputs]
        if all(t is None for t in ts):
            continue
        if isinstance(node.type, TupleType):
            # The tangent of several results is a dict of those that there are.
            known[node] = _of_several(node, ts)
            continue
        if isinstance(node.op, ops.Item):
            known[node] = sum_of([known.get(node), ts[0].get(node.op.number)])
            continue
        if not is_differentiable(node.type.dtype):
            continue
        made = sum_of([known.get(node), carried(node, ts)])
        if made is not None:
            known[node] = made
    return [known.get(node) for node in outputs]


def _of_several(node: Node, ts: Sequence[Variable | None]) -> dict[int, Variable]:
    """The tangents of the results of an op that has several."""
    if node.op.jvp is None:
        refuse_op(node, f"jvp: {node.op.name} has no derivative")
    xs = [Variable(i) for i in node.inputs]
    made: Any = node.op.jvp(Variable(node), xs, ts)
    return {number: tangent for number, tangent in made.items() if tangent is not None}


def carried(node: Node, ts: Sequence[Variable | None]) -> Variable | None:
    """The tangent of `node` where its inputs have the tangents `ts`."""
    y, xs, op = Variable(node), [Variable(i) for i in node.inputs], node.op
    if op.jvp is not None:
        made = op.jvp(y, xs, ts)
    elif isinstance(op, Elemwise) and op.vjp is not None:
        made = _diagonal(op, y, xs, ts)
    elif op.vjp is not None:
        made = _transposed(node, ts)
    elif isinstance(op, Expanded):
        made = through(op, xs, ts)
    else:
        refuse_op(node, f"jvp: {op.name} has no derivative")
    if made is None:
        return None
    assert made.ndim <= y.ndim, f"{op.name}: a tangent {made} for {y}"
    if made.type.dims != y.type.dims:
        made = ops.broadcast_to(made, y.shape)
    return ops.cast(made, y.dtype)


def _diagonal(
    op: Elemwise, y: Variable, xs: Sequence[Variable], ts: Sequence[Variable | None]
) -> Variable | None:
    """Each element of the result depends on the elements at its place alone."""
    assert op.vjp is not None
    terms: list[Variable | None] = []
    for number, t in enumerate(ts):
        if t is not None:
            terms.append(op.vjp(t, y, *xs)[number])
    return sum_of(terms)


def _transposed(node: Node, ts: Sequence[Variable | None]) -> Variable | None:
    """The gradient of ``sum(vjp(g) * ts)`` with respect to g.

    The walk back from there ends at the op's inputs and result and at the tangents.
    """
    y, xs = Variable(node), [Variable(i) for i in node.inputs]
    g = parameter(y)
    assert node.op.vjp is not None
    pairs = [
        (sent, t)
        for sent, t in zip(node.op.vjp(g, y, *xs), ts, strict=True)
        if sent is not None and t is not None
    ]
    outside = {node, *node.inputs, *(t.node for t in ts if t is not None)}
    (made,) = pullback(
        [sent for sent, _ in pairs], [g.node], [t for _, t in pairs], (), outside
    )
    if made is None:
        return None
    if g.node in toposort([made.node], lambda n: () if n in outside else _read(n)):
        refuse_op(node, f"jvp: the gradient of {node.op.name} is not linear")
    # What is left of g is its shape, which is that of the result.
    places = {n: n for n in outside} | {g.node: node}
    return Variable(rebuild([made.node], places)[0])


def _read(node: Node) -> tuple[Node, ...]:
    """The inputs whose elements `node` reads: of others it takes the shape."""
    match node.op:
        case ops.Shape():
            return ()
        case ops.SumTo():
            return node.inputs[:1]
    return node.inputs


def through(
    op: Expanded, xs: Sequence[Variable], ts: Sequence[Variable | None]
) -> Variable | None:
    """The tangent by the formula that `op` is made of."""
    inputs = [parameter(x) for x in xs]
    places: Mapping[Node, Node] = {
        v.node: x.node for v, x in zip(inputs, xs, strict=True)
    }
    seeds = []
    swaps = dict(places)
    for v, t in zip(inputs, ts, strict=True):
        if t is not None:
            moved = parameter(t)
            seeds.append((v.node, moved))
            swaps[moved.node] = t.node
    (made,) = pushforward([op.expand(*inputs).node], seeds)
    if made is None:
        return None
    (node,) = rebuild([made.node], swaps)
    return Variable(node)


__all__ = ["carried", "jvp", "pushforward", "stable_pushforward", "through"]
