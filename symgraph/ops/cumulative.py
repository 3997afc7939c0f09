"""What accumulates along an axis: sums, products, extremes, linear recurrences."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..codegen import ir
from ..dims import Size
from ..errors import ShapeError
from ..graph import Node
from ..op import Array, Index, Opaque, Pair, op
from ..types import TensorType, is_float, tensor
from ..variable import Variable, apply, as_tensor
from .arrange import flip, ravel
from .broadcasting import stacked, widened
from .cast import cast
from .choice import where
from .common import Flags, Grads, each_part, one_axis, refuse
from .comparison import equal, greater, less, not_equal
from .create import arange, full, ones_like, zeros_like
from .join import concatenate
from .logic import bitwise_and, bitwise_or
from .sizes import shape_of, size_variable
from .slices import SliceEmbed, slice_axis
from .view import expand_dims

if TYPE_CHECKING:
    from ..lower import Emitter
    from ..lower.kernel import KernelBuilder

__all__ = [
    "Cumulative",
    "Recurrence",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
]

_UFUNC = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}
_PRIMITIVE = {"sum": "add", "prod": "mul", "max": "max", "min": "min"}


@op
class Cumulative(Opaque):
    """Each element combined with all before it along an axis."""

    combine: ir.Combine
    axis: int

    inlines: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return f"cumulative_{self.combine}"

    @property
    def parts(self) -> Callable[..., Pair] | None:
        """Sums are linear; other combinations of complex numbers are refused."""
        return partial(each_part, self) if self.combine == "sum" else None

    def infer(self, *inputs: Node) -> TensorType:
        return inputs[0].type

    def ref(self, x: Array) -> Array:
        return _UFUNC[self.combine].accumulate(x, self.axis, dtype=x.dtype)

    def batch(self, batched: Flags, x: Variable) -> Variable:
        return apply(Cumulative(self.combine, self.axis + 1), x)

    def steps(self, node: Node, emit: Emitter) -> None:
        (x,) = node.inputs

        def step(kernel: KernelBuilder, index: Index, last: ir.Value) -> ir.Value:
            return ir.apply(_PRIMITIVE[self.combine], last, kernel.value(x, index))

        emit.accumulate(node, self.axis, _start(self.combine, node.type.dtype), step)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        match self.combine:
            case "sum":
                return (flip(cumsum(flip(g, self.axis), self.axis), self.axis),)
            case "prod":
                # x_k times what came before it is in every later product: d y_j / d x_k
                # is y_(k-1) * x_(k+1) * ... * x_j, also where some x is 0.
                return (_before(y, self.axis, 1) * _tail(x, g, self.axis),)
        new = self._new(x, y)
        sent = _tail(where(new, zeros_like(g), ones_like(g)), g, self.axis)
        return (where(new, sent, zeros_like(g)),)

    def _new(self, x: Variable, y: Variable) -> Variable:
        """Where an element is the extreme so far: the first of equals, or a NaN."""
        beyond = greater if self.combine == "max" else less
        before = _before(y, self.axis, 0)
        turned = bitwise_and(not_equal(x, x), equal(before, before))
        later = bitwise_or(beyond(x, before), turned)
        return bitwise_or(_first(x, self.axis), later)


def _start(combine: ir.Combine, dtype: str) -> bool | int | float:
    """What combined with any element is that element, zeros' signs included."""
    if combine in ("sum", "prod"):
        start = -0.0 if combine == "sum" else 1.0
        return start if is_float(dtype) else int(start)
    lowest = combine == "max"
    if dtype == "bool":
        return not lowest
    if is_float(dtype):
        return -math.inf if lowest else math.inf
    limits = np.iinfo(dtype)
    return int(limits.min if lowest else limits.max)


def _first(x: Variable, axis: int) -> Variable:
    """Whether an element is the first along `axis`, to be broadcast against x."""
    index = arange(shape_of(x, axis))
    return equal(expand_dims(index, tuple(range(1, x.ndim - axis))), 0)


def _before(x: Variable, axis: int, first: int) -> Variable:
    """Each element's predecessor along `axis`; `first` where it has none."""
    made = SliceEmbed(axis, 1, True, False)
    one = size_variable(1, "shift")
    moved = apply(made, slice_axis(x, axis, stop=-1), shape_of(x, axis), one)
    return where(_first(x, axis), first, moved) if first else moved


def _tail(a: Variable, b: Variable, axis: int) -> Variable:
    """``y_k = b_k + a_(k+1) y_(k+1)`` along `axis`, from its end."""
    factors = _before(flip(a, axis), axis, 0)
    return flip(apply(Recurrence(axis), factors, flip(b, axis)), axis)


@op
class Recurrence(Opaque):
    """``y_k = a_k y_(k-1) + b_k`` along an axis, beginning with b: inputs a and b."""

    axis: int

    inlines: ClassVar[bool] = True

    def infer(self, *inputs: Node) -> TensorType:
        a, b = inputs
        shape = [
            s if isinstance(s, int) else t
            for s, t in zip(a.type.dims, b.type.dims, strict=True)
        ]
        return tensor(b.type.dtype, tuple(shape))

    def agree(self, *inputs: Node) -> Iterable[tuple[Size, Size]]:
        return zip(*(i.type.dims for i in inputs), strict=True)

    def ref(self, a: Array, b: Array) -> Array:
        result = np.array(b)
        ys, factors = np.moveaxis(result, self.axis, 0), np.moveaxis(a, self.axis, 0)
        for k in range(1, len(ys)):
            ys[k] += factors[k] * ys[k - 1]
        return result

    def batch(self, batched: Flags, *inputs: Variable) -> Variable:
        return apply(Recurrence(self.axis + 1), *stacked(batched, *inputs))

    def steps(self, node: Node, emit: Emitter) -> None:
        a, b = node.inputs

        def step(kernel: KernelBuilder, index: Index, last: ir.Value) -> ir.Value:
            value = kernel.value(b, index)
            place = kernel.at(node, ()).value(index[self.axis])
            if isinstance(place.atom, ir.Const):  # an axis of size 1
                return value
            both = kernel.value(a, index) * last + value
            return ir.select(place.eq(0), value, both)

        emit.accumulate(node, self.axis, _start("sum", node.type.dtype), step)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        sent = _tail(a, g, self.axis)
        return sent * _before(y, self.axis, 0), sent


# -- functions -------------------------------------------------------------------------


def _flat(x: object, axis: int | None, what: str) -> tuple[Variable, int]:
    """`x` and the axis; without one, x flattened."""
    value = as_tensor(x)
    if axis is None:
        return ravel(value), 0
    return value, one_axis(axis, value.ndim, what)


def _summable(x: Variable, dtype: object) -> Variable:
    """`x` as `dtype`, or in that in which NumPy sums and multiplies it."""
    return widened(x) if dtype is None else cast(x, dtype)


def cumsum(x: object, axis: int | None = None, dtype: object = None) -> Variable:
    """Each element plus all before it, along `axis` or flattened.

    bool and short integers are summed as 64 bits unless a `dtype` is given.
    """
    value, place = _flat(x, axis, "cumsum")
    return apply(Cumulative("sum", place), _summable(value, dtype))


def cumprod(x: object, axis: int | None = None, dtype: object = None) -> Variable:
    """Each element times all before it, along `axis` or flattened.

    bool and short integers are multiplied as 64 bits unless a `dtype` is given.  The
    gradient is right where elements are 0, too.
    """
    value, place = _flat(x, axis, "cumprod")
    return apply(Cumulative("prod", place), _summable(value, dtype))


def cummax(x: object, axis: int | None = None) -> Variable:
    """The largest element so far, along `axis` or flattened; NaN from the first on.

    The gradient goes to the first of equal elements.
    """
    value, place = _flat(x, axis, "cummax")
    return apply(Cumulative("max", place), value)


def cummin(x: object, axis: int | None = None) -> Variable:
    """The smallest element so far, along `axis` or flattened; NaN from the first on.

    The gradient goes to the first of equal elements.
    """
    value, place = _flat(x, axis, "cummin")
    return apply(Cumulative("min", place), value)


def cumulative_sum(
    x: object,
    *,
    axis: int | None = None,
    dtype: object = None,
    include_initial: bool = False,
) -> Variable:
    """The Array API's :func:`cumsum`: only a vector may go without an axis.

    With `include_initial` the result begins with 0 and is longer by 1.

    Raises:
        ShapeError: no axis is given, and there is not just one.
    """
    value, place = _only(x, axis, "cumulative_sum")
    return _with_initial(cumsum(value, place, dtype), place, 0, include_initial)


def cumulative_prod(
    x: object,
    *,
    axis: int | None = None,
    dtype: object = None,
    include_initial: bool = False,
) -> Variable:
    """The Array API's :func:`cumprod`: only a vector may go without an axis.

    With `include_initial` the result begins with 1 and is longer by 1.

    Raises:
        ShapeError: no axis is given, and there is not just one.
    """
    value, place = _only(x, axis, "cumulative_prod")
    return _with_initial(cumprod(value, place, dtype), place, 1, include_initial)


def _only(x: object, axis: int | None, what: str) -> tuple[Variable, int]:
    value = as_tensor(x)
    if axis is None and value.ndim != 1:
        refuse(
            ShapeError,
            f"{what}: no axis given for {value.ndim} dimensions",
            value,
            remedy="give the axis",
        )
    return value, one_axis(0 if axis is None else axis, value.ndim, what)


def _with_initial(x: Variable, axis: int, initial: int, include: bool) -> Variable:
    if not include:
        return x
    shape = list(x.shape)
    shape[axis] = 1
    return concatenate([full(shape, initial, x.dtype), x], axis)
