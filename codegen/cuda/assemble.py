"""Python text of a kernel to PTX, PTX to machine code, and the assembler's report.

All without a GPU: numba-cuda compiles for a *compute capability* that is given, and
asks no driver for one.
"""

from __future__ import annotations

import linecache
import re
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

from ..errors import CompileError
from .occupancy import Occupancy, occupancy
from .toolkit import numba_cuda, ptxas

#: Major and minor, as (9, 0) for sm_90.
Capability: TypeAlias = tuple[int, int]

#: What kernels are checked for: A100, H100 and H200, B200.
CAPABILITIES: tuple[Capability, ...] = ((8, 0), (9, 0), (10, 0))

#: Held while numba-cuda compiles.
COMPILING = threading.Lock()
#: An assembly takes a fraction of a second; one that takes this long hangs.
PATIENCE_S = 300


@dataclass(frozen=True, slots=True)
class Parameter:
    """The type of a kernel's argument: an array of `rank` axes in C order, or a scalar.

    `rank` is None for a scalar.
    """

    dtype: str
    rank: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """What ptxas says of one kernel: registers a thread, bytes of memory of each kind.

    `local` is a thread's stack frame, which holds what is spilled too; `spill_stores`
    and `spill_loads` are the bytes moved for that.  `shared` is a block's.  `constant`
    counts parameters on the architectures whose assembler says so.
    """

    capability: Capability
    registers: int
    spill_stores: int
    spill_loads: int
    local: int
    shared: int
    constant: int
    barriers: int

    def occupancy(self, threads: int, more_shared: int = 0) -> Occupancy:
        """With blocks of `threads` threads, and shared memory asked for at launch."""
        shared = self.shared + more_shared
        return occupancy(self.capability, threads, self.registers, shared)


@dataclass(frozen=True, slots=True)
class Assembled:
    """A kernel for one compute capability: its PTX, the machine code, the report."""

    ptx: str
    code: bytes
    report: Report


def compile_ptx(
    source: str,
    parameters: Sequence[Parameter],
    capability: Capability,
    threads: int | None = None,
) -> str:
    """PTX of the one function that `source` defines (imports and helpers included).

    Of several functions it is the last.  Each block will have `threads` threads at the
    most, which bounds the registers; None says nothing about that.

    Raises:
        ToolkitError: numba-cuda or libNVVM is missing.
        CompileError: the source is no kernel of these parameters.
    """
    cuda = numba_cuda()
    types = tuple(_numba_type(cuda, parameter) for parameter in parameters)
    path = "<kernel>"
    with warnings.catch_warnings():
        # Such as that a kernel is too small to fill a device.
        warnings.simplefilter("ignore")
        try:
            # Where numba looks for the lines that it quotes in its errors.
            linecache.cache[path] = len(source), None, source.splitlines(True), path
            function = _function(source, path)
            with _as_if_there_were(capability):
                ptx, _ = cuda.compile_ptx(
                    function, types, cc=capability, launch_bounds=threads
                )
        except _refusals() as error:
            raise CompileError(
                f"numba-cuda cannot compile a kernel: {error}"
            ) from error
        finally:
            linecache.cache.pop(path, None)
    return str(ptx)


@contextmanager
def _as_if_there_were(capability: Capability) -> Iterator[None]:
    """Let numba-cuda take the device at hand to have this capability.

    It asks for that, and so for a driver, where a kernel calls a function of Python's,
    whatever capability the kernel is compiled for.
    """
    dispatcher: Any = import_module("numba.cuda.dispatcher")
    with COMPILING:
        asks = dispatcher.get_current_device
        there = SimpleNamespace(compute_capability=capability)
        dispatcher.get_current_device = lambda: there
        try:
            yield
        finally:
            dispatcher.get_current_device = asks


def _refusals() -> tuple[type[Exception], ...]:
    """What numba-cuda and libNVVM raise for a kernel that they cannot compile."""
    names = (
        ("numba.core.errors", "NumbaError"),
        ("numba.cuda.core.errors", "NumbaError"),
        ("numba.cuda.cudadrv.error", "CCSupportError"),
        ("numba.cuda.cudadrv.error", "NvvmError"),
        ("cuda.bindings.nvvm", "nvvmError"),
    )
    return tuple(getattr(import_module(module), name) for module, name in names)


def _function(source: str, path: str) -> Callable[..., Any]:
    """The last function that `source` defines."""
    names: dict[str, Any] = {"__name__": "symgraph_kernel"}
    try:
        exec(compile(source, path, "exec"), names)
    except SyntaxError as error:
        raise CompileError(f"a kernel's source is no Python: {error}") from error
    defined = [
        function
        for value in names.values()
        # A decorator has made some other object of it, which holds it.
        if (function := getattr(value, "py_func", value))
        and getattr(function, "__module__", None) == "symgraph_kernel"
    ]
    if not defined:
        raise CompileError("a kernel's source defines no function")
    last: Callable[..., Any] = defined[-1]
    return last


def _numba_type(cuda: Any, parameter: Parameter) -> Any:
    import numpy as np
    from numba.np.numpy_support import from_dtype

    scalar = from_dtype(np.dtype(parameter.dtype))
    if parameter.rank is None:
        return scalar
    return cuda.types.Array(scalar, parameter.rank, "C")


def assemble(ptx: str, capability: Capability) -> Assembled:
    """Machine code of PTX that holds one kernel, and the assembler's report.

    Raises:
        ToolkitError: ptxas is missing.
        CompileError: it refuses the PTX.
    """
    program = ptxas()
    major, minor = capability
    with tempfile.TemporaryDirectory(prefix="symgraph-ptx-") as folder:
        text, binary = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        text.write_text(ptx, encoding="utf-8")
        done = subprocess.run(
            [program, "-v", f"-arch=sm_{major}{minor}", text, "-o", binary],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        said = done.stdout + done.stderr
        if done.returncode:
            raise CompileError(f"ptxas for sm_{major}{minor}: {said.strip()}")
        return Assembled(ptx, binary.read_bytes(), parse_report(said, capability))


def compiled(
    source: str,
    parameters: Sequence[Parameter],
    capability: Capability,
    threads: int | None = None,
) -> Assembled:
    """`compile_ptx`, then `assemble`."""
    ptx = compile_ptx(source, parameters, capability, threads)
    return assemble(ptx, capability)


def parse_report(said: str, capability: Capability) -> Report:
    """What ``ptxas -v`` prints, as numbers.

    Raises:
        CompileError: it tells of no kernel, or of several.
    """
    kernels = re.findall(r"Compiling entry function", said)
    if len(kernels) != 1:
        raise CompileError(f"ptxas tells of {len(kernels)} kernels, not one: {said}")
    entry = said[said.index("Compiling entry function") :]

    def number(pattern: str) -> int:
        return sum(int(n) for n in re.findall(pattern, entry))

    used = re.search(r"Used (\d+) registers", entry)
    if used is None:
        raise CompileError(f"ptxas does not tell of registers: {said}")
    return Report(
        capability=capability,
        registers=int(used.group(1)),
        spill_stores=number(r"(\d+) bytes spill stores"),
        spill_loads=number(r"(\d+) bytes spill loads"),
        local=number(r"(\d+) bytes stack frame") + number(r"(\d+) bytes lmem"),
        shared=number(r"(\d+) bytes smem"),
        constant=number(r"(\d+) bytes cmem"),
        barriers=number(r"used (\d+) barriers"),
    )
