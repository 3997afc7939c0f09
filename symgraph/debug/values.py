"""Comparing values, and saying what they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from ..check import agree
from ..dims import Size
from ..errors import SymgraphError
from ..evaluate import evaluate
from ..graph import Node, toposort
from ..leaf import Constant
from ..lower.halves import Halves
from ..op import Array
from ..rewrite import Preserves

#: The values of inputs and shared variables.
Given: TypeAlias = Mapping[Node, Array]

#: By how much rounding errors may grow before a difference counts as a mistake.
GROWTH = 100.0


def values_of(nodes: Iterable[Node], given: Given) -> dict[Node, Array]:
    """The values of `nodes` by `ref`; those that have none are left out."""
    wanted = list(dict.fromkeys(nodes))
    given = {**given, **_halves(wanted, given)}
    try:
        return dict(zip(wanted, map(np.asarray, evaluate(wanted, given)), strict=True))
    except (SymgraphError, ArithmeticError):
        pass
    found: dict[Node, Array] = {}
    for node in wanted:
        try:
            found[node] = np.asarray(evaluate([node], given)[0])
        except (SymgraphError, ArithmeticError):
            continue
    return found


class Sizes:
    """Watches an evaluation: is every value of the shape that its type says?

    `wrong` is the first node whose value is not.  One dimension is one number in a
    call, wherever it occurs.
    """

    def __init__(self) -> None:
        self._known: dict[Size, int] = {}
        self.wrong: Node | None = None
        self.shape: tuple[int, ...] = ()

    def __call__(self, node: Node, value: Array) -> None:
        for size, extent in zip(node.type.dims, value.shape, strict=True):
            known = size if isinstance(size, int) else None
            if known is None:
                known = self._known.setdefault(size, extent)
            if known != extent and self.wrong is None:
                self.wrong, self.shape = node, value.shape


def makes_sense(roots: Sequence[Node], given: Given) -> bool:
    """Whether `ref` computes `roots`, of the shapes that their types say.

    It does not where an index lies outside, sizes differ, or an op that is only made by
    others meets what they never give it.
    """
    sizes = Sizes()
    try:
        evaluate(roots, given, sizes)
    except (SymgraphError, ArithmeticError, IndexError, ValueError):
        return False
    return sizes.wrong is None


def _halves(nodes: Sequence[Node], given: Given) -> dict[Node, Array]:
    """The memory of complex leaves, which lowered graphs read."""
    found: dict[Node, Array] = {}
    for node in toposort(nodes):
        if isinstance(node.op, Halves):
            leaf = node.op.of
            data = leaf.op.data if isinstance(leaf.op, Constant) else given.get(leaf)
            if data is not None:
                found[node] = np.stack([np.real(data), np.imag(data)], axis=-1)
    return found


def floor_of(given: Given, roots: Sequence[Node] = ()) -> float:
    """The size below which differences do not count: that of the data, at most 1."""
    arrays = [np.asarray(a) for a in given.values()]
    arrays += [n.op.data for n in toposort(roots) if isinstance(n.op, Constant)]
    largest = 0.0
    for array in arrays:
        if array.dtype.kind in "fc":
            magnitudes = np.abs(array)
            finite = magnitudes[np.isfinite(magnitudes)]
            largest = max(largest, float(np.max(finite, initial=0.0)))
        else:
            largest = 1.0
    return min(largest, 1.0) or 1.0


def differ(
    old: Array | None, new: Array | None, preserves: Preserves, floor: float
) -> bool:
    """Whether two values of one node differ; where the first has none, they do not."""
    if old is None:
        return False
    return new is None or not agree(np.asarray(old), np.asarray(new), preserves, floor)


def worst(old: Array, new: Array | None) -> str:
    """Where two arrays differ most, and the two elements there."""
    if new is None:
        return "it cannot be computed"
    old, new = np.asarray(old), np.asarray(new)
    if old.shape != new.shape or old.dtype != new.dtype:
        return f"{new.dtype}{list(new.shape)}, not {old.dtype}{list(old.shape)}"
    if not old.size:
        return "both are empty"
    index = np.unravel_index(int(np.argmax(_distance(old, new))), old.shape)
    where = f" at index {[int(i) for i in index]}" if index else ""
    return f"{new[index]!s}, not {old[index]!s},{where}".rstrip(",")


def _distance(old: Array, new: Array) -> Array:
    """How far apart elements are; those of which one is not finite, infinitely far."""
    kind = complex if old.dtype.kind == "c" else float
    with np.errstate(all="ignore"):
        apart = np.abs(new.astype(kind) - old.astype(kind))
    same = (old == new) | ((old != old) & (new != new))
    return np.where(same, 0.0, np.where(np.isfinite(apart), apart, np.inf))


def unstable(node: Node, old: Array, new: Array | None, given: Given) -> bool:
    """Whether rounding the data of `node` changes it as much as `old` and `new` differ.

    The data (constants included) are moved by a few units in the last place.
    """
    if new is None or np.shape(old) != np.shape(new):
        return False
    error = _distance(np.asarray(old), np.asarray(new))
    moved = 0.0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        data = dict(given)
        for leaf in toposort([node]):
            if isinstance(leaf.op, Constant):
                data[leaf] = leaf.op.data
        nudged = {leaf: _nudged(array, rng) for leaf, array in data.items()}
        other = values_of([node], nudged).get(node)
        if other is not None and other.shape == np.shape(old):
            moved = max(moved, float(np.max(_distance(old, other), initial=0.0)))
    return bool(np.max(error, initial=0.0) <= GROWTH * moved)


def _nudged(array: Array, rng: np.random.Generator) -> Array:
    """Floats moved by up to 4 units in the last place."""
    array = np.asarray(array)
    if array.dtype.kind not in "fc":
        return array
    steps = rng.integers(-4, 5, size=array.shape) * np.finfo(array.dtype).eps
    return np.asarray(array * (1 + steps), array.dtype)


def summary(array: Any) -> str:
    """An array in a few words: type, shape, range."""
    array = np.asarray(array)
    text = f"{array.dtype}{list(array.shape)}"
    if array.size == 0:
        return text
    if array.size == 1:
        return f"{text} = {array.reshape(-1)[0]!s}"
    if array.dtype.kind not in "biuf":
        return text
    with np.errstate(all="ignore"):
        known = array[~np.isnan(array)] if array.dtype.kind == "f" else array
    missing = array.size - known.size
    ends = f" from {known.min()!s} to {known.max()!s}" if known.size else ""
    return text + ends + (f", {missing} NaN" if missing else "")
