"""Object bytes to a callable, by llvmlite alone.

A compiled function is a PyCFunction whose ``self`` is an array of words, its *cells*:
the run-time table, its slow and fail callables, its arena, its shared boxes and its
constants.  The machine code holds none of these, so a copy of a function is another
array of cells over the same code.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import LinkError
from ..program import HostFunction
from . import threads
from .objects import undefined_symbols, unpack
from .runtime import LAYOUT, USES_THREADS, Cell, runtime
from .timing import LAP

_FASTCALL_WITH_KEYWORDS = 0x80 | 0x02
#: See `llvm_lock`.
_LLVM = threading.RLock()


class _MethodDef(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


@functools.cache
def llvm_lock() -> AbstractContextManager[bool]:
    """Held by whoever uses LLVM, which with its engines the whole process shares.

    A fork waits until nobody does: in the child, nobody would ever release it.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_LLVM.acquire,
            after_in_parent=_LLVM.release,
            after_in_child=_LLVM.release,
        )
    return _LLVM


def failure(number: int) -> tuple[int, int | None]:
    """A failed check's code, and the round of the innermost loop that it stood in.

    None: in no loop.
    """
    code, turn = number & 0xFFFFFFFF, number >> 32
    return code, turn - 1 if turn else None


class _Cells(np.ndarray[tuple[int], np.dtype[np.uint64]]):
    """A function's words, with the objects that they point at.

    Being the function's ``self``, this array lives exactly as long as the function.
    """

    keep: tuple[object, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Code:
    """A function's object files, loaded.  The engine owns the memory they run from."""

    engine: Any
    entry: int
    trim: Callable[[int], None]
    arena_bytes: Callable[[int], int]
    inputs: int
    shared: int
    constants: int
    functions: int
    laps: int


@dataclass(frozen=True, slots=True, eq=False)
class NativeFunction:
    """A compiled function.  `entry` is the callable, and keeps all it needs alive.

    ``entry(*arrays)`` returns the one result, or the list of results; arguments that it
    does not take as they are go to the `slow` callable given to `link`.
    """

    entry: Callable[..., Any]
    code: Code
    cells: _Cells
    shared: tuple[list[Any], ...]
    constants: tuple[np.ndarray[Any, Any], ...]
    functions: tuple[HostFunction, ...]
    slow: Callable[..., Any]
    fail: Callable[[int], Any]
    name: str
    doc: str
    #: Of timed code, which `timing` describes; calls at once must not share it.
    laps: np.ndarray[Any, Any]

    def trim(self) -> None:
        """Give the memory of temporaries back; the next call allocates it again."""
        self.code.trim(self.cells.ctypes.data)

    @property
    def arena_bytes(self) -> int:
        """How much memory is kept for temporaries between calls."""
        return self.code.arena_bytes(self.cells.ctypes.data)

    def copy(
        self,
        *,
        shared: Sequence[list[Any]] | None = None,
        slow: Callable[..., Any] | None = None,
        fail: Callable[[int], Any] | None = None,
    ) -> NativeFunction:
        """The same code over other shared storage, or other callables."""
        return bind(
            self.code,
            shared=self.shared if shared is None else shared,
            constants=self.constants,
            functions=self.functions,
            slow=slow or self.slow,
            fail=fail or self.fail,
            name=self.name,
            doc=self.doc,
        )


def link(
    obj: bytes,
    *,
    shared: Sequence[list[Any]] = (),
    constants: Sequence[np.ndarray[Any, Any]] = (),
    functions: Sequence[HostFunction] = (),
    slow: Callable[..., Any],
    fail: Callable[[int], Any],
    name: str,
    doc: str = "",
) -> NativeFunction:
    """Load the object files that `build` made, and bind them.

    `shared` holds a one-item list for each shared array of the Program, and `constants`
    an array for each constant, both in its order; `functions` are those that it calls.
    ``slow(*args, **kwargs)`` gets the
    calls that the entry declines, and must convert the arguments before it calls the
    entry again.  ``fail(number)`` raises the error for a failed check, which `failure`
    reads off the number.

    Raises `LinkError` where the bytes do not fit this process.
    """
    return bind(
        load(obj),
        shared=shared,
        constants=constants,
        functions=functions,
        slow=slow,
        fail=fail,
        name=name,
        doc=doc,
    )


def load(obj: bytes) -> Code:
    """Load the object files that `build` made into this process.

    Every symbol that they lack is looked up first: LLVM would link a missing one as a
    null pointer.  Raises `LinkError`.
    """
    import llvmlite.binding as llvm

    objects = unpack(obj)
    with llvm_lock():
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_default_triple()
        engine = llvm.create_mcjit_compiler(
            llvm.parse_assembly(""), target.create_target_machine(jit=True)
        )
        missing = [
            symbol
            for symbol in undefined_symbols(objects)
            if llvm.address_of_symbol(symbol) is None
        ]
        if missing:
            raise LinkError(
                f"compiled code needs unknown symbols: {', '.join(missing)}"
            )
        try:
            for each in objects:
                engine.add_object_file(llvm.ObjectFileRef.from_data(each))
            engine.finalize_object()
        except RuntimeError as error:
            raise LinkError(f"compiled code cannot be loaded: {error}") from error
        return _open(engine)


def _open(engine: Any) -> Code:
    """Find the exported names, and start what the code uses."""
    names = ("entry", "trim", "arena_bytes", "worker")
    addresses = [engine.get_function_address(name) for name in names]
    layout = engine.get_global_value_address("layout")
    if not (all(addresses) and layout):
        raise LinkError("compiled code lacks its entry: it comes from another program")
    words = (ctypes.c_int64 * 7).from_address(layout)
    version, inputs, shared, constants, uses, functions, laps = words
    if version != LAYOUT:
        raise LinkError(f"compiled code has layout {version}, this version {LAYOUT}")
    entry, trim, arena_bytes, worker = addresses
    if uses & USES_THREADS:
        threads.start(threads.Worker(worker, engine))
    # These hold the GIL, as every access to an arena's cell must.
    return Code(
        engine,
        entry,
        ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(trim),
        ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(arena_bytes),
        inputs,
        shared,
        constants,
        functions,
        laps,
    )


def bind(
    code: Code,
    *,
    shared: Sequence[list[Any]],
    constants: Sequence[np.ndarray[Any, Any]],
    functions: Sequence[HostFunction],
    slow: Callable[..., Any],
    fail: Callable[[int], Any],
    name: str,
    doc: str,
) -> NativeFunction:
    """A function over loaded code; the arguments are those of `link`."""
    _check_objects(code, shared, constants)
    if len(functions) != code.functions:
        raise LinkError(
            f"compiled code calls {code.functions} functions, {len(functions)} given"
        )
    table = runtime()
    laps = np.zeros((code.laps, LAP), np.int64)
    held = [*map(id, (*shared, *constants)), *(f.address for f in functions)]
    if code.laps:
        held.append(laps.ctypes.data)
    words = np.zeros(Cell.OBJECTS + len(held), np.uint64)
    words[Cell.TABLE] = table.address
    words[Cell.SLOW] = id(slow)
    words[Cell.FAIL] = id(fail)
    words[Cell.OBJECTS :] = held
    cells = words.view(_Cells)
    method = _MethodDef(
        name.encode(), code.entry, _FASTCALL_WITH_KEYWORDS, doc.encode() or None
    )
    held_objects = (*shared, *constants, *functions)
    cells.keep = (code, table, slow, fail, *held_objects, method, laps)
    # The cells are gone when this runs, their memory is not.
    finalizer = weakref.finalize(cells, _free, code, words)
    finalizer.atexit = False
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    entry = new(ctypes.addressof(method), cells, None)
    return NativeFunction(
        entry,
        code,
        cells,
        tuple(shared),
        tuple(constants),
        tuple(functions),
        slow,
        fail,
        name,
        doc,
        laps,
    )


def _free(code: Code, words: np.ndarray[Any, Any]) -> None:
    code.trim(words.ctypes.data)


def _check_objects(
    code: Code, shared: Sequence[list[Any]], constants: Sequence[np.ndarray[Any, Any]]
) -> None:
    if (len(shared), len(constants)) != (code.shared, code.constants):
        raise LinkError(
            f"compiled code takes {code.shared} shared arrays and {code.constants} "
            f"constants: {len(shared)} and {len(constants)} were given"
        )
    for box in shared:
        if type(box) is not list or len(box) != 1:
            raise LinkError("a shared array is given as a list of one array")
    for array in constants:
        whole = type(array) is np.ndarray and array.dtype.isnative
        if not whole or not (array.flags.c_contiguous and array.flags.aligned):
            raise LinkError("a constant is given as a C-contiguous native array")
