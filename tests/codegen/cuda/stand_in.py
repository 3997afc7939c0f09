"""A driver that is none, behind numba-cuda's own classes: memory is the host's.

What numba's simulator cannot show is whether numba-cuda itself takes what it is given:
shapes, strides, pointers, streams, arguments of kernels.  Here all of numba-cuda is
real but for the functions of the driver; launches are somebody else's, such as
`Simulated`.  `install` changes numba for good.

As a script, ``python -m tests.codegen.cuda.stand_in MODULE ...`` runs a module so; it
does then what it would do on a GPU.
"""

from __future__ import annotations

import contextlib
import ctypes
import linecache
import os
import runpy
import sys
import threading
import warnings
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np

from symgraph.codegen.cuda.launch import is_on_device

from ... import device

#: The compute capability of the GPU that is not there, as numba has it for cubins.
CAPABILITY = (9, 0, "a")
#: More than this it has not, in bytes.
MOST = 1 << 34
#: What an allocation begins at a multiple of.
_ALIGNMENT = 256
#: The byte that new memory has, which is no value of anything.
_FILLED = 0xA5


class Driver:
    """The functions of the driver that are used, in the host's memory."""

    def __init__(self) -> None:
        self.binding = import_module("cuda.bindings.driver")
        self.blocks: dict[int, np.ndarray] = {}
        self.streams = 0

    def functions(self) -> dict[str, Callable[..., Any]]:
        """By the driver's names for them."""
        moves = dict.fromkeys(("HtoD", "DtoH", "DtoD"), self.copied)
        copies = {f"cuMemcpy{way}{a}": f for way, f in moves.items() for a in _EITHER}
        return copies | {
            "cuMemAlloc": self.allocated,
            "cuMemFree": self.freed,
            "cuMemGetInfo": lambda: (MOST, MOST),
            "cuCtxSynchronize": lambda: None,
            "cuStreamCreate": self.stream,
            "cuStreamSynchronize": lambda _: None,
            "cuStreamDestroy": lambda _: None,
        }

    def allocated(self, count: int) -> Any:
        """New memory; raises what the driver does where there is too little."""
        if count > MOST:
            code = self.binding.CUresult.CUDA_ERROR_OUT_OF_MEMORY
            kind = import_module("numba.cuda.cudadrv.driver").CudaAPIError
            raise kind(code, f"Call to cuMemAlloc results in {code.name}")
        block = np.full(count + _ALIGNMENT, _FILLED, np.uint8)
        begin = -(-block.ctypes.data // _ALIGNMENT) * _ALIGNMENT
        self.blocks[begin] = block
        return self.binding.CUdeviceptr(begin)

    def freed(self, pointer: Any) -> None:
        """Memory given back, which must have been allocated."""
        del self.blocks[int(pointer)]

    def copied(self, to: Any, source: Any, count: int, stream: Any = 0) -> None:
        """A copy; what is copied from or to must be there."""
        ctypes.memmove(int(to), int(source), count)

    def stream(self, flags: int) -> Any:
        """A stream, which is a number."""
        self.streams += 1
        return self.binding.CUstream(256 * self.streams)


_EITHER = ("", "Async")


def install(launched: Callable[[Any, Any, Any], None]) -> Driver:
    """Have numba believe in a GPU.

    `launched` is given what there is to be launched: numba's function, the arguments,
    and the configuration.
    """
    module = import_module("numba.cuda.cudadrv.driver")
    module._logger = module.make_logger()
    made = Driver()
    vars(module.driver).update(made.functions())
    device = SimpleNamespace(id=0, compute_capability=CAPABILITY[:2], name="none")
    context = module.Context(device, 1)
    context.memory_manager.initialize()
    runtime = import_module("numba.cuda.cudadrv.devices")._runtime
    runtime.get_or_create_context = lambda *_: context
    runtime.ensure_context = lambda: contextlib.nullcontext(context)
    import_module("numba.cuda").is_available = lambda: True
    dispatcher = import_module("numba.cuda.dispatcher").CUDADispatcher
    dispatcher.call = launched_by(launched)
    return made


def launched_by(launched: Callable[[Any, Any, Any], None]) -> Callable[..., None]:
    """`launched` as a method."""

    def call(self: Any, args: Any, config: Any) -> None:
        launched(self, args, config)

    return call


class Simulated:
    """What there is instead of launches: numba's simulator, in the same memory."""

    def __init__(self) -> None:
        self.kernel = import_module("numba.cuda.simulator.kernel").FakeCUDAKernel
        arrays = import_module("numba.cuda.simulator.cudadrv.devicearray")
        self.array = arrays.FakeCUDAArray
        self.jitted = import_module("numba.cuda.dispatcher").CUDADispatcher
        self.alone = threading.Lock()
        self.functions: dict[str, Any] = {}

    def __call__(self, dispatcher: Any, args: Any, config: Any) -> None:
        """Run a kernel."""
        with self.alone, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what overflows
            function = self.function(dispatcher.py_func)
            given = [self.shown(value) for value in args]
            self.kernel(function, False)[config.griddim, config.blockdim](*given)

    def function(self, real: Any) -> Any:
        """A kernel as the simulator would have it."""
        path = real.__code__.co_filename
        if path not in self.functions:
            found: Any = linecache.cache[path]
            names = self.executed("".join(found[2]))
            self.functions[path] = names[real.__name__]
        return self.functions[path]

    def executed(self, text: str) -> dict[str, Any]:
        """What a text defines, where device functions are the simulator's."""
        module = import_module("symgraph.codegen.cuda.device_functions")
        before = dict(vars(module))
        names: dict[str, Any] = {"__name__": "symgraph_kernel"}
        vars(module).update(module._simulated())
        try:
            exec(compile(text, "<simulated>", "exec"), names)
        finally:
            vars(module).update(before)
        for name, value in names.items():
            if isinstance(value, self.jitted):
                names[name] = self.kernel(value.py_func, True)
        return names

    def shown(self, value: Any) -> Any:
        """An argument of a kernel."""
        if not is_on_device(value):
            return value
        place, _ = value.__cuda_array_interface__["data"]
        block = (ctypes.c_uint8 * value.nbytes).from_address(place)
        made = np.frombuffer(block, value.dtype).reshape(value.shape)
        return self.array(made)


def main(module: str) -> None:
    """Run a module as if there were a GPU, under the limits of the simulator."""
    os.environ[device.VARIABLE] = "cuda"
    install(Simulated())
    simulated = device.SIMULATED
    device.limits = lambda: simulated
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    del sys.argv[0]
    main(sys.argv[0])
