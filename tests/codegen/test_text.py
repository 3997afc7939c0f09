"""The text form: golden kernels, exact round trips, and damaged text."""

from __future__ import annotations

import math
from dataclasses import replace
from textwrap import dedent

import pytest

from symgraph.codegen import ir
from symgraph.codegen.cursor import ParseError
from symgraph.codegen.ir import (
    Affine,
    Buffer,
    Carry,
    Check,
    Const,
    Kernel,
    Let,
    Load,
    Loop,
    Store,
    axis,
)
from symgraph.codegen.parse import parse_kernel, parse_program
from symgraph.codegen.program import Array, Gemm, Guard, Launch, Program, ReadScalar
from symgraph.codegen.text import print_kernel, print_program

SOFTMAX = """\
kernel softmax(x: in float32[n, m], out: out float32[n, m]; n, m) split i
  scratch row: float32[m]
  parallel i < n
    vector j < m -> top = max v1: float32
      v1 = load x[i, j]: float32
    vector j < m -> total = sum v4: float32
      v2 = load x[i, j]: float32
      v3 = sub(v2, top): float32
      v4 = exp(v3): float32
      store row[j] = v4
    vector j < m
      v5 = load row[j]: float32
      v6 = div(v5, total): float32
      store out[i, j] = v6
"""

COLUMN_SUM = """\
kernel column_sum(x: in float64[40, n], out: inout float64[n]; n)
  serial i < 40
    vector j < n
      v1 = load x[i, j]: float64
      store out[j] += v1
"""

GATHER = """\
kernel gather(x: in float32[n, 10], at: in int64[n], out: out float32[n]; n) split i
  vector i < n
    v1 = load at[i]: int64
    v2 = ge(v1, 0:int64): bool
    v3 = lt(v1, 10:int64): bool
    v4 = and(v2, v3): bool
    check v4 else 7
    v5 = load x[i, v1] if v4: float32
    store out[i] = v5
"""

STEP = (
    """\
program step
  input x: float32[n, 4]
  shared w: float32[4, 4]
  constant c: int64[]
  output y: float32[n, 4]
  update w1: float32[4, 4] of w
  temp t: float32[n, 4] slot 0
  host k = read c
  host k1 = add(k, n): int64
  guard n lt k1 else 3
"""
    """\
  kernel copy(x: in float32[n, 4], out: out float32[n, 4]; n) split i
    parallel i < n
      vector j < 4
        v1 = load x[i, j]: float32
        store out[i, j] = v1
  gemm t = x @ transpose(w) for m=n, n=4, k=4
  launch copy(t, y; n)
  gemm w1 = transpose(x) @ y for m=4, n=4, k=n
  gemm w1 += transpose(x) @ y for m=4, n=4, k=n, batch=1, rhs_batched=false
  launch copy(w, w1; 4)
  return y
"""
)


def softmax_by_hand() -> Kernel:
    def row(name: str) -> Load:
        return Load(name, "x", (axis("i"), axis("j")), "float32")

    top = Loop(
        "j", "m", "vector", (row("v1"),), (Carry("top", "max", "v1", "float32"),)
    )
    exps = (
        row("v2"),
        Let("v3", "sub", ("v2", "top"), "float32"),
        Let("v4", "exp", ("v3",), "float32"),
        Store("row", (axis("j"),), "v4"),
    )
    total = Loop("j", "m", "vector", exps, (Carry("total", "sum", "v4", "float32"),))
    quotients = (
        Load("v5", "row", (axis("j"),), "float32"),
        Let("v6", "div", ("v5", "total"), "float32"),
        Store("out", (axis("i"), axis("j")), "v6"),
    )
    rows = (top, total, Loop("j", "m", "vector", quotients))
    return Kernel(
        "softmax",
        (
            Buffer("x", "float32", ("n", "m"), "in"),
            Buffer("out", "float32", ("n", "m"), "out"),
        ),
        ("n", "m"),
        (Loop("i", "n", "parallel", rows),),
        split="i",
        scratch=(Buffer("row", "float32", ("m",), "inout"),),
    )


def kernel_of(*body: ir.Statement) -> Kernel:
    buffers = (Buffer("x", "float64", (8, 8), "inout"),)
    return Kernel("k", buffers, ("n",), body)


def test_softmax_prints_as_written_above() -> None:
    assert print_kernel(softmax_by_hand()) == SOFTMAX
    assert parse_kernel(SOFTMAX) == softmax_by_hand()


@pytest.mark.parametrize("text", [SOFTMAX, COLUMN_SUM, GATHER])
def test_kernels_print_as_they_are_parsed(text: str) -> None:
    assert print_kernel(parse_kernel(text)) == text


def test_program_prints_as_it_is_parsed() -> None:
    program = parse_program(STEP)
    assert parse_program(print_program(program)) == program
    assert print_program(program) == STEP.replace(", batch=1", "")


def test_program_has_every_field() -> None:
    program = parse_program(STEP)
    launches = [step for step in program.steps if isinstance(step, Launch)]
    assert launches[0].kernel is launches[1].kernel
    assert launches[1].sizes == (4,)
    assert program.arrays[5] == Array("t", "float32", ("n", 4), "temp", slot=0)
    assert program.arrays[4] == Array("w1", "float32", (4, 4), "update", target="w")
    assert program.host[0] == ReadScalar("k", "c")
    assert program.host[1] == Let("k1", "add", ("k", "n"), "int64")
    assert program.guards == (Guard("n", "lt", "k1", 3),)
    assert program.steps[0] == Gemm("t", "x", "w", "n", 4, 4, transpose_rhs=True)
    assert program.results == ("y",)
    last = program.steps[3]
    assert isinstance(last, Gemm)
    assert last.accumulate and last.transpose_lhs and not last.rhs_batched


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (Affine(), "0"),
        (Affine((), -3), "-3"),
        (axis("i") * 2 + axis("j") + -1, "2*i + j - 1"),
        (axis("i") * -1 + 7, "-i + 7"),
        (axis("n") + axis("i") * -3, "n - 3*i"),
        (Affine((("i", 0),)), "0*i"),
    ],
)
def test_indices(index: Affine, text: str) -> None:
    kernel = kernel_of(Store("x", (index, axis("i")), Const(1.0, "float64")))
    printed = print_kernel(kernel)
    assert f"x[{text}, i]" in printed
    assert parse_kernel(printed) == kernel


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (0.1, "float64", "0.1:float64"),
        (-0.0, "float64", "-0.0:float64"),
        (5e-324, "float64", "5e-324:float64"),
        (1.7976931348623157e308, "float64", "1.7976931348623157e+308:float64"),
        (0.10000000149011612, "float32", "0.10000000149011612:float32"),
        (-math.inf, "float32", "-inf:float32"),
        (1e22, "float64", "1e+22:float64"),
        (True, "bool", "true:bool"),
        (-(2**63), "int64", "-9223372036854775808:int64"),
        (2**64 - 1, "uint64", "18446744073709551615:uint64"),
        (1.0, "float32", "1.0:float32"),
    ],
)
def test_literals_keep_every_bit(
    value: bool | int | float, dtype: str, text: str
) -> None:
    kernel = kernel_of(Let("a", "cast", (Const(value, dtype),), "float64"))
    assert f"cast({text})" in print_kernel(kernel)
    let = parse_kernel(print_kernel(kernel)).body[0]
    assert isinstance(let, Let)
    (read,) = let.args
    assert isinstance(read, Const)
    assert type(read.value) is type(value)
    assert repr(read.value) == repr(value)


def test_nan_prints_alike_after_a_round_trip() -> None:
    text = print_kernel(
        kernel_of(Let("a", "neg", (Const(math.nan, "float64"),), "float64"))
    )
    assert "neg(nan:float64)" in text
    assert print_kernel(parse_kernel(text)) == text


def test_names_that_look_like_keywords() -> None:
    body = (
        Let("store", "neg", (Const(1.0, "float64"),), "float64"),
        Let("nan", "neg", ("store",), "float64"),
        Load("load", "x", (Affine(), Affine()), "float64"),
        Let("scratch", "load", ("load",), "float64"),
        Let("ok", "le", ("inf.1", "load"), "bool"),
        Check("ok", 2),
    )
    kernel = kernel_of(*body)
    assert parse_kernel(print_kernel(kernel)) == kernel
    kernel = kernel_of(Let("scratch", "neg", ("nan",), "float64"))
    assert parse_kernel(print_kernel(kernel)) == kernel


def test_empty_loops_and_0d_buffers() -> None:
    empty = Loop("i", 3, "serial", (Loop("j", "n", "vector", ()),))
    kernel = Kernel("k", (Buffer("x", "bool", (), "out"),), ("n",), (empty,))
    assert parse_kernel(print_kernel(kernel)) == kernel
    assert parse_kernel("kernel k()\n") == Kernel("k", (), (), ())


def test_scratch_keeps_its_mode() -> None:
    kernel = softmax_by_hand()
    scratch = (replace(kernel.scratch[0], mode="out"),)
    kernel = replace(kernel, scratch=scratch)
    assert parse_kernel(print_kernel(kernel)) == kernel


def test_comments_and_blank_lines_are_skipped() -> None:
    noisy = "# a comment\n\n" + GATHER.replace("check v4", "# more\n\n    check v4")
    assert parse_kernel(noisy) == parse_kernel(GATHER)


def test_equal_kernels_print_once_and_namesakes_apart() -> None:
    """0.0 and -0.0 compare equal and are different kernels."""

    def fill(value: float) -> Kernel:
        store = Store("y", (), Const(value, "float32"))
        return Kernel("fill", (Buffer("y", "float32", (), "out"),), (), (store,))

    steps = tuple(Launch(fill(value), ("y",), ()) for value in (0.0, -0.0, 0.0))
    arrays = (Array("y", "float32", (), "output"),)
    program = Program("p", arrays, (), (), steps, ("y",))
    assert print_program(program) == dedent("""\
        program p
          output y: float32[]
          kernel fill(y: out float32[])
            store y[] = 0.0:float32
          kernel fill@2(y: out float32[])
            store y[] = -0.0:float32
          launch fill(y)
          launch fill@2(y)
          launch fill(y)
          return y
        """)
    assert print_program(parse_program(print_program(program))) == print_program(
        program
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("softmax(", "softmax", 1, "expected '\\('"),
        ("x: in", "x:", 1, "expected 'in' or 'out'"),
        ("    vector j < m\n", "     vector j < m\n", 11, "indentation"),
        ("      v5 =", "        v5 =", 12, "indentation"),
        ("  parallel i", "parallel i", 3, "indentation"),
        ("vector j < m -> top", "vector j m -> top", 4, "expected '<'"),
        ("max v1", "most v1", 4, "expected 'sum' or"),
        ("sub(v2, top)", "sub(v2 top)", 8, "expected ','"),
        ("exp(v3): float32", "exp(v3): float16", 9, "expected 'bool' or"),
        ("store row[j] = v4", "store row[j] v4", 10, "expected '=' or '\\+='"),
        ("store row[j] = v4", "stow row[j] = v4", 10, "expected a statement"),
        ("row[j] = v4", "row[2*] = v4", 10, "expected name, found ']'"),
        ("load row[j]", "load row[j", 12, "expected ','"),
        ("div(v5, total)", "div(v5, ?)", 13, "unexpected character '\\?'"),
        ("out[i, j] = v6", "out[i, j] = v6 v7", 14, "unexpected 'v7'"),
        ("out[i, j] = v6", "out[i, j] =", 14, "the end of the line"),
    ],
)
def test_damaged_kernels(old: str, new: str, line: int, message: str) -> None:
    assert old in SOFTMAX
    with pytest.raises(ParseError, match=message) as caught:
        parse_kernel(SOFTMAX.replace(old, new, 1))
    assert caught.value.number == line
    assert str(caught.value).startswith(f"line {line}: ")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("program step", "kernel step", "expected 'program'"),
        ("input x", "inptu x", "expected 'input' or"),
        ("  shared w", "   shared w", "indentation"),
        ("host k1 = add(k, n)", "host k1 = load c[]", "an array with 'read'"),
        ("n lt k1", "n ne k1", "expected 'eq' or"),
        ("launch copy(t", "launch copied(t", "no kernel called 'copied'"),
        ("m=n, n=4, k=4", "m=n, n=4", "gemm without k="),
        ("k=4\n", "p=4\n", "expected 'm' or"),
        ("  return y\n", "", "ends without 'return'"),
        ("  return y\n", "  return y\n  temp u: bool[]\n", "nothing after"),
        ("  kernel copy(", "  kernel copy()\n  kernel copy(", "a second kernel"),
    ],
)
def test_damaged_programs(old: str, new: str, message: str) -> None:
    assert old in STEP
    with pytest.raises(ParseError, match=message):
        parse_program(STEP.replace(old, new, 1))


def test_empty_text() -> None:
    with pytest.raises(ParseError, match="expected a kernel"):
        parse_kernel("\n# nothing\n")
    with pytest.raises(ParseError, match="expected a program"):
        parse_program("")
