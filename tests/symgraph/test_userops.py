"""Ops of the user's own: NumPy functions, numba functions, graphs, and classes."""

from __future__ import annotations

import gc
import io
import pickle
import threading
import traceback
from typing import Any, ClassVar

import numpy as np
import pytest
import scipy.special

import symgraph as sg
from symgraph.codegen.parse import parse_program
from symgraph.codegen.run import run_program
from symgraph.codegen.text import print_program
from symgraph.composite import Composite
from symgraph.errors import (
    DTypeError,
    NotDifferentiableError,
    ShapeError,
    SymgraphError,
    UnsupportedError,
)
from symgraph.op import Array, Elemwise, op
from symgraph.variable import Variable, apply

from ..support import MODES, compute


def double_and_sort(x: Array) -> Array:
    return np.sort(2 * x)


# -- NumPy -----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_numpy_functions_inside_a_program(mode: str) -> None:
    """Between kernels, on values of unknown sizes, of several dtypes and ranks."""
    seen: list[tuple[Any, ...]] = []

    def rows(table: Array, keep: Array, scale: Array) -> Array:
        seen.append((table.dtype, table.shape, keep.dtype, scale.shape))
        assert table.flags.writeable and table.flags.owndata
        return table[keep.astype(bool)[: len(table)]].sum(axis=0) * scale

    chosen = sg.from_numpy_function(rows, lambda t, k, s: (t.dtype, (t.shape[1],)))
    t, k = sg.fmatrix("t"), sg.tensor("k", "int8", (None,))
    middle = chosen(sg.exp(t), k > 0, np.float32(2))
    outputs = [middle.sum(), middle * 2, sg.from_numpy_function(np.cumsum)(middle)]
    for shape in ((4, 3), (1, 5), (2, 0), (0, 2)):
        table = np.arange(np.prod(shape), dtype="float32").reshape(shape) / 10
        keep = np.array([1, 0, 1, 0], "int8")[: shape[0]]
        got = compute(outputs, [t, k], [table, keep], mode)
        expected = 2 * np.exp(table[keep > 0]).sum(axis=0)
        for value, wanted in zip(
            got, [expected.sum(), expected * 2, np.cumsum(expected)], strict=True
        ):
            assert value.dtype == "float32"
            np.testing.assert_allclose(value, wanted, rtol=1e-6)
    assert {(str(s[0]), str(s[2]), s[3]) for s in seen} == {("float32", "bool", ())}


def test_numpy_functions_appear_in_dumps_and_text() -> None:
    x = sg.dvector("x")
    ordered = sg.from_numpy_function(double_and_sort)
    f = sg.function([x], ordered(x + 1) + ordered(x - 1))
    text = f.source("loops")
    assert text.count("call f") == 2
    shown = io.StringIO()
    sg.dprint(f, shown)
    assert "double_and_sort" in shown.getvalue()
    program = parse_program(text)
    assert print_program(program) == text
    assert program.functions == ("f0", "f1") and f.report.library_calls == 2
    value = np.array([3.0, 1.0, 2.0])

    def called(read: Array, written: Array) -> bool:
        written[...] = double_and_sort(read)
        return True

    result = run_program(program, {"x0": value}, {"f0": called, "f1": called})
    np.testing.assert_array_equal(result.results[0], f(value))
    assert f(value).tolist() == [4.0, 8.0, 12.0]


def test_an_exception_comes_out_and_nothing_is_updated() -> None:
    total, x = sg.shared(1.0, name="total"), sg.dscalar("x")

    def picky(value: Array) -> Array:
        if value < 0:
            raise KeyError("negative")
        return value

    checked = sg.from_numpy_function(picky)
    f = sg.function([x], checked(x) + 1, updates={total: total + checked(2 * x)})
    assert f(1.0) == 2.0 and total.get_value() == 3.0
    for _ in range(3):
        with pytest.raises(KeyError, match="negative") as caught:
            f(-1.0)
        names = [
            frame.name for frame in traceback.extract_tb(caught.value.__traceback__)
        ]
        assert names[-1] == "picky" and "_call" not in names
        assert total.get_value() == 3.0
    assert f(2.0) == 3.0 and total.get_value() == 7.0
    stop = sg.from_numpy_function(lambda v: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        sg.function([x], stop(x))(1.0)


@pytest.mark.parametrize("mode", ["fast", "interpret"])
def test_what_a_function_returns_is_checked(mode: str) -> None:
    x = sg.dvector("x")
    for fn, error in (
        (lambda v: v.astype("float32"), DTypeError),
        (lambda v: v[:1], ShapeError),
        (lambda v: None, DTypeError),
    ):
        f = sg.function([x], sg.from_numpy_function(fn, name="odd")(x), mode=mode)
        with pytest.raises(error, match="odd: the function returned"):
            f(np.ones(3))
    with pytest.raises(SymgraphError, match="no operands"):
        sg.from_numpy_function(np.ones)()
    with pytest.raises(TypeError):
        sg.from_numpy_function(np.sort, lambda v: ("text", v.shape))(x)


def test_gradients_of_numpy_functions() -> None:
    gamma = sg.from_numpy_function(
        scipy.special.gamma,
        vjp=lambda g, y, x: g * y * digamma(x),
        name="gamma",
    )
    digamma = sg.from_numpy_function(scipy.special.digamma, name="digamma")
    x = sg.dvector("x")
    value = np.array([0.5, 3.0])
    (slope,) = compute([sg.grad(gamma(x).sum(), x)], [x], [value], "fast")
    expected = scipy.special.gamma(value) * scipy.special.digamma(value)
    np.testing.assert_allclose(slope, expected, rtol=1e-12)
    with pytest.raises(NotDifferentiableError, match="digamma"):
        sg.grad(digamma(x).sum(), x)


def test_calls_from_threads_and_within_calls() -> None:
    """A function that calls a compiled function, which uses the threads too."""
    x = sg.dvector("x")
    inner = sg.function([x], sg.exp(x) + sg.sum(x))
    outer = sg.function([x], sg.from_numpy_function(lambda v: inner(v))(x * 1.0) * 2)
    value = np.linspace(0, 1, 400_001)
    expected = 2 * inner(value)
    results: list[Any] = []

    def work() -> None:
        for _ in range(3):
            results.append(outer(value))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_functions_that_call_pickle_and_stay_alive() -> None:
    x = sg.dvector("x")
    f = sg.function([x], sg.from_numpy_function(double_and_sort)(x))
    assert not f.from_cache
    again = sg.function([x], sg.from_numpy_function(double_and_sort)(x))
    assert not again.from_cache
    for other in (f.copy(), pickle.loads(pickle.dumps(f))):
        assert other([2.0, 1.0]).tolist() == [2.0, 4.0]
    g = sg.function([x], sg.from_numpy_function(lambda v: v + 1)(x))
    gc.collect()
    assert g([1.0]).tolist() == [2.0]


# -- numba -----------------------------------------------------------------------------


def collatz(n: int) -> int:
    return n // 2 if n % 2 == 0 else 3 * n + 1


def mixed(a: float, b: int, c: bool) -> float:
    return a / b if c else a


@pytest.mark.parametrize("mode", MODES)
def test_numba_functions(mode: str) -> None:
    a, b = sg.tensor("a", "float32", (None, 1)), sg.ivector("b")
    combined = sg.from_numba_function(mixed)(a * 2, b, b > 1)
    steps = sg.from_numba_function(collatz, "int32")(b)
    assert combined.dtype == "float64" and steps.dtype == "int32"
    values = [np.array([[1.0], [2.0]], "float32"), np.array([0, 2, 5], "int32")]
    got, counted = compute([combined + 1, steps], [a, b], values, mode)
    kept = np.where(values[1] > 1, values[1], 1)
    np.testing.assert_allclose(got, 1 + 2 * values[0] / kept, rtol=1e-6)
    np.testing.assert_array_equal(counted, [0, 1, 16])
    empty = [np.zeros((0, 1), "float32"), values[1]]
    got, _ = compute([combined, steps], [a, b], empty, mode)
    assert got.shape == (0, 3)
    x, y = sg.dvector("x"), sg.dvector("y")
    product = sg.from_numba_function(lambda p, q: p * q, name="product")(x, y)
    (stretched,) = compute([product], [x, y], [np.ones(3), np.full(1, 2.0)], mode)
    np.testing.assert_array_equal(stretched, 2.0)
    (scalar,) = compute([sg.from_numba_function(collatz)(b[1])], [b], [values[1]], mode)
    assert scalar == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_numba_functions_that_numba_has_compiled() -> None:
    import numba

    x = sg.dvector("x")
    made = numba.njit(lambda v: v + 1.0)
    bare = numba.cfunc("float64(float64)")(lambda v: v * 3.0)
    f = sg.function(
        [x], [sg.from_numba_function(made)(x), sg.from_numba_function(bare)(x)]
    )
    gc.collect()
    assert [v.tolist() for v in f([1.0])] == [[2.0], [3.0]]

    def fails(v: float) -> float:
        if v < 0:
            raise ValueError("negative")
        return v

    total = sg.shared(0.0)
    wrong = sg.from_numba_function(fails)(x)
    g = sg.function([x], wrong, updates={total: total + 1})
    assert g([1.0]).tolist() == [1.0]
    with pytest.raises(SymgraphError, match="fails: the function failed"):
        g([-1.0])
    assert total.get_value() == 1.0
    with pytest.raises(SymgraphError, match="fails: the function failed"):
        wrong.eval({x: np.array([-1.0])})
    halved = sg.from_numba_function(lambda v: v / 2, vjp=lambda g, y, v: g / 2)
    assert sg.grad(halved(x).sum(), x).eval({x: np.ones(2)}).tolist() == [0.5, 0.5]


# -- graphs ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_ops_from_graphs(mode: str) -> None:
    a, b, bias = sg.dvector("a"), sg.dscalar("b"), sg.shared(0.5, name="bias")
    both = sg.op_from_graph([a, b], [a * b + bias, sg.sum(a) * b], "affine")
    x = sg.dmatrix("x")
    first, second = both(x[0], x[1, 0])
    assert isinstance(first.op, Composite) and first.op.name == "affine"
    slope = sg.grad(second + first.sum(), x)
    value = np.array([[1.0, 2.0], [3.0, 4.0]])
    got = compute([first, second, slope], [x], [value], mode)
    np.testing.assert_allclose(got[0], value[0] * 3 + 0.5)
    np.testing.assert_allclose(got[1], 9.0)
    np.testing.assert_allclose(got[2], [[6.0, 6.0], [6.0, 0.0]])
    f = sg.function([x], first)
    assert len(f.program.steps) == 1
    shown = io.StringIO()
    sg.dprint(first, shown)
    assert "affine" in shown.getvalue()


def test_gradients_of_ones_own_for_graphs() -> None:
    a = sg.dvector("a")
    straight = sg.op_from_graph(
        [a], sg.where(a > 0, 1.0, 0.0), "straight", vjp=lambda g, y, x: 2 * g
    )
    x = sg.dvector("x")
    y = straight(x)
    assert y.op.name == "straight"
    got = sg.function([x], [y, sg.grad(y.sum(), x)])(np.array([-1.0, 1.0]))
    assert [v.tolist() for v in got] == [[0.0, 1.0], [2.0, 2.0]]


def test_mistakes_with_graphs() -> None:
    a = sg.dvector("a")
    made = sg.op_from_graph([a], a + 1, "plus")
    with pytest.raises(ShapeError, match="plus"):
        made(sg.dmatrix())
    v = sg.fvector()
    with pytest.raises(DTypeError, match="narrow"):
        sg.op_from_graph([v], v * 2, "narrow")(a)
    with pytest.raises(ShapeError, match="2 operands given, it takes 1"):
        made(a, a)
    with pytest.raises(SymgraphError, match="distinct"):
        sg.op_from_graph([a, a], a + 1)
    assert made(np.ones(2, "float32")).dtype == "float64"


# -- classes ---------------------------------------------------------------------------


@op
class Softsign(Elemwise):
    """x / (1 + |x|)."""

    operands: ClassVar[str] = "float"

    def ref(self, x: Array) -> Array:
        return x / (1 + np.abs(x))

    def vjp(self, g: Variable, y: Variable, x: Variable) -> tuple[Variable, ...]:
        return (g / (1 + abs(x)) ** 2,)

    def scalar(self, x: Any) -> Any:
        from symgraph.codegen import ir

        return x / (ir.apply("abs", x) + 1.0)


@op
class Incomplete(Elemwise):
    """An op of which only the meaning is known."""

    def ref(self, x: Array) -> Array:
        return np.cbrt(x)


@pytest.mark.parametrize("mode", MODES)
def test_a_class_of_ones_own(mode: str) -> None:
    x = sg.dmatrix("x")
    y = apply(Softsign(), x)
    value = np.array([[-3.0, 0.0, 1.0]])
    outputs = [y, sg.grad((y * x).sum(), x), sg.jvp(y, x, sg.ones_like(x))]
    got = compute(outputs, [x], [value], mode)
    slope = 1 / (1 + np.abs(value)) ** 2
    np.testing.assert_allclose(got[0], value / (1 + np.abs(value)))
    np.testing.assert_allclose(got[1], value * slope + got[0])
    np.testing.assert_allclose(got[2], slope)
    f = sg.function([x], sg.exp(y) + 1)
    assert len(f.program.steps) == 1 and not f.from_cache


def test_what_a_class_lacks_is_named() -> None:
    x = sg.dvector("x")
    y = apply(Incomplete(), x)
    assert sg.function([x], y, mode="interpret")([8.0]).tolist() == [2.0]
    with pytest.raises(UnsupportedError, match=r"incomplete has no `scalar`"):
        sg.function([x], y)
    with pytest.raises(NotDifferentiableError, match="incomplete"):
        sg.grad(y.sum(), x)


def test_functions_that_are_called_in_debug_mode() -> None:
    x = sg.dvector("x")
    ordered = sg.from_numpy_function(np.sort)(x * 2)
    outputs = [ordered + 1, sg.from_numba_function(halved)(x, ordered)]
    f = sg.function([x], outputs, mode="debug")
    got = f([3.0, 1.0])
    np.testing.assert_array_equal(got, [[3.0, 7.0], [2.0, -2.0]])


def halved(a: float, b: float) -> float:
    return a - b / 2
