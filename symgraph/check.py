"""Verifying a pass: the types of the graph it leaves, and its value on random inputs.

Slow, and for development: ``config.check``, or ``SYMGRAPH_CHECK=1`` in the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arguments import Shapes
from .dims import Size
from .errors import CompileError, SymgraphError
from .evaluate import evaluate
from .graph import Node, leaves, toposort
from .leaf import Input
from .lower.sizes import Classes
from .op import Array
from .rewrite import PRESERVES, Preserves, Record

#: Larger graphs are not evaluated: every node costs a NumPy call, twice.
MOST_NODES = 5_000

#: Relative error allowed by dtype, with respect to the largest element.
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}


def check_pass(
    name: str,
    before: Sequence[Node],
    after: Sequence[Node],
    records: Sequence[Record],
    preserves: Preserves = "exact",
) -> None:
    """Verify that the pass `name`, by the rules in `records`, kept what it promises.

    `preserves` is what the pass itself promises beyond its rules.

    Raises:
        CompileError: a type is not what inference gives, an output's type changed, or
        its value did.
    """
    order = toposort(after)
    for node in order:
        if node.op.infer(*node.inputs) != node.type:
            raise CompileError(f"pass {name}: {node} has a type that inference denies")
    for old, new in zip(before, after, strict=True):
        if not refines(old, new):
            raise CompileError(
                f"pass {name} changes the type of an output: {old} -> {new}"
            )
    if max(len(order), len(toposort(before))) <= MOST_NODES:
        kinds = [preserves, *(r.rule.preserves for r in records)]
        _check_values(name, before, after, max(kinds, key=PRESERVES.index))


def refines(old: Node, new: Node) -> bool:
    """Whether `new` has the dtype of `old` and all its known dimensions."""
    return (
        old.type.dtype == new.type.dtype
        and old.type.ndim == new.type.ndim
        and all(
            a == b
            for a, b in zip(old.type.dims, new.type.dims, strict=True)
            if isinstance(a, int)
        )
    )


def _check_values(
    name: str, before: Sequence[Node], after: Sequence[Node], preserves: Preserves
) -> None:
    classes = Classes()
    classes.unify(toposort((*before, *after)))
    for seed in range(2):
        given = random_inputs(before, seed, classes)
        if not _all_equal(classes, given):
            continue  # a size of 1 is broadcast: rewritten graphs rely on equal ones
        try:
            expected = evaluate(before, given)
        except (ArithmeticError, IndexError, ValueError):
            continue  # such inputs are not valid: an index outside, sizes that differ
        got = evaluate(after, given)
        for number, (old, new) in enumerate(zip(expected, got, strict=True)):
            if not agree(np.asarray(old), np.asarray(new), preserves):
                raise CompileError(
                    f"pass {name} changes output {number}, which should keep "
                    f"its value ({preserves}):\n  before {old!r}\n  after {new!r}"
                )


def _all_equal(classes: Classes, given: dict[Node, Any]) -> bool:
    """Whether all sizes that meet are equal for these inputs."""
    arrays = [np.asarray(value) for value in given.values()]
    shapes = Shapes(list(given), arrays)
    try:
        return all(shapes(a) == shapes(b) for _, a, b in classes.pairs)
    except SymgraphError:
        return True  # a size depends on shared or computed values


def agree(old: Array, new: Array, preserves: Preserves) -> bool:
    """Whether two values agree as far as `preserves` promises."""
    if old.shape != new.shape or old.dtype != new.dtype:
        return False
    if old.dtype.kind == "c":
        return agree(old.real, new.real, preserves) and agree(
            old.imag, new.imag, preserves
        )
    if old.dtype.kind != "f":
        return bool(np.array_equal(old, new))
    if preserves == "exact":
        same = (old == new) & (np.signbit(old) == np.signbit(new))
        return bool(np.all(same | (np.isnan(old) & np.isnan(new))))
    finite = np.isfinite(old)
    if preserves == "rounding" and not np.array_equal(np.isfinite(new), finite):
        return False
    largest = np.max(np.abs(old[finite]), initial=1.0)
    error = np.abs(new[finite] - old[finite])
    return bool(np.all(error <= TOLERANCE[old.dtype.name] * largest))


def random_inputs(
    outputs: Sequence[Node], seed: int, classes: Classes | None = None
) -> dict[Node, Any]:
    """Small values for the inputs under `outputs`; equal dimensions get equal sizes."""
    rng = np.random.default_rng(seed)
    classes = classes or Classes()
    sizes: dict[Size, int] = {}
    given: dict[Node, Any] = {}
    for node in leaves(outputs):
        if not isinstance(node.op, Input):
            continue
        resolved = (classes.resolve(size) for size in node.type.dims)
        shape = tuple(
            size
            if isinstance(size, int)
            else sizes.setdefault(size, int(rng.integers(2, 5)))
            for size in resolved
        )
        given[node] = _random(rng, node.type.dtype, shape)
    return given


def _random(rng: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> Array:
    kind = np.dtype(dtype).kind
    if kind == "f":
        return np.asarray(rng.normal(size=shape), dtype)
    if kind == "c":
        return np.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape), dtype)
    return np.asarray(rng.integers(0, 2, size=shape), dtype)
