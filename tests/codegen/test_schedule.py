"""Loop-invariant code, collapsed loops, and costs: as structure, and as results."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from symgraph.codegen import ir
from symgraph.codegen.interpret import run_kernel
from symgraph.codegen.ir import (
    Affine,
    Buffer,
    Builder,
    Carry,
    Const,
    Kernel,
    Let,
    Load,
    Loop,
    Store,
    Value,
    axis,
)
from symgraph.codegen.schedule import (
    VECTOR_ALIGNMENT,
    collapse,
    extent,
    grain,
    hoist,
    prepare,
)

from .jit import Native


def matrix(
    name: str, mode: str = "in", shape: Sequence[ir.Extent] = ("n", "m")
) -> Buffer:
    assert mode in ("in", "out", "inout")
    return Buffer(name, "float32", tuple(shape), mode)  # type: ignore[arg-type]


def over(kernel_axes: str) -> tuple[Affine, ...]:
    """One index for each letter."""
    return tuple(axis(name) for name in kernel_axes)


def pointwise() -> Kernel:
    """``o[i, j] = x[i, j] * s + 1``, the scale s in a 0-d array."""
    b = Builder()
    scale = b.load(matrix("s", shape=()), ())
    value = b.load(matrix("x"), over("ij")) * scale + 1.0
    b.statements.append(Store("o", over("ij"), value.atom))
    inner = Loop("j", "m", "vector", tuple(b.statements))
    buffers = (matrix("x"), matrix("s", shape=()), matrix("o", "out"))
    body = (Loop("i", "n", "parallel", (inner,)),)
    return Kernel("pointwise", buffers, ("n", "m"), body, split="i")


def row_scaled() -> Kernel:
    """``o[i, j] = exp(x[i, j]) * (r[i] + 1)``: the rows keep their loop."""
    b = Builder()
    factor = b.load(matrix("r", shape=("n",)), over("i")) + 1.0
    value = ir.apply("exp", b.load(matrix("x"), over("ij"))) * factor
    b.statements.append(Store("o", over("ij"), value.atom))
    inner = Loop("j", "m", "vector", tuple(b.statements))
    buffers = (matrix("x"), matrix("r", shape=("n",)), matrix("o", "out"))
    body = (Loop("i", "n", "parallel", (inner,)),)
    return Kernel("row_scaled", buffers, ("n", "m"), body, split="i")


def cube(split: bool = True) -> Kernel:
    """``o = x + y`` over three dimensions, one of them a number."""
    shape = ("n", 3, "m")
    b = Builder()
    x, y = matrix("x", shape=shape), matrix("y", shape=shape)
    value = b.load(x, over("ijk")) + b.load(y, over("ijk"))
    b.statements.append(Store("o", over("ijk"), value.atom))
    inner = Loop("k", "m", "vector", tuple(b.statements))
    outer = Loop("i", "n", "parallel", (Loop("j", 3, "serial", (inner,)),))
    buffers = (x, y, matrix("o", "out", shape))
    name = "cube" if split else "cube_whole"
    return Kernel(name, buffers, ("n", "m"), (outer,), "i" if split else None)


def total() -> Kernel:
    load = Load("v", "x", over("ij"), "float32")
    inner = Loop("j", "m", "vector", (load,), (Carry("s", "sum", "v", "float32"),))
    outer = Loop("i", "n", "serial", (inner,), (Carry("t", "sum", "s", "float32"),))
    buffers = (matrix("x"), matrix("o", "out", ()))
    return Kernel("total", buffers, ("n", "m"), (outer, Store("o", (), "t")))


def transposed() -> Kernel:
    """Not neighbours: x is read across its rows."""
    load = Load("v", "x", over("ji"), "float32")
    inner = Loop("j", "m", "vector", (load, Store("o", over("ij"), "v")))
    buffers = (matrix("x", shape=("m", "n")), matrix("o", "out"))
    body = (Loop("i", "n", "parallel", (inner,)),)
    return Kernel("transposed", buffers, ("n", "m"), body, split="i")


def shifted() -> Kernel:
    """Not whole: o[i, j] = x[i, j + 1] leaves a column out."""
    load = Load("v", "x", (axis("i"), axis("j") + 1), "float32")
    inner = Loop("j", "m", "vector", (load, Store("o", over("ij"), "v")))
    buffers = (matrix("x", shape=("n", "k")), matrix("o", "out"))
    body = (Loop("i", "n", "parallel", (inner,)),)
    return Kernel("shifted", buffers, ("n", "m", "k"), body, split="i")


def guarded() -> Kernel:
    """Two loads of x[i, 0] to move out of a loop over m: one has a guard of its own."""
    b = Builder(prefix="g")
    flag = Value(None, "flag", "bool")
    first = b.load(matrix("x"), (axis("i"), Affine()))
    held = b.load(matrix("x"), (axis("i"), Affine()), guard=flag)
    b.statements.append(Store("o", over("ij"), (first + held).atom))
    inner = Loop("j", "m", "serial", tuple(b.statements))
    buffers = (matrix("x"), Buffer("f", "bool", (), "in"), matrix("o", "out"))
    body = (Load("flag", "f", (), "bool"), Loop("i", "n", "parallel", (inner,)))
    return Kernel("guarded", buffers, ("n", "m"), body, split="i")


def cumulative() -> Kernel:
    """x[i, j] += x[i - 1, j]: what is read is written, so nothing may move or merge."""
    load = Load("v", "x", over("ij"), "float32")
    add = Let("w", "add", ("v", "v"), "float32")
    inner = Loop("j", "m", "vector", (load, add, Store("x", over("ij"), "w")))
    body = (Loop("i", "n", "serial", (inner,)),)
    return Kernel("cumulative", (matrix("x", "inout"),), ("n", "m"), body)


KERNELS = {
    k.name: k
    for k in (
        *(pointwise(), row_scaled(), cube(), cube(split=False), total(), transposed()),
        *(shifted(), guarded(), cumulative()),
    )
}


@pytest.fixture(scope="module")
def native() -> Native:
    return Native(map(prepare, KERNELS.values()))


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (3, 5), (7, 40), (2, 129)])
def test_prepared_kernels_compute_the_same(
    native: Native, name: str, shape: tuple[int, int]
) -> None:
    kernel = KERNELS[name]
    sizes = {"n": shape[0], "m": shape[1], "k": shape[1] + 1}
    sizes = {size: sizes[size] for size in kernel.sizes}
    rng = np.random.default_rng(1)
    arrays = {}
    for buffer in kernel.buffers:
        dims = [d if isinstance(d, int) else sizes[d] for d in buffer.shape]
        arrays[buffer.name] = np.asarray(rng.uniform(0.5, 1.5, dims), buffer.dtype)
    expected = {n: a.copy() for n, a in arrays.items()}
    assert run_kernel(kernel, expected, sizes) == native(prepare(kernel), arrays, sizes)
    for key, array in expected.items():
        np.testing.assert_allclose(arrays[key], array, 1e-5, err_msg=key)


def test_loops_over_whole_arrays_become_one() -> None:
    kernel = prepare(pointwise())
    size, load, loop = kernel.body
    assert size == Let("n_m", "mul", ("n", "m"), "int64")
    assert isinstance(load, Load) and load.guard is None  # a 0-d array always exists
    assert isinstance(loop, Loop)
    assert (loop.axis, loop.extent, loop.kind) == ("i_j", "n_m", "vector")
    assert kernel.split == "i_j"
    assert [b.shape for b in kernel.buffers] == [("n_m",), (), ("n_m",)]
    assert extent(kernel) == ("n_m", (size,))


def test_three_loops_become_one() -> None:
    kernel = prepare(cube())
    found, prologue = extent(kernel)
    assert [let.args for let in prologue] == [
        (Const(3, "int64"), "m"),
        ("n", prologue[0].name),
    ]
    assert found == prologue[-1].name
    assert {b.shape for b in kernel.buffers} == {(found,)}


def test_a_sum_of_sums_becomes_one() -> None:
    kernel = prepare(total())
    loop = kernel.body[1]
    assert isinstance(loop, Loop)
    assert loop.kind == "vector"
    assert loop.carries == (Carry("t", "sum", "v", "float32"),)


@pytest.mark.parametrize("name", ["row_scaled", "transposed", "shifted", "cumulative"])
def test_other_loops_are_left_alone(name: str) -> None:
    kernel = KERNELS[name]
    assert collapse(kernel) == kernel


def test_an_array_also_used_elsewhere_keeps_its_shape() -> None:
    kernel = pointwise()
    corner = Load("c", "x", (Affine(), Affine()), "float32")
    extended = Kernel("f", kernel.buffers, kernel.sizes, (corner, *kernel.body), "i")
    assert collapse(extended) == extended


def test_what_does_not_change_moves_out() -> None:
    (test, *_), loop = hoist(row_scaled()).body, hoist(row_scaled()).body[-1]
    assert isinstance(loop, Loop)
    load, factor, inner = loop.body
    assert isinstance(inner, Loop)
    assert test == Let("j_runs", "gt", ("m", Const(0, "int64")), "bool")
    assert isinstance(load, Load) and (load.buffer, load.guard) == ("r", "j_runs")
    assert isinstance(factor, Let) and factor.op == "add"
    assert [type(s) for s in inner.body] == [Load, Let, Let, Store]


def test_a_moved_load_is_guarded_by_both() -> None:
    kernel = hoist(guarded())
    lets = [s for s, _ in ir.walk(kernel.body) if isinstance(s, Let)]
    both = next(let for let in lets if let.op == "and")
    assert both.args == ("flag", "j_runs")
    loads = [s for s, _ in ir.walk(kernel.body) if isinstance(s, Load)]
    assert [load.guard for load in loads] == [None, "j_runs", both.name]


def test_a_loop_that_surely_runs_needs_no_guard() -> None:
    load = Load("v", "x", (Affine(),), "float32")
    loop = Loop("i", 4, "serial", (load, Store("o", over("i"), "v")))
    buffers = (matrix("x", shape=(1,)), matrix("o", "out", (4,)))
    assert hoist(Kernel("f", buffers, (), (loop,))).body[0] == load


def test_written_arrays_are_read_where_they_stand() -> None:
    load = Load("v", "x", (Affine(),), "float32")
    loop = Loop("i", 4, "serial", (load, Store("x", over("i"), "v")))
    kernel = Kernel("f", (matrix("x", "inout", (4,)),), (), (loop,))
    assert hoist(kernel) == kernel


def test_costs_are_polynomials_of_the_inner_extents() -> None:
    cost, alignment = grain(row_scaled())
    # Two loads and a store at 2, exp, add, mul; the split loop itself is free.
    assert (cost, alignment) == (((9, ("m",)),), 1)
    cost, alignment = grain(prepare(pointwise()))
    assert (cost, alignment) == (((6, ()),), VECTOR_ALIGNMENT)
    cost, alignment = grain(cube(split=False))
    assert (cost, alignment) == (((21, ("m", "n")),), 1)


def test_a_kernel_without_a_split_loop_has_extent_one() -> None:
    assert extent(cube(split=False)) == (1, ())
