"""Passes and the default pipeline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from .config import config
from .errors import SymgraphError, refuse
from .graph import Node, intern, rebuild, toposort
from .op import Nested
from .rewrite import PRESERVES, Preserves, RuleSet, Trace, rewrite

Outputs = tuple[Node, ...]


class Pass(Protocol):
    """A step of compilation, from graph to graph."""

    @property
    def name(self) -> str:
        """What the pass is called in traces, dumps and pipelines."""

    def __call__(self, outputs: Outputs, trace: Trace) -> Outputs:
        """The outputs of the new graph; what was done is added to `trace`."""


@dataclass(frozen=True)
class RulePass:
    """Applies rules until none fits.

    `without` names rules to leave out, or classes of rules by what they preserve.
    """

    without: tuple[str, ...] = ()

    name: ClassVar[str]

    def all_rules(self) -> RuleSet:
        """The rules before any are left out."""
        raise NotImplementedError

    def rules(self) -> RuleSet:
        """The rules that are applied."""
        rules = self.all_rules()
        names = {r.name for r in rules} | set(PRESERVES)
        return rules.excluding(*(n for n in self.without if n in names))

    def __call__(self, outputs: Outputs, trace: Trace) -> Outputs:
        return rewrite(outputs, self.rules(), trace, self.name)


@dataclass(frozen=True)
class SplitComplex:
    """Complex values as pairs of real ones: later passes, and loops, know no others."""

    name: ClassVar[str] = "split complex"
    #: What it keeps, as rules state it.
    preserves: ClassVar[Preserves] = "special_values"

    def __call__(self, outputs: Outputs, trace: Trace) -> Outputs:
        from .rules.split import split

        return split(outputs)


class Canonicalize(RulePass):
    """One spelling for what can be written in several ways."""

    name = "canonicalize"

    def all_rules(self) -> RuleSet:
        from .rules.canonical import canonical

        return canonical


class Stabilize(RulePass):
    """The same value, better conditioned."""

    name = "stabilize"

    def all_rules(self) -> RuleSet:
        from .rules.canonical import canonical
        from .rules.softmax import softmax_rules
        from .rules.stabilize import stabilize

        return softmax_rules + stabilize + canonical


class Simplify(RulePass):
    """Known values computed, shapes taken from types, views and layouts merged."""

    name = "simplify"

    def all_rules(self) -> RuleSet:
        from .rules.canonical import canonical
        from .rules.fold import fold
        from .rules.simplify import simplify

        return fold + simplify + canonical


@dataclass(frozen=True)
class Loops:
    """Loops that do less: merged, without what nobody reads, products out of them."""

    name: ClassVar[str] = "loops"
    preserves: ClassVar[Preserves] = "rounding"

    def __call__(self, outputs: Outputs, trace: Trace) -> Outputs:
        if not any(isinstance(node.op, Nested) for node in toposort(outputs)):
            return outputs  # and nothing needs to be loaded
        from .loops.tidy import tidied

        return tidied(outputs)


class Expand(RulePass):
    """Named formulas (softmax, ...) written out, as loops are made from them."""

    name = "expand"

    def all_rules(self) -> RuleSet:
        from .rules.canonical import canonical
        from .rules.expand import expand
        from .rules.fold import fold
        from .rules.simplify import simplify

        return expand + fold + simplify + canonical


@dataclass(frozen=True)
class Apply:
    """A pass that applies rules of the user's."""

    name: str
    rules: RuleSet

    def __repr__(self) -> str:
        """By what the rules do: pipelines are part of cache keys."""
        return f"Apply({self.name!r}, {[r.digest() for r in self.rules]})"

    def __call__(self, outputs: Outputs, trace: Trace) -> Outputs:
        return rewrite(outputs, self.rules, trace, self.name)


@dataclass(frozen=True)
class Pipeline:
    """Passes in order."""

    passes: tuple[Pass, ...]

    def __iter__(self) -> Iterator[Pass]:
        return iter(self.passes)

    def __len__(self) -> int:
        return len(self.passes)

    def including(self, *passes: Pass, before: str | None = None) -> Pipeline:
        """With `passes` added, at the end or in front of the pass called `before`."""
        if before is None:
            return Pipeline((*self.passes, *passes))
        names = [p.name for p in self.passes]
        if before not in names:
            refuse(
                SymgraphError,
                f"the pipeline has no pass {before!r}",
                remedy=f"there are: {', '.join(names)}",
            )
        place = names.index(before)
        return Pipeline((*self.passes[:place], *passes, *self.passes[place:]))

    def excluding(self, *names: str) -> Pipeline:
        """Without these passes or rules, by name or by what the rules preserve.

        >>> [p.name for p in DEFAULT.excluding("stabilize")]
        ['split complex', 'canonicalize', 'simplify', 'loops', 'expand']
        """
        kept = tuple(p for p in self.passes if p.name not in names)
        for name in names:
            if not self._has(name):
                refuse(
                    SymgraphError,
                    f"the pipeline has no pass or rule {name!r}",
                    remedy=f"its passes are: {', '.join(p.name for p in self.passes)}; "
                    "`symgraph passes` lists the rules",
                )
        return Pipeline(
            tuple(
                replace(p, without=(*p.without, *names))
                if isinstance(p, RulePass)
                else p
                for p in kept
            )
        )

    def _has(self, name: str) -> bool:
        if name in PRESERVES or any(p.name == name for p in self.passes):
            return True
        found = (p.all_rules() for p in self.passes if isinstance(p, RulePass))
        return any(r.name == name for rules in found for r in rules)


DEFAULT = Pipeline(
    (
        # Before all rules, which are about real numbers.
        SplitComplex(),
        # So that the patterns of later passes need one spelling each.
        Canonicalize(),
        # Before anything is folded, which would freeze log(1 + 1e-20) as 0, and before
        # named formulas are written out, which hides them from the patterns.
        Stabilize(),
        # On the graph as it will be computed: dead shapes and layouts are gone by now.
        Simplify(),
        # On simple bodies, whose products stand alone.
        Loops(),
        # Last: the patterns match names.
        Expand(),
    )
)


def _through(step: Pass, outputs: Outputs, trace: Trace) -> Outputs:
    """`step` applied to a graph, and to those that its loops and branches run."""
    history = trace.history
    mark = history.now() if history else 0
    after = step(outputs, trace)
    if history:
        kept: Preserves = getattr(step, "preserves", "exact")
        history.passed(step.name, (summary_of(step), kept), outputs, after, mark)
    if not any(isinstance(node.op, Nested) for node in toposort(after)):
        return after

    def changed(node: Node, inputs: tuple[Node, ...]) -> Node:
        made = intern(node.op, inputs, node.site)
        if history:
            history.again(node, made)
        if not isinstance(made.op, Nested):
            return made
        return _inside(step, made, trace)

    return rebuild(after, changed)


def _inside(step: Pass, node: Node, trace: Trace) -> Node:
    """`node`, a loop or choice, with `step` applied to the graphs that it runs."""
    assert isinstance(node.op, Nested)
    history = trace.history
    if not history:
        return node.op.rewritten(node, lambda roots: _through(step, roots, trace))
    bodies: list[Outputs] = []

    def change(roots: Outputs) -> Outputs:
        history.opened(node, roots)
        bodies.append(_through(step, roots, trace))
        history.closed(bodies[-1])
        return bodies[-1]

    made = node.op.rewritten(node, change)
    history.replaced(node, made, bodies)
    return made


def summary_of(step: Pass) -> str:
    """What a pass says of itself, in a line."""
    return (type(step).__doc__ or "").strip().partition("\n")[0]


def run(
    outputs: Sequence[Node],
    passes: Sequence[Pass] | Pipeline = DEFAULT,
    trace: Trace | None = None,
    watch: Callable[[str, Outputs], None] | None = None,
) -> Outputs:
    """`outputs` taken through `passes`; `watch(name, outputs)` sees what each leaves.

    With ``config.check`` every pass is verified: the types of the graph, and its value
    on small random inputs.

    Raises:
        CompileError: a rule or pass is wrong; the message names it.
    """
    trace = Trace() if trace is None else trace
    current = tuple(outputs)
    for step in passes:
        start = len(trace)
        begun = time.perf_counter()
        after = _through(step, current, trace)
        trace.took(step.name, time.perf_counter() - begun)
        if config.check:
            from .check import check_pass

            records = trace.records[start:]
            kept: Preserves = getattr(step, "preserves", "exact")
            check_pass(step.name, current, after, records, kept)
        current = after
        if watch is not None:
            watch(step.name, current)
    return current
