"""Graphs as networkx graphs, for analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graphs import Graph
from .text import numbering, op_text

if TYPE_CHECKING:
    import networkx


def to_networkx(graph: Graph) -> networkx.MultiDiGraph:
    """A directed multigraph: one vertex a node, by number, and one edge a use.

    Vertices have the attributes ``node``, ``op`` (text), ``dtype``, ``shape`` and
    ``output`` (whether they are one); edges have ``place``, the input's number.
    """
    import networkx

    names = numbering(dict.fromkeys([*(v.node for v in graph.inputs), *graph.nodes]))
    outputs = set(graph.output_nodes)
    made = networkx.MultiDiGraph()
    for node, number in names.items():
        made.add_node(
            number,
            node=node,
            op=op_text(node.op),
            dtype=node.type.dtype,
            shape=node.type.shape,
            output=node in outputs,
        )
    for node, number in names.items():
        for place, source in enumerate(node.inputs):
            made.add_edge(names[source], number, place=place)
    return made
