"""Reverse mode: gradients and the products of cotangents with a Jacobian.

One walk over the graph from the cost to the variables asked for, linear in its size and
without recursion.  Gradients are expressions like any other, so that they can be
differentiated again.

Complex numbers follow JAX's convention: the gradient of a real cost with respect to
``z = x + iy`` is ``df/dx - i df/dy``, the conjugate of the direction of steepest
ascent.  Then every holomorphic step just multiplies by its derivative, without
conjugates; a descent step on a complex parameter is ``z - rate * sg.conj(gradient)``.
What reaches a real operand of a complex op is the real part.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from .. import ops
from ..composite import parameter
from ..errors import ArgumentError, DTypeError, ShapeError, refuse
from ..graph import Node, rebuild, toposort
from ..op import Elemwise, Expanded
from ..types import TupleType, is_differentiable, is_float
from ..variable import Variable, as_tensor, constant
from .common import (
    Disconnected,
    connected,
    listed,
    paired,
    refuse_op,
    shaped,
    structured,
    targets_in,
)
from .stable import stable_forms, stable_seeds

_APART = "the cost does not depend on this variable, or only through integers"


def grad(
    cost: Variable | None,
    wrt: Any,
    known_grads: Mapping[Variable, object] | None = None,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: Disconnected = "raise",
) -> Any:
    """The gradient of a scalar with respect to variables, which may be any expressions.

    Args:
        cost: a float scalar; None if `known_grads` says it all.
        wrt: a variable, or a list, tuple or dict of variables.
        known_grads: gradients of intermediate variables, used in place of their own.
        consider_constant: variables through which no gradient passes.
        disconnected_inputs: what to do about a variable that the cost does not depend
            on: "raise", or give zeros, with a warning ("warn") or without ("ignore").

    Returns:
        Gradients in the structure of `wrt`, of their variables' shapes and dtypes.

    Raises:
        ShapeError: the cost is not a scalar.
        DTypeError: the cost or a variable is not of a float type.
        NotDifferentiableError: an op on the way has no gradient.
        DisconnectedInputError: the cost does not depend on a variable.
    """
    targets = targets_in(wrt, "grad")
    seeds = _seeds(cost, known_grads or {})
    constants = {v.node for v in consider_constant or ()}
    nodes = {v.node for v in targets}
    stable = stable_seeds(seeds, nodes | constants)
    sent = {} if stable is None else backward(stable, nodes, constants)
    if not nodes <= sent.keys():  # or rewriting has shown that some have no influence
        sent = backward(seeds, nodes, constants)
    found = [
        connected(v, sent.get(v.node), disconnected_inputs, f"grad: {_APART}")
        for v in targets
    ]
    return structured(wrt, found)


def value_and_grad(cost: Variable, wrt: Any, **options: Any) -> tuple[Variable, Any]:
    """``(cost, grad(cost, wrt, **options))``, to be compiled together."""
    return cost, grad(cost, wrt, **options)


def vjp(
    outputs: Any,
    wrt: Any,
    cotangents: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: Disconnected = "raise",
) -> Any:
    """Cotangents times the Jacobian of `outputs`: what each variable is sent (`Lop`).

    That is the gradient of ``sum(cotangents * outputs)``, with `cotangents` constant.

    Args:
        outputs: an expression, or a list, tuple or dict of them, of any shapes.
        wrt: a variable, or a list, tuple or dict of variables.
        cotangents: one for each output, in its shape.
        consider_constant: variables through which no gradient passes.
        disconnected_inputs: as for :func:`grad`.

    Returns:
        Cotangents in the structure of `wrt`, of their variables' shapes and dtypes.

    >>> import symgraph as sg
    >>> x, g = sg.dvectors("x g")
    >>> vjp(sg.exp(x), x, g).eval({x: [0.0, 0.0], g: [1.0, 2.0]})
    array([1., 2.])
    """
    targets = targets_in(wrt, "vjp")
    given = [as_tensor(v) for v in listed(outputs)]
    for output in given:
        if not is_differentiable(output.dtype):
            refuse(
                DTypeError,
                "vjp: an output is not of a float type",
                output,
                remedy="cast it",
            )
    gs = paired(outputs, cotangents, "vjp", "cotangent")
    nodes = [v.node for v in targets]
    constants = {v.node for v in consider_constant or ()}
    found = stable_pullback(given, nodes, gs, constants)
    return structured(
        wrt,
        [
            connected(v, f, disconnected_inputs, f"vjp: {_APART}")
            for v, f in zip(targets, found, strict=True)
        ],
    )


def stable_pullback(
    outputs: Sequence[Variable],
    targets: Sequence[Node],
    cotangents: Sequence[Variable],
    constants: Collection[Node] = (),
) -> list[Variable | None]:
    """:func:`pullback` of the stable forms of the outputs."""
    nodes = [v.node for v in outputs]
    forms = stable_forms(nodes, {*targets, *constants})
    if forms is not None:
        stable = [Variable(n) for n in forms]
        found = pullback(stable, targets, cotangents, constants)
        if all(v is not None for v in found):  # else some have no influence now
            return found
    return pullback(outputs, targets, cotangents, constants)


def pullback(
    outputs: Sequence[Variable],
    targets: Sequence[Node],
    cotangents: Sequence[Variable],
    constants: Collection[Node] = (),
    ends: Collection[Node] = (),
) -> list[Variable | None]:
    """What each target is sent; None where no output depends on it.

    Outputs add up where one of them depends on another, or is given twice.
    """
    # A seed of its own for each output keeps those of intermediate ones from standing
    # for all that flows through them.
    total: dict[Node, Variable] = {}
    for output, g in zip(outputs, cotangents, strict=True):
        known = total.get(output.node)
        total[output.node] = g if known is None else known + g
    sent = backward(total, set(targets), constants, ends, fixed=False)
    return [sent.get(node) for node in targets]


def _seeds(
    cost: Variable | None, known_grads: Mapping[Variable, object]
) -> dict[Node, Variable]:
    """The cotangents to start from."""
    seeds: dict[Node, Variable] = {}
    if cost is not None:
        if cost.ndim:
            refuse(
                ShapeError,
                "grad: the cost is not a scalar",
                cost,
                remedy="take its sum or mean",
            )
        if not is_float(cost.dtype):
            refuse(
                DTypeError,
                "grad: the cost is not of a float type",
                cost,
                remedy="cast it; of a complex number take sg.real(x) or sg.abs(x)",
            )
        seeds[cost.node] = constant(1.0, cost.dtype)
    elif not known_grads:
        refuse(
            ArgumentError,
            "grad: neither a cost nor known gradients",
            remedy="give one of them",
        )
    for variable, known in known_grads.items():
        if not is_differentiable(variable.dtype):
            refuse(
                DTypeError,
                "grad: a known gradient of a variable that is not of a float type",
                variable,
                remedy="leave it out: no gradient passes there",
            )
        seeds[variable.node] = shaped(variable, known, "grad", "gradient")
    return seeds


def backward(
    seeds: Mapping[Node, Variable],
    targets: Collection[Node],
    constants: Collection[Node] = (),
    ends: Collection[Node] = (),
    fixed: bool = True,
) -> dict[Node, Variable]:
    """The cotangent of every node between the targets and the seeds.

    A cotangent is the sum of what the users send; one that a seed gives stands if
    `fixed`, else it is added.  The walk goes no further than the nodes `ends`.
    """
    order = toposort(seeds, lambda node: () if node in ends else node.inputs)
    active: set[Node] = set()
    for node in order:
        reaches = node in targets or (
            node not in ends and any(i in active for i in node.inputs)
        )
        kind = is_differentiable(node.type.dtype) or isinstance(node.type, TupleType)
        if reaches and kind and node not in constants:
            active.add(node)
    cotangents: dict[Node, Any] = dict(seeds)
    for node in reversed(order):
        g = cotangents.get(node)
        if g is None or node not in active or node in ends:
            continue
        wanted = [i in active for i in node.inputs]
        if not any(wanted):
            continue
        if isinstance(node.op, ops.Item):
            # The cotangent of several results is a dict of those that there are.
            cotangents.setdefault(node.inputs[0], {})[node.op.number] = g
            continue
        for source, sent in zip(node.inputs, sent_back(node, g), strict=True):
            if sent is None or source not in active or (fixed and source in seeds):
                continue
            sent = _fitted(sent, node, Variable(source))
            earlier = cotangents.get(source)
            cotangents[source] = sent if earlier is None else ops.add(earlier, sent)
    return cotangents


def sent_back(node: Node, g: Any) -> tuple[Variable | None, ...]:
    """The cotangents that `node` sends to its inputs."""
    xs = [Variable(i) for i in node.inputs]
    if node.op.vjp is not None:
        return node.op.vjp(g, Variable(node), *xs)
    if isinstance(node.op, Expanded):
        return through(node.op, g, xs)
    refuse_op(node, f"grad: {node.op.name} has no gradient")


def through(op: Expanded, g: Variable, xs: Sequence[Variable]) -> tuple[Variable, ...]:
    """The cotangents of `xs` by the formula that `op` is made of."""
    inputs = [parameter(x) for x in xs]
    seed = parameter(g)
    found = pullback([op.expand(*inputs)], [v.node for v in inputs], [seed])
    places = {v.node: x.node for v, x in zip((*inputs, seed), (*xs, g), strict=True)}
    sent = iter(rebuild([v.node for v in found if v is not None], places))
    return tuple(None if v is None else Variable(next(sent)) for v in found)  # type: ignore[misc]


def _fitted(sent: Variable, node: Node, source: Variable) -> Variable:
    """A cotangent in the shape and dtype of the operand that it is for."""
    if isinstance(node.op, Elemwise):
        sent = ops.sum_to(sent, source)
    assert sent.ndim == source.ndim, f"{node.op.name}.vjp gave {sent} for {source}"
    return ops.cast(sent, source.dtype)


__all__ = [
    "backward",
    "grad",
    "pullback",
    "sent_back",
    "stable_pullback",
    "through",
    "value_and_grad",
    "vjp",
]
