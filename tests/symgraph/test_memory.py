"""The memory plan: against an interval graph, by the interpreter, and case by case."""

from __future__ import annotations

import random

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symgraph as sg
from symgraph.codegen import ir
from symgraph.codegen.parse import parse_kernel
from symgraph.codegen.program import Array, Launch, Program
from symgraph.codegen.program_check import check_program
from symgraph.codegen.run import run_program
from symgraph.lower.memory import (
    arena_bytes,
    lifetimes,
    plan,
    reads_before_writes,
    size_key,
)
from symgraph.variable import Variable

from ..support import assert_same
from .loops import assert_legal_memory, lives

x = sg.tensor("x", "float64", ("n", "m"))
w = sg.tensor("w", "float64", ("m", "m"))


# -- programs drawn at random: each step combines arrays elementwise, or transposed ----


def difference(second: str) -> ir.Kernel:
    """c = a - b over squares, with b read at `second`."""
    square = "float64[n, n]"
    return parse_kernel(
        f"""
        kernel k(a: in {square}, b: in {square}, c: out {square}; n) split i
          parallel i < n
            vector j < n
              v1 = load a[i, j]: float64
              v2 = load b[{second}]: float64
              v3 = sub(v1, v2): float64
              store c[i, j] = v3
        """
    )


MAP, TURNED = difference("i, j"), difference("j, i")


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Up to 15 steps over squares; each reads arrays written before, maybe by views."""
    rng = random.Random(draw(st.integers(0, 10**6)))
    arrays = [Array("x", "float64", ("n", "n"), "input")]
    readable, steps = ["x"], []
    for number in range(draw(st.integers(1, 15))):
        kernel = rng.choice([MAP, MAP, TURNED])
        operands = tuple(rng.choice(readable[-5:]) for _ in range(2))
        arrays.append(Array(f"t{number}", "float64", ("n", "n"), "temp"))
        steps.append(Launch(kernel, (*operands, f"t{number}"), ("n",)))
        readable.append(f"t{number}")
        if rng.random() < 0.3:
            view = Array(
                f"v{number}", "float64", ("n", "n"), "view", None, f"t{number}"
            )
            arrays.append(view)
            readable.append(view.name)
    arrays.append(Array("y", "float64", ("n", "n"), "output"))
    steps.append(Launch(MAP, (readable[-1], rng.choice(readable), "y"), ("n",)))
    return Program("random", tuple(arrays), (), (), tuple(steps), ("y",))


def run_in_arena(program: Program, value: np.ndarray) -> np.ndarray:
    """The result where temporaries of one slot are one array.

    Each step reads one element just before it writes one, as the vectors of a target do
    at the least, so that what is overwritten too soon shows.
    """
    memory = {a.name: np.full_like(value, np.nan) for a in program.by_role("output")}
    slots = {a.slot: np.full_like(value, np.nan) for a in program.by_role("temp")}
    memory |= {a.name: slots[a.slot] for a in program.by_role("temp")}
    memory |= {a.name: memory[str(a.target)] for a in program.by_role("view")}
    memory["x"] = value
    for step in program.steps:
        assert isinstance(step, Launch)
        a, b, c = (memory[name] for name in step.arrays)
        for i, j in np.ndindex(value.shape):
            c[i, j] = a[i, j] - (b[i, j] if step.kernel is MAP else b[j, i])
    return memory["y"]


@settings(max_examples=100, derandomize=True, deadline=None)
@given(programs())
def test_random_programs(program: Program) -> None:
    planned = plan(program)
    check_program(planned)
    assert_legal_memory(planned)
    value = np.random.default_rng(0).uniform(-1, 1, (3, 3))
    expected = run_program(program, {"x": value}).results[0]
    np.testing.assert_array_equal(run_in_arena(planned, value), expected)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(programs())
def test_slots_are_as_few_as_are_alive_at_once(program: Program) -> None:
    """Without sharing in place, an interval graph takes as many colours as its cliques.

    Operand and result of one step are both alive in it; in place they are one.
    """
    planned = plan(program)
    spans = lives(planned)
    graph = nx.Graph()
    graph.add_nodes_from(spans)
    graph.add_edges_from(
        (a, b)
        for a, (first, last) in spans.items()
        for b, (begin, _) in spans.items()
        if a != b and first <= begin <= last
    )
    widest = max((len(c) for c in nx.find_cliques(graph)), default=0)
    assert len({a.slot for a in planned.by_role("temp")}) <= widest


@settings(max_examples=50, derandomize=True, deadline=None)
@given(programs())
def test_lifetimes(program: Program) -> None:
    found = {n: (life.first, life.last) for n, life in lifetimes(program).items()}
    assert found == lives(program)


# -- by hand ---------------------------------------------------------------------------


def planned(inputs: list[Variable], output: Variable) -> Program:
    program = sg.function(inputs, output).program
    assert_legal_memory(program)
    return program


def slots(program: Program) -> list[int | None]:
    return [a.slot for a in program.by_role("temp")]


def test_a_chain_of_products_takes_two_slots() -> None:
    z = x
    for _ in range(6):
        z = z @ w
    assert sorted(set(slots(planned([x, w], z)))) == [0, 1]


def test_a_map_goes_in_place() -> None:
    """x @ w is read for the last time where tanh of it is written."""
    assert set(slots(planned([x, w], sg.tanh(x @ w) @ w))) == {0}


@pytest.mark.parametrize("shape", [(8, 2), (2, 8), (4, 4)])
def test_not_in_place_where_a_view_reads_elsewhere(shape: tuple[int, int]) -> None:
    a = sg.tensor("a", "float64", shape)
    b = sg.tensor("b", "float64", (shape[1], 3))
    t = sg.tanh(a)
    turned = t.reshape(shape[::-1]).T
    f = sg.function([a, b], (t + turned) @ b)
    assert_legal_memory(f.program)
    rng = np.random.default_rng(0)
    values = rng.normal(size=shape), rng.normal(size=(shape[1], 3))
    tanh = np.tanh(values[0])
    expected = (tanh + tanh.reshape(shape[::-1]).T) @ values[1]
    assert_same(f(*values), expected, "t + view of t")


def test_not_in_place_where_it_is_read_transposed() -> None:
    t = x @ w
    square = sg.tensor("s", "float64", ("n", "n"))
    t = square @ square
    program = planned([square], (t + t.T) @ square)
    assert len(set(slots(program))) == 2


def test_not_in_place_over_what_is_read_later() -> None:
    t = x @ w
    assert len(set(slots(planned([x, w], (sg.tanh(t) @ w) + t)))) >= 2


def test_the_arena_is_never_larger_than_all_temporaries() -> None:
    z = x
    for k in range(5):
        z = sg.tanh(z @ w) * k + sg.sum(z, axis=0)
    program = planned([x, w], z)
    n, m = (str(e) for e in program.array("x0").shape)
    for sizes in ({n: 3, m: 7}, {n: 1000, m: 2}, {n: 0, m: 1}):
        arena, everything = arena_bytes(program, sizes)
        assert arena <= everything
    assert (
        arena_bytes(program, {n: 10, m: 10})[0]
        < arena_bytes(program, {n: 10, m: 10})[1]
    )


def test_size_keys_compare_bytes() -> None:
    def array(dtype: str, *shape: ir.Extent) -> Array:
        return Array("a", dtype, shape, "temp")

    assert size_key(array("float64", "n", 2)) == size_key(array("float32", 4, "n"))
    assert size_key(array("float64", "n", "m")) == size_key(array("float64", "m", "n"))
    assert size_key(array("float64", "n")) != size_key(array("float64", "m"))
    assert size_key(array("bool", "n")) != size_key(array("int32", "n"))


def kernel(body: str) -> ir.Kernel:
    lines = body.strip("\n").splitlines()
    head = "kernel k(a: in float64[n], b: out float64[n]; n)"
    return parse_kernel("\n".join([head, *lines]) + "\n")


def test_reads_before_writes() -> None:
    same = """
  serial i < n
    v1 = load a[i]: float64
    store b[i] = v1
"""
    shifted = same.replace("load a[i]", "load a[n - 1 - i]").replace(
        "n - 1 - i", "-1*i + n - 1"
    )
    after = """
  serial i < n
    store b[i] = 0.0:float64
    v1 = load a[i]: float64
"""
    twice = """
  serial i < n -> v2 = sum v1: float64
    v1 = load a[i]: float64
  serial j < n
    v3 = load a[j]: float64
    v4 = add(v3, v2): float64
    store b[j] = v4
"""
    again = """
  serial j < n
    serial i < n
      v1 = load a[i]: float64
      store b[i] = v1
"""
    assert reads_before_writes(kernel(same), "a", "b")
    for other in (shifted, after, twice, again):
        assert not reads_before_writes(kernel(other), "a", "b")
