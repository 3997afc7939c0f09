"""Scalar formulas evaluated over whole arrays with NumPy, bit for bit.

The loop interpreter runs one element at a time, which is right for an oracle and too
slow for a million elements.  :func:`evaluate` applies each primitive of a formula to
arrays instead, with the same results: `fma` rounds once, shifts by too much give what
the targets give, and transcendentals are the targets' own expansions.  A formula in
which no target may contract anything (no product by other than a power of two feeds a
sum, see :func:`contractible`) has therefore the same bits here and in compiled code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from . import ir
from .expand import formula
from .interpret import CONVERSIONS, SCALARS
from .ir import TRANSCENDENTALS, Atom, Const, Let

Array: TypeAlias = np.ndarray[Any, Any]

#: Exponents within which no step of a double-precision error-free product or sum can
#: overflow or lose bits below the smallest number.
_SAFE = 2.0**300, 2.0**-300


def evaluate(lets: Sequence[Let], given: Mapping[str, Array]) -> Array:
    """The value of the last of `lets`, where names not defined by them are `given`.

    Arrays broadcast.
    """
    values: dict[str, Array] = dict(given)
    with np.errstate(all="ignore"):
        for let in expanded(lets):
            args = [_value(a, values) for a in let.args]
            values[let.name] = _apply(let, args)
    return values[lets[-1].name]


def expanded(lets: Sequence[Let]) -> Iterator[Let]:
    """`lets` with transcendentals replaced by formulas over the other primitives."""
    for let in lets:
        if let.op not in TRANSCENDENTALS:
            yield let
            continue
        steps = formula(let.op, let.dtype)
        renamed: dict[Atom, Atom] = dict(zip("xy", let.args, strict=False))
        for step in steps:
            name = let.name if step is steps[-1] else f"{let.name}.{step.name}"
            args = tuple(renamed.get(a, a) for a in step.args)
            yield Let(name, step.op, args, step.dtype)
            renamed[step.name] = name


def contractible(lets: Sequence[Let]) -> list[Let]:
    """The sums and differences in a formula that a target may turn into an fma.

    Those with a rounded product as an operand, also through a negation or a choice;
    a product by a power of two is exact and does not count.
    """
    rounded: set[Atom] = set()
    found = []
    for let in expanded(lets):
        match let.op:
            case "mul" if not any(_is_power_of_two(a) for a in let.args):
                rounded.add(let.name)
            case "neg" | "select" if let.dtype in ir.FLOATS:
                if rounded.intersection(let.args):
                    rounded.add(let.name)
            case "add" | "sub" if let.dtype in ir.FLOATS:
                if rounded.intersection(let.args):
                    found.append(let)
    return found


def _is_power_of_two(atom: Atom) -> bool:
    if not isinstance(atom, Const):
        return False
    return bool(np.frexp(abs(float(atom.value)))[0] == 0.5)


def _value(atom: Atom, values: Mapping[str, Array]) -> Array:
    if isinstance(atom, Const):
        return np.asarray(atom.value, atom.dtype)
    return values[atom]


def _apply(let: Let, args: list[Array]) -> Array:
    dtype = np.dtype(let.dtype)
    match let.op:
        case "cast":
            result = _cast(args[0], dtype)
        case "bitcast":
            result = CONVERSIONS["bitcast"](np.asarray(args[0]), dtype)
        case op:
            result = _ARRAYS.get(op, SCALARS[op])(*args)
    made = np.asarray(result)
    if made.dtype != dtype:
        raise TypeError(f"{let.name}: {let.op} gives {made.dtype}, declared {dtype}")
    return made


def _cast(x: Array, dtype: np.dtype[Any]) -> Array:
    """NumPy's cast, made total as the loop IR's is."""
    if x.dtype.kind != "f" or dtype.kind not in "iu":
        return x.astype(dtype)
    limits = np.iinfo(dtype)
    inside = (x >= float(limits.min)) & (x < float(limits.max) + 1.0)
    return np.where(
        inside, np.where(inside, x, 0).astype(dtype), dtype.type(limits.min)
    )


def fma(a: Array, b: Array, c: Array) -> Array:
    """``a * b + c`` rounded once, for arrays of float32 or float64."""
    if a.dtype == np.float32:
        return _fma32(a, b, c)
    x, y, z = np.broadcast_arrays(a, b, c)
    if not x.ndim:
        return np.asarray(SCALARS["fma"](x[()], y[()], z[()]))
    result = np.asarray(_fma64(x, y, z))
    rare = ~_surely_exact(x, y, z)
    for place in zip(*np.nonzero(rare), strict=True):
        result[place] = SCALARS["fma"](x[place], y[place], z[place])
    return result


def _fma32(a: Array, b: Array, c: Array) -> Array:
    """In double the product is exact; the sum is rounded to odd, then to float32."""
    product = a.astype(np.float64) * b.astype(np.float64)
    total, error = _two_sum(product, c.astype(np.float64))
    return np.asarray(_to_odd(total, error).astype(np.float32))


def _fma64(a: Array, b: Array, c: Array) -> Array:
    """Boldo and Melquiond, "Emulation of FMA and correctly rounded sums" (2008)."""
    high, low = _two_product(a, b)
    t, t_low = _two_sum(c, low)
    v, v_low = _two_sum(high, t)
    result = v + _to_odd(*_two_sum(t_low, v_low))
    return np.asarray(np.where(result == 0, a * b + c, result))  # the zero's sign


def _surely_exact(a: Array, b: Array, c: Array) -> Array:
    """Where :func:`_fma64` meets neither overflow nor numbers near the smallest."""
    most, least = _SAFE
    safe = np.ones(np.shape(a), bool)
    for x in (a, b, c):
        size = np.abs(x)
        safe &= (size < most) & ((size > least) | (x == 0))
    return safe


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """The sum rounded and its error (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """The product rounded and its error (Dekker, with Veltkamp's splitting)."""
    product = a * b
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    return product, a2 * b2 - (((product - a1 * b1) - a2 * b1) - a1 * b2)


def _halves(x: Array) -> tuple[Array, Array]:
    scaled = x * 134217729.0  # 2**27 + 1
    high = scaled - (scaled - x)
    return high, x - high


def _to_odd(total: Array, error: Array) -> Array:
    """`total`, moved towards `error` to an odd last bit where the sum is inexact."""
    even = (total.view(np.int64) & 1) == 0
    inexact = np.isfinite(error) & (error != 0) & even & np.isfinite(total)
    towards = np.where(error > 0, np.inf, -np.inf)
    return np.where(inexact, np.nextafter(total, towards), total)


def _shift(shift: Callable[..., Array], a: Array, b: Array) -> Array:
    """A shift by the width or more moves every bit out."""
    a, b = np.broadcast_arrays(a, b)
    width = a.dtype.itemsize * 8
    inside = (b >= 0) & (b < width)
    moved = shift(a, np.where(inside, b, 0).astype(b.dtype))
    signed = a.dtype.kind == "i" and shift is np.right_shift
    rest = np.where(a < 0, -1, 0).astype(a.dtype) if signed else np.zeros_like(a)
    return np.where(inside, moved, rest)


def _select(condition: Array, yes: Array, no: Array) -> Array:
    return np.where(condition, yes, no)


def _lookup(index: Array, *table: Array) -> Array:
    chosen: Array = np.stack(table)[index & 15]
    return chosen


_ARRAYS: dict[str, Callable[..., Array]] = {
    "fma": fma,
    "select": _select,
    "lookup": _lookup,
    "shl": lambda a, b: _shift(np.left_shift, a, b),
    "shr": lambda a, b: _shift(np.right_shift, a, b),
}
