"""Arguments of a call: converted to what native code takes, or clearly refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from . import dims
from .dims import Dim, Size
from .errors import (
    DTypeError,
    MissingInputError,
    ShapeError,
    SymgraphError,
    number_of,
    refuse,
)
from .evaluate import shown
from .graph import Node, describe_node
from .leaf import Input, plain
from .op import Array
from .variable import Variable

if TYPE_CHECKING:
    from .lower.sizes import Meeting

#: In place of a default value where an input has none.
REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a function: its input node, name and default."""

    node: Node
    name: str | None
    default: Any = REQUIRED
    downcast: bool | None = None

    def describe(self, number: int) -> str:
        """The argument in messages: by name and number."""
        return f"argument {number} ({self.name})" if self.name else f"argument {number}"


def gather(
    parameters: Sequence[Parameter],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    what: str,
) -> list[Any]:
    """The values of all parameters in order, from positions, names and defaults.

    Raises:
        MissingInputError: a value is missing, unknown, given twice, or given by a name
            that several parameters have.
    """
    if len(args) > len(parameters):
        refuse(
            MissingInputError,
            f"{what} takes {number_of(len(parameters), 'argument')}, given {len(args)}",
            *_types(parameters),
            remedy="give one value for each input",
        )
    values = list(args) + [p.default for p in parameters[len(args) :]]
    position = {p.name: k for k, p in enumerate(parameters) if p.name}
    count = Counter(p.name for p in parameters) if kwargs else {}
    for name, value in kwargs.items():
        number = position.get(name)
        if count.get(name, 0) > 1:
            refuse(
                MissingInputError,
                f"{what} has {count[name]} arguments {name!r}",
                *_types(parameters),
                remedy="give them by position",
            )
        if number is None:
            known = ", ".join(str(n) for n in position) or "none with a name"
            refuse(
                MissingInputError,
                f"{what} has no argument {name!r}",
                *_types(parameters),
                remedy=f"it has: {known}",
            )
        if number < len(args):
            refuse(
                MissingInputError,
                f"{what}: argument {name!r} is given twice",
                *_types(parameters),
                remedy="give it by position or by name",
            )
        values[number] = value
    for number, (parameter, value) in enumerate(zip(parameters, values, strict=True)):
        if value is REQUIRED:
            refuse(
                MissingInputError,
                f"{what}: {parameter.describe(number)} is missing",
                *_types(parameters),
                remedy="give it a value, or a default: sg.In(variable, value=...)",
            )
    return values


def _types(parameters: Sequence[Parameter]) -> list[str]:
    """What the arguments are to be."""
    return [f"<{p.name or '_'}: {p.node.type}>" for p in parameters]


def convert(value: Any, parameter: Parameter, number: int, what: str) -> Array:
    """`value` as a C-contiguous, aligned array of the parameter's dtype and ndim.

    Raises:
        DTypeError, ShapeError: the value does not fit the parameter's type.
    """
    wanted = parameter.node.type
    dtype = np.dtype(wanted.dtype)
    if type(value) is np.ndarray and value.dtype is dtype and value.ndim == wanted.ndim:
        array = value
    else:
        array = accept(value, parameter, number, what)
    if type(array) is np.ndarray and array.dtype is dtype:
        flags = array.flags
        if flags.c_contiguous and flags.aligned:
            return array
    made = np.require(array, dtype, ["C", "A"])
    return made if type(made) is np.ndarray else np.array(made, dtype=made.dtype)


def accept(value: Any, parameter: Parameter, number: int, what: str) -> Array:
    """`value` as an array, not converted yet, if that is possible.

    Conversions that could lose information are refused unless the function allows them;
    Python numbers and lists of them convert as NumPy's weak scalars do.

    Raises:
        DTypeError, ShapeError: the value does not fit the parameter's type.
    """
    if isinstance(value, Variable):
        refuse(
            DTypeError,
            f"{what}: {parameter.describe(number)} is a symbolic variable",
            value,
            remedy="call with arrays; expressions are built before sg.function",
        )
    wanted = parameter.node.type
    array = plain(value, f"{what}: {parameter.describe(number)}")
    if array.dtype != np.dtype(wanted.dtype):
        _check_cast(value, array, parameter, number, what)
    if array.ndim != wanted.ndim:
        refuse(
            ShapeError,
            f"{what}: {parameter.describe(number)} has {array.ndim} dimensions "
            f"{array.shape}, its type has {wanted.ndim}",
            *_types([parameter]),
            remedy="reshape the value, or declare the variable with as many dimensions",
        )
    return array


def _check_cast(
    value: Any, array: Array, parameter: Parameter, number: int, what: str
) -> None:
    """Refuse to convert `array` where that could lose information."""
    wanted = np.dtype(parameter.node.type.dtype)
    given = array.dtype
    numeric = given.kind in "biufc"
    weak = not hasattr(value, "dtype") and _weakly_fits(array, wanted)
    downcast = parameter.downcast and (given.kind != "c" or wanted.kind == "c")
    if numeric and (downcast or weak or np.can_cast(given, wanted, "safe")):
        return
    remedy = f"convert it yourself (x.astype('{wanted}'))"
    if given.kind == "c" and wanted.kind != "c":
        remedy = "take the part that you mean: x.real, x.imag or abs(x)"
    elif numeric:
        remedy += ", or compile with allow_input_downcast=True"
    refuse(
        DTypeError,
        f"{what}: {parameter.describe(number)} has dtype {given}, which does not "
        f"convert to {wanted} without loss",
        *_types([parameter]),
        remedy=remedy,
    )


def _weakly_fits(array: Array, wanted: np.dtype[Any]) -> bool:
    """Whether Python numbers convert to `wanted` as weak scalars: the kind must fit."""
    if array.size == 0:
        return True
    if array.dtype.kind in "iu" and wanted.kind in "iu":
        info = np.iinfo(wanted)
        return bool(array.min() >= info.min and array.max() <= info.max)
    order = "biufc"
    kind = "i" if array.dtype.kind == "u" else array.dtype.kind
    known = kind in order and wanted.kind in order
    return known and order.index(kind) <= order.index(wanted.kind)


class Shapes:
    """The dimensions of one call's arguments, as numbers."""

    def __init__(self, leaves: Sequence[Node], arrays: Sequence[Array]) -> None:
        self._known: dict[Dim, int] = {}
        self._memo: dict[Dim, int] = {}
        self._values = dict(zip(leaves, arrays, strict=True))
        for leaf, array in self._values.items():
            for size, extent in zip(leaf.type.dims, array.shape, strict=True):
                if isinstance(size, Dim):
                    self._known.setdefault(size, extent)

    def __call__(self, size: Size) -> int:
        """`size` for this call."""
        return dims.evaluate(size, self._atom, self._memo)

    def _atom(self, dim: Dim) -> int:
        if dim.kind == "value":
            node = dim.args[0]
            if node in self._values:
                return int(self._values[node].item())
        if dim not in self._known:
            raise SymgraphError(f"the size {dims.text(dim)} is not known at entry")
        return self._known[dim]

    def of(self, node: Node) -> tuple[int, ...]:
        """The shape of `node` for this call."""
        return tuple(self(s) for s in node.type.dims)


def explain(
    leaves: Sequence[Node],
    arrays: Sequence[Array],
    pairs: Sequence[Meeting],
    what: str,
) -> bool:
    """Whether a call that the fast version declined needs sizes of 1 to be broadcast.

    Raises:
        ShapeError: sizes that meet differ, or a size differs from the declared one.
    """
    check_declared(leaves, arrays, what)
    shapes = Shapes(leaves, arrays)
    stretched = False
    for met in pairs:
        a, b = shapes(met.left), shapes(met.right)
        if a == b:
            continue
        if not met.broadcast or a != 1:
            _refuse(met.node, shapes, a, b, met.broadcast, what)
        stretched = stretched or not met.repeats
    return stretched


def check_declared(leaves: Sequence[Node], arrays: Sequence[Array], what: str) -> None:
    """Check the shapes of a call's arguments against their declared types.

    Raises:
        ShapeError: a size differs from the declared one, or a named dimension has two.
    """
    declared: dict[Size, tuple[Node, int, int]] = {}
    for leaf, array in zip(leaves, arrays, strict=True):
        for axis, (size, extent) in enumerate(
            zip(leaf.type.dims, array.shape, strict=True)
        ):
            _check_declared(leaf, axis, size, extent, declared, what)


def _check_declared(
    leaf: Node,
    axis: int,
    size: Size,
    extent: int,
    seen: dict[Size, tuple[Node, int, int]],
    what: str,
) -> None:
    """The size of an argument against its type, and against others of the same name."""
    label = _label(leaf)
    if isinstance(size, int):
        if size != extent:
            refuse(
                ShapeError,
                f"{what}: {label} has size {extent} along axis {axis}, its type says "
                f"{size}",
                describe_node(leaf),
                remedy="give an array of the declared shape, or declare the size as "
                "None",
            )
        return
    other, other_axis, known = seen.setdefault(size, (leaf, axis, extent))
    if known != extent:
        refuse(
            ShapeError,
            f"{what}: the dimension {dims.text(size)} is {known} in {_label(other)} "
            f"(axis {other_axis}) and {extent} in {label} (axis {axis})",
            describe_node(other),
            describe_node(leaf),
            remedy="one name is one size in a graph: give arrays that agree, or other "
            "names",
        )


def _label(leaf: Node) -> str:
    kind = "argument" if isinstance(leaf.op, Input) else "shared variable"
    return f"{kind} {getattr(leaf.op, 'label', None) or leaf.type}"


def _refuse(
    node: Node, shapes: Shapes, a: int, b: int, broadcast: bool, what: str
) -> NoReturn:
    refuse(
        ShapeError,
        f"{what}: {node.op.name}: sizes {min(a, b)} and {max(a, b)} differ",
        *shown(node, [shapes.of(i) for i in node.inputs]),
        site=node.site,
        remedy="the sizes must be equal in each call"
        + (", or one of them 1" if broadcast else ""),
    )
