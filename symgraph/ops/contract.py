"""Products that sum over shared axes: matmul, dot, tensordot, all by one op."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .. import dims
from ..codegen.ir import Extent
from ..codegen.program import Gemm
from ..dims import Dim, Size
from ..errors import ShapeError
from ..graph import Node
from ..op import Array, Opaque, Pair, op
from ..types import FLOATS, TensorType, tensor
from ..variable import Variable, apply, promote
from .arithmetic import multiply
from .broadcasting import Sum, broadcast_to
from .common import Flags, Grads, many_axes, refuse, sum_of
from .reduce import Any
from .sizes import common_size
from .view import expand_dims, reshape, squeeze, transpose

if TYPE_CHECKING:
    from ..lower import Emitter

__all__ = [
    "Contract",
    "contract",
    "dot",
    "matmul",
    "outer",
    "tensordot",
]

Labels: TypeAlias = tuple[int, ...]

#: Matrix products of so few multiplications are loops, in stacks of any size.
TINY = 64


@op
class Contract(Opaque):
    """Einstein summation of two operands, whose axes carry labels.

    A label of both operands that is not in `out` is summed over; one that is in all
    three is a batch axis.  Every label occurs in two of the three or in all, once in
    each.
    """

    left: Labels
    right: Labels
    out: Labels

    @property
    def contracted(self) -> Labels:
        """The labels summed over, as the left operand has them."""
        return tuple(k for k in self.left if k in self.right and k not in self.out)

    @property
    def stack(self) -> Labels:
        """The labels of all three, as the result has them."""
        return tuple(k for k in self.out if k in self.left and k in self.right)

    @property
    def rows(self) -> Labels:
        """The labels of the left operand and the result, as the result has them."""
        return tuple(k for k in self.out if k not in self.right)

    @property
    def columns(self) -> Labels:
        """The labels of the right operand and the result, as the result has them."""
        return tuple(k for k in self.out if k not in self.left)

    def infer(self, *inputs: Node) -> TensorType:
        size: dict[int, Size] = {}
        for label, extent in self._sizes(*inputs):
            known = size.setdefault(label, extent)
            if isinstance(extent, int) and known != extent:
                if isinstance(known, int):
                    raise ShapeError(
                        f"axes that are multiplied have sizes {known} and {extent}",
                        "sizes must be equal: transpose or reshape an operand",
                    )
                size[label] = extent
        return tensor(inputs[0].type.dtype, tuple(size[k] for k in self.out))

    def agree(self, *inputs: Node) -> Iterable[tuple[Size, Size]]:
        left = dict(zip(self.left, inputs[0].type.dims, strict=True))
        right = zip(self.right, inputs[1].type.dims, strict=True)
        return ((left[k], size) for k, size in right if k in left)

    def _sizes(self, *inputs: Node) -> Iterable[tuple[int, Size]]:
        for labels, node in zip((self.left, self.right), inputs, strict=True):
            yield from zip(labels, node.type.dims, strict=True)

    def ref(self, x: Array, y: Array) -> Array:
        """Both as stacks of matrices, multiplied and put in the order of the result."""
        size = dict(zip(self.left, x.shape, strict=True))
        for label, extent in zip(self.right, y.shape, strict=True):
            if size.setdefault(label, extent) != extent:
                raise ShapeError(
                    f"axes that are multiplied have sizes {size[label]} and {extent}",
                    "sizes must be equal: transpose or reshape an operand",
                )
        batch, rows = self.stack, self.rows
        inner, columns = self.contracted, self.columns
        a = np.transpose(x, [self.left.index(k) for k in (*batch, *rows, *inner)])
        b = np.transpose(y, [self.right.index(k) for k in (*batch, *inner, *columns)])
        count = {
            group: int(np.prod([size[k] for k in group], dtype=np.int64))
            for group in (batch, rows, inner, columns)
        }
        product = np.matmul(
            a.reshape(count[batch], count[rows], count[inner]),
            b.reshape(count[batch], count[inner], count[columns]),
        )
        order = (*batch, *rows, *columns)
        full = product.reshape([size[k] for k in order])
        return np.transpose(full, [order.index(k) for k in self.out])

    def steps(self, node: Node, emit: Emitter) -> None:
        """One matrix product: the operands are laid out for it, or `plain` applied."""
        batch, rows, columns = self.stack, self.rows, self.columns
        inner = self.contracted
        lhs, rhs = node.inputs
        transpose_lhs = self.left != (*batch, *rows, *inner)
        transpose_rhs = self.right != (*batch, *inner, *columns)
        columns_first = self.out != (*batch, *rows, *columns)
        if columns_first:
            # The transpose of a product is the product of the transposes, exchanged.
            lhs, rhs, rows, columns = rhs, lhs, columns, rows
            transpose_lhs, transpose_rhs = not transpose_rhs, not transpose_lhs
        size = dict(self._sizes(*node.inputs))

        def extent(labels: Labels) -> Extent:
            return emit.extent(dims.product(tuple(size[k] for k in labels)))

        emit.gemm(
            Gemm(
                emit.array(node),
                emit.array(lhs),
                emit.array(rhs),
                extent(rows),
                extent(columns),
                extent(inner),
                transpose_lhs,
                transpose_rhs,
                extent(batch),
            )
        )

    def plain(self, *inputs: Variable) -> Variable | None:
        a, b = inputs
        batch, rows, columns = self.stack, self.rows, self.columns
        inner = self.contracted
        if a.dtype not in FLOATS or not rows or not columns or self._is_tiny(a, b):
            every = (*self.out, *inner)
            terms = multiply(
                _spread(a, self.left, every), _spread(b, self.right, every)
            )
            axes = tuple(range(len(self.out), len(every)))
            return apply(Any(axes) if a.dtype == "bool" else Sum(axes), terms)
        lefts = ((*batch, *rows, *inner), (*batch, *inner, *rows))
        rights = ((*batch, *inner, *columns), (*batch, *columns, *inner))
        outs = ((*batch, *rows, *columns), (*batch, *columns, *rows))
        left = self.left if self.left in lefts else lefts[0]
        right = self.right if self.right in rights else rights[0]
        out = self.out if self.out in outs else outs[0]
        if (left, right, out) == (self.left, self.right, self.out):
            return None
        product = apply(
            Contract(left, right, out),
            transpose(a, [self.left.index(k) for k in left]),
            transpose(b, [self.right.index(k) for k in right]),
        )
        return transpose(product, [out.index(k) for k in self.out])

    def _is_tiny(self, a: Variable, b: Variable) -> bool:
        """Whether a library call would take longer than the multiplications."""
        size = dict(self._sizes(a.node, b.node))
        matrix = [size[k] for k in (*self.rows, *self.columns, *self.contracted)]
        known = [s for s in matrix if isinstance(s, int)]
        return len(known) == len(matrix) and prod(known) <= TINY

    def parts(self, a: Pair, b: Pair) -> Pair:
        def product(x: Variable, y: Variable) -> Variable:
            return apply(self, x, y)

        return Pair(
            product(a.re, b.re) - product(a.im, b.im),
            product(a.re, b.im) + product(a.im, b.re),
        )

    def vjp(self, g: Variable, y: Variable, a: Variable, b: Variable) -> Grads:
        return (
            contract(self.out, self.right, self.left, g, b),
            contract(self.left, self.out, self.right, a, g),
        )

    def jvp(
        self, y: Variable, xs: Sequence[Variable], ts: Sequence[Variable | None]
    ) -> Variable | None:
        (a, b), (s, t) = xs, ts
        first = None if s is None else apply(self, s, b)
        return sum_of([first, None if t is None else apply(self, a, t)])

    def batch(self, batched: Flags, a: Variable, b: Variable) -> Variable:
        """A stack of both is one more batch axis, of one operand more rows."""
        new = (max((*self.left, *self.right)) + 1,)
        left = new + self.left if batched[0] else self.left
        right = new + self.right if batched[1] else self.right
        return apply(Contract(left, right, new + self.out), a, b)


def contract(
    left: Labels, right: Labels, out: Labels, a: Variable, b: Variable
) -> Variable:
    """The contraction of operands of one dtype; a plain product if it sums nothing."""
    made = Contract(left, right, out)
    if made.contracted:
        return apply(made, a, b)
    return multiply(_spread(a, left, out), _spread(b, right, out))


def _spread(x: Variable, labels: Labels, out: Labels) -> Variable:
    """`x` with its axes in the order of `out` and size 1 where `out` has others."""
    order = [labels.index(k) for k in out if k in labels]
    missing = tuple(place for place, k in enumerate(out) if k not in labels)
    return expand_dims(transpose(x, order), missing)


def matmul(a: object, b: object) -> Variable:
    """The matrix product, as ``numpy.matmul``: vectors, matrices, stacks of matrices.

    Leading axes are broadcast.

    Raises:
        ShapeError: an operand is a scalar, or sizes that meet are known to differ.
    """
    x, y = promote(a, b)
    if x.ndim == 0 or y.ndim == 0:
        refuse(
            ShapeError, "matmul: an operand is a scalar", x, y, remedy="use * to scale"
        )
    stack = max(x.ndim, y.ndim) - 2
    m, k, n = stack, stack + 1, stack + 2
    tail_x, tail_y = ((m, k) if x.ndim > 1 else (k,)), ((k, n) if y.ndim > 1 else (k,))
    batch_x = range(stack - (x.ndim - len(tail_x)), stack)
    batch_y = range(stack - (y.ndim - len(tail_y)), stack)
    x, left = _without_ones(x, (*batch_x, *tail_x), y, (*batch_y, *tail_y), stack)
    y, right = _without_ones(y, (*batch_y, *tail_y), x, left, stack)
    x, y = _stretched(x, left, y, right, stack), _stretched(y, right, x, left, stack)
    free = (*((m,) if m in left else ()), *((n,) if n in right else ()))
    return contract(left, right, (*range(max(stack, 0)), *free), x, y)


def _stretched(
    x: Variable, labels: Labels, other: Variable, theirs: Labels, stack: int
) -> Variable:
    """`x` with its stack axes as long as those that they meet, where one may be 1."""
    met = dict(zip(theirs, range(other.ndim), strict=True))
    shape = list(x.shape)
    for axis, label in enumerate(labels):
        if label < stack and label in met:
            mine, size = x.type.dims[axis], other.type.dims[met[label]]
            if isinstance(mine, Dim) or isinstance(size, Dim):
                shape[axis] = common_size(shape[axis], other.shape[met[label]])
    return broadcast_to(x, shape)


def _without_ones(
    x: Variable, labels: Labels, other: Variable, theirs: Labels, stack: int
) -> tuple[Variable, Labels]:
    """`x` without stack axes of size 1 that meet another size, and its labels."""
    sizes = dict(zip(theirs, other.type.dims, strict=True))
    drop = tuple(
        axis
        for axis, (label, size) in enumerate(zip(labels, x.type.dims, strict=True))
        if label < stack and size == 1 and sizes.get(label, 1) != 1
    )
    kept = tuple(k for axis, k in enumerate(labels) if axis not in drop)
    return squeeze(x, drop), kept


def dot(a: object, b: object) -> Variable:
    """NumPy's dot: the last axis of `a` meets the last but one of `b`; scalars scale.

    Raises:
        ShapeError: sizes that meet are known to differ.
    """
    x, y = promote(a, b)
    if x.ndim == 0 or y.ndim == 0:
        return multiply(x, y)
    return tensordot(x, y, ((x.ndim - 1,), (max(y.ndim - 2, 0),)))


def tensordot(
    a: object,
    b: object,
    axes: int | tuple[int | Sequence[int], int | Sequence[int]] = 2,
) -> Variable:
    """The sum of products over the last `axes` axes of `a` and the first of `b`.

    Or, given two sequences, over those axes of each, in pairs.

    Raises:
        ShapeError: sizes that meet are known to differ, or there are too few axes.
    """
    x, y = promote(a, b)
    if isinstance(axes, int):
        if not 0 <= axes <= min(x.ndim, y.ndim):
            refuse(
                ShapeError,
                f"tensordot: cannot sum over {axes} axes",
                x,
                y,
                remedy="both operands must have as many axes",
            )
        pairs = tuple(range(x.ndim - axes, x.ndim)), tuple(range(axes))
    else:
        first, second = (
            many_axes(s, v.ndim, "tensordot") for s, v in zip(axes, (x, y), strict=True)
        )
        pairs = first, second
    if len(pairs[0]) != len(pairs[1]):
        refuse(
            ShapeError,
            f"tensordot: {len(pairs[0])} axes against {len(pairs[1])}",
            x,
            y,
            remedy="give as many axes for each operand",
        )
    left = tuple(range(x.ndim))
    label = dict(zip(pairs[1], pairs[0], strict=True))
    right = tuple(label.get(k, x.ndim + k) for k in range(y.ndim))
    out = (*(k for k in left if k not in pairs[0]), *(k for k in right if k >= x.ndim))
    return contract(left, right, out, x, y)


def outer(a: object, b: object) -> Variable:
    """The products of all elements of `a` with all of `b`, both flattened."""
    x, y = promote(a, b)
    return multiply(expand_dims(reshape(x, (-1,)), 1), reshape(y, (-1,)))
