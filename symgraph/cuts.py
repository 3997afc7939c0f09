"""Outputs whose length is computed: made whole, and cut when a call returns.

How many rounds a loop made that ends by a condition is known when it has run.  Native
code needs all sizes before; so a function computes ``x[:n]`` as `x` and `n`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .dims import at_entry
from .graph import Node
from .ops.sizes import dim_of
from .ops.slices import Slice


@dataclass(frozen=True, slots=True)
class Cuts:
    """Which outputs are cut: their places, and those of their lengths.

    Lengths stand behind the `count` outputs that are asked for.
    """

    places: tuple[tuple[int, int], ...] = ()
    count: int = 0

    def __bool__(self) -> bool:
        return bool(self.places)

    def applied(self, results: Sequence[Any]) -> Sequence[Any]:
        """The outputs that were asked for."""
        if not self.places:
            return results
        made = list(results[: self.count])
        for place, length in self.places:
            stop = int(results[length])
            whole = made[place]
            on_host = isinstance(whole, np.ndarray)
            made[place] = np.array(whole[:stop]) if on_host else whole.head(stop)
        return made


#: For a function whose outputs are all whole.
WHOLE = Cuts()


def without_cuts(outputs: Sequence[Node]) -> tuple[tuple[Node, ...], Cuts]:
    """What to compute for `outputs`, and how to cut it."""
    whole, places = list(outputs), []
    lengths: dict[Node, int] = {}
    for place, node in enumerate(outputs):
        if not _is_cut(node):
            continue
        source, stop = node.inputs
        whole[place] = source
        length = lengths.setdefault(stop, len(outputs) + len(lengths))
        places.append((place, length))
    return (*whole, *lengths), Cuts(tuple(places), len(outputs))


def _is_cut(node: Node) -> bool:
    """Whether `node` is ``x[:n]`` with an n that is computed."""
    op = node.op
    if not isinstance(op, Slice) or (op.axis, op.step) != (0, 1):
        return False
    ends = (op.has_start, op.has_stop) == (False, True)
    return ends and not at_entry(dim_of(node.inputs[1]))


__all__ = ["WHOLE", "Cuts", "without_cuts"]
