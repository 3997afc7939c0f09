"""The loop interpreter: slow, obvious, and the oracle for every target.

It executes a kernel statement by statement with NumPy scalars of the declared dtypes,
in the order in which the text form reads.  A target may order sums differently,
contract to FMA and differ in a transcendental's last bits; in all else it must agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from . import ir
from .ir import (
    Affine,
    Atom,
    Buffer,
    Check,
    Combine,
    Const,
    Extent,
    Kernel,
    Let,
    Load,
    Loop,
    Statement,
    Store,
)
from .program import Array

#: A NumPy scalar; its dtype is known only at run time.
Scalar: TypeAlias = Any
Arrays: TypeAlias = Mapping[str, np.ndarray]
# Scalars


def _fma(a: Scalar, b: Scalar, c: Scalar) -> Scalar:
    """``a * b + c`` rounded once, for float32 and float64."""
    if not np.isfinite(c) and np.isfinite(a) and np.isfinite(b):
        return c  # even where a * b alone would overflow
    if not (np.isfinite(a) and np.isfinite(b)):
        return a * b + c
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    if exact == 0:
        return a * b + c  # nothing is rounded, and the zero has the right sign
    try:
        nearest = float(exact)
    except OverflowError:
        nearest = math.inf if exact > 0 else -math.inf
    if a.dtype == np.float64 or math.isinf(nearest):
        return a.dtype.type(nearest)
    return np.float32(_round_to_odd(exact, nearest))


def _round_to_odd(exact: Fraction, nearest: float) -> float:
    """The float64 beside `exact` whose last bit is 1, unless `exact` is a float64.

    Rounding that to float32 is rounding `exact` to float32: the last bit remembers what
    was cut off (Boldo and Melquiond, "When double rounding is odd", 2005).
    """
    error = exact - Fraction(nearest)
    if error == 0 or np.float64(nearest).view(np.int64) & 1:
        return nearest
    return math.nextafter(nearest, math.inf if error > 0 else -math.inf)


def _special(name: str) -> Callable[[Scalar], Scalar]:
    """SciPy's function `name`, whose module is slow to import and rarely needed."""

    def evaluate(x: Scalar) -> Scalar:
        from scipy import special

        return getattr(special, name)(x)

    return evaluate


def _trigamma(x: Scalar) -> Scalar:
    from scipy.special import polygamma

    return x.dtype.type(polygamma(1, x))  # which is always float64


def _select(condition: Scalar, yes: Scalar, no: Scalar) -> Scalar:
    return yes if condition else no


def _lookup(index: Scalar, *table: Scalar) -> Scalar:
    return table[int(index) & 15]


def cast_to(x: Scalar, dtype: np.dtype) -> Scalar:
    """NumPy's cast, made total: out of range gives the smallest integer of the type."""
    if x.dtype.kind != "f" or dtype.kind not in "iu":
        return x.astype(dtype)
    limits = np.iinfo(dtype)
    if np.isfinite(x) and limits.min <= int(x) <= limits.max:
        return dtype.type(int(x))
    return dtype.type(limits.min)


#: What every primitive and transcendental computes, in the dtype of its operands.
SCALARS: dict[str, Callable[..., Scalar]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
    "floordiv": np.floor_divide, "rem": np.remainder,
    "neg": np.negative, "abs": np.absolute, "min": np.minimum, "max": np.maximum,
    "fma": _fma, "sqrt": np.sqrt, "rint": np.rint, "floor": np.floor,
    "ceil": np.ceil, "trunc": np.trunc, "copysign": np.copysign,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
    "gt": np.greater, "ge": np.greater_equal,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "not": np.invert, "shl": np.left_shift, "shr": np.right_shift,
    "select": _select, "lookup": _lookup,
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1,
    "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p,
    "pow": np.power, "cbrt": np.cbrt, "hypot": np.hypot, "sigmoid": _special("expit"),
    "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "erf": _special("erf"), "erfc": _special("erfc"), "erfcx": _special("erfcx"),
    "erfinv": _special("erfinv"), "erfcinv": _special("erfcinv"),
    "lgamma": _special("gammaln"), "gamma": _special("gamma"),
    "digamma": _special("psi"), "trigamma": _trigamma,
}  # fmt: skip

#: The primitives whose result type is part of the operation.
CONVERSIONS: dict[str, Callable[[Scalar, np.dtype], Scalar]] = {
    "cast": cast_to,
    "bitcast": lambda x, dtype: x.view(dtype),
}


def identity(combine: Combine, dtype: str) -> Scalar:
    """What an empty loop leaves in an accumulator of `dtype`."""
    kind = np.dtype(dtype)
    match combine:
        case "sum" | "or":
            return kind.type(0)
        case "prod":
            return kind.type(1)
        case "and":
            return np.invert(kind.type(0))
        case "min" | "max":
            return _extreme(kind, is_largest=combine == "min")


def _extreme(dtype: np.dtype, is_largest: bool) -> Scalar:
    if dtype.kind == "f":
        return dtype.type(np.inf if is_largest else -np.inf)
    if dtype.kind == "b":
        return dtype.type(is_largest)
    limits = np.iinfo(dtype)
    return dtype.type(limits.max if is_largest else limits.min)


def applied(let: Let, args: list[Scalar]) -> Scalar:
    """The value of a statement whose arguments are given as NumPy scalars."""
    dtype = np.dtype(let.dtype)
    if let.op in CONVERSIONS:
        return CONVERSIONS[let.op](args[0], dtype)
    result = SCALARS[let.op](*args)
    if result.dtype != dtype:
        raise TypeError(f"{let.name}: {let.op} gives {result.dtype}, declared {dtype}")
    return result


def garbage(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Memory with conspicuous contents: NaN, or the bytes 0xA5 (true for bool)."""
    if dtype in ir.FLOATS:
        return np.full(shape, np.nan, dtype)
    array = np.empty(shape, dtype)
    array.fill(np.frombuffer(b"\xa5" * 8, dtype)[0] if dtype != "bool" else True)
    return array


# Kernels


def run_kernel(
    kernel: Kernel, buffers: Mapping[str, np.ndarray], sizes: Mapping[str, int]
) -> int:
    """Execute `kernel` on `buffers`, in place; all loops run in order.

    Returns 0, or the code of the first `Check` that failed (the run goes on after it).
    Raises KeyError for a missing buffer or size, TypeError and ValueError where one has
    another dtype or shape than declared, and IndexError for an access out of bounds.
    """
    known = {name: int(sizes[name]) for name in kernel.sizes}
    for buffer in kernel.buffers:
        require_fits(buffer, buffers[buffer.name], known)
    memory = {buffer.name: buffers[buffer.name] for buffer in kernel.buffers}
    for buffer in kernel.scratch:
        shape = dims_of(buffer.shape, known)
        memory[buffer.name] = garbage(buffer.dtype, shape)
    values = {name: np.int64(size) for name, size in known.items()}
    frame = Frame(memory, values)
    with np.errstate(all="ignore"):
        frame.block(kernel.body)
    return frame.status


def require_fits(
    buffer: Buffer | Array, array: np.ndarray, sizes: Mapping[str, int]
) -> None:
    """Raise TypeError or ValueError where `array` is not what is declared."""
    if array.dtype != np.dtype(buffer.dtype):
        raise TypeError(f"{buffer.name} is {buffer.dtype}, given {array.dtype}")
    if array.shape != dims_of(buffer.shape, sizes):
        wanted = dims_of(buffer.shape, sizes)
        raise ValueError(f"{buffer.name} has shape {wanted}, given {array.shape}")


def dims_of(shape: tuple[Extent, ...], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A shape in numbers."""
    return tuple(size_of(extent, sizes) for extent in shape)


def size_of(extent: Extent, sizes: Mapping[str, int]) -> int:
    """An extent as a number."""
    return extent if isinstance(extent, int) else int(sizes[extent])


@dataclass(slots=True)
class Frame:
    """The memory and the values of one run."""

    memory: dict[str, np.ndarray]
    values: dict[str, Scalar] = field(default_factory=dict)
    status: int = 0

    def atom(self, atom: Atom) -> Scalar:
        if isinstance(atom, Const):
            return np.dtype(atom.dtype).type(atom.value)
        return self.values[atom]

    def position(self, buffer: str, index: tuple[Affine, ...]) -> tuple[int, ...]:
        """The index as integers, within bounds (NumPy would wrap negative ones)."""
        position = tuple(
            affine.const
            + sum(coef * int(self.values[name]) for name, coef in affine.terms)
            for affine in index
        )
        shape = self.memory[buffer].shape
        inside = (0 <= at < dim for at, dim in zip(position, shape, strict=True))
        if not all(inside):
            raise IndexError(f"{buffer}{list(position)} is outside of shape {shape}")
        return position

    def block(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            match statement:
                case Let(name, _, args):
                    atoms = [self.atom(arg) for arg in args]
                    self.values[name] = applied(statement, atoms)
                case Load():
                    self.values[statement.name] = self.load(statement)
                case Store():
                    self.store(statement)
                case Check(ok, code, _):
                    if not self.values[ok] and self.status == 0:
                        self.status = code
                case Loop():
                    self.loop(statement)

    def load(self, load: Load) -> Scalar:
        if load.guard is not None and not self.values[load.guard]:
            return np.dtype(load.dtype).type(0)
        return self.memory[load.buffer][self.position(load.buffer, load.index)]

    def store(self, store: Store) -> None:
        array = self.memory[store.buffer]
        at = self.position(store.buffer, store.index)
        value = self.atom(store.value)
        if value.dtype != array.dtype:
            raise TypeError(f"a {value.dtype} stored to {store.buffer}, {array.dtype}")
        array[at] = array[at] + value if store.accumulate else value

    def loop(self, loop: Loop) -> None:
        extent = size_of(loop.extent, self.values)
        held = {c.name: identity(c.combine, c.dtype) for c in loop.carries}
        self.values.update([(s.name, self.atom(s.init)) for s in loop.state])
        for i in range(extent):
            if loop.going is not None and not self.values[loop.going]:
                break
            self.values[loop.axis] = np.int64(i)
            self.block(loop.body)
            self.values.update([(s.name, self.atom(s.next)) for s in loop.state])
            for carry in loop.carries:
                combine = SCALARS[ir.COMBINERS[carry.combine]]
                held[carry.name] = combine(held[carry.name], self.atom(carry.value))
        self.values.update(held)
        self.values.update([(s.final, self.values[s.name]) for s in loop.state])
