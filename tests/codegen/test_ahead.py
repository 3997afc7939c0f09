"""Rows asked for ahead: in which loop, and that nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from symgraph.codegen import schedule
from symgraph.codegen.cpu.ahead import MOST_ROW, asked_ahead
from symgraph.codegen.cpu.host import detect
from symgraph.codegen.interpret import run_kernel
from symgraph.codegen.ir import Kernel, Loop, walk
from symgraph.codegen.parse import parse_kernel

from .jit import Native

SOFTMAX = """\
kernel softmax(x: in float32[m, n], o: out float32[m, n]; m, n) split i
  scratch r: float32[n]
  parallel i < m
    vector j < n -> v2 = max v1: float32
      v1 = load x[i, j]: float32
    vector j < n -> v6 = sum v5: float32
      v3 = load x[i, j]: float32
      v4 = sub(v3, v2): float32
      v5 = exp(v4): float32
      store r[j] = v5
    vector j < n
      v7 = load r[j]: float32
      v8 = div(v7, v6): float32
      store o[i, j] = v8
"""
#: What is loaded is the same for all rows, or does not run along memory.
OTHERS = tuple(
    SOFTMAX.replace("x: in float32[m, n]", f"x: in float32[{shape}]").replace(
        "x[i, j]", f"x[{index}]"
    )
    for shape, index in (("n", "j"), ("n, m", "j, i"))
)


def loops(kernel: Kernel) -> list[Loop]:
    """The loops over a row, in order."""
    found = [s for s, _ in walk(kernel.body) if isinstance(s, Loop)]
    return [loop for loop in found if loop.kind == "vector"]


def test_the_busiest_loop_between_asks() -> None:
    kernel = schedule.prepare(parse_kernel(SOFTMAX))
    found = asked_ahead(kernel)
    _, middle, _ = loops(kernel)
    assert found.keys() == {id(middle)}
    load, store = found[id(middle)]
    assert (load.buffer, load.writes) == ("x", False)
    assert (store.buffer, store.writes) == ("o", True)
    (row, _), (own, _) = load.index, store.index
    assert (row.terms, row.const) == ((("i", 1),), 1)
    assert (own.terms, own.const) == ((("i", 1),), 0)


@pytest.mark.parametrize("text", OTHERS)
def test_only_rows_are_asked_for(text: str) -> None:
    found = asked_ahead(schedule.prepare(parse_kernel(text)))
    assert [asked.buffer for each in found.values() for asked in each] == ["o"]


def test_one_loop_has_nothing_in_between() -> None:
    text = """\
kernel one(x: in float32[m, n], o: out float32[m]; m, n) split i
  parallel i < m
    vector j < n -> v2 = sum v1: float32
      v1 = load x[i, j]: float32
    store o[i] = v2
"""
    assert not asked_ahead(schedule.prepare(parse_kernel(text)))


@pytest.mark.parametrize("n", [1, 100, MOST_ROW // 4, MOST_ROW // 4 + 1])
def test_results_are_the_same(n: int) -> None:
    kernel = parse_kernel(SOFTMAX)
    native = Native([schedule.prepare(kernel)], detect())
    assert "call void @llvm.prefetch.p0(" in native.text
    x = np.random.default_rng(0).standard_normal((3, n), dtype=np.float32)
    found, meant = ({"x": x, "o": np.zeros_like(x)} for _ in range(2))
    native(schedule.prepare(kernel), found, {"m": 3, "n": n})
    run_kernel(kernel, meant, {"m": 3, "n": n})
    np.testing.assert_allclose(found["o"], meant["o"], rtol=1e-5)
