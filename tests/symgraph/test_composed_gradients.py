"""Gradients of functions made of other ops, against central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg

from .test_gradients import check_gradient, weighted

Made = Callable[[Any], Any]

FUNCTIONS: dict[str, tuple[tuple[int, ...], Made]] = {
    "var": ((3, 4), lambda x: sg.var(x, 0, ddof=1)),
    "std": ((3, 4), lambda x: sg.std(x, 1)),
    "average": ((3, 4), lambda x: sg.average(x, 0, weights=x**2 + 1)),
    "nanmean": ((5,), lambda x: sg.nanmean(x, 0)),
    "cumsum": ((3, 2), lambda x: sg.cumsum(x**2)),
    "cumprod": ((2, 4), lambda x: sg.cumulative_prod(x, axis=1, include_initial=True)),
    "cumprod of zeros": ((4,), lambda x: sg.cumprod(x * np.array([1.0, 0, 1, 0]))),
    "cummin": ((6,), sg.cummin),
    "diff": ((2, 5), lambda x: sg.diff(x**2, 2)),
    "trapezoid": ((3, 4), lambda x: sg.trapezoid(x, sg.cumsum(x**2, 1))),
    "einsum": ((2, 3), lambda x: sg.einsum("ij,kj,kl->il", x, x, x)),
    "einsum diagonal": ((3, 3), lambda x: sg.einsum("ii,ij->j", x, x)),
    "einsum ...": ((2, 3), lambda x: sg.einsum("...i,...j->ij", x, x)),
    "kron": ((2, 2), lambda x: sg.kron(x, x)),
    "cross": ((2, 3), lambda x: sg.cross(x, x[::-1])),
    "inner": ((2, 3), lambda x: sg.inner(x, x)),
    "vecdot": ((2, 3), lambda x: sg.vecdot(x, x, axis=0)),
    "tile": ((2, 2), lambda x: sg.tile(x**2, (2, 1, 2))),
    "repeat": ((2, 2), lambda x: sg.repeat(x**2, [1, 3], 0)),
    "pad constant": ((2, 2), lambda x: sg.pad(x, 1, constant_values=x[0, 0])),
    "pad edge": ((2, 2), lambda x: sg.pad(x**2, 2, "edge")),
    "pad reflect": ((2, 3), lambda x: sg.pad(x**2, 3, "reflect")),
    "pad symmetric": ((2, 3), lambda x: sg.pad(x**2, 3, "symmetric")),
    "pad wrap": ((2, 3), lambda x: sg.pad(x**2, 3, "wrap")),
    "roll": ((2, 3), lambda x: sg.roll(x, 1) * x),
    "split": ((5,), lambda x: sg.array_split(x**2, 3)[1]),
    "hstack": ((2, 2), lambda x: sg.hstack([x, x**2])),
    "tril": ((3, 3), lambda x: sg.tril(x**2)),
    "trace": ((3, 2), lambda x: sg.trace(x**2)),
    "linspace": ((2,), lambda x: sg.linspace(x[0], x[1] ** 2, 4)),
    "geomspace": ((2,), lambda x: sg.geomspace(x[0] ** 2 + 1, 9, 4)),
    "norm": ((2, 3), sg.linalg.norm),
    "3-norm": ((2, 3), lambda x: sg.linalg.vector_norm(x, axis=1, ord=3)),
    "set": ((4,), lambda x: x[sg.arange(4) % 2].set(x**2)),
    "inc": ((4,), lambda x: x[1:3].inc(x[0]) * x),
    "masked": ((4,), lambda x: x[x > 0].set(x[0] ** 2)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients(name: str) -> None:
    shape, build = FUNCTIONS[name]
    x = sg.tensor("x", "float64", [None] * len(shape))
    value = np.random.default_rng(7).uniform(0.5, 2.0, shape)
    value = value * np.where(np.arange(value.size).reshape(shape) % 3, 1, -1)
    made = build(x)
    at = np.shape(made.eval({x: value}))
    (slope,) = check_gradient(weighted(made, 1, at), [x], [value], "interpret")
    if slope.node.inputs:
        check_gradient(weighted(slope, 2, shape), [x], [value], "interpret")


def test_a_norm_of_zeros_has_the_gradient_zero() -> None:
    x = sg.dvector("x")
    slope = sg.grad(sg.linalg.vector_norm(x), x)
    np.testing.assert_array_equal(slope.eval({x: np.zeros(3)}), np.zeros(3))
