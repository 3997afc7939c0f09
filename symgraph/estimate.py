"""``Function.cost``: what a call would cost, from the shapes of its arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .arguments import Parameter, accept, gather
from .codegen.cost import read_scalars
from .compiler import Compilation
from .device_array import as_device_array
from .errors import ArgumentError, DTypeError, ShapeError, refuse
from .inspect.cost import Cost, cost_of
from .lower import Lowered
from .op import Array
from .variable import Variable
from .versions import check_guards, stretches


def estimate(
    compilation: Compilation,
    parameters: Sequence[Parameter],
    shared: Sequence[Array],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Cost:
    """The cost of the call that would be made, of the version that it would take.

    Raises:
        SymgraphError, OverflowError: what the call itself would raise before it runs,
            but for what depends on the elements of its arguments.
        ArgumentError: only the shape is given of a scalar whose value is a size.
    """
    name = compilation.name
    if parameters and not (args or kwargs):
        return cost_of(compilation.lowered, None)
    values = gather(parameters, args, kwargs, name)
    given = [
        _given(value, parameter, number, name)
        for number, (value, parameter) in enumerate(
            zip(values, parameters, strict=True)
        )
    ]
    _check_values(compilation.lowered, parameters, values, name)
    arrays = [*given, *(_sized(a.shape, a.dtype) if a.ndim else a for a in shared)]
    if stretches(compilation, arrays):
        compilation = compilation.generic()
    return cost_of(compilation.lowered, check_guards(compilation, arrays))


def _given(value: Any, parameter: Parameter, number: int, what: str) -> Array:
    """An argument's shape, in an array without memory; the value of a scalar."""
    there = as_device_array(value, f"{what}: {parameter.describe(number)}")
    if there is not None:
        value = there.outline()
    if _is_shape(value):
        value = _stand_in(value, parameter, number, what)
    array = accept(value, parameter, number, what)
    dtype = np.dtype(parameter.node.type.dtype)
    return _sized(array.shape, dtype) if array.ndim else array.astype(dtype)


def _is_shape(value: Any) -> bool:
    """Whether `value` has a shape and nothing in it."""
    held = isinstance(value, Variable) or hasattr(value, "__array__")
    return not held and hasattr(value, "shape")


def _sized(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array that takes no memory, however large."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def _stand_in(value: Any, parameter: Parameter, number: int, what: str) -> Array:
    """An array of the shape, and of the dtype if it has one, of `value`."""
    described = f"{what}: {parameter.describe(number)}"
    try:
        dtype = np.dtype(getattr(value, "dtype", parameter.node.type.dtype))
    except TypeError:
        refuse(
            DTypeError,
            f"{described} has the unknown dtype {value.dtype!r}",
            remedy="give a NumPy dtype, or leave it out",
        )
    try:
        return _sized(tuple(value.shape), dtype)
    except (TypeError, ValueError):
        refuse(
            ShapeError,
            f"{described} has the shape {value.shape!r}, which is none of an array",
            remedy="give as many whole numbers as there are dimensions",
        )


def _check_values(
    lowered: Lowered,
    parameters: Sequence[Parameter],
    values: Sequence[Any],
    what: str,
) -> None:
    """Refuse a shape where the size of something follows from the value."""
    needed = {lowered.nodes[a] for a in read_scalars(lowered.program).values()}
    for number, (parameter, value) in enumerate(zip(parameters, values, strict=True)):
        if parameter.node in needed and _is_shape(value):
            refuse(
                ArgumentError,
                f"{what}: {parameter.describe(number)} is a size, of which only the "
                "shape is given",
                remedy="give its value: a whole number",
            )


__all__ = ["estimate"]
