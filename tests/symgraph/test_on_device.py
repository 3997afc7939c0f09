"""``device="cuda"``: on a GPU or simulated, and what is said where there is none."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

import symgraph as sg
from symgraph.errors import UnsupportedError
from symgraph.inspect.cost import cost_json, cost_text
from symgraph.inspect.occupied import Occupied, occupied

from ..device import on_device

HERE = Path(__file__).parent.relative_to(Path(__file__).resolve().parents[2])


@pytest.mark.gpu
@pytest.mark.parametrize(
    "name", ["in_simulator", "in_simulator_use", "in_simulator_values"]
)
def test_files(name: str) -> None:
    """Nothing in them is for one of the two alone."""
    options = "-q", "-x", "-p", "no:cacheprovider"
    printed = on_device("pytest", *options, HERE / f"{name}.py")
    assert " passed" in printed and " skipped" not in printed, printed


def no_gpu() -> bool:
    """Whether numba finds none, simulated or not."""
    from numba import cuda

    return not cuda.is_available()


def test_without_a_gpu_the_extra_is_named() -> None:
    if not no_gpu():
        pytest.skip("there is a GPU")
    x = sg.dvector("x")
    f = sg.function([x], x * 2)
    for act in (
        lambda: sg.function([x], x * 2, device="cuda"),
        lambda: f.copy("cuda"),
        lambda: sg.jit(lambda a: a + 1, device="cuda")(1.0),
        lambda: sg.DeviceArray([1.0]),
        lambda: sg.shared([1.0]).to("cuda"),
    ):
        with pytest.raises(UnsupportedError) as caught:
            act()
        text = str(caught.value)
        assert "pip install 'symgraph-compiler[cuda]'" in text
        assert "device='cpu'" in text and "is for a GPU" in text


def test_ptx_without_the_compilers_names_the_extra() -> None:
    if importlib.util.find_spec("numba_cuda") is not None:
        pytest.skip("the compilers are there")
    x = sg.dvector("x")
    f = sg.function([x], sg.exp(x), mode="interpret")
    with pytest.raises(UnsupportedError, match=r"no PTX.*numba-cuda") as caught:
        f.source("ptx")
    assert "pip install 'symgraph-compiler[cuda]'" in str(caught.value)
    assert occupied(f.program) == ()


def test_costs_show_what_kernels_use_of_a_gpu() -> None:
    x = sg.dvector("x")
    cost = sg.function([x], sg.exp(x), name="step", mode="interpret").cost()
    assert "kernels" not in cost_json(cost) and "occupancy" not in cost_text(cost)
    kernel = Occupied("k0_exp", "8.0", 256, 40, 8, 16, 1024, 0.75, "registers")
    shown = replace(cost, kernels=(kernel,))
    line = " ".join(cost_text(shown).splitlines()[-1].split())
    assert line == "k0_exp 8.0 256 40 8 1024 75% registers"
    (data,) = cost_json(shown)["kernels"]
    assert data["registers"] == 40 and data["limit"] == "registers"
    json.dumps(cost_json(shown))


@pytest.mark.cuda
def test_ptx_and_occupancy() -> None:
    x = sg.fmatrix("x")
    f = sg.function([x], sg.special.softmax(x @ x, axis=1), mode="interpret")
    text = f.source("ptx")
    assert ".target sm_" in text
    found = occupied(f.program)
    assert len(found) == text.count(".entry") >= 2
    for made in found:
        assert 0 < made.occupancy <= 1 and 0 < made.registers <= 255
        assert made.threads and made.limit and not made.spilled
