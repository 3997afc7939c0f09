"""A Program to the bytes of its object files.

They hold the kernels (identical ones once), the driver that runs the steps, the Python
entry, and the small functions that these share.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .. import columns, rolled, schedule
from ..ir import Kernel
from ..program import Gemm, Launch, Program
from . import gemm, product
from .canonical import canonical
from .compile import Module, compile_assembly, compile_modules, kept
from .emit import Emitted, emit_kernel, partial_bytes
from .entry import entry
from .host import Host
from .link import llvm_lock
from .main import Prepared, driver
from .objects import pack
from .reuse import REUSE
from .straight import INTRINSICS
from .support import SUPPORT, unoptimized
from .team import TEAM, pause
from .threads import pool
from .timing import TIMING

#: A function's result, name and arguments.
_DEFINED = re.compile(r"^define internal (\w+) @([\w.]+)\(([^)]*)\)", re.MULTILINE)


#: A module of kernels has so much text at the least (but the last), and not much more
#: than a share of what has been written before: modules are compiled side by side, and
#: each costs a millisecond.
LEAST_TEXT, MODULES = 16_000, 8


@dataclass(frozen=True, slots=True)
class Text:
    """A program as LLVM IR, before LLVM's own passes.

    The last module is the *shell*: the Python entry and the driver.  What they call is
    the *support*, which is the same for all programs.  Hardly any time is spent in
    either: they are translated without being made better, which takes a third of the
    time.  The other modules hold the *kernels*, if there are any.
    """

    modules: tuple[Module, ...]
    support: str

    @property
    def shell(self) -> str:
        """The text of the last module."""
        return self.modules[-1].text

    @property
    def kernels(self) -> str:
        """The texts of all others."""
        return "\n".join(module.text for module in self.modules[:-1])

    def __str__(self) -> str:
        parts = (
            ("; The shell", self.shell),
            ("; The support", self.support),
            ("; The kernels", self.kernels),
        )
        return "\n".join(f"{title}\n\n{text}" for title, text in parts if text)


def build(program: Program, host: Host) -> bytes:
    """The object files for `host`, which `link.link` turns into a callable.

    Raises `CompileError` where the program is ill-formed.
    """
    return object_code(modules(program, host), host)


def object_code(modules: Iterable[Module], host: Host) -> bytes:
    """The modules of a program as object files; LLVM has as many threads as calls."""
    with llvm_lock():
        objects = compile_modules(modules, host, pool().wanted)
        return pack([*objects, kept(support(host), host).code()])


def begin(host: Host) -> None:
    """Have the support compiled while a program is still being made, if threads may."""
    if pool().wanted > 1:
        with llvm_lock():
            kept(support(host), host).begin()


def executed(program: Program) -> Program:
    """`program` as it is run: small loops are kernels, large products in blocks."""
    return columns.blocked(rolled.rolled(program))


def llvm_text(program: Program, host: Host) -> Text:
    """The whole of a program as LLVM IR."""
    return Text(tuple(modules(program, host)), support(host).text)


def modules(program: Program, host: Host, timed: bool = False) -> Iterator[Module]:
    """The modules of `Text`, each as soon as it is written.

    `timed`: with code that measures the steps of `executed(program)` (see `timing`).
    """
    program = executed(program)
    prepared: dict[int, Prepared] = {}
    gemms = (step for step in program.steps if isinstance(step, Gemm))
    # The driver refuses what is no float.
    dtypes = {program.array(gemm.out).dtype for gemm in gemms}
    products = sorted(dtypes & product.ELEMENT.keys())
    heads: list[str] = []
    for group in _groups(_functions(program, host, prepared, products)):
        texts = [e.text.replace("define internal", "define") for e in group]
        heads += [head for e in group for head in _declared(e.text)]
        needed = {line for e in group for line in e.declarations}
        yield Module(_module(host, needed, texts))
    heads += _declared(_support(host))
    main = driver(program, prepared, timed).replace("define internal", "define")
    shell = [entry(program, timed), main]
    if timed:
        shell.append(unoptimized(TIMING))
    if products:
        shell.append(unoptimized(product.PANELS_TEXT))
    for dtype in products:
        loops, lines = gemm.outer(dtype, host)
        heads += lines
        shell += [unoptimized(product.product(dtype)), unoptimized(loops)]
    yield Module(_module(host, heads, shell), fast=True)


@functools.cache
def support(host: Host) -> Module:
    """What every program calls, which itself calls the steps of the program."""
    heads = "declare i1 @shared(ptr)", f"declare i32 @steps({', '.join(['ptr'] * 5)})"
    text = _support(host).replace("define internal", "define")
    return Module(_module(host, heads, [unoptimized(text)]), fast=True)


def _support(host: Host) -> str:
    return pause(host.triple) + TEAM + REUSE + SUPPORT


def _functions(
    program: Program,
    host: Host,
    prepared: dict[int, Prepared],
    products: Sequence[str],
) -> Iterator[Emitted]:
    """The kernels, and those of products of the dtypes in `products`."""
    yield from emitted_kernels(program, host, prepared)
    for dtype in products:
        text, declarations = gemm.inner(dtype, host)
        yield Emitted("gemm", text, tuple(declarations))


def _groups(functions: Iterable[Emitted]) -> Iterator[list[Emitted]]:
    """Functions that make a module together."""
    group: list[Emitted] = []
    written = size = 0
    for each in functions:
        group.append(each)
        size += len(each.text)
        if size >= max(LEAST_TEXT, written // MODULES):
            yield group
            group, written, size = [], written + size, 0
    if group:
        yield group


def _module(host: Host, declarations: Iterable[str], parts: Sequence[str]) -> str:
    head = [f'target triple = "{host.triple}"']
    head.append("\n".join(sorted({*INTRINSICS, *declarations})))
    return "\n\n".join(part.strip("\n") for part in (*head, *parts)) + "\n"


def _declared(text: str) -> Iterator[str]:
    """What another module says of the functions in `text`."""
    for kind, name, arguments in _DEFINED.findall(text):
        types = ", ".join(each.split()[0] for each in arguments.split(",") if each)
        yield f"declare {kind} @{name}({types})"


def assembly(program: Program, host: Host) -> str:
    """The machine code of `build` as assembly text, for reading."""
    with llvm_lock():
        parts = *modules(program, host), support(host)
        texts = [compile_assembly(m, host) for m in parts]
    return "\n".join((*texts[-2:], *texts[:-2]))


def emitted_kernels(
    program: Program, host: Host, prepared: dict[int, Prepared]
) -> Iterator[Emitted]:
    """The functions of all kernels; `prepared` gets each launch's kernel by step."""
    done: dict[Kernel, Prepared] = {}
    written_out: dict[Kernel, Emitted] = {}
    for position, step in enumerate(program.steps):
        if not isinstance(step, Launch):
            continue
        written = canonical(step.kernel)
        if written in done:
            prepared[position] = done[written]
            continue
        kernel = schedule.prepare(step.kernel)
        key = canonical(kernel)
        made = written_out.get(key)
        if made is None:
            unique = replace(kernel, name=f"kernel{len(written_out)}_{kernel.name}")
            made = written_out[key] = emit_kernel(unique, host)
            yield made
        prepared[position] = done[written] = _prepared(kernel, made)


def _prepared(kernel: Kernel, emitted: Emitted) -> Prepared:
    if kernel.split is None:
        return Prepared(kernel, emitted.name, split=False)
    extent, prologue = schedule.extent(kernel)
    cost, align = schedule.grain(kernel)
    made = Prepared(kernel, emitted.name, True, extent, prologue, cost, align)
    return replace(made, finish=emitted.finish, partial=partial_bytes(kernel))
