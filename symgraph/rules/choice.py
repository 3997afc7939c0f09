"""Comparisons whose result is known, and choices between values that are."""

# The docstring of a rule is a formula, before -> after, and ends without a full stop.
# ruff: noqa: D415

from __future__ import annotations

from ..dims import surely_nonnegative
from ..graph import Node
from ..ops.cast import cast
from ..ops.choice import Maximum, Minimum, Where, maximum, minimum, where
from ..ops.comparison import (
    Equal,
    Less,
    LessEqual,
    NotEqual,
    equal,
    less,
    less_equal,
    not_equal,
)
from ..ops.create import full
from ..ops.logic import BitwiseAnd, BitwiseOr, Invert
from ..ops.sizes import dim_of
from ..rewrite import RuleSet, has_value, like
from ..types import is_float
from ..variable import Variable, constant

choice = RuleSet("choice")


def _if_same_type(x: Variable, node: Node) -> Variable | None:
    """`x` where it can stand for `node` as it is."""
    return x if x.type == node.type else None


def _everywhere(value: bool, like_this: Variable) -> Variable:
    """`value` in the shape of a variable."""
    made = constant(value, "bool")
    return full(like_this.shape, made) if like_this.ndim else made


# -- comparisons -----------------------------------------------------------------------


@choice.rule(lambda x: like(Less, x, x), preserves="exact")
def less_than_itself(x: Variable) -> Variable:
    """x < x -> False"""
    return _everywhere(False, x)


@choice.rule(lambda x: like(LessEqual, x, x), preserves="exact")
def at_most_itself(x: Variable) -> Variable | None:
    """x <= x -> True, on integers: a float may be NaN"""
    return None if is_float(x.dtype) else _everywhere(True, x)


@choice.rule(lambda x: like(Equal, x, x), preserves="exact")
def equal_to_itself(x: Variable) -> Variable | None:
    """x == x -> True, on integers: a float may be NaN"""
    return None if is_float(x.dtype) else _everywhere(True, x)


@choice.rule(lambda x: like(NotEqual, x, x), preserves="exact")
def different_from_itself(x: Variable) -> Variable | None:
    """x != x -> False, on integers: a float may be NaN"""
    return None if is_float(x.dtype) else _everywhere(False, x)


def _nonnegative(node: Node) -> bool:
    """Whether an integer is known to be at least 0: unsigned, or a size."""
    if node.type.dtype.startswith("u"):
        return True
    if node.type.ndim or node.type.dtype != "int64" or not node.inputs:
        return False
    return surely_nonnegative(dim_of(node))


@choice.rule(Less, preserves="exact")
def never_negative(node: Node) -> Variable | None:
    """x < 0 -> False, for unsigned integers and sizes"""
    x, bound = node.inputs
    if not has_value(bound, 0) or not _nonnegative(x):
        return None
    return _everywhere(False, Variable(x))


@choice.rule(LessEqual, preserves="exact")
def always_nonnegative(node: Node) -> Variable | None:
    """0 <= x -> True, for unsigned integers and sizes"""
    bound, x = node.inputs
    if not has_value(bound, 0) or not _nonnegative(x):
        return None
    return _everywhere(True, Variable(x))


@choice.rule(lambda x, y: like(Invert, equal(x, y)), preserves="exact")
def not_equal_to(x: Variable, y: Variable) -> Variable:
    """~(x == y) -> x != y"""
    return not_equal(x, y)


@choice.rule(lambda x, y: like(Invert, not_equal(x, y)), preserves="exact")
def not_different_from(x: Variable, y: Variable) -> Variable:
    """~(x != y) -> x == y"""
    return equal(x, y)


@choice.rule(lambda x, y: like(Invert, less(x, y)), preserves="exact")
def not_less(x: Variable, y: Variable) -> Variable | None:
    """~(x < y) -> y <= x, on integers: a float may be NaN"""
    return None if is_float(x.dtype) else less_equal(y, x)


@choice.rule(lambda x, y: like(Invert, less_equal(x, y)), preserves="exact")
def not_at_most(x: Variable, y: Variable) -> Variable | None:
    """~(x <= y) -> y < x, on integers: a float may be NaN"""
    return None if is_float(x.dtype) else less(y, x)


# -- logic -----------------------------------------------------------------------------


@choice.rule(lambda x: like(BitwiseAnd, x, x), preserves="exact")
def and_same(x: Variable) -> Variable:
    """x & x -> x"""
    return x


@choice.rule(lambda x: like(BitwiseOr, x, x), preserves="exact")
def or_same(x: Variable) -> Variable:
    """x | x -> x"""
    return x


@choice.rule(BitwiseAnd, preserves="exact")
def and_true(node: Node) -> Variable | None:
    """x & True -> x"""
    x, other = node.inputs
    known = x.type.dtype == "bool" and has_value(other, True)
    return _if_same_type(Variable(x), node) if known else None


@choice.rule(BitwiseOr, preserves="exact")
def or_false(node: Node) -> Variable | None:
    """x | False -> x"""
    x, other = node.inputs
    return _if_same_type(Variable(x), node) if has_value(other, 0) else None


# -- choices ---------------------------------------------------------------------------


@choice.rule(
    lambda c, a, b, d: like(Where, c, like(Where, c, a, b), d), preserves="exact"
)
def where_in_first_branch(
    c: Variable, a: Variable, d: Variable, node: Node
) -> Variable | None:
    """where(c, where(c, a, b), d) -> where(c, a, d)"""
    return _if_same_type(where(c, a, d), node)


@choice.rule(
    lambda c, a, b, d: like(Where, c, a, like(Where, c, b, d)), preserves="exact"
)
def where_in_second_branch(
    c: Variable, a: Variable, d: Variable, node: Node
) -> Variable | None:
    """where(c, a, where(c, b, d)) -> where(c, a, d)"""
    return _if_same_type(where(c, a, d), node)


@choice.rule(Where, preserves="exact")
def where_one_or_zero(node: Node) -> Variable | None:
    """where(c, 1, 0) -> c in the result's dtype; where(c, 0, 1) -> ~c"""
    c, a, b = node.inputs
    if has_value(a, 1) and has_value(b, 0):
        return _if_same_type(cast(Variable(c), node.type.dtype), node)
    if has_value(a, 0) and has_value(b, 1):
        return _if_same_type(cast(~Variable(c), node.type.dtype), node)
    return None


@choice.rule(
    lambda x, y: like(Maximum, like(Maximum, x, y, name="inner"), y),
    preserves="rounding",
)
def maximum_twice(inner: Node, node: Node) -> Node | None:
    """maximum(maximum(x, y), y) -> maximum(x, y), but for the sign of zeros"""
    return inner if inner.type == node.type else None


@choice.rule(
    lambda x, y: like(Minimum, like(Minimum, x, y, name="inner"), y),
    preserves="rounding",
)
def minimum_twice(inner: Node, node: Node) -> Node | None:
    """minimum(minimum(x, y), y) -> minimum(x, y), but for the sign of zeros"""
    return inner if inner.type == node.type else None


@choice.rule(Maximum, preserves="rounding")
def maximum_of_constants(node: Node) -> Variable | None:
    """maximum(maximum(x, c), d) -> maximum(x, maximum(c, d)), for numbers c and d"""
    return _bounds_merged(node)


@choice.rule(Minimum, preserves="rounding")
def minimum_of_constants(node: Node) -> Variable | None:
    """minimum(minimum(x, c), d) -> minimum(x, minimum(c, d)), for numbers c and d"""
    return _bounds_merged(node)


def _bounds_merged(node: Node) -> Variable | None:
    """Two bounds on one side as one."""
    inner, outer_bound = node.inputs
    if type(inner.op) is not type(node.op):
        return None
    x, inner_bound = inner.inputs
    if any(not _is_number(b) for b in (inner_bound, outer_bound)) or _is_number(x):
        return None
    merge = maximum if isinstance(node.op, Maximum) else minimum
    return merge(Variable(x), merge(Variable(inner_bound), Variable(outer_bound)))


def _is_number(node: Node) -> bool:
    """Whether `node` is a constant without axes."""
    return not node.inputs and not node.type.ndim and node.op.name == "constant"
