"""What is said where a part of the toolkit is missing, and what ptxas says, read."""

from __future__ import annotations

import importlib.util
import shutil
from typing import Any

import pytest

from symgraph.codegen.cuda import toolkit
from symgraph.codegen.cuda.assemble import Parameter, compile_ptx, parse_report
from symgraph.codegen.cuda.toolkit import ToolkitError
from symgraph.codegen.errors import CompileError

#: As ptxas of CUDA 13.5 prints it, with a kernel's name made short.
SAID = """\
ptxas info    : 8 bytes gmem, 8 bytes cmem[4]
ptxas info    : Compiling entry function '_ZN3foo' for 'sm_80'
ptxas info    : Function properties for _ZN3foo
    264 bytes stack frame, 24 bytes spill stores, 40 bytes spill loads
ptxas info    : Used 48 registers, used 1 barriers, 264 bytes cumulative stack size, \
1024 bytes smem, 480 bytes cmem[0], 16 bytes cmem[2]
ptxas info    : Compile time = 16.109 ms
"""


def absent(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """As if the packages `names` were not installed."""
    find = importlib.util.find_spec

    def found(name: str, package: str | None = None) -> Any:
        return None if name in names else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", found)


def test_without_numba_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch, "numba_cuda")
    with pytest.raises(ToolkitError, match=r"needs the package numba-cuda.*\[cuda\]"):
        compile_ptx("def f(x):\n    x[0] = 1\n", [Parameter("float32", 1)], (8, 0))


def test_without_ptxas(monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch, "cuda")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ToolkitError, match=r"needs ptxas.*symgraph-compiler\[cuda\]"):
        toolkit.ptxas()


def test_ptxas_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch, "cuda")
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/cuda/bin/{name}")
    assert str(toolkit.ptxas()) == "/opt/cuda/bin/ptxas"


def test_the_report_is_read() -> None:
    report = parse_report(SAID, (8, 0))
    assert (report.registers, report.barriers, report.shared) == (48, 1, 1024)
    assert (report.spill_stores, report.spill_loads, report.local) == (24, 40, 264)
    assert report.constant == 496  # banks 0 and 2; the 8 bytes before are the module's
    assert report.occupancy(256).warps == 40
    assert report.occupancy(256, more_shared=64 * 1024).limit == "shared memory"


def test_a_report_of_several_kernels_or_none() -> None:
    with pytest.raises(CompileError, match="2 kernels, not one"):
        parse_report(SAID + SAID, (8, 0))
    with pytest.raises(CompileError, match="0 kernels, not one"):
        parse_report("", (8, 0))
