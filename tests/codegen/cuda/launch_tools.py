"""What cases of programs on a device have in common, a GPU or numba's simulator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias
from unittest import mock

import numpy as np

from symgraph.codegen.cuda.kernels import KernelCache
from symgraph.codegen.cuda.launch import CudaProgram, DeviceResult, Limits
from symgraph.codegen.run import ProgramResult, run_program

from ...device import address

#: What is checked, given how launches are cut.
Case: TypeAlias = Callable[[Limits], None]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """Have a function run as a case, for each of the limits of `device`."""
    CASES[function.__name__] = function
    return function


class Counting(KernelCache):
    """Counts launches by the kernels' names."""

    def __init__(self) -> None:
        super().__init__()
        self.launched: Counter[str] = Counter()

    def launcher(self, cuda: Any, stage: Any, blocks: int, stream: Any = 0) -> Any:
        made = super().launcher(cuda, stage, blocks, stream)

        def launch(*args: Any) -> None:
            self.launched[stage.name] += 1
            made(*args)

        return launch


@contextmanager
def copies() -> Iterator[Counter[str]]:
    """Counts what crosses between the host and the device."""
    from numba import cuda

    kind, counts = type(cuda.device_array(1)), Counter[str]()

    def counted(name: str) -> Any:
        plain = getattr(kind, name)

        def method(self: Any, *args: Any, **more: Any) -> Any:
            counts[name] += 1
            return plain(self, *args, **more)

        return mock.patch.object(kind, name, method)

    unwanted = mock.patch.object(cuda, "to_device", side_effect=AssertionError)
    with counted("copy_to_host"), counted("copy_to_device"), unwanted:
        yield counts


def on_device(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """All arrays on the device."""
    from numba import cuda

    return {name: cuda.to_device(np.asarray(a)) for name, a in arrays.items()}


def apart(one: Any, other: Any) -> bool:
    """Whether two arrays on the device, with elements, have no memory in common."""
    (begin, end), (start, stop) = (
        (address(array), address(array) + array.nbytes) for array in (one, other)
    )
    return end <= start or stop <= begin


def fetched(whole: CudaProgram, done: DeviceResult) -> ProgramResult:
    """What is on the device."""
    results = [array.copy_to_host() for array in done.results]
    updates = {
        str(a.target): done.updates[a.name].copy_to_host()
        for a in whole.program.by_role("update")
        if not done.status
    }
    return ProgramResult(results, updates, done.status)


def same(got: ProgramResult, want: ProgramResult) -> None:
    """Fail where two results differ."""
    assert got.status == want.status, (got.status, want.status)
    if want.status:
        assert not got.results and not got.updates
        return
    pairs = list(zip(got.results, want.results, strict=True))
    assert got.updates.keys() == want.updates.keys()
    pairs += [(got.updates[name], want.updates[name]) for name in want.updates]
    for x, y in pairs:
        assert (x.dtype, x.shape) == (y.dtype, y.shape), (x, y)
        assert np.allclose(x, y, rtol=1e-6, atol=1e-9), (x, y)


def agrees(whole: CudaProgram, given: Mapping[str, Any]) -> ProgramResult:
    """Fail unless a program gives the interpreter's results, from either side."""
    want = run_program(whole.program, given)
    same(whole.run(given), want)
    same(fetched(whole, whole.call(on_device(given))), want)
    return want


def until(n: int, limit: int, bad: int = -1) -> dict[str, Any]:
    """Arguments of `UNTIL`."""
    x = np.linspace(0, 1, n)
    return {"x": x, "limit": np.array(limit), "bad": np.array(bad)}


def updated(n: int, scale: int = 3) -> dict[str, Any]:
    """Arguments of `UPDATE`."""
    rng = np.random.default_rng(n)
    return {
        "z": (rng.normal(size=n) + 1j * rng.normal(size=n)).astype("complex64"),
        "scale": np.array(scale),
        "w": rng.normal(size=n),
        "c": rng.normal(size=n),
    }
