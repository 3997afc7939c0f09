"""Every rule: where it applies, where it must not, and that it keeps what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from symgraph import ops
from symgraph.autodiff import grad
from symgraph.check import agree, random_inputs
from symgraph.declare import tensor
from symgraph.evaluate import evaluate
from symgraph.graph import Node, toposort
from symgraph.graphs import Graph
from symgraph.inspect.text import pprint
from symgraph.leaf import Constant, Input
from symgraph.op import Array, Op
from symgraph.ops.arithmetic import Add
from symgraph.ops.choice import Where
from symgraph.ops.softmax import Softmax
from symgraph.passes import DEFAULT, RulePass
from symgraph.rewrite import Rule, RuleSet, Trace, rewrite
from symgraph.rules.canonical import lossless
from symgraph.variable import Variable

from .rule_examples import EXAMPLES, RULES, SETS
from .rule_examples.common import c, s, x

#: Values at which formulas fail: zeros, units, infinities, subnormal and huge numbers.
SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 1.5, -2.5, np.inf, -np.inf, np.nan, 5e-324, 1.7e308, -1e200]
)
EPS = float(np.finfo(float).eps)


def apply_alone(rule: Rule, variable: Variable) -> tuple[Node, Trace]:
    trace = Trace()
    (after,) = rewrite([variable.node], RuleSet("alone", [rule]), trace)
    return after, trace


def test_every_rule_of_the_pipeline_has_an_example() -> None:
    used = {r.name for p in DEFAULT if isinstance(p, RulePass) for r in p.all_rules()}
    assert used == set(RULES) == set(EXAMPLES)


def test_rule_names_are_unique() -> None:
    assert len(RULES) == sum(len(rules) for rules, _ in SETS.values())


@pytest.mark.parametrize("name", RULES)
def test_docstring_says_before_and_after(name: str) -> None:
    assert "->" in RULES[name].doc.partition("\n")[0]


@pytest.mark.parametrize("name", SETS)
def test_rule_at_work(name: str, golden: Callable[[str, str], None]) -> None:
    """Each rule with what it makes of its example, and what it must leave alone."""
    rules, examples = SETS[name]
    lines = []
    for rule in rules:
        before, near = examples[rule.name].yes(), examples[rule.name].no()
        after, trace = apply_alone(rule, before)
        assert rule.name in trace.counts(), f"{rule.name} does not apply"
        same, _ = apply_alone(rule, near)
        assert same is near.node, f"{rule.name} applies to what is only similar"
        lines += [
            f"{rule.name}  [{rule.preserves}]",
            f"    {rule.doc.partition(chr(10))[0]}",
            f"    {pprint(before)}",
            f"      -> {pprint(Variable(after))}",
            f"    {pprint(near)}",
            "      unchanged",
            "",
        ]
    golden(f"rules/{name}.txt", "\n".join(lines))


# -- what rules preserve ---------------------------------------------------------------


def drawn(name: str, node: Node, seed: int) -> dict[Node, Any]:
    """Values for the inputs: small ones, then special ones in any combination.

    Rules that change special values are held to what finite inputs give.
    """
    given = random_inputs([node], seed)
    special = SPECIAL
    if RULES[name].preserves == "special_values":
        special = special[np.isfinite(special)]
    if not EXAMPLES[name].huge:
        special = special[~(np.abs(special) > 1e100)]
    rng = np.random.default_rng(seed)
    for leaf, value in given.items():
        if value.dtype.kind == "f" and seed >= 3:
            with np.errstate(all="ignore"):
                given[leaf] = rng.choice(special, value.shape).astype(value.dtype)
    return given


def wide(function: Callable[[mpmath.mpf], mpmath.mpf]) -> Callable[[Array], Array]:
    """mpmath's `function`, constant from 100 on, for arrays in extended precision."""

    def each(x: np.longdouble) -> np.longdouble:
        with mpmath.workdps(30):
            held = np.clip(x, -100, 100)
            value = function(mpmath.mpf(np.format_float_scientific(held)))
            return np.longdouble(mpmath.nstr(value, 25))

    return np.frompyfunc(each, 1, 1)


#: Ops whose `ref` is SciPy's, which has no extended precision.
WIDE: dict[type[Op], Callable[[Array], Array]] = {
    ops.Erf: wide(mpmath.erf), ops.Erfc: wide(mpmath.erfc), ops.Ndtr: wide(mpmath.ncdf),
}  # fmt: skip


def exactly(node: Node, given: dict[Node, Any]) -> Array | None:
    """The value of `node` in extended precision; None where an op has no such `ref`."""
    values: dict[Node, Array] = {}
    for each in toposort([node]):
        if isinstance(each.op, Input):
            value = np.asarray(given[each])
        elif isinstance(each.op, Constant):
            value = each.op.data
        elif type(each.op) in WIDE:
            value = WIDE[type(each.op)](values[each.inputs[0]])
        else:
            value = np.asarray(each.op.ref(*(values[i] for i in each.inputs)))
        if each.type.dtype in ("float32", "float64"):
            value = value.astype("longdouble")
        values[each] = value
    return values[node]


@pytest.mark.parametrize("name", RULES)
def test_keeps_what_it_promises(name: str) -> None:
    """Exact: every bit.  Else as near to the true value as before, and no new NaN."""
    before, rule = EXAMPLES[name].yes(), RULES[name]
    after, _ = apply_alone(rule, before)
    for seed in range(9):
        given = drawn(name, before.node, seed)
        old, new = (np.asarray(evaluate([n], given)[0]) for n in (before.node, after))
        if rule.preserves == "exact" or old.dtype.kind != "f":
            assert agree(old, new, "exact"), (old, new)
            continue
        with np.errstate(all="ignore"):
            exact = exactly(before.node, given)
            compare(old, new, exact, rule.preserves)


def compare(old: Array, new: Array, exact: Array, preserves: str) -> None:
    assert old.shape == new.shape and old.dtype == new.dtype
    finite = np.isfinite(old)
    if preserves == "rounding":
        # An overflow that only extended precision avoids is a matter of rounding.
        near = np.isfinite(exact) & (np.abs(exact) > 1e307)
        assert np.array_equal(np.isnan(old), np.isnan(new)), (old, new)
        assert np.array_equal(finite | near, np.isfinite(new) | near), (old, new)
    assert np.all(np.isfinite(new[finite])), (old, new)
    sure = finite & np.isfinite(exact)
    off, was = np.abs(new - exact)[sure], np.abs(old - exact)[sure]
    unit = float(np.finfo(old.dtype).eps)
    size = np.max(np.abs(exact[sure]), initial=0.0) if preserves else 0
    assert np.all(off <= 4 * was + 64 * unit * size + 1e-300), (old, new, exact)


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
    logits = ops.log(ops.softmax(ROWS, 1))
    nodes = toposort(optimized(logits, ops.softmax(ROWS, 1)))
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
