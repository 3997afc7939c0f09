"""The leaves of a graph: inputs, shared variables and constants."""

from __future__ import annotations

import hashlib
import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from . import dims
from .errors import DTypeError, ShapeError, SymgraphError, refuse
from .op import Array, Op
from .types import TensorType, check_dtype, tensor

if TYPE_CHECKING:
    from .graph import Node

_uids = itertools.count()


class Leaf(Op):
    """An op without inputs whose value comes from outside or is given."""

    def ref(self, *arrays: Array) -> Array:
        raise NotImplementedError("a leaf has no rule: its value is given")


@dataclass(frozen=True, eq=False)
class Input(Leaf):
    """An argument of functions; unique by identity."""

    declared: TensorType
    label: str | None = None
    uid: int = field(default_factory=lambda: next(_uids))

    def infer(self) -> TensorType:
        label = self.label or f"in{self.uid}"
        shape = tuple(
            dims.of_input(self.uid, axis, f"{label}.{axis}") if size is None else size
            for axis, size in enumerate(self.declared.shape)
        )
        return tensor(self.declared.dtype, shape)


class Parameter(Input):
    """What stands in a body for a value that each use of the body is given."""

    name: ClassVar[str] = "input"
    at_entry: ClassVar[bool] = False


class Storage:
    """Where a shared variable's value lives: a one-item list that native code swaps.

    The array in the box is C-contiguous, aligned, of NumPy's own dtype object and owned
    by the storage alone; or it is a `DeviceArray`, of which only functions with
    ``device="cuda"`` compute.  `twin` is the value with its copy on the other side,
    good for as long as that value is in the box.  `lent` is an array that the user
    keeps as well, and may write to.  `default_update` is what a call that reads the
    variable makes of it where its updates say nothing, or None.
    """

    __slots__ = ("box", "default_update", "lent", "lock", "twin")

    def __init__(self, value: Array, borrow: bool = False) -> None:
        self.box: list[Any] = [None]
        self.lock = threading.RLock()
        self.default_update: Node | None = None
        self.put(value, borrow)

    def put(self, value: Array, borrow: bool = False) -> None:
        """Replace the value by one on the host; `borrow` as in `owned`."""
        made = owned(value, borrow)
        with self.lock:
            self.lent = made if made is value else None
            self.twin: tuple[Any, Any] | None = None
            self.box[0] = made

    @property
    def at_home(self) -> bool:
        """Whether the value is on the host."""
        return isinstance(self.box[0], np.ndarray)

    def on_host(self) -> Array:
        """The value, or a copy of it on the host; it stays where it is."""
        value = self.box[0]
        return value if isinstance(value, np.ndarray) else value.to_numpy()

    def outline(self) -> Array:
        """An array of the value's type; the value itself where it has no axes."""
        value = self.box[0]
        return value if isinstance(value, np.ndarray) else value.outline()

    def come_home(self) -> bool:
        """Have the value on the host from now on; whether it was elsewhere.

        Its copy on the device is kept, for as long as the value does not change.
        """
        value, twin = self.box[0], self.twin
        if isinstance(value, np.ndarray):
            return False
        home = value.to_numpy() if twin is None or twin[0] is not value else twin[1]
        self.box[0] = home
        self.twin = home, value
        return True


def owned(array: Array, borrow: bool = False) -> Array:
    """A copy of `array` as compiled code takes it; with `borrow` itself, if it is so.

    Compiled code knows an array's type by NumPy's own dtype object.  Others that are
    equal to it exist: those of unpickled arrays, of C's long long, those with metadata.
    """
    dtype = np.dtype(array.dtype.name)
    flags = array.flags
    usable = flags.c_contiguous and flags.aligned and flags.writeable and flags.owndata
    if borrow and usable and array.dtype is dtype:
        return array
    # Not np.array(array, dtype=dtype), which keeps a dtype that is equal.
    made = np.empty(array.shape, dtype)
    made[...] = array
    return made


@dataclass(frozen=True, eq=False)
class Shared(Leaf):
    """A value kept between calls; unique by identity."""

    declared: TensorType
    storage: Storage
    label: str | None = None
    uid: int = field(default_factory=lambda: next(_uids))

    def infer(self) -> TensorType:
        label = self.label or f"shared{self.uid}"
        shape = tuple(
            dims.of_input(self.uid, axis, f"{label}.{axis}") if size is None else size
            for axis, size in enumerate(self.declared.shape)
        )
        return tensor(self.declared.dtype, shape)


#: Constants up to this many bytes are compared by content, larger ones by digest.
SMALL = 4096


@dataclass(frozen=True)
class Constant(Leaf):
    """A known array, equal to another by dtype, shape and bytes.

    So 0.0 is not -0.0, 1 is not True, and a NaN equals itself.
    """

    dtype: str
    shape: tuple[int, ...]
    key: bytes
    data: Array = field(compare=False, repr=False)

    def infer(self) -> TensorType:
        return tensor(self.dtype, self.shape)

    @property
    def small(self) -> bool:
        """Whether it is one element: part of structures, kernels and cache keys."""
        return self.data.size == 1

    def __repr__(self) -> str:
        if self.data.size <= 6:
            return f"Constant({self.data.tolist()}: {self.dtype})"
        return f"Constant({self.dtype}{list(self.shape)})"


def plain(value: object, what: str, dtype: str | None = None) -> Array:
    """`value` as an array; `what` names it in messages.

    Raises:
        DTypeError: a masked array, whose mask would be lost.
        ShapeError: nested lists that are no array.
    """
    subclass = isinstance(value, np.ndarray) and type(value) is not np.ndarray
    if subclass and np.ma.is_masked(value):
        refuse(
            DTypeError,
            f"{what} is a masked array with masked elements, which are not supported",
            remedy="fill them first: value.filled(...)",
        )
    try:
        return np.asarray(value, dtype=dtype)
    except ValueError as error:
        if isinstance(error, SymgraphError):
            raise
        reason = str(error).rstrip(".")
        refuse(
            ShapeError,
            f"{what} is no array: {reason}",
            remedy="rows must have one length: pad them, or keep them apart",
        )


def constant_op(value: object, dtype: str | None = None) -> Constant:
    """A constant holding a private, read-only, C-contiguous copy of `value`.

    Raises:
        DTypeError: the dtype is not supported.
        ShapeError: nested lists that are no array.
        OverflowError: a Python int does not fit `dtype`.
    """
    array = plain(value, "a constant", dtype)
    name = check_dtype(array.dtype)
    data = owned(array)
    data.flags.writeable = False
    raw = data.tobytes()
    key = raw if len(raw) <= SMALL else hashlib.blake2b(raw, digest_size=32).digest()
    return Constant(name, data.shape, key, data)
