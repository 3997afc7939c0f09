"""No two threads at one cell, none outside of its array: checked for given sizes.

A kernel is run by all threads of a launch at once (see `lockstep`), as a `Spread` deals
its loops out, and every read and write is entered in ledgers of who touched what.  For
the sizes given that is a proof: every access of every thread is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import CodegenError
from ..ir import Kernel
from .cells import Place, lay_out
from .geometry import known_values
from .lockstep import Fault, Lockstep
from .spread import Spread

__all__ = ["AccessError", "Fault", "Place", "check_launch", "find_faults"]


class AccessError(CodegenError):
    """Threads race for a cell, or an access leaves its array: `faults` says which."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


def find_faults(
    kernel: Kernel,
    spread: Spread,
    sizes: Mapping[str, int],
    arrays: Mapping[str, np.ndarray] | None = None,
    places: Mapping[str, Place] | None = None,
    between: Mapping[str, np.ndarray] | None = None,
) -> list[Fault]:
    """What is wrong with the accesses of `kernel`, the first of each statement.

    `sizes` are the kernel's.  `arrays` must hold, by name, the buffers whose elements
    decide what is accessed (indices, guards, lengths of loops); others are not looked
    at.  `places` says which buffers lie in one memory; `between` has a flag for each
    element of buffers that one launch hands on to the next: whether it has been stored,
    which is entered there.  An empty list means that, for these sizes, no thread
    touches what another writes without a barrier, an end of a launch or a declared
    reduction between them, no access leaves its buffer or reads what nothing was stored
    to, and all threads of a group come to each of its barriers.

    Raises:
        KeyError: a size, or an array that decides, is not given.
        ValueError: an array has another dtype or size than declared.
    """
    known = known_values(kernel, sizes)
    memory = lay_out(kernel, spread, known, arrays or {}, places or {})
    memory.written.update(between or {})
    return Lockstep(kernel, spread, memory, known).run()


def check_launch(
    kernel: Kernel,
    spread: Spread,
    sizes: Mapping[str, int],
    arrays: Mapping[str, np.ndarray] | None = None,
    places: Mapping[str, Place] | None = None,
) -> None:
    """Raise `AccessError` for what `find_faults` finds."""
    if faults := find_faults(kernel, spread, sizes, arrays, places):
        raise AccessError(faults)
