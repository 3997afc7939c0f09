"""Loops with state: text, checks, the interpreter, preparation and native code."""

from __future__ import annotations

import numpy as np
import pytest

from symgraph.codegen import schedule
from symgraph.codegen.check import CheckError, check_kernel
from symgraph.codegen.cpu.canonical import canonical
from symgraph.codegen.interpret import run_kernel
from symgraph.codegen.ir import Kernel, Load
from symgraph.codegen.parse import parse_kernel
from symgraph.codegen.program import Array, Launch, Program
from symgraph.codegen.text import print_kernel

from .native import make

#: Sums of two neighbours, w[t] and w[0] while they are below x.
SUMS = """\
kernel sums(x: in int64[], w: in int64[n], y: out int64[3]; n)
  m = load x[]: int64
  ok = lt(0:int64, m): bool
  serial t < n keeping a = 0:int64 then b to a2: int64, b = 1:int64 then c to b2: int64, on = ok then more to on2: bool, k = 0:int64 then k1 to count: int64 while on
    u = load w[t]: int64
    v = load w[0]: int64
    c0 = add(a, b): int64
    c1 = add(c0, v): int64
    c = add(c1, u): int64
    k1 = add(t, 1:int64): int64
    more = lt(c, m): bool
  store y[0] = a2
  store y[1] = b2
  store y[2] = count
"""  # noqa: E501

#: Cumulative sums of each row, in parallel over rows.
ROWS = """\
kernel rows(x: in float64[n, m], y: out float64[n, m]; n, m) split i
  parallel i < n
    serial j < m keeping s = 0.0:float64 then s1 to end: float64
      v = load x[i, j]: float64
      s1 = add(s, v): float64
      store y[i, j] = s1
"""


def parsed(text: str) -> Kernel:
    kernel = parse_kernel(text)
    assert print_kernel(kernel) == text
    check_kernel(kernel)
    return kernel


def native(kernel: Kernel, *args: np.ndarray) -> np.ndarray:
    """What the kernel's one result is."""
    roles = {"in": "input", "out": "output"}
    arrays = tuple(
        Array(b.name, b.dtype, b.shape, roles[b.mode])  # type: ignore[arg-type]
        for b in kernel.buffers
    )
    names = tuple(b.name for b in kernel.buffers)
    launch = Launch(kernel, names, kernel.sizes)
    program = Program(kernel.name, arrays, (), (), (launch,), names[-1:])
    result: np.ndarray = make(program).entry(*args)
    return result


def sums(m: int, w: np.ndarray) -> list[int]:
    a, b, count = 0, 1, 0
    on = m > 0
    while on and count < len(w):
        a, b = b, a + b + int(w[0]) + int(w[count])
        on, count = b < m, count + 1
    return [a, b, count]


@pytest.mark.parametrize("n", [0, 1, 2, 9])
@pytest.mark.parametrize("m", [0, 1, 5, 100, 10**9])
def test_sums(m: int, n: int) -> None:
    kernel, w, x = parsed(SUMS), np.arange(n), np.array(m)
    ready = schedule.prepare(kernel)
    check_kernel(ready)
    for each in (kernel, ready):
        y = np.zeros(3, int)
        run_kernel(each, {"x": x, "w": w, "y": y}, {"n": n})
        assert list(y) == sums(m, w)
    assert list(native(kernel, x, w)) == sums(m, w)


def test_hoisted_load_is_guarded() -> None:
    """A loop that may have no rounds may have nothing to read."""
    kernel = schedule.prepare(parsed(SUMS))
    (load,) = (s for s in kernel.body if isinstance(s, Load) and s.buffer == "w")
    assert load.name == "v" and load.guard == "t_begins"


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 5), (40, 30)])
def test_rows(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    kernel, y = parsed(ROWS), np.empty(shape)
    run_kernel(kernel, {"x": x, "y": y}, dict(zip("nm", shape, strict=True)))
    np.testing.assert_array_equal(y, np.cumsum(x, 1))
    np.testing.assert_array_equal(native(kernel, x), y)


def test_canonical() -> None:
    other = SUMS.replace("b2", "other").replace("a = 0", "z = 0").replace("(a,", "(z,")
    assert canonical(parsed(SUMS)) == canonical(parsed(other))
    more = SUMS.replace("b = 1:int64", "b = 2:int64")
    assert canonical(parsed(SUMS)) != canonical(parsed(more))


def test_cost() -> None:
    kernel = parsed(ROWS)
    assert schedule.grain(kernel)[0] == ((12, ("m",)),)


@pytest.mark.parametrize(
    ("text", "old", "new", "reason"),
    [
        (SUMS, "while on", "while b", "no bool state"),
        (SUMS, "on = ok then", "on = m then", "not int64"),
        (SUMS, "then more to", "then c to", "not int64"),
        (SUMS, "then c to", "then d to", "not defined"),
        (SUMS, "to b2:", "to a2:", "taken"),
        (SUMS, "a = 0:int64 then", "a = c then", "not defined"),
        (SUMS, "store y[1] = b2", "store y[1] = b", "out of scope"),
        (SUMS, "  serial t", "  vector t", "is serial"),
        (SUMS, "while on", "while on -> z = sum u: int64", "no carries"),
        (ROWS, "parallel i", "vector i", "inside of a vector loop"),
        (ROWS, "split i", "split j", "not the axis"),
    ],
)
def test_ill_formed(text: str, old: str, new: str, reason: str) -> None:
    assert text.count(old) == 1
    with pytest.raises(CheckError, match=reason):
        check_kernel(parse_kernel(text.replace(old, new)))


def test_state_is_not_split() -> None:
    text = SUMS.replace("; n)", "; n) split t")
    with pytest.raises(CheckError, match="cannot be split"):
        check_kernel(parse_kernel(text))
