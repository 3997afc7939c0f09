"""Loads and stores of several elements at once, which generated kernels call.

``x[flat(i)]`` is the element of the flat array `x` at `i`, which is not negative, so
that numba need not look.  ``load4(x, i)`` is the tuple of the elements from `i` on, and
``store4(x, i, values)`` stores them there; ``aligned4(x, i)`` says whether that is
allowed: a device moves whole vectors at addresses that are multiples of their size
only.  `WIDTHS` are how many elements there may be.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

WIDTHS = (2, 4)


def names() -> tuple[str, ...]:
    """What `simulated` and `real` define."""
    kinds = ("aligned", "load", "store")
    return (
        "flat",
        "inlined",
        *(f"{kind}{width}" for kind in kinds for width in WIDTHS),
    )


def simulated() -> dict[str, Callable[..., Any]]:
    """Everything by name, for numba's simulator, where kernels are Python."""
    found: dict[str, Callable[..., Any]] = {}
    found |= {"flat": _flat, "inlined": lambda function: function}
    for width in WIDTHS:
        found.update(_simulated(width))
    return found


def _flat(place: int) -> int:
    if place < 0:
        raise IndexError(f"a kernel is at {place} of an array")
    return place


def _simulated(width: int) -> dict[str, Callable[..., Any]]:
    def aligned(array: Any, place: int) -> bool:
        start, _ = array.__array_interface__["data"]
        address = start + int(place) * array.itemsize
        return bool(address % (width * array.itemsize) == 0)

    def checked(array: Any, place: int) -> None:
        """As a device would, which ends the launch."""
        if not aligned(array, place):
            raise ValueError(f"{width} elements at once from {place}, a misaligned one")

    def load(array: Any, place: int) -> tuple[Any, ...]:
        checked(array, place)
        return tuple(array[place + k] for k in range(width))

    def store(array: Any, place: int, values: tuple[Any, ...]) -> None:
        checked(array, place)
        for k, value in enumerate(values):
            array[place + k] = value

    return {f"aligned{width}": aligned, f"load{width}": load, f"store{width}": store}


def real() -> dict[str, Callable[..., Any]]:
    """Everything by name, for numba-cuda, which compiles it."""
    cuda: Any = import_module("numba.cuda")
    # An unsigned index is none that counts from the end.
    found: dict[str, Callable[..., Any]] = {
        "flat": np.uint64,
        "inlined": cuda.jit(device=True, forceinline=True),
    }
    for width in WIDTHS:
        found[f"aligned{width}"] = _aligned(width)
        found[f"load{width}"] = _load(width)
        found[f"store{width}"] = _store(width)
    return found


def _numba() -> tuple[Any, Any, Any, Any]:
    """llvmlite's builder of IR, and what numba-cuda has to build functions with.

    Where numba's own older target is used instead, that is numba's.
    """
    extending: Any = import_module("numba.cuda.extending")
    home = "numba.cuda" if find_spec("numba.cuda.cgutils") else "numba.core"
    names = "llvmlite.ir", f"{home}.cgutils", f"{home}.types"
    ir, cgutils, types = map(import_module, names)
    return ir, cgutils, types, extending.intrinsic


def _aligned(width: int) -> Any:
    ir, _, types, intrinsic = _numba()

    @intrinsic
    def aligned(typing: Any, array: Any, place: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer, size = _vector(context, builder, signature, args, width)
            address = builder.ptrtoint(pointer, ir.IntType(64))
            rest = builder.and_(address, ir.Constant(ir.IntType(64), size - 1))
            return builder.icmp_unsigned("==", rest, ir.Constant(ir.IntType(64), 0))

        return types.boolean(array, place), generate

    return aligned


def _load(width: int) -> Any:
    ir, cgutils, types, intrinsic = _numba()

    @intrinsic
    def load(typing: Any, array: Any, place: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer, size = _vector(context, builder, signature, args, width)
            whole = builder.load(pointer, align=size)
            model = context.data_model_manager[array.dtype]
            numbers = (ir.Constant(ir.IntType(32), k) for k in range(width))
            each = [builder.extract_element(whole, number) for number in numbers]
            values = [model.from_data(builder, value) for value in each]
            return cgutils.pack_array(builder, values)

        return types.UniTuple(array.dtype, width)(array, place), generate

    return load


def _store(width: int) -> Any:
    ir, cgutils, types, intrinsic = _numba()

    @intrinsic
    def store(typing: Any, array: Any, place: Any, values: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer, size = _vector(context, builder, signature, args, width)
            model = context.data_model_manager[array.dtype]
            kind = ir.VectorType(context.get_data_type(array.dtype), width)
            whole = ir.Constant(kind, ir.Undefined)
            for k, value in enumerate(cgutils.unpack_tuple(builder, args[2], width)):
                held = model.as_data(
                    builder, context.cast(builder, value, values[k], array.dtype)
                )
                number = ir.Constant(ir.IntType(32), k)
                whole = builder.insert_element(whole, held, number)
            builder.store(whole, pointer, align=size)

        return types.void(array, place, values), generate

    return store


def _vector(
    context: Any, builder: Any, signature: Any, args: Any, width: int
) -> tuple[Any, int]:
    """The address of `width` elements as one vector, and the vector's size in bytes."""
    ir, _, types, _ = _numba()
    array, place = signature.args[:2]
    view = context.make_array(array)(context, builder, value=args[0])
    index = context.cast(builder, args[1], place, types.int64)
    data = context.get_data_type(array.dtype)
    pointer = builder.gep(view.data, [index])
    vector = ir.VectorType(data, width)
    size = width * context.get_abi_sizeof(data)
    return builder.bitcast(pointer, vector.as_pointer()), size
