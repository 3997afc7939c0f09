"""Kernels through numba-cuda, libNVVM and ptxas, none of which needs a GPU."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from symgraph.codegen.cuda import ptx
from symgraph.codegen.cuda.assemble import (
    CAPABILITIES,
    Assembled,
    Capability,
    Parameter,
    assemble,
    compile_ptx,
    compiled,
)
from symgraph.codegen.errors import CompileError

pytestmark = pytest.mark.cuda

ARRAY, SIZE = Parameter("float32", 1), Parameter("int64", None)

AXPY = """\
from numba import cuda, float32


def axpy(a, x, y, n):
    step = cuda.gridDim.x * cuda.blockDim.x
    for i in range(cuda.grid(1), n, step):
        y[i] = a * x[i] + y[i]
"""

#: Sums of rows, a row for each block: shared memory and barriers.
ROWS = """\
from numba import cuda, float32


def rows(x, y, n, m):
    parts = cuda.shared.array(256, float32)
    for i in range(cuda.blockIdx.x, n, cuda.gridDim.x):
        total = float32(0)
        for j in range(cuda.threadIdx.x, m, cuda.blockDim.x):
            total += x[i, j]
        parts[cuda.threadIdx.x] = total
        cuda.syncthreads()
        if cuda.threadIdx.x == 0:
            for k in range(1, cuda.blockDim.x):
                total += parts[k]
            y[i] = total
        cuda.syncthreads()
"""

#: An array that the thread indexes at run time cannot be in registers.
HISTOGRAM = """\
from numba import cuda, float32


def histogram(at, y, n):
    held = cuda.local.array(64, float32)
    for k in range(64):
        held[k] = 0
    for i in range(n):
        held[at[i]] += float32(1)
    for k in range(64):
        y[k] = held[k]
"""


def axpy(capability: Capability, text: str = AXPY, dtype: str = "float32") -> Assembled:
    array = Parameter(dtype, 1)
    parameters = [Parameter(dtype, None), array, array, SIZE]
    return compiled(text, parameters, capability, 256)


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_ptx_and_machine_code(capability: Capability) -> None:
    made = axpy(capability)
    major, minor = capability
    assert f".target sm_{major}{minor}" in made.ptx
    assert made.code.startswith(b"\x7fELF")
    report = made.report
    assert report.capability == capability
    assert 0 < report.registers <= 64
    assert (report.spill_stores, report.spill_loads, report.local) == (0, 0, 0)
    assert (report.shared, report.barriers) == (0, 0)
    assert report.occupancy(256).share > 0.5


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_shared_memory_and_barriers(capability: Capability) -> None:
    made = compiled(
        ROWS, [Parameter("float32", 2), ARRAY, SIZE, SIZE], capability, threads=256
    )
    assert made.report.shared == 256 * 4
    assert made.report.barriers == 1
    assert len(ptx.cycles(ptx.blocks(made.ptx))) >= 3


def test_what_is_not_wanted_is_found() -> None:
    clean = axpy((9, 0)).ptx
    assert ptx.fused(clean)
    for check in (ptx.float64_arithmetic, ptx.unfused, ptx.integer_divisions):
        assert not check(clean)
    assert not ptx.local_memory(clean)
    half = AXPY.replace("a * x[i]", "cuda.libdevice.double2float_rn(0.1 * x[i])")
    assert ptx.float64_arithmetic(axpy((9, 0), half).ptx)
    wrapped = AXPY.replace("x[i]", "x[i % (n // 3)]")
    assert ptx.integer_divisions(axpy((9, 0), wrapped).ptx)
    rounded = AXPY.replace(
        "a * x[i] + y[i]",
        "cuda.libdevice.fadd_rn(cuda.libdevice.fmul_rn(a, x[i]), y[i])",
    )
    assert not ptx.fused(axpy((9, 0), rounded).ptx)
    assert ptx.unfused(axpy((9, 0), rounded).ptx)


def test_float64_is_float64() -> None:
    assert ptx.float64_arithmetic(axpy((8, 0), dtype="float64").ptx)


def test_local_memory_is_told_of() -> None:
    made = compiled(HISTOGRAM, [Parameter("int32", 1), ARRAY, SIZE], (9, 0))
    assert ptx.local_memory(made.ptx)
    assert made.report.local >= 64 * 4


def test_a_bound_on_threads_is_a_bound_on_registers() -> None:
    text = compile_ptx(
        AXPY, [Parameter("float32", None), ARRAY, ARRAY, SIZE], (9, 0), 64
    )
    assert ".maxntid 64" in text


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_a_kernel_that_calls_functions(capability: Capability) -> None:
    source = """\
from numba import cuda, float32


@cuda.jit(device=True)
def twice(x):
    return x + x


def kernel(x):
    i = cuda.grid(1)
    if i < x.shape[0]:
        x[i] = twice(x[i])
"""
    assert compiled(source, [ARRAY], capability).report.registers


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1\n", "defines no function"),
        ("def f(:\n", "is no Python"),
        ("def f(x):\n    x.missing()\n", "Unknown attribute 'missing'"),
        ("def f(x):\n    x[0] = y\n", "NameError|Untyped global name"),
    ],
)
def test_what_is_no_kernel(source: str, said: str) -> None:
    with pytest.raises(CompileError, match=said):
        compile_ptx(source, [ARRAY], (9, 0))


def test_a_capability_that_there_is_not() -> None:
    with pytest.raises(CompileError, match="not supported"):
        compile_ptx("def f(x):\n    x[0] = 1\n", [ARRAY], (5, 0))


def test_what_is_no_ptx() -> None:
    with pytest.raises(CompileError, match="ptxas for sm_90"):
        assemble("add.f32 %r1, %r2;", (9, 0))


def test_the_simulator_compiles_nothing() -> None:
    program = (
        "from symgraph.codegen.cuda.toolkit import ToolkitError, numba_cuda\n"
        "try:\n    numba_cuda()\n"
        "except ToolkitError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "unset NUMBA_ENABLE_CUDASIM" in done.stdout
