"""``symgraph dump``: what the compiler makes of a target, at every stage."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import reporting
from .options import Output, Sizes, Target, Traceback, json_text, sizes_of, write

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
    cuda = "cuda"
    ptx = "ptx"


class Format(StrEnum):
    """How a stage is written down."""

    text = "text"
    json = "json"
    dot = "dot"
    svg = "svg"
    html = "html"


def dump(
    target: Target,
    stage: Annotated[Stage, typer.Option(help="What to show.")] = Stage.optimized,
    format: Annotated[Format, typer.Option(help="How to show it.")] = Format.text,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Also call it: the page then shows times and values."
        ),
    ] = False,
    size: Sizes = None,
    output: Output = None,
    traceback: Traceback = False,
) -> None:
    """Show what the compiler makes of TARGET.

    The stages are the graph as written (input), in one spelling (canonical) and after
    all rewriting (optimized), what is computed together (fused), the loops, the memory
    plan, the LLVM IR, the assembly, the kernels that a GPU would run (cuda), and their
    PTX (ptx), for which the extra "cuda" has the compilers.  HTML is one page with all
    but these, and every step between, to look through in a browser.  With --measure the
    target is called as `time` calls it, and the page shows how long each kernel takes,
    and what each node holds.
    """
    sizes = sizes_of(size or [])
    if measure and format is not Format.html:
        raise typer.BadParameter("--measure goes with --format html")
    if sizes and not measure:
        raise typer.BadParameter("--size goes with --measure")
    if measure:
        with reporting(traceback):
            write(_measured_page(target, sizes), output)
        return
    render = _page if format is Format.html else _renderer(stage, format)
    from ..target import resolve

    with reporting(traceback):
        write(render(resolve(target)), output)


def _page(f: Function) -> str:
    """The explorer, in one file."""
    from ..inspect.html import explorer_page

    return explorer_page(f.explored())


def _measured_page(target: str, sizes: Mapping[str, int]) -> str:
    """The explorer, in one file, with what calls show."""
    from ..inspect.html import explorer_page
    from ..measured import measured_with
    from ..target import Called, Files, compiled, examples, resolve

    files: Files = {}
    function = compiled(resolve(target, files))
    given = None if sizes else examples(target, files)
    with Called(function.name):
        data = function.explored((), lambda f: measured_with(f, sizes, given))
    return explorer_page(data)


def _renderer(stage: Stage, format: Format) -> Callable[[Function], str]:
    """What writes `stage` as `format`.

    Raises:
        BadParameter: there is no such form of the stage.
    """
    forms = _renderers()[stage]
    if Format.dot in forms:
        forms[Format.svg] = _picture(forms[Format.dot])
    if format not in forms:
        raise typer.BadParameter(
            f"stage {stage} has no {format} form, only: {', '.join(forms)}"
        )
    return forms[format]


def _picture(form: Callable[[Function], str]) -> Callable[[Function], str]:
    """What draws a stage that `form` gives as DOT text."""
    from ..inspect.dot import drawn

    return lambda f: drawn(form(f))


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
        Stage.cuda: {Format.text: lambda f: f.source("cuda")},
        Stage.ptx: {Format.text: lambda f: f.source("ptx")},
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
        case _:
            return fused_dot(fusion)
