"""The kernels of a program as one text, for people; needs neither numba nor a GPU."""

from __future__ import annotations

from ..program import Gemm, Launch, Program
from ..text import print_kernel
from .choices import choices
from .fusion import Fused, fusions_of
from .launch import refuse_calls
from .product import all_stages
from .source import stages


def cuda_text(program: Program) -> str:
    """The kernels that `program` may launch, each once, in the order of first use.

    Raises CompileError where it calls a function of the host.
    """
    refuse_calls(program)
    texts: dict[str, None] = {}
    seen: set[str] = set()
    for _, step in fusions_of(program).steps(program):
        match step:
            case Launch(kernel=kernel) if print_kernel(kernel) not in seen:
                seen.add(print_kernel(kernel))
                for plan in choices(kernel).plans:
                    texts.update((stage.text, None) for stage in stages(plan))
            case Gemm():
                # Of its tiles, the one that is best to read.
                *found, _ = all_stages(step, program.array(step.out).dtype)
                texts[min((stage.text for stage in found), key=len)] = None
            case Fused(gemm=gemm, epilogue=epilogue):
                *found, _ = all_stages(gemm, program.array(gemm.out).dtype, epilogue)
                ended = [s.text for s in found if epilogue.name in s.name]
                texts[min(ended, key=len)] = None
    return "\n\n".join(texts)
