"""Loops and branches that run inside the compiled function.

Bottom up: `loop` (the op), its `gradient` and `batching`, `branch` (one of two graphs),
`scan` and what is built of it.
"""

from .loop import Loop

__all__ = ["Loop"]
