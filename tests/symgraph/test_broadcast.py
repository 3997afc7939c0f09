"""Sizes of 1 and n that meet at run time: every pattern, against NumPy.

A *family* is an expression of inputs whose dimensions are unknown.  Each is compiled
once, with its gradients of first and second order, and called with every pattern of
sizes 0, 1 and n that its dimensions can have.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph import errors
from symgraph.codegen.program_check import check_program
from symgraph.function import Function
from symgraph.variable import Variable

from .loops import (
    assert_legal_memory,
    assert_legal_order,
    assert_stored_once,
)

#: How many calls a family takes at most; the others are left out evenly.
MOST = 90


@dataclass(frozen=True)
class Family:
    """An expression that works on symbolic values and on arrays.

    `shapes` are the operands' dimensions: letters, each of which takes the sizes 0, 1
    and its own, or numbers, which are declared.
    """

    name: str
    build: Callable[..., Any]
    numpy: Callable[..., Any]
    shapes: tuple[tuple[str | int, ...], ...]
    smooth: bool = True

    def letters(self) -> list[str]:
        return [s for shape in self.shapes for s in shape if isinstance(s, str)]


def family(
    name: str,
    build: Callable[..., Any],
    *shapes: str,
    numpy: Callable[..., Any] | None = None,
    smooth: bool = True,
) -> Family:
    """A family; a shape is a string of letters and digits, such as "ab3"."""
    read = tuple(tuple(int(c) if c.isdigit() else c for c in s) for s in shapes)
    return Family(name, build, numpy or build, read, smooth)


#: The size of each letter where it is neither 0 nor 1: equal letters but for their case
#: may meet.
SIZES = {"a": 3, "A": 3, "b": 4, "B": 4, "c": 2, "C": 2}
WHICH = np.array([[2, 0, 1], [1, 1, 0]])


def _softmax(x: Any, axis: int = -1) -> Any:
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def _changed(x: Any, y: Any) -> Any:
    result = np.array(x)
    result[:1] = y
    result[:, :2] += y[:2]
    return result


FAMILIES = (
    family("add", lambda x, y: x + y, "ab", "AB"),
    family("vector_onto_matrix", lambda x, y: x * y, "ab", "B"),
    family("three", lambda x, y, z: (x - y) ** 2 * z, "a", "A", "A"),
    family("nested", lambda x, y: (x + y) * x - y * y, "ab", "AB"),
    family("number", lambda x, y: x * y + x, "a", "3"),
    family("number_twice", lambda x, y, z: x * y + x * z, "a", "3", "A"),
    family("known_one", lambda x, y: x * y, "ab", "1B"),
    family("sums_meet", lambda x, y: x.sum(axis=0) * y.sum(axis=1) + x[:1], "ab", "BA"),
    family(
        "keepdims", lambda x, y: x * y - (x * y).sum(axis=1, keepdims=True), "ab", "AB"
    ),
    family("view", lambda x, y: x.T * y + y, "ab", "BA"),
    family("sliced", lambda x, y: x[1:] * y[:-1], "a", "A"),
    family("strided", lambda x, y: x[::2] + y[::-1][::2], "a", "A"),
    family("first", lambda x: x - x[:1] * x[:, :1], "ab"),
    family("outer", lambda x, y: x[:, None] * y + y[:, None], "a", "A"),
    family(
        "chosen",
        lambda x, y, z: sg.where(x > 0, y, z),
        *("a", "A", "A"),
        numpy=lambda x, y, z: np.where(x > 0, y, z),
    ),
    family(
        "extremes",
        lambda x, y: sg.maximum(x, y) * sg.minimum(x, 0.3),
        *("ab", "AB"),
        numpy=lambda x, y: np.maximum(x, y) * np.minimum(x, 0.3),
    ),
    family(
        "row_chain",
        lambda x, y: sg.special.softmax(x + y, axis=-1) * y,
        *("ab", "AB"),
        numpy=lambda x, y: _softmax(x + y) * y,
    ),
    family(
        "expanded",
        lambda x, y: sg.exp(x) * sg.tanh(y) + sg.exp(x) * sg.sin(x),
        *("ab", "B"),
        numpy=lambda x, y: np.exp(x) * np.tanh(y) + np.exp(x) * np.sin(x),
    ),
    family("matmul_stack", lambda x, y: x @ y, "ab2", "A2b"),
    family("matmul_stacks", lambda x, y: x @ y, "ca23", "A32"),
    family(
        "matmul_transposed",
        lambda x, y: x @ y.transpose((0, 2, 1)),
        *("a23", "A43"),
    ),
    family("matmul_of_sum", lambda x, y, z: (x + y) @ z, "ab", "B", "BA"),
    family(
        "broadcast_to",
        lambda x, y: sg.broadcast_to(x, y.shape) * y,
        *("ab", "AB"),
        numpy=lambda x, y: np.broadcast_to(x, y.shape) * y,
    ),
    family(
        "gather",
        lambda x, y: x[WHICH] * y,
        *("3", "cA"),
    ),
    family(
        "index_arrays",
        lambda x, y, z: x[(y > 0) * 2, (z > 0) * 1],
        *("32", "a", "A"),
        numpy=lambda x, y, z: x[(y > 0) * 2, (z > 0) * 1],
    ),
    family(
        "rows",
        lambda x, y: x[sg.arange(x.shape[0]), (y > 0) * 1],
        *("a2", "A"),
        numpy=lambda x, y: x[np.arange(len(x)), (y > 0) * 1],
    ),
    family(
        "joined",
        lambda x, y: sg.concatenate([x + y, x + y]) * 2,
        *("ab", "AB"),
        numpy=lambda x, y: np.concatenate([x + y, x + y]) * 2,
    ),
    family(
        "einsum",
        lambda x, y: sg.einsum("abi,bij->aj", x, y),
        *("abc", "BC2"),
        numpy=lambda x, y: np.einsum("abi,bij->aj", x, y),
    ),
    family(
        "set_and_inc",
        lambda x, y: sg.inc_subtensor(sg.set_subtensor(x[:1], y)[:, :2], y[:2]),
        *("ab", "B"),
        numpy=lambda x, y: _changed(x, y),
    ),
    family(
        "padded",
        lambda x, y: sg.pad(x + y, ((1, 0), (0, 2))) + sg.roll(x * y, 1, 1).sum(),
        *("ab", "AB"),
        numpy=lambda x, y: np.pad(x + y, ((1, 0), (0, 2))) + np.roll(x * y, 1, 1).sum(),
    ),
    family(
        "cumulative",
        lambda x, y: sg.cumsum(x * y, axis=0) * y,
        *("ab", "AB"),
        numpy=lambda x, y: np.cumsum(x * y, axis=0) * y,
    ),
    family(
        "variance",
        lambda x, y: (x - y).var(axis=0) + (x * y).mean(axis=1, keepdims=True),
        *("ab", "AB"),
    ),
    family("reshaped", lambda x, y: (x + y).reshape((-1,)) * 3, "ab", "AB"),
    family(
        "distances",
        lambda x, y: ((x[:, None] - y) ** 2).sum(axis=-1),
        *("ab", "cB"),
    ),
    family(
        "size",
        lambda x, y: (x + y) * (x + y).shape[0],
        *("a", "A"),
    ),
)


def arrays(family: Family) -> Iterator[tuple[np.ndarray, ...]]:
    """Operands for each pattern of sizes."""
    letters = family.letters()
    rng = np.random.default_rng(3)
    patterns = list(itertools.product(*((0, 1, SIZES[k]) for k in letters)))
    step = -(-len(patterns) // MOST)
    for pattern in patterns[::step]:
        sizes = iter(pattern)
        yield tuple(
            rng.normal(
                size=tuple(s if isinstance(s, int) else next(sizes) for s in shape)
            )
            for shape in family.shapes
        )


def build(family: Family, mode: str) -> Function:
    """The value, its gradients, and the gradients of those."""
    inputs = [
        sg.tensor(
            f"x{k}", shape=tuple(s if isinstance(s, int) else None for s in shape)
        )
        for k, shape in enumerate(family.shapes)
    ]
    result = family.build(*inputs)
    outputs = [result]
    ignore = {"disconnected_inputs": "ignore"}
    first = sg.grad(sg.sum(sg.sin(result) * 2), inputs, **ignore)
    outputs += first
    total: Variable | float = 0.0
    for k, g in enumerate(first):
        total = total + sg.sum(g * sg.cos(g + k))
    outputs += sg.grad(total, inputs, **ignore)
    return sg.function(inputs, outputs, mode=mode, name=family.name)


#: One of each kind; the others are slow in all.
BRIEF = {
    "vector_onto_matrix",
    "three",
    "number",
    "sums_meet",
    "sliced",
    "row_chain",
    "matmul_stack",
    "gather",
    "rows",
    "set_and_inc",
    "reshaped",
}


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(f, id=f.name, marks=() if f.name in BRIEF else pytest.mark.slow)
        for f in FAMILIES
    ],
)
def test_every_pattern_of_sizes(family: Family):
    fast, interpreted = build(family, "fast"), build(family, "interpret")
    met = 0
    for given in arrays(family):
        before = [x.copy() for x in given]
        note = f"{[x.shape for x in given]}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # of nothing: NaN
                wanted = family.numpy(*given)
        except (ValueError, IndexError):
            for f in (fast, interpreted):
                with pytest.raises((errors.ShapeError, errors.IndexOutOfBoundsError)):
                    f(*given)
            continue
        met += 1
        got, exact = fast(*given), interpreted(*given)
        np.testing.assert_allclose(exact[0], wanted, err_msg=note)
        for number, (x, y) in enumerate(zip(got, exact, strict=True)):
            assert np.shape(x) == np.shape(y), (note, number)
            np.testing.assert_allclose(
                x, y, 1e-9, 1e-9, err_msg=f"{note}, output {number}"
            )
        for x, y, g in zip(given, before, exact[1:], strict=False):
            np.testing.assert_array_equal(x, y)
            assert g.shape == x.shape
    assert met > 1
    assert set(fast.versions) <= {"fast", "generic"}
    for program in programs(fast):
        check_program(program)
        assert_legal_order(program)
        assert_stored_once(program)
        assert_legal_memory(program)


def programs(f: Function) -> list[Any]:
    """The programs of the versions that have been made."""
    versions = (f._fast, f._generic)
    return [v.compilation.lowered.program for v in versions if v is not None]
