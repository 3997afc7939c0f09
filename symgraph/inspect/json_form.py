"""Graphs as plain data, for other programs.

The schema, version 1::

    {
      "schema": "symgraph.graph", "version": 1,
      "nodes": [                            # inputs before users
        {"id": 0, "op": "add", "parameters": {}, "inputs": [1, 2],
         "dtype": "float32", "shape": ["n", 512],   # known sizes are numbers
         "site": "file.py:12: y = x + 1"},          # where known
        {"id": 1, "op": "input", "label": "x", ...},
        {"id": 2, "op": "constant", "value": [1.0], ...},   # flat; if it is small
      ],
      "inputs": [{"id": 1, "name": "x"}], "outputs": [{"id": 0, "name": null}]
    }

Floats that JSON lacks are the strings "nan", "inf" and "-inf"; a complex number is a
list of its real and its imaginary part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .. import dims
from ..graph import Node, describe_site
from ..graphs import Graph
from ..leaf import Constant, Input, Shared
from .text import numbering, parameters

VERSION = 1

#: Constants of up to this many elements are written with their value.
SMALL = 64


def graph_json(graph: Graph) -> dict[str, Any]:
    """`graph` as dicts, lists, numbers and strings; see the module for the schema."""
    inputs = [v.node for v in graph.inputs]
    names = numbering(dict.fromkeys([*inputs, *graph.nodes]))
    return {
        "schema": "symgraph.graph",
        "version": VERSION,
        "nodes": [node_json(node, names) for node in names],
        "inputs": [{"id": names[v.node], "name": v.name} for v in graph.inputs],
        "outputs": [{"id": names[v.node], "name": v.name} for v in graph.outputs],
    }


def node_json(node: Node, names: Mapping[Node, int]) -> dict[str, Any]:
    """A node as plain data, with numbers of `names`."""
    data: dict[str, Any] = {
        "id": names[node],
        "op": node.op.name,
        "inputs": [names[i] for i in node.inputs],
        "dtype": node.type.dtype,
        "shape": [s if isinstance(s, int) else dims.text(s) for s in node.type.dims],
    }
    match node.op:
        case Constant(data=value):
            if value.size <= SMALL:
                data["value"] = [_scalar(v) for v in value.ravel().tolist()]
        case Input(label=label) | Shared(label=label):
            data["label"] = label
        case op:
            data["parameters"] = {k: _plain(v) for k, v in parameters(op).items()}
            if node.site is not None:
                data["site"] = describe_site(node.site)
    return data


def _scalar(value: bool | int | float | complex) -> Any:
    if isinstance(value, complex):
        return [_scalar(value.real), _scalar(value.imag)]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _plain(value: object) -> Any:
    """A parameter as plain data."""
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, bool | int | float):
        return _scalar(value)
    return None if value is None else str(value)
