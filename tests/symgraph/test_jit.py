"""Functions traced when they are called: once per types, never per shape."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import SymgraphError

Pair = namedtuple("Pair", "first second")


@sg.jit
def module_level(x):
    return x + 1


def test_traced_once_per_types_and_never_per_shape() -> None:
    traced = []

    @sg.jit
    def f(x, y):
        traced.append((x.type, y.type))
        return sg.sum(x * y, axis=-1)

    for size in (3, 1, 0, 70):
        x = np.ones((2, size))
        np.testing.assert_array_equal(f(x, x), x.sum(axis=-1))
        np.testing.assert_array_equal(f(x, y=x[:1]), x.sum(axis=-1))
    assert len(traced) == 1
    assert f(np.ones(3, "float32"), np.ones(3)).dtype == "float64"
    f(np.ones(3), np.ones((2, 3)))
    f(np.asfortranarray(np.ones((2, 3))), np.ones((4, 3))[::2])
    assert len(traced) == 3
    info = f.cache_info()
    assert (info.misses, info.currsize) == (3, 3) and info.hits == 8
    f.cache_clear()
    assert f.cache_info() == (0, 0, 0)
    f(np.ones(3), np.ones(3))
    assert len(traced) == 4


def test_structures_in_and_out() -> None:
    @sg.jit
    def step(params, batch, *rest, scale=2.0, **options):
        w, b = params["w"], params["b"]
        x, y = batch
        extra = sg.zeros(()) if not rest else rest[0]
        out = {"y": (x @ w + b) * scale + extra, "none": None}
        return Pair(out, [y, options.get("shift", 0)])

    params = {"w": np.eye(2), "b": np.ones(2)}
    batch = (np.arange(4.0).reshape(2, 2), [np.zeros(1), 3])
    made = step(params, batch)
    assert isinstance(made, Pair) and list(made.first) == ["y", "none"]
    np.testing.assert_array_equal(made.first["y"], (batch[0] + 1) * 2)
    assert made.first["none"] is None
    assert isinstance(made.second[0], list) and made.second[0][1] == 3
    assert made.second[1] == 0
    other = step(params, batch, np.float32(5), scale=1.0, shift=np.arange(2))
    np.testing.assert_array_equal(other.first["y"], batch[0] + 1 + 5)
    np.testing.assert_array_equal(other.second[1], [0, 1])
    assert step.cache_info().currsize == 2


def test_numbers_are_inputs_and_static_arguments_are_not() -> None:
    seen = []

    @sg.jit(static_argnames=("n", "kind"), name="power")
    def power(x, n, kind="plain"):
        seen.append((n, kind))
        result = 1.0
        for _ in range(n):
            result = result * x
        return result

    assert power(3.0, 2) == 9.0 and power(4.0, n=2) == 16.0
    assert seen == [(2, "plain")]
    assert power(2, 3, kind="other") == 8.0
    assert power(np.float32(2), True) == 2.0
    assert power(np.float32(2), 1) == 2.0
    assert len(seen) == 4
    kinds = [p.type.dtype for p in power.function(2, 3, kind="other").graph.inputs]
    assert kinds == ["int64"]
    assert "power" in repr(power)
    assert power.function(2.0, 2).name == "power"
    assert power.function is not None and power.lower(2.0, 2)(5.0) == 25.0


class Model:
    """Methods are compiled for each object."""

    def __init__(self, slope: float) -> None:
        self.slope = slope
        self.traces = 0

    @sg.jit
    def apply(self, x, shift=0.0):
        """Doc of apply."""
        self.traces += 1
        return x * self.slope + shift

    @sg.jit(static_argnames="n")
    def power(self, x, n):
        return self.slope * x**n

    @sg.jit
    def total(*xs):
        return sum(xs[1:]) * xs[0].slope

    @classmethod
    @sg.jit
    def made(cls, x):
        return x + len(cls.__name__)

    @staticmethod
    @sg.jit
    def plain(x):
        return x - 1


def test_methods() -> None:
    one, two = Model(2.0), Model(3.0)
    x = np.arange(3.0)
    for _ in range(2):
        np.testing.assert_array_equal(one.apply(x), 2 * x)
        np.testing.assert_array_equal(two.apply(x, shift=1.0), 3 * x + 1)
    assert one.traces == two.traces == 1
    np.testing.assert_array_equal(two.power(x, n=2), 3 * x**2)
    np.testing.assert_array_equal(Model.made(x), x + 5)
    np.testing.assert_array_equal(one.plain(x), x - 1)
    assert one.total(1.0, 2.0) == 6.0
    assert Model.apply.__doc__ == "Doc of apply."
    before = one.apply.cache_info().currsize
    moved = copy.copy(one)
    moved.slope = 7.0
    np.testing.assert_array_equal(moved.apply(x), 7 * x)
    assert one.apply.function(x) is one.apply.function(x)
    assert one.apply.function(x) is not moved.apply.function(x)
    del moved, one
    gc.collect()
    assert Model.apply.cache_info().currsize < before + 1


class Slotted:
    __slots__ = ("factor",)

    def __init__(self, factor: float) -> None:
        self.factor = factor

    @sg.jit(mode="interpret")
    def apply(self, x):
        return x * self.factor


def test_methods_of_objects_without_weak_references() -> None:
    values = [Slotted(float(k)).apply(np.ones(())) for k in range(20)]
    assert values == list(range(20))


def test_what_a_function_closes_over() -> None:
    table = np.arange(5.0)
    total = sg.shared(0.0, name="total")
    stream = sg.random.Stream(2)

    @sg.jit
    def f(i):
        return sg.take(sg.constant(table), i) + table[1] + total, stream.uniform()

    value, first = f(np.array([2, 3]))
    np.testing.assert_array_equal(value, [3.0, 4.0])
    total.set_value(10.0)
    value, second = f(np.array([0, 4]))
    np.testing.assert_array_equal(value, [11.0, 15.0])
    assert first != second


def test_traced_into_other_graphs() -> None:
    @sg.jit
    def inner(x):
        return sg.exp(x) - 1

    @sg.jit
    def outer(x):
        return inner(x) * 2

    np.testing.assert_allclose(outer(np.ones(2)), 2 * (np.e - 1))
    assert inner.cache_info().currsize == 0
    x = sg.dscalar("x")
    assert sg.function([x], sg.grad(inner(x), x))(0.0) == 1.0
    with pytest.raises(SymgraphError, match="symbolic"):
        inner.function(x)


def test_mistakes_are_named() -> None:
    @sg.jit
    def branch(x):
        return x if x > 0 else -x

    with pytest.raises(SymgraphError, match=r"sg\.where") as caught:
        branch(np.float64(1.0))
    assert "return x if x > 0 else -x" in str(caught.value)
    with pytest.raises(SymgraphError, match=r"returned .* no array"):
        sg.jit(lambda x: "text")(1.0)
    with pytest.raises(SymgraphError, match=r"(?s)'x'.*static_argnames"):
        sg.jit(lambda x: 1.0)("text")
    with pytest.raises(SymgraphError, match="no parameter 'z'"):
        sg.jit(lambda x: x, static_argnames="z")
    with pytest.raises(SymgraphError, match="not hashable"):
        sg.jit(lambda x, n: x, static_argnames="n")(1.0, [1])
    with pytest.raises(SymgraphError, match="options are given by name"):
        sg.jit(("n",))
    with pytest.raises(TypeError, match="missing a required argument"):
        sg.jit(lambda x: x)()
    with pytest.raises(TypeError):
        sg.jit(lambda x: x)(np.array(["text"]))
    failed = branch.cache_info()
    assert failed.currsize == 0


def test_modes_names_and_nothing() -> None:
    f = sg.jit(lambda: None, mode="interpret")
    assert f() is None
    g = sg.jit(lambda x: (x, x + 1), mode="interpret")
    assert g(3) == (3, 4)
    assert sg.jit(lambda *xs: sum(xs))(1.0, np.float32(2)) == 3.0
    with sg.config.flags(floatX="float32"):
        assert sg.jit(lambda x: x)(1.5).dtype == "float32"
    assert module_level(1) == 2
    assert pickle.loads(pickle.dumps(module_level)) is module_level
    assert copy.deepcopy(module_level) is module_level
    assert module_level.__name__ == "module_level"


def test_threads_share_one_compilation() -> None:
    traced: list[Any] = []
    gate = threading.Barrier(4)

    @sg.jit
    def f(x):
        traced.append(x)
        return sg.tanh(x) * 2

    results: list[Any] = []

    def work() -> None:
        gate.wait()
        results.append(f(np.ones(3)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(traced) == 1 and len(results) == 4
