"""The parts of the CUDA toolkit that compile without a GPU, and where they are.

numba-cuda lowers Python to NVVM IR, libNVVM compiles that to PTX, and ptxas assembles
the PTX: none of them needs a driver.
"""

from __future__ import annotations

import importlib.util
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import CodegenError

EXTRA = 'pip install "symgraph-compiler[cuda]"'


class ToolkitError(CodegenError):
    """A part of the CUDA toolkit is missing, or switched off: what to do is said."""


def numba_cuda() -> Any:
    """The module ``numba.cuda`` of the package numba-cuda, able to compile.

    Raises:
        ToolkitError: numba-cuda or libNVVM is missing, or numba's simulator is on.
    """
    # numba has a module of that name too, which numba-cuda replaces.
    found = (importlib.util.find_spec(name) for name in ("numba_cuda", "cuda"))
    if not all(found):
        raise ToolkitError(f"CUDA code needs the package numba-cuda: {EXTRA}")
    cuda: Any = import_module("numba.cuda")
    if cuda.config.ENABLE_CUDASIM:
        raise ToolkitError(
            "numba's CUDA simulator is on, which compiles nothing: unset "
            "NUMBA_ENABLE_CUDASIM before numba is imported"
        )
    nvvm: Any = import_module("numba.cuda.cudadrv.nvvm")
    if not nvvm.is_available():
        raise ToolkitError(f"CUDA code needs libNVVM, of the CUDA toolkit: {EXTRA}")
    return cuda


def ptxas() -> Path:
    """The assembler: the toolkit packages' own, or the one on the PATH.

    Raises:
        ToolkitError: there is none.
    """
    found = _packaged("ptxas") or shutil.which("ptxas")
    if found is None:
        raise ToolkitError(f"assembling PTX needs ptxas, of the CUDA toolkit: {EXTRA}")
    return Path(found)


def _packaged(name: str) -> str | None:
    """A program that comes with the toolkit's packages."""
    if importlib.util.find_spec("cuda") is None:
        return None
    try:
        from cuda import pathfinder
    except ImportError:
        return None
    found = pathfinder.find_nvidia_binary_utility(name)
    return None if found is None else str(found)
