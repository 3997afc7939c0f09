"""Where an op's `element` stands: node, index, and how to build values there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .. import dims
from ..codegen import ir
from ..dims import Size
from ..errors import IndexOutOfBoundsError, SymgraphError
from ..graph import Node
from ..op import Index, Same, Shape


@dataclass(slots=True)
class Context:
    """What every element of one kernel shares.

    Attributes:
        builder: takes the statements.
        extent_of: a dimension as a number or the name of a size of the kernel.
        same: whether two dimensions are known to be equal.
        on_check: receives (ok, reason, node, error) for a run-time check.
        affine_of: int64 values that are known to be an index expression.
    """

    builder: ir.Builder
    extent_of: Callable[[Size], ir.Extent]
    same: Same
    on_check: Callable[[ir.Value, str, Node, type[SymgraphError]], None]
    affine_of: dict[str, ir.Affine] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class At:
    """The element of `node` at `index`, being computed in `context`."""

    node: Node
    index: Index
    context: Context

    def aligned(self, number: int) -> Index:
        """The index into input `number` under NumPy's broadcasting."""
        shape, frame = self.node.inputs[number].type.dims, self.node.type.dims
        lead = len(frame) - len(shape)
        return self.fitted(shape, frame[lead:], self.index[lead:])

    def fitted(self, shape: Shape, frame: Shape, index: Index) -> Index:
        """`index` in `frame` as an index into what is broadcast to it from `shape`.

        That is 0 along axes of size 1.  Where it is not known which they are, the index
        is chosen at run time.
        """
        same = self.context.same
        found = []
        for size, target, place in zip(shape, frame, index, strict=True):
            if same(size, 1):
                place = ir.Affine()
            elif same(size, target):
                pass
            elif dims.at_most_one(size):
                place = ir.Affine()
            elif place != ir.Affine():
                once = self.value(self.extent(size)).eq(1)
                place = self.position(ir.select(once, 0, self.value(place)))
            found.append(place)
        return tuple(found)

    def normal(self, shape: Shape, index: Index) -> Index:
        """`index` with 0 along axes of size 1."""
        return self.fitted(shape, shape, index)

    def extent(self, size: Size) -> ir.Affine:
        """A dimension as an index expression."""
        extent = self.context.extent_of(size)
        return ir.Affine((), extent) if isinstance(extent, int) else ir.axis(extent)

    def value(self, index: ir.Affine) -> ir.Value:
        """An index expression as an int64 value."""
        builder = self.context.builder
        if not index.terms:
            return self.literal(index.const, "int64")
        total: ir.Value | None = None
        for name, coefficient in index.terms:
            term = ir.Value(builder, name, "int64")
            scaled = term if coefficient == 1 else term * coefficient
            total = scaled if total is None else total + scaled
        assert total is not None
        if index.const:
            total = total + index.const
        if isinstance(total.atom, str):
            self.context.affine_of[total.atom] = index
        return total

    def position(self, value: ir.Value) -> ir.Affine:
        """An int64 value as an index expression."""
        if isinstance(value.atom, ir.Const):
            return ir.Affine((), int(value.atom.value))
        return self.context.affine_of.get(value.atom, ir.axis(value.atom))

    def literal(self, number: bool | int | float, dtype: str) -> ir.Value:
        """A literal of `dtype`."""
        return ir.Value(self.context.builder, ir.const(number, dtype).atom, dtype)

    def check(
        self,
        ok: ir.Value,
        reason: str,
        error: type[SymgraphError] = IndexOutOfBoundsError,
    ) -> None:
        """Have the call fail with `error` for `reason` unless `ok` holds."""
        self.context.on_check(ok, reason, self.node, error)
