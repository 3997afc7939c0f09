"""Verifying a pass: the types of the graph it leaves, and its value on random inputs.

Slow, and for development: ``config.check``, or ``SYMGRAPH_CHECK=1`` in the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .dims import Size
from .errors import CompileError, SymgraphError
from .evaluate import evaluate
from .graph import Node, leaves, toposort
from .leaf import Input, Shared
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
    check_types(name, before, after)
    if max(len(toposort(after)), len(toposort(before))) <= MOST_NODES:
        kinds = [preserves, *(r.rule.preserves for r in records)]
        _check_values(name, before, after, max(kinds, key=PRESERVES.index))


def check_types(name: str, before: Sequence[Node], after: Sequence[Node]) -> None:
    """Verify the types in the graph that the pass `name` leaves, as `check_pass`."""
    for node in toposort(after):
        if node.op.infer(*node.inputs) != node.type:
            raise CompileError(f"pass {name}: {node} has a type that inference denies")
    for old, new in zip(before, after, strict=True):
        if not refines(old, new):
            raise CompileError(
                f"pass {name} changes the type of an output: {old} -> {new}"
            )


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
    for given in small_inputs((*before, *after)):
        try:
            expected = evaluate(before, given)
        except (ArithmeticError, IndexError, SymgraphError, ValueError):
            continue  # such inputs are not valid: indices outside, sizes that differ
        got = evaluate(after, given)
        for number, (old, new) in enumerate(zip(expected, got, strict=True)):
            if not agree(np.asarray(old), np.asarray(new), preserves):
                raise CompileError(
                    f"pass {name} changes output {number}, which should keep "
                    f"its value ({preserves}):\n  before {old!r}\n  after {new!r}"
                )


def agree(old: Array, new: Array, preserves: Preserves, floor: float = 1.0) -> bool:
    """Whether two values agree as far as `preserves` promises.

    Errors are measured by the largest element, or by `floor` where that is larger.
    """
    if old.shape != new.shape or old.dtype != new.dtype:
        return False
    if old.dtype.kind == "c":
        parts = ((old.real, new.real), (old.imag, new.imag))
        return all(agree(a, b, preserves, floor) for a, b in parts)
    if old.dtype.kind != "f":
        return bool(np.array_equal(old, new))
    if preserves == "exact":
        same = (old == new) & (np.signbit(old) == np.signbit(new))
        return bool(np.all(same | (np.isnan(old) & np.isnan(new))))
    finite = np.isfinite(old)
    if preserves == "rounding":
        # Contraction to FMA may make an infinity where NumPy has a NaN, never another.
        opposite = np.isinf(old) & np.isinf(new) & (old != new)
        if opposite.any() or not np.array_equal(np.isfinite(new), finite):
            return False
    largest = np.max(np.abs(old[finite]), initial=floor)
    error = np.abs(new[finite] - old[finite])
    return bool(np.all(error <= TOLERANCE[old.dtype.name] * largest))


def small_inputs(outputs: Sequence[Node]) -> list[dict[Node, Any]]:
    """A few sets of small values for the leaves below `outputs`.

    In some of them sizes that may be broadcast are 1.
    """
    order = toposort(outputs)
    equal, strict = Classes(), Classes(generic=True)
    equal.unify(order)
    strict.unify(order)
    tries: list[tuple[int, Classes | None]] = [(0, None), (1, None)]
    if any(met.broadcast for met in strict.pairs):
        tries += [(2, strict), (3, strict)]
    return [random_inputs(outputs, seed, equal, ones) for seed, ones in tries]


def random_inputs(
    outputs: Sequence[Node],
    seed: int,
    equal: Classes | None = None,
    may_be_one: Classes | None = None,
) -> dict[Node, Any]:
    """Small values for the inputs and shared variables below `outputs`.

    Dimensions that are one in `equal` get one size; then some of them 1 instead, those
    that are one in `may_be_one` together.
    """
    rng = np.random.default_rng(seed)
    equal = equal or Classes()
    sizes: dict[Size, int] = {}
    ones: dict[Size, bool] = {}

    def extent(size: Size) -> int:
        if may_be_one is not None:
            alone = may_be_one.resolve(size)
            if alone == 1 or (
                not isinstance(alone, int)
                and ones.setdefault(alone, bool(rng.random() < 0.4))
            ):
                return 1
        resolved = equal.resolve(size)
        if isinstance(resolved, int):
            return resolved
        return sizes.setdefault(resolved, int(rng.integers(2, 5)))

    return {
        node: _random(rng, node.type.dtype, tuple(map(extent, node.type.dims)))
        for node in leaves(outputs)
        if isinstance(node.op, Input | Shared)
    }


def _random(rng: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> Array:
    kind = np.dtype(dtype).kind
    if kind == "f":
        return np.asarray(rng.normal(size=shape), dtype)
    if kind == "c":
        return np.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape), dtype)
    return np.asarray(rng.integers(0, 2, size=shape), dtype)
