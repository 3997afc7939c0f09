"""Einstein summation over any number of operands, by contractions of two."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import prod
from typing import Any, NoReturn, TypeAlias

from ..errors import ShapeError
from ..variable import Variable, apply, as_tensor, promote
from .broadcasting import broadcast_to
from .common import refuse
from .contract import contract
from .products import add_up
from .sizes import common_size, dim_of
from .triangle import Diagonal
from .view import move_axes, squeeze, transpose

__all__ = ["einsum"]

#: An axis' label: a letter, or the number of an axis that ``...`` stands for, counted
#: from the last.
Label: TypeAlias = "str | int"
Labels: TypeAlias = tuple[Label, ...]

#: What the size of an axis is taken to be where it is not known, to choose an order.
_TYPICAL = 64


def einsum(*operands: Any, optimize: object = True) -> Variable:
    """Einstein summation: ``einsum("ij,jk->ik", a, b)``, as ``numpy.einsum``.

    Each operand's axes carry labels.  Axes of one label run together, and labels that
    the result does not have are summed over.  Without ``->`` the result has the labels
    that occur once, in alphabetical order.  ``...`` stands for axes without a label.
    Axes that run together are broadcast; a label twice in one operand takes its
    diagonal.  Instead of a string, each operand
    may be followed by a list of ints, the result's list being last.

    Several operands are combined two at a time, in an order that keeps intermediate
    results small (`optimize` is taken for NumPy's sake, and ignored).

    Raises:
        ShapeError: labels do not fit the operands, or sizes are known to differ.

    >>> import numpy as np
    >>> einsum("ij->ji", np.array([[1, 2]])).eval()
    array([[1],
           [2]])
    """
    subscripts, given = _subscripts(operands)
    values = promote(*given)
    terms, out = _labelled(subscripts, values)
    sizes = _sizes(subscripts, terms, values)
    parts = [_prepared(v, t, sizes) for v, t in zip(values, terms, strict=True)]
    while len(parts) > 1:
        i, j = _cheapest([labels for _, labels in parts], out, sizes)
        second, first = parts.pop(j), parts.pop(i)
        kept = {*out, *(k for _, labels in parts for k in labels)}
        parts.append(_pair(first, second, kept))
    value, labels = _summed(*parts[0], set(out))
    return transpose(value, [labels.index(k) for k in out])


# -- the labels ------------------------------------------------------------------------


def _fail(subscripts: str, what: str, *operands: object, remedy: str) -> NoReturn:
    refuse(ShapeError, f"einsum {subscripts!r}: {what}", *operands, remedy=remedy)


def _subscripts(operands: tuple[Any, ...]) -> tuple[str, Sequence[Any]]:
    """The subscripts as one string, and the operands."""
    if operands and isinstance(operands[0], str):
        return operands[0].replace(" ", ""), operands[1:]
    pairs = len(operands) // 2
    texts = [_letters(operands[2 * k + 1]) for k in range(pairs)]
    text = ",".join(texts)
    if len(operands) % 2:
        text += "->" + _letters(operands[-1])
    return text, [operands[2 * k] for k in range(pairs)]


def _letters(labels: Any) -> str:
    """A list of ints and an ellipsis as letters."""
    if not isinstance(labels, Sequence) or isinstance(labels, str):
        refuse(
            ShapeError,
            f"einsum: {labels!r} is no list of labels",
            remedy='give a string first, einsum("ij,jk", a, b), or lists of ints',
        )
    known = string.ascii_letters
    for label in labels:
        if label is not Ellipsis and not 0 <= label < len(known):
            refuse(
                ShapeError,
                f"einsum: label {label}",
                remedy=f"labels are ints from 0 to {len(known) - 1}",
            )
    return "".join("..." if k is Ellipsis else known[k] for k in labels)


def _labelled(
    subscripts: str, values: Sequence[Variable]
) -> tuple[list[Labels], Labels]:
    """The labels of each operand and of the result."""
    left, arrow, right = subscripts.partition("->")
    texts = left.split(",")
    if len(texts) != len(values):
        _fail(
            subscripts,
            f"{len(texts)} lists of labels for {len(values)} operands",
            *values,
            remedy="one list for each operand, with commas between",
        )
    terms = [
        _term(subscripts, t, v.ndim, v) for t, v in zip(texts, values, strict=True)
    ]
    depth = max((k for t in terms for k in t if isinstance(k, int)), default=0)
    spread = tuple(range(depth, 0, -1))
    if not arrow:
        counts = Counter(k for t in terms for k in t if isinstance(k, str))
        return terms, (*spread, *sorted(k for k, n in counts.items() if n == 1))
    return terms, _result(subscripts, right, terms, spread)


def _result(
    subscripts: str, text: str, terms: Sequence[Labels], spread: Labels
) -> Labels:
    """The result's labels, as written."""
    out = _split(subscripts, text, len(spread))
    known = {k for t in terms for k in t}
    for label in out:
        if label not in known:
            _fail(
                subscripts,
                f"label {label!r} of the result is in no operand",
                remedy="the result has labels of the operands",
            )
    if len(set(out)) != len(out):
        _fail(
            subscripts,
            "a label twice in the result",
            remedy="name each once; use sg.diag to fill a diagonal",
        )
    return out


def _term(subscripts: str, text: str, ndim: int, x: Variable) -> Labels:
    """The labels of one operand."""
    letters = len(text.replace("...", ""))
    spread = ndim - letters if "..." in text else 0
    if letters + spread != ndim or spread < 0:
        _fail(
            subscripts,
            f"{letters} labels for {ndim} dimensions",
            x,
            remedy="a label for each axis, or ... for those without",
        )
    return _split(subscripts, text, spread)


def _split(subscripts: str, text: str, spread: int) -> Labels:
    """Letters, and the numbers of the axes that ``...`` stands for."""
    before, dots, after = text.partition("...")
    for letter in before + after:
        if letter not in string.ascii_letters:
            _fail(
                subscripts,
                f"{letter!r} is no label",
                remedy="labels are letters, and ... stands once for further axes",
            )
    return (*before, *(range(spread, 0, -1) if dots else ()), *after)


def _sizes(
    subscripts: str, terms: Sequence[Labels], values: Sequence[Variable]
) -> dict[Label, Any]:
    """The size of each label, an int or a symbolic one: that of its axes broadcast."""
    found: dict[Label, Any] = {}
    for labels, value in zip(terms, values, strict=True):
        for label, size in zip(labels, value.shape, strict=True):
            known = found.setdefault(label, size)
            if isinstance(size, int) and isinstance(known, int):
                if 1 not in (size, known) and size != known:
                    _fail(
                        subscripts,
                        f"label {label!r} has sizes {known} and {size}",
                        *values,
                        remedy="axes of one label have one size",
                    )
                found[label] = max(size, known) if 1 in (size, known) else size
            elif dim_of(as_tensor(size)) != dim_of(as_tensor(known)):
                found[label] = common_size(known, size)
    return found


# -- the sums --------------------------------------------------------------------------


def _prepared(
    x: Variable, labels: Labels, sizes: dict[Label, Any]
) -> tuple[Variable, Labels]:
    """`x` without axes of size 1 that are broadcast, each label once."""
    dims = x.type.dims
    ones = tuple(
        axis
        for axis, k in enumerate(labels)
        if dims[axis] == 1 and (not isinstance(sizes[k], int) or sizes[k] != 1)
    )
    value = squeeze(x, ones)
    left = tuple(k for axis, k in enumerate(labels) if axis not in ones)
    value = broadcast_to(value, tuple(sizes[k] for k in left))
    while len(set(left)) < len(left):
        twice = next(k for k in left if left.count(k) > 1)
        first = left.index(twice)
        second = left.index(twice, first + 1)
        last = (value.ndim - 2, value.ndim - 1)
        value = apply(Diagonal(0), move_axes(value, (first, second), last))
        others = (k for axis, k in enumerate(left) if axis not in (first, second))
        left = (*others, twice)
    return value, left


def _cheapest(
    parts: Sequence[Labels], out: Labels, sizes: dict[Label, Any]
) -> tuple[int, int]:
    """The two to combine next: those whose result adds least to what there is."""

    def count(labels: set[Label]) -> int:
        known = (sizes[k] for k in labels)
        return prod(s if isinstance(s, int) else _TYPICAL for s in known)

    def cost(pair: tuple[int, int]) -> tuple[int, int]:
        mine = [set(parts[k]) for k in pair]
        kept = {*out, *(k for n, p in enumerate(parts) if n not in pair for k in p)}
        every = mine[0] | mine[1]
        grown = count(every & kept) - count(mine[0]) - count(mine[1])
        return grown, count(every)

    return min(combinations(range(len(parts)), 2), key=cost)


def _summed(x: Variable, labels: Labels, kept: set[Label]) -> tuple[Variable, Labels]:
    """`x` summed over the labels that nothing else has."""
    axes = tuple(axis for axis, k in enumerate(labels) if k not in kept)
    return add_up(x, axes), tuple(k for k in labels if k in kept)


def _pair(
    first: tuple[Variable, Labels], second: tuple[Variable, Labels], kept: set[Label]
) -> tuple[Variable, Labels]:
    """Two operands combined; labels that are not `kept` are summed over."""
    x, left = _summed(*first, kept | set(second[1]))
    y, right = _summed(*second, kept | set(left))
    batch = tuple(k for k in left if k in right and k in kept)
    rows = tuple(k for k in left if k not in right)
    columns = tuple(k for k in right if k not in left)
    out = (*batch, *rows, *columns)
    number = {k: n for n, k in enumerate(dict.fromkeys((*left, *right)))}
    a, b, c = (tuple(number[k] for k in labels) for labels in (left, right, out))
    return contract(a, b, c, x, y), out
