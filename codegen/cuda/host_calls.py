"""Functions of the host that a program on a device calls.

What such a step reads is copied to the host, once the device has computed it, and what
the function gives is copied back.  The function runs in between, in the thread that
made the call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CompileError
from ..program import Array, Call, Program
from .kernels import Stream
from .memory import Device

if TYPE_CHECKING:
    from .call_plan import Made


@dataclass(frozen=True, slots=True)
class HostCall:
    """A `Call` for given sizes.

    Attributes:
        function: takes an array for each of `reads`, then one for each of `writes`,
            which it fills; says whether it succeeded.
        code: the error's, where it does not.
        reads, writes: arrays, each under the name of its memory.
    """

    function: Callable[..., bool]
    code: int
    reads: tuple[Made, ...]
    writes: tuple[Made, ...]

    def run(self, memory: Mapping[str, Device], stream: Stream) -> int:
        """Call the function on what is in `memory`; 0, or the code of its failure."""
        given = [_begun(made, memory, stream) for made in self.reads]
        if stream:
            stream.synchronize()
        found = [np.empty(made.length, made.dtype) for made in self.writes]
        pairs = zip((*self.reads, *self.writes), (*given, *found), strict=True)
        if not self.function(*(_outer(made, flat) for made, flat in pairs)):
            return self.code
        for made, flat in zip(self.writes, found, strict=True):
            if made.length:
                there = memory[made.name][: made.length]
                there.copy_to_device(flat, stream=stream)
        return 0


def host_call(
    step: Call, function: Callable[..., bool], made: Callable[[str], tuple[str, Made]]
) -> HostCall:
    """A step for given sizes; `made` finds an array, and the name of its memory."""

    def found(names: tuple[str, ...]) -> tuple[Made, ...]:
        return tuple(replace(array, name=held) for held, array in map(made, names))

    return HostCall(function, step.code, found(step.reads), found(step.writes))


def _begun(made: Made, memory: Mapping[str, Device], stream: Stream) -> np.ndarray:
    """A flat array that is filled from the device when the stream has come so far."""
    flat = np.empty(made.length, made.dtype)
    if made.length:
        memory[made.name][: made.length].copy_to_host(flat, stream=stream)
    return flat


def _outer(made: Made, flat: np.ndarray) -> np.ndarray:
    """A flat array as `run_program` has it, complex numbers as pairs of floats."""
    pair = () if made.outer_dtype == made.dtype else (2,)
    return flat.reshape((*made.outer_shape, *pair))


def refuse_calls(program: Program, functions: Collection[str] = ()) -> None:
    """Raise CompileError where `program` calls a function that is not among these."""
    for step in program.steps:
        if isinstance(step, Call) and step.function not in functions:
            raise CompileError(
                f"{program.name} calls {step.function}, which has no kernel: compile "
                "the function for the CPU, or have that function run on the host"
            )


def call_text(program: Program, step: Call, title: str) -> str:
    """Lines for people, a comment of Python's: what is copied for a call."""

    def shown(names: tuple[str, ...]) -> str:
        return ", ".join(_array_text(program.array(name)) for name in names)

    read = shown(step.reads) or "nothing"
    return (
        f"# on the host: {title}\n#     copied to the host: {read}\n"
        f"#     copied back: {shown(step.writes)}"
    )


def _array_text(array: Array) -> str:
    """An array with its type, and how many bytes it has."""
    sizes = [extent for extent in array.shape if isinstance(extent, str)]
    fixed = [extent for extent in array.shape if isinstance(extent, int)]
    count = " * ".join([str(prod(fixed) * np.dtype(array.dtype).itemsize), *sizes])
    extents = ", ".join(map(str, array.outer_shape))
    return f"{array.name} {array.outer_dtype}[{extents}] ({count} bytes)"


__all__ = ["HostCall", "call_text", "host_call", "refuse_calls"]
