"""Variables, graphs, traces and functions as light HTML, for notebooks.

It is static and has no scripts: it stays readable where a notebook is only shown.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..codegen.program import Program
from ..graph import Node, describe_site
from ..graphs import Graph
from ..history import Change
from ..rewrite import Record, Trace
from ..variable import Variable
from .provenance import kind_of, reads_of, written_by
from .steps import step_text
from .text import Listing, formula, op_text, tree_text

if TYPE_CHECKING:
    from ..compiler import Compilation

#: So many rows of a table are shown, and so many lines of a tree.
MOST_ROWS = 100
#: Formulas are shown this deep.
DEEPEST = 8

_TABLE = "border-collapse:collapse;font-size:90%"
_CELL = "text-align:left;vertical-align:top;padding:1px 14px 1px 0"
_CODE = "font-family:monospace;white-space:pre-wrap"
_SOFT = "opacity:.7"


def variable_html(variable: Variable) -> str:
    """A variable: its formula, type and line, and the tree below it."""
    node = variable.node
    title = variable.name or getattr(node.op, "label", None) or node.op.name
    text = formula(node, DEEPEST, {})
    parts = [_head(title, str(node.type))]
    if node.inputs:
        parts.append(f'<div style="{_CODE}">{html.escape(text)}</div>')
        parts.append(_place(node))
        tree = tree_text(variable).splitlines()
        more = [f"... {len(tree) - MOST_ROWS} lines more"] * (len(tree) > MOST_ROWS)
        parts.append(_folded("the tree", _pre([*tree[:MOST_ROWS], *more])))
    return _block(parts)


def graph_html(graph: Graph, title: str = "graph") -> str:
    """A graph: its inputs and outputs, and a row for each node."""
    inputs = ", ".join(_named(v) for v in graph.inputs)
    outputs = ", ".join(str(v.type) for v in graph.outputs)
    listing = Listing(graph)
    head = _head(title, f"({inputs}) -> ({outputs}), {len(listing.names)} nodes")
    return _block([head, _folded("the nodes", _nodes(listing))])


def trace_html(trace: Trace) -> str:
    """A trace: how often each rule was applied, and a row for each time."""
    counts = [(name, str(count)) for name, count in trace.counts().items()]
    rows = [_record(k, r) for k, r in enumerate(itertools.islice(trace, MOST_ROWS))]
    heads = ("", "pass", "rule", "before", "after")
    steps = _table(heads, rows, len(trace))
    head = _head("trace", f"{len(trace)} applications of {len(counts)} rules")
    shown = _table(("rule", "times"), counts[:MOST_ROWS], len(counts))
    return _block([head, shown, _folded("step by step", steps)])


def function_html(compilation: Compilation, signature: str) -> str:
    """A function: what was written, what is left of it, and its kernels."""
    program = compilation.lowered.program
    optimized, trace = compilation.rewritten
    count = len(Graph(optimized.inputs, optimized.roots))
    told = (
        f"{len(compilation.graph)} nodes as written, {len(trace)} rules applied, "
        f"{count} nodes compiled, steps of the program: {len(program.steps)}"
    )
    graph = graph_html(compilation.graph, "as written")
    return _block(
        [
            _head(compilation.name, signature),
            f'<div style="{_SOFT}">{told}</div>',
            _folded("the program", _steps(program)),
            graph,
        ]
    )


# -- tables ----------------------------------------------------------------------------


def _nodes(listing: Listing) -> str:
    names = listing.names
    rows = [
        (
            f"%{number}",
            op_text(node.op),
            " ".join(f"%{names[i]}" for i in node.inputs),
            str(node.type),
            _short_place(node),
        )
        for node, number in itertools.islice(names.items(), MOST_ROWS)
    ]
    return _table(("", "op", "inputs", "type", "line"), rows, len(names))


def _record(number: int, record: Record) -> tuple[str, ...]:
    change = Change(
        number,
        record.phase,
        record.rule.name,
        record.rule.summary,
        record.rule.preserves,
        (record.before,),
        (record.after,),
    )
    text = step_text(change)
    return str(number), record.phase, record.rule.name, text.before, text.after


def _steps(program: Program) -> str:
    rows = []
    for number, step in enumerate(program.steps[:MOST_ROWS]):
        kind, title = kind_of(step)
        arrays = f"{', '.join(reads_of(step))} -> {', '.join(written_by(step))}"
        rows.append((str(number), kind, title, arrays))
    return _table(("step", "kind", "name", "arrays"), rows, len(program.steps))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], count: int) -> str:
    """A table of texts; `count` rows are in all, of which the first are shown."""
    shown = list(rows)
    top = "".join(f'<th style="{_CELL}">{html.escape(h)}</th>' for h in heads)
    body = "".join(
        "<tr>"
        + "".join(f'<td style="{_CELL}">{html.escape(c)}</td>' for c in row)
        + "</tr>"
        for row in shown
    )
    left = count - len(shown)
    more = f'<div style="{_SOFT}">... and {left} more</div>' if left > 0 else ""
    return (
        f'<table style="{_TABLE}"><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table>{more}"
    )


# -- pieces ----------------------------------------------------------------------------


def _block(parts: Iterable[str]) -> str:
    return f'<div class="symgraph">{"".join(parts)}</div>'


def _head(title: str, told: str) -> str:
    return (
        f"<div><strong>{html.escape(title)}</strong> "
        f'<span style="{_CODE};{_SOFT}">{html.escape(told)}</span></div>'
    )


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{html.escape(title)}</summary>{content}</details>"


def _pre(lines: Iterable[str]) -> str:
    return f'<pre style="margin:0">{html.escape(chr(10).join(lines))}</pre>'


def _place(node: Node) -> str:
    site = describe_site(node.site)
    return f'<div style="{_SOFT}">{html.escape(site)}</div>' if site else ""


def _short_place(node: Node) -> str:
    site = describe_site(node.site) if node.inputs else None
    return site.split(": ", 1)[0].rsplit("/", 1)[-1] if site else ""


def _named(variable: Variable) -> str:
    label = variable.name or getattr(variable.node.op, "label", None) or "_"
    return f"{label}: {variable.type}"


__all__ = ["function_html", "graph_html", "trace_html", "variable_html"]
