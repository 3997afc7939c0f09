"""Nested outputs: lists, tuples and dicts of variables, flattened and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Structure:
    """The shape of a nested structure; `kind` is "leaf", "none", list, tuple or dict."""

    kind: str
    children: tuple[Structure, ...] = ()
    keys: tuple[Any, ...] = ()

    def count(self) -> int:
        """How many leaves there are."""
        return 1 if self.kind == "leaf" else sum(c.count() for c in self.children)

    def build(self, leaves: Iterator[Any]) -> Any:
        """The structure with `leaves` in place, in order."""
        match self.kind:
            case "leaf":
                return next(leaves)
            case "none":
                return None
            case "dict":
                pairs = zip(self.keys, self.children, strict=True)
                return {key: child.build(leaves) for key, child in pairs}
            case "tuple":
                return tuple(child.build(leaves) for child in self.children)
        return [child.build(leaves) for child in self.children]


def flatten(value: object, is_leaf: Callable[[object], bool]) -> tuple[list[Any], Structure]:
    """The leaves of `value` in order, and its structure.

    Nesting is as deep as the source text that wrote it, so this recurses.

    Raises:
        TypeError: something is neither a leaf nor a list, tuple, dict or None.
    """
    if is_leaf(value):
        return [value], Structure("leaf")
    if value is None:
        return [], Structure("none")
    if isinstance(value, dict):
        kind, items, keys = "dict", list(value.values()), tuple(value)
    elif isinstance(value, list | tuple):
        kind, items, keys = type(value).__name__, list(value), ()
        kind = kind if kind in ("list", "tuple") else "tuple"
    else:
        raise TypeError(f"expected a variable or a nested list, tuple or dict: {value!r}")
    parts = [flatten(item, is_leaf) for item in items]
    leaves = [leaf for found, _ in parts for leaf in found]
    return leaves, Structure(kind, tuple(s for _, s in parts), keys)
