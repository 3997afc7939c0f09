"""How programs are run on a device, and what is decided before that."""

from __future__ import annotations

import ast
import json

import pytest

from symgraph.codegen.cuda.control import control_of
from symgraph.codegen.cuda.helpers import helper_stages
from symgraph.codegen.cuda.kernels import predicated
from symgraph.codegen.cuda.plan import plan
from symgraph.codegen.cuda.product import all_stages
from symgraph.codegen.cuda.recent import Recent
from symgraph.codegen.cuda.source import stages
from symgraph.codegen.cuda.stage import Stage
from symgraph.codegen.errors import CompileError
from symgraph.codegen.parse import parse_kernel, parse_program
from symgraph.codegen.program import Gemm, When

from ... import device
from ...device import on_device
from . import launch_cases, loop_programs


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    """What went wrong in each case."""
    printed = on_device("tests.codegen.cuda.launch_cases")
    made: dict[str, str] = json.loads(printed.splitlines()[-1])
    return made


@pytest.mark.gpu
@pytest.mark.parametrize("name", launch_cases.CASES)
def test_cases(found: dict[str, str], name: str) -> None:
    assert not found[name], found[name]


def test_blocks_have_whole_warps() -> None:
    """What all that shuffles relies on, and how many rows of a product a block does."""
    for cut in (*device.SIMULATED, *device.ON_GPU):
        assert cut.threads % cut.warp == cut.tile**2 % cut.warp == 0


def test_what_a_loop_launches_under() -> None:
    """Everything in a loop that ends early, and nothing around it."""
    program = parse_program(loop_programs.UNTIL)
    control = control_of(program)
    (begin,) = control.rounds
    end = control.ends[begin]
    work = {k for k, _ in program.work}
    assert control.under == {k for k in work if begin < k < end} != set()
    assert control.counted == {"t"}


def test_what_a_condition_launches_under() -> None:
    program = parse_program(loop_programs.SIGNS)
    control = control_of(program)
    (when, *_) = (k for k, s in enumerate(program.steps) if isinstance(s, When))
    end = control.ends[control.ends[when]]
    work = {k for k, _ in program.work}
    assert control.under == {k for k in work if when < k < end} != set()
    assert not control.rounds and not control.counted


def test_a_counter_is_its_loops_own() -> None:
    put = "  kernel put(t: out int64[])\n    store t[] = 0:int64\n"
    wrong = loop_programs.UNTIL.replace("  kernel start", put + "  kernel start", 1)
    wrong = wrong.replace("  launch test", "  launch put(t)\n  launch test")
    with pytest.raises(CompileError, match="counter t"):
        control_of(parse_program(wrong))
    output = loop_programs.UNTIL.replace("temp t: int64[] slot 0", "output t: int64[]")
    with pytest.raises(CompileError, match="counter t"):
        control_of(parse_program(output))


def test_a_predicated_kernel() -> None:
    """It takes one more bool, whose name is free, and returns first of all."""
    kernel = parse_kernel(
        "kernel k(on: in float64[n], y: out float64[n]; n) split i\n"
        "  vector i < n\n"
        "    v1 = load on[i]: float64\n"
        "    store y[i] = v1\n"
    )
    (stage,) = stages(plan(kernel))
    made = predicated(stage)
    compile(made.text, "kernel", "exec")
    assert made.name == "k_if" and made.threads == stage.threads
    *others, last = made.arguments
    assert tuple(others) == stage.arguments
    assert (last.name, last.dtype, last.role) == ("on_2", "bool", "on")
    assert last.is_array
    assert "def k_if(on, y, n, on_2):" in made.text
    lines = made.text.splitlines()
    place = lines.index("    if not on_2[0]:")
    assert lines[place - 1].lstrip().startswith('"""')
    removed = [*lines[:place], *lines[place + 2 :]]
    plain = "\n".join(removed).replace("k_if(on, y, n, on_2)", "k(on, y, n)")
    assert plain + "\n" == stage.text


@pytest.mark.parametrize("columns", ["n", 1])
def test_predicated_products(columns: str | int) -> None:
    gemm = Gemm("o", "a", "b", "m", columns, "k")
    for stage in all_stages(gemm, "float32"):
        returns_where_off(predicated(stage))


def returns_where_off(made: Stage) -> None:
    found = ast.parse(made.text).body
    *_, function = (s for s in found if isinstance(s, ast.FunctionDef))
    first, second = function.body[:2]
    assert isinstance(first, ast.Expr) and ast.get_docstring(function)
    assert ast.unparse(second) == "if not on[0]:\n    return"


def test_helpers_are_stages() -> None:
    for name, stage in helper_stages().items():
        names: dict[str, object] = {}
        exec(stage.text, names)
        code = names[name].__code__  # type: ignore[attr-defined]
        count = code.co_argcount
        assert code.co_varnames[:count] == tuple(a.name for a in stage.arguments)


def test_what_is_asked_for_is_kept() -> None:
    held: Recent[int] = Recent(2)
    made: list[str] = []

    def get(key: str) -> int:
        def make() -> int:
            made.append(key)
            return len(made)

        return held.get(key, make)

    assert [get(key) for key in "aabacb"] == [1, 1, 2, 1, 3, 4]
    assert made == ["a", "b", "c", "b"] and list(held) == [3, 4]
    held.clear()
    assert not len(held) and get("a") == 5
