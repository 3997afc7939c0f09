"""Arrays on a GPU, which cross to the host only when somebody asks for it.

Functions with ``device="cuda"`` return them and take them; so do arrays of other
libraries (CuPy, PyTorch, JAX), which are found by ``__cuda_array_interface__`` or by
``__dlpack__``.  In numba's simulator the memory of the device is the host's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn, TypeAlias

import numpy as np

from .errors import BrokenDeviceError, DTypeError, ShapeError, UnsupportedError, refuse
from .leaf import plain
from .op import Array
from .types import TensorType, check_dtype

#: An array of numba's on the device: in C order, with a shape and a dtype.
Held: TypeAlias = Any

#: What to do where there is no GPU, or nothing to compile for one.
EXTRA = (
    "on a machine with an NVIDIA GPU and its driver, install the extra: pip install "
    "'symgraph-compiler[cuda]'; anywhere, compile with device='cpu'"
)

_ON_HOST = (np.ndarray, np.generic, bool, int, float, complex, list, tuple)


class DeviceArray:
    """An array in the memory of a GPU.

    It is in C order, and has a `shape`, a `dtype` and no arithmetic: functions compute.
    As an argument of a function with ``device="cuda"`` it is not copied.  Nothing that
    is shown or compared copies it to the host; `np.asarray`, `to_numpy`, `item`,
    ``float``, ``int`` and ``bool`` do.  Other libraries take it, without a copy, by
    ``__cuda_array_interface__`` or by ``__dlpack__``.

    Args:
        value: what :func:`np.asarray` takes, which is copied to the GPU; or an array
            on it, which is not copied, and must be in C order.

    Raises:
        DTypeError: a dtype that is not supported.
        ShapeError: nested lists that are no array, or another order of the elements.
        UnsupportedError: there is no GPU.
    """

    __slots__ = ("__weakref__", "_held")
    # NumPy's functions would copy it to the host unasked.
    __array_ufunc__ = None

    _held: Held

    def __init__(self, value: Any) -> None:
        there = as_device_array(value, "a device array")
        if there is None:
            there = to_device(value)
        check_dtype(there.dtype)  # arrays from elsewhere have any
        self._held = there.held

    @classmethod
    def of(cls, held: Held) -> DeviceArray:
        """An array of numba's, in C order, as ours."""
        made = cls.__new__(cls)
        made._held = held
        return made

    @property
    def held(self) -> Held:
        """The array as numba has it."""
        return self._held

    # -- what it is --------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes."""
        return tuple(int(n) for n in self._held.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the elements, NumPy's own object for it."""
        return np.dtype(str(self._held.dtype.name))

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._held.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """The number of bytes."""
        return self.size * self.dtype.itemsize

    @property
    def device(self) -> str:
        """Where it is: "cuda"."""
        return "cuda"

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<DeviceArray {self.dtype}{list(self.shape)} on cuda>"

    # -- to the host -------------------------------------------------------------------

    def to_numpy(self) -> Array:
        """A copy on the host."""
        made = np.empty(self.shape, self.dtype)
        if made.size:
            with _driver_errors("an array"):
                self._held.copy_to_host(made)
        return made

    def item(self) -> Any:
        """The one element, as a Python number.

        Raises:
            ShapeError: there are more, or none.
        """
        if self.size != 1:
            refuse(
                ShapeError,
                f"an array of shape {self.shape} is not one number",
                self,
                remedy="copy it to the host: np.asarray(x)",
            )
        return self.to_numpy().item()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("an array on a GPU comes to the host by a copy only")
        made = self.to_numpy()
        return made if dtype is None else made.astype(dtype, copy=False)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __eq__(self, other: object) -> NoReturn:
        refuse(
            UnsupportedError,
            "arrays on a GPU are not compared",
            self,
            remedy="copy them to the host: np.asarray(x); or compile a function that "
            "compares",
        )

    __hash__ = object.__hash__

    def outline(self) -> Array:
        """An array of the same type without memory; where there are no axes, a copy."""
        if not self.ndim:
            return self.to_numpy()
        return np.broadcast_to(np.zeros((), self.dtype), self.shape)

    # -- on the device -----------------------------------------------------------------

    def copy(self) -> DeviceArray:
        """A copy on the device."""
        made = _allocated(self.shape, self.dtype)
        if self.size:
            with _driver_errors("an array"):
                made.copy_to_device(self._held)
        return DeviceArray.of(made)

    __copy__ = copy

    def __deepcopy__(self, memo: object) -> DeviceArray:
        return self.copy()

    def head(self, count: int) -> DeviceArray:
        """The first `count` along the first axis, in the same memory."""
        if count:
            return DeviceArray.of(self._held[:count])
        return DeviceArray.of(_allocated((0, *self.shape[1:]), self.dtype))

    def __reduce__(self) -> tuple[Any, ...]:
        return DeviceArray, (self.to_numpy(),)

    # -- other libraries ---------------------------------------------------------------

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3; what computes the elements has ended."""
        with _driver_errors("an array"):
            gpu("an array").synchronize()
        shown = {"shape": self.shape, "typestr": self.dtype.str, "version": 3}
        return {**shown, "strides": None, "data": (self._address(), False)}

    def _address(self) -> int:
        if simulated():
            return int(self._held.ctypes.data)
        address, _ = self._held.__cuda_array_interface__["data"]
        return int(address)

    def __dlpack_device__(self) -> tuple[int, int]:
        from .dlpack import CUDA, HOST

        if simulated():
            return HOST, 0
        return CUDA, int(gpu("an array").get_current_device().id)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        from .dlpack import exported

        here = self.__dlpack_device__()
        if dl_device is not None and tuple(dl_device) != here:
            raise BufferError(f"the array is on the device {here}, not {dl_device}")
        shown = self.copy() if copy else self
        return exported(_carrier(shown.__cuda_array_interface__, shown.held), here)


# -- from elsewhere --------------------------------------------------------------------


def to_device(value: Any) -> DeviceArray:
    """`value` copied from the host.

    Raises:
        DTypeError: a dtype that is not supported.
        UnsupportedError: there is no GPU.
        MemoryError: it has too little memory.
    """
    array = plain(value, "a device array")
    check_dtype(array.dtype)
    canonical = np.ascontiguousarray(array, array.dtype.name).reshape(array.shape)
    made = _allocated(canonical.shape, canonical.dtype)
    if canonical.size:
        with _driver_errors("a device array"):
            made.copy_to_device(canonical)
    return DeviceArray.of(made)


def _allocated(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Held:
    from .codegen.cuda.memory import Memory
    from .codegen.errors import DeviceMemoryError

    what = "a device array"
    memory = Memory(gpu(what), what)
    try:
        with _driver_errors(what):
            return memory.empty(shape, dtype.name)
    except DeviceMemoryError as error:
        raise MemoryError(str(error)) from None


@contextmanager
def _driver_errors(what: str) -> Iterator[None]:
    """What the driver says, as an error of ours: `what` had to wait for it.

    Kernels fail when they run, of which nobody hears before somebody waits for them.
    """
    from .codegen.cuda.memory import failures
    from .codegen.errors import DeviceError, DeviceMemoryError

    kinds: tuple[type[Exception], ...] = (DeviceError, *failures())
    try:
        yield
    except DeviceMemoryError:
        raise
    except kinds as error:
        refuse(
            BrokenDeviceError,
            f"{what}: the device failed, maybe in a call before: {error}",
            remedy="look at what the driver says; what is on the device may be lost, "
            "and the process may have to be started again",
        )


def is_device_array(value: Any) -> bool:
    """Whether `value` is an array on a GPU, of any library."""
    if isinstance(value, DeviceArray):
        return True
    if isinstance(value, _ON_HOST):
        return False
    if getattr(value, "__cuda_array_interface__", None) is not None:
        return True
    return _speaks_dlpack(value)


def _speaks_dlpack(value: Any) -> bool:
    """Whether DLPack has an array on a GPU of `value`."""
    if not hasattr(value, "__dlpack__") or not hasattr(value, "__dlpack_device__"):
        return False
    from .dlpack import CUDA, CUDA_MANAGED

    kind, _ = value.__dlpack_device__()
    return kind in (CUDA, CUDA_MANAGED)


def as_device_array(value: Any, what: str) -> DeviceArray | None:
    """`value` without a copy, if it is an array on a GPU, of any library; else None.

    `what` names it in messages.

    Raises:
        ShapeError: its elements are not in C order.
        DTypeError: it has a mask, or its bytes in another order.
    """
    if isinstance(value, DeviceArray):
        return value
    if isinstance(value, _ON_HOST):
        return None
    shown = getattr(value, "__cuda_array_interface__", None)
    if shown is not None:
        return _found(shown, value, what)
    if not _speaks_dlpack(value):
        return None
    from .dlpack import carried

    carrier = carried(value)
    return _found(carrier.__array_interface__, carrier, what)


def require_type(array: DeviceArray, kind: TensorType, what: str) -> None:
    """Refuse an array on the GPU that is not of the dtype and rank of `kind`.

    Raises:
        DTypeError, ShapeError: it is of another; nothing is converted there.
    """
    if array.dtype != np.dtype(kind.dtype):
        refuse(
            DTypeError,
            f"{what} is on the GPU and has dtype {array.dtype}, not {kind.dtype}",
            f"<{kind}>",
            remedy=f"convert it where it was made, as in x.astype({kind.dtype!r}): "
            "arrays on the GPU are passed on as they are",
        )
    if array.ndim != kind.ndim:
        refuse(
            ShapeError,
            f"{what} has {array.ndim} dimensions {array.shape}, its type has "
            f"{kind.ndim}",
            f"<{kind}>",
            remedy="reshape the value, or declare the variable with as many dimensions",
        )


def _found(shown: Mapping[str, Any], owner: Any, what: str) -> DeviceArray:
    """The array that an interface describes, in memory that `owner` keeps."""
    if shown.get("mask") is not None:
        refuse(
            DTypeError,
            f"{what} is a masked array, which is not supported",
            remedy="fill what is masked first",
        )
    dtype, shape = np.dtype(shown["typestr"]), tuple(shown["shape"])
    if dtype.byteorder not in "=|":
        refuse(
            DTypeError,
            f"{what} has its bytes in another order than this machine's",
            remedy="convert it first",
        )
    if not _in_c_order(shown.get("strides"), shape, dtype.itemsize):
        refuse(
            ShapeError,
            f"{what} is on the GPU, but its elements are not in C order: shape {shape} "
            f"with strides {tuple(shown['strides'])}",
            remedy="copy it there: x.contiguous(), cupy.ascontiguousarray(x)",
        )
    cuda = gpu(what)
    if simulated():
        return DeviceArray.of(type(cuda.device_array(1))(_carrier(shown, owner)))
    plain = {**shown, "strides": None, "version": shown.get("version", 3)}
    with _driver_errors(what):
        held = cuda.from_cuda_array_interface(plain, owner=owner)
    # The producer's stream has been waited for: from here on all is on the default one,
    # where copies to the host are complete when they return.
    return DeviceArray.of(held.bind())


def _in_c_order(strides: Any, shape: tuple[int, ...], itemsize: int) -> bool:
    if strides is None or 0 in shape:
        return True
    for size, stride in zip(reversed(shape), reversed(tuple(strides)), strict=True):
        if size > 1 and stride != itemsize:
            return False
        itemsize *= size
    return True


class _Memory:
    """Memory that an interface describes, for NumPy to make an array of."""

    def __init__(self, shown: Mapping[str, Any], owner: Any) -> None:
        names = "shape", "typestr", "data"
        self.__array_interface__ = {name: shown[name] for name in names}
        self.__array_interface__["version"] = 3
        self.owner = owner


def _carrier(shown: Mapping[str, Any], owner: Any) -> Array:
    """An array of NumPy's over memory that `owner` keeps; on a GPU, never to be read.

    The memory is in C order.
    """
    return np.asarray(_Memory(shown, owner))


def gpu(what: str) -> Any:
    """``numba.cuda``, with a GPU or its simulator; `what` needs it.

    Raises:
        UnsupportedError: there is neither.
    """
    from .codegen.cuda.launch import numba_cuda
    from .codegen.errors import UnsupportedHostError

    try:
        return numba_cuda()
    except UnsupportedHostError as error:
        reason = str(error).partition(";")[0]
        refuse(UnsupportedError, f"{what} is for a GPU: {reason}", remedy=EXTRA)


def simulated() -> bool:
    """Whether numba simulates the device."""
    return bool(import_module("numba.core.config").ENABLE_CUDASIM)


__all__ = [
    "EXTRA",
    "DeviceArray",
    "as_device_array",
    "gpu",
    "is_device_array",
    "require_type",
    "simulated",
    "to_device",
]
