"""Graphs as objects: inputs and outputs, rewriting, cloning, pickling and keys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .dims import Dim
from .errors import (
    ArgumentError,
    DTypeError,
    MissingInputError,
    ShapeError,
    SymgraphError,
    refuse,
)
from .graph import Node, intern, toposort
from .history import History
from .leaf import Constant, Input, Shared, Storage, constant_op
from .op import Op
from .passes import DEFAULT, Pass, Pipeline, run
from .rewrite import Trace
from .types import TensorType
from .variable import Variable, substitute

#: Changes whenever the meaning of the flat data does.
FORMAT = 1


class Graph:
    """Outputs as a function of inputs; immutable.

    Inputs are declared variables or shared ones; shared variables that are not listed
    belong to the graph all the same.  Nodes may be given for variables.  A graph
    pickles and deep-copies with fresh inputs and shared variables of its own.

    Raises:
        MissingInputError: an output depends on an input that is not among `inputs`.
    """

    __slots__ = ("_nodes", "inputs", "outputs")

    inputs: tuple[Variable, ...]
    outputs: tuple[Variable, ...]
    _nodes: tuple[Node, ...]

    def __init__(
        self,
        inputs: Iterable[Variable | Node],
        outputs: Variable | Iterable[Variable | Node],
    ) -> None:
        given = (outputs,) if isinstance(outputs, Variable) else outputs
        put = object.__setattr__
        put(self, "inputs", tuple(_variable(v) for v in inputs))
        put(self, "outputs", tuple(_variable(v) for v in given))
        put(self, "_nodes", tuple(toposort(v.node for v in self.outputs)))
        self._check()

    def _check(self) -> None:
        given: set[Node] = set()
        for variable in self.inputs:
            if not isinstance(variable.node.op, Input | Shared):
                refuse(
                    ArgumentError,
                    "a graph's input is an expression",
                    variable,
                    remedy="replace it by an input first: sg.clone_replace",
                )
            if variable.node in given:
                refuse(
                    ArgumentError,
                    "an input of a graph is listed twice",
                    variable,
                    remedy="list each input once",
                )
            given.add(variable.node)
        for node in self._nodes:
            if isinstance(node.op, Input) and node not in given:
                refuse(
                    MissingInputError,
                    "the outputs of a graph depend on what is not among its inputs",
                    Variable(node),
                    site=node.site,
                    remedy="add it to the inputs",
                )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"graphs are immutable: cannot set {name!r}")

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every node under the outputs, inputs before users."""
        return self._nodes

    @property
    def output_nodes(self) -> tuple[Node, ...]:
        """The outputs' nodes."""
        return tuple(v.node for v in self.outputs)

    def __len__(self) -> int:
        return len(self._nodes)

    def __repr__(self) -> str:
        inputs = ", ".join(str(v.type) for v in self.inputs)
        outputs = ", ".join(str(v.type) for v in self.outputs)
        return f"<Graph ({inputs}) -> ({outputs}), {len(self)} nodes>"

    def _repr_html_(self) -> str:
        from .inspect.static_html import graph_html

        return graph_html(self)

    def explore(self, /, *args: Any, height: int | None = None, **kwargs: Any) -> Any:
        """The explorer in a notebook; see `symgraph.explore`."""
        from .looking import explore

        return explore(self, *args, height=height, **kwargs)

    def rewrite(
        self, passes: Sequence[Pass] | Pipeline = DEFAULT, trace: bool = True
    ) -> tuple[Graph, Trace]:
        """The graph taken through `passes`, and what was done to it (if `trace`)."""
        record = Trace(history=History(self.output_nodes) if trace else None)
        outputs = run(self.output_nodes, passes, record)
        names = [v.name for v in self.outputs]
        made = [Variable(n, name) for n, name in zip(outputs, names, strict=True)]
        return Graph(self.inputs, made), record if trace else Trace()

    def __copy__(self) -> Graph:
        return self

    def __deepcopy__(self, memo: object) -> Graph:
        return unflatten(flatten(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return unflatten, (flatten(self),)


def _variable(given: Variable | Node) -> Variable:
    return given if isinstance(given, Variable) else Variable(given)


# -- flat data -------------------------------------------------------------------------


def flatten(graph: Graph) -> dict[str, Any]:
    """`graph` as lists of plain data: leaves, ops, and numbers of inputs.

    Each distinct op is stored once; a node is the number of its op (or leaf) and those
    of its inputs.
    """
    number: dict[Node, int] = {}
    ops: dict[Op, int] = {}
    nodes: list[tuple[int, ...]] = []
    leaves: list[dict[str, Any]] = []
    for node in (*(v.node for v in graph.inputs), *graph.nodes):
        if node in number:
            continue
        number[node] = len(number)
        if isinstance(node.op, Input | Shared | Constant):
            nodes.append((-1 - len(leaves),))
            leaves.append(_flat_leaf(node.op))
        else:
            op = ops.setdefault(node.op, len(ops))
            nodes.append((op, *(number[i] for i in node.inputs)))
    return {
        "format": FORMAT,
        "leaves": leaves,
        "ops": list(ops),
        "nodes": nodes,
        "inputs": [(number[v.node], v.name) for v in graph.inputs],
        "outputs": [(number[v.node], v.name) for v in graph.outputs],
    }


def unflatten(data: Mapping[str, Any]) -> Graph:
    """The graph of :func:`flatten`'s data, with fresh inputs and shared variables.

    Raises:
        SymgraphError: the data were written in another format.
    """
    if data["format"] != FORMAT:
        refuse(
            SymgraphError,
            f"a graph in format {data['format']}, not {FORMAT}",
            remedy="save it anew, with this version of symgraph",
        )
    leaves = [_leaf(d) for d in data["leaves"]]
    ops: list[Op] = data["ops"]
    made: list[Node] = []
    for op, *inputs in data["nodes"]:
        made.append(
            intern(
                leaves[-1 - op] if op < 0 else ops[op], tuple(made[k] for k in inputs)
            )
        )
    return Graph(
        [Variable(made[k], name) for k, name in data["inputs"]],
        [Variable(made[k], name) for k, name in data["outputs"]],
    )


def _flat_leaf(op: Op) -> dict[str, Any]:
    match op:
        case Input():
            return {"kind": "input", "type": flat_type(op.declared), "label": op.label}
        case Shared():
            with op.storage.lock:
                value = op.storage.on_host().copy()
            flat = {"type": flat_type(op.declared), "label": op.label}
            return {"kind": "shared", "value": value, **flat}
        case Constant():
            return {"kind": "constant", "value": op.data}
    raise SymgraphError(f"{op} is not a leaf")


def _leaf(data: dict[str, Any]) -> Op:
    match data["kind"]:
        case "input":
            return Input(TensorType(*data["type"]), data["label"])
        case "shared":
            declared = TensorType(*data["type"])
            return Shared(declared, Storage(data["value"].copy()), data["label"])
        case _:
            return constant_op(data["value"])


def flat_type(declared: TensorType) -> tuple[str, tuple[int | str | None, ...]]:
    """A declared type as plain data: dimensions are ints, names or None."""
    return declared.dtype, tuple(_flat_size(s) for s in declared.shape)


def _flat_size(size: int | Dim | None) -> int | str | None:
    if not isinstance(size, Dim):
        return size
    if size.kind != "named":
        raise SymgraphError(
            f"a declared dimension is a number, a name or None, not {size}"
        )
    return str(size.args[0])


# -- functions of graphs ---------------------------------------------------------------


def structure_key(graph: Graph) -> str:
    """A digest of what compiled code depends on, the same in every process.

    Ops and their parameters, the wiring, declared types, and the values of constants of
    one element.  Of larger constants only dtype and shape count, and of shared
    variables their declared type: they are arguments of the code.  Names and lines do
    not count.
    """
    digest = hashlib.blake2b(digest_size=32)
    number: dict[Node, int] = {}
    texts: dict[Op, str] = {}
    lines: list[str] = [f"format {FORMAT}"]
    for node in (*(v.node for v in graph.inputs), *graph.nodes):
        if node in number:
            continue
        number[node] = len(number)
        op = node.op
        if not node.inputs and isinstance(op, Input | Shared | Constant):
            lines.append(_leaf_key(op))
            continue
        text = texts.get(op)
        if text is None:
            text = texts[op] = f"{type(op).__module__}.{type(op).__qualname__} {op!r}"
        lines.append(f"{text} {[number[i] for i in node.inputs]}")
    lines.append(f"inputs {[number[v.node] for v in graph.inputs]}")
    lines.append(f"outputs {[number[v.node] for v in graph.outputs]}")
    digest.update("\n".join(lines).encode())
    return digest.hexdigest()


def _leaf_key(op: Input | Shared | Constant) -> str:
    if not isinstance(op, Constant):
        return f"{type(op).__name__} {flat_type(op.declared)!r}"
    value = op.key.hex() if op.small else ""
    return f"Constant {op.dtype} {op.shape} {value}"


def clone_replace(
    outputs: Variable | Sequence[Variable], replace: Mapping[Variable, Variable]
) -> Any:
    """`outputs` with variables replaced: one variable, or a list of them.

    What stands in for a variable is left as it is: replacements do not see each other.

    Raises:
        DTypeError, ShapeError: a replacement has another dtype, number of dimensions or
        known dimension.
    """
    mapping: dict[Node, Node] = {}
    for old, new in replace.items():
        _check_replacement(old, new)
        mapping[old.node] = new.node
    given = (outputs,) if isinstance(outputs, Variable) else tuple(outputs)
    made = substitute([v.node for v in given], mapping)
    result = [Variable(n, v.name) for n, v in zip(made, given, strict=True)]
    return result[0] if isinstance(outputs, Variable) else result


def _check_replacement(old: Variable, new: Variable) -> None:
    if old.dtype != new.dtype:
        refuse(
            DTypeError,
            "clone_replace: the dtypes differ",
            old,
            new,
            remedy=f"cast what stands in: .astype({old.dtype!r})",
        )
    mine, theirs = old.type.dims, new.type.dims
    fits = len(mine) == len(theirs) and not any(
        isinstance(a, int) and isinstance(b, int) and a != b
        for a, b in zip(mine, theirs, strict=False)
    )
    if not fits:
        refuse(
            ShapeError,
            "clone_replace: the shapes differ",
            old,
            new,
            remedy="give an expression of the same shape",
        )


def ancestors(outputs: Variable | Iterable[Variable]) -> list[Variable]:
    """Everything that `outputs` depend on, themselves included, inputs before users."""
    given = [outputs] if isinstance(outputs, Variable) else list(outputs)
    names = {v.node: v.name for v in given}
    return [Variable(n, names.get(n)) for n in toposort(v.node for v in given)]


__all__ = [
    "Graph",
    "ancestors",
    "clone_replace",
    "flat_type",
    "flatten",
    "structure_key",
    "unflatten",
]
