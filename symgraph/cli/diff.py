"""``symgraph diff``: two targets, or one under two pipelines, side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from .errors import reporting
from .options import (
    Output,
    ReportFormat,
    Target,
    TextOrJson,
    Traceback,
    json_text,
    show,
    sizes_of,
    targets,
    write,
)


def diff(
    target: Target,
    other: Annotated[
        str | None,
        typer.Argument(
            help="What to compare with; left out: TARGET itself.",
            autocompletion=targets,
            show_default=False,
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            help="A pass or rule that the second one does without (may be repeated)."
        ),
    ] = None,
    with_mode: Annotated[
        str | None,
        typer.Option(
            help="A mode or pipeline for the second one: FILE.py:NAME, or NAME in "
            "the file of TARGET."
        ),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=N", help="A size, for costs (may be repeated)."),
    ] = None,
    format: ReportFormat = TextOrJson.text,
    output: Output = None,
    traceback: Traceback = False,
) -> None:
    """Show what differs between two targets, or between two pipelines for one.

    That is in the nodes of the optimized graphs, in the steps that run, in what they
    cost, and in memory.  Costs are formulas of the sizes that --size does not give.
    Nothing is run.
    """
    if other is None and not without and with_mode is None:
        raise typer.BadParameter("give another target, --without or --with-mode")
    sizes = sizes_of(size or [])
    from ..target import Files, resolve, resolve_mode

    with reporting(traceback):
        from ..inspect.diff import compared, diff_lines

        files: Files = {}
        before = resolve(target, files).compilation
        after = before if other is None else resolve(other, files).compilation
        pipeline, title = None, with_mode or ""
        if with_mode is not None:
            pipeline = resolve_mode(with_mode, target, files).pipeline
        found = compared(before, after, without or (), pipeline, sizes, title)
        if format is TextOrJson.json:
            write(json_text(found.json()), output)
        else:
            show(diff_lines(found), output)
