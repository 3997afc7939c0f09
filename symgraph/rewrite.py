"""Rewriting: named rules written as patterns, rule sets, the engine and its trace.

A rule looks at one node and what lies below it, never at its users.  So a graph is
brought to its fixed point in one walk: a node is rewritten once its inputs are final,
and what a rule returns is walked in turn.  The cost is linear in the nodes that are
met.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, Literal, TypeAlias

from .errors import CompileError, SymgraphError, refuse
from .graph import Node, Site, here, intern, toposort
from .history import Change, History
from .op import Op
from .pattern import Miss, Variant, class_of, parameters, root_of, variants_of
from .pattern import has_value as has_value
from .pattern import like as like
from .types import is_complex
from .variable import Variable

#: What a rule keeps: every bit; the value up to rounding; the value where it is finite.
Preserves: TypeAlias = Literal["exact", "rounding", "special_values"]
PRESERVES: tuple[Preserves, ...] = ("exact", "rounding", "special_values")

#: Finds a node that is already final in the graph being rewritten.
Seen: TypeAlias = Callable[[Op, tuple[Node, ...]], "Node | None"]
#: How often a node is read in the graph as it came (0 for nodes that rules made).
Uses: TypeAlias = Callable[[Node], int]


def _code_text(code: CodeType) -> str:
    """A function's code without its place, nested functions included."""
    parts: list[object] = [code.co_code.hex(), code.co_names]
    for const in code.co_consts:
        parts.append(_code_text(const) if isinstance(const, CodeType) else repr(const))
    return repr(parts)


# -- rules -----------------------------------------------------------------------------


class Rule:
    """A named rewriting of nodes, made by :meth:`RuleSet.rule` or :func:`rule`.

    Attributes:
        name: the function's name.
        doc: its docstring, ``before -> after``.
        preserves: "exact", "rounding" or "special_values".
    """

    __slots__ = (
        "_class",
        "_root",
        "_source",
        "_variants",
        "_wanted",
        "doc",
        "function",
        "name",
        "preserves",
    )

    def __init__(
        self,
        source: type[Op] | Callable[..., Variable],
        preserves: Preserves,
        function: Callable[..., Any],
    ) -> None:
        if preserves not in PRESERVES:
            refuse(
                SymgraphError,
                f"the rule {function.__name__} cannot preserve {preserves!r}",
                remedy=f"it preserves one of {', '.join(map(repr, PRESERVES))}",
            )
        self.name = function.__name__
        self.doc = (function.__doc__ or "").strip()
        self.preserves = preserves
        self.function = function
        self._source = source
        self._wanted = parameters(function)
        self._class = source if isinstance(source, type) else None
        self._root: Node | None = None
        self._variants: tuple[Variant, ...] = ()

    def __repr__(self) -> str:
        return f"<rule {self.name}: {self.doc.partition(chr(10))[0]}>"

    @property
    def root(self) -> type[Op]:
        """The op class of the nodes that the rule may match."""
        if self._class is None:
            # Most rules of a set never meet a node of their class: until one does, its
            # matchers are not made.
            assert not isinstance(self._source, type)
            self._root = root_of(self._source)
            self._class = class_of(self._root)
        return self._class

    def matches_root(self, cls: type[Op]) -> bool:
        """Whether a node whose op is a `cls` may match; classes match subclasses."""
        root = self.root
        return issubclass(cls, root) if isinstance(self._source, type) else cls is root

    def apply(self, node: Node, seen: Seen, uses: Uses) -> Node | None:
        """What stands in for `node`, or None where the rule does not apply."""
        arguments = self.arguments(node, seen, uses)
        if arguments is None:
            return None
        result = self.function(**arguments)
        after = result.node if isinstance(result, Variable) else result
        return None if after is node else after

    def arguments(self, node: Node, seen: Seen, uses: Uses) -> dict[str, Any] | None:
        """What the function is called with for `node`; None where it does not match."""
        given: dict[str, Any] = {"node": node, "seen": seen, "uses": uses}
        if not isinstance(self._source, type):
            bound = self._match(node)
            if bound is None:
                return None
            given.update(bound)
        return {name: given[name] for name in self._wanted}

    @property
    def patterned(self) -> bool:
        """Whether the rule has a pattern, and not just a class of ops."""
        return not isinstance(self._source, type)

    @property
    def parts(self) -> int:
        """How many parts the pattern has; an op class is one."""
        return len(self._matchers()[0].steps) if self.patterned else 1

    def miss(self, node: Node) -> Miss | None:
        """How nearly `node` matches the pattern; None where it does, or there is none.

        That is in the order of commutative operands in which it comes nearest.
        """
        if isinstance(self._source, type):
            return None
        misses = [variant.miss(node) for variant in self._matchers()]
        found = [m for m in misses if m is not None]
        if len(found) < len(misses):
            return None
        return max(found, key=lambda m: (m.matched, m.plausible))

    @property
    def summary(self) -> str:
        """The first paragraph of the docstring, in a line."""
        return " ".join(self.doc.partition("\n\n")[0].split())

    def opened(self, node: Node) -> tuple[Node, ...]:
        """The nodes that the pattern looks into where `node`, the first, matches.

        That is `node` alone where the rule has no pattern.
        """
        if not isinstance(self._source, type):
            for variant in self._matchers():
                found = variant.opened(node)
                if found is not None:
                    return found
        return (node,)

    def digest(self) -> str:
        """What the rule does, as a digest of its code: cached results depend on it."""
        parts = [self.name, self.preserves]
        for function in (self.function, self._source):
            code = getattr(function, "__code__", None)
            parts.append(repr(function) if code is None else _code_text(code))
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()

    def _matchers(self) -> tuple[Variant, ...]:
        """The pattern, in each order of its commutative operands."""
        if not self._variants:
            assert not isinstance(self._source, type)
            root = self._root or root_of(self._source)
            self._variants, self._root = variants_of(root), None
        return self._variants

    def _match(self, node: Node) -> dict[str, Any] | None:
        """The bindings of the first variant that matches; wildcards as variables."""
        for variant in self._matchers():
            bound = variant.match(node)
            if bound is not None:
                if any(is_complex(n.type.dtype) for n in bound.values()):
                    return None  # below a real node, as in abs(z)
                nodes = self._nodes()
                return {k: n if k in nodes else Variable(n) for k, n in bound.items()}
        return None

    def _nodes(self) -> frozenset[str]:
        """The names given by :func:`like`, whose nodes are handed over as they are."""
        wild = parameters(self._source)
        return frozenset(self._matchers()[0].names) - frozenset(wild)


def rule(
    source: type[Op] | Callable[..., Variable], *, preserves: Preserves
) -> Callable[[Callable[..., Any]], Rule]:
    """Decorator: make a rule from a function.

    Args:
        source: a pattern, ``lambda x: log(1 + x)``, each of whose parameters stands for
            any node (the same one wherever it occurs); or an op class.  Numbers match
            scalar constants, operands of commutative ops match in both orders, casts
            are not looked through.
        preserves: "exact": every bit; "rounding": the value but for rounding;
            "special_values": the same but for rounding where the value before is
            finite.

    The function is called with those of these that its parameters name: the pattern's
    parameters (as variables), nodes named by :func:`like`, ``node`` (the node that
    matched), ``seen`` (finds final nodes) and ``uses`` (counts a node's readers).  It
    returns a variable or node of the same dtype and shape, or None for no change.
    """
    return lambda function: Rule(source, preserves, function)


class RuleSet:
    """An ordered set of rules: the first that applies to a node is taken."""

    def __init__(self, name: str, rules: Sequence[Rule] = ()) -> None:
        self.name = name
        self._rules = list(rules)
        self._index: dict[type[Op], tuple[Rule, ...]] = {}

    def rule(
        self, source: type[Op] | Callable[..., Variable], *, preserves: Preserves
    ) -> Callable[[Callable[..., Any]], Rule]:
        """Decorator: make a rule and append it; see :func:`rule`."""

        def register(function: Callable[..., Any]) -> Rule:
            made = Rule(source, preserves, function)
            self._rules.append(made)
            self._index.clear()
            return made

        return register

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def __repr__(self) -> str:
        return f"<RuleSet {self.name}: {len(self)} rules>"

    def __add__(self, other: RuleSet) -> RuleSet:
        return RuleSet(f"{self.name}+{other.name}", [*self, *other])

    def including(self, *names: str) -> RuleSet:
        """Only the rules with these names."""
        self._known(names)
        return RuleSet(self.name, [r for r in self if r.name in names])

    def excluding(self, *names: str) -> RuleSet:
        """The rules without those with these names, or that preserve only this much."""
        self._known(names)
        return RuleSet(
            self.name,
            [r for r in self if r.name not in names and r.preserves not in names],
        )

    def _known(self, names: tuple[str, ...]) -> None:
        known = {r.name for r in self} | set(PRESERVES)
        for name in names:
            if name not in known:
                refuse(
                    SymgraphError,
                    f"the rule set {self.name} has no rule {name!r}",
                    remedy=f"its rules are: {', '.join(sorted(known))}",
                )

    def candidates(self, cls: type[Op]) -> tuple[Rule, ...]:
        """The rules that may match a node whose op is a `cls`, in order."""
        found = self._index.get(cls)
        if found is None:
            found = tuple(r for r in self._rules if r.matches_root(cls))
            self._index[cls] = found
        return found


# -- trace -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """One application of a rule."""

    rule: Rule
    before: Node
    after: Node
    phase: str

    def __str__(self) -> str:
        return f"{self.phase}: {self.rule.name}: {self.before} -> {self.after}"


@dataclass(slots=True)
class Trace:
    """What rules did, in order.

    With a `history`, also what became of every node, and what passes did by themselves.
    `times` has the seconds that each pass took.
    """

    records: list[Record] = field(default_factory=list)
    history: History | None = None
    times: dict[str, float] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def _repr_html_(self) -> str:
        from .inspect.static_html import trace_html

        return trace_html(self)

    def counts(self) -> dict[str, int]:
        """How often each rule was applied, the most frequent first."""
        return dict(Counter(r.rule.name for r in self.records).most_common())

    def took(self, phase: str, seconds: float) -> None:
        """Add to the time of the pass called `phase`."""
        self.times[phase] = self.times.get(phase, 0.0) + seconds

    @property
    def changes(self) -> Sequence[Change]:
        """The records, and what passes did by themselves, where there is a history."""
        return () if self.history is None else self.history.steps

    def text(self) -> str:
        """A line for each record."""
        return "\n".join(str(r) for r in self.records)

    def json(self) -> list[dict[str, str]]:
        """The records as plain data."""
        return [
            {
                "phase": r.phase,
                "rule": r.rule.name,
                "preserves": r.rule.preserves,
                "before": repr(r.before),
                "after": repr(r.after),
            }
            for r in self.records
        ]


# -- engine ----------------------------------------------------------------------------


def rewrite(
    outputs: Sequence[Node],
    rules: RuleSet,
    trace: Trace | None = None,
    phase: str = "",
) -> tuple[Node, ...]:
    """`outputs` rewritten by `rules` until none applies.

    Raises:
        CompileError: a rule changes a dtype or shape, or rules undo each other for
        ever.
    """
    trace = Trace() if trace is None else trace
    return _Engine(rules, trace, phase or rules.name, here()).run(outputs)


class _Engine:
    """One walk: `final` maps nodes to what they became."""

    def __init__(
        self, rules: RuleSet, trace: Trace, phase: str, site: Site | None
    ) -> None:
        self.rules = rules
        self.trace = trace
        self.phase = phase
        self.site = site
        self.final: dict[Node, Node] = {}
        self.pending: dict[Node, Rule | None] = {}
        self.table: dict[tuple[Op, tuple[Node, ...]], Node] = {}
        self.uses: Counter[Node] = Counter()
        self.budget = 0

    def run(self, outputs: Sequence[Node]) -> tuple[Node, ...]:
        """Walk with an explicit stack of (node, what it became or None)."""
        order = toposort(outputs)
        self.uses = Counter(outputs)
        for node in order:
            self.uses.update(node.inputs)
        self.budget = 10_000 + 100 * len(order)
        final = self.final
        stack: list[tuple[Node, Node | None]] = [(n, None) for n in reversed(outputs)]
        while stack:
            node, became = stack.pop()
            if node in final:
                continue
            if became is not None:
                self._settle(node, final[became])
                continue
            waiting = [i for i in node.inputs if i not in final]
            if waiting:
                if node in self.pending:
                    raise self._endless()
                self.pending[node] = None
                stack.append((node, None))
                stack.extend((i, None) for i in reversed(waiting))
                # The node comes back when its inputs are final, and is then not
                # waiting.
                continue
            stack.extend(self._step(node))
        return tuple(final[n] for n in outputs)

    def _settle(self, node: Node, became: Node) -> None:
        self.final[node] = became
        self.pending.pop(node, None)
        if became is not node:
            self.uses[became] += self.uses[node]

    def _step(self, node: Node) -> tuple[tuple[Node, Node | None], ...]:
        """Rewrite a node whose inputs are final; returns what to walk first."""
        inputs = tuple(self.final[i] for i in node.inputs)
        if inputs != node.inputs:
            rebuilt = intern(node.op, inputs, node.site)
            if self.trace.history is not None:
                self.trace.history.again(node, rebuilt)
            if rebuilt in self.final:
                if self.trace.history is not None:
                    self.trace.history.settled(node, rebuilt, self.final[rebuilt])
                self._settle(node, self.final[rebuilt])
                return ()
            if self.pending.get(rebuilt) is not None:
                raise self._endless()
            self.pending[node] = None
            return (node, rebuilt), (rebuilt, None)
        for candidate in self._candidates(node):
            after = candidate.apply(node, self._seen, self.uses.__getitem__)
            if after is not None and not self._adds_complex(after):
                return self._replace(candidate, node, after)
        self.table[node.op, node.inputs] = node
        self._settle(node, node)
        return ()

    def _adds_complex(self, after: Node) -> bool:
        """Whether `after` has new complex parts, as a slice put below `real` has."""
        new = toposort([after], lambda n: () if n in self.final else n.inputs)
        made = (n for n in new if n.inputs and n not in self.final)
        return any(is_complex(n.type.dtype) for n in made)

    def _candidates(self, node: Node) -> Sequence[Rule]:
        """The rules for `node`: none where it is about complex numbers.

        Rules state what holds for real numbers, as log(exp(x)) -> x.
        """
        if any(is_complex(n.type.dtype) for n in (node, *node.inputs)):
            return ()
        return self.rules.candidates(type(node.op))

    def _seen(self, op: Op, inputs: tuple[Node, ...]) -> Node | None:
        return self.table.get((op, inputs))

    def _replace(
        self, applied: Rule, node: Node, after: Node
    ) -> tuple[tuple[Node, Node | None], ...]:
        _check_type(applied, node, after)
        self.trace.records.append(Record(applied, node, after, self.phase))
        if self.trace.history is not None:
            self._remember(self.trace.history, applied, node, after)
        self.pending[node] = applied
        self.budget -= 1
        if after in self.pending or self.budget < 0:
            raise self._endless()
        self._inherit_site(node, after)
        return (node, after), (after, None)

    def _remember(
        self, history: History, applied: Rule, node: Node, after: Node
    ) -> None:
        """Note in the history what a rule looked at, and what it made."""
        told = applied.name, applied.summary, applied.preserves
        history.applied(
            self.phase, told, applied.opened(node), after, self.final.__contains__
        )
        if after in self.final:
            history.settled(node, after, self.final[after])

    def _inherit_site(self, node: Node, after: Node) -> None:
        """New nodes belong to the user's line that wrote the node they stand for.

        They carry the line that asked for the rewriting, by which they are known.
        """
        stack = [after] if node.site != self.site else []
        while stack:
            new = stack.pop()
            if new not in self.final and new.inputs and new.site == self.site:
                new.site = node.site
                stack.extend(new.inputs)

    def _endless(self) -> CompileError:
        """Rules undo each other: name those at work."""
        recent = [r.rule.name for r in self.trace.records[-40:]]
        names = ", ".join(dict.fromkeys(reversed(recent)))
        return CompileError(
            f"rewriting does not end: the latest rules are {names}\n"
            f"  in {self.phase}, after {len(self.trace)} applications\n"
            "  help: leave one of them out with .excluding(name)"
        )


def _check_type(applied: Rule, before: Node, after: Node) -> None:
    """A rule may refine a type, never change it."""
    old, new = before.type, after.type
    if (
        old.dtype == new.dtype
        and len(old.shape) == len(new.shape)
        and all(
            a == b
            for a, b in zip(old.shape, new.shape, strict=True)
            if isinstance(a, int)
        )
    ):
        return
    raise CompileError(
        f"rule {applied.name} changes a type: {before} -> {after}\n"
        "  help: a rule must keep the dtype and every known dimension"
    )
