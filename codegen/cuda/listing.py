"""The kernels of a program as one text, for people; needs neither numba nor a GPU."""

from __future__ import annotations

from ..program import Gemm, Launch, Program
from ..text import print_kernel
from .launch import refuse_calls
from .plan import plan
from .product import product_stage
from .source import stages


def cuda_text(program: Program) -> str:
    """The kernels that `program` launches, each once, in the order of first use.

    Raises CompileError where it calls a function of the host.
    """
    refuse_calls(program)
    texts: dict[str, None] = {}
    seen: set[str] = set()
    for step in program.steps:
        match step:
            case Launch(kernel=kernel) if print_kernel(kernel) not in seen:
                seen.add(print_kernel(kernel))
                texts.update((stage.text, None) for stage in stages(plan(kernel)))
            case Gemm(out=out, accumulate=added):
                texts[product_stage(program.array(out).dtype, added).text] = None
    return "\n\n".join(texts)
