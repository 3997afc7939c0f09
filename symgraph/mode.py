"""Modes: how a function is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import UnsupportedError, refuse
from .passes import DEFAULT, Pipeline

#: What a function may be carried out by.
TARGETS = ("cpu", "interpret", "debug")


@dataclass(frozen=True)
class Mode:
    """How a function is carried out: the pipeline that rewrites it, and the target.

    `target` is "cpu"; "interpret" for each op's NumPy reference on the graph as
    written; or "debug" for both, compared at every step.  Raises UnsupportedError for
    another.
    """

    pipeline: Pipeline = DEFAULT
    target: str = "cpu"

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            refuse(
                UnsupportedError,
                f"target {self.target!r} is not supported",
                remedy=f"there are {', '.join(map(repr, TARGETS))}",
            )

    def including(self, *passes: Any) -> Mode:
        """With passes added at the end of the pipeline."""
        return Mode(self.pipeline.including(*passes), self.target)

    def excluding(self, *names: str) -> Mode:
        """Without passes or rules, by name or by what they preserve."""
        return Mode(self.pipeline.excluding(*names), self.target)


def as_mode(mode: str | Mode | None) -> Mode:
    """A mode by its name; None for the default.

    Raises:
        UnsupportedError: there is no such mode.
    """
    if isinstance(mode, Mode):
        return mode
    match mode:
        case None | "fast":
            return Mode()
        case "interpret" | "debug":
            return Mode(target=mode)
    refuse(
        UnsupportedError,
        f"mode {mode!r} is not supported",
        remedy="there are 'fast', 'interpret', 'debug' and sg.Mode(...)",
    )
