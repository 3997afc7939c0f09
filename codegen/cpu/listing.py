"""The generated code of single kernels, for reading beside their loops."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from ..program import Launch, Program
from .build import emitted_kernels, executed
from .compile import Module, compile_assembly
from .host import Host
from .link import llvm_lock
from .main import Prepared
from .straight import INTRINSICS

#: What says where functions, sections and unwinding begin, and computes nothing.
_DIRECTIVE = re.compile(r"^\t\.(cfi|p2align|type|size|section|text|globl|addrsig)")


def kernel_code(program: Program, host: Host, most: int) -> dict[str, tuple[str, str]]:
    """The LLVM IR and the assembly of the first `most` kernels, by the kernel's name.

    A kernel that is compiled in parts (``k3_sum_parts``) has the text of all of them.
    Kernels that are the same but for their names share it.
    """
    shown = executed(program)
    launches = [s for s in shown.steps if isinstance(s, Launch)][:most]
    prepared: dict[int, Prepared] = {}
    emitted = list(
        emitted_kernels(replace(shown, steps=tuple(launches)), host, prepared)
    )
    if not emitted:
        return {}
    functions = "\n".join(e.text for e in emitted).replace("define internal", "define")
    known = {*INTRINSICS, *(line for e in emitted for line in e.declarations)}
    triple = f'target triple = "{host.triple}"'
    module = Module("\n".join([triple, *sorted(known), functions]))
    with llvm_lock():
        assembly = compile_assembly(module, host)
    llvm, machine = _functions(functions), _routines(assembly)
    found: dict[str, tuple[str, str]] = {}
    for place, launch in enumerate(launches):
        name = _base(launch.kernel.name, program)
        symbols = [prepared[place].symbol, prepared[place].finish]
        pair = ["\n".join(t[s] for s in symbols if s in t) for t in (llvm, machine)]
        old = found.get(name, ("", ""))
        found[name] = _joined(old[0], pair[0]), _joined(old[1], pair[1])
    return found


def _base(name: str, program: Program) -> str:
    """The kernel of `program` that one called `name` is, or is a part of."""
    names = {s.kernel.name for s in program.steps if isinstance(s, Launch)}
    parts = name.split("_")
    for count in range(len(parts), 0, -1):
        if (shorter := "_".join(parts[:count])) in names:
            return shorter
    return name


def _joined(first: str, second: str) -> str:
    return "\n".join(filter(None, (first, second)))


def _functions(text: str) -> dict[str, str]:
    """The functions of a module by name."""
    found: dict[str, str] = {}
    for each in re.split(r"^(?=define )", text, flags=re.MULTILINE):
        named = re.match(r'define [^@]*@"?([\w.]+)"?', each)
        if named:
            found[named[1]] = each[: each.index("\n}") + 2] + "\n"
    return found


def _routines(text: str) -> dict[str, str]:
    """The functions of assembly text by name, without directives."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in text.splitlines():
        if named := re.match(r"^([A-Za-z_][\w.]*):", line):
            current = found.setdefault(named[1], [])
        if line.startswith(".Lfunc_end"):
            current = None
        if current is not None and not _DIRECTIVE.match(line):
            current.append(line.expandtabs(8).rstrip())
    return {name: "\n".join(_clean(lines)) + "\n" for name, lines in found.items()}


def _clean(lines: list[str]) -> Iterator[str]:
    return (line for line in lines if line)


__all__ = ["kernel_code"]
