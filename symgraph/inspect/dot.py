"""Graphs as pictures, in the DOT language of Graphviz."""

from __future__ import annotations

import shutil
import subprocess

from ..errors import UnsupportedError, refuse
from ..graph import Node
from ..graphs import Graph
from ..leaf import Constant, Input, Shared
from .text import numbering, op_text

_STYLE = {
    Input: 'shape=ellipse, style=filled, fillcolor="#cfe8fc"',
    Shared: 'shape=ellipse, style=filled, fillcolor="#fde6b8"',
    Constant: 'shape=ellipse, style=filled, fillcolor="#eeeeee"',
}


def graph_dot(graph: Graph, name: str = "graph") -> str:
    """`graph` as DOT text: ``dot -Tsvg`` draws it."""
    inputs = [v.node for v in graph.inputs]
    names = numbering(dict.fromkeys([*inputs, *graph.nodes]))
    lines = [
        f"digraph {quoted(name)} {{",
        "  rankdir=TB;",
        '  node [shape=box, fontname="Helvetica", fontsize=10];',
        '  edge [arrowsize=0.7, fontname="Helvetica", fontsize=8];',
    ]
    lines += [node_dot(node, f"n{number}") for node, number in names.items()]
    for node, number in names.items():
        several = len(node.inputs) > 1
        for place, source in enumerate(node.inputs):
            label = f" [label={quoted(str(place))}]" if several else ""
            lines.append(f"  n{names[source]} -> n{number}{label};")
    for place, variable in enumerate(graph.outputs):
        label = variable.name or f"output {place}"
        lines.append(f"  out{place} [label={quoted(label)}, shape=plaintext];")
        lines.append(f"  n{names[variable.node]} -> out{place};")
    return "\n".join([*lines, "}"]) + "\n"


def drawn(text: str) -> str:
    """What DOT text describes as SVG, by Graphviz, which lays it out.

    Raises:
        UnsupportedError: Graphviz is not there, or draws no such graph.
    """
    program = shutil.which("dot")
    if program is None:
        refuse(
            UnsupportedError,
            "SVG is drawn by Graphviz, whose program `dot` is not on the path",
            remedy="install Graphviz; or --format html, which needs nothing",
        )
    done = subprocess.run(
        [program, "-Tsvg"], input=text, capture_output=True, encoding="utf-8"
    )
    if done.returncode:
        first = (done.stderr.strip() or "it gives no reason").splitlines()[0]
        refuse(
            UnsupportedError,
            f"Graphviz does not draw this graph: {first}",
            remedy="--format html shows large graphs",
        )
    return done.stdout


def node_dot(node: Node, name: str) -> str:
    """A node as a statement of DOT, under a name of its own."""
    style = _STYLE.get(type(node.op), "")
    label = quoted(f"{op_text(node.op)}\n{node.type}")
    return f"  {name} [label={label}{', ' + style if style else ''}];"


def quoted(text: str) -> str:
    """`text` as a DOT string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
