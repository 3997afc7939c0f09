"""Loops and branches that run inside the compiled function.

Bottom up: `loop` (the op), its `gradient` and `batching`, `branch` (one of two graphs),
`scan` and what is built of it.
"""

from .control import foldl, foldr, map, reduce, while_loop
from .loop import Loop
from .scan import scan
from .taps import until

__all__ = ["Loop", "foldl", "foldr", "map", "reduce", "scan", "until", "while_loop"]
