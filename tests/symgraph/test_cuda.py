"""Programs on a device, or in numba's simulator, against the loop interpreter."""

from __future__ import annotations

import json

import pytest

import symgraph as sg

from ..device import on_device

#: The registry in so many parts, each a process of its own.
PARTS = 4


def counts(*args: object) -> dict[str, int]:
    """What a run has counted; it fails where a program gave something else."""
    printed = on_device("tests.symgraph.cuda_cases", *args)
    found: dict[str, int] = json.loads(printed.splitlines()[-1])
    assert not found.get("failures")
    return found


@pytest.mark.gpu
@pytest.mark.parametrize("part", range(PARTS))
def test_every_op(part: int) -> None:
    """Sizes of a few elements, and none."""
    found = counts("ops", part, PARTS, 16)
    assert found["programs"] > 100
    assert {"map", "rows", "reduce", "single"} <= set(found)


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.parametrize("part", range(PARTS))
def test_every_op_on_more(part: int) -> None:
    """Several blocks, and more elements than a block has threads."""
    assert counts("ops", part, PARTS, 200)["programs"] > 200


@pytest.mark.gpu
def test_random_graphs() -> None:
    assert counts("graphs", 15)["programs"] > 10


@pytest.mark.slow
@pytest.mark.gpu
def test_many_random_graphs() -> None:
    assert counts("graphs", 150)["programs"] > 100


@pytest.mark.gpu
def test_training_steps() -> None:
    """A network's and an LSTM's: products, loops and updates."""
    found = counts("steps")
    assert found["programs"] == 2 and found["rows"] and found["reduce"]
    assert found["fused"] >= 4


@pytest.mark.gpu
def test_products_that_end_with_a_kernel() -> None:
    """Of layers and their gradients: activations, forms of products, and sizes."""
    found = counts("ends")
    assert found["programs"] == 64 and found["fused"] >= 64


def test_source_needs_no_gpu() -> None:
    x = sg.fmatrix("x")
    f = sg.function([x], sg.special.softmax(x @ x, axis=1), mode="interpret")
    text = f.source("cuda")
    assert text.count("\ndef ") == 3
    assert "a warp for each row" in text and "def product_float32" in text
