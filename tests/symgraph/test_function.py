"""``sg.function``: what it takes, gives back and refuses, and what it leaves alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import symgraph as sg
from symgraph import errors
from symgraph.op import Array

MODES = ("fast", "interpret")
A = np.array([1.0, 2.0, 4.0])

x = sg.dvector("x")
y = sg.dvector("y")
m = sg.dmatrix("m")
s = sg.dscalar("s")
n = sg.lscalar("n")
labels = sg.lvector("labels")


class Pair(NamedTuple):
    """Outputs with names; at module level, as pickles need it."""

    first: Any
    second: Any


# -- the structure of the outputs ------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        (x, A),
        ([x], [A]),
        ((x,), (A,)),
        ({"only": x}, {"only": A}),
        ([], []),
        ({}, {}),
        (None, None),
        ([None, x], [None, A]),
        ((x, [x + 1, {"k": (x * 2, None)}]), (A, [A + 1, {"k": (A * 2, None)}])),
        ({2: x, "a": []}, {2: A, "a": []}),
        (Pair(x, [x + 1]), Pair(A, [A + 1])),
    ],
    ids=repr,
)
def test_results_have_the_structure_of_the_outputs(outputs, expected, mode):
    f = sg.function([x], outputs, on_unused_input="ignore", mode=mode)
    assert_tree(f(A), expected)


def assert_tree(got: object, expected: object) -> None:
    assert type(got) is type(expected)
    match expected:
        case dict():
            assert list(got) == list(expected)
            pairs = zip(got.values(), expected.values(), strict=True)
        case list() | tuple():
            pairs = zip(got, expected, strict=True)
        case _:
            np.testing.assert_array_equal(got, expected)
            return
    for one, other in pairs:
        assert_tree(one, other)


@pytest.mark.parametrize("bad", ["text", [x, "text"], {x, y}, object(), b"x"])
def test_outputs_that_are_no_variables_are_refused(bad):
    with pytest.raises(errors.SymgraphError, match="outputs are variables"):
        sg.function([x], bad)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "int32", "int64", "uint8", "float32", "float64"]
)
def test_results_without_axes_are_numpy_scalars(dtype, mode):
    v = sg.scalar("v", dtype)
    one, other = sg.function([v], [v, sg.where(v > 0, v, v)], mode=mode)(
        np.ones((), dtype)
    )
    assert type(one) is type(other) is np.dtype(dtype).type
    assert one == other == 1


@pytest.mark.parametrize("mode", MODES)
def test_data_among_the_outputs_are_constants(mode):
    table = np.arange(3)
    f = sg.function([], [3.0, True, table], mode=mode)
    three, true, kept = f()
    assert (type(three), type(true)) == (np.float64, np.bool_)
    kept[:] = 7
    table[:] = 8
    np.testing.assert_array_equal(f()[2], [0, 1, 2])


# -- no two arrays share memory --------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_outputs_share_memory_with_nothing(mode):
    w = sg.shared(np.arange(12.0).reshape(3, 4), "w")
    large = sg.constant(np.arange(12.0).reshape(3, 4))
    product = m @ m.T
    outputs = [
        *(m, m, m.T, m.T.T, m[::-1], m[:2], m.reshape((-1,)), m.reshape((4, 3))),
        *(m[None], m[0], m.astype("float64"), m + 0, m * 1),
        *(w, w, w.T, w[1:], w.reshape((-1,)), large, large, large.T),
        *(sg.broadcast_to(m[0], (3, 4)), sg.exp(m), sg.exp(m).T, sg.exp(m)[0]),
        *(product, product.T, product.reshape((-1,)), product[0], product[:, 1]),
        *(product.reshape((-1,)).reshape((3, 3)).T, product.reshape((3, 3)).T @ m),
    ]
    f = sg.function([m], outputs, mode=mode)
    given = np.arange(12.0).reshape(3, 4)
    first = f(given)
    copies = [r.copy() for r in first]
    second = f(given)
    constants = [sg.function([], large, mode=mode)(), large.node.op.data]
    held = [*first, *second, given, w.get_value(borrow=True), *constants]
    for one, other in itertools.combinations(held, 2):
        assert not np.shares_memory(one, other)
    for result in second:
        result[...] = -1.0
    for result, copy in zip(first, copies, strict=True):
        np.testing.assert_array_equal(result, copy)
    for result, copy in zip(f(given), copies, strict=True):
        np.testing.assert_array_equal(result, copy)


@pytest.mark.parametrize("mode", MODES)
def test_an_output_that_is_an_update_is_no_view_of_the_new_value(mode):
    w, v = sg.shared(A), sg.shared(A)
    new = w + 1
    f = sg.function([], [new, new, w], updates={w: new, v: new}, mode=mode)
    results = f()
    stored = [w.get_value(borrow=True), v.get_value(borrow=True)]
    for one, other in itertools.combinations([*results, *stored], 2):
        assert not np.shares_memory(one, other)
    results[0][:] = 0
    np.testing.assert_array_equal(w.get_value(), A + 1)
    np.testing.assert_array_equal(v.get_value(), A + 1)


@pytest.mark.parametrize("mode", MODES)
def test_stored_values_share_memory_with_no_argument_or_constant(mode):
    targets = [sg.shared(np.zeros((1, 1))) for _ in range(6)]
    large = sg.constant(np.arange(6.0).reshape(2, 3))
    values = [m, m.reshape((3, 2)), m.T, large, targets[0], targets[0].T]
    given = np.arange(6.0).reshape(2, 3)
    updates = list(zip(targets, values, strict=True))
    f = sg.function([m], targets[0], updates=updates, mode=mode)
    result = f(given)
    stored = [t.get_value(borrow=True) for t in targets]
    held = [result, given, large.node.op.data, *stored]
    for one, other in itertools.combinations(held, 2):
        assert not np.shares_memory(one, other)
    given[:] = -1.0
    result[:] = -1.0
    np.testing.assert_array_equal(stored[0], np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(stored[4], [[0.0]])


def test_results_are_writeable_contiguous_and_own_their_memory():
    for result in sg.function([m], [m.T, m[::2], sg.sum(m, axis=0)])(np.ones((3, 4))):
        flags = result.flags
        assert flags.writeable and flags.c_contiguous and flags.owndata


def test_results_outlive_the_function():
    result = sg.function([x], [x * 2, x + 1])(A)
    np.testing.assert_array_equal(result[0], A * 2)
    np.testing.assert_array_equal(result[1], A + 1)


# -- updates ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_updates_happen_together(mode):
    a, b = sg.shared(1.0, "a"), sg.shared(2.0, "b")
    f = sg.function([], [a, b], updates=[(a, b), (b, a)], mode=mode)
    assert f() == [1.0, 2.0]
    assert (a.get_value(), b.get_value()) == (2.0, 1.0)
    assert f() == [2.0, 1.0]


@pytest.mark.parametrize("mode", MODES)
def test_swapped_arrays_of_other_sizes_stay_apart(mode):
    a, b = sg.shared(A), sg.shared(np.zeros((5,)))
    f = sg.function([], updates={a: b, b: a}, mode=mode)
    assert f() is None
    assert (a.get_value().shape, b.get_value().shape) == ((5,), (3,))
    assert not np.shares_memory(a.get_value(borrow=True), b.get_value(borrow=True))


@pytest.mark.parametrize("mode", MODES)
def test_a_function_may_only_update(mode):
    w = sg.shared(np.zeros(3), "w")
    f = sg.function([x], updates={w: w + x}, mode=mode)
    assert f(A) is None
    assert f(A) is None
    np.testing.assert_array_equal(w.get_value(), 2 * A)


@pytest.mark.parametrize("mode", MODES)
def test_an_update_may_change_the_size(mode):
    w = sg.shared(A, "w")
    f = sg.function([], w.shape[0], updates={w: sg.concatenate([w, w])}, mode=mode)
    assert [f(), f(), f()] == [3, 6, 12]


@pytest.mark.parametrize("mode", MODES)
def test_a_variable_that_nothing_reads_can_be_updated(mode):
    w = sg.shared(np.zeros(2))
    sg.function([x], updates={w: x}, mode=mode)(A)
    np.testing.assert_array_equal(w.get_value(), A)


def test_python_numbers_are_weak_in_updates_and_givens():
    small, whole = sg.shared(np.float32(1)), sg.shared(np.int8(1))
    sg.function([], updates={small: 0.5, whole: 3})()
    assert (small.get_value(), whole.get_value()) == (0.5, 3)
    f = sg.fscalar("f")
    assert sg.function([], f * 2, givens={f: 1.5})() == 3.0


def test_updates_are_widened_where_that_loses_nothing():
    w = sg.shared(np.zeros(3))
    sg.function([labels], updates={w: labels.astype("int32")})([1, 2, 3])
    assert w.get_value().dtype == np.float64


@pytest.mark.parametrize(
    ("value", "new", "error", "text"),
    [
        (np.zeros(3), 3.0, errors.ShapeError, "1 dimensions"),
        (np.zeros(3), m, errors.ShapeError, "has 2"),
        (np.float32(1), s, errors.DTypeError, "sg.cast"),
        (1, 0.5, errors.DTypeError, "sg.cast"),
        (np.int8(1), 300, errors.DTypeError, "300"),
        (np.int8(1), n, errors.DTypeError, "sg.cast"),
        (True, 1, errors.DTypeError, "cannot take"),
    ],
)
def test_updates_of_another_type_are_refused(value, new, error, text):
    target = sg.shared(value, "target")
    with pytest.raises(error, match=text) as caught:
        sg.function([], updates={target: new})
    assert "target" in str(caught.value)
    with pytest.raises(error, match=text):
        target.default_update = new


def test_malformed_updates_and_givens_are_refused():
    w = sg.shared(A)
    for bad in ([w], ["ab"], {"w": x}, [(w, w, w)], [3]):
        with pytest.raises(errors.SymgraphError, match="is not a variable and its"):
            sg.function([x], x, updates=bad)
        with pytest.raises(errors.SymgraphError, match="is not a variable and its"):
            sg.function([x], x, givens=bad)
    with pytest.raises(errors.SymgraphError, match="two new values"):
        sg.function([], updates=[(w, w), (w, w + 1)])
    with pytest.raises(errors.SymgraphError, match="not a shared variable"):
        sg.function([x], x, updates={x: x})


@pytest.mark.parametrize("mode", MODES)
def test_default_updates_are_made_where_the_variable_is_read(mode):
    step, rate, idle = sg.shared(0, "step"), sg.shared(1.0, "rate"), sg.shared(0)
    step.default_update = step + 1
    rate.default_update = rate / (1 + step)  # reads another variable
    idle.default_update = idle + 1
    f = sg.function([], rate * 2, mode=mode)
    assert [f(), f(), f()] == [2.0, 2.0, 1.0]
    assert (step.get_value(), rate.get_value()) == (3, 1 / 6)
    assert idle.get_value() == 0


def test_given_updates_come_before_default_ones():
    w = sg.shared(0)
    w.default_update = w + 1
    sg.function([], w, updates={w: w + 10})()
    assert w.get_value() == 10
    w.default_update = None
    sg.function([], w)()
    assert w.get_value() == 10
    assert w.default_update is None


def test_givens_reach_updates_and_default_updates():
    w, v = sg.shared(1.0), sg.shared(1.0)
    v.default_update = v * s
    sg.function([], v + s, updates={w: w + s}, givens={s: sg.constant(3.0)})()
    assert (w.get_value(), v.get_value()) == (4.0, 3.0)


# -- givens ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_givens_replace_inputs_expressions_and_shared_variables(mode):
    w = sg.shared(A)
    ten = sg.constant(np.full(3, 10.0))
    made = sg.function([x], [y * 2, w + 1, sg.exp(m)[0]], mode=mode, givens={
        y: x + 1, w: x * 3, sg.exp(m): sg.stack([ten, ten])})  # fmt: skip
    results = made(A)
    np.testing.assert_array_equal(results[0], (A + 1) * 2)
    np.testing.assert_array_equal(results[1], A * 3 + 1)
    np.testing.assert_array_equal(results[2], np.full(3, 10.0))


def test_givens_do_not_see_each_other():
    f = sg.function([x, y], x - y, givens={x: y, y: x})
    np.testing.assert_array_equal(f(A, 2 * A), A)


def test_givens_of_another_type_are_refused():
    three = sg.tensor("three", shape=(3,))
    four = sg.tensor("four", shape=(4,))
    for new in (s, four, m):
        with pytest.raises(errors.ShapeError, match="givens"):
            sg.function([new], three * 2, givens={three: new})
    with pytest.raises(errors.DTypeError, match="givens"):
        sg.function([x], labels, givens={labels: x})


# -- inputs when a function is made ----------------------------------------------------


def test_inputs_that_do_not_fit_the_graph_are_refused():
    with pytest.raises(errors.MissingInputError, match="depend on y") as caught:
        sg.function([x], x + y)
    assert "test_function.py" in str(caught.value)
    with pytest.raises(errors.UnusedInputError, match="input y plays no part"):
        sg.function([x, y], x)
    with pytest.raises(errors.SymgraphError, match="listed twice"):
        sg.function([x, x], x)
    for bad in (x * 2, 3, "x", sg.shared(A), sg.constant(1.0)):
        with pytest.raises(errors.SymgraphError, match="declared variable"):
            sg.function([bad], x)


def test_unused_inputs_may_be_allowed():
    with pytest.warns(UserWarning, match="input y plays no part"):
        f = sg.function([x, y], x, on_unused_input="warn")
    np.testing.assert_array_equal(f(A, [1.0]), A)
    g = sg.function([y, x], x, on_unused_input="ignore")
    np.testing.assert_array_equal(g([1.0], A), A)
    with pytest.raises(errors.SymgraphError, match="on_unused_input cannot be 'other'"):
        sg.function([x], x, on_unused_input="other")


def test_a_default_is_checked_when_the_function_is_made():
    with pytest.raises(errors.DTypeError, match="argument 0"):
        sg.function([sg.In(x, value="text")], x)
    with pytest.raises(errors.ShapeError, match="argument 1"):
        sg.function([y, sg.In(x, value=1.0)], x + y)


def test_unknown_modes_and_devices_are_refused():
    with pytest.raises(errors.UnsupportedError, match="slow"):
        sg.function([x], x, mode="slow")
    with pytest.raises(errors.UnsupportedError, match="cuda"):
        sg.function([x], x, device="cuda")


# -- failing calls ---------------------------------------------------------------------


def failing(mode: str) -> list[tuple[str, Callable[[], Any], type[Exception]]]:
    """Calls that fail late, of functions that would also update."""

    def made(inputs: list[Any], output: Any, *values: object) -> Callable[[], Any]:
        f = sg.function(inputs, output, updates=UPDATES, mode=mode)
        return lambda: f(*values)

    logp = sg.log_softmax(m, axis=1)[sg.arange(m.shape[0]), labels]
    return [
        ("label", made([m, labels], -logp.mean(), np.ones((2, 3)), [0, 3]), IndexError),
        ("index", made([x, labels], x[labels] * 2, A, [0, -4]), IndexError),
        ("pick", made([x, n], x[n], A, 3), IndexError),
        ("memory", made([n], sg.arange(n) * 2, 10**17), MemoryError),
        ("full", made([n], sg.sum(sg.exp(sg.full((n, 3), 2.0)) @ sg.ones((3, 2))),
                      10**16), MemoryError),
        ("negative", made([n], sg.full((n,), 1.0), -1), errors.ShapeError),
        ("empty", made([x], x.max(), np.zeros(0)), errors.ShapeError),
        ("sizes", made([x, y], x + y, A, A[:2]), errors.ShapeError),
        ("reshape", made([x, n], x.reshape((n, 2)), A, 2), errors.ShapeError),
        ("dtype", made([x], x + 1, ["a"]), errors.DTypeError),
        ("missing", made([x], x + 1), errors.MissingInputError),
    ]  # fmt: skip


COUNTER, VECTOR = sg.shared(0, "counter"), sg.shared(A, "vector")
UPDATES = {COUNTER: COUNTER + 1, VECTOR: VECTOR * 2}


@pytest.mark.parametrize("mode", MODES)
def test_a_call_that_fails_changes_no_shared_variable(mode):
    before = COUNTER.get_value(), VECTOR.get_value()
    arrays = COUNTER.get_value(borrow=True), VECTOR.get_value(borrow=True)
    for name, call, error in failing(mode):
        with pytest.raises(error):
            call()
        assert COUNTER.get_value() == before[0], name
        np.testing.assert_array_equal(VECTOR.get_value(), before[1], name)
    assert np.shares_memory(arrays[1], VECTOR.get_value(borrow=True))


def test_a_failed_call_does_not_spoil_the_next():
    f = sg.function([x, labels], x[labels] * 2, updates={COUNTER: COUNTER + 1})
    start = COUNTER.get_value()
    for _ in range(3):
        with pytest.raises(errors.IndexOutOfBoundsError):
            f(A, [5])
        np.testing.assert_array_equal(f(A, [1]), [4.0])
    assert COUNTER.get_value() == start + 3


# -- sizes -----------------------------------------------------------------------------


def test_shape_errors_name_the_op_the_sizes_and_the_line():
    total = sg.exp(x) + sg.log(y)  # the line that the message shows
    f = sg.function([x, y], total, name="step")
    with pytest.raises(errors.ShapeError) as caught:
        f(np.ones(2), np.ones(5))
    text = str(caught.value)
    for part in (
        *("step: add: sizes 2 and 5", "<exp: float64[2]>, <log: float64[5]>"),
        *("test_function.py", "the line that the message shows", "help:"),
    ):
        assert part in text


@pytest.mark.parametrize("mode", MODES)
def test_a_size_of_one_against_another_is_broadcast(mode):
    result = sg.function([x, y], x * y, mode=mode)(A, [2.0])
    np.testing.assert_array_equal(result, A * 2)
    column = sg.col("column")
    result = sg.function([column, m], column + m)(np.ones((2, 1)), np.ones((2, 3)))
    np.testing.assert_array_equal(result, np.full((2, 3), 2.0))


@pytest.mark.parametrize("mode", MODES)
def test_a_size_of_one_that_numpy_refuses_too_is_a_shape_error(mode):
    for output, values in (
        (m @ x, (np.ones((2, 3)), np.ones(1))),
        (sg.concatenate([m, x[None]]), (np.ones((2, 3)), np.ones(1))),
    ):
        with pytest.raises(errors.ShapeError):
            sg.function([m, x], output, mode=mode)(*values)


def test_named_and_fixed_dimensions_are_checked():
    a = sg.tensor("a", shape=("n", 3))
    b = sg.tensor("b", shape=("n",))
    f = sg.function([a, b], [a + 1, b + 1])
    with pytest.raises(errors.ShapeError, match=r"n is 2 in argument a .* 4 in .* b"):
        f(np.ones((2, 3)), np.ones(4))
    with pytest.raises(errors.ShapeError, match=r"a has size 4 along axis 1.* says 3"):
        f(np.ones((2, 4)), np.ones(2))
    with pytest.raises(errors.ShapeError, match="has 3 dimensions"):
        f(np.ones((2, 3, 1)), np.ones(2))
    interpreted = sg.function([a, b], [a + 1, b + 1], mode="interpret")
    for values in ((np.ones((2, 3)), np.ones(4)), (np.ones((2, 4)), np.ones(2))):
        with pytest.raises(errors.ShapeError):
            interpreted(*values)


def test_a_fixed_dimension_of_one_stretches_nothing_named():
    a = sg.tensor("a", shape=("n",))
    f = sg.function([a, y], a + y)
    np.testing.assert_array_equal(f(A, A), A + A)
    np.testing.assert_array_equal(f(A, np.ones(1)), A + 1)
    np.testing.assert_array_equal(f(np.ones(1), A), A + 1)
    assert list(f.versions) == ["fast", "generic"]


@pytest.mark.parametrize("mode", MODES)
def test_negative_sizes_are_refused_though_rewriting_needs_no_array(mode):
    """sum(full((n, n), 1)) would be n * n, and a sum of nothing 0."""
    for output in (
        sg.sum(sg.full((n, n), 1.0)),
        sg.broadcast_to(s, (n, 3)).sum(),
        sg.full((n,), 1.0)[:0],
    ):
        f = sg.function([s, n], output, on_unused_input="ignore", mode=mode)
        f(1.0, 3)
        with pytest.raises(errors.ShapeError, match="negative"):
            f(1.0, -1)


# -- looking inside --------------------------------------------------------------------


def test_a_function_shows_what_it_is():
    f = sg.function([x, sg.In(y, name="other")], x + y, name="plus")
    assert repr(f) == "<function plus(x: float64[x.0], other: float64[y.0])>"
    assert f.name == "plus"
    assert len(f.graph) == 3 and len(f.optimized) == 3
    assert f.report.kernels == len(f.program.steps) == 1
    assert f.report.compile_time > 0
    for stage in ("loops", "llvm", "asm", "cuda"):
        assert f.source(stage)
    with pytest.raises(errors.UnsupportedError, match="'mlir'"):
        f.source("mlir")
    with pytest.raises(errors.UnsupportedError, match="interpret"):
        _ = sg.function([x], x, mode="interpret").report


def test_temporaries_can_be_given_back():
    f = sg.function([m], sg.exp(m) @ sg.exp(m) @ m)
    given = np.eye(40)
    expected: Array = f(given)
    f.trim()
    np.testing.assert_array_equal(f(given), expected)
    sg.function([x], x, mode="interpret").trim()
