"""Gradients of the user's own, and values that are computed again on the way back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import ops
from ..composite import Body, Composite, capture, parameter, trace
from ..errors import ArgumentError, NotDifferentiableError, ShapeError, refuse
from ..graph import Node, intern, rebuild, toposort
from ..leaf import Input, Shared
from ..op import op
from ..ops.broadcasting import repeated
from ..ops.common import Flags, Grads
from ..ops.gradient import Barrier
from ..types import TensorType, is_differentiable
from ..variable import Variable, apply, as_tensor
from ..vectorize import batch
from .common import shaped
from .forward import through as forward_through
from .reverse import through

# -- a gradient of one's own -----------------------------------------------------------


@op
class CustomVjp(Composite):
    """Output `index` of a body, differentiated by a rule that is a body too.

    The rule takes cotangents of all outputs, all outputs and the op's inputs, and gives
    cotangents for the inputs `places`.
    """

    body: Body
    index: int = 0
    label: str = ""
    rule: Body = Body(0, (), ())
    places: tuple[int, ...] = ()

    def vjp(self, g: Variable, y: Variable, *xs: Variable) -> Grads:
        count = len(self.body.outputs)
        ys = [apply(replace(self, index=k), *xs) for k in range(count)]
        gs = [g if k == self.index else ops.zeros_like(v) for k, v in enumerate(ys)]
        sent: list[Variable | None] = [None] * len(xs)
        made = self.rule(*gs, *ys, *xs)
        for place, cotangent in zip(self.places, made, strict=True):
            sent[place] = cotangent
        return tuple(sent)

    def batch(self, batched: Flags, *xs: Variable) -> Variable:
        """The same with both bodies batched; inputs without the axis are sent sums."""
        front = _Front.of(batched, xs)
        ys = self.body(*front.cores[: self.body.count])
        body, extra = capture(front.stacked(ys), front.wides)
        inner = [parameter(y) for y in (*ys, *ys)]  # cotangents and outputs
        outer = [front.wide(y) for y in inner]
        more_stacks = {i.node: o for i, o in zip(inner, outer, strict=True)}
        sent = front.stacked(self.rule(*inner, *front.cores), more_stacks)
        summed = [
            v if batched[place] else ops.sum(v, 0)
            for v, place in zip(sent, self.places, strict=True)
        ]
        rule, more = capture(summed, [*outer, *front.wides, *extra])
        return apply(replace(self, body=body, rule=rule), *xs, *extra, *more)


@dataclass(frozen=True)
class _Front:
    """Parameters for batching a body: `cores` for one element, `wides` for stacks."""

    cores: list[Variable]
    wides: list[Variable]
    stacks: dict[Node, Variable]
    size: Any

    @staticmethod
    def of(batched: Flags, xs: Sequence[Variable]) -> _Front:
        cores = [
            _typed(x.dtype, x.type.shape[1:] if own else x.type.shape)
            for x, own in zip(xs, batched, strict=True)
        ]
        wides = [
            parameter(x) if own else core
            for x, core, own in zip(xs, cores, batched, strict=True)
        ]
        stacks = {
            core.node: wide
            for core, wide, own in zip(cores, wides, batched, strict=True)
            if own
        }
        return _Front(cores, wides, stacks, next(iter(stacks.values())).shape[0])

    def wide(self, like: Variable) -> Variable:
        """A parameter for a stack of values like `like`."""
        size = next(iter(self.stacks.values())).type.shape[0]
        return _typed(like.dtype, (size, *like.type.shape))

    def stacked(
        self, outputs: Sequence[Variable], more: Mapping[Node, Variable] | None = None
    ) -> list[Variable]:
        """`outputs` batched, those that do not depend on the batch repeated."""
        made = batch(outputs, {**self.stacks, **(more or {})})
        return [
            wide if wide.ndim > v.ndim else repeated(wide, self.size)
            for wide, v in zip(made, outputs, strict=True)
        ]


def _typed(dtype: str, shape: Any) -> Variable:
    return Variable(intern(Input(TensorType(dtype, shape)), ()))


def custom_vjp(
    fwd: Callable[..., Any], bwd: Callable[..., Any], label: str | None = None
) -> Callable[..., Any]:
    """`fwd` with `bwd` for its gradient.

    Args:
        fwd: builds one expression, or a tuple or list of them, from variables.
        bwd: called as ``bwd(g, y, *xs)`` with the cotangent of the result, the result
            and the arguments (with tuples `g` and `y` where `fwd` returns several);
            returns a cotangent in the shape of each argument, or None where no gradient
            is to pass (one that is not in a tuple for one argument).
        label: what the op is called in dumps and messages; the name of `fwd` if None.

    Returns:
        A function of variables and arrays.  `fwd` and `bwd` are called when it is, with
        variables of the types of its arguments.  `bwd` must be linear in `g` for
        tangents (`jvp`) to follow from it, and where `fwd` returns several expressions,
        of which each is differentiated alone, with zeros for the cotangents of others.
        Neither may use variables of float types other than its arguments.

    Raises (when called):
        NotDifferentiableError: another variable is used.
        ShapeError: a cotangent has not the shape of its argument, or one is missing.

    >>> import symgraph as sg
    >>> step = custom_vjp(lambda x: sg.where(x > 0, 1.0, 0.0), lambda g, y, x: g)
    >>> x = sg.dscalar("x")
    >>> sg.grad(3 * step(x), x).eval({x: 0.5})
    np.float64(3.0)
    """
    name = str(label or getattr(fwd, "__name__", ""))
    name = "custom" if name in ("", "<lambda>") else name

    @functools.wraps(fwd)
    def call(*args: Any) -> Any:
        xs = [as_tensor(a) for a in args]
        body, extra, single = trace(fwd, xs)
        _check_captured(extra, name)
        inputs = [parameter(x) for x in (*xs, *extra)]
        ys = [parameter(y) for y in body(*inputs)]
        gs = [parameter(y) for y in ys]
        given = (gs[0], ys[0]) if single else (tuple(gs), tuple(ys))
        sent = _sent(bwd(*given, *inputs[: len(xs)]), inputs[: len(xs)], name)
        places = tuple(k for k, v in enumerate(sent) if v is not None)
        rule, more = capture([v for v in sent if v is not None], [*gs, *ys, *inputs])
        _check_captured(more, name)
        made = [
            apply(CustomVjp(body, k, name, rule, places), *xs, *extra, *more)
            for k in range(len(ys))
        ]
        return made[0] if single else tuple(made)

    return call


def _sent(given: Any, xs: Sequence[Variable], name: str) -> list[Variable | None]:
    """What `bwd` returned, one cotangent or None for each argument."""
    several = isinstance(given, tuple | list)
    sent = list(given) if several else [given]
    if len(sent) != len(xs):
        refuse(
            ShapeError,
            f"custom_vjp: {len(sent)} cotangents for the {len(xs)} arguments of {name}",
            *xs,
            remedy="return one for each, None where no gradient passes",
        )
    return [
        None
        if v is None or not is_differentiable(x.dtype)
        else shaped(x, v, f"custom_vjp: {name}", "cotangent")
        for x, v in zip(xs, sent, strict=True)
    ]


def _check_captured(captured: Sequence[Variable], name: str) -> None:
    """Refuse variables that would be differentiated, were they arguments."""
    for variable in captured:
        leaves = (n for n in toposort([variable.node]) if not n.inputs)
        varies = any(isinstance(leaf.op, Input | Shared) for leaf in leaves)
        if varies and is_differentiable(variable.dtype):
            refuse(
                NotDifferentiableError,
                f"custom_vjp: {name} uses a variable that is not its argument",
                variable,
                remedy="pass it as an argument; bwd may return None for it",
            )


# -- checkpoints -----------------------------------------------------------------------


@op
class Checkpoint(Composite):
    """Output `index` of a body that is computed again for its gradient."""

    body: Body
    index: int = 0
    label: str = ""

    def vjp(self, g: Variable, y: Variable, *xs: Variable) -> Grads:
        return through(self, g, [apply(Barrier(), x, g) for x in xs])

    def jvp(
        self, y: Variable, xs: Sequence[Variable], ts: Sequence[Variable | None]
    ) -> Variable | None:
        return forward_through(self, xs, ts)

    def batch(self, batched: Flags, *xs: Variable) -> Variable:
        front = _Front.of(batched, xs)
        body, extra = capture(front.stacked(self.body(*front.cores)), front.wides)
        return apply(replace(self, body=body), *xs, *extra)


def checkpoint(fn: Any, wrt: Any = None) -> Any:
    """`fn`, whose intermediate values are not kept for the gradient but computed again.

    In the compiled code of a gradient, what the way back needs of the way forward is
    kept in memory from one to the other.  Of a checkpoint, its arguments and results
    alone are kept: where its cotangent has arrived, it is computed from them once more.
    A chain of n equal steps under k checkpoints so takes memory for about n / k + k
    values in place of n, and one more way forward in time.  Values and gradients are
    the same.

    Args:
        fn: a function that builds expressions from variables; or an expression (or a
            tuple or list of them) to compute again from the variables `wrt`.
        wrt: with an expression, a variable or a list of variables that it depends on.

    Returns:
        A function of variables and arrays, or the expressions.  Where there are several
        results, each is computed again for itself.

    >>> import symgraph as sg
    >>> x = sg.dscalar("x")
    >>> block = checkpoint(lambda v: sg.sin(sg.exp(v)))
    >>> block(x).eval({x: 0.0}) == sg.sin(sg.exp(x)).eval({x: 0.0})
    np.True_
    """
    if callable(fn):

        @functools.wraps(fn)
        def call(*args: Any) -> Any:
            xs = [as_tensor(a) for a in args]
            body, extra, single = trace(fn, xs)
            made = _checkpoints(body, (*xs, *extra), getattr(fn, "__name__", ""))
            return made[0] if single else tuple(made)

        return call
    if wrt is None:
        refuse(
            ArgumentError,
            "checkpoint: an expression without variables to compute it from",
            remedy="checkpoint(expression, wrt), or checkpoint(function)",
        )
    outputs = list(fn) if isinstance(fn, tuple | list) else [fn]
    xs = list(wrt) if isinstance(wrt, tuple | list) else [wrt]
    inputs = [parameter(x) for x in xs]
    places = {x.node: v.node for x, v in zip(xs, inputs, strict=True)}
    roots = [Variable(n) for n in rebuild([v.node for v in outputs], places)]
    body, extra = capture(roots, inputs)
    made = _checkpoints(body, (*xs, *extra), "")
    return type(fn)(made) if isinstance(fn, tuple | list) else made[0]


def _checkpoints(body: Body, inputs: Sequence[Variable], name: str) -> list[Variable]:
    label = "checkpoint" if name in ("", "<lambda>") else name
    return [
        apply(Checkpoint(body, k, label), *inputs) for k in range(len(body.outputs))
    ]


__all__ = ["Checkpoint", "CustomVjp", "checkpoint", "custom_vjp"]
