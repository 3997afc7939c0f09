"""Python numbers as starts of loops take the dtype of what they meet."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

import symgraph as sg


@pytest.mark.parametrize(
    ("starts", "dtype", "expected"),
    [
        ((0.0,), "float32", ["float32"]),
        ((0,), "float32", ["float32"]),
        ((0.0,), "float64", ["float64"]),
        ((0,), "int32", ["int64"]),
        ((0, 0.0), "float32", ["float32", "float32"]),
    ],
)
def test_numbers_take_the_dtype_of_what_they_meet(
    starts: Any, dtype: str, expected: list[str]
) -> None:
    x = sg.tensor("x", dtype, (None,))

    def step(carry: Any, v: Any) -> Any:
        return (*(a + b for a, b in pairwise(carry)), carry[-1] + v), None

    last, _ = sg.scan(step, starts, x)
    assert [v.dtype for v in last] == expected


def test_numbers_alone_are_what_numpy_has() -> None:
    half = sg.scan(lambda c, _: (c * 0.5, None), 1, length=3)[0]
    count = sg.scan(lambda c, _: (c + 1, None), 0, length=3)[0]
    seen = sg.scan(lambda c, v: ((c | (v > 0)), None), 0, sg.dvector("x"))[0]
    assert [v.dtype for v in (half, count, seen)] == ["float64", "int64", "int64"]
