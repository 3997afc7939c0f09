"""Random draws: pure functions of a key and a position, and of their bits.

A draw is Threefry's output at the element's position, turned into a number of the
distribution wanted by a formula that rounds the same way everywhere: products are exact
or written as `fma`, so that no compiler may contract them, and `ref` evaluates the very
formula that is compiled.  Draws are therefore equal bit for bit in every mode, however
the work is cut up, and they fuse into what reads them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..codegen import ir
from ..dims import Size
from ..errors import DTypeError
from ..graph import Node
from ..op import Array, Element, Elemwise, Index, Indexed, Opaque, broadcast, op
from ..types import TensorType, tensor
from ..variable import Variable, apply
from .common import Flags, Grads, refuse_sizes
from .normal_quantile import normal_quantile
from .sizes import shape_from

if TYPE_CHECKING:
    from ..lower import At, Emitter
    from ..lower.kernel import KernelBuilder

__all__ = [
    "MultiplyAdd",
    "MultiplyHigh",
    "Positions",
    "Shuffle",
    "StandardExponential",
    "StandardGumbel",
    "StandardLaplace",
    "StandardNormal",
    "StandardUniform",
    "Threefry",
]

#: The float type whose precision so many random bits fill.
FLOAT_OF = {"uint32": "float32", "uint64": "float64"}

ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)
PARITY = 0x1BD11BDA


@op
class Positions(Indexed):
    """The position of each element in C order, int64: inputs are the int64 sizes."""

    free: ClassVar[bool] = True

    def infer(self, *inputs: Node) -> TensorType:
        return tensor("int64", shape_from(inputs))

    def ref(self, *sizes: Array) -> Array:
        shape = tuple(int(s) for s in sizes)
        count = int(np.prod(shape, dtype=np.int64))
        return np.arange(count, dtype="int64").reshape(shape)

    def vjp(self, g: Variable, y: Variable, *sizes: Variable) -> Grads:
        return tuple(None for _ in sizes)

    def batch(self, batched: Flags, *sizes: Variable) -> Variable:
        refuse_sizes(self, batched, *sizes)
        return apply(self, *sizes)

    def element(self, at: At) -> Element:
        place = at.literal(0, "int64")
        for number, size in enumerate(at.node.type.dims):
            inner = at.value(at.index[number])
            place = inner if number == 0 else place * at.value(at.extent(size)) + inner
        return place
        yield  # a generator that reads nothing


@op
class Threefry(Elemwise):
    """Threefry-2x32 with 20 rounds: inputs two uint32 key words and an int64 counter.

    The counter's high and low words are the block.  With `width` 64 the result is both
    words of the output, the first one high; with 32 it is their exclusive or.

    Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (2011).
    """

    width: int

    weight: ClassVar[int] = 120

    def infer(self, *inputs: Node) -> TensorType:
        return tensor(f"uint{self.width}", broadcast(*(i.type.dims for i in inputs)))

    def ref(self, first: Array, second: Array, counter: Array) -> Array:
        x0 = np.asarray(counter >> 32).astype("uint32")
        x1 = np.asarray(counter).astype("uint32")
        keys = first, second, first ^ second ^ np.uint32(PARITY)
        with np.errstate(over="ignore"):
            x0, x1 = x0 + keys[0], x1 + keys[1]
            for group in range(5):
                for turn in ROTATIONS[group % 2]:
                    x0 = x0 + x1
                    x1 = (x1 << np.uint32(turn)) | (x1 >> np.uint32(32 - turn))
                    x1 = x1 ^ x0
                x0 = x0 + keys[(group + 1) % 3]
                x1 = x1 + keys[(group + 2) % 3] + np.uint32(group + 1)
        if self.width == 32:
            return np.asarray(x0 ^ x1)
        return np.asarray((x0.astype("uint64") << np.uint64(32)) | x1)

    def vjp(self, g: Variable, y: Variable, *inputs: Variable) -> Grads:
        return None, None, None

    def scalar(self, *values: ir.Value) -> ir.Value:
        first, second, counter = values
        x0, x1 = (counter >> 32).cast("uint32"), counter.cast("uint32")
        keys = first, second, first ^ second ^ PARITY
        x0, x1 = x0 + keys[0], x1 + keys[1]
        for group in range(5):
            for turn in ROTATIONS[group % 2]:
                x0 = x0 + x1
                x1 = ((x1 << turn) | (x1 >> (32 - turn))) ^ x0
            x0 = x0 + keys[(group + 1) % 3]
            x1 = x1 + (keys[(group + 2) % 3] + (group + 1))
        if self.width == 32:
            return x0 ^ x1
        return (x0.cast("uint64") << 32) | x1.cast("uint64")


def multiply_high(a: ir.Value, b: ir.Value) -> ir.Value:
    """The high 64 bits of a product of uint64, from products of halves."""
    low = 0xFFFFFFFF
    a_low, a_high, b_low, b_high = a & low, a >> 32, b & low, b >> 32
    across, up = a_low * b_high, a_high * b_low
    middle = (a_low * b_low >> 32) + (across & low) + (up & low)
    return a_high * b_high + (across >> 32) + (up >> 32) + (middle >> 32)


@op
class MultiplyHigh(Elemwise):
    """The high 64 bits of the 128-bit product of two uint64.

    Of random bits and n it is a number below n; the shares of two numbers differ by a
    factor of 1 + n / 2**64 at most (Lemire, "Fast random integer generation in an
    interval", 2019, without the rejection).
    """

    commutative: ClassVar[bool] = True
    weight: ClassVar[int] = 20

    def ref(self, a: Array, b: Array) -> Array:
        low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
        a_low, a_high, b_low, b_high = a & low, a >> half, b & low, b >> half
        across, up = a_low * b_high, a_high * b_low
        middle = (a_low * b_low >> half) + (across & low) + (up & low)
        high = a_high * b_high + (across >> half) + (up >> half)
        return np.asarray(high + (middle >> half))

    def vjp(self, g: Variable, y: Variable, *inputs: Variable) -> Grads:
        return None, None

    def scalar(self, *values: ir.Value) -> ir.Value:
        return multiply_high(*values)


@op
class MultiplyAdd(Elemwise):
    """a * b + c rounded once, in every mode."""

    def ref(self, a: Array, b: Array, c: Array) -> Array:
        from ..codegen.arrays import fma as exact_fma  # and the interpreter with it

        return exact_fma(a, b, c)

    def vjp(
        self, g: Variable, y: Variable, a: Variable, b: Variable, c: Variable
    ) -> Grads:
        return g * b, g * a, g

    def scalar(self, *values: ir.Value) -> ir.Value:
        return ir.apply("fma", *values)


class Draw(Elemwise):
    """Random bits, uint32 or uint64, as a float32 or float64 of some distribution."""

    weight: ClassVar[int] = 60

    def infer(self, *inputs: Node) -> TensorType:
        (bits,) = inputs
        if bits.type.dtype not in FLOAT_OF:
            raise DTypeError(
                f"random bits are uint32 or uint64, not {bits.type.dtype}",
                "make them with sg.random.bits",
            )
        return tensor(FLOAT_OF[bits.type.dtype], bits.type.dims)

    def ref(self, bits: Array) -> Array:
        from ..codegen.arrays import evaluate

        return evaluate(formula(self, str(bits.dtype)), {"bits": bits})

    def vjp(self, g: Variable, y: Variable, bits: Variable) -> Grads:
        return (None,)


@cache
def formula(draw: Draw, dtype: str) -> tuple[ir.Let, ...]:
    """The formula of `draw` over bits of `dtype`, called "bits"."""
    builder = ir.Builder()
    draw.scalar(ir.Value(builder, "bits", dtype))
    return tuple(s for s in builder.statements if isinstance(s, ir.Let))


def width(bits: ir.Value) -> int:
    """How many bits there are."""
    return 32 if bits.dtype == "uint32" else 64


def fraction(bits: ir.Value) -> ir.Value:
    """``(bits + 1/2) / 2**width``, rounded: in (0, 1], with small numbers exact."""
    scale = 2.0 ** -width(bits)
    return ir.apply("fma", bits.cast(FLOAT_OF[bits.dtype]), scale, scale / 2)


def two_sided(bits: ir.Value) -> tuple[ir.Value, ir.Value]:
    """An odd integer a, uniform below ``2**width``, and a float with a random sign.

    ``a / 2**width`` is the size of a number that is uniform in (-1, 1), and
    ``-a / 2**width`` modulo 1, as exact, its distance from 1.
    """
    number = bits.bitcast(bits.dtype.removeprefix("u"))
    size = number ^ (number >> (width(bits) - 1))
    odd = (size << 1 ^ 1).bitcast(bits.dtype)
    return odd, bits.bitcast(FLOAT_OF[bits.dtype])


@op
class StandardUniform(Draw):
    """Uniform in [0, 1): a multiple of 2**-24 (float32) or 2**-53 (float64)."""

    weight: ClassVar[int] = 3

    def scalar(self, *values: ir.Value) -> ir.Value:
        (bits,) = values
        digits = 24 if bits.dtype == "uint32" else 53
        whole = (bits >> (width(bits) - digits)).cast(FLOAT_OF[bits.dtype])
        return whole * 2.0**-digits  # exact


@op
class StandardExponential(Draw):
    """Exponential with mean 1: -log(u), u uniform in (0, 1]."""

    def scalar(self, *values: ir.Value) -> ir.Value:
        return ir.apply("abs", ir.apply("log", fraction(*values)))


@op
class StandardGumbel(Draw):
    """Gumbel with location 0 and scale 1: -log(-log(1 - v)), v uniform in (0, 1).

    Its upper tail, which decides a largest one, has all the bits.
    """

    def scalar(self, *values: ir.Value) -> ir.Value:
        v = fraction(*values)
        below_one = 1 - 2.0 ** (-24 if v.dtype == "float32" else -53)
        v = ir.select(v > below_one, below_one, v)
        exponential = ir.apply("abs", ir.apply("log1p", -v))
        return -ir.apply("log", exponential)


@op
class StandardLaplace(Draw):
    """Laplace with location 0 and scale 1: an exponential with a random sign."""

    def scalar(self, *values: ir.Value) -> ir.Value:
        odd, sign = two_sided(*values)
        u = odd.cast(sign.dtype) * 2.0 ** -width(odd)
        return ir.apply("copysign", ir.apply("log", u), sign)


@op
class StandardNormal(Draw):
    """Normal with mean 0 and variance 1: the inverse of the distribution function."""

    weight: ClassVar[int] = 120

    def scalar(self, *values: ir.Value) -> ir.Value:
        odd, sign = two_sided(*values)
        scale = 2.0 ** -width(odd)
        x = odd.cast(sign.dtype) * scale
        rest = (-odd).cast(sign.dtype) * scale
        return normal_quantile(ir.apply("copysign", x, sign), rest)


@op
class Shuffle(Opaque):
    """A permutation of 0, 1, ... from as many random uint64, along the last axis.

    Fisher and Yates' shuffle as Knuth gives it (TAOCP 2, 3.4.2, algorithm P), from the
    front: element i changes places with one of those not before it.
    """

    def infer(self, *inputs: Node) -> TensorType:
        return tensor("int64", inputs[0].type.dims)

    def ref(self, bits: Array) -> Array:
        length = bits.shape[-1]
        left = np.arange(length, 0, -1).astype("uint64")
        chosen = MultiplyHigh().ref(bits, left).astype("int64") + np.arange(length)
        result = np.empty(bits.shape, "int64")
        result[...] = np.arange(length)
        for place in np.ndindex(bits.shape[:-1]):
            row = result[place]
            for i, j in enumerate(chosen[place]):
                row[i], row[j] = row[j], row[i]
        return result

    def vjp(self, g: Variable, y: Variable, bits: Variable) -> Grads:
        return (None,)

    def batch(self, batched: tuple[bool, ...], bits: Variable) -> Variable:
        return apply(self, bits)

    def steps(self, node: Node, emit: Emitter) -> None:
        (bits,) = node.inputs
        emit.array(node)

        def fill(kernel: KernelBuilder, index: Index) -> None:
            kernel.store(node, index, kernel.at(node, index).value(index[-1]))

        def exchange(kernel: KernelBuilder, index: Index) -> None:
            at = kernel.at(node, index)
            here = at.value(index[-1])
            left = (at.value(at.extent(node.type.dims[-1])) - here).cast("uint64")
            step = multiply_high(kernel.value(bits, index), left).cast("int64")
            other = (*index[:-1], at.position(here + step))
            buffer = kernel.buffer(node, written=True)
            mine = kernel.builder.load(buffer, index)
            theirs = kernel.builder.load(buffer, other)
            kernel.store(node, index, theirs)
            kernel.store(node, other, mine)

        dims: tuple[Size, ...] = node.type.dims
        emit.loop(node, dims, fill)
        emit.loop(node, dims, exchange, parallel=False)
