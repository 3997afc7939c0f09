"""Why a rule did not fire: the places where it nearly did, and what was missing.

The pipeline is run again with a probe in front of the rules of each pass.  The probe
tries the rule on every node that the pass comes to: how far its pattern matches, what
differs first, and, where it matches, on which line the rule's function gave up.

The schema, version 1::

    {
      "schema": "symgraph.why_not", "version": 1, "name": "train",
      "rule": "log_of_one_plus", "doc": "log(1 + x) -> log1p(x)",
      "passes": ["stabilize"],                # that have it
      "excluded": [],                         # that would have it, but leave it out
      "fired": [3],                           # steps, as `symgraph explain` counts them
      "misses": [                             # the nearest first
        {"phase": "stabilize", "kind": "constant", "matched": 2, "parts": 3,
         "expression": "log(x + 2.0)", "scope": [],
         "lines": ["/home/me/net.py:12: y = sg.log(2 + x)"],
         "reason": "wants the constant 1.0, found 2.0"}]
    }

A miss is of kind "op", "parameters", "operands", "constant" or "same" (the pattern
differs so), "dtype" (a conversion stands in between, or the value is complex), "guard"
(the pattern matches, the rule's own condition does not hold), "first" (another rule
rewrote the place before) or "excluded" (the rule would have fired, but is left out).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import NotFoundError, closest, message
from ..graph import Node
from ..history import Change, History
from ..ops.cast import Cast
from ..passes import Apply, Outputs, Pass, Pipeline, RulePass, run
from ..rewrite import Rule, RuleSet, Seen, Trace, Uses, rewrite
from .guards import failed_guard
from .provenance import Line, lines_as_written
from .styled import BEFORE, DIM, LINE, NAME, Styled, plain
from .text import formula, op_text

if TYPE_CHECKING:
    from ..compiler import Compilation

VERSION = 1

#: The lines that wrote each node of the graph as it was written.
Lines: TypeAlias = dict[Node, tuple[Line, ...]]

#: An expression is written out this deep, and as long.
DEPTH, LONGEST = 4, 120
#: Text shows so many misses at most.
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A place where the rule did not fire, and why; see the module for the kinds.

    `matched` of the pattern's `parts` fit.
    """

    node: Node
    phase: str
    kind: str
    matched: int
    parts: int
    expression: str
    reason: str
    lines: tuple[Line, ...]
    scope: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why a rule did not fire, and where it did; `str()` of it is for people."""

    name: str
    rule: Rule
    passes: tuple[str, ...]
    excluded: tuple[str, ...]
    fired: tuple[Change, ...]
    misses: tuple[NearMiss, ...]

    def __str__(self) -> str:
        return plain(why_not_lines(self))

    def json(self) -> dict[str, Any]:
        """As plain data; the module has the schema."""
        return {
            "schema": "symgraph.why_not",
            "version": VERSION,
            "name": self.name,
            "rule": self.rule.name,
            "doc": self.rule.summary,
            "passes": list(self.passes),
            "excluded": list(self.excluded),
            "fired": [change.number for change in self.fired],
            "misses": [
                {
                    "phase": miss.phase,
                    "kind": miss.kind,
                    "matched": miss.matched,
                    "parts": miss.parts,
                    "expression": miss.expression,
                    "scope": list(miss.scope),
                    "lines": [line.full for line in miss.lines],
                    "reason": miss.reason,
                }
                for miss in self.misses
            ],
        }


# -- running it again ------------------------------------------------------------------


@dataclass(slots=True)
class _Tried:
    """What the probe found at a node."""

    node: Node
    phase: str
    kind: str
    matched: int
    parts: int
    reason: str
    at: Node
    progress: float = 0.0


@dataclass(slots=True)
class _Probe:
    """Stands first among the rules of a pass, looks, and changes nothing."""

    rule: Rule
    phase: str
    active: bool
    tried: dict[Node, _Tried]
    would_fire: dict[Node, str] = field(default_factory=dict)

    def apply(self, node: Node, seen: Seen, uses: Uses) -> Node | None:
        """Look at `node` as the engine comes to it."""
        if not node.inputs:
            return None
        found = self._look(node, seen, uses)
        if found is None:
            self.would_fire[node] = self.phase
        elif node not in self.tried or found.matched > self.tried[node].matched:
            self.tried[node] = found
        return None

    def _look(self, node: Node, seen: Seen, uses: Uses) -> _Tried | None:
        rule, phase = self.rule, self.phase
        miss = rule.miss(node)
        if miss is not None:
            kind, reason = miss.kind, f"wants {miss.wanted}, found {_found(miss.at)}"
            if isinstance(miss.at.op, Cast):
                kind = "dtype"
                source = miss.at.inputs[0].type.dtype
                reason = (
                    f"wants {miss.wanted}, found a conversion of {source} to "
                    f"{miss.at.type.dtype}"
                )
            return _Tried(node, phase, kind, miss.matched, miss.parts, reason, miss.at)
        parts = rule.parts
        arguments = rule.arguments(node, seen, uses)
        if arguments is None:
            reason = "holds for real numbers; there is a complex one below"
            return _Tried(node, phase, "dtype", parts, parts, reason, node)
        found = failed_guard(rule.function, arguments, node)
        if found is None:
            return None
        return _Tried(
            node, phase, "guard", parts, parts, found.reason, node, found.progress
        )


class _Probed(RuleSet):
    """The rules of a pass with a probe in front."""

    def __init__(self, rules: RuleSet, probe: _Probe) -> None:
        super().__init__(rules.name, list(rules))
        self._probe = probe

    def candidates(self, cls: type[Any]) -> tuple[Any, ...]:
        """The probe where its rule may match, then the rules."""
        found = super().candidates(cls)
        return (self._probe, *found) if self._probe.rule.matches_root(cls) else found


@dataclass(frozen=True)
class _Asked:
    """A pass of rules with a probe among them."""

    name: str
    rules: RuleSet

    def __call__(self, outputs: Outputs, trace: Trace) -> Outputs:
        return rewrite(outputs, self.rules, trace, self.name)


def rules_of(step: Pass) -> tuple[RuleSet, RuleSet] | None:
    """The rules that a pass applies, and those that it would without exclusions."""
    if isinstance(step, RulePass):
        return step.rules(), step.all_rules()
    return (step.rules, step.rules) if isinstance(step, Apply) else None


def rules_by_name(pipeline: Pipeline) -> dict[str, Rule]:
    """All rules of all passes."""
    known: dict[str, Rule] = {}
    for step in pipeline:
        found = rules_of(step)
        for rule in found[1] if found else ():
            known.setdefault(rule.name, rule)
    return known


def find_rule(pipeline: Pipeline, name: str) -> Rule:
    """The rule of that name.

    Raises:
        NotFoundError: there is none in any of the passes.
    """
    known = rules_by_name(pipeline)
    if name not in known:
        remedy = closest(name, known) + "`symgraph passes` lists the rules"
        raise NotFoundError(message(f"there is no rule {name!r}", remedy=remedy))
    return known[name]


def why_not(compilation: Compilation, name: str) -> WhyNot:
    """Why the rule `name` did not fire where it nearly did.

    Raises:
        NotFoundError: there is no such rule.
    """
    rule = find_rule(compilation.pipeline, name)
    tried: dict[Node, _Tried] = {}
    probes: list[_Probe] = []
    passes: list[str] = []
    excluded: list[str] = []
    steps: list[Pass] = []
    for step in compilation.pipeline:
        found = rules_of(step)
        active = found is not None and any(r.name == name for r in found[0])
        there = found is not None and any(r.name == name for r in found[1])
        if found is None or not there:
            steps.append(step)
            continue
        (passes if active else excluded).append(step.name)
        probes.append(_Probe(rule, step.name, active, tried))
        steps.append(_Asked(step.name, _Probed(found[0], probes[-1])))
    history = History(compilation.request.roots)
    run(compilation.request.roots, steps, Trace(history=history))
    fired = tuple(step for step in history.steps if step.rule == name)
    misses = _misses(rule, tried, probes, history, fired)
    return WhyNot(
        compilation.name, rule, tuple(passes), tuple(excluded), fired, tuple(misses)
    )


# -- what it says ----------------------------------------------------------------------


def _misses(
    rule: Rule,
    tried: dict[Node, _Tried],
    probes: Sequence[_Probe],
    history: History,
    fired: Sequence[Change],
) -> list[NearMiss]:
    """All misses, the nearest first, without what became a place where it fired."""
    settled: set[Node] = set()
    for change in fired:
        settled.update(history.before(change.before[0], 0))
    found: list[NearMiss] = []
    written = lines_as_written(history)
    makers = _makers(history)
    for node, it in sorted(tried.items(), key=lambda pair: -pair[1].progress):
        if node in settled:
            continue
        reason = it.reason
        maker = makers.get(it.at)
        if maker is not None and it.kind not in ("guard", "dtype"):
            reason += f", which {maker.rule} made in {maker.phase}"
        found.append(_near(history, written, it, it.kind, reason))
    found += _beaten(rule, probes, history, written, settled)
    distinct: dict[tuple[str, str, tuple[Line, ...]], NearMiss] = {}
    for near in found:
        distinct.setdefault((near.expression, near.reason, near.lines), near)
    ranked = sorted(distinct.values(), key=lambda m: -m.matched / m.parts)
    return ranked


def _makers(history: History) -> dict[Node, Change]:
    """The latest rule that made each node."""
    return {
        node: change
        for change in history.steps
        if change.rule is not None
        for node in change.after
    }


def _beaten(
    rule: Rule,
    probes: Sequence[_Probe],
    history: History,
    written: Lines,
    settled: set[Node],
) -> list[NearMiss]:
    """Places where the rule would have fired, had it come first or been there."""
    found: list[NearMiss] = []
    by_node: dict[Node, Change] = {}
    for change in history.steps:
        if change.rule not in (None, rule.name):
            by_node.setdefault(change.before[0], change)
    parts = rule.parts
    for probe in probes:
        for node, phase in probe.would_fire.items():
            if node in settled:
                continue
            first = by_node.get(node)
            it = _Tried(node, phase, "excluded", parts, parts, "", node)
            if not probe.active:
                reason = f"it is left out of {phase}"
                found.append(_near(history, written, it, "excluded", reason))
            elif first is not None:
                reason = f"{first.rule} rewrote it first, in {first.phase}"
                found.append(_near(history, written, it, "first", reason))
            else:
                reason = "what it makes would have new complex parts"
                found.append(_near(history, written, it, "dtype", reason))
    if rule.patterned:
        for node, change in by_node.items():
            if node in settled or not rule.matches_root(type(node.op)):
                continue
            if any(node in p.tried or node in p.would_fire for p in probes):
                continue
            if rule.miss(node) is None:
                it = _Tried(node, change.phase, "first", parts, parts, "", node)
                reason = f"{change.rule} rewrote it first, in {change.phase}"
                found.append(_near(history, written, it, "first", reason))
    return found


def _near(
    history: History, written: Lines, it: _Tried, kind: str, reason: str
) -> NearMiss:
    lines: dict[Line, None] = {}
    for source in history.origins(it.node).written:
        lines |= dict.fromkeys(written[source])
    return NearMiss(
        it.node, it.phase, kind, it.matched, it.parts, shown(it.node), reason,
        tuple(sorted(lines)),
    )  # fmt: skip


def shown(node: Node) -> str:
    """A node as a short formula."""
    text = formula(node, DEPTH, {}, longest=LONGEST)
    return text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."


def _found(node: Node) -> str:
    """What stands where the pattern wants something else."""
    if not node.inputs:
        return shown(node)
    return f"{op_text(node.op)} in {shown(node)}"


def _near_enough(misses: Iterable[NearMiss]) -> list[NearMiss]:
    """Those that match by half or more; all, where none does."""
    given = list(misses)
    return [m for m in given if 2 * m.matched >= m.parts] or given


# -- for people ------------------------------------------------------------------------


def why_not_lines(found: WhyNot) -> Iterator[Styled]:
    """Why a rule did not fire, in lines: where it did, then the nearest misses."""
    yield [(found.rule.name, NAME), (f" ({found.rule.preserves})", DIM)]
    yield [(f"  {found.rule.summary}", "")]
    where = ", ".join(found.passes) or "no pass"
    yield [("  in ", DIM), (where, ""), *_excluded(found)]
    times = len(found.fired)
    often = {0: "did not fire", 1: "fired once"}.get(times, f"fired {times} times")
    yield [(f"  {often}", "")]
    shown = _near_enough(found.misses)
    if not shown:
        yield [("", "")]
        yield [("no other place comes near its pattern", "")]
    for miss in shown[:MOST_SHOWN]:
        yield [("", "")]
        yield from _miss_lines(miss)
    left = len(found.misses) - min(len(shown), MOST_SHOWN)
    if left > 0:
        yield [("", "")]
        yield [(f"and {left} more: --format json lists them", DIM)]


def _excluded(found: WhyNot) -> Styled:
    return (
        [(f", left out of {', '.join(found.excluded)}", "")] if found.excluded else []
    )


def _miss_lines(miss: NearMiss) -> Iterator[Styled]:
    lines: tuple[Line | str, ...] = miss.lines or ("(no line is known)",)
    for line in lines:
        yield [(str(line), LINE)]
    yield [("  ", ""), (miss.expression, BEFORE)]
    if miss.parts > 1 and miss.matched < miss.parts:
        fit = f" ({miss.matched} of {miss.parts} parts match)"
    else:
        fit = ""
    yield [(f"  {miss.phase}: ", DIM), (miss.reason, ""), (fit, DIM)]


__all__ = ["NearMiss", "WhyNot", "find_rule", "rules_of", "why_not", "why_not_lines"]
