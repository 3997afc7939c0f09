"""A program's text at a stage: loops, and what the targets make of them."""

from __future__ import annotations

from .compiler import Compilation, host
from .device import OnHost
from .errors import UnsupportedError, refuse
from .on_device import host_names

#: The stages that there are.
STAGES = ("loops", "llvm", "asm", "cuda", "ptx")


def source_of(compilation: Compilation, stage: str, on_host: OnHost = False) -> str:
    """The text of a program at a stage; `on_host` is the function's.

    Raises:
        UnsupportedError: another stage; a function of the host, which a GPU cannot
            call and `on_host` does not name; or the toolkit's compilers are missing,
            for "ptx".
    """
    from .codegen.cpu.build import assembly, llvm_text
    from .codegen.cuda.listing import cuda_text
    from .codegen.text import print_program

    program = compilation.lowered.program
    match stage:
        case "loops":
            return print_program(program)
        case "llvm":
            return str(llvm_text(program, host()))
        case "asm":
            return assembly(program, host())
        case "cuda":
            return cuda_text(program, host_names(compilation, on_host))
        case "ptx":
            host_names(compilation, on_host)
            return _ptx(compilation)
    known = f"there are {', '.join(map(repr, STAGES))}"
    refuse(UnsupportedError, f"there is no source at stage {stage!r}", remedy=known)


def _ptx(compilation: Compilation) -> str:
    """The kernels' PTX, for the GPU at hand or else for compute capability 8.0."""
    from .codegen.cuda.ptx_text import ptx_text
    from .codegen.cuda.toolkit import ToolkitError

    try:
        return ptx_text(compilation.lowered.program)
    except ToolkitError as error:
        reason = str(error).partition(": pip install")[0]
        refuse(
            UnsupportedError,
            f"{compilation.name} has no PTX: {reason}",
            remedy="install the extra, without a GPU too: pip install "
            "'symgraph-compiler[cuda]'",
        )


__all__ = ["STAGES", "source_of"]
