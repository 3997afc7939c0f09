"""complex64 and complex128: promotion, values, gradients, and what is refused."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph import ops
from symgraph.errors import DTypeError
from symgraph.evaluate import evaluate
from symgraph.inspect.json_form import graph_json
from symgraph.op import Array
from symgraph.types import COMPLEX
from symgraph.variable import Variable, constant

from ..support import MODES, Computer, assert_same, compute
from .loops import run_loops

RNG = np.random.default_rng(5)
Z = RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3))
W = RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3))
X = RNG.normal(size=(3, 3))


# -- types -----------------------------------------------------------------------------


def test_promotion_is_numpys() -> None:
    f, i, z = sg.fvector("f"), sg.ivector("i"), sg.cvector("z")
    assert (f + 1j).dtype == "complex64" and (i * 1j).dtype == "complex128"
    assert (z * 2.5).dtype == "complex64" and (z + i).dtype == "complex128"
    assert (z / 3).dtype == "complex64" and sg.mean(z).dtype == "complex64"
    for part in (abs(z), z.real, z.imag, sg.angle(z)):
        assert part.dtype == "float32"
    assert sg.constant(1j).dtype == sg.zscalar("s").dtype == "complex128"
    assert sg.iscomplexobj(z) and not sg.iscomplexobj(f)
    assert sg.real(f).same(f) and sg.conj(f).same(f)


@pytest.mark.parametrize(
    "build",
    [
        lambda z: z < z,
        lambda z: sg.maximum(z, 1),
        lambda z: sg.max(z),
        lambda z: sg.floor(z),
        lambda z: z // 2,
        lambda z: z % 2,
        lambda z: z & 1,
        lambda z: sg.clip(z, 0, 1),
        lambda z: sg.prod(z),
        lambda z: sg.softmax(z),
        lambda z: sg.copysign(z, 1),
        lambda z: sg.isposinf(z),
        lambda z: sg.fabs(z),
    ],
)
def test_what_has_no_complex_meaning_is_refused(
    build: Callable[[Variable], Variable],
) -> None:
    with pytest.raises(DTypeError, match=r"(?s)complex.*help:"):
        build(sg.zmatrix("z"))


def test_arguments() -> None:
    z, x = sg.cvector("z"), sg.dvector("x")
    f = sg.function([z, x], z * 2, on_unused_input="ignore")
    ones = np.ones(2)
    for given in ([1, 2j], np.array([1, 2j], "complex64"), np.ones(2, "float32")):
        assert_same(f(given, ones), np.asarray(given, "complex64") * 2, "taken")
    with pytest.raises(DTypeError, match="complex64 without loss"):
        f(np.array([1j]), [1.0])
    with pytest.raises(DTypeError, match="take the part that you mean"):
        f([1.0], np.array([1j]))
    strided = np.arange(8, dtype="complex64")[::2]
    assert_same(f(strided, ones), strided * 2, "strided")


def test_shared_variables_and_scalars() -> None:
    state, step = sg.shared(1j, name="state"), sg.zscalar("step")
    f = sg.function([step], [state, abs(state)], updates=[(state, state * step)])
    old, size = f(2 + 1j)
    assert type(old) is np.complex128 and old == 1j and size == 1.0
    assert state.get_value() == 1j * (2 + 1j)
    big = sg.constant(W)
    z = sg.zmatrix("z")
    assert_same(sg.function([z], big * z + big)(Z), W * Z + W, "large constants")
    a, b, c = sg.function([z], [z, z, big])(Z)
    assert a is not b and (a == Z).all() and (b == Z).all() and (c == W).all()


def test_graphs_with_complex_constants_are_plain_data() -> None:
    z = sg.zvector("z")
    data = graph_json(sg.Graph([z], [z * complex(2, np.inf)]))
    values = [node["value"] for node in data["nodes"] if "value" in node]
    assert values == [[[2.0, "inf"]]]
    f = sg.function([z], z * (2 + 1j) + W[0])
    again = pickle.loads(pickle.dumps(f))
    assert_same(again(Z[0]), f(Z[0]), "pickled")


def test_loops_show_pairs() -> None:
    z = sg.zvector("z")
    f = sg.function([z], z * 1j)
    assert "x0: float64[n0, 2] complex" in f.source("loops")
    given = np.array([1 + 2j, 3j])
    assert_same(run_loops(f, [given])[0], given * 1j, "loop interpreter")


# -- values ----------------------------------------------------------------------------

PARTS = (0.0, -0.0, 1.0, -2.5, 1e-300, 1e300, np.inf, -np.inf, np.nan)
FINITE = [complex(a, b) for a, b in itertools.product(PARTS[:6], repeat=2)]
SPECIAL = [complex(a, b) for a, b in itertools.product(PARTS, repeat=2)]

#: Functions with NumPy's values for every pair of `PARTS`, and for finite ones.
EVERYWHERE = (abs, sg.isnan, sg.isinf, sg.isfinite, sg.conj, sg.angle, sg.real, sg.sign)
WHERE_FINITE = (sg.sqrt, sg.log, sg.exp, sg.tanh)


def numpy_of(function: Callable[..., Any]) -> Callable[..., Any]:
    name = function.__name__
    return np.abs if name == "abs" else getattr(np, name)


@pytest.mark.parametrize("mode", MODES)
def test_special_values(mode: str) -> None:
    z, w = sg.zvector("z"), sg.zvector("w")
    pairs = [(a, b) for a in SPECIAL for b in FINITE if abs(a) < 1e200 or b]
    left, right = (np.array(v) for v in zip(*pairs, strict=True))
    run = Computer([z, w], [*(f(z) for f in EVERYWHERE), z * w, z == w], mode)
    with np.errstate(all="ignore"):
        expected = [numpy_of(f)(left) for f in EVERYWHERE]
        expected += [left * right, left == right]
    for number, (got, wanted) in enumerate(
        zip(run(left, right), expected, strict=True)
    ):
        # Products of extremes may be contracted with a sum (fma), and differ.
        rest = [plain(a) and plain(b) for a, b in pairs] if number == 8 else ...
        compare(got[rest], wanted[rest], f"{number}")
    run = Computer([z], [f(z) for f in WHERE_FINITE], mode)
    finite = np.array(FINITE)
    with np.errstate(all="ignore"):
        expected = [numpy_of(f)(finite) for f in WHERE_FINITE]
    for got, wanted, f in zip(run(finite), expected, WHERE_FINITE, strict=True):
        compare(got, wanted, f.__name__)


def plain(number: complex) -> bool:
    """Whether no part is near the ends of the range of floats."""
    parts = np.abs([number.real, number.imag])
    return not np.isin(parts, (1e-300, 1e300)).any()


def compare(got: Array, expected: Array, note: str) -> None:
    """Each element within a relative error by its own larger part."""
    assert got.dtype == expected.dtype
    if expected.dtype.kind != "c":
        np.testing.assert_allclose(got, expected, rtol=1e-14, err_msg=note)
        return
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(expected.real), np.abs(expected.imag))
    bound = 1e-13 * np.where(np.isfinite(size), size, 0)
    for mine, theirs in ((got.real, expected.real), (got.imag, expected.imag)):
        with np.errstate(all="ignore"):
            near = np.abs(mine - theirs) <= bound
        same = (mine == theirs) | (np.isnan(mine) & np.isnan(theirs)) | near
        np.testing.assert_array_equal(same, True, err_msg=note)


@pytest.mark.parametrize("mode", MODES)
def test_quotients_do_not_overflow(mode: str) -> None:
    z, w = sg.zvector("z"), sg.zvector("w")
    pairs = [(a, b) for a in FINITE for b in FINITE]
    left, right = (np.array(v) for v in zip(*pairs, strict=True))
    (got,) = compute([z / w], [z, w], [left, right], mode)
    with np.errstate(all="ignore"):
        compare(got, left / right, "quotients")


#: Functions of arrays, by the names that both have.
STRUCTURAL: dict[str, Callable[[Any, Any], Any]] = {
    "cumsum": lambda m, z: m.cumsum(z, 1),
    "roll": lambda m, z: m.roll(z, 2, 1),
    "var": lambda m, z: m.var(z, 0),
    "std": lambda m, z: m.std(z),
    "norm": lambda m, z: m.linalg.vector_norm(z, axis=1),
    "vdot": lambda m, z: m.vdot(z, z * 1j),
    "diagonal": lambda m, z: m.diagonal(z),
    "trace": lambda m, z: m.trace(z),
    "tril": lambda m, z: m.tril(z),
    "stack": lambda m, z: m.stack([z, z * 2]),
    "flip": lambda m, z: m.flip(z),
    "einsum": lambda m, z: m.einsum("ij,kj->ik", z, z),
    "outer": lambda m, z: m.outer(z, z),
    "square": lambda m, z: m.square(z) + m.reciprocal(z),
    "isclose": lambda m, z: m.isclose(z, z + 1e-9j),
    "nan_to_num": lambda m, z: m.nan_to_num(z / (z - z[0])),
    "float_power": lambda m, z: m.float_power(z, 0.5),
    "bool": lambda m, z: m.logical_not(z - z[0]),
    "where": lambda m, z: m.where(z.real > 0, z, 0),
}


@pytest.mark.parametrize("mode", MODES)
def test_structure(mode: str) -> None:
    z = sg.zmatrix("z")
    run = Computer([z], [f(sg, z) for f in STRUCTURAL.values()], mode)
    for got, (name, f) in zip(run(Z), STRUCTURAL.items(), strict=True):
        with np.errstate(all="ignore"):
            assert_same(got, f(np, Z), name)
    with pytest.raises(DTypeError, match="cumulative_prod"):
        sg.cumprod(z)


# -- gradients -------------------------------------------------------------------------

FUNCTIONS: dict[str, Callable[[Variable, Variable], Variable]] = {
    "product": lambda z, x: z * W * x,
    "quotient": lambda z, x: W / z + z / (x + 3j),
    "abs": lambda z, x: abs(z) * x + abs(z) ** 2,
    "angle": lambda z, x: sg.angle(z) * x,
    "exp": lambda z, x: sg.exp(z * x) + sg.exp2(z),
    "log": lambda z, x: sg.log(z + x) + sg.log10(z),
    "sqrt": lambda z, x: sg.sqrt(z + x),
    "waves": lambda z, x: sg.sin(z) * sg.cos(x * z) + sg.tan(z),
    "hyperbolic": lambda z, x: sg.sinh(z) + sg.cosh(z * x) + sg.tanh(z),
    "conj": lambda z, x: z.conj() * x * z,
    "parts": lambda z, x: z.real * x + 1j * z.imag * z,
    "matmul": lambda z, x: z @ W @ x + z.T @ z,
    "structure": lambda z, x: sg.sum(z, 0) * x + sg.mean(z) * z[::-1].T,
    "indices": lambda z, x: z[[0, 2, 0]] * x[:1],
    "sign": lambda z, x: sg.sign(z) * x,
    "power": lambda z, x: z**3 + z**-2 + z**x + z**z,
    "where": lambda z, x: sg.where(x > 0, z * z, x),
    "real result": lambda z, x: x * x + z.real,
}


def cost_of(value: Variable) -> Variable:
    return ops.sum(sg.real(value) * 1.3 + sg.imag(value) * 0.7)


def differences(cost: Variable, z: Variable, x: Variable) -> tuple[Array, Array]:
    """df/dx - i df/dy for `z`, and the gradient for the real `x`."""

    def at(dz: complex, dx: float, place: tuple[int, ...]) -> float:
        moved_z, moved_x = Z.copy(), X.copy()
        moved_z[place] += dz
        moved_x[place] += dx
        return float(evaluate([cost.node], {z.node: moved_z, x.node: moved_x})[0])

    step = 1e-6
    by_z, by_x = np.zeros_like(Z), np.zeros_like(X)
    for place in np.ndindex(Z.shape):
        for direction, factor in ((1, 1), (1j, -1j)):
            change = at(direction * step, 0, place) - at(-direction * step, 0, place)
            by_z[place] += factor * change / (2 * step)
        by_x[place] = (at(0, step, place) - at(0, -step, place)) / (2 * step)
    return by_z, by_x


def test_gradients() -> None:
    z, x = sg.zmatrix("z"), sg.dmatrix("x")
    costs = [cost_of(f(z, x)) for f in FUNCTIONS.values()]
    grads = [sg.grad(c, [z, x], disconnected_inputs="ignore") for c in costs]
    for mode in MODES:
        run = Computer([z, x], [g for pair in grads for g in pair], mode)
        results = iter(run(Z, X))
        for name, cost in zip(FUNCTIONS, costs, strict=True):
            for expected in differences(cost, z, x):
                got = next(results)
                assert got.dtype == expected.dtype
                scale = max(1.0, np.abs(expected).max())
                np.testing.assert_allclose(
                    got, expected, rtol=0, atol=1e-6 * scale, err_msg=f"{name}, {mode}"
                )


def test_tangents() -> None:
    """By differences along a direction; vectors of everything that is not linear."""
    z, t = sg.zmatrix("z"), sg.zmatrix("t")
    names = ("abs", "angle", "conj", "parts", "exp", "waves", "matmul", "structure")
    values = [FUNCTIONS[name](z, constant(X)) for name in names]
    outputs = [sg.jvp(value, z, t) for value in values]
    step = 1e-6
    got = compute(outputs, [z, t], [Z, W])
    ends = [compute(values, [z], [Z + s * W]) for s in (step, -step)]
    for name, tangent, above, below in zip(names, got, *ends, strict=True):
        expected = (above - below) / (2 * step)
        np.testing.assert_allclose(tangent, expected, atol=1e-7, err_msg=name)


def test_gradients_at_zero() -> None:
    z = sg.zscalar("z")
    assert sg.grad(abs(z), z).eval({z: 0j}) == 0
    assert sg.grad(z.imag, z).eval({z: 1j}) == -1j
    with pytest.raises(DTypeError, match=r"sg\.real"):
        sg.grad(z * z, z)


@pytest.mark.parametrize("dtype", COMPLEX)
def test_second_derivatives(dtype: str) -> None:
    """Of Re(z**4), whose derivative 4 z**3 is holomorphic."""
    z = sg.tensor("z", dtype)
    first = sg.grad(sg.real(z**4), z)
    second = sg.grad(sg.real(first), z)
    value = np.asarray(1.5 - 0.5j, dtype)
    for mode in MODES:
        one, two = compute([first, second], [z], [value], mode)
        assert one.dtype == two.dtype == dtype
        np.testing.assert_allclose([one, two], [4 * value**3, 12 * value**2], rtol=1e-5)
