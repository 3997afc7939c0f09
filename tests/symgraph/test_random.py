"""Random draws: published bits, the same bits everywhere, and their statistics."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats

import symgraph as sg
from symgraph import ops
from symgraph import random as rnd
from symgraph.codegen.arrays import contractible
from symgraph.errors import DTypeError, ShapeError, SymgraphError, UnsupportedError
from symgraph.op import Array, all_ops
from symgraph.ops.random import Draw, formula
from symgraph.variable import Variable

from ..support import MODES, compute

KEY = rnd.key(0x123456789ABCDEF)


def drawn(value: Variable) -> Array:
    return np.asarray(compute([value], [], [])[0])


# -- the bits --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "counter", "block"),
    [
        (0, 0, 0, 0x6B20015999BA4EFE),
        (2**32 - 1, 2**32 - 1, -1, 0x1CB996FCBB002BE7),
        (0x13198A2E, 0x03707344, 0x243F6A8885A308D3, 0xC4923A9C483DF7A0),
    ],
)
def test_published_vectors(first: int, second: int, counter: int, block: int) -> None:
    """The known answers for threefry2x32, 20 rounds, that come with Random123."""
    words = np.uint32(first), np.uint32(second), np.int64(counter)
    assert ops.Threefry(64).ref(*words) == block
    assert ops.Threefry(32).ref(*words) == block >> 32 ^ (block & 0xFFFFFFFF)


@pytest.mark.parametrize("mode", MODES)
def test_bits_are_those_of_jax(mode: str) -> None:
    """What JAX 0.10 gives for the key 0x123456789abcdef, with partitionable bits."""
    values = [
        *(KEY, rnd.split(KEY, 3), rnd.fold_in(KEY, 77), rnd.bits(KEY, (2, 3))),
        *(rnd.bits(KEY, (2, 2), "uint64"), rnd.bits(KEY, 4, "uint16")),
    ]
    expected = [
        [19088743, 2309737967],
        [[1300777217, 3691926423], [1732957046, 53132507], [1004234386, 1809863715]],
        [1140791619, 892969496],
        [[2441484950, 1684041645, 1346056881], [492367484, 3425123764, 3244788998]],
        [
            [5586795610088821655, 7442993837995900123],
            [4313153847198503971, 13071176550890523565],
        ],
        [6806, 28589, 12977, 61052],
    ]
    got = compute(values, [], [], mode)
    assert [np.asarray(v).tolist() for v in got] == expected
    kinds = [str(np.asarray(v).dtype) for v in got]
    assert kinds == ["uint32"] * 4 + ["uint64", "uint16"]


@pytest.mark.parametrize("mode", MODES)
def test_keys_from_symbolic_seeds(mode: str) -> None:
    seed, step = sg.lscalar("seed"), sg.iscalar("step")
    outputs = [rnd.key(seed), rnd.fold_in(rnd.key(seed), step)]
    for value in (0, 5, -1, 2**40 + 3):
        got = compute(outputs, [seed, step], [value, 7], mode)
        expected = [drawn(rnd.key(value)), drawn(rnd.fold_in(rnd.key(value), 7))]
        np.testing.assert_array_equal(got, expected)


def test_a_prefix_is_a_prefix_and_a_stack_of_keys_is_a_stack_of_draws() -> None:
    long = drawn(rnd.normal(KEY, (7, 3)))
    np.testing.assert_array_equal(drawn(rnd.normal(KEY, (2, 3))), long[:2])
    np.testing.assert_array_equal(drawn(rnd.normal(KEY, 21)), long.ravel())
    keys = rnd.split(KEY, (2, 3))
    stacked = drawn(rnd.gumbel(keys, (4,), loc=np.arange(4.0)))
    assert stacked.shape == (2, 3, 4)
    one = drawn(rnd.gumbel(keys[1, 2], (4,), loc=np.arange(4.0)))
    np.testing.assert_array_equal(stacked[1, 2], one)
    orders = drawn(rnd.permutation(keys[0], 5))
    np.testing.assert_array_equal(orders[1], drawn(rnd.permutation(keys[0, 1], 5)))
    assert drawn(rnd.fold_in(KEY, np.arange(3))).shape == (3, 2)


Draws = Callable[[Variable, Any, str], Variable]

DRAWS: dict[str, Draws] = {
    "uniform": lambda k, s, t: rnd.uniform(k, s, -1.3, 7.7, dtype=t),
    "normal": lambda k, s, t: rnd.normal(k, s, 0.3, 1.7, dtype=t),
    "exponential": lambda k, s, t: rnd.exponential(k, s, 1.7, dtype=t),
    "gumbel": lambda k, s, t: rnd.gumbel(k, s, 0.3, 1.7, dtype=t),
    "laplace": lambda k, s, t: rnd.laplace(k, s, 0.3, 1.7, dtype=t),
    "plain": lambda k, s, t: rnd.normal(k, s, dtype=t) + rnd.uniform(k, s, dtype=t),
    "bernoulli": lambda k, s, t: rnd.bernoulli(k, 0.3, s),
    "integers": lambda k, s, t: rnd.integers(k, -5, 1000, s, dtype="int32"),
    "wide": lambda k, s, t: rnd.integers(k, -(2**62), 2**62 + 5, s),
    "categorical": lambda k, s, t: rnd.categorical(k, np.arange(5.0), shape=s),
    "permutation": lambda k, s, t: rnd.permutation(k, s[0] * s[1]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_draws_have_the_same_bits(dtype: str) -> None:
    """In every mode; for sizes that are, and are not, whole vectors."""
    seed, m, n = sg.lscalar("seed"), sg.lscalar("m"), sg.lscalar("n")
    outputs = [draw(rnd.key(seed), (m, n), dtype) for draw in DRAWS.values()]
    fast = sg.function([seed, m, n], outputs)
    slow = sg.function([seed, m, n], outputs, mode="interpret")
    for sizes in ((61, 67), (0, 3), (1, 1), (3, 1)):
        pairs = zip(DRAWS, fast(9, *sizes), slow(9, *sizes), strict=True)
        for name, got, expected in pairs:
            assert got.dtype == expected.dtype
            np.testing.assert_array_equal(got, expected, err_msg=f"{name} {sizes}")


@pytest.mark.parametrize("bits", ["uint32", "uint64"])
def test_formulas_of_draws_cannot_be_contracted(bits: str) -> None:
    draws = [made for made in all_ops() if issubclass(made, Draw)]
    assert len(draws) == 5
    for made in draws:
        assert contractible(formula(made(), bits)) == []


@pytest.mark.parametrize("bits", ["uint32", "uint64"])
def test_draws_of_extreme_bits_are_finite(bits: str) -> None:
    info = np.iinfo(bits)
    half = info.max // 2
    ends = [0, 1, half - 1, half, half + 1, half + 2, info.max - 1, info.max]
    extreme = np.array(ends, bits)
    for made in (d for d in all_ops() if issubclass(d, Draw)):
        got = made().ref(extreme)
        assert np.isfinite(got).all(), made
    uniform = ops.StandardUniform().ref(extreme)
    assert uniform.min() == 0 and uniform.max() < 1
    assert ops.StandardExponential().ref(extreme).min() >= 0
    normal = ops.StandardNormal().ref(extreme)
    np.testing.assert_array_equal(normal, -normal[[7, 6, 5, 4, 3, 2, 1, 0]])


def test_a_draw_fuses_into_what_reads_it() -> None:
    x, y = sg.fmatrix("x"), sg.fmatrix("y")
    z = rnd.normal(KEY, x.shape, dtype="float32") * x + y
    f = sg.function([x, y], [z, sg.sum(rnd.uniform(KEY, x.shape), axis=1)])
    kernels = [type(step).__name__ for step in f.program.steps]
    assert len(kernels) <= 2
    assert not f.program.by_role("temp")
    assert len(sg.function([x, y], z).program.steps) == 1


def test_programs_do_not_depend_on_the_seed() -> None:
    texts = set()
    for seed in (1, 2):
        f = sg.function([], rnd.normal(rnd.key(seed), 5))
        texts.add(f.source("llvm"))
    assert len(texts) == 1


# -- statistics ------------------------------------------------------------------------

LAWS = {
    "uniform": scipy.stats.uniform(-1.3, 9.0),
    "normal": scipy.stats.norm(0.3, 1.7),
    "exponential": scipy.stats.expon(scale=1.7),
    "gumbel": scipy.stats.gumbel_r(0.3, 1.7),
    "laplace": scipy.stats.laplace(0.3, 1.7),
}
COUNT = 20_000


@pytest.mark.parametrize("name", LAWS)
def test_distributions(name: str) -> None:
    """Kolmogorov and Smirnov's test, moments, and correlation along the sequence."""
    law = LAWS[name]
    kinds = ("float32", "float64")
    for dtype in kinds:
        x = drawn(DRAWS[name](rnd.key(11), (100, COUNT // 100), dtype)).ravel()
        assert scipy.stats.kstest(x.astype("float64"), law.cdf).pvalue > 1e-3
        error = law.std() / np.sqrt(COUNT)
        assert abs(x.mean(dtype="float64") - law.mean()) < 4 * error
        assert abs(x.std() / law.std() - 1) < 0.05
        ranks = law.cdf(x.astype("float64"))
        for lag in (1, 2, 7, 200):
            assert abs(np.corrcoef(ranks[:-lag], ranks[lag:])[0, 1]) < 4 / COUNT**0.5


def test_truncated_normal() -> None:
    """In the middle, in each tail, and where a bound is infinite; both precisions."""
    bounds = [(-1.0, 0.5), (2.0, np.inf), (-np.inf, -3.0), (8.0, 9.0), (-9.0, -8.5)]
    for dtype in ("float32", "float64"):
        made = [rnd.truncated_normal(KEY, a, b, COUNT, dtype) for a, b in bounds]
        both = [*made, rnd.truncated_normal(KEY, np.float32(40), np.float32(41), 3)]
        for (a, b), x in zip(bounds, compute(both, [], [], "fast"), strict=False):
            assert x.dtype == dtype and x.min() >= a and x.max() <= b
            law = scipy.stats.truncnorm(a, b)
            assert scipy.stats.kstest(x.astype("float64"), law.cdf).pvalue > 1e-3
    low = sg.dscalar("low")
    draw = rnd.truncated_normal(KEY, low, low + 1, 3)
    got, slope = compute([draw, sg.grad(draw.sum(), low)], [low], [2.0], "fast")
    (moved,) = compute([draw], [low], [2.0 + 1e-6], "fast")
    np.testing.assert_allclose(slope, (moved - got).sum() / 1e-6, rtol=1e-4)


def test_keys_are_uncorrelated() -> None:
    """Neighbouring seeds, keys that are split, and keys folded in."""
    family = [rnd.key(s) for s in range(3)]
    family += [rnd.split(KEY, 2)[k] for k in range(2)]
    family += [rnd.fold_in(KEY, k) for k in (2, 3)]
    values = compute([rnd.uniform(k, COUNT) for k in family], [], [])
    table = np.corrcoef(np.array(values))
    np.fill_diagonal(table, 0.0)
    assert np.abs(table).max() < 4.5 / COUNT**0.5


def test_every_bit_is_fair() -> None:
    for dtype, width in (("uint8", 8), ("uint32", 32), ("uint64", 64)):
        bits = drawn(rnd.bits(KEY, COUNT, dtype))
        for place in range(width):
            ones = int(((bits >> bits.dtype.type(place)) & bits.dtype.type(1)).sum())
            assert abs(ones - COUNT / 2) < 4.5 * (COUNT / 4) ** 0.5


def evenly(counts: Array, shares: Any = None) -> bool:
    expected = None if shares is None else np.asarray(shares) * counts.sum()
    return bool(scipy.stats.chisquare(counts, expected).pvalue > 1e-3)


def test_discrete_draws_have_the_shares_that_they_should() -> None:
    p = np.array([0.1, 0.2, 0.0, 0.7])
    logits = np.log([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]])
    dice, coins, kinds, chosen, wide = compute(
        [
            rnd.integers(KEY, 1, 6, COUNT, endpoint=True),
            rnd.bernoulli(KEY, 0.3, COUNT),
            rnd.categorical(KEY, logits, shape=(COUNT, 2)),
            rnd.choice(KEY, np.array([1, 2, 3, 4]), COUNT, p=p),
            rnd.integers(KEY, -(2**63), 2**63 - 1, COUNT, endpoint=True),
        ],
        [],
        [],
    )
    assert evenly(np.bincount(dice)[1:]) and dice.min() == 1 and dice.max() == 6
    assert coins.dtype == bool and evenly(np.bincount(coins), [0.7, 0.3])
    for column in range(2):
        shares = np.exp(logits[column])
        assert evenly(np.bincount(kinds[:, column]), shares)
    counts = np.bincount(chosen)[1:]
    assert counts[2] == 0 and evenly(counts[p > 0], p[p > 0])
    assert evenly(np.histogram(wide, 16, (-(2.0**63), 2.0**63))[0])


def test_every_order_is_as_likely() -> None:
    orders = drawn(rnd.permutation(rnd.split(KEY, 6000), 4))
    codes = orders @ np.array([64, 16, 4, 1])
    counts = np.unique(codes, return_counts=True)[1]
    assert len(counts) == 24 and evenly(counts)


# -- what may be asked for -------------------------------------------------------------


def test_integers_reach_both_ends_of_every_dtype() -> None:
    for dtype in ("int8", "uint8", "int16", "uint16", "int32", "uint64", "int64"):
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        full = drawn(rnd.integers(KEY, low, high, 4000, endpoint=True, dtype=dtype))
        assert full.dtype == dtype
        spread = float(full.max()) - float(full.min())
        assert spread > 0.99 * (float(high) - float(low))
        one = drawn(rnd.integers(KEY, high, high, 3, endpoint=True, dtype=dtype))
        assert (one == high).all()
    low = sg.lvector("low")
    (got,) = compute(
        [rnd.integers(KEY, low, low + 3)], [low], [np.array([-7, 0, 2**40])], "fast"
    )
    assert got.shape == (3,)
    assert ((got >= [-7, 0, 2**40]) & (got < [-4, 3, 2**40 + 3])).all()
    assert drawn(rnd.integers(KEY, 4, shape=50)).max() == 3


@pytest.mark.parametrize("mode", MODES)
def test_orders_and_choices(mode: str) -> None:
    x = sg.dmatrix("x")
    value = np.arange(12.0).reshape(4, 3)
    rows, columns, few, one = compute(
        [
            rnd.permutation(KEY, x),
            rnd.permutation(KEY, x, axis=-1),
            rnd.choice(KEY, x, 3, replace=False),
            rnd.choice(KEY, x.shape[0], replace=False),
        ],
        [x],
        [value],
        mode,
    )
    np.testing.assert_array_equal(np.sort(rows, axis=0), value)
    np.testing.assert_array_equal(np.sort(columns, axis=1), value)
    np.testing.assert_array_equal(few, rows[:3])
    assert one.shape == () and 0 <= one < 4


@pytest.mark.parametrize("mode", MODES)
def test_parameters_give_shape_and_dtype(mode: str) -> None:
    a, b = sg.fvector("a"), sg.tensor("b", "float32", (None, 1))
    values = [np.zeros(3, "float32"), np.ones((2, 1), "float32")]
    outputs = [
        rnd.normal(KEY, loc=a, scale=b),
        rnd.uniform(KEY, (5, 2, 3), a, b),
        rnd.bernoulli(KEY, a),
        rnd.exponential(KEY, scale=b, dtype="float64"),
        rnd.normal(KEY),
        rnd.categorical(KEY, b * a, axis=0),
    ]
    got = compute(outputs, [a, b], values, mode)
    assert [np.shape(v) for v in got] == [(2, 3), (5, 2, 3), (3,), (2, 1), (), (3,)]
    kinds = ["float32", "float32", "bool", "float64", "float64", "int64"]
    assert [str(v.dtype) for v in got] == kinds
    with sg.config.flags(floatX="float32"):
        assert rnd.normal(KEY).dtype == "float32"


@pytest.mark.parametrize("mode", MODES)
def test_reparameterised_gradients(mode: str) -> None:
    a, b = sg.dvector("a"), sg.dscalar("b")
    normal = rnd.normal(KEY, a.shape, a, b)
    uniform = rnd.uniform(KEY, a.shape, a, b)
    outputs = [
        *sg.grad(sg.sum(normal), [a, b]),
        *sg.grad(sg.sum(uniform), [a, b]),
        *sg.grad(sg.sum(rnd.exponential(KEY, 4, b)), [b]),
    ]
    at = [np.array([0.5, 1.0, 2.0]), 1.5]
    loc, scale, low, high, mean = compute(outputs, [a, b], at, mode)
    z, u, e = compute(
        [rnd.normal(KEY, 3), rnd.uniform(KEY, 3), rnd.exponential(KEY, 4)], [], []
    )
    np.testing.assert_array_equal(loc, 1.0)
    np.testing.assert_allclose(scale, z.sum())
    np.testing.assert_allclose(low, 1 - u)
    np.testing.assert_allclose(high, u.sum())
    np.testing.assert_allclose(mean, e.sum())


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: rnd.key(1.5), DTypeError),
        (lambda: rnd.key(sg.dscalar()), DTypeError),
        (lambda: rnd.bits(sg.lvector(), 3), DTypeError),
        (lambda: rnd.bits(np.zeros(3, "uint32"), 3), ShapeError),
        (lambda: rnd.bits(KEY, 3, "int32"), DTypeError),
        (lambda: rnd.fold_in(KEY, 1.0), DTypeError),
        (lambda: rnd.normal(KEY, 3, dtype="int32"), DTypeError),
        (lambda: rnd.normal(KEY, (2,), np.zeros(3)), ShapeError),
        (lambda: rnd.normal(KEY, (), np.zeros(3)), ShapeError),
        (lambda: rnd.normal(KEY, -1), ShapeError),
        (lambda: rnd.integers(KEY, 3, 3), ShapeError),
        (lambda: rnd.integers(KEY, 0, 300, dtype="uint8"), ShapeError),
        (lambda: rnd.integers(KEY, 0.5, 3), DTypeError),
        (lambda: rnd.integers(KEY, 0, 3, dtype="float32"), DTypeError),
        (lambda: rnd.choice(KEY, 3, 4, replace=False), ShapeError),
        (
            lambda: rnd.choice(KEY, 2, 1, replace=False, p=[0.5, 0.5]),
            UnsupportedError,
        ),
        (lambda: rnd.permutation(rnd.split(KEY), np.zeros(3)), UnsupportedError),
        (
            lambda: sg.Elemwise and ops.StandardNormal().infer(sg.dvector().node),
            DTypeError,
        ),
    ],
)
def test_mistakes_are_named(
    make: Callable[[], Any], error: type[SymgraphError]
) -> None:
    with pytest.raises(error):
        make()


# -- streams ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["fast", "interpret"])
def test_a_stream_draws_anew_in_each_call(mode: str) -> None:
    stream = rnd.Stream(3)
    a, b = stream.normal(3), stream.uniform(3, dtype="float32")
    f = sg.function([], [a, b], mode=mode)
    first, second = f(), f()
    assert not np.array_equal(first[0], second[0])
    stream.seed(3)
    np.testing.assert_array_equal(f()[0], first[0])
    np.testing.assert_array_equal(f()[1], second[1])
    again = rnd.Stream(3)
    g = sg.function([], [again.normal(3), again.uniform(3, dtype="float32")])
    np.testing.assert_array_equal(g()[1], first[1])


def test_a_variable_draws_the_same_whoever_reads_it() -> None:
    """Within one call, and in another function: only calls move the state."""
    stream = rnd.Stream(3)
    a, b = stream.normal(3), stream.normal(3)
    both, last = sg.function([], [a, a + 0, b]), sg.function([], b)
    x, same, y = both()
    np.testing.assert_array_equal(x, same)
    assert not np.array_equal(x, y)
    stream.seed(3)
    np.testing.assert_array_equal(last(), y)
    ((state, new),) = stream.updates()
    assert state is stream.state
    still = sg.function([], b, updates={state: state})
    np.testing.assert_array_equal(still(), still())
    moved = sg.function([], updates={state: new})
    before = state.get_value()
    moved()
    assert not np.array_equal(before, state.get_value())


def test_streams_have_every_draw() -> None:
    stream = rnd.Stream(8, name="noise")
    made = [
        *(stream.bits(2), stream.uniform(2), stream.normal(2), stream.exponential(2)),
        stream.truncated_normal(-1.0, 1.0, 2),
        *(stream.gumbel(2), stream.laplace(2), stream.bernoulli(0.5, 2)),
        *(stream.integers(0, 9, 2), stream.categorical(np.zeros(3), shape=2)),
        *(stream.permutation(2), stream.choice(np.arange(5.0), 2)),
    ]
    values = compute(made, [], [])
    assert all(v.shape == (2,) for v in values)
    floats = [v.tobytes() for v in values if v.dtype == "float64"]
    assert len(set(floats)) == len(floats)
    assert stream.state.name == "noise"


def test_streams_and_their_functions_pickle() -> None:
    stream = rnd.Stream(5)
    f = sg.function([], stream.normal(4))
    f()
    copied, loaded = pickle.loads(pickle.dumps((stream, f)))
    expected = f()
    np.testing.assert_array_equal(loaded(), expected)
    ahead = sg.function([], copied.normal(4))
    here = sg.function([], stream.normal(4))
    copied.seed(1), stream.seed(1)
    np.testing.assert_array_equal(ahead(), here())
    unseeded = {rnd.Stream().state.get_value().tobytes() for _ in range(4)}
    assert len(unseeded) == 4


def test_two_streams_are_independent() -> None:
    one, other = rnd.Stream(1), rnd.Stream(2)
    f = sg.function([], [one.uniform(COUNT), other.uniform(COUNT)])
    a, b = f()
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / COUNT**0.5
    only = sg.function([], one.uniform(2))
    before = other.state.get_value()
    only()
    np.testing.assert_array_equal(other.state.get_value(), before)
