"""The programs of the workloads, of the examples and of the tests' own targets.

They are built as their files build them, with `sg.function` watched; nothing is timed.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import pkgutil
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import workloads

if TYPE_CHECKING:
    from symgraph.function import Function

ROOT = Path(__file__).resolve().parent.parent

#: What is built by the files of `tests/programs/`.
TARGETS = (
    *("training.py:step", "heat.py:both", "large.py:outputs"),
    "running.py:sums",
)


@contextlib.contextmanager
def made() -> Iterator[list[Function]]:
    """The functions that `sg.function` makes meanwhile, in order."""
    import symgraph as sg

    found: list[Any] = []
    make = sg.function

    def function(*args: Any, **kwargs: Any) -> Any:
        found.append(make(*args, **kwargs))
        return found[-1]

    with mock.patch.object(sg, "function", function):
        yield found


def of_workloads() -> Iterator[tuple[str, Function]]:
    """Each workload's functions, which are built and not called."""
    for module in pkgutil.iter_modules(workloads.__path__):
        builders = importlib.import_module(f"workloads.{module.name}").BUILDERS
        with made() as found:
            builders["symgraph"]()
        yield from _named(module.name, found)


def of_examples() -> Iterator[tuple[str, Function]]:
    """The functions that each example makes when it is run."""
    for path in sorted((ROOT / "examples").glob("*.py")):
        with made() as found, contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(str(path), run_name="__main__")
        yield from _named(path.stem, found)


def of_tests() -> Iterator[tuple[str, Function]]:
    """The targets of the tests of commands."""
    from symgraph.target import resolve

    with contextlib.redirect_stdout(sys.stderr):
        for target in TARGETS:
            yield target, resolve(str(ROOT / "tests" / "programs" / target))


def _named(name: str, found: list[Function]) -> Iterator[tuple[str, Function]]:
    for function in found:
        several = len(found) > 1
        yield f"{name}.{function.name}" if several else name, function
