"""Functions of the user's in functions for a GPU: in numba's simulator, and as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import UnsupportedError

from ..simulator import simulated

Golden = Callable[[str, str], None]

FILE = Path(__file__).with_name("in_simulator_host.py")


def test_in_the_simulator() -> None:
    printed = simulated("pytest", "-q", "-x", "-p", "no:cacheprovider", FILE)
    assert " passed" in printed and " skipped" not in printed, printed


def test_the_listing_shows_what_is_copied(golden: Golden) -> None:
    x = sg.dvector("x")
    ordered = sg.from_numpy_function(np.sort)
    f = sg.function([x], ordered(x)[0] * 2, name="step", on_host=["sort"])
    golden("on_host.txt", f.source("cuda"))
    assert repr(f) == "<function step(x: float64[x.0])>" and f.on_host == ()
    with pytest.raises(UnsupportedError, match="on_host=True"):
        f.copy(on_host=False).source("cuda")
