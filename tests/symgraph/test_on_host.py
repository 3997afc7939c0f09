"""Functions of the user's in functions for a GPU: on one or simulated, and as text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import UnsupportedError

from ..device import on_device
from .test_on_device import HERE

Golden = Callable[[str, str], None]


@pytest.mark.gpu
def test_on_the_device() -> None:
    options = "-q", "-x", "-p", "no:cacheprovider"
    printed = on_device("pytest", *options, HERE / "in_simulator_host.py")
    assert " passed" in printed and " skipped" not in printed, printed


def test_the_listing_shows_what_is_copied(golden: Golden) -> None:
    x = sg.dvector("x")
    ordered = sg.from_numpy_function(np.sort)
    f = sg.function([x], ordered(x)[0] * 2, name="step", on_host=["sort"])
    golden("on_host.txt", f.source("cuda"))
    assert repr(f) == "<function step(x: float64[x.0])>" and f.on_host == ()
    with pytest.raises(UnsupportedError, match="on_host=True"):
        f.copy(on_host=False).source("cuda")
