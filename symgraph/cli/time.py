"""``symgraph time``: how long a target takes to compile and to run, step by step."""

from __future__ import annotations

from typing import Annotated

import typer

from .errors import reporting
from .options import (
    Output,
    ReportFormat,
    Sizes,
    Target,
    TextOrJson,
    Traceback,
    json_text,
    show,
    sizes_of,
    write,
)


def _announce() -> None:
    typer.echo("measuring the machine, once: some 15 seconds", err=True)


def time(
    target: Target,
    size: Sizes = None,
    calls: Annotated[
        int, typer.Option(min=1, help="How many calls are measured.")
    ] = 20,
    roofline: Annotated[
        bool,
        typer.Option(
            help="Compare with what the machine can do, which is measured once."
        ),
    ] = True,
    remeasure: Annotated[
        bool, typer.Option("--remeasure", help="Measure the machine again.")
    ] = False,
    format: ReportFormat = TextOrJson.text,
    output: Output = None,
    traceback: Traceback = False,
) -> None:
    """Show how long TARGET takes: to compile, by phase, and to run, by step.

    Arguments are NAME_args beside NAME in TARGET's file, a tuple of arguments or a dict
    of them by name, where there is such an object.  Otherwise they are random, of the
    inputs' types; `sg.In` may give values.  Sizes that nothing says are 256 each, or
    less if that is much.  Shared variables keep their values.
    """
    sizes = sizes_of(size or [])
    if remeasure and not roofline:
        raise typer.BadParameter("--remeasure goes not with --no-roofline")
    from ..target import Called, Files, compiled, examples, resolve

    with reporting(traceback):
        from ..inspect.profile import profile_lines
        from ..timing import timed

        files: Files = {}
        function = compiled(resolve(target, files))
        given = None if sizes else examples(target, files)
        machine = None
        if roofline:
            from ..inspect.roofline import roofline as measured

            machine = measured(remeasure=remeasure, announce=_announce)
        with Called(function.name):
            found = timed(function, calls, sizes, given, machine)
        if format is TextOrJson.json:
            write(json_text(found.json()), output)
        else:
            show(profile_lines(found), output)
