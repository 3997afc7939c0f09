"""Choices between two graphs, of which one is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.codegen.program import Launch, Otherwise, When
from symgraph.errors import (
    ArgumentError,
    DTypeError,
    IndexOutOfBoundsError,
    ShapeError,
)
from symgraph.variable import Variable

from ..support import MODES, Computer, assert_same, compute
from .scans import Checked

x, y, v = sg.dscalar("x"), sg.dscalar("y"), sg.dvector("v")
k, n = sg.lscalar("k"), sg.lscalar("n")


class Counting:
    """A function of NumPy's that counts its calls, as an op."""

    def __init__(self, factor: float) -> None:
        self.calls = 0
        self.factor = factor
        self.op = sg.from_numpy_function(self.run)

    def run(self, a: np.ndarray) -> np.ndarray:
        self.calls += 1
        return np.asarray(a * self.factor)

    def __call__(self, a: Variable) -> Variable:
        return self.op(a)


# -- one branch only -------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_only_what_is_chosen_is_computed(mode: str) -> None:
    """What the branches share is computed once, and what is around them always."""
    twice, thrice, shared = Counting(2.0), Counting(3.0), Counting(5.0)
    both = shared(v)
    chosen = sg.ifelse(k > 0, twice(both) + 1, thrice(both) - 1)
    f = sg.function([k, v], chosen, mode=mode)
    for each in (twice, thrice, shared):
        each.calls = 0  # compiling calls them where passes are checked
    data = np.array([1.0, 2.0])
    np.testing.assert_array_equal(f(1, data), data * 10 + 1)
    assert (twice.calls, thrice.calls, shared.calls) == (1, 0, 1)
    np.testing.assert_array_equal(f(-1, data), data * 15 - 1)
    assert (twice.calls, thrice.calls, shared.calls) == (1, 1, 2)


@pytest.mark.parametrize("mode", MODES)
def test_errors_of_the_other_branch_do_not_happen(mode: str) -> None:
    place = k * 2
    f = sg.function([k, v], sg.ifelse(place < 4, v[place], -1.0), mode=mode)
    assert f(1, [1.0, 2.0, 3.0]) == 3.0
    assert f(9, [1.0, 2.0, 3.0]) == -1.0
    with pytest.raises(IndexOutOfBoundsError):
        f(1, [1.0])


@pytest.mark.parametrize("mode", MODES)
def test_an_index_that_is_an_argument_is_checked_where_it_is_used(mode: str) -> None:
    """Not before anything runs: the branch may not be taken."""
    f = sg.function([k, v], sg.ifelse(k < 2, v[k], -1.0), mode=mode)
    assert f(9, [1.0, 2.0]) == -1.0
    assert f(1, [1.0, 2.0]) == 2.0
    with pytest.raises(IndexOutOfBoundsError):
        f(1, [1.0])


@pytest.mark.parametrize("mode", MODES)
def test_sizes_are_checked_in_the_branch_that_needs_them(mode: str) -> None:
    """In a loop, and in a choice within the choice, too."""
    greatest = sg.ifelse(v.shape[0] > 0, sg.max(v), 0.0)
    inner = sg.ifelse(
        x > 0, sg.scan(lambda a: a + v[k], outputs_info=x, n_steps=n)[-1], y
    )
    outer = sg.ifelse(k >= 0, inner, sg.min(v))
    f = sg.function([v, x, y, k, n], [greatest, outer], mode=mode)
    u = [1.0, 3.0]
    assert f(u, 2.0, 5.0, 1, 3) == [3.0, 11.0]
    assert f([], -2.0, 5.0, 1, 0) == [0.0, 5.0]
    assert f(u, -2.0, 5.0, -1, 0) == [3.0, 1.0]
    for wrong in ((u, 2.0, 5.0, 2, 3), ([], 0.0, 0.0, -1, 0)):
        with pytest.raises((IndexError, ShapeError)):
            f(*wrong)


def test_loops_in_the_other_branch_do_not_run() -> None:
    """It would not end."""
    forever = sg.while_loop(lambda s: s > 0, lambda s: s * 1.0, x)
    f = sg.function([x], sg.ifelse(x > 0, x, forever))
    assert f(3.0) == 3.0 and f(-3.0) == -3.0


def test_the_program_has_both_branches_apart() -> None:
    f = Checked([k, v], [sg.ifelse(k > 0, sg.sum(v), sg.max(v) * 2)])
    kinds = [type(s) for s in f.program.steps]
    begin, middle = kinds.index(When), kinds.index(Otherwise)
    assert Launch in kinds[begin:middle] and Launch in kinds[middle:]
    assert f(1, [1.0, 5.0]) == [6.0] and f(0, [1.0, 5.0]) == [10.0]


# -- what may be chosen ----------------------------------------------------------------


def test_structures_functions_and_numbers() -> None:
    made = sg.ifelse(
        k,
        {"a": (v, 1), "b": [x, True], "c": lambda: 0} | {"c": None},
        lambda: {"a": (v * 2, k), "b": [0, v[0] > 1], "c": None},
    )
    assert set(made) == {"a", "b", "c"} and made["c"] is None
    (a, number), (b, flag) = made["a"], made["b"]
    assert [t.dtype for t in (a, number, b, flag)] == [
        "float64", "int64", "float64", "bool",
    ]  # fmt: skip
    run = Checked([k, v, x], [a, number, b, flag])
    for given, data in ((3, [1.0, 2.0]), (0, [2.0, 3.0])):
        u = np.array(data)
        want = [u, 1, 0.5, True] if given else [u * 2, given, 0.0, u[0] > 1]
        for got, expected in zip(run(given, u, 0.5), want, strict=True):
            np.testing.assert_array_equal(got, expected)


def test_branches_that_are_inputs_constants_and_the_same() -> None:
    """Results are arrays of their own."""
    big = np.arange(5.0)
    outputs = [
        sg.ifelse(k > 0, v, big),
        sg.ifelse(k > 0, v, v),
        sg.ifelse(k > 0, v[::-1], v),
        sg.ifelse(True, v, big),
        sg.ifelse(k > 0, (v, v), (big, v))[0],
    ]
    run = Checked([k, v], outputs)
    u = np.ones(5)
    for flag in (0, 1):
        got = run(flag, u)
        for a, b in zip(got, [u if flag else big, u, u, u, u if flag else big],
                        strict=True):  # fmt: skip
            np.testing.assert_array_equal(a, b)
            a[:] = 7
        np.testing.assert_array_equal(u, np.ones(5))


def test_nested_choices() -> None:
    made = sg.ifelse(
        x > 0,
        sg.ifelse(y > 0, v * 1, v * 2),
        sg.ifelse(y > 0, v * 3, sg.ifelse(k > 0, v * 4, v * 5)),
    )
    run = Checked([x, y, k, v], [made, made + 1])
    factors = {(1, 1, 0): 1, (1, -1, 0): 2, (-1, 1, 1): 3, (-1, -1, 1): 4,
               (-1, -1, 0): 5}  # fmt: skip
    u = np.array([1.0, 2.0])
    for given, factor in factors.items():
        np.testing.assert_array_equal(run(*given, u)[0], u * factor)


def test_sizes_that_differ() -> None:
    """Are refused where they are known; else in the call, whichever is chosen."""
    two, three = sg.tensor("a", shape=(2,)), sg.tensor("b", shape=(3,))
    with pytest.raises(
        ShapeError, match=r"float64\[2\] in one branch[\s\S]*help: both"
    ):
        sg.ifelse(k, two, three)
    with pytest.raises(ShapeError, match="in one branch"):
        sg.ifelse(k, v, x)
    f = sg.function([k, v, two], sg.ifelse(k, v * 2, two))
    np.testing.assert_array_equal(f(1, [1.0, 2.0], [3.0, 4.0]), [2.0, 4.0])
    with pytest.raises(ShapeError):
        f(1, [1.0, 2.0, 3.0], [3.0, 4.0])


def test_what_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"condition is not a scalar[\s\S]*sg.where"):
        sg.ifelse(v > 0, v, v)
    with pytest.raises(ArgumentError, match=r"differ in structure[\s\S]*help: "):
        sg.ifelse(k, (v, v), v)
    with pytest.raises(ArgumentError, match="differ in structure"):
        sg.ifelse(k, {"a": v}, {"b": v})
    with pytest.raises(DTypeError):
        from symgraph.loops.branch import choice

        choice((k > 0).node, (), (), ([v.node], [sg.cast(v, "float32").node]), None)


# -- derivatives and batches -----------------------------------------------------------


def test_the_gradient_is_that_of_the_branch_taken() -> None:
    """Where the other one's would be NaN, or infinite, too."""
    made = sg.ifelse(x > 0, sg.log(x) * y, sg.sqrt(-x) + y * y)
    outputs = [made, *sg.grad(made, [x, y]), sg.grad(sg.grad(made, x), x)]
    outputs += [sg.jvp(made, [x, y], [1.0, 2.0])]
    run = Checked([x, y], outputs)
    a, b = 2.0, 3.0
    want = [np.log(a) * b, b / a, np.log(a), -b / a**2, b / a + 2 * np.log(a)]
    np.testing.assert_allclose(run(a, b), want)
    r = np.sqrt(a)
    want = [r + b * b, -0.5 / r, 2 * b, -0.25 / r**3, -0.5 / r + 4 * b]
    np.testing.assert_allclose(run(-a, b), want)


@pytest.mark.parametrize("mode", MODES)
def test_only_the_gradient_of_what_is_chosen_is_computed(mode: str) -> None:
    """One branch does not depend on all that the other one does."""
    w = sg.dvector("w")
    made = sg.ifelse(k > 0, {"a": v * 2, "b": v}, {"a": w, "b": sg.exp(w) * w[0]})
    cost = sg.sum(made["a"] * made["b"])
    run = Computer([k, v, w], sg.grad(cost, [v, w]), mode)
    u, t = np.array([1.0, 2.0]), np.array([0.5, -1.0])
    for got, want in zip(run(1, u, t), [4 * u, 0 * t], strict=True):
        np.testing.assert_allclose(got, want)
    e = np.exp(t)
    second = e * t[0] * (1 + t) + [np.sum(t * e), 0.0]
    for got, want in zip(run(0, u, t), [0 * u, second], strict=True):
        np.testing.assert_allclose(got, want)


def test_verify_grad() -> None:
    for start in (0.3, -0.3):
        sg.verify_grad(
            lambda a, w: sg.ifelse(sg.sum(a) > 0, sg.tanh(a * w), sg.sum(w) * a),
            [np.array([start, 0.1]), np.array([0.5, 2.0])],
        )


@pytest.mark.parametrize("mode", MODES)
def test_batched(mode: str) -> None:
    """A condition for each element chooses element by element."""

    def fn(flag: Variable, a: Variable, b: Variable) -> Any:
        return sg.ifelse(flag > 0, (a * 2, a + b), (b, sg.sin(b)))

    flags, a, b = np.array([1, -1, 1]), np.arange(6.0).reshape(3, 2), np.ones(2)

    def one(flag: int, p: np.ndarray, q: np.ndarray) -> Any:
        return (p * 2, p + q) if flag > 0 else (q, np.sin(q))

    cases = [((0, 0, None), (flags, a, b)), ((0, None, None), (flags, b, b * 2)),
             ((None, 0, None), (1, a, b)), ((None, None, 0), (-1, b, a))]  # fmt: skip
    for axes, given in cases:
        args = [sg.tensor(None, np.asarray(g).dtype.name, [None] * np.ndim(g))
                for g in given]  # fmt: skip
        got = compute(sg.vectorize(fn, in_axes=axes)(*args), args, given, mode)
        rows = [
            one(*(np.asarray(g)[r] if axis == 0 else g
                  for g, axis in zip(given, axes, strict=True)))
            for r in range(3)
        ]  # fmt: skip
        for result, want in zip(got, zip(*rows, strict=True), strict=True):
            assert_same(result, np.stack(want), f"{axes}")


# -- choices and loops -----------------------------------------------------------------


def collatz(limit: Variable) -> Variable:
    def step(s: Variable, _: Any) -> Any:
        return sg.ifelse(sg.equal(s % 2, 0), s // 2, 3 * s + 1), s

    return sg.scan(step, limit, length=n)[1]  # type: ignore[no-any-return]


def test_choices_in_scans() -> None:
    run = Checked([k, n], [collatz(k)])
    state, want = 7, []
    for _ in range(12):
        want.append(state)
        state = state // 2 if state % 2 == 0 else 3 * state + 1
    np.testing.assert_array_equal(run(7, 12)[0], want)


@pytest.mark.parametrize("mode", MODES)
def test_a_branch_runs_in_the_rounds_that_choose_it(mode: str) -> None:
    even, odd = Counting(2.0), Counting(3.0)

    def step(t: Variable, a: Variable) -> Any:
        return sg.ifelse(sg.equal(t % 3, 0), even(a), odd(a) * 0 + a)

    f = sg.function(
        [n, v], sg.scan(step, sequences=sg.arange(n), outputs_info=v), mode=mode
    )
    even.calls = odd.calls = 0  # compiling calls them where passes are checked
    got = f(7, [1.0, -1.0])
    np.testing.assert_array_equal(got[:, 0], [2.0, 2, 2, 4, 4, 4, 8])
    assert (even.calls, odd.calls) == (3, 4)


def test_scans_in_choices_and_their_gradients() -> None:
    """Captured values, carries and rows in both branches."""
    w = sg.dscalar("w")
    forward, kept = sg.scan(lambda s, r: (sg.sin(s * w + r), s), x, v)
    other = sg.reduce(lambda r, s: s * r + w, v, x)
    made = sg.ifelse(x > 0, forward + sg.sum(kept), other)
    outputs = [made, *sg.grad(made, [x, v, w])]
    run = Checked([x, v, w], outputs)
    u = np.array([0.3, 0.5, 0.7])
    for start in (0.4, -0.4):
        known = sg.tensor("u", shape=(3,))
        s, sums, m = x, x * 0, x
        for t in range(3):
            s, sums = sg.sin(s * w + known[t]), sums + s
            m = m * known[t] + w
        expected = s + sums if start > 0 else m
        want = compute(
            [expected, *sg.grad(expected, [x, known, w])],
            [x, known, w],
            [start, u, 0.9],
        )
        for a, b in zip(run(start, u, 0.9), want, strict=True):
            assert_same(a, b, f"{start}", rtol=1e-9)


def test_gradients_of_choices_in_scans() -> None:
    """Of the branch that each round took, although the other one's is NaN."""

    def step(c: Variable, r: Variable) -> Any:
        new = sg.ifelse(r > 0, lambda: c * sg.log(r), lambda: c + sg.sqrt(-r))
        return new, new * r

    last, kept = sg.scan(step, x, v)
    cost = last + sg.sum(kept)
    run = Checked([x, v], [cost, *sg.grad(cost, [x, v])])
    u = np.array([2.0, -3.0, 0.5, -1.0])
    known, c, total = sg.tensor("u", shape=(4,)), x, x * 0
    for t, r in enumerate(u):
        c = c * sg.log(known[t]) if r > 0 else c + sg.sqrt(-known[t])
        total = total + c * known[t]
    cost = c + total
    want = compute([cost, *sg.grad(cost, [x, known])], [x, known], [1.5, u])
    for a, b in zip(run(1.5, u), want, strict=True):
        assert_same(a, b, "gradient", rtol=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_updates_of_shared_variables_by_a_choice(mode: str) -> None:
    w = sg.shared(np.array([1.0, 2.0]))
    f = sg.function([k], sg.sum(w), updates={w: sg.ifelse(k > 0, w * 2, w)}, mode=mode)
    assert (f(1), f(0), f(1)) == (3.0, 6.0, 6.0)
    np.testing.assert_array_equal(w.get_value(), [4.0, 8.0])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", ["carried", "kept"])
def test_the_last_row_of_no_rounds_is_refused_in_a_branch(mode: str, form: str) -> None:
    """Though the loop is rewritten to keep no rows; and only where it is run."""

    def last() -> Variable:
        step = {"carried": lambda c, r: (c + r, c + r), "kept": lambda c, r: (c + r, r)}
        return sg.scan(step[form], x, v)[1][-1]

    f = sg.function([k, x, v], sg.ifelse(k > 0, last, lambda: -x), mode=mode)
    assert f(1, 1.0, [2.0, 5.0]) == {"carried": 8.0, "kept": 5.0}[form]
    assert f(0, 1.0, []) == -1.0
    with pytest.raises(IndexOutOfBoundsError):
        f(1, 1.0, [])
