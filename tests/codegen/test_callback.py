"""Calls of functions from outside of a program: text, checks, both executions."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from symgraph.codegen.check import CheckError
from symgraph.codegen.cpu.callback import Array, Callback, over_arrays
from symgraph.codegen.cpu.link import NativeFunction, link
from symgraph.codegen.cpu.scalar_loop import result_dtype, scalar_loop
from symgraph.codegen.errors import CodegenError, CompileError, LinkError
from symgraph.codegen.parse import parse_program
from symgraph.codegen.program import Array as Declared
from symgraph.codegen.program import Call, HostFunction, Launch, Program
from symgraph.codegen.program_check import check_program
from symgraph.codegen.run import run_program
from symgraph.codegen.text import print_program

from .native import Failed, compiled, decline, elementwise, fail

VECTOR = ("float64", 1)


def program() -> Program:
    """``o = f(x + x) + f(x)`` and ``p = g(o)``, a matrix of two rows."""
    arrays = (
        Declared("x", "float64", ("n",), "input"),
        Declared("t", "float64", ("n",), "temp", 0),
        Declared("u", "float64", ("n",), "temp", 1),
        Declared("v", "float64", ("n",), "temp", 2),
        Declared("o", "float64", ("n",), "output"),
        Declared("p", "float64", (2, "n"), "output"),
    )
    add = elementwise("add")
    steps = (
        Launch(add, ("x", "x", "t"), ("n",)),
        Call("f", ("t",), ("u",), ("n", "n"), 7),
        Call("f", ("x",), ("v",), ("n", "n"), 8),
        Launch(add, ("u", "v", "o"), ("n",)),
        Call("g", ("o",), ("p",), ("n", 2, "n"), 9),
    )
    return Program("calls", arrays, (), (), steps, ("o", "p"))


def same(shape: tuple[int, ...], made: Array) -> Array:
    assert made.shape == shape
    return made


def picky(x: Array) -> Array:
    if (x < 0).any():
        raise ValueError("negative")
    return x * 10


def both() -> list[HostFunction]:
    return [
        Callback(picky, same, [VECTOR, VECTOR]),
        Callback(lambda x: np.stack([x, -x]), same, [VECTOR, ("float64", 2)]),
    ]


def native(functions: Sequence[HostFunction]) -> NativeFunction:
    return link(
        compiled(program()),
        functions=functions,
        slow=decline,
        fail=fail,
        name="calls",
    )


@pytest.mark.parametrize("size", [0, 1, 5, 1000])
def test_both_executions(size: int) -> None:
    x = np.linspace(0, 1, size)
    check_program(program())
    functions = both()
    expected = [30 * x, np.stack([30 * x, -30 * x])]
    names = dict(zip("fg", map(over_arrays, functions), strict=True))
    result = run_program(program(), {"x": x}, names)
    for got in (native(functions).entry(x), result.results):
        for value, wanted in zip(got, expected, strict=True):
            np.testing.assert_allclose(value, wanted)
    assert result.status == 0


def test_what_is_raised_waits_for_its_thread() -> None:
    functions = both()
    entry = native(functions).entry
    first = functions[0]
    found: list[Any] = []

    def work() -> None:
        with pytest.raises(Failed, match="7"):
            entry(np.array([-1.0]))
        found.append(first.take())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert first.take() is None
    assert isinstance(found[0], ValueError)
    names = dict(zip("fg", map(over_arrays, functions), strict=True))
    assert run_program(program(), {"x": np.array([-1.0])}, names).status == 7


def test_text_gives_the_program_back() -> None:
    text = print_program(program())
    assert "call f(t; n, n) -> u else 7" in text
    assert parse_program(text) == program()
    several = Call("h", ("x", "t"), ("o", "p"), (), 3)
    changed = replace(program(), steps=(several,))
    assert parse_program(print_program(changed)) == changed
    assert changed.functions == ("h",) and program().functions == ("f", "g")


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (Call("f", ("nothing",), ("u",), (), 1), "unknown array"),
        (Call("f", ("v",), ("u",), (), 1), "before any step writes it"),
        (Call("f", ("x",), ("x",), (), 1), "written and passed twice"),
        (Call("f", (), ("u", "u"), (), 1), "written and passed twice"),
        (Call("f", (), ("x",), (), 1), "is written"),
        (Call("f", (), ("u",), ("m",), 1), "not a size"),
        (Call("f", (), (), (), 1), "writes something"),
        (Call("f", (), ("u",), (), 0), "code > 0"),
    ],
)
def test_ill_formed_calls(call: Call, reason: str) -> None:
    with pytest.raises(CheckError, match=reason):
        check_program(replace(program(), steps=(call,)))


def test_what_linking_and_building_refuse() -> None:
    with pytest.raises(LinkError, match="calls 2 functions, 1 given"):
        native(both()[:1])
    wrong = replace(program(), steps=(Call("f", (), ("x",), (), 1),))
    with pytest.raises(CompileError, match="is written to"):
        compiled(wrong)


def test_scalar_loops() -> None:
    def ratio(a: float, b: int) -> float:
        return a / b

    assert result_dtype(ratio, ("float32", "int32")) == "float64"
    loop = scalar_loop(ratio, ("float32", "int32"), "float64", 2)
    assert scalar_loop(ratio, ("float32", "int32"), "float64", 2) is loop
    a = np.array([[1.0, 2.0], [3.0, 4.0]], "float32")
    b = np.array([[1, 2], [0, 4]], "int32")
    expected = [[1.0, 1.0], [np.inf, 1.0]]
    np.testing.assert_array_equal(loop.run([a, b.T.copy().T]), expected)
    assert loop.take() is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_scalar_loop_fails_where_its_function_raises() -> None:
    def never(a: float) -> float:
        if a >= 0:
            raise ValueError("never")
        return a

    loop = scalar_loop(never, ("float64",), "float64", 1)
    with pytest.raises(CodegenError, match="raised"):
        loop.run([np.zeros(2)])
