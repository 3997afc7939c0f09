"""Reductions down columns, in blocks of rows: the same values, for any shape."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest

from symgraph.codegen.columns import COLUMNS, NARROW, ROWS, blocked
from symgraph.codegen.parse import parse_program
from symgraph.codegen.program import Launch, Program
from symgraph.codegen.run import run_program

from .native import make

#: Two reductions in one loop, a row and a column that they read, and an epilogue.
MATRIX = """
    program matrix
      input x: float64[n, m]
      input y: float64[n]
      input z: float64[m]
      output o: float64[m]
      output p: float64[m]
      kernel k(x: in float64[n, m], y: in float64[n], z: in float64[m],
               o: out float64[m], p: out float64[m]; n, m) split j
        vector j < m
          b = load z[j]: float64
          serial i < n -> s = sum d: float64, t = max e: float64
            a = load x[i, j]: float64
            c = load y[i]: float64
            row = cast(i): float64
            d = mul(a, c): float64
            f = add(a, b): float64
            e = add(f, row): float64
          store o[j] = s
          q = mul(t, b): float64
          store p[j] = q
      launch k(x, y, z, o, p; n, m)
      return o, p
"""

CUBE = """
    program cube
      input x: int64[n, k, m]
      output o: int64[m]
      kernel k(x: in int64[n, k, m], o: out int64[m]; n, k, m) split j
        vector j < m
          serial i < n -> s = sum r: int64
            serial l < k -> r = sum a: int64
              a = load x[i, l, j]: int64
          store o[j] = s
      launch k(x, o; n, k, m)
      return o
"""


def program(text: str) -> Program:
    lines = dedent(text).strip().replace(",\n" + " " * 11, ", ")
    return parse_program(lines)


def matrix(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> list[np.ndarray]:
    rows = np.arange(len(x))[:, None]
    lowest = np.full((1, x.shape[1]), -np.inf)
    t = np.concatenate([lowest, x + z + rows]).max(0)
    return [(x * y[:, None]).sum(0), t * z]


SHAPES = [
    *((n, m) for n in (1, 2, ROWS - 1, ROWS, ROWS + 1, 700) for m in (1, 3, 64, 301)),
    *((300, m) for m in (NARROW - 1, NARROW, NARROW + 1)),
    *((n, m) for n in (3, 2 * ROWS + 5) for m in (COLUMNS, COLUMNS + 1)),
    *((0, 5), (5, 0), (0, 0)),
]


def fixed(columns: int) -> str:
    """The program for matrices of so many columns."""
    text = MATRIX.replace("m]", f"{columns}]").replace("j < m", f"j < {columns}")
    return text.replace("; n, m)", "; n)")


@pytest.mark.parametrize("text", [MATRIX, fixed(NARROW), fixed(NARROW + 1)])
def test_a_reduction_down_columns_takes_two_kernels(text: str) -> None:
    """Or three: what is narrow is known when it runs, if the size is not given."""
    made = blocked(program(text))
    *first, second = made.steps
    assert all(isinstance(step, Launch) for step in made.steps)
    assert len(first) == 1 + (text == MATRIX)
    assert all(step.kernel.split != second.kernel.split for step in first)
    assert len({a.slot for a in made.by_role("temp")}) == 2


@pytest.mark.parametrize("few", ["17", "4, 5"])
def test_few_rows_stay_as_they_are(few: str) -> None:
    sizes = few.split(", ")
    text = MATRIX if len(sizes) == 1 else CUBE
    for name, size in zip("nk", sizes, strict=False):
        text = text.replace(f"{name},", f"{size},").replace(f"[{name}]", f"[{size}]")
        text = text.replace(f"< {name} ", f"< {size} ")
    text = text.replace(f"; {few}, m", "; m")
    given = program(text)
    assert blocked(given) == given


@pytest.mark.parametrize("shape", [(1, 3), (ROWS + 2, 5), (0, 2), (2, 0)])
def test_the_interpreter_finds_the_same(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    n, m = shape
    x, y, z = random.random(shape), random.random(n), random.random(m)
    found = run_program(blocked(program(MATRIX)), {"x": x, "y": y, "z": z})
    for result, right in zip(found.results, matrix(x, y, z), strict=True):
        np.testing.assert_allclose(result, right, rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape: tuple[int, int]) -> None:
    run = make(program(MATRIX)).entry
    random = np.random.default_rng(1)
    n, m = shape
    x, y, z = random.random(shape), random.random(n), random.random(m)
    for result, right in zip(run(x, y, z), matrix(x, y, z), strict=True):
        np.testing.assert_allclose(result, right, rtol=1e-12)


@pytest.mark.parametrize("columns", [1, 7, NARROW, NARROW + 1])
def test_values_where_the_columns_are_known(columns: int) -> None:
    run, random = make(program(fixed(columns))).entry, np.random.default_rng(1)
    for n in (0, 1, ROWS, 301):
        x, y, z = random.random((n, columns)), random.random(n), random.random(columns)
        for result, right in zip(run(x, y, z), matrix(x, y, z), strict=True):
            np.testing.assert_allclose(result, right, rtol=1e-12)


@pytest.mark.parametrize("n", [0, 1, 5, 200])
@pytest.mark.parametrize("k", [0, 1, 3, ROWS, 301])
@pytest.mark.parametrize("m", [0, 1, 33])
def test_reductions_of_two_axes(n: int, k: int, m: int) -> None:
    x = np.random.default_rng(2).integers(-99, 99, (n, k, m))
    np.testing.assert_array_equal(make(program(CUBE)).entry(x), x.sum((0, 1)))
