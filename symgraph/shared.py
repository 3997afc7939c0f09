"""Shared variables: values kept between calls, which updates replace."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .device import known_device
from .device_array import DeviceArray, as_device_array, require_type, to_device
from .errors import DTypeError, ShapeError, SymgraphError, refuse
from .evaluate import as_array
from .graph import Node, here, intern
from .leaf import Shared, Storage, plain
from .op import Array
from .types import TensorType, result_dtype
from .variable import Variable, as_tensor


class SharedVariable(Variable):
    """A variable with a value of its own."""

    __slots__ = ()

    def __init__(self, op: Shared, name: str | None = None) -> None:
        super().__init__(intern(op, (), here()), name)

    @property
    def storage(self) -> Storage:
        """Where the value lives."""
        assert isinstance(self.node.op, Shared)
        return self.node.op.storage

    @property
    def default_update(self) -> Variable | None:
        """What functions that read this variable make of it; None for nothing.

        It counts when a function is made, where the function's own updates do not name
        this variable.  Setting it raises DTypeError or ShapeError for a value of
        another type.
        """
        node = self.storage.default_update
        return None if node is None else Variable(node)

    @default_update.setter
    def default_update(self, value: object) -> None:
        made = None if value is None else fit(value, self, "default_update").node
        self.storage.default_update = made

    @property
    def device(self) -> str:
        """Where the value lives: "cpu" or "cuda"."""
        return "cpu" if self.storage.at_home else "cuda"

    def to(self, device: str) -> SharedVariable:
        """Have the value live on "cpu" or "cuda"; gives the variable itself.

        Functions move it as well: one with ``device="cuda"`` that updates the variable
        leaves it on the GPU, and one for the CPU that reads it brings it back.  No copy
        is made where there is one on that side already.

        Raises:
            UnsupportedError: no such device, or no GPU.
        """
        storage, device = self.storage, known_device(device)
        with storage.lock:
            if device == "cpu":
                storage.come_home()
            elif storage.at_home:
                made = resident(storage)
                held = storage.box[0]
                storage.twin = None if held is storage.lent else (made, held)
                storage.box[0] = made
        return self

    def get_value(self, borrow: bool = False) -> Array:
        """The value; with `borrow` a read-only view of it, good until an update.

        Of a value that lives on a GPU it is a copy either way, and the value stays
        there.
        """
        storage = self.storage
        with storage.lock:
            array = storage.on_host()
            if not borrow:
                return array.copy() if storage.at_home else array
        view = array.view()
        view.flags.writeable = False
        return view

    def set_value(self, value: object, borrow: bool = False) -> None:
        """Replace the value; the dtype and the number of axes stay as they are.

        The variable lives where it lived, or on the GPU where `value` is there.  With
        `borrow` an array that needs no conversion is kept without a copy.

        Raises:
            DTypeError: the conversion could lose something.
            ShapeError: another number of axes.
        """
        storage = self.storage
        there = as_device_array(value, "the value of a shared variable")
        if there is None:
            array = as_array(value, self.type)
            with storage.lock:
                moved = not storage.at_home
                storage.put(array, borrow and not moved)
                if moved:
                    self.to("cuda")
            return
        require_type(there, self.type, "the value of a shared variable")
        made = there if borrow else there.copy()
        with storage.lock:
            storage.twin = storage.lent = None
            storage.box[0] = made

    def __copy__(self) -> SharedVariable:
        return self

    def __deepcopy__(self, memo: object) -> SharedVariable:
        _, (value, name) = self.__reduce__()
        return shared(value, name)

    def __reduce__(self) -> Any:
        """By value: what is loaded is a new variable with the same value."""
        if self.default_update is not None:
            refuse(
                SymgraphError,
                "a shared variable with a default_update belongs to a graph",
                self,
                remedy="pickle a compiled function, or set default_update to None",
            )
        return shared, (self.get_value(), self.name)


def shared(
    value: object, name: str | None = None, borrow: bool = False
) -> SharedVariable:
    """A variable that holds `value` between calls.

    Its dtype and number of axes are those of `value`; every axis may change its size.
    With `borrow` a contiguous array is kept without a copy.  An array on a GPU stays
    there.

    >>> step = shared(0, name="step")
    >>> step.set_value(3)
    >>> step.get_value()
    array(3)

    Raises:
        DTypeError: a dtype that is not supported.
    """
    what = "the value of a shared variable"
    there = as_device_array(value, what)
    if there is None:
        array = plain(value, what)
    else:
        array = np.zeros((0,) * there.ndim, there.dtype)  # until it is set
    kind = TensorType(array.dtype, (None,) * array.ndim)
    made = SharedVariable(Shared(kind, Storage(array, borrow), name), name)
    if there is not None:
        made.set_value(there, borrow)
    return made


def fit(value: object, target: Variable, what: str) -> Variable:
    """`value` as a variable that can take the place of `target`.

    Python numbers are weak and other dtypes are widened; `what` is for messages.

    Raises:
        DTypeError: the conversion could lose something.
        ShapeError: another number of axes, or a known size that differs.
    """
    made = _weak(value, target, what)
    if made.dtype != target.dtype:
        if not np.can_cast(made.dtype, target.dtype, "safe"):
            refuse(
                DTypeError,
                f"{what}: {target.dtype} cannot take {made.dtype} without loss",
                target,
                made,
                remedy=f"cast the new value: sg.cast(value, {target.dtype!r})",
            )
        made = made.astype(target.dtype)
    if made.ndim != target.ndim:
        refuse(
            ShapeError,
            f"{what}: what stands for {target.ndim} dimensions has {made.ndim}",
            target,
            made,
            remedy="give a value of as many dimensions: reshape it, or take its sum",
        )
    for old, new in zip(target.type.dims, made.type.dims, strict=True):
        if isinstance(old, int) and isinstance(new, int) and old != new:
            refuse(
                ShapeError,
                f"{what}: the shapes differ, {old} is not {new}",
                target,
                made,
                remedy="give a value of the same shape",
            )
    return made


def _weak(value: object, target: Variable, what: str) -> Variable:
    """`value` as a variable; a Python number takes `target`'s dtype if it can."""
    number = isinstance(value, bool | int | float | complex)
    if not number or result_dtype(target.dtype, value) != target.dtype:
        return as_tensor(value)
    try:
        return as_tensor(value, target.dtype)
    except OverflowError as error:
        refuse(
            DTypeError,
            f"{what}: {target.dtype} cannot take {value}: {error}",
            target,
            remedy=f"give a number that {target.dtype} holds",
        )


def storage_of(node: Node) -> Storage:
    """Where the value of a shared variable's node is kept."""
    assert isinstance(node.op, Shared)
    return node.op.storage


def locks_of(shared: Iterable[Node]) -> tuple[Any, ...]:
    """The locks of shared variables' nodes, in one order for all functions."""
    ordered = sorted(shared, key=lambda n: n.op.uid)  # type: ignore[attr-defined]
    return tuple(storage_of(n).lock for n in ordered)


def resident(storage: Storage) -> DeviceArray:
    """The value on the device, where it is copied once; it stays where it lives.

    An array that the user may write to is copied each time.  The lock is held.
    """
    value, twin = storage.box[0], storage.twin
    if isinstance(value, DeviceArray):
        return value
    if twin is not None and twin[0] is value:
        there: DeviceArray = twin[1]
        return there
    made = to_device(value)
    if value is not storage.lent:
        storage.twin = value, made
    return made
