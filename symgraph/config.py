"""Process-wide settings: ``sg.config.floatX = ...``, ``with sg.config.flags(...)``.

Settings are read when an expression is built or a function compiled, never while one
runs, except `num_threads` and `debug_nan`, which take effect at the next call.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import DTypeError, SymgraphError, refuse

_CHOICES: dict[str, tuple[object, ...]] = {
    "floatX": ("float32", "float64"),
    "cache": (True, False),
    "check": (True, False),
    "debug_nan": ("raise", "warn", "ignore", "strict"),
}


class Config:
    """The settings; unknown names and values are refused.

    Attributes:
        floatX: dtype of variables declared without one.
        cache: whether compiled functions are kept on disk.
        check: verify the graph at every pass boundary (``SYMGRAPH_CHECK=1``).
        debug_nan: what a call in ``mode="debug"`` does about a NaN or an infinity that
            an op makes.  "raise": an error for a NaN that reaches a result, a warning
            for an infinity; "warn": warnings for both; "ignore": nothing; "strict": an
            error for both, even where no result shows them.
        num_threads: threads for compiled code; None means one for each core allowed.
    """

    __slots__ = ("cache", "check", "debug_nan", "floatX", "num_threads")

    floatX: str
    cache: bool
    check: bool
    debug_nan: str
    num_threads: int | None

    def __init__(self) -> None:
        self.floatX = "float64"
        self.cache = True
        self.check = os.environ.get("SYMGRAPH_CHECK", "0") not in ("", "0")
        self.debug_nan = "raise"
        self.num_threads = None

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self.__slots__:
            known = ", ".join(self.__slots__)
            refuse(
                SymgraphError,
                f"config has no setting {name!r}",
                remedy=f"there are: {known}",
            )
        allowed = _CHOICES.get(name)
        if allowed is not None and value not in allowed:
            error = DTypeError if name == "floatX" else SymgraphError
            refuse(
                error,
                f"config.{name} cannot be {value!r}",
                remedy=f"it is one of {', '.join(map(repr, allowed))}",
            )
        if name == "num_threads":
            _check_threads(value)
            if value != getattr(self, name, None):
                _set_threads(value)  # type: ignore[arg-type]
        object.__setattr__(self, name, value)

    @contextmanager
    def flags(self, **settings: object) -> Iterator[None]:
        """Change settings for the length of a ``with`` block."""
        before = {name: getattr(self, name, None) for name in settings}
        try:
            for name, value in settings.items():
                setattr(self, name, value)
            yield
        finally:
            for name, value in before.items():
                if name in self.__slots__:
                    setattr(self, name, value)


def _check_threads(value: object) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (whole and value >= 1):  # type: ignore[operator]
        refuse(
            SymgraphError,
            f"config.num_threads cannot be {value!r}",
            remedy="it is a positive int, or None for one thread a core",
        )


def _set_threads(value: int | None) -> None:
    from .codegen.cpu.threads import default_threads, set_num_threads

    try:
        set_num_threads(default_threads() if value is None else value)
    except ValueError as error:
        refuse(
            SymgraphError,
            f"config.num_threads: {error}",
            remedy="give fewer threads, or None for one a core",
        )


config = Config()
