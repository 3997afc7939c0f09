"""What an op owes: type, meaning, derivative and lowering, side by side.

An op is a frozen dataclass whose fields are its parameters.  Adding one touches one
file:

``infer``    the result's type, from the input nodes
``ref``      the meaning, in NumPy; every test compares with it
``vjp``      the gradient, graph to graph
``jvp``      the tangent, graph to graph; derived unless given
``batch``    the op over a stack of arguments; derived for elementwise ops
``parts``    the op over complex operands, as real ones for each part
``dim``      the result as a dimension, for integer scalars used as shapes
lowering     one of the protocols below, by base class

Lowering protocols:

* :class:`Indexed`: the result is a scalar expression over index variables (*index
  lambda*).  `element` is a generator that yields :class:`Read` requests and returns the
  value, so that producers of any depth are inlined without recursion.
  :class:`Elemwise` is the common case, with a `scalar` formula; views, gathers and
  ranges are the others.
* :class:`Reduce`: combines elements along axes.
* :class:`Expanded`: rewritten into other ops before lowering (`expand`).
* :class:`Opaque`: stands alone; `steps` emits kernels or library calls over
  materialised arrays.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    NoReturn,
    TypeAlias,
    TypeVar,
    dataclass_transform,
)

from numpy.typing import NDArray

from . import dims
from .codegen import ir
from .dims import Size
from .errors import (
    IndexOutOfBoundsError,
    ShapeError,
    SymgraphError,
    UnsupportedError,
    refuse,
)
from .types import TensorType, tensor

if TYPE_CHECKING:
    from .graph import Node
    from .lower import At, Emitter
    from .variable import Variable

Array: TypeAlias = NDArray[Any]


class Pair(NamedTuple):
    """A complex value as its real and its imaginary part."""

    re: Variable
    im: Variable


Index: TypeAlias = tuple[ir.Affine, ...]
Shape: TypeAlias = tuple[Size, ...]
#: Whether two sizes are one, in a version of a function.
Same: TypeAlias = Callable[[Size, Size], bool]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Read:
    """A request by `element` for input number `input` at `index`.

    Where `guard` is false no memory is read and the value is 0.
    """

    input: int
    index: Index
    guard: ir.Value | None = None


Element: TypeAlias = Generator[Read, ir.Value, ir.Value]


@dataclass_transform(frozen_default=True)
def op(cls: type[T]) -> type[T]:
    """Class decorator: makes an op a frozen dataclass.

    Most ops have no parameters, and need none of the code that a dataclass generates:
    leaving it out halves the time that it takes to import the ops.
    """
    if _parameters(cls):
        return dataclass(frozen=True)(cls)
    bare: Any = cls
    bare.__dataclass_fields__ = {}
    bare.__eq__ = lambda self, other: type(self) is type(other)
    bare.__hash__ = lambda self: hash(type(self))
    bare.__repr__ = lambda self: f"{type(self).__name__}()"
    return cls


def _parameters(cls: type[Any]) -> list[str]:
    """The annotated names that are parameters (and not variables of the class)."""
    texts = inspect.get_annotations(cls)
    return [name for name, text in texts.items() if "ClassVar" not in str(text)]


@dataclass(frozen=True, slots=True)
class Requirement:
    """``left relation right``, else the call fails with `error` for `reason`."""

    left: Size
    relation: Literal["le", "lt"]
    right: Size
    reason: str
    error: type[SymgraphError] = IndexOutOfBoundsError


def missing(op: Op, method: str, what: str) -> NoReturn:
    """Refuse what an op does not say of itself.

    Raises:
        UnsupportedError: always.
    """
    remedy = ""
    if what == "its lowering":
        remedy = ", or use mode='interpret', which needs none"
    raise UnsupportedError(
        f"{op.name} has no `{method}`, {what}\n"
        f"  help: define it in the class {type(op).__qualname__}{remedy}"
    )


class Op:
    """Base of all ops; see the module's docstring."""

    #: The gradient; None says that there is none, and asking for one raises.
    #: Called as ``vjp(g, y, *xs)`` with the cotangent of the result, the result and the
    #: inputs; returns a cotangent (or None: no dependence) for each input.
    vjp: ClassVar[Callable[..., tuple[Variable | None, ...]] | None] = None
    #: Pushes tangents forward: called as ``jvp(y, xs, ts)`` with the result, the inputs
    #: and a tangent (or None: none) for each; returns the tangent of the result (or
    #: None).  Where it is None, `symgraph.autodiff` derives it from `vjp`.
    jvp: ClassVar[Callable[..., Variable | None] | None] = None
    #: The op over a stack of arguments: called as ``batch(batched, *xs)``, where
    #: ``batched[k]`` says that input k has one more axis, in front (at least one has);
    #: the result has that axis in front too, or no more axes where it is the same for
    #: all.  Where it is None, `symgraph.vectorize` derives it for elementwise and
    #: expanded ops and for reductions, and refuses others.
    batch: ClassVar[Callable[..., Variable] | None] = None
    #: Whether a function of the user's takes part in it, which compiled code calls.
    foreign: ClassVar[bool] = False
    #: The op over complex operands, in real ones, for native code: called as
    #: ``parts(*xs)`` with a `Pair` for each complex operand; returns a `Pair` (whose
    #: parts may still have to be broadcast), or a variable where the result is real.
    #: None refuses complex operands.
    parts: ClassVar[Callable[..., Pair | Variable] | None] = None
    #: Of ops without inputs: whether the value is there before a function runs.
    at_entry: ClassVar[bool] = True
    #: Called as ``dim(*sizes)`` where all inputs are integer scalars used as shapes.
    dim: ClassVar[Callable[..., Size | None] | None] = None

    @property
    def name(self) -> str:
        """The op's name in dumps and messages: the class name in snake case."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()

    def infer(self, *inputs: Node) -> TensorType:
        """The result's type; raises ShapeError or DTypeError where there is none."""
        missing(self, "infer", "the type of its result")

    def ref(self, *arrays: Array) -> Array:
        """The op's meaning, in NumPy."""
        missing(self, "ref", "the meaning in NumPy")

    def agree(self, *inputs: Node) -> Iterable[tuple[Size, Size]]:
        """Pairs of dimensions that must be equal at run time."""
        return ()

    def stretch(self, *inputs: Node) -> tuple[Shape | None, ...]:
        """For each input the shape that it is broadcast to; None: it is read as it is.

        A dimension must be equal to the one that it meets at run time, or be 1: the
        fast version of a function relies on the former, the generic one takes both.
        """
        return (None,) * len(inputs)

    def settled(self, same: Same, *inputs: Variable) -> Variable | None:
        """A form that can be lowered, where `same` says which sizes are one; or None.

        It is asked for when a version of a function is lowered, after all rewriting.
        """
        return None

    def updates(self, node: Node) -> Iterable[tuple[Node, Node]]:
        """Shared variables that a call updates when it computes `node`: new values."""
        return ()

    def require(self, *inputs: Node) -> Iterable[Requirement]:
        """What must hold of sizes and integer arguments when a function is called."""
        return ()


class Indexed(Op):
    """An op whose result is a scalar expression over index variables."""

    #: Whether the result costs nothing to recompute, so that every reader inlines it:
    #: index maps, ranges and constants.
    free: ClassVar[bool] = False

    def element(self, at: At) -> Element:
        """Yield reads, return the value of the result at ``at.index``."""
        missing(self, "element", "its lowering")


class Elemwise(Indexed):
    """One scalar formula applied to broadcast elements; inputs share one dtype."""

    #: How operands are brought to one dtype: as they are promoted, to a float type, to
    #: bool.
    operands: ClassVar[str] = "common"
    #: The result's dtype where it is not that of the operands.
    result: ClassVar[str | None] = None
    #: Whether operands may be swapped (used in matching and canonical order).
    commutative: ClassVar[bool] = False

    def infer(self, *inputs: Node) -> TensorType:
        shape = broadcast(*(i.type.dims for i in inputs))
        return tensor(self.result or inputs[-1].type.dtype, shape)

    def stretch(self, *inputs: Node) -> tuple[Shape | None, ...]:
        return (broadcast(*(i.type.dims for i in inputs)),) * len(inputs)

    #: The formula's length in primitives, roughly; long formulas are not computed
    #: twice.
    weight: ClassVar[int] = 1
    #: Whether its primitives take long, few as they are: divisions, roots.
    slow: ClassVar[bool] = False

    def scalar(self, *values: ir.Value) -> ir.Value:
        """The formula over loop IR values."""
        missing(self, "scalar", "its lowering")

    def element(self, at: At) -> Element:
        values = []
        for number in range(len(at.node.inputs)):
            values.append((yield Read(number, at.aligned(number))))
        return self.scalar(*values)


class Reduce(Op):
    """Combines the elements along `axes` (sorted, not negative)."""

    axes: tuple[int, ...]
    keepdims: bool
    combine: ClassVar[ir.Combine]
    #: Whether reducing nothing is an error (there is no identity).
    nonempty: ClassVar[bool] = False

    def infer(self, *inputs: Node) -> TensorType:
        (x,) = inputs
        return tensor(x.type.dtype, self.reduced(x.type.dims))

    def require(self, *inputs: Node) -> Iterable[Requirement]:
        for axis in self.axes if self.nonempty else ():
            reason = f"zero-size array along axis {axis}, which has no {self.name}"
            yield Requirement(0, "lt", inputs[0].type.dims[axis], reason, ShapeError)

    def combine_for(self, dtype: str) -> ir.Combine:
        """The combiner for operands of `dtype` (bool has logical ones)."""
        if dtype != "bool":
            return self.combine
        return {"sum": "or", "max": "or", "prod": "and", "min": "and"}.get(  # type: ignore[return-value]
            self.combine, self.combine
        )

    def start(self, dtype: str) -> bool | int | float:
        """What reducing nothing of `dtype` gives."""
        return ir.identity(self.combine_for(dtype), dtype).value

    def reduced(self, shape: tuple[Size, ...]) -> tuple[Size, ...]:
        """`shape` after the reduction."""
        if self.keepdims:
            return tuple(1 if k in self.axes else d for k, d in enumerate(shape))
        return tuple(d for k, d in enumerate(shape) if k not in self.axes)


def by_expansion(self: Op, *operands: object) -> Pair:
    """The `parts` of an `Expanded` op that takes complex operands: expanded before."""
    raise AssertionError(f"{self.name} has not been expanded")


class Expanded(Op):
    """An op with a name worth matching, made of other ops when it comes to lowering."""

    def expand(self, *inputs: Variable) -> Variable:
        """The same value in other ops."""
        missing(self, "expand", "its lowering")


class Opaque(Op):
    """An op that reads whole arrays and writes whole arrays."""

    #: Whether the result is the first input's memory in another shape.
    aliases: ClassVar[bool] = False
    #: Whether `steps` reads operands element by element, so that views need no array.
    inlines: ClassVar[bool] = False

    def data(self, *inputs: Node) -> tuple[Node, ...]:
        """The inputs read as arrays; the others are sizes, seen in the type."""
        return inputs

    def plain(self, *inputs: Variable) -> Variable | None:
        """The same value in other ops, where `steps` cannot handle these operands."""
        return None

    def steps(self, node: Node, emit: Emitter) -> None:
        """Append the kernels and library calls that compute `node`."""
        missing(self, "steps", "its lowering")


class Nested(Opaque):
    """An op that runs graphs of its own: a loop, or branches of which one is taken."""

    inlines: ClassVar[bool] = True
    #: Whether all of its graphs are run.
    runs_all: ClassVar[bool] = True

    def parts(self, *operands: Variable | Pair) -> Pair | Variable:
        """Refuse: values are carried and kept as they are."""
        refuse(
            UnsupportedError,
            f"{self.name}: complex values in it have no native form",
            remedy="pass real and imaginary parts, or use mode='interpret'",
        )

    def inner(self, *inputs: Node) -> tuple[Node, ...]:
        """The roots of its graphs, over parameters of the right types."""
        missing(self, "inner", "the graphs that it runs")

    def last_row(self, node: Node, number: int, counted: bool) -> Variable | None:
        """The last row of result `number`, if it is known without the others.

        With `counted`, the last one of those that rounds were made for.
        """
        return None

    def rewritten(
        self, node: Node, change: Callable[[tuple[Node, ...]], tuple[Node, ...]]
    ) -> Node:
        """`node` with `change` applied to the roots of its graphs."""
        missing(self, "rewritten", "itself with other graphs")


def broadcast(*shapes: tuple[Size, ...]) -> tuple[Size, ...]:
    """The shape of arrays of `shapes` combined elementwise.

    Raises:
        ShapeError: two known dimensions differ and neither is 1.
    """
    first = shapes[0]
    if all(s == first for s in shapes):
        return first
    ndim = max(len(s) for s in shapes)
    result: list[Size] = [1] * ndim
    for shape in shapes:
        offset = ndim - len(shape)
        for k, size in enumerate(shape):
            met = dims.bcast(result[offset + k], size)
            if met is None:
                raise ShapeError(
                    f"cannot broadcast: axis {k - len(shape)} has size "
                    f"{dims.text(result[offset + k])} in one operand and "
                    f"{dims.text(size)} in another",
                    "sizes must be equal, or one of them 1; reshape, transpose or "
                    "slice an operand",
                )
            result[offset + k] = met
    return tuple(result)


def meeting(op: Op, inputs: Sequence[Node]) -> Iterator[tuple[Size, Size]]:
    """Dimensions with those that they must be equal to, or be 1 and broadcast to."""
    for node, shape in zip(inputs, op.stretch(*inputs), strict=True):
        mine = node.type.dims
        if shape is None or shape is mine or not mine:
            continue
        for size, target in zip(mine, shape[-len(mine) :], strict=True):
            if size != 1 and size is not target and size != target:
                yield size, target


def all_ops() -> Iterator[type[Op]]:
    """Every concrete op class: those that :func:`op` has decorated."""
    stack: list[type[Op]] = [Op]
    while stack:
        cls = stack.pop()
        stack.extend(cls.__subclasses__())
        if "__dataclass_fields__" in cls.__dict__:
            yield cls
