"""A pipeline as text and as data: its passes, their rules, and what they preserve.

The schema, version 1::

    {
      "schema": "symgraph.passes", "version": 1,
      "passes": [
        {"name": "stabilize", "doc": "The same value, better conditioned.",
         "preserves": null,            # of a pass without rules: what it keeps itself
         "rules": [
           {"name": "log_of_one_plus", "preserves": "rounding",
            "doc": "log(1 + x) -> log1p(x)",      # its first paragraph
            "more": "",                           # and the rest
            "file": ".../symgraph/rules/logexp.py", "line": 41}]}]
    }
"""

from __future__ import annotations

import inspect
from typing import Any

from ..passes import Pass, Pipeline, summary_of
from ..rewrite import Rule
from .whynot import rules_of

VERSION = 1


def pipeline_text(pipeline: Pipeline) -> str:
    """Each pass with its rules, but for those that an earlier pass has too."""
    shown: dict[str, str] = {}
    return "".join(_pass_text(step, shown) for step in pipeline)


def _pass_text(step: Pass, shown: dict[str, str]) -> str:
    """A pass; `shown` gives the first pass of each rule, and grows."""
    lines = [f"{step.name}: {summary_of(step)}"]
    again: dict[str, int] = {}
    for rule in _rules(step):
        first = shown.setdefault(rule.name, step.name)
        if first != step.name:
            again[first] = again.get(first, 0) + 1
            continue
        lines.append(f"  {rule.name} ({rule.preserves}): {rule.summary}")
    lines += [f"  and {count} rules of {name}" for name, count in again.items()]
    return "\n".join(lines) + "\n"


def _rules(step: Pass) -> list[Rule]:
    found = rules_of(step)
    return list(found[0]) if found else []


def pipeline_json(pipeline: Pipeline) -> dict[str, Any]:
    """`pipeline` as plain data; see the module for the schema."""
    return {
        "schema": "symgraph.passes",
        "version": VERSION,
        "passes": [
            {
                "name": step.name,
                "doc": summary_of(step),
                "preserves": getattr(step, "preserves", None),
                "rules": [_rule_json(rule) for rule in _rules(step)],
            }
            for step in pipeline
        ],
    }


def _rule_json(rule: Rule) -> dict[str, Any]:
    code = rule.function.__code__
    more = rule.doc.partition("\n\n")[2]
    return {
        "name": rule.name,
        "preserves": rule.preserves,
        "doc": rule.summary,
        "more": inspect.cleandoc(more),
        "file": code.co_filename,
        "line": code.co_firstlineno,
    }


__all__ = ["pipeline_json", "pipeline_text"]
