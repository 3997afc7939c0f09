"""Reverse-mode differentiation, graph to graph, to any order.

One walk over the graph from the cost to the variables asked for, linear in its size and
without recursion.  Gradients are expressions like any other, so that they can be
differentiated again.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from . import ops
from .errors import (
    ArgumentError,
    DisconnectedInputError,
    DTypeError,
    NotDifferentiableError,
    ShapeError,
    refuse,
)
from .graph import Node, toposort
from .op import Elemwise
from .types import is_float
from .variable import Variable, as_tensor, constant

Disconnected = Literal["raise", "warn", "ignore"]


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
    targets = _targets(wrt)
    seeds = _seeds(cost, known_grads or {})
    constants = {v.node for v in consider_constant or ()}
    cotangents = _backward(seeds, {v.node for v in targets}, constants)
    found = [
        _connected(v, cotangents.get(v.node), disconnected_inputs) for v in targets
    ]
    if isinstance(wrt, Mapping):
        return dict(zip(wrt, found, strict=True))
    if isinstance(wrt, Variable):
        return found[0]
    return tuple(found) if isinstance(wrt, tuple) else found


def value_and_grad(cost: Variable, wrt: Any, **options: Any) -> tuple[Variable, Any]:
    """``(cost, grad(cost, wrt, **options))``, to be compiled together."""
    return cost, grad(cost, wrt, **options)


def _targets(wrt: Any) -> list[Variable]:
    """The variables in `wrt`, in order."""
    if isinstance(wrt, Mapping):
        targets = list(wrt.values())
    elif isinstance(wrt, Sequence):
        targets = list(wrt)
    else:
        targets = [wrt]
    for target in targets:
        if not isinstance(target, Variable):
            refuse(
                ArgumentError,
                f"grad: cannot differentiate with respect to {target!r}",
                remedy="give a variable, or a list, tuple or dict of variables",
            )
        if not is_float(target.dtype):
            refuse(
                DTypeError,
                f"grad: with respect to {target.dtype}, which takes no small steps",
                target,
                remedy="declare the variable with a float dtype",
            )
    return targets


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
                remedy="cast it first",
            )
        seeds[cost.node] = constant(1.0, cost.dtype)
    elif not known_grads:
        refuse(
            ArgumentError,
            "grad: neither a cost nor known gradients",
            remedy="give one of them",
        )
    for variable, known in known_grads.items():
        given = ops.cast(known, variable.dtype)
        if given.ndim != variable.ndim:
            refuse(
                ShapeError,
                f"grad: a known gradient of {given.ndim} dimensions",
                variable,
                remedy="a gradient has the shape of its variable",
            )
        seeds[variable.node] = given
    return seeds


def _backward(
    seeds: Mapping[Node, Variable], targets: set[Node], constants: set[Node]
) -> dict[Node, Variable]:
    """The cotangent of every node between the targets and the seeds.

    A cotangent that a seed gives stands; others are the sum of what the users send.
    """
    order = toposort(seeds)
    active: set[Node] = set()
    for node in order:
        reaches = node in targets or any(i in active for i in node.inputs)
        if reaches and is_float(node.type.dtype) and node not in constants:
            active.add(node)
    cotangents = dict(seeds)
    for node in reversed(order):
        g = cotangents.get(node)
        if g is None or node not in active:
            continue
        wanted = [i in active for i in node.inputs]
        if not any(wanted):
            continue
        for source, sent in zip(node.inputs, _pullback(node, g), strict=True):
            if sent is None or source not in active or source in seeds:
                continue
            sent = _fitted(sent, node, Variable(source))
            earlier = cotangents.get(source)
            cotangents[source] = sent if earlier is None else ops.add(earlier, sent)
    return cotangents


def _pullback(node: Node, g: Variable) -> tuple[Variable | None, ...]:
    """The cotangents that `node` sends to its inputs."""
    if node.op.vjp is None:
        refuse(
            NotDifferentiableError,
            f"grad: {node.op.name} has no gradient",
            *(Variable(i) for i in node.inputs),
            site=node.site,
            remedy="put sg.stop_gradient around its operands, or rewrite it",
        )
    return node.op.vjp(g, Variable(node), *(Variable(i) for i in node.inputs))


def _fitted(sent: Variable, node: Node, source: Variable) -> Variable:
    """A cotangent in the shape and dtype of the operand that it is for."""
    if isinstance(node.op, Elemwise):
        sent = ops.sum_to(sent, source)
    assert sent.ndim == source.ndim, f"{node.op.name}.vjp gave {sent} for {source}"
    return ops.cast(sent, source.dtype)


def _connected(
    variable: Variable, found: Variable | None, disconnected: Disconnected
) -> Variable:
    """The gradient found, or zeros where that is asked for."""
    if found is not None:
        return found
    if disconnected not in ("raise", "warn", "ignore"):
        refuse(
            ArgumentError,
            f"grad: disconnected_inputs cannot be {disconnected!r}",
            remedy="it is 'raise', 'warn' or 'ignore'",
        )
    what = "grad: the cost does not depend on this variable, or only through integers"
    if disconnected == "raise":
        refuse(
            DisconnectedInputError,
            what,
            variable,
            remedy='leave it out, or disconnected_inputs="ignore" for zeros',
        )
    if disconnected == "warn":
        warnings.warn(f"{what}: {as_tensor(variable)!r}", stacklevel=3)
    return ops.zeros_like(variable)
