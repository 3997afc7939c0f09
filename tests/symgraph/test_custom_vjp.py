"""Gradients of one's own, and checkpoints: values, orders, batching, memory."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph import ops
from symgraph.autodiff.custom import Checkpoint, CustomVjp
from symgraph.errors import (
    DisconnectedInputError,
    NotDifferentiableError,
    ShapeError,
    SymgraphError,
)
from symgraph.graph import toposort
from symgraph.graphs import Graph, structure_key
from symgraph.lower.memory import arena_bytes
from symgraph.variable import Variable

from ..support import MODES, compute

#: Steps, with the gradient of a straight line.
straight = sg.custom_vjp(lambda x: x // 1.0, lambda g, y, x: g, label="straight")


@pytest.mark.parametrize("mode", MODES)
def test_straight_through(mode: str) -> None:
    x = sg.dvector("x")
    y = straight(x * 2)
    assert isinstance(y.op, CustomVjp) and y.op.name == "straight"
    value, slope = compute([y, sg.grad(sg.sum(y * y), x)], [x], [[0.7, 1.2]], mode)
    np.testing.assert_array_equal(value, [1.0, 2.0])
    np.testing.assert_array_equal(slope, [4.0, 8.0])


def test_rule_sees_result_and_arguments() -> None:
    def bwd(g: Variable, y: Variable, a: Variable, b: Variable) -> tuple[Any, ...]:
        return g * y * 10, g * a * 100

    a, b = sg.dscalars("a b")
    y = sg.custom_vjp(lambda a, b: a * b, bwd)(a, b)
    got = compute(sg.grad(2 * y, [a, b]), [a, b], [3.0, 5.0])
    assert got == [2 * 15 * 10, 2 * 3 * 100]


def test_none_and_integers_get_no_gradient() -> None:
    x, k = sg.dvector("x"), sg.lscalar("k")
    fn = sg.custom_vjp(lambda v, n: v * n, lambda g, y, v, n: (g * 7, None))
    assert compute([sg.grad(sg.sum(fn(x, k)), x)], [x, k], [[1.0], 2])[0] == [7.0]
    silent = sg.custom_vjp(lambda v: v * 2, lambda g, y, v: None)
    with pytest.raises(DisconnectedInputError):
        sg.grad(sg.sum(silent(x)), x)


def test_higher_orders_go_through_the_rule() -> None:
    x = sg.dscalar("x")
    cube = sg.custom_vjp(lambda v: v**3, lambda g, y, v: g * (3 * y / v))
    first = sg.grad(cube(x), x)
    got = compute([first, sg.grad(first, x)], [x], [2.0])
    assert got == [12.0, 12.0]


def test_several_results() -> None:
    x = sg.dvector("x")

    def bwd(g: Any, y: Any, v: Variable) -> Variable:
        return g[0] * y[1] * 2 + sg.expand_dims(g[2], 0) * 5 - g[1]

    fn = sg.custom_vjp(lambda v: (sg.sin(v), sg.cos(v), sg.sum(v)), bwd)
    s, c, total = fn(x)
    data = np.array([0.3, 0.4])
    got = compute([s, c, total, sg.grad(sg.sum(s) + sg.sum(c) + total, x)], [x], [data])
    np.testing.assert_allclose(got[0], np.sin(data))
    np.testing.assert_allclose(got[3], 2 * np.cos(data) + 4)


def test_tangents_follow_from_a_linear_rule() -> None:
    x, t = sg.dvectors("x t")
    fn = sg.custom_vjp(lambda v: v // 1.0, lambda g, y, v: g * v + sg.sum(g * y))
    y = fn(x)
    data, direction, g = np.array([1.5, 2.5]), np.array([1.0, -1.0]), np.ones(2)
    tangent, sent = compute(
        [sg.jvp(y, x, t), sg.vjp(y, x, g)], [x, t], [data, direction]
    )
    np.testing.assert_allclose(np.sum(tangent * g), np.sum(sent * direction))
    clipped = sg.custom_vjp(lambda v: v * 1.0, lambda g, y, v: sg.minimum(g, 1))
    with pytest.raises(NotDifferentiableError, match="not linear"):
        sg.jvp(clipped(x), x, t)


@pytest.mark.parametrize("which", [(True, True), (True, False), (False, True)])
def test_batched_rules_stay(which: tuple[bool, bool]) -> None:
    """The gradient of the batched function is by the batched rule."""
    fn = sg.custom_vjp(
        lambda a, b: sg.sum(a) * b,
        lambda g, y, a, b: (g * b * a * 10, g * 100 + y),
    )
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 3)), rng.normal(size=4)
    data = [a if which[0] else a[0], b if which[1] else b[0]]
    x = sg.dmatrix("x") if which[0] else sg.dvector("x")
    y = sg.dvector("y") if which[1] else sg.dscalar("y")
    axes = [0 if own else None for own in which]
    wide = sg.vectorize(fn, in_axes=axes)(x, y)
    got = compute([wide, *sg.grad(sg.sum(wide), [x, y])], [x, y], data)
    rows = []
    p, q = sg.dvector("p"), sg.dscalar("q")
    one = fn(p, q)
    for k in range(4):
        given = [a[k] if which[0] else a[0], b[k] if which[1] else b[0]]
        rows.append(compute([one, *sg.grad(one, [p, q])], [p, q], given))
    np.testing.assert_allclose(got[0], [r[0] for r in rows])
    for k, own in enumerate(which):
        expected = np.stack([r[k + 1] for r in rows])
        np.testing.assert_allclose(got[k + 1], expected if own else expected.sum(0))


def test_jacobian_by_the_rule() -> None:
    x = sg.dvector("x")
    y = straight(x * x)
    made = [sg.jacobian(y, x, mode) for mode in ("forward", "reverse")]
    for got in compute(made, [x], [[1.5, 2.0]]):
        np.testing.assert_allclose(got, np.diag([3.0, 4.0]))


def test_equal_calls_are_one_node_and_pickle() -> None:
    x = sg.dvector("x")
    assert straight(x).same(straight(x))
    graph = Graph([x], [straight(x), sg.checkpoint(sg.sin)(x)])
    again = pickle.loads(pickle.dumps(graph))
    assert structure_key(again) == structure_key(graph)
    assert again.outputs[0].op == graph.outputs[0].op
    assert hash(again.outputs[0].op) == hash(graph.outputs[0].op)


def test_what_a_rule_must_not_do() -> None:
    x, w = sg.dvector("x"), sg.dscalar("w")
    with pytest.raises(NotDifferentiableError, match="uses a variable that is not"):
        sg.custom_vjp(lambda v: v * w, lambda g, y, v: g)(x)
    with pytest.raises(NotDifferentiableError, match="uses a variable that is not"):
        sg.custom_vjp(lambda v: v * 2, lambda g, y, v: g * w)(x)
    with pytest.raises(ShapeError, match=r"2 cotangents for the 1 [\s\S]*test_custom"):
        sg.custom_vjp(lambda v: v * 2, lambda g, y, v: (g, g))(x)
    with pytest.raises(ShapeError, match="has the shape of its variable"):
        sg.custom_vjp(lambda v: v * 2, lambda g, y, v: sg.sum(g))(x)


def test_constants_may_be_used() -> None:
    x = sg.dvector("x")
    table = np.arange(3.0)
    fn = sg.custom_vjp(lambda v: v + table, lambda g, y, v: g * table)
    (got,) = compute([sg.grad(sg.sum(fn(x)), x)], [x], [np.ones(3)])
    np.testing.assert_array_equal(got, table)


# -- checkpoints -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_checkpoint_changes_no_value(mode: str) -> None:
    x, w = sg.dmatrix("x"), sg.dmatrix("w")

    def cost(wrap: Callable[..., Any]) -> Variable:
        y = x
        for _ in range(2):
            y = wrap(lambda v, u: sg.tanh(v @ u) + v)(y, w)
        return sg.sum(y * y)

    plain, kept = cost(lambda fn: fn), cost(sg.checkpoint)
    assert Checkpoint in {type(n.op) for n in toposort([kept.node])}
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(4, 3)), rng.normal(size=(3, 3))]
    outputs = [[c, *sg.grad(c, [x, w])] for c in (plain, kept)]
    expected, got = (compute(o, [x, w], data, mode) for o in outputs)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def arena(cost: Variable, x: Variable) -> int:
    f = sg.function([x], sg.grad(cost, x))
    return arena_bytes(f.program, {})[0]


def test_checkpoint_takes_less_memory() -> None:
    """Between the blocks one value is kept, not those within."""
    n = 20_000
    x, w = sg.tensor("x", shape=(n,)), np.ones((1,))

    def cost(wrap: Callable[..., Any]) -> Variable:
        y = x
        for _ in range(3):
            y = wrap(mixed)(y)
        return sg.sum(y * w[0])

    def mixed(v: Variable) -> Variable:
        for k in range(4):  # a reduction in between keeps kernels apart
            v = sg.sin(v) * sg.exp(v - sg.max(v)) + 0.1 * k
        return v

    plain, kept = arena(cost(lambda fn: fn), x), arena(cost(sg.checkpoint), x)
    assert kept < 0.6 * plain, (kept / (8 * n), plain / (8 * n))


def test_checkpoint_of_an_expression() -> None:
    x = sg.dvector("x")
    y = sg.exp(sg.sin(x))
    z = sg.checkpoint(y * y, x)
    assert isinstance(z.op, Checkpoint) and z.node.inputs == (x.node,)
    first, second = sg.checkpoint((y, z), [x])
    data = np.array([0.1, 0.2])
    slopes = [sg.grad(sg.sum(v), x) for v in (z, y * y, first, second)]
    got = compute(slopes, [x], [data])
    np.testing.assert_allclose(got[0], got[1])
    np.testing.assert_allclose(got[3], got[1])
    inner = sg.checkpoint(y * y, y)
    (got_inner,) = compute([sg.grad(sg.sum(inner), x)], [x], [data])
    np.testing.assert_allclose(got_inner, got[1])
    with pytest.raises(SymgraphError, match="without variables"):
        sg.checkpoint(y)


def test_checkpoint_uses_what_is_around() -> None:
    """Variables that are not arguments are differentiated too."""
    x, w = sg.dvector("x"), sg.dscalar("w")
    y = sg.checkpoint(lambda v: sg.sin(v * w))(x)
    got = compute(sg.grad(sg.sum(y), [x, w]), [x, w], [[1.0, 2.0], 0.5])
    np.testing.assert_allclose(got[0], 0.5 * np.cos([0.5, 1.0]))
    np.testing.assert_allclose(got[1], np.sum(np.cos([0.5, 1.0]) * [1.0, 2.0]))


def test_checkpoint_in_all_modes() -> None:
    x = sg.dvector("x")
    y = sg.checkpoint(lambda v: sg.sin(v) * v)(x)
    plain = sg.sin(x) * x
    outputs = []
    for made in (y, plain):
        outputs += [
            sg.jvp(made, x, np.array([1.0, 2.0])),
            sg.jacobian(made, x),
            sg.hessian(sg.sum(made), x),
        ]
    got = compute(outputs, [x], [[0.5, 1.5]])
    for a, b in zip(got[:3], got[3:], strict=True):
        np.testing.assert_allclose(a, b)


def test_checkpoint_batched() -> None:
    xs = sg.dmatrix("xs")
    fn = sg.vectorize(sg.checkpoint(lambda v: sg.sin(v) / sg.sum(v)), "(n)->(n)")
    made = fn(xs)
    assert Checkpoint in {type(n.op) for n in toposort([made.node])}
    plain = sg.sin(xs) / sg.sum(xs, 1, keepdims=True)
    data = np.random.default_rng(0).uniform(1, 2, (2, 3))
    outputs = [made, plain, *(sg.grad(sg.sum(v * v), xs) for v in (made, plain))]
    got = compute(outputs, [xs], [data])
    np.testing.assert_allclose(got[0], got[1])
    np.testing.assert_allclose(got[2], got[3])


def test_several_checkpointed_results() -> None:
    x = sg.dvector("x")
    first, second = sg.checkpoint(lambda v: (sg.sin(v), sg.sum(v * v)))(x)
    (got,) = compute([sg.grad(sg.sum(first) * second, x)], [x], [[0.5, 1.0]])
    data = np.array([0.5, 1.0])
    expected = np.cos(data) * np.sum(data**2) + np.sum(np.sin(data)) * 2 * data
    np.testing.assert_allclose(got, expected)


def test_the_barrier_stands_in_the_backward_pass() -> None:
    x = sg.dvector("x")
    slope = sg.grad(sg.sum(sg.checkpoint(sg.sin)(x) ** 2), x)
    graph, _ = Graph([x], [slope]).rewrite()
    assert ops.Barrier in {type(n.op) for n in graph.nodes}
