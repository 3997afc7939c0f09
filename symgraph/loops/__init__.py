"""Loops and branches that run inside the compiled function.

Bottom up: `loop` (the op), its `gradient` and `batching`, `branch` (one of two graphs),
`scan` and what is built of it.
"""

from .branch import IfElse, ifelse
from .control import foldl, foldr, map, reduce, while_loop
from .loop import Loop
from .scan import scan
from .taps import until

__all__ = [
    "IfElse",
    "Loop",
    "foldl",
    "foldr",
    "ifelse",
    "map",
    "reduce",
    "scan",
    "until",
    "while_loop",
]
