"""Compiles kernels into this process and calls them on NumPy arrays, through ctypes."""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Iterable, Mapping

import llvmlite.binding as llvm
import numpy as np

from symgraph.codegen import schedule
from symgraph.codegen.cpu import host as hosts
from symgraph.codegen.cpu.compile import compile_module
from symgraph.codegen.cpu.emit import emit_kernel
from symgraph.codegen.ir import Kernel

_SIGNATURE = ctypes.CFUNCTYPE(
    None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 3, use_errno=False
)


#: What the prologue of a kernel computes sizes with.
SIZES = {
    "mul": operator.mul,
    "add": operator.add,
    "floordiv": operator.floordiv,
    "min": min,
    "max": max,
}


class Native:
    """Kernels compiled as one module."""

    def __init__(
        self, kernels: Iterable[Kernel], host: hosts.Host | None = None
    ) -> None:
        host = host or hosts.detect()
        emitted = [emit_kernel(k, host) for k in kernels]
        declarations = dict.fromkeys(d for e in emitted for d in e.declarations)
        text = "\n".join([*declarations, *(e.text for e in emitted)])
        self.text = text.replace("define internal", "define")
        self.object = compile_module(self.text, host)
        target = llvm.Target.from_triple(host.triple)
        self._engine = llvm.create_mcjit_compiler(
            llvm.parse_assembly(""), target.create_target_machine(jit=True)
        )
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(self.object))
        self._engine.finalize_object()

    def address(self, kernel: Kernel) -> int:
        """Where the machine code of `kernel` starts."""
        address: int = self._engine.get_function_address(kernel.name)
        assert address, kernel.name
        return address

    def __call__(
        self,
        kernel: Kernel,
        arrays: Mapping[str, np.ndarray],
        sizes: Mapping[str, int] | None = None,
        chunks: Iterable[tuple[int, int]] | None = None,
    ) -> int:
        """Run `kernel` on `arrays` in place; returns its status (0 if checks held).

        `chunks` are the ranges of the split loop, the whole of it by default.
        """
        sizes = dict(sizes or {})
        ranges = [(0, split_extent(kernel, sizes))] if chunks is None else list(chunks)
        held = []
        for buffer in (*kernel.buffers, *kernel.scratch):
            if buffer in kernel.buffers:
                array = arrays[buffer.name]
                assert array.dtype == buffer.dtype and array.flags.c_contiguous
            else:
                shape = [
                    sizes.get(d, d) if isinstance(d, str) else d for d in buffer.shape
                ]
                rows = int(np.prod(shape)) * np.dtype(buffer.dtype).itemsize
                rows = -(-rows // 64) * 64
                array = np.full(rows * len(ranges), 0xA5, "u1")
            held.append(array)
        bufs = (ctypes.c_void_p * len(held))(*[a.ctypes.data for a in held])
        counts = (ctypes.c_int64 * max(1, len(kernel.sizes)))(
            *[sizes[s] for s in kernel.sizes]
        )
        status = (ctypes.c_int64 * 2)()
        run = _SIGNATURE(self.address(kernel))
        for chunk, (low, high) in enumerate(ranges):
            run(bufs, counts, ctypes.addressof(status), low, high, chunk)
        return status[0]


def split_extent(kernel: Kernel, sizes: Mapping[str, int]) -> int:
    """The split loop's extent, after the prologue; 0 without one."""
    if kernel.split is None:
        return 0
    extent, prologue = schedule.extent(kernel)
    known: dict[str, int] = dict(sizes)
    for let in prologue:
        a, b = (known[x] if isinstance(x, str) else int(x.value) for x in let.args)
        known[let.name] = SIZES[let.op](a, b)
    return known[extent] if isinstance(extent, str) else extent
