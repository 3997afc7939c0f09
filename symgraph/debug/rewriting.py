"""Which pass, and which rule in it, changes a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..check import MOST_NODES, check_types, small_inputs
from ..errors import CompileError, DebugError, message
from ..graph import Node, describe_site, toposort
from ..op import Op
from ..passes import Pass, Pipeline
from ..rewrite import PRESERVES, Preserves, Record, Rule, RuleSet, Trace, rewrite
from .values import Given, differ, floor_of, makes_sense, values_of, worst


@dataclass(frozen=True, slots=True)
class Stage:
    """What one pass made of the graph, and by which rules."""

    name: str
    before: tuple[Node, ...]
    after: tuple[Node, ...]
    records: tuple[Record, ...]
    promised: Preserves

    @property
    def preserves(self) -> Preserves:
        """What the pass itself and all rules together keep."""
        if self.before == self.after:
            return "exact"
        kinds = [self.promised, *(r.rule.preserves for r in self.records)]
        return max(kinds, key=PRESERVES.index)


def stages_of(roots: Sequence[Node], passes: Pipeline | Sequence[Pass]) -> list[Stage]:
    """The graph taken through `passes`, each of which is verified.

    Raises:
        DebugError: a pass or rule changes a type, or a value on small random inputs.
    """
    stages: list[Stage] = []
    trace = Trace()
    current = tuple(roots)
    for step in passes:
        start = len(trace)
        after = step(current, trace)
        promised: Preserves = getattr(step, "preserves", "exact")
        records = tuple(trace.records[start:])
        stage = Stage(step.name, current, after, records, promised)
        _verify(stage)
        stages.append(stage)
        current = after
    return stages


def _verify(stage: Stage) -> None:
    try:
        check_types(stage.name, stage.before, stage.after)
    except CompileError as error:
        raise DebugError(str(error), part="rewriting", pass_name=stage.name) from error
    roots = (*stage.before, *stage.after)
    for given in small_inputs(roots) if len(toposort(roots)) <= MOST_NODES else ():
        if makes_sense(stage.before, given):
            blame_stage(stage, given, floor_of(given, stage.before), every=True)


def blame_rewriting(stages: Sequence[Stage], given: Given, floor: float) -> None:
    """Raise DebugError for the first pass that changes a value for these arguments."""
    for stage in stages:
        blame_stage(stage, given, floor)


def blame_stage(
    stage: Stage, given: Given, floor: float, *, every: bool = False
) -> None:
    """Raise DebugError where the pass changes an output; with `every`, any value."""
    old = values_of(stage.before, given)
    new = values_of(stage.after, given)
    changed = next(
        (
            (a, b)
            for a, b in zip(stage.before, stage.after, strict=True)
            if differ(old.get(a), new.get(b), stage.preserves, floor)
        ),
        None,
    )
    if changed is None and not every:
        return
    wrong = None
    if changed is not None:
        wrong = _wrong(_bisected(stage, given, floor), given, floor)
    wrong = wrong or _wrong(stage.records, given, floor)
    if wrong is not None:
        raise _told(stage, wrong, given)
    if changed is not None and not stage.records:
        a, b = changed
        raise DebugError(
            message(
                f"mode='debug': the pass {stage.name} changes an output: "
                f"{worst(old[a], new.get(b))}",
                operands=tuple(i.type for i in a.inputs),
                line=describe_site(a.site),
                remedy=f"leave the pass out: sg.Mode().excluding({stage.name!r})",
            ),
            part="rewriting",
            pass_name=stage.name,
            node=a,
        )


def _bisected(stage: Stage, given: Given, floor: float) -> list[Record]:
    """The record that makes an output change: found by applying the first k."""
    expected = values_of(stage.before, given)

    def changed(count: int) -> bool:
        roots = replayed(stage, count)
        values = values_of(roots, given)
        return any(
            differ(expected.get(a), values.get(b), stage.preserves, floor)
            for a, b in zip(stage.before, roots, strict=True)
        )

    right, wrong = 0, len(stage.records)
    if not wrong or not changed(wrong):
        return []
    while wrong - right > 1:
        middle = (right + wrong) // 2
        right, wrong = (right, middle) if changed(middle) else (middle, wrong)
    return [stage.records[wrong - 1]]


def _wrong(records: Sequence[Record], given: Given, floor: float) -> Record | None:
    """The first of `records` that changes the value of its node."""
    values = values_of((n for r in records for n in (r.before, r.after)), given)
    for record in records:
        old, new = values.get(record.before), values.get(record.after)
        if differ(old, new, record.rule.preserves, floor):
            return record
    return None


def _told(stage: Stage, record: Record, given: Given) -> DebugError:
    node, rule = record.before, record.rule
    values = values_of((node, record.after), given)
    text = message(
        f"mode='debug': the rule {rule.name} of pass {stage.name} changes the value of "
        f"{node.op.name}: {worst(values[node], values.get(record.after))}\n"
        f"  rule: {rule.doc.partition(chr(10))[0] or rule.name} ({rule.preserves})\n"
        f"  before: {node}\n  after: {record.after}",
        operands=tuple(i.type for i in node.inputs),
        line=describe_site(node.site),
        remedy=f"leave the rule out: sg.Mode().excluding({rule.name!r})",
    )
    return DebugError(
        text, part="rewriting", pass_name=stage.name, rule=rule.name, node=node
    )


# -- replaying -------------------------------------------------------------------------


class _Recorded:
    """Stands for a rule: replaces the nodes that a trace says were replaced."""

    name = "replay"

    def __init__(self, records: Sequence[Record]) -> None:
        self._after = {r.before: r.after for r in records}

    def apply(self, node: Node, seen: object, uses: object) -> Node | None:
        return self._after.get(node)


class _Replay(RuleSet):
    """The first records of a trace, as rules."""

    def __init__(self, records: Sequence[Record]) -> None:
        super().__init__("replay")
        self._recorded = _Recorded(records)

    def candidates(self, cls: type[Op]) -> tuple[Rule, ...]:
        return (self._recorded,)  # type: ignore[return-value]


def replayed(stage: Stage, count: int) -> tuple[Node, ...]:
    """The graph before a pass, after its first `count` rule applications."""
    return rewrite(stage.before, _Replay(stage.records[:count]), Trace(), stage.name)
