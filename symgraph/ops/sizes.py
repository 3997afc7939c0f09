"""Sizes as values, and values as sizes."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import dims
from ..codegen import ir
from ..dims import Size
from ..errors import DTypeError, ShapeError
from ..graph import Node
from ..leaf import Constant
from ..op import Array, Element, Indexed, Pair, Read, op
from ..types import INTEGERS, SIGNED, TensorType, tensor
from ..variable import Variable, apply, as_tensor, constant
from .cast import Cast, cast
from .choice import maximum, where
from .common import Flags, Grads, one_axis, refuse
from .comparison import equal

if TYPE_CHECKING:
    from ..lower import At

__all__ = [
    "CommonSize",
    "Shape",
    "as_value",
    "common_size",
    "dim_of",
    "shape_of",
]


@op
class Shape(Indexed):
    """The size of one axis, an int64 scalar; takes x's type and never its elements."""

    axis: int

    free: ClassVar[bool] = True

    def infer(self, *inputs: Node) -> TensorType:
        return tensor("int64", ())

    def ref(self, x: Array) -> Array:
        return np.asarray(np.shape(x)[self.axis], dtype="int64")

    def parts(self, x: Pair) -> Variable:
        return apply(self, x.re)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (None,)

    def batch(self, batched: Flags, x: Variable) -> Variable:
        return shape_of(x, self.axis + 1)

    def element(self, at: At) -> Element:
        return at.value(at.extent(at.node.inputs[0].type.dims[self.axis]))
        yield  # a generator that reads nothing


def shape_of(x: object, axis: int) -> Variable:
    """The size of `axis` of `x`, an int64 scalar."""
    value = as_tensor(x)
    axis = one_axis(axis, value.ndim, "shape_of")
    size = value.type.dims[axis]
    if isinstance(size, int):
        return constant(size, "int64")
    return apply(Shape(axis), value)


@op
class CommonSize(Indexed):
    """What sizes a and b are broadcast to: a, or b where a is 1."""

    def infer(self, *inputs: Node) -> TensorType:
        a, b = (dim_of(i) for i in inputs)
        if dims.bcast(a, b) is None:
            raise ShapeError(
                f"cannot broadcast: sizes {dims.text(a)} and {dims.text(b)} differ",
                "sizes must be equal, or one of them 1",
            )
        return tensor("int64", ())

    def dim(self, a: Size, b: Size) -> Size | None:
        return dims.bcast(a, b)

    def ref(self, a: Array, b: Array) -> Array:
        return np.asarray(b if a == 1 else a, dtype="int64")

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return None, None

    def batch(self, batched: Flags, a: Variable, b: Variable) -> Variable:
        return where(equal(a, 1), b, a)

    def element(self, at: At) -> Element:
        a = yield Read(0, ())
        b = yield Read(1, ())
        return ir.select(a.eq(1), b, a)


def common_size(a: object, b: object) -> Variable:
    """The size of an axis of `a` places and one of `b` that are broadcast together.

    That sizes of neither equal nor 1 places meet is told by what is broadcast to it.

    Raises:
        ShapeError: both are known, they differ, and neither is 1.
    """
    sizes = [size_variable(s, "common_size") for s in (a, b)]
    first, second = (dim_of(s) for s in sizes)
    met = dims.bcast(first, second)
    if met is first or met is second:
        return sizes[0 if met is first else 1]
    return apply(CommonSize(), *sizes)


def dim_of(value: Node | Variable) -> Size:
    """An integer scalar as a dimension.

    Constants and sizes of axes are known, int64 arithmetic on them is done in the
    algebra of dimensions, and anything else is a dimension of its own: the value of
    that node.
    """
    root = value.node if isinstance(value, Variable) else value
    known: dict[Node, Size] = {}
    stack = [root]
    while stack:
        node = stack[-1]
        missing = [i for i in _parts(node) if i not in known]
        stack.extend(missing)
        if not missing:
            stack.pop()
            known[node] = _dimension(node, known)
    return known[root]


#: Integers in which arithmetic on sizes does not wrap: no axis is that long.
_WIDE = ("int32", "int64")


def _parts(node: Node) -> tuple[Node, ...]:
    """The inputs from whose dimensions that of `node` follows."""
    if node.op.dim is None or node.type.dtype not in _WIDE:
        return ()
    kinds = SIGNED if isinstance(node.op, Cast) else _WIDE
    exact = all(i.type.dtype in kinds and i.type.ndim == 0 for i in node.inputs)
    return node.inputs if exact else ()


def _dimension(node: Node, known: dict[Node, Size]) -> Size:
    match node.op:
        case Constant(data=data):
            return int(data)
        case Shape(axis=axis):
            return node.inputs[0].type.dims[axis]
    parts = _parts(node)
    if parts and node.op.dim is not None:
        size = node.op.dim(*(known[i] for i in parts))
        if size is not None:
            return size
    return dims.of_value(node)


def as_value(size: Size, nodes: Iterable[Node]) -> int | Variable:
    """A dimension as an int64 scalar over `nodes`, whose types it is found in.

    Raises:
        ShapeError: it is made of what none of them has.
    """
    if isinstance(size, int):
        return size
    known: dict[Size, Variable] = {}
    for node in nodes:
        for axis, dim in enumerate(node.type.dims):
            if isinstance(dim, dims.Dim) and dim not in known:
                known[dim] = apply(Shape(axis), Variable(node))
    stack = [size]
    while stack:
        dim = stack.pop()
        missing = [d for d in dims.operands(dim) if d not in known]
        if dim not in known and missing:
            stack += [dim, *missing]
        elif dim not in known:
            known[dim] = _value(dim, known)
    return known[size]


def _value(dim: dims.Dim, known: dict[Size, Variable]) -> Variable:
    """A dimension over the values of its operands."""

    def part(size: object) -> Any:
        return known[size] if isinstance(size, dims.Dim) else size

    match dim.kind, dim.args:
        case "value", (node,):
            return cast(Variable(node), "int64")  # type: ignore[arg-type]
        case "linear", (const, terms):
            return sum((part(d) * c for d, c in terms), const)  # type: ignore
        case "max", (a, b):
            return maximum(part(a), part(b))
        case "mul", (a, b):
            return part(a) * part(b)  # type: ignore[no-any-return]
        case "floordiv", (a, b):
            return part(a) // part(b)  # type: ignore[no-any-return]
        case "bcast", (a, b):
            return common_size(part(a), part(b))
    raise ShapeError(
        f"nothing that is at hand tells the size {dims.text(dim)}",
        "pass an array that has it",
    )


def size_variable(size: object, what: str) -> Variable:
    """An int or an integer scalar as an int64 scalar.

    Raises:
        DTypeError: not an integer.
        ShapeError: not a scalar.
    """
    if not isinstance(size, Variable):
        if isinstance(size, np.ndarray) and size.ndim == 0:
            size = size[()]
        try:
            return constant(operator.index(size), "int64")  # type: ignore[arg-type]
        except TypeError:
            refuse(
                DTypeError,
                f"{what}: {size!r} is not an integer",
                remedy="give an int or a symbolic integer scalar",
            )
    if size.dtype not in INTEGERS:
        refuse(
            DTypeError, f"{what}: not an integer", size, remedy="cast it to int64 first"
        )
    if size.ndim:
        refuse(
            ShapeError,
            f"{what}: not a scalar",
            size,
            remedy="index it, or take its sum",
        )
    return cast(size, "int64")


def shape_variables(shape: object, what: str) -> tuple[Variable, ...]:
    """A shape (an int, a scalar, or a sequence of them) as int64 scalars."""
    if isinstance(shape, np.ndarray):
        shape = shape.tolist()
    given = shape if isinstance(shape, Sequence) else (shape,)
    return tuple(size_variable(s, what) for s in given)


def shape_from(sizes: Iterable[Node]) -> tuple[Size, ...]:
    """The shape that int64 scalars describe.

    Raises:
        ShapeError: one of them is known to be negative.
    """
    shape = tuple(dim_of(s) for s in sizes)
    for axis, size in enumerate(shape):
        if isinstance(size, int) and size < 0:
            raise ShapeError(
                f"axis {axis} would have the negative size {size}",
                "sizes are 0 or more",
            )
    return shape


def total(sizes: Iterable[Any]) -> Any:
    """The product of ints and integer scalars; an int where all are known."""
    product: Any = 1
    for size in sizes:
        product = product * size
    return product
