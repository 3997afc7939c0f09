"""Loops and branches between steps: text, checks, interpreter and native code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symgraph.codegen.check import CheckError
from symgraph.codegen.parse import parse_program
from symgraph.codegen.program_check import check_program
from symgraph.codegen.run import run_program
from symgraph.codegen.text import print_program

from .native import make

#: h[t] = 2 h[t - 1] + x[t], kept for each t and at the end; ends where h exceeds 50.
RECURRENCE = """\
program recurrence
  input x: float64[n, m]
  input h0: float64[m]
  temp h: float64[m] slot 0
  temp next: float64[m] slot 1
  temp t: int64[] slot 2
  row xt: float64[m] of x at 0 + 1 * t
  output ys: float64[n, m]
  row yt: float64[m] of ys at 0 + 1 * t
  output last: float64[m]
  output count: int64[]
  kernel copy(a: in float64[m], b: out float64[m]; m)
    vector i < m
      v = load a[i]: float64
      store b[i] = v
  kernel step(h: in float64[m], x: in float64[m], a: out float64[m], b: out float64[m]; m)
    vector i < m
      v1 = load h[i]: float64
      v2 = load x[i]: float64
      v3 = mul(v1, 2.0:float64): float64
      v4 = add(v3, v2): float64
      store a[i] = v4
      store b[i] = v4
  kernel number(a: in int64[], b: out int64[])
    v = load a[]: int64
    store b[] = v
  launch copy(h0, h; m)
  repeat t < n moving h <- next
  launch step(h, xt, next, yt; m)
  end
  launch copy(h, last; m)
  launch number(t, count)
  return ys, last, count
"""  # noqa: E501


def both_ways(text: str, *args: np.ndarray) -> list[np.ndarray]:
    """What a program gives, by the interpreter and by native code, which agree."""
    program = parse_program(text)
    check_program(program)
    assert print_program(program) == text
    names = [a.name for a in program.by_role("input")]
    slow = run_program(program, dict(zip(names, args, strict=True))).results
    fast: Any = make(program).entry(*args)
    fast = list(fast) if isinstance(fast, list | tuple) else [fast]
    for a, b in zip(slow, fast, strict=True):
        np.testing.assert_array_equal(a, b)
    return slow


@pytest.mark.parametrize("n", [0, 1, 2, 5])
@pytest.mark.parametrize("m", [0, 1, 7])
def test_recurrence(n: int, m: int) -> None:
    rng = np.random.default_rng(0)
    x, h = rng.normal(size=(n, m)), rng.normal(size=m)
    ys, last, count = both_ways(RECURRENCE, x, h)
    for t in range(n):
        h = 2 * h + x[t]
        np.testing.assert_array_equal(ys[t], h)
    np.testing.assert_array_equal(last, h)
    assert count == n


BRANCH = """\
program branch
  input x: float64[n]
  input yes: bool[]
  output y: float64[n]
  kernel double(a: in float64[n], b: out float64[n]; n)
    vector i < n
      v = load a[i]: float64
      w = mul(v, 2.0:float64): float64
      store b[i] = w
  kernel negate(a: in float64[n], b: out float64[n]; n)
    vector i < n
      v = load a[i]: float64
      w = neg(v): float64
      store b[i] = w
  when yes
  launch double(x, y; n)
  otherwise
  launch negate(x, y; n)
  end
  return y
"""


def test_branch() -> None:
    x = np.arange(5.0)
    np.testing.assert_array_equal(both_ways(BRANCH, x, np.array(True))[0], 2 * x)
    np.testing.assert_array_equal(both_ways(BRANCH, x, np.array(False))[0], -x)


#: Fibonacci numbers below a bound: two carries, of which one follows the other.
FIBONACCI = """\
program fibonacci
  input most: int64[]
  temp a: int64[] slot 0
  temp b: int64[] slot 1
  temp c: int64[] slot 2
  temp going: bool[] slot 3
  temp on: bool[] slot 4
  temp t: int64[] slot 5
  output last: int64[]
  output count: int64[]
  kernel begin(most: in int64[], a: out int64[], b: out int64[], going: out bool[])
    m = load most[]: int64
    store a[] = 0:int64
    store b[] = 1:int64
    on = lt(1:int64, m): bool
    store going[] = on
  kernel step(a: in int64[], b: in int64[], m: in int64[], c: out int64[], on: out bool[])
    v1 = load a[]: int64
    v2 = load b[]: int64
    v3 = add(v1, v2): int64
    store c[] = v3
    most = load m[]: int64
    v4 = lt(v3, most): bool
    store on[] = v4
  kernel copy(a: in int64[], b: out int64[])
    v = load a[]: int64
    store b[] = v
  launch begin(most, a, b, going)
  repeat t < 90 while going moving a <- b, b <- c, going <- on
  launch step(a, b, most, c, on)
  end
  launch copy(a, last)
  launch copy(t, count)
  return last, count
"""  # noqa: E501


@pytest.mark.parametrize("most", [0, 1, 2, 100])
def test_while(most: int) -> None:
    a, b, rounds = 0, 1, 0
    while b < most:
        a, b, rounds = b, a + b, rounds + 1
    last, count = both_ways(FIBONACCI, np.array(most))
    assert (last, count) == (a, rounds)


NESTED = """\
program nested
  input x: float64[n, m, k]
  temp sum: float64[k] slot 0
  temp more: float64[k] slot 1
  temp i: int64[] slot 2
  temp j: int64[] slot 3
  row xi: float64[m, k] of x at 0 + 1 * i
  row xij: float64[k] of xi at last + -1 * j
  output ys: float64[n, m, k]
  row yi: float64[m, k] of ys at 0 + 1 * i
  row yij: float64[k] of yi at 0 + 1 * j
  host last = sub(m, 1:int64): int64
  kernel zero(a: out float64[k]; k)
    vector i < k
      store a[i] = 0.0:float64
  kernel add(a: in float64[k], x: in float64[k], b: out float64[k], y: out float64[k]; k)
    vector i < k
      v1 = load a[i]: float64
      v2 = load x[i]: float64
      v3 = add(v1, v2): float64
      store b[i] = v3
      store y[i] = v3
  repeat i < n
  launch zero(sum; k)
  repeat j < m moving sum <- more
  launch add(sum, xij, more, yij; k)
  end
  end
  return ys
"""  # noqa: E501


@pytest.mark.parametrize("shape", [(2, 3, 5), (3, 2, 1), (1, 0, 2), (0, 2, 2)])
def test_nested(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    (ys,) = both_ways(NESTED, x)
    np.testing.assert_allclose(ys, np.cumsum(x[:, ::-1], 1), rtol=1e-13)


#: The sums of three rows at a time, from the second one on.
CHUNKS = """\
program chunks
  input x: float64[n, k]
  temp i: int64[] slot 0
  row rows: float64[3, k] of x at 1 + 3 * i
  output ys: float64[m, k]
  row yi: float64[k] of ys at 0 + 1 * i
  host s = add(n, -1:int64): int64
  host m = floordiv(s, 3:int64): int64
  kernel add(a: in float64[3, k], b: out float64[k]; k)
    vector i < k
      serial j < 3 -> total = sum v: float64
        v = load a[j, i]: float64
      store b[i] = total
  repeat i < m
  launch add(rows, yi; k)
  end
  return ys
"""


@pytest.mark.parametrize("n", [1, 4, 8, 10])
def test_several_rows(n: int) -> None:
    x = np.random.default_rng(0).normal(size=(n, 5))
    (ys,) = both_ways(CHUNKS, x)
    m = (n - 1) // 3
    np.testing.assert_allclose(ys, x[1 : 1 + 3 * m].reshape(m, 3, 5).sum(1))


#: The same of as many rows as `w` has, from the last ones to the first.
SIZED = (
    CHUNKS.replace("  temp i:", "  input w: float64[c]\n  temp i:")
    .replace("[3, k]", "[c, k]")
    .replace("j < 3", "j < c")
    .replace("at 1 + 3 * i", "at first + back * i")
    .replace("floordiv(s, 3:int64)", "floordiv(s, c)")
    .replace("  kernel", "  host back = mul(c, -1:int64): int64\n  kernel")
    .replace("  kernel", "  host first = add(n, back): int64\n  kernel")
    .replace("b: out float64[k]; k)", "b: out float64[k]; c, k)")
    .replace("yi; k)", "yi; c, k)")
)


@pytest.mark.parametrize("c", [1, 2, 5])
@pytest.mark.parametrize("n", [1, 4, 8, 11])
def test_as_many_rows_as_a_size_says(n: int, c: int) -> None:
    x = np.random.default_rng(0).normal(size=(n, 5))
    (ys,) = both_ways(SIZED, x, np.ones(c))
    m = (n - 1) // c
    expected = x[n - c * m :].reshape(m, c, 5).sum(1)[::-1]
    np.testing.assert_allclose(ys, expected)


@pytest.mark.parametrize(
    ("text", "old", "new", "reason"),
    [
        (SIZED, "+ back * i", "+ nothing * i", "nothing"),
        (RECURRENCE, "  end\n", "", "nothing closes"),
        (BRANCH, "  return y", "  end\n  return y", "closes nothing"),
        (RECURRENCE, "launch step(h, xt, next", "launch step(h, xt, h", "passed twice"),
        (RECURRENCE, "moving h <- next", "moving h <- x", "cannot take the memory"),
        (RECURRENCE, "moving h <- next", "moving next <- h", "before any step writes"),
        (RECURRENCE, "launch copy(h, last; m)", "launch copy(xt, last; m)", "not run"),
        (RECURRENCE, "row xt: float64[m]", "row xt: float64[]", "no rows"),
        (RECURRENCE, "repeat t < n", "repeat h < n", "no int64 array"),
        (RECURRENCE, "of x at 0 + 1 * t", "of x", "not said"),
        (BRANCH, "  otherwise\n", "", "no second branch"),
        (BRANCH, "  otherwise\n", "  otherwise\n  otherwise\n", "no first branch"),
        (BRANCH, "  launch negate(x, y; n)\n", "", "no step writes"),
        (FIBONACCI, "b <- c", "b <- b", "twice"),
        (FIBONACCI, "repeat t < 90 while going", "repeat t < 90 while t", "no bool"),
    ],
)
def test_ill_formed(text: str, old: str, new: str, reason: str) -> None:
    assert text.count(old) == 1
    with pytest.raises(CheckError, match=reason):
        check_program(parse_program(text.replace(old, new)))
