"""Nested values: lists, tuples and dicts of arrays, flattened and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .errors import ArgumentError, refuse


@dataclass(frozen=True, slots=True)
class Structure:
    """The shape of a nested structure.

    `kind` is "leaf", "none", "list", "tuple", "dict" or "named", a named tuple of the
    class `made`.
    """

    kind: str
    children: tuple[Structure, ...] = ()
    keys: tuple[Any, ...] = ()
    made: type | None = None

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
        values = [child.build(leaves) for child in self.children]
        if self.made is not None:
            return self.made(*values)
        return tuple(values) if self.kind == "tuple" else values


def flatten(
    value: object, is_leaf: Callable[[object], bool]
) -> tuple[list[Any], Structure]:
    """The leaves of `value` in order, and its structure.

    Nesting is as deep as the source text that wrote it, so this recurses.

    Raises:
        SymgraphError: something is neither a leaf nor a list, tuple, dict or None.
    """
    if is_leaf(value):
        return [value], Structure("leaf")
    if value is None:
        return [], Structure("none")
    keys: tuple[Any, ...] = ()
    made = None
    match value:
        case dict():
            kind, items, keys = "dict", list(value.values()), tuple(value)
        case list():
            kind, items = "list", value
        case tuple():
            kind, items = "tuple", list(value)
            if hasattr(value, "_fields"):
                kind, made = "named", type(value)
        case _:
            refuse(
                ArgumentError,
                f"an output cannot be {value!r}",
                remedy="outputs are variables, or nested lists, tuples and dicts of "
                "them; None for none",
            )
    parts = [flatten(item, is_leaf) for item in items]
    leaves = [leaf for found, _ in parts for leaf in found]
    return leaves, Structure(kind, tuple(s for _, s in parts), keys, made)
