"""Derivatives of loops: against differences, and against the rounds written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import NotDifferentiableError
from symgraph.variable import Variable

from ..support import MODES, Computer, assert_same, compute
from .scans import Checked, plain_scan, unrolled

#: What builds a case: given `scan` in JAX's form, or one that writes the rounds out.
Scan = Callable[..., Any]
rng = np.random.default_rng(0)


# -- cases: each is an expression of arrays, made by `scan` ----------------------------


def rnn(scan: Scan, x: Variable, h: Variable, w: Variable, b: Variable) -> Variable:
    last, kept = scan(lambda h, r: (sg.tanh(r + h @ w + b), h * b), h, x)
    return sg.concatenate([last, sg.sum(kept, axis=0)])


def rnn_last(scan: Scan, x: Variable, h: Variable, w: Variable) -> Variable:
    return scan(lambda h, r: (sg.tanh(r @ w + h @ w), None), h, x)[0]  # type: ignore[no-any-return]


def backwards(scan: Scan, x: Variable, h: Variable) -> Variable:
    last, kept = scan(lambda h, r: (h * sg.sin(r), h + r), h, x, reverse=True)
    return last + kept[0] * kept[-1]  # type: ignore[no-any-return]


def only_kept(scan: Scan, x: Variable, w: Variable) -> Variable:
    return scan(lambda c, r: (c, sg.exp(r @ w) * c), w[0], x)[1]  # type: ignore[no-any-return]


def places(scan: Scan, a: Variable, b: Variable, c: Variable) -> Variable:
    def step(carry: Any, _: Any) -> Any:
        a, b, c = carry
        return (b, c * a, sg.sin(a)), (a, a * b)

    last, kept = scan(step, (a, b, c), length=4)
    return sg.concatenate([*last, kept[0][1], kept[1][2]])


def counting(scan: Scan, x: Variable, y: Variable) -> Variable:
    """An integer beside floats, two arrays gone through, and a row used twice."""

    def step(carry: Any, row: Any) -> Any:
        t, s = carry
        a, b = row
        return (t + 1, s * a + sg.sin(b) * t * a), s * b

    (_, last), kept = scan(step, (np.int64(0), y[0]), (x, y))
    return last + sg.sum(kept * kept)  # type: ignore[no-any-return]


def nested(scan: Scan, x: Variable, w: Variable) -> Variable:
    def row(c: Variable, r: Variable) -> Any:
        last, kept = scan(lambda s, v: (sg.sin(s * w[0] + v * c), s * v), c * w[1], r)
        return last, sg.sum(kept) * c

    last, kept = scan(row, w[0], x)
    return last * kept  # type: ignore[no-any-return]


def nested_rows(scan: Scan, x: Variable, w: Variable) -> Variable:
    """The inner loop goes through what is the same in all outer rounds."""

    def row(c: Variable, r: Variable) -> Any:
        last, _ = scan(lambda s, v: (s + sg.tanh(v * r), None), c, w)
        return last / 2, last

    return sg.stack([v if v.ndim == 0 else v[-1] for v in scan(row, w[0], x[:, 0])])


def forgetful(scan: Scan, x: Variable, h: Variable, w: Variable) -> Variable:
    last, kept = scan(
        lambda h, r: (sg.tanh(h @ w) * r, sg.sum(h)), h, x, remember=False
    )
    return last * sg.sum(kept)  # type: ignore[no-any-return]


def chosen(scan: Scan, x: Variable, h: Variable) -> Variable:
    def step(c: Variable, r: Variable) -> Any:
        new = sg.where(r > 0, c * r, sg.logaddexp(c, r))
        return new, sg.max(new) + sg.cumsum(new)

    last, kept = scan(step, h, x)
    return last + kept[1]  # type: ignore[no-any-return]


def draw(*shape: int) -> np.ndarray:
    return rng.uniform(-1, 1, shape)


CASES: dict[Callable[..., Variable], list[np.ndarray]] = {
    rnn: [draw(4, 2), draw(2), draw(2, 2), draw(2)],
    rnn_last: [draw(4, 9), draw(9), draw(9, 9)],
    backwards: [draw(4, 3), draw(3)],
    only_kept: [draw(4, 3), draw(3)],
    places: [draw(2), draw(2), draw(2)],
    counting: [draw(5), draw(5)],
    nested: [draw(4, 5), draw(2)],
    nested_rows: [draw(4, 2), draw(5)],
    forgetful: [draw(4, 3), draw(3), draw(3, 3)],
    chosen: [draw(4, 3), draw(3)],
}


def outputs_of(y: Variable, args: Sequence[Variable]) -> list[Variable]:
    """A result, its derivatives to second order, and a tangent."""
    weights = sg.arange(y.size).reshape(y.shape) * 0.3 + 0.5
    first = sg.grad(sg.sum(y * weights), list(args))
    second = sg.grad(sum(sg.sum(sg.sin(g)) for g in first), list(args))
    tangent = sg.jvp(y, list(args), [sg.cos(a) for a in args])
    return [y, *first, *second, tangent]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_first_and_second_derivatives(case: Callable[..., Variable]) -> None:
    """Of a loop over arrays of unknown sizes, and of its rounds written out."""
    points = CASES[case]
    known = [sg.tensor(None, shape=p.shape) for p in points]
    expected = compute(outputs_of(case(unrolled, *known), known), known, points)
    args = [sg.tensor(None, shape=[None] * p.ndim) for p in points]
    got = Checked(args, outputs_of(case(sg.scan, *args), args))(*points)
    for number, (a, b) in enumerate(zip(got, expected, strict=True)):
        assert_same(a, b, f"output {number}", rtol=1e-9)
    sg.verify_grad(lambda *a: case(sg.scan, *a), points, n_tests=1)


@pytest.mark.parametrize("case", [rnn, rnn_last, forgetful, nested])
def test_no_rounds_and_one(case: Callable[..., Variable]) -> None:
    args = [sg.tensor(None, shape=[None] * p.ndim) for p in CASES[case]]
    run = Checked(args, outputs_of(case(sg.scan, *args), args))
    for count in (0, 1):
        values = [p[:count] if k == 0 else p for k, p in enumerate(CASES[case])]
        got = run(*values)
        for g, value in zip(got[1:], values, strict=False):
            assert g.shape == value.shape
        if case is rnn_last and not count:
            assert_same(got[2], np.arange(9) * 0.3 + 0.5, "of the first value")


# -- Theano's form ---------------------------------------------------------------------


def test_taps() -> None:
    """Of sequences and of outputs."""
    taps, past = [-1, 0, 2], [-3, -1]

    def step(a: Any, b: Any, c: Any, u: Any, v: Any, w: Any) -> Any:
        return [sg.sin(a * w + u) * b + v * c, sg.sum(u * a)]

    def built(x: Variable, start: Variable, w: Variable, loop: bool, back: bool) -> Any:
        if loop:
            return sg.concatenate(
                [
                    v.reshape(-1)
                    for v in sg.scan(
                        step,
                        sequences={"input": x, "taps": taps},
                        outputs_info=[{"initial": start, "taps": past}, None],
                        non_sequences=w,
                        go_backwards=back,
                    )
                ]
            )
        rows = [x[k] for k in range(7)]
        stacks = plain_scan(
            lambda *args: (step(*args, w), False),
            [(rows, taps)],
            [([start[k] for k in range(3)], past), None],
            backwards=back,
        )
        return sg.concatenate([sg.stack(s).reshape(-1) for s in stacks])

    points = [draw(7, 2), draw(3, 2), draw(2)]
    known = [sg.tensor(None, shape=p.shape) for p in points]
    args = [sg.dmatrix("x"), sg.dmatrix("start"), sg.dvector("w")]
    for back in (False, True):
        reference = outputs_of(built(*known, False, back), known)
        expected = compute(reference, known, points)
        run = Checked(args, outputs_of(built(*args, True, back), args))
        for a, b in zip(run(*points), expected, strict=True):
            assert_same(a, b, f"{back}", rtol=1e-9)


@pytest.mark.parametrize("rounds", [1, 2, 3, 9])
@pytest.mark.parametrize("back", [False, True])
def test_truncated(rounds: int, back: bool) -> None:
    """As if what is carried into the last rounds were constant."""
    points = [draw(5, 2), draw(2), draw(2, 2)]
    args = [sg.dmatrix("x"), sg.dvector("h"), sg.dmatrix("w")]
    x, h, w = args

    def step(r: Variable, h: Variable) -> Variable:
        return sg.tanh(h @ w + r)

    y = sg.scan(step, sequences=x, outputs_info=h, truncate_gradient=rounds,
                go_backwards=back)  # fmt: skip
    cost = sg.sum(y[-1] * sg.arange(2))
    got = Checked(args, sg.grad(cost, args, disconnected_inputs="ignore"))(*points)

    state = h
    for t in range(5):
        state = step(x[4 - t if back else t], state)
        if t == 4 - rounds:
            # Nothing is sent to rounds before, by rows and weights either.
            state = sg.stop_gradient(state)
    expected = compute(
        sg.grad(sg.sum(state * sg.arange(2)), args, disconnected_inputs="ignore"),
        args,
        points,
    )
    for a, b in zip(got, expected, strict=True):
        assert_same(a, b, f"{rounds}", rtol=1e-9)


# -- loops that end by a condition -----------------------------------------------------


@pytest.mark.parametrize("start", [0.1, 0.6, 3.0])
def test_while_loops_with_a_bound(start: float) -> None:
    """Ended by the condition, by the bound, and never begun."""
    a, w = sg.dscalars("a w")

    def step(s: Variable) -> Variable:
        return s * w + sg.sin(s)

    y = sg.while_loop(lambda s: s < 2, step, a, max_steps=5)
    value, expected = start, a
    for _ in range(5):
        if value < 2:
            value, expected = value * 1.1 + np.sin(value), step(expected)
    outputs = [outputs_of(v, [a, w]) if v is not a else [v] for v in (y, expected)]
    points = [start, 1.1]
    got = Checked([a, w], outputs[0])(*points)
    np.testing.assert_allclose(got[0], value)
    if expected is not a:
        for k, (p, q) in enumerate(
            zip(got, compute(outputs[1], [a, w], points), strict=True)
        ):
            assert_same(p, q, f"output {k}", rtol=1e-9)
    else:
        assert (got[1], got[2]) == (0.5, 0.0)


def test_while_loops_of_several_values() -> None:
    """An integer among them, and the rounds as many as another value says."""

    def fn(x: Variable, w: Variable) -> Variable:
        def step(s: Any) -> Any:
            t, v, u = s
            return t + 1, sg.tanh(v @ w) * u, u * 0.9 + sg.sum(v)

        _, v, u = sg.while_loop(
            lambda s: sg.sum(s[1] * s[1]) > 1e-3, step,
            (np.int64(0), x, sg.sum(x)), max_steps=6,
        )  # fmt: skip
        return v * u

    points = [draw(2), draw(2, 2)]
    sg.verify_grad(fn, points, n_tests=1)
    args = [sg.dvector("x"), sg.dmatrix("w")]
    Checked(args, outputs_of(fn(*args), args))(*points)


def test_while_loops_in_scans() -> None:
    """Each round has as many inner ones as its own values say."""

    def fn(x: Variable, w: Variable) -> Variable:
        def step(c: Variable, r: Variable) -> Any:
            y = sg.while_loop(lambda s: s < 2, lambda s: s * w + sg.sin(r), c, 5)
            return y / 3, y

        last, kept = sg.scan(step, 1.0, x)
        return last + sg.sum(kept)

    points = [np.array([0.5, 0.1, 0.9]), np.array(1.2)]
    sg.verify_grad(fn, points, n_tests=1)
    args = [sg.dvector("x"), sg.dscalar("w")]
    Checked(args, outputs_of(fn(*args), args))(*points)


def test_without_a_bound_there_is_no_gradient() -> None:
    a = sg.dscalar("a")
    y = sg.while_loop(lambda s: s < 9, lambda s: s * 2, a)
    with pytest.raises(NotDifferentiableError, match=r"no bound[\s\S]*max_steps="):
        sg.grad(y, a)
    (tangent,) = compute([sg.jvp(y, [a], [1.0])], [a], [1.0], "fast")
    assert tangent == 16.0


@pytest.mark.parametrize("stop", [1, 3, 9])
@pytest.mark.parametrize("rounds", [-1, 2])
def test_until(stop: int, rounds: int) -> None:
    """Rounds that are not made send nothing back; truncated, the last ones made do."""
    x, w, h = sg.dvector("x"), sg.dscalar("w"), sg.dscalar("h")

    def step(v: Variable, a: Variable) -> list[Variable]:
        new = sg.sin(a * w) + v * w
        return [new, new * v]

    def looped(v: Variable, a: Variable) -> Any:
        return step(v, a), sg.until(v >= stop)

    sums, products = sg.scan(
        looped, sequences=x, outputs_info=[h, None], truncate_gradient=rounds
    )
    values, count = np.arange(1.0, 6.0), min(stop, 5)
    state, kept = h, []
    for t in range(count):
        # What rounds before the last ones are given is constant.
        lost = rounds > 0 and t < count - rounds
        state, product = step(x[t], state)
        state, product = map(sg.stop_gradient, (state, product)) if lost else (
            state, product
        )  # fmt: skip
        kept.append(product)
    points = [values, 0.7, 0.3]
    for got, want, mode in (
        (sums[-1], state, "fast"),
        (sums[-1], state, "interpret"),
        (sg.sum(products), sum(kept), "interpret"),
    ):
        a, b = (
            compute([v, *sg.grad(v, [x, w, h], disconnected_inputs="ignore")],
                    [x, w, h], points, mode)
            for v in (got, want)
        )  # fmt: skip
        for p, q in zip(a, b, strict=True):
            assert_same(p, q, f"{stop}", rtol=1e-9)


# -- what is built on gradients --------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_jacobian_and_hessian(mode: str) -> None:
    x, h, w = sg.dmatrix("x"), sg.dvector("h"), sg.dmatrix("w")
    y = rnn_last(sg.scan, x, h, w)
    cost = sg.sum(y * y)
    outputs = [sg.jacobian(y, h), sg.jacobian(y, w), sg.hessian(cost, h)]
    points = [draw(3, 2), draw(2), draw(2, 2)]
    got = Computer([x, h, w], outputs, mode)(*points)
    a, b, c = (sg.tensor(None, shape=p.shape) for p in points)
    y = rnn_last(unrolled, a, b, c)
    cost = sg.sum(y * y)
    outputs = [sg.jacobian(y, b), sg.jacobian(y, c), sg.hessian(cost, b)]
    for p, q in zip(got, compute(outputs, [a, b, c], points), strict=True):
        assert_same(p, q, mode, rtol=1e-9)


def test_a_tangent_is_the_transpose_of_a_gradient() -> None:
    x, h, w, b = sg.dmatrix("x"), sg.dvector("h"), sg.dmatrix("w"), sg.dvector("b")
    args = [x, h, w, b]
    y = rnn(sg.scan, *args)
    u = sg.arange(4) * 0.5 - 1
    forward = sg.sum(u * sg.jvp(y, args, args))
    back = sum(sg.sum(g * a) for g, a in zip(sg.vjp(y, args, u), args, strict=True))
    one, other = compute([forward, back], args, CASES[rnn], "fast")
    np.testing.assert_allclose(one, other)


@pytest.mark.parametrize("mode", MODES)
def test_vectorized_scans(mode: str) -> None:
    """Over stacks of each subset of its arguments, and its gradients."""

    def fn(x: Variable, h: Variable, w: Variable) -> Any:
        def step(h: Variable, r: Variable) -> Any:
            return sg.tanh(h * w + r), (h, r)

        last, kept = sg.scan(step, h, x)
        cost = sg.sum(last) + sg.sum(kept[0] * kept[0])
        return last, kept[0], kept[1], *sg.grad(cost, [x, h, w])

    points = [draw(4, 2), draw(2), draw(2)]
    alone = [sg.dmatrix("x"), sg.dvector("h"), sg.dvector("w")]
    single = Computer(alone, fn(*alone), mode)
    for axes in ((0, 0, 0), (0, None, None), (None, 0, None), (None, None, 0)):
        stacks = [
            p if axis is None else np.stack([p, p * 2, -p])
            for p, axis in zip(points, axes, strict=True)
        ]
        args = [sg.tensor(None, shape=[None] * s.ndim) for s in stacks]
        got = Computer(args, sg.vectorize(fn, in_axes=axes)(*args), mode)(*stacks)
        for k in range(3):
            own = [s if a is None else s[k] for s, a in zip(stacks, axes, strict=True)]
            for p, q in zip(got, single(*own), strict=True):
                assert_same(p[k], q, f"{axes}, {k}", rtol=1e-9)
