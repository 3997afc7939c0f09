"""The process-wide table of C functions and objects that compiled code reaches.

Object files carry no addresses: a compiled function finds this table through its own
cells, and everything else through the table.  The same bytes therefore link in any
process.  The table is built at the first link, never at import.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import os
import struct
import sys
import sysconfig
import threading
import time
import warnings
import weakref
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from ..errors import UnsupportedHostError
from ..ir import DTYPES

#: The version of what `link` and compiled code agree on: the table, the cells, and the
#: exported names ``entry``, ``trim``, ``arena_bytes``, ``worker`` and ``layout``.
LAYOUT = 10
#: The dtypes of arrays that a call takes and returns.
OUTER_DTYPES = (*DTYPES, "complex64", "complex128")
#: Bits of the last word of ``layout``.
USES_THREADS = 1
#: Byte offsets inside a PyArrayObject, a PyListObject and a PyObject (64-bit CPython).
TYPE, DATA, NDIM, DIMENSIONS, BASE, DESCR, FLAGS, WEAK = 8, 16, 24, 32, 48, 56, 64, 72
LIST_SIZE, LIST_ITEMS = 16, 24
#: The same in a Python float and in NumPy's scalars: where the value is.
SCALAR_VALUE = 16
#: C-contiguous and aligned, in NumPy's array flags.
CONTIGUOUS = 0x0001 | 0x0100
DATA_IS_OWN, WRITEABLE = 0x0004, 0x0400
#: How many large results are held for their memory (see `reuse`).
POOL = 4
#: Together they hold at most this share of the machine's memory, and this much.
POOL_SHARE, POOL_BYTES = 1 / 8, 1 << 31


class Slot(IntEnum):
    """Where each pointer (or number) sits in the table, in words of 8 bytes."""

    THREADS = 0  #: how many threads a parallel loop may use
    NOTICE = 1  #: 0 quiet, 1 warn when a parallel loop runs serially, 2 such a one ran
    CLOCK = 2  #: the clock that `clock_gettime` is to read
    CREW = 3  #: the words of the helping threads (see `team`)
    WARN_SERIAL = 6  #: a Python callable, called when NOTICE has become 2
    NDARRAY = 7
    RUNTIME_ERROR = 9
    DESCR = 10  #: the first of one builtin descriptor for each of `OUTER_DTYPES`
    NEW_ARRAY = 24
    RETURN_ARRAY = 25
    VECTORCALL = 26
    SAVE_THREAD = 27
    RESTORE_THREAD = 28
    CHECK_SIGNALS = 29
    NO_MEMORY = 30
    SET_STRING = 31
    NEW_LIST = 32
    SET_ITEM = 33
    FROM_LONG = 34
    INCREF = 35
    DECREF = 36
    ALIGNED_ALLOC = 37
    FREE = 38
    CLOCK_GETTIME = 39
    YIELD = 40
    SLEEP = 41
    POOL = 42  #: the first of `POOL` arrays
    POOL_NEXT = 46  #: which of them makes room for the next one
    POOL_LIMIT = 47  #: the bytes of the largest array that is held
    EXACT_CLOCK = 48  #: the clock that measures steps
    FLOAT = 49  #: the type of Python's floats
    SCALAR = 50  #: the first of NumPy's scalar types for `OUTER_DTYPES`
    MUTEX_LOCK = 64
    MUTEX_UNLOCK = 65
    CONDITION_WAIT = 66
    CONDITION_BROADCAST = 67
    PROCESSOR = 68  #: on which the caller runs; or 0, as the next two, if not known
    GET_AFFINITY = 69
    SET_AFFINITY = 70
    COUNT = 71


class Cell(IntEnum):
    """Where a compiled function's own words sit: the data of its ``self``, an array."""

    TABLE = 0  #: the run-time table
    SLOW = 1  #: called with the arguments that the entry does not take
    FAIL = 2  #: called with the error code of a failed check
    ARENA = 3  #: memory for temporaries, or 0 while a call uses it
    ROUND = 4  #: of the innermost loop, one more than its number, where a check failed
    #: The shared boxes, then the constant arrays, then the addresses of the functions
    #: that the program calls; in timed code, the address of the laps (see `timing`).
    OBJECTS = 5


_PYTHON = {
    Slot.VECTORCALL: "PyObject_Vectorcall",
    Slot.SAVE_THREAD: "PyEval_SaveThread",
    Slot.RESTORE_THREAD: "PyEval_RestoreThread",
    Slot.CHECK_SIGNALS: "PyErr_CheckSignals",
    Slot.NO_MEMORY: "PyErr_NoMemory",
    Slot.SET_STRING: "PyErr_SetString",
    Slot.NEW_LIST: "PyList_New",
    Slot.SET_ITEM: "PyList_SetItem",
    Slot.FROM_LONG: "PyLong_FromLongLong",
    Slot.INCREF: "Py_IncRef",
    Slot.DECREF: "Py_DecRef",
}
_LIBC = {
    Slot.ALIGNED_ALLOC: "posix_memalign",
    Slot.FREE: "free",
    Slot.CLOCK_GETTIME: "clock_gettime",
    Slot.YIELD: "sched_yield",
    Slot.SLEEP: "usleep",
    Slot.MUTEX_LOCK: "pthread_mutex_lock",
    Slot.MUTEX_UNLOCK: "pthread_mutex_unlock",
    Slot.CONDITION_WAIT: "pthread_cond_wait",
    Slot.CONDITION_BROADCAST: "pthread_cond_broadcast",
}
#: Only Linux has these.
_LINUX = {
    Slot.PROCESSOR: "sched_getcpu",
    Slot.GET_AFFINITY: "sched_getaffinity",
    Slot.SET_AFFINITY: "sched_setaffinity",
}
#: Positions in NumPy's C API table, fixed by its ABI.
_NUMPY = {Slot.NEW_ARRAY: 93, Slot.RETURN_ARRAY: 76}


@dataclass(frozen=True, slots=True, eq=False)
class Runtime:
    """The table, with the objects whose addresses it holds."""

    words: ctypes.Array[ctypes.c_uint64]
    keep: tuple[object, ...]

    @property
    def address(self) -> int:
        """Where the table starts."""
        return ctypes.addressof(self.words)


def descr_slot(dtype: str) -> int:
    """The table position of the builtin descriptor for `dtype`."""
    return Slot.DESCR + OUTER_DTYPES.index(dtype)


def scalar_slot(dtype: str) -> int:
    """The table position of NumPy's scalar type for `dtype`."""
    return Slot.SCALAR + OUTER_DTYPES.index(dtype)


_LOCK = threading.Lock()


def runtime() -> Runtime:
    """This process's table, built and checked at the first call.

    Raises `UnsupportedHostError` where CPython's or NumPy's objects are laid out in a
    way that compiled code does not know.
    """
    # functools.cache alone would let two threads build, and use, two tables.
    with _LOCK:
        return _build()


@functools.cache
def _build() -> Runtime:
    _check_interpreter()
    _check_array_layout()
    _check_scalar_layout()
    words = (ctypes.c_uint64 * Slot.COUNT)()
    libc = ctypes.CDLL(None)
    for slot, name in _PYTHON.items():
        words[slot] = function_address(getattr(ctypes.pythonapi, name))
    for slot, name in _LIBC.items():
        words[slot] = function_address(getattr(libc, name))
    if all(hasattr(libc, name) for name in _LINUX.values()):
        for slot, name in _LINUX.items():
            words[slot] = function_address(getattr(libc, name))
    api = _numpy_api()
    for slot, position in _NUMPY.items():
        words[slot] = api[position]
    descrs = tuple(np.dtype(name) for name in OUTER_DTYPES)
    for position, descr in enumerate(descrs):
        words[Slot.DESCR + position] = id(descr)
        words[Slot.SCALAR + position] = id(descr.type)
    # A coarse clock costs a quarter of the exact one and ticks every few milliseconds.
    words[Slot.CLOCK] = getattr(time, "CLOCK_MONOTONIC_COARSE", time.CLOCK_MONOTONIC)
    words[Slot.EXACT_CLOCK] = time.CLOCK_MONOTONIC
    words[Slot.THREADS] = 1
    words[Slot.WARN_SERIAL] = id(_warn_serial)
    words[Slot.NDARRAY] = id(np.ndarray)
    words[Slot.FLOAT] = id(float)
    words[Slot.POOL_LIMIT] = _pool_limit()
    words[Slot.RUNTIME_ERROR] = id(RuntimeError)
    _check_new_array(words[Slot.NEW_ARRAY])
    return Runtime(words, (libc, descrs, _warn_serial))


def _pool_limit() -> int:
    """The bytes of the largest array that is held for its memory."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):  # not known here
        return 0
    return int(min(memory * POOL_SHARE, POOL_BYTES)) // POOL


def function_address(function: Any) -> int:
    """The address of a function loaded by ctypes."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def capsule_pointer(capsule: object, name: bytes | None) -> int:
    """The pointer that a PyCapsule called `name` holds."""
    get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    return get(capsule, name) or 0


def _numpy_api() -> Any:
    module = importlib.import_module("numpy._core._multiarray_umath")
    address = capsule_pointer(module._ARRAY_API, None)
    return ctypes.cast(address, ctypes.POINTER(ctypes.c_uint64))


def _warn_serial() -> None:
    warnings.warn(
        "this process was forked from one that had started its threads, which do "
        "not survive a fork: compiled functions run on one thread here; start "
        "worker processes with the 'spawn' or 'forkserver' method to use more",
        RuntimeWarning,
        stacklevel=2,
    )


def _check_interpreter() -> None:
    if sys.implementation.name != "cpython":
        raise UnsupportedHostError("compiled functions need CPython")
    if struct.calcsize("P") != 8 or sys.byteorder != "little":
        raise UnsupportedHostError(
            "compiled functions need a little-endian 64-bit host"
        )
    for variable in ("Py_GIL_DISABLED", "Py_TRACE_REFS"):
        if sysconfig.get_config_var(variable):
            raise UnsupportedHostError(
                f"compiled functions do not support builds of CPython with {variable}"
            )


def _check_array_layout() -> None:
    """Compare one array's fields with what their offsets hold."""
    whole = np.arange(6, dtype=np.int16)
    array = whole.reshape(2, 3)
    box, watched = [array], weakref.ref(array)
    at, held = id(array), id(box)
    dimensions = _word(at + DIMENSIONS)
    found = (
        _word(at + TYPE), _word(at + DATA),
        ctypes.c_int32.from_address(at + NDIM).value,
        _word(dimensions), _word(dimensions + 8), _word(at + BASE), _word(at + DESCR),
        _word(at + WEAK),
        ctypes.c_int32.from_address(at + FLAGS).value & CONTIGUOUS,
        _word(held + LIST_SIZE), _word(_word(held + LIST_ITEMS)),
    )  # fmt: skip
    expected = (
        id(np.ndarray), array.ctypes.data, 2, 2, 3, id(whole), id(np.dtype(np.int16)),
        id(watched), CONTIGUOUS, 1, at,
    )  # fmt: skip
    if found != expected:
        raise UnsupportedHostError(
            f"NumPy {np.__version__} on CPython {sys.version.split()[0]} lays out its "
            "arrays in a way that compiled functions do not know"
        )


def _check_scalar_layout() -> None:
    """Read scalars of all types from where their values should be."""
    for name in OUTER_DTYPES:
        array = np.ones((), name)
        scalar, size = array[()], array.itemsize
        held = bytes((ctypes.c_char * size).from_address(id(scalar) + SCALAR_VALUE))
        if held != array.tobytes() or _word(id(scalar) + TYPE) != id(type(scalar)):
            raise UnsupportedHostError(
                f"NumPy {np.__version__} lays out its {name} scalars in a way that "
                "compiled functions do not know"
            )
    number = 1.5
    value = ctypes.c_double.from_address(id(number) + SCALAR_VALUE).value
    if value != number or _word(id(number) + TYPE) != id(float):
        raise UnsupportedHostError(
            f"CPython {sys.version.split()[0]} lays out its floats in a way that "
            "compiled functions do not know"
        )


def _word(address: int) -> int:
    return ctypes.c_uint64.from_address(address).value


def _check_new_array(address: int) -> None:
    """Make one array through NumPy's C API, as compiled code does."""
    new = ctypes.PYFUNCTYPE(
        ctypes.py_object, ctypes.py_object, ctypes.c_int, ctypes.c_void_p, ctypes.c_int,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p,
    )(address)  # fmt: skip
    shape = (ctypes.c_int64 * 2)(2, 3)
    dtype = np.dtype(np.float32)
    made = new(
        np.ndarray, 2, ctypes.addressof(shape), dtype.num, None, None, 0, 0, None
    )
    right = made.shape == (2, 3) and made.dtype is dtype and made.flags.c_contiguous
    if not right:
        raise UnsupportedHostError(
            f"NumPy {np.__version__} does not make arrays as its C API documents"
        )
