"""What calls of a function show: of each step its time, of each node its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .evaluate import evaluate
from .graph import Node
from .leaf import Constant
from .op import Array
from .samples import Samples, fitting

if TYPE_CHECKING:
    from .function import Function
    from .inspect.profile import Run
    from .timing import Given

#: How many calls are measured.
CALLS = 20


@dataclass(frozen=True, slots=True)
class Measured:
    """What calls took, and the `statistics` of each node's values in one of them."""

    run: Run
    values: Mapping[Node, dict[str, Any]]


def measured(
    function: Function,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    calls: int = CALLS,
) -> Measured:
    """`calls` calls with these arguments, and the values in one of them.

    Shared variables keep their values.  The values are those of the graph as written
    and as it is compiled, evaluated node by node: for a loop of many rounds that takes
    far longer than a call.

    Raises:
        ArgumentError: `calls` is less than 1.
        SymgraphError, and others: what such a call raises.
    """
    profiler = function.profile
    run = profiler.calls(calls, *args, **kwargs).run
    assert run is not None
    return Measured(run, _values(function, profiler.arguments(args, kwargs)))


def measured_with(
    function: Function, sizes: Mapping[str, int] | None, given: Given | None
) -> Measured:
    """`measured`, with arguments as `timing.timed` has them.

    Raises:
        NotFoundError: there is no such size.
        SymgraphError: what the call raises.
    """
    if given is not None:
        return measured(function, *given)
    samples = Samples(function.compilation, function.parameters, sizes or {})
    return fitting(samples, lambda arguments: measured(function, arguments, {}))


def _values(function: Function, arrays: Sequence[Array]) -> dict[Node, dict[str, Any]]:
    written, (rewritten, _) = function.compilation.request, function.compilation.traced
    given = dict(zip(written.inputs, arrays, strict=True))
    found: dict[Node, dict[str, Any]] = {}

    def watch(node: Node, value: Array) -> None:
        if not isinstance(node.op, Constant):
            found[node] = statistics(value)

    evaluate((*written.roots, *rewritten.roots), given, watch)
    return found


def statistics(value: Array) -> dict[str, Any]:
    """The least, largest and mean of what is finite, and how many are not.

    Of complex numbers it is their magnitudes.  Numbers are Python's, and all finite.

    >>> statistics(np.array([1.0, np.nan, 3.0]))
    {'min': 1.0, 'max': 3.0, 'mean': 2.0, 'nan': 1, 'inf': 0}
    >>> statistics(np.empty((0, 2)))
    {'nan': 0, 'inf': 0}
    """
    if value.dtype.kind == "c":
        value = np.abs(value)
    finite, counts = value, {"nan": 0, "inf": 0}
    if value.dtype.kind == "f":
        finite = value[np.isfinite(value)]
        counts["nan"] = int(np.isnan(value).sum())
        counts["inf"] = int(value.size - finite.size - counts["nan"])
    if not finite.size:
        return counts
    low, high = finite.min().item(), finite.max().item()
    # As parts of the largest, whose sum is not too large for a float.
    scale = max(abs(float(low)), abs(float(high)), 1.0)
    mean = float(np.mean(finite / scale, dtype=np.float64)) * scale
    return {"min": low, "max": high, "mean": mean} | counts


__all__ = ["Measured", "measured", "measured_with", "statistics"]
