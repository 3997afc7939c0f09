"""Functions with ``device="cuda"``: on a GPU, or where numba simulates one.

`test_on_device` runs this file in a process of its own: pytest collects it by name.
"""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph import dlpack, errors
from symgraph.codegen.cuda import launch
from symgraph.codegen.cuda.memory import failures

from ..device import limits, real
from .far import Exporter, Producer, far, taken

x, y = sg.dvectors("x y")
m, n = sg.dmatrix("m"), sg.lscalar("n")
A = np.array([1.0, 2.0, 4.0])


@pytest.fixture(autouse=True, params=limits(), ids=lambda cut: f"{cut.threads}")
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of few threads; on a GPU, also of as many as there are usually."""
    monkeypatch.setattr(launch, "Limits", lambda: request.param)


# -- results ---------------------------------------------------------------------------


def test_results_stay_on_the_device_in_the_structure_of_the_outputs() -> None:
    f = far([x, y], {"sum": x + y, "pair": (x.sum(), [None, y[1:] * 2])})
    got = f(A, y=[1, 2, 3])
    assert type(got["sum"]) is type(got["pair"][0]) is sg.DeviceArray
    assert got["pair"][1][0] is None and got["pair"][1][1].shape == (2,)
    assert np.asarray(got["sum"]).tolist() == [2.0, 4.0, 7.0]
    assert got["pair"][0].shape == () and float(got["pair"][0]) == 7.0
    assert far([], None)() is None
    assert far([], [])() == []


def far_result() -> sg.DeviceArray:
    made = far([m], (m * 2).astype("float32"))(np.arange(6.0).reshape(2, 3))
    assert isinstance(made, sg.DeviceArray)
    return made


def test_what_a_device_array_tells_without_a_copy() -> None:
    r = far_result()
    assert (r.shape, r.ndim, r.size, r.nbytes, len(r)) == ((2, 3), 2, 6, 24, 2)
    assert r.dtype == "float32" and r.dtype is np.dtype("float32")
    assert r.device == "cuda" and repr(r) == "<DeviceArray float32[2, 3] on cuda>"
    assert isinstance(hash(r), int)
    with pytest.raises(TypeError, match="without axes"):
        len(far([x], x.sum())(A))


def test_a_device_array_comes_to_the_host_when_asked() -> None:
    r = far_result()
    want = np.arange(6.0).reshape(2, 3) * 2
    for made in (r.to_numpy(), np.asarray(r), np.array(r, "float64")):
        np.testing.assert_array_equal(made, want)
    assert np.array(r, "float64").dtype == "float64"
    own = r.to_numpy()
    own[...] = 0
    assert r.to_numpy().flags.owndata and r.to_numpy()[1, 2] == 10
    with pytest.raises(ValueError, match="by a copy only"):
        np.asarray(r, copy=False)
    number = far([x], x.sum().astype("int64"))(A)
    assert (int(number), float(number), complex(number)) == (7, 7.0, 7 + 0j)
    assert number.item() == 7 and bool(number)
    with pytest.raises(errors.ShapeError, match=r"shape \(2, 3\) is not one number"):
        float(r)


def test_a_device_array_does_not_come_to_the_host_unasked() -> None:
    r = far_result()
    for act in (
        lambda: r + r,  # type: ignore[operator]
        lambda: np.ones((2, 3)) + r,
        lambda: np.exp(r),
        lambda: iter(r),  # type: ignore[call-overload]
    ):
        with pytest.raises(TypeError):
            act()
    with pytest.raises(errors.UnsupportedError, match="are not compared"):
        r == 1  # noqa: B015


def test_device_arrays_are_made_copied_and_pickled() -> None:
    for dtype in ("bool", "int8", "uint64", "float32", "complex64"):
        for shape in ((), (0, 3), (2, 3)):
            value = np.ones(shape, dtype)
            made = sg.DeviceArray(value)
            for other in (
                sg.DeviceArray(made),
                made.copy(),
                copy.copy(made),
                copy.deepcopy(made),
                pickle.loads(pickle.dumps(made)),
            ):
                assert other.dtype == dtype and other.shape == shape
                np.testing.assert_array_equal(other.to_numpy(), value)
    assert sg.DeviceArray(made).held is made.held
    half = np.zeros(2, "float16")
    for given in (half, Producer(half), Exporter(half)):
        with pytest.raises(errors.DTypeError, match="float16"):
            sg.DeviceArray(given)
    swapped = sg.DeviceArray(np.arange(6.0).reshape(2, 3).T.astype(">f4"))
    assert swapped.dtype is np.dtype("float32")
    np.testing.assert_array_equal(swapped, np.arange(6.0).reshape(2, 3).T)


def test_results_share_no_memory() -> None:
    w = sg.shared(A)
    f = far([x], [x, x, w, w], updates={w: x})
    given = sg.DeviceArray(A)
    results = f(given)
    held = [given, *results, w.storage.box[0]]
    places = [h.__cuda_array_interface__["data"][0] for h in held]
    assert len(set(places)) == len(places)


def test_what_a_kernel_did_wrong_is_told_by_whoever_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    r = far_result()
    failure = failures()[0](700, "illegal address")

    def broken(*_: Any, **__: Any) -> None:
        raise failure

    for name in ("copy_to_host", "copy_to_device"):
        monkeypatch.setattr(type(r.held), name, broken)
    for act in (r.to_numpy, r.copy, lambda: np.asarray(r), lambda: sg.DeviceArray(A)):
        with pytest.raises(errors.BrokenDeviceError, match="illegal address"):
            act()
    monkeypatch.undo()
    assert r.to_numpy()[1, 2] == 10


# -- arguments -------------------------------------------------------------------------


def test_results_are_arguments() -> None:
    twice, total = far([x], x * 2), far([x], x.sum())
    assert total(twice(twice(A))).item() == 28.0
    near = sg.function([x], x + 1)
    np.testing.assert_array_equal(near(twice(A)), A * 2 + 1)


def test_nothing_crosses_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    w = sg.shared(np.zeros(3, "float32"), "w")
    given = sg.fvector("given")
    f = far([given], [given + w, given.sum()], updates={w: w + given})
    moved, total = f(sg.DeviceArray(np.ones(3, "float32")))
    kind = type(moved.held)
    crossed: list[tuple[int, ...]] = []

    def watched(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if self.dtype == "float32":  # others are the program's own
                crossed.append(tuple(self.shape))
            return method(self, *args, **kwargs)

        return call

    for name in ("copy_to_host", "copy_to_device"):
        monkeypatch.setattr(kind, name, watched(getattr(kind, name)))
    for _ in range(2):
        moved, total = f(moved)
    assert w.device == "cuda" and not crossed
    assert total.item() == 6.0 and crossed == [()]
    np.testing.assert_array_equal(moved, w.get_value())
    assert crossed == [(), (3,), (3,)]


def test_arrays_of_other_libraries_are_taken() -> None:
    f = far([m], m * 2)
    value = np.arange(6.0).reshape(2, 3)
    for given in (
        Producer(value),
        Producer(value, strides=(24, 8), version=2),
        Producer(value, stream=1),  # CUDA's default stream
        Exporter(value),
    ):
        np.testing.assert_array_equal(f(given), value * 2)
        made = sg.DeviceArray(given)
        assert made.__cuda_array_interface__["data"][0] == given.address
        np.testing.assert_array_equal(made, value)
    # One row, or none, is in C order whatever the strides are.
    np.testing.assert_array_equal(f(Producer(value[::2])), value[::2] * 2)
    for none in (Producer(value[:0]), Producer(value[:0], data=(0, False))):
        assert f(none).shape == (0, 3)
    # DLPack of the host's arrays is not for the device.
    with pytest.raises(errors.SymgraphError):
        f(Exporter(value, dlpack.HOST))


def test_arrays_of_other_libraries_that_do_not_fit_are_refused() -> None:
    f = far([m], m * 2)
    value = np.arange(6.0).reshape(2, 3)
    single = value.astype("float32")
    for given, error, said in (
        (Producer(value.T), errors.ShapeError, "not in C order: shape (3, 2)"),
        (Exporter(value.T), errors.ShapeError, "not in C order"),
        (Producer(value[:, ::2]), errors.ShapeError, "not in C order"),
        (Producer(value, mask=Producer(value)), errors.DTypeError, "masked"),
        (Producer(value.astype(">f8")), errors.DTypeError, "another order"),
        (Producer(single), errors.DTypeError, "dtype float32, not float64"),
        (sg.DeviceArray(single), errors.DTypeError, "dtype float32, not float64"),
        (Producer(value[0]), errors.ShapeError, "has 1 dimensions (3,)"),
    ):
        with pytest.raises(error) as caught:
            f(given)
        text = str(caught.value)
        assert said in text and "argument 0 (m)" in text and "help: " in text


def test_memory_of_others_is_held_for_as_long_as_it_is_needed() -> None:
    for kind in (Producer, Exporter):
        given = kind(np.arange(3.0))
        gone = weakref.ref(given.owner)
        made = sg.DeviceArray(given)
        del given
        gc.collect()
        assert gone() is not None
        np.testing.assert_array_equal(made, [0.0, 1.0, 2.0])
        del made
        gc.collect()
        assert gone() is None


def test_other_libraries_take_results() -> None:
    for dtype in ("bool", "int8", "uint64", "float32", "float64", "complex128"):
        value = np.ones((2, 3), dtype)
        r = sg.DeviceArray(value)
        shared, place = taken(r)
        assert shared.dtype == dtype
        assert place == r.__cuda_array_interface__["data"][0]
        np.testing.assert_array_equal(shared, value)
        shown = r.__cuda_array_interface__
        assert (shown["shape"], shown["typestr"]) == ((2, 3), value.dtype.str)
    assert r.__dlpack_device__() == (dlpack.CUDA if real() else dlpack.HOST, 0)
    with pytest.raises(BufferError, match="on the device"):
        r.__dlpack__(dl_device=(dlpack.CUDA, 1))
    del r
    gc.collect()
    np.testing.assert_array_equal(shared, value)


def test_a_scalar_on_the_device_that_is_a_size() -> None:
    f = far([n], sg.arange(n) * 2)
    assert f(3).to_numpy().tolist() == f(sg.DeviceArray(3)).to_numpy().tolist()
    with pytest.raises(errors.ShapeError):
        far([n], sg.full((n,), 1.0))(sg.DeviceArray(-1))


# -- shared variables ------------------------------------------------------------------


def test_updates_stay_on_the_device() -> None:
    w = sg.shared(A, "w")
    step = far([x], w.sum(), updates={w: w + x})
    assert w.device == "cpu" and step(A).item() == 7.0 and w.device == "cuda"
    assert step(A).item() == 14.0
    np.testing.assert_array_equal(w.get_value(), A * 3)
    assert w.device == "cuda"
    view = w.get_value(borrow=True)
    assert not view.flags.writeable and view[0] == 3.0
    np.testing.assert_array_equal(w.eval(), A * 3)


def test_functions_on_both_sides_see_each_others_updates() -> None:
    w = sg.shared(A, "w")
    there = far([], w * 1, updates={w: w + 1})
    here = sg.function([], w * 1, updates={w: w * 2})
    want = A
    for k in range(4):
        np.testing.assert_array_equal(there(), want, str(k))
        assert w.device == "cuda"
        want = want + 1
        np.testing.assert_array_equal(here(), want, str(k))
        assert w.device == "cpu"
        want = want * 2
    for mode in ("interpret", "debug"):
        there()
        want = want + 1
        read = sg.function([], w + 0, mode=mode)
        np.testing.assert_array_equal(read(), want)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(w)).get_value(), want)
    assert sg.function([x], (w * x).sum())([1.0, 1.0, 1.0]) == want.sum()


def test_values_cross_once() -> None:
    w = sg.shared(A, "w")
    there, here = far([], w * 2), sg.function([], w * 3)
    there()
    copied = w.storage.twin[1]
    there(), here(), there()
    assert w.storage.twin[1] is copied and w.device == "cpu"
    w.to("cuda")
    assert w.storage.box[0] is copied
    host = w.storage.twin[1]
    w.to("cpu")
    assert w.storage.box[0] is host and w.storage.twin[1] is copied
    w.set_value(A * 2)
    np.testing.assert_array_equal(there(), A * 4)
    assert w.storage.twin[1] is not copied
    there.trim()
    assert w.storage.twin is None
    np.testing.assert_array_equal(there(), A * 4)


def test_a_borrowed_array_that_its_owner_changes_is_not_stale() -> None:
    mine = A.copy()
    w = sg.shared(mine, borrow=True)
    there, here = far([], w * 2), sg.function([], w * 2)
    np.testing.assert_array_equal(there(), A * 2)
    mine[0] = 9.0
    np.testing.assert_array_equal(there(), here())
    w.to("cuda")
    mine[0] = 7.0
    np.testing.assert_array_equal(here(), [18.0, 4.0, 8.0])
    w.set_value(mine, borrow=True)
    there()
    mine[1] = 5.0
    np.testing.assert_array_equal(there(), mine * 2)


def test_values_are_set_on_either_side() -> None:
    w = sg.shared(A).to("cuda")
    assert w.device == "cuda"
    w.set_value([5, 6])
    assert w.device == "cuda" and w.get_value().tolist() == [5.0, 6.0]
    w.to("cpu").set_value(A)
    assert w.device == "cpu"
    there = sg.DeviceArray(A * 2)
    w.set_value(there)
    assert w.device == "cuda" and w.storage.box[0] is not there
    w.set_value(there, borrow=True)
    assert w.storage.box[0] is there
    for wrong, error in (
        (sg.DeviceArray(A.astype("float32")), errors.DTypeError),
        (sg.DeviceArray(A[None]), errors.ShapeError),
        (np.ones((1, 1)), errors.ShapeError),
    ):
        with pytest.raises(error):
            w.set_value(wrong)
    assert w.storage.box[0] is there
    with pytest.raises(errors.UnsupportedError, match="device 'tpu'"):
        w.to("tpu")
    kept = sg.shared(there, "kept", borrow=True)
    assert kept.device == "cuda" and kept.storage.box[0] is there
    assert kept.type.dtype == "float64" and kept.ndim == 1
    assert sg.shared(there).storage.box[0] is not there


@pytest.mark.parametrize("seed", range(6))
def test_a_value_is_one_value_wherever_it_lives(seed: int) -> None:
    """Random steps on either side, beside what NumPy has."""
    rng = np.random.default_rng(seed)
    w = sg.shared(A, "w")
    model, lent = A.copy(), A.copy()
    names, borrowed = [], False
    steps = {
        "there": far([x], w * 1, updates={w: w + x}),
        "here": sg.function([x], w * 1, updates={w: w * 2 + x}),
        "read there": far([], w * 1),
        "read here": sg.function([], w * 1),
    }
    for _ in range(40):
        name = rng.choice([*steps, "cpu", "cuda", "set", "set far", "lend", "write"])
        names.append(str(name))
        value = rng.integers(-4, 4, 3) / 4
        match name:
            case "there" | "here":
                np.testing.assert_array_equal(steps[name](value), model, str(names))
                model = model * (2 if name == "here" else 1) + value
                borrowed = False
            case "read there" | "read here":
                np.testing.assert_array_equal(steps[name](), model, str(names))
            case "cpu" | "cuda":
                borrowed = borrowed and str(name) == w.device
                assert w.to(str(name)).device == name
            case "set" | "set far":
                model, borrowed = value, False
                w.set_value(sg.DeviceArray(value) if name == "set far" else value)
            case "lend":
                borrowed = w.device == "cpu"
                lent = value
                model = value.copy()
                w.set_value(lent, borrow=True)
            case "write":
                steps["read there"]()
                lent[0] += 1
                if borrowed:
                    model = lent.copy()
                np.testing.assert_array_equal(steps["read there"](), model, str(names))
        np.testing.assert_array_equal(w.get_value(), model, str(names))
        model = model / 2 if np.abs(model).max() > 1e6 else model
        if not np.array_equal(w.get_value(), model):
            w.set_value(model)
            borrowed = False
