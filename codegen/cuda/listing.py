"""The kernels of a program as one text, for people; needs neither numba nor a GPU."""

from __future__ import annotations

from collections.abc import Mapping

from ..program import Call, Gemm, Launch, Program
from ..text import print_kernel
from .choices import choices
from .fusion import Fused, fusions_of
from .host_calls import call_text, refuse_calls
from .product import all_stages
from .source import stages


def cuda_text(program: Program, functions: Mapping[str, str] | None = None) -> str:
    """The kernels that `program` may launch, each once, in the order of first use.

    `functions` are those of the host that it calls, each with what it is called by
    people; a comment says what is copied for a call.

    Raises CompileError where it calls another function of the host.
    """
    titles = functions or {}
    refuse_calls(program, titles)
    texts: dict[str, None] = {}
    seen: set[str] = set()
    for _, step in fusions_of(program).steps(program):
        match step:
            case Launch(kernel=kernel) if print_kernel(kernel) not in seen:
                seen.add(print_kernel(kernel))
                for plan in choices(kernel).plans:
                    texts.update((stage.text, None) for stage in stages(plan))
            case Call():
                texts[call_text(program, step, titles[step.function])] = None
            case Gemm():
                # Of its tiles, the one that is best to read.
                *found, _ = all_stages(step, program.array(step.out).dtype)
                texts[min((stage.text for stage in found), key=len)] = None
            case Fused(gemm=gemm, epilogue=epilogue):
                *found, _ = all_stages(gemm, program.array(gemm.out).dtype, epilogue)
                ended = [s.text for s in found if epilogue.name in s.name]
                texts[min(ended, key=len)] = None
    return "\n\n".join(texts)
