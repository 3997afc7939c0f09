"""A scalar Python function, compiled by numba into a loop that compiled code calls."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from ..errors import CodegenError
from .callback import DONE, over_arrays
from .link import llvm_lock

Array: TypeAlias = np.ndarray[Any, Any]


class ScalarLoop:
    """``result[i] = fn(a[i], b[i], ...)`` over all elements of arrays of one shape.

    Native code takes the operands, then the result, and the sizes of the axes of the
    first of them before all others.  An exception in `fn` goes to `sys.unraisablehook`,
    and the call fails.
    """

    def __init__(self, compiled: Any, dtype: str, ndim: int) -> None:
        self._compiled = compiled  # owns the machine code
        self._dtype = dtype
        self._ndim = ndim
        self.address = int(compiled.address)

    def take(self) -> BaseException | None:
        """None: what `fn` raised is reported already."""
        return None

    def run(self, arrays: Sequence[Array]) -> Array:
        """The result for arrays of one shape.

        Raises CodegenError where `fn` raised.
        """
        result = np.empty(arrays[0].shape, self._dtype)
        operands = [np.require(a, requirements="C") for a in arrays]
        if not over_arrays(self)(*operands, result):
            raise CodegenError("a scalar function raised an exception")
        return result


def result_dtype(fn: Callable[..., Any], dtypes: tuple[str, ...]) -> str:
    """The dtype that numba infers for ``fn(*scalars)``.

    Raises numba's own errors where it cannot compile `fn`.
    """
    import numba
    from numba.np import numpy_support

    scalar = compiled_scalar(fn)
    given = tuple(numba.from_dtype(np.dtype(d)) for d in dtypes)
    with llvm_lock():
        scalar.compile(given)
    found = scalar.overloads[given].signature.return_type
    return str(numpy_support.as_dtype(found).name)


@functools.cache
def compiled_scalar(fn: Callable[..., Any]) -> Any:
    """`fn` as numba's njit has it: itself, if it is so already."""
    import numba
    from numba.core.dispatcher import Dispatcher

    if isinstance(fn, Dispatcher):
        return fn
    plain = getattr(fn, "_pyfunc", fn)  # of what numba.cfunc made
    return numba.njit(error_model="numpy")(plain)


@functools.cache
def scalar_loop(
    fn: Callable[..., Any], dtypes: tuple[str, ...], dtype: str, ndim: int
) -> ScalarLoop:
    """The loop for operands of `dtypes` and `ndim` axes and a result of `dtype`."""
    import numba
    from numba import types

    count = len(dtypes)
    names = [f"a{k}" for k in range(count + 1)]
    kinds = {f"d{k}": np.dtype(d).type for k, d in enumerate((*dtypes, dtype))}
    length = " * ".join(["1", *(f"sizes[{k}]" for k in range(ndim))])
    lines = [
        "def loop(arrays, sizes):",
        f"    n = {length}",
        *(f"    {a} = carray(arrays[{k}], (n,), d{k})" for k, a in enumerate(names)),
        "    for i in range(n):",
        f"        {names[-1]}[i] = fn({', '.join(f'{a}[i]' for a in names[:-1])})",
        f"    return {DONE}",
    ]
    scope = {"carray": numba.carray, "fn": compiled_scalar(fn), **kinds}
    exec("\n".join(lines), scope)
    signature = types.int32(types.CPointer(types.voidptr), types.CPointer(types.int64))
    with llvm_lock():
        made = numba.cfunc(signature, error_model="numpy")(scope["loop"])
    return ScalarLoop(made, dtype, ndim)
