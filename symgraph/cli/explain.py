"""``symgraph explain``: what was done to a target, rule by rule, and what was not."""

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
    write,
)


def explain(
    target: Target,
    rule: Annotated[
        str | None, typer.Option(help="Only the steps of this rule or pass.")
    ] = None,
    node: Annotated[
        str | None,
        typer.Option(
            help="Only the steps that lead to a node of the optimized graph, by its "
            "number in `symgraph dump`, or that come from a line, net.py:12."
        ),
    ] = None,
    why_not: Annotated[
        str | None,
        typer.Option(help="Say where this rule nearly fired, and why it did not."),
    ] = None,
    format: ReportFormat = TextOrJson.text,
    output: Output = None,
    traceback: Traceback = False,
) -> None:
    """Show what the compiler did to TARGET, step by step.

    Each step has the rule, the lines of yours that it is about, and the expression
    before and after, with what both have in common under a letter.
    """
    if why_not is not None and (rule is not None or node is not None):
        raise typer.BadParameter("--why-not goes with neither --rule nor --node")
    from ..target import resolve

    with reporting(traceback):
        from ..inspect.explain import explain_lines, explained
        from ..inspect.whynot import why_not as ask
        from ..inspect.whynot import why_not_lines

        compilation = resolve(target).compilation
        if why_not is not None:
            missed = ask(compilation, why_not)
            data, lines = missed.json, why_not_lines(missed)
        else:
            found = explained(compilation, rule, node)
            data, lines = found.json, explain_lines(found)
        if format is TextOrJson.json:
            write(json_text(data()), output)
        else:
            show(lines, output)
