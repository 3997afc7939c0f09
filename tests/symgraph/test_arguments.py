"""Arguments of a call: by position, name and default, in every form of array."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph import errors
from symgraph.function import Function
from symgraph.op import Array

from ..support import layouts

A = np.array([1.0, 2.0, 4.0])
MODES = ("fast", "interpret")

x = sg.dvector("x")
y = sg.dvector("y")
f32 = sg.fvector("f")
whole = sg.lvector("i")
small = sg.bvector("b")
s = sg.dscalar("s")


def double(variable: sg.Variable, mode: str = "fast", **options: Any) -> Function:
    return sg.function([variable], variable + variable, mode=mode, **options)


# -- positions, names and defaults -----------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_arguments_by_position_name_and_default(mode):
    f = sg.function([x, sg.In(y, value=[10.0, 20.0, 30.0])], x - y, mode=mode)
    default = A - [10, 20, 30]
    for result in (f(A), f(x=A)):
        np.testing.assert_array_equal(result, default)
    for result in (f(A, 2 * A), f(A, y=2 * A), f(y=2 * A, x=A)):
        np.testing.assert_array_equal(result, -A)


@pytest.mark.parametrize("mode", MODES)
def test_a_default_may_stand_before_an_argument_without_one(mode):
    f = sg.function([sg.In(s, value=2), x], x * s, mode=mode)
    np.testing.assert_array_equal(f(x=A), A * 2)
    np.testing.assert_array_equal(f(3.0, A), A * 3)
    with pytest.raises(errors.MissingInputError, match=r"argument 1 \(x\)"):
        f(3.0)


def test_a_default_is_copied():
    given = A.copy()
    f = sg.function([sg.In(x, value=given)], x + 0)
    given[:] = 0
    f()[:] = 0
    np.testing.assert_array_equal(f(), A)


def test_no_default_may_be_spelled_none():
    f = sg.function([sg.In(x, value=None)], x + 1)
    with pytest.raises(errors.MissingInputError, match="missing"):
        f()


@pytest.mark.parametrize("mode", MODES)
def test_calls_with_the_wrong_arguments_are_refused(mode):
    f = sg.function([x, y], x + y, name="plus", mode=mode)
    for args, names, text in (
        ((), {}, r"plus: argument 0 \(x\) is missing\n  operands: <x: float64\[x.0\]>"),
        ((A,), {}, r"argument 1 \(y\)"),
        ((A, A, A), {}, "plus takes 2 arguments, given 3"),
        ((A,), {"z": A}, "no argument 'z'"),
        ((A, A), {"y": A}, "'y' is given twice"),
    ):
        with pytest.raises(errors.MissingInputError, match=text):
            f(*args, **names)


def test_inputs_may_have_any_name_or_none():
    owner, other = sg.dscalar("self"), sg.dscalar("args")
    f = sg.function([owner, other], owner - other)
    assert f(self=3.0, args=1.0) == 2.0
    assert sg.function([sg.In(owner, name="q")], owner * 2)(q=2.0) == 4.0
    nameless = sg.tensor(dtype="float64")
    g = sg.function([nameless], nameless * 2)
    assert g(2.0) == 4.0
    with pytest.raises(errors.MissingInputError, match="none with a name"):
        g(x=2.0)


def test_a_name_that_two_inputs_have_cannot_be_used():
    one, other = sg.dscalar("a"), sg.dscalar("a")
    f = sg.function([one, other], one - other)
    assert f(3.0, 1.0) == 2.0
    with pytest.raises(errors.MissingInputError, match="2 arguments 'a'"):
        f(3.0, a=1.0)


# -- what converts ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int8", "bool"])
def test_every_layout_gives_the_same(dtype, mode):
    v = sg.matrix("v", dtype)
    f = sg.function([v], sg.where(v > 0, v, v), mode=mode)
    given = (np.arange(12).reshape(3, 4) % 5).astype(dtype)
    for name, array in layouts(given):
        result = f(array)
        assert result.dtype == np.dtype(dtype), name
        np.testing.assert_array_equal(result, given, name)
        np.testing.assert_array_equal(array, given, name)


def unaligned(array: Array) -> Array:
    raw = np.frombuffer(b"\0" + array.tobytes(), np.uint8)
    return raw[1:].view(array.dtype)


class Sub(np.ndarray):
    """A subclass whose arithmetic must not be used."""

    def __add__(self, other: object) -> Any:
        raise AssertionError


class Arraylike:
    """What gives an array when asked for one."""

    def __array__(self, dtype: object = None, copy: object = None) -> Array:
        return A


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "given",
    [
        [1.0, 2.0, 4.0],
        (1, 2, 4),
        [np.float64(1), np.float32(2), 4],
        A.astype("float32"),
        A.astype("int32"),
        A.astype(">f8"),
        A[::-1].copy()[::-1],
        unaligned(A),
        A.view(Sub),
        np.ma.masked_array(A, False),
        A.astype(np.dtype("f8", metadata={"unit": "m"})),
        memoryview(A),
        Arraylike(),
        np.broadcast_to(A, (2, 3))[1],
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_holds_the_same_numbers_is_taken(given, mode):
    result = double(x, mode)(given)
    assert type(result) is np.ndarray
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, A * 2)


@pytest.mark.parametrize("mode", MODES)
def test_equal_dtypes_of_other_c_types_are_taken(mode):
    for code in "lq":
        result = double(whole, mode)(np.arange(3, dtype=code))
        np.testing.assert_array_equal(result, [0, 2, 4])


@pytest.mark.parametrize("mode", MODES)
def test_scalars_are_arrays_without_axes(mode):
    f = double(s, mode)
    for given in (2.0, 2, np.float64(2), np.float32(2), np.int8(2), np.array(2.0)):
        result = f(given)
        assert (type(result), result) == (np.float64, 4.0)
    assert f(True) == 2.0
    for given in ([2.0], np.ones(1)):
        with pytest.raises(errors.ShapeError, match="has 1 dimensions"):
            f(given)


@pytest.mark.parametrize("mode", MODES)
def test_special_values_come_through(mode):
    given = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324, np.finfo(float).max])
    result = sg.function([x], [x, x * 1, -x], mode=mode)(given)
    for got, expected in zip(result, (given, given, -given), strict=True):
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_arrays_without_elements(shape, mode):
    m = sg.dmatrix("m")
    f = sg.function([m], [m + 1, m.sum(axis=0), m.sum(), m.T @ m], mode=mode)
    given = np.zeros(shape)
    for got, expected in zip(f(given), (given, given.sum(0), 0.0, given.T @ given),
                             strict=True):  # fmt: skip
        np.testing.assert_array_equal(got, expected)
        assert np.shape(got) == np.shape(expected)
    np.testing.assert_array_equal(double(x, mode)([]), [])


def test_a_huge_array_of_one_element_is_not_copied_in_vain():
    m = sg.tensor("m", "int8", ("n",))
    wide = np.broadcast_to(np.int8(1), (1 << 60,))
    with pytest.raises(MemoryError):
        double(m)(wide)


def test_arguments_are_left_as_they_are():
    given = A.copy()
    given.flags.writeable = False
    m = sg.dmatrix("m")
    f = sg.function([x, sg.In(m, mutable=True, borrow=True)], [x * 2, m.T @ m])
    table = np.asfortranarray(np.ones((2, 3)))
    f(given, table)
    np.testing.assert_array_equal(given, A)
    assert table.flags.f_contiguous and (table == 1).all()


# -- what is refused -------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("variable", "given", "text"),
    [
        (f32, A, "float64, which does not convert to float32"),
        (f32, np.arange(3), "int64, which does not convert to float32"),
        (f32, [1j], "complex128"),
        (whole, A, "float64, which does not convert to int64"),
        (whole, [1.5], "float64, which does not convert to int64"),
        (whole, [2**70], "object"),
        (whole, np.array([1], np.uint64), "uint64"),
        (small, [128], "int64, which does not convert to int8"),
        (small, np.array([1]), "int64"),
        (sg.vector("p", "bool"), [2], "bool"),
        (x, np.array([1.0], object), "object"),
        (x, [None], "object"),
        (x, None, "object"),
        (x, "abc", "<U3"),
        (x, ["1.0"], "<U3"),
        (x, b"abc", "S3"),
        (x, np.array(["2020"], "M8[D]"), "datetime64"),
        (x, {"a": 1}, "object"),
        (x, np.zeros(2, [("a", "f8")]), "a"),
        (x, np.ma.masked_array(A, [0, 1, 0]), "masked"),
        (x, x, "symbolic"),
    ],
    ids=lambda v: None if isinstance(v, sg.Variable) else repr(v)[:25],
)
def test_lossy_conversions_are_refused(variable, given, text, mode):
    with pytest.raises(errors.DTypeError, match=text) as caught:
        double(variable, mode, name="twice")(given)
    assert "twice: argument 0" in str(caught.value)
    assert "help:" in str(caught.value)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_no_array_or_of_another_rank_is_refused(mode):
    f = double(x, mode)
    with pytest.raises(errors.ShapeError, match=r"argument 0 \(x\) is no array"):
        f([[1.0], [2.0, 3.0]])
    for given in (1.0, [[1.0]], np.ones((3, 1)), np.zeros((0, 0))):
        with pytest.raises(errors.ShapeError, match=r"its type has 1"):
            f(given)
    with pytest.raises(errors.SymgraphError, match="symbolic"):
        f([s, s])


def test_downcasts_may_be_allowed():
    f = double(f32, allow_input_downcast=True)
    np.testing.assert_array_equal(f(A), A * 2)
    assert f(A).dtype == np.float32
    g = double(whole, allow_input_downcast=True)
    np.testing.assert_array_equal(g([1.7, -1.7]), [2, -2])
    for given in ("abc", [1j], [None]):
        with pytest.raises(errors.DTypeError):
            f(given)


def test_python_numbers_are_weak():
    assert double(f32)([1.5, 2]).dtype == np.float32
    assert double(small)([127, -128]).dtype == np.int8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert np.isinf(double(f32)([1e300])).all()


@pytest.mark.parametrize("mode", MODES)
def test_unpickled_arrays_are_taken_everywhere(mode):
    """Their dtype is equal to NumPy's own, and another object."""
    given, added, start = pickle.loads(pickle.dumps([A, A + 1, A + 2]))
    assert given.dtype is not np.dtype("float64")
    w = sg.shared(start, borrow=True)
    f = sg.function([x], x + sg.constant(added) + w, updates={w: w + 1}, mode=mode)
    for step in range(2):
        np.testing.assert_array_equal(f(given), 3 * A + 3 + step)
    w.set_value(start, borrow=True)
    np.testing.assert_array_equal(f(given), 3 * A + 3)
