"""The kernels of a program as texts to be compiled, each distinct one once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from ..ir import FLOATS, Const, Kernel, Let, Load, walk
from ..program import Gemm, Launch, Program
from .assemble import Parameter
from .choices import choices
from .epilogue import Epilogue
from .fusion import Fused, fusions_of
from .plan import THREADS, Plan
from .product import all_stages
from .report import KernelText, Kind
from .source import stages
from .stage import Stage
from .vectors import wide

#: Functions of CUDA that hold the digits of 2 / pi in local memory: they are looked at
#: for arguments so large that nothing else says what angle they are.
REDUCED = frozenset({"sin", "cos", "tan"})
#: The fewest bytes moved at once that take a vector, and no plain register.
VECTOR_BYTES = 8


def texts_of(program: Program, threads: int = THREADS) -> Iterator[KernelText]:
    """What `program` launches on a device: its kernels' stages, and its products.

    Raises CompileError for a kernel that has no form on a device.
    """
    seen: set[str] = set()
    for _, step in fusions_of(program).steps(program):
        match step:
            case Launch(kernel=kernel):
                found = [
                    text
                    for plan in choices(kernel, threads).plans
                    for text in _of_plan(plan)
                ]
            case Gemm():
                found = list(_of_product(step, program.array(step.out).dtype))
            case Fused(gemm=gemm, epilogue=epilogue):
                dtype = program.array(gemm.out).dtype
                found = list(_of_product(gemm, dtype, epilogue))
            case _:
                continue
        for text in found:
            if text.source not in seen:
                seen.add(text.source)
                yield text


def _of_plan(planned: Plan) -> Iterator[KernelText]:
    for stage in stages(planned):
        yield _text(
            stage,
            vectors=vectors_of(planned),
            float64=computes_in_float64(planned.kernel),
            excused=tuple(excuses(planned.kernel)),
        )


def _of_product(
    gemm: Gemm, dtype: str, epilogue: Epilogue | None = None
) -> Iterator[KernelText]:
    """A product's stages; those that end with an epilogue do what it does, too."""
    for stage in all_stages(gemm, dtype, epilogue):
        doubles, excused = dtype == "float64", tuple[tuple[Kind, str], ...]()
        if epilogue is not None:
            doubles = doubles or computes_in_float64(epilogue.kernel)
            excused = tuple(excuses(epilogue.kernel))
        yield _text(stage, float64=doubles, excused=excused)


def vectors_of(planned: Plan) -> tuple[Literal["load", "store"], ...]:
    """How the machine code of a wide map must move vectors."""
    found = wide(planned.kernel, planned.loops) if planned.width > 1 else None
    if found is None:
        return ()

    def large(buffer: str) -> bool:
        itemsize = np.dtype(planned.kernel.buffer(buffer).dtype).itemsize
        return itemsize * planned.width >= VECTOR_BYTES

    loads = any(large(load.buffer) for load in found.loads)
    stores = any(large(store.buffer) for store in found.stores)
    return (*(("load",) if loads else ()), *(("store",) if stores else ()))


def computes_in_float64(kernel: Kernel) -> bool:
    """Whether the loop IR itself has a float64, in a buffer or as a value."""
    dtypes = {b.dtype for b in (*kernel.buffers, *kernel.scratch)}
    dtypes.update(s.dtype for s, _ in walk(kernel.body) if isinstance(s, Let | Load))
    return "float64" in dtypes


def excuses(kernel: Kernel) -> Iterator[tuple[Kind, str]]:
    """What a kernel cannot do without: kinds of findings, and why they are none."""
    lets = [s for s, _ in walk(kernel.body) if isinstance(s, Let)]
    reduced = sorted({s.op for s in lets if s.op in REDUCED and s.dtype in FLOATS})
    if reduced:
        yield "local memory", f"{', '.join(reduced)} of huge arguments"
    divisions = sorted(
        {
            f"{s.op} of {s.dtype}"
            for s in lets
            if s.op in ("floordiv", "rem")
            and s.dtype not in FLOATS
            and not isinstance(s.args[1], Const)
        }
    )
    if divisions:
        yield "integer division", ", ".join(divisions)


def _text(
    stage: Stage,
    vectors: tuple[Literal["load", "store"], ...] = (),
    float64: bool = False,
    excused: tuple[tuple[Kind, str], ...] = (),
) -> KernelText:
    parameters = tuple(
        Parameter(a.dtype, 1 if a.is_array else None) for a in stage.arguments
    )
    return KernelText(
        stage.name,
        stage.text,
        parameters,
        stage.threads,
        vectors=vectors,
        float64=float64,
        excused=excused,
    )
