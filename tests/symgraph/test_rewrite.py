"""Patterns, rule sets, the engine, its trace, and passes."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pytest

from symgraph import ops, passes
from symgraph.check import check_pass
from symgraph.config import config
from symgraph.declare import tensor
from symgraph.errors import CompileError, SymgraphError
from symgraph.graph import Node, toposort
from symgraph.graphs import Graph
from symgraph.op import Expanded
from symgraph.ops.arithmetic import Add, Multiply
from symgraph.ops.broadcasting import Sum
from symgraph.ops.elementwise import Binary
from symgraph.ops.transcendental import Exp
from symgraph.passes import (
    DEFAULT,
    Apply,
    Canonicalize,
    Expand,
    Pipeline,
    RulePass,
    run,
)
from symgraph.rewrite import Preserves, Rule, RuleSet, Trace, Uses, like, rewrite, rule
from symgraph.rules.canonical import canonical
from symgraph.variable import Variable, constant

x = tensor("x", "float64", ("n",))
y = tensor("y", "float64", ("n",))
m = tensor("m", "float32", ("n", 3))


def fires(made: Rule, variable: Variable) -> int:
    """How often a rule applies to an expression."""
    trace = Trace()
    rewrite([variable.node], RuleSet("one", [made]), trace)
    return len(trace)


# -- patterns --------------------------------------------------------------------------


def test_operands_of_commutative_ops_match_both_ways() -> None:
    @rule(lambda p, q: ops.exp(p) * (q + 1), preserves="rounding")
    def matched(p: Variable, q: Variable) -> Variable:
        return ops.log(p) - q

    for expression in (
        ops.exp(x) * (y + 1), ops.exp(x) * (1 + y),
        (y + 1) * ops.exp(x), (1 + y) * ops.exp(x),
    ):  # fmt: skip
        (after,) = rewrite([expression.node], RuleSet("one", [matched]))
        assert after is (ops.log(x) - y).node


def test_operands_of_other_ops_do_not() -> None:
    @rule(lambda p: ops.exp(p) - p, preserves="rounding")
    def matched(p: Variable) -> Variable:
        return p

    assert fires(matched, ops.exp(x) - x) == 1
    assert fires(matched, x - ops.exp(x)) == 0


def test_a_repeated_parameter_is_one_node() -> None:
    @rule(lambda p: p * ops.exp(p), preserves="rounding")
    def matched(p: Variable) -> Variable:
        return p

    assert fires(matched, x * ops.exp(x)) == 1
    assert fires(matched, x * ops.exp(y)) == 0


@pytest.mark.parametrize(
    ("value", "dtype", "matches"),
    [
        (1, "int64", True),
        (1, "float32", True),
        (True, "bool", True),
        (2, "int64", False),
    ],
)
def test_numbers_match_constants_of_any_dtype(
    value: int, dtype: str, matches: bool
) -> None:
    @rule(lambda p: p * 1, preserves="rounding")
    def matched(p: Variable) -> Variable:
        return p

    operand = tensor("operand", dtype)
    assert fires(matched, operand * constant(value, dtype)) == matches


def test_the_sign_of_zero_counts() -> None:
    @rule(lambda p: p + 0.0, preserves="rounding")
    def matched(p: Variable) -> Variable:
        return p

    assert fires(matched, x + 0.0) == 1
    assert fires(matched, x + -0.0) == 0


def test_casts_are_not_looked_through() -> None:
    @rule(lambda p: ops.log(ops.exp(p)), preserves="rounding")
    def matched(p: Variable) -> Variable:
        return p

    assert fires(matched, ops.log(ops.exp(m).astype("float64"))) == 0


def test_like_matches_any_parameters_and_hands_over_the_node() -> None:
    found: list[Node] = []

    @rule(lambda p: ops.exp(like(Sum, -p, name="total")), preserves="rounding")
    def matched(p: Variable, total: Node) -> None:
        found.append(total)

    expressions = [ops.exp(ops.sum(-m, axis, keepdims=True)) for axis in (0, 1)]
    for expression in expressions:
        fires(matched, expression)
    assert [n.op for n in found] == [Sum((0,), True), Sum((1,), True)]


def test_a_class_matches_its_subclasses() -> None:
    seen: list[str] = []

    @rule(Binary, preserves="exact")
    def matched(node: Node) -> None:
        seen.append(node.op.name)

    fires(matched, ops.exp(x + y) * x)
    assert seen == ["add", "multiply"]


def test_patterns_are_built_when_first_used() -> None:
    def pattern(p: Variable) -> Variable:
        raise AssertionError("built too early")

    assert rule(pattern, preserves="exact")(lambda p: p).preserves == "exact"


def test_what_is_preserved_is_one_of_three() -> None:
    with pytest.raises(SymgraphError, match="special_values"):
        rule(Add, preserves="most")(lambda node: node)  # type: ignore[arg-type]


# -- engine ----------------------------------------------------------------------------


def test_rules_apply_until_none_fits() -> None:
    expression = x
    for _ in range(7):
        expression = -(1 * expression + -0.0)
    trace = Trace()
    (after,) = rewrite([expression.node], canonical, trace)
    assert after is (-x).node
    assert {"multiply_one", "add_negative_zero", "negative_negative"} <= set(
        trace.counts()
    )


def test_what_a_rule_returns_is_rewritten_in_turn() -> None:
    rules = RuleSet("steps")

    @rules.rule(lambda p: ops.exp(p), preserves="rounding")
    def first(p: Variable) -> Variable:
        return ops.log(p) * 1

    @rules.rule(lambda p: p * 1, preserves="exact")
    def second(p: Variable) -> Variable:
        return p

    assert rewrite([ops.exp(x).node], rules) == (ops.log(x).node,)


def test_a_shared_node_is_rewritten_once() -> None:
    shared = x * 1 + y
    trace = Trace()
    rewrite([(ops.exp(shared) + ops.log(shared)).node], canonical, trace)
    assert trace.counts() == {"multiply_one": 1}


def test_untouched_graphs_are_returned_as_they_are() -> None:
    node = (ops.exp(x) + y).node
    assert rewrite([node, node], canonical) == (node, node)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda p: p.astype("float32"),
        lambda p: ops.sum(p),
        lambda p: ops.expand_dims(p, 0),
    ],
)
def test_a_rule_that_changes_a_type_is_refused(wrong: object) -> None:
    rules = RuleSet("wrong")
    rules.rule(lambda p: ops.exp(p), preserves="exact")(wrong)  # type: ignore[arg-type]
    with pytest.raises(CompileError, match="changes a type"):
        rewrite([ops.exp(x).node], rules)


def test_a_rule_may_not_lose_a_known_dimension() -> None:
    unknown = tensor("unknown", "float64", (None,))
    three = tensor("three", "float64", (3,))

    @rule(lambda p, q: p + q, preserves="exact")
    def loses(p: Variable, q: Variable) -> Variable:
        return p

    with pytest.raises(CompileError, match="loses changes a type"):
        rewrite([(unknown + three).node], RuleSet("one", [loses]))


def test_rules_that_undo_each_other_are_named() -> None:
    rules = RuleSet("endless")

    @rules.rule(lambda p, q: p * q, preserves="exact")
    def there(p: Variable, q: Variable) -> Variable:
        return p / q

    @rules.rule(lambda p, q: p / q, preserves="exact")
    def back(p: Variable, q: Variable) -> Variable:
        return p * q

    with pytest.raises(CompileError, match=r"does not end.*(there, back|back, there)"):
        rewrite([(x * y).node], rules)


def test_a_rule_that_grows_for_ever_is_stopped() -> None:
    @rule(lambda p: ops.exp(p), preserves="exact")
    def grow(p: Variable) -> Variable:
        return ops.exp(p * 2)

    with pytest.raises(CompileError, match="grow"):
        rewrite([ops.exp(x).node], RuleSet("one", [grow]))


def test_uses_counts_readers_outputs_included() -> None:
    counts: dict[Node, int] = {}

    @rule(Exp, preserves="exact")
    def count(node: Node, uses: Uses) -> None:
        counts[node] = uses(node)

    e = ops.exp(x)
    rewrite([(e * e).node, (e + y).node, e.node], RuleSet("one", [count]))
    assert counts == {e.node: 4}


def test_new_nodes_keep_the_line_of_what_they_replace() -> None:
    before = ops.log(1 + ops.exp(x * 0.123))
    (after,) = run([before.node], DEFAULT)
    sites = {n.site for n in toposort([after]) if n.inputs}
    lines = {code.co_name for code, _ in sites if code}  # type: ignore[misc]
    assert lines == {"test_new_nodes_keep_the_line_of_what_they_replace"}
    assert after.site == before.node.site


@pytest.mark.parametrize(
    "step",
    [
        lambda v: v + x,
        lambda v: v + v,
        lambda v: ops.sin(v),
        lambda v: 1 / (1 + ops.exp(-v)),
    ],
)
def test_deep_graphs_need_no_stack(step: object) -> None:
    deep = x
    for _ in range(3_000):
        deep = step(deep)  # type: ignore[operator]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        (after,) = run([deep.node], DEFAULT)
    finally:
        sys.setrecursionlimit(limit)
    assert len(toposort([after])) >= 3_000


def test_time_grows_linearly() -> None:
    times = []
    for size in (1_000, 8_000):
        deep = x
        for _ in range(size):
            deep = ops.sin(deep + y)
        start = time.perf_counter()
        run([deep.node], DEFAULT)
        times.append(time.perf_counter() - start)
    assert times[1] < 8 * 6 * times[0]  # 64 times, were it quadratic


# -- rule sets and trace ---------------------------------------------------------------


def test_rule_sets_compose() -> None:
    one, two = RuleSet("one"), RuleSet("two")

    @one.rule(Add, preserves="exact")
    def first(node: Node) -> None: ...

    @two.rule(Multiply, preserves="rounding")
    def second(node: Node) -> None: ...

    both = one + two
    assert [r.name for r in both] == ["first", "second"]
    assert [r.name for r in both.excluding("first")] == ["second"]
    assert [r.name for r in both.excluding("rounding")] == ["first"]
    assert [r.name for r in both.including("second")] == ["second"]
    assert both.candidates(Add) == (first,)
    with pytest.raises(SymgraphError, match="third"):
        both.excluding("third")


def test_a_rule_added_later_is_found() -> None:
    rules = RuleSet("growing")
    assert rules.candidates(Add) == ()

    @rules.rule(lambda p: p + 1, preserves="exact")
    def late(p: Variable) -> None: ...

    assert rules.candidates(Add) == (late,)


def test_trace() -> None:
    trace = Trace()
    (after,) = rewrite([(x * 1).node], canonical, trace, "phase")
    (record,) = trace
    assert (record.rule.name, record.after, record.phase) == (
        "multiply_one",
        after,
        "phase",
    )
    assert trace.text() == (
        "phase: multiply_one: Multiply()(float64[n], float64): float64[n] -> "
        f"{x.node!r}"
    )
    (data,) = json.loads(json.dumps(trace.json()))
    assert data["preserves"] == "exact"


def test_digest_tells_rules_apart() -> None:
    def made(factor: int, preserves: Preserves = "exact") -> Rule:
        source = f"def named(p):\n    return p * {factor}"
        space: dict[str, object] = {}
        exec(source, space)
        return rule(Add, preserves=preserves)(space["named"])  # type: ignore[arg-type]

    assert made(2).digest() == made(2).digest()
    assert made(2).digest() != made(3).digest()
    assert made(2).digest() != made(2, "rounding").digest()
    assert repr(Apply("a", RuleSet("r", [made(2)]))) != repr(
        Apply("a", RuleSet("r", [made(3)]))
    )


# -- passes and pipelines --------------------------------------------------------------


def test_the_default_order() -> None:
    assert [p.name for p in DEFAULT] == [
        "split complex",
        "canonicalize",
        "stabilize",
        "simplify",
        "loops",
        "expand",
    ]


def test_rewriting_twice_changes_nothing_more() -> None:
    cost = -ops.mean(ops.log(ops.softmax(m * 2, 1)))
    once = run([cost.node], DEFAULT)
    assert run(once, DEFAULT) == once


def test_no_named_formula_is_left() -> None:
    (after,) = run([ops.argmax(ops.log_softmax(m, 1), 1).node], DEFAULT)
    assert not any(isinstance(n.op, Expanded) for n in toposort([after]))


def test_pipelines_leave_out_passes_rules_and_classes_of_rules() -> None:
    expression = ops.log(1 + x) * 1

    def rules(pipeline: Pipeline) -> dict[str, int]:
        _, trace = Graph([x], expression).rewrite(pipeline)
        return trace.counts()

    assert set(rules(DEFAULT)) == {"multiply_one", "constant_last", "log_of_one_plus"}
    assert "log_of_one_plus" not in rules(DEFAULT.excluding("stabilize"))
    assert "multiply_one" not in rules(DEFAULT.excluding("multiply_one"))
    assert "log_of_one_plus" not in rules(DEFAULT.excluding("rounding"))
    with pytest.raises(SymgraphError, match="stabilise"):
        DEFAULT.excluding("stabilise")


def test_pipelines_take_passes_of_the_users() -> None:
    rules = RuleSet("mine")

    @rules.rule(lambda p: abs(ops.exp(p)), preserves="exact")
    def exp_is_positive(p: Variable) -> Variable:
        return ops.exp(p)

    pipeline = DEFAULT.including(Apply("mine", rules), before="stabilize")
    assert [p.name for p in pipeline][2] == "mine"
    graph, trace = Graph([x], abs(ops.exp(x))).rewrite(pipeline)
    assert graph.output_nodes == (ops.exp(x).node,)
    assert trace.records[0].phase == "mine"
    with pytest.raises(SymgraphError, match="fuse"):
        DEFAULT.including(Expand(), before="fuse")


def test_watch_sees_every_stage() -> None:
    stages: dict[str, tuple[Node, ...]] = {}
    run(
        [ops.softmax(m, 1).node],
        DEFAULT,
        watch=lambda name, o: stages.update({name: o}),
    )
    assert list(stages) == [p.name for p in DEFAULT]
    assert stages["simplify"] != stages["expand"]


def test_the_check_names_a_pass_that_changes_values() -> None:
    rules = RuleSet("wrong")

    @rules.rule(lambda p: ops.exp(p), preserves="rounding")
    def wrong(p: Variable) -> Variable:
        return p

    pipeline = (Canonicalize(), Apply("breaks", rules))
    with config.flags(check=False):
        run([ops.exp(x).node], pipeline)
    with config.flags(check=True), pytest.raises(CompileError, match="pass breaks"):
        run([ops.exp(x).node], pipeline)


def test_the_check_compares_as_far_as_rules_promise() -> None:
    before, after = ops.log(1 + x * x), ops.log1p(x * x)
    loose = [r for r in run_trace(before) if r.rule.preserves == "rounding"]
    check_pass("p", [before.node], [after.node], loose)
    with pytest.raises(CompileError, match="exact"):
        check_pass("p", [before.node], [after.node], [])


def run_trace(expression: Variable) -> Trace:
    trace = Trace()
    run([expression.node], DEFAULT, trace)
    return trace


def test_the_check_refuses_another_type() -> None:
    with pytest.raises(CompileError, match="type of an output"):
        check_pass("p", [x.node], [ops.sum(x).node], [])


def test_passes_are_values() -> None:
    assert Canonicalize() == Canonicalize()
    assert Canonicalize() != Canonicalize(without=("add_zero",))
    assert repr(DEFAULT) == repr(Pipeline(tuple(DEFAULT)))
    assert isinstance(DEFAULT.passes[1], RulePass)
    assert passes.DEFAULT is DEFAULT


def test_random_graphs_keep_their_value() -> None:
    """A few hundred random expressions through the checked pipeline."""
    rng = np.random.default_rng(7)
    unary = [ops.exp, ops.log, ops.log1p, ops.sigmoid, abs, ops.negative, ops.tanh]
    binary = [ops.add, ops.subtract, ops.multiply, ops.divide, ops.maximum, ops.minimum]
    with config.flags(check=True):
        for _ in range(60):
            pool: list[Variable] = [x, y, constant(1.0), constant(0.0), constant(2.0)]
            for _ in range(12):
                if rng.random() < 0.45:
                    made = unary[rng.integers(len(unary))](_pick(rng, pool))
                else:
                    chosen = binary[rng.integers(len(binary))]
                    made = chosen(_pick(rng, pool), _pick(rng, pool))
                pool.append(made)
            run([pool[-1].node, pool[-2].node], DEFAULT)


def _pick(rng: np.random.Generator, pool: list[Variable]) -> Variable:
    return pool[int(rng.integers(len(pool)))]
