"""Values of scans and loops in all their forms, against loops in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symgraph as sg
from symgraph.errors import UnsupportedError
from symgraph.variable import Variable

from ..support import MODES, Computer, assert_same
from .scans import Checked, plain_scan

x, m, h0 = sg.dvector("x"), sg.dmatrix("m"), sg.dvector("h0")
n = sg.lscalar("n")


def stacked(values: list[Any], row: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.array(values, dtype).reshape(len(values), *row)


# -- Theano's form ---------------------------------------------------------------------


@st.composite
def tapped(draw: st.DrawFn) -> dict[str, Any]:
    """Sequences and outputs with their taps, and how many rounds there are."""
    taps = st.lists(st.integers(-2, 2), min_size=1, max_size=3, unique=True)
    past = st.lists(st.integers(-3, -1), min_size=1, max_size=3, unique=True)
    rounds = draw(st.sampled_from([0, 1, 2, 5]))
    fewer = draw(st.sampled_from([None, None, 0, 1, rounds]))
    return {
        "sequences": draw(st.lists(taps, min_size=0, max_size=2)),
        "wide": draw(st.one_of(st.none(), past)),
        "counted": draw(st.one_of(st.none(), past)),
        "backwards": draw(st.booleans()),
        "rounds": rounds,
        "n_steps": fewer if fewer is None else min(fewer, rounds),
        "extra": draw(st.integers(0, 2)),
        "seed": draw(st.integers(0, 99)),
    }


@settings(max_examples=40, derandomize=True, deadline=None)
@given(tapped())
def test_taps(case: dict[str, Any]) -> None:
    """Outputs: floats with taps, ints with taps, and bools without."""
    rng = np.random.default_rng(case["seed"])
    taps, rounds = case["sequences"], case["rounds"]
    width, n_steps = 2, case["n_steps"]
    if not taps and n_steps is None:
        n_steps = rounds
    data = [
        rng.normal(size=(rounds + max(0, *t) - min(0, *t) + k * case["extra"], width))
        for k, t in enumerate(taps)
    ]
    inputs = [sg.dmatrix(f"x{k}") for k in range(len(taps))]
    infos: list[Any] = [None, None, None]
    plain: list[Any] = [None, None, None]
    starts = [rng.normal(size=(3, width)), rng.integers(-5, 5, 3)]
    for place, own in enumerate((case["wide"], case["counted"])):
        if own is not None:
            value = starts[place][: -min(own)]
            value = value[0] if own == [-1] else value
            infos[place] = {"initial": sg.constant(value), "taps": own}
            plain[place] = (value, own)

    def step(*args: Any) -> list[Any]:
        seen, floats = sum(map(len, taps)), 0 if plain[0] is None else len(plain[0][1])
        rows, past, counts = (
            args[:seen],
            args[seen : seen + floats],
            args[seen + floats :],
        )
        total = sum((k + 1.0) * v for k, v in enumerate(rows))
        total = total + sum(0.5 / (k + 1) * v for k, v in enumerate(past))
        total = total + np.ones(width)
        count = sum((k + 2) * v for k, v in enumerate(counts))
        count = (count if counts else sg_or_np(0)) + 1
        return [total, count, total[0] > 0]

    def sg_or_np(value: int) -> Any:
        return sg.constant(value, "int64") if symbolic else np.int64(value)

    symbolic = True
    made = sg.scan(
        step,
        sequences=[{"input": v, "taps": t} for v, t in zip(inputs, taps, strict=True)],
        outputs_info=infos,
        n_steps=n_steps,
        go_backwards=case["backwards"],
    )
    run = Checked(inputs, made)
    symbolic = False
    expected = plain_scan(
        lambda *args: (step(*args), False),
        list(zip(data, taps, strict=True)),
        plain,
        n_steps,
        case["backwards"],
    )
    rows = [((width,), "float64"), ((), "int64"), ((), "bool")]
    for got, want, row in zip(run(*data), expected, rows, strict=True):
        assert_same(got, stacked(want, *row), str(case))


def test_rounds_are_as_many_as_the_shortest_sequence_has() -> None:
    y = sg.dvector("y")
    run = Checked([x, y], [sg.scan(lambda a, b: a - b, sequences=[x, y])])
    for a, b in ((3, 5), (5, 3), (0, 2), (2, 2)):
        u, v = np.arange(float(a)), np.ones(b)
        k = min(a, b)
        np.testing.assert_array_equal(run(u, v)[0], u[:k] - v[:k])


def test_backwards_begins_at_the_end_of_each_sequence() -> None:
    """Where rounds are fewer than rows too, as in Theano."""
    y = sg.dvector("y")
    outputs = [
        sg.scan(lambda a, b: a - b, sequences=[x, y], go_backwards=True),
        sg.scan(lambda a: a, sequences=x, n_steps=n, go_backwards=True),
    ]
    run = Checked([x, y, n], outputs)
    u, v = np.arange(5.0), np.arange(3.0) * 10
    both, last = run(u, v, 2)
    np.testing.assert_array_equal(both, u[::-1][:3] - v[::-1])
    np.testing.assert_array_equal(last, [4.0, 3.0])


def test_fn_is_given_sequences_outputs_and_the_rest_in_this_order() -> None:
    seen: list[Any] = []

    def step(*args: Variable) -> tuple[Any, Any]:
        seen[:] = args
        return args[2] + args[0] * args[4], args[3] + 1

    w = sg.dscalar("w")
    a, b = sg.scan(
        step,
        sequences=[x, {"input": x, "taps": 1}],
        outputs_info=[1.0, np.float32(0)],
        non_sequences=w,
    )
    assert [v.dtype for v in seen] == ["float64"] * 3 + ["float32", "float64"]
    assert seen[4] is w and (a.dtype, b.dtype) == ("float64", "float32")
    got = Checked([x, w], [a, b])([1.0, 2.0, 3.0], 2.0)
    np.testing.assert_array_equal(got[0], [3.0, 7.0])
    np.testing.assert_array_equal(got[1], np.float32([1, 2]))


@pytest.mark.parametrize(
    ("returned", "kind"),
    [
        (lambda v: v, Variable),
        (lambda v: [v], tuple),
        (lambda v: (v, v), tuple),
        (lambda v: (v, {}), Variable),
        (lambda v: (v, sg.until(v > 5)), Variable),
        (lambda v: ([v, v], {}), tuple),
        (lambda v: ((v,), {}, sg.until(v > 5)), tuple),
    ],
)
def test_what_a_step_may_return(returned: Any, kind: type) -> None:
    assert isinstance(sg.scan(returned, sequences=x), kind)


def test_map_reduce_foldl_foldr() -> None:
    w = sg.dscalar("w")
    run = Checked(
        [x, w],
        [
            sg.map(lambda v, s: v * s, x, w),
            sg.map(lambda v: v * v, x, go_backwards=True),
            sg.reduce(lambda v, a: a * w + v, x, 1.0),
            *sg.reduce(lambda v, a, b: (a + v, b * 2), x, [0.0, np.int32(1)]),
            sg.foldl(lambda v, a: a / 2 + v, x, 0.0),
            sg.foldr(lambda v, a: a / 2 + v, x, 0.0),
        ],
    )
    for size in (0, 1, 4):
        u = np.arange(1.0, size + 1)
        horner, left, right = 1.0, 0.0, 0.0
        for v in u:
            horner, left = horner * 3 + v, left / 2 + v
        for v in u[::-1]:
            right = right / 2 + v
        expected = [u * 3, (u * u)[::-1], horner, u.sum(), np.int32(2**size)]
        for got, want in zip(run(u, 3.0), [*expected, left, right], strict=True):
            assert_same(got, want, f"{size}")


# -- JAX's form ------------------------------------------------------------------------


def test_nested_structures_are_kept() -> None:
    def step(carry: Any, row: Any) -> Any:
        h, count = carry["h"], carry["more"][0]
        new = {"h": 0.5 * h + row["a"] * row["b"], "more": (count + 1,)}
        return new, {"h": h, "pair": [count, None]}

    init = {"h": h0, "more": (np.int32(0),)}
    last, kept = sg.scan(step, init, {"a": x, "b": m})
    assert set(kept) == {"h", "pair"} and kept["pair"][1] is None
    run = Checked([x, m, h0], [last["h"], last["more"][0], kept["h"], kept["pair"][0]])
    for size in (0, 1, 4):
        rng = np.random.default_rng(size)
        u, rows, h = rng.normal(size=size), rng.normal(size=(size, 2)), np.ones(2)
        got = run(u, rows, h)
        before = []
        for a, b in zip(u, rows, strict=True):
            before.append(h)
            h = 0.5 * h + a * b
        for a, b in zip(
            got,
            [h, np.int32(size), stacked(before, (2,), "float64"), np.arange(size)],
            strict=True,
        ):
            assert_same(a, np.asarray(b, a.dtype), f"{size}")


def test_without_rows_and_without_anything_kept() -> None:
    last, kept = sg.scan(lambda c, _: (c * 2, None), 1.0, length=n)
    assert kept is None
    only, stack = sg.scan(lambda c, v: (c, v + 1), None, x)
    assert only is None
    run = Checked([n, x], [last, stack])
    for rounds in (0, 1, 5):
        got = run(rounds, [1.0, 2.0])
        assert got[0] == 2.0**rounds
        np.testing.assert_array_equal(got[1], [2.0, 3.0])


def test_reverse_goes_and_keeps_from_the_last_row_to_the_first() -> None:
    last, kept = sg.scan(lambda c, v: (c + v, (c, v)), 0.0, x, reverse=True)
    run = Checked([x], [last, *kept])
    for size in (0, 1, 5):
        u = np.arange(1.0, size + 1)
        total, before, rows = run(u)
        assert total == u.sum()
        np.testing.assert_array_equal(before, u[::-1].cumsum()[::-1] - u)
        np.testing.assert_array_equal(rows, u)


CARRIES: dict[str, Any] = {
    "swap": lambda a, b, c: (b, a, c),
    "rotate": lambda a, b, c: (b, c, a),
    "back": lambda a, b, c: (c, a, b),
    "constant": lambda a, b, c: (a, b + 1, c),
    "same new": lambda a, b, c: (a + b, a + b, c * 2),
    "same old": lambda a, b, c: (c, c, a + b),
    "all one": lambda a, b, c: (c, c, c),
    "chain": lambda a, b, c: (b, c, a + b),
    "old and new": lambda a, b, c: (b, b * 2, b),
    "flipped": lambda a, b, c: (b[::-1], a, c[::-1]),
}


@pytest.mark.parametrize("kept", [False, True])
def test_carried_values_change_places(kept: bool) -> None:
    inputs = sg.vectors("a b c")
    rounds = [0, 1, 2, 4, 7]
    outputs: list[Variable] = []
    for step in CARRIES.values():

        def once(carry: Any, _: Any, step: Any = step) -> Any:
            return step(*carry), carry[0] if kept else None

        last, stack = sg.scan(once, tuple(inputs), length=n)
        outputs += [*last, *([stack] if kept else [])]
    run = Checked([*inputs, n], outputs)
    start = [np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array([5.0, 6.0])]
    for count in rounds:
        expected: list[Any] = []
        for step in CARRIES.values():
            state, stack = tuple(start), []
            for _ in range(count):
                stack.append(state[0])
                state = step(*state)
            expected += [*state]
            expected += [stacked(stack, (2,), "float64")] if kept else []
        for a, b in zip(run(*start, count), expected, strict=True):
            assert_same(a, b, f"{count} rounds")


def test_results_are_the_first_values_and_inputs_untouched() -> None:
    """Of no rounds: copies, not the arguments themselves."""
    (last,) = (sg.scan(lambda c, _: (c * 2, None), h0, length=n)[0],)
    run = Checked([h0, n], [last, last + 0])
    given_ = np.array([1.0, 2.0])
    for count in (0, 3):
        got = run(given_, count)
        np.testing.assert_array_equal(got[0], given_ * 2**count)
        got[0][:] = 0
        np.testing.assert_array_equal(given_, [1.0, 2.0])


def test_rows_of_views() -> None:
    """Slices, flips, strided, transposed and computed ones need no copies of their own.

    Forwards and backwards.
    """
    views: list[Any] = [
        lambda a: a[1:],
        lambda a: a[:-2],
        lambda a: a[::-1],
        lambda a: a[::2],
        lambda a: a[1::3][::-1],
        lambda a: a[::-1][1:],
        lambda a: a.T,
        lambda a: a[:, ::-1],
        lambda a: a[2:, None],
        lambda a: a * 2,
        lambda a: a.reshape(-1),
        lambda a: a[:0],
    ]
    outputs = []
    for view in views:
        for reverse in (False, True):
            outputs += sg.scan(
                lambda c, v: (c / 2 + sg.sum(v), c * v), 1.0, view(m), reverse=reverse
            )
    data = np.random.default_rng(0).normal(size=(7, 3))
    got = iter(Checked([m], outputs)(data))
    for number, view in enumerate(views):
        for reverse in (False, True):
            rows, c, kept = view(data), 1.0, []
            for v in rows[::-1] if reverse else rows:
                kept.append(c * v)
                c = c / 2 + v.sum()
            stack = stacked(kept[::-1] if reverse else kept, rows.shape[1:], "float64")
            assert_same(next(got), c, f"view {number}, last")
            assert_same(next(got), stack, f"view {number}, kept")


def test_two_deep() -> None:
    """The inner loop's rows, first value, rest and end are of the outer round."""
    w = sg.dscalar("w")

    def row(carry: Any, r: Variable) -> Any:
        t, c = carry

        def cell(s: Variable, v: Variable) -> Any:
            return s * w + v + c, s - t

        last, kept = sg.scan(cell, c, r)
        powers = sg.while_loop(
            lambda s: s[0] < t, lambda s: (s[0] + 1, s[1] * 2), (np.int64(0), 1.0)
        )[1]
        return (t + 1, last), (kept, powers)

    (count, last), (kept, powers) = sg.scan(row, (np.int64(0), 1.0), m)
    run = Checked([m, w], [count, last, kept, powers])
    for shape in ((3, 4), (1, 1), (0, 3), (3, 0)):
        data = np.random.default_rng(0).normal(size=shape)
        c, stack = 1.0, np.zeros(shape)
        for t, r in enumerate(data):
            s = c
            for k, v in enumerate(r):
                stack[t, k] = s - t
                s = s * 0.5 + v + c
            c = s
        got = run(data, 0.5)
        expected = [
            np.int64(shape[0]),
            np.float64(c),
            stack,
            2.0 ** np.arange(shape[0]),
        ]
        for a, b in zip(got, expected, strict=True):
            assert_same(a, b, f"{shape}")


def test_three_deep() -> None:
    cube = sg.dtensor3("cube")

    def outer(a: Variable, plane: Variable) -> Any:
        def middle(b: Variable, line: Variable) -> Any:
            def inner(c: Variable, v: Variable) -> Any:
                return c + v * a, c * b

            last, kept = sg.scan(inner, b, line, reverse=True)
            return last / 2, sg.sum(kept) + a

        last, kept = sg.scan(middle, a, plane)
        return last, kept * last

    last, kept = sg.scan(outer, 1.0, cube)
    run = Checked([cube], [last, kept])
    for shape in ((2, 3, 4), (5, 1, 2), (2, 0, 3), (2, 2, 0)):
        data = np.random.default_rng(1).normal(size=shape)
        a, planes = 1.0, np.zeros(shape[:2])
        for i, plane in enumerate(data):
            b = a
            for j, line in enumerate(plane):
                c, total = b, 0.0
                for v in line[::-1]:
                    total += c * b
                    c = c + v * a
                planes[i, j] = total + a
                b = c / 2
            planes[i] *= b
            a = b
        got = run(data)
        assert_same(got[0], np.float64(a), f"{shape}")
        assert_same(got[1], planes, f"{shape}")


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint16", "bool"])
def test_dtypes(dtype: str) -> None:
    v = sg.vector("v", dtype)
    start = sg.constant(1, dtype)
    op = (lambda a, b: a ^ b) if dtype == "bool" else (lambda a, b: a * 2 + b)
    last, kept = sg.scan(lambda c, r: (op(c, r), c), start, v)
    data = np.array([0, 1, 1, 0, 1], dtype)
    c, want = np.ones((), dtype), []
    for r in data:
        want.append(c)
        c = np.asarray(op(c, r), dtype)
    got = Checked([v], [last, kept])(data)
    assert_same(got[0], c, dtype)
    assert_same(got[1], np.array(want, dtype), dtype)


def test_python_numbers_take_the_dtype_of_what_follows() -> None:
    k = sg.lvector("k")
    total, _ = sg.scan(lambda c, r: (c + r, None), 0, x)
    (a, b), _ = sg.scan(lambda c, r: ((c[1] * 1, c[0] + r), None), (0, 0), x)
    flag, _ = sg.scan(lambda c, r: (c & (r > 0), None), True, k)
    count, _ = sg.scan(lambda c, r: (c + r, None), True, k)
    assert [v.dtype for v in (total, a, b)] == ["float64"] * 3
    assert (flag.dtype, count.dtype) == ("bool", "int64")
    got = Checked([x, k], [total, a, b, flag, count])([1.5, 2.0, 3.0], [1, 2])
    assert got == [6.5, 2.0, 4.5, True, 4]


def test_complex_values_are_interpreted_only() -> None:
    """Beside a loop, and inside of it where they stay, they compile."""
    z = sg.tensor("z", "complex128", (None,))
    turned = sg.map(lambda r: sg.real(sg.exp(1j * r)), x)
    sums = sg.scan(lambda c, r: (c + r, c), 0.0, x)[1]
    f = sg.function([x, z], [turned, sums * z])
    got = f([1.0, 2.0], [1j, 2j])
    np.testing.assert_allclose(got[0], np.cos([1.0, 2.0]))
    np.testing.assert_array_equal(got[1], [0, 2j])
    last, _ = sg.scan(lambda c, r: (c * 1j + r, None), 0j, x)
    assert sg.function([x], last, mode="interpret")([1.0, 2.0]) == 2 + 1j
    with pytest.raises(UnsupportedError, match=r"no native form[\s\S]*interpret"):
        sg.function([x], last)


@pytest.mark.parametrize("seed", [0, 1])
def test_mode_debug(seed: int) -> None:
    """Agrees with loops, those that end by a condition, and choices."""
    ends = sg.scan(lambda r, a: (a + r, sg.until(r > 2)), sequences=x, outputs_info=0.0)
    last, kept = sg.scan(lambda c, r: (sg.sin(c) + r, c), 0.0, x)
    chosen = sg.ifelse(n > 0, x[n], sg.max(x))
    f = sg.function([x, n], [ends, last, kept, chosen], mode="debug")
    g = sg.function([x, n], [ends, last, kept, chosen])
    given = np.arange(1.0, 6.0), seed
    for a, b in zip(f(*given), g(*given), strict=True):
        assert_same(a, b, "debug")


# -- ends ------------------------------------------------------------------------------


def test_until_keeps_the_round_that_says_so() -> None:
    def step(v: Variable, a: Variable) -> Any:
        return a + v, sg.until(a + v >= 10)

    y = sg.scan(step, sequences=x, outputs_info=0.0)
    other = sg.scan(lambda v: (v * v, sg.until(v >= 3)), sequences=x)
    run = Checked([x], [y, other])
    last = Checked([x], [y[-1], other[-1], y])
    for size in (1, 2, 3, 5, 9):
        u = np.arange(1.0, size + 1)
        sums, squares = u.cumsum()[:4], (u * u)[:3]
        for a, b in zip(run(u), [sums, squares], strict=True):
            assert_same(a, b, f"{size}")
        for a, b in zip(last(u), [sums[-1], squares[-1], sums], strict=True):
            assert_same(a, b, f"{size}")
    assert [len(a) for a in run([])] == [0, 0]


def test_of_an_until_scan_what_needs_its_length_before_is_interpreted_only() -> None:
    """Sizes that are computed have no place in compiled code."""
    y = sg.scan(lambda v: (v, sg.until(v > 3)), sequences=x)
    assert list(Computer([x], [sg.cumsum(y)], "interpret")([1.0, 4.0])[0]) == [1, 5]
    with pytest.raises(UnsupportedError, match=r"computed data[\s\S]*interpret"):
        sg.function([x], sg.cumsum(y))


@pytest.mark.parametrize("mode", MODES)
def test_the_last_row_of_no_rounds_is_out_of_bounds(mode: str) -> None:
    def step(v: Variable, a: Variable) -> Any:
        return a + v, sg.until(v > 3)

    scans = [
        sg.scan(lambda v: v * 2, sequences=x),
        sg.scan(lambda v, a: a + v, sequences=x, outputs_info=1.0),
        sg.scan(lambda v: (v * 2, sg.until(v > 3)), sequences=x),
        sg.scan(step, sequences=x, outputs_info=1.0),
    ]
    for y, value in zip(scans, [4.0, 4.0, 4.0, 4.0], strict=True):
        run = Computer([x], [y[-1]], mode)
        assert run([1.0, 2.0]) == [value]
        with pytest.raises(IndexError, match="pick: "):
            run([])


def test_until_over_several_outputs_and_backwards() -> None:
    def step(r: Variable, a: Variable) -> Any:
        return [a * 0.5 + r, sg.sum(r)], sg.until(sg.sum(r) < 0)

    made = sg.scan(step, sequences=m, outputs_info=[h0, None], go_backwards=True)
    run = Checked([m, h0], made)
    data = np.array([[1.0, 1.0], [2.0, 1.0], [-3.0, 1.0], [1.0, 0.5], [4.0, 1.0]])
    for rows in (data, data[:2], data[2:3]):
        expected = plain_scan(
            lambda r, a: ([a * 0.5 + r, r.sum()], r.sum() < 0),
            [(rows, [0])],
            [(np.ones(2), [-1]), None],
            backwards=True,
        )
        got = run(rows, np.ones(2))
        assert_same(got[0], stacked(expected[0], (2,), "float64"), "rows")
        assert_same(got[1], stacked(expected[1], (), "float64"), "sums")


def test_while_loop() -> None:
    """Ends where it says, at its bound, or never begins."""
    a, most = sg.dscalar("a"), sg.lscalar("most")

    def step(state: Any) -> Any:
        return {"v": state["v"] * 2, "count": state["count"] + 1}

    init = {"v": a, "count": np.int32(0)}
    free = sg.while_loop(lambda s: s["v"] < 100, step, init)
    held = sg.while_loop(lambda s: s["v"] < 100, step, init, max_steps=most)
    run = Checked([a, most], [free["v"], free["count"], held["v"], held["count"]])
    for start, bound in ((1.0, 3), (1.0, 50), (200.0, 5), (60.0, 0), (99.0, 1)):
        v, count = start, 0
        while v < 100:
            v, count = v * 2, count + 1
        limited = min(count, bound)
        want = [v, count, start * 2**limited, limited]
        assert run(start, bound) == want, (start, bound)


def test_while_loops_in_scans_and_scans_in_them() -> None:
    """How many rounds an inner loop makes is another in each round."""

    def collatz(v: Variable) -> Variable:
        def step(s: Any) -> Any:
            k, count = s
            return sg.where(sg.equal(k % 2, 0), k // 2, 3 * k + 1), count + 1

        return sg.while_loop(lambda s: s[0] > 1, step, (v, np.int64(0)))[1]

    starts = sg.lvector("starts")
    doubled = sg.while_loop(
        lambda s: sg.sum(s) < 100, lambda s: sg.map(lambda v: v * 2 + 1, s), starts
    )
    run = Checked([starts], [sg.map(collatz, starts), doubled])
    data = np.array([1, 2, 3, 7, 27, 6])

    def count(k: int) -> int:
        return 0 if k <= 1 else 1 + count(k // 2 if k % 2 == 0 else 3 * k + 1)

    got = run(data)
    np.testing.assert_array_equal(got[0], [count(int(k)) for k in data])
    while data.sum() < 100:
        data = data * 2 + 1
    np.testing.assert_array_equal(got[1], data)


def test_loops_over_constants_alone() -> None:
    counted, doubled = sg.scan(lambda c, _: (c + 1, 2 * c), 0, length=4)
    chosen = sg.ifelse(sg.constant(True), counted, doubled[0])
    last, kept, one = sg.function([], [counted, doubled, chosen])()
    assert (last, one) == (4, 4)
    np.testing.assert_array_equal(kept, [0, 2, 4, 6])
