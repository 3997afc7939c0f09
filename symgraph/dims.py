"""Dimensions and their algebra.

A dimension is an ``int`` where it is known, else a :class:`Dim`: an immutable, interned
expression over the inputs' dimensions and integer values.  Equal expressions are one
object, so dimensions compare by identity; sums are kept in a normal form, so that
``(n + m) - m`` *is* ``n``.  Where two unknown dimensions meet in broadcasting, the
result is an explicit ``bcast(d0, d1)``: nothing is assumed to be equal.

Every dimension is at least 0; intermediate values of the algebra may be negative.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from .graph import Node


class Dim:
    """A dimension that is not a plain number; make them by the functions below.

    `kind` and `args` say what it is:

    ========== ==================== ==========================================
    input      (uid, axis, label)   a dimension of an input
    named      (name,)              equal wherever the name occurs in a graph
    value      (node,)              the value of an integer scalar
    linear     (const, terms)       ``const + sum(coef * dim)``
    max        (0, dim)             ``max(0, dim)``
    mul, floordiv, bcast            (a, b), each a Dim or an int
    ========== ==================== ==========================================
    """

    __slots__ = ("__weakref__", "args", "kind", "serial")

    kind: str
    args: tuple[object, ...]
    serial: int

    def __repr__(self) -> str:
        return text(self)

    def __reduce__(self) -> str:
        raise TypeError("dimensions are rebuilt with their graph, not pickled alone")


Size: TypeAlias = "int | Dim"

_table: WeakValueDictionary[tuple[object, ...], Dim] = WeakValueDictionary()
_lock = threading.Lock()
_serials = itertools.count()


def _make(kind: str, *args: object) -> Dim:
    """The one Dim with these parts."""
    key = (kind, *args)
    with _lock:
        dim = _table.get(key)
        if dim is None:
            dim = Dim()
            dim.kind, dim.args, dim.serial = kind, args, next(_serials)
            _table[key] = dim
    return dim


def of_input(uid: int, axis: int, label: str) -> Dim:
    """Dimension `axis` of the input with this uid."""
    return _make("input", uid, axis, label)


def named(name: str) -> Dim:
    """The dimension called `name`."""
    return _make("named", name)


def of_value(node: Node) -> Dim:
    """The value of an integer scalar node."""
    return _make("value", node)


def _linear(size: Size) -> tuple[int, dict[Dim, int]]:
    """`size` as a constant and the factors of its terms."""
    if isinstance(size, int):
        return size, {}
    if size.kind == "linear":
        const, terms = size.args
        return const, dict(terms)  # type: ignore[return-value, call-overload]
    return 0, {size: 1}


def _from_linear(const: int, terms: dict[Dim, int]) -> Size:
    kept = sorted(((d, c) for d, c in terms.items() if c), key=lambda t: t[0].serial)
    if not kept:
        return const
    if const == 0 and len(kept) == 1 and kept[0][1] == 1:
        return kept[0][0]
    return _make("linear", const, tuple(kept))


def add(a: Size, b: Size) -> Size:
    """a + b."""
    const, terms = _linear(a)
    more, others = _linear(b)
    for dim, coef in others.items():
        terms[dim] = terms.get(dim, 0) + coef
    return _from_linear(const + more, terms)


def scale(a: Size, factor: int) -> Size:
    """a * factor for a known factor."""
    const, terms = _linear(a)
    return _from_linear(const * factor, {d: c * factor for d, c in terms.items()})


def weighted_sum(const: int, parts: Iterable[tuple[Size, int]]) -> Size:
    """const + sum(size * factor), in time linear in its terms."""
    terms: dict[Dim, int] = {}
    for size, factor in parts:
        more, others = _linear(size)
        const += more * factor
        for dim, coef in others.items():
            terms[dim] = terms.get(dim, 0) + coef * factor
    return _from_linear(const, terms)


def sub(a: Size, b: Size) -> Size:
    """a - b."""
    return add(a, scale(b, -1))


def mul(a: Size, b: Size) -> Size:
    """a * b, its unknown factors in one order."""
    if isinstance(a, int):
        return scale(b, a)
    if isinstance(b, int):
        return scale(a, b)
    first, second = sorted((a, b), key=lambda d: d.serial)
    return _make("mul", first, second)


def floordiv(a: Size, b: Size) -> Size:
    """a // b, and 0 where b is 0 (as integer division in expressions)."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b if b else 0
    if b == 1:
        return a
    if isinstance(b, int) and isinstance(a, Dim) and a.kind == "linear" and b > 0:
        const, terms = _linear(a)
        if const % b == 0 and all(c % b == 0 for c in terms.values()):
            return _from_linear(const // b, {d: c // b for d, c in terms.items()})
    return _make("floordiv", a, b)


def maximum(a: Size, b: Size) -> Size:
    """The larger of both, as ``b + max(0, a - b)``.

    Minima are written with it too, so that the lengths of ``x[1:]`` and ``x[:-1]`` are
    one expression, ``max(0, n - 1)``.
    """
    base, size = b, sub(a, b)
    while not surely_nonnegative(size):
        opposite = scale(size, -1)
        if surely_nonnegative(opposite):
            return base
        if (simpler := _unclipped(size)) is not None:
            size = simpler
        elif (simpler := _unclipped(opposite)) is not None:
            base, size = add(base, size), simpler
        else:
            _, terms = _linear(size)
            if min(terms.items(), key=lambda t: t[0].serial)[1] < 0:
                base, size = add(base, size), opposite
            return add(base, _make("max", 0, size))
    return add(base, size)


def _unclipped(size: Size) -> Size | None:
    """A simpler size that is the same where it is positive, if there is one.

    Where ``rest <= 0``, ``max(0, rest + c * max(0, d))`` is ``max(0, rest + c * d)``.
    """
    _, terms = _linear(size)
    for dim, factor in terms.items():
        rest = sub(size, scale(dim, factor))
        if dim.kind == "max" and factor > 0 and surely_nonnegative(scale(rest, -1)):
            return add(rest, scale(dim.args[1], factor))  # type: ignore[arg-type]
    return None


def minimum(a: Size, b: Size) -> Size:
    """The smaller of both."""
    return sub(add(a, b), maximum(a, b))


#: How many sizes `surely_nonnegative` looks at before it gives up.
_PATIENCE = 64


def surely_nonnegative(size: Size) -> bool:
    """Whether `size` is known to be at least 0 whatever the inputs."""
    pending = [size]
    for _ in range(_PATIENCE):
        if not pending:
            return True
        const, terms = _linear(pending.pop())
        if const >= 0 and all(c > 0 for c in terms.values()):
            parts = [_bounds(d) for d in terms]
            if None in parts:
                return False
            pending += [p for part in parts if part for p in part]
            continue
        clipped = [(d, c) for d, c in terms.items() if d.kind == "max"]
        if not clipped:
            return False
        dim, factor = min(clipped, key=lambda t: t[1])
        rest = add(_from_linear(const, terms), scale(dim, -factor))
        # Below: rest + factor * max(0, inner) is the smaller of two where the factor is
        # negative, and at least rest + factor * inner where it is not.
        inner = scale(dim.args[1], factor)  # type: ignore[arg-type]
        pending += [add(rest, inner), *((rest,) if factor < 0 else ())]
    return not pending


def at_most_one(size: Size) -> bool:
    """Whether `size` is known to be 0 or 1 whatever the inputs, as in ``x[:1]``."""
    return surely_nonnegative(sub(1, size))


def _bounds(dim: Dim) -> tuple[Size, ...] | None:
    """What must be at least 0 for `dim` to be; None where that is not known."""
    match dim.kind:
        case "input" | "named" | "bcast" | "max":
            return ()
        case "mul" | "floordiv":
            return dim.args  # type: ignore[return-value]
    return None


def bcast(a: Size, b: Size) -> Size | None:
    """The size of two dimensions that meet in broadcasting; None if they cannot.

    Where one is unknown and the other a number above 1, the result is the number: the
    unknown one must be that or 1, which is checked at run time.
    """
    if a is b or b == 1:
        return a
    if a == 1:
        return b
    if isinstance(a, int):
        return a if isinstance(b, Dim) or a == b else None
    if isinstance(b, int):
        return b
    for one, other in ((a, b), (b, a)):
        if one.kind == "bcast" and other in one.args:
            return one
    first, second = sorted((a, b), key=lambda d: d.serial)
    return _make("bcast", first, second)


def product(sizes: tuple[Size, ...]) -> Size:
    """The number of elements of a shape."""
    total: Size = 1
    for size in sizes:
        total = mul(total, size)
    return total


def at_entry(size: Size) -> bool:
    """Whether `size` follows from a call's arguments alone, not from computed data."""
    stack, seen = [size], set()
    while stack:
        dim = stack.pop()
        if isinstance(dim, int) or dim in seen:
            continue
        seen.add(dim)
        if dim.kind == "value":
            node: Any = dim.args[0]
            if not getattr(node.op, "at_entry", False):
                return False
        stack.extend(operands(dim))
    return True


def operands(dim: Dim) -> tuple[Dim, ...]:
    """The unknown dimensions that `dim` is made of."""
    if dim.kind == "linear":
        return tuple(d for d, _ in dim.args[1])  # type: ignore[attr-defined]
    return tuple(a for a in dim.args if isinstance(a, Dim))


def evaluate(size: Size, known: Callable[[Dim], int], memo: dict[Dim, int]) -> int:
    """`size` as a number, given its atoms (input, named and value dimensions).

    Where two dimensions meet, a 1 gives way to the other, as in broadcasting.
    """
    if isinstance(size, int):
        return size
    stack = [size]
    while stack:
        dim = stack[-1]
        missing = [d for d in operands(dim) if d not in memo]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        if dim.kind in ("input", "named", "value"):
            memo[dim] = known(dim)
        elif dim.kind == "linear":
            const, terms = _linear(dim)
            memo[dim] = const + sum(memo[d] * c for d, c in terms.items())
        else:
            a, b = (memo[x] if isinstance(x, Dim) else x for x in dim.args)
            memo[dim] = _ARITHMETIC[dim.kind](a, b)  # type: ignore[arg-type]
    return memo[size]


_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b if b else 0,
    "max": max,
    "min": min,
    "bcast": lambda a, b: b if a == 1 else a,
}


def text(size: Size) -> str:
    """`size` for people, cut off where it is long (iterative: dims may nest deeply)."""
    out: list[str] = []
    stack: list[object] = [size]
    while stack and len(out) < 60:
        item = stack.pop()
        stack.extend(reversed(_pieces(item)) if isinstance(item, Dim) else ())
        if not isinstance(item, Dim):
            out.append(str(item))
    return "".join(out) + ("..." if stack else "")


def _pieces(dim: Dim) -> list[object]:
    """The parts of a dimension's text, in order."""
    match dim.kind:
        case "input":
            return [dim.args[2]]
        case "named":
            return [dim.args[0]]
        case "value":
            return ["value"]
        case "linear":
            const, terms = dim.args
            pieces: list[object] = []
            for index, (d, c) in enumerate(terms):  # type: ignore
                sign = "-" if c < 0 else "+" if index else ""
                pieces += [sign, f"{abs(c)}*" if abs(c) != 1 else "", d]
            if const:
                pieces.append(f"{const:+d}")
            return ["(", *pieces, ")"]
        case kind:
            first, second = dim.args
            return [kind, "(", first, ", ", second, ")"]
