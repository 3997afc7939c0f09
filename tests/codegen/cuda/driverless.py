"""Whole calls through numba-cuda's own classes, with nothing behind its driver.

What the simulator cannot show: that numba takes the arrays, grids and streams that it
is given, and sees in each argument what the kernel was written for.  No kernel runs.
As a script it prints how many launches there were: it changes numba for good.
"""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module
from typing import Any

import numpy as np

from symgraph.codegen.cuda.helpers import NOTHING
from symgraph.codegen.cuda.kernels import KernelCache
from symgraph.codegen.cuda.launch import CudaProgram
from symgraph.codegen.cuda.source import Stage

from . import loop_programs, programs
from .launch_tools import updated
from .programs import parsed


class Context:
    """Gives memory that is none."""

    def __init__(self) -> None:
        self.driver = import_module("numba.cuda.cudadrv.driver")
        self.next = 1 << 28

    def memalloc(self, count: int) -> Any:
        """As a context of numba's does."""
        pointer = import_module("cuda.bindings.driver").CUdeviceptr(self.next)
        self.next += -(-count // 256) * 256
        return self.driver.MemoryPointer(self, pointer, count)


class Recording(KernelCache):
    """Knows the stage of each function."""

    def __init__(self) -> None:
        super().__init__()
        self.stages: dict[str, Stage] = {}
        self.launches = 0

    def function(self, cuda: Any, stage: Stage) -> Any:
        """The function of a stage."""
        self.stages[stage.name] = stage
        return super().function(cuda, stage)

    def launched(self, dispatcher: Any, args: Any, config: Any) -> None:
        """What is there instead of a launch."""
        stage = self.stages[dispatcher.py_func.__name__]
        assert config.blockdim == (stage.threads, 1, 1), stage.name
        for argument, value in zip(stage.arguments, args, strict=True):
            kind = dispatcher.typeof_pyval(value)
            if not argument.is_array:
                assert str(kind) == argument.dtype, (stage.name, argument, kind)
                continue
            assert (kind.ndim, kind.layout) == (1, "C"), (stage.name, argument, kind)
            assert str(kind.dtype) == argument.dtype, (stage.name, argument, kind)
        self.launches += 1


def without_driver(record: Recording) -> None:
    """Have numba believe in a GPU, on which nothing happens."""
    context = Context()
    devices = import_module("numba.cuda.cudadrv.devices")
    devices.get_context = lambda *_: context
    runtime = devices._runtime
    runtime.ensure_context = lambda: contextlib.nullcontext(context)
    import_module("numba.cuda").is_available = lambda: True

    def read(host: Any, *_: Any, **__: Any) -> None:
        size = host.nbytes
        host.view(np.uint8)[:] = np.full(1, NOTHING).view(np.uint8)[:size]

    context.driver.host_to_device = lambda *_, **__: None
    context.driver.device_to_host = read
    dispatcher = import_module("numba.cuda.dispatcher").CUDADispatcher
    dispatcher.call = lambda self, args, config: record.launched(self, args, config)


def main() -> int:
    """Call the programs, with arguments from either side."""
    record = Recording()
    without_driver(record)
    from numba import cuda

    for text in (*programs.PROGRAMS, loop_programs.SIGNS):
        program = parsed(text)
        if program.name == "loops":
            continue  # it goes on as long as the device says so
        for sizes in programs.SIZES:
            whole = CudaProgram(program, kernels=record)
            given = programs.drawn(program, sizes, 0)
            there = {name: cuda.to_device(value) for name, value in given.items()}
            for arguments in (given, there, there):
                done = whole.call(arguments)
                shapes = [array.shape for array in done.results]
                assert done.status == 0 and len(shapes) == len(program.results)
    whole = CudaProgram(parsed(loop_programs.UPDATE), kernels=record)
    for n in (3, 0):
        done = whole.call(updated(n))
        shown = [(a.shape, a.dtype.name) for a in (*done.results, done.updates["new"])]
        assert shown == [((n,), "complex64"), ((3,), "float64"), ((n,), "float64")]
    print(record.launches)
    return 0


if __name__ == "__main__":
    sys.exit(main())
