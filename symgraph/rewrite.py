"""Rewriting: named rules written as patterns, rule sets, the engine and its trace.

A rule looks at one node and what lies below it, never at its users.  So a graph is
brought to its fixed point in one walk: a node is rewritten once its inputs are final,
and what a rule returns is walked in turn.  The cost is linear in the nodes that are
met.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any, Literal, TypeAlias

import numpy as np

from .errors import CompileError, SymgraphError, refuse
from .graph import Node, Site, here, intern, toposort
from .leaf import Constant, Leaf
from .op import Elemwise, Op
from .types import TensorType, is_complex, tensor
from .variable import Variable

#: What a rule keeps: every bit; the value up to rounding; the value where it is finite.
Preserves: TypeAlias = Literal["exact", "rounding", "special_values"]
PRESERVES: tuple[Preserves, ...] = ("exact", "rounding", "special_values")

#: Finds a node that is already final in the graph being rewritten.
Seen: TypeAlias = Callable[[Op, tuple[Node, ...]], "Node | None"]
#: How often a node is read in the graph as it came (0 for nodes that rules made).
Uses: TypeAlias = Callable[[Node], int]


# -- patterns --------------------------------------------------------------------------


class Wild(Leaf):
    """Stands for any node in a pattern."""

    def __init__(self, label: str) -> None:
        self.label = label

    def infer(self) -> TensorType:
        return tensor("float64", ())


class Like(Op):
    """Stands for any node of an op class in a pattern; made by :func:`like`."""

    def __init__(self, cls: type[Op], label: str | None) -> None:
        self.cls = cls
        self.label = label

    def infer(self, *inputs: Node) -> TensorType:
        return tensor("float64", ())


def like(cls: type[Op], *inputs: Variable, name: str | None = None) -> Variable:
    """In a pattern: any node whose op is a `cls`, whatever its parameters.

    Without `inputs`, its inputs may be anything.  The rule gets the node as the
    argument `name`.
    """
    return Variable(intern(Like(cls, name), tuple(v.node for v in inputs)))


@dataclass(frozen=True, slots=True)
class _Open:
    """Require an op at a register and append its inputs to the registers."""

    register: int
    cls: type[Op]
    op: Op | None
    arity: int | None


@dataclass(frozen=True, slots=True)
class _Value:
    """Require a scalar constant of this value (and sign) at a register."""

    register: int
    value: float


@dataclass(frozen=True, slots=True)
class _Same:
    """Require the same node at two registers."""

    register: int
    other: int


_Step: TypeAlias = "_Open | _Value | _Same"


@dataclass(frozen=True, slots=True)
class _Variant:
    """A pattern in one order of its commutative operands, as steps of a matcher."""

    steps: tuple[_Step, ...]
    names: dict[str, int]

    def match(self, node: Node) -> dict[str, Node] | None:
        registers = [node]
        for step in self.steps:
            at = registers[step.register]
            if type(step) is _Open:
                op = at.op
                if type(op) is not step.cls or not (step.op is None or op == step.op):
                    return None
                if step.arity is not None and len(at.inputs) != step.arity:
                    return None
                registers.extend(at.inputs)
            elif type(step) is _Same:
                if at is not registers[step.other]:
                    return None
            elif not has_value(at, step.value):  # type: ignore[union-attr]
                return None
        return {name: registers[k] for name, k in self.names.items()}


def has_value(node: Node, value: float) -> bool:
    """Whether `node` is a scalar constant equal to `value`, the sign of zero included.

    Larger constants are opaque: compiled code is cached without looking at their
    values.
    """
    op = node.op
    if type(op) is not Constant or op.data.ndim or op.data.dtype.kind == "c":
        return False
    element = op.data.item()
    return bool(element == value and np.signbit(element) == np.signbit(value))


def _compile(pattern: Callable[..., Variable]) -> tuple[type[Op], tuple[_Variant, ...]]:
    """The op class at the root of a pattern, and its matchers."""
    names = _parameters(pattern)
    root = pattern(*(Variable(intern(Wild(name), ())) for name in names)).node
    swappable = [
        n
        for n in toposort([root])
        if isinstance(n.op, Elemwise)
        and n.op.commutative
        and n.inputs[0] is not n.inputs[1]
    ]
    variants = tuple(
        _variant(root, {n for n, swap in zip(swappable, choice, strict=True) if swap})
        for choice in itertools.product((False, True), repeat=len(swappable))
    )
    cls = root.op.cls if isinstance(root.op, Like) else type(root.op)
    return cls, variants


def _variant(root: Node, swapped: set[Node]) -> _Variant:
    """The matcher for `root` with the operands of `swapped` nodes exchanged."""
    steps: list[_Step] = []
    names: dict[str, int] = {}
    first: dict[Node, int] = {}
    queue = [root]
    for register, node in enumerate(queue):  # the queue grows while it is walked
        if node in first:
            steps.append(_Same(register, first[node]))
            continue
        first[node] = register
        op, inputs = node.op, node.inputs[:: -1 if node in swapped else 1]
        match op:
            case Wild():
                names[op.label] = register
                continue
            case Constant():
                steps.append(_Value(register, op.data.item()))
                continue
            case Like():
                steps.append(_Open(register, op.cls, None, len(inputs) or None))
                if op.label:
                    names[op.label] = register
            case _:
                steps.append(_Open(register, type(op), op, len(inputs)))
        queue.extend(inputs)
    return _Variant(tuple(steps), names)


def _parameters(function: Callable[..., object]) -> tuple[str, ...]:
    """The names of a function's parameters."""
    assert isinstance(function, FunctionType)
    code = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


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
        "_compiled",
        "_source",
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
        self._wanted = _parameters(function)
        self._compiled: tuple[type[Op], tuple[_Variant, ...]] | None = None

    def __repr__(self) -> str:
        return f"<rule {self.name}: {self.doc.partition(chr(10))[0]}>"

    @property
    def root(self) -> type[Op]:
        """The op class of the nodes that the rule may match."""
        if isinstance(self._source, type):
            return self._source
        return self._pattern()[0]

    def matches_root(self, cls: type[Op]) -> bool:
        """Whether a node whose op is a `cls` may match; classes match subclasses."""
        root = self.root
        return issubclass(cls, root) if isinstance(self._source, type) else cls is root

    def apply(self, node: Node, seen: Seen, uses: Uses) -> Node | None:
        """What stands in for `node`, or None where the rule does not apply."""
        arguments: dict[str, Any] = {"node": node, "seen": seen, "uses": uses}
        if not isinstance(self._source, type):
            bound = self._match(node)
            if bound is None:
                return None
            arguments.update(bound)
        result = self.function(**{name: arguments[name] for name in self._wanted})
        after = result.node if isinstance(result, Variable) else result
        return None if after is node else after

    def digest(self) -> str:
        """What the rule does, as a digest of its code: cached results depend on it."""
        parts = [self.name, self.preserves]
        for function in (self.function, self._source):
            code = getattr(function, "__code__", None)
            parts.append(repr(function) if code is None else _code_text(code))
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()

    def _pattern(self) -> tuple[type[Op], tuple[_Variant, ...]]:
        if self._compiled is None:
            assert not isinstance(self._source, type)
            self._compiled = _compile(self._source)
        return self._compiled

    def _match(self, node: Node) -> dict[str, Any] | None:
        """The bindings of the first variant that matches; wildcards as variables."""
        for variant in self._pattern()[1]:
            bound = variant.match(node)
            if bound is not None:
                if any(is_complex(n.type.dtype) for n in bound.values()):
                    return None  # below a real node, as in abs(z)
                nodes = self._nodes()
                return {k: n if k in nodes else Variable(n) for k, n in bound.items()}
        return None

    def _nodes(self) -> frozenset[str]:
        """The names given by :func:`like`, whose nodes are handed over as they are."""
        wild = _parameters(self._source)
        return frozenset(self._pattern()[1][0].names) - frozenset(wild)


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
    """What rules did, in order."""

    records: list[Record] = field(default_factory=list)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def counts(self) -> dict[str, int]:
        """How often each rule was applied, the most frequent first."""
        return dict(Counter(r.rule.name for r in self.records).most_common())

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
            if rebuilt in self.final:
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
        self.pending[node] = applied
        self.budget -= 1
        if after in self.pending or self.budget < 0:
            raise self._endless()
        self._inherit_site(node, after)
        return (node, after), (after, None)

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
