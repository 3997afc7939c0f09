"""What the modes share: targets and their structure, choices, errors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NoReturn

from .. import ops
from ..errors import (
    ArgumentError,
    DisconnectedInputError,
    DTypeError,
    NotDifferentiableError,
    ShapeError,
    refuse,
)
from ..graph import Node
from ..types import is_differentiable
from ..variable import Variable, as_tensor

Disconnected = Literal["raise", "warn", "ignore"]


def targets_in(wrt: Any, what: str) -> list[Variable]:
    """The variables in `wrt` (one, or a list, tuple or dict of them), in order.

    Raises:
        DTypeError: one of a type that takes no small steps.
    """
    targets = listed(wrt)
    for target in targets:
        if not isinstance(target, Variable):
            refuse(
                ArgumentError,
                f"{what}: cannot differentiate with respect to {target!r}",
                remedy="give a variable, or a list, tuple or dict of variables",
            )
        if not is_differentiable(target.dtype):
            refuse(
                DTypeError,
                f"{what}: with respect to {target.dtype}, which takes no small steps",
                target,
                remedy="declare the variable with a float dtype",
            )
    return targets


def listed(given: Any) -> list[Any]:
    """The items of a list, tuple or dict, or the one item."""
    if isinstance(given, Mapping):
        return list(given.values())
    if isinstance(given, tuple | list):
        return list(given)
    return [given]


def structured(like: Any, items: Sequence[Any]) -> Any:
    """`items` in the structure in which :func:`listed` found as many."""
    if isinstance(like, Mapping):
        return dict(zip(like, items, strict=True))
    if isinstance(like, tuple | list):
        return tuple(items) if isinstance(like, tuple) else list(items)
    return items[0]


def paired(like: Any, given: Any, what: str, kind: str) -> list[Variable]:
    """A cotangent or tangent (`kind`) for each variable in `like`, in its dtype.

    For one variable it is given as it is, else in a list, tuple or dict.

    Raises:
        ShapeError: as many are not given, or one is not of its variable's shape.
    """
    variables = [as_tensor(v) for v in listed(like)]
    values = listed(given) if isinstance(like, Mapping | tuple | list) else [given]
    if len(values) != len(variables):
        refuse(
            ShapeError,
            f"{what}: {len(values)} {kind}s for {len(variables)} variables",
            *variables,
            remedy="give one for each",
        )
    return [
        shaped(variable, value, what, kind)
        for variable, value in zip(variables, values, strict=True)
    ]


def shaped(variable: Variable, value: object, what: str, kind: str) -> Variable:
    """`value` as a cotangent or tangent (`kind`) of `variable`, in its dtype."""
    made = ops.cast(value, variable.dtype)
    sizes = zip(made.type.dims, variable.type.dims, strict=False)
    if made.ndim != variable.ndim or any(
        isinstance(a, int) and isinstance(b, int) and a != b for a, b in sizes
    ):
        refuse(
            ShapeError,
            f"{what}: a {kind} of shape {made.type}",
            variable,
            remedy=f"a {kind} has the shape of its variable",
        )
    return made


def connected(
    variable: Variable,
    found: Variable | None,
    disconnected: Disconnected,
    what: str,
    option: str = "disconnected_inputs",
) -> Variable:
    """What was found for `variable`, or zeros where that is asked for.

    Raises:
        DisconnectedInputError: nothing was found, and zeros are not asked for.
    """
    if found is not None:
        return found
    if disconnected not in ("raise", "warn", "ignore"):
        refuse(
            ArgumentError,
            f"grad: {option} cannot be {disconnected!r}",
            remedy="it is 'raise', 'warn' or 'ignore'",
        )
    if disconnected == "raise":
        refuse(
            DisconnectedInputError,
            what,
            variable,
            remedy=f'leave it out, or {option}="ignore" for zeros',
        )
    if disconnected == "warn":
        warnings.warn(f"{what}: {as_tensor(variable)!r}", stacklevel=3)
    return ops.zeros_like(variable)


def refuse_op(node: Node, what: str) -> NoReturn:
    """Say that the op of `node` lacks a derivative."""
    refuse(
        NotDifferentiableError,
        what,
        *(Variable(i) for i in node.inputs),
        site=node.site,
        remedy="put sg.stop_gradient around its operands, or rewrite it",
    )
