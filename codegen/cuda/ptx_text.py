"""The PTX of a program's kernels as one text; needs the toolkit, and no GPU."""

from __future__ import annotations

from collections.abc import Iterator

from ..program import Program
from .assemble import Capability, compile_ptx
from .texts import texts_of
from .toolkit import numba_cuda

#: What PTX is made for where there is no GPU: A100, and whatever came after it.
DEFAULT: Capability = (8, 0)


def ptx_text(program: Program, capability: Capability | None = None) -> str:
    """The PTX of the kernels that `program` launches, each once.

    Functions of the host that it calls have none.

    `capability` is None for that of the GPU at hand, or `DEFAULT` where there is none.

    Raises:
        ToolkitError: a part of the toolkit is missing, or the simulator is on.
        CompileError: a kernel has no form for this capability.
    """
    return "\n".join(_texts(program, capability or own_capability() or DEFAULT))


def _texts(program: Program, capability: Capability) -> Iterator[str]:
    for text in texts_of(program):
        yield compile_ptx(text.source, text.parameters, capability, text.threads)


def own_capability() -> Capability | None:
    """That of the GPU at hand; None where there is none.

    Raises:
        ToolkitError: numba-cuda or libNVVM is missing, or the simulator is on.
    """
    cuda = numba_cuda()
    if not cuda.is_available():
        return None
    major, minor = cuda.get_current_device().compute_capability
    return int(major), int(minor)
