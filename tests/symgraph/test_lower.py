"""Lowering: every size class of each shape of kernel, run-time checks, and sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

import symgraph as sg
from symgraph.codegen import ir
from symgraph.codegen.program import Launch, ReadScalar
from symgraph.codegen.program_check import check_program
from symgraph.codegen.run import GuardError, run_program
from symgraph.errors import IndexOutOfBoundsError, SymgraphError, UnsupportedError
from symgraph.function import Function
from symgraph.op import Array
from symgraph.variable import Variable

from ..support import assert_same
from .loops import (
    assert_legal_memory,
    assert_legal_order,
    assert_stored_once,
    launches,
    run_loops,
)

#: Nothing, one element, less than a vector, vectors with a tail, several chunks.
SIZES = ((0, 3), (3, 0), (1, 1), (2, 17), (17, 2), (33, 64), (700, 65), (3, 20011))
#: The loop interpreter takes a microsecond a statement.
MOST_INTERPRETED = 600

Shape = Callable[[Variable], Variable]


def normal(x: Variable, axis: int) -> Variable:
    centred = x - sg.mean(x, axis=axis, keepdims=True)
    spread = sg.mean(centred * centred, axis=axis, keepdims=True)
    return centred / sg.sqrt(spread + 0.1)


SHAPES: dict[str, Shape] = {
    "map": lambda x: sg.tanh(x) * 2 + x,
    "transposed map": lambda x: sg.exp(-sg.abs(x.T)) + 1,
    "row sums": lambda x: sg.sum(x, axis=1),
    "column sums": lambda x: sg.sum(sg.sin(x), axis=0),
    "sum": lambda x: sg.sum(x * x),
    "sum of transposed": lambda x: sg.sum(x.T * 0.5, axis=0),
    "rows normalised": lambda x: normal(x, 1),
    "columns normalised": lambda x: normal(x, 0),
    "rows, then columns": lambda x: normal(normal(x, 1), 0),
    "row and column sums": lambda x: (
        sg.sum(x, axis=1, keepdims=True) + sg.sum(x, axis=0)
    ),
    "a scalar for all": lambda x: x - sg.sum(x),
    "reversed": lambda x: x[::-1, ::-1] - x,
    "strided": lambda x: x[::2, 1::3] * 2,
    "backwards by two": lambda x: sg.sum(x[::-2], axis=0),
    "slices of slices": lambda x: x[1:][:-1, ::-1][::2],
    "flat": lambda x: sg.sin(x).reshape((-1,)) + 1,
    "joined": lambda x: sg.concatenate([x, -x, x[::-1]], axis=0),
    "joined columns": lambda x: sg.concatenate([x.T, x.T * 2], axis=1),
    "products": lambda x: (x @ x.T) @ x,
    "gradient": lambda x: sg.grad(sg.sum(sg.tanh(x) * sg.sum(x, axis=0)), x),
    "gradient of slices": lambda x: sg.grad(sg.sum(x[::2, ::-3] ** 2), x),
    "counting": lambda x: x * sg.arange(x.shape[1]),
    "comparisons": lambda x: sg.sum(sg.where(x > 0, 1, -1), axis=1),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SHAPES)
def test_every_size(name: str, dtype: str) -> None:
    x = sg.tensor("x", dtype, (None, None))
    output = SHAPES[name](x)
    f = sg.function([x], output)
    interpret = sg.function([x], output, mode="interpret")
    check_program(f.program)
    assert_legal_order(f.program)
    assert_stored_once(f.program)
    assert_legal_memory(f.program)
    for shape in SIZES:
        if name == "products" and shape[1] > 1000:
            continue
        value = np.random.default_rng(1).uniform(-1, 1, shape).astype(dtype)
        with np.errstate(invalid="ignore", divide="ignore"):
            expected = interpret(value)
        rtol = 2e-4 if dtype == "float32" else 1e-10
        assert_same(f(value), expected, f"{name} {shape}", rtol)
        if value.size <= MOST_INTERPRETED:
            assert_same(
                run_loops(f, [value])[0], expected, f"{name} {shape} loops", rtol
            )


@pytest.mark.parametrize("name", ["row sums", "rows normalised", "columns normalised"])
def test_known_sizes(name: str) -> None:
    for shape in ((1, 7), (7, 1), (1, 1), (5, 16), (0, 4)):
        x = sg.tensor("x", "float64", shape)
        output = SHAPES[name](x)
        f = sg.function([x], output)
        value = np.random.default_rng(1).uniform(-1, 1, shape)
        expected = sg.function([x], output, mode="interpret")(value)
        assert_same(f(value), expected, f"{name} {shape}", 1e-10)


def test_three_axes_reduced_in_every_way() -> None:
    x = sg.tensor("x", "float64", (None, None, None))
    value = np.random.default_rng(2).uniform(-1, 1, (3, 5, 18))
    for axes in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        kept = sg.sum(sg.sin(x), axis=axes, keepdims=True)
        f = sg.function([x], [x * kept, sg.max(x - kept, axis=axes)])
        sums = np.sin(value).sum(axes, keepdims=True)
        for way, got in (("compiled", f(value)), ("loops", run_loops(f, [value]))):
            assert_same(got[0], value * sums, f"{way} {axes}")
            assert_same(got[1], (value - sums).max(axes), f"{way} {axes} max")


# -- errors while running --------------------------------------------------------------


def failing(f: Function, values: Sequence[Array]) -> tuple[int, str]:
    """The status of the loop interpreter, and its reason."""
    names = [a.name for a in f.program.by_role("input")]
    try:
        status = run_program(f.program, dict(zip(names, values, strict=True))).status
    except GuardError as error:
        status = error.code
    return status, f._compilation.lowered.failures[status].reason


@pytest.mark.parametrize("index", [3, -4, 2**62, -(2**63)])
def test_an_index_outside_is_an_error_everywhere(index: int) -> None:
    x, i = sg.vector("x", "float64"), sg.vector("i", "int64")
    f = sg.function([x, i], [sg.tanh(x)[i], sg.grad(sg.sum(x[i] ** 2), x)])
    values = [np.arange(3.0), np.array([0, index])]
    with pytest.raises(IndexOutOfBoundsError, match="axis 0"):
        f(*values)
    assert "out of bounds" in failing(f, values)[1]
    good = f(values[0], np.array([-1, 0, -3]))
    assert_same(good[0], np.tanh([2.0, 0.0, 0.0]), "after an error")


def test_extremes_of_nothing() -> None:
    x = sg.matrix("x", "float64")
    f = sg.function([x], sg.max(x, axis=1))
    with pytest.raises(SymgraphError, match="zero-size"):
        f(np.ones((3, 0)))
    assert "zero-size" in failing(f, [np.ones((3, 0))])[1]
    assert f(np.ones((0, 3))).shape == (0,)


def test_sizes_that_meet() -> None:
    x, y = sg.vector("x", "float64"), sg.vector("y", "float64")
    f = sg.function([x, y], sg.sin(x) + y)
    with pytest.raises(SymgraphError):
        f(np.ones(3), np.ones(4))
    joined = sg.function([x, y], sg.concatenate([x, x]) + y)
    assert_same(joined(np.ones(2), np.arange(4.0)), np.arange(4.0) + 1, "joined")
    with pytest.raises(SymgraphError):
        joined(np.ones(2), np.ones(3))


def test_a_negative_size() -> None:
    n = sg.scalar("n", "int64")
    f = sg.function([n], sg.full((n,), 2.0))
    assert_same(f(3), np.full(3, 2.0), "full")
    with pytest.raises(SymgraphError):
        f(-1)


def test_sizes_from_computed_data_are_refused() -> None:
    x = sg.vector("x", "int64")
    with pytest.raises(UnsupportedError, match="computed data"):
        sg.function([x], sg.arange(sg.sum(x)))


def test_sizes_are_computed_on_the_host() -> None:
    n, x = sg.scalar("n", "int64"), sg.vector("x", "float64")
    f = sg.function([n, x], sg.sum(sg.arange(n * 2 + 1) * 1.0) + sg.sum(x[1:]))
    assert sum(isinstance(s, ReadScalar) for s in f.program.host) == 1
    assert f(3, np.ones(4)) == 21 + 3


# -- kernels ---------------------------------------------------------------------------


def test_a_kernel_names_each_array_once() -> None:
    x = sg.matrix("x", "float64")
    f = sg.function([x], x[1:] - x[:-1] + x[::-1][1:] + sg.sum(x, axis=0))
    for step in f.program.steps:
        assert isinstance(step, Launch)
        assert len(set(step.arrays)) == len(step.arrays)


def test_modes_of_buffers() -> None:
    x, i = sg.vector("x", "float64"), sg.vector("i", "int64")
    f = sg.function([x, i], sg.grad(sg.sum(x[i] ** 2), x))
    modes = [b.mode for k in launches(f.program) for b in k.buffers]
    assert set(modes) == {"in", "out", "inout"}, "the scatter adds to what it holds"


def test_a_long_formula_is_kept_for_later_stages() -> None:
    x = sg.matrix("x", "float64")
    (kernel,) = launches(sg.function([x], sg.special.softmax(x, axis=1)).program)
    assert [b.shape for b in kernel.scratch] == [(kernel.buffers[0].shape[1],)]
    exps = [
        s for s, _ in ir.walk(kernel.body) if isinstance(s, ir.Let) and s.op == "exp"
    ]
    assert len(exps) == 1


def test_what_does_not_change_in_a_row_is_computed_once_a_row() -> None:
    x = sg.matrix("x", "float64")
    z = x * sg.exp(-sg.max(x, axis=1, keepdims=True))
    (kernel,) = launches(sg.function([x], z).program)
    depths = [
        d for s, d in ir.walk(kernel.body) if isinstance(s, ir.Let) and s.op == "exp"
    ]
    assert depths == [1]


def test_many_copies_of_one_output() -> None:
    x = sg.vector("x", "float64")
    f = sg.function([x], [x] * 600)
    assert len(launches(f.program)) <= 3
    results = f(np.arange(3.0))
    assert len({id(r) for r in results}) == 600
    assert all((r == np.arange(3.0)).all() for r in results)


def test_an_array_that_is_its_own_index() -> None:
    """One array read along the loops and elsewhere keeps its two dimensions."""
    x = sg.tensor("x", "int64", (3, 5))
    value = np.random.default_rng(0).integers(0, 5, (3, 5))
    f = sg.function([x], x[:, x] * 1.0)
    assert_same(f(value), value[:, value] * 1.0, "x[:, x]")


def test_a_choice_among_one_value() -> None:
    b = sg.scalar("b", "bool")
    f = sg.function([b], sg.where(sg.expand_dims(b, 0), sg.expand_dims(b, 0), b))
    assert f(np.bool_(True)).tolist() == [True]


def test_an_array_constant_without_elements() -> None:
    x = sg.matrix("x", "float64")
    f = sg.function([x], sg.take(x, np.array([], "int64"), axis=0))
    assert f(np.ones((2, 3))).shape == (0, 3)


def test_products_over_one_element() -> None:
    x = sg.tensor("x", "float64", (1,))
    f = sg.function([x], [sg.dot(x, x), sg.grad(sg.dot(x, x), x)])
    assert_same(f(np.array([3.0]))[0], np.float64(9), "dot")
    assert_same(f(np.array([3.0]))[1], np.array([6.0]), "its gradient")


def test_what_accumulates_is_shared_out_in_front_and_in_lanes_behind() -> None:
    """One kernel, that reads through views; only the axis itself is in order."""
    x = sg.tensor("x", "float64", (None, None, None))
    f = sg.function([x], sg.cumsum(x[:, ::-1], axis=1))
    (step,) = f.program.steps
    assert isinstance(step, Launch)
    loops = {s.axis: s for s, _ in ir.walk(step.kernel.body) if isinstance(s, ir.Loop)}
    assert [loop.kind for loop in loops.values()] == ["parallel", "vector", "serial"]
    assert step.kernel.split == next(iter(loops))
    assert [b.shape for b in step.kernel.scratch] == [(loops["i2"].extent,)]
