"""Chunks of a loop whose gradient is to keep so many bytes.

Where n rounds keep b bytes each, and what is carried between them has c bytes, chunks
of k rounds keep ``c n / k + 2 b k`` of them: what is carried into each chunk, the
rounds of one, and those of the rest, which is no whole chunk.  Half of what is allowed
goes to either term; that is enough exactly where the least of their sum is,
``2 sqrt(2 b c n)``.  Chunks in chunks, L times, keep L + 1 terms, and again as much for
the rests; each gets the same share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..errors import ArgumentError, refuse
from ..graph import Node, toposort
from ..ops.sizes import as_value, dim_of, total
from ..types import TensorType
from ..variable import Variable
from .chunks import Chunks
from .gradient import kept_by
from .loop import Loop

#: Chunks in chunks, so often at the most: each computes the rounds once more.
LEVELS = 3
#: Steps of Newton's method for a root, from above: enough for roots up to a million.
_STEPS = 14


def planned(loop: Loop, inputs: Sequence[Variable], budget: int) -> Chunks:
    """The chunks within `budget` bytes; none where all may be kept.

    Where not all sizes are known, chunks are of one size, found when the function is
    called: the one within the budget, or else the one that keeps least.

    Raises:
        ArgumentError: sizes are known, and no chunks keep so little.
    """
    kept = kept_by(loop, inputs)
    if not kept:
        return Chunks()
    given = loop.sorted([v.node for v in inputs])
    known = toposort([v.node for v in inputs])
    count = dim_of(given.first)
    n: Any = count if isinstance(count, int) else Variable(given.first)
    b = _bytes((node.type for node in kept), known)
    c = _bytes((node.type for node in given.carried), known)
    if isinstance(n, int) and isinstance(b, int) and isinstance(c, int):
        return Chunks(_exactly(n, b, c, budget, loop.label))
    return _at_entry(n, b, c, budget)


def _bytes(kinds: Iterable[TensorType], known: Sequence[Node]) -> Any:
    """The bytes of arrays of these types in all: an int, or an integer scalar."""
    added: Any = 0
    for kind in kinds:
        sizes = [as_value(size, known) for size in kind.dims]
        added = added + np.dtype(kind.dtype).itemsize * total(sizes)
    return added


def _exactly(n: int, b: int, c: int, budget: int, label: str) -> tuple[int, ...]:
    """The sizes of chunks of a loop of which all is known."""
    if n * b <= budget:
        return ()
    least = n * b
    for levels in range(1, LEVELS + 1):
        share = budget // (2 * (levels + 1))
        rounds, chunks = share // b, share // max(c, 1)
        if chunks > 1 and rounds * chunks**levels >= n:
            return tuple(rounds * chunks**k for k in reversed(range(levels)))
        least = min(least, _least(n, b, c, levels))
    refuse(
        ArgumentError,
        f"{label}: no gradient of {n} rounds keeps as little as max_memory={budget}: "
        f"a round keeps {b} bytes for it, and {c} are carried",
        remedy=f"allow about {least} bytes, or carry less",
    )


def _least(n: int, b: int, c: int, levels: int) -> int:
    """What chunks in chunks keep at the least, but for rounding."""
    share = (float(n) * b * float(c) ** levels) ** (1 / (levels + 1))
    return int(2 * (levels + 1) * share)


def _at_entry(n: Any, b: Any, c: Any, budget: int) -> Chunks:
    """Chunks whose size is computed from what a call is given."""
    twice = ops.maximum(2 * b, 1)
    size = ops.maximum(budget // (2 * twice), _root(n * c // twice))
    all_fit = ops.minimum(ops.maximum(budget - n * b + 1, 0), 1)
    some = 1 - all_fit
    return Chunks((ops.maximum(ops.minimum(size, n) * some, 1),), some)


def _root(x: Any) -> Variable:
    """About the square root of an integer, by arithmetic that sizes may be made of."""
    root: Variable = x // 1024 + 1024  # no smaller than the root, whatever x is
    for _ in range(_STEPS):
        root = (root + x // ops.maximum(root, 1)) // 2
    return root


__all__ = ["planned"]
