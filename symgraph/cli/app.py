"""The application: every command, in the order of the help."""

from __future__ import annotations

from typing import Annotated

import typer

from .cache import cache_app
from .demo import demo
from .diff import diff
from .dump import dump
from .errors import Group
from .explain import explain
from .passes import passes
from .time import time

app = typer.Typer(
    name="symgraph",
    cls=Group,
    help="A symbolic graph compiler: look at what it does.",
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

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


for _command in (demo, dump, explain, time, diff, passes):
    app.command()(_command)
app.add_typer(cache_app, name="cache")
