"""Elementwise arithmetic, comparison and choice.

Operands are promoted by NumPy 2's rules and broadcast.  Gradients are given for the
broadcast result; :mod:`symgraph.autodiff` sums them to each operand's shape.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from .. import dims
from ..codegen import ir
from ..dims import Size
from ..errors import DTypeError
from ..graph import Node
from ..op import Array, Elemwise, broadcast, op
from ..types import TensorType, is_float, tensor
from ..variable import Variable, apply, promote

__all__ = [
    "Abs",
    "Add",
    "Binary",
    "BitwiseAnd",
    "BitwiseOr",
    "BitwiseXor",
    "Comparison",
    "Divide",
    "Equal",
    "FloorDivide",
    "Invert",
    "Less",
    "LessEqual",
    "Maximum",
    "Minimum",
    "Multiply",
    "Negative",
    "NotEqual",
    "Remainder",
    "Subtract",
    "Where",
    "abs",
    "add",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "divide",
    "equal",
    "floor_divide",
    "greater",
    "greater_equal",
    "invert",
    "less",
    "less_equal",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "remainder",
    "subtract",
    "where",
]

Grads = tuple[Variable | None, ...]


class Binary(Elemwise):
    """An elementwise op of two operands."""


class Comparison(Binary):
    """A binary op that gives bool and has no gradient."""

    result: ClassVar[str | None] = "bool"

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return None, None


def _arithmetic(made: Elemwise, a: object, b: object, *, boolean: bool) -> Variable:
    """Apply an arithmetic op to promoted operands; `boolean`: defined on bool."""
    x, y = promote(a, b)
    if x.dtype == "bool" and not boolean:
        raise DTypeError(
            f"{made.name}: not defined for bool operands, as in NumPy\n"
            f"  operands: {x}, {y}\n  help: use ^ or cast an operand to a number"
        )
    return apply(made, x, y)


# -- arithmetic ------------------------------------------------------------------------


@op
class Add(Binary):
    """a + b (logical or on bool)."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.add(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return g, g

    def dim(self, a: Size, b: Size) -> Size:
        return dims.add(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a | b if a.dtype == "bool" else a + b


def add(a: object, b: object) -> Variable:
    """Elementwise sum of `a` and `b`."""
    return _arithmetic(Add(), a, b, boolean=True)


@op
class Subtract(Binary):
    """a - b."""

    def ref(self, a: Array, b: Array) -> Array:
        return np.subtract(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return g, -g

    def dim(self, a: Size, b: Size) -> Size:
        return dims.sub(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a - b


def subtract(a: object, b: object) -> Variable:
    """Elementwise difference of `a` and `b`."""
    return _arithmetic(Subtract(), a, b, boolean=False)


@op
class Multiply(Binary):
    """a * b (logical and on bool)."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.multiply(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return g * b, g * a

    def dim(self, a: Size, b: Size) -> Size:
        return dims.mul(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a & b if a.dtype == "bool" else a * b


def multiply(a: object, b: object) -> Variable:
    """Elementwise product of `a` and `b`."""
    return _arithmetic(Multiply(), a, b, boolean=True)


@op
class Divide(Binary):
    """a / b, in floating point."""

    operands: ClassVar[str] = "division"

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.divide(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return g / b, -(g * y / b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a / b


def divide(a: object, b: object) -> Variable:
    """Elementwise quotient; integers are divided as float64."""
    x, y = promote(a, b)
    if not is_float(x.dtype):
        x, y = x.astype("float64"), y.astype("float64")
    return apply(Divide(), x, y)


@op
class FloorDivide(Binary):
    """a // b, rounded down; 0 where an integer divisor is 0."""

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.floor_divide(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return None, None

    def dim(self, a: Size, b: Size) -> Size:
        return dims.floordiv(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a // b


def floor_divide(a: object, b: object) -> Variable:
    """Elementwise quotient rounded towards minus infinity."""
    return _arithmetic(FloorDivide(), a, b, boolean=False)


@op
class Remainder(Binary):
    """a - b * floor(a / b), with the divisor's sign; 0 for an integer divisor 0."""

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.remainder(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return g, -(g * floor_divide(a, b))

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a % b


def remainder(a: object, b: object) -> Variable:
    """Elementwise remainder with the divisor's sign (Python's ``%``)."""
    return _arithmetic(Remainder(), a, b, boolean=False)


# -- comparisons -----------------------------------------------------------------------


@op
class Equal(Comparison):
    """a == b."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.equal(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a.eq(b)


@op
class NotEqual(Comparison):
    """a != b."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.not_equal(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a.ne(b)


@op
class Less(Comparison):
    """a < b."""

    def ref(self, a: Array, b: Array) -> Array:
        return np.less(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a < b


@op
class LessEqual(Comparison):
    """a <= b."""

    def ref(self, a: Array, b: Array) -> Array:
        return np.less_equal(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a <= b


def equal(a: object, b: object) -> Variable:
    """Elementwise ``a == b``."""
    return apply(Equal(), *promote(a, b))


def not_equal(a: object, b: object) -> Variable:
    """Elementwise ``a != b``."""
    return apply(NotEqual(), *promote(a, b))


def less(a: object, b: object) -> Variable:
    """Elementwise ``a < b``."""
    return apply(Less(), *promote(a, b))


def less_equal(a: object, b: object) -> Variable:
    """Elementwise ``a <= b``."""
    return apply(LessEqual(), *promote(a, b))


def greater(a: object, b: object) -> Variable:
    """Elementwise ``a > b``; stored as ``b < a``."""
    return less(b, a)


def greater_equal(a: object, b: object) -> Variable:
    """Elementwise ``a >= b``; stored as ``b <= a``."""
    return less_equal(b, a)


# -- choice ----------------------------------------------------------------------------


@op
class Minimum(Binary):
    """The smaller of a and b; NaN where either is NaN."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.minimum(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return _shared_at_ties(g, y, a, b)

    def dim(self, a: Size, b: Size) -> Size:
        return dims.minimum(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a & b if a.dtype == "bool" else ir.apply("min", a, b)


@op
class Maximum(Binary):
    """The larger of a and b; NaN where either is NaN."""

    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.maximum(a, b)

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return _shared_at_ties(g, y, a, b)

    def dim(self, a: Size, b: Size) -> Size:
        return dims.maximum(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a | b if a.dtype == "bool" else ir.apply("max", a, b)


def _shared_at_ties(g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
    """The cotangent to whichever operand was chosen, half to each where they tie."""
    half = where(equal(a, b), g * 0.5, g)
    return where(equal(a, y), half, 0), where(equal(b, y), half, 0)


def minimum(a: object, b: object) -> Variable:
    """Elementwise minimum; at ties the gradient is shared equally."""
    return apply(Minimum(), *promote(a, b))


def maximum(a: object, b: object) -> Variable:
    """Elementwise maximum; at ties the gradient is shared equally."""
    return apply(Maximum(), *promote(a, b))


@op
class Where(Elemwise):
    """a where the condition holds, else b."""

    def infer(self, *inputs: Node) -> TensorType:
        shape = broadcast(*(i.type.dims for i in inputs))
        return tensor(inputs[1].type.dtype, shape)

    def ref(self, condition: Array, a: Array, b: Array) -> Array:
        return np.where(condition, a, b)

    def vjp(
        self, g: Variable, y: Variable, c: Variable, a: Variable, b: Variable
    ) -> Grads:
        return None, where(c, g, 0), where(c, 0, g)

    def scalar(self, c: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
        return ir.select(c, a, b)


def where(condition: object, a: object, b: object) -> Variable:
    """Elementwise `a` where `condition` holds, else `b`; both are evaluated."""
    (chosen,) = promote(condition, to="bool")
    return apply(Where(), chosen, *promote(a, b))


# -- one operand -----------------------------------------------------------------------


@op
class Negative(Elemwise):
    """-x."""

    def ref(self, x: Array) -> Array:
        return np.negative(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (-g,)

    def dim(self, x: Size) -> Size:
        return dims.scale(x, -1)

    def scalar(self, x: ir.Value) -> ir.Value:
        return -x


def negative(x: object) -> Variable:
    """Elementwise ``-x``."""
    (value,) = promote(x)
    if value.dtype == "bool":
        raise DTypeError(
            f"negative: not defined for bool, as in NumPy\n  operands: {value}\n"
            "  help: use ~x for logical not, or cast to a number"
        )
    return apply(Negative(), value)


@op
class Abs(Elemwise):
    """The absolute value; its gradient at 0 is 0."""

    def ref(self, x: Array) -> Array:
        return np.abs(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (where(less(x, 0), -g, where(equal(x, 0), 0, g)),)

    def scalar(self, x: ir.Value) -> ir.Value:
        return x if x.dtype == "bool" else ir.apply("abs", x)


def abs(x: object) -> Variable:
    """Elementwise absolute value."""
    return apply(Abs(), *promote(x))


@op
class Copy(Elemwise):
    """x in an array of its own."""

    def ref(self, x: Array) -> Array:
        return np.array(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (g,)

    def scalar(self, x: ir.Value) -> ir.Value:
        return x


@op
class Invert(Elemwise):
    """~x: logical not on bool, bitwise on integers."""

    def ref(self, x: Array) -> Array:
        return np.invert(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (None,)

    def scalar(self, x: ir.Value) -> ir.Value:
        return ~x


@op
class BitwiseAnd(Comparison):
    """a & b: logical on bool, bitwise on integers."""

    result: ClassVar[str | None] = None
    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.bitwise_and(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a & b


@op
class BitwiseOr(Comparison):
    """a | b: logical on bool, bitwise on integers."""

    result: ClassVar[str | None] = None
    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.bitwise_or(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a | b


@op
class BitwiseXor(Comparison):
    """a ^ b: logical on bool, bitwise on integers."""

    result: ClassVar[str | None] = None
    commutative: ClassVar[bool] = True

    def ref(self, a: Array, b: Array) -> Array:
        return np.bitwise_xor(a, b)

    def scalar(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return a ^ b


def _bitwise(made: Elemwise, *operands: object) -> Variable:
    values = promote(*operands)
    if is_float(values[0].dtype):
        given = ", ".join(str(v) for v in values)
        raise DTypeError(
            f"{made.name}: not defined for floats, as in NumPy\n  operands: {given}\n"
            "  help: compare first (x > 0), or cast to an integer type"
        )
    return apply(made, *values)


def invert(x: object) -> Variable:
    """Elementwise ``~x``."""
    return _bitwise(Invert(), x)


def bitwise_and(a: object, b: object) -> Variable:
    """Elementwise ``a & b``."""
    return _bitwise(BitwiseAnd(), a, b)


def bitwise_or(a: object, b: object) -> Variable:
    """Elementwise ``a | b``."""
    return _bitwise(BitwiseOr(), a, b)


def bitwise_xor(a: object, b: object) -> Variable:
    """Elementwise ``a ^ b``."""
    return _bitwise(BitwiseXor(), a, b)
