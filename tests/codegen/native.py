"""Small Programs for the tests of the CPU target's entry, linker and threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from symgraph.codegen.cpu import build
from symgraph.codegen.cpu import host as hosts
from symgraph.codegen.cpu.link import NativeFunction, link
from symgraph.codegen.ir import (
    Affine,
    Buffer,
    Check,
    Const,
    Extent,
    Kernel,
    Let,
    Load,
    Loop,
    Store,
    axis,
)
from symgraph.codegen.program import Array, Gemm, Launch, Program


class Declined(Exception):
    """Raised by the default slow callable; holds what the entry declined."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(f"{len(args)} arguments declined")
        self.given = args, kwargs


class Failed(Exception):
    """Raised by the default fail callable; holds the code."""


def decline(*args: Any, **kwargs: Any) -> Any:
    raise Declined(args, kwargs)


def fail(code: int) -> Any:
    raise Failed(code)


@cache
def compiled(program: Program) -> bytes:
    """The object bytes of `program`, once for all tests."""
    return build.build(program, hosts.detect())


def make(
    program: Program,
    *,
    shared: Sequence[list[Any]] = (),
    constants: Sequence[np.ndarray] = (),
    slow: Callable[..., Any] = decline,
    on_fail: Callable[[int], Any] = fail,
) -> NativeFunction:
    """`program` as a callable."""
    return link(
        compiled(program),
        shared=shared,
        constants=constants,
        slow=slow,
        fail=on_fail,
        name=program.name,
    )


def elementwise(
    op: str, dtype: str = "float64", rank: int = 1, name: str = ""
) -> Kernel:
    """``o = op(a, b)`` over `rank` axes; the outermost loop may be cut."""
    names = tuple(f"n{k}" for k in range(rank))
    index = tuple(axis(f"i{k}") for k in range(rank))
    body: tuple[Any, ...] = (
        Load("x", "a", index, dtype),
        Load("y", "b", index, dtype),
        Let("z", op, ("x", "y"), dtype),
        Store("o", index, "z"),
    )
    for k in reversed(range(rank)):
        kind = "vector" if k == rank - 1 else "parallel" if k == 0 else "serial"
        body = (Loop(f"i{k}", names[k], kind, body),)
    modes = (("a", "in"), ("b", "in"), ("o", "out"))
    buffers = tuple(Buffer(b, dtype, names, m) for b, m in modes)
    return Kernel(name or op, buffers, names, body, "i0" if rank else None)


def fill(value: float, dtype: str = "float64") -> Kernel:
    """``o[i] = value``."""
    store = Store("o", (axis("i"),), Const(value, dtype))
    loop = Loop("i", "n", "vector", (store,))
    return Kernel("fill", (Buffer("o", dtype, ("n",), "out"),), ("n",), (loop,), "i")


def checked(code: int) -> Kernel:
    """``o[i] = a[i]``, with error `code` where an element is negative."""
    i = (axis("i"),)
    body = (
        Load("x", "a", i, "float64"),
        Let("ok", "ge", ("x", Const(0.0, "float64")), "bool"),
        Check("ok", code),
        Store("o", i, "x"),
    )
    buffers = (
        Buffer("a", "float64", ("n",), "in"),
        Buffer("o", "float64", ("n",), "out"),
    )
    return Kernel("checked", buffers, ("n",), (Loop("i", "n", "serial", body),), None)


def binary(op: str, dtype: str = "float64", rank: int = 1) -> Program:
    """``op(a, b)`` of two arrays of one shape."""
    names: tuple[Extent, ...] = tuple(f"d{k}" for k in range(rank))
    arrays = (
        Array("a", dtype, names, "input"),
        Array("b", dtype, names, "input"),
        Array("o", dtype, names, "output"),
    )
    launch = Launch(elementwise(op, dtype, rank), ("a", "b", "o"), names)
    return Program(f"{op}{rank}", arrays, (), (), (launch,), ("o",))


def chain(length: int) -> Program:
    """``(a + b) + b + ...``, `length` additions through temporaries in two slots."""
    step = elementwise("add")
    arrays = [
        Array("a", "float64", ("n",), "input"),
        Array("b", "float64", ("n",), "input"),
    ]
    steps, last = [], "a"
    for k in range(length):
        name = f"t{k}"
        arrays.append(
            Array(name, "float64", ("n",), "temp", slot=k % 2)
            if k < length - 1
            else Array(name, "float64", ("n",), "output")
        )
        steps.append(Launch(step, (last, "b", name), ("n",)))
        last = name
    return Program("chain", tuple(arrays), (), (), tuple(steps), (last,))


def counter() -> Program:
    """Shared s becomes s + a, and the new total times a constant is returned."""
    arrays = (
        Array("a", "float64", ("n",), "input"),
        Array("s", "float64", ("n",), "shared"),
        Array("c", "float64", ("n",), "constant"),
        Array("s2", "float64", ("n",), "update", target="s"),
        Array("o", "float64", ("n",), "output"),
    )
    steps = (
        Launch(elementwise("add"), ("s", "a", "s2"), ("n",)),
        Launch(elementwise("mul"), ("s2", "c", "o"), ("n",)),
    )
    return Program("counter", arrays, (), (), steps, ("o",))


def matmul(
    dtype: str = "float64",
    transpose_lhs: bool = False,
    transpose_rhs: bool = False,
    batch: str | None = None,
    lhs_batched: bool = True,
    rhs_batched: bool = True,
) -> Program:
    """``a @ b``, of the shapes that the flags say."""
    lead: tuple[Extent, ...] = (batch,) if batch else ()
    a: tuple[Extent, ...] = ("k", "m") if transpose_lhs else ("m", "k")
    b: tuple[Extent, ...] = ("n", "k") if transpose_rhs else ("k", "n")
    arrays = (
        Array("a", dtype, (lead if lhs_batched else ()) + a, "input"),
        Array("b", dtype, (lead if rhs_batched else ()) + b, "input"),
        Array("o", dtype, (*lead, "m", "n"), "output"),
    )
    step = Gemm(
        "o", "a", "b", "m", "n", "k", transpose_lhs, transpose_rhs, batch or 1,
        lhs_batched, rhs_batched,
    )  # fmt: skip
    return Program("matmul", arrays, (), (), (step,), ("o",))


def constant_index(value: int) -> Affine:
    """The index that is just a number."""
    return Affine((), value)
