"""What was done to a graph, step by step, for people and for programs.

The schema, version 1.  A step is as in ``symgraph.provenance``, with its number among
all steps; lines are text, ``FILE:LINE: what stands there``::

    {
      "schema": "symgraph.explain", "version": 1, "name": "train",
      "rule": null, "node": null, "line": null,     # what was asked for
      "total": 28,                                  # steps in all
      "steps": [
        {"number": 3, "phase": "stabilize", "rule": "log_of_one_plus",
         "preserves": "rounding", "doc": "log(1 + x) -> log1p(x)",
         "before": "log(1.0 + a)", "after": "log1p(a)", "where": {"a": "exp(x)"},
         "scope": [], "lines": ["/home/me/net.py:12: y = sg.log(1 + sg.exp(x))"],
         "nodes": [2]}]        # of the optimized graph that came of it
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import NotFoundError, message
from ..passes import Pipeline
from .provenance import Fate, Provenance
from .styled import AFTER, BEFORE, DIM, HEADING, LINE, NAME, Styled, plain
from .text import op_text
from .whynot import find_rule

if TYPE_CHECKING:
    from ..compiler import Compilation

VERSION = 1


@dataclass(frozen=True, slots=True)
class Explanation:
    """The steps that were asked for; `str()` of it is for people.

    Attributes:
        provenance: where everything comes from.
        steps: the numbers of the steps, in order.
        rule: the rule that was asked for.
        node: the node of the optimized graph that was.
        line: the line that was, and what became of it.
    """

    provenance: Provenance
    steps: tuple[int, ...]
    rule: str | None = None
    node: int | None = None
    line: Fate | None = None

    def __str__(self) -> str:
        return plain(explain_lines(self))

    def json(self) -> dict[str, Any]:
        """As plain data; the module has the schema."""
        return {
            "schema": "symgraph.explain",
            "version": VERSION,
            "name": self.provenance.name,
            "rule": self.rule,
            "node": self.node,
            "line": None if self.line is None else self.line.line.full,
            "total": len(self.provenance.steps),
            "steps": [self._step(number) for number in self.steps],
        }

    def _step(self, number: int) -> dict[str, Any]:
        step, text = self.provenance.steps[number], self.provenance.text(number)
        return {
            "number": number,
            "phase": step.phase,
            "rule": step.rule,
            "preserves": step.preserves,
            "doc": step.doc,
            "before": text.before,
            "after": text.after,
            "where": text.where,
            "scope": [owner.op.name for owner in step.scope],
            "lines": [line.full for line in self.provenance.step_lines(number)],
            "nodes": self.provenance.leads_to(number),
        }


def explained(
    compilation: Compilation,
    rule: str | None = None,
    node: str | int | None = None,
) -> Explanation:
    """The steps of a pipeline, or those of a rule, or behind a node or line.

    `node` is the number of a node of the optimized graph, as `symgraph dump` has it, or
    a line, ``net.py:12`` or ``:12``.

    Raises:
        NotFoundError: there is no such rule, node or line.
    """
    if rule is not None:
        _check_rule(compilation.pipeline, rule)
    provenance = Provenance(compilation)
    steps: Sequence[int] = range(len(provenance.steps))
    number, fate = None, None
    if node is not None:
        number, fate = _found(provenance, str(node))
        steps = fate.steps if fate is not None else provenance.nodes[number or 0].steps
    if rule is not None:
        steps = [k for k in steps if _name(provenance, k) == rule]
    return Explanation(provenance, tuple(steps), rule, number, fate)


def _name(provenance: Provenance, number: int) -> str:
    step = provenance.steps[number]
    return step.rule or step.phase


def _check_rule(pipeline: Pipeline, name: str) -> None:
    """Refuse what is neither a rule nor a pass."""
    if all(step.name != name for step in pipeline):
        find_rule(pipeline, name)


def _found(provenance: Provenance, wanted: str) -> tuple[int | None, Fate | None]:
    """The node or the line that is meant."""
    if match := re.fullmatch(r"%?(\d+)", wanted):
        number = int(match[1])
        if number >= len(provenance.nodes):
            raise NotFoundError(
                message(
                    f"the optimized graph has no node %{number}",
                    remedy=f"they are %0 to %{len(provenance.nodes) - 1}; "
                    "`symgraph dump` lists them",
                )
            )
        return number, None
    if match := re.fullmatch(r"(.*):(\d+)", wanted):
        fate = provenance.line(int(match[2]), match[1] or None)
        if fate is not None:
            return None, fate
        known = ", ".join(f.line.short for f in provenance.lines[:8])
        raise NotFoundError(
            message(
                f"nothing that {provenance.name} computes was written on line {wanted}",
                remedy=f"there are {known}" if known else "its lines are not known",
            )
        )
    raise NotFoundError(
        message(
            f"{wanted!r} is neither a node nor a line",
            remedy="give a number of `symgraph dump`, %12, or a line, net.py:12",
        )
    )


# -- for people ------------------------------------------------------------------------


def explain_lines(found: Explanation) -> Iterator[Styled]:
    """An explanation in lines: what was asked for, then the steps, by pass."""
    provenance, total = found.provenance, len(found.provenance.steps)
    shown = len(found.steps)
    count = f"{total} steps" if shown == total else f"{shown} of {total} steps"
    yield [(provenance.name, NAME), (f": {count}", "")]
    if found.node is not None:
        yield from _node_lines(provenance, found.node)
    if found.line is not None:
        yield from _fate_lines(provenance, found.line)
    if provenance.refused is not None:
        yield [(f"no kernels: {str(provenance.refused).splitlines()[0]}", "")]
    if not found.steps and found.rule is not None:
        ask = f"--why-not {found.rule}"
        yield [(f"{found.rule} did not fire; ", ""), (ask, NAME), (" says why", "")]
    phase = None
    for number in found.steps:
        step = provenance.steps[number]
        if step.phase != phase:
            phase = step.phase
            yield [("", "")]
            yield [(phase, HEADING)]
        yield from _step_lines(provenance, number)


def _node_lines(provenance: Provenance, number: int) -> Iterator[Styled]:
    made = provenance.nodes[number]
    yield [(f"%{number} = {op_text(made.node.op)}: {made.node.type}", "")]
    for line in made.lines:
        yield [("  from ", DIM), (str(line), LINE)]
    yield from _kernel_lines(provenance, made.kernels)


def _fate_lines(provenance: Provenance, fate: Fate) -> Iterator[Styled]:
    yield [(str(fate.line), LINE)]
    nodes = [n for n in fate.nodes if provenance.nodes[n].node.inputs] or fate.nodes
    if nodes:
        yield [("  became ", DIM), (_numbers(nodes), "")]
    yield from _kernel_lines(provenance, fate.kernels)


def _numbers(nodes: Sequence[int]) -> str:
    """``%3, %4, ...`` of the optimized graph."""
    shown = ", ".join(f"%{n}" for n in nodes[:20])
    return shown + (f" and {len(nodes) - 20} more" if len(nodes) > 20 else "")


def _kernel_lines(provenance: Provenance, kernels: Sequence[int]) -> Iterator[Styled]:
    for number in kernels:
        kernel = provenance.kernels[number]
        if kernel.kind != "control":
            yield [
                ("  in ", DIM),
                (kernel.name, ""),
                (f", which reads {kernel.bytes_read} bytes", DIM),
                (f" and writes {kernel.bytes_written}", DIM),
            ]


def _step_lines(provenance: Provenance, number: int) -> Iterator[Styled]:
    step, text = provenance.steps[number], provenance.text(number)
    inside = "".join(f" in {owner.op.name}" for owner in step.scope)
    title = step.rule or "the pass itself"
    yield [
        (f"{number:>4}  ", DIM),
        (title, NAME),
        (f" ({step.preserves}){inside}", DIM),
    ]
    for line in provenance.step_lines(number):
        yield [("      ", ""), (str(line), LINE)]
    yield [("      ", ""), (text.before, BEFORE), (" -> ", ""), (text.after, AFTER)]
    for letter, meaning in text.where.items():
        yield [(f"      {letter} = {meaning}", DIM)]


__all__ = ["Explanation", "explain_lines", "explained"]
