"""The leaves of a graph: inputs, shared variables and constants."""

from __future__ import annotations

import hashlib
import itertools
import threading
from dataclasses import dataclass, field

import numpy as np

from . import dims
from .op import Array, Op
from .types import TensorType, check_dtype, tensor

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

    def infer(self) -> TensorType:  # type: ignore[override]
        label = self.label or f"in{self.uid}"
        shape = tuple(
            dims.of_input(self.uid, axis, f"{label}.{axis}") if size is None else size
            for axis, size in enumerate(self.declared.shape)
        )
        return tensor(self.declared.dtype, shape)


class Storage:
    """Where a shared variable's value lives: a one-item list that native code swaps.

    The array in the box is C-contiguous, aligned, in native byte order and owned by the
    storage alone.
    """

    __slots__ = ("box", "lock")

    def __init__(self, value: Array) -> None:
        self.box = [value]
        self.lock = threading.RLock()


@dataclass(frozen=True, eq=False)
class Shared(Leaf):
    """A value kept between calls; unique by identity."""

    declared: TensorType
    storage: Storage
    label: str | None = None
    uid: int = field(default_factory=lambda: next(_uids))

    def infer(self) -> TensorType:  # type: ignore[override]
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

    def infer(self) -> TensorType:  # type: ignore[override]
        return tensor(self.dtype, self.shape)

    @property
    def small(self) -> bool:
        """Whether the value is part of the graph's structure (and of cache keys)."""
        return self.data.size <= 1

    def __repr__(self) -> str:
        if self.data.size <= 6:
            return f"Constant({self.data.tolist()}: {self.dtype})"
        return f"Constant({self.dtype}{list(self.shape)})"


def constant_op(value: object, dtype: str | None = None) -> Constant:
    """A constant holding a private, read-only, C-contiguous copy of `value`.

    Raises:
        DTypeError: the dtype is not supported.
        OverflowError: a Python int does not fit `dtype`.
    """
    array = np.asarray(value, dtype=dtype)
    name = check_dtype(array.dtype)
    data = np.array(array, dtype=np.dtype(name), order="C", copy=True)
    data.flags.writeable = False
    raw = data.tobytes()
    key = raw if len(raw) <= SMALL else hashlib.blake2b(raw, digest_size=32).digest()
    return Constant(name, data.shape, key, data)
