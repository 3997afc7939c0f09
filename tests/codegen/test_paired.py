"""Paired arrays: floats for the kernels, complex numbers for the caller."""

from __future__ import annotations

import numpy as np
import pytest

from symgraph.codegen.check import CheckError
from symgraph.codegen.parse import parse_program
from symgraph.codegen.program_check import check_program
from symgraph.codegen.run import run_program
from symgraph.codegen.text import print_program

from .native import Declined, make

#: y = i x, and w becomes x.
TURN = """\
program turn
  input x: float64[n, 2] complex
  shared w: float64[n, 2] complex
  output y: float64[n, 2] complex
  update w1: float64[n, 2] complex of w
  kernel turn(x: in float64[n, 2], y: out float64[n, 2]; n) split i
    parallel i < n
      v1 = load x[i, 0]: float64
      v2 = load x[i, 1]: float64
      v3 = neg(v2): float64
      store y[i, 0] = v3
      store y[i, 1] = v1
  kernel copy(x: in float64[n, 2], y: out float64[n, 2]; n) split i
    parallel i < n
      vector j < 2
        v1 = load x[i, j]: float64
        store y[i, j] = v1
  launch turn(x, y; n)
  launch copy(x, w1; n)
  return y
"""
VALUE = np.array([1 + 2j, -3j, 0.5])


def test_text() -> None:
    program = parse_program(TURN)
    check_program(program)
    assert print_program(program) == TURN
    x = program.array("x")
    assert (x.outer_dtype, x.outer_shape) == ("complex128", ("n",))


def test_interpreter() -> None:
    given = {"x": VALUE, "w": np.zeros(3, complex)}
    result = run_program(parse_program(TURN), given)
    np.testing.assert_array_equal(result.results[0], VALUE * 1j)
    np.testing.assert_array_equal(result.updates["w"], VALUE)
    with pytest.raises(TypeError, match="x is complex128, given float64"):
        run_program(parse_program(TURN), {**given, "x": VALUE.real})


def test_native_entry() -> None:
    box = [np.zeros(3, complex)]
    f = make(parse_program(TURN), shared=[box])
    result = f.entry(VALUE)
    assert type(result) is np.ndarray and result.dtype == np.complex128
    np.testing.assert_array_equal(result, VALUE * 1j)
    np.testing.assert_array_equal(box[0], VALUE)
    pairs = VALUE.view(float).reshape(3, 2)
    for other in (VALUE.astype("complex64"), VALUE.real.copy(), pairs, VALUE[::-1]):
        with pytest.raises(Declined):
            f.entry(other)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("x: float64[n, 2] complex", "x: float64[n, 3] complex", "a last axis of 2"),
        ("x: float64[n, 2] complex", "x: int64[n, 2] complex", "a last axis of 2"),
        ("w: float64[n, 2] complex", "w: float64[n, 2]", "the target is float64"),
    ],
)
def test_faults(old: str, new: str, reason: str) -> None:
    assert old in TURN
    with pytest.raises(CheckError, match=reason):
        check_program(parse_program(TURN.replace(old, new, 1)))
