"""Options that several commands take, and how results are written."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import writing

if TYPE_CHECKING:
    from rich.console import Console

    from ..inspect.styled import Styled


def targets(incomplete: str) -> list[str]:
    """What `incomplete` may become: files, and behind a colon a file's names.

    The file is parsed and not run.
    """
    import ast
    import glob

    file, colon, start = incomplete.rpartition(":")
    if not colon:
        folder, stem = os.path.split(incomplete)
        found = sorted(Path(folder or ".").glob(f"{glob.escape(stem)}*"))
        shown = [os.path.join(folder, path.name) for path in found]
        folders = [name + "/" for name in shown if os.path.isdir(name)]
        graphs = [name for name in shown if name.endswith(".npz")]
        return folders + graphs + [n + ":" for n in shown if n.endswith(".py")]
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    bindings = (n for n in tree.body if isinstance(n, ast.Assign | ast.AnnAssign))
    found_in = (n for binding in bindings for n in ast.walk(binding))
    names = [
        n.id
        for n in found_in
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]
    known = dict.fromkeys(n for n in names if n.startswith(start) and n[0] != "_")
    return [f"{file}:{name}" for name in known]


Target = Annotated[
    str,
    typer.Argument(
        help="FILE.py:NAME of a function, a graph, or variables; or a saved graph.",
        autocompletion=targets,
    ),
]
Sizes = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=N", help="A size of the arguments (repeatable)."),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="A file to write to.")
]
Traceback = Annotated[
    bool, typer.Option("--traceback", help="Show where an error comes from.")
]


class TextOrJson(StrEnum):
    """For people, or for programs."""

    text = "text"
    json = "json"


ReportFormat = Annotated[TextOrJson, typer.Option("--format", help="How to show it.")]


def console(stderr: bool = False) -> Console:
    """A console that writes plain text unless a terminal listens."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False)


def json_text(data: dict[str, Any]) -> str:
    """`data` as JSON for files and pipes."""
    return json.dumps(data, indent=1) + "\n"


def sizes_of(given: list[str]) -> dict[str, int]:
    """What ``NAME=N`` options say.

    Raises:
        BadParameter: one has another form, or a name has two numbers.
    """
    sizes: dict[str, int] = {}
    for each in given:
        name, equals, number = each.rpartition("=")
        if not (name and equals and number.isdecimal()):
            raise typer.BadParameter(f"--size wants NAME=N, such as n=64, not {each!r}")
        if sizes.setdefault(name, int(number)) != int(number):
            raise typer.BadParameter(f"--size gives {name} twice")
    return sizes


def show(lines: Iterable[Styled], output: Path | None) -> None:
    """Write lines, in colours where a terminal listens."""
    from ..inspect.styled import plain

    out = console()
    if output is not None or not out.is_terminal:
        write(plain(lines), output)
        return
    from rich.text import Text

    for line in lines:
        out.print(Text.assemble(*line), soft_wrap=True)


def write(text: str, output: Path | None) -> None:
    """Write `text` to the file `output`, or to stdout."""
    if output is None:
        sys.stdout.write(text)
        return
    with writing(output):
        output.write_text(text, encoding="utf-8")
