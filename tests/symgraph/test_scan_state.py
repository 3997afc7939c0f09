"""Scans with shared variables and random streams in them, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import (
    ArgumentError,
    DTypeError,
    IndexOutOfBoundsError,
    ShapeError,
    SymgraphError,
)
from symgraph.variable import Variable

from ..support import MODES

x, m, v = sg.dvector("x"), sg.dmatrix("m"), sg.dvector("v")
n, k = sg.lscalar("n"), sg.lscalar("k")


# -- shared variables ------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_shared_variables_are_updated_in_each_round(mode: str) -> None:
    count, total = sg.shared(np.int64(0)), sg.shared(np.zeros(2))

    def step(row: Variable, last: Variable) -> Any:
        return last + count, {count: count + 1, total: total + row * last}

    y = sg.scan(step, sequences=m, outputs_info=np.int64(0))
    f = sg.function([m], y, mode=mode)
    rows = np.arange(6.0).reshape(3, 2)
    known, sums = 0, np.zeros(2)
    for _ in range(2):
        last, expected = 0, []
        for row in rows:
            last, known, sums = last + known, known + 1, sums + row * last
            expected.append(last)
        np.testing.assert_array_equal(f(rows), expected)
        assert count.get_value() == known
        np.testing.assert_array_equal(total.get_value(), sums)
    f(np.zeros((0, 2)))
    assert count.get_value() == known


@pytest.mark.parametrize("mode", MODES)
def test_updates_alone_and_as_pairs(mode: str) -> None:
    w = sg.shared(1.0)
    y = sg.scan(lambda r: (r * w, [(w, w * 2)]), sequences=x)
    f = sg.function([x], y, mode=mode)
    np.testing.assert_array_equal(f([1.0, 1.0, 1.0]), [1.0, 2.0, 4.0])
    assert w.get_value() == 8.0


@pytest.mark.parametrize("mode", MODES)
def test_updates_of_rounds_that_are_made(mode: str) -> None:
    w = sg.shared(np.zeros(2))
    y = sg.scan(lambda r: (r * 2, {w: w + r}, sg.until(r > 2)), sequences=x)
    f = sg.function([x], y, mode=mode)
    np.testing.assert_array_equal(f([1.0, 2.0, 3.0, 4.0]), [2.0, 4.0, 6.0])
    np.testing.assert_array_equal(w.get_value(), [6.0, 6.0])


@pytest.mark.parametrize("mode", MODES)
def test_a_call_that_fails_updates_nothing(mode: str) -> None:
    """An index out of bounds in the last round; it is said which, and what to do."""
    w = sg.shared(np.int64(0))
    places = sg.lvector("places")
    y = sg.scan(lambda i: (v[i + w], {w: w + 1}), sequences=places)
    f = sg.function([places, v], y, mode=mode)
    with pytest.raises(IndexOutOfBoundsError, match=r"out of bounds[\s\S]*help: "):
        f([0, 0, 0, 0], np.zeros(3))
    assert w.get_value() == 0
    np.testing.assert_array_equal(f([0, 0, 0], [1.0, 2.0, 3.0]), [1.0, 2.0, 3.0])
    assert w.get_value() == 3


# -- random streams --------------------------------------------------------------------


def drawing(seed: int, mode: str) -> Any:
    """Draws inside and outside of a scan, from one stream."""
    stream = sg.random.Stream(seed)
    before = stream.normal((2,))
    inside, more = sg.scan(
        lambda a: (a + stream.normal((2,)), stream.uniform()),
        outputs_info=[np.zeros(2), None],
        n_steps=n,
    )
    return sg.function([n], [before, inside, more], mode=mode)


def test_streams_draw_anew_in_each_round_and_call() -> None:
    f = drawing(1, "fast")
    calls = [f(4), f(4)]
    draws = []
    for before, inside, more in calls:
        steps = np.diff(inside, axis=0, prepend=np.zeros((1, 2)))
        draws.append(np.concatenate([before, steps.ravel(), more]))
    every = np.concatenate(draws)
    assert len(np.unique(every)) == len(every)


def test_streams_are_reproducible_and_the_same_in_both_modes() -> None:
    functions = [drawing(7, "fast"), drawing(7, "fast"), drawing(7, "interpret")]
    for rounds in (3, 0, 5):
        first, *others = (f(rounds) for f in functions)
        for other in others:
            for a, b in zip(first, other, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12)
    other = drawing(8, "fast")(3)
    assert not np.allclose(drawing(7, "fast")(3)[1], other[1])


def test_streams_in_nested_scans_and_while_loops() -> None:
    """Each round of each has draws of its own."""
    found = []
    for mode in MODES:
        stream = sg.random.Stream(3)

        def row(_: Variable, stream: Any = stream) -> Any:
            return sg.scan(lambda __: stream.uniform(), sequences=v)

        def attempt(state: Any, stream: Any = stream) -> Any:
            return state[0] + 1, stream.uniform()

        table = sg.scan(row, sequences=x)
        tries = sg.while_loop(lambda s: s[1] < 0.95, attempt, (np.int64(0), 0.0))
        f = sg.function([x, v], [table, *tries], mode=mode)
        found.append(f(np.zeros(3), np.zeros(4)))
    (got, count, last), other = found
    assert len(np.unique(got)) == 12 and count > 0 and last >= 0.95
    np.testing.assert_allclose(got, other[0], rtol=1e-12)
    assert (count, last) == tuple(other[1:])


# -- what is refused -------------------------------------------------------------------


def refused(error: type[SymgraphError], match: str, *args: Any, **kwargs: Any) -> None:
    """Building a scan raises `error`, and a message with a remedy."""
    with pytest.raises(error, match=match) as caught:
        sg.scan(*args, **kwargs)
    assert "help: " in str(caught.value)


def test_a_carry_keeps_its_dtype_and_shape() -> None:
    i = sg.lscalar("i")
    refused(
        DTypeError,
        r"part 0 of the carry changes its dtype from int64 to float64[\s\S]*"
        r"help: start from float64, or cast .*astype\('int64'\)",
        lambda c, r: (c + r, None), i, x,
    )  # fmt: skip
    refused(
        ShapeError,
        r"part 1 of the carry changes its shape from float64 to float64\[",
        lambda c, r: ((c[0], c[1] + v), None), (i, sg.dscalar("s")), x,
    )  # fmt: skip
    refused(
        ShapeError,
        r"output 0 changes its shape from float64\[2\] to float64\[1\]",
        lambda r, a: a[:1], sequences=x, outputs_info=np.zeros(2),
    )  # fmt: skip
    refused(DTypeError, "float32", lambda r, a: a + r, sequences=x,
            outputs_info=np.float32(0))  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_sizes_that_change_are_refused_in_the_call(mode: str) -> None:
    last, _ = sg.scan(lambda c, r: (v * r, None), x, m[:, 0])
    f = sg.function([x, m, v], last, mode=mode)
    np.testing.assert_array_equal(
        f([1.0, 1.0], np.ones((2, 1)), [2.0, 3.0]), [2.0, 3.0]
    )
    with pytest.raises(ShapeError):
        f([1.0, 1.0], np.ones((2, 1)), [2.0, 3.0, 4.0])


@pytest.mark.parametrize("mode", MODES)
def test_rows_are_as_many_as_rounds(mode: str) -> None:
    """Too few rows are refused, when the call says so at the latest."""
    carried, _ = sg.scan(lambda c, r: (c + r[0] * r[1], None), 0.0, (x, v))
    f = sg.function([x, v], carried, mode=mode)
    assert f([1.0, 2.0], [3.0, 4.0]) == 11.0
    with pytest.raises(ShapeError, match="differ"):
        f([1.0, 2.0], [1.0, 2.0, 3.0])
    g = sg.function([x, n], sg.scan(lambda r: r, sequences=x, n_steps=n), mode=mode)
    with pytest.raises(ShapeError, match="differ"):
        g([1.0, 2.0], 3)


def test_declared_lengths_that_differ() -> None:
    three, four = sg.tensor("a", shape=(3,)), sg.tensor("b", shape=(4,))
    with pytest.raises(ShapeError, match=r"3[\s\S]*4|4[\s\S]*3"):
        sg.scan(lambda c, r: (c + r[0] + r[1], None), 0.0, (three, four))
    shorter = sg.scan(lambda a, b: a + b, sequences=[three, four])
    assert shorter.type.dims == (3,)


def test_what_steps_return() -> None:
    refused(ArgumentError, r"the step returns 1 outputs, and outputs_info describes 2",
            lambda r, a, b: a, sequences=x, outputs_info=[0.0, 0.0])  # fmt: skip
    refused(ArgumentError, r"the step returns 2 outputs, and outputs_info describes 1",
            lambda r, a: (a, a), sequences=x, outputs_info=0.0)  # fmt: skip
    refused(ArgumentError, "returned nothing", lambda r: (), sequences=x)
    refused(ArgumentError, "not a pair", lambda c, r: c + r, 0.0, x)
    refused(ArgumentError, "carry changes its structure",
            lambda c, r: ((c, c), None), 0.0, x)  # fmt: skip


def test_arguments_that_do_not_fit_together() -> None:
    refused(ArgumentError, r"number of rounds[\s\S]*n_steps=", lambda a: a,
            outputs_info=0.0)  # fmt: skip
    refused(ArgumentError, r"number of rounds[\s\S]*length=", lambda c, _: (c, None),
            0.0)  # fmt: skip
    refused(ArgumentError, "of another form", lambda c, _: (c, None), 0.0, n_steps=3)
    refused(ArgumentError, "of another form", lambda a: a, sequences=x, reverse=True)
    refused(ShapeError, r"sequence 0 has no axis[\s\S]*non-sequence", lambda a: a,
            sequences=sg.dscalar("s"))  # fmt: skip
    refused(ShapeError, "no axis", lambda c, r: (c + r, None), 0.0, sg.dscalar("s"))


def test_taps() -> None:
    def info(**given: Any) -> dict[str, Any]:
        return {"sequences": x, "outputs_info": given}

    refused(ArgumentError, r"output 0 has a tap 1[\s\S]*-1 is the round before",
            lambda r, a: a, **info(initial=0.0, taps=[1]))  # fmt: skip
    refused(ArgumentError, "a tap 0", lambda r, a: a, **info(initial=0.0, taps=0))
    refused(ShapeError, "its taps read 2 values", lambda r, a: a,
            **info(initial=0.0, taps=[-2]))  # fmt: skip
    refused(ShapeError, "its taps read 3 values", lambda r, a: a,
            **info(initial=np.zeros(2), taps=[-3]))  # fmt: skip
    refused(ArgumentError, "'initial' is missing", lambda r, a: a, **info(taps=[-1]))
    refused(ArgumentError, "'tap' is unknown", lambda r: r,
            sequences={"input": x, "tap": 1})  # fmt: skip
    refused(ArgumentError, "list of ints", lambda r: r,
            sequences={"input": x, "taps": [0.5]})  # fmt: skip


def test_conditions_are_scalars() -> None:
    refused(ShapeError, r"until: the condition is not a scalar[\s\S]*sg.all",
            lambda r: (r, sg.until(r > 0)), sequences=m)  # fmt: skip
    with pytest.raises(ShapeError, match=r"while_loop: the condition is not a scalar"):
        sg.while_loop(lambda s: s > 0, lambda s: s - 1, v)
    with pytest.raises(ArgumentError, match="state changes its structure"):
        sg.while_loop(lambda s: s > 0, lambda s: (s, s), 1.0)
    with pytest.raises(DTypeError, match="part 0 of the state changes its dtype"):
        sg.while_loop(lambda s: s > 0, lambda s: s / 2, k)
    with pytest.raises(ArgumentError, match="without a first value"):
        sg.reduce(lambda r, a: a, x, None)


@pytest.mark.parametrize("mode", MODES)
def test_an_index_out_of_bounds_in_a_round(mode: str) -> None:
    """Is refused as elsewhere, with the line that wrote it; not before that round."""
    y = sg.scan(lambda i: v[i] * 2, sequences=sg.arange(n))
    f = sg.function([n, v], y, mode=mode)
    np.testing.assert_array_equal(f(2, [1.0, 2.0]), [2.0, 4.0])
    with pytest.raises(IndexOutOfBoundsError, match=r"test_scan_state.py[\s\S]*v\[i\]"):
        f(3, [1.0, 2.0])


@pytest.mark.parametrize("mode", MODES)
def test_negative_rounds(mode: str) -> None:
    """Carry nothing on; there is no stack of negative length."""
    last, _ = sg.scan(lambda c, _: (c * 2, None), 1.0, length=n)
    f = sg.function([n], last, mode=mode)
    assert (f(-2), f(0), f(2)) == (1.0, 1.0, 4.0)
    g = sg.function(
        [n], sg.scan(lambda a: a * 2, outputs_info=1.0, n_steps=n), mode=mode
    )
    with pytest.raises(SymgraphError, match="negative"):
        g(-2)
