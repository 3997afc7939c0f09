"""``mode="interpret"``: the graph as it was written, op by op, by each op's `ref`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .dims import Size
from .errors import (
    DTypeError,
    IndexOutOfBoundsError,
    MissingInputError,
    ShapeError,
    SymgraphError,
    message,
    refuse,
    run_time_remedy,
)
from .graph import Node, describe_node, describe_site, toposort
from .leaf import Constant, Input, Shared, plain
from .op import Array
from .types import TensorType, TupleType


def evaluate(
    outputs: Sequence[Node],
    given: Mapping[Node, object],
    watch: Callable[[Node, Array], None] | None = None,
) -> list[Any]:
    """The values of `outputs`, where `given` nodes have the given values.

    `watch` sees each node with its value, operands before their users.  Values are
    computed in topological order and dropped after their last use.  Results share no
    memory with anything else; those without axes are NumPy scalars.

    Raises:
        MissingInputError: an input has no value.
        ShapeError, IndexOutOfBoundsError: from an op, with the line that made it.
    """
    known = accept(given)
    order = _needed(outputs, known)
    uses: dict[Node, int] = dict.fromkeys(order, 0)
    for node in order:
        for source in _sources(node, known):
            uses[source] += 1
    for node in outputs:
        uses[node] += 1
    values: dict[Node, Array] = {}
    with np.errstate(all="ignore"):
        for node in order:
            sources = _sources(node, known)
            values[node] = known[node] if node in known else _value(node, values)
            if watch is not None and not isinstance(node.type, TupleType):
                watch(node, values[node])
            for source in sources:
                uses[source] -= 1
                if not uses[source]:
                    del values[source]
    results = [np.array(values[node], order="C") for node in outputs]
    return [array if array.ndim else array[()] for array in results]


def _needed(outputs: Sequence[Node], known: Mapping[Node, Array]) -> list[Node]:
    """The nodes to visit, inputs first: nothing below a known one."""
    order = toposort(outputs)
    needed = set(outputs)
    for node in reversed(order):
        if node in needed:
            needed.update(_sources(node, known))
    return [node for node in order if node in needed]


def _sources(node: Node, known: Mapping[Node, Array]) -> tuple[Node, ...]:
    return () if node in known else node.inputs


def _value(node: Node, values: Mapping[Node, Array]) -> Array:
    """The value of one node from those of its inputs."""
    match node.op:
        case Constant(data=data):
            return data
        case Shared(storage=storage):
            with storage.lock:
                return np.array(storage.box[0])
        case Input():
            refuse(
                MissingInputError,
                f"no value for the input {node.op.label or 'without a name'}",
                describe_node(node),
                site=node.site,
                remedy="give it one: x.eval({input: value, ...})",
            )
    arrays = [values[i] for i in node.inputs]
    try:
        made = node.op.ref(*arrays)
        if isinstance(node.type, TupleType):
            return made  # which only an Item reads
        result = np.asarray(made)
    except (ValueError, IndexError) as error:
        raise _told(error, node, arrays) from error
    assert result.dtype == node.type.dtype, f"{node}: ref gave {result.dtype}"
    assert result.ndim == node.type.ndim, f"{node}: ref gave {result.shape}"
    return result


def _told(
    error: ValueError | IndexError, node: Node, arrays: Sequence[Array]
) -> SymgraphError:
    """NumPy's complaint about shapes or indices, with the user's line."""
    kind: type[SymgraphError] = ShapeError
    if isinstance(error, SymgraphError):
        kind = type(error)
    elif isinstance(error, IndexError):
        kind = IndexOutOfBoundsError
    if len(error.args) > 1:  # from type inference, with a remedy
        reason, remedy = error.args
    else:
        reason, remedy = str(error).rstrip("."), run_time_remedy(kind)
    return kind(
        message(
            f"{node.op.name}: {reason}",
            operands=shown(node, [a.shape for a in arrays]),
            line=describe_site(getattr(error, "site", None) or node.site),
            remedy=remedy,
        )
    )


def shown(node: Node, shapes: Sequence[tuple[int, ...]]) -> tuple[str, ...]:
    """The operands of `node` as they are in one call: name, dtype and sizes."""
    return tuple(
        f"<{getattr(i.op, 'label', None) or i.op.name}: {i.type.dtype}"
        + (f"{list(shape)}>" if shape else ">")
        for i, shape in zip(node.inputs, shapes, strict=True)
    )


def accept(given: Mapping[Node, object]) -> dict[Node, Array]:
    """Arguments as arrays of their nodes' types, in native byte order.

    Raises:
        DTypeError: a conversion that could lose something.
        ShapeError: a shape that does not fit, or two sizes for one named dimension.
    """
    sizes: dict[Size, int] = {}
    known: dict[Node, Array] = {}
    for node, value in given.items():
        array = as_array(value, node.type)
        for axis, (size, extent) in enumerate(
            zip(node.type.dims, array.shape, strict=True)
        ):
            expected = size if isinstance(size, int) else sizes.setdefault(size, extent)
            if expected != extent:
                refuse(
                    ShapeError,
                    f"axis {axis} of an argument has size {extent}, not {expected}",
                    describe_node(node),
                    site=node.site,
                    remedy="give arrays of the declared shapes, where a name stands "
                    "for one size",
                )
        known[node] = array
    return known


def as_array(value: object, kind: TensorType) -> Array:
    """`value` as an array of the dtype and the number of axes of `kind`.

    Python scalars and lists take any dtype that holds them; arrays are only widened.

    Raises:
        DTypeError: a conversion that could lose something.
        ShapeError: another number of axes.
    """
    array = plain(value, "a value")
    typed = isinstance(value, np.ndarray | np.generic)
    rule: Any = "safe" if typed else "same_kind"
    if not np.can_cast(array.dtype, kind.dtype, rule) and array.size:
        refuse(
            DTypeError,
            f"a value of dtype {array.dtype} for {kind} could lose something",
            remedy=f"convert it first: value.astype({kind.dtype!r})",
        )
    if array.ndim != kind.ndim:
        refuse(
            ShapeError,
            f"an array of {array.ndim} dimensions for {kind}",
            remedy="reshape it, or declare the variable with as many dimensions",
        )
    made = array.astype(kind.dtype, copy=False)
    if not typed and array.dtype.kind in "iu" and not np.array_equal(made, array):
        refuse(
            DTypeError,
            f"{value!r} does not fit {kind.dtype}",
            remedy="declare the variable with a dtype that holds it",
        )
    return made
