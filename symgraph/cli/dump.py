"""``symgraph dump``: what the compiler makes of a target, at every stage."""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import reporting
from .options import Output, Target, Traceback, json_text, write

if TYPE_CHECKING:
    from ..function import Function
    from ..graphs import Graph


class Stage(StrEnum):
    """Where compilation is looked at."""

    input = "input"
    canonical = "canonical"
    optimized = "optimized"
    fused = "fused"
    loops = "loops"
    memory = "memory"
    llvm = "llvm"
    asm = "asm"


class Format(StrEnum):
    """How a stage is written down."""

    text = "text"
    json = "json"
    dot = "dot"


def dump(
    target: Target,
    stage: Annotated[Stage, typer.Option(help="What to show.")] = Stage.optimized,
    format: Annotated[Format, typer.Option(help="How to show it.")] = Format.text,
    output: Output = None,
    traceback: Traceback = False,
) -> None:
    """Show what the compiler makes of TARGET.

    The stages are the graph as written (input), in one spelling (canonical) and after
    all rewriting (optimized), what is computed together (fused), the loops, the memory
    plan, the LLVM IR, and the assembly.
    """
    render = _renderer(stage, format)
    from ..target import resolve

    with reporting(traceback):
        write(render(resolve(target)), output)


def _renderer(stage: Stage, format: Format) -> Callable[[Function], str]:
    """What writes `stage` as `format`.

    Raises:
        BadParameter: there is no such form of the stage.
    """
    forms = _renderers()[stage]
    if format not in forms:
        raise typer.BadParameter(
            f"stage {stage} has no {format} form, only: {', '.join(forms)}"
        )
    return forms[format]


def _renderers() -> dict[Stage, dict[Format, Callable[[Function], str]]]:
    from ..inspect.dot import graph_dot
    from ..inspect.json_form import graph_json
    from ..inspect.program_form import (
        memory_json,
        memory_text,
        program_dot,
        program_json,
    )
    from ..inspect.text import graph_text

    def canonical(f: Function) -> Graph:
        return f.compilation.after("canonicalize")

    return {
        Stage.input: {
            Format.text: lambda f: graph_text(f.graph),
            Format.json: lambda f: json_text(graph_json(f.graph)),
            Format.dot: lambda f: graph_dot(f.graph, f.name),
        },
        Stage.canonical: {
            Format.text: lambda f: graph_text(canonical(f)),
            Format.json: lambda f: json_text(graph_json(canonical(f))),
            Format.dot: lambda f: graph_dot(canonical(f), f.name),
        },
        Stage.optimized: {
            Format.text: lambda f: graph_text(f.optimized),
            Format.json: lambda f: json_text(graph_json(f.optimized)),
            Format.dot: lambda f: graph_dot(f.optimized, f.name),
        },
        Stage.fused: {
            form: functools.partial(_fused, form)
            for form in (Format.text, Format.json, Format.dot)
        },
        Stage.loops: {
            Format.text: lambda f: f.source("loops"),
            Format.json: lambda f: json_text(program_json(f.program)),
            Format.dot: lambda f: program_dot(f.program),
        },
        Stage.memory: {
            Format.text: lambda f: memory_text(f.program),
            Format.json: lambda f: json_text(memory_json(f.program)),
        },
        Stage.llvm: {Format.text: lambda f: f.source("llvm")},
        Stage.asm: {Format.text: lambda f: f.source("asm")},
    }


def _fused(form: Format, f: Function) -> str:
    """The groups of a function as `form`."""
    from ..inspect.fused import Fusion, fused_dot, fused_json, fused_text

    fusion = Fusion(f.provenance(), *f.compilation.watched)
    match form:
        case Format.text:
            return fused_text(fusion)
        case Format.json:
            return json_text(fused_json(fusion))
        case Format.dot:
            return fused_dot(fusion)
