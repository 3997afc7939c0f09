"""What a kernel's text is for those who launch or compile it: a `Stage`."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .. import ir
from . import combine, device_vectors, scalars

#: What an argument of a kernel is: an array of the program, a size (int64), memory for
#: scratch, a carry's partial results, the length of a chunk, a counter of blocks that
#: is 0 before and after each launch, the record of failed checks, the number of the
#: launch that is entered there, or a bool without which a kernel does nothing.
Role: TypeAlias = Literal[
    "buffer", "size", "area", "partial", "chunk", "counter", "failed", "launch", "on"
]

#: What generated text uses itself.
RESERVED = (
    *keyword.kwlist,
    *("np", "cuda", "range", "everyone", "min", "max", "abs", "thread", "half", "me"),
    *("team", "teams"),
    *combine.names(),
    *(f"other_{dtype}" for dtype in ir.DTYPES),
    *(f"shared_{dtype}_{k}" for dtype in ir.DTYPES for k in range(8)),
    *scalars.BITS.values(),
    *("fmod", "fmodf"),
    *device_vectors.names(),
    *(scalars.function_name(o, d) for o in scalars.CALLED for d in ir.FLOATS),
)
MODULE = "symgraph.codegen.cuda.device_functions"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a kernel: a flat array of `dtype`, or a scalar of it.

    `source` is the name in the loop IR of the buffer, size, scratch or carry.
    """

    name: str
    dtype: str
    role: Role
    source: str = ""

    @property
    def is_array(self) -> bool:
        """Whether it is an array."""
        return self.role in ("buffer", "area", "partial", "counter", "failed", "on")


@dataclass(frozen=True, slots=True)
class Stage:
    """One kernel: `text` defines the function `name`, which takes `arguments`."""

    name: str
    text: str
    arguments: tuple[Argument, ...]
    threads: int


def identifier(name: str) -> str:
    """A name of the loop IR, or what `hoist` made of a number, as Python allows it."""
    plain = re.sub(r"\W", "_", name)
    return f"n{plain}" if plain[0].isdigit() else plain


def np_type(dtype: str) -> str:
    """An array's dtype, as text."""
    return "np.bool_" if dtype == "bool" else f"np.{dtype}"


def imported(names: Sequence[str]) -> list[str]:
    """The statement that imports the names used."""
    line = f"from {MODULE} import {', '.join(names)}"
    if len(line) <= 88:
        return [line]
    return [f"from {MODULE} import (", *(f"    {name}," for name in names), ")"]


__all__ = [
    "MODULE",
    "RESERVED",
    "Argument",
    "Role",
    "Stage",
    "identifier",
    "imported",
    "np_type",
]
