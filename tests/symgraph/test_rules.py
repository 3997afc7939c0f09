"""Every rule: where it applies, where it must not, and that it keeps what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from symgraph import ops
from symgraph.autodiff import grad
from symgraph.check import agree, random_inputs
from symgraph.composite import Composite
from symgraph.composite import trace as trace_body
from symgraph.declare import tensor
from symgraph.evaluate import evaluate
from symgraph.graph import Node, intern, toposort
from symgraph.graphs import Graph
from symgraph.op import Op
from symgraph.ops.arithmetic import Add
from symgraph.ops.broadcasting import Sum, SumTo
from symgraph.ops.cast import Cast
from symgraph.ops.choice import Where
from symgraph.ops.contract import Contract
from symgraph.ops.powers import Power
from symgraph.ops.sizes import size_variable
from symgraph.ops.slices import Slice, SliceEmbed
from symgraph.ops.softmax import Softmax, SoftmaxGrad
from symgraph.ops.view import Reshape, Transpose
from symgraph.rewrite import Rule, RuleSet, Trace, rewrite
from symgraph.rules.canonical import canonical, lossless
from symgraph.rules.expand import expand
from symgraph.rules.fold import fold
from symgraph.rules.softmax import softmax_rules
from symgraph.rules.stabilize import stabilize
from symgraph.rules.structure import structure
from symgraph.variable import Variable, apply, constant

SETS = (canonical, stabilize, softmax_rules, structure, fold, expand)
RULES = {rule.name: rule for rules in SETS for rule in rules}

x = tensor("x", "float64", ("n", 4))
y = tensor("y", "float64", ("n", 4))
z = tensor("z", "float32", (3, 4))
u = tensor("u", "float64", (None, 4))
v = tensor("v", "float64", (3,))
s = tensor("s", "float64")
i = tensor("i", "int64", ("n",))
k = tensor("k", "int64")
short = tensor("short", "int16", ("n",))
row = tensor("row", "float64", (1, 4))
column = tensor("column", "float64", ("n", 1))
truth = tensor("truth", "bool", ("n", 4))
a = tensor("a", "float64", (3, 5))
b = tensor("b", "float64", (5, 2))
cube = tensor("cube", "float64", (2, 3, 4))
INPUTS = [x, y, z, u, v, s, i, k, short, row, column, truth, a, b, cube]


def make(op: Op, *inputs: Variable) -> Variable:
    """A node that the functions of `ops` would have simplified at once."""
    return Variable(intern(op, tuple(w.node for w in inputs)))


def c(value: float, dtype: str = "float64") -> Variable:
    return constant(value, dtype)


def total(of: Variable, keepdims: bool = True) -> Variable:
    return ops.sum(of, 1, keepdims=keepdims)


E = ops.exp(x)
P = ops.softmax(x, 1)
S, R = ops.sigmoid(x), ops.sigmoid(-x)
AB = ops.matmul(a, b)


@dataclass(frozen=True)
class Case:
    """Where a rule applies, and something like it where it must not."""

    yes: Callable[[], Variable]
    no: Callable[[], Variable]


COMPOSED = apply(Composite(trace_body(lambda t: ops.exp(t) + 1.0, [x])[0]), x)

CASES: dict[str, Case] = {
    # canonical: what is there for differentiation
    "unmarked": Case(lambda: ops.grad_clip(x, -1, 1) + 1, lambda: x + 1),
    # canonical: ops made of a graph
    "inline": Case(lambda: COMPOSED, lambda: P),
    # canonical: sums
    "add_negative_zero": Case(lambda: x + -0.0, lambda: x + 0.0),
    "add_zero": Case(lambda: i + 0, lambda: x + 0.0),
    "add_positive_zero": Case(lambda: x + 0.0, lambda: v + np.zeros((2, 3))),
    "subtract_zero": Case(lambda: x - 0.0, lambda: 0.0 - x),
    "add_negative": Case(lambda: -y + x, lambda: ops.abs(y) + x),
    "subtract_negative": Case(lambda: x - -y, lambda: -x - y),
    "negative_difference": Case(lambda: -(x - y), lambda: -(x + y)),
    # canonical: products
    "multiply_one": Case(lambda: 1 * x, lambda: x * 2),
    "multiply_minus_one": Case(lambda: x * -1, lambda: x * 1),
    "multiply_zero": Case(lambda: k * 0, lambda: s * 0),
    "divide_one": Case(lambda: x / 1, lambda: 1 / x),
    "divide_by_power_of_two": Case(lambda: x / -8, lambda: x / 3),
    "multiply_negative": Case(lambda: x * -y, lambda: x * y),
    "divide_negative": Case(lambda: -x / y, lambda: x / y),
    "divide_by_negative": Case(lambda: x / -y, lambda: x / y),
    "power_one": Case(lambda: make(Power(), x, c(1.0)), lambda: make(Power(), x, s)),
    "power_two": Case(
        lambda: make(Power(), x, c(2.0)), lambda: make(Power(), x, c(3.0))
    ),
    "power_half": Case(
        lambda: make(Power(), x, c(0.5)), lambda: make(Power(), x, c(0.25))
    ),
    # canonical: one operand
    "negative_negative": Case(lambda: ops.negative(-x), lambda: -ops.abs(x)),
    "invert_invert": Case(lambda: ~~truth, lambda: ~truth),
    "abs_abs": Case(lambda: abs(abs(x)), lambda: abs(ops.exp(x))),
    "abs_negative": Case(lambda: abs(-x), lambda: abs(x)),
    "useless_cast": Case(
        lambda: make(Cast("float64"), x), lambda: ops.cast(x, "float32")
    ),
    "cast_of_cast": Case(
        lambda: z.astype("float64").astype("int32"),
        lambda: x.astype("float32").astype("int32"),
    ),
    # canonical: choice
    "maximum_same": Case(lambda: ops.maximum(x, x), lambda: ops.maximum(x, y)),
    "minimum_same": Case(lambda: ops.minimum(x, x), lambda: ops.minimum(x, y)),
    "where_known": Case(lambda: ops.where(True, x, y), lambda: ops.where(True, row, x)),
    "where_same": Case(
        lambda: ops.where(truth, x, x), lambda: ops.where(truth, row, row)
    ),
    "where_inverted": Case(
        lambda: ops.where(~truth, x, y), lambda: ops.where(truth, x, y)
    ),
    # canonical: views, sums and axes of size 1
    "view_of_negative": Case(lambda: (-x).T, lambda: (2 * x).T),
    "sum_of_negative": Case(lambda: ops.sum(-x, 0), lambda: ops.sum(abs(x), 0)),
    "squeeze_of_expand_dims": Case(
        lambda: make(type(ops.squeeze(row, 0).op)((1,)), ops.expand_dims(x, 1)),
        lambda: ops.squeeze(ops.expand_dims(row, 1), 0),
    ),
    "expand_dims_of_squeeze": Case(
        lambda: ops.expand_dims(ops.squeeze(row, 0), 0),
        lambda: ops.expand_dims(ops.squeeze(row, 0), 1),
    ),
    "expand_dims_twice": Case(
        lambda: ops.expand_dims(ops.expand_dims(x, 1), 0), lambda: ops.expand_dims(x, 1)
    ),
    "kept_reduction": Case(
        lambda: ops.expand_dims(ops.max(x, 1), 1),
        lambda: ops.expand_dims(ops.max(x, 1), 0),
    ),
    "dropped_reduction": Case(
        lambda: ops.squeeze(total(x), 1),
        lambda: ops.squeeze(ops.sum(row, 1, keepdims=True), 0),
    ),
    # canonical: order
    "scalar_constant": Case(lambda: x * np.array([2.0]), lambda: s * np.array([2.0])),
    "constant_last": Case(lambda: 2 + x, lambda: 2 - x),
    "one_order": Case(lambda: (x + y) * (y + x), lambda: (x - y) * (y - x)),
    # stabilize
    "log_of_one_plus": Case(lambda: ops.log(x * x + 1), lambda: ops.log(x * x + 2)),
    "log_of_one_minus": Case(
        lambda: ops.log(1 - -abs(x)), lambda: ops.log(abs(x) - -1.0)
    ),
    "exp_minus_one": Case(lambda: E - 1, lambda: 1 - E),
    "exp_plus_minus_one": Case(lambda: E + -1, lambda: E + 1),
    "log_of_exp": Case(lambda: ops.log(E), lambda: ops.log(E + y * y)),
    "log1p_of_exp": Case(lambda: ops.log1p(E), lambda: ops.log1p(ops.exp(-abs(x)))),
    "logistic": Case(lambda: 1 / (ops.exp(-x) + 1), lambda: 2 / (ops.exp(-x) + 1)),
    "logistic_of_negative": Case(lambda: 1 / (E + 1), lambda: 1 / (E + 2)),
    "logistic_ratio": Case(lambda: E / (1 + E), lambda: E / (1 + ops.exp(y))),
    "logistic_in_gradient": Case(
        lambda: y / (1 + E) * E, lambda: y / (1 + E) * ops.exp(y)
    ),
    "exp_times_sigmoid": Case(
        lambda: ops.sigmoid(-x) * E, lambda: ops.sigmoid(-x) * ops.exp(y)
    ),
    "exp_of_negative_times_sigmoid": Case(
        lambda: ops.exp(-x) * ops.sigmoid(x), lambda: ops.exp(-x) * ops.sigmoid(y)
    ),
    "one_minus_sigmoid": Case(lambda: 1 - ops.sigmoid(x), lambda: ops.sigmoid(x) - 1),
    "log_of_sigmoid": Case(
        lambda: ops.log(ops.sigmoid(x)), lambda: ops.log(ops.sigmoid(x) * y * y)
    ),
    "product_of_quotient": Case(lambda: x / y * y, lambda: row / x * x),
    "quotient_of_product": Case(lambda: x * y / y, lambda: row * x / x),
    "cross_entropy_of_sigmoid": Case(
        lambda: (y / S - row / R) * S * R, lambda: (y / S - row / S) * S * R
    ),
    "negative_cross_entropy_of_sigmoid": Case(
        lambda: (y / R - row / S) * S * R, lambda: (y / R + row / S) * S * R
    ),
    "product_around_quotient": Case(
        lambda: x / y * column * y, lambda: x / y * column * x
    ),
    # softmax: the forward formulas
    "log_of_sum_of_exp": Case(lambda: ops.log(total(E)), lambda: ops.log(total(E * E))),
    "softmax_of_ratio": Case(
        lambda: E / total(E), lambda: E / ops.sum(E, keepdims=True)
    ),
    "softmax_of_shifted": Case(
        lambda: ops.softmax(x - column, 1), lambda: ops.softmax(x - row, 1)
    ),
    "log_softmax_of_shifted": Case(
        lambda: ops.log_softmax(x - column, 1), lambda: ops.log_softmax(x - row, 1)
    ),
    "logsumexp_of_shifted": Case(
        lambda: ops.logsumexp(x - column, 1, keepdims=True) + column,
        lambda: ops.logsumexp(x - row, 1, keepdims=True) + row,
    ),
    "minus_logsumexp": Case(
        lambda: x - ops.expand_dims(ops.logsumexp(x, 1), 1),
        lambda: x - ops.logsumexp(x, keepdims=True),
    ),
    "log_of_softmax": Case(lambda: ops.log(P), lambda: ops.log(P * P)),
    "log_of_moved_softmax": Case(
        lambda: ops.log(P.T[1]), lambda: ops.log((P * P).T[1])
    ),
    "exp_of_log_softmax": Case(
        lambda: ops.exp(ops.log_softmax(x, 1)),
        lambda: ops.exp(ops.log_softmax(x, 1)) * ops.log_softmax(x, 1),
    ),
    # softmax: gradients
    "softmax_grad_of_negative": Case(
        lambda: make(SoftmaxGrad(1), -y, P), lambda: make(SoftmaxGrad(1), y, P)
    ),
    "softmax_grad_of_log": Case(
        lambda: make(SoftmaxGrad(1), y / P, P), lambda: make(SoftmaxGrad(1), P / y, P)
    ),
    "softmax_grad_of_sum": Case(
        lambda: make(SoftmaxGrad(1), y / P - x, P),
        lambda: make(SoftmaxGrad(1), y - x, P),
    ),
    "exp_over_sum": Case(lambda: column / total(E) * E, lambda: column / total(E) * x),
    "gradient_of_ratio": Case(
        lambda: E * (y / total(E) - total(y * P / total(E))),
        lambda: E * (y / total(E) - total(x * P / total(E))),
    ),
    # structure
    "useless_transpose": Case(lambda: make(Transpose((0, 1)), x), lambda: x.T),
    "transpose_of_transpose": Case(
        lambda: cube.transpose(1, 0, 2).transpose(2, 0, 1), lambda: (cube.T + 1).T
    ),
    "transposed_operand": Case(
        lambda: make(Contract((1, 0), (1, 2), (0, 2)), a.T.T.transpose(1, 0), b),
        lambda: AB,
    ),
    "transposed_result": Case(lambda: AB.T, lambda: ops.matmul(AB, AB.T)),
    "empty_reduction": Case(lambda: make(Sum(()), x), lambda: ops.sum(x, 0)),
    "useless_broadcast": Case(
        lambda: make(
            ops.broadcast_to(row, x.shape).op,
            x,
            *(size_variable(d, "") for d in x.shape),
        ),
        lambda: ops.broadcast_to(row, x.shape),
    ),
    "broadcast_operand": Case(
        lambda: x * ops.broadcast_to(row, x.shape),
        lambda: row * ops.broadcast_to(row, x.shape),
    ),
    "known_sum_to": Case(lambda: make(SumTo(), x, x), lambda: make(SumTo(), x, u)),
    "useless_reshape": Case(
        lambda: make(Reshape(), z, c(3, "int64"), c(4, "int64")),
        lambda: z.reshape(4, 3),
    ),
    "reshape_of_reshape": Case(
        lambda: z.reshape(12).reshape(6, 2),
        lambda: x.reshape(-1).reshape(x.shape[0] * 2, 2),
    ),
    "useless_slice": Case(
        lambda: make(Slice(0, 1, False, False), x),
        lambda: make(Slice(0, -1, False, False), x),
    ),
    "useless_slice_embed": Case(
        lambda: make(SliceEmbed(0, 1, False, False), z, c(3, "int64")),
        lambda: make(SliceEmbed(0, -1, False, False), z, c(3, "int64")),
    ),
    "softmax_beside_log": Case(
        lambda: ops.log_softmax(x, 1) * P, lambda: ops.log_softmax(x, 0) * P
    ),
    "known_size": Case(
        lambda: make(type(x.shape[0].op)(1), x), lambda: make(type(x.shape[0].op)(0), x)
    ),
    "size_of_operand": Case(lambda: (x * 2).shape[0] + 1, lambda: x.shape[0] + 1),
    # fold, expand
    "known_value": Case(
        lambda: x + c(2.0) * 3, lambda: x + ops.sum(constant([1.0, 2.0]))
    ),
    "expanded": Case(lambda: P, lambda: ops.exp(x)),
}


def apply_alone(rule: Rule, variable: Variable) -> tuple[Node, Trace]:
    trace = Trace()
    (after,) = rewrite([variable.node], RuleSet("alone", [rule]), trace)
    return after, trace


def test_every_rule_has_a_case() -> None:
    assert set(CASES) == set(RULES)


def test_rule_names_are_unique() -> None:
    assert len(RULES) == sum(len(rules) for rules in SETS)


@pytest.mark.parametrize("name", RULES)
def test_docstring_says_before_and_after(name: str) -> None:
    assert "->" in RULES[name].doc.partition("\n")[0]


@pytest.mark.parametrize("name", CASES)
def test_applies(name: str) -> None:
    _, trace = apply_alone(RULES[name], CASES[name].yes())
    assert name in trace.counts()


@pytest.mark.parametrize("name", CASES)
def test_leaves_alone_what_is_only_similar(name: str) -> None:
    variable = CASES[name].no()
    after, _ = apply_alone(RULES[name], variable)
    assert after is variable.node


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", CASES)
def test_keeps_what_it_promises(name: str, seed: int) -> None:
    before = CASES[name].yes()
    after, _ = apply_alone(RULES[name], before)
    given = random_inputs([before.node], seed)
    for value in given.values():
        if seed == 3 and value.dtype.kind == "f" and value.size:
            value.flat[0] = -0.0  # the zero that gets lost
    (old,) = evaluate([before.node], given)
    (new,) = evaluate([after], given)
    assert agree(np.asarray(old), np.asarray(new), RULES[name].preserves)


SPECIAL = np.array([0.0, -0.0, 1.5, -1.5, np.inf, -np.inf, np.nan, 5e-324, 1.7e308])


@pytest.mark.parametrize(
    "name", [n for n, r in RULES.items() if r.preserves == "exact"]
)
def test_exact_means_every_bit_of_special_values(name: str) -> None:
    before = CASES[name].yes()
    after, _ = apply_alone(RULES[name], before)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        given = random_inputs([before.node], seed)
        for node, value in given.items():
            if value.dtype.kind == "f":
                with np.errstate(all="ignore"):
                    given[node] = rng.choice(SPECIAL, value.shape).astype(value.dtype)
        (old,) = evaluate([before.node], given)
        (new,) = evaluate([after], given)
        assert agree(np.asarray(old), np.asarray(new), "exact")


@pytest.mark.parametrize(
    ("source", "to", "expected"),
    [
        ("float32", "float64", True), ("float64", "float32", False),
        ("int32", "float64", True), ("int64", "float64", False),
        ("int32", "float32", False), ("bool", "int8", True), ("int8", "bool", False),
        ("int32", "uint64", False), ("uint8", "int16", True),
        ("float32", "int64", False),
    ],
)  # fmt: skip
def test_lossless(source: str, to: str, expected: bool) -> None:
    assert lossless(source, to) is expected


# -- what stable forms are for ---------------------------------------------------------


def optimized(*outputs: Variable) -> list[Node]:
    inputs = {
        n for o in outputs for n in toposort([o.node]) if hasattr(n.op, "declared")
    }
    graph, _ = Graph(list(inputs), outputs).rewrite()
    return list(graph.output_nodes)


@pytest.mark.parametrize(
    ("build", "at", "expected"),
    [
        (lambda w: ops.log(1 + w), 1e-20, 1e-20),
        (lambda w: ops.exp(w) - 1, 1e-20, 1e-20),
        (lambda w: ops.log(1 + ops.exp(w)), 1000.0, 1000.0),
        (lambda w: ops.log(ops.sigmoid(w)), -1000.0, -1000.0),
        (lambda w: ops.log(1 - ops.sigmoid(w)), 1000.0, -1000.0),
        (lambda w: ops.log(ops.exp(w)), 1000.0, 1000.0),
        (lambda w: ops.log(1 / (1 + ops.exp(-w))), -1000.0, -1000.0),
    ],
)
def test_stable_forms(
    build: Callable[[Variable], Variable], at: float, expected: float
) -> None:
    value, slope = evaluate(optimized(build(s), grad(build(s), s)), {s.node: at})
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    assert np.isfinite(slope)


def test_stabilisation_comes_before_folding() -> None:
    (node,) = optimized(ops.log(1 + c(1e-20)))
    assert evaluate([node], {})[0] == 1e-20


n, classes = 4, 5
ROWS, LABELS = (
    tensor("logits", "float32", (None, None)),
    tensor("labels", "int64", (None,)),
)
KNOWN = tensor("known", "float32", (n, classes))


def _hand(w: Variable) -> Variable:
    e = ops.exp(w)
    return e / ops.sum(e, 1, keepdims=True)


def _shifted(w: Variable) -> Variable:
    e = ops.exp(w - ops.max(w, 1, keepdims=True))
    return e / ops.expand_dims(ops.sum(e, 1), 1)


def _picked(w: Variable) -> Variable:
    return w[ops.arange(w.shape[0]), LABELS]


def _one_hot(w: Variable) -> Variable:
    hot = ops.equal(ops.expand_dims(LABELS, 1), ops.arange(w.shape[1]))
    return ops.sum(w * hot.astype(w.dtype), 1)


LOG_LIKELIHOODS: dict[str, Callable[[Variable], Variable]] = {
    "log of softmax, picked": lambda w: _picked(ops.log(ops.softmax(w, 1))),
    "log of picked softmax": lambda w: ops.log(_picked(ops.softmax(w, 1))),
    "by hand": lambda w: _picked(ops.log(_hand(w))),
    "by hand, picked first": lambda w: ops.log(_picked(_hand(w))),
    "shifted": lambda w: _picked(ops.log(_shifted(w))),
    "shifted, picked first": lambda w: ops.log(_picked(_shifted(w))),
    "minus log sum exp": lambda w: _picked(
        w - ops.log(ops.sum(ops.exp(w), 1, keepdims=True))
    ),
    "picked minus log sum exp": lambda w: _picked(w) - ops.log(ops.sum(ops.exp(w), 1)),
    "transposed": lambda w: ops.log(_picked(ops.softmax(w.T, 0).T)),
    "one-hot": lambda w: _one_hot(ops.log(ops.softmax(w, 1))),
    "scaled": lambda w: ops.log(_picked(ops.softmax(w, 1))) * -2.5 / -2.5,
}


@pytest.mark.parametrize("logits", [ROWS, KNOWN], ids=["unknown", "known"])
@pytest.mark.parametrize("name", LOG_LIKELIHOODS)
def test_cross_entropy_of_far_apart_logits(name: str, logits: Variable) -> None:
    loss = -ops.mean(LOG_LIKELIHOODS[name](logits))
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(n, classes)) * 1e4).astype("float32")
    values[0] = rng.normal(size=classes)
    labels = rng.integers(0, classes, n)
    cost, slope = evaluate(
        optimized(loss, grad(loss, logits)), {logits.node: values, LABELS.node: labels}
    )
    exact = values.astype("float64")
    expected = -log_softmax(exact, 1)[np.arange(n), labels].mean()
    np.testing.assert_allclose(cost, expected, rtol=1e-6)
    gradient = (softmax(exact, 1) - np.eye(classes)[labels]) / n
    np.testing.assert_allclose(slope, gradient, atol=1e-7)


def _by_hand(w: Variable) -> Variable:
    return 1 / (1 + ops.exp(-w))


@pytest.mark.parametrize("probability", [ops.sigmoid, _by_hand])
def test_binary_cross_entropy_of_far_apart_logits(
    probability: Callable[[Variable], Variable],
) -> None:
    logits, truths = tensor("l", "float64", (None,)), tensor("t", "float64", (None,))
    p = probability(logits)
    loss = -ops.sum(truths * ops.log(p) + (1 - truths) * ops.log(1 - p))
    values, targets = np.array([-1e3, -3, 0, 2, 1e3]), np.array([1.0, 0, 0.5, 1, 0])
    cost, slope = evaluate(
        optimized(loss, grad(loss, logits)), {logits.node: values, truths.node: targets}
    )
    expected = np.logaddexp(0, values) - targets * values
    np.testing.assert_allclose(cost, expected.sum(), rtol=1e-12)
    np.testing.assert_allclose(slope, expit(values) - targets, rtol=1e-12, atol=1e-15)


def test_several_losses_on_one_softmax() -> None:
    p = ops.softmax(ROWS, 1)
    loss = -ops.sum(ops.log(_picked(p))) + ops.sum(p * p)
    values = np.array([[1e4, 0.0, -1e4], [1.0, 2.0, 3.0]], "float32")
    given = {ROWS.node: values, LABELS.node: np.array([2, 0])}
    cost, slope = evaluate(optimized(loss, grad(loss, ROWS)), given)
    assert np.isfinite(cost)
    q = softmax(values.astype("float64"), 1)
    two = 2 * q * (q - (q * q).sum(1, keepdims=True))
    np.testing.assert_allclose(slope, q - np.eye(3)[[2, 0]] + two, atol=1e-6)


def test_softmax_and_its_logarithm_share_their_work() -> None:
    logits = ops.log(ops.softmax(x, 1))
    nodes = toposort(optimized(logits, ops.softmax(x, 1)))
    assert sum(node.op.name == "max" for node in nodes) == 1
    assert not any(isinstance(node.op, Softmax) for node in nodes)


def test_checks_of_shapes_are_not_rewritten_away() -> None:
    """x + zeros(4) has a known size because x must agree; x alone does not say so."""
    unknown = tensor("unknown", "float64", (None,))
    made = unknown + ops.zeros(4, "float64")
    (node,) = optimized(made)
    assert node.type.dims == (4,)
    assert isinstance(node.op, Add | Where)


def test_values_of_opaque_constants_decide_nothing() -> None:
    """Code is cached without looking at constants of several elements."""
    made = [optimized(x * np.full(4, value))[0] for value in (1.0, 2.0)]
    assert [len(toposort([node])) for node in made] == [3, 3]
