"""Forward mode: every op against reverse mode, and the walk itself."""

from __future__ import annotations

import numpy as np
import pytest

import symgraph as sg
from symgraph import ops
from symgraph.autodiff.forward import pushforward
from symgraph.autodiff.reverse import pullback
from symgraph.composite import parameter
from symgraph.errors import (
    DisconnectedInputError,
    DTypeError,
    NotDifferentiableError,
    ShapeError,
)
from symgraph.graph import Node, toposort
from symgraph.op import Array, Elemwise, Op, op
from symgraph.types import TensorType, is_float
from symgraph.variable import Variable, apply, as_tensor

from ..support import MODES, Computer, compute
from .cases import Case
from .test_gradients import DIFFERENTIABLE, chosen, declared

CASES = [
    (made, k) for made, listed in DIFFERENTIABLE.items() for k in range(len(listed))
]


def drawn(case: Case, seed: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [
        operand.draw(rng, shape, "float64")
        for operand, shape in zip(case.operands, chosen(case), strict=True)
    ]


@pytest.mark.parametrize(
    ("made", "number"), CASES, ids=lambda p: p if isinstance(p, int) else p.__name__
)
def test_jvp_is_the_transpose_of_vjp(made: type[Op], number: int) -> None:
    """<jvp(t), g> == <t, vjp(g)>, and the same for one variable at a time."""
    case = DIFFERENTIABLE[made][number]
    arrays = drawn(case, number)
    inputs = declared(case, chosen(case))
    output = as_tensor(case.build(*inputs))
    wrt = [v for v in inputs if is_float(v.dtype)]
    ts, g = [parameter(v) for v in wrt], parameter(output)
    nodes = [v.node for v in wrt]
    sent = pullback([output], nodes, [g])
    pushed = pushforward([output.node], list(zip(nodes, ts, strict=True)))
    singles = [
        pushforward([output.node], [(node, t)])[0]
        for node, t in zip(nodes, ts, strict=True)
    ]
    assert [v is None for v in sent] == [v is None for v in singles]
    there = [v for v in (*sent, *pushed, *singles) if v is not None]
    for variable, like in zip(there, [*wrt, output], strict=False):
        assert variable.dtype == like.dtype
    run = Computer([*inputs, *ts, g], there, "interpret")
    rng = np.random.default_rng(number + 1)
    floats = [a for a, v in zip(arrays, inputs, strict=True) if is_float(v.dtype)]
    directions = [rng.normal(size=np.shape(a)) for a in floats]
    value = compute([output], inputs, arrays)[0]
    weights = rng.normal(size=np.shape(value))
    got = iter(run(*arrays, *directions, weights))
    products = []
    for t, one in zip(directions, sent, strict=True):
        products.append(0.0 if one is None else np.sum(t * next(got)))
    tangent = next(got)
    assert np.shape(tangent) == np.shape(value)
    close = {"rtol": 1e-9, "atol": 1e-10}
    np.testing.assert_allclose(np.sum(tangent * weights), np.sum(products), **close)
    for product, one in zip(products, singles, strict=True):
        if one is not None:
            np.testing.assert_allclose(np.sum(next(got) * weights), product, **close)


def test_structures_and_types() -> None:
    x, y = sg.fvector("x"), sg.dscalar("y")
    outputs = {"first": x * y, "second": (x * x).astype("float32")}
    found = sg.jvp(outputs, [x, y], [np.ones(3), 2.0])
    assert list(found) == ["first", "second"]
    assert [v.dtype for v in found.values()] == ["float64", "float32"]
    data = np.array([1.0, 2.0, 3.0], "float32")
    got = compute(list(found.values()), [x, y], [data, 5.0])
    np.testing.assert_allclose(got[0], 5 + 2 * data)
    np.testing.assert_allclose(got[1], 2 * data)
    assert sg.Rop is sg.jvp and sg.Lop is sg.vjp


@pytest.mark.parametrize("mode", MODES)
def test_against_differences(mode: str) -> None:
    x = sg.dmatrix("x")
    y = sg.softmax(sg.tanh(x @ x.T), 1) @ x
    data = np.random.default_rng(0).normal(size=(3, 4))
    t = np.random.default_rng(1).normal(size=(3, 4))
    (got,) = compute([sg.jvp(y, x, t)], [x], [data], mode)
    run = Computer([x], [y], "interpret")
    step = 1e-6
    expected = (run(data + step * t)[0] - run(data - step * t)[0]) / (2 * step)
    np.testing.assert_allclose(got, expected, atol=1e-8)


def test_through_an_intermediate_and_twice() -> None:
    """Tangents of one variable, and of what depends on it, add up, as vjp's do."""
    x = sg.dscalar("x")
    y = sg.sin(x)
    z = y * y
    got = compute(
        [
            sg.jvp(z, y, 1.0),
            sg.jvp(z, [x, y], [1.0, 1.0]),
            sg.jvp(z, [x, x], [1.0, 2.0]),
        ],
        [x],
        [0.5],
    )
    s, c = np.sin(0.5), np.cos(0.5)
    np.testing.assert_allclose(got, [2 * s, 2 * s + 2 * s * c, 6 * s * c])
    pulled = sg.vjp(z, [x, y], 1.0)
    np.testing.assert_allclose(np.sum(compute(pulled, [x], [0.5])), got[1])


def test_consider_constant() -> None:
    x = sg.dscalar("x")
    y = x * x
    assert compute([sg.jvp(y * x, x, 1.0, consider_constant=[y])], [x], [3.0]) == [9.0]


def test_higher_order() -> None:
    x = sg.dscalar("x")
    y = sg.exp(2 * x)
    for _ in range(3):
        y = sg.jvp(y, x, 1.0)
    (got,) = compute([y], [x], [0.1])
    assert got == pytest.approx(8 * np.exp(0.2))


def test_disconnected_outputs() -> None:
    x, y = sg.dvector("x"), sg.dmatrix("y")
    with pytest.raises(DisconnectedInputError, match=r"depends on none[\s\S]*_outputs"):
        sg.jvp(y, x, x)
    with pytest.warns(UserWarning, match="depends on none"):
        zeros = sg.jvp(y, x, x, disconnected_outputs="warn")
    assert compute([zeros], [y], [np.ones((1, 2))])[0].tolist() == [[0.0, 0.0]]
    with pytest.raises(DisconnectedInputError, match="through integers"):
        sg.jvp(sg.argmax(x), x, x)


def test_what_cannot_be_asked() -> None:
    x, k = sg.dvector("x"), sg.lvector("k")
    with pytest.raises(DTypeError, match="with respect to int64"):
        sg.jvp(sg.sum(x), k, k)
    with pytest.raises(ShapeError, match="a tangent has the shape"):
        sg.jvp(sg.sum(x), x, 1.0)
    with pytest.raises(ShapeError, match="2 tangents for 1"):
        sg.jvp(sg.sum(x), [x], [x, x])
    with pytest.raises(ShapeError, match="a cotangent has the shape"):
        sg.vjp(sg.sum(x), x, x)
    with pytest.raises(DTypeError, match="an output is not of a float type"):
        sg.vjp(k, x, k)


@op
class Flat(Elemwise):
    """An op without a derivative."""

    def infer(self, *inputs: Node) -> TensorType:
        return inputs[0].type


def test_an_op_without_derivative_is_named() -> None:
    x = sg.dvector("x")
    with pytest.raises(NotDifferentiableError, match=r"flat[\s\S]*test_forward.py:"):
        sg.jvp(apply(Flat(), x), x, x)


def test_the_walk_is_linear_and_not_recursive() -> None:
    x = sg.dvector("x")

    def nodes(depth: int) -> int:
        y = x
        for _ in range(depth):
            y = sg.softmax(sg.sin(y) * sg.max(y))
        return len(toposort([sg.jvp(y, x, x).node]))

    assert nodes(15) - nodes(10) == nodes(10) - nodes(5)
    y: Variable = x
    for _ in range(1500):
        y = sg.sin(y) * y
    sg.jvp(y, x, x)


def test_grad_clip() -> None:
    """Reverse mode is clipped; tangents pass."""
    x = sg.dvector("x")
    y = sg.grad_clip(x, -1, 0.5) * 3
    data = [1.0, -2.0, np.nan]
    value, slope, tangent = compute(
        [y, sg.vjp(y, x, x), sg.jvp(y, x, np.ones(3))], [x], [data]
    )
    np.testing.assert_array_equal(value, [3.0, -6.0, np.nan])
    np.testing.assert_array_equal(slope, [0.5, -1.0, np.nan])
    np.testing.assert_array_equal(tangent, [3.0, 3.0, 3.0])
    with pytest.raises(DTypeError, match="no gradient passes"):
        sg.grad_clip(sg.lscalar("k"), 0, 1)


def test_max_shares_at_ties_in_both_modes() -> None:
    x = sg.dvector("x")
    for y in (sg.max(x), sg.maximum(x[0], x[1])):
        slope, tangent = sg.grad(y, x), sg.jvp(y, x, [1.0, 3.0])
        got = compute([slope, tangent], [x], [[2.0, 2.0]])
        np.testing.assert_array_equal(got[0], [0.5, 0.5])
        assert got[1] == 2.0


def test_elementwise_tangents_are_broadcast() -> None:
    x, y = sg.dscalar("x"), sg.dmatrix("y")
    (got,) = compute([sg.jvp(x + y, x, 2.0)], [x, y], [1.0, np.ones((2, 3))])
    np.testing.assert_array_equal(got, np.full((2, 3), 2.0))
    assert ops.Sum not in {type(n.op) for n in toposort([sg.jvp(x * y, x, 2.0).node])}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [1, 3])
def test_sizes_that_meet_at_run_time(size: int, mode: str) -> None:
    """Where x may have been repeated, its tangent has been too."""
    x, y, t = sg.dvectors("x y t")
    outputs = [sg.jvp(x * y, x, t), sg.jacobian(x * y, x, "forward")]
    given = [np.arange(size) + 1.0, np.array([1.0, 2.0, 4.0]), np.ones(size)]
    got = compute(outputs, [x, y, t], given, mode)
    np.testing.assert_array_equal(got[0], [1.0, 2.0, 4.0])
    wanted = np.diag(given[1]) if size == 3 else given[1][:, None]
    np.testing.assert_array_equal(got[1], wanted)


def test_tangents_are_those_of_the_stable_form() -> None:
    """As gradients are: log(1 - exp(x)) near 0, and of a softmax that underflows."""
    x, r = sg.dscalar("x"), sg.dvector("r")
    y = sg.log(1 - sg.exp(x))
    z = sg.log(sg.softmax(r))
    outputs = [sg.jvp(y, x, 1.0), sg.vjp(y, x, 1.0), *both(z, r)]
    got = compute(outputs, [x, r], [-1e-18, [0.0, 1000.0]])
    np.testing.assert_allclose(got[:2], -1e18, rtol=1e-12)
    for jacobian in got[2:]:
        np.testing.assert_allclose(jacobian, [[1.0, -1.0], [0.0, 0.0]])


def both(y: Variable, x: Variable) -> list[Variable]:
    return [sg.jacobian(y, x, "forward"), sg.jacobian(y, x, "reverse")]
