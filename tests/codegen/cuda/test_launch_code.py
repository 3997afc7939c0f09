"""Kernels under conditions, and those that keep conditions, as machine code."""

from __future__ import annotations

import json

import pytest

from symgraph.codegen.cuda.assemble import CAPABILITIES, Parameter, compiled
from symgraph.codegen.cuda.helpers import helper_stages
from symgraph.codegen.cuda.kernels import predicated
from symgraph.codegen.cuda.memory import failures
from symgraph.codegen.cuda.plan import plan
from symgraph.codegen.cuda.source import stages
from symgraph.codegen.cuda.stage import Stage
from symgraph.codegen.parse import parse_program
from symgraph.codegen.program import Launch

from ...simulator import run
from . import launch_cases, programs

pytestmark = pytest.mark.cuda


def code_of(stage: Stage) -> str:
    """The PTX of a stage, which must compile for all devices."""
    parameters = tuple(
        Parameter(a.dtype, 1 if a.is_array else None) for a in stage.arguments
    )
    made = [compiled(stage.text, parameters, c, stage.threads) for c in CAPABILITIES]
    assert all(not one.report.spill_stores for one in made)
    return made[0].ptx


@pytest.mark.parametrize("name", helper_stages())
def test_helpers(name: str) -> None:
    assert name in code_of(helper_stages()[name])


@pytest.mark.parametrize("name", ["softmax", "reductions", "histogram"])
def test_a_kernel_under_a_condition(name: str) -> None:
    """It has the barriers of the kernel as it is, and one more return."""
    texts = {"softmax": programs.SOFTMAX, "reductions": programs.REDUCTIONS}
    program = parse_program(texts.get(name, programs.HISTOGRAM))
    (kernel, *_) = (s.kernel for s in program.steps if isinstance(s, Launch))
    for stage in stages(plan(kernel)):
        plain, under = code_of(stage), code_of(predicated(stage))
        assert plain.count("bar.sync") == under.count("bar.sync")
        assert plain.count("ret;") <= under.count("ret;")


def test_what_the_driver_raises() -> None:
    names = [kind.__name__ for kind in failures()]
    assert names == ["CudaAPIError", "CUDAError"]


def test_calls_through_numbas_own_classes() -> None:
    """In a process of its own, where numba has no driver and does not know."""
    launches, linked = run("tests.codegen.cuda.driverless", simulator=False).split()
    assert int(launches) > 200 and int(linked) > 20


def test_cases_through_numbas_own_classes() -> None:
    """All those of programs on a device, as on a GPU but for the driver."""
    stand_in = "tests.codegen.cuda.stand_in"
    printed = run(stand_in, "tests.codegen.cuda.launch_cases", simulator=False)
    found: dict[str, str] = json.loads(printed.splitlines()[-1])
    assert found.keys() == launch_cases.CASES.keys()
    assert not "".join(found.values())


@pytest.mark.parametrize(
    "name", ["in_simulator", "in_simulator_use", "in_simulator_values"]
)
def test_arrays_through_numbas_own_classes(name: str) -> None:
    options = "-q", "-x", "-p", "no:cacheprovider"
    path = f"tests/symgraph/{name}.py"
    stand_in = "tests.codegen.cuda.stand_in"
    assert " passed" in run(stand_in, "pytest", *options, path, simulator=False)
