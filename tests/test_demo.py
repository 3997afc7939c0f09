"""The demo: it learns, it says what the compiler did, and NumPy agrees."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from symgraph import demo
from symgraph.cli import app
from symgraph.errors import SymgraphError


def run(folder: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["demo", "--out", str(folder), *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def percent(text: str) -> float:
    (line,) = (line for line in text.splitlines() if "test accuracy" in line)
    found = re.search(r"(\d+\.\d) %", line)
    assert found, line
    return float(found[1])


def test_the_second_run_starts_from_the_disk_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMGRAPH_CACHE_DIR", str(tmp_path / "cache"))
    first, second = (run(tmp_path / "out", "--epochs", "2") for _ in range(2))
    assert "from the" not in first and "compiled in" in first
    assert "from the disk cache" in second
    assert percent(first) == percent(second) > 80


def test_the_default_run_reaches_its_accuracy(tmp_path: Path) -> None:
    text = run(tmp_path)
    assert percent(text) >= 97
    for row in ("graph", "rules applied", "program", "arena", "compiled, cold"):
        assert re.search(f"^{row} ", text, re.MULTILINE), row
    assert "\x1b" not in text


def test_the_graph_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    run(folder, "--epochs", "1")
    data = json.loads((folder / "training_step.json").read_text(encoding="utf-8"))
    labels = {node.get("label") for node in data["nodes"]}
    assert {"x", "y", "W1", "b3", "vW1"} <= labels
    dot = (folder / "training_step.dot").read_text(encoding="utf-8")
    assert dot.startswith("digraph") and dot.endswith("}\n")


def test_epochs_visit_each_digit_once() -> None:
    digits = demo.Digits.load(seed=3)
    batches = list(digits.minibatches(np.random.default_rng(0)))
    sizes = [len(labels) for _, labels in batches]
    assert set(sizes[:-1]) == {demo.BATCH} and 0 < sizes[-1] < demo.BATCH
    images = np.concatenate([images for images, _ in batches])
    assert sorted(map(bytes, images)) == sorted(map(bytes, digits.train[0]))


def test_training_and_test_digits_are_apart() -> None:
    digits = demo.Digits.load(seed=0)
    assert len(digits.train[1]) + len(digits.test[1]) == 1797
    again = demo.Digits.load(seed=0)
    np.testing.assert_array_equal(digits.test[0], again.test[0])
    assert not np.array_equal(demo.Digits.load(seed=1).test[1], digits.test[1])


def test_the_gradients_of_the_numpy_step() -> None:
    """By central differences of the loss, in float64."""
    digits = demo.Digits.load(seed=0)
    x, y = digits.train[0][:5].astype(np.float64), digits.train[1][:5]
    values = [v.astype(np.float64) for v in demo.initial_parameters(0)]
    moved = [np.zeros_like(v) for v in values]
    demo.numpy_step([v.copy() for v in values], moved, x, y)  # type: ignore[arg-type]
    gradients = [-m / demo.RATE for m in moved]

    def loss_at(which: int, place: tuple[int, ...], by: float) -> float:
        shifted = [v.copy() for v in values]
        shifted[which][place] += by
        rest = [np.zeros_like(v) for v in values]
        return float(demo.numpy_step(shifted, rest, x, y))  # type: ignore[arg-type]

    for which, gradient in enumerate(gradients):
        place = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
        spots = tuple(int(p) for p in place)
        step = 1e-2
        slope = (loss_at(which, spots, step) - loss_at(which, spots, -step)) / (
            2 * step
        )
        assert slope == pytest.approx(gradient[spots], rel=1e-2)


def test_a_step_that_numpy_contradicts_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digits = demo.Digits.load(seed=0)
    batch = digits.train[0][:8], digits.train[1][:8]
    network = demo.build(seed=0)
    monkeypatch.setattr(demo, "RATE", 2 * demo.RATE)
    with pytest.raises(SymgraphError, match="away from NumPy's"):
        demo.measure(network, batch, seed=0)
