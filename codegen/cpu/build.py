"""A Program to the bytes of one object file.

One module holds everything: the kernels (identical ones once), the driver that runs the
steps, the Python entry, and the small functions that they share.
"""

from __future__ import annotations

from dataclasses import replace

from .. import columns, rolled, schedule
from ..ir import Kernel
from ..program import Gemm, Launch, Program
from . import direct, product
from .canonical import canonical
from .compile import compile_assembly, compile_module
from .emit import Emitted, emit_kernel, partial_bytes
from .entry import entry
from .host import Host
from .link import LLVM_LOCK
from .main import Prepared, driver
from .reuse import REUSE
from .straight import INTRINSICS
from .support import SUPPORT, unoptimized
from .team import TEAM
from .timing import TIMING


def build(program: Program, host: Host) -> bytes:
    """An object file for `host`, which `link.link` turns into a callable.

    Raises `CompileError` where the program is ill-formed.
    """
    return object_code(llvm_text(program, host), host)


def object_code(text: str, host: Host) -> bytes:
    """A module of `llvm_text` as an object file."""
    with LLVM_LOCK:
        return compile_module(text, host)


def executed(program: Program) -> Program:
    """`program` as it is run: small loops are kernels, large products in blocks."""
    return columns.blocked(rolled.rolled(program))


def llvm_text(program: Program, host: Host, timed: bool = False) -> str:
    """The whole module as LLVM IR, before LLVM's own passes.

    `timed`: with code that measures the steps of `executed(program)` (see `timing`).
    """
    program = executed(program)
    prepared, kernels, declarations = emitted_kernels(program, host)
    products = sorted(
        program.array(step.out).dtype
        for step in program.steps
        if isinstance(step, Gemm)
    )
    parts = [
        f'target triple = "{host.triple}"',
        entry(program, timed),
        driver(program, prepared, timed),
        *kernels,
        unoptimized(TEAM + REUSE + SUPPORT + (TIMING if timed else "")),
    ]
    if products:
        parts.append(unoptimized(product.PANELS_TEXT))
    for dtype in dict.fromkeys(products):
        most = (direct.MOST_ROWS, direct.width(dtype, host), direct.depth(host))
        text = product.product(dtype, *most)
        parts += [direct.direct(dtype, host), unoptimized(text)]
        declarations.add(direct.declaration(dtype, host))
    parts.insert(1, "\n".join(sorted({*INTRINSICS, *declarations})))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def assembly(program: Program, host: Host) -> str:
    """The machine code of `build` as assembly text, for reading."""
    with LLVM_LOCK:
        return compile_assembly(llvm_text(program, host), host)


def emitted_kernels(
    program: Program, host: Host
) -> tuple[dict[int, Prepared], list[str], set[str]]:
    """Each launch's kernel by step, the functions' texts, and their declarations."""
    prepared: dict[int, Prepared] = {}
    done: dict[Kernel, Prepared] = {}
    written_out: dict[Kernel, Emitted] = {}
    texts: list[str] = []
    declarations: set[str] = set()
    for position, step in enumerate(program.steps):
        if not isinstance(step, Launch):
            continue
        written = canonical(step.kernel)
        if written in done:
            prepared[position] = done[written]
            continue
        kernel = schedule.prepare(step.kernel)
        key = canonical(kernel)
        if key not in written_out:
            unique = replace(kernel, name=f"kernel{len(written_out)}_{kernel.name}")
            written_out[key] = emitted = emit_kernel(unique, host)
            texts.append(emitted.text)
            declarations.update(emitted.declarations)
        prepared[position] = done[written] = _prepared(kernel, written_out[key])
    return prepared, texts, declarations


def _prepared(kernel: Kernel, emitted: Emitted) -> Prepared:
    if kernel.split is None:
        return Prepared(kernel, emitted.name, split=False)
    extent, prologue = schedule.extent(kernel)
    cost, align = schedule.grain(kernel)
    made = Prepared(kernel, emitted.name, True, extent, prologue, cost, align)
    return replace(made, finish=emitted.finish, partial=partial_bytes(kernel))
