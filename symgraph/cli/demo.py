"""``symgraph demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .errors import reporting, writing
from .options import Traceback, console


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
    from ..demo import run, write_graph

    with reporting(traceback):
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
        network = run(epochs, seed, console(), console(stderr=True))
        with writing(out):
            written = write_graph(network, out)
        print(f"\nwritten: {' and '.join(map(str, written))}")
