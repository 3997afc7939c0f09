"""Layer normalisation, then softmax, over the rows of a float32 matrix."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Arrays, formula_builders, numpy_names

TITLE = "layernorm then softmax, 4096 x 1024 float32"
GOAL = 0.75
RTOL, ATOL = 2e-5, 1e-9
SHAPE = (4096, 1024)
EPSILON = 1e-5


@cache
def inputs() -> list[NDArray[np.float32]]:
    return [np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32)]


def formula(lib: Any, x: Any) -> Any:
    centred = x - lib.mean(x, axis=1, keepdims=True)
    variance = lib.mean(centred * centred, axis=1, keepdims=True)
    return lib.softmax(centred / lib.sqrt(variance + EPSILON), axis=1)


def torch_formula(lib: Any, x: Any) -> Any:
    normal = lib.nn.functional.layer_norm(x, x.shape[1:], eps=EPSILON)
    return lib.softmax(normal, 1)


def reference() -> Arrays:
    (x,) = inputs()
    return [formula(numpy_names(), x.astype(np.float64))]


BUILDERS = formula_builders(formula, inputs, [(None, None)], torch=torch_formula)
