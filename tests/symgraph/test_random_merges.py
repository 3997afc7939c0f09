"""Graphs of several loops drawn at random against the references of their ops."""

from __future__ import annotations

import numpy as np
import pytest

import symgraph as sg

from ..support import assert_same
from .random_merges import Several, gradients
from .scans import Checked

WITHOUT = sg.Mode().excluding("loops")


def run(seed: int, sizes: tuple[int, ...]) -> None:
    """As they are and with the pass, over arrays of known and of unknown lengths."""
    n = [sizes[0], "n", None][seed % 3]
    x, y = (sg.tensor(name, shape=(n, 3)) for name in "xy")
    s = sg.tensor("s", shape=(n,))
    outputs = Several(seed)(x, y, s)
    if seed % 2:
        outputs += gradients(outputs, [x, y, s])
    tidy = Checked([x, y, s], outputs)
    plain = sg.function([x, y, s], outputs, mode=WITHOUT, on_unused_input="ignore")
    for size in sizes[:1] if seed % 3 == 0 else sizes:
        rng = np.random.default_rng(seed + size)
        data = [rng.uniform(-1, 1, shape) for shape in ((size, 3), (size, 3), size)]
        for number, (a, b) in enumerate(zip(tidy(*data), plain(*data), strict=True)):
            assert_same(a, b, f"{seed}, {size}, output {number}", rtol=1e-8)


@pytest.mark.parametrize("seed", [1, 4, 12, 17])
def test_several_loops(seed: int) -> None:
    run(seed, (5, 1, 2))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 200, 40))
def test_many_more(start: int) -> None:
    for seed in range(start, start + 40):
        run(seed, (4, 1, 2, 7))
