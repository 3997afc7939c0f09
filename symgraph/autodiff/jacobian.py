"""Jacobians and Hessians: a basis pushed or pulled through the graph, all at once.

The rows of an identity matrix, in the shape of the outputs (reverse mode) or of the
variables (forward mode), are a batch of cotangents or tangents; `symgraph.vectorize`
takes the whole batch through, so that no size needs to be known and nothing loops.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from .. import dims, ops
from ..composite import parameter
from ..errors import ArgumentError, DTypeError, refuse
from ..ops.view import move_axes
from ..types import is_differentiable, is_float
from ..variable import Variable, as_tensor
from ..vectorize import batch
from .common import (
    Disconnected,
    connected,
    paired,
    structured,
    targets_in,
)
from .forward import stable_pushforward
from .reverse import grad, stable_pullback

Mode = Literal["forward", "reverse"]

_APART = "jacobian: the expression does not depend on this variable, or only through "
_APART += "integers"


def jacobian(
    expression: Any,
    wrt: Any,
    mode: Mode | None = None,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: Disconnected = "raise",
) -> Any:
    """All partial derivatives of the elements of `expression`.

    Args:
        expression: an expression of any shape, of a float type.
        wrt: a variable, or a list, tuple or dict of variables.
        mode: "forward" (one column of the Jacobian for each element of a variable) or
            "reverse" (one row for each element of the expression).  Without it forward
            where the variable is known to have fewer elements, else reverse.
        consider_constant: variables through which no gradient passes.
        disconnected_inputs: as for :func:`~symgraph.grad`.

    With respect to complex variables the expression is either real, and the result
    ``df/dx - i df/dy`` (reverse mode), or it must be holomorphic, which is not checked.

    Returns:
        In the structure of `wrt`, arrays of the shape of `expression` followed by that
        of the variable, in the expression's dtype in forward mode and in the
        variable's in reverse mode.

    >>> import symgraph as sg
    >>> x = sg.dvector("x")
    >>> jacobian(x[1:] * x[:-1], x).eval({x: [1.0, 2.0, 3.0]})
    array([[2., 1., 0.],
           [0., 3., 2.]])
    """
    targets = targets_in(wrt, "jacobian")
    y = as_tensor(expression)
    if not is_differentiable(y.dtype):
        refuse(DTypeError, "jacobian: not of a float type", y, remedy="cast it")
    constants = [v.node for v in consider_constant or ()]
    chosen = [_mode(mode, y, x) for x in targets]
    back = [x for x, how in zip(targets, chosen, strict=True) if how == "reverse"]
    rows = iter(_by_rows(y, back, constants))
    found = [
        next(rows) if how == "reverse" else _by_columns(y, x, constants)
        for x, how in zip(targets, chosen, strict=True)
    ]
    return structured(
        wrt,
        [
            _connected(y, x, made, disconnected_inputs)
            for x, made in zip(targets, found, strict=True)
        ],
    )


def _mode(asked: Mode | None, y: Variable, x: Variable) -> Mode:
    """The mode asked for, where it exists, or the cheaper one."""
    if asked not in (None, "forward", "reverse"):
        refuse(
            ArgumentError,
            f"jacobian: mode cannot be {asked!r}",
            remedy="it is 'forward', 'reverse' or None",
        )
    mode = asked or _cheaper(y, x)
    if mode == "forward" and not is_float(x.dtype) and is_float(y.dtype):
        refuse(
            DTypeError,
            "jacobian: of a real expression in a complex variable, forward",
            x,
            remedy='use mode="reverse"',
        )
    return mode


def _cheaper(y: Variable, x: Variable) -> Mode:
    """Forward where `x` is known to have fewer elements than `y`."""
    count, more = dims.product(x.type.dims), dims.product(y.type.dims)
    known = isinstance(count, int) and isinstance(more, int)
    if is_float(x.dtype) and known and count < more:  # type: ignore[operator]
        return "forward"
    return "reverse"


def _connected(
    y: Variable, x: Variable, made: Variable | None, disconnected: Disconnected
) -> Variable:
    if made is not None:
        return made
    connected(x, None, disconnected, _APART)
    return ops.zeros((*y.shape, *x.shape), x.dtype)


def basis(x: Variable) -> Variable:
    """All arrays of the shape of `x` with one 1 among zeros, on a new first axis."""
    count = x.size
    made = ops.eye(count, dtype=x.dtype)
    return ops.reshape(made, (count, *x.shape))


def _by_rows(
    y: Variable, targets: list[Variable], constants: list[Any]
) -> list[Variable | None]:
    """Jacobians by pulling a basis of cotangents back, one walk for all `targets`."""
    g = parameter(y)
    sent = stable_pullback([y], [x.node for x in targets], [g], set(constants))
    there = [v for v in sent if v is not None]
    rows = iter(batch(there, {g.node: basis(y)}))
    made: list[Variable | None] = []
    for x, one in zip(targets, sent, strict=True):
        if one is None:
            made.append(None)
            continue
        row = next(rows)
        if row.ndim == x.ndim:  # zero whatever the cotangent
            row = ops.broadcast_to(row, (y.size, *x.shape))
        made.append(ops.reshape(row, (*y.shape, *x.shape)))
    return made


def _by_columns(y: Variable, x: Variable, constants: list[Any]) -> Variable | None:
    """A Jacobian by pushing a basis of tangents forward."""
    t = parameter(x)
    (made,) = stable_pushforward([y.node], [(x.node, t)], constants)
    if made is None:
        return None
    (columns,) = batch([made], {t.node: basis(x)})
    if columns.ndim == y.ndim:
        columns = ops.broadcast_to(columns, (x.size, *y.shape))
    last = move_axes(columns, (0,), (y.ndim,))
    return ops.reshape(last, (*y.shape, *x.shape))


def hessian(
    cost: Variable,
    wrt: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: Disconnected = "raise",
) -> Any:
    """The second derivatives of a scalar: forward mode over reverse mode.

    Returns:
        In the structure of `wrt`, for each variable an array of its shape twice over.
        Of several variables these are the blocks on the diagonal; for another block
        take ``jacobian(grad(cost, x), y)``.

    Raises:
        DTypeError: a variable is complex: its gradient is not holomorphic.

    >>> import symgraph as sg
    >>> x = sg.dvector("x")
    >>> hessian(sg.prod(x), x).eval({x: [2.0, 3.0]})
    array([[0., 1.],
           [1., 0.]])
    """
    constants = list(consider_constant or ())
    targets = targets_in(wrt, "hessian")
    for x in targets:
        if not is_float(x.dtype):
            refuse(
                DTypeError,
                "hessian: with respect to a complex variable",
                x,
                remedy="make it of two real ones, or use hessian_vector_product",
            )
    slopes = grad(cost, targets, None, constants, disconnected_inputs)
    return structured(
        wrt,
        [
            jacobian(slope, x, "forward", constants, "ignore")
            for slope, x in zip(slopes, targets, strict=True)
        ],
    )


def hessian_vector_product(
    cost: Variable,
    wrt: Any,
    p: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: Disconnected = "raise",
) -> Any:
    """The Hessian of a scalar times vectors, without building it.

    Args:
        cost: a float scalar.
        wrt: a variable, or a list, tuple or dict of variables.
        p: one array for each variable, in its shape.
        consider_constant: variables through which no gradient passes.
        disconnected_inputs: as for :func:`~symgraph.grad`.

    Returns:
        In the structure of `wrt`, arrays of the variables' shapes; blocks off the
        diagonal take part.

    >>> import symgraph as sg
    >>> x, p = sg.dvectors("x p")
    >>> hessian_vector_product(sg.sum(x**3), x, p).eval({x: [1.0, 2.0], p: [1.0, 1.0]})
    array([ 6., 12.])
    """
    targets = targets_in(wrt, "hessian_vector_product")
    constants = list(consider_constant or ())
    slopes = grad(cost, targets, None, constants, disconnected_inputs)
    vectors = paired(wrt, p, "hessian_vector_product", "vector")
    seeds = list(zip((x.node for x in targets), vectors, strict=True))
    fixed = [v.node for v in constants]
    made = stable_pushforward([s.node for s in slopes], seeds, fixed)
    return structured(
        wrt,
        [
            ops.zeros_like(x) if t is None else t
            for x, t in zip(targets, made, strict=True)
        ],
    )


__all__ = ["basis", "hessian", "hessian_vector_product", "jacobian"]
