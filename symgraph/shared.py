"""Shared variables: values kept between calls, which updates replace."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import SymgraphError
from .evaluate import as_array
from .graph import here, intern
from .leaf import Shared, Storage
from .op import Array
from .types import TensorType
from .variable import Variable


class SharedVariable(Variable):
    """A variable with a value of its own.

    Attributes:
        default_update: an expression for the value after each call that reads this
            variable, where the call's own updates say nothing else; None for none.
    """

    __slots__ = ("default_update",)

    default_update: Variable | None

    def __init__(self, op: Shared, name: str | None = None) -> None:
        super().__init__(intern(op, (), here()), name)
        self.default_update = None

    @property
    def storage(self) -> Storage:
        """Where the value lives."""
        assert isinstance(self.node.op, Shared)
        return self.node.op.storage

    def get_value(self, borrow: bool = False) -> Array:
        """The value; with `borrow` a read-only view of it, good until an update."""
        with self.storage.lock:
            array = self.storage.box[0]
            if not borrow:
                return array.copy()
        view = array.view()
        view.flags.writeable = False
        return view

    def set_value(self, value: object, borrow: bool = False) -> None:
        """Replace the value; the dtype and the number of axes stay as they are.

        With `borrow` an array that needs no conversion is kept without a copy.

        Raises:
            DTypeError: the conversion could lose something.
            ShapeError: another number of axes.
        """
        array = _owned(as_array(value, self.type), borrow)
        with self.storage.lock:
            self.storage.box[0] = array

    def __copy__(self) -> SharedVariable:
        return self

    def __deepcopy__(self, memo: object) -> SharedVariable:
        _, (value, name) = self.__reduce__()
        return shared(value, name)

    def __reduce__(self) -> Any:
        """By value: what is loaded is a new variable with the same value."""
        if self.default_update is not None:
            raise SymgraphError(
                "a shared variable with a default_update belongs to a graph\n"
                "  help: pickle a compiled function, or set default_update to None"
            )
        return shared, (self.get_value(), self.name)


def shared(
    value: object, name: str | None = None, borrow: bool = False
) -> SharedVariable:
    """A variable that holds `value` between calls.

    Its dtype and number of axes are those of `value`; every axis may change its size.
    With `borrow` a contiguous array is kept without a copy.

    >>> step = shared(0, name="step")
    >>> step.set_value(3)
    >>> step.get_value()
    array(3)

    Raises:
        DTypeError: a dtype that is not supported.
    """
    array = np.asarray(value)
    kind = TensorType(array.dtype, (None,) * array.ndim)
    storage = Storage(_owned(array.astype(kind.dtype, copy=False), borrow))
    return SharedVariable(Shared(kind, storage, name), name)


def _owned(array: Array, borrow: bool) -> Array:
    """A contiguous, aligned, writeable array; `array` itself where it may be kept."""
    flags = array.flags
    usable = flags.c_contiguous and flags.aligned and flags.writeable and flags.owndata
    return array if borrow and usable else np.array(array, order="C")
