"""Loops over a few numbers in one kernel: what they compute, and which they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symgraph.codegen.cost import cost
from symgraph.codegen.ir import Check, Loop, walk
from symgraph.codegen.parse import parse_program
from symgraph.codegen.program import Launch, Program, Repeat, written_by
from symgraph.codegen.program_check import check_program
from symgraph.codegen.rolled import SLICE, rolled
from symgraph.codegen.run import run_program
from symgraph.codegen.text import print_program

from .native import make
from .test_control import FIBONACCI

Results = list[np.ndarray]


def prepared(text: str, *, repeats: int = 0) -> tuple[Program, Program]:
    """A program and what becomes of it: so many loops of launches are left."""
    program = parse_program(text)
    check_program(program)
    assert print_program(program) == text
    made = rolled(program)
    check_program(made)
    assert parse_program(print_program(made)) == made
    assert sum(isinstance(step, Repeat) for step in made.steps) == repeats
    assert rolled(made) == made or repeats
    return program, made


def three_ways(
    text: str, *args: np.ndarray, repeats: int = 0, rtol: float = 0.0
) -> Results:
    """What a program gives, as it stands, rolled, and in native code."""
    program, made = prepared(text, repeats=repeats)
    names = [a.name for a in program.by_role("input")]
    given = dict(zip(names, args, strict=True))
    slow = run_program(program, given).results
    for a, b in zip(slow, run_program(made, given).results, strict=True):
        np.testing.assert_allclose(b, a, rtol, rtol)
    fast: Any = make(program).entry(*args)
    fast = list(fast) if isinstance(fast, list | tuple) else [fast]
    for a, b in zip(slow, fast, strict=True):
        np.testing.assert_allclose(b, a, max(rtol, 1e-12), 1e-300)
        if a.dtype.kind != "f":
            np.testing.assert_array_equal(a, b)
    return slow


def loops_of(program: Program) -> list[Loop]:
    """The loops over rounds in the program's kernels."""
    return [
        s
        for step in program.steps
        if isinstance(step, Launch) and step.kernel.name.startswith("rolled")
        for s, _ in walk(step.kernel.body)
        if isinstance(s, Loop)
    ]


#: h[t] = a h[t - 1] + x[-1 - t] for two numbers, kept for each t and at the end; `a` is
#: an invariant, x is read backwards.
FILTER = """\
program filter
  input x: float64[n, 2]
  input h0: float64[2]
  input a: float64[2]
  temp h: float64[2] slot 0
  temp next: float64[2] slot 1
  temp t: int64[] slot 2
  row xt: float64[2] of x at last + -1 * t
  output ys: float64[n, 2]
  row yt: float64[2] of ys at 0 + 1 * t
  output end: float64[2]
  output count: int64[]
  host last = sub(n, 1:int64): int64
  kernel copy(a: in float64[m], b: out float64[m]; m)
    vector i < m
      v = load a[i]: float64
      store b[i] = v
  kernel step(h: in float64[m], x: in float64[m], a: in float64[m], b: out float64[m]; m)
    vector i < m
      v1 = load h[i]: float64
      v2 = load x[i]: float64
      v3 = load a[i]: float64
      v4 = mul(v1, v3): float64
      v5 = add(v4, v2): float64
      store b[i] = v5
  kernel number(a: in int64[], b: out int64[])
    v = load a[]: int64
    store b[] = v
  launch copy(h0, h; 2)
  repeat t < n moving h <- next
  launch step(h, xt, a, next; 2)
  launch copy(next, yt; 2)
  end
  launch copy(h, end; 2)
  launch number(t, count)
  return ys, end, count
"""  # noqa: E501


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_rows_and_invariants(n: int) -> None:
    rng = np.random.default_rng(0)
    x, h, a = rng.normal(size=(n, 2)), rng.normal(size=2), np.array([0.5, -0.25])
    ys, end, count = three_ways(FILTER, x, h, a)
    for t in range(n):
        h = a * h + x[n - 1 - t]
        np.testing.assert_array_equal(ys[t], h)
    np.testing.assert_array_equal(end, h)
    assert count == n


def test_state_is_in_values() -> None:
    """The kernel touches memory for rows and what does not change only."""
    (loop,) = loops_of(prepared(FILTER)[1])
    assert [s.dtype for s in loop.state] == ["float64", "float64", "int64"]
    lines = print_program(prepared(FILTER)[1])
    assert "next: float64" not in lines
    assert "load h" not in lines.partition("serial")[2].partition("launch")[0]


@pytest.mark.parametrize("most", [0, 1, 2, 100, 1 << 62])
@pytest.mark.parametrize("extent", ["90", "7", "9000000000000000000", "top"])
def test_going(most: int, extent: str) -> None:
    """Where it is not known that a loop ends soon, it runs in slices."""
    text = FIBONACCI.replace("t < 90", f"t < {extent}")
    rounds = {"7": 7, "top": 13}.get(extent, 90)
    args = [np.array(most)]
    if extent == "top":
        text = text.replace("  temp a", "  input limit: int64[]\n  temp a")
        text = text.replace("  kernel begin", "  host top = read limit\n  kernel begin")
        args.append(np.array(rounds))
    a, b, count = 0, 1, 0
    while b < most and count < rounds:
        a, b, count = b, a + b, count + 1
    long = len(extent) > 2
    assert [int(r) for r in three_ways(text, *args, repeats=long)] == [a, count]


#: Adds up t % 7, in many slices.
COUNTER = """\
program counter
  input limit: int64[]
  temp a: int64[] slot 0
  temp b: int64[] slot 1
  temp t: int64[] slot 0
  output last: int64[]
  output count: int64[]
  host top = read limit
  kernel begin(a: out int64[])
    store a[] = 0:int64
  kernel step(a: in int64[], t: in int64[], b: out int64[])
    v1 = load a[]: int64
    v2 = load t[]: int64
    v3 = rem(v2, 7:int64): int64
    v4 = add(v1, v3): int64
    store b[] = v4
  kernel copy(a: in int64[], b: out int64[])
    v = load a[]: int64
    store b[] = v
  launch begin(a)
  repeat t < top moving a <- b
  launch step(a, t, b)
  end
  launch copy(a, last)
  launch copy(t, count)
  return last, count
"""


@pytest.mark.parametrize("rounds", [-1, 0, SLICE - 1, SLICE, 2 * SLICE + 5])
def test_slices(rounds: int) -> None:
    program, made = prepared(COUNTER.replace("t: int64[] slot 0", "t: int64[] slot 2"),
                             repeats=1)  # fmt: skip
    last, count = make(program).entry(np.array(rounds))
    assert (last, count) == (sum(k % 7 for k in range(rounds)), max(rounds, 0))
    figures = cost(made, {"top": 1000})
    assert figures.steps == cost(program, {"top": 1000}).steps
    assert any(step.name == "rolled_t" and step.work > 1000 for step in figures.steps)


#: x becomes exp(-norm(x)) times a rotation of x: a reduction in the body.
SPIRAL = """\
program spiral
  input x0: float64[3]
  input n: float64[m]
  temp x: float64[3] slot 0
  temp y: float64[3] slot 1
  temp norm: float64[] slot 2
  temp t: int64[] slot 3
  output last: float64[3]
  kernel copy(a: in float64[3], b: out float64[3])
    vector i < 3
      v = load a[i]: float64
      store b[i] = v
  kernel square(x: in float64[3], s: out float64[])
    vector i < 3 -> s1 = sum v2: float64, top = max v1: float64
      v1 = load x[i]: float64
      v2 = mul(v1, v1): float64
    s2 = add(s1, top): float64
    store s[] = s2
  kernel turn(x: in float64[3], s: in float64[], y: out float64[3])
    v1 = load s[]: float64
    v2 = neg(v1): float64
    v3 = exp(v2): float64
    vector i < 3
      v4 = eq(i, 0:int64): bool
      v5 = not(v4): bool
      v6 = load x[i - 1] if v5: float64
      v7 = load x[2] if v4: float64
      v8 = add(v6, v7): float64
      v9 = mul(v8, v3): float64
      v10 = sub(v9, 0.125:float64): float64
      store y[i] = v10
  launch copy(x0, x)
  repeat t < m moving x <- y
  launch square(x, norm)
  launch turn(x, norm, y)
  end
  launch copy(x, last)
  return last
"""


@pytest.mark.parametrize("m", [0, 1, 2, 1000])
def test_reduction_and_exp(m: int) -> None:
    x = np.array([0.5, -1.0, 0.25])
    (last,) = three_ways(SPIRAL, x, np.zeros(m), rtol=1e-13)
    for _ in range(m):
        x = np.roll(x, 1) * np.exp(-(x @ x + x.max())) - 0.125
    np.testing.assert_allclose(last, x, 1e-12)
    (loop,) = loops_of(prepared(SPIRAL)[1])
    assert not any(isinstance(s, Loop) for s in loop.body)


#: Newton's method for square roots, started anew for each row.
ROOTS = """\
program roots
  input x: float64[n]
  temp r: float64[] slot 0
  temp better: float64[] slot 1
  temp going: bool[] slot 2
  temp on: bool[] slot 3
  temp k: int64[] slot 4
  temp t: int64[] slot 5
  row xt: float64[] of x at 0 + 1 * t
  output ys: float64[n]
  row yt: float64[] of ys at 0 + 1 * t
  output counts: int64[n]
  row ct: int64[] of counts at 0 + 1 * t
  kernel begin(x: in float64[], r: out float64[], going: out bool[])
    v = load x[]: float64
    store r[] = v
    on = ne(v, 1.0:float64): bool
    store going[] = on
  kernel newton(x: in float64[], r: in float64[], s: out float64[], on: out bool[])
    v1 = load x[]: float64
    v2 = load r[]: float64
    v3 = div(v1, v2): float64
    v4 = add(v2, v3): float64
    v5 = mul(v4, 0.5:float64): float64
    store s[] = v5
    v6 = sub(v5, v2): float64
    v7 = abs(v6): float64
    v8 = gt(v7, 1e-09:float64): bool
    store on[] = v8
  kernel keep(r: in float64[], k: in int64[], y: out float64[], c: out int64[])
    v = load r[]: float64
    store y[] = v
    w = load k[]: int64
    store c[] = w
  repeat t < n
  launch begin(xt, r, going)
  repeat k < 50 while going moving r <- better, going <- on
  launch newton(xt, r, better, on)
  end
  launch keep(r, k, yt, ct)
  end
  return ys, counts
"""


@pytest.mark.parametrize("n", [0, 1, 2, 100])
def test_loop_in_a_loop(n: int) -> None:
    x = 1.0 + np.arange(n)
    ys, counts = three_ways(ROOTS, x)
    np.testing.assert_allclose(ys, np.sqrt(x), 1e-12)
    assert list(counts[:3]) == [0, 5, 6][:n]
    outer, inner = loops_of(prepared(ROOTS)[1])
    assert inner in outer.body and inner.going and outer.going is None


def test_long_loop_in_a_loop() -> None:
    """Only the inner loop runs in one kernel, so that the call can be interrupted."""
    three_ways(ROOTS.replace("k < 50", "k < 5000"), 2.0 + np.arange(3), repeats=1)


#: A table of four numbers, looked up and changed at a place that is data.
TABLE = """\
program table
  input places: int64[n]
  input begin: int64[4]
  temp table: int64[4] slot 0
  temp other: int64[4] slot 1
  temp t: int64[] slot 2
  row at: int64[] of places at 0 + 1 * t
  view flat: int64[2, 2] of table
  output last: int64[2, 2]
  kernel copy(a: in int64[4], b: out int64[4])
    serial i < 4
      v = load a[i]: int64
      store b[i] = v
  kernel step(a: in int64[4], at: in int64[], b: inout int64[4])
    v1 = load at[]: int64
    v2 = load a[v1]: int64
    v3 = mul(v2, 3:int64): int64
    v4 = add(v3, v1): int64
    store b[v1] += v4
    v5 = load b[-v1 + 3]: int64
    ok = lt(v5, 1000000000:int64): bool
    check ok else 3
  kernel square(a: in int64[2, 2], b: out int64[2, 2])
    serial i < 2
      serial j < 2
        v = load a[i, j]: int64
        store b[i, j] = v
  launch copy(begin, table)
  repeat t < n moving table <- other
  launch copy(table, other)
  launch step(table, at, other)
  end
  launch square(flat, last)
  return last
"""


def test_index_that_is_data() -> None:
    places, table = np.array([1, 3, 0, 0, 2]), np.array([1, 2, 3, 4])
    (last,) = three_ways(TABLE, places, table)
    for k in places:
        table[k] = table[k] * 4 + k
    np.testing.assert_array_equal(last.ravel(), table)


def test_check() -> None:
    program, made = prepared(TABLE)
    places = np.array([3] * 18 + [0, 3])
    given = {"places": places, "begin": np.ones(4, int)}
    assert run_program(program, given).status == 3
    assert run_program(made, given).status == 3
    (loop,) = loops_of(made)
    (check,) = [s for s in loop.body if isinstance(s, Check)]
    assert check.round == loop.axis


#: Temporaries share memory: u and v, of which v is used in the next round; w and u
#: after the loop, where u is made anew.
SHARED = """\
program shared
  input x: float64[n]
  temp sum: float64[] slot 0
  temp u: float64[] slot 1
  temp v: float64[] slot 2
  temp w: float64[] slot 1
  temp t: int64[] slot 3
  row xt: float64[] of x at 0 + 1 * t
  output total: float64[]
  output rest: float64[]
  kernel zero(a: out float64[], b: out float64[])
    store a[] = 0.0:float64
    store b[] = 0.0:float64
  kernel add(a: in float64[], b: in float64[], c: out float64[])
    v1 = load a[]: float64
    v2 = load b[]: float64
    v3 = add(v1, v2): float64
    store c[] = v3
  launch zero(sum, v)
  repeat t < n moving sum <- w
  launch add(sum, v, u)
  launch add(u, xt, v)
  launch add(v, sum, w)
  end
  launch add(sum, v, u)
  launch add(u, u, total)
  launch add(v, v, rest)
  return total, rest
"""


@pytest.mark.parametrize("n", [0, 1, 2, 9])
def test_shared_memory(n: int) -> None:
    total, rest = three_ways(SHARED, np.arange(1.0, n + 1))
    s = v = 0.0
    for t in range(n):
        v = s + v + t + 1
        s = v + s
    assert (total, rest) == (2 * (s + v), 2 * v)
    steps = [s for s in prepared(SHARED)[1].steps if isinstance(s, Launch)]
    assert [s.kernel.name for s in steps] == ["zero", "rolled_t", "add", "add", "add"]
    assert written_by(steps[1]) == ("sum", "v")


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


GEMM = ("  launch step(h, xt, a, next; 2)\n",
        "  gemm next = h @ a for m=1, n=1, k=2\n")  # fmt: skip

STEP = "  launch step(a, b, most, c, on)\n"

CASES = {
    "dynamic shapes": replaced(
        FILTER, ("[2]", "[k]"), ("[n, 2]", "[n, k]"), ("; 2)", "; k)")
    ),
    "many elements": replaced(
        FILTER, ("[2]", "[100]"), ("[n, 2]", "[n, 100]"), ("; 2)", "; 100)")
    ),
    "many statements": replaced(
        FILTER,
        ("[2]", "[60]"),
        ("[n, 2]", "[n, 60]"),
        ("; 2)", "; 60)"),
        ("v5 = add(v4, v2)", "v6 = exp(v4): float64\n      v5 = add(v6, v2)"),
    ),
    "a product": replaced(FILTER, GEMM),
    "a branch": replaced(
        FIBONACCI,
        ("  launch step(", "  when going\n  launch step("),
        ("on)\n  end", f"on)\n  otherwise\n{STEP}  end\n  end"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", CASES.values(), ids=CASES)
def test_left_alone(text: str) -> None:
    program = parse_program(text)
    assert rolled(program) == program
