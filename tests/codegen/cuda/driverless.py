"""Whole calls through numba-cuda's own classes, with nothing behind its driver.

What the simulator cannot show: that numba takes the arrays, grids and streams that it
is given, and sees in each argument what the kernel was written for.  No kernel runs.
Those of some programs are compiled and linked as numba-cuda does it at a launch, and
what it would hand to the driver is compared with the parameters in the PTX.
As a script it prints how many launches there were, and how many kernels were linked: it
changes numba for good.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from symgraph.codegen.cuda.assemble import Parameter, _numba_type
from symgraph.codegen.cuda.helpers import NOTHING
from symgraph.codegen.cuda.kernels import KernelCache
from symgraph.codegen.cuda.launch import CudaProgram
from symgraph.codegen.cuda.stage import Stage

from ...device import VARIABLE, address
from . import loop_programs, programs, stand_in
from .launch_tools import updated
from .programs import parsed

#: Those whose kernels are linked.
LINKED = {"softmax", "wide", "products", "update", "signs"}


class Recording(KernelCache):
    """Knows the stage of each function."""

    def __init__(self) -> None:
        super().__init__()
        self.stages: dict[Any, Stage] = {}
        self.launches = 0
        self.linked: dict[Any, Any] = {}
        self.linking = False

    def function(self, cuda: Any, stage: Stage) -> Any:
        """The function of a stage."""
        made = super().function(cuda, stage)
        self.stages[made] = stage
        return made

    def launched(self, dispatcher: Any, args: Any, config: Any) -> None:
        """What is there instead of a launch."""
        from numba import cuda

        stage = self.stages[dispatcher]
        assert config.blockdim == (stage.threads, 1, 1), stage.name
        kinds = tuple(map(dispatcher.typeof_pyval, args))
        for argument, kind in zip(stage.arguments, kinds, strict=True):
            # What it has been compiled for wherever it is looked at.
            rank = 1 if argument.is_array else None
            wanted = _numba_type(cuda, Parameter(argument.dtype, rank))
            assert kind == wanted, (stage.name, argument, kind)
        self.launches += 1
        if stage.name == "begin_call":  # the one whose result the host needs
            ctypes.c_int64.from_address(address(args[0])).value = NOTHING
        if self.linking:
            if dispatcher not in self.linked:
                self.linked[dispatcher] = dispatcher.compile(kinds)
            made = self.linked[dispatcher]
            made.launch(args, config.griddim, config.blockdim, config.stream)


def link_without_loading() -> None:
    """Have kernels linked and not loaded, and their arguments looked at."""
    library = import_module("numba.cuda.codegen").CUDACodeLibrary

    def get_cufunc(self: Any) -> Any:
        assert self.get_cubin()
        module = SimpleNamespace(initialized=True)
        return SimpleNamespace(kernel=self, module=module)

    library.get_cufunc = get_cufunc
    import_module("numba.cuda.dispatcher").launch = look_at


def look_at(stream: Any, config: Any, kernel: Any, *args: Any) -> None:
    """Compare what the driver would be given with the kernel's parameters."""
    # What cuda-core has no form for it refuses here.
    import_module("cuda.core._kernel_arg_handler").ParamHolder(args)
    (entry,) = re.findall(r"\.entry [^(]*\(([^)]*)\)", kernel.get_asm_str())
    wanted = [int(bits) // 8 for bits in re.findall(r"\.param \.[a-z](\d+)", entry)]
    found = [8 if isinstance(a, int) else ctypes.sizeof(a) for a in args]
    assert found == wanted, (kernel.name, found, wanted)


def main() -> int:
    """Call the programs, with arguments from either side."""
    record = Recording()
    os.environ[VARIABLE] = "cuda"
    stand_in.install(record.launched)
    link_without_loading()
    from numba import cuda

    for text in (*programs.PROGRAMS, loop_programs.SIGNS):
        program = parsed(text)
        if program.name == "loops":
            continue  # it goes on as long as the device says so
        record.linking = program.name in LINKED
        for sizes in programs.SIZES:
            whole = CudaProgram(program, kernels=record)
            given = programs.drawn(program, sizes, 0)
            there = {name: cuda.to_device(value) for name, value in given.items()}
            for arguments in (given, there, there):
                done = whole.call(arguments)
                shapes = [array.shape for array in done.results]
                assert done.status == 0 and len(shapes) == len(program.results)
    record.linking = True
    whole = CudaProgram(parsed(loop_programs.UPDATE), kernels=record)
    for n in (3, 0):
        done = whole.call(updated(n))
        shown = [(a.shape, a.dtype.name) for a in (*done.results, done.updates["new"])]
        assert shown == [((n,), "complex64"), ((3,), "float64"), ((n,), "float64")]
    print(record.launches, len(record.linked))
    return 0


if __name__ == "__main__":
    sys.exit(main())
