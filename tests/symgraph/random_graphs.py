"""Random graphs with values for their inputs, as a hypothesis strategy.

Graphs grow by one expression at a time, whose value is computed at once.  So they stay
within what can be compared: nothing overflows, and comparisons are never decided by
rounding.  Sizes of 1 are declared or not, and meet others either way.
"""

from __future__ import annotations

from hypothesis import strategies as st

from .grower import Draw, Grower, RandomGraph
from .random_rules import RULES


@st.composite
def random_graphs(draw: Draw, most_nodes: int = 40) -> RandomGraph:
    """Graphs of up to `most_nodes` expressions, with gradients among the outputs."""
    grower = Grower(draw)
    for _ in range(draw(st.integers(1, 4))):
        grower.declare()
    for _ in range(draw(st.integers(1, most_nodes))):
        rule = draw(st.sampled_from(RULES))
        grower.add(rule(grower), rule.__name__)
    return grower.finish()


__all__ = ["RandomGraph", "random_graphs"]
