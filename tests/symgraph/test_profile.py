"""Profiles: the structure of what is measured; times themselves are never asserted."""

from __future__ import annotations

import threading
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings

import symgraph as sg
from symgraph.errors import ArgumentError, IndexOutOfBoundsError, UnsupportedError
from symgraph.inspect.profile import Profile, Run, duration
from symgraph.inspect.roofline import Level, Roofline
from symgraph.profile import middle
from symgraph.target import compiled
from symgraph.timing import timed

from ..schemas import SCHEMAS
from .random_graphs import RandomGraph, random_graphs


def run_of(found: Profile) -> Run:
    """The run of a profile, whose figures fit together and whose data are right."""
    jsonschema.validate(found.json(), SCHEMAS["profile"])
    run = found.run
    assert run is not None
    total = sum(step.seconds for step in run.steps if step.number is not None)
    outer = sum(step.seconds for step in run.steps if step.depth == 0)
    slack = 1e-9
    assert outer == pytest.approx(total)
    assert total <= run.native + slack
    assert run.native <= run.seconds + slack
    assert run.peak <= run.arena
    numbers = [step.number for step in run.steps if step.number is not None]
    assert numbers == list(range(len(numbers)))
    assert str(found)
    return run


def test_phases_name_every_pass() -> None:
    x = sg.dvector("x")
    f = sg.function([x], sg.log(1 + sg.exp(x)))
    (phases,) = f.profile.compiled.phases
    assert phases.version == "fast"
    names = ["split complex", "canonicalize", "stabilize", "simplify", "loops"]
    assert list(phases.rewrite) == [*names, "expand"]
    jsonschema.validate(f.profile.json(), SCHEMAS["profile"])
    again = f.copy().profile.compiled.phases[0]
    assert again.from_cache and again.load > 0
    assert list(again.rewrite) == list(phases.rewrite)
    assert "from the cache" in str(f.copy().profile)


def test_kernels_and_products_with_their_amounts() -> None:
    x = sg.tensor("x", "float32", ("n", 8))
    f = sg.function([x], [sg.exp(x @ x.T), x.sum()])
    value = np.ones((5, 8), "float32")
    run = run_of(f.profile.calls(3, value))
    cost = f.cost(value)
    assert [(s.name, s.kind) for s in run.steps] == [
        (r.name, r.kind) for r in cost.rows
    ]
    for step, row in zip(run.steps, cost.rows, strict=True):
        assert (step.flops, step.work) == (row.flops, row.work)
        assert step.bytes_read == row.bytes_read
        assert step.runs == 1
    assert (run.sizes, run.calls, run.version) == ({"n": 5}, 3, "fast")
    assert (run.arena, run.output) == (cost.arena, cost.output)


def test_loops_count_in_total_and_by_round() -> None:
    x, w = sg.dmatrix("x"), sg.dmatrix("w")
    last = sg.scan(lambda c, _: (sg.tanh(c @ w), None), x, length=6)[0]
    f = sg.function([x, w], last.sum())
    run = run_of(f.profile.calls(2, np.ones((40, 40)), np.ones((40, 40))))
    (loop,) = [step for step in run.steps if step.kind == "rounds"]
    assert loop.rounds == 6 and loop.number is None
    inside = [step for step in run.steps if step.depth == 1]
    assert inside and all(step.runs == 6 for step in inside)
    (product,) = [step for step in inside if step.kind == "product"]
    assert product.flops == 6 * 2 * 40**3


def test_a_loop_that_ends_early_is_counted_as_it_ran() -> None:
    x = sg.dmatrix("x")

    def more(c: Any) -> Any:
        return sg.sum(c) < 100 * 1600

    last = sg.while_loop(more, lambda c: c * 2 + sg.tanh(c @ c) * 0, x)
    f = sg.function([x], last)
    run = run_of(f.profile.calls(2, np.ones((40, 40))))
    (loop,) = [step for step in run.steps if step.kind == "rounds"]
    assert loop.rounds == 7
    np.testing.assert_array_equal(run.result, f(np.ones((40, 40))))


@pytest.mark.parametrize("value", [1.0, -1.0])
def test_only_the_branch_that_is_taken_runs(value: float) -> None:
    x = sg.dmatrix("x")
    f = sg.function([x], sg.ifelse(x.sum() > 0, (x @ x).sum(), sg.exp(x).sum()))
    run = run_of(f.profile.calls(2, np.full((30, 30), value)))
    (product,) = [step for step in run.steps if step.kind == "product"]
    assert product.runs == (value > 0)
    assert product.flops == (value > 0) * 2 * 30**3
    assert [step.kind for step in run.steps].count("choice") == 1


@pytest.mark.parametrize("n", [0, 1, 7])
def test_sizes_of_nothing_and_one(n: int) -> None:
    x = sg.tensor("x", "float64", ("n", 3))
    f = sg.function([x], [sg.special.softmax(x, axis=1), x.sum(axis=0)])
    value = np.ones((n, 3))
    run = run_of(f.profile.calls(2, value))
    for got, want in zip(run.result, f(value), strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_function_without_steps() -> None:
    run = run_of(sg.function([], sg.constant(3.0)).profile.calls(1))
    assert run.result == 3.0
    w = sg.shared(np.ones(3), "w")
    run_of(sg.function([], w).profile.calls(1))


def test_shared_variables_keep_their_values() -> None:
    w = sg.shared(np.zeros(3), "w")
    x = sg.dvector("x")
    f = sg.function([x], {"sum": (w + x).sum()}, updates={w: w + x})
    run = run_of(f.profile.calls(5, np.ones(3)))
    assert run.result == {"sum": 3.0}  # that of the first call
    np.testing.assert_array_equal(w.get_value(), np.zeros(3))
    assert f(np.ones(3)) == {"sum": 3.0}


def test_calls_that_broadcast_run_the_generic_version() -> None:
    x, y = sg.dmatrix("x"), sg.dmatrix("y")
    f = sg.function([x, y], x * y)
    run = run_of(f.profile.calls(2, np.ones((4, 3)), np.ones((1, 3))))
    assert run.version == "generic"
    np.testing.assert_array_equal(run.result, np.ones((4, 3)))
    assert list(f.versions) == ["fast"]  # profiles leave the function as it is


def test_failed_calls_raise_what_a_call_raises_and_lose_nothing() -> None:
    w = sg.shared(np.zeros(3), "w")
    k = sg.lscalar("k")
    x = sg.dvector("x")
    f = sg.function([x, k], sg.take(x, k), updates={w: w + 1})
    with pytest.raises(IndexOutOfBoundsError):
        f.profile.calls(3, np.ones(3), 5)
    np.testing.assert_array_equal(w.get_value(), np.zeros(3))
    with pytest.raises(sg.errors.SymgraphError):
        f.profile.calls(3, np.ones(3))
    with pytest.raises(ArgumentError, match="0 calls"):
        f.profile.calls(0, np.ones(3), 1)
    assert run_of(f.profile.calls(3, np.ones(3), 1)).result == 1.0


def test_other_modes_have_no_profile() -> None:
    x = sg.dvector("x")
    with pytest.raises(UnsupportedError, match="interpret"):
        _ = sg.function([x], x + 1, mode="interpret").profile


def test_functions_of_the_users_are_calls() -> None:
    x = sg.dvector("x")
    double = sg.from_numpy_function(lambda a: a * 2, lambda t: (t.dtype, t.shape))
    f = sg.function([x], double(x) + 1)
    run = run_of(f.profile.calls(2, np.ones(4)))
    assert "call" in [step.kind for step in run.steps]


def test_profiles_at_once() -> None:
    w = sg.shared(np.ones((30, 30)), "w")
    x = sg.dmatrix("x")
    f = sg.function([x], sg.tanh(x @ w).sum(), updates={w: w * 0.5})
    values = [np.full((30, 30), k * 1e-3) for k in range(4)]
    found: dict[int, Any] = {}

    def work(k: int) -> None:
        found[k] = f.profile.calls(5, values[k])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        run = run_of(found[k])
        assert all(step.runs == 1 for step in run.steps)
        expected = np.tanh(values[k] @ np.ones((30, 30))).sum()
        assert run.result == pytest.approx(expected)


def test_ordinary_code_has_nothing_of_it() -> None:
    x = sg.dvector("x")
    f = sg.function([x], sg.exp(x).sum())
    assert "@lap" not in f.source("llvm") and "@instant" not in f.source("llvm")


@given(random_graphs(20))
@settings(max_examples=8, deadline=None)
def test_random_programs_give_the_same_results(case: RandomGraph) -> None:
    f = sg.function(case.inputs, case.outputs, on_unused_input="ignore")
    with np.errstate(all="ignore"):
        run = run_of(f.profile.calls(2, *case.values))
        expected = f(*case.values)
    for got, want in zip(run.result, expected, strict=True):
        np.testing.assert_array_equal(got, want)


# -- arguments that are made -----------------------------------------------------------


def test_places_are_not_out_of_bounds() -> None:
    x = sg.tensor("x", "float64", ("n", 7))
    k = sg.vector("k", "int32")
    f = sg.function([x, k], x[0, k])
    run = run_of(timed(f, 2, {"n": 50}))
    assert run.sizes["n"] == 50
    assert len(set(run.result.tolist())) > 1


def test_sizes_that_are_values_and_defaults() -> None:
    n, x = sg.lscalar("n"), sg.dvector("x")
    f = sg.function([n, sg.In(x, value=np.ones(3))], [sg.arange(n), x * 2])
    run = run_of(timed(f, 1, {"n": 12}))
    np.testing.assert_array_equal(run.result[0], np.arange(12))
    np.testing.assert_array_equal(run.result[1], np.full(3, 2.0))


def test_sizes_that_nothing_says_are_not_too_large() -> None:
    x = sg.tensor("x", "float32", (None,) * 4)
    run = run_of(timed(sg.function([x], x.sum()), 1))
    assert set(run.sizes.values()) == {32}


# -- the figures -----------------------------------------------------------------------


def test_the_middle_half() -> None:
    assert middle(np.array([5.0])).tolist() == [0]
    assert sorted(middle(np.array([9.0, 1.0, 3.0, 2.0])).tolist()) == [2, 3]


def test_the_roof_of_a_step() -> None:
    levels = (Level("L2", 100, 2.0, 10.0), Level("memory", 0, 2.0, 1.0))
    machine = Roofline("cpu", 1, levels, {"float32": 8.0, "float64": 4.0})
    assert machine.seconds(50, 0) == 5.0  # fits into the cache
    assert machine.seconds(200, 0) == 200.0
    assert machine.seconds(200, 0, runs=2) == 20.0
    assert machine.seconds(0, 80) == 20.0
    assert machine.seconds(0, 80, dtype="float32") == 10.0
    x = sg.dmatrix("x")
    found = sg.function([x], x @ x).profile.calls(1, np.ones((9, 9)), roofline=machine)
    (step,) = run_of(found).steps
    assert step.roof is not None and "the machine: cpu" in str(found)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.5, "2.5 s"), (2.5e-3, "2.5 ms"), (2.5e-6, "2.5 us"), (2.5e-8, "25 ns")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_runs_in_numpy_is_compiled_with_its_own_pipeline() -> None:
    x = sg.dvector("x")
    mode = sg.Mode(target="debug").excluding("stabilize")
    f = compiled(sg.function([x], sg.log(1 + x), mode=mode))
    (phases,) = f.profile.compiled.phases
    assert "stabilize" not in phases.rewrite
    assert compiled(f) is f
