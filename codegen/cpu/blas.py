"""Matrix products: SciPy's OpenBLAS, called through pointers and held to one thread.

The functions are the Fortran-style ``sgemm`` and ``dgemm`` with 32-bit integers.  They
come from the OpenBLAS in SciPy's wheel, loaded by path in a fraction of a millisecond,
or, where SciPy was built otherwise, from `scipy.linalg.cython_blas`.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import threading
from pathlib import Path

from ..errors import UnsupportedHostError
from .runtime import Slot, capsule_pointer, function_address, runtime

_LOCK = threading.Lock()


def load() -> str:
    """Put the products into the run-time table, once; returns where they come from.

    OpenBLAS's own threads are switched off for the whole process, SciPy's other users
    included: their number would change the order of additions, and with it the bits of
    a result, and they would compete with our own.  NumPy has an OpenBLAS of its own,
    which is left alone.  Raises `UnsupportedHostError` where SciPy is missing.
    """
    with _LOCK:
        return _load()


@functools.cache
def _load() -> str:
    library = bundled()
    words = runtime().words
    if library is not None:
        words[Slot.SGEMM] = function_address(library.scipy_sgemm_)
        words[Slot.DGEMM] = function_address(library.scipy_dgemm_)
        library.scipy_openblas_set_num_threads(1)
        return f"OpenBLAS in {Path(library._name).name}"
    words[Slot.SGEMM], words[Slot.DGEMM] = from_cython()
    return "scipy.linalg.cython_blas"


def bundled() -> ctypes.CDLL | None:
    """The OpenBLAS of SciPy's wheel (with 32-bit integers), if it is there."""
    found = importlib.util.find_spec("scipy")
    if found is None or found.origin is None:
        raise UnsupportedHostError("matrix products need SciPy, which is not installed")
    package = Path(found.origin).parent
    # Linux wheels keep libraries beside the package, macOS wheels inside it.
    for folder in (package.parent / "scipy.libs", package / ".dylibs"):
        for path in sorted(folder.glob("libscipy_openblas-*")):
            library = ctypes.CDLL(str(path))
            if hasattr(library, "scipy_sgemm_"):
                return library
    return None


def from_cython() -> tuple[int, int]:
    """``sgemm`` and ``dgemm`` of whatever BLAS SciPy was built with."""
    try:
        module = importlib.import_module("scipy.linalg.cython_blas")
    except ImportError as error:
        raise UnsupportedHostError(f"matrix products need SciPy: {error}") from error
    capsules = module.__pyx_capi__
    return _pointer(capsules, "sgemm"), _pointer(capsules, "dgemm")


def _pointer(capsules: dict[str, object], name: str) -> int:
    """The pointer called `name`, whose capsule is named by its C signature."""
    capsule = capsules[name]
    get = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(
        ("PyCapsule_GetName", ctypes.pythonapi)
    )
    signature: bytes = get(capsule)
    if signature.count(b"int *") != 6:
        raise UnsupportedHostError(
            f"SciPy's BLAS takes other integers than 32-bit ones: {signature.decode()}"
        )
    return capsule_pointer(capsule, signature)
