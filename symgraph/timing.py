"""A function timed with arguments that are given, or made from the inputs' types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .function import Function
from .inspect.profile import Profile
from .samples import Samples, fitting

if TYPE_CHECKING:
    from .inspect.roofline import Roofline

#: What `target.examples` finds: arguments by position and by name.
Given = tuple[tuple[Any, ...], Mapping[str, Any]]


def timed(
    function: Function,
    calls: int,
    sizes: Mapping[str, int] | None = None,
    given: Given | None = None,
    roofline: Roofline | None = None,
) -> Profile:
    """The profile of `calls` calls.

    Arguments are `given`, or random ones with these `sizes`: floats in [0, 1), and
    integers that are not out of bounds where they are places in an array.

    Raises:
        NotFoundError: there is no such size.
        SymgraphError: what the call raises.
    """
    profiler = function.profile
    if given is not None:
        args, kwargs = given
        return profiler.calls(calls, *args, roofline=roofline, **kwargs)
    samples = Samples(function.compilation, function.parameters, sizes or {})
    return fitting(samples, lambda a: profiler.calls(calls, *a, roofline=roofline))


__all__ = ["timed"]
