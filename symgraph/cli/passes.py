"""``symgraph passes``: the pipeline, rule by rule."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .errors import reporting

if TYPE_CHECKING:
    from ..passes import Pass


def passes() -> None:
    """List the pipeline: each pass, its rules, and what they preserve."""
    from ..passes import DEFAULT

    with reporting(False):
        shown: dict[str, str] = {}
        for step in DEFAULT:
            sys.stdout.write(_pass_text(step, shown))


def _pass_text(step: Pass, shown: dict[str, str]) -> str:
    """A pass with its rules, but for those in `shown`, which an earlier pass has too.

    `shown` gives the first pass of each rule, and grows.
    """
    from ..passes import RulePass

    lines = [f"{step.name}: {(type(step).__doc__ or '').strip().splitlines()[0]}"]
    again: dict[str, int] = {}
    for rule in step.rules() if isinstance(step, RulePass) else ():
        first = shown.setdefault(rule.name, step.name)
        if first != step.name:
            again[first] = again.get(first, 0) + 1
            continue
        summary = " ".join(rule.doc.partition("\n\n")[0].split())
        lines.append(f"  {rule.name} ({rule.preserves}): {summary}")
    lines += [f"  and {count} rules of {name}" for name, count in again.items()]
    return "\n".join(lines) + "\n"
