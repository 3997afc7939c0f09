"""Shared variables: values in, values out, copies by value."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import DTypeError, ShapeError, SymgraphError


def test_value_goes_in_and_out_by_copy() -> None:
    value = np.arange(6.0).reshape(2, 3)
    w = sg.shared(value, name="w")
    value[0, 0] = 9.0
    assert w.name == "w" and repr(w) == "<w: float64[w.0, w.1]>"
    got = w.get_value()
    np.testing.assert_array_equal(got, np.arange(6.0).reshape(2, 3))
    got[:] = 0.0
    assert w.get_value()[1, 2] == 5.0
    np.testing.assert_array_equal(sg.sum(w, 0).eval(), [3.0, 5.0, 7.0])


def test_borrowed_values() -> None:
    value = np.arange(3.0)
    w = sg.shared(value, borrow=True)
    value[0] = 7.0
    assert w.get_value()[0] == 7.0
    view = w.get_value(borrow=True)
    assert np.shares_memory(view, value) and not view.flags.writeable
    # What is not contiguous cannot be kept as it is.
    kept = sg.shared(value[::2], borrow=True)
    value[2] = -1.0
    np.testing.assert_array_equal(kept.get_value(), [7.0, 2.0])


def test_set_value_keeps_the_type() -> None:
    w = sg.shared(np.zeros((2, 2), "float32"))
    w.set_value([[1, 2, 3]])
    assert w.get_value().dtype == "float32" and w.get_value().shape == (1, 3)
    w.set_value(np.ones((1, 1), ">f4"))
    assert w.get_value().dtype == np.dtype("float32") and w.get_value().dtype.isnative
    with pytest.raises(DTypeError, match="could lose something"):
        w.set_value(np.zeros((2, 2)))
    with pytest.raises(ShapeError, match="1 dimensions"):
        w.set_value(np.zeros(2, "float32"))
    k = sg.shared(3)
    assert k.type == sg.shared(0).type and k.dtype == "int64"
    with pytest.raises(DTypeError):
        k.set_value(2.5)
    with pytest.raises(DTypeError, match="not supported"):
        sg.shared("text")


def test_results_do_not_alias_the_storage() -> None:
    w = sg.shared(np.ones(3))
    got = w.eval()
    got[:] = 5.0
    np.testing.assert_array_equal(w.get_value(), 1.0)


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda w: pickle.loads(pickle.dumps(w))]
)
def test_duplicates_have_a_value_of_their_own(duplicate: object) -> None:
    w = sg.shared(np.ones(3), name="w")
    other = duplicate(w)  # type: ignore[operator]
    assert other.name == "w" and not other.same(w)
    other.set_value(np.zeros(3))
    np.testing.assert_array_equal(w.get_value(), 1.0)
    assert copy.copy(w) is w


def test_default_update_belongs_to_a_graph() -> None:
    w = sg.shared(1.0)
    assert w.default_update is None
    w.default_update = w + 1
    with pytest.raises(SymgraphError, match="set default_update to None"):
        pickle.dumps(w)


def test_a_default_update_may_be_set_and_taken_back() -> None:
    w = sg.shared(np.float32(1.0))
    w.default_update = 2.5  # type: ignore[assignment]
    assert w.default_update is not None and w.default_update.dtype == "float32"
    sg.function([], w)()
    assert w.get_value() == 2.5
    w.default_update = None
    assert w.default_update is None


# -- what a variable takes -------------------------------------------------------------


def test_what_is_stored_is_what_compiled_code_takes() -> None:
    swapped = np.arange(3, dtype=">i8")
    metadata = np.arange(3, dtype=np.dtype("i8", metadata={"unit": "m"}))
    strided = np.arange(6)[::2] // 2
    masked = np.ma.masked_array(np.arange(3), False)
    for given in (
        np.arange(3, dtype="q"),
        swapped,
        metadata,
        strided,
        masked,
        [0, 1, 2],
    ):
        for borrow in (False, True):
            w = sg.shared(given, borrow=borrow)
            f = sg.function([], w * 2, updates={w: w + 1})
            np.testing.assert_array_equal(f(), [0, 2, 4])
            w.set_value(given, borrow=borrow)
            np.testing.assert_array_equal(f(), [0, 2, 4])
            stored = w.get_value(borrow=True)
            assert stored.dtype is np.dtype("int64") and stored.flags.c_contiguous


@pytest.mark.parametrize("value", ["text", None, [None], np.clongdouble(1j), b"x"])
def test_values_of_other_dtypes_are_refused(value: object) -> None:
    with pytest.raises(DTypeError):
        sg.shared(value)
    with pytest.raises((DTypeError, ShapeError)):
        sg.shared(np.zeros(3)).set_value(value)


def test_values_that_are_no_plain_array_are_refused() -> None:
    w = sg.shared(np.zeros(3))
    for make in (sg.shared, w.set_value):
        with pytest.raises(DTypeError, match="masked"):
            make(np.ma.masked_array([1.0, 2.0], [0, 1]))
        with pytest.raises(ShapeError, match="no array"):
            make([[1.0], [2.0, 3.0]])
        with pytest.raises(SymgraphError, match="symbolic"):
            make(sg.dvector("x"))
    np.testing.assert_array_equal(w.get_value(), 0.0)


def test_the_number_of_axes_is_fixed_and_python_numbers_must_fit() -> None:
    w, k = sg.shared(np.float32(0)), sg.shared(np.int8(0))
    w.set_value(3)
    k.set_value(-128)
    assert (w.get_value(), k.get_value()) == (3.0, -128)
    with pytest.raises(DTypeError, match="128"):
        k.set_value(128)
    with pytest.raises(DTypeError):
        w.set_value(np.float64(1))
    assert (w.get_value(), k.get_value()) == (3.0, -128)


# -- between calls ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["fast", "interpret"])
def test_the_size_may_change_between_calls(mode: str) -> None:
    x = sg.dvector("x")
    w = sg.shared(np.ones(3))
    f = sg.function([x], sg.sum(w * x), updates={w: w + x}, mode=mode)
    assert f(np.ones(3)) == 3.0
    w.set_value(np.ones(5))
    assert f(np.ones(5)) == 5.0
    with pytest.raises(ShapeError):
        f(np.ones(3))
    np.testing.assert_array_equal(w.get_value(), np.full(5, 2.0))
    w.set_value([])
    assert f([]) == 0.0


@pytest.mark.parametrize("mode", ["fast", "interpret"])
def test_functions_share_a_variable(mode: str) -> None:
    w = sg.shared(0, "w")
    add = sg.function([], updates={w: w + 1}, mode=mode)
    double = sg.function([], w, updates={w: w * 2})
    copy_of_add = add.copy()
    add(), double(), copy_of_add(), add()
    assert double() == 4
    assert w.get_value() == 8


def test_a_borrowed_value_stays_what_it_was_after_an_update() -> None:
    w = sg.shared(np.ones(3))
    f = sg.function([], updates={w: w + 1})
    view = w.get_value(borrow=True)
    for _ in range(4):
        f()
    np.testing.assert_array_equal(view, 1.0)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 3.0
    assert not np.shares_memory(view, w.get_value(borrow=True))


def test_a_borrowed_array_is_not_written_by_updates() -> None:
    value = np.ones(3)
    w = sg.shared(value, borrow=True)
    sg.function([], updates={w: w + 1})()
    np.testing.assert_array_equal(value, 1.0)
    w.set_value(value, borrow=True)
    value[0] = 5.0
    assert w.get_value()[0] == 5.0
    w.set_value(value)
    value[0] = 6.0
    assert w.get_value()[0] == 5.0
