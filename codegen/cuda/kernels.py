"""Kernels as numba has them: each text compiled once in a process.

A kernel that is launched under a condition is *predicated*: it takes a bool on the
device, and returns at once where that is false, so that nobody waits for the bool.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import linecache
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, TypeAlias

from ..ir import Kernel
from ..names import fresh
from ..text import print_kernel
from .choices import Choices, choices
from .geometry import Limits
from .plan import Kind, Plan
from .recent import Recent
from .source import stages
from .stage import RESERVED, Argument, Stage

#: What ``cuda.jit`` gives: ``function[blocks, threads](*arguments)`` launches it.
Dispatcher: TypeAlias = Any
#: A stream of numba's, or 0 for the default stream.
Stream: TypeAlias = Any
#: A kernel with its grid and its stream; called with the arguments, it is launched.
Launcher: TypeAlias = Callable[..., None]
#: The most kernels that are kept.
MOST_KERNELS = 4096


class KernelCache:
    """Kernels by their texts, for all programs that are given this cache.

    For which types and which device a kernel is compiled numba sees to, when it is
    first launched.  Several threads may use it at once.
    """

    def __init__(self, most: int = MOST_KERNELS) -> None:
        self._functions: Recent[Dispatcher] = Recent(most)
        # numba simulates one kernel at a time; and filters of warnings are global.
        self._alone = threading.Lock()

    def __len__(self) -> int:
        return len(self._functions)

    def function(self, cuda: Any, stage: Stage) -> Dispatcher:
        """The function of a stage."""
        key = stage.text, stage.threads
        return self._functions.get(key, lambda: _function(cuda, stage))

    def launcher(
        self, cuda: Any, stage: Stage, blocks: int, stream: Stream = 0
    ) -> Launcher:
        """A stage as what is called with its arguments, for so many blocks."""
        function, cut = self.function(cuda, stage), (blocks, stage.threads, stream)
        if _simulated():
            return functools.partial(self._simulate, function, cut)
        with self._alone, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # how small a grid is
            launcher: Launcher = function[cut]
        return launcher

    def _simulate(self, function: Dispatcher, cut: Any, *args: Any) -> None:
        with self._alone, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what overflows
            function[cut](*args)


@functools.cache
def kernel_cache() -> KernelCache:
    """The process's cache of kernels."""
    return KernelCache()


def _function(cuda: Any, stage: Stage) -> Dispatcher:
    """A stage as what numba launches."""
    digest = hashlib.sha256(stage.text.encode()).hexdigest()[:12]
    path = f"<cuda kernel {stage.name} {digest}>"
    # Where numba and tracebacks look for the lines that they quote.
    lines = stage.text.splitlines(True)
    linecache.cache[path] = len(stage.text), None, lines, path
    names: dict[str, Any] = {"__name__": "symgraph_kernel"}
    exec(compile(stage.text, path, "exec"), names)
    if _simulated():
        return cuda.jit(names[stage.name])
    # Made as `assemble` makes what is reported of it: for blocks of so many threads,
    # and from PTX, which numba-cuda would otherwise make anew while it links.
    return cuda.jit(names[stage.name], launch_bounds=stage.threads, lto=False)


def _simulated() -> bool:
    """Whether numba simulates the device."""
    return bool(import_module("numba.core.config").ENABLE_CUDASIM)


def predicated(stage: Stage) -> Stage:
    """A stage that does nothing where the bool that it takes last is false.

    All threads of a block read the same bool, so that none of them waits for another
    that has returned.
    """
    tree = ast.parse(stage.text)
    function = next(
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == stage.name
    )
    taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    on = fresh("on", taken.union(RESERVED, (a.name for a in stage.arguments)))
    name, first = f"{stage.name}_if", function.body[0]
    documented = ast.get_docstring(function) is not None
    begin = first.end_lineno if documented else first.lineno - 1
    assert begin is not None
    lines = stage.text.splitlines()
    arguments = (*stage.arguments, Argument(on, "bool", "on"))
    text = [
        *lines[: function.lineno - 1],
        f"def {name}({', '.join(a.name for a in arguments)}):",
        *(lines[first.lineno - 1 : begin] if documented else ()),
        f"    if not {on}[0]:",
        "        return",
        *lines[begin:],
    ]
    return replace(stage, name=name, text="\n".join(text) + "\n", arguments=arguments)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A kernel that can be launched: how it is spread over threads, and its stages."""

    plan: Plan
    stages: tuple[Stage, ...]


class Prepares:
    """The kernels of one program as stages; several threads may use it at once."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._choices: dict[str, Choices] = {}
        self._made: dict[tuple[str, int], Prepared] = {}
        self._predicated: dict[tuple[str, int], Prepared] = {}

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """How each kernel is spread over threads."""
        return tuple(made.plan.kind for made in list(self._made.values()))

    def kernel(
        self, kernel: Kernel, sizes: Mapping[str, int], under: bool
    ) -> Iterator[Prepared]:
        """What is launched for a kernel and these sizes, *under* a condition or not."""
        key, limits = print_kernel(kernel), self.limits
        found = self._choices.get(key)
        if found is None:
            made = choices(kernel, limits.threads, limits.warp, limits.row)
            found = self._choices.setdefault(key, made)
        for planned in found.fitting(sizes):
            which = key, found.plans.index(planned)
            yield self._prepared(which, planned, under)

    def _prepared(self, key: tuple[str, int], planned: Plan, under: bool) -> Prepared:
        made = self._made.get(key)
        if made is None:
            made = self._made.setdefault(key, Prepared(planned, stages(planned)))
        if not under:
            return made
        if key not in self._predicated:
            guarded = replace(made, stages=tuple(map(predicated, made.stages)))
            self._predicated.setdefault(key, guarded)
        return self._predicated[key]


__all__ = [
    "KernelCache",
    "Launcher",
    "Prepared",
    "Prepares",
    "Stream",
    "kernel_cache",
    "predicated",
]
