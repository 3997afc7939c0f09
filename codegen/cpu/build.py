"""A Program to the bytes of its object files.

They hold the kernels (identical ones once), the driver that runs the steps, the Python
entry, and the small functions that these share.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

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
from .objects import pack
from .reuse import REUSE
from .straight import INTRINSICS
from .support import SUPPORT, unoptimized
from .team import TEAM, pause
from .timing import TIMING

#: A function's result, name and arguments.
_DEFINED = re.compile(r"^define internal (\w+) @([\w.]+)\(([^)]*)\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Text:
    """A program as LLVM IR, before LLVM's own passes, in two modules.

    The *shell* is the Python entry, the driver and what they call.  Hardly any time is
    spent there: it is translated without being made better, which takes a third of the
    time.  The *kernels* are the rest; empty if there are none.
    """

    shell: str
    kernels: str

    def __str__(self) -> str:
        parts = ("; The shell", self.shell), ("; The kernels", self.kernels)
        return "\n".join(f"{title}\n\n{text}" for title, text in parts if text)


def build(program: Program, host: Host) -> bytes:
    """The object files for `host`, which `link.link` turns into a callable.

    Raises `CompileError` where the program is ill-formed.
    """
    return object_code(llvm_text(program, host), host)


def object_code(text: Text, host: Host) -> bytes:
    """Both modules of `llvm_text` as object files."""
    with LLVM_LOCK:
        objects = [compile_module(text.shell, host, fast=True)]
        if text.kernels:
            objects.append(compile_module(text.kernels, host))
    return pack(objects)


def executed(program: Program) -> Program:
    """`program` as it is run: small loops are kernels, large products in blocks."""
    return columns.blocked(rolled.rolled(program))


def llvm_text(program: Program, host: Host, timed: bool = False) -> Text:
    """The whole of a program as LLVM IR.

    `timed`: with code that measures the steps of `executed(program)` (see `timing`).
    """
    program = executed(program)
    prepared, kernels, declarations = emitted_kernels(program, host)
    products = sorted(
        program.array(step.out).dtype
        for step in program.steps
        if isinstance(step, Gemm)
    )
    shell = [
        entry(program, timed),
        driver(program, prepared, timed),
        unoptimized(
            pause(host.triple) + TEAM + REUSE + SUPPORT + (TIMING if timed else "")
        ),
    ]
    if products:
        shell.append(unoptimized(product.PANELS_TEXT))
    for dtype in dict.fromkeys(products):
        most = (direct.MOST_ROWS, direct.width(dtype, host), direct.depth(dtype, host))
        kernels.append(direct.direct(dtype, host))
        shell.append(unoptimized(product.product(dtype, *most)))
        declarations.add(direct.declaration(dtype, host))
    exported = [text.replace("define internal", "define") for text in kernels]
    known = [head for text in kernels for head in _declared(text)]
    return Text(
        _module(host, known, shell),
        _module(host, declarations, exported) if kernels else "",
    )


def _module(host: Host, declarations: Iterable[str], parts: Sequence[str]) -> str:
    head = [f'target triple = "{host.triple}"']
    head.append("\n".join(sorted({*INTRINSICS, *declarations})))
    return "\n\n".join(part.strip("\n") for part in (*head, *parts)) + "\n"


def _declared(text: str) -> Iterator[str]:
    """What another module says of the functions in `text`."""
    for kind, name, arguments in _DEFINED.findall(text):
        types = ", ".join(each.split()[0] for each in arguments.split(","))
        yield f"declare {kind} @{name}({types})"


def assembly(program: Program, host: Host) -> str:
    """The machine code of `build` as assembly text, for reading."""
    text = llvm_text(program, host)
    with LLVM_LOCK:
        shell = compile_assembly(text.shell, host, fast=True)
        kernels = compile_assembly(text.kernels, host) if text.kernels else ""
    return "\n".join(filter(None, (shell, kernels)))


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
