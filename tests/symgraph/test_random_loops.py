"""Scans drawn at random, and their gradients, against their rounds written out."""

from __future__ import annotations

import numpy as np
import pytest

import symgraph as sg
from symgraph.mode import Mode

from ..support import assert_same, compute
from .random_loops import SIZE, Drawn
from .scans import Checked, unrolled

SHAPES = (4, SIZE), (SIZE,), (SIZE, SIZE)
WITHOUT = sg.Mode().excluding("loops")


@pytest.mark.parametrize("mode", [None, WITHOUT], ids=["tidied", "as they are"])
@pytest.mark.parametrize("seed", [0, 3, 5, 80, 93, 101])
def test_value_and_gradient(seed: int, mode: Mode | None) -> None:
    """Every other one over arrays of unknown sizes."""
    points = [np.random.default_rng(0).uniform(-1, 1, s) for s in SHAPES]
    known = [sg.tensor(None, shape=s) for s in SHAPES]
    sizes = (
        [(None, SIZE), *SHAPES[1:]] if seed % 2 else [(None,) * len(s) for s in SHAPES]
    )
    args = [sg.tensor(None, shape=s) for s in sizes]
    every = []
    for scan, given in ((unrolled, known), (sg.scan, args)):
        y = Drawn(seed, scan)(*given)
        cost = sg.sum(sg.sin(y))
        every.append([y, *sg.grad(cost, given, disconnected_inputs="ignore")])
    want = compute(every[0], known, points)
    for a, b in zip(Checked(args, every[1], mode)(*points), want, strict=True):
        assert_same(a, b, f"{seed}", rtol=1e-8)
