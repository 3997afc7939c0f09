"""How functions with ``device="cuda"`` fail and are made, on a GPU or simulated.

`test_on_device` runs this file in a process of its own: pytest collects it by name.
"""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph import errors
from symgraph.codegen.cuda import launch
from symgraph.codegen.errors import DeviceError
from symgraph.inspect.cost import cost_text

from ..device import limits, real
from .far import Exporter, Producer, far

x, y = sg.dvectors("x y")
m, n = sg.dmatrix("m"), sg.lscalar("n")
labels = sg.lvector("labels")
A = np.array([1.0, 2.0, 4.0])


@pytest.fixture(autouse=True, params=limits(), ids=lambda cut: f"{cut.threads}")
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of few threads; on a GPU, also of as many as there are usually."""
    monkeypatch.setattr(launch, "Limits", lambda: request.param)


# -- failing calls ---------------------------------------------------------------------


def failing(device: str) -> list[Callable[[], Any]]:
    """Calls that fail, early and late, of functions that would also update."""
    updates = {COUNTER: COUNTER + 1, VECTOR: VECTOR * 2}

    def made(inputs: list[Any], output: Any, *values: object) -> Callable[[], Any]:
        f = sg.function(inputs, output, updates=updates, device=device, name="step")
        return lambda: f(*values)

    a = sg.tensor("a", shape=("n", 3))
    b = sg.tensor("b", shape=("n",))
    return [
        made([x, labels], x[labels] * 2, A, [0, -4]),
        made([x, n], x[n], A, 3),
        made([n], sg.full((n,), 1.0), -1),
        made([x], x.max(), np.zeros(0)),
        made([x, y], sg.exp(x) + sg.log(y), A, A[:2]),
        made([x, n], x.reshape((n, 2)), A, 2),
        made([m, x], m @ x, np.ones((2, 3)), np.ones(1)),
        made([a, b], [a + 1, b + 1], np.ones((2, 3)), np.ones(4)),
        made([a, b], [a + 1, b + 1], np.ones((2, 4)), np.ones(2)),
        made([x], x + 1, ["a"]),
        made([x], x + 1, np.ones((2, 2))),
        made([x], x + 1),
    ]


COUNTER, VECTOR = sg.shared(0, "counter"), sg.shared(A, "vector")


def test_errors_are_those_of_the_cpu_and_change_nothing() -> None:
    far([], [], updates={VECTOR: VECTOR * 1})()
    before = VECTOR.storage.box[0]
    assert isinstance(before, sg.DeviceArray)
    pairs = list(zip(failing("cuda"), failing("cpu"), strict=True))
    found = []
    for number, (there, _) in enumerate(pairs):
        with pytest.raises(errors.SymgraphError) as caught:
            there()
        assert COUNTER.get_value() == 0, number
        assert VECTOR.storage.box[0] is before, number
        found.append(caught)
    for number, (_, here) in enumerate(pairs):
        with pytest.raises(errors.SymgraphError) as wanted:
            here()
        assert found[number].type is wanted.type, number
        assert str(found[number].value) == str(wanted.value), number


def test_the_device_goes_on_after_a_failure() -> None:
    w = sg.shared(0)
    f = far([x, labels], x[labels], updates={w: w + 1})
    for _ in range(2):
        with pytest.raises(errors.IndexOutOfBoundsError):
            f(A, [5])
        assert f(A, [1]).to_numpy().tolist() == [2.0]
    assert w.get_value() == 2


def test_too_little_memory_and_a_broken_device(monkeypatch: pytest.MonkeyPatch) -> None:
    w = sg.shared(0)
    f = far([n], sg.arange(n) * 2, updates={w: w + 1})
    with pytest.raises(MemoryError, match="no memory for"):
        f(10**17)

    def broken(*_: Any) -> Any:
        raise DeviceError("an illegal memory access")

    with monkeypatch.context() as changed:
        changed.setattr(launch.CudaProgram, "call", broken)
        with pytest.raises(errors.BrokenDeviceError, match="illegal memory access"):
            f(3)
    assert w.get_value() == 0 and f(2).to_numpy().tolist() == [0, 2]


def test_a_size_of_one_that_meets_others_makes_the_generic_version() -> None:
    f = far([x, y], x * y)
    np.testing.assert_array_equal(f(A, A), A * A)
    assert list(f.versions) == ["fast"]
    np.testing.assert_array_equal(f(A, [2.0]), A * 2)
    np.testing.assert_array_equal(f(sg.DeviceArray([2.0]), A), A * 2)
    assert list(f.versions) == ["fast", "generic"]
    with pytest.raises(errors.ShapeError, match="sizes 2 and 3"):
        f(A, A[:2])


# -- what is refused -------------------------------------------------------------------


def test_functions_of_the_host_are_named_with_their_line() -> None:
    ordered = sg.from_numpy_function(np.sort)
    made = ordered(x * 2)  # the line that the message shows
    with pytest.raises(errors.UnsupportedError) as caught:
        far([x], made + 1, name="step")
    text = str(caught.value)
    for part in (
        *("step: sort is a function of the host", "the line that the message shows"),
        *("help: let it run on the host", "on_host=['sort'] or on_host=True"),
        "compute that part in a function of its own with device='cpu'",
    ):
        assert part in text
    near = sg.function([x], made)
    got = far([y], y + 1)(near([3.0, 1.0]))
    assert got.to_numpy().tolist() == [3.0, 7.0]
    for stage in ("cuda", "ptx"):
        with pytest.raises(errors.UnsupportedError, match="function of the host"):
            near.source(stage)


def test_other_modes_are_refused() -> None:
    for mode in ("interpret", "debug"):
        with pytest.raises(errors.UnsupportedError, match=f"mode '{mode}' runs on the"):
            far([x], x, mode=mode)
        with pytest.raises(errors.UnsupportedError, match=mode):
            far([x], x).with_mode(mode)
    f = far([x], sg.log(1 + x), mode=sg.Mode().excluding("stabilize"))
    np.testing.assert_allclose(f(A), np.log1p(A))


def test_looking_inside() -> None:
    f = far([x], sg.exp(x) @ sg.exp(x), name="step")
    f(A)
    assert f.device == "cuda" and repr(f).endswith(" on cuda>")
    assert f.report.kernels == len(f.program.steps) and f.report.rewrite_time > 0
    assert not f.from_cache
    assert "def " in f.source("cuda") and "define" in f.source("llvm")
    if real():
        assert ".entry" in f.source("ptx")
    else:  # the simulator compiles nothing
        with pytest.raises(errors.UnsupportedError, match="step has no PTX"):
            f.source("ptx")
    with pytest.raises(errors.UnsupportedError, match="steps are not timed"):
        f.profile.calls(3, A)
    cost = f.cost(sg.DeviceArray(A))
    assert bool(cost.kernels) == real()
    here = sg.function([x], sg.exp(x) @ sg.exp(x), name="step").cost(A)
    assert replace(cost, kernels=()) == here
    assert cost_text(cost)
    assert f.explored()["name"] == f.explored(["stabilize"])["name"] == "step"
    f.trim()
    assert sg.explain(f).steps is not None


# -- where things are compiled ---------------------------------------------------------


def test_the_device_of_a_block_is_that_of_its_thread() -> None:
    with sg.device("cuda"):
        f = sg.function([x], x + 1)
        assert sg.function([x], x, device="cpu").device == "cpu"
        with sg.device("cpu"):
            assert sg.function([x], x).device == "cpu"
        seen: list[str] = []
        other = threading.Thread(target=lambda: seen.append(sg.function([x], x).device))
        other.start()
        other.join()
        assert sg.explain(x * 1).steps is not None
    assert f.device == "cuda" and seen == ["cpu"]
    assert sg.function([x], x).device == "cpu"
    with pytest.raises(errors.UnsupportedError, match="device 'tpu' is not supported"):
        sg.device("tpu")


def test_copies_keep_the_device_or_change_it() -> None:
    w, table = sg.shared(A, "w"), sg.constant(np.arange(3.0))
    f = far([x], {"r": (w * table).sum()}, updates={w: w + x}, name="step")
    f(A)
    for g in (pickle.loads(pickle.dumps(f)), copy.deepcopy(f)):
        assert g.device == "cuda" and g.name == "step"
        assert g(A)["r"].item() == 20.0 and g(A)["r"].item() == 30.0
    np.testing.assert_array_equal(w.get_value(), A * 2)
    for g, device in (
        (f.copy(), "cuda"),
        (copy.copy(f), "cuda"),
        (f.copy("cpu"), "cpu"),
    ):
        assert g.device == device
        g(A)
    assert f.copy("cpu").copy("cuda").device == "cuda"
    np.testing.assert_array_equal(w.get_value(), A * 5)
    with pytest.raises(errors.UnsupportedError, match="tpu"):
        f.copy(device="tpu")


def test_outputs_of_a_computed_length() -> None:
    values = sg.scan(
        lambda v, a: (a * 0.5 + v, sg.until(v > 3)), sequences=x, outputs_info=0.0
    )
    near = sg.function([x], values * 2)
    there = near.copy("cuda")
    for f in (
        there,
        pickle.loads(pickle.dumps(there)),
        pickle.loads(pickle.dumps(near)),
    ):
        for given in ([1.0, 5.0, 1.0], [1.0, 2.0], [9.0]):
            got, want = f(given), near(given)
            assert got.shape == want.shape
            np.testing.assert_allclose(np.asarray(got), want)


def test_jit() -> None:
    @sg.jit(device="cuda")
    def scaled(rows: Any, factor: Any) -> Any:
        return {"rows": rows["a"] * factor, "sum": sg.sum(rows["a"])}

    got = scaled({"a": A}, 2.0)
    assert isinstance(got["rows"], sg.DeviceArray) and got["sum"].item() == 7.0
    again = scaled({"a": got["rows"]}, factor=got["sum"])
    np.testing.assert_array_equal(again["rows"], A * 14)
    np.testing.assert_array_equal(scaled({"a": Producer(A)}, 1.0)["rows"], A)
    np.testing.assert_array_equal(scaled({"a": Exporter(A)}, 1.0)["rows"], A)
    assert scaled.cache_info().currsize == 1
    with pytest.raises(errors.ShapeError, match="not in C order"):
        scaled({"a": Producer(np.ones((2, 3)).T)}, 1.0)

    @sg.jit
    def plus(a: Any) -> Any:
        return a + 1

    assert isinstance(plus(A), np.ndarray)
    with sg.device("cuda"):
        assert isinstance(plus(plus(A)), sg.DeviceArray)
    assert isinstance(plus(A), np.ndarray) and plus.cache_info().currsize == 2


def test_calls_from_several_threads() -> None:
    w = sg.shared(np.zeros(3))
    add, double = far([x], w.sum(), updates={w: w + x}), far([x], x * 2)
    near = sg.function([x], w.sum(), updates={w: w + x})
    results: list[Any] = []

    def work() -> None:
        for _ in range(5):
            add(A)
            near(A)
            results.append(double(A).to_numpy())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20 and all(np.array_equal(r, A * 2) for r in results)
    np.testing.assert_array_equal(w.get_value(), A * 40)
