"""Graphs as text: a listing that diffs well, a tree, a formula."""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TextIO

from ..composite import Body
from ..graph import Node, describe_site, rebuild, toposort
from ..graphs import Graph
from ..leaf import Constant, Input, Shared
from ..op import Nested, Op
from ..variable import Variable

Shown = Variable | Graph | Sequence[Variable]


# -- what all views share --------------------------------------------------------------


def outputs_of(shown: object) -> list[Variable]:
    """The outputs of a graph or of what has a ``.graph``, or variables themselves."""
    if isinstance(shown, Variable):
        return [shown]
    if isinstance(shown, Graph):
        return list(shown.outputs)
    held = getattr(shown, "graph", None)
    if isinstance(held, Graph):
        return list(held.outputs)
    if isinstance(shown, Iterable):
        return [v for item in shown for v in outputs_of(item)]
    raise TypeError(f"not a graph, function or variable: {shown!r}")


def op_text(op: Op) -> str:
    """An op with its parameters, ``sum<axes=(1,), keepdims=True>``."""
    match op:
        case Constant():
            return _value_text(op)
        case Input() | Shared():
            return f"{op.name} {op.label}" if op.label else op.name
    given = parameters(op)
    if isinstance(op, Nested):  # whose graphs are shown by themselves
        usual = {f.name: f.default for f in dataclasses.fields(op)}  # type: ignore[arg-type]
        given = {k: v for k, v in given.items() if v != usual[k] and k != "label"}
    shown = [f"{name}={_parameter_text(value)}" for name, value in given.items()]
    return op.name + (f"<{', '.join(shown)}>" if shown else "")


def _parameter_text(value: object) -> str:
    return f"#{value.digest[:8]}" if isinstance(value, Body) else repr(value)


def parameters(op: Op) -> dict[str, object]:
    """An op's parameters by name."""
    if not dataclasses.is_dataclass(op):
        return {}
    return {f.name: getattr(op, f.name) for f in dataclasses.fields(op)}


def _value_text(op: Constant) -> str:
    """A constant's value where it is short, else its shape alone."""
    if op.data.size <= 6:
        return f"constant {op.data.tolist()}"
    return "constant of " + "x".join(str(s) for s in op.shape)


def numbering(order: Iterable[Node]) -> dict[Node, int]:
    """Numbers for nodes, in order."""
    return {node: number for number, node in enumerate(order)}


def _number(order: Iterable[Node], names: dict[Node, int]) -> list[Node]:
    """Number the nodes that have no number yet, and return them."""
    fresh = [node for node in order if node not in names]
    for node in fresh:
        names[node] = len(names)
    return fresh


def _short_site(node: Node) -> str:
    """``file.py:12`` of a node, without folders."""
    site = describe_site(node.site)
    if site is None:
        return ""
    place = site.split(": ", 1)[0]
    return place.rsplit("/", 1)[-1]


# -- the listing -----------------------------------------------------------------------


def graph_text(graph: Graph, *, sites: bool = True) -> str:
    """One line a node, inputs before users, with types and the user's lines.

    ``%3 = add(%1, %2): float32[n, 512]   # file.py:12``
    """
    listing = Listing(graph)
    names = listing.names
    lines = []
    for part in listing.parts:
        indent = "  " * (part.owner is not None)
        if part.owner is not None:
            lines += ["", f"%{names[part.owner]}, {part.owner.op.name}:"]
        lines += [indent + node_line(node, names, sites=sites) for node in part.nodes]
        results = ", ".join(f"%{names[n]}" for n in part.roots)
        lines.append(f"{indent}return {results}")
    return "\n".join(lines) + "\n"


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """A graph of a listing: the whole (no owner), or what a loop or a choice runs."""

    owner: Node | None
    nodes: tuple[Node, ...]
    roots: tuple[Node, ...]


class Listing:
    """All nodes of a graph as dumps number them, those of loops and branches too.

    Attributes:
        names: the number of each node.
        parts: the graph, then those of its loops and branches, with the nodes of each.
    """

    def __init__(self, graph: Graph) -> None:
        self.names = numbering(_order(graph))
        self.parts = [Part(None, tuple(self.names), graph.output_nodes)]
        for part in self.parts:  # it grows while it is walked
            for node in part.nodes:
                if isinstance(node.op, Nested):
                    roots = node.op.inner(*node.inputs)
                    made = _number(toposort(roots), self.names)
                    self.parts.append(Part(node, tuple(made), roots))


def _order(graph: Graph) -> list[Node]:
    """The inputs, used or not, then everything else."""
    return list(dict.fromkeys([*(v.node for v in graph.inputs), *graph.nodes]))


def node_line(node: Node, names: Mapping[Node, int], *, sites: bool = True) -> str:
    """``%3 = add(%1, %2): float32[n, 512]   # file.py:12``, with numbers of `names`."""
    arguments = ", ".join(f"%{names[i]}" for i in node.inputs)
    call = f"({arguments})" if node.inputs else ""
    line = f"%{names[node]} = {op_text(node.op)}{call}: {node.type}"
    site = _short_site(node) if sites and node.inputs else ""
    return f"{line}   # {site}" if site else line


def graph_diff(a: Graph, b: Graph) -> str:
    """What distinguishes two graphs, as a unified diff of their listings ("": nothing).

    A node that is in both has one number in both, so that only what differs shows.
     Where the inputs correspond (by number and type), they count as the same.
    """
    b = _on_inputs_of(a, b)
    names = numbering(dict.fromkeys([*_order(a), *_order(b)]))
    old, new = (_listing(g, names) for g in (a, b))
    return "\n".join(difflib.unified_diff(old, new, "a", "b", lineterm="", n=2))


def _listing(graph: Graph, names: Mapping[Node, int]) -> list[str]:
    lines = [node_line(node, names, sites=False) for node in _order(graph)]
    return [*lines, "return " + ", ".join(f"%{names[n]}" for n in graph.output_nodes)]


def _on_inputs_of(a: Graph, b: Graph) -> Graph:
    """`b` as a function of the inputs of `a`, where they correspond."""
    declared = [[v.node.op.declared for v in g.inputs] for g in (a, b)]  # type: ignore[attr-defined]
    if declared[0] != declared[1]:
        return b
    mapping = {v.node: u.node for u, v in zip(a.inputs, b.inputs, strict=True)}
    return Graph(a.inputs, rebuild(b.output_nodes, mapping))


# -- the tree --------------------------------------------------------------------------


def dprint(shown: object, file: TextIO | None = None, *, sites: bool = False) -> None:
    """Print variables, a graph or a function as a tree, results above what they need.

    A node that is read several times is written out once and referred to after that, so
    the text grows linearly with the graph.
    """
    print(tree_text(shown, sites=sites), end="", file=file or sys.stdout)


#: Deeper levels are not indented further: chains of 100,000 nodes stay readable.
DEEPEST = 40


def tree_text(shown: object, *, sites: bool = False) -> str:
    """What :func:`dprint` prints."""
    outputs = outputs_of(shown)
    names = numbering(toposort(v.node for v in outputs))
    labels = {v.node: v.name for v in outputs if v.name}
    written: set[Node] = set()
    lines: list[str] = []
    stack = [(v.node, 0) for v in reversed(outputs)]
    while stack:
        node, depth = stack.pop()
        again = node in written and bool(node.inputs)
        written.add(node)
        text = f"%{names[node]} {op_text(node.op)}: {node.type}"
        if node in labels:
            text += f" '{labels[node]}'"
        if sites and node.inputs and not again:
            text += f"   # {_short_site(node)}"
        indent = "  " * min(depth, DEEPEST) + (f"({depth}) " if depth > DEEPEST else "")
        lines.append(indent + text + (" (above)" if again else ""))
        if not again:
            stack.extend((i, depth + 1) for i in reversed(node.inputs))
        if not again and isinstance(node.op, Nested):
            inner = node.op.inner(*node.inputs)
            _number(toposort(inner), names)
            stack.extend((i, depth + 2) for i in reversed(inner))
    return "\n".join(lines) + "\n"


# -- the formula -----------------------------------------------------------------------

_INFIX = {
    "add": ("+", 1), "subtract": ("-", 1), "multiply": ("*", 2), "divide": ("/", 2),
    "floor_divide": ("//", 2), "remainder": ("%", 2), "power": ("**", 4),
    "equal": ("==", 0), "not_equal": ("!=", 0),
    "less": ("<", 0), "less_equal": ("<=", 0),
}  # fmt: skip


def pprint(x: Variable, depth: int = 12) -> str:
    """`x` as one line of math; what lies deeper than `depth` is written as ``...``.

    >>> from symgraph import ops
    >>> from symgraph.declare import scalar
    >>> x = scalar("x")
    >>> pprint(ops.exp(-x) * (x + 1))
    'exp(-x) * (x + 1.0)'
    """
    names = {x.node: x.name} if x.name and not x.node.inputs else {}
    return formula(x.node, depth, names, lambda op: op.name)


def formula(
    node: Node,
    depth: int,
    names: Mapping[Node, str],
    title: Callable[[Op], str] = op_text,
    longest: int = 10_000,
) -> str:
    """`node` as one line of math, where nodes in `names` are written as these.

    `title` gives the text of an op; what lies deeper than `depth`, or after about
    `longest` words, is written as ``...``.
    """
    out: list[str] = []
    stack: list[str | tuple[Node, int, int]] = [(node, depth, 0)]
    while stack and len(out) < longest:
        item = stack.pop()
        if isinstance(item, str):
            out.append(item)
        else:
            stack.extend(reversed(_math(*item, names, title)))
    return "".join(out) + (" ..." if stack else "")


def _math(
    node: Node,
    depth: int,
    binding: int,
    names: Mapping[Node, str],
    title: Callable[[Op], str],
) -> list[str | tuple[Node, int, int]]:
    """The pieces of a node's formula, in a context that binds at `binding`."""
    if not node.inputs or node in names:
        return [_leaf_text(node, names)]
    if depth == 0:
        return ["..."]
    name, inputs = node.op.name, node.inputs
    if name in _INFIX:
        symbol, level = _INFIX[name]
        left, right = inputs
        body: list[str | tuple[Node, int, int]] = [
            (left, depth - 1, level), f" {symbol} ", (right, depth - 1, level + 1)
        ]  # fmt: skip
        return ["(", *body, ")"] if level < binding else body
    if name == "negative":
        body = ["-", (inputs[0], depth - 1, 3)]
        return ["(", *body, ")"] if binding > 1 else body
    body = [title(node.op), "("]
    for number, source in enumerate(inputs):
        body += [", "] * bool(number) + [(source, depth - 1, 0)]
    return [*body, ")"]


def _leaf_text(node: Node, names: Mapping[Node, str]) -> str:
    op = node.op
    if node in names:
        return names[node]
    if isinstance(op, Constant):
        return str(op.data.tolist()) if op.data.size <= 6 else f"<{node.type}>"
    return getattr(op, "label", None) or f"<{node.type}>"
