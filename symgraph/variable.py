# mypy: disable-error-code="no-any-return"
"""Variables: light handles on nodes, with NumPy's operators and methods."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from .errors import (
    ArgumentError,
    DTypeError,
    SymbolicValueError,
    SymgraphError,
    message,
    refuse,
)
from .graph import Node, Site, describe_site, here, intern, rebuild
from .leaf import Constant, constant_op, plain
from .op import Op
from .types import TensorType, result_dtype

#: How to get at a value.
_VALUE = "compile it with sg.function, or compute it with x.eval({...})"

#: NumPy's names of what Python's operators call.
_OPERATORS = frozenset({
    "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "power",
    "matmul", "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
})  # fmt: skip


def _ours(name: str) -> str:
    """Where to find what NumPy calls `name`."""
    known = getattr(sys.modules[__package__], name, None)
    if callable(known):
        return f"use sg.{name}"
    if hasattr(Variable, name):
        return f"use x.{name}"
    return f"symgraph has no {name}: write it in symgraph's functions, or {_VALUE}"


class Variable:
    """A symbolic array: an expression, a name for it and the line it was written on.

    Operators and methods build new expressions and follow NumPy.  ``==`` is
    elementwise; variables hash by identity of the expression, so they work as
    dictionary keys only through :meth:`same` or their `node`.
    """

    __slots__ = ("name", "node", "site")

    __array_priority__ = 1000

    def __init__(self, node: Node, name: str | None = None) -> None:
        self.node = node
        self.name = name
        self.site = node.site

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

    def same(self, other: Variable) -> bool:
        """Whether both are the same expression (``==`` is elementwise)."""
        return self.node is other.node

    def __repr__(self) -> str:
        label = self.name or getattr(self.node.op, "label", None) or self.node.op.name
        return f"<{label}: {self.type}>"

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

        given = {v.node: value for v, value in (givens or {}).items()}
        return evaluate([self.node], given)[0]

    # -- what it is not ----------------------------------------------------------------

    def _refuse(self, what: str, remedy: str) -> NoReturn:
        refuse(
            SymbolicValueError,
            f"{what}: this variable is symbolic and has no value yet",
            self,
            remedy=remedy,
        )

    def __bool__(self) -> bool:
        self._refuse(
            "bool() of a variable (`if x > 0`, `and`, `not`, max(x, y))",
            "use sg.where(condition, a, b), and & | ~ between conditions",
        )

    def __float__(self) -> float:
        self._refuse("float() of a variable", _VALUE)

    def __int__(self) -> int:
        self._refuse("int() of a variable", _VALUE)

    def __complex__(self) -> complex:
        self._refuse("complex() of a variable", _VALUE)

    def __index__(self) -> int:
        self._refuse(
            "a variable used where Python needs an int (range, a list's index)",
            "use a symgraph function (sg.arange(n), x[n]), or a number",
        )

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        self._refuse(
            "np.asarray() of a variable", f"use symgraph's functions; {_VALUE}"
        )

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any
    ) -> Variable:
        """NumPy's operators on an array and a variable are ours; the rest is refused.

        An operator and the function of its name look the same from here.
        """
        if method == "__call__" and not kwargs and ufunc.__name__ in _OPERATORS:
            return getattr(_ops(), ufunc.__name__)(*inputs)
        if kwargs.get("out") is not None:
            self._refuse(
                f"np.{ufunc.__name__} into an array (`array += variable`)",
                "write array = array + variable, which is a new expression",
            )
        self._refuse(f"np.{ufunc.__name__} of a variable", _ours(ufunc.__name__))

    def __array_function__(
        self, func: Any, types: Any, args: Any, kwargs: Any
    ) -> NoReturn:
        name = func.__name__
        self._refuse(f"np.{name} of a variable", _ours(name))

    def __len__(self) -> int:
        size = self.node.type.dims[0] if self.ndim else None
        if isinstance(size, int):
            return size
        self._refuse("len() of a variable of unknown length", "x.shape[0] is symbolic")

    def __iter__(self) -> Iterator[Variable]:
        size = self.node.type.dims[0] if self.ndim else None
        if not isinstance(size, int):
            self._refuse(
                "iterating over a variable of unknown length",
                "compute with whole arrays (sg.sum(x), x * y), or declare the length: "
                "sg.tensor(name, shape=(3, None))",
            )
        return (self[k] for k in range(size))

    def __contains__(self, item: object) -> bool:
        self._refuse("`in` on a variable", "use sg.any(x == item)")

    def __setitem__(self, key: object, value: object) -> None:
        self._refuse(
            "assignment to x[...]", "expressions are immutable: y = x[i].set(v)"
        )

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

    def mean(self, axis: Any = None, *, keepdims: bool = False) -> Variable:
        """See :func:`symgraph.mean`."""
        return _ops().mean(self, axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Variable:
        """See :func:`symgraph.argmax`."""
        return _ops().argmax(self, axis, keepdims=keepdims)

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
        return _ops().transpose(self, given or None)

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
    if isinstance(value, list | tuple) and _holds_variable(value):
        refuse(
            DTypeError,
            "a list that holds variables is not an array",
            value,
            remedy="use sg.stack(list), or sg.concatenate(list)",
        )
    return constant(value, dtype)


def _holds_variable(value: list[object] | tuple[object, ...]) -> bool:
    """Whether a variable is anywhere in nested lists."""
    stack: list[object] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Variable):
            return True
        if isinstance(item, list | tuple):
            stack.extend(item)
    return False


def apply(op: Op, *inputs: Variable) -> Variable:
    """`op` applied to variables; errors name the op, the types and the user's line."""
    try:
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
    from .types import float_dtype

    known = [v.dtype if isinstance(v, Variable) else v for v in values]
    if to == "bool":
        dtype = "bool"
    else:
        dtype = result_dtype(*(_promotable(k) for k in known))
        dtype = float_dtype(dtype) if to == "float" else dtype
    return tuple(
        cast(v, dtype) if isinstance(v, Variable) else constant(_exact(v, dtype), dtype)
        for v in values
    )


def _promotable(value: object) -> object:
    """What NumPy's result_type takes for an operand: a dtype or a Python scalar."""
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple) and _holds_variable(value):
        as_tensor(value)  # which refuses it
    return plain(value, "an operand").dtype


def _exact(value: object, dtype: str) -> object:
    """Data of `dtype`; a Python scalar must fit it, as in NumPy 2."""
    if isinstance(value, bool | int | float):
        return np.asarray(value).astype(dtype) if dtype == "bool" else value
    return np.asarray(value).astype(dtype)


__all__ = ["Constant", "Site", "Variable", "apply", "as_tensor", "constant", "promote"]
