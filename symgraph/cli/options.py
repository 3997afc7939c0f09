"""Options that several commands take, and how results are written."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import writing

if TYPE_CHECKING:
    from rich.console import Console

Target = Annotated[
    str,
    typer.Argument(help="FILE.py:NAME of a function, a graph, or variables."),
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


def write(text: str, output: Path | None) -> None:
    """Write `text` to the file `output`, or to stdout."""
    if output is None:
        sys.stdout.write(text)
        return
    with writing(output):
        output.write_text(text, encoding="utf-8")
