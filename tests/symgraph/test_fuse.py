"""What is computed together: golden programs, and checks that need no golden text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.codegen import ir
from symgraph.codegen.program import Gemm, Launch, Program
from symgraph.codegen.program_check import check_program
from symgraph.function import Function
from symgraph.variable import Variable

from ..support import assert_same
from .loops import (
    assert_legal_memory,
    assert_legal_order,
    assert_stored_once,
    launches,
    run_loops,
)

x = sg.tensor("x", "float32", ("n", "m"))
y = sg.tensor("y", "float32", ("n", "m"))
label = sg.tensor("label", "int64", ("n",))
points = sg.tensor("points", "float32", ("n", "d"))
centres = sg.tensor("centres", "float32", ("m", "d"))


@dataclass(frozen=True)
class Fused:
    """Outputs over inputs, and how many kernels and library calls they may take."""

    inputs: list[Variable]
    outputs: list[Variable]
    kernels: int
    products: int = 0
    sizes: tuple[tuple[int, int], ...] = ((5, 7), (1, 1), (4, 33))


def layernorm() -> Fused:
    centred = x - sg.mean(x, axis=1, keepdims=True)
    spread = sg.mean(centred * centred, axis=1, keepdims=True)
    return Fused([x], [centred / sg.sqrt(spread + 1e-5)], 1)


def variance() -> Fused:
    centred = x - sg.mean(x, axis=1, keepdims=True)
    return Fused([x], [sg.mean(centred * centred, axis=1)], 1)


def batchnorm() -> Fused:
    centred = x - sg.mean(x, axis=0)
    spread = sg.mean(centred * centred, axis=0)
    return Fused([x], [centred / sg.sqrt(spread + 1e-5)], 3)


def cross_entropy() -> Fused:
    rows = sg.arange(x.shape[0])
    loss = -sg.mean(sg.special.log_softmax(x, axis=1)[rows, label])
    return Fused([x, label], [loss, sg.grad(loss, x)], 2)


def fan_out() -> Fused:
    e = sg.exp(x)
    return Fused([x, y], [e * y, e + sg.tanh(y)], 1)


def distances() -> Fused:
    apart = sg.expand_dims(points, 1) - centres
    return Fused([points, centres], [sg.sum(apart * apart, axis=-1)], 1)


def mlp() -> Fused:
    """The hidden layer of a classifier: a training step by plain descent."""
    w1, w2 = sg.matrix("w1", "float32"), sg.matrix("w2", "float32")
    b1, b2 = sg.vector("b1", "float32"), sg.vector("b2", "float32")
    hidden = sg.maximum(x @ w1 + b1, 0)
    rows = sg.arange(x.shape[0])
    loss = -sg.mean(sg.special.log_softmax(hidden @ w2 + b2, axis=1)[rows, label])
    weights = [w1, b1, w2, b2]
    steps = [w - 0.1 * g for w, g in zip(weights, sg.grad(loss, weights), strict=True)]
    return Fused([x, label, *weights], [loss, *steps], 9, products=5)


CASES = {
    "softmax": Fused([x], [sg.special.softmax(x, axis=1)], 1),
    "log_softmax": Fused([x], [sg.special.log_softmax(x, axis=1)], 1),
    "layernorm": layernorm(),
    "variance": variance(),
    "batchnorm": batchnorm(),
    "cross_entropy": cross_entropy(),
    "fan_out": fan_out(),
    "distances": distances(),
    "transposed": Fused([x, y], [sg.exp(x.T) + y.T * 2], 1),
    "slices": Fused([x], [x[1:, ::2] - x[:-1, ::2]], 1),
    "mlp": mlp(),
}


def compiled(case: Fused, name: str = "program") -> Function:
    return sg.function(case.inputs, case.outputs, name=name)


def arguments(case: Fused, n: int, m: int) -> list[np.ndarray]:
    """Random values; matrices of an MLP fit `x`, labels lie below all widths."""
    rng = np.random.default_rng(n + m)
    hidden, classes = 6, 3
    shapes = {
        "w1": (m, hidden),
        "b1": (hidden,),
        "w2": (hidden, classes),
        "b2": (classes,),
    }
    values = []
    for variable in case.inputs:
        if variable is label:
            values.append(rng.integers(0, min(m, classes), n))
        else:
            d = {"points": (n, 4), "centres": (m, 4)}
            shape = (shapes | d).get(str(variable.name), (n, m))
            values.append(rng.uniform(-2, 2, shape).astype("float32"))
    return values


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"fuse_{name}.txt", compiled(CASES[name], name).source("loops"))


@pytest.mark.parametrize("name", CASES)
def test_counts(name: str) -> None:
    case, program = CASES[name], compiled(CASES[name]).program
    assert len(launches(program)) <= case.kernels
    assert sum(isinstance(s, Gemm) for s in program.steps) == case.products


@pytest.mark.parametrize("name", CASES)
def test_legal(name: str) -> None:
    program = compiled(CASES[name]).program
    check_program(program)
    assert_legal_order(program)
    assert_stored_once(program)
    assert_legal_memory(program)


@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    case = CASES[name]
    f = compiled(case)
    interpret = sg.function(case.inputs, case.outputs, mode="interpret")
    for n, m in case.sizes:
        values = arguments(case, n, m)
        expected = interpret(*values)
        for way, got in (("loops", run_loops(f, values)), ("compiled", f(*values))):
            for number, (a, b) in enumerate(zip(got, expected, strict=True)):
                assert_same(a, b, f"{name} {way} {number} at {n}, {m}", rtol=1e-4)


# -- what kernels hold -----------------------------------------------------------------


def arrays_by_role(program: Program, *roles: Any) -> list[tuple[ir.Extent, ...]]:
    return [a.shape for a in program.by_role(*roles)]


def loops(kernel: ir.Kernel) -> list[ir.Loop]:
    return [s for s, _ in ir.walk(kernel.body) if isinstance(s, ir.Loop)]


def test_row_chains_keep_nothing_but_a_row() -> None:
    for name in ("softmax", "log_softmax", "layernorm", "variance"):
        program = compiled(CASES[name]).program
        assert not arrays_by_role(program, "temp"), name


def test_statistics_of_columns_keep_nothing_but_rows() -> None:
    """Each takes its own way through memory, row by row, shared by all threads."""
    program = compiled(CASES["batchnorm"]).program
    assert all(len(shape) == 1 for shape in arrays_by_role(program, "temp"))


def test_distances_build_no_cube() -> None:
    program = compiled(CASES["distances"]).program
    assert all(len(a.shape) <= 2 for a in program.arrays)
    assert all(len(b.shape) <= 1 for k in launches(program) for b in k.scratch)


def test_reductions_over_one_domain_share_a_loop() -> None:
    p = sg.exp(x)
    outs = [sg.sum(p * y, axis=1), sg.sum(p, axis=1), sg.max(p + y, axis=1)]
    total = outs[0] + outs[1] * outs[2]
    (kernel,) = launches(sg.function([x, y], total).program)
    inner = [s for s in loops(kernel) if s.carries]
    assert [len(s.carries) for s in inner] == [3]
    exps = [
        s for s, _ in ir.walk(kernel.body) if isinstance(s, ir.Let) and s.op == "exp"
    ]
    assert len(exps) == 1


def test_a_full_reduction_takes_in_what_only_it_reads() -> None:
    """The formula is in the loop, which all threads share."""
    (total,) = launches(sg.function([x], sg.sum(sg.tanh(x) * 2)).program)
    assert total.split is not None
    assert any(isinstance(s, ir.Let) and s.op == "tanh" for s, _ in ir.walk(total.body))


def test_a_small_reduction_takes_one_kernel() -> None:
    small = sg.tensor("small", "float32", (8, 8))
    (kernel,) = launches(sg.function([small], sg.sum(sg.tanh(small))).program)
    assert kernel.split is None


def test_parallel_work_does_not_wait_for_a_full_reduction() -> None:
    total, quotient = launches(sg.function([x], x / sg.sum(x)).program)
    assert total.split is not None
    assert quotient.split is not None


def test_a_cycle_of_kernels_is_avoided() -> None:
    """a -> sum -> c and a -> c: a and c share no kernel, waiting for itself."""
    a = sg.exp(x)
    s = sg.sum(a, axis=0)
    c = a + sg.sum(s * s) * y
    f = sg.function([x, y], [c, a])
    assert_legal_order(f.program)
    values = arguments(CASES["fan_out"], 4, 5)
    e = np.exp(values[0].astype("float64"))
    assert_same(
        f(*values)[0], (e + (e.sum(0) ** 2).sum() * values[1]).astype("f4"), "c", 1e-5
    )


def test_what_spans_part_of_the_inner_loops_stays_outside() -> None:
    """Rows of a sum over a square: a product with it runs once an element."""
    weight = sg.tensor("weight", "float64", ("n", "m"))
    k = sg.tensor("k", "float64")
    scale = sg.sum(weight * sg.tanh(k), axis=1, keepdims=True)
    total = sg.sum(sg.tanh(weight / (sg.expand_dims(scale, 1) ** 2 + 1)))
    f = sg.function([weight, k], sg.grad(total, k))
    assert_stored_once(f.program)
    assert_legal_memory(f.program)
    values = [np.array([[2.0, 1.0], [0.5, -2.0]]), np.array(1.5)]
    expected = sg.function([weight, k], sg.grad(total, k), mode="interpret")(*values)
    assert_same(f(*values), expected, "gradient")


def test_a_spread_scalar_is_no_array() -> None:
    k = sg.tensor("k", "float32")
    spread = -sg.broadcast_to(k * 2, x.shape)
    f = sg.function([x, k], [sg.sum(spread * x, axis=1), sg.tanh(x) + spread])
    assert not f.program.by_role("temp")


def test_what_is_large_takes_several_kernels() -> None:
    z = x
    for _ in range(60):
        z = sg.sin(z) + y
    program = sg.function([x, y], z).program
    kernels = launches(program)
    assert 1 < len(kernels) < 20
    assert len(program.by_role("temp")) == len(kernels) - 1
    assert_legal_order(program)
    assert_legal_memory(program)


def test_views_are_read_in_place() -> None:
    """No kernel only moves elements, unless a library call wants them so."""
    z = sg.transpose(x, (1, 0))[::-1, 1:]
    (kernel,) = launches(sg.function([x], sg.tanh(z)).program)
    assert sum(isinstance(s, ir.Load) for s, _ in ir.walk(kernel.body)) == 1
    f = sg.function([x, y], x.T @ y)
    assert not launches(f.program)


def test_a_gather_of_a_row_computes_one_element_of_it() -> None:
    rows = sg.arange(x.shape[0])
    picked = sg.special.log_softmax(x, axis=1)[rows, label]
    (kernel,) = launches(sg.function([x, label], picked).program)
    depths = [depth for s, depth in ir.walk(kernel.body) if isinstance(s, ir.Store)]
    assert depths == [1], "stored once a row"


def test_outputs_are_arrays_of_their_own() -> None:
    z = sg.tanh(x)
    f = sg.function([x], [z, z, x, z.reshape((-1,)), z])
    results = f(np.ones((2, 3), "float32"))
    assert all(
        not np.shares_memory(a, b) for k, a in enumerate(results) for b in results[:k]
    )
    assert [r.shape for r in results] == [(2, 3), (2, 3), (2, 3), (6,), (2, 3)]
    assert_legal_order(f.program)


def test_every_launch_gives_what_its_kernel_asks() -> None:
    for case in CASES.values():
        for step in compiled(case).program.steps:
            if isinstance(step, Launch):
                assert len(step.arrays) == len(set(step.arrays)), "an array twice"
                assert len(step.arrays) == len(step.kernel.buffers)
                assert len(step.sizes) == len(step.kernel.sizes)


def count(*outputs: sg.Variable) -> int:
    """How many kernels compute `outputs`, without passes that change them."""
    return len(launches(sg.function([x], list(outputs)).program))


def test_siblings_share_their_loops() -> None:
    """What reads one array along the same axes, in the same roles, reads it once."""
    assert count(sg.exp(x), sg.log(x), x * 2) == 1
    assert count(x.sum(1), x.max(1), (x * x).mean(1)) == 1
    assert count(x.sum(), x.min(), sg.exp(x).sum()) == 1
    assert count(x.sum(0), x.max(0)) == 1
    assert count(x.sum(0), x.sum(1)) == 2
    assert count(sg.exp(x), x.sum()) == 2
    assert count(sg.exp(x), sg.exp(x.T)) == 2


def test_siblings_stay_apart_where_one_awaits_the_other() -> None:
    total = x.sum()
    assert count(total, (x * total).sum()) == 2
    top = x.max(0)
    assert count(top, sg.exp(x - top)) == 2


def test_siblings_give_what_each_gives_alone() -> None:
    outputs = [sg.exp(x), x.sum(1), x.max(1), x.sum(), x.min(), x.sum(0), x.T + 1]
    together = sg.function([x], outputs)
    values = np.random.default_rng(3).standard_normal((70, 33)).astype("float32")
    for made, output in zip(together(values), outputs, strict=True):
        np.testing.assert_array_equal(made, sg.function([x], output)(values))


def test_too_much_work_for_one_kernel_is_not_put_together() -> None:
    assert count(*(sg.tanh(x * k) for k in range(2, 40))) > 1


def test_nothing_is_kept_for_a_second_way_down_the_columns() -> None:
    """Rows stay in cache between two reductions of theirs; columns do not."""
    assert count(sg.softmax(x, axis=1)) == 1
    down = launches(sg.function([x], sg.softmax(x, axis=0)).program)
    assert len(down) > 2
    assert all(
        sum(isinstance(s, ir.Loop) and bool(s.carries) for s, _ in ir.walk(k.body)) < 2
        for k in down
    )
    short = sg.tensor("short", "float32", (8, "n"))
    assert len(launches(sg.function([short], sg.softmax(short, axis=0)).program)) < 3


def test_what_reads_a_part_does_not_share_the_loops_of_the_whole() -> None:
    x = sg.dvector("x")
    whole = sg.sin(sg.reshape(x, (x.shape[0], 1)))
    part = sg.diagonal(whole)  # one element, at the same index as in the whole
    less = whole * 0.5 - sg.tanh(whole) < sg.logaddexp(part, part)
    values = [np.array([-2.0, -2.0, -2.0, 2.0, 2.0])]
    results = sg.logical_and(whole.T != 0, less)
    expected = sg.function([x], results, mode="interpret")(*values)
    np.testing.assert_array_equal(sg.function([x], results)(*values), expected)
