"""Where a job runs: on the host, or on an NVIDIA GPU, as in ``jax@cuda``.

What is on a GPU is computed while the host goes on, so that a step there ends with the
library's own way to wait: `numba.cuda.synchronize` for symgraph, whose kernels numba
launches; `torch.cuda.synchronize`; `cupy.cuda.Device().synchronize`.  JAX' jobs wait
with `jax.block_until_ready` wherever they run.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from workloads import Job

_PLACE: ContextVar[str] = ContextVar("place", default="cpu")


def split(library: str) -> tuple[str, str]:
    """A library's name and its place: "jax" and "cuda" for ``jax@cuda``."""
    name, _, place = library.partition("@")
    return name, place or "cpu"


def build(builders: Mapping[str, Callable[[], Job]], library: str) -> Job:
    """The job of a workload's `BUILDERS`, at the library's place.

    Its step returns when the result is there.
    """
    name, place = split(library)
    if place == "cpu":
        return builders[name]()
    with _at(name, place):
        job = builders[name]()
    return job if name == "jax" else _waiting(job, _wait(name))


@contextmanager
def _at(name: str, place: str) -> Iterator[None]:
    """Arrays go to `place` meanwhile, and symgraph compiles for it."""
    before = _PLACE.set(place)
    try:
        if name != "symgraph":
            yield
            return
        import symgraph as sg

        with sg.device(place):
            yield
    finally:
        _PLACE.reset(before)


def _waiting(job: Job, wait: Callable[[], object]) -> Job:
    from workloads import Job

    def step() -> None:
        job.step()
        wait()

    return Job(step, job.results)


def start_cupy() -> None:
    """Make CuPy's context on the GPU, which waiting does."""
    _wait("cupy")()


def _wait(name: str) -> Callable[[], object]:
    """What waits for all that a library computes on the GPU."""
    if name == "cupy":
        import cupy

        waits: Callable[[], object] = cupy.cuda.Device().synchronize
    else:
        module = "numba.cuda" if name == "symgraph" else "torch.cuda"
        waits = importlib.import_module(module).synchronize
    return waits


# -- arrays ----------------------------------------------------------------------------


def symgraph_arrays(values: Iterable[Any]) -> list[Any]:
    """NumPy's arrays as symgraph's arguments; on a GPU they are copied there."""
    if _PLACE.get() == "cpu":
        return list(values)
    import symgraph as sg

    return [sg.DeviceArray(value) for value in values]


def torch_array(value: Any) -> Any:
    """A tensor of NumPy's array; on the host it shares the memory."""
    import torch

    return torch.from_numpy(np.asarray(value)).to(_PLACE.get())


def host(value: Any) -> NDArray[Any]:
    """A result of any library as an array of NumPy's."""
    if hasattr(value, "detach"):  # torch's
        value = value.detach().cpu()
    elif type(value).__module__.partition(".")[0] == "cupy":
        value = value.get()
    return np.asarray(value)


# -- which GPU -------------------------------------------------------------------------


def _symgraph_gpu() -> dict[str, str]:
    from symgraph.device_array import gpu, simulated

    cuda = gpu("this benchmark")
    if not simulated() and importlib.util.find_spec("numba_cuda") is None:
        raise SystemExit(
            "numba-cuda is missing: pip install 'symgraph-compiler[bench-gpu]'"
        )
    device = cuda.current_context().device
    name = "numba's simulator" if simulated() else device.name
    capability = ".".join(map(str, device.compute_capability))
    return {
        "name": name.decode() if isinstance(name, bytes) else str(name),
        "capability": capability,
    }


def _jax_gpu() -> dict[str, str]:
    import jax

    return {"name": jax.devices("cuda")[0].device_kind}


def _torch_gpu() -> dict[str, str]:
    import torch

    return {"name": torch.cuda.get_device_name()}


def _cupy_gpu() -> dict[str, str]:
    import cupy

    return {"name": cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()}


def seen(library: str) -> dict[str, str]:
    """The GPU that a library sees; an error where it cannot be imported or sees none.

    symgraph says its compute capability, too.
    """
    found: dict[str, Callable[[], dict[str, str]]] = {
        "symgraph": _symgraph_gpu,
        "jax": _jax_gpu,
        "torch": _torch_gpu,
        "torch.compile": _torch_gpu,
        "cupy": _cupy_gpu,
    }
    return found[split(library)[0]]()
