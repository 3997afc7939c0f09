"""Python functions that compiled code calls: arrays in, one array out."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from ..program import HostFunction

Array: TypeAlias = np.ndarray[Any, Any]
#: The dtype and the number of axes of an array.
Kind: TypeAlias = tuple[str, int]

_NATIVE = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int64)
)
#: What native code that has finished returns.
DONE = 1


class Callback:
    """A Python function as native code that a program's `Call` reaches.

    ``fn(*arrays)`` gets copies of the arrays that are read, to keep if it likes, and
    returns what is written; ``check(shape, returned)`` makes an array of exactly the
    result's kind and shape of that, or raises.  `kinds` are those of all arrays, the
    result's last.  Native code passes the sizes of all axes of all arrays, in this
    order.  The call takes the GIL; what is raised is kept for the thread that made it
    (:meth:`take`).
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        check: Callable[[tuple[int, ...], Any], Array],
        kinds: Sequence[Kind],
    ) -> None:
        self._fn = fn
        self._check = check
        self._kinds = tuple(kinds)
        self._raised = threading.local()
        self._native = _NATIVE(self._call)
        self.address = ctypes.cast(self._native, ctypes.c_void_p).value or 0

    def take(self) -> BaseException | None:
        """The exception that ended this thread's last call, once."""
        raised: BaseException | None = getattr(self._raised, "error", None)
        self._raised.error = None
        return raised

    def _call(self, pointers: Any, sizes: Any) -> int:
        # Whatever is raised must not be lost: ctypes would print it and go on.
        try:
            arrays, place = [], 0
            for number, (dtype, ndim) in enumerate(self._kinds):
                shape = tuple(sizes[place + k] for k in range(ndim))
                arrays.append(_array_at(pointers[number], dtype, shape))
                place += ndim
            *given, result = arrays
            made = self._fn(*(np.array(a) for a in given))
            result[...] = self._check(result.shape, made)
        except BaseException as error:
            self._raised.error = error
            return 0
        return DONE


def _array_at(address: int | None, dtype: str, shape: tuple[int, ...]) -> Array:
    """The array in memory at `address`."""
    count = int(np.prod(shape, dtype=np.int64))
    if not count or address is None:
        return np.empty(shape, dtype)
    kind = np.dtype(dtype)
    memory: Any = (ctypes.c_char * (count * kind.itemsize)).from_address(address)
    return np.ndarray(shape, kind, buffer=memory)


def over_arrays(function: HostFunction) -> Callable[..., bool]:
    """A host function as a Python function of C-contiguous arrays, written in place.

    It says whether it succeeded, as the loop interpreter wants it.
    """
    native = _NATIVE(function.address)

    def called(*arrays: Array) -> bool:
        given = [a.ctypes.data for a in arrays]
        extents = [size for a in arrays for size in a.shape]
        pointers = (ctypes.c_void_p * len(given))(*given)
        sizes = (ctypes.c_int64 * max(1, len(extents)))(*extents)
        return bool(native(pointers, sizes) == DONE)

    return called
