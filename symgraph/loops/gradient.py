"""Derivatives of loops: loops in their turn.

The gradient runs through the rounds the other way.  It carries the cotangents of the
carried values, and of what every round sees whole; it is given, row by row, what the
forward loop keeps for it: the carried values before each round, and what is costly to
compute again (products, reductions, other loops), unless the loop says not to
`remember`.  The rest of a round is computed again.

A product whose cotangent adds up over the rounds is not multiplied in each of them: its
factors are stacked, and one product of the stacks sums over rounds as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING

from .. import ops
from ..autodiff.forward import stable_pushforward
from ..autodiff.reverse import stable_pullback
from ..composite import of_type, parameter
from ..errors import NotDifferentiableError, refuse
from ..graph import Node, rebuild, toposort
from ..op import Opaque, Reduce
from ..ops import Contract, Item
from ..ops.sizes import dim_of
from ..types import TupleType, is_differentiable, tensor
from ..variable import Variable, apply
from .parts import FOREVER, Parts, closed, results

if TYPE_CHECKING:
    from .loop import Loop

# -- backwards -------------------------------------------------------------------------


def pulled_back(
    loop: Loop, gs: dict[int, Variable], y: Variable, xs: Sequence[Variable]
) -> tuple[Variable | None, ...]:
    """The cotangents of a loop's inputs, from those of some of its results."""
    if loop.conditional and dim_of(xs[0]) == FOREVER:
        refuse(
            NotDifferentiableError,
            f"grad: {loop.label} has no bound on its rounds, and what they compute "
            "would have to be kept",
            site=y.node.site,
            remedy="give it one (max_steps=)",
        )
    return _Backward(loop, gs, y.node).body().cotangents()


def kept_by(loop: Loop, inputs: Sequence[Variable]) -> list[Node]:
    """What a gradient of all results keeps of each round, as nodes of the body."""
    found = results(apply(loop, *inputs).node)[: loop.rounds]
    kinds = {k: v for k, v in enumerate(found) if is_differentiable(v.dtype)}
    if not kinds:
        return []
    gs = {k: of_type(v.type) for k, v in kinds.items()}
    back = _Backward(loop, gs, found[0].node.inputs[0])
    body = back.body()
    body.cotangents()
    return [*back.kept.nodes, *(f for f in body.factors if body.is_back(f))]


@dataclass(slots=True)
class _Kept:
    """What the forward loop keeps for the gradient, and the parameters for its rows."""

    nodes: list[Node] = field(default_factory=list)
    rows: list[Variable] = field(default_factory=list)

    def row(self, node: Node) -> Variable:
        """The parameter for `node` in the same round."""
        if node not in self.nodes:
            self.nodes.append(node)
            self.rows.append(of_type(node.type))
        return self.rows[self.nodes.index(node)]


class _Backward:
    """One gradient in the making."""

    def __init__(self, loop: Loop, gs: dict[int, Variable], node: Node) -> None:
        self.loop = loop
        self.node = node
        self.given = loop.sorted(node.inputs)
        self.parts, self.roots = loop.opened(node.inputs)
        self.last = {k: g for k, g in gs.items() if k < loop.carries}
        self.stacks = {k: g for k, g in gs.items() if loop.carries <= k < loop.rounds}
        self.kept = _Kept()

    def body(self) -> _Body:
        """The gradient's loop, in the making."""
        active = self._active()
        carried = {k: parameter(Variable(self.parts.carried[k])) for k in active}
        rows = {k: of_type(self.roots[k].type) for k in self.stacks}
        sources = [*active, *rows]
        outputs = [Variable(self.roots[k]) for k in sources]
        seeds = [carried[k] if k in carried else rows[k] for k in sources]
        targets = self._targets(active)
        found = dict(
            zip(targets, stable_pullback(outputs, targets, seeds), strict=True)
        )
        sums, products = self._sums(found)
        return _Body(self, active, carried, rows, found, sums, products)

    def _active(self) -> list[int]:
        """The carried values that a cotangent reaches."""
        reached = set(self.last)
        depends = {k: set(toposort([root])) for k, root in enumerate(self.roots)}
        while True:
            outputs = [*reached, *self.stacks]
            more = {
                k
                for k, own in enumerate(self.parts.carried)
                if is_differentiable(own.type.dtype)
                and any(own in depends[o] for o in outputs)
            }
            if more <= reached:
                return sorted(reached)
            reached |= more

    def _targets(self, active: Sequence[int]) -> list[Node]:
        """The parameters that are sent cotangents."""
        own = [self.parts.carried[k] for k in active]
        others = [
            p
            for p, g in zip(
                (*self.parts.rows, *self.parts.rest),
                (*self.given.rows, *self.given.rest),
                strict=True,
            )
            if p is not g and is_differentiable(p.type.dtype)
        ]
        return own + others

    def _sums(
        self, found: dict[Node, Variable | None]
    ) -> tuple[dict[Node, Variable], dict[Node, list[_Product]]]:
        """What is added up round by round, and products whose factors are stacked."""
        sums: dict[Node, Variable] = {}
        products: dict[Node, list[_Product]] = {}
        stacks = self.loop.remember and not self.loop.conditional
        for own in self.parts.rest:
            sent = found.get(own)
            if sent is None:
                continue
            terms = _terms(sent.node)
            factored = [p for p in map(_product, terms) if p is not None and stacks]
            if factored:
                products[own] = factored
            terms = [t for t in terms if all(t is not p.node for p in factored)]
            if terms:
                sums[own] = _sum(terms)
        return sums, products


#: Products of so few elements are added up in the rounds, in registers.
_FEW = 64


@dataclass(frozen=True, slots=True)
class _Product:
    """A product of two factors, as `Contract` has them."""

    node: Node
    op: Contract
    factors: tuple[Node, Node]


def _product(node: Node) -> _Product | None:
    """`node` as a product whose factors are smaller than it, if it is one."""
    sizes = [s for s in node.type.dims if isinstance(s, int)]
    if len(sizes) == node.type.ndim and prod(sizes) <= _FEW:
        return None
    if isinstance(node.op, Contract):
        return _Product(node, node.op, node.inputs)  # type: ignore[arg-type]
    if not isinstance(node.op, ops.Multiply):
        return None
    labels, factors = [], []
    for operand in node.inputs:
        if not isinstance(operand.op, ops.ExpandDims):
            return None
        axes = operand.op.axes
        labels.append(tuple(k for k in range(node.type.ndim) if k not in axes))
        factors.append(operand.inputs[0])
    left, right = labels
    if sorted((*left, *right)) != list(range(node.type.ndim)):
        return None
    made = Contract(left, right, tuple(range(node.type.ndim)))
    return _Product(node, made, (factors[0], factors[1]))


def _terms(node: Node) -> list[Node]:
    """The terms of a sum of values of one type."""
    found, stack = [], [node]
    while stack:
        top = stack.pop()
        same = all(i.type == top.type for i in top.inputs)
        if isinstance(top.op, ops.Add) and same:
            stack.extend(reversed(top.inputs))
        else:
            found.append(top)
    return found


def _sum(terms: Sequence[Node]) -> Variable:
    total = Variable(terms[0])
    for term in terms[1:]:
        total = total + Variable(term)
    return total


class _Body:
    """The body of a gradient's loop, and what stands around it."""

    def __init__(
        self,
        back: _Backward,
        active: Sequence[int],
        carried: dict[int, Variable],
        rows: dict[int, Variable],
        found: dict[Node, Variable | None],
        sums: dict[Node, Variable],
        products: dict[Node, list[_Product]],
    ) -> None:
        self.back = back
        self.loop = back.loop
        self.active = active
        self.carried = carried
        self.rows = rows
        self.found = found
        self.sums = sums
        self.products = products
        self.totals = {own: parameter(Variable(own)) for own in sums}
        self.sent = [p for p in back.parts.rows if found.get(p) is not None]
        self.t = of_type(tensor("int64", ()))
        factors = [f for terms in products.values() for t in terms for f in t.factors]
        self.factors = list(dict.fromkeys(factors))

    def cotangents(self) -> tuple[Variable | None, ...]:
        """The cotangents of the loop's inputs."""
        back, loop = self.back, self.loop
        nexts = [self._next(k) for k in self.active]
        nexts += [self._added(own) for own in self.sums]
        kept = [self._masked(self.found[p]) for p in self.sent]
        own_factors = [f for f in self.factors if self.is_back(f)]
        roots = self._over_rows([*nexts, *kept, *map(Variable, own_factors)])
        stacks = self._forward()
        elements = [
            *(v.node for v in self.rows.values()),
            *back.parts.rows,
            *(v.node for v in back.kept.rows),
        ]
        parts = Parts(
            self.t.node,
            tuple(v.node for v in (*self.carried.values(), *self.totals.values())),
            tuple(elements),
            back.parts.rest,
        )
        body, more = closed(parts, [v.node for v in roots])
        made = replace(
            loop,
            body=body,
            carries=len(nexts),
            sequences=len(elements),
            backwards=not loop.backwards,
            conditional=False,
            remember=True,
            truncate=0,
            updated=0,
            label=f"{loop.label} gradient",
        )
        first = [self._last(k) for k in self.active]
        first += [ops.zeros_like(Variable(self._outer(own))) for own in self.sums]
        given = [back.stacks[k] for k in self.rows]
        given += [Variable(r) for r in back.given.rows]
        given += [stacks[node] for node in back.kept.nodes]
        count, given = self._truncated(given)
        rest = [Variable(r) for r in back.given.rest]
        y = apply(made, count, *first, *given, *rest, *more)
        out = results(y.node)
        ends, kept_stacks = out[: len(nexts)], out[len(nexts) : -1]
        sent = dict(zip(self.active, ends, strict=False))
        totals = dict(zip(self.sums, ends[len(self.active) :], strict=True))
        per_row = {
            p: self._padded(s) for p, s in zip(self.sent, kept_stacks, strict=False)
        }
        held = dict(zip(own_factors, kept_stacks[len(self.sent) :], strict=True))
        for own, terms in self.products.items():
            for term in terms:
                total = self._product(term, held, stacks)
                known = totals.get(own)
                totals[own] = total if known is None else known + total
        carried = [self._arrived(sent.get(k)) for k in range(loop.carries)]
        rows = [per_row.get(p) for p in back.parts.rows]
        whole = [totals.get(p) for p in back.parts.rest]
        return (None, *carried, *rows, *whole)

    # -- one round ---------------------------------------------------------------------

    @property
    def _forward_round(self) -> Variable:
        """The number that the round had on the way forward."""
        return Variable(self.back.given.first) - 1 - self.t

    @property
    def _rounds(self) -> Variable:
        """How many rounds there were on the way forward."""
        if not self.loop.conditional:
            return Variable(self.back.given.first)
        return apply(Item(self.loop.rounds), Variable(self.back.node))

    def _next(self, k: int) -> Variable:
        found = self.found[self.back.parts.carried[k]]
        zero = ops.zeros_like(self.carried[k])
        return self._chosen(zero if found is None else found, self.carried[k])

    def _added(self, own: Node) -> Variable:
        return self.totals[own] + self._masked(self.sums[own])

    def _masked(self, value: Variable | None) -> Variable:
        assert value is not None
        return self._chosen(value, ops.zeros_like(value))

    def _chosen(self, value: Variable, otherwise: Variable) -> Variable:
        """`value` where the round took place, and gradients go through it."""
        if not self.loop.conditional:
            return value
        t, rounds = self._forward_round, self._rounds
        counts = t < rounds
        if self.loop.truncate:
            counts = counts & (t >= rounds - self.loop.truncate)
        return ops.where(counts, value, otherwise)

    def is_back(self, node: Node) -> bool:
        """Whether `node` depends on cotangents, and is known on the way back only."""
        seeds = {v.node for v in (*self.carried.values(), *self.rows.values())}
        return not seeds.isdisjoint(toposort([node]))

    def _over_rows(self, roots: Sequence[Variable]) -> list[Variable]:
        """`roots` over rows of what is kept: nothing in them is the forward loop's."""
        back = self.back
        nodes = [v.node for v in roots]
        order = toposort(nodes)
        seeds = {v.node for v in (*self.carried.values(), *self.rows.values())}
        seeds |= {v.node for v in self.totals.values()}
        later: set[Node] = set(seeds)
        for node in order:
            if any(i in later for i in node.inputs):
                later.add(node)
        varying = {back.parts.first, *back.parts.carried, *back.parts.rows}
        inside: set[Node] = set(varying)
        for node in order:
            if any(i in inside for i in node.inputs):
                inside.add(node)
        places: dict[Node, Node] = {}
        stack = list(nodes)
        seen: set[Node] = set()
        while stack:
            node = stack.pop()
            if node in seen or node not in inside:
                continue
            seen.add(node)
            if node in back.parts.carried:
                places[node] = back.kept.row(node).node
            elif node is back.parts.first:
                places[node] = self._forward_round.node
            elif node not in later and self.loop.remember and _costly(node):
                places[node] = back.kept.row(node).node
            else:
                stack.extend(node.inputs)
        return [Variable(n) for n in rebuild(nodes, places)]

    # -- around the loop ---------------------------------------------------------------

    def _forward(self) -> dict[Node, Variable]:
        """The stacks of what the gradient needs of the way forward.

        The forward loop keeps more than it did; it takes the place of the other one,
        with which it is merged.
        """
        back, loop = self.back, self.loop
        for factor in self.factors:
            if not self.is_back(factor) and factor not in back.parts.rows:
                back.kept.row(factor)
        wanted = back.kept.nodes
        if not wanted:
            return {}
        made = loop.with_body(back.node, back.parts, (*back.roots, *wanted))
        found = results(made)[loop.rounds : -1]
        return dict(zip(wanted, found, strict=True))

    def _outer(self, own: Node) -> Node:
        """What a parameter of the forward loop stands for."""
        return self.back.given.rest[self.back.parts.rest.index(own)]

    def _last(self, k: int) -> Variable:
        g = self.back.last.get(k)
        return ops.zeros_like(Variable(self.back.given.carried[k])) if g is None else g

    def _product(
        self, term: _Product, held: dict[Node, Variable], stacks: dict[Node, Variable]
    ) -> Variable:
        """A product summed over the rounds: of the stacks of its factors."""
        op = term.op
        label = 1 + max((*op.left, *op.right, *op.out), default=0)
        operands = []
        for factor in term.factors:
            if factor in held:
                operands.append(held[factor])
            elif factor in stacks:
                operands.append(self._cut(stacks[factor]))
            else:
                place = self.back.parts.rows.index(factor)
                operands.append(self._cut(Variable(self.back.given.rows[place])))
        made = replace(op, left=(label, *op.left), right=(label, *op.right))
        return apply(made, *operands)

    # -- gradients cut off -------------------------------------------------------------

    def _arrived(self, value: Variable | None) -> Variable | None:
        """What reaches a first value of what does the last round that is gone through.

        In a loop that ends by a condition, which rounds that are is known in the end.
        """
        if value is None or not self.loop.truncate:
            return value
        every = self._rounds <= self.loop.truncate
        return ops.where(every, value, ops.zeros_like(value))

    @property
    def _whole(self) -> bool:
        return not self.loop.truncate or self.loop.conditional

    def _bounds(self) -> tuple[Variable, Variable]:
        """How many rows there are, and how many the gradient goes through."""
        count = Variable(self.back.given.first)
        return count, ops.minimum(count, self.loop.truncate)

    def _cut(self, stack: Variable) -> Variable:
        if self._whole:
            return stack
        count, used = self._bounds()
        return stack[:used] if self.loop.backwards else stack[count - used :]

    def _truncated(self, given: list[Variable]) -> tuple[Variable, list[Variable]]:
        count = Variable(self.back.given.first)
        if not self._whole:
            count = self._bounds()[1]
        return count, [self._cut(g) for g in given]

    def _padded(self, stack: Variable) -> Variable:
        if self._whole:
            return stack
        count, used = self._bounds()
        zeros = ops.zeros((count, *stack.shape[1:]), stack.dtype)
        part = zeros[:used] if self.loop.backwards else zeros[count - used :]
        return ops.set_subtensor(part, stack)


def _costly(node: Node) -> bool:
    """Whether a value is kept rather than computed again."""
    if isinstance(node.type, TupleType):
        return False  # its items are
    op = node.op
    return isinstance(op, Reduce) or (isinstance(op, Opaque) and not op.aliases)


# -- forwards --------------------------------------------------------------------------


def pushed_forward(
    loop: Loop, y: Variable, xs: Sequence[Variable], ts: Sequence[Variable | None]
) -> dict[int, Variable]:
    """The tangents of a loop's results, from those of some of its inputs."""
    parts, roots = loop.opened([x.node for x in xs])
    tangents = loop.sorted(list(range(len(xs))))  # type: ignore[arg-type]
    own = {
        node: parameter(Variable(node))
        for node, place in zip(parts, tangents, strict=True)
        if ts[place] is not None and node is not xs[place].node  # type: ignore[call-overload]
    }
    active = _moving(loop, parts, roots, own)
    for k in active:
        own.setdefault(parts.carried[k], parameter(Variable(parts.carried[k])))
    kept = list(range(loop.carries, loop.rounds))
    found = stable_pushforward([roots[k] for k in (*active, *kept)], list(own.items()))
    moved = dict(zip((*active, *kept), found, strict=True))
    nexts = [_or_zero(moved[k], parts.carried[k]) for k in active]
    stacks = {k: t for k, t in moved.items() if k >= loop.carries and t is not None}
    rows = [p for p in parts.rows if p in own]
    rest = [p for p in parts.rest if p in own]
    body_parts = Parts(
        parts.first,
        (*parts.carried, *(own[parts.carried[k]].node for k in active)),
        (*parts.rows, *(own[p].node for p in rows)),
        (*parts.rest, *(own[p].node for p in rest)),
    )
    body, more = closed(
        body_parts,
        [*roots[: loop.carries], *(v.node for v in (*nexts, *stacks.values()))],
    )
    place = {node: k for k, node in enumerate(parts)}
    made = replace(
        loop,
        body=body,
        carries=loop.carries + len(active),
        sequences=loop.sequences + len(rows),
        updated=0,
        label=f"{loop.label} tangent",
    )
    given = loop.sorted([x.node for x in xs])
    inputs = [
        xs[0],
        *map(Variable, given.carried),
        *(_or_zero(ts[1 + k], given.carried[k]) for k in active),
        *map(Variable, given.rows),
        *(ts[place[p]] for p in rows),
        *map(Variable, given.rest),
        *(ts[place[p]] for p in rest),
        *more,
    ]
    out = results(apply(made, *inputs).node)  # type: ignore[arg-type]
    tangents_of = dict(zip(active, out[loop.carries :], strict=False))
    return tangents_of | dict(zip(stacks, out[made.carries : -1], strict=True))


def _or_zero(value: Variable | None, like: Node) -> Variable:
    return ops.zeros_like(Variable(like)) if value is None else value


def _moving(
    loop: Loop, parts: Parts, roots: Sequence[Node], own: dict[Node, Variable]
) -> list[int]:
    """The carried values that have tangents in some round."""
    moving = {k for k, p in enumerate(parts.carried) if p in own}
    depends = [set(toposort([root])) for root in roots[: loop.carries]]
    while True:
        sources = set(own) | {parts.carried[k] for k in moving}
        more = {
            k
            for k, found in enumerate(depends)
            if is_differentiable(parts.carried[k].type.dtype)
            and not sources.isdisjoint(found)
        }
        if more <= moving:
            return sorted(moving)
        moving |= more


__all__ = ["kept_by", "pulled_back", "pushed_forward"]
