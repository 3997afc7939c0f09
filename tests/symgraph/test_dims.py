"""Dimensions: normal forms are right, and equal where they should be."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symgraph as sg
from symgraph import dims
from symgraph.dims import Dim, Size

N, M = dims.named("n"), dims.named("m")
#: A dimension of unknown sign, as the value of an integer scalar is.
K = dims.of_value(sg.lscalar("k").node)

Meaning = tuple[Size, Callable[[int, int, int], int]]


def numbers(draw: st.DrawFn) -> Meaning:
    value = draw(st.integers(-4, 6))
    return value, lambda n, m, k: value


@st.composite
def meanings(draw: st.DrawFn) -> Meaning:
    """A random expression, as a Size and as a Python function of n, m and k."""
    stack: list[Meaning] = []
    for _ in range(draw(st.integers(1, 5))):
        leaf = draw(st.sampled_from("nmk#"))
        if leaf == "#":
            stack.append(numbers(draw))
        else:
            place = "nmk".index(leaf)
            stack.append(((N, M, K)[place], lambda *v, place=place: v[place]))
    while len(stack) > 1:
        (a, f), (b, g) = stack.pop(), stack.pop()
        match draw(st.sampled_from(["add", "sub", "max", "min", "div", "mul"])):
            case "add":
                stack.append((dims.add(a, b), lambda *v, f=f, g=g: f(*v) + g(*v)))
            case "sub":
                stack.append((dims.sub(a, b), lambda *v, f=f, g=g: f(*v) - g(*v)))
            case "max":
                stack.append(
                    (dims.maximum(a, b), lambda *v, f=f, g=g: max(f(*v), g(*v)))
                )
            case "min":
                stack.append(
                    (dims.minimum(a, b), lambda *v, f=f, g=g: min(f(*v), g(*v)))
                )
            case "mul":
                stack.append((dims.mul(a, b), lambda *v, f=f, g=g: f(*v) * g(*v)))
            case "div":
                by = draw(st.integers(1, 4))
                stack += [
                    (b, g),
                    (dims.floordiv(a, by), lambda *v, f=f, by=by: f(*v) // by),
                ]
    return stack[0]


def value_of(size: Size, n: int, m: int, k: int) -> int:
    known = {N: n, M: m, K: k}
    return dims.evaluate(size, lambda d: known[d], {})


@settings(max_examples=400, deadline=None)
@given(meanings(), st.integers(0, 9), st.integers(0, 9), st.integers(-9, 9))
def test_normal_forms_keep_the_value(meaning: Meaning, n: int, m: int, k: int) -> None:
    size, function = meaning
    assert value_of(size, n, m, k) == function(n, m, k)


@settings(max_examples=400, deadline=None)
@given(meanings(), st.integers(0, 9), st.integers(0, 9), st.integers(-9, 9))
def test_surely_nonnegative_is_sure(meaning: Meaning, n: int, m: int, k: int) -> None:
    size, _ = meaning
    if dims.surely_nonnegative(size):
        assert value_of(size, n, m, k) >= 0


def test_equal_expressions_are_one_object() -> None:
    assert dims.sub(dims.add(N, M), M) is N
    assert dims.mul(N, M) is dims.mul(M, N)
    assert dims.floordiv(dims.scale(N, 6), 3) is dims.scale(N, 2)
    assert dims.sub(N, N) == 0
    assert dims.maximum(N, 0) is N
    assert dims.minimum(dims.add(N, 1), N) is N
    assert dims.named("n") is N


def test_broadcasting_of_sizes() -> None:
    assert dims.bcast(N, 1) is N and dims.bcast(1, N) is N and dims.bcast(N, N) is N
    assert dims.bcast(N, 3) == 3 and dims.bcast(3, N) == 3
    assert dims.bcast(2, 3) is None
    met = dims.bcast(N, M)
    assert isinstance(met, Dim) and met.kind == "bcast"
    assert dims.bcast(M, N) is met and dims.bcast(met, N) is met


def test_slices_of_one_length_are_known_to_be() -> None:
    x = sg.dvector("x")
    first = x[2:].type.dims
    assert x[1:-1].type.dims == x[:-2].type.dims == x[1:][1:].type.dims == first
    assert (x[2:] - 2 * x[1:-1] + x[:-2]).type.dims == first
    assert x[::-1].type == x.type and x[:].same(x)
    assert x[:3].type.dims == x[:3][:7].type.dims


def test_joined_slices_come_back_whole() -> None:
    x, y = sg.dvectors("x y")
    joined = sg.concatenate([x, y, x])
    assert joined.type.dims == (
        dims.add(dims.scale(x.type.dims[0], 2), y.type.dims[0]),
    )
    slope = sg.grad(sg.sum(joined * joined), y)
    assert slope.type == y.type


def test_arange_has_the_length_it_was_given() -> None:
    x, n = sg.dmatrix("x"), sg.lscalar("n")
    assert sg.arange(x.shape[0]).type.dims == x.type.dims[:1]
    assert sg.arange(2, 11, 3).type.dims == (3,)
    assert "max" in repr(sg.arange(n).type)


def test_reshape_cancels_factors() -> None:
    x = sg.tensor("x", "float64", ("n", 8, 8))
    assert x.reshape((x.shape[0], -1)).type.dims == (N, 64)
    assert x.reshape((-1, 64)).type.dims == (N, 64)
    assert x.reshape(-1).type.dims == (dims.scale(N, 64),)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (dims.add(N, 2), "(n+2)"),
        (dims.sub(dims.scale(N, 2), M), "(2*n-m)"),
        (dims.scale(N, -1), "(-n)"),
        (dims.mul(N, M), "mul(n, m)"),
        (dims.maximum(N, 3), "(max(0, (n-3))+3)"),
    ],
)
def test_text(size: Size, text: str) -> None:
    assert dims.text(size) == text


def test_text_of_deep_dimensions_is_cut() -> None:
    size: Size = N
    for _ in range(50_000):
        size = dims.floordiv(dims.add(size, 1), 2)
    assert len(dims.text(size)) < 400 and dims.text(size).endswith("...")


def test_dimensions_are_not_pickled_alone() -> None:
    with pytest.raises(TypeError, match="with their graph"):
        pickle.dumps(N)
