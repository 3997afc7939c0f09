"""``device="cuda"`` with functions of the user's on the host, simulated or on a GPU.

`test_on_host` runs this file in a process of its own: pytest collects it by name.
"""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph import errors
from symgraph.codegen.cpu.callback import over_arrays
from symgraph.codegen.cuda import launch
from symgraph.codegen.cuda.launch import CudaProgram
from symgraph.codegen.errors import CompileError
from symgraph.codegen.program import Call
from symgraph.codegen.run import run_program
from symgraph.function import Function
from symgraph.inspect.cost import cost_json, cost_text
from symgraph.op import Op
from symgraph.ops.foreign import NumbaFunction, NumpyFunction

from .cuda_cases import SMALL
from .examples import EXAMPLES
from .far import far
from .test_ops import built, drawn, groups

x, y = sg.dvectors("x y")
labels, n = sg.lvector("labels"), sg.lscalar("n")
A = np.array([3.0, 1.0, 2.0])

ordered = sg.from_numpy_function(np.sort)


def rows(t: np.ndarray, k: np.ndarray) -> np.ndarray:
    return np.outer(t, k)


outer = sg.from_numpy_function(rows, lambda t, k: (t.dtype, (t.shape[0], k.shape[0])))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of few threads, which are Python's."""
    monkeypatch.setattr(launch, "Limits", lambda: SMALL)


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who checks passes calls functions, too, with numbers of his own."""
    monkeypatch.setattr(sg.config, "check", False)


def agree(inputs: list[Any], outputs: Any, *calls: tuple[Any, ...]) -> Function:
    """Compare the calls with those on the CPU; the function on the device."""
    near = sg.function(inputs, outputs, on_host=True)
    there = near.copy("cuda")
    assert there.on_host and not near.on_host
    for values in calls:
        got, want = there(*values), near(*values)
        pairs = zip(got, want, strict=True) if isinstance(want, list) else [(got, want)]
        for a, b in pairs:
            assert isinstance(a, sg.DeviceArray) and a.dtype == b.dtype
            np.testing.assert_array_equal(a.to_numpy(), b)
    return there


# -- values ----------------------------------------------------------------------------


def test_results_are_those_of_the_cpu() -> None:
    middle = outer(ordered(x) * 2, y)
    agree(
        [x, y],
        [middle.sum(), middle + 1, ordered(y), ordered(middle[:, ::2])],
        (A, A[:2]),
        (A, []),
        ([], []),
    )


def test_arguments_and_constants_on_both_sides() -> None:
    table = sg.constant(np.array([4.0, 3.0]))
    f = agree([x], [ordered(x), ordered(table) * 2, outer(x, table)], (A,))
    got = f(sg.DeviceArray(A))
    assert got[0].to_numpy().tolist() == [1.0, 2.0, 3.0]
    got[0].to_numpy()[:] = 0
    assert f(got[0])[0].to_numpy().tolist() == [1.0, 2.0, 3.0]


def test_dtypes_and_scalars() -> None:
    flags = sg.from_numpy_function(
        lambda v: v > 1.5, lambda v: ("bool", v.shape), name="flags"
    )
    total = sg.from_numpy_function(
        lambda v: np.int64(v.sum()), lambda v: ("int64", ()), name="total"
    )
    agree([x], [sg.where(flags(x), x, -x), total(x) + 1], (A,), ([],))


def test_functions_of_numba() -> None:
    collatz = sg.from_numba_function(lambda k: k // 2 if k % 2 == 0 else 3 * k + 1)
    agree([labels], collatz(labels * 1) + 1, ([6, 7],), ([],))


def test_gradients() -> None:
    cube = sg.from_numpy_function(lambda v: v**3, vjp=lambda g, y, v: g * 3 * v**2)
    slope = sg.from_numpy_function(lambda v: 2 * v, name="slope")
    square = sg.from_numpy_function(np.square, vjp=lambda g, y, v: g * slope(v))
    cost = (cube(x) * square(x)).sum()
    agree([x], [cost, sg.grad(cost, x)], (A,))


def test_generic_versions() -> None:
    agree([x, y], ordered(x * y) + 1, (A, A), (A, A[:1]), (A[:1], A))


@pytest.mark.parametrize("made", [NumpyFunction, NumbaFunction])
def test_examples(made: type[Op]) -> None:
    case = EXAMPLES[made][0]
    group = groups(case)[0]
    inputs, outputs = built(case, group[0])
    near = sg.function(inputs, outputs, on_unused_input="ignore", on_host=True)
    there = near.copy("cuda")
    for shapes in group[:3]:
        values = [a for dtype in case.dtypes for a in drawn(case, shapes, dtype)]
        for got, want in zip(there(*values), near(*values), strict=True):
            np.testing.assert_array_equal(got.to_numpy(), want)


def test_random_sizes() -> None:
    rng = np.random.default_rng(3)
    both = ordered(x[:n]) + ordered(x[:n] * -1.0)
    calls = [(rng.normal(size=size), size) for size in (1, 7, 40, 0)]
    agree([x, n], both, *calls)


# -- loops and conditions --------------------------------------------------------------


def test_in_a_scan() -> None:
    def step(a: Any, s: Any) -> Any:
        return ordered(sg.stack([s, a * 2]))[0] * 0.5

    agree([x], sg.scan(step, sequences=x, outputs_info=1.0), (A,), ([],), (A[:1],))
    backwards = sg.from_numpy_function(lambda v: v[::-1], name="backwards")
    steps = sg.scan(lambda s: backwards(s) + 1, outputs_info=x, n_steps=n)
    agree([x, n], steps[-1], (A, 3), (A, 4))


def test_in_a_loop_that_may_end_early() -> None:
    calls: list[float] = []

    def half(v: np.ndarray) -> np.ndarray:
        calls.append(float(v))
        return v * 0.5

    halved = sg.from_numpy_function(half)
    values = sg.scan(
        lambda v, a: (halved(a) + v, sg.until(v > 2)), sequences=x, outputs_info=0.0
    )
    f = agree([x], values, (A,), ([1.0, 1.0, 5.0, 1.0, 1.0],), ([1.0] * 5,))
    calls.clear()
    f([1.0, 5.0, 1.0, 1.0])
    assert calls == [0.0, 1.0]  # not once after the loop's end


def test_only_in_the_branch_that_runs() -> None:
    calls: list[int] = []

    def counted(v: np.ndarray) -> np.ndarray:
        calls.append(len(v))
        return np.sort(v)

    f = agree(
        [x],
        sg.ifelse(x.sum() > 3, sg.from_numpy_function(counted)(x)[0], x.max()),
        (A,),
        (A / 10,),
    )
    calls.clear()
    f(A / 10)
    assert calls == []
    f(A)
    assert calls == [3]


def test_in_conditions_in_loops() -> None:
    def step(v: Any, a: Any) -> Any:
        low = sg.ifelse(v < 1.5, ordered(sg.stack([a, v]))[1], a * 0.5)
        return sg.ifelse(a > v, low + v, low), sg.until(a > 6)

    values = sg.scan(step, sequences=x, outputs_info=0.5)
    agree(
        [x], [values, values.sum() * 2], (A,), ([1.0, 5.0, 1.0, 9.0, 1.0, 2.0],), ([],)
    )
    twice = sg.scan(
        lambda k: sg.scan(lambda a: ordered(sg.stack([a, k])).sum(), sequences=x),
        sequences=x,
    )
    agree([x], twice, (A,))


def test_gradients_of_loops() -> None:
    cube = sg.from_numpy_function(lambda v: v**3, vjp=lambda g, y, v: g * 3 * v**2)
    last = sg.scan(lambda v, a: cube(a) * v, sequences=x, outputs_info=0.5)[-1]
    agree([x], [last, sg.grad(last, x)], (A,))


def test_calls_from_several_threads_and_in_one_another() -> None:
    inner = far([x], ordered(x) * 2, on_host=True)

    def called(v: np.ndarray) -> np.ndarray:
        return inner(v).to_numpy() + 1

    f = far([x], sg.from_numpy_function(called)(x * 1.5) + x, on_host=True)
    given = [A * k for k in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(f, given))
    for value, got in zip(given, results, strict=True):
        want = np.sort(value * 1.5) * 2 + 1 + value
        np.testing.assert_array_equal(got.to_numpy(), want)


# -- failing calls ---------------------------------------------------------------------


def picky(v: np.ndarray) -> np.ndarray:
    if (v < 0).any():
        raise ValueError("negative")
    return np.sort(v)


def wrong(v: np.ndarray) -> np.ndarray:
    return v.astype("float32") if len(v) == 2 else v[:1]


@pytest.mark.parametrize("function", [picky, wrong])
def test_errors_are_those_of_the_cpu_and_change_nothing(function: Any) -> None:
    count = sg.shared(0, "count")
    outputs = sg.from_numpy_function(function)(x * 2) + 1
    near = sg.function(
        [x], outputs, updates={count: count + 1}, on_host=function.__name__
    )
    there = near.copy("cuda")
    for bad in ([1.0, -1.0], [1.0, -1.0, 2.0]):
        texts = []
        for f in (near, there):
            with pytest.raises((ValueError, errors.SymgraphError)) as caught:
                f(bad)
            texts.append((caught.type, str(caught.value)))
        assert texts[0] == texts[1]
        assert count.get_value() == 0
    good = [3.0]
    np.testing.assert_array_equal(near(good), there(good))
    assert count.get_value() == 2


def test_what_the_function_raises_shows_its_own_line() -> None:
    stop = sg.from_numpy_function(lambda v: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        far([x], stop(x) * 2, on_host=True)(A)
    f = far([x], sg.from_numpy_function(picky)(x) * 2, on_host=True)
    with pytest.raises(ValueError) as caught:
        f(-A)
    assert caught.traceback[-1].name == "picky"
    assert f(A).to_numpy().tolist() == [2.0, 4.0, 6.0]


def test_a_check_that_fails_before_keeps_the_function_from_running() -> None:
    calls: list[int] = []

    def counted(v: np.ndarray) -> np.ndarray:
        calls.append(1)
        return v

    f = far([x, labels], sg.from_numpy_function(counted)(x[labels]) + 1, on_host=True)
    with pytest.raises(errors.IndexOutOfBoundsError):
        f(A, [1, 7])
    assert not calls
    assert f(A, [1]).to_numpy().tolist() == [2.0] and calls == [1]


def test_a_failure_in_a_loop_ends_the_call() -> None:
    seen: list[float] = []

    def positive(v: np.ndarray) -> np.ndarray:
        seen.append(float(v))
        if v < 0:
            raise ValueError("negative")
        return v

    checked = sg.from_numpy_function(positive)
    f = far([x], sg.scan(checked, sequences=x).sum() + 1, on_host=True)
    with pytest.raises(ValueError, match="negative"):
        f([1.0, -1.0, 2.0])
    assert seen == [1.0, -1.0]
    assert float(f([1.0, 2.0])) == 4.0


# -- the choice ------------------------------------------------------------------------


def test_only_what_is_named_is_allowed() -> None:
    both = ordered(x) + sg.from_numpy_function(picky)(x)
    for given in (None, False, "sort", ["sort", "other"], ()):
        with pytest.raises(errors.UnsupportedError, match="function of the host"):
            far([x], both, on_host=given)
    for given in ({"sort", "picky"}, ("picky", "sort", "gone"), True):
        assert far([x], both, on_host=given)(A).to_numpy().tolist() == [2, 4, 6]
    with pytest.raises(errors.UnsupportedError, match="exp runs on the GPU") as caught:
        far([x], sg.exp(x), on_host="exp")
    assert "leave 'exp' out of on_host" in str(caught.value)
    for wrong_kind in (3, [None]):
        with pytest.raises(errors.ArgumentError, match="on_host cannot be"):
            far([x], x, on_host=wrong_kind)  # type: ignore[arg-type]


def test_copies_keep_the_choice_or_change_it() -> None:
    near = sg.function([x], ordered(x) * 2, name="step")
    with pytest.raises(errors.UnsupportedError):
        near.copy("cuda")
    f = near.copy("cuda", on_host="sort")
    assert repr(f) == "<function step(x: float64[x.0]) on cuda, sort on the host>"
    for g in (f.copy(), copy.deepcopy(f), pickle.loads(pickle.dumps(f))):
        assert g.on_host == ("sort",) and g.device == "cuda"
        assert g(A).to_numpy().tolist() == [2.0, 4.0, 6.0]
    home = f.copy("cpu")
    assert home.on_host == () and repr(home) == repr(near)
    assert home.copy("cuda").on_host == ("sort",)
    with pytest.raises(errors.UnsupportedError):
        f.copy(on_host=False)


def test_jit() -> None:
    @sg.jit(device="cuda", on_host=["sort"])
    def scaled(a: Any) -> Any:
        return ordered(a) * 2

    assert scaled(A).to_numpy().tolist() == [2.0, 4.0, 6.0]

    @sg.jit(device="cuda")
    def refused(a: Any) -> Any:
        return ordered(a) * 2

    with pytest.raises(errors.UnsupportedError, match="on_host=True"):
        refused(A)


# -- looking inside, and programs ------------------------------------------------------


def test_costs_show_what_is_copied() -> None:
    f = far([x], outer(ordered(x), x) * 2, on_host=True)
    cost = f.cost(A)
    assert (cost.passed, cost.returned) == (24 + 48, 24 + 72)
    assert "functions: 72 bytes in, 96 bytes out" in cost_text(cost)
    data = cost_json(cost)
    assert (data["passed"], data["returned"]) == (72, 96)
    assert "bytes out" in str(f.cost())
    assert f.report.library_calls == 2 and f.trim() is None


def test_programs_are_given_functions_or_refused() -> None:
    f = far([x], ordered(x * 2) + 1, on_host=True)
    lowered = f.compilation.lowered
    (name,) = lowered.program.functions
    called = {name: over_arrays(lowered.functions[0])}
    given = {array.name: A for array in lowered.program.by_role("input")}
    want = run_program(lowered.program, given, called)
    got = CudaProgram(lowered.program, SMALL, functions=called).run(given)
    np.testing.assert_array_equal(got.results[0], want.results[0])
    whole = CudaProgram(lowered.program, SMALL, functions=called)
    stream = whole.memory.cuda.stream()
    np.testing.assert_array_equal(
        whole.call(given, stream).results[0].copy_to_host(), want.results[0]
    )
    with pytest.raises(CompileError, match=name):
        CudaProgram(lowered.program, SMALL)
    failing = {name: lambda *arrays: False}
    (code,) = (s.code for s in lowered.program.steps if isinstance(s, Call))
    result = CudaProgram(lowered.program, SMALL, functions=failing).run(given)
    assert result.status == code and result.results == []
    twice = replace(lowered.program, name="other")
    assert CudaProgram(twice, SMALL, functions=called).run(given).status == 0
