"""From a rewritten graph to a Program of loop kernels and library calls."""

from .at import At
from .program import Emitter, Failure, Lowered, Request, lower
from .sizes import check_sizes
from .watch import Watch

__all__ = [
    "At",
    "Emitter",
    "Failure",
    "Lowered",
    "Request",
    "Watch",
    "check_sizes",
    "lower",
]
