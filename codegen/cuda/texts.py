"""The kernels of a program as texts to be compiled, each distinct one once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..ir import Kernel, Let, Load, walk
from ..program import Gemm, Launch, Program
from .assemble import Parameter
from .choices import choices
from .plan import THREADS
from .product import all_stages
from .report import KernelText
from .source import Stage, stages


def texts_of(program: Program, threads: int = THREADS) -> Iterator[KernelText]:
    """What `program` launches on a device: its kernels' stages, and its products.

    Raises CompileError for a kernel that has no form on a device.
    """
    seen: set[str] = set()
    for step in program.steps:
        match step:
            case Launch(kernel=kernel):
                found = tuple(
                    stage
                    for plan in choices(kernel, threads).plans
                    for stage in stages(plan)
                )
                doubles = computes_in_float64(kernel)
            case Gemm():
                dtype = program.array(step.out).dtype
                found = all_stages(step, dtype)
                doubles = dtype == "float64"
            case _:
                continue
        for stage in found:
            if stage.text not in seen:
                seen.add(stage.text)
                yield replace(_text(stage), float64=doubles)


def computes_in_float64(kernel: Kernel) -> bool:
    """Whether the loop IR itself has a float64, in a buffer or as a value."""
    dtypes = {b.dtype for b in (*kernel.buffers, *kernel.scratch)}
    dtypes.update(s.dtype for s, _ in walk(kernel.body) if isinstance(s, Let | Load))
    return "float64" in dtypes


def _text(stage: Stage) -> KernelText:
    parameters = tuple(
        Parameter(a.dtype, 1 if a.is_array else None) for a in stage.arguments
    )
    return KernelText(stage.name, stage.text, parameters, stage.threads)
