"""What lies in the arena while each step of a program runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from ..codegen.cost import sizes_of
from ..codegen.cpu.support import ALIGNMENT
from ..codegen.program import Program
from ..lower.memory import lifetimes


def live_bytes(
    program: Program, sizes: Mapping[str, int], scratch: Sequence[int]
) -> list[int]:
    """Bytes of temporaries in use at each step that computes something.

    Arrays that take turns in one place count once; `scratch` is what each such step
    needs besides.
    """
    known = sizes_of(program, sizes)
    lives = lifetimes(program)
    held: dict[int, dict[int | None, int]] = {}
    for array in program.by_role("temp"):
        shape = [known[e] if isinstance(e, str) else e for e in array.shape]
        numbers = [extent for extent in shape if isinstance(extent, int)]
        assert len(numbers) == len(shape)
        size = np.dtype(array.dtype).itemsize * prod(numbers)
        size = -(-size // ALIGNMENT) * ALIGNMENT
        life = lives[array.name]
        for position in range(life.first, life.last + 1):
            slots = held.setdefault(position, {})
            slots[array.slot] = max(size, slots.get(array.slot, 0))
    return [
        sum(held.get(position, {}).values()) + more
        for (position, _), more in zip(program.work, scratch, strict=True)
    ]


__all__ = ["live_bytes"]
