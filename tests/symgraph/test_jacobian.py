"""Jacobians and Hessians in both modes, against differences; verify_grad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph import ops
from symgraph.errors import (
    DisconnectedInputError,
    DTypeError,
    GradientError,
    ShapeError,
    SymgraphError,
)
from symgraph.graph import toposort
from symgraph.op import Array, Elemwise, op
from symgraph.variable import Variable, apply

from ..support import MODES, Computer, compute

BOTH = ("forward", "reverse")


def differences(f: Callable[[Array], Any], x: Array, step: float = 1e-6) -> Array:
    """The Jacobian of `f` by central differences."""
    columns = []
    for place in np.ndindex(x.shape):
        moved = np.zeros_like(x)
        moved[place] = step
        columns.append((np.asarray(f(x + moved)) - f(x - moved)) / (2 * step))
    shape = np.shape(f(x))
    if not columns:
        return np.zeros((*shape, *x.shape))
    return np.stack(columns, -1).reshape(*shape, *x.shape)


EXPRESSIONS: dict[str, Callable[[Variable], Variable]] = {
    "vector to vector": lambda x: sg.sin(x) * x[::-1],
    "vector to scalar": lambda x: sg.sum(sg.exp(x) * x),
    "vector to matrix": lambda x: sg.softmax(x[:, None] * x, 1),
    "slices and joins": lambda x: sg.concatenate([x[1:] * x[:-1], sg.sum(x)[None]]),
    "gather": lambda x: x[[0, 0, 1]] * x[1],
    "extremes": lambda x: sg.stack([sg.max(x), sg.min(x), sg.prod(x)]),
    "products": lambda x: sg.outer(x, x) @ x,
    "log softmax": sg.log_softmax,
    "reshaped": lambda x: sg.tanh(x).reshape((x.shape[0], 1)),
    "size": lambda x: x / x.shape[0],
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_both_modes_equal_differences(name: str) -> None:
    x = sg.dvector("x")
    y = EXPRESSIONS[name](x)
    value = np.array([0.5, -1.0, 2.0])
    run = Computer([x], [y], "interpret")
    expected = differences(lambda v: run(v)[0], value)
    made = [sg.jacobian(y, x, mode) for mode in BOTH]
    for got in compute(made, [x], [value]):
        assert np.shape(got) == expected.shape
        np.testing.assert_allclose(got, expected, atol=1e-8)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [0, 1, 3])
def test_matrices_of_any_size(size: int, mode: str) -> None:
    x = sg.dmatrix("x")
    y = sg.sum(x * x, 1) * x[:, 0]
    value = np.random.default_rng(0).normal(size=(size, 2))
    run = Computer([x], [y], "interpret")
    expected = differences(lambda v: run(v)[0], value)
    made = [sg.jacobian(y, x, how) for how in BOTH]
    for got in compute(made, [x], [value], mode):
        assert np.shape(got) == (size, size, 2)
        np.testing.assert_allclose(got, expected, atol=1e-7)


def test_cheaper_mode_is_chosen() -> None:
    """The basis is an identity matrix of the smaller of two known sizes."""

    def largest(x: Variable, y: Variable) -> int:
        nodes = toposort([sg.jacobian(y, x).node])
        sizes = [n.type.dims[0] for n in nodes if isinstance(n.op, ops.Arange)]
        return max(size for size in sizes if isinstance(size, int))

    x = sg.tensor("x", shape=(2,))
    w = sg.tensor("w", shape=(50, 2))
    assert largest(x, sg.sin(w @ x)) == 2
    assert largest(w, sg.sin(w @ x)) == 50


def test_structure_and_disconnected() -> None:
    x, z, k = sg.dvector("x"), sg.dscalar("z"), sg.lvector("k")
    y = sg.exp(x) * z
    named = sg.jacobian(y, {"x": x, "z": z})
    assert list(named) == ["x", "z"]
    got = compute(list(named.values()), [x, z], [[0.0, 1.0], 2.0])
    np.testing.assert_allclose(got[0], np.diag(2 * np.exp([0.0, 1.0])))
    np.testing.assert_allclose(got[1], np.exp([0.0, 1.0]))
    with pytest.raises(DisconnectedInputError, match="jacobian: the expression"):
        sg.jacobian(x, z)
    for mode in BOTH:
        zeros = sg.jacobian(x, z, mode, disconnected_inputs="ignore")  # type: ignore[arg-type]
        assert compute([zeros], [x], [[1.0, 2.0]])[0].tolist() == [0.0, 0.0]
        with pytest.raises(DisconnectedInputError):
            sg.jacobian(y, z, mode, consider_constant=[z * 1, y])  # type: ignore[arg-type]
    with pytest.raises(DTypeError, match="jacobian: not of a float type"):
        sg.jacobian(k, x)
    with pytest.raises(DTypeError, match="with respect to int64"):
        sg.jacobian(x, k)
    with pytest.raises(SymgraphError, match="mode cannot be 'sideways'"):
        sg.jacobian(x, x, "sideways")  # type: ignore[arg-type]


def test_complex_variables() -> None:
    """Holomorphic in both modes; real expressions in reverse mode."""
    z = sg.tensor("z", "complex128", (None,))
    value = np.array([0.5 + 1j, 2 - 0.5j])
    holomorphic = sg.exp(z) * z
    made = [sg.jacobian(holomorphic, z, mode) for mode in ("forward", "reverse")]
    for got in compute(made, [z], [value]):
        np.testing.assert_allclose(got, np.diag(np.exp(value) * (1 + value)))
    size = sg.abs(z)
    (got,) = compute([sg.jacobian(size, z)], [z], [value])
    np.testing.assert_allclose(got, np.diag(value.conj() / np.abs(value)))
    with pytest.raises(DTypeError, match='use mode="reverse"'):
        sg.jacobian(size, z, "forward")
    with pytest.raises(DTypeError, match="hessian: with respect to a complex"):
        sg.hessian(sg.sum(size), z)
    cost = sg.sum(sg.abs(z) ** 2)
    direction = np.array([1j, 1.0])
    (got,) = compute([sg.hessian_vector_product(cost, z, direction)], [z], [value])
    np.testing.assert_allclose(got, 2 * direction.conj(), atol=1e-12)


def rosenbrock(x: Variable) -> Variable:
    return sg.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


COSTS: dict[str, Callable[[Variable], Variable]] = {
    "rosenbrock": rosenbrock,
    "logsumexp": lambda x: sg.logsumexp(x * x),
    "product": lambda x: sg.prod(x),
    "power": lambda x: sg.sum(sg.abs(x) ** 2.5),
    "linear": lambda x: sg.sum(2 * x),
    "maximum": lambda x: sg.max(x) ** 3 + sg.sum(sg.maximum(x, 0) ** 2),
    "gather": lambda x: (x[[0, 1, 0]] ** 3).sum(),
}


@pytest.mark.parametrize("name", COSTS)
def test_hessians(name: str) -> None:
    """Against differences of the gradient; symmetric; and the product with a vector."""
    x, p = sg.dvectors("x p")
    cost = COSTS[name](x)
    value, vector = np.array([0.5, -1.25, 2.0, 1.0]), np.array([1.0, -2.0, 0.5, 3.0])
    slope = Computer([x], [sg.grad(cost, x)], "interpret")
    expected = differences(lambda v: slope(v)[0], value)
    got, product = compute(
        [sg.hessian(cost, x), sg.hessian_vector_product(cost, x, p)],
        [x, p],
        [value, vector],
    )
    scale = np.abs(expected).max() + 1
    np.testing.assert_allclose(got, expected, atol=1e-7 * scale)
    np.testing.assert_allclose(got, got.T)
    np.testing.assert_allclose(product, got @ vector, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_hessian_of_several_variables(mode: str) -> None:
    """Diagonal blocks as PyTensor gives them; the product takes all blocks."""
    x, w = sg.dvector("x"), sg.dmatrix("w")
    cost = sg.sum(sg.exp(w @ x))
    blocks = sg.hessian(cost, [x, w])
    cross = sg.jacobian(sg.grad(cost, x), w)
    v, u = np.array([1.0, 2.0]), np.ones((3, 2))
    products = sg.hessian_vector_product(cost, [x, w], [v, u])
    rng = np.random.default_rng(0)
    data = [rng.normal(size=2), rng.normal(size=(3, 2))]
    got = compute([*blocks, cross, *products], [x, w], data, mode)
    assert [np.shape(g) for g in got[:3]] == [(2, 2), (3, 2, 3, 2), (2, 3, 2)]
    first = got[0] @ v + np.einsum("ijk,jk->i", got[2], u)
    second = np.einsum("ijkl,kl->ij", got[1], u) + np.einsum("kij,k->ij", got[2], v)
    np.testing.assert_allclose(got[3], first)
    np.testing.assert_allclose(got[4], second)


def test_hessian_vector_product_takes_a_vector_each() -> None:
    x = sg.dvector("x")
    with pytest.raises(ShapeError, match="a vector has the shape"):
        sg.hessian_vector_product(sg.sum(x), x, sg.dmatrix("p"))


# -- verify_grad -----------------------------------------------------------------------


@op
class Wrong(Elemwise):
    """A square whose gradient forgets the 2."""

    def ref(self, x: Array) -> Array:  # type: ignore[override]
        return x * x

    def vjp(self, g: Variable, y: Variable, x: Variable) -> tuple[Variable]:  # type: ignore[override]
        return (g * x,)


@op
class Twisted(Elemwise):
    """A square whose tangent is wrong."""

    def ref(self, x: Array) -> Array:  # type: ignore[override]
        return x * x

    def vjp(self, g: Variable, y: Variable, x: Variable) -> tuple[Variable]:  # type: ignore[override]
        return (g * x * 2,)

    def jvp(self, y: Variable, xs: Any, ts: Any) -> Variable:  # type: ignore[override]
        return xs[0] * ts[0]


def test_verify_grad_passes() -> None:
    rng = np.random.default_rng(0)
    sg.verify_grad(lambda x, y: sg.tanh(x @ y), [rng.normal(size=(2, 3)), np.ones(3)])
    sg.verify_grad(lambda x: sg.exp(x), [np.array([0.5, 1.0], "float32")])
    sg.verify_grad(lambda x, i: x[i], [np.array([0.5, 1.0]), np.array([1, 1])], rng=rng)
    sg.verify_grad(lambda x: x * 2, [1.0])
    sg.verify_grad(lambda x: sg.sum(x), [np.zeros((0, 2))])


@pytest.mark.parametrize(
    ("made", "message"),
    [(Wrong(), r"argument 0: .* at \[1\]"), (Twisted(), "the tangent")],
)
def test_verify_grad_finds(made: Elemwise, message: str) -> None:
    with pytest.raises(GradientError, match=message):
        sg.verify_grad(lambda x: apply(made, x), [np.array([0.0, 1.5])])


def test_verify_grad_needs_floats() -> None:
    with pytest.raises(SymgraphError, match="no float argument"):
        sg.verify_grad(lambda x: x + 1, [np.array([1, 2])])
