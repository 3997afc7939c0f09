"""Batching: a function of some arrays as a function of stacks of them.

One walk over the graph, linear in its size: each op that depends on something batched
is replaced by one op over the whole stack, by its own `batch` or by a derivation; what
does not depend on it stays as it is.  Nothing loops over the elements of a batch.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as altered
from typing import Any, TypeAlias

from . import ops
from .composite import parameter
from .dims import Size
from .errors import (
    ArgumentError,
    DTypeError,
    ShapeError,
    UnsupportedError,
    message,
    refuse,
)
from .graph import Node, describe_site, intern, rebuild, toposort
from .leaf import Input
from .op import Elemwise, Expanded, Reduce
from .ops.broadcasting import repeated
from .ops.common import one_axis
from .ops.sizes import common_size
from .ops.view import move_axes, squeeze
from .types import TensorType, TupleType
from .variable import Variable, as_tensor

# -- one axis --------------------------------------------------------------------------


def batch(
    outputs: Sequence[Variable], stacks: Mapping[Node, Variable]
) -> list[Variable]:
    """`outputs` where nodes are replaced by stacks of their values.

    A stack has one more axis than its node, in front.  Outputs that depend on one
    have that axis in front too; others are returned as they are.

    Raises:
        UnsupportedError: an op cannot be batched.
    """
    # Fresh leaves stand for the nodes, so that the walk ends at them whatever they
    # are, and so that formulas written out on the way are not mistaken for one of them.
    standing = {node: parameter(Variable(node)).node for node in stacks}
    roots = _written_out(
        rebuild([v.node for v in outputs], standing), set(standing.values())
    )
    made = {standing[node]: stack for node, stack in stacks.items()}
    batched = set(made)
    for node in toposort(roots):
        if node in made:
            continue
        flags = [i in batched for i in node.inputs]
        inputs = [made[i] for i in node.inputs]
        if not any(flags):  # a size of a stack may be among the inputs all the same
            same = intern(node.op, tuple(v.node for v in inputs), node.site)
            made[node] = Variable(same)
            continue
        result = _batched(node, flags, inputs)
        made[node] = result
        if result.ndim > node.type.ndim or isinstance(node.type, TupleType):
            batched.add(node)
    return [made[n] for n in roots]


def _written_out(roots: Sequence[Node], varying: set[Node]) -> tuple[Node, ...]:
    """`roots` with named formulas written out where they must be batched so.

    Each pass writes out one level of formulas within formulas.
    """
    outputs = tuple(roots)
    while True:
        order = toposort(outputs)
        reached = set(varying)
        named: set[Node] = set()
        for node in order:
            if any(i in reached for i in node.inputs):
                reached.add(node)
                if isinstance(node.op, Expanded) and node.op.batch is None:
                    named.add(node)
        if not named:
            return outputs

        def written(node: Node, inputs: tuple[Node, ...]) -> Node:
            if node not in named:  # noqa: B023
                return intern(node.op, inputs, node.site)
            assert isinstance(node.op, Expanded)
            return node.op.expand(*(Variable(i) for i in inputs)).node

        outputs = rebuild(outputs, written)


def _batched(node: Node, flags: Sequence[bool], xs: Sequence[Variable]) -> Variable:
    """`node` over stacks of those inputs that `flags` tells."""
    op = node.op
    if op.batch is not None:
        return op.batch(flags, *xs)
    if isinstance(op, Elemwise):
        aligned = [
            _aligned(x, node.type.ndim) if own else x
            for x, own in zip(xs, flags, strict=True)
        ]
        return Variable(intern(op, tuple(x.node for x in aligned), node.site))
    if isinstance(op, Reduce):
        made: Any = op  # a dataclass, as every op with parameters is
        moved = altered(made, axes=tuple(axis + 1 for axis in op.axes))
        return Variable(intern(moved, (xs[0].node,), node.site))
    raise UnsupportedError(
        message(
            f"vectorize: {op.name} cannot be batched",
            operands=tuple(Variable(i) for i in node.inputs),
            line=describe_site(node.site),
            remedy="give the op a `batch` method, or rewrite it",
        )
    )


def _aligned(x: Variable, ndim: int) -> Variable:
    """`x`, a stack, with its batch axis in front of `ndim` others."""
    return ops.expand_dims(x, tuple(range(1, ndim - x.ndim + 2)))


# -- several axes ----------------------------------------------------------------------


def vectorize_graph(
    outputs: Variable | Sequence[Variable], replace: Mapping[Variable, Any]
) -> Any:
    """`outputs` with variables replaced by others of more dimensions.

    The additional axes of a replacement, on the left, are batch axes: they are aligned
    from the right and broadcast, and come out on the left of what depends on them.

    >>> import symgraph as sg
    >>> x, xs = sg.dvector("x"), sg.dmatrix("xs")
    >>> y = vectorize_graph(x / sg.sum(x), {x: xs})
    >>> y.eval({xs: [[1.0, 3.0], [2.0, 2.0]]})
    array([[0.25, 0.75],
           [0.5 , 0.5 ]])

    Returns:
        One variable, or a list of them, as `outputs` are.

    Raises:
        DTypeError, ShapeError: a replacement does not fit its variable.
        UnsupportedError: an op cannot be batched.
    """
    given = [outputs] if isinstance(outputs, Variable) else list(outputs)
    stacks = [(old, as_tensor(new)) for old, new in replace.items()]
    for old, new in stacks:
        _check(old, new)
    made = _over_axes(given, stacks)
    return made[0] if isinstance(outputs, Variable) else made


def _check(old: Variable, new: Variable) -> None:
    """Refuse a replacement of another dtype, or of other sizes where they are known."""
    if old.dtype != new.dtype:
        refuse(
            DTypeError,
            f"vectorize: the dtypes differ: {new} for {old}",
            remedy=f"cast it, .astype({old.dtype!r})",
        )
    mine = old.type.dims
    theirs = new.type.dims[new.ndim - old.ndim :] if new.ndim >= old.ndim else None
    if theirs is None or any(
        isinstance(a, int) and isinstance(b, int) and a != b
        for a, b in zip(mine, theirs, strict=True)
    ):
        refuse(
            ShapeError,
            f"vectorize: the shapes do not fit: {new} for {old}",
            remedy="the last axes must be those of the variable",
        )


def _over_axes(
    outputs: Sequence[Variable], stacks: Sequence[tuple[Variable, Variable]]
) -> list[Variable]:
    """Batch over each additional axis in turn, the innermost first.

    Parameters stand for the variables, at each level with one axis more, until the
    replacements take their place at the end.
    """
    loop = _loop(stacks)
    stacks = [(old, _met(old, new, loop)) for old, new in stacks]
    plans = [_Stack.of(old, new, stacks) for old, new in stacks]
    names = [parameter(plan.old) for plan in plans]
    first = {plan.old.node: name.node for plan, name in zip(plans, names, strict=True)}
    current = [Variable(n) for n in rebuild([v.node for v in outputs], first)]
    reach = _reached(current, dict(zip((v.node for v in names), plans, strict=True)))
    for level in range(max((plan.depth for plan in plans), default=0)):
        mapping: dict[Node, Variable] = {}
        for k, plan in enumerate(plans):
            if level in plan.levels:
                mapping[names[k].node] = larger = plan.parameter(level)
                names[k] = larger
        ndims = [v.ndim for v in current]
        current = batch(current, mapping)
        for k, made in enumerate(current):
            depth, levels = reach[k]
            if made.ndim == ndims[k] and level < depth:
                size = next(iter(mapping.values())).shape[0] if level in levels else 1
                current[k] = repeated(made, size)
    final = {n.node: plan.new.node for n, plan in zip(names, plans, strict=True)}
    return [Variable(n) for n in rebuild([v.node for v in current], final)]


def _loop(stacks: Sequence[tuple[Variable, Variable]]) -> list[Any]:
    """The batch shape, the outermost axis first: ints and symbolic scalars."""
    depth = max((new.ndim - old.ndim for old, new in stacks), default=0)
    shape: list[Any] = []
    for level in reversed(range(depth)):
        sizes = [
            new.shape[new.ndim - old.ndim - 1 - level]
            for old, new in stacks
            if _batch_size(old, new, level) != 1
        ]
        shape.append(functools.reduce(common_size, sizes) if sizes else 1)
    return shape


def _met(old: Variable, new: Variable, loop: Sequence[Any]) -> Variable:
    """`new` repeated along batch axes that may be 1 where others are more."""
    depth = new.ndim - old.ndim
    mine, wanted = new.type.dims[:depth], loop[len(loop) - depth :]
    shape = [
        1 if size == 1 else target for size, target in zip(mine, wanted, strict=True)
    ]
    return ops.broadcast_to(new, (*shape, *new.shape[depth:])) if depth else new


@dataclass(frozen=True, slots=True)
class _Stack:
    """A variable and its replacement.

    `depth` counts the batch axes, and `levels` says which of them, the innermost first,
    are there: those of size 1 that meet others have been dropped.
    """

    old: Variable
    new: Variable
    depth: int
    levels: tuple[int, ...]

    @staticmethod
    def of(
        old: Variable, new: Variable, pairs: Sequence[tuple[Variable, Variable]]
    ) -> _Stack:
        """The plan for one of the `pairs` of variables and replacements."""
        depth = new.ndim - old.ndim
        sizes = [
            [_batch_size(mine, stack, level) for mine, stack in pairs]
            for level in range(depth)
        ]
        once = [
            level
            for level in range(depth)
            if _batch_size(old, new, level) == 1 and any(s != 1 for s in sizes[level])
        ]
        kept = tuple(level for level in range(depth) if level not in once)
        lean = squeeze(new, tuple(depth - 1 - level for level in once))
        return _Stack(old, lean, depth, kept)

    def parameter(self, level: int) -> Variable:
        """What stands for the replacement at `level`: its axes up to that one."""
        ndim = self.old.ndim + self.levels.index(level) + 1
        shape = self.new.type.shape[self.new.ndim - ndim :]
        return Variable(intern(Input(TensorType(self.new.dtype, shape)), ()))


def _batch_size(old: Variable, new: Variable, level: int) -> Size:
    """The size of a batch axis; 1 where there is none."""
    place = new.ndim - old.ndim - 1 - level
    return new.type.dims[place] if place >= 0 else 1


def _reached(
    outputs: Sequence[Variable], plans: Mapping[Node, _Stack]
) -> list[tuple[int, frozenset[int]]]:
    """The depth of what each output depends on, and the levels that are there."""
    known: dict[Node, tuple[int, frozenset[int]]] = {}
    for node in toposort(v.node for v in outputs):
        if node in plans:
            known[node] = plans[node].depth, frozenset(plans[node].levels)
        else:
            below = [known[i] for i in node.inputs]
            levels = frozenset[int]().union(*(found for _, found in below))
            known[node] = max((depth for depth, _ in below), default=0), levels
    return [known[v.node] for v in outputs]


# -- functions -------------------------------------------------------------------------


def vectorize(
    fn: Callable[..., Any],
    signature: str | None = None,
    *,
    in_axes: int | Sequence[int | None] | None = None,
    out_axes: int | Sequence[int] = 0,
) -> Callable[..., Any]:
    """`fn`, a function of small arrays, as one of stacks of them.

    Args:
        fn: builds one expression, or a tuple or list of them, from variables.
        signature: the core dimensions as in ``numpy.vectorize``, such as
            ``"(n),(n)->()"``: each argument's last axes; those before are batch axes,
            broadcast as in NumPy, and come first in the results.  Without it (and
            without `in_axes`) `fn` takes and returns scalars.
        in_axes: instead of a signature: one batch axis, and where it stands in each
            argument (None: in none), or in all of them.
        out_axes: with `in_axes`, where it is to stand in the results.

    >>> import symgraph as sg
    >>> dots = vectorize(lambda a, b: sg.sum(a * b), "(n),(n)->()")
    >>> dots([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]).eval()
    array([3., 7.])

    Raises (when called):
        ShapeError: arguments or results do not fit the signature.
        UnsupportedError: an op cannot be batched.
    """
    if in_axes is not None:
        if signature is not None:
            refuse(
                ArgumentError,
                "vectorize: both a signature and in_axes",
                remedy="give one of them",
            )
        call: Callable[..., Any] = _Mapped(fn, in_axes, out_axes)
    else:
        call = _Vectorized(fn, None if signature is None else _parsed(signature))

    @functools.wraps(fn)
    def vectorized(*args: Any) -> Any:
        return call(*args)

    return vectorized


#: The core dimensions of the arguments and of the results.
Cores: TypeAlias = tuple[list[tuple[str, ...]], list[tuple[str, ...]]]

_DIMS = r"\(\s*(?:\w+\s*(?:,\s*\w+\s*)*,?)?\s*\)"
_LIST = rf"\s*(?:{_DIMS}(?:\s*,\s*{_DIMS})*)?\s*"


def _parsed(signature: str) -> Cores:
    """A generalised ufunc's signature as NumPy reads it."""
    if not re.fullmatch(f"{_LIST}->{_LIST}", signature):
        refuse(
            ArgumentError,
            f"vectorize: {signature!r} is not a signature",
            remedy='write core dimensions as in "(n),(n,m)->(m)"',
        )
    sides = [
        [tuple(re.findall(r"\w+", part)) for part in re.findall(_DIMS, side)]
        for side in signature.split("->")
    ]
    return sides[0], sides[1]


@dataclass(frozen=True)
class _Vectorized:
    """A function over batch axes in front of core axes."""

    fn: Callable[..., Any]
    cores: Cores | None

    def __call__(self, *args: Any) -> Any:
        xs = [as_tensor(a) for a in args]
        wanted = self.cores[0] if self.cores else [()] * len(xs)
        if len(wanted) != len(xs):
            refuse(
                ShapeError,
                f"vectorize: {len(xs)} arguments, {len(wanted)} in the signature",
                *xs,
                remedy="give as many",
            )
        _check_cores(wanted, xs)
        inner = [_core(x, len(core)) for x, core in zip(xs, wanted, strict=True)]
        made, many = _called(self.fn, inner)
        self._check_results(made)
        stacks = list(zip(inner, xs, strict=True))
        outputs = _over_axes(made, stacks)
        loop = _loop(stacks)
        shaped = [
            _spread(v, loop, core.ndim) for v, core in zip(outputs, made, strict=True)
        ]
        return type(many)(shaped) if many is not None else shaped[0]

    def _check_results(self, made: Sequence[Variable]) -> None:
        promised = self.cores[1] if self.cores else [()] * len(made)
        fits = len(promised) == len(made) and all(
            v.ndim == len(core) for v, core in zip(made, promised, strict=True)
        )
        if not fits:
            text = ", ".join(f"({','.join(core)})" for core in promised)
            refuse(
                ShapeError,
                f"vectorize: the function was to return {text}",
                *made,
                remedy="correct the signature, or the function",
            )


def _called(
    fn: Callable[..., Any], xs: Sequence[Variable]
) -> tuple[list[Variable], list[Any] | tuple[Any, ...] | None]:
    """What `fn` returns as variables, and the sequence that they came in, if any."""
    result = fn(*xs)
    many = result if isinstance(result, tuple | list) else None
    return [as_tensor(v) for v in ([result] if many is None else many)], many


def _core(x: Variable, ndim: int) -> Variable:
    """A parameter for the last `ndim` axes of `x`."""
    shape = x.type.shape[x.ndim - ndim :]
    return Variable(intern(Input(TensorType(x.dtype, shape)), ()))


def _check_cores(wanted: Sequence[tuple[str, ...]], xs: Sequence[Variable]) -> None:
    """Refuse arguments with too few axes, or two sizes for one core dimension."""
    sizes: dict[str, int] = {}
    for core, x in zip(wanted, xs, strict=True):
        mine = x.type.dims[x.ndim - len(core) :] if x.ndim >= len(core) else None
        if mine is None:
            refuse(
                ShapeError,
                f"vectorize: fewer axes than ({','.join(core)})",
                x,
                remedy="give an array with at least the core dimensions",
            )
        for name, size in zip(core, mine, strict=True):
            fixed = int(name) if name.isdigit() else size
            if not isinstance(fixed, int):
                continue
            known = sizes.setdefault(name, fixed)
            if isinstance(size, int) and size != known:
                refuse(
                    ShapeError,
                    f"vectorize: the core dimension {name} is {known} and {size}",
                    *xs,
                    remedy="sizes of one name must be equal",
                )


def _spread(x: Variable, loop: Sequence[Any], core: int) -> Variable:
    """`x` with the batch axes of the others too, in front of its `core` axes."""
    place = x.ndim - core
    missing = tuple(range(len(loop) - place))
    shape = (*loop, *x.shape[place:])
    return ops.broadcast_to(ops.expand_dims(x, missing), shape) if loop else x


@dataclass(frozen=True)
class _Mapped:
    """A function over one batch axis at a given place in each argument."""

    fn: Callable[..., Any]
    in_axes: int | Sequence[int | None]
    out_axes: int | Sequence[int]

    def __call__(self, *args: Any) -> Any:
        xs = [as_tensor(a) for a in args]
        places = _each(self.in_axes, len(xs), "in_axes")
        stacks: dict[Node, Variable] = {}
        inner: list[Variable] = []
        for x, place in zip(xs, places, strict=True):
            if place is None:
                inner.append(x)
                continue
            axis = one_axis(place, x.ndim, "vectorize")
            stack = move_axes(x, (axis,), (0,))
            inner.append(_core(stack, stack.ndim - 1))
            stacks[inner[-1].node] = stack
        if not stacks:
            refuse(
                ArgumentError,
                "vectorize: in_axes names no axis",
                remedy="batch one argument at least",
            )
        made, many = _called(self.fn, inner)
        size = next(iter(stacks.values())).shape[0]
        outputs = [
            v if v.ndim > core.ndim else repeated(v, size)
            for v, core in zip(batch(made, stacks), made, strict=True)
        ]
        moved = [
            move_axes(v, (0,), (one_axis(place, v.ndim, "vectorize"),))
            for v, place in zip(
                outputs, _each(self.out_axes, len(made), "out_axes"), strict=True
            )
        ]
        return type(many)(moved) if many is not None else moved[0]


def _each(given: Any, count: int, what: str) -> list[Any]:
    """One axis for each of `count` values."""
    if not isinstance(given, tuple | list):
        return [given] * count
    if len(given) != count:
        refuse(
            ArgumentError,
            f"vectorize: {len(given)} {what} for {count} values",
            remedy="give one for each, or one for all",
        )
    return list(given)


__all__ = ["batch", "vectorize", "vectorize_graph"]
