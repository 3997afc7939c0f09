"""What a symbolic value is not: a number, a sequence, an array.

Python and NumPy ask for a value in many ways, and each gets an answer that says what to
write instead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from .errors import SymbolicValueError, refuse

if TYPE_CHECKING:
    from .graph import Node
    from .variable import Variable

#: How to get at a value.
_VALUE = "compile it with sg.function, or compute it with x.eval({...})"

#: NumPy's names of what Python's operators call.
_OPERATORS = frozenset({
    "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "power",
    "matmul", "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
})  # fmt: skip


def _ours(name: str, kind: type) -> str:
    """Where to find what NumPy calls `name`: a function, or an attribute of `kind`."""
    known = getattr(sys.modules[__package__], name, None)
    if callable(known):
        return f"use sg.{name}"
    if hasattr(kind, name):
        return f"use x.{name}"
    return f"symgraph has no {name}: write it in symgraph's functions, or {_VALUE}"


class Symbolic:
    """The part of a variable that refuses to be a value."""

    __slots__ = ()

    #: NumPy arrays on the left leave the operation to us.
    __array_priority__: ClassVar[int] = 1000

    node: Node

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
            made: Variable = getattr(sys.modules[__package__], ufunc.__name__)(*inputs)
            return made
        if kwargs.get("out") is not None:
            self._refuse(
                f"np.{ufunc.__name__} into an array (`array += variable`)",
                "write array = array + variable, which is a new expression",
            )
        self._refuse(
            f"np.{ufunc.__name__} of a variable", _ours(ufunc.__name__, type(self))
        )

    def __array_function__(
        self, func: Any, types: Any, args: Any, kwargs: Any
    ) -> NoReturn:
        name = func.__name__
        self._refuse(f"np.{name} of a variable", _ours(name, type(self)))

    def __len__(self) -> int:
        size = self._length()
        if size is not None:
            return size
        self._refuse("len() of a variable of unknown length", "x.shape[0] is symbolic")

    def __iter__(self) -> Iterator[Variable]:
        size = self._length()
        if size is None:
            self._refuse(
                "iterating over a variable of unknown length",
                "compute with whole arrays (sg.sum(x), x * y), or declare the length: "
                "sg.tensor(name, shape=(3, None))",
            )
        return (self[k] for k in range(size))

    def _length(self) -> int | None:
        """The size of the first axis, if there is one and its size is known."""
        size = self.node.type.dims[0] if self.node.type.dims else None
        return size if isinstance(size, int) else None

    def __getitem__(self, key: Any) -> Variable:
        raise NotImplementedError

    def __contains__(self, item: object) -> bool:
        self._refuse("`in` on a variable", "use sg.any(x == item)")

    def __setitem__(self, key: object, value: object) -> None:
        self._refuse(
            "assignment to x[...]", "expressions are immutable: y = x[i].set(v)"
        )
