"""Complex numbers: their parts, and numbers of parts.

Gradients follow JAX: that of a real cost by ``z = x + iy`` is ``df/dx - i df/dy``, so
that a holomorphic step is multiplied by its derivative and never by a conjugate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..codegen import ir
from ..errors import DTypeError
from ..graph import Node
from ..op import Array, Elemwise, Pair, broadcast, op
from ..types import TensorType, complex_dtype, is_complex, real_dtype, tensor
from ..variable import Variable, apply, as_tensor, promote
from .cast import cast
from .common import Grads
from .create import zeros_like

__all__ = [
    "Conj",
    "FromParts",
    "Imag",
    "Real",
    "conj",
    "conjugate",
    "from_parts",
    "imag",
    "iscomplexobj",
    "real",
]


class Part(Elemwise):
    """One of the two parts of complex numbers."""

    def infer(self, *inputs: Node) -> TensorType:
        (x,) = inputs
        return tensor(real_dtype(x.type.dtype), x.type.dims)

    def jvp(
        self, y: Variable, xs: Sequence[Variable], ts: Sequence[Variable | None]
    ) -> Variable | None:
        return None if ts[0] is None else apply(self, ts[0])


@op
class Real(Part):
    """The real part."""

    def ref(self, x: Array) -> Array:
        return np.real(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (cast(g, x.dtype),)

    def parts(self, x: Pair) -> Variable:
        return x.re


@op
class Imag(Part):
    """The imaginary part."""

    def ref(self, x: Array) -> Array:
        return np.imag(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (from_parts(0, -g),)

    def parts(self, x: Pair) -> Variable:
        return x.im


@op
class FromParts(Elemwise):
    """re + i im."""

    def infer(self, *inputs: Node) -> TensorType:
        if is_complex(inputs[0].type.dtype):
            raise DTypeError("a part is complex itself", "give real parts")
        shape = broadcast(*(i.type.dims for i in inputs))
        return tensor(complex_dtype(inputs[0].type.dtype), shape)

    def ref(self, re: Array, im: Array) -> Array:
        # Not re + 1j * im, which is NaN where im is infinite.
        shape = np.broadcast_shapes(re.shape, im.shape)
        made = np.empty(shape, complex_dtype(re.dtype.name))
        made.real, made.imag = re, im
        return made

    def vjp(self, g: Variable, y: Variable, re: Variable, im: Variable) -> Grads:
        return real(g), -imag(g)

    def jvp(
        self, y: Variable, xs: Sequence[Variable], ts: Sequence[Variable | None]
    ) -> Variable | None:
        if ts[0] is None and ts[1] is None:
            return None
        return from_parts(*(zeros_like(y.real) if t is None else t for t in ts))

    def parts(self, re: Variable, im: Variable) -> Pair:
        return Pair(re, im)

    def scalar(self, re: ir.Value, im: ir.Value) -> ir.Value:
        """Traced for what it reads: loops write the parts apart."""
        return re


@op
class Conj(Elemwise):
    """The complex conjugate."""

    def ref(self, x: Array) -> Array:
        return np.conj(x)

    def vjp(self, g: Variable, y: Variable, x: Variable) -> Grads:
        return (conj(g),)

    def parts(self, x: Pair) -> Pair:
        return Pair(x.re, -x.im)


def from_parts(re: object, im: object) -> Variable:
    """Complex numbers with the real parts `re` and the imaginary parts `im`."""
    return apply(FromParts(), *promote(re, im, to="float"))


def real(x: object) -> Variable:
    """Elementwise real part; `x` itself where it is not complex."""
    value = as_tensor(x)
    return apply(Real(), value) if is_complex(value.dtype) else value


def imag(x: object) -> Variable:
    """Elementwise imaginary part; zeros where `x` is not complex."""
    value = as_tensor(x)
    if is_complex(value.dtype):
        return apply(Imag(), value)
    return zeros_like(value)


def conj(x: object) -> Variable:
    """Elementwise complex conjugate; `x` itself where it is not complex."""
    value = as_tensor(x)
    return apply(Conj(), value) if is_complex(value.dtype) else value


conjugate = conj


def iscomplexobj(x: object) -> bool:
    """Whether the dtype of `x` is complex."""
    return is_complex(as_tensor(x).dtype)
