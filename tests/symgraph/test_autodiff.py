"""The walk itself: structures, constants, known gradients, errors, higher orders."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import symgraph as sg
from symgraph import ops
from symgraph.errors import (
    DisconnectedInputError,
    DTypeError,
    NotDifferentiableError,
    ShapeError,
    SymgraphError,
)
from symgraph.graph import Node, toposort
from symgraph.op import Array, Elemwise, op
from symgraph.types import TensorType
from symgraph.variable import Variable, apply

from ..support import MODES, compute


@op
class Opaque(Elemwise):
    """An op without a gradient."""

    def infer(self, *inputs: Node) -> TensorType:
        return inputs[0].type

    def ref(self, x: Array) -> Array:  # type: ignore[override]
        return np.round(x)


def test_structure_of_wrt_is_kept() -> None:
    x, y = sg.dscalars("x y")
    cost = x * x * y
    assert isinstance(sg.grad(cost, x), sg.Variable)
    assert [type(sg.grad(cost, kind([x, y]))) for kind in (list, tuple)] == [
        list,
        tuple,
    ]
    named = sg.grad(cost, {"first": x, "second": y})
    assert list(named) == ["first", "second"]
    got = compute([*named.values()], [x, y], [3.0, 5.0])
    assert got == [30.0, 9.0]


def test_value_and_grad() -> None:
    x = sg.dvector("x")
    cost = sg.sum(x * x)
    value, slope = sg.value_and_grad(cost, [x])
    assert value is cost
    np.testing.assert_array_equal(compute(slope, [x], [[1.0, 2.0]])[0], [2.0, 4.0])


def test_gradients_have_the_type_of_their_variable() -> None:
    x, w = sg.tensor("x", "float32", (3, "n")), sg.tensor("w", "float64", ("n",))
    cost = sg.mean(sg.exp(x.astype("float64") @ w))
    for variable, slope in zip((x, w), sg.grad(cost, [x, w]), strict=True):
        assert slope.type == variable.type


def test_gradient_of_an_intermediate_variable() -> None:
    x = sg.dscalar("x")
    y = sg.sin(x)
    (got,) = compute([sg.grad(y * y, y)], [x], [1.0])
    assert got == pytest.approx(2 * np.sin(1.0))


def test_gradient_of_the_cost_itself() -> None:
    x = sg.dscalar("x")
    assert compute([sg.grad(x, x)], [x], [7.0]) == [1.0]


@pytest.mark.parametrize("mode", MODES)
def test_third_order(mode: str) -> None:
    x = sg.dscalar("x")
    y = sg.exp(2 * x) * x
    for _ in range(3):
        y = sg.grad(y, x)
    (got,) = compute([y], [x], [0.3], mode)
    assert got == pytest.approx((8 * 0.3 + 12) * np.exp(0.6))


def test_consider_constant() -> None:
    x = sg.dscalar("x")
    y = x * x
    assert compute([sg.grad(y * x, x, consider_constant=[y])], [x], [3.0]) == [9.0]
    with pytest.raises(DisconnectedInputError):
        sg.grad(y, x, consider_constant=[y])


def test_stop_gradient() -> None:
    x = sg.dscalar("x")
    assert compute([sg.grad(x * sg.stop_gradient(x * x), x)], [x], [3.0]) == [9.0]


def test_known_grads() -> None:
    x = sg.dvector("x")
    y = sg.sin(x)
    known = {y: np.array([1.0, 2.0])}
    (alone,) = compute([sg.grad(None, x, known_grads=known)], [x], [[0.5, 0.7]])
    np.testing.assert_allclose(alone, [np.cos(0.5), 2 * np.cos(0.7)])
    # A known gradient takes the place of what the cost sends.
    both = sg.grad(sg.sum(y) * 100 + sg.sum(x), x, known_grads=known)
    np.testing.assert_allclose(compute([both], [x], [[0.5, 0.7]])[0], alone + 1)
    with pytest.raises(SymgraphError, match="neither"):
        sg.grad(None, x)
    with pytest.raises(ShapeError, match="has the shape of its variable"):
        sg.grad(None, x, known_grads={y: 1.0})


def test_known_grads_on_the_way() -> None:
    """A seed stands for all that the cost would send there, and only there."""
    x = sg.dscalar("x")
    y = sg.sin(x)
    z = y * y
    slope = sg.grad(
        None, x, known_grads={z: 3.0, y: 5.0}
    )  # what z sends y is not added
    upper = sg.grad(None, [y, z], known_grads={z: 3.0, y: 5.0})
    got = compute([slope, *upper], [x], [0.5])
    np.testing.assert_allclose(got, [5 * np.cos(0.5), 5.0, 3.0])
    # Of the cost itself it takes the place of 1.
    assert compute([sg.grad(z, z, known_grads={z: 7.0})], [x], [0.5]) == [7.0]
    with pytest.raises(DTypeError, match="known gradient of a variable that is not"):
        sg.grad(None, x, known_grads={sg.lscalar("k"): 1})
    with pytest.raises(ShapeError, match="a gradient has the shape of its variable"):
        w = sg.tensor("w", shape=(3,))
        sg.grad(None, w, known_grads={w: np.ones(4)})


def test_known_grads_are_cast_to_their_variable() -> None:
    x = sg.fvector("x")
    slope = sg.grad(None, x, known_grads={sg.exp(x): np.ones(2)})
    assert slope.dtype == "float32"


def test_a_variable_may_be_asked_for_twice() -> None:
    x = sg.dscalar("x")
    got = compute(sg.grad(x * x, [x, x]), [x], [3.0])
    assert got == [6.0, 6.0]


def test_wrt_an_expression_and_what_it_is_made_of() -> None:
    """Each is the derivative with the others following."""
    x = sg.dscalar("x")
    y = x * x
    got = compute(sg.grad(y * x, [x, y]), [x], [3.0])
    assert got == [27.0, 3.0]


def test_cost_that_depends_on_nothing() -> None:
    x = sg.dvector("x")
    cost = sg.constant(1.0)
    with pytest.raises(DisconnectedInputError):
        sg.grad(cost, x)
    zeros = sg.grad(cost, x, disconnected_inputs="ignore")
    assert compute([zeros], [x], [[1.0, 2.0]])[0].tolist() == [0.0, 0.0]


def test_a_constant_target_is_disconnected() -> None:
    x = sg.dscalar("x")
    with pytest.raises(DisconnectedInputError):
        sg.grad(x * x, x, consider_constant=[x])


def test_vjp_adds_up_over_outputs() -> None:
    """Of several outputs, one within another and one given twice."""
    x = sg.dvector("x")
    y = sg.exp(x)
    z = sg.sum(y * y)
    sent = sg.vjp([y, z, y], x, [np.array([1.0, 2.0]), 3.0, np.ones(2)])
    (got,) = compute([sent], [x], [[0.0, 1.0]])
    e = np.exp([0.0, 1.0])
    np.testing.assert_allclose(got, np.array([2.0, 3.0]) * e + 3 * 2 * e * e)


def test_masked_slopes_are_0_in_compiled_code() -> None:
    """Where the function that is masked has none, or an infinite one."""
    x = sg.dvector("x")
    slopes = [
        sg.grad(sg.sum(sg.where(x > 0, fn(x), 0.0)), x)
        for fn in (sg.sqrt, sg.log, lambda v: v**0.5, lambda v: 1 / v)
    ]
    for got in compute(slopes, [x], [[0.0, -1.0]], "fast"):
        np.testing.assert_array_equal(got, [0.0, 0.0])


#: Where there is no derivative, the one that the docstring of autodiff promises.
KINKS: tuple[tuple[Callable[[Variable], Variable], float, float], ...] = (
    (sg.abs, 0.0, 0.0),
    (sg.abs, -0.0, 0.0),
    (sg.sign, 0.0, 0.0),
    (lambda x: sg.maximum(x, 0.0), 0.0, 0.5),
    (lambda x: sg.minimum(0.0, x), 0.0, 0.5),
    (lambda x: sg.clip(x, -1.0, 1.0), 1.0, 0.5),
    (lambda x: sg.max(sg.stack([x, 3.0 * x])), 0.0, 2.0),
    (lambda x: sg.where(x > 0, x, 3 * x), 0.0, 3.0),
    (sg.floor, 2.0, 0.0),
    (sg.round, 2.5, 0.0),
    (lambda x: x // 2.0, 4.0, 0.0),
    (lambda x: x % 2.0, 4.0, 1.0),
    (lambda x: 7.0 % x, 2.0, -3.0),
    (lambda x: 0.0**x, 2.0, 0.0),
    (lambda x: x ** x.astype("float64"), 1.0, 1.0),
    (sg.sqrt, 0.0, np.inf),
    (sg.log, 0.0, np.inf),
    (sg.square, 0.0, 0.0),
    (lambda x: sg.prod(sg.stack([x, x])), 0.0, 0.0),
)


@pytest.mark.parametrize("mode", MODES)
def test_chosen_derivatives_at_kinks(mode: str) -> None:
    inputs = [sg.dscalar() for _ in KINKS]
    slopes = [
        sg.grad(fn(v), v, disconnected_inputs="ignore")
        for v, (fn, _, _) in zip(inputs, KINKS, strict=True)
    ]
    got = compute(slopes, inputs, [place for _, place, _ in KINKS], mode)
    np.testing.assert_array_equal(got, [slope for _, _, slope in KINKS])


def test_disconnected() -> None:
    x, y = sg.dvector("x"), sg.dmatrix("y")
    cost = sg.sum(x)
    with pytest.raises(DisconnectedInputError, match=r"y: float64[\s\S]*test_autodiff"):
        sg.grad(cost, [x, y])
    with pytest.warns(UserWarning, match="does not depend"):
        slope = sg.grad(cost, y, disconnected_inputs="warn")
    (got,) = compute([slope], [y], [np.ones((2, 3))])
    np.testing.assert_array_equal(got, np.zeros((2, 3)))
    assert sg.grad(cost, y, disconnected_inputs="ignore").type == y.type
    with pytest.raises(SymgraphError, match="disconnected_inputs cannot be 'maybe'"):
        sg.grad(cost, y, disconnected_inputs="maybe")  # type: ignore[arg-type]


def test_integers_stop_gradients() -> None:
    x = sg.dvector("x")
    with pytest.raises(DisconnectedInputError, match="only through integers"):
        sg.grad(sg.sum(x.astype("int64")).astype("float64"), x)
    with pytest.raises(DisconnectedInputError, match="only through integers"):
        sg.grad(sg.argmax(x) * 1.0, x)


def test_what_cannot_be_asked() -> None:
    x, k = sg.dvector("x"), sg.lvector("k")
    with pytest.raises(ShapeError, match="take its sum or mean"):
        sg.grad(x, x)
    with pytest.raises(DTypeError, match="cost is not of a float type"):
        sg.grad(sg.sum(k), x)
    with pytest.raises(DTypeError, match="with respect to int64"):
        sg.grad(sg.sum(x), k)
    with pytest.raises(SymgraphError, match="with respect to 'x'"):
        sg.grad(sg.sum(x), ["x"])


def test_op_without_gradient_is_named_with_its_line() -> None:
    x = sg.dvector("x")
    cost = sg.sum(apply(Opaque(), x * 2))
    with pytest.raises(NotDifferentiableError, match=r"opaque[\s\S]*test_autodiff.py:"):
        sg.grad(cost, x)
    # Off the path it does not matter.
    sg.grad(cost + sg.sum(x), x, consider_constant=[cost])


def test_gradients_accumulate_over_uses() -> None:
    x = sg.dscalar("x")
    y = x
    for _ in range(5):
        y = y + y
    assert compute([sg.grad(y, x)], [x], [1.0]) == [32.0]


def test_size_of_the_gradient_is_linear() -> None:
    x = sg.dscalar("x")

    def nodes(depth: int) -> int:
        y = x
        for _ in range(depth):
            y = sg.sin(y) * y
        return len(toposort([sg.grad(y, x).node]))

    assert nodes(80) - nodes(40) == nodes(40) - nodes(20) + nodes(60) - nodes(40)


@pytest.mark.parametrize("mode", MODES)
def test_cross_entropy_of_a_classifier(mode: str) -> None:
    """The gradient of the mean negative log likelihood is (softmax - one_hot) / n."""
    x, w, y = sg.dmatrix("x"), sg.dmatrix("w"), sg.lvector("y")
    logp = sg.log_softmax(x @ w)
    loss = -sg.mean(logp[sg.arange(y.shape[0]), y])
    rng = np.random.default_rng(0)
    data, weights = rng.normal(size=(6, 4)), rng.normal(size=(4, 3))
    labels = np.array([0, 1, 2, 2, 1, 0])
    (got,) = compute([sg.grad(loss, w)], [x, w, y], [data, weights, labels], mode)
    scores = np.exp(data @ weights)
    probabilities = scores / scores.sum(1, keepdims=True)
    expected = data.T @ (probabilities - np.eye(3)[labels]) / 6
    np.testing.assert_allclose(got, expected)


def test_sum_to_is_built_only_where_sizes_may_differ() -> None:
    n = sg.tensor("a", shape=("n", "m")), sg.tensor("b", shape=("m",))
    slope = sg.grad(sg.sum(n[0] * n[1]), n[1])
    found = {type(node.op) for node in toposort([slope.node])}
    assert ops.SumTo not in found and ops.Sum in found
    assert slope.type == n[1].type
