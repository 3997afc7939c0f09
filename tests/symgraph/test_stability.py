"""Stability: no expression of the table is worse than the better of NumPy's and JAX'.

The errors are measured here, against mpmath; what they are held to are the figures of
NumPy and JAX that `bench/stability.py` recorded.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .stability import ALL, errors, excess, symgraph_values
from .stability_cases import Case

RECORDED = json.loads((Path(__file__).parent / "stability.json").read_text("utf-8"))
#: Cases are compiled so many at a time.
AT_ONCE = 16
BATCHES = [ALL[start : start + AT_ONCE] for start in range(0, len(ALL), AT_ONCE)]


def test_figures_are_recorded_for_every_case() -> None:
    assert list(RECORDED) == [case.text for case in ALL]
    assert len(ALL) >= 60


@pytest.mark.parametrize("batch", BATCHES, ids=range(len(BATCHES)))
def test_never_worse_than_the_better_of_numpy_and_jax(batch: tuple[Case, ...]) -> None:
    worse = {}
    for case, values in zip(batch, symgraph_values(batch), strict=True):
        if found := excess(RECORDED[case.text], errors(case, values)):
            worse[case.text] = found
    assert not worse
