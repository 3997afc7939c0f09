"""mode="debug": planted mistakes are caught, and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.codegen import expand as expansions
from symgraph.codegen import ir
from symgraph.codegen.cpu import primitives
from symgraph.codegen.expand import exponential
from symgraph.codegen.program import Program
from symgraph.errors import DebugError, NonFiniteWarning
from symgraph.graph import Node
from symgraph.leaf import Constant
from symgraph.lower import program as lowering
from symgraph.op import Element, Read
from symgraph.ops import gather, slices
from symgraph.ops.broadcasting import Sum, SumTo
from symgraph.passes import DEFAULT, Apply
from symgraph.rewrite import Preserves, Rule, RuleSet
from symgraph.rewrite import rule as make_rule
from symgraph.rules import logexp
from symgraph.variable import Variable, apply

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Planted:
    """A mistake: how it is made, a program that meets it, and what must be named."""

    plant: Callable[[Patch], sg.Mode | None]
    program: Callable[[], tuple[list[Variable], Any, tuple[Any, ...]]]
    named: dict[str, str | None]


def planted_rule(
    pattern: Any,
    function: Callable[..., Any],
    preserves: Preserves = "rounding",
    before: str = "simplify",
) -> Callable[[Patch], sg.Mode]:
    """The pipeline with a pass of one wrong rule."""

    def plant(patch: Patch) -> sg.Mode:
        wrong: Rule = make_rule(pattern, preserves=preserves)(function)
        step = Apply("planted", RuleSet("planted", [wrong]))
        return sg.Mode(DEFAULT.including(step, before=before), "debug")

    return plant


def planted(target: Any, name: str, value: Any) -> Callable[[Patch], None]:
    """`target` with another attribute."""
    return lambda patch: patch.setattr(target, name, value)


# -- wrong rules -----------------------------------------------------------------------


def doubled(x: Variable) -> Variable:
    """log(1 + x) -> log1p(2 * x)"""
    return sg.log1p(2 * x)


def swapped(x: Variable, y: Variable) -> Variable:
    """x - y -> y - x"""
    return y - x


def exchanged(node: Node) -> Variable | None:
    """where(c, exp(x), y) -> where(c, y, exp(x))"""
    c, x, y = (Variable(i) for i in node.inputs)
    return sg.where(c, y, x) if x.op.name == "exp" else None


def other_axis(node: Node) -> Variable | None:
    """sum(x, 0) -> sum(x, 1)"""
    (x,) = node.inputs
    return apply(Sum((1,)), Variable(x)) if node.op == Sum((0,)) else None


def unsigned(node: Node) -> Variable | None:
    """x + 0 -> x"""
    x, zero = node.inputs
    return Variable(x) if isinstance(zero.op, Constant) else None


def not_summed(self: SumTo, same: Any, *inputs: Variable) -> Variable:
    """The right shape, and no sum."""
    g, like = inputs
    return sg.broadcast_to(sg.max(g), like.shape)


# -- wrong loops -----------------------------------------------------------------------


def off_by_one(self: slices.Slice, at: Any) -> Element:
    start, _ = self.bounds(at.node)
    index = list(at.index)
    index[self.axis] = index[self.axis] * self.step + at.extent(start) + 1
    return (yield Read(0, tuple(index)))


def not_wrapped(at: Any, index: ir.Value, size: Any, axis: int) -> Any:
    """A negative index counts from the wrong end."""
    extent = at.value(at.extent(size))
    place = ir.select(index < 0, index * -1, index)
    ok = (place >= 0) & (place < extent)
    at.check(ok, "an index is out of bounds")
    return at.position(place), ok


def too_strict(at: Any, index: ir.Value, size: Any, axis: int) -> Any:
    """The last element is refused."""
    extent = at.value(at.extent(size))
    ok = (index >= 0) & (index + 1 < extent)
    at.check(ok, "an index is out of bounds")
    return at.position(index), ok


def flat_tanh(x: ir.Value) -> ir.Value:
    return exponential.tanh(x) * 1.0001


def other_select(w: Any, dtype: str, condition: str, yes: str, no: str) -> str:
    """Wrong for floats only: with wrong sizes it would write anywhere."""
    if dtype in ir.FLOATS:
        yes, no = no, yes
    kind = w.type(dtype)
    return str(w.op(f"select {w.type('bool')} {condition}, {kind} {yes}, {kind} {no}"))


def lost_sign(patch: Patch) -> sg.Mode:
    """-x as 0 - x."""

    def wrong(w: Any, dtype: str, a: str) -> str:
        return str(w.op(f"fsub {w.type(dtype)} zeroinitializer, {a}"))

    patch.setitem(primitives._FLOAT, "neg", wrong)
    return sg.Mode(target="debug").excluding("divide_by_negative")


def one_slot(program: Program) -> Program:
    """All temporaries in one slot, whoever is alive."""
    arrays = tuple(
        replace(a, slot=0) if a.role == "temp" else a for a in program.arrays
    )
    return replace(program, arrays=arrays)


def expansion(name: str, formula: Any) -> Callable[[Patch], None]:
    def plant(patch: Patch) -> None:
        wrong = replace(expansions.EXPANSIONS[name], formula=formula)
        patch.setitem(expansions.EXPANSIONS, name, wrong)
        expansions.formula.cache_clear()

    return plant


@pytest.fixture(autouse=True)
def fresh_formulas() -> Iterator[None]:
    yield
    expansions.formula.cache_clear()


# -- programs --------------------------------------------------------------------------

WHERE = type(sg.where(sg.dscalar() > 0, 1.0, 2.0).op)
ADD = type((sg.dscalar() + 1.0).op)
VECTOR = np.array([0.3, -1.2, 2.5, 0.7, -0.1])
MATRIX = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -3.0], [0.1, 0.2, 0.3]])


def vector(formula: Callable[[Variable], Any]) -> Any:
    def program() -> Any:
        x = sg.dvector("x")
        return [x], formula(x), (VECTOR,)

    return program


def matrix(formula: Callable[[Variable], Any]) -> Any:
    def program() -> Any:
        x = sg.tensor("x", shape=(3, 3))
        return [x], formula(x), (MATRIX,)

    return program


def indexed() -> Any:
    x, k = sg.dvector("x"), sg.lvector("k")
    return [x, k], sg.exp(x[k]), (VECTOR, np.array([0, 4, -2]))


def biased() -> Any:
    x, b = sg.dmatrix("x"), sg.dmatrix("b")
    return [x, b], sg.grad(sg.sum(sg.exp(x + b)), b), (MATRIX, np.ones((1, 3)))


def two_products() -> Any:
    """Two temporaries that are alive at once."""
    x = sg.dmatrix("x")
    a, b = x @ x, (x + 1) @ x
    return [x], sg.exp(a) @ b + a, (MATRIX,)


def divided() -> Any:
    x = sg.tensor("x", shape=(3,))
    return [x], 1 / (x + np.zeros(3)), (np.array([-0.0, 1.0, 2.0]),)


RULES = {
    "doubled argument": Planted(
        planted_rule(lambda x: sg.log(1 + x), doubled, before="stabilize"),
        vector(lambda x: sg.log(1 + sg.exp(sg.sin(x)))),
        {"pass_name": "planted", "rule": "doubled", "op": "log"},
    ),
    "a rule of symgraph's own": Planted(
        planted(logexp.log_of_one_plus, "function", doubled),
        vector(lambda x: sg.log(1 + x * x)),
        {"pass_name": "stabilize", "rule": "log_of_one_plus", "op": "log"},
    ),
    "operands of subtract": Planted(
        planted_rule(lambda x, y: x - sg.exp(y), swapped, before="stabilize"),
        vector(lambda x: sg.tanh(x - sg.exp(x) * 1.5) + (x - sg.exp(x))),
        {"pass_name": "planted", "rule": "swapped", "op": "subtract"},
    ),
    "branches of where": Planted(
        planted_rule(WHERE, exchanged),
        vector(lambda x: sg.where(x > 0, sg.exp(x), sg.sin(x)) * 2),
        {"pass_name": "planted", "rule": "exchanged", "op": "where"},
    ),
    "axis of a sum": Planted(
        planted_rule(Sum, other_axis),
        matrix(lambda x: sg.exp(sg.sum(x * x, 0))),
        {"pass_name": "planted", "rule": "other_axis", "op": "sum"},
    ),
    "sum over what was broadcast": Planted(
        planted(SumTo, "settled", not_summed),
        biased,
        {"part": "lowering", "op": "sum_to"},
    ),
    "sign of zero": Planted(
        planted_rule(ADD, unsigned, "exact"),
        divided,
        {"pass_name": "planted", "rule": "unsigned", "op": "add"},
    ),
}

LOOPS = {
    "slice off by one": Planted(
        planted(slices.Slice, "element", off_by_one),
        vector(lambda x: sg.exp(x[1:3]) + 1),
        {"part": "lowering", "op": "slice", "kernel": "k0_add"},
    ),
    "maximum as minimum": Planted(
        lambda patch: patch.setattr(
            type(sg.maximum(sg.dscalar(), 1.0).op),
            "scalar",
            lambda self, a, b: ir.apply("min", a, b),
        ),
        vector(lambda x: sg.sin(sg.maximum(x, 0.5)) * 3),
        {"part": "lowering", "op": "maximum", "kernel": "k0_multiply"},
    ),
    "combiner of a reduction": Planted(
        lambda patch: patch.setattr(type(sg.max(sg.dvector()).op), "combine", "min"),
        matrix(lambda x: sg.exp(sg.max(sg.exp(x), 1))),
        {"part": "lowering", "op": "max"},
    ),
    "index not wrapped": Planted(
        planted(gather, "checked", not_wrapped),
        indexed,
        {"part": "lowering", "op": "gather"},
    ),
    "bounds too strict": Planted(
        planted(gather, "checked", too_strict),
        indexed,
        {"part": "lowering", "op": "gather"},
    ),
}

NATIVE = {
    "coefficient of tanh": Planted(
        expansion("tanh", flat_tanh),
        vector(lambda x: sg.tanh(x) + 2),
        {"part": "expansion", "function": "tanh", "kernel": "k0_add"},
    ),
    "subtraction adds": Planted(
        lambda patch: patch.setitem(
            primitives._ARITHMETIC, "sub", ("fadd contract", "sub", "")
        ),
        vector(lambda x: x * 3 - sg.max(x)),
        {"part": "code generation", "function": "sub", "op": "subtract"},
    ),
    "select chooses the other": Planted(
        planted(primitives, "_select", other_select),
        vector(lambda x: sg.where(x > 0, x, 2 * x)),
        {"part": "code generation", "function": "select", "op": "where"},
    ),
    "negation loses the sign of zero": Planted(
        lost_sign,
        lambda: (
            [x := sg.dvector("x")],
            1 / -x,
            (np.array([0.0, 1.0, 2.0]),),
        ),
        {"part": "code generation", "function": "neg"},
    ),
    "one slot for all": Planted(
        planted(lowering, "plan", one_slot),
        two_products,
        {"part": "memory plan"},
    ),
}


@pytest.mark.parametrize("name", [*RULES, *LOOPS, *NATIVE])
def test_planted_mistakes_are_named(name: str, monkeypatch: Patch) -> None:
    case = {**RULES, **LOOPS, **NATIVE}[name]
    inputs, output, values = case.program()
    monkeypatch.setattr(sg.config, "debug_nan", "ignore")
    right = sg.function(inputs, output, mode="debug")
    np.testing.assert_allclose(
        right(*values), sg.function(inputs, output, mode="interpret")(*values)
    )
    mode = case.plant(monkeypatch) or sg.Mode(target="debug")
    with pytest.raises(DebugError) as caught:
        sg.function(inputs, output, mode=mode)(*values)
    monkeypatch.undo()
    found = {key: getattr(caught.value, key) for key in case.named}
    assert found == case.named, str(caught.value)
    text = str(caught.value)
    assert text.startswith("mode='debug'") and "help:" in text
    assert f"{__name__.rpartition('.')[2]}.py" in text
    for key in ("rule", "kernel", "op"):
        assert str(case.named.get(key) or "") in text


# -- what is no mistake ----------------------------------------------------------------


def test_results_and_updates_are_those_of_the_other_modes() -> None:
    w = sg.shared(MATRIX.copy(), name="w")
    x = sg.dmatrix("x")
    cost = sg.sum(sg.log(1 + sg.exp(x @ w)))
    new = w - 0.1 * sg.grad(cost, w)
    outputs = {"cost": cost, "parts": [sg.softmax(x @ w), x.T]}
    f = sg.function([x], outputs, updates={w: new}, mode="debug")
    g = sg.function([x], outputs, mode="interpret")
    expected, after = g(MATRIX), new.eval({x: MATRIX})
    got = f(MATRIX)
    np.testing.assert_allclose(got["cost"], expected["cost"])
    assert isinstance(got["cost"], np.float64)
    for one, other in zip(got["parts"], expected["parts"], strict=True):
        np.testing.assert_allclose(one, other)
    np.testing.assert_allclose(w.get_value(), after)
    assert "debug" in repr(f._spec.mode) and f.copy()(MATRIX)["cost"] < got["cost"]


def test_sizes_of_one_are_broadcast() -> None:
    x, y = sg.dmatrix("x"), sg.dvector("y")
    f = sg.function([x, y], sg.grad(sg.sum(sg.tanh(x * y)), y), mode="debug")
    for size in (3, 1):
        y_value = np.linspace(0.5, 1, size)
        slope = (1 - np.tanh(MATRIX * y_value) ** 2) * MATRIX
        expected = slope.sum(0) if size > 1 else slope.sum().reshape(1)
        np.testing.assert_allclose(f(MATRIX, y_value), expected)
    with pytest.raises(sg.errors.ShapeError, match="multiply"):
        f(MATRIX, np.ones(2))


def test_rounding_errors_that_grow_are_no_mistake() -> None:
    x = sg.dvector("x")
    f = sg.function([x], [(sg.exp(x) + 1e17) - 1e17, sg.sum(x) * 1e16], mode="debug")
    f(np.array([1.0, 2.0, -3.0]) + 1e-16)
    y = sg.fvector("y")
    g = sg.function([y], sg.sum(y) * 1e9 // 1, mode="debug")
    g(np.linspace(0, 1, 1001, dtype="float32"))


def test_what_rules_may_change_is_no_mistake() -> None:
    x = sg.dvector("x")
    far = np.array([-1e3, 0.5, 1e3])
    f = sg.function(
        [x], [sg.log(1 - sg.sigmoid(x)), sg.log(1 + sg.exp(x))], mode="debug"
    )
    got, other = f(far)
    np.testing.assert_allclose(got, -other, rtol=1e-12)
    assert np.isfinite(got).all()


def test_the_cache_on_disk_hides_nothing(monkeypatch: Patch) -> None:
    x = sg.dvector("x")
    sg.function([x], sg.tanh(x) * 7)
    expansion("tanh", flat_tanh)(monkeypatch)
    with pytest.raises(DebugError, match="tanh"):
        sg.function([x], sg.tanh(x) * 7, mode="debug")(VECTOR)


def test_a_rule_can_be_left_out() -> None:
    x = sg.dvector("x")
    mode = sg.Mode(target="debug").excluding("stabilize")
    f = sg.function([x], sg.log(1 + x), mode=mode)
    assert f(np.array([1e-20]))[0] == 0.0


def test_a_pass_without_rules_is_named() -> None:
    @dataclass(frozen=True)
    class Negate:
        name: str = "negate"

        def __call__(self, outputs: Any, trace: Any) -> Any:
            return tuple((-Variable(n)).node for n in outputs)

    x = sg.dvector("x")
    mode = sg.Mode(DEFAULT.including(Negate()), "debug")
    with pytest.raises(DebugError, match="the pass negate") as caught:
        sg.function([x], sg.exp(x), mode=mode)(VECTOR)
    assert caught.value.pass_name == "negate" and caught.value.rule is None


def test_a_wrong_type_is_named(monkeypatch: Patch) -> None:
    kind = type(sg.concatenate([sg.dvector(), sg.dvector()]).op)
    monkeypatch.setattr(kind, "infer", lambda self, *inputs: inputs[0].type)
    x, y = sg.dvectors("x y")
    f = sg.function(
        [x, y], sg.concatenate([x, y]), mode=sg.Mode(sg.passes.Pipeline(()), "debug")
    )
    with pytest.raises(DebugError, match="the type of concatenate is wrong") as caught:
        f(VECTOR, VECTOR[:2])
    assert caught.value.part == "type"


# -- NaN and infinity ------------------------------------------------------------------


def test_the_first_op_that_made_a_nan_is_named() -> None:
    x, y = sg.dmatrix("x"), sg.dvector("y")
    made = sg.sqrt(x - y)
    f = sg.function([x, y], sg.sum(sg.exp(made) * 2), mode="debug")
    f(MATRIX, np.full(3, -9.0))
    with pytest.raises(DebugError) as caught:
        f(MATRIX, np.array([-9.0, 0.0, -9.0]))
    error = caught.value
    assert (error.op, error.part, error.node) == ("sqrt", "value", made.node)
    text = str(error)
    assert "sqrt made a NaN at index [0, 1] (1 of 9 elements)" in text
    assert "-1.0 at [0, 1]" in text and "made = sg.sqrt(x - y)" in text


def test_an_infinity_is_named_where_it_becomes_a_nan() -> None:
    x, y = sg.dvectors("x y")
    f = sg.function([x, y], sg.exp(x) * y, mode="debug")
    with pytest.raises(DebugError) as caught:
        f(np.array([1.0, 800.0]), np.zeros(2))
    text = str(caught.value)
    assert caught.value.op == "exp" and "made an infinity at index [1]" in text
    assert "became a NaN in multiply" in text


def test_an_infinity_in_a_result_is_a_warning() -> None:
    x = sg.dvector("x")
    f = sg.function([x], 1 / x, mode="debug")
    with pytest.warns(NonFiniteWarning, match="divide made an infinity"):
        assert np.isinf(f(np.array([0.0]))).all()


def test_policies(monkeypatch: Patch) -> None:
    x = sg.dvector("x")
    zero = np.array([0.0, 1.0])
    hidden = sg.function([x], sg.where(x > 0, sg.log(x), 0.0), mode="debug")
    assert hidden(zero).tolist() == [0.0, 0.0]  # no result shows it
    shown = sg.function([x], x / x, mode="debug")
    with sg.config.flags(debug_nan="ignore"):
        assert np.isnan(shown(zero)[0])
    warned = pytest.warns(NonFiniteWarning, match="divide made a NaN")
    with sg.config.flags(debug_nan="warn"), warned:
        shown(zero)
    refused = pytest.raises(DebugError, match="log made an infinity")
    with sg.config.flags(debug_nan="strict"), refused:
        hidden(zero)
    assert shown(np.array([np.nan, 1.0]))[1] == 1.0  # the argument's own


def test_a_nan_leaves_shared_variables_alone() -> None:
    w = sg.shared(np.array([1.0, 2.0]), name="w")
    x = sg.dvector("x")
    f = sg.function([x], sg.sum(x), updates={w: sg.log(x)}, mode="debug")
    with pytest.raises(DebugError, match="log"):
        f(np.array([-1.0, 1.0]))
    assert w.get_value().tolist() == [1.0, 2.0]
    f(np.array([1.0, 1.0]))
    assert w.get_value().tolist() == [0.0, 0.0]
