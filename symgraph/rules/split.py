"""Complex values as pairs of real ones, which is all that native code knows.

Every node of a complex dtype, but for leaves and results, is replaced by two real
nodes, its real and its imaginary part, by its op's `parts`.  Leaves are read through
`Real` and `Imag`; results are put together by `FromParts`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import UnsupportedError, message
from ..graph import Node, Site, describe_site, here, intern, toposort
from ..leaf import Constant, Leaf
from ..op import Expanded, Pair, by_expansion
from ..ops.broadcasting import broadcast_to
from ..ops.complex import Imag, Real, from_parts
from ..types import is_complex, real_dtype
from ..variable import Variable, constant


def split(outputs: Sequence[Node]) -> tuple[Node, ...]:
    """`outputs` with complex values only in leaves and results.

    Raises:
        UnsupportedError: an op has no form for complex operands.
    """
    if not any(is_complex(node.type.dtype) for node in toposort(outputs)):
        return tuple(outputs)
    walk = _Split(here())
    results = []
    for output in outputs:
        made = walk.result(output)
        if isinstance(made, Pair):
            results.append(from_parts(made.re, made.im).node)
        else:
            results.append(made.node)
    return tuple(results)


class _Split:
    """The walk: what stands for each node so far."""

    def __init__(self, site: Site | None) -> None:
        self.site = site
        self.done: dict[Node, Pair | Variable] = {}

    def result(self, output: Node) -> Pair | Variable:
        """What stands for `output`; its sources first, on a stack of their own."""
        stack = [output]
        standing: dict[Node, Node] = {}
        while stack:
            node = stack[-1]
            waiting = [i for i in node.inputs if i not in self.done]
            if node in self.done:
                stack.pop()
            elif node in standing and standing[node] in self.done:
                self.done[node] = self.done[standing[node]]
            elif waiting:
                stack.extend(waiting)
            else:
                made = self._replace(node)
                if isinstance(made, Node):  # another expression, to be split in turn
                    standing[node] = made
                    stack.append(made)
                else:
                    self.done[node] = made
        return self.done[output]

    def _replace(self, node: Node) -> Pair | Variable | Node:
        """What stands for `node`, whose inputs are done."""
        inputs = [self.done[i] for i in node.inputs]
        if isinstance(node.op, Leaf):
            return _leaf(node) if is_complex(node.type.dtype) else Variable(node)
        touched = is_complex(node.type.dtype) or any(
            is_complex(i.type.dtype) for i in node.inputs
        )
        if not touched:
            sources = tuple(v.node for v in inputs if isinstance(v, Variable))
            same = sources == node.inputs
            return Variable(node if same else intern(node.op, sources, node.site))
        if isinstance(node.op, Expanded) and type(node.op).parts is by_expansion:
            other = node.op.expand(*(Variable(i) for i in node.inputs))
            self._inherit(node, [other])
            return other.node
        made = _parts(node, inputs)
        self._inherit(node, made if isinstance(made, Pair) else [made])
        if isinstance(made, Variable):
            return made.node if is_complex(made.dtype) else made
        return Pair(*_fitted(made, node))

    def _inherit(self, node: Node, made: Sequence[Variable]) -> None:
        """Give new nodes the line of the node that they stand for."""
        stack = [v.node for v in made] if node.site != self.site else []
        while stack:
            new = stack.pop()
            if new.inputs and new.site == self.site:
                new.site = node.site
                stack.extend(new.inputs)


def _leaf(node: Node) -> Pair:
    """The parts of a complex leaf: of a known number, numbers."""
    if isinstance(node.op, Constant) and node.op.small:
        value = node.op.data
        return Pair(constant(value.real), constant(value.imag))
    return Pair(Variable(intern(Real(), (node,))), Variable(intern(Imag(), (node,))))


def _parts(node: Node, inputs: Sequence[Pair | Variable]) -> Pair | Variable:
    if node.op.parts is None:
        raise UnsupportedError(
            message(
                f"{node.op.name}: no native form for complex numbers",
                operands=tuple(Variable(i) for i in node.inputs),
                line=describe_site(node.site),
                remedy="mode='interpret' computes it, or take the parts first",
            )
        )
    return node.op.parts(*inputs)


def _fitted(made: Pair, node: Node) -> Iterator[Variable]:
    """Both parts in the shape of `node`: a formula may leave one of them a scalar."""
    for part, other in (made, made[::-1]):
        assert part.dtype == real_dtype(node.type.dtype), f"{node.op.name}: {part}"
        if part.type.dims == node.type.dims:
            yield part
        else:
            whole = other if other.type.dims == node.type.dims else part + other
            yield broadcast_to(part, whole.shape)
