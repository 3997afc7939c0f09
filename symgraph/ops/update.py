"""Arrays with some of their elements changed: ``x[key].set(v)``, ``x[key].inc(v)``."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ..errors import (
    DTypeError,
    ShapeError,
    SymgraphError,
    UnsupportedError,
    message,
)
from ..graph import Node, describe_site, here
from ..types import is_complex, is_float
from ..variable import Variable, apply, as_tensor, constant
from .broadcasting import broadcast_to
from .cast import cast
from .choice import where
from .common import refuse
from .create import full
from .gather import Gather, Put, Scatter
from .sizes import shape_of
from .slices import Pick, PickEmbed, Slice, SliceEmbed
from .view import ExpandDims, expand_dims, squeeze

__all__ = [
    "Selection",
    "inc_subtensor",
    "set_subtensor",
]


def set_subtensor(part: object, value: object) -> Variable:
    """``x[key].set(value)``: x with `value` in place of what ``part = x[key]`` reads.

    `value` is broadcast and converted as NumPy's ``x[key] = value`` does.  Where an
    integer array names an element twice, the last value stays.

    Raises:
        SymgraphError: `part` does not come from indexing.
        ShapeError: `value` is known not to fit.
    """
    if isinstance(part, Selection):
        return part.set(value)
    read = _indexed(part, "set")
    fitted = _fitted(value, read.shape, read, "set")
    return _updated(read, fitted, adds=False)


def inc_subtensor(part: object, value: object) -> Variable:
    """``x[key].inc(value)``: x with `value` added to what ``part = x[key]`` reads.

    Where an integer array names an element more than once all its values are added, as
    ``numpy.add.at`` does.

    Raises:
        SymgraphError: `part` does not come from indexing.
        DTypeError: `value` is of a kind that x cannot hold.
        ShapeError: `value` is known not to fit.
    """
    if isinstance(part, Selection):
        return part.inc(value)
    read = _indexed(part, "inc")
    fitted = _fitted(value, read.shape, read, "inc")
    return _updated(read, fitted, adds=True)


def _indexed(part: object, what: str) -> Variable:
    """`part`, which must be an indexed variable."""
    if not isinstance(part, Variable) or part.origin is None:
        refuse(
            SymgraphError,
            f"{what}: of something that was not indexed",
            part,
            remedy=f"write x[key].{what}(value)",
        )
    return part


def _fitted(value: object, shape: Any, read: Variable, what: str) -> Variable:
    """`value` in the dtype of what is replaced, and of `shape`."""
    made = _converted(value, read.dtype, what)
    extra = max(made.ndim - len(shape), 0)
    if any(size != 1 for size in made.type.dims[:extra]):
        refuse(
            ShapeError,
            f"{what}: a value of {made.ndim} dimensions for {len(shape)}",
            read,
            made,
            remedy="the value is broadcast to what is indexed",
        )
    return broadcast_to(squeeze(made, tuple(range(extra))), shape)


def _converted(value: object, dtype: str, what: str) -> Variable:
    """`value` as `dtype`: by assignment ("set") or by addition ("inc")."""
    if isinstance(value, bool | int | float):
        whole = not isinstance(value, float) or is_float(dtype)
        if what == "set" or whole:
            try:
                return constant(np.array(value, dtype), dtype)
            except OverflowError:
                refuse(
                    DTypeError,
                    f"{what}: {value} is out of bounds for {dtype}",
                    remedy=f"cast what is indexed to a wider type than {dtype}",
                )
    made = as_tensor(value)
    if is_complex(made.dtype) and not is_complex(dtype):
        refuse(
            DTypeError,
            f"{what}: {dtype} cannot hold complex numbers",
            made,
            remedy="take the part that you mean: sg.real(value), sg.imag(value)",
        )
    if what == "inc" and not np.can_cast(made.dtype, dtype, "same_kind"):
        refuse(
            DTypeError,
            f"{what}: {made.dtype} cannot be added to {dtype} in place",
            made,
            remedy=f"cast the value to {dtype}, or what is indexed to {made.dtype}",
        )
    return cast(made, dtype)


def _updated(read: Variable, value: Variable, *, adds: bool) -> Variable:
    """What `read` was read from, with `value` written or added there."""
    origin, chain = read.origin, []
    assert origin is not None
    node = read.node
    while node is not origin.node:
        chain.append(node)
        node = node.inputs[0]
    if chain and isinstance(chain[0].op, Gather):
        op = chain[0].op
        read, *indices = (Variable(i) for i in chain.pop(0).inputs)
        made = (Scatter if adds else Put)(op.axes, op.place)
        value = apply(made, read, value, *indices)
    elif adds:
        value = read + value
    inside = full(read.shape, True, "bool")
    for node in chain:
        value, inside = _embedded(node, value), _embedded(node, inside)
    return where(inside, value, origin) if chain else value


def _embedded(node: Node, value: Variable) -> Variable:
    """`value`, of the shape of `node`, where `node` reads; zeros elsewhere."""
    source, *ends = (Variable(i) for i in node.inputs)
    match node.op:
        case ExpandDims(axes=axes):
            return squeeze(value, axes)
        case Pick(axis=axis):
            return apply(PickEmbed(axis), value, shape_of(source, axis), *ends)
        case Slice(axis=axis, step=step, has_start=start, has_stop=stop):
            made = SliceEmbed(axis, step, start, stop)
            return apply(made, value, shape_of(source, axis), *ends)
    raise AssertionError(f"indexing does not make {node.op.name}")


# -- masks -----------------------------------------------------------------------------


class Selection:
    """``x[mask]``: it can be set and incremented, but not read.

    The number of elements that it has is known only when it runs.
    """

    __slots__ = ("_line", "mask", "x")

    __array_ufunc__ = None

    def __init__(self, x: Variable, mask: Variable) -> None:
        self.x, self.mask = x, mask
        self._line = describe_site(here())
        sizes = zip(mask.type.dims, x.type.dims, strict=False)
        known = all(
            m == s for m, s in sizes if isinstance(m, int) and isinstance(s, int)
        )
        if mask.ndim > x.ndim or not known:
            refuse(
                ShapeError,
                "x[mask]: the mask does not fit",
                x,
                mask,
                remedy="its shape must be that of the first axes of x",
            )

    def set(self, value: object) -> Variable:
        """x with `value` where the mask holds.

        `value` is a scalar, or is broadcast to the axes of x that the mask does not
        cover.
        """
        return where(self._inside(), self._spread(value, "set"), self.x)

    def inc(self, value: object) -> Variable:
        """x with `value` added where the mask holds; see :meth:`set`."""
        return where(self._inside(), self.x + self._spread(value, "inc"), self.x)

    def _inside(self) -> Variable:
        behind = tuple(range(self.mask.ndim, self.x.ndim))
        inside = broadcast_to(self.mask, self.x.shape[: self.mask.ndim])
        return expand_dims(inside, behind)

    def _spread(self, value: object, what: str) -> Variable:
        rest = self.x.ndim - self.mask.ndim
        made = as_tensor(value)
        lead = max(made.ndim - rest, 0)
        if any(size != 1 for size in made.type.dims[:lead]):
            refuse(
                UnsupportedError,
                f"x[mask].{what}: a value for each element that is selected",
                self.x,
                self.mask,
                made,
                remedy="give one value for all, or use sg.where(mask, y, x)",
            )
        return _fitted(value, self.x.shape[self.mask.ndim :], self.x, what)

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise UnsupportedError(
            message(
                "x[mask]: the size of the result would depend on run-time values",
                operands=(self.x, self.mask),
                line=self._line,
                remedy="use sg.where(mask, x, other), an integer array, or "
                "x[mask].set(v) and .inc(v)",
            )
        )

    def __repr__(self) -> str:
        return f"<x[mask] of {self.x.type}, which can be set but not read>"

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        self._refuse()

    __array__ = __len__ = __iter__ = __bool__ = __float__ = __int__ = _refuse
    __getitem__ = __contains__ = __neg__ = __abs__ = __invert__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = _refuse
    __mod__ = __rmod__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = _refuse
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _refuse
