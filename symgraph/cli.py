"""The command line: ``symgraph demo``, ``dump``, ``passes`` and ``cache``.

Exit codes: 0 done, 1 the target's own error, 2 the command line is at fault.  An error
is one line on stderr and a remedy.  What a command needs is imported when it runs, so
that ``symgraph --help`` does not wait for a compiler.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from rich.console import Console

    from .function import Function
    from .passes import Pass

#: The base of what typer raises for a wrong command line; it exports the subclass only.
_UsageError: Any = typer.BadParameter.__base__

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class Stage(StrEnum):
    """Where compilation is looked at."""

    input = "input"
    optimized = "optimized"
    loops = "loops"
    memory = "memory"
    llvm = "llvm"
    asm = "asm"


class Format(StrEnum):
    """How a stage is written down."""

    text = "text"
    json = "json"
    dot = "dot"


# -- errors ----------------------------------------------------------------------------


class _Group(TyperGroup):
    """Says what is wrong with the command line in one line and a remedy."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run a command; in `standalone_mode` end the process with its exit code."""
        try:
            extra["standalone_mode"] = False
            code = super().main(*args, **extra)
        except _UsageError as error:
            path = error.ctx.command_path if error.ctx else "symgraph"
            said = " ".join(error.format_message().split())
            code = _complain(said, f"{path} --help", USAGE)
        except typer.Abort:
            code = INTERRUPTED
        code = code if isinstance(code, int) else OK
        if standalone_mode:
            sys.exit(code)
        return code


def _complain(what: str, remedy: str | None, code: int) -> int:
    """Write an error to stderr; returns the exit code."""
    typer.echo(f"error: {what}", err=True)
    if remedy:
        typer.echo(f"help: {remedy}", err=True)
    return code


@contextlib.contextmanager
def _reporting(show_traceback: bool) -> Iterator[None]:
    """Turn what a command raises into its message and exit code."""
    from .errors import SymgraphError
    from .target import TargetError, one_line

    try:
        yield
        sys.stdout.flush()
    except TargetError as error:
        _show(error.__cause__, show_traceback)
        code = USAGE if error.usage else FAILED
        raise typer.Exit(_complain(str(error), error.remedy, code)) from None
    except SymgraphError as error:
        _show(error, show_traceback)
        raise typer.Exit(_complain(*one_line(error), FAILED)) from None
    except BrokenPipeError:
        # The reader has all it wanted.  What is still buffered must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(OK) from None


def _show(error: BaseException | None, show_traceback: bool) -> None:
    if error is not None and show_traceback:
        typer.echo("".join(traceback.format_exception(error)), err=True, nl=False)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say that `path` cannot be written to, where that is so."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        remedy = "choose another place with -o or --out"
        reason = f"cannot write to {path}: {error.strerror or error}"
        raise typer.Exit(_complain(reason, remedy, USAGE)) from None


# -- the commands ----------------------------------------------------------------------

app = typer.Typer(
    name="symgraph",
    cls=_Group,
    help="A symbolic graph compiler: look at what it does.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
cache_app = typer.Typer(help="Compiled code that is kept on disk.")
app.add_typer(cache_app, name="cache")

Traceback = Annotated[
    bool, typer.Option("--traceback", help="Show where an error comes from.")
]


def _version(wanted: bool) -> None:
    if wanted:
        from . import __version__

        typer.echo(f"symgraph {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """A symbolic graph compiler: look at what it does."""


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option(help="The folder that the optimized graph is written to.")
    ] = Path("symgraph-demo"),
    epochs: Annotated[
        int, typer.Option(min=1, help="How often to go through the digits.")
    ] = 40,
    seed: Annotated[
        int, typer.Option(min=0, help="Decides the split and the first weights.")
    ] = 0,
    traceback: Traceback = False,
) -> None:
    """Train on real handwritten digits, and see what the compiler did."""
    from .demo import run, write_graph

    with _reporting(traceback):
        with _writing(out):
            out.mkdir(parents=True, exist_ok=True)
        network = run(epochs, seed, _console(), _console(stderr=True))
        with _writing(out):
            written = write_graph(network, out)
        print(f"\nwritten: {' and '.join(map(str, written))}")


@app.command()
def dump(
    target: Annotated[
        str,
        typer.Argument(help="FILE.py:NAME of a function, a graph, or variables."),
    ],
    stage: Annotated[Stage, typer.Option(help="What to show.")] = Stage.optimized,
    format: Annotated[Format, typer.Option(help="How to show it.")] = Format.text,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file to write to.")
    ] = None,
    traceback: Traceback = False,
) -> None:
    """Show what the compiler makes of TARGET.

    The stages are the graph as written (input) and after rewriting (optimized), the
    loops, the memory plan, the LLVM IR, and the assembly.
    """
    render = _renderer(stage, format)
    from .target import resolve

    with _reporting(traceback):
        text = render(resolve(target))
        if output is None:
            sys.stdout.write(text)
            return
        with _writing(output):
            output.write_text(text, encoding="utf-8")


@app.command()
def passes() -> None:
    """List the pipeline: each pass, its rules, and what they preserve."""
    from .passes import DEFAULT

    with _reporting(False):
        shown: dict[str, str] = {}
        for step in DEFAULT:
            sys.stdout.write(_pass_text(step, shown))


@cache_app.command()
def info() -> None:
    """Where the cache is and what it holds."""
    from .compiler import disk_cache

    found = disk_cache().info()
    with _reporting(False):
        print(f"directory: {found.directory}")
        print(f"functions: {found.entries}")
        print(f"size: {found.bytes / 1e6:.1f} MB")
        print(f"state: off, {found.reason}" if found.reason else "state: on")


@cache_app.command()
def clear() -> None:
    """Delete all compiled code that is kept."""
    from .compiler import disk_cache

    cache = disk_cache()
    with _reporting(False):
        print(f"deleted: {cache.clear()} functions from {cache.directory}")


# -- what they show --------------------------------------------------------------------


def _console(stderr: bool = False) -> Console:
    """A console that writes plain text unless a terminal listens."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False)


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
    from .inspect.dot import graph_dot
    from .inspect.json_form import graph_json
    from .inspect.program_form import (
        memory_json,
        memory_text,
        program_dot,
        program_json,
    )
    from .inspect.text import graph_text

    return {
        Stage.input: {
            Format.text: lambda f: graph_text(f.graph),
            Format.json: lambda f: _json(graph_json(f.graph)),
            Format.dot: lambda f: graph_dot(f.graph, f.name),
        },
        Stage.optimized: {
            Format.text: lambda f: graph_text(f.optimized),
            Format.json: lambda f: _json(graph_json(f.optimized)),
            Format.dot: lambda f: graph_dot(f.optimized, f.name),
        },
        Stage.loops: {
            Format.text: lambda f: f.source("loops"),
            Format.json: lambda f: _json(program_json(f.program)),
            Format.dot: lambda f: program_dot(f.program),
        },
        Stage.memory: {
            Format.text: lambda f: memory_text(f.program),
            Format.json: lambda f: _json(memory_json(f.program)),
        },
        Stage.llvm: {Format.text: lambda f: f.source("llvm")},
        Stage.asm: {Format.text: lambda f: f.source("asm")},
    }


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=1) + "\n"


def _pass_text(step: Pass, shown: dict[str, str]) -> str:
    """A pass with its rules, but for those in `shown`, which an earlier pass has too.

    `shown` gives the first pass of each rule, and grows.
    """
    from .passes import RulePass

    lines = [f"{step.name}: {(type(step).__doc__ or '').strip().splitlines()[0]}"]
    again: dict[str, int] = {}
    for rule in step.rules() if isinstance(step, RulePass) else ():
        first = shown.setdefault(rule.name, step.name)
        if first != step.name:
            again[first] = again.get(first, 0) + 1
            continue
        summary = " ".join(rule.doc.partition("\n\n")[0].split())
        lines.append(f"  {rule.name} ({rule.preserves}): {summary}")
    lines += [f"  and {count} rules of {name}" for name, count in again.items()]
    return "\n".join(lines) + "\n"
