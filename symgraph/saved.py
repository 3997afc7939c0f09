"""Graphs in files: plain data in NumPy's ``.npz``, never pickles.

A file holds a header in JSON and the arrays of constants and shared variables.  Ops are
named by their class and given by their parameters; only those of this package are read,
so that to load a file runs no code of its author's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from os import PathLike
from typing import Any, BinaryIO

import numpy as np

from .composite import Body
from .errors import ArgumentError, SymgraphError, UnsupportedError, refuse
from .graphs import FORMAT, Graph, flatten, unflatten
from .leaf import Constant, constant_op
from .op import Array, Op, all_ops

_PACKAGE = __name__.partition(".")[0] + "."
_SCHEMA = "symgraph.saved"


def save(graph: Graph, path: str | PathLike[str]) -> None:
    """Write `graph` to a file that :func:`load` reads.

    The values of its shared variables are written too; lines of code are not.

    Args:
        graph: the graph; ``sg.Graph(inputs, outputs)`` makes one.
        path: where to; the name is taken as it is.

    Raises:
        UnsupportedError: an op or a parameter is of the user's own making.

    >>> import symgraph as sg, tempfile
    >>> x = sg.dvector("x")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sg.save(sg.Graph([x], [sg.exp(x) + 1]), f"{folder}/graph.npz")
    ...     loaded = sg.load(f"{folder}/graph.npz")
    >>> sg.function(loaded.inputs, loaded.outputs[0])([0.0])
    array([2.])
    """
    if not isinstance(graph, Graph):
        refuse(
            ArgumentError,
            f"save: {type(graph).__name__} is not a graph",
            remedy="make one: sg.Graph(inputs, outputs)",
        )
    data = flatten(graph)
    arrays: dict[str, Array] = {}
    leaves = []
    for leaf in data["leaves"]:
        held = dict(leaf)
        if "value" in held:
            name = f"array{len(arrays)}"
            arrays[name], held["value"] = held["value"], name
        leaves.append(held)
    header = {
        **data,
        "schema": _SCHEMA,
        "leaves": leaves,
        "ops": [_op_data(op) for op in data["ops"]],
    }
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with open(path, "wb") as file:
        np.savez(file, header=text, **arrays)  # type: ignore[arg-type]


def load(path: str | PathLike[str]) -> Graph:
    """The graph that :func:`save` wrote, with fresh inputs and shared variables.

    Raises:
        SymgraphError: the file is damaged, of another format, or no saved graph.
        OSError: it cannot be read.
    """
    with open(path, "rb") as stream:
        try:
            return _read(stream)
        except SymgraphError:
            raise
        except Exception as error:  # readers of damaged files raise what they please
            raise SymgraphError(
                f"load: {path} is no saved graph, or it is damaged ({error})\n"
                "  help: sg.save writes graphs that sg.load reads"
            ) from error


def _read(stream: BinaryIO) -> Graph:
    with np.load(stream, allow_pickle=False) as file:
        header = json.loads(bytes(file["header"]).decode())
        if header["schema"] != _SCHEMA:
            raise ValueError("it is something else")
        arrays = {name: file[name] for name in file.files if name != "header"}
    if header["format"] == FORMAT:
        header["leaves"] = [_leaf(d, arrays) for d in header["leaves"]]
        header["ops"] = [_op(d) for d in header["ops"]]
        _check(header)
    return unflatten(header)


def _check(header: Mapping[str, Any]) -> None:
    """Refuse references to what does not come before them."""
    leaves, ops = len(header["leaves"]), len(header["ops"])
    for number, (op, *inputs) in enumerate(header["nodes"]):
        known = -leaves <= op < ops
        if not known or any(not 0 <= k < number for k in inputs):
            raise ValueError(f"node {number} reads what is not there")
    for place, _ in (*header["inputs"], *header["outputs"]):
        if not 0 <= place < len(header["nodes"]):
            raise ValueError(f"there is no node {place}")


def _leaf(data: Mapping[str, Any], arrays: Mapping[str, Array]) -> dict[str, Any]:
    leaf = dict(data)
    if "value" in leaf:
        leaf["value"] = arrays[leaf["value"]]
    if "type" in leaf:
        dtype, shape = leaf["type"]
        leaf["type"] = (dtype, tuple(shape))
    return leaf


# -- ops -------------------------------------------------------------------------------


def _op_data(op: Op) -> dict[str, Any]:
    """An op as data.

    Raises:
        UnsupportedError: it is not one of this package's, or holds something of the
            user's.
    """
    kind = type(op)
    if not kind.__module__.startswith(_PACKAGE) or kind.foreign:
        refuse(
            UnsupportedError,
            f"save: {op.name} is of the user's own making",
            remedy="build the graph from a module that defines it, in place of a file",
        )
    given = {f.name: _plain(getattr(op, f.name), op) for f in _fields(kind)}
    return {"class": _name(kind), "fields": given}


def _plain(value: object, op: Op) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case tuple():
            return {"tuple": [_plain(v, op) for v in value]}
        case Body():
            steps = [[_step_data(made), list(places)] for made, places in value.steps]
            return {"body": [value.count, steps, list(value.outputs)]}
    refuse(
        UnsupportedError,
        f"save: {op.name} has a parameter that is no plain data: {value!r}",
        remedy="build the graph from code, in place of a file",
    )


def _step_data(op: Op) -> dict[str, Any]:
    if not isinstance(op, Constant):
        return _op_data(op)
    return {"constant": [op.dtype, list(op.shape), op.data.tobytes().hex()]}


def _op(data: Mapping[str, Any]) -> Op:
    """The op of :func:`_op_data`'s data."""
    if "constant" in data:
        dtype, shape, raw = data["constant"]
        values = np.frombuffer(bytes.fromhex(raw), dtype)
        return constant_op(values.reshape(shape))
    kind = _kinds()[data["class"]]
    names = {f.name for f in _fields(kind)}
    if names != set(data["fields"]):
        raise ValueError(f"{data['class']} has other parameters")
    return kind(**{k: _value(v) for k, v in data["fields"].items()})


def _value(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    if "tuple" in data:
        return tuple(_value(v) for v in data["tuple"])
    count, steps, outputs = data["body"]
    made = [(_op(op), tuple(places)) for op, places in steps]
    return Body(count, made, outputs)


@cache
def _kinds() -> dict[str, type[Op]]:
    """The package's ops by the names that files have for them."""
    found = (k for k in all_ops() if k.__module__.startswith(_PACKAGE))
    return {_name(kind): kind for kind in found if not kind.foreign}


def _name(kind: type[Op]) -> str:
    return f"{kind.__module__.removeprefix(_PACKAGE)}.{kind.__qualname__}"


def _fields(kind: type[Op]) -> Iterable[Any]:
    return fields(kind)  # type: ignore[arg-type]


__all__ = ["load", "save"]
