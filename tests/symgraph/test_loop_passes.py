"""What the pass "loops" makes of loops and choices, and that it changes no value."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.codegen.program import Launch, Program, Repeat, When, brackets
from symgraph.codegen.text import print_program
from symgraph.variable import Variable

from ..support import assert_same
from .scans import Checked

WITHOUT = sg.Mode().excluding("loops")

x, m, h0 = sg.dvector("x"), sg.dmatrix("m"), sg.dvector("h0")
w, v = sg.dmatrix("w"), sg.dvector("v")
n = sg.lscalar("n")
#: A batch of sequences, states, and weights of 10 features and 9 units:
#: what is smaller is added up round by round.
seq = sg.tensor("seq", shape=(None, None, 10))
states = sg.tensor("states", shape=(None, 9))
wx, wh = sg.tensor("wx", shape=(10, 9)), sg.tensor("wh", shape=(9, 9))
rng = np.random.default_rng(0)


def rnn() -> tuple[Variable, Variable]:
    def step(h: Variable, r: Variable) -> Any:
        h = sg.tanh(r @ wx + h @ wh)
        return h, h

    return sg.scan(step, states, seq)  # type: ignore[no-any-return]


DATA = [rng.normal(size=s) for s in ((5, 2, 10), (2, 9), (10, 9), (9, 9))]
ARGS = [seq, states, wx, wh]


def long_arrays(program: Program, size: object) -> list[str]:
    """The arrays that are as long as the loop, apart from the arguments."""
    return [
        a.name
        for a in program.by_role("temp", "output", "update", "constant")
        if a.shape[:1] == (size,)
    ]


def body(program: Program) -> list[Launch]:
    """The kernels in the first loop."""
    steps = program.steps
    begin = next(k for k, s in enumerate(steps) if isinstance(s, Repeat))
    return [s for s in steps[begin : brackets(steps)[begin]] if isinstance(s, Launch)]


# -- values ----------------------------------------------------------------------------


def first_values() -> list[Variable]:
    """Loops on which all parts of the pass have something to do."""
    last, kept = rnn()
    cost = sg.sum(kept[-1] * last) + sg.mean(kept)
    swapped, _ = sg.scan(
        lambda c, r: ((c[1], c[0], c[2]), None), (last, last * 2, wh), seq
    )
    few, stack = sg.scan(lambda c, t: (c * 2 + t, c), states, np.arange(3.0))
    alone = sg.map(lambda r: r @ wx, seq)
    fixed = sg.map(lambda _: sg.exp(wh) @ wh, seq)
    other = sg.map(lambda r, s: r @ wx * s, seq, wx[0])
    return [cost, *swapped, few, stack, alone, fixed, other, *sg.grad(cost, ARGS)]


def test_the_pass_changes_no_value() -> None:
    outputs = first_values()
    tidy, plain = Checked(ARGS, outputs), Checked(ARGS, outputs, WITHOUT)
    assert tidy.repeats < plain.repeats
    for shape in ((5, 2), (1, 1), (2, 3)):
        data = [
            rng.normal(size=(*shape, 10)),
            rng.normal(size=(shape[1], 9)),
            *DATA[2:],
        ]
        for number, (a, b) in enumerate(zip(tidy(*data), plain(*data), strict=True)):
            assert_same(a, b, f"{shape}, output {number}", rtol=1e-9)


def test_the_pass_changes_no_value_of_loops_with_conditions() -> None:
    def step(r: Variable, a: Variable) -> Any:
        return [sg.tanh(a @ w + r), r @ w], sg.until(sg.sum(r) > 2)

    first, second = sg.scan(step, sequences=m, outputs_info=[h0, None])
    state = sg.while_loop(
        lambda s: sg.sum(s[0]) < 9, lambda s: (s[0] * 2 + s[1] @ w, s[1]), (h0, h0), 9
    )
    outputs = [first, second, first[-1], second[-1], *state]
    outputs += sg.grad(sg.sum(first[-1]) + sg.sum(state[0]), [m, h0, w])
    runs = [Checked([m, h0, w], outputs, mode) for mode in (None, WITHOUT)]
    data = [rng.uniform(-1, 1, s) for s in ((6, 2), (2,), (2, 2))]
    for late in (0, 3):
        data[0][late] = 2.0
        for a, b in zip(*(run(*data) for run in runs), strict=True):
            assert_same(a, b, f"{late}", rtol=1e-9)


# -- what is kept ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "first"),
    [
        (lambda c, r: (c * 0.5 + r, c * 0.5 + r), 1.0),
        (lambda c, r: (c + r, c * r), 1.0),
        (lambda c, r: ((c[1], c[0] + r), c[0] * c[1]), (1.0, 0.0)),
    ],
)
def test_of_what_is_read_last_no_stack_is_kept(step: Any, first: Any) -> None:
    _, kept = sg.scan(step, first, x)
    run = Checked([x], [kept[-1]])
    assert run.repeats == 1
    assert not long_arrays(run.program, run.program.array("x0").shape[0])
    full = Checked([x], [kept], WITHOUT)
    for size in (1, 2, 5):
        data = rng.normal(size=size)
        assert_same(run(data)[0], full(data)[0][-1], f"{size}", rtol=1e-9)
    with pytest.raises(IndexError):
        run.f([])


def test_the_last_carried_values_need_no_stack() -> None:
    last, _ = rnn()
    run = Checked(ARGS, [sg.sum(last)])
    (size, *_) = run.program.array("x0").shape
    # The inputs' products, of all rounds at once, are the only thing so long.
    assert len(long_arrays(run.program, size)) == 1


def test_a_stack_of_rows_is_the_sequence() -> None:
    last, kept = sg.scan(lambda c, r: (c + r, (r, r * 2)), 0.0, x)
    run = Checked([x], [last, kept[0]])
    assert run([1.0, 2.0])[0] == 3.0
    assert len(body(run.program)) == 1


def test_what_nobody_reads_costs_nothing() -> None:
    def both(c: Any, r: Variable) -> Any:
        return (c[0] + r, sg.sum(sg.exp(w @ w.T)) + c[1]), (c[0], w @ w.T * r)

    def one(c: Variable, r: Variable) -> Any:
        return c + r, c

    (last, _), (kept, _) = sg.scan(both, (0.0, 1.0), x)
    small = sg.scan(one, 0.0, x)
    texts = [
        print_program(
            sg.function([x, w], list(outputs), on_unused_input="ignore").program
        )
        for outputs in ((last, kept), small)
    ]
    assert texts[0] == texts[1]


def test_constants_of_the_loop_are_computed_in_front() -> None:
    y = sg.scan(lambda r, s: r * sg.sum(sg.exp(s)), sequences=x, non_sequences=v)
    (carried, fixed), _ = sg.scan(lambda c, r: ((c[0] * sg.sum(sg.exp(c[1])) + r, c[1]),
                                                None), (1.0, v), x)  # fmt: skip
    for outputs in ([y], [carried], [carried, fixed]):
        run = Checked([x, v], outputs)
        assert all("x1" not in s.arrays for s in body(run.program))
        assert "exp" not in print_program(run.program).split("repeat")[-1]
        run(rng.normal(size=4), rng.normal(size=3))


# -- products --------------------------------------------------------------------------


def test_products_of_inputs_are_one_in_front_of_the_loop() -> None:
    last, _ = rnn()
    run = Checked(ARGS, [last])
    products = [(depth, g.k) for depth, g in run.gemms]
    assert sorted(products) == [(0, 10), (1, 9)]
    want = DATA[1]
    for row in DATA[0]:
        want = np.tanh(row @ DATA[2] + want @ DATA[3])
    assert_same(run(*DATA)[0], want, "rnn", rtol=1e-9)


def test_products_of_states_that_are_only_kept_are_one_behind_it() -> None:
    def step(h: Variable, r: Variable) -> Any:
        h = sg.tanh(r + h)
        return h, h @ wh

    rows = sg.tensor("rows", shape=(None, None, 9))
    y = sg.scan(step, states, rows)[1]
    run = Checked([rows, states, wh], [y])
    assert [(depth, g.k) for depth, g in run.gemms] == [(0, 9)]
    run(rng.normal(size=(5, 2, 9)), *DATA[1::2])


def test_products_behind_of_rows_that_the_loop_needs_no_more() -> None:
    rows = sg.tensor("rows", shape=(None, None, 9))
    _, kept = sg.scan(lambda h, r: (sg.tanh(h + 1), (h * r) @ wh), states, rows)
    run = Checked([rows, states, wh], [kept])
    assert [depth for depth, _ in run.gemms] == [0]
    run(rng.normal(size=(5, 2, 9)), *DATA[1::2])


def test_the_gradient_of_weights_is_a_product_behind_the_loop() -> None:
    last, kept = rnn()
    cost = sg.sum(last) + sg.sum(kept * kept)
    run = Checked(ARGS, [cost, *sg.grad(cost, [wx, wh])])
    assert run.repeats == 2
    inner = [g for depth, g in run.gemms if depth]
    outer = [g for depth, g in run.gemms if not depth]
    # In the loops h @ wh, and g @ wh.T; outside of them seq @ wx, and the gradients.
    assert len(inner) == 2 and len(outer) == 3
    assert {(g.m, g.n) for g in outer[1:]} in ({(10, 9), (9, 9)}, {(9, 10), (9, 9)})
    run(*DATA)


def test_a_value_and_its_gradient_share_the_loop_forward() -> None:
    last, kept = rnn()
    for cost in (sg.sum(last), sg.sum(kept), sg.sum(kept[-1] * last)):
        run = Checked(ARGS, [cost, *sg.grad(cost, ARGS)])
        assert run.repeats == 2
        run(*DATA)
    second = sg.scan(lambda c, r: (sg.tanh(r @ wx + c @ wh), c), states, seq)
    assert Checked(ARGS, [last, *second]).repeats == 1


# -- few rounds, choices ---------------------------------------------------------------


@pytest.mark.parametrize("rounds", [1, 3, 4])
def test_few_rounds_are_written_out(rounds: int) -> None:
    rows = sg.tensor("rows", shape=(rounds, None))
    last, kept = sg.scan(lambda c, r: (c * r, c + r), h0, rows, reverse=True)
    run = Checked(
        [rows, h0], [last, kept, kept[0], *sg.grad(sg.sum(kept[0]), [rows, h0])]
    )
    assert bool(run.repeats) == (rounds > 3)
    run(rng.normal(size=(rounds, 2)), np.ones(2))


def test_choices_of_constants_and_of_what_nobody_reads() -> None:
    chosen = sg.ifelse(True, x * 2, sg.exp(x))
    run = Checked([x], [chosen])
    assert not any(isinstance(s, When) for s in run.program.steps)
    a, _ = sg.ifelse(n > 0, (x, sg.exp(w) @ w), (x * 2, w))
    used = Checked([n, x, w], [a])
    assert "exp" not in print_program(used.program)
    np.testing.assert_array_equal(used(0, [1.0], [[1.0]])[0], [2.0])


# -- several loops ---------------------------------------------------------------------


def running(factor: float, rows: Variable, first: Any = 0.0, **options: Any) -> Any:
    """A loop over `rows`: its last value, and the stack of all."""
    return sg.scan(lambda c, r: (c * factor + r,) * 2, first, rows, **options)


def test_loops_of_one_array_are_one() -> None:
    (a, _), (b, _) = running(0.5, x), running(0.9, x)
    run = Checked([x], [a, b])
    assert run.repeats == 1
    for size in (0, 1, 5):
        data = rng.normal(size=size)
        want = [0.0, 0.0]
        for value in data:
            want = [want[0] * 0.5 + value, want[1] * 0.9 + value]
        assert_same(run(data), want, f"{size}")


def test_a_loop_over_what_another_keeps_reads_it_as_it_is_made() -> None:
    _, kept = running(0.5, x)
    second, _ = running(0.9, kept)
    run = Checked([x], [second])
    assert run.repeats == 1
    assert not long_arrays(run.program, run.program.array("x0").shape[0])
    run(rng.normal(size=5))
    both = Checked([x], [second, kept])
    assert both.repeats == 1
    both(rng.normal(size=5))


def test_gradients_through_loops_over_each_others_rows() -> None:
    _, kept = running(0.5, x)
    last, again = running(0.9, sg.tanh(kept), reverse=True)
    _, third = running(0.7, again * kept)
    cost = last + sg.sum(third * third)
    first = sg.grad(cost, x)
    second = sg.grad(sg.sum(first * sg.sin(x)), x)
    runs = [Checked([x], [cost, first, second], mode) for mode in (None, WITHOUT)]
    assert runs[0].repeats < runs[1].repeats
    for size in (1, 2, 6):
        data = rng.normal(size=size)
        for a, b in zip(*(run(data) for run in runs), strict=True):
            assert_same(a, b, f"{size}", rtol=1e-9)


def test_a_loop_that_needs_the_others_end_comes_after_it() -> None:
    last, kept = running(0.5, x)
    run = Checked([x], [running(last, kept)[0], running(0.2, x, last)[0]])
    assert run.repeats == 2
    run(rng.normal(size=4))


def test_loops_that_go_other_ways_or_elsewhere_stay_apart() -> None:
    other = sg.dvector("other")
    alone = [running(0.5, x)[0], running(0.5, other)[0]]
    assert Checked([x, other], alone).repeats == 2
    ways = [running(0.5, x)[0], running(0.5, x, reverse=True)[0]]
    run = Checked([x], ways)
    assert run.repeats == 2
    run(rng.normal(size=4))


def test_wide_and_narrow_loops_stay_apart() -> None:
    wide = running(0.5, m, h0)[0]
    narrow, _ = sg.scan(lambda c, r: (c * 0.5 + r, None), 0.0, m[:, 0])
    run = Checked([m, h0], [wide, narrow])
    assert run.repeats == 2
    run(rng.normal(size=(4, 3)), np.ones(3))


def test_products_of_rows_that_another_loop_keeps_are_one_in_front() -> None:
    rows = sg.tensor("rows", shape=(None, None, 10))
    kept = sg.scan(lambda c, r: (c + r,) * 2, rows[0] * 0, rows)[1]
    last, _ = sg.scan(lambda h, r: (sg.tanh(r @ wx + h @ wh), None), states, kept)
    run = Checked([rows, states, wx, wh], [last])
    assert sorted((depth, g.k) for depth, g in run.gemms) == [(0, 10), (1, 9)]
    run(*DATA)


def test_no_cycle_where_loops_of_two_kinds_need_each_other() -> None:
    def back(rows: Variable, first: Any) -> Variable:
        return running(0.5, rows, first, reverse=True)[0]  # type: ignore[no-any-return]

    a, d = running(0.5, x)[0], back(x, 1.0)
    c, b = back(x, a), running(0.9, x, d)[0]
    run = Checked([x], [a, b, c, d])
    run(rng.normal(size=5))


def test_draws_of_loops_that_are_one_differ() -> None:
    first, second = sg.random.Stream(1), sg.random.Stream(2)
    sums = [
        sg.scan(lambda c, r, s=s: (c + r * s.normal(), None), 0.0, x)[0]
        for s in (first, second, first)
    ]
    f = sg.function([x], sums)
    slow = sg.function([x], sums, mode=WITHOUT)
    got = f(np.ones(5))
    assert len(set(map(float, got))) == 3
    first.seed(1), second.seed(2)
    assert_same(slow(np.ones(5)), got, "the same draws")


# -- work that goes inside -------------------------------------------------------------


def test_light_work_on_sequences_is_done_in_the_rounds() -> None:
    last, _ = running(0.5, sg.where(x > 0, x * 2, 0.5) + 1)
    run = Checked([x], [last])
    assert not long_arrays(run.program, run.program.array("x0").shape[0])
    run(rng.normal(size=4))
    heavy = Checked([x], [running(0.5, sg.exp(x))[0]])
    assert len(long_arrays(heavy.program, heavy.program.array("x0").shape[0])) == 1


@pytest.mark.parametrize("wide", [False, True])
def test_reductions_over_rounds_are_carried(wide: bool) -> None:
    rows = m if wide else x
    _, kept = running(0.5, rows, h0 * 0 if wide else 0.0)
    outputs = [
        f(v, axis=axis)
        for axis in (0, None)
        for f, v in (
            (sg.sum, kept), (sg.max, kept), (sg.min, kept * 2), (sg.prod, kept),
            (sg.any, kept > 1), (sg.all, kept < 2), (sg.mean, kept * kept),
        )
    ]  # fmt: skip
    outputs += [sg.sum(kept, axis=0, keepdims=True), sg.sum(kept > 0, axis=0)]
    run = Checked([rows, h0], outputs)
    assert not long_arrays(run.program, run.program.array("x0").shape[0])
    for size in (1, 2, 7):
        run(rng.normal(size=(size, 3) if wide else size), np.ones(3))
    with pytest.raises(ValueError, match="zero-size array along axis 0"):
        run.f(np.ones((0, 3) if wide else 0), np.ones(3))
    sums = Checked([rows, h0], [o for o in outputs if isinstance(o.op, sg.ops.Sum)])
    sums(np.ones((0, 3) if wide else 0), np.ones(3))


def test_sums_that_are_carried_are_exact_and_keep_what_is_not_finite() -> None:
    _, kept = sg.scan(lambda c, r: (c + 1, r * sg.sign(c)), 1.0, x)
    run = Checked([x], [sg.sum(kept)])
    assert not long_arrays(run.program, run.program.array("x0").shape[0])
    data = rng.normal(size=3000) * 10.0 ** rng.integers(-9, 9, size=3000)
    assert run.f(data)[0] == pytest.approx(math.fsum(data), rel=1e-15, abs=0)
    for special in ([1, np.inf, 2], [np.inf, -np.inf], [np.nan, 1], [1e308] * 3):
        with np.errstate(all="ignore"):
            assert_same(run.f(special)[0], np.sum(special), f"{special}")


def test_a_stack_that_others_read_is_reduced_in_vectors() -> None:
    _, kept = running(0.5, x)
    run = Checked([x], [kept, sg.sum(kept)])
    assert [a.shape for a in run.program.by_role("temp") if a.shape] == []
    assert "sum" in print_program(run.program).split("end")[-1]
    run(rng.normal(size=4))


def test_work_on_a_stack_is_done_before_it_is_kept() -> None:
    _, kept = running(0.5, x)
    run = Checked([x, v], [kept * v[0] + 1])
    size = run.program.array("x0").shape[0]
    assert len(long_arrays(run.program, size)) == 1
    run(rng.normal(size=4), np.ones(2))


def test_an_array_taken_a_few_times_through_a_formula_is_one_pass() -> None:
    last, _ = sg.scan(lambda c, _: (c * c * 0.5 + v, c), v, length=12)
    assert Checked([v], [last]).repeats == 0
    long, _ = sg.scan(lambda c, _: (c * c * 0.5 + v, c), v, length=40)
    assert Checked([v], [long]).repeats == 1
    assert Checked([v], [last])(np.ones(3) * 0.1)[0].shape == (3,)


def test_loops_that_end_by_one_condition_are_one() -> None:
    def until(make: Any) -> Any:
        return sg.scan(
            lambda r, a: (make(r, a), sg.until(r > 2)), sequences=x, outputs_info=1.0
        )

    first = until(lambda r, a: a * 0.5 + r)
    second = until(lambda r, a: sg.sin(a) - r)
    other = sg.scan(
        lambda r, a: (a + r, sg.until(a > 3)), sequences=x, outputs_info=1.0
    )
    outputs = [first, second, first[-1], other, *sg.grad(first[-1] + second[-1], [x])]
    runs = [Checked([x], outputs, mode) for mode in (None, WITHOUT)]
    assert runs[0].repeats < runs[1].repeats
    for late in (0, 2, 5):
        data = rng.uniform(-1, 1, 5)
        data[late : late + 1] = 2.5
        for a, b in zip(*(run(data) for run in runs), strict=True):
            assert_same(a, b, f"{late}", rtol=1e-9)


@pytest.mark.parametrize("mode", [None, WITHOUT, "interpret"])
def test_shared_variables_that_several_loops_update(mode: Any) -> None:
    counts = [sg.shared(np.zeros(2), "a"), sg.shared(1.0, "b")]

    def step(r: Variable) -> Any:
        return counts[0] * r, {counts[0]: counts[0] * 0.5 + r}

    def other(r: Variable) -> Any:
        return counts[1] + r, {counts[1]: counts[1] * 2 + r}

    first, second = sg.scan(step, sequences=x), sg.scan(other, sequences=x * 2)
    f = sg.function([x], [sg.sum(first), second], mode=mode)
    a, b, rows = np.zeros(2), 1.0, []
    for _ in range(2):
        total = 0.0
        rows = []
        data = rng.normal(size=4)
        for value in data:
            total += np.sum(a * value)
            rows.append(b + value * 2)
            a, b = a * 0.5 + value, b * 2 + value * 2
        got = f(data)
        np.testing.assert_allclose(got[0], total, rtol=1e-12)
        np.testing.assert_allclose(got[1], rows, rtol=1e-12)
        np.testing.assert_allclose(counts[0].get_value(), a, rtol=1e-12)
        np.testing.assert_allclose(counts[1].get_value(), b, rtol=1e-12)


def test_loops_in_the_rounds_of_a_loop_are_one() -> None:
    def step(c: Variable, r: Variable) -> Any:
        (a, _), (b, kept) = running(0.5, r * 2), running(0.9, r, c)
        return b * 0.1, a + sg.sum(kept * kept)

    last, kept = sg.scan(step, 0.0, m)
    outputs = [last, kept, *sg.grad(last + sg.sum(kept), [m])]
    runs = [Checked([m], outputs, mode) for mode in (None, WITHOUT)]
    assert runs[0].repeats < runs[1].repeats
    for shape in ((3, 4), (1, 1), (2, 0)):
        data = rng.normal(size=shape)
        for a, b in zip(*(run(data) for run in runs), strict=True):
            assert_same(a, b, f"{shape}", rtol=1e-9)


def test_each_row_of_a_stack_with_all_of_them() -> None:
    """Work in which each row meets every other one is not done in the rounds."""
    x = sg.dmatrix("x")
    _, kept = sg.scan(lambda c, v: (c / 2 + v, c + v), sg.zeros(x.shape[1]), x)
    apart = sg.expand_dims(kept, 1) - kept
    outputs = [sg.sum(apart * apart, axis=-1), sg.max(apart, axis=0), sg.sum(kept)]
    f = sg.function([x], outputs)
    g = sg.function([x], outputs, mode="interpret")
    for shape in ((1, 1), (2, 0), (3, 2), (3, 3), (5, 1)):
        value = np.random.default_rng(0).normal(size=shape)
        if shape[1] == 0:
            value = np.zeros(shape)
        for a, b in zip(f(value), g(value), strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
