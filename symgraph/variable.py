# mypy: disable-error-code="no-any-return"
"""Variables: light handles on nodes, with NumPy's operators and methods."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from .errors import (
    ArgumentError,
    DTypeError,
    SymgraphError,
    message,
    refuse,
)
from .graph import Node, Site, describe_site, here, intern, rebuild
from .leaf import Constant, constant_op, plain
from .op import Op
from .symbolic import Symbolic
from .types import COMPLEX, TensorType, float_dtype, result_dtype


class Variable(Symbolic):
    """A symbolic array: an expression, a name for it and the line it was written on.

    Operators and methods build new expressions and follow NumPy.  ``==`` is
    elementwise; variables hash by identity of the expression, so they work as
    dictionary keys only through :meth:`same` or their `node`.
    """

    __slots__ = ("name", "node", "origin", "site")

    def __init__(self, node: Node, name: str | None = None) -> None:
        self.node = node
        self.name = name
        self.site = node.site
        #: Of ``x[key]``: x, which `set` and `inc` give back changed.
        self.origin: Variable | None = None

    # -- what it is --------------------------------------------------------------------

    @property
    def type(self) -> TensorType:
        """dtype and shape."""
        return self.node.type

    @property
    def dtype(self) -> str:
        """The elements' dtype, by name."""
        return self.node.type.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.node.type.shape)

    @property
    def shape(self) -> tuple[Any, ...]:
        """Ints where known, else symbolic int64 scalars; never None."""
        return tuple(
            size if isinstance(size, int) else _ops().shape_of(self, axis)
            for axis, size in enumerate(self.node.type.dims)
        )

    @property
    def size(self) -> Any:
        """The number of elements: an int or a symbolic int64 scalar."""
        total: Any = 1
        for extent in self.shape:
            total = total * extent
        return total

    @property
    def op(self) -> Op:
        """The op that makes this value."""
        return self.node.op

    @property
    def inputs(self) -> tuple[Variable, ...]:
        """What the op is applied to."""
        return tuple(Variable(n) for n in self.node.inputs)

    @property
    def T(self) -> Variable:
        """The axes in reverse order."""
        return _ops().transpose(self)

    @property
    def mT(self) -> Variable:
        """The last two axes exchanged."""
        return _ops().matrix_transpose(self)

    @property
    def real(self) -> Variable:
        """The real part; the variable itself where it is not complex."""
        return _ops().real(self)

    @property
    def imag(self) -> Variable:
        """The imaginary part; zeros where it is not complex."""
        return _ops().imag(self)

    def same(self, other: Variable) -> bool:
        """Whether both are the same expression (``==`` is elementwise)."""
        return self.node is other.node

    def __repr__(self) -> str:
        label = self.name or getattr(self.node.op, "label", None) or self.node.op.name
        return f"<{label}: {self.type}>"

    def _repr_html_(self) -> str:
        from .inspect.static_html import variable_html

        return variable_html(self)

    def __hash__(self) -> int:
        return hash(self.node)

    def __copy__(self) -> Variable:
        return self

    def __deepcopy__(self, memo: object) -> Variable:
        return self

    def __reduce__(self) -> NoReturn:
        refuse(
            ArgumentError,
            "a variable is not pickled by itself: it belongs to a graph",
            self,
            remedy="pickle a Graph of it (sg.Graph), or a compiled function",
        )

    def __array_namespace__(self, api_version: str | None = None) -> ModuleType:
        """The Array API namespace: symgraph itself."""
        return sys.modules[__package__]

    def eval(self, givens: dict[Variable, object] | None = None) -> Any:
        """The value, with `givens` mapping inputs to arrays; compiles nothing.

        Raises:
            MissingInputError: an input has no value.
        """
        from .evaluate import evaluate

        for key in givens or {}:
            if not isinstance(key, Variable):
                refuse(
                    ArgumentError,
                    f"eval: {key!r} is not a variable",
                    self,
                    remedy="map the variables themselves to arrays: {x: value}",
                )
        given = {v.node: value for v, value in (givens or {}).items()}
        return evaluate([self.node], given)[0]

    # -- operators ---------------------------------------------------------------------

    def __getitem__(self, key: object) -> Variable:
        return _ops().getitem(self, key)

    def __neg__(self) -> Variable:
        return _ops().negative(self)

    def __pos__(self) -> Variable:
        return _ops().positive(self)

    def __abs__(self) -> Variable:
        return _ops().abs(self)

    def __invert__(self) -> Variable:
        return _ops().invert(self)

    def __add__(self, other: object) -> Variable:
        return _ops().add(self, other)

    def __radd__(self, other: object) -> Variable:
        return _ops().add(other, self)

    def __sub__(self, other: object) -> Variable:
        return _ops().subtract(self, other)

    def __rsub__(self, other: object) -> Variable:
        return _ops().subtract(other, self)

    def __mul__(self, other: object) -> Variable:
        return _ops().multiply(self, other)

    def __rmul__(self, other: object) -> Variable:
        return _ops().multiply(other, self)

    def __truediv__(self, other: object) -> Variable:
        return _ops().divide(self, other)

    def __rtruediv__(self, other: object) -> Variable:
        return _ops().divide(other, self)

    def __floordiv__(self, other: object) -> Variable:
        return _ops().floor_divide(self, other)

    def __rfloordiv__(self, other: object) -> Variable:
        return _ops().floor_divide(other, self)

    def __mod__(self, other: object) -> Variable:
        return _ops().remainder(self, other)

    def __rmod__(self, other: object) -> Variable:
        return _ops().remainder(other, self)

    def __pow__(self, other: object) -> Variable:
        return _ops().power(self, other)

    def __rpow__(self, other: object) -> Variable:
        return _ops().power(other, self)

    def __divmod__(self, other: object) -> tuple[Variable, Variable]:
        return _ops().divmod(self, other)

    def __rdivmod__(self, other: object) -> tuple[Variable, Variable]:
        return _ops().divmod(other, self)

    def __round__(self, ndigits: int | None = None) -> Variable:
        return _ops().round(self, ndigits or 0)

    def __floor__(self) -> Variable:
        return _ops().floor(self)

    def __ceil__(self) -> Variable:
        return _ops().ceil(self)

    def __trunc__(self) -> Variable:
        return _ops().trunc(self)

    def __lshift__(self, other: object) -> Variable:
        return _ops().left_shift(self, other)

    def __rlshift__(self, other: object) -> Variable:
        return _ops().left_shift(other, self)

    def __rshift__(self, other: object) -> Variable:
        return _ops().right_shift(self, other)

    def __rrshift__(self, other: object) -> Variable:
        return _ops().right_shift(other, self)

    def __matmul__(self, other: object) -> Variable:
        return _ops().matmul(self, other)

    def __rmatmul__(self, other: object) -> Variable:
        return _ops().matmul(other, self)

    def __and__(self, other: object) -> Variable:
        return _ops().bitwise_and(self, other)

    def __rand__(self, other: object) -> Variable:
        return _ops().bitwise_and(other, self)

    def __or__(self, other: object) -> Variable:
        return _ops().bitwise_or(self, other)

    def __ror__(self, other: object) -> Variable:
        return _ops().bitwise_or(other, self)

    def __xor__(self, other: object) -> Variable:
        return _ops().bitwise_xor(self, other)

    def __rxor__(self, other: object) -> Variable:
        return _ops().bitwise_xor(other, self)

    def __eq__(self, other: object) -> Variable:  # type: ignore[override]
        return _ops().equal(self, other)

    def __ne__(self, other: object) -> Variable:  # type: ignore[override]
        return _ops().not_equal(self, other)

    def __lt__(self, other: object) -> Variable:
        return _ops().less(self, other)

    def __le__(self, other: object) -> Variable:
        return _ops().less_equal(self, other)

    def __gt__(self, other: object) -> Variable:
        return _ops().greater(self, other)

    def __ge__(self, other: object) -> Variable:
        return _ops().greater_equal(self, other)

    # -- methods -----------------------------------------------------------------------

    def astype(self, dtype: object) -> Variable:
        """Converted to `dtype`; see :func:`symgraph.cast`."""
        return _ops().cast(self, dtype)

    def round(self, decimals: int = 0) -> Variable:
        """See :func:`symgraph.round`."""
        return _ops().round(self, decimals)

    def conj(self) -> Variable:
        """See :func:`symgraph.conj`."""
        return _ops().conj(self)

    def clip(self, min: object = None, max: object = None) -> Variable:
        """See :func:`symgraph.clip`."""
        return _ops().clip(self, min, max)

    def sum(self, axis: Any = None, *, keepdims: bool = False) -> Variable:
        """See :func:`symgraph.sum`."""
        return _ops().sum(self, axis, keepdims=keepdims)

    def max(self, axis: Any = None, *, keepdims: bool = False) -> Variable:
        """See :func:`symgraph.max`."""
        return _ops().max(self, axis, keepdims=keepdims)

    def min(self, axis: Any = None, *, keepdims: bool = False) -> Variable:
        """See :func:`symgraph.min`."""
        return _ops().min(self, axis, keepdims=keepdims)

    def mean(
        self, axis: Any = None, *, dtype: object = None, keepdims: bool = False
    ) -> Variable:
        """See :func:`symgraph.mean`."""
        return _ops().mean(self, axis, dtype=dtype, keepdims=keepdims)

    def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Variable:
        """See :func:`symgraph.argmax`."""
        return _ops().argmax(self, axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Variable:
        """See :func:`symgraph.argmin`."""
        return _ops().argmin(self, axis, keepdims=keepdims)

    def var(
        self, axis: Any = None, *, ddof: float = 0, keepdims: bool = False
    ) -> Variable:
        """See :func:`symgraph.var`."""
        return _ops().var(self, axis, ddof=ddof, keepdims=keepdims)

    def std(
        self, axis: Any = None, *, ddof: float = 0, keepdims: bool = False
    ) -> Variable:
        """See :func:`symgraph.std`."""
        return _ops().std(self, axis, ddof=ddof, keepdims=keepdims)

    def prod(self, axis: Any = None, *, keepdims: bool = False) -> Variable:
        """See :func:`symgraph.prod`."""
        return _ops().prod(self, axis, keepdims=keepdims)

    def any(self, axis: Any = None, *, keepdims: bool = False) -> Variable:
        """See :func:`symgraph.any`."""
        return _ops().any(self, axis, keepdims=keepdims)

    def all(self, axis: Any = None, *, keepdims: bool = False) -> Variable:
        """See :func:`symgraph.all`."""
        return _ops().all(self, axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None, dtype: object = None) -> Variable:
        """See :func:`symgraph.cumsum`."""
        return _ops().cumsum(self, axis, dtype)

    def cumprod(self, axis: int | None = None, dtype: object = None) -> Variable:
        """See :func:`symgraph.cumprod`."""
        return _ops().cumprod(self, axis, dtype)

    def set(self, value: object) -> Variable:
        """``x[key].set(value)``: x with `value` there; see `set_subtensor`."""
        return _ops().set_subtensor(self, value)

    def inc(self, value: object) -> Variable:
        """``x[key].inc(value)``: x with `value` added there; see `inc_subtensor`."""
        return _ops().inc_subtensor(self, value)

    def take(self, indices: object, axis: int | None = None) -> Variable:
        """See :func:`symgraph.take`."""
        return _ops().take(self, indices, axis)

    def squeeze(self, axis: Any = None) -> Variable:
        """See :func:`symgraph.squeeze`."""
        return _ops().squeeze(self, axis)

    def repeat(self, repeats: object, axis: int | None = None) -> Variable:
        """See :func:`symgraph.repeat`."""
        return _ops().repeat(self, repeats, axis)

    def swapaxes(self, axis1: int, axis2: int) -> Variable:
        """See :func:`symgraph.swapaxes`."""
        return _ops().swapaxes(self, axis1, axis2)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
        """See :func:`symgraph.diagonal`."""
        return _ops().diagonal(self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
        """See :func:`symgraph.trace`."""
        return _ops().trace(self, offset, axis1, axis2)

    def ravel(self) -> Variable:
        """One axis, in C order."""
        return _ops().reshape(self, (-1,))

    def dot(self, other: object) -> Variable:
        """See :func:`symgraph.dot`."""
        return _ops().dot(self, other)

    def reshape(self, *shape: Any) -> Variable:
        """See :func:`symgraph.reshape`."""
        given = (
            shape[0]
            if len(shape) == 1 and isinstance(shape[0], tuple | list)
            else shape
        )
        return _ops().reshape(self, given)

    def transpose(self, *axes: Any) -> Variable:
        """See :func:`symgraph.transpose`."""
        given = (
            axes[0] if len(axes) == 1 and isinstance(axes[0], tuple | list) else axes
        )
        return _ops().transpose(self, None if given in ((), (None,)) else given)

    def flatten(self) -> Variable:
        """One axis, in C order."""
        return _ops().reshape(self, (-1,))


def _ops() -> Any:
    """The ops, found at call time: operators and ops need each other."""
    from . import ops

    return ops


def constant(
    value: object, dtype: str | None = None, name: str | None = None
) -> Variable:
    """A constant with the value and (unless given) the dtype of `value`.

    >>> constant(2.5)
    <constant: float64>
    """
    return Variable(intern(constant_op(value, dtype), ()), name)


def as_tensor(value: object, dtype: str | None = None) -> Variable:
    """`value` as a variable: variables are returned as they are, data become constants.

    Raises:
        DTypeError: `value` is not numeric.
    """
    if isinstance(value, Variable):
        return value
    if isinstance(value, list | tuple) and holds_variable(value):
        refuse(
            DTypeError,
            "a list that holds variables is not an array",
            value,
            remedy="use sg.stack(list), or sg.concatenate(list)",
        )
    return constant(value, dtype)


def holds_variable(value: list[object] | tuple[object, ...]) -> bool:
    """Whether a variable is anywhere in nested lists."""
    stack: list[object] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Variable):
            return True
        if isinstance(item, list | tuple):
            stack.extend(item)
    return False


_REAL_ONLY = "take the parts that you mean: sg.real(x), sg.imag(x) or sg.abs(x)"


def apply(op: Op, *inputs: Variable) -> Variable:
    """`op` applied to variables; errors name the op, the types and the user's line."""
    try:
        if op.parts is None and any(v.dtype in COMPLEX for v in inputs):
            raise DTypeError("not defined for complex operands", _REAL_ONLY)
        return Variable(intern(op, tuple(v.node for v in inputs), here()))
    except SymgraphError as error:
        raise _told(error, op, inputs, here()) from None


def substitute(outputs: Sequence[Node], replace: dict[Node, Node]) -> tuple[Node, ...]:
    """`outputs` with nodes replaced, where what is replaced may not fit.

    Raises:
        ShapeError, DTypeError: it does not, on the line of the op that refuses it.
    """

    def made(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node in replace:
            return replace[node]
        if inputs == node.inputs:
            return node
        try:
            return intern(node.op, inputs, node.site)
        except SymgraphError as error:
            given = tuple(Variable(i) for i in inputs)
            raise _told(error, node.op, given, node.site) from None

    return rebuild(outputs, made)


def _told(
    error: SymgraphError, op: Op, inputs: Sequence[Variable], site: Site | None
) -> SymgraphError:
    """What type inference says (a reason and a remedy) in the standard layout."""
    reason, *remedy = error.args
    return type(error)(
        message(
            f"{op.name}: {reason}",
            operands=tuple(inputs),
            line=describe_site(site),
            remedy=remedy[0] if remedy else "give operands that fit",
        )
    )


def promote(*values: object, to: str = "common") -> tuple[Variable, ...]:
    """Operands brought to one dtype by NumPy 2's rules; Python scalars are weak.

    `to` is "common", "float" (as exp does) or "bool".
    """
    from .ops.cast import cast

    known = [v.dtype if isinstance(v, Variable) else _promotable(v) for v in values]
    if to == "bool":
        dtype = "bool"
    else:
        weak = any(isinstance(k, int | float | complex) for k in known)
        if to == "float" and not weak:
            # NumPy's loops: of int8 and uint16 it is float32, as of each of them.
            known = [_floating(k) for k in known]
        dtype = result_dtype(*known)
        dtype = float_dtype(dtype) if to == "float" else dtype
    return tuple(
        cast(v, dtype) if isinstance(v, Variable) else constant(_exact(v, dtype), dtype)
        for v in values
    )


def _promotable(value: object) -> object:
    """What NumPy's result_type takes for an operand: a dtype or a Python scalar."""
    if isinstance(value, bool | int | float | complex):
        return value
    if isinstance(value, list | tuple) and holds_variable(value):
        as_tensor(value)  # which refuses it
    dtype = plain(value, "an operand").dtype
    if dtype.kind not in "biufc":
        refuse(
            DTypeError,
            f"an operand is no array of numbers: {repr(value)[:60]}",
            remedy="operands are variables, arrays, numbers and lists of numbers",
        )
    return dtype


def _floating(kind: Any) -> str:
    """The float type of an operand's dtype."""
    return float_dtype(kind if isinstance(kind, str) else np.dtype(kind).name)


def _exact(value: object, dtype: str) -> object:
    """Data of `dtype`; a Python scalar must fit it, as in NumPy 2."""
    if isinstance(value, bool | int | float | complex):
        return np.asarray(value).astype(dtype) if dtype == "bool" else value
    return np.asarray(value).astype(dtype)


__all__ = ["Constant", "Site", "Variable", "apply", "as_tensor", "constant", "promote"]
