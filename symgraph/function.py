"""``sg.function``: from variables to a callable."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .arguments import REQUIRED, Parameter, convert
from .callable import Function, Spec
from .cuts import without_cuts
from .device import as_on_host, chosen
from .errors import ArgumentError, MissingInputError, UnusedInputError, message, refuse
from .graph import Node, describe_node, toposort
from .leaf import Input, Shared
from .lengths import whole_lengths
from .mode import Mode, as_mode
from .shared import fit
from .tree import Structure, flatten
from .updates import Updates, pairs_of, updated
from .variable import Variable, as_tensor, substitute


@dataclass(frozen=True, eq=False)
class In:
    """An input with options.

    Attributes:
        variable: the input.
        value: a default, used where the call gives none; None for no default.
        name: by which calls name it, where this is not the variable's name.
        mutable, borrow: accepted for compatibility; inputs are never written.
    """

    variable: Variable
    value: Any = None
    name: str | None = None
    mutable: bool = False
    borrow: bool = False


def function(
    inputs: Sequence[Variable | In],
    outputs: Any = None,
    updates: Updates | None = None,
    givens: Updates | None = None,
    name: str | None = None,
    on_unused_input: str = "raise",
    allow_input_downcast: bool | None = None,
    mode: str | Mode | None = None,
    device: str | None = None,
    on_host: bool | str | Iterable[str] | None = None,
) -> Function:
    """Compile `outputs` as a function of `inputs`.

    Args:
        inputs: input variables, or :class:`In` for options.
        outputs: a variable, or lists, tuples and dicts of variables; results come back
            in the same structure.  None: the function only updates.
        updates: new values of shared variables, set together when a call has succeeded.
            A variable that is read and not named here takes its `default_update`.
        givens: variables to replace by others in the graph.
        name: for messages and dumps.
        on_unused_input: "raise", "warn" or "ignore".
        allow_input_downcast: convert arguments even where that can lose information.
        mode: "fast" (the default), "interpret" (each op's NumPy reference), "debug"
            (both, compared at every step) or a :class:`Mode`.
        device: "cpu", or "cuda" for an NVIDIA GPU, where the function takes and returns
            :class:`DeviceArray`; None for that of the block ``with sg.device(...)``
            around the call, else "cpu".
        on_host: with ``device="cuda"``, which functions of yours (those of
            :func:`from_numpy_function` and :func:`from_numba_function`) run on the host
            all the same, by name, or True for all: each time their operands are copied
            there, for which the GPU is waited for, and the results back.  None: they
            are refused.

    Raises:
        MissingInputError: an output depends on a variable that is not an input.
        UnusedInputError: an input plays no part.
        UnsupportedError: no such mode or device; with ``device="cuda"``, no GPU can be
            used, or the graph holds functions of the host that `on_host` does not name.
        ArgumentError: `on_host` is neither a bool nor names.

    >>> import symgraph as sg
    >>> x = sg.dvector("x")
    >>> f = sg.function([x], (x * x).sum())
    >>> f([1.0, 2.0, 3.0])
    np.float64(14.0)
    """
    _check_inputs(inputs)
    label = str(name or "function")
    parameters = tuple(
        _parameter(given, number, allow_input_downcast, label)
        for number, given in enumerate(inputs)
    )
    leaves, structure = _flatten_outputs(outputs)
    replaced = {
        old.node: fit(new, old, "givens").node
        for old, new in pairs_of(givens, "givens")
    }
    results = substitute([v.node for v in leaves], replaced)
    changed = updated(updates, results, replaced)
    shared = _check_leaves(parameters, results, changed, on_unused_input)
    count = len(results)
    settled = whole_lengths([*results, *(value for _, value in changed)])
    changed = tuple(
        (leaf, value) for (leaf, _), value in zip(changed, settled[count:], strict=True)
    )
    whole, cuts = without_cuts(settled[:count])
    return Function(
        Spec(
            parameters,
            shared,
            whole,
            changed,
            structure,
            label,
            as_mode(mode),
            cuts,
            chosen(device),
            as_on_host(on_host),
        )
    )


def _check_inputs(inputs: object) -> None:
    if isinstance(inputs, Variable | In | None):
        refuse(
            ArgumentError,
            f"inputs are a list of variables, not {inputs!r}",
            remedy="put it in a list: sg.function([x], ...)",
        )


def _parameter(
    given: Variable | In, number: int, downcast: bool | None, what: str
) -> Parameter:
    option = given if isinstance(given, In) else In(given)
    variable = option.variable
    if not isinstance(variable, Variable) or not isinstance(variable.node.op, Input):
        refuse(
            ArgumentError,
            f"input {number} of a function must be a declared variable, not "
            f"{variable!r}",
            remedy="declare it with sg.tensor, sg.vector, ...; shared variables are no "
            "inputs; to replace an expression, use givens",
        )
    name = option.name or variable.name or variable.node.op.label
    made = Parameter(variable.node, name, REQUIRED, downcast)
    if option.value is None:
        return made
    # Now, so that a wrong default is not found by the first call that needs it.
    default = np.array(convert(option.value, made, number, what))
    return replace(made, default=default)


def _flatten_outputs(outputs: Any) -> tuple[list[Variable], Structure]:
    def is_leaf(value: object) -> bool:
        return isinstance(value, Variable | np.ndarray | np.generic | int | float)

    leaves, structure = flatten(outputs, is_leaf)
    return [as_tensor(leaf) for leaf in leaves], structure


def _check_leaves(
    parameters: Sequence[Parameter],
    results: Sequence[Node],
    updates: Sequence[tuple[Node, Node]],
    on_unused: str,
) -> tuple[Node, ...]:
    """Check that inputs and graph fit together; returns the shared leaves."""
    if on_unused not in ("raise", "warn", "ignore"):
        refuse(
            ArgumentError,
            f"on_unused_input cannot be {on_unused!r}",
            remedy="it is 'raise', 'warn' or 'ignore'",
        )
    inputs = [p.node for p in parameters]
    if len(set(inputs)) != len(inputs):
        twice = next(p for p in parameters if inputs.count(p.node) > 1)
        refuse(
            ArgumentError,
            "an input is listed twice",
            f"<{twice.name or '_'}: {twice.node.type}>",
            remedy="list each input once; for two arguments, declare two variables",
        )
    nodes = toposort([*results, *(value for _, value in updates)])
    known = set(inputs)
    for node in nodes:
        if isinstance(node.op, Input) and node not in known:
            label = node.op.label or "an unnamed input"
            refuse(
                MissingInputError,
                f"the outputs depend on {label}, which is not among the inputs",
                describe_node(node),
                site=node.site,
                remedy="add it to inputs, or replace it with givens",
            )
    used = set(nodes)
    for parameter in parameters:
        if parameter.node not in used:
            _unused(parameter, on_unused)
    shared = [n for n in nodes if isinstance(n.op, Shared)]
    shared += [t for t, _ in updates if t not in used]
    return tuple(dict.fromkeys(shared))


def _unused(parameter: Parameter, policy: str) -> None:
    what = f"input {parameter.name or '_'} plays no part in the outputs"
    shown = f"<{parameter.name or '_'}: {parameter.node.type}>"
    remedy = "remove it, or pass on_unused_input='ignore'"
    if policy == "raise":
        refuse(UnusedInputError, what, shown, remedy=remedy)
    if policy == "warn":
        warnings.warn(message(what, operands=(shown,), remedy=remedy), stacklevel=4)


__all__ = ["Function", "In", "Mode", "Spec", "function"]
