"""What `explain` says: of twenty expressions why they became what they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import symgraph as sg
from symgraph import Variable
from symgraph.errors import NotFoundError
from symgraph.inspect.explain import Explanation
from symgraph.rewrite import RuleSet

HERE = Path(__file__).name
x, y = sg.dvectors("x y")
m = sg.dmatrix("m")
flag = sg.tensor("flag", "bool", ())

Case = Callable[[], Any]


def scanned() -> Any:
    """A rule fires in the body of a loop."""
    _, rows = sg.scan(lambda s, v: (sg.log(1 + s * v), s), sg.dscalar("s"), x)
    return rows


def branched() -> Any:
    """A rule fires in one branch."""
    return sg.ifelse(flag, sg.log(1 + x) * 2, x)


#: (the rule that must be named, what is written; its first line is the line to name)
PLANTED: list[tuple[str, Case]] = [
    ("log_of_one_plus", lambda: sg.log(1 + x)),
    ("log1p_of_exp", lambda: sg.log1p(sg.exp(x))),
    ("multiply_one", lambda: sg.tanh(x) * 1),
    ("divide_one", lambda: sg.tanh(x) / 1),
    ("add_positive_zero", lambda: sg.tanh(x) + 0.0),
    ("subtract_zero", lambda: sg.tanh(x) - 0.0),
    ("add_negative", lambda: x + -sg.exp(y)),
    ("subtract_negative", lambda: x - -sg.exp(y)),
    ("negative_difference", lambda: -(x - sg.exp(y))),
    ("constant_last", lambda: 3 * sg.exp(x)),
    ("difference_of_same", lambda: sg.exp(x) - sg.exp(x)),
    ("size_of_operand", lambda: sg.exp(m).shape[1] * sg.sum(m)),
    ("known_value", lambda: x * (sg.constant(2.0) + sg.constant(3.0))),
    ("inline", lambda: sg.op_from_graph([y], [sg.exp(y) + 2])(x)),
    ("unmarked", lambda: sg.stop_gradient(sg.exp(x))),
    ("view_of_negative", lambda: sg.transpose(-m)),
    ("expanded", lambda: sg.special.softmax(m, axis=1)),
    ("log_of_softmax", lambda: sg.log(sg.special.softmax(m, axis=1))),
    ("log_of_one_plus", scanned),
    ("log_of_one_plus", branched),
]


def line_of(case: Case) -> int:
    """The line on which a planted expression is written."""
    first = case.__code__.co_firstlineno  # type: ignore[attr-defined]
    return first if case.__name__ == "<lambda>" else first + 2


@pytest.mark.parametrize(
    ("rule", "case"), PLANTED, ids=[f"{k}-{r}" for k, (r, _) in enumerate(PLANTED)]
)
def test_the_rule_and_the_line_are_named(rule: str, case: Case) -> None:
    found = sg.explain(case())
    steps = [s for s in found.json()["steps"] if s["rule"] == rule]
    assert steps, [s["rule"] for s in found.json()["steps"]]
    assert any(
        f"{HERE}:{line_of(case)}: " in line for s in steps for line in s["lines"]
    )
    assert rule in str(found) and f"{HERE}:{line_of(case)}" in str(found)


def test_what_is_as_written_has_no_steps() -> None:
    assert sg.explain(sg.exp(x) + y).json()["steps"] == []


def test_a_step_is_shown_with_what_both_sides_share() -> None:
    found = sg.explain(sg.log(1 + sg.exp(x)), rule="log_of_one_plus")
    (step,) = found.json()["steps"]
    assert (step["before"], step["after"]) == ("log(a + 1.0)", "log1p(a)")
    assert step["where"] == {"a": "exp(x)"}


def test_steps_in_a_loop_say_so() -> None:
    (step,) = sg.explain(scanned(), rule="log_of_one_plus").json()["steps"]
    assert step["scope"] == ["scan"]


def test_only_the_steps_that_lead_to_a_node() -> None:
    graph = sg.Graph([x, y], [sg.log(1 + x), y * 1 + sg.exp(y)])
    whole = sg.explain(graph)
    nodes = whole.provenance.nodes
    (log1p,) = [k for k, made in enumerate(nodes) if made.node.op.name == "log1p"]
    rules = [s["rule"] for s in sg.explain(graph, node=log1p).json()["steps"]]
    assert rules == ["constant_last", "log_of_one_plus"]
    assert (
        sg.explain(graph, node=f"%{log1p}").steps == whole.provenance.nodes[log1p].steps
    )


def test_only_the_steps_from_a_line() -> None:
    first = sg.log(1 + x)
    second = sg.exp(y) * 1
    line = second.node.inputs[0].site
    assert line is not None
    number = test_only_the_steps_from_a_line.__code__.co_firstlineno + 2
    for text in (f":{number}", f"{HERE}:{number}"):
        found = sg.explain([first, second], node=text)
        assert [s["rule"] for s in found.json()["steps"]] == ["multiply_one"]
        assert "k" in str(found) and "bytes" in str(found)


@pytest.mark.parametrize(
    ("asked", "error", "remedy"),
    [
        ({"rule": "log_of_one_pluss"}, "no rule 'log_of_one_pluss'", "log_of_one_plus"),
        ({"node": 99}, "no node %99", "symgraph dump"),
        ({"node": "nowhere.py:3"}, "on line nowhere.py:3", HERE),
        ({"node": "some"}, "neither a node nor a line", "net.py:12"),
    ],
)
def test_what_is_not_there(asked: dict[str, Any], error: str, remedy: str) -> None:
    with pytest.raises(NotFoundError, match=error) as caught:
        sg.explain(sg.exp(x), **asked)
    assert remedy in str(caught.value)


def test_a_rule_that_did_not_fire_is_no_error() -> None:
    found = sg.explain(sg.exp(x), rule="log_of_one_plus")
    assert found.steps == () and "--why-not log_of_one_plus" in str(found)


# -- why not ---------------------------------------------------------------------------


def missed(shown: Any, rule: str) -> dict[str, Any]:
    """The nearest miss of a rule."""
    data = sg.explain_why_not(shown, rule).json()
    assert data["misses"], data
    first: dict[str, Any] = data["misses"][0]
    return first


def single(v: Variable) -> Variable:
    """`v` in float32."""
    return v.astype("float32")


@pytest.mark.parametrize(
    ("rule", "shown", "kind", "reason"),
    [
        (
            *("log_of_one_plus", lambda: sg.log(2 + x)),
            *("constant", "wants the constant 1.0, found 2.0"),
        ),
        (
            *("log_of_one_plus", lambda: sg.log(x * y)),
            *("op", "wants add, found multiply in x * y"),
        ),
        (
            *("log_of_one_plus", lambda: sg.log((single(x) + 1).astype("float64"))),
            *("dtype", "wants add, found a conversion of float32 to float64"),
        ),
        (
            *("difference_of_same", lambda: sg.exp(x) - sg.exp(y)),
            *("same", "wants the same expression twice"),
        ),
        (
            *("known_value", lambda: sg.sum(x)),
            *("guard", "not isinstance(source.op, Constant), where source is <x:"),
        ),
    ],
)
def test_near_misses(rule: str, shown: Case, kind: str, reason: str) -> None:
    found = missed(shown(), rule)
    assert (found["kind"], reason in found["reason"]) == (kind, True), found
    assert HERE in found["lines"][0]


def test_an_excluded_rule_is_said_to_be_left_out() -> None:
    mode = sg.Mode().excluding("log_of_one_plus")
    f = sg.function([x], sg.log(1 + x), mode=sg.Mode(mode.pipeline, "interpret"))
    found = sg.explain_why_not(f, "log_of_one_plus")
    assert (found.passes, found.excluded) == ((), ("stabilize",))
    assert [(m.kind, m.reason) for m in found.misses] == [
        ("excluded", "it is left out of stabilize")
    ]
    assert "left out of stabilize" in str(found)


def test_a_rule_of_the_users_names_its_condition() -> None:
    mine = RuleSet("mine")

    @mine.rule(lambda a, b: a * sg.exp(b), preserves="rounding")
    def times_exp(a: Variable, b: Variable, node: Any, uses: Any) -> Variable | None:
        """a * exp(b) -> exp(b + log(a))"""
        if uses(node.inputs[1]) > 1:
            return None
        if a.ndim != b.ndim or a.dtype != "float64":
            return None
        return sg.exp(b + sg.log(a))

    pipeline = sg.passes.Pipeline((sg.passes.Apply("mine", mine),))
    exp = sg.exp(x)
    mode = sg.Mode(pipeline, "interpret")
    shared = sg.function([x, y], [y * exp, exp], mode=mode)
    found = sg.explain_why_not(shared, "times_exp").json()["misses"]
    assert found[0]["reason"].startswith("uses(node.inputs[1]) > 1")
    ranks = sg.function([x, m], m * exp, mode=mode)
    found = sg.explain_why_not(ranks, "times_exp").json()["misses"]
    assert found[0]["reason"].startswith("a.ndim != b.ndim, where a is <m: float64[")


def test_another_rule_that_comes_first_is_named() -> None:
    early, late = RuleSet("early"), RuleSet("late")

    @early.rule(lambda a: sg.tanh(a + 1.0), preserves="exact")
    def shifted(a: Variable) -> Variable:
        """tanh(a + 1) -> tanh(1 - -a)"""
        return sg.tanh(1.0 - -a)

    @late.rule(lambda a: sg.tanh(a + 1.0), preserves="exact")
    def tardy(a: Variable) -> Variable:
        """tanh(a + 1) -> a"""
        return a

    passes = (sg.passes.Apply("early", early), sg.passes.Apply("late", late))
    mode = sg.Mode(sg.passes.Pipeline(passes), "interpret")
    f = sg.function([x], sg.tanh(x + 1.0), mode=mode)
    found = sg.explain_why_not(f, "tardy").json()["misses"]
    told = {(miss["kind"], miss["reason"]) for miss in found}
    assert ("first", "shifted rewrote it first, in early") in told
    together = sg.passes.Pipeline((sg.passes.Apply("both", early + late),))
    f = sg.function([x], sg.tanh(x + 1.0), mode=sg.Mode(together, "interpret"))
    found = sg.explain_why_not(f, "tardy").json()["misses"]
    assert found[0]["reason"] == "shifted rewrote it first, in both"


def test_places_where_it_fired_are_no_misses() -> None:
    found = sg.explain_why_not(sg.log(1 + sg.exp(x)), "log_of_one_plus")
    assert len(found.fired) == 1 and not found.misses
    assert "fired once" in str(found)


def test_why_not_of_no_rule() -> None:
    with pytest.raises(NotFoundError, match="perhaps log_of_one_plus"):
        sg.explain_why_not(sg.exp(x), "log_of_one")


def test_an_explanation_knows_its_provenance() -> None:
    found = sg.explain(sg.log(1 + sg.dvector("own")))
    assert isinstance(found, Explanation)
    assert repr(found.provenance).startswith("<Provenance of target: 1 lines, 2 steps")
